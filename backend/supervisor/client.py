"""How the supervisor talks to the service that it has started: like any other client."""

from __future__ import annotations

import contextlib
import http.client
import time
from collections.abc import Callable, Mapping

from backend.embedded.failure import Failure
from backend.schemas.addresses import API_PATH

_PATIENCE = 60.0
_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104


class Client:
    """Calls to the service at an address."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._host, self._port = _WILDCARDS.get(address[0], address[0]), address[1]

    def wait_until_ready(self, check: Callable[[], None]) -> None:
        """Return when the service says that it is ready; `check` is called meanwhile and may raise."""
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            check()
            with contextlib.suppress(OSError, http.client.HTTPException):
                if self._call("GET", "/health/ready", seconds=2)[0] == 200:
                    return
            time.sleep(0.05)
        raise Failure("The service does not become ready; its log says why.")

    def load(self, files: Mapping[str, bytes], key: str) -> None:
        """Upload CSV files as datasets; those that exist already are left alone."""
        for name, content in files.items():
            headers = {"Content-Type": "text/csv", "X-API-Key": key}
            status, answer = self._call("POST", f"{API_PATH}/datasets?name={name}", content, headers)
            if status not in {200, 201, 409}:
                raise Failure(f"The sample dataset {name} was refused ({status}): {answer.decode()}")

    def _call(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        seconds: float = 60,
    ) -> tuple[int, bytes]:
        with contextlib.closing(http.client.HTTPConnection(self._host, self._port, timeout=seconds)) as connection:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            return answer.status, answer.read()
