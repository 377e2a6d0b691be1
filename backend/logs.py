"""Structured logs: one JSON object a line on standard error, from our code and from the libraries alike."""

from __future__ import annotations

import logging
import sys
import traceback
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import msgspec
import structlog
from msgspec import UNSET, Struct, UnsetType

if TYPE_CHECKING:
    from structlog.typing import Processor

_SHARED: tuple[Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso"),
    structlog.processors.ExceptionRenderer(lambda found: _traced(found[1])),
)


class RequestLine(Struct, frozen=True):
    """What the log says of a request; `path` without what may be a cell, `ms` from its first byte to its last."""

    method: str
    path: str
    status: int
    ms: float
    request_id: str
    timestamp: datetime
    event: str = "request"
    level: str = "info"
    trace_id: str | UnsetType = UNSET


class _Stream:
    """Standard error; what it does not take, on a full disk for one, is left out: no request fails for its log line."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write(self, line: bytes) -> int:
        with suppress(OSError):
            return self._stream.write(line)
        return 0

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()


class _Requests:
    """Where the lines of requests go: nowhere unless the least severity lets them through."""

    def __init__(self) -> None:
        self.lines: structlog.BytesLogger | None = None


_requests = _Requests()
_encode = msgspec.json.Encoder().encode


def log_request(line: RequestLine) -> None:
    """Each request has one, and structlog's way takes longer than all that a small answer needs."""
    if _requests.lines is not None:
        _requests.lines.msg(_encode(line))


def configure_logging(level: str) -> None:
    """Log what is at least this severe; of the libraries only warnings and worse."""
    stream = cast("BinaryIO", _Stream(sys.stderr.buffer))
    structlog.configure(
        processors=[*_SHARED, structlog.processors.JSONRenderer(serializer=_to_json)],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.BytesLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )
    _requests.lines = structlog.BytesLogger(stream) if level in {"debug", "info"} else None
    handler = logging.StreamHandler(sys.stderr)
    processors: list[Processor] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.JSONRenderer(),
    ]
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=_SHARED, processors=processors))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


def _to_json(event: object, **_: Any) -> bytes:
    return msgspec.json.encode(event, enc_hook=repr)


def _traced(error: BaseException | None) -> str:
    """Where an exception came from and of what kind it is, not what it says: that may hold a cell."""
    parts = list[str]()
    while error is not None:
        frames = "".join(traceback.format_tb(error.__traceback__))
        parts.append(f"{frames}{type(error).__module__}.{type(error).__qualname__}")
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\n\nWhich came of:\n".join(parts)
