"""PostgreSQL's own client programs: which ones fit a server, and how they are run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from msgspec import Struct

from backend.embedded.binaries import postgres_clients
from backend.embedded.failure import Failure


class Clients(Struct, frozen=True):
    """A folder with `pg_dump`, `pg_restore` and `psql`, and their major version."""

    folder: Path
    major: int

    @classmethod
    def for_server(cls, server: int, *, at_least: int = 0) -> Clients:
        """Those that came with us, or for a newer server (such as 190001) those of the search path. Raises Failure."""
        wanted = max(server // 10_000, at_least)
        folder, major = postgres_clients()
        if wanted <= major:
            return cls(folder, major)
        found = shutil.which("pg_dump")
        if found is not None and (theirs := _major(found)) >= wanted:
            return cls(Path(found).parent, theirs)
        raise Failure(
            f"This needs the client programs of PostgreSQL {wanted}, and Sheaf brings those of {major}: install"
            f" postgresql-client-{wanted} (or what your system calls it), so that `pg_dump` is on the search path."
        )

    def path(self, program: str) -> str:
        return str(self.folder / program)


def _major(program: str) -> int:
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603
    found = re.search(r"\b(\d+)(\.\d+|devel|beta\d|rc\d)", told)
    return int(found[1]) if found else 0


@contextmanager
def run(
    command: Sequence[str],
    secrets: Mapping[str, str],
    *,
    stdout: IO[bytes] | int,
    stderr: IO[bytes],
    stdin: int = subprocess.DEVNULL,
) -> Iterator[subprocess.Popen[bytes]]:
    """A program during the block, at whose end it is killed if it still runs. Passwords go by the environment."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SHEAF_")}
    environment = {**kept, "PGAPPNAME": "sheaf", "LC_ALL": "C", "PGCONNECT_TIMEOUT": "10", **secrets}
    program = subprocess.Popen(command, env=environment, stdin=stdin, stdout=stdout, stderr=stderr)  # noqa: S603
    try:
        yield program
    finally:
        if program.poll() is None:
            program.kill()
        for pipe in (program.stdin, program.stdout):
            with suppress(BrokenPipeError):
                if pipe is not None:
                    pipe.close()
        program.wait()


def ended_well(program: subprocess.Popen[bytes]) -> bool:
    return program.wait() == 0
