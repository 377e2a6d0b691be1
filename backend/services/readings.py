"""One query over a dataset at a version: what a page is made of, and what it is kept by."""

from __future__ import annotations

from hashlib import blake2b
from typing import Literal

import msgspec
from msgspec import Struct

from backend.errors import InvalidQuery
from backend.query.cursor import Cursor
from backend.query.nodes import Query
from backend.repositories.current import Found
from backend.repositories.selections import Page, Selection
from backend.schemas.datasets import Snapshot
from backend.schemas.records import RecordCount
from backend.services.records import means_one

BOUNDED = 10_000
"""Where `count=bounded` stops counting."""
_FEW_CELLS = 5_000
"""What PostgreSQL writes in a few milliseconds."""
FEW_ROWS = 5_000
"""What PostgreSQL searches in a few milliseconds."""

TotalIs = Literal["at_least"] | None
Total = tuple[int | None, TotalIs]
_encoder = msgspec.msgpack.Encoder(uuid_format="bytes")


class Reading(Struct, frozen=True):
    """One query over a dataset at a version, ready to run; `place`: where the page before it ended.

    `newest`: at the newest version, as far as is known.
    """

    query: Query
    chosen: Selection
    place: Cursor | None
    newest: bool

    @property
    def snapshot(self) -> Snapshot:
        return self.chosen.snapshot

    @property
    def etag(self) -> str:
        at = "" if self.place is None else f".{self.place.last}"
        return f'W/"{self.snapshot.token}.{self.chosen.fingerprint.hex()}{at}"'

    @property
    def light(self) -> bool:
        """Whether the page is made in less time than it takes to look whether somebody else has made it."""
        query, snapshot = self.query, self.snapshot
        searched = not self.chosen.unfiltered or query.sort or (query.offset and not self.newest)
        few = query.page_size * len(self.chosen.compiled.columns) <= _FEW_CELLS
        return few and (not searched or snapshot.rows <= FEW_ROWS)

    def found(self, ref: str) -> Found:
        """What has to hold still for an answer that was made before."""
        newest = self.place is None and self.query.version is None
        return Found(self.chosen.scope, self.snapshot, ref, newest)


def lasts(query: Query, place: Cursor | None) -> bool:
    """Whether what the request says of its version may be remembered."""
    return place is not None or means_one(query.version, query.as_of)


def key(kind: bytes, reading: Reading, fold: str) -> bytes:
    """The same for all that get the same answer. `next` repeats how a query says its version, so that counts, too."""
    query, place, snapshot = reading.query, reading.place, reading.snapshot
    said = (snapshot.dataset_id, snapshot.token, fold)
    if kind == b"page":
        at = None if place is None else (place.last, place.total, place.total_is)
        parts: object = (said, reading.chosen.fingerprint, query.version, query.as_of, at)
    else:
        parts = (said, reading.chosen.matching)
    return kind + b":" + blake2b(_encoder.encode(parts), digest_size=24).hexdigest().encode()


def known_total(reading: Reading, page: Page) -> Total | None:
    """How many records match all pages, where that need not be counted."""
    query, place = reading.query, reading.place
    if query.count == "none":
        return None, None
    if place is not None and place.total is not None:
        return place.total, place.total_is
    if page.last is None and place is None and (page.count or query.offset == 0):
        return query.offset + page.count, None
    if reading.chosen.unfiltered:
        return reading.snapshot.rows, None
    return None


def check_countable(query: Query) -> None:
    """Raises InvalidQuery for what means nothing to a count: it has no pages, no order and no columns."""
    given = query.given if query.cursor is None else query.given | {"cursor"}
    if unused := given & {"cursor", "limit", "offset", "select", "sort"}:
        raise InvalidQuery(f"A count has no pages, order or columns; leave `{min(unused)}` out.")
    if query.count == "none":
        raise InvalidQuery("With count=none there would be nothing to answer; a count is exact or bounded.")


def record_count(reading: Reading, counted: int, most: int | None) -> RecordCount:
    """`most`: where counting stops; how many records a version has is known without."""
    total, total_is = counted_to(counted, None if reading.chosen.unfiltered else most)
    return RecordCount(total, reading.snapshot.version, total_is)


def counted_to(counted: int, most: int | None) -> tuple[int, TotalIs]:
    return counted, "at_least" if counted == most else None


def following(reading: Reading, last: int, total: Total) -> Cursor:
    """Where the next page begins."""
    snapshot, query = reading.snapshot, reading.query
    said = snapshot.dataset_id, snapshot.version, snapshot.token
    return Cursor(*said, last, reading.chosen.fingerprint, query, *total)
