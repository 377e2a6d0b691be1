"""Mixed traffic: 80 % reads, 15 % patches, 5 % uploads and exports, each request with an id of its own."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from itertools import count
from time import perf_counter
from typing import Any

import msgspec
from msgspec import Struct, field

from scripts.trials.wire import Answer, Connection, Lost, NotSent
from scripts.trials.wishes import CSV, JSON

ROWS = 5_000
"""Rows of each dataset that is read and patched."""
_PAUSE = 0.2
"""Seconds that a client waits who was told to come later: less than it was told."""
_UPLOAD = "upload"
_Asked = tuple[str, str, bytes]
"""Method, what follows the dataset's address, and the body."""
_CITIES = ("Bonn", "Lyon", "Oslo", "Porto", "Leeds")


def table(rows: int) -> bytes:
    """A CSV file: `key,city,amount,note`."""
    lines = (f"k{n},{_CITIES[n % 5]},{n * 7919 % 1000}.50,note {n % 89}" for n in range(rows))
    return "\n".join(["key,city,amount,note", *lines, ""]).encode()


class Tally(Struct):
    """What came of requests: seconds by kind, how many were refused and broken, and ids of those answered in full."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)
    refused_seconds: list[float] = field(default_factory=list)
    without_retry_after: int = 0
    errors: list[str] = field(default_factory=list)
    sent: set[str] = field(default_factory=set)
    answered: set[str] = field(default_factory=set)

    @property
    def good(self) -> int:
        return sum(map(len, self.seconds.values()))

    def quantile(self, part: float, kind: str | None = None) -> float:
        """Seconds within which this part of the requests of a kind, or of all, was answered."""
        found = sorted(self.seconds[kind] if kind else [each for all_ in self.seconds.values() for each in all_])
        return found[min(len(found) - 1, int(len(found) * part))] if found else 0.0


_numbers = count(1)


class Customer:
    """One connection of a user, who asks again and again; `tally` may be exchanged at any time.

    `refusals`: whether 429 and 503 are answers to be counted, and not errors.
    """

    def __init__(self, port: int, key: str, dataset: str, chance: random.Random, *, refusals: bool = False) -> None:
        self.tally = Tally()
        self.stopping = False
        self._connection = Connection(port, key)
        self.refusals = refusals
        self._path, self._chance = f"/datasets/{dataset}", chance
        self._made: list[str] = []
        self._upload = table(200)
        self._kinds: dict[str, tuple[int, Callable[[], _Asked]]] = {
            "page": (20, lambda: ("GET", f"/records?limit=50&offset={chance.randrange(20) * 50}", b"")),
            "filter": (15, lambda: ("GET", f"/records?amount=gt:{chance.randrange(1000)}&city=eq:Oslo&limit=20", b"")),
            "sort": (10, lambda: ("GET", f"/records?sort=-amount,key&limit=20&offset={chance.randrange(20)}", b"")),
            "count": (10, lambda: ("GET", f"/records/count?amount=lt:{chance.randrange(1000)}", b"")),
            "record": (15, lambda: ("GET", f"/records/{chance.randint(1, ROWS)}", b"")),
            "schema": (5, lambda: ("GET", "/schema", b"")),
            "versions": (5, lambda: ("GET", "/versions?limit=10", b"")),
            "patch": (12, self._patch),
            "batch": (3, self._batch),
            "export": (2, lambda: ("GET", "/export?format=csv", b"")),
            _UPLOAD: (3, lambda: ("POST", "", b"")),
        }

    async def run(self) -> None:
        """Until `stopping` is set and the request under way has ended."""
        kinds, weights = list(self._kinds), [weight for weight, _ in self._kinds.values()]
        while not self.stopping:
            (kind,) = self._chance.choices(kinds, weights)
            if kind == _UPLOAD:
                await self._upload_one()
            else:
                method, end, body = self._kinds[kind][1]()
                await self._ask(kind, method, self._path + end, body)
        self._connection.close()

    def _patch(self) -> _Asked:
        return "PATCH", f"/records/{self._chance.randint(1, ROWS)}", msgspec.json.encode(self._change())

    def _batch(self) -> _Asked:
        ids = self._chance.sample(range(1, ROWS + 1), 10)
        changes = [{"id": each, "set": self._change()} for each in ids]
        return "PATCH", "/records", msgspec.json.encode({"changes": changes})

    def _change(self) -> dict[str, Any]:
        return {"note": f"changed {self._chance.getrandbits(40)}"}

    async def _upload_one(self) -> None:
        """A dataset of its own, in place of the one before."""
        if self._made and await self._ask("delete", "DELETE", f"/datasets/{self._made[-1]}") is not None:
            self._made.pop()
        if self.stopping:
            return
        answer = await self._ask("upload", "POST", f"/datasets?name=u{next(_numbers)}", self._upload, CSV)
        if answer is not None and answer.status == 201:
            self._made.append(answer.json()["dataset"]["id"])

    async def _ask(
        self, kind: str, method: str, path: str, body: bytes = b"", headers: dict[str, str] = JSON
    ) -> Answer | None:
        """The answer, counted; None for none."""
        tally, number = self.tally, f"load-{next(_numbers)}"
        told = {**headers, "X-Request-Id": number} if body else {"X-Request-Id": number}
        tally.sent.add(number)
        begun = perf_counter()
        try:
            answer = await self._connection.ask(method, path, body, told)
        except Lost as error:
            if not self.stopping or not isinstance(error, NotSent):
                tally.errors.append(f"{kind}: no answer ({error})")
            await asyncio.sleep(_PAUSE)
            return None
        took = perf_counter() - begun
        tally.answered.add(number)
        if answer.status < 400:
            tally.seconds.setdefault(kind, []).append(took)
        elif answer.status in {429, 503} and (self.refusals or self.stopping):
            tally.refused[f"{answer.status} {answer.code}"] += 1
            tally.refused_seconds.append(took)
            tally.without_retry_after += "retry-after" not in answer.headers
            await asyncio.sleep(_PAUSE)
        else:
            tally.errors.append(f"{kind}: {answer.status} {answer.body[:200].decode(errors='replace')}")
        return answer
