"""Text that means harm to whatever runs it stays text: in names, values, addresses, headers and files."""

from __future__ import annotations

import csv
import io
import json
from urllib.parse import quote

import httpx
import openpyxl
import psycopg
import pytest
from httpx import AsyncClient, Response
from support.calls import make, raw, records, send
from support.service import Once, exact, export

pytestmark = pytest.mark.anyio

HARM = (
    "'; DROP SCHEMA sheaf CASCADE; --",
    '"; DROP TABLE sheaf.users; --',
    "') OR ('1'='1",
    "1 OR 1=1",
    "data); SELECT pg_sleep(60); --",
    "$1",
    "%s %(x)s %%",
    "{0} {x!r}",
    "e'\\x01'",
    "\\",
    "$.a[*] ? (@ == 1)",
    "a->>'b'",
    "][",
    "__proto__",
    "constructor",
    "${jndi:ldap://127.0.0.1/x}",
    "{{7*7}}",
    "<script>alert(1)</script>",
    "=1+1",
    "../../etc/passwd",
    "\u202etxt.exe",
    "\x7f\u2028x",
)
OPERATORS = ("eq", "ne", "gt", "lte", "in", "nin", "like", "ilike", "contains", "icontains", "starts", "ends", "regex")
TABLES = "SELECT count(*) FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = 'sheaf'"


def in_sort(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def refused(answer: Response, *statuses: int) -> str:
    """The code of a refusal that gives nothing away."""
    assert answer.status_code in statuses, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert not any(word in answer.text for word in ("Traceback", "psycopg", "/backend/", "syntax error"))
    return str(answer.json()["error_code"])


@pytest.fixture
async def harmful(client: AsyncClient, once: Once) -> AsyncClient:
    """A dataset `harm`: each text is a column's name, and the value of that column in the first record."""
    lines = [dict(zip(HARM, HARM, strict=True)), dict.fromkeys(HARM, "harmless")]
    text, headers = "\n".join(map(json.dumps, lines)).encode(), {"Content-Type": "application/x-ndjson"}
    answer = await once("harm", lambda: raw(client, text, headers, name="harm"))
    assert answer.status_code == 201, answer.text
    return client


class TestQueries:
    @pytest.mark.reads
    async def test_columns_and_values_come_back_to_the_letter(self, harmful: AsyncClient) -> None:
        first, second = await records(harmful, "harm")
        assert (list(first.items()), set(second.values())) == ([(text, text) for text in HARM], {"harmless"})

    @pytest.mark.reads
    async def test_each_finds_itself(self, harmful: AsyncClient) -> None:
        for text in HARM:
            await self.finds_itself(harmful, text)

    async def finds_itself(self, harmful: AsyncClient, text: str) -> None:
        condition = {"column": text, "op": "eq", "value": text}
        asked = {"filters": condition, "sort": f"-{in_sort(text)}", "columns": [text]}
        answer = await harmful.post("/datasets/harm/query", json=asked)
        assert [record["data"] for record in exact(answer)["data"]] == [{text: text}]
        if "][" not in text:
            params = {f"filter[{text}]": f"eq:{text}", "select": in_sort(text)}
            assert await records(harmful, "harm", **params) == [{text: text}]

    @pytest.mark.reads
    async def test_as_the_value_of_every_operator(self, harmful: AsyncClient, postgres_url: str) -> None:
        with psycopg.connect(postgres_url) as connection:
            before = connection.execute(TABLES).fetchall()
            for operator in OPERATORS:
                conditions = [{"column": text, "op": operator, "value": text} for text in HARM]
                listed = [{**each, "value": [each["value"]]} for each in conditions]
                filters = {"or": listed if operator in {"in", "nin"} else conditions}
                answer = await harmful.post("/datasets/harm/query", json={"filters": filters})
                if operator == "regex":
                    refused(answer, 400)
                else:
                    assert answer.status_code == 200, answer.text
            assert connection.execute(TABLES).fetchall() == before

    @pytest.mark.reads
    @pytest.mark.parametrize(
        "parameter",
        [
            "sort",
            "select",
            "cursor",
            "limit",
            "offset",
            "count",
            "version",
            "as_of",
            "workspace",
            "amount",
            "filter[x]",
        ],
    )
    async def test_where_names_and_numbers_are_wanted(self, orders: AsyncClient, parameter: str) -> None:
        for text in HARM:
            answer = await orders.get("/datasets/orders/records", params={parameter: text})
            assert refused(answer, 400, 404) in {
                *("UNKNOWN_COLUMN", "INVALID_QUERY", "INVALID_CURSOR", "INVALID_PARAMETER", "UNKNOWN_PARAMETER"),
                *("WORKSPACE_NOT_FOUND", "DATASET_NOT_FOUND", "VERSION_NOT_FOUND", "BAD_REQUEST"),
            }

    async def test_in_paths_into_json(self, client: AsyncClient) -> None:
        nested = {"a": dict(zip(HARM, HARM, strict=True))}
        await make(client, "nested")
        assert (await client.post("/datasets/nested/records", json=nested)).status_code == 201
        for text in HARM:
            path = f"a.{in_sort(text)}"
            if "]" not in text:
                assert await records(client, "nested", **{f"filter[{path}]": f"eq:{text}"}) == [nested]
            answer = await client.post("/datasets/nested/query", json={"filters": {path: {"eq": text}}, "sort": path})
            assert answer.json()["count"] == 1


class TestWrites:
    async def test_as_keys_of_records(self, harmful: AsyncClient) -> None:
        for text in HARM:
            answer = await harmful.put(
                "/datasets/harm/records", params={"key": in_sort(text)}, json=[{text: text, HARM[0]: "changed"}]
            )
            assert answer.status_code == 200, (text, answer.text)
            changed = {"where": {"column": text, "op": "eq", "value": text}, "set": {HARM[0]: HARM[0]}}
            if text != HARM[0]:
                assert (await harmful.patch("/datasets/harm/records", json=changed)).status_code == 200
        assert (await records(harmful, "harm"))[0] == dict(zip(HARM, HARM, strict=True))

    async def test_as_names_of_things(self, orders: AsyncClient) -> None:
        for text in HARM[::2]:
            await self.names_things(orders, text)

    async def names_things(self, orders: AsyncClient, text: str) -> None:
        answers = [
            await orders.post("/datasets", json={"name": text, "description": text}),
            await orders.post("/workspaces", json={"name": text}),
            await orders.post("/users/me/keys", json={"name": text}),
            await orders.put("/datasets/orders/versions/1/tag", json={"tag": text}),
            await orders.patch("/datasets/orders", json={"description": text}),
            await orders.patch("/datasets/orders/schema", json={"columns": [{"name": "amount", "description": text}]}),
        ]
        for answer in answers:
            if answer.status_code >= 300:
                refused(answer, 422)
            else:
                assert json.dumps(text)[1:-1] in json.dumps(answer.json())
        schema = (await orders.get("/datasets/orders/schema")).json()["columns"]
        renamed = await orders.patch(
            "/datasets/orders/schema", json={"columns": [{"name": schema[0]["name"], "rename_to": text}]}
        )
        assert renamed.json()["columns"][0]["name"] == text
        for path in ("datasets", "workspaces", "imports", "uploads", "exports", "users/me/keys"):
            method = "DELETE" if "keys" in path else "GET"
            refused(await orders.request(method, f"/{path}/{quote(text + text, safe='')}"), 404, 405)

    async def test_keys_of_objects_are_kept(self, client: AsyncClient) -> None:
        told = {"__proto__": {"admin": True}, "constructor": {"prototype": 1}, "toString": "x"}
        await make(client, "odd")
        assert (await client.post("/datasets/odd/records", json={"more": {**told, "": 1}, **told})).status_code == 201
        (found,) = await records(client, "odd")
        assert json.loads(json.dumps(found["more"])) == json.loads(json.dumps({**told, "": 1}), parse_int=str)
        assert {"__proto__", "constructor", "toString"} <= set(found)


class TestNumbers:
    @pytest.mark.parametrize(
        ("number", "statuses"),
        [
            ("1e400", [201, 201, 200, 400]),
            *((number, [422, 422, 400, 400]) for number in ("-1e99999", "9" * 100_000, "1e-99999")),
            *((number, [400, 400, 400, 400]) for number in ("NaN", "Infinity", "-Infinity")),
        ],
    )
    async def test_in_a_body(
        self, typed: dict[str, str], client: AsyncClient, number: str, statuses: list[int]
    ) -> None:
        asked = (
            ("typed/records", f'{{"sku": "x", "price": {number}}}'),
            ("typed/records", f'{{"sku": "x", "more": {{"deep": [{number}]}}}}'),
            ("typed/query", f'{{"filters": {{"price": {{"gt": {number}}}}}}}'),
            ("typed/query", f'{{"limit": {number}}}'),
        )
        answers = [await send(client, "POST", path, body) for path, body in asked]
        assert [answer.status_code for answer in answers] == statuses
        kept = [exact(answer)["data"] for answer in answers if answer.status_code == 201]
        found = [each["price"] or each["more"]["deep"][0] for each in kept]
        assert found == ["1" + "0" * 400] * statuses.count(201)

    @pytest.mark.reads
    @pytest.mark.parametrize("depth", [1000, 100_000])
    @pytest.mark.parametrize("path", ["records", "query", "restore"])
    async def test_brackets_within_brackets(self, orders: AsyncClient, path: str, depth: int) -> None:
        for begin, end in (("[", "]"), ('{"a":', "}"), ('{"not":', "}")):
            text = begin * depth + "1" + end * depth
            for body in (text, f'{{"filters": {text}}}', f'{{"data": {text}}}'):
                refused(await send(orders, "POST", f"orders/{path}", body), 400, 413, 422)


@pytest.mark.reads
class TestAddresses:
    async def test_three_thousand_parameters(self, orders: AsyncClient) -> None:
        told = "&".join(f"amount=gt:{number}" for number in range(3_000))
        refused(await orders.get(f"/datasets/orders/records?{told}"), 400, 414)

    @pytest.mark.parametrize("broken", ["%00", "a%00b", "%C0%AF", "%ED%A0%80", "%F8%88%80%80%80", "%E2%82"])
    async def test_bytes_that_are_no_text(self, orders: AsyncClient, broken: str) -> None:
        refused(await orders.get(f"/datasets/orders/records?status={broken}"), 400)
        refused(await orders.get(f"/datasets/orders/records?{broken}=1"), 400)
        refused(await orders.get(f"/datasets/{broken}/records"), 400, 404)
        refused(await orders.get(f"/datasets/orders/records/by-key/{broken}"), 400, 404, 409)

    @pytest.mark.parametrize(
        "path", ["datasets/../users/me/%2e%2e", "datasets/..%2f..%2fetc", "datasets/%5c..%5c", "//etc"]
    )
    async def test_ways_out_of_an_address(self, orders: AsyncClient, path: str) -> None:
        answer = await orders.get(httpx.URL(f"http://sheaf.test/api/v1/{path}"))
        refused(answer, 400, 404)


class TestHeaders:
    @pytest.mark.reads
    @pytest.mark.parametrize("name", ["Accept", "If-Match", "If-None-Match", "Prefer", "Range", "X-Request-Id"])
    @pytest.mark.parametrize("text", [b"\xff\xfe", b"x" * 100_000, b'"' * 999, b"'; DROP TABLE sheaf.users; --", b","])
    async def test_text_that_means_nothing(self, orders: AsyncClient, name: str, text: bytes) -> None:
        answer = await orders.get("/datasets/orders/records", headers=[(name.encode(), text)])
        assert answer.status_code in {200, 206, 304, 400, 406, 412, 416, 431}, answer.text
        assert len(answer.headers["x-request-id"]) <= 128
        written = await orders.patch("/datasets/orders", json={}, headers=[(name.encode(), text)])
        assert written.status_code in {200, 400, 412}, written.text

    @pytest.mark.parametrize("name", ["a\r\nSet-Cookie: x=1", "a\nb", "a\x00b", 'x"; filename="y.exe', "é\u2028;=/"])
    async def test_the_name_of_a_file_ends_no_header(self, client: AsyncClient, name: str) -> None:
        answer = await client.post("/datasets", json={"name": name, "columns": [{"name": "a", "type": "text"}]})
        if answer.status_code == 422:
            return
        sent = await export(client, answer.json()["slug"])
        told = sent.headers["content-disposition"]
        assert not {"\r", "\n", "\0"} & set(told)
        assert told.count('filename="') == 1
        assert "set-cookie" not in sent.headers
        assert told.isascii()


class TestFormulas:
    CELLS = (
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        '=HYPERLINK("http://127.0.0.1/?"&A1)',
        "=cmd|' /C calc'!A0",
    )

    async def test_none_is_left_where_they_are_guarded(self, client: AsyncClient) -> None:
        await make(client, "formulas")
        for cell in self.CELLS:
            assert (await client.post("/datasets/formulas/records", json={"=name": cell})).status_code == 201
        for form in ("csv", "tsv"):
            text = (await export(client, "formulas", format=form, escape_formulas="true")).text
            cells = [
                row[0] for row in csv.reader(io.StringIO(text, newline=""), delimiter="\t" if form == "tsv" else ",")
            ]
            assert len(cells) == 1 + len(self.CELLS)
            assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]

    async def test_a_workbook_holds_text_alone(self, client: AsyncClient) -> None:
        await make(client, "formulas")
        for cell in self.CELLS:
            assert (await client.post("/datasets/formulas/records", json={"=name": cell})).status_code == 201
        book = openpyxl.load_workbook(io.BytesIO((await export(client, "formulas", format="xlsx")).content))
        kinds = {cell.data_type for row in book.worksheets[0].iter_rows() for cell in row}
        assert kinds == {"s"}
