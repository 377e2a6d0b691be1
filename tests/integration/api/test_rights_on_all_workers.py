"""What changes rights holds on every worker once it is answered: many connections to a service of two workers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from support.client import Client
from support.server import Server, copied
from support.waiting import until

CONNECTIONS = 12
"""So many that both workers have some of them."""


class Everywhere:
    """One user over many connections, each of which stays with the worker that took it."""

    def __init__(self, base: str, name: str, stack: ExitStack) -> None:
        first = stack.enter_context(Client.register(base, name))
        self.http = first.http
        self._all = [stack.enter_context(Client(base, first.key)).http for _ in range(CONNECTIONS)]
        self.id = self.http.get("/users/me").json()["id"]

    def made(self, body: dict[str, Any]) -> str:
        """A new dataset's id."""
        answer = self.http.post("/datasets", json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def asked(self, method: str, path: str, body: Any = None) -> set[int]:
        """The statuses of the answers on all connections."""
        return {each.request(method, path, json=body).status_code for each in self._all}

    def told(self, path: str) -> list[Any]:
        """What the answers on all connections say."""
        return [done(each.get(path)) for each in self._all]

    def are_known(self) -> None:
        """Every worker remembers whose key it is."""
        assert self.asked("GET", "/users/me") == {200}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("pair"), workers="2") as running:
        yield running


@pytest.fixture
def ann(pair: Server) -> Iterator[Everywhere]:
    with ExitStack() as stack:
        yield Everywhere(pair.base, "Ann", stack)


@pytest.fixture
def bob(pair: Server) -> Iterator[Everywhere]:
    with ExitStack() as stack:
        yield Everywhere(pair.base, "Bob", stack)


def done(answer: httpx.Response) -> Any:
    assert answer.is_success, answer.text
    return answer.json() if answer.content else None


def test_the_first_dataset_is_seen_by_who_was_remembered_before_it(ann: Everywhere, bob: Everywhere) -> None:
    done(ann.http.put(f"/workspaces/ann/members/{bob.id}", json={"role": "editor"}))
    for each in (ann, bob):
        each.are_known()
        assert each.asked("GET", "/datasets/orders?workspace=ann") == {404}
    orders = ann.made({"name": "orders", "columns": [{"name": "n", "type": "integer"}]})
    for each in (ann, bob):
        for path in ("orders?workspace=ann", f"{orders}", f"{orders}/records", f"{orders}/export"):
            assert each.asked("GET", f"/datasets/{path}") == {200}
        assert each.asked("POST", f"/datasets/{orders}/records", {"n": 1}) == {201}
        assert [told["total"] for told in each.told("/datasets?workspace=ann")] == [1] * CONNECTIONS
        assert [told["datasets"] for told in each.told("/workspaces/ann")] == [1] * CONNECTIONS


def test_members_come_change_and_go(ann: Everywhere, bob: Everywhere) -> None:
    orders = ann.made({"name": "orders", "columns": [{"name": "n", "type": "integer"}]})
    member, records = f"/workspaces/ann/members/{bob.id}", f"/datasets/{orders}/records"
    bob.are_known()
    assert bob.asked("GET", records) == {404}
    done(ann.http.put(member, json={"role": "editor"}))
    assert bob.asked("POST", records, {"n": 1}) == {201}
    done(ann.http.put(member, json={"role": "viewer"}))
    assert bob.asked("POST", records, {"n": 1}) == {403}
    assert bob.asked("GET", records) == {200}
    done(ann.http.delete(member))
    assert bob.asked("GET", records) == {404}
    assert bob.asked("GET", "/datasets?workspace=ann") == {404}


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "once"}], ids=["once", "repeatable"])
def test_workspaces_come_are_renamed_and_go(ann: Everywhere, headers: dict[str, str]) -> None:
    """Also where what is written is committed with the answer, for an `Idempotency-Key`."""
    ann.made({"name": "their own"})
    ann.are_known()
    made = done(ann.http.post("/workspaces", json={"name": "Shared"}, headers=headers))
    assert ann.asked("GET", "/datasets?workspace=shared") == {200}
    orders = ann.made({"name": "orders", "workspace": "shared"})
    ann.are_known()
    done(ann.http.patch("/workspaces/shared", json={"slug": "renamed"}, headers=headers))
    assert ann.asked("GET", "/datasets?workspace=renamed") == {200}
    assert ann.asked("GET", "/datasets?workspace=shared") == {404}
    done(ann.http.put("/workspaces/renamed/default"))
    assert ann.asked("GET", "/datasets/orders") == {200}
    done(ann.http.delete("/workspaces/renamed"))
    assert ann.asked("GET", f"/datasets/{orders}") == {404}
    assert ann.asked("POST", f"/datasets/{orders}/records", {"n": 1}) == {404}
    assert ann.asked("GET", "/datasets/their-own") == {200}
    done(ann.http.post(f"/workspaces/{made['id']}/undelete", headers=headers))
    assert ann.asked("GET", f"/datasets/{orders}") == {200}


def test_an_import_that_runs_is_cancelled_with_its_workspace(pair: Server, ann: Everywhere) -> None:
    rows = b"id,name\n" + b"".join(b"%d,name %d\n" % (n, n) for n in range(400_000))
    later = {"Content-Type": "text/csv", "Prefer": "respond-async"}
    shared = done(ann.http.post("/workspaces", json={"name": "Shared"}))["id"]
    large = done(ann.http.post("/datasets?name=large&workspace=shared", content=rows, headers=later))["id"]
    until(lambda: copied(pair) > 10_000, "rows arrive in the database")
    done(ann.http.delete("/workspaces/shared"))
    assert ann.asked("GET", f"/imports/{large}") == {404}
    done(ann.http.post(f"/workspaces/{shared}/undelete"))
    until(lambda: ann.http.get(f"/imports/{large}").json()["state"] not in {"queued", "running"}, "it ends")
    told = ann.http.get(f"/imports/{large}").json()
    assert (told["state"], "problem" in told) == ("cancelled", False)
    assert ann.http.get("/datasets?workspace=shared").json()["total"] == 0
    assert copied(pair) == 0
