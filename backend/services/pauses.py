"""How loops that go on beside the requests wait for their next turn."""

import asyncio


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
