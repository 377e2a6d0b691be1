"""What nobody waits for, once an hour."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import structlog

from backend.errors import AppError
from backend.services.pauses import pause

log = structlog.get_logger()
Work = Callable[[], Coroutine[Any, Any, None]]
_EVERY = 3600.0
"""Seconds."""


def upkeep(sweeps: Sequence[Work]) -> Work:
    """One after the other, again and again; what fails is tried again next time."""

    async def keep_up() -> None:
        while True:
            for sweep in sweeps:
                try:
                    await sweep()
                except AppError as error:
                    log.warning("upkeep_failed", error=str(error))
            await pause(_EVERY)

    return keep_up
