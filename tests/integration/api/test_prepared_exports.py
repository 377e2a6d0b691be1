"""Exports that are made beside the requests, and files that are taken in parts."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import Any
from zipfile import ZipFile

import psycopg
import pytest
from httpx import AsyncClient, Response
from support.calls import ended
from support.service import MakeUser, Upload

pytestmark = pytest.mark.anyio

TEXT = "n,word\r\n" + "".join(f"{n},word {n}\r\n" for n in range(1, 2001))


@pytest.fixture
async def words(upload: Upload) -> dict[str, Any]:
    dataset: dict[str, Any] = await upload(TEXT, name="words")
    return dataset


@pytest.fixture
def database(postgres_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        yield connection


async def prepare(client: AsyncClient, **params: Any) -> dict[str, Any]:
    answer = await client.get("/datasets/words/export", params={"prepare": "true", **params})
    assert answer.status_code == 202, answer.text
    status: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"/api/v1/exports/{status['id']}"
    return status


async def made(client: AsyncClient, **params: Any) -> dict[str, Any]:
    status = await ended(client, (await prepare(client, **params))["id"])
    assert status["state"] == "done", status
    return status


async def file(client: AsyncClient, status: dict[str, Any], **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.get(f"/exports/{status['id']}/file", headers=named)


def parts(content: bytes) -> dict[str, bytes]:
    """A file, or of a workbook all but the moment that it was made at."""
    if not content.startswith(b"PK"):
        return {"": content}
    with ZipFile(BytesIO(content)) as package:
        return {name: package.read(name) for name in package.namelist() if name != "docProps/core.xml"}


@pytest.mark.usefixtures("words")
class TestPreparing:
    async def test_the_file_is_that_of_an_export(self, client: AsyncClient) -> None:
        status = await made(client)
        assert (status["percent"], status["rows"], status["bytes"], status["version"]) == (100, 2000, len(TEXT), 1)
        assert status["url"] == f"/api/v1/exports/{status['id']}/file"
        assert status["expires_at"] > status["finished_at"]
        whole, export = await file(client, status), await client.get("/datasets/words/export")
        assert (whole.status_code, whole.content) == (200, TEXT.encode())
        for name in ("content-type", "content-disposition", "x-row-count", "x-dataset-version"):
            assert whole.headers[name] == export.headers[name], name
        assert (whole.headers["accept-ranges"], whole.headers["content-length"]) == ("bytes", str(len(TEXT)))

    @pytest.mark.parametrize("form", ["tsv", "xlsx", "json", "ndjson", "parquet"])
    async def test_in_every_format(self, client: AsyncClient, form: str) -> None:
        status = await made(client, format=form, n="lte:10", ids="true")
        whole = await client.get("/datasets/words/export", params={"format": form, "n": "lte:10", "ids": "true"})
        assert parts((await file(client, status)).content) == parts(whole.content)

    async def test_by_a_body(self, client: AsyncClient) -> None:
        for body, query in (({"prepare": True, "columns": ["word"]}, ""), ({"columns": ["word"]}, "?prepare=true")):
            answer = await client.post(f"/datasets/words/export{query}", json={**body, "limit": 1})
            assert answer.status_code == 202, answer.text
            status = await ended(client, answer.json()["id"])
            assert (await file(client, status)).text == "word\r\nword 1\r\n"

    async def test_the_same_request_finds_the_same_file_and_a_newer_version_another(
        self, client: AsyncClient, database: psycopg.Connection
    ) -> None:
        first = await made(client)
        database.execute("UPDATE sheaf.exports SET expires_at = now() + interval '1 minute'")
        again = await prepare(client)
        assert (again["id"], again["expires_at"] > first["expires_at"]) == (first["id"], True)
        assert (await prepare(client, limit=5))["id"] != first["id"]
        await client.delete("/datasets/words/records/1")
        second = await made(client)
        assert second["id"] != first["id"]
        assert (await file(client, second)).text == TEXT.replace("1,word 1\r\n", "", 1)
        assert (await file(client, first)).text == TEXT

    async def test_they_are_listed(self, client: AsyncClient, make_user: MakeUser) -> None:
        first, second = await made(client), await made(client, limit=5)
        listed = (await client.get("/exports")).json()
        assert listed == {"data": [second, first], "total": 2, "has_more": False}
        one = await client.get(f"/exports/{first['id']}")
        known = {"If-None-Match": one.headers["etag"]}
        again = [(await client.get(f"/exports/{each['id']}", headers=known)).status_code for each in (first, second)]
        assert again == [304, 200]
        page = (await client.get("/exports", params={"limit": 1, "offset": 1})).json()
        assert page == {"data": [first], "total": 2, "has_more": False}
        assert (await client.get("/exports", params={"limit": 1})).json()["has_more"]
        stranger = (await make_user("Eve")).client
        assert (await stranger.get("/exports")).json() == {"data": [], "total": 0, "has_more": False}
        assert (await stranger.get("/exports", params={"workspace": listed["data"][0]["id"]})).status_code == 404
        await client.delete("/datasets/words")
        assert (await client.get("/exports")).json()["total"] == 0

    async def test_what_is_wrong_is_told_at_once(self, client: AsyncClient) -> None:
        for params, status in (({"format": "docx"}, 400), ({"select": "no"}, 400), ({"prepare": "maybe"}, 400)):
            answer = await client.get("/datasets/words/export", params={"prepare": "true", **params})
            assert answer.status_code == status, answer.text

    async def test_a_file_of_nothing(self, client: AsyncClient) -> None:
        status = await made(client, format="ndjson", word="nobody")
        assert ((await file(client, status)).content, status["bytes"]) == (b"", 0)
        assert (await file(client, status, range="bytes=0-")).status_code == 416


@pytest.mark.usefixtures("words")
class TestRanges:
    @pytest.mark.parametrize(
        ("asked", "start", "stop"),
        [("bytes=0-0", 0, 1), ("Bytes=100-", 100, None), ("bytes=-7", -7, None), ("bytes=5-9", 5, 10),
         ("bytes=0-999999999", 0, None), ("bytes=-999999999", 0, None),
         ("bytes=0-99999999999999999999", 0, None), ("bytes=-99999999999999999999", 0, None)],
    )  # fmt: skip
    async def test_a_range(self, client: AsyncClient, asked: str, start: int, stop: int | None) -> None:
        part = await file(client, await made(client), range=asked)
        assert (part.status_code, part.content) == (206, TEXT.encode()[start:stop])
        first = start % len(TEXT)
        assert part.headers["content-range"] == f"bytes {first}-{first + len(part.content) - 1}/{len(TEXT)}"

    @pytest.mark.parametrize("asked", ["bytes=999999999-", "bytes=99999999999999999999-", "bytes=-0"])
    async def test_no_such_range(self, client: AsyncClient, asked: str) -> None:
        answer = await file(client, await made(client), range=asked)
        assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{len(TEXT)}")
        assert answer.json()["error_code"] == "RANGE_NOT_SATISFIABLE"

    @pytest.mark.parametrize("asked", ["bytes=5-2", "bytes=0-1,5-6", "lines=0-1", "bytes=a-b", "bytes=-"])
    async def test_what_is_no_single_range_is_passed_over(self, client: AsyncClient, asked: str) -> None:
        answer = await file(client, await made(client), range=asked)
        assert (answer.status_code, answer.text) == (200, TEXT)

    async def test_a_download_goes_on_byte_for_byte(self, client: AsyncClient, upload: Upload) -> None:
        await upload("t\n" + "".join(f"{'x' * 1000}{n}\n" for n in range(3500)), name="words2")
        answer = await client.get("/datasets/words2/export?prepare=true")
        status = await ended(client, answer.json()["id"])
        whole = (await file(client, status)).content
        assert len(whole) == status["bytes"] > 3 * 2**20
        etag, taken = (await file(client, status, range="bytes=0-0")).headers["etag"], b""
        while len(taken) < len(whole):
            stop = len(taken) + 700_000
            part = await file(client, status, range=f"bytes={len(taken)}-{stop}", if_range=etag)
            assert (part.status_code, part.headers["etag"]) == (206, etag)
            taken += part.content
        assert taken == whole
        assert (await file(client, status, range="bytes=5-", if_range='"other"')).content == whole

    async def test_a_tag_that_is_known_and_head(self, client: AsyncClient) -> None:
        status = await made(client)
        whole = await file(client, status)
        assert not whole.headers["etag"].startswith("W/")
        known = await file(client, status, if_none_match=whole.headers["etag"])
        assert (known.status_code, known.content) == (304, b"")
        head = await client.head(f"/exports/{status['id']}/file")
        changing = {"x-request-id", "server-timing"}
        told = [{name: value for name, value in each.headers.items() if name not in changing} for each in (whole, head)]
        assert (told[0], head.content) == (told[1], b"")


@pytest.mark.usefixtures("words")
class TestWhoMay:
    async def test_nobody_outside_of_the_workspace(self, client: AsyncClient, make_user: MakeUser) -> None:
        status, stranger = await made(client), await make_user("Eve")
        for method, path in (("GET", ""), ("GET", "/file"), ("HEAD", "/file"), ("DELETE", "")):
            answer = await stranger.client.request(method, f"/exports/{status['id']}{path}")
            assert answer.status_code == 404, (method, path)
        assert (await file(client, status)).status_code == 200

    async def test_a_deleted_one_is_gone(self, client: AsyncClient, database: psycopg.Connection) -> None:
        status = await made(client)
        assert (await client.delete(f"/exports/{status['id']}")).status_code == 204
        for path in ("", "/file"):
            assert (await client.get(f"/exports/{status['id']}{path}")).status_code == 404
        assert (await client.delete(f"/exports/{status['id']}")).status_code == 404
        left = database.execute("SELECT count(*) FROM sheaf.export_chunks WHERE export_id = %s", (status["id"],))
        assert left.fetchone() == (0,)
        assert (await made(client))["id"] != status["id"]

    async def test_an_expired_one_is_gone(self, client: AsyncClient, database: psycopg.Connection) -> None:
        status = await made(client)
        database.execute("UPDATE sheaf.exports SET expires_at = now() WHERE id = %s", (status["id"],))
        assert (await file(client, status)).status_code == 404
        assert (await made(client))["id"] != status["id"]


_ABANDON = """
UPDATE sheaf.exports SET state = 'running', worker = gen_random_uuid(), lease_until = now() - interval '1 second',
    attempts = %s, finished_at = NULL, expires_at = NULL WHERE id = %s
"""


@pytest.mark.usefixtures("words")
class TestWorkersThatEnd:
    async def test_another_one_makes_the_file_anew(self, client: AsyncClient, database: psycopg.Connection) -> None:
        status = await made(client)
        database.execute("UPDATE sheaf.export_chunks SET data = 'half' WHERE export_id = %s", (status["id"],))
        database.execute(_ABANDON, (1, status["id"]))
        again = await ended(client, status["id"])
        assert (again["state"], again["bytes"]) == ("done", len(TEXT))
        assert (await file(client, again)).text == TEXT

    async def test_after_three_it_has_failed(self, client: AsyncClient, database: psycopg.Connection) -> None:
        status = await made(client)
        database.execute(_ABANDON, (3, status["id"]))
        failed = await ended(client, status["id"])
        assert (failed["state"], failed["problem"]["error_code"]) == ("failed", "EXPORT_GIVEN_UP")
        answer = await file(client, failed)
        assert (answer.status_code, answer.json()["error_code"]) == (409, "EXPORT_NOT_READY")
        assert (await made(client))["id"] != status["id"]

    async def test_a_file_that_is_still_made(self, client: AsyncClient, database: psycopg.Connection) -> None:
        status = await made(client)
        hold = "UPDATE sheaf.exports SET state = 'running', lease_until = 'infinity' WHERE id = %s"
        database.execute(hold, (status["id"],))
        answer = await file(client, status)
        assert (answer.status_code, answer.headers["retry-after"]) == (409, "1")
