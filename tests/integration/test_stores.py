"""Records are written anew into another table beside those who read and write: each gets all of a version."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo
from typing import Any, Self
from uuid import UUID

import psycopg
import pytest
from support.editor import table
from support.service import Upload, User

from backend.errors import DuplicateKeys
from backend.query.nodes import Query
from backend.readers.base import ReadLimits
from backend.repositories import diffs, extents, lookup, selections, stores
from backend.repositories.copying import copy_out
from backend.repositories.database import Database
from backend.schemas.callers import Caller, WorkspaceScope
from backend.schemas.datasets import Store
from backend.schemas.records import Changed
from backend.schemas.versions import Restore
from backend.services import writing
from backend.services.datasets import DatasetService
from backend.services.pruning import PruningService
from backend.services.restores import Anew, RestoreService
from backend.services.users import UserService
from backend.services.writing import Writers

pytestmark = pytest.mark.anyio

ROWS = 300
ALWAYS = Anew(least=0, share=1e-9)


class Place:
    """A dataset `edited` at version 2, in which each record has another label than in version 1."""

    def __init__(self, database: Database, url: str, user: User, caller: Caller, made: dict[str, Any]) -> None:
        self.database, self.url, self.client, self.caller = database, url, user.client, caller
        self.scope = WorkspaceScope(UUID(made["workspace"]), "", "", "owner", has_schema=True)
        self.pruning = PruningService(database, grace=timedelta(0))

    async def rewrite(self, version: int = 1, anew: Anew = ALWAYS) -> Changed:
        service = RestoreService(self.database, Writers(self.database), anew, limits=ReadLimits())
        wanted = Restore(version=version)
        return (await service.restore(self.caller, "edited", None, wanted, if_match=None, dry_run=False))[0]

    async def drop(self) -> None:
        """The table that the records lay in before; another test's transaction may be in the way for a moment."""
        while len(self.tables()) > 1:
            await self.pruning._drop_retired(self.scope)

    def tables(self) -> set[str]:
        query = "SELECT tablename FROM pg_tables WHERE schemaname = %s AND starts_with(tablename, 'records_')"
        with psycopg.connect(self.url) as connection:
            return {name for (name,) in connection.execute(query, (self.scope.schema,))}

    async def labels(self, **params: str | int) -> list[str]:
        answer = await self.client.get("/datasets/edited/records", params={"limit": 1000, **params})
        assert answer.status_code == 200, answer.text
        return [each["data"]["label"] for each in answer.json()["data"]]


@pytest.fixture
async def place(user: User, upload: Upload, database: Database, postgres_url: str) -> Place:
    made = await upload(table(ROWS), name="edited")
    again = table(ROWS).replace(b",row ", b",new ")
    answer = await user.client.post("/datasets/edited/imports?mode=upsert&key=n", content=again)
    assert answer.status_code in {200, 201}, answer.text
    caller = await UserService(database, registration_open=False).identify(user.key)
    assert caller is not None
    return Place(database, postgres_url, user, caller, made)


def named(word: str) -> list[str]:
    return [f"{word} {n}" for n in range(1, ROWS + 1)]


async def test_all_versions_are_in_the_new_table(place: Place) -> None:
    before = place.tables()
    assert (await place.rewrite()).changed == ROWS
    assert len(place.tables()) == 2
    await place.drop()
    assert place.tables().isdisjoint(before)
    assert [(await place.labels(version=number))[-1] for number in (1, 2, 3)] == ["row 300", "new 300", "row 300"]
    indexes = "SELECT count(*) FROM pg_indexes WHERE schemaname = %s AND starts_with(tablename, 'records_')"
    with psycopg.connect(place.url) as connection:
        assert connection.execute(indexes, (place.scope.schema,)).fetchone() == (4,)


@pytest.mark.parametrize("anew", [Anew(), Anew(least=2 * ROWS), Anew(least=0, share=1.01)])
async def test_few_of_the_images_are_written_where_they_are(place: Place, anew: Anew) -> None:
    before = place.tables()
    await place.rewrite(anew=anew)
    assert place.tables() == before


async def test_one_table_at_most_is_left_behind(place: Place) -> None:
    for version in (1, 2, 1):
        assert (await place.rewrite(version)).changed == ROWS
        assert len(place.tables()) == 2
    await place.drop()
    await place.rewrite(2)
    assert len(place.tables()) == 2
    assert [(await place.labels(version=number))[0] for number in (3, 4, 5, 6)] == ["row 1", "new 1"] * 2


async def test_records_that_stay_keep_their_images(place: Place) -> None:
    for number in (1, 2):
        label = {"label": f"row {number}"}
        assert (await place.client.patch(f"/datasets/edited/records/{number}", json=label)).status_code == 200
    assert (await place.client.delete("/datasets/edited/records/3")).status_code == 204
    told = await place.rewrite()
    assert (told.added, told.changed, told.removed, told.unchanged) == (1, ROWS - 3, 0, 2)
    answer = await place.client.get("/datasets/edited/records", params={"limit": 4})
    assert [each["version"] for each in answer.json()["data"]] == [3, 4, 6, 6]


async def test_who_has_found_the_old_table_reads_on(place: Place) -> None:
    """An export, a stream and a diff that have begun, or waited for their turn."""
    async with place.database.snapshot() as tx:
        scope, head = await lookup.head(tx, place.caller, "edited")
        then, now = [await lookup.snapshot(tx, scope, head, version=each) for each in ("1", "2")]
        told = await diffs.between(tx, scope, then, now)
    query = Query()
    chosen = [selections.selection(scope, each, query, place.database.fold) for each in (then, now)]
    with place.database.bulk_read() as tx:
        statement = selections.export_statement(tx, chosen[0], query, delimiter=",")
        await place.rewrite()
        assert b"".join(line for some in copy_out(tx, statement) for line in some) == table(ROWS).partition(b"\n")[2]
        async with place.database.transaction() as sweeping:
            assert not await stores.try_drop(sweeping, scope, head.store)
        await place.pruning._drop_retired(scope)
        assert len(place.tables()) == 2
    await place.drop()
    for each, word in zip(chosen, (b"row", b"new"), strict=True):
        with place.database.bulk_read() as tx:
            statement = selections.export_statement(tx, each, query, delimiter=",")
            lines = b"".join(line for some in copy_out(tx, statement) for line in some)
            assert lines == table(ROWS).replace(b",row ", b",%b " % word).partition(b"\n")[2]
        with place.database.bulk_read() as tx:
            streamed = [line for some in copy_out(tx, selections.stream_statement(tx, each, query)) for line in some]
            assert b"".join(streamed).count(b"\n") == ROWS
            assert extents.extents(tx, each, query, [each.snapshot.columns[0]])
    with place.database.bulk_read() as tx:
        differing = [line for some in copy_out(tx, diffs.stream_statement(tx, told)) for line in some]
        assert b"".join(differing).count(b"\n") == ROWS


async def test_pages_go_on_behind_the_change(place: Place) -> None:
    """Of the newest version, of an older one and of filtered ones, each with the old table there and without."""
    client = place.client
    begun = []
    for asked in ({}, {"version": "1"}, {"filter[kind]": "eq:1"}, {"version": "1", "sort": "-n"}):
        params = {"limit": 40, **asked}
        first = (await client.get("/datasets/edited/records", params=params)).json()
        again = (await client.get("/datasets/edited/records", params={"limit": 40, "cursor": first["next"]})).json()
        begun.append((first["next"], again["data"]))
        assert (await client.get("/datasets/edited/records/7", params={"version": "1"})).json()["data"]["n"] == 7
        counted = {"kind": "1"} | {name: value for name, value in asked.items() if name == "version"}
        assert (await client.get("/datasets/edited/records/count", params=counted)).status_code == 200
    await place.rewrite()
    for step in ("there", "gone"):
        for cursor, data in begun:
            answer = await client.get("/datasets/edited/records", params={"limit": 40, "cursor": cursor})
            assert (answer.status_code, answer.json()["data"]) == (200, data), step
        assert (await place.labels())[:2] == ["row 1", "row 2"]
        await place.drop()


async def test_who_remembers_a_table_that_is_gone_looks_again(place: Place) -> None:
    """Another process, say, in which nobody asked for the dataset since."""
    client = place.client
    asked = {"limit": 7, "kind": "2", "count": "exact"}
    for _ in range(2):
        assert (await client.get("/datasets/edited/records/9", params={"version": "1"})).status_code == 200
        assert (await client.get("/datasets/edited/records/count", params={"version": "2", "kind": "1"})).is_success
        assert (await client.get("/datasets/edited/records/8")).json()["data"]["label"] == "new 8"
    await place.rewrite()
    await place.drop()
    patched = await client.patch("/datasets/edited/records/8", json={"label": "again"})
    assert patched.status_code == 200, patched.text
    assert (await client.get("/datasets/edited/records/9", params={"version": "1"})).json()["data"]["label"] == "row 9"
    counted = await client.get("/datasets/edited/records/count", params={"version": "2", "kind": "1"})
    assert counted.json() == {"count": ROWS // 3, "version": 2}
    assert (await client.get("/datasets/edited/records", params=asked)).status_code == 200
    assert (await client.get("/datasets/edited/records/8")).json()["data"]["label"] == "again"
    history = (await client.get("/datasets/edited/records/8/history")).json()["data"]
    assert [each["data"]["label"] for each in history] == ["row 8", "new 8", "row 8", "again"]


async def test_the_key_stays_one(place: Place) -> None:
    client = place.client
    assert (await client.patch("/datasets/edited", json={"key": "n"})).status_code == 200
    number = (await client.get("/datasets/edited")).json()["version"]
    assert (
        await client.patch("/datasets/edited/records", json={"where": {}, "set": {"label": "x"}})
    ).status_code == 200
    await place.rewrite(number)
    await place.drop()
    assert (await client.get("/datasets/edited/records/by-key/12")).json()["data"]["label"] == "new 12"
    assert (await client.post("/datasets/edited/records", json={"n": 12})).status_code == 422


async def test_a_version_with_a_doubled_key_does_not_come_back(place: Place) -> None:
    client, before = place.client, place.tables()
    for label in ("new 1", "unlike"):
        assert (await client.patch("/datasets/edited/records/2", json={"label": label})).status_code == 200
    assert (await client.patch("/datasets/edited", json={"key": "label"})).status_code == 200
    with pytest.raises(DuplicateKeys):
        await place.rewrite(3)
    assert place.tables() == before
    assert (await client.post("/datasets/edited/records", json={"n": 1, "label": "free"})).status_code == 201


async def test_pruning_goes_on_in_the_new_table(place: Place) -> None:
    await place.rewrite()
    await place.drop()
    assert (await place.client.patch("/datasets/edited", json={"keep_versions": 1})).status_code == 200
    await place.pruning.sweep()
    (name,) = place.tables()
    with psycopg.connect(place.url) as connection:
        query = psycopg.sql.SQL("SELECT count(*) FROM {}").format(psycopg.sql.Identifier(place.scope.schema, name))
        while connection.execute(query).fetchone() != (ROWS,):
            connection.rollback()
            await place.pruning.sweep()


async def test_a_deleted_dataset_leaves_no_table_behind(place: Place) -> None:
    await place.rewrite()
    assert len(place.tables()) == 2
    assert (await place.client.delete("/datasets/edited")).status_code == 204
    await DatasetService(place.database, grace=timedelta(0), max_columns=10).sweep()
    assert place.tables() == set()


async def test_a_table_is_dropped_once(place: Place) -> None:
    await place.rewrite()
    await place.drop()
    async with place.database.transaction() as tx:
        assert not await stores.try_drop(tx, place.scope, Store(UUID(int=1)))
        assert await stores.list_retired(tx, place.scope, timedelta(0)) == []


async def test_a_worker_whose_clock_is_late_takes_nothing_from_the_grace(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "datetime", Late)
    await place.rewrite()
    async with place.database.transaction() as tx:
        assert await stores.list_retired(tx, place.scope, timedelta(minutes=30)) == []


class Late(datetime):
    """An hour behind."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return super().now(tz) - timedelta(hours=1)


async def test_a_table_that_is_gone_already_stops_nobody(place: Place) -> None:
    (name,) = place.tables()
    await place.rewrite()
    with psycopg.connect(place.url) as connection:
        connection.execute(psycopg.sql.SQL("DROP TABLE {}").format(psycopg.sql.Identifier(place.scope.schema, name)))
    async with place.database.transaction() as tx:
        assert await stores.try_drop(tx, place.scope, Store(UUID(hex=name.removeprefix("records_"))))
