"""What one workspace may hold: a write that goes past it is refused.

Rows and datasets are counted before the write commits. Bytes are looked at before anything is written, by what is sent:
what a refused write has taken of a table is free only later. Writers to different datasets do not wait for one another,
so writes at the same moment may together go past a quota of rows or bytes; the next one is refused. New datasets come
one after the other: their number is exact.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct, structs

from backend.errors import LimitExceeded, QuotaExceeded
from backend.repositories import quotas
from backend.repositories.database import Tx
from backend.schemas.batches import Item
from backend.schemas.callers import WorkspaceScope
from backend.schemas.limits import Quotas, Usage
from backend.schemas.problems import ErrorItem

NO_QUOTAS = Quotas()
_NOTHING = Usage()
_UNITS = {"datasets": "datasets", "rows": "records", "bytes": "bytes"}


class Room(Struct, frozen=True):
    """What the quotas leave to a file that is read. `used`: without it; `freed`: rows whose place it may take."""

    quotas: Quotas = NO_QUOTAS
    used: Usage = _NOTHING
    freed: int = 0

    def check(self, *, datasets: int = 0, rows: int = 0, size: int = 0) -> None:
        """Raises QuotaExceeded where no more than these would be too much;
        `size`: bytes that are sent, at least 1 for what adds or changes records.
        """
        used = self.used
        after = Usage(used.datasets + datasets, used.rows - self.freed + rows, used.bytes + size)
        _refuse(self.quotas, used, after, at_least=" at least")

    def after(self, rows: int) -> Room:
        """The room once a dataset of so many rows is stored."""
        return structs.replace(self, used=Usage(self.used.datasets + 1, self.used.rows + rows, self.used.bytes))


async def room(tx: Tx, scope: WorkspaceScope, limits: Quotas, *, freed: int = 0) -> Room:
    """What is left before a write; without quotas nothing is asked."""
    if limits == NO_QUOTAS:
        return Room()
    return Room(limits, await quotas.used(tx, scope), freed)


async def require(tx: Tx, scope: WorkspaceScope, limits: Quotas, items: Iterable[Item] = (), *, rows: int = 0) -> None:
    """Before the values of `items` are written, or others that were not sent. Raises QuotaExceeded."""
    if limits != NO_QUOTAS:
        sent = sum(len(name) + len(memoryview(value)) for item in items for name, value in item.items())
        (await room(tx, scope, limits)).check(rows=rows, size=max(sent, 1))


async def check(tx: Tx, scope: WorkspaceScope, limits: Quotas, more: Usage) -> None:
    """After all that a transaction writes to a dataset, which is so much more of what is counted exactly.

    Raises QuotaExceeded where the workspace has grown past a quota.
    """
    if limits != NO_QUOTAS:
        now = await quotas.used(tx, scope)
        was = Usage(now.datasets - more.datasets, now.rows - more.rows, now.bytes - more.bytes)
        _refuse(limits, was, now)


def check_rows(rows: int, most: int) -> None:
    """Raises LimitExceeded where one dataset would have more than `most`."""
    if rows > most:
        raise LimitExceeded(f"The dataset would have {rows:,} records; SHEAF_MAX_ROWS is {most:,}.")


def _refuse(limits: Quotas, used: Usage, after: Usage, *, at_least: str = "") -> None:
    """Raises QuotaExceeded for the first quota that is passed by what has grown."""
    for name, unit in _UNITS.items():
        quota, was, now = (getattr(each, name) for each in (limits, used, after))
        if quota and now > max(quota, was):
            code = f"WORKSPACE_{name.upper()}"
            told = f"SHEAF_{code} is {quota:,}, {was:,} are used"
            text = f"The workspace would have{at_least} {now:,} {unit}; {told}. Nothing was stored."
            raise QuotaExceeded(text, errors=[ErrorItem(text, code=code)])
