"""`sheaf backup` and `sheaf restore`: everything comes back, or nothing is changed."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from psycopg import sql
from support.beside import Beside
from support.client import Client, problem
from support.databases import own_database
from support.server import Server
from support.waiting import until

from alembic import command
from backend.repositories.backups import for_programs
from backend.repositories.migrate import alembic_config, known_migrations, upgrade
from backend.services.backup_restore import _FOREIGN

STOCK = 'sku,name,price\n007,Ä nut,0.10\n008,,19.90\nB/2,"a\nb",1e3\n'
MARK = b"\nsheaf-backup "


class Story:
    """Two users of a service, what they hold, and what a backup made of it while one of them wrote."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server, self.folder, self.file = server, folder, folder / "all.backup"
        self.keys = [Client.register(server.base, name).key for name in ("Ann", "Ben")]
        self.ann = Client(server.base, self.keys[0])
        self.upload = self._ok(self.ann.http.post("/uploads", content=STOCK, headers={"Content-Type": "text/csv"}))[
            "id"
        ]
        self.ann.made(self.ann.send(STOCK, name="stock"))
        self._ok(self.ann.http.patch("/datasets/stock", json={"key": "sku"}))
        self._ok(self.ann.http.patch("/datasets/stock/records/by-key/007", json={"name": "nut"}))
        self._ok(self.ann.http.put("/datasets/stock/versions/1/tag", json={"tag": "as sent"}))
        with Client(server.base, self.keys[1]) as ben:
            ben.made(ben.send(STOCK, name="gone"))
            assert ben.http.delete("/datasets/gone").status_code == 204
        self.export = self._ok(self.ann.http.get("/datasets/stock/export?format=xlsx&prepare=true"))["id"]
        until(lambda: self._ok(self.ann.http.get(f"/exports/{self.export}"))["state"] == "done", "the export is done")
        self.ann.made(self.ann.send("n,t\n0,x\n", name="busy"))

    @staticmethod
    def _ok(answer: httpx.Response) -> Any:
        assert answer.is_success, answer.text
        return answer.json()

    def back_up_under_writes(self) -> int:
        """The last version that was answered before the backup began."""
        stop, begun = threading.Event(), threading.Event()

        def write() -> None:
            with Client(self.server.base, self.keys[0]) as ann:
                while not stop.is_set():
                    assert ann.http.post("/datasets/busy/records", json={"n": 1, "t": "x"}).status_code == 201
                    begun.set()

        with ThreadPoolExecutor(1) as pool:
            writing = pool.submit(write)
            try:
                assert begun.wait(60)
                before = self.ann.version("busy")
                told = Beside()("backup", self.file, "--data", self.folder / "data")
            finally:
                stop.set()
            writing.result()
        assert re.search(r"3 workspaces, 3 datasets, 3 users; [\d,]+ bytes, migration \d{4}, Sheaf ", told), told
        return before


def picture(client: Client, dataset: str, versions: range) -> list[bytes]:
    """All that a dataset tells of these versions, and what is in the first and the last of them."""
    kept = client.http.get(f"/datasets/{dataset}/versions", params={"limit": 1000}).json()["data"]
    told = [json.dumps(each, sort_keys=True).encode() for each in kept if each["version"] in versions]
    return told + [
        client.export(dataset, "ndjson", version=version, ids="true")
        for version in sorted({*versions[:2], *versions[-3:]})
    ]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("origin")
    with Server(folder) as server:
        story = Story(server, folder)
        yield story
        story.ann.close()


class TestEndToEnd:
    def test_everything_comes_back(self, story: Story, tmp_path: Path) -> None:
        before = story.back_up_under_writes()
        assert story.file.stat().st_mode & 0o077 == 0
        assert [each.name for each in story.folder.glob("all.backup*")] == ["all.backup"]
        told = Beside()("restore", story.file, "--data", tmp_path / "data")
        assert told.startswith("Restored 3 workspaces, 3 datasets, 3 users; ")
        with Server(tmp_path) as server, Client(server.base, story.keys[0]) as ann:
            self._same(story, ann, before)
            with Client(server.base, story.keys[1]) as ben:
                assert ben.names() == []
                (gone,) = self._deleted(server)
                assert ben.http.post(f"/datasets/{gone}/undelete").status_code == 200
                assert ben.names() == ["gone"]
            self._numbers_do_not_lie(story.ann, ann)
            key = {"X-API-Key": server._running.key}
            printed = httpx.get(f"{server.base}/api/v1/users/me", headers=key, timeout=60).json()
        with Client(story.server.base, story.server._running.key) as operator:
            assert operator.http.get("/users/me").json()["id"] == printed["id"]

    @staticmethod
    def _same(story: Story, ann: Client, before: int) -> None:
        assert ann.names() == ["busy", "stock"]
        assert picture(ann, "stock", range(1, 4)) == picture(story.ann, "stock", range(1, 4))
        newest = ann.version("busy")
        assert before <= newest <= story.ann.version("busy")
        assert picture(ann, "busy", range(1, newest + 1)) == picture(story.ann, "busy", range(1, newest + 1))
        assert ann.http.get("/datasets/stock/records/by-key/B%2F2").json()["data"]["name"] == "a\nb"
        assert ann.http.get("/datasets/stock/export?version=as sent&newline=lf").text == STOCK
        assert (
            problem(ann.http.post("/datasets/stock/records", json={"sku": "007"}), 422)["error_code"]
            == "DUPLICATE_KEYS"
        )
        path = f"/exports/{story.export}/file"
        assert ann.http.get(path).content == story.ann.http.get(path).content
        again = ann.http.post("/datasets", json={"upload": story.upload, "name": "again"})
        assert again.status_code == 201, again.text
        assert ann.export("again", newline="lf").decode() == STOCK

    @staticmethod
    def _deleted(server: Server) -> list[str]:
        with psycopg.connect(server.database_url) as tx:
            schemas = tx.execute("SELECT nspname FROM pg_namespace WHERE starts_with(nspname, 'ws_')").fetchall()
            query = sql.SQL("SELECT id::text FROM {} WHERE deleted_at IS NOT NULL")
            return [
                found for (name,) in schemas for (found,) in tx.execute(query.format(sql.Identifier(name, "datasets")))
            ]

    @staticmethod
    def _numbers_do_not_lie(origin: Client, restored: Client) -> None:
        """Both write the version after the backup, each another one: what the one gave is nothing to the other."""
        path = "/datasets/stock/records"
        for client, name in ((origin, "lost"), (restored, "instead")):
            made = client.http.post(path, json={"sku": name})
            assert made.status_code == 201, made.text
            assert client.version("stock") == 4
        page = origin.http.get(path, params={"limit": 1})
        assert restored.http.get(path, params={"limit": 1}, headers={"If-None-Match": page.headers["etag"]}).is_success
        cursor = page.json()["next"]
        assert problem(restored.http.get(path, params={"cursor": cursor}), 400, 404, 410)
        etag = origin.http.get(f"{path}/4").headers["etag"]
        kept = restored.http.patch(f"{path}/4", json={"name": "x"}, headers={"If-Match": etag})
        assert problem(kept, 412)["error_code"] == "PRECONDITION_FAILED"

    def test_a_service_beneath_is_in_the_way(self, story: Story, tmp_path: Path) -> None:
        made = tmp_path / "one.backup"
        Beside(story.server.database_url)("backup", made)
        assert "Another service is running" in Beside().refused("restore", made, "--data", story.folder / "data")
        said = Beside(story.server.database_url).refused("restore", made, "--force")
        assert "Others are connected to the database: " in said
        assert story.ann.version("stock")


@pytest.fixture
def database(empty_postgres_url: str) -> Iterator[str]:
    """An empty database of its own."""
    with own_database(empty_postgres_url) as url:
        yield url


@pytest.fixture
def filled(database: str, tmp_path: Path) -> Path:
    """A backup of a database with one user, which still is there."""
    upgrade(database)
    Beside(database)("user", "create", "Ann")
    file = tmp_path / "one.backup"
    Beside(database)("backup", file)
    return file


def told(file: Path) -> tuple[bytes, dict[str, Any]]:
    """What `pg_dump` wrote, and the last line."""
    dump, _, line = file.read_bytes().rpartition(MARK)
    return dump, json.loads(line)


def write(file: Path, dump: bytes, manifest: dict[str, Any]) -> Path:
    file.write_bytes(dump + MARK + json.dumps(manifest).encode() + b"\n")
    return file


def users(database: str) -> list[str]:
    return [user["name"] for user in Beside(database).json("user", "list")]


class TestRefused:
    def test_a_database_that_holds_data(self, database: str, filled: Path) -> None:
        assert "--force" in Beside(database).refused("restore", filled)
        Beside(database)("user", "create", "Ben")
        Beside(database)("restore", filled, "--force")
        assert users(database) == ["Ann"]
        assert "is there already" in Beside(database).refused("backup", filled)

    def test_what_comes_through_a_pipe(self, database: str, filled: Path, tmp_path: Path) -> None:
        place = ("--force", "--data", tmp_path / "data")
        for content, said in ((filled.read_bytes()[:-1], "sheaf: What came is no backup"), (filled.read_bytes(), "")):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("sys.stdin", TextIOWrapper(BytesIO(content)))
                printed, refused = Beside(database).run("restore", "-", *place)
            assert str(refused or "").startswith(said)
            assert bool(refused) == bool(said) != printed.startswith("Restored 1 workspace, 0 datasets, 1 user; ")
            assert list((tmp_path / "data").iterdir()) == []
        assert users(database) == ["Ann"]

    def test_a_file_that_is_not_whole(self, database: str, filled: Path, tmp_path: Path) -> None:
        whole = filled.read_bytes()
        dump, manifest = told(filled)
        damaged = bytearray(whole)
        damaged[len(whole) // 2] ^= 1
        for content, said in (
            (whole[: len(whole) // 2], "its end is missing"),
            (whole[:-1], "its end is missing"),
            (b"", "its end is missing"),
            (bytes(damaged), "is damaged"),
            (dump[1:] + whole[len(dump) :], "is damaged"),
        ):
            (tmp_path / "other").write_bytes(content)
            assert said in Beside(database).refused("restore", tmp_path / "other", "--force")
        assert "cannot be read" in Beside(database).refused("restore", tmp_path / "nothing")
        foreign = write(tmp_path / "other", dump, manifest | {"format": 2, "more": 1})
        assert "another release" in Beside(database).refused("restore", foreign)

    def test_a_backup_of_a_newer_release(self, database: str, filled: Path, tmp_path: Path) -> None:
        dump, manifest = told(filled)
        newer = write(tmp_path / "newer", dump, manifest | {"migration": "9999", "sheaf": "9.0"})
        assert "Sheaf 9.0 with migration 9999" in Beside(database).refused("restore", newer, "--force")

    def test_what_fails_halfway_changes_nothing(self, database: str, filled: Path, tmp_path: Path) -> None:
        """A dump whose end is missing, though its digest is right: what was there is dropped, and comes back."""
        dump, manifest = told(filled)
        cut = dump[: len(dump) - 200]
        forged = manifest | {"bytes": len(cut), "sha256": hashlib.sha256(cut).hexdigest()}
        Beside(database)("user", "create", "Ben")
        said = Beside(database).refused("restore", write(tmp_path / "cut", cut, forged), "--force")
        assert "the database is as it was" in said
        assert users(database) == ["Ann", "Ben"]

    def test_a_database_without_sheaf_and_one_that_does_not_answer(self, database: str, tmp_path: Path) -> None:
        assert "There is no Sheaf in this database" in Beside(database).refused("backup", tmp_path / "x")
        nobody = "postgresql://me:hunter2@127.0.0.1:1/x"
        assert "hunter2" not in Beside(nobody).refused("backup", tmp_path / "x")
        assert "There is no database in the data folder" in Beside().refused("backup", "x", "--data", tmp_path)
        assert list(tmp_path.iterdir()) == []

    def test_a_place_that_cannot_be_written(self, database: str, tmp_path: Path) -> None:
        assert "cannot be written" in Beside(database).refused("backup", tmp_path / "no folder" / "x")


def test_an_older_backup_is_migrated(database: str, filled: Path, tmp_path: Path) -> None:
    command.downgrade(alembic_config(database), "-1")
    old = tmp_path / "old.backup"
    Beside(database)("backup", old)
    before, newest = known_migrations()[-2:]
    assert told(old)[1]["migration"] == before
    assert f"from migration {before} to {newest}." in Beside(database)("restore", old, "--force")
    assert users(database) == ["Ann"]


def test_the_password_stays_off_the_command_line() -> None:
    address, variables = for_programs("postgresql://me:p%40ss@db.example:5433/x?sslmode=require&sslpassword=other")
    assert "p@ss" not in address
    assert "other" not in address
    assert "sslmode=require" in address
    assert variables == {"PGPASSWORD": "p@ss"}


def test_what_only_some_servers_know_is_left_out() -> None:
    """The second as `pg_restore` writes it of a database in Debian's PostgreSQL 15.20."""
    for line in (
        b"SET transaction_timeout = 0;\n",
        b"ALTER TABLE ONLY sheaf.api_keys ALTER COLUMN id SET (pg_attver=26493648);\n",
    ):
        assert _FOREIGN.search(line)
    for line in (
        b"SET lock_timeout = 0;\n",
        b"\\restrict x\n",
        b"ALTER TABLE ONLY sheaf.uploads ALTER COLUMN data SET STORAGE EXTERNAL;\n",
    ):
        assert not _FOREIGN.search(line)
