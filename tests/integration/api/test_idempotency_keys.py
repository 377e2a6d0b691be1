"""What an `Idempotency-Key` holds for, for how long, and what it does nothing for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from httpx import AsyncClient, Response
from support.calls import CSV, ORDERS, make
from support.service import MakeUser, Upload, User
from support.waiting import until

from backend.repositories.database import Database
from backend.schemas.callers import Caller
from backend.services.idempotency import Attempt, IdempotencyService

pytestmark = pytest.mark.anyio
KEY = {"Idempotency-Key": "one"}
ANN = {"name": "Ann", "amount": 1}


async def add(client: AsyncClient, body: Any = ANN, query: str = "", **headers: str | bytes) -> Response:
    return await client.post(f"/datasets/orders/records{query}", json=body, headers={**KEY, **headers})


async def count(client: AsyncClient) -> int:
    total: int = (await client.get("/datasets/orders/records/count")).json()["count"]
    return total


def refused(answer: Response, status: int, code: str) -> None:
    assert (answer.status_code, answer.json()["error_code"]) == (status, code)


class Rows:
    """What the service remembers of keys."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __call__(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self._url) as connection:
            done = connection.execute(query, values)
            return done.fetchall() if done.description else []

    def states(self, user: User) -> list[int | None]:
        found = self("SELECT status FROM sheaf.idempotency WHERE user_id = %s ORDER BY created_at", user.id)
        return [status for (status,) in found]

    async def running(self, user: User) -> None:
        await asyncio.to_thread(until, lambda: None in self.states(user), "a call runs")


@pytest.fixture
def rows(postgres_url: str) -> Rows:
    return Rows(postgres_url)


@pytest.fixture
async def dataset(upload: Upload) -> dict[str, Any]:
    return await upload()


@pytest.fixture
def stopped(postgres_url: str, dataset: dict[str, Any]) -> Callable[[], Any]:
    """Within the block writes to the dataset wait."""

    @asynccontextmanager
    async def stop() -> AsyncIterator[None]:
        heads = psycopg.sql.Identifier(f"ws_{UUID(dataset['workspace']).hex}", "datasets")
        query = psycopg.sql.SQL("SELECT 1 FROM {} WHERE id = %s FOR UPDATE").format(heads)
        async with await psycopg.AsyncConnection.connect(postgres_url) as connection:
            await connection.execute(query, (dataset["id"],))
            yield

    return stop


@pytest.mark.usefixtures("dataset")
class TestTheSameKey:
    @pytest.mark.parametrize(
        ("body", "query", "kind"),
        [
            ({"name": "Bob", "amount": 1}, "", "application/json"),
            (ANN, "?workspace=other", "application/json"),
            (ANN, "", "application/json; charset=latin-1"),
            (ANN, "", "application/x-ndjson"),
        ],
    )
    async def test_with_another_request_is_refused(self, client: AsyncClient, body: Any, query: str, kind: str) -> None:
        assert (await add(client)).status_code == 201
        refused(await add(client, body, query, **{"Content-Type": kind}), 422, "IDEMPOTENCY_KEY_REUSED")
        assert await count(client) == 3

    async def test_takes_parameters_in_any_order(self, client: AsyncClient) -> None:
        first, again = [
            await client.post(f"/datasets?{query}", content=ORDERS, headers={**CSV, **KEY})
            for query in ("name=new&header=true", "header=true&name=new")
        ]
        assert first.status_code == 201
        assert again.content == first.content

    async def test_takes_a_form_with_another_boundary(self, client: AsyncClient) -> None:
        """Each of these calls makes up one."""
        answers = [
            await client.post("/datasets", files={"file": (f"{name}.csv", ORDERS)}, headers=KEY)
            for name in ("a", "a", "b")
        ]
        assert [each.status_code for each in answers] == [201, 201, 422]
        assert answers[0].content == answers[1].content

    async def test_of_another_path_method_or_caller_is_another(self, client: AsyncClient, make_user: MakeUser) -> None:
        other = (await make_user()).client
        await make(other, columns=[{"name": "name", "type": "text"}, {"name": "amount", "type": "integer"}])
        answers = [
            await add(client),
            await add(other),
            await client.patch("/datasets/orders", json={"description": "new"}, headers=KEY),
            await client.patch("/datasets/orders/schema", json={"order": ["amount", "name"]}, headers=KEY),
        ]
        assert [each.status_code for each in answers] == [201, 201, 200, 200]
        assert not any("idempotency-replayed" in each.headers for each in answers)

    async def test_holds_for_each_key_of_a_user(self, client: AsyncClient, connect: Callable[..., AsyncClient]) -> None:
        second = connect((await client.post("/users/me/keys", json={"name": "second"})).json()["api_key"])
        first, again = await add(client), await add(second)
        assert again.content == first.content
        assert again.headers["idempotency-replayed"] == "true"

    async def test_lets_nobody_write_who_may_only_read(self, client: AsyncClient, reader: AsyncClient) -> None:
        assert (await add(client)).status_code == 201
        refused(await add(reader), 403, "FORBIDDEN")

    async def test_is_free_again_after_a_failure(self, client: AsyncClient, user: User, rows: Rows) -> None:
        assert (await add(client, {"amount": "no"})).status_code == 422
        assert rows.states(user) == []
        assert (await add(client)).status_code == 201
        refused(await add(client, {"amount": "no"}), 422, "IDEMPOTENCY_KEY_REUSED")
        assert await count(client) == 3

    @pytest.mark.parametrize("key", ["", "a b", "é", "a" * 256, "\t"])
    async def test_is_refused_where_it_is_none(self, client: AsyncClient, key: str) -> None:
        refused(await add(client, **{"Idempotency-Key": key.encode("latin-1")}), 400, "INVALID_PARAMETER")
        assert await count(client) == 2

    async def test_twice_in_a_request_is_refused(self, client: AsyncClient) -> None:
        twice = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
        refused(await client.post("/datasets/orders/records", json=ANN, headers=twice), 400, "INVALID_PARAMETER")


class TestWhileItRuns:
    async def test_the_same_key_is_refused(
        self, client: AsyncClient, user: User, rows: Rows, stopped: Callable[[], Any]
    ) -> None:
        async with stopped():
            first = asyncio.create_task(add(client))
            await rows.running(user)
            again = await add(client)
            refused(again, 409, "IDEMPOTENCY_KEY_IN_USE")
            assert again.headers["retry-after"] == "1"
        assert (await first).status_code == 201
        assert (await add(client)).content == (await first).content
        assert await count(client) == 3

    async def test_one_that_was_taken_over_writes_nothing(
        self, client: AsyncClient, user: User, rows: Rows, stopped: Callable[[], Any]
    ) -> None:
        attempt = "SELECT attempt FROM sheaf.idempotency WHERE user_id = %s"
        async with stopped():
            slow = asyncio.create_task(add(client))
            await rows.running(user)
            rows("UPDATE sheaf.idempotency SET lease_until = now() WHERE user_id = %s", user.id)
            first = rows(attempt, user.id)
            second = asyncio.create_task(add(client))
            await asyncio.to_thread(until, lambda: rows(attempt, user.id) != first, "another has taken it over")
        refused(await slow, 409, "IDEMPOTENCY_KEY_IN_USE")
        assert (await second).status_code == 201
        assert await count(client) == 3

    async def test_its_lease_is_renewed(self, postgres_url: str, user: User, rows: Rows) -> None:
        lease = "SELECT lease_until FROM sheaf.idempotency WHERE user_id = %s"
        database = await Database(postgres_url, size=2, bulk_size=1, prepare=True).open()
        service = IdempotencyService(database, lease=timedelta(milliseconds=30))
        caller = Caller(UUID(user.id), user.name, uuid4(), "write", ())
        attempt = await service.begin(caller, "POST", "/x", "one")
        assert isinstance(attempt, Attempt)
        async with attempt.running():
            before = rows(lease, user.id)
            await asyncio.to_thread(until, lambda: rows(lease, user.id) != before, "the lease is renewed")
        assert rows.states(user) == []
        await database.close()

    async def test_one_whose_process_is_gone_is_run_anew(self, client: AsyncClient, user: User, rows: Rows) -> None:
        await make(client, columns=[{"name": "name", "type": "text"}, {"name": "amount", "type": "integer"}])
        rows(
            "INSERT INTO sheaf.idempotency (user_id, method, path, key, attempt, lease_until)"
            " VALUES (%s, 'POST', '/api/v1/datasets/orders/records', 'one', %s, now() + interval '1 minute')",
            user.id, uuid4(),
        )  # fmt: skip
        refused(await add(client), 409, "IDEMPOTENCY_KEY_IN_USE")
        rows("UPDATE sheaf.idempotency SET lease_until = now() WHERE user_id = %s", user.id)
        assert (await add(client)).status_code == 201
        assert (await add(client)).headers["idempotency-replayed"] == "true"
        assert await count(client) == 1


@pytest.mark.usefixtures("dataset")
class TestAfterADay:
    _AGE = "UPDATE sheaf.idempotency SET created_at = created_at - interval '24 hours' WHERE user_id = %s"

    async def test_the_key_is_as_good_as_new(self, client: AsyncClient, user: User, rows: Rows) -> None:
        assert (await add(client)).status_code == 201
        rows(self._AGE, user.id)
        assert "idempotency-replayed" not in (await add(client, {"name": "Bob"})).headers
        assert await count(client) == 4

    async def test_answers_are_swept(self, client: AsyncClient, user: User, rows: Rows, postgres_url: str) -> None:
        await add(client)
        rows(self._AGE, user.id)
        await add(client, **{"Idempotency-Key": "two"})
        database = await Database(postgres_url, size=2, bulk_size=1, prepare=True).open()
        await IdempotencyService(database).sweep()
        await database.close()
        assert rows("SELECT key FROM sheaf.idempotency WHERE user_id = %s", user.id) == [("two",)]


class TestHasNoEffect:
    async def test_on_what_answers_a_secret(self, client: AsyncClient, user: User, rows: Rows) -> None:
        issued = [await client.post("/users/me/keys", json={"name": "k"}, headers=KEY) for _ in range(2)]
        assert issued[0].json()["api_key"] != issued[1].json()["api_key"]
        registered = [await client.post("/users", json={"name": "Bob"}, headers=KEY) for _ in range(2)]
        assert registered[0].json()["api_key"] != registered[1].json()["api_key"]
        assert (await client.post("/users/me/keys/rotate", headers=KEY)).status_code == 200
        assert rows.states(user) == []

    @pytest.mark.usefixtures("dataset")
    @pytest.mark.parametrize("path", ["query", "export"])
    async def test_on_what_reads(self, client: AsyncClient, user: User, rows: Rows, path: str) -> None:
        for body in ({"columns": ["name"]}, {"columns": ["amount"]}):
            assert (await client.post(f"/datasets/orders/{path}", json=body, headers=KEY)).status_code == 200
        assert rows.states(user) == []

    @pytest.mark.usefixtures("dataset")
    async def test_on_put_and_delete(self, client: AsyncClient, user: User, rows: Rows) -> None:
        for amount in (1, 2):
            answer = await client.put("/datasets/orders/records/1", json={"amount": amount}, headers=KEY)
            assert answer.json()["data"] == {"name": None, "amount": amount}
        assert (await client.delete("/datasets/orders/records/1", headers=KEY)).status_code == 204
        assert rows.states(user) == []


async def test_a_body_that_ends_too_early_writes_nothing(
    service: Any, client: AsyncClient, user: User, rows: Rows, dataset: dict[str, Any]
) -> None:
    """Also where the handler has no use for it."""
    assert (await client.delete("/datasets/orders")).status_code == 204
    coming: list[dict[str, Any]] = [
        {"type": "http.request", "body": b"half", "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return coming.pop(0)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    path = f"/api/v1/datasets/{dataset['id']}/undelete"
    scope = {
        "type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b"",
        "headers": [(b"x-api-key", user.key.encode()), (b"idempotency-key", b"one")],
        "http_version": "1.1", "scheme": "http", "root_path": "", "client": None, "server": None,
    }  # fmt: skip
    await service.app(scope, receive, send)
    assert sent[0]["status"] == 400
    assert rows.states(user) == []
    assert (await client.get("/datasets/orders")).status_code == 404
