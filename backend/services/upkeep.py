"""What nobody waits for, once an hour."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any

from backend.services.pauses import Step, attempt, repeated

Work = Callable[[], Coroutine[Any, Any, None]]
_EVERY = 3600.0
"""Seconds."""


def upkeep(sweeps: Sequence[Step]) -> Work:
    """One after the other, again and again; what fails is tried again next time."""

    async def keep_up() -> None:
        for sweep in sweeps:
            await attempt(sweep)

    return partial(repeated, keep_up, _EVERY)
