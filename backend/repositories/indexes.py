"""Indexes of record tables that queries asked for: noted, built and dropped beside the requests.

They hold live images alone, which are all that the newest version shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from uuid import UUID

import psycopg
import structlog
from msgspec import Struct
from psycopg import sql

from backend.query.indexing import Access, Form
from backend.repositories import advisory_locks
from backend.repositories.database import Tx
from backend.repositories.records import records
from backend.repositories.tables import LIVE
from backend.repositories.workspaces import table
from backend.schemas.callers import WorkspaceScope
from backend.schemas.datasets import Store

log = structlog.get_logger()
MOST_NOTED = 200
"""So many are known of a dataset at most, whatever is asked for."""
_COLUMNS = sql.SQL(
    "store, digest, workspace_id, form, expression, whole, following, state, problem, attempts, bytes, uses"
)
_ADD_TRIGRAMS = "CREATE EXTENSION IF NOT EXISTS pg_trgm"
_NOTE = """
INSERT INTO sheaf.indexes AS i (store, digest, workspace_id, form, expression, whole, following, uses, used_at)
SELECT %(store)s, %(digest)s, w.id, %(form)s, %(expression)s, %(whole)s, %(following)s, %(uses)s, %(at)s
FROM sheaf.workspaces w WHERE w.id = %(workspace)s
AND (SELECT count(*) FROM sheaf.indexes o WHERE o.store = %(store)s AND o.digest <> %(digest)s) < %(most)s
ON CONFLICT (store, digest) DO UPDATE SET uses = i.uses + excluded.uses, used_at = excluded.used_at
"""
_MOVE = """
WITH held AS MATERIALIZED (SELECT digest FROM sheaf.indexes WHERE store = %(before)s ORDER BY digest FOR UPDATE),
gone AS (DELETE FROM sheaf.indexes WHERE store = %(before)s AND digest IN (SELECT digest FROM held) RETURNING *)
INSERT INTO sheaf.indexes AS i
    (store, digest, workspace_id, form, expression, whole, following, uses, used_at, state, problem)
SELECT %(after)s, digest, workspace_id, form, expression, whole, following, uses, used_at,
    CASE state WHEN 'refused' THEN state ELSE 'noted' END, CASE state WHEN 'refused' THEN problem END FROM gone
ORDER BY digest
ON CONFLICT (store, digest) DO UPDATE SET uses = i.uses + excluded.uses,
    state = CASE i.state WHEN 'noted' THEN excluded.state ELSE i.state END,
    problem = CASE i.state WHEN 'noted' THEN excluded.problem ELSE i.problem END
"""


class TableGone(Exception):
    """The dataset was removed meanwhile, or its records written anew."""


class NotIndexable(Exception):
    """A value is there that fits into no entry."""


class NotBuilt(Exception):
    """It did not come off this time."""


@contextmanager
def attempting(index: Index) -> Iterator[None]:
    """Raises TableGone, NotIndexable or NotBuilt for what PostgreSQL says in the block."""
    try:
        yield
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName) as error:
        raise TableGone from error
    except (psycopg.errors.ProgramLimitExceeded, psycopg.errors.DataError) as error:
        raise NotIndexable from error
    except psycopg.Error as error:
        log.warning("index_not_made", store=str(index.store), sqlstate=error.sqlstate)
        raise NotBuilt from error


class Use(Struct, frozen=True):
    """`access` was asked for so many times."""

    workspace_id: UUID
    store: Store
    access: Access
    times: int


class Index(Struct, frozen=True):
    """One that is there, or may come to be. `bytes`: what it takes on disk, or took when it found no room."""

    store: Store
    digest: str
    workspace_id: UUID
    form: Form
    expression: str
    whole: str | None
    following: list[str]
    state: str
    problem: str | None
    attempts: int
    bytes: int
    uses: int

    @property
    def name(self) -> str:
        """The index's own, in the workspace's schema."""
        return f"xu_{self.store.hex}_{self.digest}"

    @property
    def scope(self) -> WorkspaceScope:
        """Where its table lies."""
        return WorkspaceScope(self.workspace_id, "", "", "owner", has_schema=True)


async def note(tx: Tx, uses: Iterable[Use], at: datetime) -> None:
    """Adds up what was asked for. All take these rows in one order, since other workers write down the same."""
    for use in sorted(uses, key=lambda use: (use.store, use.access.digest)):
        access = use.access
        params = {
            "store": use.store, "workspace": use.workspace_id, "digest": access.digest, "form": access.form,
            "expression": access.expression, "whole": access.whole, "following": list(access.following),
            "uses": use.times, "at": at, "most": MOST_NOTED,
        }  # fmt: skip
        await tx.execute(_NOTE, params)


async def list_of(tx: Tx, store: Store) -> list[Index]:
    """A record table's, the one first that was used least recently."""
    query = sql.SQL("SELECT {} FROM sheaf.indexes WHERE store = %s ORDER BY used_at, digest").format(_COLUMNS)
    return [Index(*row) for row in await (await tx.execute(query, (store,))).fetchall()]


async def claim(tx: Tx, worker: UUID, lease: timedelta, *, enough: int) -> Index | None:
    """The next one to build, which is this worker's now; None while another worker is at one, or there is none."""
    await tx.execute("SELECT pg_advisory_xact_lock(%s)", (advisory_locks.CLAIM_INDEX,))
    query = sql.SQL(
        "UPDATE sheaf.indexes SET state = 'building', worker = %(worker)s, wait_until = %(until)s,"
        " attempts = attempts + 1 WHERE (store, digest) = (SELECT store, digest FROM sheaf.indexes"
        " WHERE state IN ('noted', 'building') AND uses >= %(enough)s AND (wait_until IS NULL OR wait_until <= now())"
        " ORDER BY state, used_at, digest LIMIT 1) AND NOT EXISTS (SELECT FROM sheaf.indexes"
        " WHERE worker IS NOT NULL AND wait_until > now()) RETURNING {}"
    ).format(_COLUMNS)
    params = {"worker": worker, "until": await _from_now(tx, lease), "enough": enough}
    row = await (await tx.execute(query, params)).fetchone()
    return None if row is None else Index(*row)


async def _from_now(tx: Tx, span: timedelta | None) -> datetime | None:
    row = await (await tx.execute("SELECT now() + %s", (span,))).fetchone()
    return row[0] if row else None


async def renew(tx: Tx, index: Index, worker: UUID, lease: timedelta) -> bool:
    """Whether it is still this worker's."""
    query = "UPDATE sheaf.indexes SET wait_until = %s WHERE store = %s AND digest = %s AND worker = %s"
    until = await _from_now(tx, lease)
    return (await tx.execute(query, (until, index.store, index.digest, worker))).rowcount > 0


async def settle(
    tx: Tx,
    index: Index,
    worker: UUID,
    state: str,
    *,
    problem: str | None = None,
    size: int = 0,
    wait: timedelta | None = None,
) -> None:
    """How it came out; `wait`: so long nobody is to try again."""
    query = (
        "UPDATE sheaf.indexes SET state = %s, problem = %s, bytes = %s, wait_until = %s, worker = NULL"
        " WHERE store = %s AND digest = %s AND worker = %s"
    )
    await tx.execute(query, (state, problem, size, await _from_now(tx, wait), index.store, index.digest, worker))


async def refuse(tx: Tx, index: Index, problem: str) -> None:
    """Whoever is at it: it is not to be."""
    query = (
        "UPDATE sheaf.indexes SET state = 'refused', problem = %s, bytes = 0, worker = NULL"
        " WHERE store = %s AND digest = %s"
    )
    await tx.execute(query, (problem, index.store, index.digest))


async def list_unused(tx: Tx, since: datetime) -> list[Index]:
    """Those that nobody asked for since then, and that nobody is at."""
    query = sql.SQL(
        "SELECT {} FROM sheaf.indexes WHERE used_at < %s AND (worker IS NULL OR wait_until <= now()) ORDER BY used_at"
    ).format(_COLUMNS)
    return [Index(*row) for row in await (await tx.execute(query, (since,))).fetchall()]


async def used_before(tx: Tx, store: Store, moment: datetime) -> list[Index]:
    """A record table's that are ready and were not asked for since then, least recently used first."""
    query = sql.SQL(
        "SELECT {} FROM sheaf.indexes WHERE store = %s AND state = 'ready' AND used_at < %s ORDER BY used_at"
    ).format(_COLUMNS)
    return [Index(*row) for row in await (await tx.execute(query, (store, moment))).fetchall()]


async def move(tx: Tx, before: Store, after: Store) -> None:
    """What was ready, or on its way, is to be built on the table that the records were written into.

    Readers may have noted the same there already.
    """
    await tx.execute(_MOVE, {"before": before, "after": after})


async def forget(tx: Tx, index: Index) -> None:
    await tx.execute("DELETE FROM sheaf.indexes WHERE store = %s AND digest = %s", (index.store, index.digest))


async def is_there(tx: Tx, index: Index) -> bool | None:
    """Whether the database has it, whole; None where not even a torso of it is there."""
    name = table(index.scope, index.name).as_string(tx)
    found = await tx.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)", (name,))
    row = await found.fetchone()
    return None if row is None else bool(row[0])


async def table_bytes(tx: Tx, index: Index) -> int | None:
    """What the records themselves take; None where their table is gone."""
    name = records(index.scope, index.store).as_string(tx)
    row = await (await tx.execute("SELECT pg_table_size(to_regclass(%s))", (name,))).fetchone()
    return row[0] if row else None


async def index_bytes(tx: Tx, index: Index) -> int:
    name = table(index.scope, index.name).as_string(tx)
    row = await (await tx.execute("SELECT pg_relation_size(to_regclass(%s))", (name,))).fetchone()
    return (row[0] or 0) if row else 0


async def is_being_built(tx: Tx, index: Index) -> bool:
    """Whether somebody is at an index of this table: a worker that was killed leaves a backend that goes on."""
    name = records(index.scope, index.store).as_string(tx)
    found = await tx.execute("SELECT FROM pg_stat_progress_create_index WHERE relid = to_regclass(%s)", (name,))
    return await found.fetchone() is not None


async def find_trigrams(tx: Tx) -> str | None:
    """The schema of the extension `pg_trgm`, which is added where the server has it and this role may; else None."""
    query = "SELECT nspname FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace WHERE extname = 'pg_trgm'"
    row = await (await tx.execute(query)).fetchone()
    if row is None:
        try:
            await tx.execute(_ADD_TRIGRAMS)
        except psycopg.Error as error:
            log.warning("no_pg_trgm", sqlstate=error.sqlstate)
        row = await (await tx.execute(query)).fetchone()
    return row[0] if row else None


async def build(tx: Tx, index: Index, *, trigrams: str | None) -> None:
    """Makes it while others read and write; the connection stands outside of any transaction.

    Raises what psycopg raises, and leaves a torso then. `trigrams`: the schema of pg_trgm.
    """
    expression = sql.SQL(index.expression)
    if index.form == "trigram":
        terms = sql.SQL("USING gin (({}) {})").format(expression, sql.Identifier(trigrams or "public", "gin_trgm_ops"))
    else:
        direction = sql.SQL(" DESC NULLS LAST" if index.form == "desc" else "")
        first = sql.SQL("({}){}").format(expression, direction)
        terms = sql.SQL("({})").format(sql.SQL(", ").join([first, *map(sql.SQL, index.following), sql.SQL("id")]))
    statement = sql.SQL("CREATE INDEX CONCURRENTLY {} ON {} {} WHERE removed_in = {}").format(
        sql.Identifier(index.name), records(index.scope, index.store), terms, sql.Literal(LIVE)
    )
    await tx.execute(statement, {})


async def measure(tx: Tx, index: Index) -> None:
    """Lets PostgreSQL know how often which values are: of an index that is not on all rows it does not look."""
    whole = sql.SQL("(dependencies) ON ({}), ({})")
    asked = (
        sql.SQL("ON ({})").format(sql.SQL(index.expression))
        if index.whole is None
        else whole.format(sql.SQL(index.expression), sql.SQL(index.whole))
    )
    source = records(index.scope, index.store)
    statement = sql.SQL("CREATE STATISTICS IF NOT EXISTS {} {} FROM {}")
    await tx.execute(statement.format(table(index.scope, f"{index.name}_st"), asked, source), {})
    await tx.execute(sql.SQL("ANALYZE {}").format(source))


async def drop(tx: Tx, index: Index) -> None:
    """Takes it away, a torso too, while others read and write. Outside of any transaction; no error where it is not."""
    await tx.execute(sql.SQL("DROP INDEX CONCURRENTLY IF EXISTS {}").format(table(index.scope, index.name)))
    await tx.execute(sql.SQL("DROP STATISTICS IF EXISTS {}").format(table(index.scope, f"{index.name}_st")))
