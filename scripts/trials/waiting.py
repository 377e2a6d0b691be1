"""Wait for what another process does, never for a time."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(condition: Callable[[], T], what: str, *, seconds: float = 180) -> T:
    """The first true value of `condition`, asked again and again, the longer the more seldom.

    Raises TimeoutError after `seconds`.
    """
    begun = time.monotonic()
    while not (found := condition()):
        waited = time.monotonic() - begun
        if waited > seconds:
            raise TimeoutError(f"{what}: not within {seconds:g} s")
        time.sleep(min(max(0.02, waited / 20), 0.1))
    return found
