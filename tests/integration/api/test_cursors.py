"""Reading across versions: cursors pinned to one, and datasets as they were."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator
from hashlib import blake2b
from pathlib import Path
from secrets import token_bytes
from typing import Any
from unittest.mock import ANY

import pytest
from httpx import ASGITransport, AsyncClient
from support.calls import names, page, refused
from support.datasets import PEOPLE
from support.service import ADDRESS, Upload, User, running

from backend.app import create_app
from backend.settings import Settings

pytestmark = pytest.mark.anyio


@pytest.fixture
async def second(postgres_url: str, tmp_path: Path) -> AsyncIterator[ASGITransport]:
    """Another worker of the service."""
    app = create_app(Settings(database_url=postgres_url, data=tmp_path, log_level="error"))
    async with running(app):
        yield ASGITransport(app)


class TestCursor:
    @pytest.mark.parametrize("params", [{}, {"sort": "-value"}, {"sort": "half,-value"}, {"even": "true"}], ids=str)
    async def test_is_pinned_to_its_version_while_others_write(
        self, client: AsyncClient, upload: Upload, params: dict[str, str]
    ) -> None:
        """Edits in between neither repeat nor skip a row, and what was read stays as it was."""
        rows = [(at, at // 2, "true" if at % 2 == 0 else "false") for at in range(1, 41)]
        await upload("value,half,even\n" + "".join(f"{a},{b},{c}\n" for a, b, c in rows), name="numbers")
        whole = (await page(client, "numbers", limit=1000, **params))["data"]
        read = []
        told = await page(client, "numbers", limit=7, **params)
        step = 0
        while True:
            read += told["data"]
            assert (told["version"], told["total"]) == ("1", str(len(whole)))
            if told["next"] is None:
                break
            step += 1
            await client.patch(f"/datasets/numbers/records/{3 * step}", json={"value": -step, "even": True})
            await client.delete(f"/datasets/numbers/records/{3 * step + 1}")
            await client.post("/datasets/numbers/records", json={"value": 1000 + step, "half": 0, "even": True})
            told = await page(client, "numbers", cursor=told["next"])
        assert read == whole
        assert step > 1

    @pytest.mark.reads
    @pytest.mark.usefixtures("people")
    async def test_other_parameters_may_be_repeated_not_changed(self, client: AsyncClient) -> None:
        following = (await page(client, limit=2, sort="name", active="true"))["next"]
        assert following is None
        following = (await page(client, limit=2, sort="name"))["next"]
        assert await names(client, cursor=following) == ["O'Neil, Jr.", "bob"]
        assert await names(client, cursor=following, limit=2, sort="name") == ["O'Neil, Jr.", "bob"]
        for changed in ({"sort": "-name"}, {"limit": 3}, {"active": "true"}, {"q": "x"}, {"select": "name"}):
            answer = await refused(client, cursor=following, **changed)
            assert answer.json()["error_code"] == "INVALID_CURSOR", changed

    @pytest.mark.usefixtures("people")
    async def test_belongs_to_one_dataset(self, client: AsyncClient, upload: Upload) -> None:
        """Whether the other one has a version of that number or not."""
        await client.delete("/datasets/people/records/1")
        await upload(PEOPLE, name="others")
        following = (await page(client, limit=1))["next"]
        answer = await client.get("/datasets/others/records", params={"cursor": following})
        assert answer.status_code == 400
        assert answer.json()["error_code"] == "INVALID_CURSOR"

    @pytest.mark.reads
    @pytest.mark.usefixtures("people")
    async def test_a_damaged_one_is_refused(self, client: AsyncClient) -> None:
        following = (await page(client, limit=1))["next"]
        for damaged in (following[:-5], following[5:], following[::-1], "é", "=", following + "A" * 5000):
            answer = await refused(client, cursor=damaged)
            assert answer.json()["error_code"] == "INVALID_CURSOR"

    @pytest.mark.reads
    @pytest.mark.usefixtures("people")
    async def test_a_forged_one_is_refused(self, client: AsyncClient) -> None:
        """Signed with another secret, not at all, or only against damage, as they once were."""
        raw = urlsafe_b64decode((await page(client, limit=1))["next"] + "===")
        told = raw[16:]
        for signature in (b"", bytes(16), token_bytes(16), blake2b(told, digest_size=16).digest()):
            forged = urlsafe_b64encode(signature + told).rstrip(b"=").decode()
            answer = await refused(client, cursor=forged)
            assert answer.json()["error_code"] == "INVALID_CURSOR"

    @pytest.mark.reads
    @pytest.mark.usefixtures("people")
    async def test_every_worker_knows_it(self, client: AsyncClient, user: User, second: ASGITransport) -> None:
        """The secret is the database's, so another process takes what this one signed."""
        following = (await page(client, limit=1))["next"]
        async with AsyncClient(transport=second, base_url=ADDRESS, headers={"X-API-Key": user.key}) as elsewhere:
            assert await page(elsewhere, cursor=following) == await page(client, cursor=following) | {
                "execution_time_ms": ANY
            }

    async def test_of_a_diff_opens_no_page_and_no_other_diff(self, client: AsyncClient, upload: Upload) -> None:
        for name in ("one", "two"):
            await upload(PEOPLE, name=name)
            await client.patch(f"/datasets/{name}/records", json={"where": {}, "set": {"amount": 7}})
        diff = (await client.get("/datasets/one/diff?limit=1")).json()["next"]
        following = (await page(client, "one", limit=1))["next"]
        for path, cursor in (("one/records", diff), ("one/diff", following), ("two/diff", diff), ("one/diff", "1-2-1")):
            answer = await client.get(f"/datasets/{path}", params={"cursor": cursor})
            assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_CURSOR"), path


class TestOlderVersions:
    async def test_everything_reads_as_it_was(self, client: AsyncClient, people: Any) -> None:
        changed = await client.patch("/datasets/people/records/1", json={"name": "Anna"})
        assert changed.status_code == 200
        await client.delete("/datasets/people/records/2")
        await client.post("/datasets/people/records", json={"name": "New"})
        moments = [each["created_at"] for each in (await client.get("/datasets/people/versions")).json()["data"]]
        assert len(moments) == 4
        for at, found in ((1, 5), (2, 5), (3, 4), (4, 5)):
            for params in ({"version": at}, {"as_of": moments[-at]}):
                told = await page(client, **params)
                assert (told["version"], told["total"], told["count"]) == (str(at), str(found), str(found))
                count = await client.get("/datasets/people/records/count", params=params)
                assert count.json() == {"count": found, "version": at}
                export = await client.get("/datasets/people/export", params=params)
                assert (export.headers["x-dataset-version"], export.headers["x-row-count"]) == (str(at), str(found))
        assert [(await names(client, version=at))[0] for at in (1, 2)] == ["Ann", "Anna"]
        old = await client.get("/datasets/people/records/2?version=2")
        assert old.json()["data"]["name"] == "Bob"
        assert (await client.get("/datasets/people/records/2")).status_code == 404
        assert (await client.get("/datasets/people/records/6?version=3")).status_code == 404

    @pytest.mark.reads
    @pytest.mark.parametrize(
        "params",
        [
            {"version": 2},
            {"version": 0},
            {"version": "audited"},
            {"version": "9" * 30},
            {"as_of": "2000-01-01T00:00:00Z"},
        ],
    )
    async def test_a_version_that_never_was_is_404(self, client: AsyncClient, people: Any, params: Any) -> None:
        for path in ("/records", "/records/1", "/records/count", "/records/stream", "/export", "/schema"):
            answer = await client.get(f"/datasets/people{path}", params=params)
            assert answer.status_code == 404, path
            assert answer.json()["error_code"] == "VERSION_NOT_FOUND"
