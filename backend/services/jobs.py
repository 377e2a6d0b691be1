"""One import, from its request to its answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from uuid import UUID

from msgspec import Struct

from backend.repositories.database import Tx
from backend.schemas.callers import Caller
from backend.schemas.datasets import Head, ImportAnswer, SheetsAnswer
from backend.schemas.imports import ImportRequest
from backend.schemas.plans import Plan, SheetPlans
from backend.services.progress import Progress
from backend.services.rejects import Rejects
from backend.services.uploads import Upload


class Imported(Struct, frozen=True):
    """What came of an import: what its caller is told, and the head of the dataset that it made or changed."""

    answer: ImportAnswer | SheetsAnswer | Plan | SheetPlans
    head: Head | None = None


Settle = Callable[[Tx, ImportAnswer | SheetsAnswer], Awaitable[None]]
"""Writes down, in the transaction that publishes an import, that it is done; an error here undoes all of it."""


@dataclass
class Job:
    """One import: whose, of which file, how far it is; the rows that it leaves out.

    `bounded`: by its workspace's quotas, unlike a file that is kept, which may take the place of what is there.
    """

    id: UUID
    caller: Caller
    upload: Upload
    request: ImportRequest
    progress: Progress
    settle: Settle
    bounded: bool = True
    rejects: Rejects = field(init=False)

    def __post_init__(self) -> None:
        self.rejects = Rejects(self.upload.folder)
