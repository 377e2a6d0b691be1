"""Indexes that come from use: requests say what would have served them, one worker at a time builds it beside them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID, uuid4

import structlog
from msgspec import Struct

from backend.metrics import INDEXES
from backend.query.indexing import Access
from backend.repositories import indexes
from backend.repositories.database import Database, Tx
from backend.repositories.in_the_way import in_the_way
from backend.repositories.indexes import Index, Use
from backend.repositories.selections import Selection
from backend.schemas.datasets import Store
from backend.services.leases import while_ours
from backend.services.pauses import repeated

log = structlog.get_logger()
ENOUGH = 2
"""An index is built once it was asked for so many times."""
MOST = 10
"""So many a dataset has at most: each makes every write dearer."""
LEASE = timedelta(seconds=10)
_BEAT = 2.0
_EVERY = 2.0
INDEX_CONNECTIONS = 3
"""Of its own, at most: to build an index, meanwhile to drop another for its room, and one that is in the way."""
_MOST_HELD = 1_000
"""Different uses that are held until they are written down; more are forgotten."""
_LONGEST = 8_000
"""Characters of the keys of what is worth an index."""
_RESTED = timedelta(hours=1)
"""An index that was used since is not dropped for another one."""
_AGAIN = timedelta(seconds=30)
_ATTEMPTS = 5
_NO_TRIGRAMS = "the database has no pg_trgm"
TOO_LONG = "a value is too long for an index"
NO_ROOM = "the dataset's indexes have no room for another one"


class IndexLimits(Struct, frozen=True):
    """From how many records on a dataset gets indexes, how long they stay unused, how much of its table they take."""

    rows: int = 50_000
    days: int = 30
    budget: float = 2.0


class IndexService:
    """Notes in this process what queries ask for, and takes part in building it."""

    def __init__(self, database: Database, limits: IndexLimits) -> None:
        self._database = database
        self.limits = limits
        self._worker = uuid4()
        self._noted: dict[tuple[UUID, Store, Access], int] = {}

    def note(self, chosen: Selection, *, newest: bool) -> None:
        """The indexes that would have served this; those who read an older version have none."""
        if not newest or chosen.snapshot.rows < self.limits.rows:
            return
        for access in chosen.accesses:
            key = (chosen.scope.id, chosen.snapshot.store, access)
            if key in self._noted or len(self._noted) < _MOST_HELD:
                self._noted[key] = self._noted.get(key, 0) + 1

    async def work(self) -> None:
        """Builds and drops, until it is cancelled; what was noted is written down meanwhile."""
        await asyncio.gather(repeated(self.flush, _EVERY), repeated(self.tend, _EVERY))

    async def flush(self) -> None:
        """Writes down what was noted; what cannot be written is lost. Removes what was in the way of a write."""
        while in_the_way:
            await self._give_way(*in_the_way.pop())
        noted, self._noted = self._noted, {}
        uses = [Use(*key, times) for key, times in noted.items() if key[2].length <= _LONGEST]
        if uses:
            async with self._database.transaction() as tx:
                await indexes.note(tx, uses, datetime.now(UTC))

    async def tend(self) -> None:
        """Drops what is long unused and builds what is asked for, one after the other, until nothing is left to do."""
        async with self._database.read() as tx:
            unused = await indexes.list_unused(tx, datetime.now(UTC) - timedelta(days=self.limits.days))
        for index in unused:
            await self._drop(index)
        while (claimed := await self._claim()) is not None:
            await while_ours(self._take_on(claimed), partial(self._renew, claimed), _BEAT)

    async def _claim(self) -> Index | None:
        async with self._database.transaction() as tx:
            return await indexes.claim(tx, self._worker, LEASE, enough=ENOUGH)

    async def _renew(self, index: Index) -> bool:
        """False where another worker may be at it, or the records are elsewhere."""
        async with self._database.read() as tx:
            return await indexes.renew(tx, index, self._worker, LEASE)

    async def _take_on(self, index: Index) -> None:
        try:
            async with self._database.own() as tx:
                with indexes.attempting(index):
                    await self._build(tx, index)
        except indexes.TableGone:
            await self._forget(index)
        except indexes.NotIndexable:
            await self._refuse(index, TOO_LONG)
        except indexes.NotBuilt:
            if index.attempts >= _ATTEMPTS:
                await self._refuse(index, "it could not be built")
            else:
                await self._settle(index, "noted", wait=_AGAIN)

    async def _build(self, tx: Tx, index: Index) -> None:
        there = await indexes.is_there(tx, index)
        if there is False and await indexes.is_being_built(tx, index):
            await self._settle(index, "noted", wait=LEASE)
            return
        if there is False:
            await indexes.drop(tx, index)
        if not there:
            if not await self._make_room(tx, index, index.bytes):
                await self._settle(index, "noted", problem=NO_ROOM, size=index.bytes, wait=_RESTED)
                return
            trigrams = await indexes.find_trigrams(tx) if index.form == "trigram" else None
            if index.form == "trigram" and trigrams is None:
                await self._settle(index, "noted", problem=_NO_TRIGRAMS, wait=timedelta(days=1))
                return
            await indexes.build(tx, index, trigrams=trigrams)
        size = await indexes.index_bytes(tx, index)
        if not await self._make_room(tx, index, size):
            await indexes.drop(tx, index)
            await self._settle(index, "noted", problem=NO_ROOM, size=size, wait=_RESTED)
            return
        await indexes.measure(tx, index)
        await self._settle(index, "ready", size=size)
        log.info("index_built", store=str(index.store), form=index.form, bytes=size)

    async def _make_room(self, tx: Tx, index: Index, size: int = 0) -> bool:
        """Whether it may be there with so many bytes; others that were not used for a while make room."""
        records = await indexes.table_bytes(tx, index)
        if records is None:
            return True
        budget = records * self.limits.budget
        others = [
            each
            for each in await indexes.list_of(tx, index.store)
            if each.state == "ready" and each.digest != index.digest
        ]
        rested = await indexes.used_before(tx, index.store, datetime.now(UTC) - _RESTED)
        for each in rested:
            if len(others) < MOST and size + sum(other.bytes for other in others) < budget:
                break
            await self._drop(each)
            others = [other for other in others if other.digest != each.digest]
        return len(others) < MOST and size + sum(other.bytes for other in others) < budget

    async def _refuse(self, index: Index, problem: str) -> None:
        async with self._database.own() as tx:
            await indexes.drop(tx, index)
        await self._settle(index, "refused", problem=problem)

    async def _give_way(self, store: Store, digest: str) -> None:
        async with self._database.read() as tx:
            found = [each for each in await indexes.list_of(tx, store) if each.digest == digest]
            for index in found:
                await indexes.refuse(tx, index, TOO_LONG)
        for index in found:
            async with self._database.own() as tx:
                await indexes.drop(tx, index)

    async def _drop(self, index: Index) -> None:
        """Takes it away for good; asked for again, it comes back."""
        try:
            async with self._database.own() as tx:
                with indexes.attempting(index):
                    await indexes.drop(tx, index)
        except indexes.NotBuilt:
            return
        except indexes.TableGone:
            pass
        await self._forget(index)

    async def _forget(self, index: Index) -> None:
        async with self._database.read() as tx:
            await indexes.forget(tx, index)

    async def _settle(
        self, index: Index, state: str, *, problem: str | None = None, size: int = 0, wait: timedelta | None = None
    ) -> None:
        async with self._database.read() as tx:
            await indexes.settle(tx, index, self._worker, state, problem=problem, size=size, wait=wait)
        INDEXES.labels({"ready": "built", "noted": "postponed"}.get(state, state)).inc()
