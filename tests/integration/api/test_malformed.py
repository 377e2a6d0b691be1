"""Requests whose parts are not what they must be: text that is no text, numbers that are no numbers, broken JSON."""

from __future__ import annotations

from typing import Any

import pytest
from httpx import AsyncClient

pytestmark = [pytest.mark.anyio, pytest.mark.reads]


class TestQueryStrings:
    @pytest.mark.parametrize("broken", ["%C3%28", "%FF", "%ED%A0%80", "x%C3"])
    @pytest.mark.parametrize(
        "path", ["datasets/orders/records", "datasets/orders/records/count", "datasets/orders/export", "datasets"]
    )
    async def test_a_value_that_is_not_utf8_is_refused(self, orders: AsyncClient, path: str, broken: str) -> None:
        answer = await orders.get(f"{path}?limit=1&q={broken}")
        assert answer.status_code == 400
        assert answer.json()["detail"] == "The parameter 'q' is not UTF-8."

    async def test_a_name_that_is_not_utf8_is_refused(self, orders: AsyncClient) -> None:
        answer = await orders.get("datasets/orders/records?a%FFb=1")
        assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER")

    async def test_the_replacement_character_itself_is_text(self, orders: AsyncClient) -> None:
        answer = await orders.get("datasets/orders/records?status=%EF%BF%BD")
        assert (answer.status_code, answer.json()["total"]) == (200, 0)


@pytest.mark.parametrize("number", ["1_0", "+1", "%201", "1%20", "01", "-0", "%D9%A1", "1.0", "1e0", ""])
@pytest.mark.parametrize("path", ["records", "versions"])
async def test_a_number_in_a_path_is_written_as_one(orders: AsyncClient, path: str, number: str) -> None:
    assert (await orders.get(f"datasets/orders/{path}/1")).status_code == 200
    answer = await orders.get(f"datasets/orders/{path}/{number}")
    assert answer.status_code == (404 if number else 200)


class TestFlags:
    @pytest.mark.parametrize(
        ("method", "call", "flag"),
        [
            ("GET", "diff", "summary"),
            ("GET", "export", "prepare"),
            ("POST", "records", "dry_run"),
            ("PATCH", "records", "partial"),
            ("DELETE", "records", "dry_run"),
            ("POST", "imports", "dry_run"),
            ("GET", "export", "bom"),
            ("GET", "records", "explain"),
            ("GET", "export", "explain"),
        ],
    )
    async def test_one_that_is_neither_is_refused_in_the_same_words(
        self, orders: AsyncClient, method: str, call: str, flag: str
    ) -> None:
        answer = await orders.request(method, f"datasets/orders/{call}?{flag}=perhaps")
        assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER")
        assert answer.json()["detail"] == f"{flag} is true or false."


class TestNumbers:
    @pytest.mark.parametrize("value", ["gt:1e200000", "1e-99999", "in:1,1e20000", "9" * 1001])
    async def test_one_too_large_to_compare_with_is_told(self, orders: AsyncClient, value: str) -> None:
        answer = await orders.get("datasets/orders/records", params={"amount": value})
        assert answer.status_code == 400
        assert "is too long, or its exponent too large" in answer.json()["detail"]

    async def test_an_offset_beyond_all_bounds_is_told(self, orders: AsyncClient) -> None:
        answer = await orders.get("datasets/orders/records?offset=9223372036854775808")
        assert answer.status_code == 400
        assert "offset is at most 999,999,999,999,999,999" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("users/me/keys", '{"name": "\\ud800"}'),
        ("datasets", '{"name": "\\ud800"}'),
        ("datasets/orders/query", '{"q": "\\ud800"}'),
        ("datasets/orders/query", '{"q": "\\udc00 and more"}'),
    ],
)
async def test_half_a_surrogate_pair_in_json_is_told(orders: AsyncClient, path: str, body: str) -> None:
    answer = await orders.post(path, content=body, headers={"Content-Type": "application/json"})
    problem: dict[str, Any] = answer.json()
    assert answer.status_code == 400
    assert "surrogate pair" in problem["detail"]
    assert problem["detail"].startswith("The body is not valid JSON: ")
