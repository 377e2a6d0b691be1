"""Clients that write, read, retry and break off."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from uuid import UUID

from msgspec import Struct

from scripts.trials.journal import Journal
from scripts.trials.wire import Answer, Connection, Lost, NotSent
from scripts.trials.wishes import Desk, Wish

_READ, _KEYED, _CUT = 0.3, 0.35, 0.03
UNKNOWN = "COMMIT_UNKNOWN"
"""The service says itself that it does not know whether it was written."""
RETRIES = 40
"""So often is a write with a key sent again: for longer than the key of a process that died is in use."""
_NOBODY = Answer(0, {"retry-after": "0.2"}, b"")
"""In place of an answer where there was nobody to ask."""


class Gate:
    """Lets writers pass, or waits until none of them is on its way."""

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._open.set()
        self._passed = 0
        self._idle = asyncio.Condition()

    async def enter(self) -> None:
        await self._open.wait()
        self._passed += 1

    async def leave(self) -> None:
        self._passed -= 1
        async with self._idle:
            self._idle.notify_all()

    async def close(self) -> None:
        """Nobody passes any more, and all who have are back."""
        self._open.clear()
        async with self._idle:
            await self._idle.wait_for(lambda: not self._passed)

    def open(self) -> None:
        self._open.set()


class Writer(Struct):
    """One client with one connection."""

    desk: Desk
    connection: Connection
    journal: Journal
    chance: random.Random
    shared: str
    retries: int = RETRIES

    async def run(self, gate: Gate) -> None:
        """Writes and reads for ever."""
        while True:
            await gate.enter()
            try:
                if self.chance.random() < _READ:
                    await self._read()
                else:
                    await self._write(self.desk.next())
            finally:
                await gate.leave()

    async def _read(self) -> None:
        path = self.chance.choice(["records?limit=20&sort=-n", "records/count", "schema", "versions?limit=5"])
        try:
            answer = await self.connection.ask("GET", f"/datasets/{self.shared}/{path}")
            self.journal.answered(answer.status, answer.code)
        except Lost:
            self.journal.answered(0)
            await self._rest(None)

    async def _write(self, wish: Wish) -> None:
        if wish.body and self.chance.random() < _CUT:
            await self._cut(wish)
        elif wish.is_repeatable and self.chance.random() < _KEYED:
            await self._insist(wish)
        else:
            await self._once(wish)
        self.journal.settled(wish.op)

    async def _cut(self, wish: Wish) -> None:
        """Half of the body is no write at all; a whole one without an answer is in doubt."""
        half = self.chance.random() < 0.5
        sent = len(wish.body) // 2 if half else len(wish.body)
        with suppress(Lost):
            await self.connection.break_off(wish.method, wish.path, wish.body, wish.headers, sent=sent)
        self.journal.answered(0)
        wish.op.settle("refused" if half else "doubt")

    async def _once(self, wish: Wish) -> None:
        answer = await self._ask(wish, wish.headers)
        self._take(wish, answer, in_doubt=False)
        if answer is None or not 0 < answer.status < 500:
            await self._rest(answer)

    async def _insist(self, wish: Wish) -> None:
        """With an Idempotency-Key, until it is known; what is known to be refused is not sent again."""
        headers = {**wish.headers, "Idempotency-Key": str(UUID(int=self.chance.getrandbits(128)))}
        in_doubt = False
        for _ in range(self.retries):
            answer = await self._ask(wish, headers)
            if answer is not None and 0 < answer.status < 500 and answer.code != "IDEMPOTENCY_KEY_IN_USE":
                self._take(wish, answer, in_doubt=False)
                return
            in_doubt = in_doubt or answer is None or answer.code in {UNKNOWN, "IDEMPOTENCY_KEY_IN_USE"}
            await self._rest(answer)
        self._take(wish, answer, in_doubt=in_doubt)

    async def _ask(self, wish: Wish, headers: dict[str, str]) -> Answer | None:
        """None for no answer."""
        try:
            answer = await self.connection.ask(wish.method, wish.path, wish.body, headers)
        except NotSent:
            self.journal.answered(0, "not sent")
            return _NOBODY
        except Lost:
            self.journal.answered(0)
            return None
        self.journal.answered(answer.status, answer.code)
        return answer

    def _take(self, wish: Wish, answer: Answer | None, *, in_doubt: bool) -> None:
        if answer is None:
            wish.op.settle("doubt")
        elif 0 < answer.status < 300:
            wish.op.settle("promised" if answer.status == 202 else "done", answer.status)
            self.desk.learn(wish, answer.json() if answer.body else None)
        elif in_doubt or answer.code == UNKNOWN:
            wish.op.settle("doubt", answer.status, answer.code)
        else:
            wish.op.settle("refused", answer.status, answer.code)
            self.desk.give_back(wish.op)

    async def _rest(self, answer: Answer | None) -> None:
        told = answer.headers.get("retry-after", "0.1") if answer is not None else "0.1"
        await asyncio.sleep(min(1.0, float(told)) * self.chance.uniform(0.5, 1))
