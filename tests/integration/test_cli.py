"""What the commands of `sheaf` do and refuse."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
from support.beside import Beside
from support.program import Program, refused
from support.server import Server

BOOTSTRAP = "bootstrap-of-the-tests"
UNKNOWN = "01890000-0000-7000-8000-000000000000"


def test_a_service_that_cannot_listen_leaves_no_folder(tmp_path: Path) -> None:
    assert "Cannot listen on host.invalid" in refused("--data", tmp_path / "data", "--host", "host.invalid")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_for_data_that_are_not_kept_is_refused(tmp_path: Path) -> None:
    assert "give one of the two" in refused("--ephemeral", "--data", tmp_path / "data")
    assert list(tmp_path.iterdir()) == []


def test_a_flag_that_is_no_number_is_named() -> None:
    assert refused("--port", "abc") == "sheaf: --port cannot be 'abc': it must be a whole number from 0 to 65,535\n"


@pytest.mark.parametrize(
    ("environment", "secret"),
    [
        ({"SHEAF_BOOTSTRAP_KEY": "hunter2"}, "hunter2"),
        ({"SHEAF_ALLOWED_KEYS": "abcdefgh,hunter2"}, "hunter2"),
        ({"SHEAF_ALLOWED_KEYS": "abcdefgh", "SHEAF_KEY_POLICY": "any"}, "abcdefgh"),
        ({"SHEAF_DATABASE_URL": "postgres//me:hunter2@h/db"}, "hunter2"),
        ({"SHEAF_DATABASE_URL": "postgresql://me:hunter2@127.0.0.1:1/db"}, "hunter2"),
    ],
)
def test_a_secret_that_cannot_be_used_is_not_told(
    environment: dict[str, str], secret: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert secret not in Beside().refused("migrate", **environment)
    helped, code = Beside().run("serve", "--help", **environment)
    assert (code, secret in helped + "".join(capfd.readouterr())) == (0, False)


def test_a_password_that_does_not_open_the_database_is_not_told(tmp_path: Path) -> None:
    environment = {"SHEAF_DATABASE_URL": "postgresql://me:hunter2@127.0.0.1:1/db", "SHEAF_REDIS_URL": "redis://x"}
    assert "hunter2" not in refused("--data", tmp_path / "data", environment=environment)


@pytest.fixture
def beside(postgres_url: str) -> Beside:
    return Beside(postgres_url)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["user", "create", ""], "The name cannot be used"),
        (["user", "create", "a\tb"], "The user cannot be made: A name cannot hold U+0009"),
        (["user", "disable", "Nobody at all"], "No user has the id or the name 'Nobody at all'"),
        (["user", "enable", UNKNOWN], f"No user has the id or the name '{UNKNOWN}'"),
        (["key", "create", "Nobody at all"], "The key cannot be made: No user has"),
        (
            ["key", "create", UNKNOWN, "--expires", "tomorrow"],
            "expires_at cannot be used: Expected a time such as 2027",
        ),
        (["key", "create", UNKNOWN, "--name", ""], "The name cannot be used"),
        (["key", "list", "Nobody at all"], "The keys cannot be listed: No user has"),
        (["key", "revoke", UNKNOWN], "The key cannot be revoked: No key that works has the id"),
        (["key", "revoke", "sheaf"], "The key cannot be revoked: No key that works has the id 'sheaf'"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_sentence(beside: Beside, arguments: list[str], said: str) -> None:
    assert said in beside.refused(*arguments)


class TestUsers:
    def test_a_user_is_made_and_listed(self, beside: Beside) -> None:
        key = beside("user", "create", "Ann of the list")
        assert re.fullmatch(r"[A-Za-z0-9_-]{8,64}\n", key)
        made = beside.json("user", "create", "Ben of the list")
        assert set(made) == {"user", "workspace", "api_key"}
        titles, *lines = beside("user", "list").splitlines()
        assert titles.split() == ["ID", "NAME", "CREATED", "KEYS", "STATE"]
        ann = next(line for line in lines if "Ann of the list" in line)
        assert re.fullmatch(r"[0-9a-f-]{36}  Ann of the list +\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ +1     enabled", ann)
        assert key.strip() not in "".join(lines)
        ben = next(user for user in beside.json("user", "list") if user["id"] == made["user"]["id"])
        assert (ben["name"], ben["keys"], ben["disabled_at"]) == ("Ben of the list", 1, None)

    def test_a_name_cannot_steer_the_terminal(self, beside: Beside, postgres_url: str) -> None:
        """Nobody gets such a name now; from before somebody may have one."""
        made = beside.json("user", "create", "Eve")["user"]
        with psycopg.connect(postgres_url) as connection:
            connection.execute("UPDATE sheaf.users SET name = %s WHERE id = %s", ("Eve\u009b31m\u202e", made["id"]))
        told = beside("user", "list")
        assert "Eve\\x9b31m\\u202e" in told
        assert told.replace("\n", "").isprintable()
        assert "Eve\\x9b31m" in beside("user", "enable", made["id"])

    def test_a_name_that_two_users_have_needs_an_id(self, beside: Beside) -> None:
        ids = [beside.json("user", "create", "Twin")["user"]["id"] for _ in range(2)]
        said = beside.refused("key", "create", "Twin")
        assert "Several users are called 'Twin'" in said
        assert ", ".join(ids) in said
        assert beside("key", "create", ids[0])

    def test_a_disabled_user_gets_no_key(self, beside: Beside) -> None:
        user = beside.json("user", "create", "Disabled for good")["user"]["id"]
        assert beside.json("user", "disable", user)["disabled_at"]
        assert "disabled" in next(line for line in beside("user", "list").splitlines() if user in line)
        assert "'Disabled for good' is disabled" in beside.refused("key", "create", user)

    def test_where_keys_are_listed_none_is_made(self, beside: Beside) -> None:
        for arguments in (("user", "create", "Ann"), ("key", "create", UNKNOWN)):
            assert "Only the keys that its operator has listed" in beside.refused(
                *arguments, SHEAF_ALLOWED_KEYS="listed-key"
            )


class TestKeys:
    def test_keys_are_made_and_listed_and_revoked(self, beside: Beside) -> None:
        user = beside.json("user", "create", "Owner of keys")["user"]["id"]
        options = ("--name", "report", "--scope", "read", "--expires", "2100-01-01T02:00:00+02:00")
        made = beside.json("key", "create", "Owner of keys", *options)
        assert made | {"id": 1, "api_key": 2} == {
            "id": 1,
            "name": "report",
            "scope": "read",
            "expires_at": "2100-01-01T00:00:00Z",
            "api_key": 2,
        }
        titles, first, second = beside("key", "list", user).splitlines()
        assert titles.split() == ["ID", "USER", "NAME", "SCOPE", "ORIGIN", "CREATED", "EXPIRES"]
        assert first.split("  ")[1] == "Owner of keys"
        assert first.endswith(" -")
        assert second.endswith("2100-01-01T00:00:00Z")
        told = beside("key", "revoke", made["id"])
        assert told == f"Key {made['id']} is revoked: it does not work any more, on any worker.\n"
        assert [key["name"] for key in beside.json("key", "list", user)] == ["first key"]
        assert "No key that works" in beside.refused("key", "revoke", made["id"])
        assert user in {key["user_id"] for key in beside.json("key", "list")}

    def test_a_key_for_the_past_is_refused(self, beside: Beside) -> None:
        user = beside.json("user", "create", "Late")["user"]["id"]
        assert "lies in the past" in beside.refused("key", "create", user, "--expires", "2020-01-01T00:00:00Z")
        assert len(beside.json("key", "list", user)) == 1


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Two workers with a private database, and a key of the configuration."""
    told = {"workers": "2", "bootstrap_key": BOOTSTRAP, "log_level": "debug"}
    with Server(tmp_path_factory.mktemp("cli"), **told) as running:
        yield running


def statuses(server: Server, key: str) -> set[int]:
    """What many requests with this key are answered, over connections of their own, so that each worker gets some."""
    headers = {"X-API-Key": key}
    address = f"{server.base}/api/v1/datasets"
    return {httpx.get(address, headers=headers, verify=False, timeout=60).status_code for _ in range(20)}


class TestBesideARunningService:
    """What the operator takes away is gone on every worker once the command has ended."""

    def test_a_disabled_user_is_out_at_once(self, running: Server) -> None:
        beside = Beside(running.database_url)
        key = beside("user", "create", "Ann").strip()
        with httpx.Client(base_url=f"{running.base}/api/v1", headers={"X-API-Key": key}, timeout=60) as ann:
            ann.post("/datasets", json={"name": "of Ann"})  # from now on workers remember her
        assert statuses(running, key) == {200}
        assert "is disabled: none of the keys works any more" in beside("user", "disable", "Ann")
        assert statuses(running, key) == {401}
        assert "is enabled" in beside("user", "enable", "Ann")
        assert statuses(running, key) == {200}

    def test_a_revoked_key_is_dead_at_once(self, running: Server) -> None:
        beside = Beside(running.database_url)
        made = beside.json("user", "create", "Bob")
        headers = {"X-API-Key": made["api_key"]}
        httpx.post(f"{running.base}/api/v1/datasets", json={"name": "of Bob"}, headers=headers, timeout=60)
        assert statuses(running, made["api_key"]) == {200}
        (key,) = beside.json("key", "list", "Bob")
        beside("key", "revoke", key["id"])
        assert statuses(running, made["api_key"]) == {401}

    def test_the_key_of_the_configuration_works_and_only_the_supervisor_knows_it(self, running: Server) -> None:
        assert statuses(running, BOOTSTRAP) == {200}
        for worker in running.workers:
            assert BOOTSTRAP.encode() not in Path(f"/proc/{worker}/environ").read_bytes()
            assert BOOTSTRAP.encode() not in Path(f"/proc/{worker}/cmdline").read_bytes()

    def test_the_logs_hold_no_key(self, running: Server) -> None:
        beside = Beside(running.database_url)
        keys = [BOOTSTRAP, beside("user", "create", "Zoe").strip(), "sheaf_made_up_by_somebody"]
        for key in keys:
            statuses(running, key)
        output = running._running.output
        assert "/api/v1/datasets" in output
        assert not any(key in output for key in keys)


def test_a_dead_key_of_the_configuration_is_logged_and_stops_nothing(running: Server, tmp_path: Path) -> None:
    beside = Beside(running.database_url)
    (key,) = [each for each in beside.json("key", "list", "bootstrap") if each["origin"] == "bootstrap"]
    beside("key", "revoke", key["id"])
    environment = {"SHEAF_DATABASE_URL": running.database_url, "SHEAF_BOOTSTRAP_KEY": BOOTSTRAP}
    with Program("--data", tmp_path, "--no-key", environment=environment) as again:
        assert again.get("/users/me", key=BOOTSTRAP).status_code == 401
        assert "bootstrap_key_is_dead" in again.output
        assert BOOTSTRAP not in again.output


def test_where_keys_are_listed_the_first_one_gets_the_samples(tmp_path: Path) -> None:
    environment = {"SHEAF_ALLOWED_KEYS": "first-listed-key,second-listed-key"}
    with Program("--ephemeral", "--no-key", "--sample", environment=environment) as program:
        program.wait_for("Sample datasets")
        totals = [
            program.get("/datasets", key=key).json()["total"] for key in environment["SHEAF_ALLOWED_KEYS"].split(",")
        ]
        assert totals == [3, 0]
        assert "listed-key" not in program.output
