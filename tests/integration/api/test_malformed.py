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


@pytest.mark.parametrize(
    ("method", "path", "body", "place"),
    [
        ("PATCH", "orders/records", '{"where":{"status":"new"},"where":{"order":{"gt":0}},"set":{}}', "/where"),
        ("PATCH", "orders/records", '{"where":{"amount":{"gt":1,"lt":5,"gt":2}},"set":{}}', "/where/amount/gt"),
        ("PATCH", "orders/records", '{"changes":[{"id":1,"set":{"a":1,"\\u0061":2}}]}', "/changes/0/set/a"),
        ("DELETE", "orders/records", '{"where":{"order":1,"order":2}}', "/where/order"),
        ("POST", "orders/query", '{"where":{"order":1},"where":{}}', "/where"),
        ("POST", "orders/export", '{"format":"csv","format":"json"}', "/format"),
        ("POST", "orders/records", '{"status":"new","status":"paid"}', "/status"),
        ("POST", "orders/records", '[{"order":1},{"order" : 1, "order":2}]', "/1/order"),
        ("PATCH", "orders/records/1", '{"status":{"a":1,"a":1}}', "/status/a"),
        ("PUT", "orders/records?key=order", '[{"order":1,"order":2}]', "/0/order"),
        ("PATCH", "orders/schema", '{"columns":[],"columns":[]}', "/columns"),
        ("PATCH", "orders", '{"name":"a","name":"b"}', "/name"),
        ("POST", "", '{"name":"dup","name":"dup2"}', "/name"),
    ],
)
async def test_a_name_that_stands_twice_in_an_object_is_told(
    orders: AsyncClient, method: str, path: str, body: str, place: str
) -> None:
    address = f"datasets/{path}".rstrip("/")
    answer = await orders.request(method, address, content=body, headers={"Content-Type": "application/json"})
    problem = answer.json()
    assert (answer.status_code, problem["error_code"]) == (400, "BAD_REQUEST"), answer.text
    assert problem["detail"] == f"'{place.rpartition('/')[2]}' stands twice in one object ({place})."
    assert [(item["pointer"], item["code"]) for item in problem["errors"]] == [(place, "DUPLICATE_NAME")]


@pytest.mark.parametrize("call", [("POST", "records"), ("PUT", "records?key=order")])
async def test_a_name_that_stands_twice_in_a_line_is_told(orders: AsyncClient, call: tuple[str, str]) -> None:
    answer = await orders.request(
        call[0],
        f"datasets/orders/{call[1]}",
        content='{"order":1,"status":":"}\n\n{"order":2,"order":3}\n',
        headers={"Content-Type": "application/x-ndjson"},
    )
    assert (answer.status_code, answer.json()["error_code"]) == (422, "INVALID_RECORD"), answer.text
    assert [(item["pointer"], item["code"]) for item in answer.json()["errors"]] == [("/1/order", "DUPLICATE_NAME")]
