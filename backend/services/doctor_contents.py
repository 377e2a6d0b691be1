"""Whether what is in the database fits together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from backend.repositories import migrate, orphans
from backend.repositories.database import BulkTx
from backend.schemas.findings import Finding, error, fine, warning

_SHOWN = 5


def check_contents(tx: BulkTx, *, undelete_days: int) -> Iterator[Finding]:
    """In a transaction that sees one state of all; what services write meanwhile confuses nothing."""
    migration, known = migrate.migration_of(tx), migrate.known_migrations()
    yield _migration(migration, known)
    if migration == known[-1]:
        yield from _orphans(orphans.find(tx))
        yield from _left(tx, undelete_days)


def _migration(migration: str | None, known: Sequence[str]) -> Finding:
    newest = known[-1]
    if migration is None:
        return warning("migrations", "The database is empty.", "`sheaf serve` and `sheaf migrate` prepare it.")
    if migration not in known:
        return error(
            "migrations",
            f"The database has migration {migration}, which this release does not know; its newest is {newest}.",
            "Run the newer release again, or restore the backup from before the upgrade.",
        )
    if migration != newest:
        return warning(
            "migrations",
            f"The database has migration {migration}; the newest is {newest}.",
            "`sheaf migrate`, or the next start of `sheaf serve`, brings it there. Make a backup first.",
        )
    return fine("migrations", f"The database has the newest migration, {newest}.")


def _orphans(found: orphans.Orphans) -> Iterator[Finding]:
    findings = [
        *_dropped("Indexes that a build left unfinished", "DROP INDEX CONCURRENTLY {};", found.indexes),
        *_dropped("Schemas that belong to no workspace", "DROP SCHEMA {} CASCADE;", found.schemas),
        *_dropped("Tables that belong to no dataset", "DROP TABLE {};", found.tables),
        *_dropped(
            "Entries of the directory without a dataset",
            "DELETE FROM sheaf.directory WHERE dataset_id = {};",
            found.listed,
            quote="'",
        ),
        *_lost("Workspaces without their schema", found.lost_schemas),
        *_lost("Datasets without their table of records", found.lost_tables),
        *_lost("Datasets that are not in the directory", found.unlisted),
    ]
    yield from findings or [fine("orphans", "Every table belongs to a dataset, and every dataset has its table.")]


def _dropped(what: str, statement: str, names: Sequence[str], *, quote: str = '"') -> Iterator[Finding]:
    """What can go, and how."""
    if names:
        quoted = [".".join(f"{quote}{part}{quote}" for part in name.split(".")) for name in names]
        statements = " ".join(statement.format(name) for name in islice(quoted, _SHOWN))
        yield warning("orphans", f"{what}: {_listed(names)}.", f"Make a backup, then in the database: {statements}")


def _lost(what: str, names: Sequence[str]) -> Iterator[Finding]:
    if names:
        yield error(
            "orphans",
            f"{what}: {_listed(names)}.",
            "Something other than Sheaf removed it; `sheaf restore` a backup into another database and compare.",
        )


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more:,} more" if more > 0 else "")


def _left(tx: BulkTx, undelete_days: int) -> Iterator[Finding]:
    left = [f"{count:,} {what}" for what, count in orphans.unswept(tx, undelete_days=undelete_days)]
    if left:
        yield warning(
            "upkeep",
            f"Not swept yet: {', '.join(left)}.",
            "The service does so when it starts and then once an hour. If it has run for longer, look in its log for"
            " `upkeep_failed` and `unexpected_error`.",
        )
    waiting = [f"{count:,} {what}" for what, count in orphans.stuck(tx)]
    if waiting:
        yield warning(
            "queues",
            f"Waiting for ten minutes: {', '.join(waiting)}.",
            "Workers take these up by themselves. If the service runs, they are busy with others: see"
            " SHEAF_CONCURRENT_IMPORTS, SHEAF_WORKERS and the log.",
        )
    if not left and not waiting:
        yield fine("upkeep", "Nothing is left over, and nothing waits for long.")
