"""What Schemathesis is told of the service, besides the OpenAPI document: who calls, and which things there are.

It loads this module by its name (`SCHEMATHESIS_HOOKS`) and sends its requests to `CONTRACT_BASE`.
"""

from __future__ import annotations

import os
from typing import Any
from zlib import crc32

import httpx
import schemathesis
from schemathesis import AuthContext, Case, HookContext, Response
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation.meta import TestPhase

BASE = os.environ["CONTRACT_BASE"]
_CSV = b"sku,name,amount,day\none,Ann,1.50,2025-01-31\ntwo,Bob,2.50,\n"
_ENDING = ("/rotate", "/{key_id}", "/{ref}", "/{workspace}", "/{user}", "/{upload_id}", "/{export_id}", "/tag")
"""How the paths end of calls that may take away what the next ones are about."""


class _Caller:
    """A user with one of everything. `known`: path parameter → value."""

    def __init__(self) -> None:
        self._http = httpx.Client(base_url=f"{BASE}/api/v1", timeout=60)
        self.settle()

    def settle(self) -> None:
        """Become a new user with one of everything."""
        told = self._sent("POST", "users", json={"name": "Ada"})
        self.key, workspace, user = told["api_key"], told["workspace"]["id"], told["user"]["id"]
        csv = {"Content-Type": "text/csv"}
        made = self._sent("POST", "datasets?name=orders", content=_CSV, headers=csv)
        ref = made["dataset"]["id"]
        self._sent("PUT", f"datasets/{ref}/records?key=sku", json=[{"sku": "one", "amount": 2}])
        export = self._sent("POST", f"datasets/{ref}/export", json={"prepare": True})
        self.known: dict[str, Any] = {
            "ref": ref,
            "workspace": workspace,
            "user": user,
            "record_id": 1,
            "version": 1,
            "key": "one",
            "import_id": made["import"]["id"],
            "upload_id": self._sent("POST", "uploads", content=_CSV, headers=csv)["id"],
            "export_id": export["id"],
            "key_id": self._sent("POST", "users/me/keys", json={"name": "spare"})["id"],
        }

    def still_there(self) -> bool:
        """Whether the key still works and the dataset is still the caller's."""
        answer = self._http.get(f"datasets/{self.known['ref']}", headers={"X-API-Key": self.key})
        return answer.status_code == 200

    def _sent(self, method: str, path: str, **told: Any) -> Any:
        headers = {"X-API-Key": self.key, **told.pop("headers", {})} if hasattr(self, "key") else {}
        if path == "users":
            headers = {}
        return self._http.request(method, path, headers=headers, **told).raise_for_status().json()


_caller = _Caller()


@schemathesis.auth(refresh_interval=None)
class Key:
    """The caller's key, in both places where one may stand."""

    def get(self, case: Case, context: AuthContext) -> str:
        return _caller.key

    def set(self, case: Case, data: str, context: AuthContext) -> None:
        case.headers = {**(case.headers or {}), "X-API-Key": data, "Authorization": f"Bearer {data}"}


@schemathesis.hook
def before_call(context: HookContext, case: Case, kwargs: dict[str, Any]) -> None:
    """Four calls in five are about things that there are; what Schemathesis has found out itself stays."""
    meta = case.meta
    if meta is None or meta.phase.name == TestPhase.STATEFUL or meta.is_negative_at(ParameterLocation.PATH):
        return
    if crc32(case.id.encode()) % 5:
        told = case.path_parameters or {}
        case.path_parameters = {name: _caller.known.get(name, value) for name, value in told.items()}


@schemathesis.hook
def after_call(context: HookContext, case: Case, response: Response) -> None:
    """Go on with another key after one was exchanged, and as another user when nothing is left."""
    if case.method == "GET" or response.status_code >= 300 or not case.path.endswith(_ENDING):
        return
    if case.path.endswith("/rotate") and case.headers.get("X-API-Key") == _caller.key:
        _caller.key = response.json()["api_key"]
    if not _caller.still_there():
        _caller.settle()
