"""The other side of the comparison: what the service holds, asked through its API, version by version."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from msgspec import Struct

from scripts.trials.journal import Findings, Journal, Op
from scripts.trials.wire import Connection, Lost

_PAGE = 1000
_NDJSON = {"Accept": "application/x-ndjson"}
_LINES = msgspec.json.Decoder()
_TRIES = 10
_COUNTED = 3
"""Versions of each dataset whose records are counted in an audit."""


class Effect(Struct, frozen=True):
    """What one version did: the tags of its writes, the numbers that they brought, ids of changed and removed ones."""

    tags: frozenset[str]
    values: frozenset[int]
    rows: int
    changed: frozenset[int]
    removed: frozenset[int]

    def is_of(self, op: Op) -> bool:
        """Whether this is all of the write, and nothing else."""
        return (
            op.restored is None
            and self.tags <= {op.tag}
            and self.rows == len(op.values)
            and self.values == op.values
            and op.changed in {None, self.changed}
            and self.removed == op.removed
        )


class _Seen(Struct):
    """How far a dataset was audited: its newest version then, and the records in it."""

    version: int = 1
    rows: int = 0


class Audit:
    """Compares a journal with the datasets of one workspace, again and again."""

    def __init__(self, journal: Journal, connection: Connection, chance: random.Random, datasets: list[str]) -> None:
        """`datasets`: ids of those that are written to; imports make others."""
        self.connection = connection
        self._journal, self._chance = journal, chance
        self._seen = {dataset: _Seen() for dataset in datasets}
        self.findings = Findings()

    async def run(self) -> None:
        """Adds to the findings. Nobody may write meanwhile but requests that have lost their clients."""
        for dataset, seen in self._seen.items():
            await self._audit(dataset, seen)
        await self._settle_promises()
        await self._audit_imports()

    async def _ask(self, path: str, headers: dict[str, str] | None = None) -> bytes:
        """A body; a read is tried again as any client would."""
        said = ""
        for _ in range(_TRIES):
            try:
                answer = await self.connection.ask("GET", path, headers=headers)
            except Lost:
                continue
            if answer.status == 200:
                return answer.body
            said = f"{answer.status} {answer.body.decode(errors='replace')[:500]}"
            await asyncio.sleep(0.5)
        raise RuntimeError(f"GET {path}: {said or 'no answer'}")

    async def _json(self, path: str) -> Any:
        return msgspec.json.decode(await self._ask(path))

    async def _audit(self, dataset: str, seen: _Seen) -> None:
        ops = [op for op in self._journal.of(dataset) if op.kind != "drop"]
        versions = [each async for each in self._versions(dataset, seen.version)]
        for told in versions:
            number = told["version"]
            if number != seen.version + 1:
                self.findings.broken.append(f"{dataset}: version {number} follows {seen.version}")
            if told["rows"] != seen.rows + told["added"] - told["removed"]:
                self.findings.broken.append(f"{dataset}: the sums of version {number} do not add up")
            seen.version, seen.rows = number, told["rows"]
            await self._explain(dataset, told, ops)
        for told in self._chance.sample(versions, min(_COUNTED, len(versions))):
            counted = await self._json(f"/datasets/{dataset}/records/count?version={told['version']}")
            if counted["count"] != told["rows"]:
                self.findings.broken.append(f"{dataset}: version {told['version']} holds {counted['count']} records")
        for op in ops:
            if op.outcome == "done" and op.found is None:
                self._once(self.findings.lost, op, f"answered {op.status} with version {op.version}, and is not there")

    async def _versions(self, dataset: str, after: int) -> AsyncIterator[dict[str, Any]]:
        """Those after a version, the oldest first."""
        newest = (await self._json(f"/datasets/{dataset}/versions?limit=1"))["data"][0]["version"]
        found: list[Any] = []
        while len(found) < newest - after:
            page = await self._json(f"/datasets/{dataset}/versions?limit={_PAGE}&offset={len(found)}")
            found += page["data"]
            if not page["has_more"]:
                break
        for told in reversed([each for each in found if after < each["version"] <= newest]):
            yield told

    async def _explain(self, dataset: str, told: dict[str, Any], ops: list[Op]) -> None:
        """Finds the one write that a version is."""
        number = told["version"]
        if told["operation"] == "restore":
            fitting = await self._restores(dataset, told, ops)
        else:
            lines = await self._ask(f"/datasets/{dataset}/diff?from={number - 1}&to={number}", _NDJSON)
            effect = _effect(_LINES.decode_lines(lines))
            if (told["added"] + told["changed"], told["removed"]) != (effect.rows, len(effect.removed)):
                self.findings.broken.append(f"{dataset}: version {number} tells other sums than its records")
            fitting = [op for op in self._about(effect, ops) if effect.is_of(op)]
        if not fitting:
            self.findings.phantom.append(f"{dataset}: version {number} is no write that was sent: {told}")
        if fitting:  # a deletion that was refused, and sent again, is the one that was not refused
            self._match(min(fitting, key=lambda op: (op.found is not None, op.outcome == "refused")), number)

    @staticmethod
    def _about(effect: Effect, ops: list[Op]) -> list[Op]:
        """Writes that the effect names: by their tags, or by a record that they delete."""
        if effect.tags:
            return [op for op in ops if op.tag in effect.tags]
        return [op for op in ops if not effect.removed.isdisjoint(op.removed)]

    async def _restores(self, dataset: str, told: dict[str, Any], ops: list[Op]) -> list[Op]:
        """The restore with this note, if its version is equal to the one that it restored."""
        number = told["version"]
        fitting = [op for op in ops if op.tag == told["note"] and op.restored == told["source"]["version"]]
        for op in fitting:
            summary = await self._json(f"/datasets/{dataset}/diff?from={op.restored}&to={number}&summary=true")
            if any(summary[name] for name in ("added", "changed", "removed")):
                self.findings.broken.append(f"{dataset}: version {number} is not equal to {op.restored}")
        return fitting

    def _match(self, op: Op, number: int) -> None:
        if op.found is not None:
            self.findings.phantom.append(f"{op.tag}: is in version {op.found} and in {number}")
        elif op.outcome == "refused":
            self.findings.phantom.append(f"{op.tag}: answered {op.status} {op.code}, and is version {number}")
        elif op.outcome == "done" and op.version not in {None, number}:
            self.findings.broken.append(f"{op.tag}: answered version {op.version}, is version {number}")
        op.found = number

    async def _settle_promises(self) -> None:
        """A promised import is done when it says so; one that failed must have left nothing."""
        for op in self._journal.ops:
            if op.outcome != "promised":
                continue
            told = await self._json(f"/imports/{op.import_id}")
            if told["state"] == "done":
                op.settle("done", 202)
            elif told["state"] in {"failed", "cancelled"}:
                op.settle("refused", 202, told["problem"]["error_code"])

    async def _audit_imports(self) -> None:
        """Datasets that were imported, and those of them that were deleted again."""
        there = {each["id"]: each async for each in self._datasets()}
        by_name = {each["name"]: each for each in there.values()}
        drops = {op.dataset: op for op in self._journal.ops if op.kind == "drop"}
        for drop in drops.values():
            if drop.outcome == "done" and drop.dataset in there:
                self._once(self.findings.lost, drop, "the dataset was deleted, and is there")
            if drop.outcome == "refused" and drop.dataset not in there:
                self._once(self.findings.phantom, drop, "the dataset was not deleted, and is gone")
        for op in self._journal.ops:
            if op.kind in {"import", "large_import", "later"}:
                deleted = drops.get(op.made)
                may_be_gone = deleted is not None and deleted.outcome != "refused"
                self._audit_import(op, by_name.pop(op.tag, None), may_be_gone=may_be_gone)
        strange = [name for name, each in by_name.items() if each["id"] not in self._seen]
        self.findings.phantom += [f"dataset {name} was never sent" for name in strange]

    def _audit_import(self, op: Op, found: dict[str, Any] | None, *, may_be_gone: bool) -> None:
        if found is None:
            if op.outcome == "done" and not may_be_gone:
                self._once(self.findings.lost, op, "was imported, and is not there")
            return
        op.found = 1
        if op.outcome == "refused":
            self._once(self.findings.phantom, op, f"answered {op.status} {op.code}, and there is a dataset")
        if (found["version"], found["rows"]) != (1, len(op.values)):
            self._once(self.findings.broken, op, f"has {found['rows']} rows of {len(op.values)}")

    async def _datasets(self) -> AsyncIterator[dict[str, Any]]:
        offset, more = 0, True
        while more:
            page = await self._json(f"/datasets?limit={_PAGE}&offset={offset}")
            for each in page["data"]:
                yield each
            offset, more = offset + len(page["data"]), page["has_more"]

    @staticmethod
    def _once(findings: list[str], op: Op, text: str) -> None:
        """The same is not told by each audit."""
        if (line := f"{op.tag}: {text}") not in findings:
            findings.append(line)


def _effect(rows: list[dict[str, Any]]) -> Effect:
    """Of the lines of a diff."""
    brought = [row for row in rows if row["change"] != "removed"]
    return Effect(
        frozenset(row["cells"]["op"]["after"] for row in brought),
        frozenset(row["cells"]["n"]["after"] for row in brought),
        len(brought),
        frozenset(row["id"] for row in rows if row["change"] == "changed"),
        frozenset(row["id"] for row in rows if row["change"] == "removed"),
    )
