"""Indexes that come from use: built beside the requests, used by the same statements, dropped, and never in the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from random import Random
from typing import Any
from uuid import UUID, uuid4

import msgspec
import psycopg
import pytest
from httpx import ASGITransport
from support.databases import own_database
from support.service import Upload, User, running
from support.waiting import eventually

from backend.app import create_app
from backend.query.indexing import Access
from backend.query.spec import parse_params
from backend.readers.base import ReadLimits
from backend.repositories import indexes, lookup, plans, selections
from backend.repositories.database import Database, Tx
from backend.repositories.indexes import Use
from backend.repositories.migrate import upgrade
from backend.schemas.datasets import Store
from backend.schemas.versions import Restore
from backend.services import indexing
from backend.services.indexing import MOST, IndexLimits, IndexService
from backend.services.restores import Anew, RestoreService
from backend.services.users import UserService
from backend.services.writing import Writers
from backend.settings import Settings

pytestmark = pytest.mark.anyio
ROWS = 3_000
LIMITS = IndexLimits(1_000, budget=20)
Ready = Callable[..., Awaitable[dict[str, Any]]]
WORDS = ["Élan", "bike", "Car", "boat", "tram"]
STAGES = ["new", "paid", "", "lost"]
TEXT = "sku,amount,word,note,stage\n" + "".join(
    f"s{n:05},{n * 7919 % 10_007}.50,{WORDS[n % 5]} {n},{'' if n % 3 else f'note {n}'},{STAGES[n % 4]}\n"
    for n in range(ROWS)
)
ORDERED = [
    {"sort": "amount"},
    {"sort": "-amount"},
    {"sort": "note"},
    {"sort": "-note"},
    {"sort": "stage,-amount"},
    {"sort": "-stage,note,-__id"},
    {"amount": "17.50"},
    {"amount": "between:100,120"},
    {"sku": "in:s00007,s02999,nothing"},
    {"sku": "starts:s0012"},
    {"sku": "gt:s02990"},
    {"amount": "is_null"},
    {"word": "is_null"},
]
LETTERS = [
    {"word": "icontains:ÉLAN 12"},
    {"word": "contains:bike 11"},
    {"word": "like:*oat 2*9"},
    {"word": "ends:m 2999"},
    {"word": "regex:^Car 29[0-9]+$"},
    {"q": "s00123"},
    {"q": "élan 1230"},
    {"note": "contains:ote 29", "sort": "-amount"},
]


@pytest.fixture(scope="module")
def postgres_url(empty_postgres_url: str) -> Iterator[str]:
    """A database in which no other test's service builds indexes."""
    with own_database(empty_postgres_url) as url:
        upgrade(url)
        yield url


@pytest.fixture(scope="module")
async def service(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ASGITransport]:
    """The application, as indexes are built where a dataset has a thousand records; it keeps no pages.

    Its worker looks once: tests build when they want to.
    """
    told = {
        "registration": "open",
        "key_memory": 0.2,
        "log_level": "error",
        "index_rows": 1_000,
        "index_budget": 20,
        "cache_memory": 0,
    }
    app = create_app(Settings(database_url=postgres_url, data=tmp_path_factory.mktemp("data"), **told))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(indexing, "_EVERY", 3_600.0)
        async with running(app):
            yield ASGITransport(app)


@pytest.fixture
async def dataset(upload: Upload) -> dict[str, Any]:
    return await upload(TEXT, name="goods")


async def page(user: User, dataset: dict[str, Any], **asked: str) -> dict[str, Any]:
    answer = await user.client.get(f"/datasets/{dataset['id']}/records", params={"limit": "20"} | asked)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def pages(user: User, dataset: dict[str, Any], asked: dict[str, str]) -> list[Any]:
    """The records of the first two pages, and how many there are."""
    first = await page(user, dataset, **asked)
    following = {"data": []} if first["next"] is None else await page(user, dataset, cursor=first["next"])
    return [first["total"], first["data"], following["data"]]


async def explained(user: User, dataset: dict[str, Any], call: str = "records", **asked: str) -> dict[str, Any]:
    params = asked | {"explain": "true"}
    answer = await user.client.get(f"/datasets/{dataset['id']}/{call}", params=params)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()["explain"]
    return told


async def asked_twice(user: User, dataset: dict[str, Any], **asked: str) -> None:
    """Which is enough; and it is written down."""
    for _ in range(2):
        await page(user, dataset, **asked)
    await explained(user, dataset, **asked)


@pytest.fixture
def builder(database: Database) -> IndexService:
    return IndexService(database, LIMITS)


@pytest.fixture
def ready(user: User, dataset: dict[str, Any], builder: IndexService) -> Ready:
    """Asks often enough, builds, and sees to it that every index for it is there, or as expected."""

    async def ask(state: str = "ready", **asked: str) -> dict[str, Any]:
        await asked_twice(user, dataset, **asked)
        await builder.tend()
        for _ in range(600):
            told = await explained(user, dataset, **asked)
            if all(index["state"] != "building" for index in told["indexes"]):
                break
            await asyncio.sleep(0.05)  # the service's own worker, which looks once, was quicker
        assert {index["state"] for index in told["indexes"]} == {state}, told
        return told

    return ask


def ours(url: str, dataset: dict[str, Any]) -> dict[str, bool]:
    """The names of a dataset's indexes from use, and whether each is whole."""
    with psycopg.connect(url) as connection:
        found = connection.execute(
            "SELECT relname, indisvalid FROM pg_index JOIN pg_class ON oid = indexrelid WHERE starts_with(relname, %s)",
            (f"xu_{UUID(dataset['id']).hex}",),
        )
        return dict(found.fetchall())


def change(url: str, dataset: dict[str, Any], assignment: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(
            psycopg.sql.SQL("UPDATE sheaf.indexes SET {} WHERE store = %s").format(psycopg.sql.SQL(assignment)),
            (dataset["id"],),
        )


async def begun(url: str) -> None:
    """Waits until PostgreSQL is at an index."""
    for _ in range(600):
        with psycopg.connect(url) as connection:
            if connection.execute("SELECT 1 FROM pg_stat_progress_create_index").fetchone():
                return
        await asyncio.sleep(0.05)
    pytest.fail("no index is being built")


@asynccontextmanager
async def stuck(builder: IndexService, database: Database, url: str) -> AsyncIterator[asyncio.Task[None]]:
    """An index is being built, and waits for a snapshot that is held during the block."""
    async with database.snapshot() as tx:
        await tx.execute("SELECT count(*) FROM sheaf.users")
        building = asyncio.create_task(builder.tend())
        await begun(url)
        yield building
    await building


async def looked_at(tx: Tx, statement: bytes, params: dict[str, Any]) -> list[dict[str, Any]]:
    """The nodes of its plan that read records, as far as they are run."""
    async with psycopg.AsyncClientCursor(tx) as cursor:
        row = await (await cursor.execute(b"EXPLAIN (ANALYZE, FORMAT JSON) " + statement, params)).fetchone()
    nodes = plans._nodes(msgspec.json.decode(row[0])[0]["Plan"] if row else {})
    return [node for node in nodes if node.get("Relation Name", "").startswith("records_") and node["Actual Loops"]]


class TestBuilding:
    @pytest.mark.parametrize("queries", [ORDERED, LETTERS], ids=["ordered", "letters"])
    async def test_what_is_asked_twice_gets_an_index_that_serves_the_same_statement(
        self, user: User, dataset: dict[str, Any], ready: Ready, queries: list[dict[str, str]]
    ) -> None:
        before = [await pages(user, dataset, asked) for asked in queries]
        for asked in queries:
            told = await ready(**asked)
            assert told["access"] == "index", (asked, told["text"])
        assert [await pages(user, dataset, asked) for asked in queries] == before

    async def test_a_page_asked_for_once_and_one_of_an_older_version_build_nothing(
        self, user: User, dataset: dict[str, Any], postgres_url: str
    ) -> None:
        told = await explained(user, dataset, amount="gt:9000")
        assert told["indexes"] == [
            {
                "column": "amount",
                "kind": "ascending",
                "then": [],
                "state": "none",
                "used": False,
                "why": "2 such queries make one",
            }
        ]
        await user.client.patch(f"/datasets/{dataset['id']}/records/1", json={"amount": 1})
        for _ in range(3):
            await page(user, dataset, amount="gt:9000", version="1")
        await page(user, dataset, sort="amount")
        told = await explained(user, dataset, sort="amount")
        assert told["indexes"][0]["why"] == "one more such query makes one"
        assert "newest version alone" in (await explained(user, dataset, amount="gt:9000", version="1"))["text"]
        assert ours(postgres_url, dataset) == {}

    async def test_pages_far_behind_in_an_order_are_sought_in_its_index(
        self, user: User, dataset: dict[str, Any], ready: Ready, database: Database
    ) -> None:
        """Wherever they begin, among nulls as well, the records ahead of them are not looked at; without one once."""
        caller = await UserService(database, registration_open=False).identify(user.key)
        assert caller is not None
        for order in ("amount", "-note", "note", "stage,-amount", "-stage,amount,-sku"):
            listed = [
                record
                for offset in ("0", "1000", "2000")
                for record in (await page(user, dataset, sort=order, limit="1000", offset=offset))["data"]
            ]
            query = parse_params([("sort", order), ("limit", "20")])
            async with database.snapshot() as tx:
                scope, head = await lookup.head(tx, caller, dataset["id"], None)
                chosen = selections.selection(scope, await lookup.snapshot(tx, scope, head), query, database.fold)
                last = selections.page_statement(chosen, dataset["id"], after=listed[2_990]["id"], newest=True)
                assert [node for node in await looked_at(tx, *last) if "Index Cond" not in node][1:] == []
            await ready(sort=order)
            async with database.snapshot() as tx:
                for row in (10, 990, 1_500, 2_900):
                    after = listed[row]["id"]
                    found = await selections.page(tx, chosen, dataset["id"], after=after, newest=True)
                    assert found is not None
                    assert msgspec.json.decode(found.records) == listed[row + 1 : row + 21]
                    looked = await looked_at(
                        tx, *selections.page_statement(chosen, dataset["id"], after=after, newest=True)
                    )
                    assert looked
                    assert all("Index Cond" in node for node in looked), (order, row, looked)
                    seen = sum(node["Actual Rows"] + node.get("Rows Removed by Filter", 0) for node in looked)
                    assert seen < ROWS / 10, (order, row, looked)

    async def test_texts_that_no_index_entry_could_hold_are_taken(
        self, user: User, dataset: dict[str, Any], ready: Ready, postgres_url: str
    ) -> None:
        await ready(sort="note")
        long = "".join(chr(0x4E00 + n * 7919 % 20_000) for n in range(3_000))
        made = await user.client.post(f"/datasets/{dataset['id']}/records", json={"note": long, "sku": "long"})
        assert made.status_code == 201, made.text
        for operator in ("eq", "gte", "starts"):
            found = await page(user, dataset, note=f"{operator}:{long}")
            assert [record["data"]["sku"] for record in found["data"]] == ["long"]
        assert (await page(user, dataset, sort="note", limit="1000", note="gte:note 999"))["data"][-1]["data"][
            "sku"
        ] == ("long")

    async def test_workers_that_come_together_build_one_index_once(
        self, user: User, dataset: dict[str, Any], ready: Ready, database: Database, postgres_url: str
    ) -> None:
        await asked_twice(user, dataset, sort="amount")
        await asyncio.gather(*(IndexService(database, LIMITS).tend() for _ in range(4)))
        assert list(ours(postgres_url, dataset).values()) == [True]
        with psycopg.connect(postgres_url) as connection:
            row = connection.execute("SELECT attempts FROM sheaf.indexes WHERE store = %s", (dataset["id"],)).fetchone()
        assert row == (1,)


class TestKeeping:
    async def test_one_that_nobody_asks_for_is_dropped(
        self, user: User, dataset: dict[str, Any], ready: Ready, database: Database, postgres_url: str
    ) -> None:
        await ready(sort="amount")
        change(postgres_url, dataset, "used_at = now() - interval '31 days'")
        await IndexService(database, IndexLimits(1, days=30)).tend()
        assert ours(postgres_url, dataset) == {}
        told = await explained(user, dataset, sort="amount")
        assert told["indexes"][0]["state"] == "none"

    async def test_the_least_recently_used_makes_room(
        self, user: User, dataset: dict[str, Any], ready: Ready, postgres_url: str
    ) -> None:
        for column in ("sku", "word", "note", "amount"):
            await ready(sort=column)
            await ready(sort=f"-{column}")
        await ready(sort="stage,-amount")
        await ready(sort="stage,amount")
        assert len(ours(postgres_url, dataset)) == MOST
        told = await ready(state="refused", q="s00012")
        assert "no room" in told["text"]
        change(postgres_url, dataset, "used_at = now() - interval '2 hours', wait_until = NULL")
        told = await ready(q="s00012")
        assert told["access"] == "index"
        assert len(ours(postgres_url, dataset)) == MOST

    async def test_without_a_budget_none_is_built(
        self, user: User, dataset: dict[str, Any], ready: Ready, database: Database, postgres_url: str
    ) -> None:
        await asked_twice(user, dataset, sort="amount")
        await IndexService(database, IndexLimits(1, budget=0.0)).tend()
        told = await explained(user, dataset, sort="amount")
        assert told["indexes"][0]["state"] == "refused"
        assert "no room" in told["text"]

    async def test_one_that_turns_out_too_large_is_tried_again_where_there_is_room(
        self, user: User, dataset: dict[str, Any], ready: Ready, database: Database, postgres_url: str
    ) -> None:
        await asked_twice(user, dataset, sort="amount")
        for _ in range(2):  # the second time it is known how large it is
            change(postgres_url, dataset, "wait_until = NULL")
            await IndexService(database, IndexLimits(1, budget=0.01)).tend()
            assert "no room" in (await explained(user, dataset, sort="amount"))["text"]
            assert ours(postgres_url, dataset) == {}
        change(postgres_url, dataset, "wait_until = NULL")
        assert (await ready(sort="amount"))["access"] == "index"


class TestFaults:
    async def test_a_torso_is_mended(
        self, user: User, dataset: dict[str, Any], ready: Ready, postgres_url: str
    ) -> None:
        await ready(sort="amount")
        [name] = ours(postgres_url, dataset)
        with psycopg.connect(postgres_url) as connection:
            connection.execute(
                "UPDATE pg_index SET indisvalid = false WHERE indexrelid = %s::regclass",
                (f"ws_{UUID(dataset['workspace']).hex}.{name}",),
            )
        change(postgres_url, dataset, f"state = 'building', worker = '{UUID(int=1)}', wait_until = now()")
        told = await ready(sort="amount")
        assert told["access"] == "index"
        assert ours(postgres_url, dataset) == {name: True}
        change(postgres_url, dataset, "state = 'building', wait_until = now() + interval '1 hour'")
        told = await explained(user, dataset, sort="amount")
        assert told["indexes"][0]["state"] == "ready", "it is used, though nobody has written down yet that it may be"

    async def test_a_number_that_is_too_long_refuses_it(
        self, user: User, dataset: dict[str, Any], ready: Ready, postgres_url: str
    ) -> None:
        digits = "".join(Random(7).choices("0123456789", k=10_000))
        body = '{"sku": "long", "amount": 1' + digits + "}"
        made = await user.client.post(
            f"/datasets/{dataset['id']}/records", content=body, headers={"Content-Type": "application/json"}
        )
        assert made.status_code == 201, made.text
        told = await ready(state="refused", sort="amount")
        assert told["text"] == "Scans 3,001 rows. No index on `amount`: a value is too long for an index."
        assert ours(postgres_url, dataset) == {}

    async def test_one_that_is_in_the_way_of_a_write_goes(
        self, user: User, dataset: dict[str, Any], ready: Ready, postgres_url: str
    ) -> None:
        await ready(sort="amount")
        body = '{"sku": "long", "amount": 1' + "".join(Random(7).choices("0123456789", k=10_000)) + "}"
        address, headers = f"/datasets/{dataset['id']}/records", {"Content-Type": "application/json"}
        for _ in range(5):  # until it is no service of another test, in this process, that hears of it
            made = await user.client.post(address, content=body, headers=headers)
            assert (made.status_code, made.headers["retry-after"]) == (503, "5"), made.text
            told = await explained(user, dataset, sort="amount")
            if told["indexes"][0]["state"] == "refused":
                break
        assert told["indexes"][0]["why"] == "a value is too long for an index"
        assert ours(postgres_url, dataset) == {}
        assert (await user.client.post(address, content=body, headers=headers)).status_code == 201

    async def test_a_table_that_is_gone_is_no_error(
        self, user: User, dataset: dict[str, Any], builder: IndexService, database: Database, postgres_url: str
    ) -> None:
        await asked_twice(user, dataset, sort="amount")
        with psycopg.connect(postgres_url) as connection:
            schema, table = f"ws_{UUID(dataset['workspace']).hex}", f"records_{UUID(dataset['id']).hex}"
            connection.execute(psycopg.sql.SQL("DROP TABLE {}").format(psycopg.sql.Identifier(schema, table)))
        await builder.tend()
        async with database.read() as tx:
            assert await indexes.list_of(tx, UUID(dataset["id"])) == []

    async def test_a_key_is_declared_while_one_is_built(
        self,
        user: User,
        dataset: dict[str, Any],
        ready: Ready,
        builder: IndexService,
        database: Database,
        postgres_url: str,
    ) -> None:
        """Who wants the table ends the building."""
        await asked_twice(user, dataset, sort="amount")
        async with stuck(builder, database, postgres_url):
            told = await explained(user, dataset, sort="amount")
            assert told["indexes"][0]["state"] == "building"
            patched = await user.client.patch(f"/datasets/{dataset['id']}", json={"key": "sku"})
            assert patched.status_code == 200, patched.text
            written = await user.client.patch(f"/datasets/{dataset['id']}/records/1", json={"amount": 5})
            assert written.status_code == 200, written.text
        change(postgres_url, dataset, "wait_until = NULL")
        await ready(sort="amount")

    async def test_writers_go_on_while_one_is_built(
        self,
        user: User,
        dataset: dict[str, Any],
        ready: Ready,
        builder: IndexService,
        database: Database,
        postgres_url: str,
    ) -> None:
        await asked_twice(user, dataset, sort="amount")
        async with stuck(builder, database, postgres_url):
            for number in range(20):
                written = await user.client.patch(f"/datasets/{dataset['id']}/records/1", json={"amount": number})
                assert written.status_code == 200, written.text
                assert (await page(user, dataset, sort="amount"))["version"] == number + 2
            assert (await explained(user, dataset, sort="amount"))["indexes"][0]["state"] == "building"
        await ready(sort="amount")

    async def test_who_has_lost_the_lease_builds_no_longer(
        self,
        user: User,
        dataset: dict[str, Any],
        ready: Ready,
        builder: IndexService,
        database: Database,
        postgres_url: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(indexing, "_BEAT", 0.05)
        await asked_twice(user, dataset, sort="amount")
        async with stuck(builder, database, postgres_url) as building:
            change(postgres_url, dataset, "worker = gen_random_uuid(), wait_until = now() + interval '1 hour'")
            async with asyncio.timeout(60):
                await building
        assert list(ours(postgres_url, dataset).values()) == [False]
        change(postgres_url, dataset, "wait_until = NULL")
        await ready(sort="amount")

    async def test_without_trigrams_searches_scan(
        self,
        user: User,
        dataset: dict[str, Any],
        ready: Ready,
        database: Database,
        postgres_url: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """As a server does that lacks the extension, or a role that may not add it."""
        before = await page(user, dataset, word="contains:bike 11")
        monkeypatch.setattr(indexes, "_ADD_TRIGRAMS", "CREATE EXTENSION of_which_there_is_none")
        with psycopg.connect(postgres_url) as connection:
            connection.execute("DROP EXTENSION IF EXISTS pg_trgm CASCADE")
        told = await ready(state="refused", word="contains:bike 11")
        assert told["text"].endswith("No index on `word` for parts of its text: the database has no pg_trgm.")
        assert (await page(user, dataset, word="contains:bike 11"))["data"] == before["data"]


class TestExplain:
    async def test_a_stranger_sees_nothing(self, user: User, stranger: Any, dataset: dict[str, Any]) -> None:
        for call in ("records", "records/count", "export"):
            missing = await stranger.get(f"/datasets/{dataset['id']}/{call}", params={"explain": "true"})
            assert missing.status_code == 404

    async def test_says_what_is_done_in_plain_words(self, user: User, dataset: dict[str, Any]) -> None:
        assert (await explained(user, dataset))[
            "text"
        ] == "Reads the records where they lie, in the order of their ids."
        assert (await explained(user, dataset, "records/count"))["access"] == "none"
        told = await explained(user, dataset, "records/count", word="ne:x")
        assert told["text"] == "Scans 3,000 rows. No index serves this kind of condition or order."
        told = await explained(user, dataset, "export", sort="-amount")
        assert (told["access"], told["version"], told["rows"]) == ("scan", 1, 3_000)
        assert told["text"].startswith("Scans 3,000 rows. No index on `amount`, downwards")
        body = await user.client.post(f"/datasets/{dataset['id']}/query", json={"q": "bike", "explain": True})
        assert body.json()["explain"]["indexes"][0]["column"] is None
        bad = await user.client.get(f"/datasets/{dataset['id']}/records", params={"explain": "perhaps"})
        assert bad.status_code == 400

    async def test_tells_which_direction_serves_and_which_is_needed(
        self, user: User, dataset: dict[str, Any], ready: Ready
    ) -> None:
        await ready(sort="-amount")
        asked = {"amount": "between:100,102"}
        found = (await explained(user, dataset, **asked))["indexes"]
        assert [(each["kind"], each["used"]) for each in found] == [("descending", True)]
        found = (await explained(user, dataset, **asked, sort="amount"))["indexes"]
        told = [(each["kind"], each["state"], each["used"]) for each in found]
        assert told == [("descending", "ready", True), ("ascending", "none", False)]
        by_id = await explained(user, dataset, __id="in:1,5")
        assert (by_id["access"], by_id["text"]) == ("index", "Looks the records up by their ids.")

    async def test_tells_the_columns_of_an_order(self, user: User, dataset: dict[str, Any], ready: Ready) -> None:
        asked = {"sort": "-stage,note,-amount"}
        told = await explained(user, dataset, **asked)
        assert told["text"] == "Scans 3,000 rows. No index on `-stage,note,-amount`: 2 such queries make one."
        [found] = (await ready(**asked))["indexes"]
        assert (found["column"], found["kind"], found["then"]) == ("stage", "descending", ["note", "-amount"])
        assert (await explained(user, dataset, **asked))["text"] == "Uses the index on `-stage,note,-amount`."
        [found] = (await explained(user, dataset, stage="in:paid", note="note 9", **asked))["indexes"][:1]
        assert found["used"]

    async def test_tells_nothing_of_the_database(self, user: User, dataset: dict[str, Any], ready: Ready) -> None:
        told = str(await ready(sort="amount"))
        assert not any(name in told for name in ("xu_", "jsonb", "records_"))


async def test_records_written_anew_get_their_indexes_again(
    user: User, dataset: dict[str, Any], database: Database, builder: IndexService, ready: Ready, postgres_url: str
) -> None:
    await ready(amount="17.50")
    answer = await user.client.patch(f"/datasets/{dataset['id']}/records", json={"where": {}, "set": {"word": "x"}})
    assert answer.status_code == 200, answer.text
    caller = await UserService(database, registration_open=False).identify(user.key)
    assert caller is not None
    service = RestoreService(database, Writers(database), Anew(least=0), limits=ReadLimits())
    await service.restore(caller, dataset["id"], None, Restore(version=1), if_match=None, dry_run=False)
    told = await explained(user, dataset, amount="17.50")
    assert [(index["state"], index["used"]) for index in told["indexes"]] == [("queued", False)]
    await builder.tend()
    told = await explained(user, dataset, amount="17.50")
    assert [(index["state"], index["used"]) for index in told["indexes"]] == [("ready", True)]


async def test_what_readers_noted_on_the_new_table_first_is_moved_there_too(
    user: User, dataset: dict[str, Any], database: Database, ready: Ready, postgres_url: str
) -> None:
    await ready(sort="amount")
    await ready(sort="note")
    before, after = Store(UUID(dataset["id"])), Store(uuid4())
    with psycopg.connect(postgres_url) as connection:
        refused = "UPDATE sheaf.indexes SET state = 'refused', problem = 'why' WHERE store = %s AND digest = %s"
        noted = (
            "INSERT INTO sheaf.indexes (store, digest, workspace_id, form, expression, whole, uses, used_at)"
            " SELECT %s, digest, workspace_id, form, expression, whole, 1, now() FROM sheaf.indexes WHERE digest = %s"
        )
        async with database.read() as tx:
            old = await indexes.list_of(tx, before)
        connection.execute(refused, (before, old[0].digest))
        connection.execute(noted + " AND store = %s", (after, old[0].digest, before))
    async with database.transaction() as tx:
        await indexes.move(tx, before, after)
        assert await indexes.list_of(tx, before) == []
        moved = {each.digest: (each.state, each.problem, each.uses) for each in await indexes.list_of(tx, after)}
    assert moved == {
        old[0].digest: ("refused", "why", old[0].uses + 1),
        old[1].digest: ("noted", None, old[1].uses),
    }


@pytest.mark.parametrize("moves", [False, True])
async def test_rows_are_taken_in_one_order_whatever_was_asked_for_first(
    user: User, dataset: dict[str, Any], database: Database, postgres_url: str, *, moves: bool
) -> None:
    """Otherwise two workers that write down the same two queries wait for one another."""
    store, workspace = Store(uuid4()), UUID(dataset["workspace"])
    made = (Access("sku", "asc", f"sku{n}") for n in range(2))
    last, first = (
        Use(workspace, store, access, 0) for access in sorted(made, key=lambda access: access.digest, reverse=True)
    )
    async with database.transaction() as tx:
        await indexes.note(tx, [last], datetime.now(UTC))
    async with database.transaction() as tx:
        await indexes.note(tx, [first], datetime.now(UTC))
    after = Store(uuid4())

    async def follow() -> None:
        async with database.transaction() as tx:
            if moves:
                await indexes.move(tx, store, after)
            else:
                await indexes.note(tx, [last, first], datetime.now(UTC))

    with psycopg.connect(postgres_url) as holding:
        holding.execute("ANALYZE sheaf.indexes")  # so few rows are then read as they lie
        holding.commit()
        take = "SELECT FROM sheaf.indexes WHERE store = %s AND digest = %s FOR UPDATE NOWAIT"
        holding.execute(take, (store, first.access.digest))
        following = asyncio.create_task(follow())
        await eventually(partial(_waits_for, holding.info.backend_pid, postgres_url))
        holding.execute(take, (store, last.access.digest))
        holding.execute("UPDATE sheaf.indexes SET uses = 7 WHERE store = %s", (store,))
        holding.commit()
        await following
    async with database.read() as tx:
        assert [each.uses for each in await indexes.list_of(tx, after if moves else store)] == [7, 7]


async def _waits_for(process: int, url: str) -> bool:
    with psycopg.connect(url) as connection:
        query = "SELECT FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid))"
        return connection.execute(query, (process,)).fetchone() is not None
