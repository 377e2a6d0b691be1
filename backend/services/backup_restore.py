"""A backup becomes a database: in one transaction, or not at all.

Its SQL runs as whoever connects, and nothing in the file proves who wrote it: only what one made oneself is restored.
"""

from __future__ import annotations

import re
import shutil
from contextlib import suppress
from itertools import islice
from pathlib import Path
from subprocess import DEVNULL, PIPE
from tempfile import TemporaryFile
from typing import IO, cast

from msgspec import Struct

from backend.embedded.failure import Failure
from backend.repositories import backups, migrate
from backend.repositories.database import BulkTx
from backend.services.backups import Manifest, last_words, read_manifest
from backend.services.client_programs import Clients, ended_well, run

_HEAD = 60
"""Lines at the start of a script in which it tells the server's settings."""
_FAILED = 3
"""What `psql` ends with where a statement failed, and the transaction with it; otherwise it has lost the server."""
_FOREIGN = re.compile(rb"^SET transaction_timeout|^ALTER TABLE .* SET \(pg_attver=\d+\);$")
"""What not every server knows: a setting that came with PostgreSQL 17, and a mark that Debian's PostgreSQL 15.20 puts
on each column by itself.
"""


class Checked(Struct, frozen=True):
    """A backup that is whole and of a migration that this program knows; `locks` are taken at once by its restore."""

    path: Path
    manifest: Manifest
    locks: int


def check(path: Path, called: str) -> Checked:
    """Looks at a backup, which messages call so, before any database is. Raises Failure."""
    manifest = read_manifest(path, called)
    known = migrate.known_migrations()
    if manifest.migration not in known:
        raise Failure(
            f"{called} was made by Sheaf {manifest.sheaf} with migration {manifest.migration}, which this release does"
            f" not know (its newest is {known[-1]}); restore it with that release or a newer one."
        )
    return Checked(path, manifest, _locks(path, manifest, called))


def _locks(path: Path, manifest: Manifest, called: str) -> int:
    """How many tables and indexes are made, each table with two more for its long values."""
    command = [Clients.for_server(0, at_least=manifest.pg_dump).path("pg_restore"), "--list", str(path)]
    with TemporaryFile() as said, run(command, {}, stdout=PIPE, stderr=said) as program:
        listed = program.communicate()[0].splitlines()
        if not ended_well(program):
            raise Failure(f"{called} cannot be read: {last_words(said)}")
    kinds = [line.split()[3:4] for line in listed if not line.startswith(b";")]
    return 3 * kinds.count([b"TABLE"]) + kinds.count([b"INDEX"]) + kinds.count([b"CONSTRAINT"])


def restore(url: str, checked: Checked, *, force: bool) -> None:
    """Puts what the backup holds in place of what the database holds.

    Raises Failure; then nothing is changed, unless it says that this is not known.
    """
    with migrate.taking_turns(url) as tx:
        if not force and backups.holds_anything(tx):
            raise Failure(
                "The database holds data already; --force puts the backup in their place, and they are gone. Or restore"
                " into another database, or another folder with --data."
            )
        _refuse_company(tx)
        _refuse_without_room(tx, checked)
        clients = Clients.for_server(tx.info.server_version, at_least=checked.manifest.pg_dump)
        _run(url, clients, checked.path, backups.dropping(tx))
        migrate.migrate(url)
        backups.analyze(tx)


def _refuse_company(tx: BulkTx) -> None:
    """A service that goes on beneath would write into what is being replaced, and answer from what it remembers."""
    others = ", ".join(f"{name} ({count})" for name, count in backups.list_others(tx))
    if others:
        raise Failure(
            f"Others are connected to the database: {others}. Stop the service, with all its workers, and whatever else"
            " uses the database; and go to PostgreSQL itself, not through a pooler."
        )


def _refuse_without_room(tx: BulkTx, checked: Checked) -> None:
    room, dropped = backups.room_for_locks(tx)
    if room < (needed := checked.locks + dropped):
        raise Failure(
            f"The restore takes locks on {needed:,} tables and indexes at once; the server has room for {room:,}: raise"
            f" max_locks_per_transaction by {needed // room + 1} times in postgresql.conf and restart PostgreSQL."
        )


def _run(url: str, clients: Clients, path: Path, first: str) -> None:
    """`pg_restore` writes the script and `psql` runs it; it is committed once the script is known to be whole."""
    address, secrets = backups.for_programs(url)
    apply = [
        clients.path("psql"), "--no-psqlrc", "--quiet", "--no-password", "--set=ON_ERROR_STOP=1", f"--dbname={address}",
    ]  # fmt: skip
    with TemporaryFile() as said, run(apply, secrets, stdin=PIPE, stdout=DEVNULL, stderr=said) as program:
        sink, broken, asked = cast("IO[bytes]", program.stdin), None, False
        with suppress(BrokenPipeError):  # psql has ended, and says why
            sink.write(f"BEGIN;\n{first}".encode())
            broken = _write_script(clients, path, sink)
            if broken is None:
                asked = True
                sink.write(b"COMMIT;\n")
            sink.close()
        code = program.wait()
        if code or broken is not None:
            raise Failure(_outcome(broken or last_words(said), lost=asked and code != _FAILED))


def _outcome(reason: str, *, lost: bool) -> str:
    """`lost`: the connection went after the script was whole, perhaps while it was committed."""
    if lost:
        return (
            "The connection was lost near the end, and it is not known whether the backup is restored or the database"
            f" as it was; `sheaf doctor` looks at what is there: {reason}"
        )
    return f"The backup cannot be restored, and the database is as it was: {reason}"


def _write_script(clients: Clients, path: Path, sink: IO[bytes]) -> str | None:
    """Tables first, then what is in them. Why it is not whole; None where it is."""
    for sections, lines in (("pre-data",), None), (("data", "post-data"), _HEAD):
        command = [
            clients.path("pg_restore"), "--no-owner", "--no-privileges", "--no-comments", "--file=-",
            *(f"--section={section}" for section in sections), str(path),
        ]  # fmt: skip
        with TemporaryFile() as said, run(command, {}, stdout=PIPE, stderr=said) as program:
            source = cast("IO[bytes]", program.stdout)
            for line in islice(source, lines):
                if _FOREIGN.search(line) is None:
                    sink.write(line)
            shutil.copyfileobj(source, sink, 2**20)
            if not ended_well(program):
                return last_words(said)
    return None
