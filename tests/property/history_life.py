"""A dataset of the service beside its model: steps that both take, and every way to read compared."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from copy import deepcopy
from decimal import Decimal
from typing import Any

from history_model import History, Num, Refused, Version, loads
from history_steps import Call
from httpx import AsyncClient
from hypothesis import note

_CELL = re.compile(r'("(?:[^"]|"")*"|[^,\r\n]*)(,|\r\n)')


class Life:
    """`path` is the dataset's; `file` the one that made a version, and which: once more it makes none."""

    def __init__(
        self,
        client: AsyncClient,
        path: str,
        model: History,
        sweep: Callable[[], Awaitable[None]],
        anew: Callable[[Call], Awaitable[tuple[int, str]]],
    ) -> None:
        """`sweep` and `anew` do what no request asks for; the latter answers status and body."""
        self.client, self.path, self.model, self.sweep, self.anew = client, path, model, sweep, anew
        self.file: Any = None

    async def get(self, path: str, **params: Any) -> Any:
        answer = await self.client.get(self.path + path, params=params)
        assert answer.status_code == 200, answer.text
        return loads(answer.text)

    async def ids(self, **params: str) -> list[int]:
        return [int(each["id"].text) for each in (await self.get("/records", limit=1000, **params))["data"]]

    async def step(self, call: Call) -> None:
        """The same in the service and in the model; a refusal leaves both as they were."""
        status, told, before = call.status, None, deepcopy(self.model)
        file = (call.params, call.content) if call.path == "/imports" else None
        try:
            if file is None or (file, before.number) != self.file:
                told = call.after(self.model)
        except Refused as refused:
            self.model, status = before, refused.status
        if file and self.model.number > before.number:
            self.file = (file, self.model.number)
        elif file and status == 201:
            status = 200
        if call.method == "SWEEP":
            note("SWEEP")
            await self.sweep()
            return
        note(f"{call.method} {call.path} {call.params} {call.content} → {status}")
        code, text = await (self.anew(call) if call.method == "ANEW" else self.send(call))
        assert code == status, text
        if told:
            found = loads(text)
            assert {name: found.get(name) for name in told} == {name: as_read(each) for name, each in told.items()}
        if call.then:
            await self.step(call.then)

    async def send(self, call: Call) -> tuple[int, str]:
        answer = await self.client.request(
            call.method,
            self.path + call.path,
            params=call.params,
            content=call.content.encode(),
            headers={"Content-Type": call.media_type},
        )
        return answer.status_code, answer.text

    async def check(self, number: int, *ways: Way) -> None:
        """One version: its columns and all records, and in further ways: how many, an export, records, queries."""
        version, at = self.model.versions[number - 1], {"version": str(number)}
        if version.pruned:
            await self.check_gone(number)
            return
        columns = (await self.get("/schema", **at))["columns"]
        assert [(each["name"], each["type"]) for each in columns] == [
            (each.name, each.kind) for each in version.columns
        ]
        page = (await self.get("/records", limit=1000, **at))["data"]
        assert [
            (int(each["id"].text), int(each["version"].text), [*each["data"].items()]) for each in page
        ] == version.page()
        for way in ways:
            await way(self, version, at)

    async def check_gone(self, number: int) -> None:
        """A pruned version is not read in any way."""
        at = {"version": str(number)}
        for path in ("/records", "/records/1", "/schema", "/records/count", "/export", "/records/stream"):
            answer = await self.client.get(self.path + path, params=at)
            assert (path, answer.status_code) == (path, 410), answer.text
        for path in (f"/versions/{number}", f"/diff?from={number}&to={self.model.number}"):
            assert (await self.client.get(self.path + path)).status_code == 410

    async def check_count(self, version: Version, at: dict[str, str]) -> None:
        assert (await self.get("/records/count", **at))["count"] == as_read(len(version.records))

    async def check_export(self, version: Version, at: dict[str, str]) -> None:
        if version.columns:
            exported = await self.client.get(f"{self.path}/export", params={"format": "csv", **at})
            assert cells(exported.text, version) == [[*version.shown(data).values()] for _, data in version.in_order()]

    async def check_single(self, version: Version, at: dict[str, str]) -> None:
        for record, data in version.in_order()[:2]:
            assert (await self.get(f"/records/{record}", **at))["data"] == version.shown(data)

    async def check_queries(self, version: Version, at: dict[str, str]) -> None:
        for column in version.columns[:2]:
            have = [each for each, data in version.in_order() if column.key in data]
            lacking = [each for each, data in version.in_order() if column.key not in data]
            named = {f"filter[{column.name}]": "is_null"}
            assert await self.ids(**named, **at) == lacking
            if column.kind != "json":
                falling = sorted(have, key=lambda each: sortable(version.records[each][column.key]), reverse=True)
                assert await self.ids(sort=f'-"{column.name}"', **at) == falling + lacking

    async def check_record(self, record: int) -> None:
        """All that a record ever was."""
        expected = self.model.images(record)
        if not expected:
            answer = await self.client.get(f"{self.path}/records/{record}/history")
            assert answer.status_code == 404
            return
        history = await self.get(f"/records/{record}/history", limit=1000)
        assert [
            (int(each["version"].text), each["until"] and int(each["until"].text), each["data"])
            for each in history["data"]
        ] == expected

    async def check_diff(self, low: int, high: int) -> None:
        """What is different between two versions, counted and cell by cell."""
        if self.model.versions[low - 1].pruned or self.model.versions[high - 1].pruned:
            return
        expected = self.model.diff(low, high)
        kinds = [change for _, change, _ in expected]
        counts = {kind: as_read(kinds.count(kind)) for kind in ("added", "changed", "removed")}
        asked = {"from": str(low), "to": str(high)}
        summary, page = await self.get("/diff", **asked, summary=True), await self.get("/diff", **asked, limit=1000)
        assert [{kind: told[kind] for kind in counts} for told in (summary, page)] == [counts, counts]
        assert [
            (
                int(each["id"].text),
                each["change"],
                {name: (c["before"], c["after"]) for name, c in each["cells"].items()},
            )
            for each in page["data"]
        ] == expected

    async def check_versions(self) -> None:
        """The list of versions and what each of them did."""
        listed = (await self.get("/versions", limit=1000))["data"]
        names = ("version", "rows", "added", "changed", "removed")
        assert [(*(int(each[name].text) for name in names), each["tag"]) for each in reversed(listed)] == [
            (number, len(version.records), *version.counts, version.tag)
            for number, version in enumerate(self.model.versions, 1)
            if not version.pruned
        ]


Way = Callable[[Life, Version, dict[str, str]], Awaitable[None]]
WAYS: tuple[Way, ...] = (Life.check_count, Life.check_queries, Life.check_export, Life.check_single)


def sortable(value: Any) -> Any:
    """Numbers by what they are worth, text by code point."""
    return Decimal(value.text) if isinstance(value, Num) else value


def as_read(value: Any) -> Any:
    """Whole numbers by how they are written."""
    return Num(str(value)) if isinstance(value, int) and not isinstance(value, bool) else value


def cells(text: str, version: Version) -> list[list[Any]]:
    """The values of a CSV export, read as the columns' types say; nothing between commas is null."""
    found: list[list[Any]] = [[]]
    for cell, end in _CELL.findall(text):
        found[-1].append(cell[1:-1].replace('""', '"') if cell[:1] == '"' else cell or None)
        if end != ",":
            found.append([])
    header, *rows, last = found
    assert (header, last) == ([each.name for each in version.columns], [])
    return [[_value(each.kind, cell) for each, cell in zip(version.columns, row, strict=True)] for row in rows]


def _value(kind: str, cell: str | None) -> Any:
    return cell if cell is None or kind == "text" else loads(cell)
