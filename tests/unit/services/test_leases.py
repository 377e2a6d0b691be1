"""What one worker does under a lease is left when the lease is lost, and ends as what was raised says."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest

from backend.errors import DatasetBusy, LimitExceeded, Unavailable
from backend.services.leases import ATTEMPTS, tried, while_ours

pytestmark = pytest.mark.anyio


async def ours() -> bool:
    return True


async def lost() -> bool:
    return False


async def fail(error: Exception) -> None:
    raise error


class Written(list[str]):
    """What is written down of an attempt."""

    async def release(self, *, counts: bool = False, wait: timedelta = timedelta()) -> None:
        self.append(f"released{' as an attempt' * counts}, after {wait.seconds} s")

    async def end(self, error: Exception) -> None:
        self.append(f"ended by {type(error).__name__}")


@pytest.mark.parametrize(
    ("error", "attempts", "written"),
    [
        (DatasetBusy(), ATTEMPTS, "released, after 1 s"),
        (Unavailable(), ATTEMPTS - 1, "released as an attempt, after 1 s"),
        (Unavailable(), ATTEMPTS, "ended by Unavailable"),
        (LimitExceeded(), 1, "ended by LimitExceeded"),
        (KeyError("x"), 1, "ended by KeyError"),
    ],
)
async def test_what_an_attempt_comes_to(error: Exception, attempts: int, written: str) -> None:
    found = Written()
    async with tried(uuid4(), attempts, found.release, found.end):
        await fail(error)
    assert found == [written]


async def test_a_worker_that_ends_gives_it_back() -> None:
    found = Written()
    with pytest.raises(asyncio.CancelledError):
        async with tried(uuid4(), 1, found.release, found.end):
            raise asyncio.CancelledError
    assert found == ["released, after 0 s"]


async def test_work_ends_while_the_lease_is_renewed() -> None:
    done = []

    async def work() -> None:
        await asyncio.sleep(0)
        done.append(True)

    await while_ours(work(), ours, 0)
    assert done


async def test_work_is_left_when_the_lease_is_lost() -> None:
    left = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            left.set()

    await while_ours(work(), lost, 0)
    assert left.is_set()


async def test_what_fails_in_the_work_is_raised() -> None:
    with pytest.raises(LimitExceeded):
        await while_ours(fail(LimitExceeded()), ours, 60)
