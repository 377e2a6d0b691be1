"""History is pruned beside those who read and write: who reads an old version gets all of it, or is told."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import aclosing
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from httpx import AsyncClient
from support.client import Client
from support.editor import editing, table
from support.pruning import Stored
from support.server import Server
from support.service import Upload, User
from support.waiting import until

from backend.errors import VersionPruned
from backend.query.nodes import Query
from backend.query.seal import Seal
from backend.repositories import lookup, selections
from backend.repositories.copying import copy_out
from backend.repositories.database import Database
from backend.schemas.callers import Caller
from backend.schemas.exports import ExportOptions
from backend.services.answers import Answers
from backend.services.diffs import DiffService
from backend.services.exports import Asked, ExportService
from backend.services.indexing import IndexLimits, IndexService
from backend.services.queries import QueryService
from backend.services.spool import Spool, Streams
from backend.services.users import UserService

ROWS = 4_000


class Watched(Streams):
    """Streams, of which one runs at a time; `asked` tells that one was begun or waits."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, concurrency=1)
        self.asked = asyncio.Event()

    async def start(self, produce: Callable[[Spool], None], user: UUID | None = None) -> AsyncGenerator[bytes]:
        self.asked.set()
        return await super().start(produce, user)


def sweeping(stored: Stored, step: int) -> SpawnProcess:
    """A process that removes what is to be removed, so many images at a time."""
    process = multiprocessing.get_context("spawn").Process(target=_sweep, args=(stored, step))
    process.start()
    return process


def _sweep(stored: Stored, step: int) -> None:
    asyncio.run(stored.swept(step=step))


def sweep(stored: Stored) -> None:
    """Until all is gone, in a process of its own."""
    process = sweeping(stored, 10_000)
    process.join()
    assert process.exitcode == 0


@pytest.fixture
async def changed(user: User, upload: Upload, postgres_url: str) -> Stored:
    """`edited` at version 2: every record has another label than in version 1."""
    made = await upload(table(ROWS), name="edited")
    again = table(ROWS).replace(b",row ", b",new ")
    answer = await user.client.post("/datasets/edited/imports?mode=upsert&key=n", content=again)
    assert answer.status_code in {200, 201}, answer.text
    return Stored(postgres_url, made)


async def caller_of(database: Database, user: User) -> Caller:
    caller = await UserService(database, registration_open=False).identify(user.key)
    assert caller is not None
    return caller


async def prune(client: AsyncClient, stored: Stored) -> None:
    """Of `edited` only the newest version is left."""
    answer = await client.patch("/datasets/edited", json={"keep_versions": 1})
    assert answer.status_code == 200, answer.text
    await stored.swept()
    assert len(stored.images()) == ROWS


@pytest.mark.anyio
class TestReaders:
    async def test_a_running_export_gives_all_of_the_old_version(
        self, database: Database, user: User, changed: Stored
    ) -> None:
        async with database.snapshot() as tx:
            scope, head = await lookup.head(tx, await caller_of(database, user), "edited")
            snapshot = await lookup.snapshot(tx, scope, head, version="1")
        query = Query()
        chosen = selections.selection(scope, snapshot, query, database.fold)
        with database.bulk_read() as tx:
            statement = selections.export_statement(tx, chosen, query, delimiter=",")
            await prune(user.client, changed)
            lines = b"".join(line for batch in copy_out(tx, statement) for line in batch)
        assert lines == table(ROWS).partition(b"\n")[2]
        with database.bulk_read() as tx, pytest.raises(VersionPruned):
            selections.export_statement(tx, chosen, query, delimiter=",")

    @pytest.mark.parametrize("kind", ["export", "stream", "diff"])
    async def test_who_waits_for_a_place_meanwhile_is_told(
        self, database: Database, user: User, changed: Stored, tmp_path: Path, kind: str
    ) -> None:
        streams = Watched(tmp_path)
        caller, query = await caller_of(database, user), Query(version="1")
        indexing = IndexService(database, IndexLimits())
        queries = QueryService(database, streams, Seal(), Answers(None, memory=0), indexing)

        async def begun(lines: Awaitable[Any]) -> None:
            await (await lines).begin()

        ways: dict[str, Callable[[], Coroutine[Any, Any, Any]]] = {
            "export": lambda: ExportService(database, streams, indexing).start(
                caller, Asked("edited", None, query, ExportOptions(format="csv")), if_none_match=None
            ),
            "stream": lambda: begun(queries.stream(caller, "edited", None, query)),
            "diff": lambda: begun(DiffService(database, streams, Seal()).stream(caller, "edited", None, "1", "2")),
        }
        free = threading.Event()

        def first(out: Spool) -> None:
            out.put(b"x")
            free.wait(60)

        async with aclosing(await streams.start(first)) as running:
            assert await anext(running) == b"x"
            streams.asked.clear()
            waiting = asyncio.create_task(ways[kind]())
            asked = asyncio.create_task(streams.asked.wait())
            await asyncio.wait([waiting, asked], return_when=asyncio.FIRST_COMPLETED)
            await prune(user.client, changed)
            assert not waiting.done()
            free.set()
        with pytest.raises(VersionPruned):
            await waiting


def replaced(caller: Client, url: str) -> Stored:
    """A dataset at version 2, in which each record has another label than in version 1."""
    made = caller.upload(table(ROWS), "edited.csv").json()["dataset"]
    again = table(ROWS).replace(b",row ", b",new ")
    answer = caller.http.post(f"/datasets/{made['id']}/imports", params={"mode": "upsert", "key": "n"}, content=again)
    assert answer.status_code in {200, 201}, answer.text
    return Stored(url, made)


class TestProcesses:
    def test_writers_and_readers_go_on_while_history_is_removed(self, tmp_path: Path) -> None:
        with Server(tmp_path) as server, Client.register(server.base) as caller:
            stored = replaced(caller, server.database_url)
            dataset = str(stored.dataset_id)
            assert caller.http.patch(f"/datasets/{dataset}", json={"keep_versions": 5}).status_code == 200
            with editing(caller, dataset, ROWS):
                process = sweeping(stored, 200)
                while process.is_alive():
                    newest = caller.version(dataset)
                    answer = caller.http.get(f"/datasets/{dataset}/records/count", params={"version": newest})
                    assert answer.status_code in {200, 410}
                    until(lambda seen=newest: caller.version(dataset) > seen, "another edit")
                process.join()
            assert process.exitcode == 0
            sweep(stored)
            kept = [each["version"] for each in caller.http.get(f"/datasets/{dataset}/versions").json()["data"]]
            assert len(kept) == 5
            assert all(any(first <= number < end for number in kept) for _, first, end in stored.images())

    def test_what_a_killed_process_leaves_the_next_one_removes(self, tmp_path: Path) -> None:
        """The service is young: each minute it sweeps by itself."""
        with Server(tmp_path) as server, Client.register(server.base) as caller:
            stored = replaced(caller, server.database_url)
            dataset = str(stored.dataset_id)
            for number in range(1, 4):
                caller.http.patch(f"/datasets/{dataset}/records/{number}", json={"label": "x"}).raise_for_status()
            whole = {number: caller.export(dataset, version=number) for number in (4, 5)}
            assert caller.http.patch(f"/datasets/{dataset}", json={"keep_versions": 2}).status_code == 200
            images = len(stored.images())
            process = sweeping(stored, 1)
            assert process.pid is not None
            until(lambda: len(stored.images()) < images - 20, "some images are gone")
            os.kill(process.pid, signal.SIGKILL)
            process.join()
            assert ROWS + 1 < len(stored.images()) < images
            assert stored.unswept() > 0
            assert {number: caller.export(dataset, version=number) for number in whole} == whole
            sweep(stored)
            assert len(stored.images()) == ROWS + 1
            assert {number: caller.export(dataset, version=number) for number in whole} == whole
