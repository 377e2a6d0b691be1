"""What an operator is told when a command or a private server cannot do its work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class Failure(Exception):
    """The text is one sentence for the person at the terminal."""


@contextmanager
def as_failure(what: str) -> Iterator[None]:
    """Whatever goes wrong inside is told in one sentence: nobody wants a traceback from a wrong address."""
    try:
        yield
    except Failure:
        raise
    except Exception as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise Failure(f"{what}: {lines[0]}") from error
