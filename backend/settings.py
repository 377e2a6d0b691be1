"""Every setting, read from `SHEAF_…` variables once, by the composition root."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, ValidationError, convert

from backend.schemas.limits import Rate
from backend.schemas.users import WELL_FORMED

PREFIX = "SHEAF_"
_KEYS_ARE = "a key has 8 to 64 letters, digits, hyphens and underscores"
_SCHEMES = {"DATABASE_URL": {"postgresql", "postgres"}, "REDIS_URL": {"redis", "rediss", "unix"}}
_ENCODED = r"(?:[^%@/?#\s]|%[0-9A-Fa-f]{2})*"
_HOST = r"(?:\[[^]@/\s]*\]|[^]\[:,@/?#\s]*)(?::\d*)?"
_ADDRESS = re.compile(
    rf"\w+://(?:{_ENCODED}@)?{_HOST}(?:,{_HOST})*(?:/[^@?#\s]*)?(?:\?(?:[^%#\s]|%[0-9A-Fa-f]{{2}})*)?"
)
"""An address that every driver reads alike."""
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(?::\d+)?|https?://\[[0-9a-f:.]+\](?::\d+)?")
"""As browsers send it: in lower case, without a path."""
SECRETS = ("database_url", "redis_url", "allowed_keys", "bootstrap_key")
"""Settings that may be given by a file: `SHEAF_…_FILE` names it."""
_UNITS = {"": 1, "b": 1, "kib": 2**10, "mib": 2**20, "gib": 2**30, "kb": 10**3, "mb": 10**6, "gb": 10**9}


class Size(int):
    """A number of bytes; settings take `2GiB`, `500 MB` or plain digits."""


Count = Annotated[int, Meta(ge=1)]
Quota = Annotated[int, Meta(ge=0)]


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
    key_policy: Literal["issued", "listed", "any"] = "issued"
    """Which keys work: those that the service issued, those listed (where some are), or all well-formed ones."""
    allowed_keys: str = ""
    """The keys that work, with commas between them; each is its own user."""
    bootstrap_key: str = ""
    """A key that is there from the start, of a user `bootstrap`; empty makes none."""
    key_memory: Annotated[float, Meta(ge=0, le=60)] = 1.0
    """Seconds for which a worker takes a key's owner for known; what takes rights away answers so much later. It has to
    be the same for all processes on one database."""
    cache_memory: Size = Size(64 * 2**20)
    """Bytes of answers that one worker keeps; 0 keeps none."""
    cache_minutes: Count = 60
    """Minutes for which Redis keeps an answer at most."""
    cache_seconds: Annotated[float, Meta(gt=0, le=60)] = 0.1
    """Seconds that one call to Redis may take; then the answer is made, or the call not counted, without it."""
    database_pool: Count = 10
    """Database connections per worker for requests and imports; exports and upkeep have their own."""
    prepared_statements: bool = True
    """Whether the driver may prepare statements on the server; switch off behind a pooler that cannot keep them."""
    wait_seconds: Count = 10
    """Seconds for which a request waits for a database connection, or a stream for its turn, before it is refused."""
    statement_seconds: Count = 30
    """Seconds that the database may take for a page, a count or a comparison of versions."""
    concurrency: Count = 256
    """Requests that one worker works at at the same time; further ones are refused at once."""
    rate_limit: str = ""
    """Requests that a key may send, such as `600/minute` or `10/second,600/minute`; empty: any number."""
    trusted_proxies: Annotated[int, Meta(ge=0, le=10)] = 0
    """Proxies in front, whose X-Forwarded-For and X-Forwarded-Proto are believed."""
    cors_origins: str = ""
    """Origins whose pages may call the service from a browser, with commas between them; `*`: all."""
    drain_seconds: Annotated[int, Meta(ge=0, le=300)] = 0
    """Seconds for which a service that was told to stop serves on, while `/health/ready` answers 503."""
    concurrent_imports: Count = 4
    """Imports that one worker runs at the same time; more wait."""
    concurrent_exports: Count = 8
    """Exports that one worker runs at the same time; more wait."""
    spool_bytes: Size = Size(16 * 2**30)
    """What may wait on disk for slow readers, in bytes per worker; beyond it exports and streams go at their pace."""
    max_upload: Size = Size(10 * 2**30)
    """Largest uploaded file, in bytes."""
    max_inflated: Size = Size(10 * 2**30)
    """Largest file inside a gzip or ZIP file, and all files of an exported workspace together, in bytes."""
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
    workspace_datasets: Quota = 0
    """Most datasets of a workspace; 0: any number."""
    workspace_rows: Quota = 0
    """Most live records of a workspace; 0: any number."""
    workspace_bytes: Size = Size(0)
    """Most bytes that the datasets of a workspace may take; 0: any number."""
    workspace_export_bytes: Size = Size(10 * 2**30)
    """Most bytes that the files of a workspace's prepared exports may take; 0: any number."""
    workspace_upload_bytes: Size = Size(20 * 2**30)
    """Most bytes that a workspace's kept files, and those that wait for their import, may take; 0: any number."""
    workbook_memory: Size = Size(2 * 2**30)
    """Memory that reading one workbook or Parquet file may take, in bytes."""
    workbook_seconds: Count = 300
    """Time that reading one workbook, or a part of a Parquet file, may take."""
    upload_hours: Count = 24
    """Hours for which a file that is to be imported later is kept."""
    export_hours: Count = 24
    """Hours for which the file of a prepared export is kept."""
    import_days: Count = 30
    """Days for which an import that has ended can be looked up."""
    index_rows: Count = 50_000
    """Records from which on a dataset gets indexes on the columns that it is filtered and sorted by."""
    index_days: Count = 30
    """Days after which an index that no query asked for is dropped."""
    index_budget: Annotated[float, Meta(ge=0, le=100)] = 2.0
    """How much a dataset's such indexes may take on disk, as a share of what its records take; 0 builds none."""
    undelete_days: Count = 30
    """Days for which a deleted dataset or workspace can be restored."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severity that is logged."""

    @property
    def listed_keys(self) -> tuple[str, ...]:
        """The allowed keys, one by one."""
        return tuple(key.strip() for key in self.allowed_keys.split(",")) if self.allowed_keys.strip() else ()

    @property
    def rates(self) -> tuple[Rate, ...]:
        """The rate limits, one by one. Raises ValueError for what is none."""
        return Rate.each(self.rate_limit)

    @property
    def origins(self) -> tuple[str, ...]:
        """The origins that may call from a browser, one by one."""
        return tuple(origin.strip() for origin in self.cors_origins.split(",")) if self.cors_origins.strip() else ()


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
    for name in SECRETS:
        if path := str(named.pop(f"{name}_file", "")):
            named[name] = _read_secret(name, path, given_too=bool(named.get(name)))
    unknown = sorted(set(named) - set(Settings.__struct_fields__))
    if unknown:
        raise SettingsError("no such setting: " + ", ".join(PREFIX + name.upper() for name in unknown))
    if str(named.get("allowed_keys", "")).strip():
        named.setdefault("key_policy", "listed")
    try:
        settings = convert(named, Settings, strict=False, dec_hook=_decode)
    except (ValidationError, ValueError) as error:
        raise SettingsError(_explained(str(error), named, given)) from error
    _check_keys(settings)
    _check_calls(settings)
    _check_address("DATABASE_URL", settings.database_url, "postgresql://user:password@host/name")
    _check_address("REDIS_URL", settings.redis_url, "redis://:password@host:6379/0")
    return settings


def _read_secret(name: str, path: str, *, given_too: bool) -> str:
    """What a file holds, without the white space around it. Raises SettingsError."""
    variable = PREFIX + name.upper()
    if given_too:
        raise SettingsError(f"{variable} and {variable}_FILE are both given; leave out one of the two")
    try:
        text = Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SettingsError(f"{variable}_FILE: {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{variable}_FILE: {path} is no text in UTF-8") from None
    if not text:
        raise SettingsError(f"{variable}_FILE: {path} is empty")
    return text


def _check_keys(settings: Settings) -> None:
    """Raises SettingsError for keys that could not work; they are named by their place, never by their text."""
    listed, policy = settings.listed_keys, settings.key_policy
    if listed and policy != "listed":
        raise SettingsError(f"SHEAF_ALLOWED_KEYS is given, but SHEAF_KEY_POLICY is {policy}; leave out one of the two")
    if policy == "listed" and not listed:
        raise SettingsError("SHEAF_KEY_POLICY is listed, but SHEAF_ALLOWED_KEYS lists no key, so none would work")
    if listed and settings.bootstrap_key:
        raise SettingsError("SHEAF_BOOTSTRAP_KEY would not work beside SHEAF_ALLOWED_KEYS; list it there")
    for place, key in enumerate(listed, 1):
        if WELL_FORMED.fullmatch(key) is None:
            raise SettingsError(f"SHEAF_ALLOWED_KEYS: key {place} of {len(listed)} is malformed; {_KEYS_ARE}")
    if settings.bootstrap_key and WELL_FORMED.fullmatch(settings.bootstrap_key) is None:
        raise SettingsError(f"SHEAF_BOOTSTRAP_KEY is malformed; {_KEYS_ARE}")


def _check_calls(settings: Settings) -> None:
    """Raises SettingsError for a rate, or an origin, that is none."""
    try:
        settings.rates  # noqa: B018 read for what it raises
    except ValueError as error:
        raise SettingsError(f"SHEAF_RATE_LIMIT: {error}") from None
    for origin in settings.origins:
        if origin != "*" and _ORIGIN.fullmatch(origin) is None:
            raise SettingsError(
                f"SHEAF_CORS_ORIGINS: {origin!r} is no origin; write for example https://app.example.com"
            )


def _check_address(name: str, address: str, example: str) -> None:
    """Raises SettingsError for an address that drivers cannot read: their own words would tell the password in it."""
    scheme = address.partition(":")[0]
    if address and (scheme not in _SCHEMES[name] or (scheme != "unix" and _ADDRESS.fullmatch(address) is None)):
        raise SettingsError(
            f"SHEAF_{name} is no address like {example}; signs such as @ : / % in a password are written %40 and so on"
        )


def _explained(reason: str, named: Mapping[str, object], given: Mapping[str, object]) -> str:
    """msgspec's sentence about a value, with the value and the name by which it was given."""
    found = re.fullmatch(r"(.*) - at `\$\.(\w+)`", reason)
    if found is None:
        return reason
    name = found[2]
    source = PREFIX + name.upper() if given.get(name) is None else f"--{name}"
    why = re.sub(r"^Expected `int`(, got `str`)?", "it must be a whole number", found[1])
    return f"{source} cannot be {str(named[name])!r}: {why}"
