"""Loops that go on beside the requests: how they wait for their next turn, and that nothing but their end ends them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog

from backend.errors import AppError

log = structlog.get_logger()
Step = Callable[[], Awaitable[None]]


async def repeated(step: Step, every: float, wake: asyncio.Event | None = None) -> None:
    """Takes the step until it is cancelled, so many seconds after it was done, or sooner where `wake` is set."""
    while True:
        if wake is not None:
            wake.clear()
        await attempt(step)
        await (pause(every) if wake is None else pause_or(wake, every))


@asynccontextmanager
async def beside(step: Step, every: float) -> AsyncIterator[None]:
    """Takes the step while the block runs, each time so many seconds later; none is on its way afterwards."""
    task = asyncio.create_task(_later(step, every))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _later(step: Step, every: float) -> None:
    await pause(every)
    await repeated(step, every)


async def attempt(step: Step) -> None:
    """What fails is in the log, and tried again next time."""
    try:
        await step()
    except AppError as error:
        log.warning("upkeep_failed", step=step.__qualname__, error=str(error))
    except Exception:
        log.exception("unexpected_error", step=step.__qualname__)


async def pause(seconds: float) -> None:
    """Sleeps, or ends the task where it was cancelled and did not notice.

    Python 3.11 loses a cancellation that comes at the same time as what a database driver waits for.
    """
    end_if_cancelled()
    await asyncio.sleep(seconds)


def end_if_cancelled() -> None:
    """Raises CancelledError in a task that was cancelled, though something took no notice of it."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def pause_or(wake: asyncio.Event, seconds: float) -> None:
    """Waits for `wake`, but no longer."""
    end_if_cancelled()
    try:
        await asyncio.wait_for(wake.wait(), seconds)
    except TimeoutError:
        return
