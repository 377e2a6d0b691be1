"""Backups of everything: one file, which `pg_dump` wrote, with what tells of it as its last line."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryFile, mkstemp
from typing import IO, cast

import msgspec
from msgspec import Struct

from backend.embedded.failure import Failure
from backend.repositories import backups
from backend.services.client_programs import Clients, ended_well, run

_ATTEMPTS = 3
_CHUNK = 2**20
_MARK = b"\nsheaf-backup "
_LAST_LINE = re.compile(rb"\nsheaf-backup (\{[^\n]*\})\n\Z")
_LONGEST_LINE = 4096


class Manifest(Struct, frozen=True, forbid_unknown_fields=True):
    """What the last line of a backup tells.

    `postgres`: the server's version, such as 180006; `pg_dump`: the major version of what wrote it; `operator`: the
    user whose key the service prints; `bytes`, `sha256`: of the file without the last line.
    """

    sheaf: str
    migration: str
    postgres: int
    pg_dump: int
    created_at: datetime
    contents: backups.Contents
    operator: str | None
    bytes: int
    sha256: str
    format: int = 1


class _Changing(Exception):
    """Something was dropped while `pg_dump` looked around; nothing was written yet."""


def back_up(url: str, target: IO[bytes], *, operator: str | None) -> Manifest:
    """Writes what is committed now, whoever writes meanwhile. Raises Failure."""
    for _ in range(_ATTEMPTS):
        try:
            return _backed_up(url, target, operator)
        except _Changing as error:
            reason = str(error)
    raise Failure(f"pg_dump cannot read the database: {reason}")


def _backed_up(url: str, target: IO[bytes], operator: str | None) -> Manifest:
    with backups.snapshot(url) as source:
        if source.migration is None:
            raise Failure("There is no Sheaf in this database: `sheaf serve` or `sheaf migrate` would make it.")
        clients = Clients.for_server(source.postgres)
        address, secrets = backups.for_programs(url)
        command = [
            clients.path("pg_dump"), "--format=custom", "--compress=gzip:1", "--no-owner", "--no-privileges",
            *(f"--extension={name}" for name in source.extensions),
            *(f"--schema={name}" for name in backups.SCHEMAS),
            f"--snapshot={source.snapshot}", "--no-password", f"--dbname={address}",
        ]  # fmt: skip
        size, digest = _written(command, secrets, target)
    manifest = Manifest(
        sheaf=version("sheaf"),
        migration=source.migration,
        postgres=source.postgres,
        pg_dump=clients.major,
        created_at=datetime.now(UTC),
        contents=source.contents,
        operator=operator,
        bytes=size,
        sha256=digest,
    )
    target.write(_MARK + msgspec.json.encode(manifest) + b"\n")
    return manifest


def _written(command: list[str], secrets: dict[str, str], target: IO[bytes]) -> tuple[int, str]:
    """What the program prints goes to the file; its size and digest. Raises _Changing, Failure."""
    size, digest = 0, hashlib.sha256()
    with TemporaryFile() as said, run(command, secrets, stdout=subprocess.PIPE, stderr=said) as program:
        output = cast("IO[bytes]", program.stdout)
        while chunk := output.read(_CHUNK):
            target.write(chunk)
            digest.update(chunk)
            size += len(chunk)
        if not ended_well(program):
            reason = last_words(said)
            raise Failure(f"pg_dump did not finish: {reason}") if size else _Changing(reason)
    return size, digest.hexdigest()


def last_words(said: IO[bytes]) -> str:
    """The first line with an error that a program wrote."""
    said.seek(0)
    lines = [line for line in said.read().decode(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if "error:" in line.lower()]
    return (errors or lines or ["it ended without a word"])[0].strip()


def read_manifest(path: Path, called: str) -> Manifest:
    """The manifest of a backup that is whole: every byte is read and compared.

    Raises Failure, in which the file is so called.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _LONGEST_LINE))
            found = _LAST_LINE.search(file.read())
            if found is None:
                raise Failure(f"{called} is no backup that `sheaf backup` made, or its end is missing.")
            manifest = msgspec.json.decode(found[1], type=Manifest)
            file.seek(0)
            digest = _digest(file, manifest.bytes)
    except OSError as error:
        raise Failure(f"{called} cannot be read: {error.strerror}.") from error
    except msgspec.MsgspecError as error:
        raise Failure(
            f"{called} was made by another release of Sheaf, whose backups this one does not know."
        ) from error
    if digest != manifest.sha256 or size != manifest.bytes + len(found[0]):
        raise Failure(f"{called} is damaged: it is not what `sheaf backup` wrote.")
    return manifest


def _digest(file: IO[bytes], size: int) -> str:
    digest = hashlib.sha256()
    while size > 0 and (chunk := file.read(min(_CHUNK, size))):
        digest.update(chunk)
        size -= len(chunk)
    return digest.hexdigest()


@contextmanager
def created(path: Path, *, replace: bool = False) -> Iterator[IO[bytes]]:
    """A file that only its owner can read, and that takes its name once the block has ended well.

    Raises Failure, also where there is such a file already, unless `replace`.
    """
    if path.exists() and not path.is_file():  # a device or a pipe
        with path.open("wb") as file:
            yield file
        return
    if path.exists() and not replace:
        raise Failure(f"{path} is there already: name another file, or let --force replace it.")
    try:
        handle, name = mkstemp(prefix=f"{path.name}.", suffix=".partial", dir=path.parent)
    except OSError as error:
        raise Failure(f"{path} cannot be written: {error.strerror}.") from error
    fresh = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
