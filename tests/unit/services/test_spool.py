"""The pump between a producing thread and an asynchronous reader."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from pathlib import Path
from uuid import UUID

import pytest

from backend.errors import TooManyRequests, Unavailable
from backend.services.overflow import Disk
from backend.services.spool import DISK, MEMORY, Spool, SpoolClosed, Streams

pytestmark = pytest.mark.anyio


def chunks_of(*sizes: int) -> list[bytes]:
    return [bytes([number % 251]) * size for number, size in enumerate(sizes)]


def putting(chunks: list[bytes], ended: threading.Event | None = None) -> Callable[[Spool], None]:
    def produce(spool: Spool) -> None:
        try:
            for chunk in chunks:
                spool.put(chunk)
        finally:
            if ended is not None:
                ended.set()

    return produce


def stream(
    produce: Callable[[Spool], None], folder: Path, *, memory: int = MEMORY, disk: int = DISK
) -> AsyncGenerator[bytes]:
    return Spool(folder, Disk(disk), memory=memory).begin(produce).read()


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def open_files(folder: Path) -> int:
    """How many files of this folder the process holds open, unlinked ones included."""
    links = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            links.append(descriptor.readlink())
    return sum(folder in link.parents for link in links)


@pytest.mark.parametrize("memory", [1, 3000, 1 << 20])
async def test_all_bytes_come_in_order(tmp_path: Path, memory: int) -> None:
    chunks = chunks_of(*range(0, 4000, 13))
    got = [chunk async for chunk in stream(putting(chunks), tmp_path, memory=memory)]
    assert b"".join(got) == b"".join(chunks)
    assert all(got)


async def test_nothing_at_all(tmp_path: Path) -> None:
    assert [chunk async for chunk in stream(putting([]), tmp_path)] == []


async def test_the_producer_ends_before_a_slow_reader_has_read(tmp_path: Path) -> None:
    ended = threading.Event()
    chunks = chunks_of(*[100_000] * 60)
    reader = stream(putting(chunks, ended), tmp_path, memory=1 << 20)
    first = await anext(reader)
    await asyncio.to_thread(ended.wait)
    assert first + b"".join([chunk async for chunk in reader]) == b"".join(chunks)


async def test_the_first_bytes_come_while_the_producer_goes_on(tmp_path: Path) -> None:
    go_on = threading.Event()

    def produce(spool: Spool) -> None:
        spool.put(b"first")
        go_on.wait()
        spool.put(b"last")

    reader = stream(produce, tmp_path)
    assert await anext(reader) == b"first"
    go_on.set()
    assert [chunk async for chunk in reader] == [b"last"]


async def test_a_full_file_makes_the_producer_wait(tmp_path: Path) -> None:
    put: list[int] = []
    full = threading.Event()
    chunks = chunks_of(*[1000] * 20)

    def produce(spool: Spool) -> None:
        for number, chunk in enumerate(chunks):
            if number == 6:
                full.set()
            spool.put(chunk)
            put.append(number)

    reader = stream(produce, tmp_path, memory=2000, disk=4000)
    got = await anext(reader)
    await asyncio.to_thread(full.wait)
    assert len(put) <= 8
    got += b"".join([chunk async for chunk in reader])
    assert got == b"".join(chunks)


async def test_all_spools_share_the_disk_and_each_reader_goes_on(tmp_path: Path) -> None:
    """One that is not read fills the disk; others get all that is theirs, and more room once it is read."""
    disk, chunks, ended = Disk(50_000), chunks_of(*[1000] * 100), [threading.Event() for _ in range(4)]
    slow = Spool(tmp_path, disk, memory=1).begin(putting(chunks[:50], ended[0])).read()
    slow_got = await anext(slow)
    await asyncio.to_thread(ended[0].wait)
    quick, gone = (Spool(tmp_path, disk, memory=1).begin(putting(chunks, each)).read() for each in ended[1:3])
    assert await anext(gone)
    await gone.aclose()
    assert await asyncio.to_thread(ended[2].wait, 10)
    assert b"".join([chunk async for chunk in quick]) == b"".join(chunks)
    assert slow_got + b"".join([chunk async for chunk in slow]) == b"".join(chunks[:50])
    late = Spool(tmp_path, disk, memory=1).begin(putting(chunks[:40], ended[3])).read()
    await anext(late)
    assert await asyncio.to_thread(ended[3].wait, 10)
    await late.aclose()


async def test_what_the_producer_raises_breaks_the_transfer(tmp_path: Path) -> None:
    def produce(spool: Spool) -> None:
        spool.put(b"x")
        msg = "the disk of the database is full"
        raise OSError(msg)

    with pytest.raises(OSError, match="the disk of the database"):
        b"".join([chunk async for chunk in stream(produce, tmp_path)])


async def test_a_reader_that_leaves_stops_the_producer(tmp_path: Path) -> None:
    stopped = threading.Event()

    def produce(spool: Spool) -> None:
        try:
            while True:
                spool.put(b"x" * 1000)
        except SpoolClosed:
            stopped.set()
            raise

    reader = stream(produce, tmp_path, memory=10_000, disk=10_000)
    await anext(reader)
    await reader.aclose()
    assert await asyncio.to_thread(stopped.wait, 10)


async def test_a_cancelled_reader_interrupts_a_wait(tmp_path: Path) -> None:
    waiting, interrupted, ended = threading.Event(), threading.Event(), threading.Event()

    def produce(spool: Spool) -> None:
        with spool.interruptible(interrupted.set):
            waiting.set()
            interrupted.wait()
        ended.set()

    async def read() -> None:
        async for _ in stream(produce, tmp_path):
            pytest.fail("nothing was put")

    task = asyncio.create_task(read())
    await asyncio.to_thread(waiting.wait)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(ended.wait, 10)


async def test_an_interruptible_block_does_not_begin_without_a_reader(tmp_path: Path) -> None:
    begun, left, refused = threading.Event(), threading.Event(), threading.Event()

    def produce(spool: Spool) -> None:
        spool.put(b"x")
        begun.set()
        left.wait()
        try:
            with spool.interruptible(lambda: None):
                pass
        except SpoolClosed:
            refused.set()

    reader = stream(produce, tmp_path)
    await anext(reader)
    await reader.aclose()
    left.set()
    assert await asyncio.to_thread(refused.wait, 10)


async def test_the_overflow_leaves_no_file_and_no_descriptor(tmp_path: Path) -> None:
    ended = threading.Event()
    reader = stream(putting(chunks_of(*[1000] * 50), ended), tmp_path, memory=1)
    await anext(reader)
    await asyncio.to_thread(ended.wait)
    assert names_in(tmp_path) == []
    assert open_files(tmp_path) == 1
    await reader.aclose()
    for thread in threading.enumerate():
        if thread.name.startswith("spool"):
            await asyncio.to_thread(thread.join, 10)
    assert open_files(tmp_path) == 0


async def test_a_folder_that_cannot_be_written_breaks_the_transfer(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        b"".join([chunk async for chunk in stream(putting(chunks_of(9, 9, 9)), tmp_path / "none", memory=1)])


class TestStreams:
    async def test_what_is_made_takes_no_place_however_slowly_it_is_read(self, tmp_path: Path) -> None:
        streams = Streams(tmp_path, concurrency=1, wait=600)
        open_ones = [await streams.start(putting(chunks_of(*[100_000] * 20))) for _ in range(8)]
        with pytest.raises(Unavailable) as refused:
            await streams.start(putting([b"a"]))
        assert refused.value.headers == {"Retry-After": "10"}
        assert [len(b"".join([chunk async for chunk in each])) for each in open_ones] == [2_000_000] * 8
        assert [chunk async for chunk in await streams.start(putting([b"a"]))] == [b"a"]

    async def test_who_gets_no_place_in_time_is_told_so(self, tmp_path: Path) -> None:
        streams, go_on = Streams(tmp_path, concurrency=1, wait=0.05), threading.Event()

        def produce(spool: Spool) -> None:
            spool.put(b"first")
            go_on.wait()

        first = await streams.start(produce)
        with pytest.raises(Unavailable):
            await streams.start(putting([b"a"]))
        go_on.set()
        assert [chunk async for chunk in first] == [b"first"]
        assert [chunk async for chunk in await streams.start(putting([b"a"]))] == [b"a"]

    async def test_a_reader_who_goes_away_leaves_the_place(self, tmp_path: Path) -> None:
        streams = Streams(tmp_path, concurrency=1, wait=600)
        for _ in range(6):
            await (await streams.start(putting(chunks_of(*[100_000] * 200)))).aclose()
        assert [chunk async for chunk in await streams.start(putting([b"a"]))] == [b"a"]

    async def test_without_a_thread_no_place_is_taken(self, tmp_path: Path) -> None:
        streams = Streams(tmp_path, concurrency=1, wait=600)
        usual = threading.stack_size(2**47)  # more than there are addresses
        try:
            for _ in range(2):
                with pytest.raises(Unavailable):
                    await streams.start(putting([b"a"]))
        finally:
            threading.stack_size(usual)
        assert [chunk async for chunk in await streams.start(putting([b"a"]))] == [b"a"]

    async def test_a_failure_leaves_the_place(self, tmp_path: Path) -> None:
        def produce(_spool: Spool) -> None:
            raise ValueError

        streams = Streams(tmp_path, concurrency=1, wait=600)
        for _ in range(6):
            with pytest.raises(ValueError, match=r"^$"):
                await streams.start(produce)

    async def test_users_take_turns_where_there_is_one_place(self, tmp_path: Path) -> None:
        streams, go_on, begun = Streams(tmp_path, concurrency=1, wait=600), threading.Event(), list[int]()

        async def ask(user: int) -> None:
            def produce(spool: Spool) -> None:
                begun.append(user)
                spool.put(b"a")
                go_on.wait()

            assert [chunk async for chunk in await streams.start(produce, UUID(int=user))] == [b"a"]

        tasks = [asyncio.create_task(ask(user)) for user in (1, 1, 1, 2)]
        await asyncio.sleep(0)  # until all have asked
        go_on.set()
        await asyncio.gather(*tasks)
        assert begun == [1, 2, 1, 1]

    async def test_a_user_has_half_of_the_open_ones_and_of_the_places(self, tmp_path: Path) -> None:
        streams, go_on = Streams(tmp_path, concurrency=2, wait=0.05), threading.Event()

        def produce(spool: Spool) -> None:
            spool.put(b"first")
            go_on.wait()

        greedy, other = UUID(int=1), UUID(int=2)
        making = await streams.start(produce, greedy)
        with pytest.raises(Unavailable):
            await streams.start(putting([b"a"]), greedy)
        assert [chunk async for chunk in await streams.start(putting([b"a"]), other)] == [b"a"]
        go_on.set()
        assert [chunk async for chunk in making] == [b"first"]
        many = putting(chunks_of(*[100_000] * 20))
        open_ones = [await streams.start(many, greedy) for _ in range(8)]
        with pytest.raises(TooManyRequests) as refused:
            await streams.start(putting([b"a"]), greedy)
        assert refused.value.headers == {"Retry-After": "10"}
        open_ones += [await streams.start(many, user) for user in (*[other] * 6, None, None)]
        with pytest.raises(Unavailable):
            await streams.start(putting([b"a"]), UUID(int=3))
        for each in open_ones:
            await anext(each)
            await each.aclose()
        assert [chunk async for chunk in await streams.start(putting([b"a"]), greedy)] == [b"a"]
