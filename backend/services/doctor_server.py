"""Whether a PostgreSQL server and its settings are fit for us."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from backend.repositories import backups, inspection
from backend.repositories.database import BulkTx
from backend.schemas.findings import Finding, error, fine, warning

OLDEST, NEWEST = 15, 18
"""Major versions of PostgreSQL that we are tested with."""
_SHOWN = 5
_SKEW = 5.0
"""Seconds."""
_AGES = 1_000_000_000, 1_800_000_000
"""Transactions: PostgreSQL takes no writes from about 2.1 billion on."""
_MEBIBYTE = 2**20
_UNITS = {"B": 1, "kB": 2**10, "8kB": 2**13, "MB": _MEBIBYTE, "GB": 2**30}
_ON = {
    "autovacuum": "old rows are never removed, and tables grow without end",
    "track_counts": "autovacuum does not know what to do without it",
    "fsync": "a crash of the machine may lose or damage data",
    "full_page_writes": "a crash of the machine may damage data",
    "synchronous_commit": "a crash may lose writes that were answered",
}
_OFF_IS_ONLY_A_WARNING = {"synchronous_commit"}
_TIMEOUTS = ("statement_timeout", "transaction_timeout", "idle_in_transaction_session_timeout", "lock_timeout")


def check_server(tx: BulkTx, *, needed: int, prepares: bool) -> Iterator[Finding]:
    """`needed`: connections that the service may open; `prepares`: the driver may prepare statements."""
    server, settings = inspection.server(tx), inspection.settings(tx)
    yield _version(tx, server)
    yield from _place(server)
    yield _text(tx, server)
    yield _connections(server, needed)
    if server.is_pooled and prepares:
        yield warning(
            "pooler",
            "A pooler stands before the database, and the driver may prepare statements.",
            "Set SHEAF_PREPARED_STATEMENTS=false, unless the pooler keeps them (PgBouncer 1.21 with"
            " max_prepared_statements above 0).",
        )
    yield from _safety(settings)
    yield from _sizes(settings)
    yield from _timeouts(settings)
    yield _locks(tx, settings)
    yield _clock(tx)
    yield from _at_work(tx, server)
    yield from _files(tx)


def _version(tx: BulkTx, server: inspection.Server) -> Finding:
    major, minor = divmod(server.version, 10_000)
    found = f"PostgreSQL {major}.{minor}, database {server.database}, {server.size / _MEBIBYTE:,.0f} MiB."
    if major < OLDEST:
        return error("database", found, f"Upgrade it: Sheaf needs PostgreSQL {OLDEST} or newer.")
    if major > NEWEST:
        return warning("database", found, f"Sheaf is tested with PostgreSQL {OLDEST} to {NEWEST} only.")
    _, trigrams = inspection.extension(tx, "pg_trgm")
    return fine("database", f"{found[:-1]}, pg_trgm {trigrams}." if trigrams else found)


def _place(server: inspection.Server) -> Iterator[Finding]:
    if server.is_standby:
        yield error("standby", "This server is a standby, which takes no writes.", "Name the primary server.")
    if not server.may_create:
        yield error(
            "rights",
            "The database's user may not create schemas, and each workspace is one.",
            f'As its owner: GRANT CREATE ON DATABASE "{server.database}" TO the user of SHEAF_DATABASE_URL.',
        )


def _text(tx: BulkTx, server: inspection.Server) -> Finding:
    if server.encoding != "UTF8":
        return error(
            "text",
            f"The database's encoding is {server.encoding}, which cannot hold every text.",
            "Make a database with ENCODING 'UTF8' TEMPLATE template0, and move the data there.",
        )
    if not inspection.folds_case(tx):
        return warning(
            "text",
            "No collation knows that É and é are one letter: searches without case fold ASCII letters only.",
            "Use PostgreSQL 17 or newer, one that is built with ICU, or a database with the locale C.UTF-8.",
        )
    if server.stale_collation:
        return warning(
            "text",
            "The system's collations have another version than when the database was made.",
            f'REINDEX DATABASE "{server.database}"; ALTER DATABASE "{server.database}" REFRESH COLLATION VERSION;',
        )
    return fine("text", "The encoding is UTF8, and searches without case know all letters.")


def _connections(server: inspection.Server, needed: int) -> Finding:
    found = f"The service opens up to {needed} connections; the server gives it {server.connections}."
    if server.is_pooled or needed <= server.connections:
        return fine("connections", found)
    return error(
        "connections",
        found,
        "Raise max_connections (or the limit of the database or its user), or lower SHEAF_WORKERS, SHEAF_DATABASE_POOL"
        " or SHEAF_CONCURRENT_EXPORTS.",
    )


def _safety(settings: Mapping[str, str]) -> Iterator[Finding]:
    bad = {name: why for name, why in _ON.items() if settings[name] == "off"}
    for name, why in bad.items():
        make = warning if name in _OFF_IS_ONLY_A_WARNING else error
        yield make(name, f"{name} is off: {why}.", f"ALTER SYSTEM SET {name} = on; SELECT pg_reload_conf();")
    if not bad:
        yield fine(
            "safety", f"Writes are safe against a crash, autovacuum is on, wal_level is {settings['wal_level']}."
        )


def _sizes(settings: Mapping[str, str]) -> Iterator[Finding]:
    """Where less would make everything slow."""
    names = (("shared_buffers", 128), ("work_mem", 4), ("max_wal_size", 1024))
    for name, least in names:
        if _bytes(settings[name]) < least * _MEBIBYTE:
            yield warning(name, f"{name} is {settings[name]}, which is little.", f"Give it {least} MB or more.")


def _bytes(setting: str) -> int:
    number, _, unit = setting.partition(" ")
    return int(number) * _UNITS[unit]


def _timeouts(settings: Mapping[str, str]) -> Iterator[Finding]:
    """A timeout for all sessions ends imports and exports, which take as long as their files are large."""
    set_ones = [f"{name} ({value})" for name in _TIMEOUTS if not (value := settings.get(name, "0 ms")).startswith("0")]
    if set_ones:
        yield warning(
            "timeouts",
            f"The server ends what takes long: {', '.join(set_ones)}. Large imports and exports may fail.",
            "ALTER ROLE … SET … = 0 for the user of SHEAF_DATABASE_URL: Sheaf bounds its statements itself.",
        )
    if settings["default_transaction_read_only"] == "on":
        yield error("read-only", "default_transaction_read_only is on: no write can work.", "Switch it off.")


def _locks(tx: BulkTx, settings: Mapping[str, str]) -> Finding:
    """A backup locks every table at once; a restore each index, too."""
    room, relations = backups.room_for_locks(tx)
    found = f"There is room for locks on {room:,} tables at once, and there are {relations:,} tables and indexes."
    if relations <= room:
        return fine("locks", found)
    now = int(settings["max_locks_per_transaction"])
    wanted = now * (relations // room + 1)
    return warning(
        "locks", f"{found} `sheaf restore` may fail.", f"Set max_locks_per_transaction to {wanted}, and restart."
    )


def _clock(tx: BulkTx) -> Finding:
    before = datetime.now(UTC)
    theirs = inspection.now(tx)
    after = datetime.now(UTC)
    ahead = (theirs - (before + (after - before) / 2)).total_seconds()
    if abs(ahead) <= _SKEW:
        return fine("clock", "The database's clock is ours.")
    how = "ahead of" if ahead > 0 else "behind"
    return warning(
        "clock",
        f"The database's clock is {abs(ahead):,.0f} seconds {how} ours: leases and deletions end at wrong times.",
        "Let both machines follow a time server.",
    )


def _at_work(tx: BulkTx, server: inspection.Server) -> Iterator[Finding]:
    for each in inspection.long_transactions(tx):
        yield warning(
            "transactions",
            f"{each.name} has had a transaction open for {each.seconds / 3600:,.1f} hours ({each.state}, process"
            f" {each.pid}): no old row can be removed meanwhile.",
            f"See what it is; SELECT pg_terminate_backend({each.pid}) ends it.",
        )
    if server.age > _AGES[0]:
        make = warning if server.age < _AGES[1] else error
        yield make(
            "freezing",
            f"The oldest rows were frozen {server.age:,} transactions ago; at 2.1 billion PostgreSQL takes no writes.",
            "See why autovacuum does not come to its end; VACUUM (FREEZE) the oldest tables.",
        )


def _files(tx: BulkTx) -> Iterator[Finding]:
    found = inspection.forgotten_files(tx)
    if found:
        size, shown = sum(size for _, size in found), ", ".join(name for name, _ in found[:_SHOWN])
        yield warning(
            "files",
            f"PostgreSQL was killed while it made tables, and has forgotten {len(found):,} of their files,"
            f" {size / _MEBIBYTE:,.1f} MiB, in its folder: {shown}{', …' if len(found) > _SHOWN else ''}.",
            "They do no harm but take room. A backup that is restored into another folder or server is without them.",
        )
