"""Between a thread that makes bytes and a client that takes them: the thread goes at its own speed."""

import asyncio
import threading
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from contextvars import copy_context
from pathlib import Path
from uuid import UUID

from msgspec import Struct

from backend.errors import LimitExceeded, TooManyRequests, Unavailable
from backend.services.overflow import TAKE, Disk, Overflow

MEMORY = 8 << 20
DISK = 16 << 30
PATIENCE = 10
"""A first byte may take so many times as long as a page."""
_OPEN = 8
"""Streams that may be open for each that may be made."""
_FULL = "As many files and streams are on their way as this server sends at a time; try again in a moment."
_SIMPLER = "filter or sort by fewer or simpler conditions, or let an export be prepared: prepare=true."
_YOURS = (
    "{} files and streams are on their way to you, as many as this server sends to one user at a time; read one of them"
    " to its end, or try again in a moment."
)


class SpoolClosed(Exception):
    """Nobody reads any more: stop producing."""


class Lines(Struct, frozen=True):
    """A version as lines of JSON, which `begin` makes; everything is checked before the first is out.

    `before`: the version that it is compared with, if so. `begin` raises LimitExceeded where the first takes too long.
    """

    version: int
    etag: str
    begin: Callable[[], Awaitable[AsyncIterator[bytes]]]
    before: int | None = None


class Streams:
    """The streams of one process, of which so many are made at a time; further ones wait for their turn.

    What is made, and waits for slow readers, takes no place, but memory and disk: so many are open for each place. One
    user has at most half of all.
    """

    def __init__(self, folder: Path, *, concurrency: int, wait: float = 10, page: float = 30, disk: int = DISK) -> None:
        """`wait`: seconds for which a stream waits for its turn; `page`: those that a page may take; `disk`: the bytes
        that wait for readers there.
        """
        self._folder = folder
        self._disk = Disk(disk)
        self._places = asyncio.Semaphore(concurrency)
        self._wait = wait
        self._page = page
        self._concurrency = concurrency
        self._open = 0
        self._shares: dict[UUID | None, _Share] = {}

    @asynccontextmanager
    async def in_time(self, advice: str = _SIMPLER) -> AsyncIterator[None]:
        """Around all that is done until a first byte is there: what then still runs is cancelled.

        Raises LimitExceeded, with the `advice`.
        """
        try:
            async with asyncio.timeout(PATIENCE * self._page) as timer:
                yield
        except TimeoutError as error:
            if not timer.expired():
                raise
            raise LimitExceeded(
                f"Nothing was found to send within {PATIENCE} times SHEAF_STATEMENT_SECONDS, {PATIENCE * self._page:g}"
                f" seconds; {advice}"
            ) from error

    async def start(self, produce: Callable[["Spool"], None], user: UUID | None = None) -> AsyncGenerator[bytes]:
        """What `produce` puts into a spool, once its first chunk is there: what fails before that is raised here.

        `user`: for whom it is; None: the service itself. Raises Unavailable where there is no place in time, and
        TooManyRequests where the user has too many.
        """
        chunks = self._in_turn(produce, user)
        first = await anext(chunks, b"")

        async def all_chunks() -> AsyncGenerator[bytes]:
            async with aclosing(chunks):
                yield first
                async for chunk in chunks:
                    yield chunk

        return all_chunks()

    async def _in_turn(self, produce: Callable[["Spool"], None], user: UUID | None) -> AsyncGenerator[bytes]:
        with self._counted(user) as share:
            async with aclosing((await self._begun(produce, share)).read()) as chunks:
                async for chunk in chunks:
                    yield chunk

    @contextmanager
    def _counted(self, user: UUID | None) -> Iterator["_Share"]:
        """One more that is open, of all and of the user's. Raises Unavailable, TooManyRequests."""
        share = self._shares.get(user) or _Share(self._concurrency if user is None else max(1, self._concurrency // 2))
        if share.open >= _OPEN * self._concurrency // 2:
            raise TooManyRequests(_YOURS.format(share.open), headers={"Retry-After": "10"})
        if self._open >= _OPEN * self._concurrency:
            raise Unavailable(_FULL, headers={"Retry-After": "10"})
        if user is not None:
            self._shares[user] = share
        self._open += 1
        share.open += 1
        try:
            yield share
        finally:
            self._open -= 1
            share.open -= 1
            if not share.open:
                self._shares.pop(user, None)

    async def _begun(self, produce: Callable[["Spool"], None], share: "_Share") -> "Spool":
        """What `produce` fills, which has a place until it has ended. Raises Unavailable."""
        try:
            async with asyncio.timeout(self._wait):
                await self._take_place(share)
        except TimeoutError:
            raise Unavailable(_FULL, headers={"Retry-After": "10"}) from None
        loop = asyncio.get_running_loop()

        def placed(spool: Spool) -> None:
            try:
                produce(spool)
            finally:
                with suppress(RuntimeError):  # the loop has ended
                    loop.call_soon_threadsafe(self._leave_place, share)

        try:
            return Spool(self._folder, self._disk).begin(placed)
        except RuntimeError as error:
            self._leave_place(share)
            raise Unavailable(_FULL, headers={"Retry-After": "10"}) from error

    async def _take_place(self, share: "_Share") -> None:
        """The user's first, so that who has to wait for that one keeps none from others."""
        await share.places.acquire()
        try:
            await self._places.acquire()
        except BaseException:
            share.places.release()
            raise

    def _leave_place(self, share: "_Share") -> None:
        self._places.release()
        share.places.release()


class _Share:
    """What one user has: streams that are `open`, and `places` for those that are being made."""

    def __init__(self, places: int) -> None:
        self.open = 0
        self.places = asyncio.Semaphore(places)


class Spool:
    """Bytes in order, from one thread to one event loop.

    About `memory` bytes wait in memory, what comes after them in an unlinked file in `folder`. The producer waits only
    while the `disk` is full.
    """

    def __init__(self, folder: Path, disk: Disk, *, memory: int = MEMORY) -> None:
        self._folder, self._memory, self._disk = folder, memory, disk
        self._loop = asyncio.get_running_loop()
        self._filled = asyncio.Event()
        self._changing = threading.Lock()
        self._interrupting = threading.Lock()
        self._interrupt: Callable[[], object] | None = None
        self._chunks: deque[bytes] = deque()
        self._held = 0
        self._overflow: Overflow | None = None
        self._closed = self._done = False
        self._error: BaseException | None = None

    def begin(self, produce: Callable[["Spool"], None]) -> "Spool":
        """Let `produce` fill it from a thread of its own. Raises RuntimeError where no thread is to be had."""
        threading.Thread(target=copy_context().run, args=(self.run, produce), name="spool", daemon=True).start()
        return self

    async def read(self) -> AsyncGenerator[bytes]:
        """What is put into it, in chunks of up to about 1 MB.

        The producer ends at its own speed however slow the reader is, and promptly when the reader goes away
        (`aclose`, or a cancelled task). What it raises is raised here, at once: bytes still waiting are dropped.
        """
        try:
            while chunk := await self.get():
                yield chunk
        finally:
            self.close()

    def put(self, chunk: bytes) -> None:
        """Add bytes, from the producer's thread. Raises `SpoolClosed` when the reader has gone away."""
        with self._changing:
            if self._closed:
                raise SpoolClosed
            if self._overflow is None and self._held >= self._memory:
                self._overflow = Overflow(self._folder, self._disk)
            overflow = self._overflow
            if overflow is None:
                self._chunks.append(chunk)
                self._held += len(chunk)
        if overflow is not None and not overflow.append(chunk):
            raise SpoolClosed
        self._wake()

    @contextmanager
    def interruptible(self, interrupt: Callable[[], object]) -> Iterator[None]:
        """Around work that may wait long between two `put`s: `interrupt` is called when the reader goes away.

        It comes from another thread, at most once and never after the end of the block. Raises `SpoolClosed` at the
        beginning when the reader has already gone.
        """
        with self._interrupting:
            if self._closed:
                raise SpoolClosed
            self._interrupt = interrupt
        try:
            yield
        finally:
            with self._interrupting:
                self._interrupt = None

    def run(self, produce: Callable[["Spool"], None]) -> None:
        """Let `produce` fill the spool, and keep what it raises for the reader."""
        try:
            produce(self)
        except BaseException as error:
            self._error = error
        self._done = True
        self._wake()

    async def get(self) -> bytes:
        """The next bytes, up to about 1 MB; empty at the end. Raises what the producer raised."""
        while True:
            self._filled.clear()
            done = self._done
            if self._error is not None:
                raise self._error
            if taken := self._take():
                return taken
            if self._overflow is not None and (taken := await asyncio.to_thread(self._overflow.take)):
                return taken
            if done:
                return b""
            await self._filled.wait()

    def close(self) -> None:
        """Nobody reads any more: let the producer end, and forget what waits."""
        with self._changing:
            self._closed = True
            self._chunks.clear()
        if self._overflow is not None or not self._done:
            threading.Thread(target=self._abandon, name="spool-end", daemon=True).start()

    def _take(self) -> bytes:
        taken = []
        size = 0
        with self._changing:
            while self._chunks and size < TAKE:
                taken.append(self._chunks.popleft())
                size += len(taken[-1])
            self._held -= size
        return b"".join(taken)

    def _wake(self) -> None:
        with suppress(RuntimeError):  # the loop has ended, and with it the reader
            self._loop.call_soon_threadsafe(self._filled.set)

    def _abandon(self) -> None:
        with self._interrupting:
            if self._interrupt is not None:
                self._interrupt()
        if self._overflow is not None:
            self._overflow.close()
