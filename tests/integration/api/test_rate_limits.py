"""`SHEAF_RATE_LIMIT`: one budget for each caller, whichever worker is asked, and none where Redis fails."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from httpx import AsyncClient, Response
from support.caches import Workers, workers
from support.service import Upload, User

from backend.app import create_app
from backend.settings import Settings, SettingsError

__all__ = ["workers"]

pytestmark = pytest.mark.anyio
ROOT = "http://sheaf.test"
RATES = "5/day"
PAGE = "/datasets/orders/records?limit=1"


async def pair(workers: Workers, user: User) -> tuple[AsyncClient, AsyncClient]:
    return await workers.start(user.key, rate_limit=RATES), await workers.start(user.key, rate_limit=RATES)


def left(answer: Response) -> str:
    assert answer.headers["ratelimit-policy"] == '"5/day";q=5;w=86400'
    return answer.headers["ratelimit"].partition(";t=")[0]


async def uncounted(client: AsyncClient) -> int:
    text = (await client.get(f"{ROOT}/metrics")).text
    found = re.search(r"^sheaf_rate_limit_uncounted_total (\d+)", text, re.MULTILINE)
    assert found is not None
    return int(found[1])


async def test_all_workers_count_together_and_kept_pages_count(workers: Workers, user: User, upload: Upload) -> None:
    await upload()
    one, other = await pair(workers, user)
    answers = [await each.get(PAGE) for each in (one, other, one, one, other, other, one)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 2
    assert [left(answer) for answer in answers] == [f'"5/day";r={n}' for n in (4, 3, 2, 1, 0, 0, 0)]
    refused = answers[-1]
    problem = refused.json()
    assert refused.headers["content-type"] == "application/problem+json"
    assert (problem["error_code"], problem["request_id"]) == ("TOO_MANY_REQUESTS", refused.headers["x-request-id"])
    assert 0 < int(refused.headers["retry-after"]) <= 86_400
    assert "5/day" in problem["detail"]


async def test_made_up_keys_share_what_their_address_has(workers: Workers, user: User) -> None:
    one, other = await pair(workers, user)
    calls = [({"X-API-Key": f"made-up-key-{n}"}, each) for n, each in enumerate((one, other, one, other))]
    calls += [({"X-API-Key": ""}, one), ({"X-API-Key": "made-up-key-again"}, other), ({"X-API-Key": ""}, one)]
    statuses = [(await each.get("/users/me", headers=headers)).status_code for headers, each in calls]
    assert statuses == [401] * 5 + [429] * 2
    assert left(await one.get("/users/me")) == '"5/day";r=4'


async def test_where_any_key_works_all_count_by_address(workers: Workers, user: User) -> None:
    one = await workers.start(user.key, rate_limit=RATES, key_policy="any")
    statuses = [(await one.get("/users/me", headers={"X-API-Key": f"made-up-key-{n}"})).status_code for n in range(6)]
    assert statuses == [200] * 5 + [429]


async def test_another_key_of_the_same_user_has_its_own(workers: Workers, user: User) -> None:
    one = await workers.start(user.key, rate_limit=RATES)
    second = (await user.client.post("/users/me/keys", json={})).json()["api_key"]
    for _ in range(5):
        await one.get("/users/me")
    assert (await one.get("/users/me")).status_code == 429
    assert left(await one.get("/users/me", headers={"X-API-Key": second})) == '"5/day";r=4'


async def test_the_shortest_of_several_holds(workers: Workers, user: User) -> None:
    one = await workers.start(user.key, rate_limit="100/day, 2/hour")
    answers = [await one.get("/users/me") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].headers["ratelimit-policy"] == '"100/day";q=100;w=86400, "2/hour";q=2;w=3600'
    assert int(answers[2].headers["retry-after"]) <= 3600


async def test_who_looks_after_the_service_is_never_refused(workers: Workers, user: User) -> None:
    one = await workers.start(user.key, rate_limit=RATES)
    for _ in range(3):
        for path in ("/health/live", "/health/ready", "/metrics"):
            answer = await one.get(f"{ROOT}{path}")
            assert answer.status_code == 200
            assert "ratelimit" not in answer.headers


async def test_without_redis_nobody_is_refused_nor_waits(workers: Workers, user: User) -> None:
    one = await workers.start(user.key, rate_limit=RATES, cache_seconds=0.1)
    before = await uncounted(one)
    with workers.paused():
        answers = [await one.get("/users/me") for _ in range(8)]
    assert {answer.status_code for answer in answers} == {200}
    assert all("ratelimit" not in answer.headers for answer in answers)
    assert await uncounted(one) == before + 8


async def test_what_is_not_ours_under_our_names_is_no_limit(workers: Workers, user: User) -> None:
    one = await workers.start(user.key, rate_limit=RATES)
    await one.get("/users/me")
    with workers.redis() as client:
        for name in client.scan_iter("sheaf:*:calls:*"):
            client.delete(name)
            client.lpush(name, "not ours")
    assert (await one.get("/users/me")).status_code == 200


async def test_without_an_address_of_redis_it_does_not_start(postgres_url: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="needs SHEAF_REDIS_URL"):
        create_app(Settings(database_url=postgres_url, data=tmp_path, rate_limit=RATES, log_level="critical"))


async def test_what_may_be_asked_is_told(workers: Workers, user: User) -> None:
    one = await workers.start(user.key, rate_limit="100/day", statement_seconds=7, cors_origins="https://a.example")
    told = (await one.get("/limits")).json()
    assert (told["rate_limit"], told["statement_seconds"], told["concurrency"]) == ("100/day", 7, 256)


async def test_pages_of_other_sites_may_read_kept_pages_too(workers: Workers, user: User, upload: Upload) -> None:
    await upload()
    one = await workers.start(user.key, cors_origins="https://a.example", rate_limit="100/day")
    for _ in range(3):
        answer = await one.get(PAGE, headers={"Origin": "https://a.example"})
        assert answer.headers["access-control-allow-origin"] == "https://a.example"
        assert "RateLimit," in answer.headers["access-control-expose-headers"]
        assert "Origin" in answer.headers.get_list("vary", split_commas=True)
        stranger = await one.get(PAGE, headers={"Origin": "https://b.example"})
        assert "access-control-allow-origin" not in stranger.headers
