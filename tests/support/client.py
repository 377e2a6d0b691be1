"""One user of a running service."""

from collections.abc import Mapping
from typing import Any, BinaryIO

import httpx
import msgspec

PROBLEM = "application/problem+json"


class Client:
    """Calls the service with a key of its own; `http` is for whatever has no method here."""

    def __init__(self, base: str, key: str) -> None:
        self.base, self.key = base, key
        self.http = httpx.Client(base_url=f"{base}/api/v1", headers={"X-API-Key": key}, timeout=300)

    @classmethod
    def register(cls, base: str, name: str = "test") -> "Client":
        """A new user with an empty workspace."""
        answer = httpx.post(f"{base}/api/v1/users", json={"name": name}, timeout=60)
        assert answer.status_code == 201, answer.text
        return cls(base, answer.json()["api_key"])

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.http.close()

    def upload(
        self,
        file: bytes | BinaryIO,
        filename: str,
        *,
        name: str | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> httpx.Response:
        """A file as a form."""
        fields = {} if name is None else {"name": name}
        if options:
            fields["options"] = msgspec.json.encode(options).decode()
        return self.http.post("/datasets", files={"file": (filename, file)}, data=fields)

    def send(self, body: Any, content_type: str = "text/csv", **params: Any) -> httpx.Response:
        """A file as the raw body; an iterator goes in chunks, without a length."""
        return self.http.post("/datasets", content=body, params=params, headers={"Content-Type": content_type})

    def made(self, answer: httpx.Response) -> str:
        """The id of the dataset that an upload made."""
        assert answer.status_code == 201, answer.text
        return str(answer.json()["dataset"]["id"])

    def names(self) -> list[str]:
        """The names of all datasets in the workspace."""
        answer = self.http.get("/datasets", params={"limit": 1000, "sort": "name"})
        assert answer.status_code == 200, answer.text
        return [each["name"] for each in answer.json()["data"]]

    def version(self, dataset: str) -> int:
        """The newest version's number."""
        answer = self.http.get(f"/datasets/{dataset}")
        assert answer.status_code == 200, answer.text
        return int(answer.json()["version"])

    def schema(self, dataset: str) -> list[dict[str, Any]]:
        """The columns of the newest version."""
        answer = self.http.get(f"/datasets/{dataset}/schema")
        assert answer.status_code == 200, answer.text
        columns: list[dict[str, Any]] = answer.json()["columns"]
        return columns

    def export(self, dataset: str, form: str = "csv", **params: Any) -> bytes:
        """The whole dataset as a file."""
        answer = self.http.get(f"/datasets/{dataset}/export", params={"format": form, **params})
        assert answer.status_code == 200, answer.text
        return answer.content


def problem(answer: httpx.Response, *statuses: int) -> dict[str, Any]:
    """The problem of an answer that refuses; checks its status, its media type and that it gives nothing away."""
    assert answer.status_code in statuses, f"{answer.status_code}: {answer.text[:2000]}"
    assert answer.headers["content-type"].split(";")[0] == PROBLEM
    found: dict[str, Any] = answer.json()
    assert found["status"] == found["status_code"] == answer.status_code
    assert found["error_code"].isupper()
    assert found["detail"]
    assert not any(word in answer.text for word in ("Traceback", "psycopg", "/backend/", "SELECT ", "polars."))
    return found
