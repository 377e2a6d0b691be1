"""Every setting, read from `SHEAF_…` variables once, by the composition root."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, ValidationError, convert

PREFIX = "SHEAF_"
_UNITS = {"": 1, "b": 1, "kib": 2**10, "mib": 2**20, "gib": 2**30, "kb": 10**3, "mb": 10**6, "gb": 10**9}


class Size(int):
    """A number of bytes; settings take `2GiB`, `500 MB` or plain digits."""


Count = Annotated[int, Meta(ge=1)]


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """The configuration of one process."""

    database_url: str = ""
    """PostgreSQL address (`postgresql://user:password@host/name`); empty starts the embedded server."""
    redis_url: str = ""
    """Redis or Valkey address (`redis://host:6379/0`); empty starts the embedded server."""
    data: Path = Path("data")
    """Folder of the embedded servers, of files that are being uploaded, and of the first key."""
    host: str = "127.0.0.1"
    """Address to listen on."""
    port: Annotated[int, Meta(ge=0, le=65535)] = 8000
    """Port to listen on; 0 takes a free one."""
    workers: Count = 1
    """Server processes."""
    registration: Literal["open", "closed"] = "closed"
    """Whether anyone may register a user by `POST /users`."""
    database_pool: Count = 10
    """Database connections per worker for requests; exports and imports take at most as many again."""
    prepared_statements: bool = True
    """Whether the driver may prepare statements on the server; switch off behind a pooler that cannot keep them."""
    concurrent_imports: Count = 4
    """Imports that one worker runs at the same time; more wait."""
    concurrent_exports: Count = 8
    """Exports that one worker runs at the same time; more wait."""
    max_upload: Size = Size(10 * 2**30)
    """Largest uploaded file, in bytes."""
    max_inflated: Size = Size(10 * 2**30)
    """Largest file inside a gzip or ZIP file, in bytes."""
    max_body: Size = Size(16 * 2**20)
    """Largest JSON request body, in bytes."""
    max_line: Size = Size(64 * 2**20)
    """Longest line of a delimited file, or record of JSON, in bytes."""
    max_cell: Size = Size(32 * 2**20)
    """Longest cell, in bytes."""
    max_columns: Count = 16_384
    """Most columns of a dataset."""
    max_rows: Count = 50_000_000
    """Most rows of a dataset."""
    workbook_memory: Size = Size(2 * 2**30)
    """Memory that reading one workbook or Parquet file may take, in bytes."""
    workbook_seconds: Count = 300
    """Time that reading one workbook, or a part of a Parquet file, may take."""
    upload_hours: Count = 24
    """Hours for which a file that is to be imported later is kept."""
    import_days: Count = 30
    """Days for which an import that has ended can be looked up."""
    undelete_days: Count = 30
    """Days for which a deleted dataset can be restored."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severity that is logged."""


class SettingsError(ValueError):
    """A `SHEAF_…` variable is unknown or has a value that cannot be used."""


def _size(text: str) -> Size:
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", text, re.IGNORECASE)
    if match is None or match[2].lower() not in _UNITS:
        raise ValueError(f"{text!r} is no size; write for example 2GiB or 500MB")
    return Size(float(match[1]) * _UNITS[match[2].lower()])


def _decode(kind: type, value: Any) -> Any:
    if kind is Size:
        return _size(value)
    if kind is Path or issubclass(kind, Path):
        return Path(value)
    raise NotImplementedError(kind)


def load(environment: Mapping[str, str], **given: object) -> Settings:
    """Settings from `SHEAF_…` variables; `given` (command-line flags) win. Raises SettingsError."""
    named: dict[str, object] = {
        key.removeprefix(PREFIX).lower(): value for key, value in environment.items() if key.startswith(PREFIX)
    }
    named |= {key: str(value) for key, value in given.items() if value is not None}
    unknown = sorted(set(named) - set(Settings.__struct_fields__))
    if unknown:
        raise SettingsError("no such setting: " + ", ".join(PREFIX + name.upper() for name in unknown))
    try:
        return convert(named, Settings, strict=False, dec_hook=_decode)
    except (ValidationError, ValueError) as error:
        raise SettingsError(_explained(str(error), named, given)) from error


def _explained(reason: str, named: Mapping[str, object], given: Mapping[str, object]) -> str:
    """msgspec's sentence about a value, with the value and the name by which it was given."""
    found = re.fullmatch(r"(.*) - at `\$\.(\w+)`", reason)
    if found is None:
        return reason
    name = found[2]
    source = PREFIX + name.upper() if given.get(name) is None else f"--{name}"
    why = re.sub(r"^Expected `int`(, got `str`)?", "it must be a whole number", found[1])
    return f"{source} cannot be {str(named[name])!r}: {why}"
