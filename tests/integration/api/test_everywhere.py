"""What holds for every answer: ETags, request ids, problems, what there is at the root."""

from __future__ import annotations

import re

import pytest
from httpx import AsyncClient
from support.service import Upload

pytestmark = pytest.mark.anyio

ROOT = "http://sheaf.test"
READS = [
    "/users/me",
    "/users/me/keys",
    "/datasets",
    "/datasets/orders",
    "/datasets/orders/schema",
    "/datasets/orders/records",
    "/datasets/orders/records/count",
    "/datasets/orders/records/1",
    "/datasets/orders/records/1/history",
    "/datasets/orders/versions",
    "/datasets/orders/versions/1",
    "/datasets/orders/export",
]


class TestETags:
    @pytest.mark.reads
    @pytest.mark.parametrize("path", READS)
    async def test_every_read_has_one(self, orders: AsyncClient, path: str) -> None:
        etag = (await orders.get(path)).headers["etag"]
        again = await orders.get(path, headers={"If-None-Match": etag})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
        assert (await orders.get(path, headers={"If-None-Match": '"another"'})).status_code == 200

    @pytest.mark.parametrize("path", [path for path in READS if "orders" in path and path[-1] not in "1a"])
    async def test_a_write_changes_it(self, client: AsyncClient, upload: Upload, path: str) -> None:
        await upload()
        etag = (await client.get(path)).headers["etag"]
        await client.patch("/datasets/orders/records/1", json={"name": "Anna"})
        assert (await client.get(path, headers={"If-None-Match": etag})).status_code == 200


class TestCaching:
    @pytest.mark.reads
    @pytest.mark.parametrize("path", [*READS, "/datasets/missing", "/nothing"])
    async def test_an_answer_is_its_callers_and_asked_for_again(self, orders: AsyncClient, path: str) -> None:
        answer = await orders.get(path)
        again = await orders.get(path, headers={"If-None-Match": answer.headers.get("etag", '"none"')})
        for each in (answer, again, await orders.head(path)):
            assert each.headers.get_list("cache-control") == ["private, no-cache"]

    async def test_a_secret_is_kept_nowhere(self, client: AsyncClient) -> None:
        for path, body in (("/users", {"name": "Ann"}), ("/users/me/keys", {}), ("/users/me/keys/rotate", None)):
            answer = await client.post(path, json=body)
            assert answer.is_success
            assert answer.headers.get_list("cache-control") == ["no-store"]

    @pytest.mark.reads
    async def test_of_what_is_nobodys_nothing_is_said(self, client: AsyncClient) -> None:
        assert "cache-control" not in (await client.get(f"{ROOT}/health/live")).headers


@pytest.mark.reads
class TestBrowsers:
    @pytest.mark.parametrize("path", ["/datasets/orders/records", "/datasets/orders/export", "/nothing", f"{ROOT}/x"])
    async def test_nothing_runs_or_is_framed_or_tells_its_software(self, orders: AsyncClient, path: str) -> None:
        for method in ("GET", "HEAD", "OPTIONS"):
            answer = await orders.request(method, path, headers={"Origin": "https://a.example"})
            assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
            assert answer.headers.get_list("x-content-type-options") == ["nosniff"]
            assert not {"server", "x-powered-by", "access-control-allow-origin"} & set(answer.headers)


@pytest.mark.reads
class TestRequestIds:
    async def test_each_answer_has_one_of_its_own(self, client: AsyncClient) -> None:
        ids = {(await client.get("/users/me")).headers["x-request-id"] for _ in range(5)}
        assert len(ids) == 5

    async def test_the_callers_own_is_taken_when_it_is_harmless(self, client: AsyncClient) -> None:
        answer = await client.get("/users/me", headers={"X-Request-Id": "my-trace_1.2"})
        assert answer.headers["x-request-id"] == "my-trace_1.2"
        for bad in ("a b", "x" * 65, "", '"', "a\tb"):
            answer = await client.get("/users/me", headers={"X-Request-Id": bad})
            assert answer.headers["x-request-id"] != bad

    async def test_a_problem_names_it(self, client: AsyncClient) -> None:
        answer = await client.get("/datasets/missing")
        assert answer.json()["request_id"] == answer.headers["x-request-id"]

    async def test_the_time_it_took_is_told(self, client: AsyncClient) -> None:
        told = (await client.get("/users/me")).headers["server-timing"]
        assert re.fullmatch(r"total;dur=\d+\.\d, db;dur=\d+\.\d, cache;dur=\d+\.\d, wait;dur=\d+\.\d", told)


@pytest.mark.reads
class TestProblems:
    async def test_have_all_their_members(self, client: AsyncClient) -> None:
        answer = await client.get("/datasets/missing")
        told = answer.json()
        told.pop("request_id")
        assert answer.headers["content-type"] == "application/problem+json"
        assert told == {
            "type": "about:blank",
            "title": "Not Found",
            "status": 404,
            "status_code": 404,
            "detail": "Dataset not found",
            "error_code": "DATASET_NOT_FOUND",
        }

    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [
            ("GET", f"{ROOT}/nothing", 404),
            ("GET", "/nothing", 404),
            ("GET", "/datasets/x/nothing", 404),
            ("PUT", "/datasets", 405),
            ("DELETE", "/datasets/x/records/x/y", 404),
            ("POST", "/users/me", 405),
            ("GET", "/datasets/%00", 404),
            ("GET", "/datasets/%ff%fe", 404),
            ("GET", "/datasets/" + "x" * 5000, 404),
            ("GET", "/datasets/x?workspace=%00", 404),
        ],
    )
    async def test_are_told_of_odd_addresses_too(
        self, client: AsyncClient, method: str, path: str, status: int
    ) -> None:
        answer = await client.request(method, path)
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status_code"] == status
        assert "Traceback" not in answer.text

    async def test_a_body_over_the_limit_is_413_and_names_it(self, orders: AsyncClient) -> None:
        body = b" " * (16 * 2**20 + 1)
        headers = {"Content-Type": "application/json"}
        for method, path in (
            ("POST", "/datasets"),
            ("POST", "/datasets/orders/records"),
            ("POST", "/datasets/orders/query"),
            ("PATCH", "/datasets/orders/records/1"),
            ("PATCH", "/datasets/orders"),
        ):
            answer = await orders.request(method, path, content=body, headers=headers)
            assert answer.status_code == 413, path
            assert answer.json()["error_code"] == "TOO_LARGE"
            assert "SHEAF_MAX_BODY, 16,777,216" in answer.json()["detail"]


class TestRoot:
    async def test_health_needs_no_key(self, anonymous: AsyncClient) -> None:
        assert (await anonymous.get(f"{ROOT}/health/live")).json() == {"status": "ok"}
        ready = await anonymous.get(f"{ROOT}/health/ready")
        assert (ready.status_code, ready.json()["database"]) == (200, "ok")

    async def test_metrics_count_by_path_and_not_by_dataset(
        self, client: AsyncClient, anonymous: AsyncClient, upload: Upload
    ) -> None:
        dataset = await upload()
        await client.get(f"/datasets/{dataset['id']}")
        answer = await anonymous.get(f"{ROOT}/metrics")
        assert answer.status_code == 200
        assert "sheaf_request" in answer.text
        assert "/datasets/{ref" in answer.text
        assert dataset["id"] not in answer.text


class TestNamesThatMove:
    """A name is looked up anew each time, whatever was remembered under it."""

    async def test_a_dataset_under_the_name_of_a_deleted_one(self, client: AsyncClient, upload: Upload) -> None:
        await upload()
        before = await client.get("/datasets/orders/records")
        await client.delete("/datasets/orders")
        assert (await client.get("/datasets/orders/records")).status_code == 404
        await upload("name,amount\nEve,9\n")
        after = await client.get("/datasets/orders/records", headers={"If-None-Match": before.headers["etag"]})
        assert [record["data"]["name"] for record in after.json()["data"]] == ["Eve"]

    async def test_a_renamed_dataset(self, client: AsyncClient, upload: Upload) -> None:
        made = await upload()
        for ref in ("orders", made["id"], made["id"].upper()):
            assert (await client.get(f"/datasets/{ref}/records")).json()["total"] == 2
        await client.patch("/datasets/orders", json={"name": "bills"})
        assert (await client.get("/datasets/orders/records")).status_code == 404
        assert (await client.get("/datasets/bills/records")).json()["total"] == 2
        await upload("a\n1\n")
        assert (await client.get("/datasets/orders/records")).json()["total"] == 1
        assert (await client.get(f"/datasets/{made['id']}/records")).json()["total"] == 2

    async def test_a_stranger_profits_from_nothing_remembered(
        self, client: AsyncClient, stranger: AsyncClient, upload: Upload
    ) -> None:
        made = await upload()
        for ref in ("orders", made["id"]):
            for path in ("/records", "/records/1", "/schema", "/records/stream"):
                assert (await client.get(f"/datasets/{ref}{path}")).status_code == 200
                assert (await stranger.get(f"/datasets/{ref}{path}")).status_code == 404


class TestParameters:
    @pytest.mark.reads
    @pytest.mark.parametrize(
        "path",
        [
            "/datasets?limit=1&limit=2",
            "/datasets/orders/versions?limit=1&limit=2",
            "/datasets/orders/export?format=csv&format=tsv",
            "/datasets/orders/records?workspace=a&workspace=b",
            "/datasets/orders/records?limit=1&limit=2",
        ],
    )
    async def test_one_given_twice_is_refused(self, orders: AsyncClient, path: str) -> None:
        answer = await orders.get(path)
        assert answer.status_code == 400
        assert "twice" in answer.json()["detail"]

    @pytest.mark.reads
    async def test_an_encoding_that_cannot_be_a_name_is_refused(self, client: AsyncClient) -> None:
        answer = await client.post("/datasets?encoding=%00", content="a\n1\n", headers={"Content-Type": "text/csv"})
        assert answer.status_code in {400, 422}

    async def test_a_missing_body_is_named(self, anonymous: AsyncClient) -> None:
        answer = await anonymous.post("/users")
        assert answer.status_code in {400, 422}
        assert "JSON body" in answer.json()["detail"]

    @pytest.mark.reads
    async def test_more_columns_than_the_limit_are_refused(self, client: AsyncClient) -> None:
        columns = [{"name": f"c{at}"} for at in range(16_385)]
        answer = await client.post("/datasets", json={"name": "wide", "columns": columns})
        assert (answer.status_code, answer.json()["error_code"]) == (422, "LIMIT_EXCEEDED")

    async def test_a_damaged_cursor_is_refused(self, client: AsyncClient, upload: Upload) -> None:
        await upload("name\n" + "x\n" * 5)
        following = (await client.get("/datasets/orders/records?limit=2")).json()["next"]
        for at in range(0, len(following), 7):
            letter = "A" if following[at] != "A" else "B"
            damaged = following[:at] + letter + following[at + 1 :]
            assert (await client.get(f"/datasets/orders/records?cursor={damaged}")).status_code == 400
