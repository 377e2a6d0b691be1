"""The parent's end of the child process that reads one workbook."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import IO, BinaryIO

import structlog
from msgspec import DecodeError, structs

from backend.errors import AppError, Invalid, TooLarge, UnreadableFile, Unwelcome
from backend.readers.base import ReadLimits
from backend.sheets import protocol
from backend.sheets.protocol import End, Job, Message, Part, Refused

log = structlog.get_logger()

_ERRORS: dict[str, type[AppError]] = {
    "UnreadableFile": UnreadableFile,
    "TooLarge": TooLarge,
    "Invalid": Invalid,
    "Unwelcome": Unwelcome,
}
_OUT_OF_MEMORY = (
    b"memory allocation",
    b"MemoryError",
    b"Cannot allocate memory",
    b"capacity overflow",
    b"<jemalloc>: background thread creation failed",
)


class Child:
    """A process that reads one workbook into `spool`; ended with `close`, with its parent, or by its limits."""

    def __init__(self, job: Job, file: BinaryIO, limits: ReadLimits) -> None:
        self._limits = limits
        self._waited = 0.0
        self._buffer = b""
        self._over = False
        with contextlib.ExitStack() as kept:
            self.spool: IO[bytes] = kept.enter_context(tempfile.TemporaryFile())
            self._errors: IO[bytes] = kept.enter_context(tempfile.TemporaryFile())
            self._messages, theirs = os.pipe()
            kept.callback(os.close, self._messages)
            try:
                job = structs.replace(job, file=file.fileno(), spool=self.spool.fileno(), messages=theirs)
                self._process = self._start(job)
            finally:
                os.close(theirs)
            kept.pop_all()

    def _start(self, job: Job) -> subprocess.Popen[bytes]:
        """The process, with nothing of this one's environment: what it parses is not to be trusted."""
        return subprocess.Popen(  # noqa: S603 (this very program)
            [sys.executable, "-P", "-m", "backend.sheets.child", protocol.encode(job)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
            pass_fds=(job.file, job.spool, job.messages),
            env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "LC_ALL": "C.UTF-8"},
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def messages(self) -> Iterator[Message]:
        """What the child says, up to its last message. Raises UnreadableFile, TooLarge or Invalid as it refuses."""
        while not self._over:
            message = self._next()
            self._over = isinstance(message, End)
            yield message
        self.close()

    def read(self, part: Part) -> bytes:
        """The Arrow stream of a part."""
        return os.pread(self.spool.fileno(), part.size, part.offset)

    def close(self) -> None:
        """End the process if it runs. The spool stays."""
        self._over = True
        self._process.kill()
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._errors.close()
        if self._messages >= 0:
            os.close(self._messages)
            self._messages = -1

    def _next(self) -> Message:
        try:
            message: Message = protocol.decode_message(self._line())
        except DecodeError as error:
            self.close()
            log.warning("workbook reader said nothing that can be understood")
            raise UnreadableFile("The workbook could not be read.") from error
        if isinstance(message, Refused):
            self.close()
            raise _ERRORS[message.error](message.message)
        return message

    def _line(self) -> bytes:
        while b"\n" not in self._buffer:
            before = time.monotonic()
            ready = self._wait(max(0.0, self._limits.workbook_seconds - self._waited))
            self._waited += time.monotonic() - before
            block = os.read(self._messages, 1 << 16) if ready else b""
            if not block:
                raise self._ended(timed_out=not ready)
            self._buffer += block
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def _wait(self, seconds: float) -> bool:
        """Whether the child says something, or ends, within this time."""
        poll = select.poll()
        poll.register(self._messages, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def _ended(self, *, timed_out: bool) -> AppError:
        """Why the child said no more."""
        if not timed_out:
            self._process.wait()
        self._errors.seek(0)
        said = self._errors.read(1 << 16)
        code = self._process.poll()
        self.close()
        limits = self._limits
        if timed_out or code == -signal.SIGXCPU:
            return TooLarge(
                f"Reading the workbook takes longer than SHEAF_WORKBOOK_SECONDS ({limits.workbook_seconds} s)."
            )
        if code == -signal.SIGKILL or any(sign in said for sign in _OUT_OF_MEMORY):
            limit = f"SHEAF_WORKBOOK_MEMORY ({limits.workbook_memory:,} bytes)"
            return TooLarge(f"Reading the workbook takes more memory than {limit}.")
        log.warning("workbook reader failed", code=code, at=_outline(said.decode(errors="replace")))
        return UnreadableFile("The workbook is damaged: it could not be read.")


def _outline(said: str) -> list[str]:
    """Where a process failed, without the values that its last words may quote."""
    lines = said.splitlines()
    places = [line.strip() for line in lines if line.startswith("  File ") or "panicked at" in line]
    return [*places[-5:], *(line.partition(":")[0] for line in lines[-1:])]
