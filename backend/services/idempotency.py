"""Calls with an `Idempotency-Key`: run once, answered as often as they are repeated."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from hashlib import sha256
from uuid import UUID, uuid4

from msgspec import structs

from backend.errors import IdempotencyKeyInUse, IdempotencyKeyReused
from backend.repositories import idempotency
from backend.repositories.database import Database
from backend.repositories.holding import Held, held
from backend.repositories.idempotency import Call, KeptAnswer
from backend.schemas.callers import Caller
from backend.services.leases import noted
from backend.services.pauses import beside

LEASE = timedelta(seconds=30)
"""So long after its last sign of life a call that runs is taken for dead."""
KEEP = timedelta(hours=24)
_RETRY = {"Retry-After": "1"}


class Fingerprint:
    """What tells a request from others: its query string in any order, the type of its body, the body as it passes.

    A form's `boundary`, which clients choose anew each time, is left out wherever it stands.
    """

    def __init__(self, query: bytes, kind: bytes, boundary: bytes) -> None:
        self._whole = sha256()
        for told in (b"&".join(sorted(query.split(b"&"))), kind):
            self._whole.update(sha256(told).digest())
        self._boundary = boundary
        self._piece = sha256()
        self._tail = b""

    def update(self, chunk: bytes) -> None:
        """Takes the next bytes of the body; how it is cut into chunks does not matter."""
        if not self._boundary:
            self._piece.update(chunk)
            return
        *pieces, rest = (self._tail + chunk).split(self._boundary)
        for piece in pieces:
            self._piece.update(piece)
            self._next_piece()
        sure = max(len(rest) - len(self._boundary) + 1, 0)
        self._piece.update(rest[:sure])
        self._tail = rest[sure:]

    def _next_piece(self) -> None:
        self._whole.update(self._piece.digest())
        self._piece = sha256()

    def digest(self) -> bytes:
        """Of all of it; nothing is taken after that."""
        self._piece.update(self._tail)
        self._next_piece()
        return self._whole.digest()


class Attempt:
    """One run of a call, as long as nobody else takes it over. `answered`: what is kept of it.

    `spent`: the call was answered once, and its caller may not do it any more: nothing comes of it but its refusal.
    """

    def __init__(self, database: Database, call: Call, *, lease: timedelta) -> None:
        self.id = uuid4()
        self.call = call
        self.answered = False
        self.spent = False
        self._database = database
        self._lease = lease
        self._held = Held()
        self._renewing = AsyncExitStack()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Within the block writes are held; what is not answered at its end has not happened."""
        token = held.set(self._held)
        await self._renewing.enter_async_context(beside(self._renew, self._lease.total_seconds() / 3))
        try:
            yield
        finally:
            held.reset(token)
            self._held.ended = True
            await self._renewing.aclose()
            if not self.answered:
                await self._held.roll_back()
                await noted(self._database, lambda tx: idempotency.forget(tx, self.call, self.id))

    async def answer(self, told: KeptAnswer) -> None:
        """Commits what is held with what is told of it.

        Raises IdempotencyKeyInUse when another took the call over, IdempotencyKeyReused for one that is spent.
        """
        await self._renewing.aclose()  # a renewal on its way would wait for the row that the answer is written to
        if self.spent:
            text = "This Idempotency-Key was sent with a write to a workspace that is not among yours now,"
            raise IdempotencyKeyReused(f"{text} or that you may not write to; take a new one for each write.")
        told = structs.replace(told, workspace_id=self._held.workspace_id)
        async with self._database.publishing() as tx:
            if not await idempotency.finish(tx, self.call, self.id, told):
                text = "This call stood still for too long and was begun anew; ask again for its answer."
                raise IdempotencyKeyInUse(text, headers=_RETRY)
        await self._held.commit()
        self.answered = True

    async def _renew(self) -> None:
        async with self._database.read() as tx:
            await idempotency.renew(tx, self.call, self.id, self._lease)


class IdempotencyService:
    def __init__(self, database: Database, *, lease: timedelta = LEASE) -> None:
        """`lease`: so long after its last sign of life a running call is another's to run."""
        self._database = database
        self._lease = lease

    async def begin(self, caller: Caller, method: str, path: str, key: str) -> Attempt | KeptAnswer:
        """The right to run a call, or what was answered to it. Raises IdempotencyKeyInUse while it runs."""
        call = Call(caller.user_id, method, path, key)
        attempt = Attempt(self._database, call, lease=self._lease)
        async with self._database.read() as tx:
            if await idempotency.reserve(tx, call, attempt.id, lease=self._lease, keep=KEEP):
                return attempt
            told = await idempotency.find(tx, call)
        if told is None:
            raise IdempotencyKeyInUse(headers=_RETRY)
        attempt.spent = not _may_still(caller, told.workspace_id)
        return attempt if attempt.spent else told

    async def sweep(self) -> None:
        """Forgets the answers that were kept long enough."""
        async with self._database.read() as tx:
            await idempotency.sweep(tx, KEEP)


def _may_still(caller: Caller, workspace_id: UUID | None) -> bool:
    """Whether the caller may do in this workspace what the call does."""
    return workspace_id is None or any(
        scope.id == workspace_id and scope.role in caller.action.roles for scope in caller.workspaces
    )
