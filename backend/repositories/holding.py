"""A write that is committed together with the answer that tells of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from contextvars import ContextVar
from typing import TYPE_CHECKING
from uuid import UUID

from psycopg import Rollback

if TYPE_CHECKING:
    from backend.repositories.database import Tx


class Held:
    """The transaction of a request's write, open until the answer is known.

    `tx` is None where nothing is held. Once `ended`, whatever the request has left running writes for itself.
    `workspace_id`: where it writes; None as long as that is not known, or where it is in no workspace.
    """

    def __init__(self) -> None:
        self.tx: Tx | None = None
        self.workspace_id: UUID | None = None
        self.ended = False
        self.then: list[Callable[[], Awaitable[None] | None]] = []
        self._stack = AsyncExitStack()

    def hold(self, tx: Tx, stack: AsyncExitStack) -> None:
        """Keeps the transaction open that ends with `stack`."""
        self.tx = tx
        self._stack = stack

    async def commit(self) -> None:
        """Commits what is held, and calls, or awaits, what waits for it."""
        self.tx = None
        await self._stack.aclose()
        for call in self.then:
            if (called := call()) is not None:
                await called

    async def roll_back(self) -> None:
        """Undoes what is held, if there is anything."""
        self.tx = None
        self.then.clear()
        await self._stack.__aexit__(Rollback, Rollback(), None)


held: ContextVar[Held | None] = ContextVar("held", default=None)
"""Set where the write of a request is to be committed with the request's answer."""


def writes_to(workspace_id: UUID) -> None:
    """The request writes to this workspace: its answer is told again only to who still may do that there."""
    if (waiting := held.get()) is not None:
        waiting.workspace_id = workspace_id
