"""Every setting, read from `SHEAF_…` variables once, by the composition root."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

from msgspec import Struct, ValidationError, convert

from backend.schemas.limits import Rate
from backend.schemas.ranges import Range, Size, size
from backend.schemas.users import WELL_FORMED

PREFIX = "SHEAF_"
_KEYS_ARE = "a key has 8 to 64 letters, digits, hyphens and underscores"
_SCHEMES = {"DATABASE_URL": {"postgresql", "postgres"}, "REDIS_URL": {"redis", "rediss", "unix"}}
_ENCODED = r"(?:[^%@/?#\s]|%[0-9A-Fa-f]{2})*"
_HOST = r"(?:\[[^]@/\s]*\]|[^]\[:,@/?#\s]*)(?::[0-9]*)?"
_ADDRESS = re.compile(
    rf"\w+://(?:{_ENCODED}@)?{_HOST}(?:,{_HOST})*(?:/[^@?#\s]*)?(?:\?(?:[^%#\s]|%[0-9A-Fa-f]{{2}})*)?"
)
"""An address that every driver reads alike."""
_ORIGIN = re.compile(r"https?://(?:[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::(?P<port>[1-9][0-9]{0,4}))?")
"""As browsers send it: in lower case, without a path."""
SECRETS = ("database_url", "redis_url", "allowed_keys", "bootstrap_key")
"""Settings that may be given by a file: `SHEAF_…_FILE` names it."""
_SHOWN = 40


_MOST, _LAST_PORT = 2**50, 65_535
Bytes = Annotated[Size, Range(2**10, _MOST)]
BytesOrNone = Annotated[Size, Range(0, _MOST)]
Rows = Annotated[int, Range(1, 10**12)]
RowsOrNone = Annotated[int, Range(0, 10**12)]
Jobs = Annotated[int, Range(1, 1_000)]
Seconds = Annotated[int, Range(1, 86_400)]
Hours = Annotated[int, Range(1, 87_600)]
Days = Annotated[int, Range(1, 36_500)]


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
    port: Annotated[int, Range(0, _LAST_PORT)] = 8000
    """Port to listen on; 0 takes a free one."""
    workers: Jobs = 1
    """Server processes."""
    registration: Literal["open", "closed"] = "closed"
    """Whether anyone may register a user by `POST /users`."""
    key_policy: Literal["issued", "listed", "any"] = "issued"
    """Which keys work: those that the service issued, those listed (where some are), or all well-formed ones."""
    allowed_keys: str = ""
    """The keys that work, with commas between them; each is its own user."""
    bootstrap_key: str = ""
    """A key that is there from the start, of a user `bootstrap`; empty makes none."""
    key_memory: Annotated[float, Range(0, 60)] = 1.0
    """Seconds for which a worker takes a key's owner for known; what takes rights away answers so much later. It has to
    be the same for all processes on one database."""
    cache_memory: BytesOrNone = Size(64 * 2**20)
    """Bytes of answers that one worker keeps; 0 keeps none."""
    cache_minutes: Annotated[int, Range(1, 525_600)] = 60
    """Minutes for which Redis keeps an answer at most."""
    cache_seconds: Annotated[float, Range(0.001, 60)] = 0.1
    """Seconds that one call to Redis may take; then the answer is made, or the call not counted, without it."""
    database_pool: Jobs = 10
    """Database connections per worker for requests and imports; exports and upkeep have their own."""
    prepared_statements: bool = True
    """Whether the driver may prepare statements on the server; switch off behind a pooler that cannot keep them."""
    wait_seconds: Annotated[int, Range(1, 3_600)] = 10
    """Seconds for which a request waits for a database connection, or a stream for its turn, before it is refused."""
    statement_seconds: Seconds = 30
    """Seconds that the database may take for a page, a count or a comparison of versions."""
    concurrency: Annotated[int, Range(1, 100_000)] = 256
    """Requests that one worker works at at the same time; further ones are refused at once."""
    rate_limit: str = ""
    """Requests that a key may send, such as `600/minute` or `10/second,600/minute`; empty: any number."""
    trusted_proxies: Annotated[int, Range(0, 10)] = 0
    """Proxies in front, whose X-Forwarded-For and X-Forwarded-Proto are believed."""
    cors_origins: str = ""
    """Origins whose pages may call the service from a browser, with commas between them; `*`: all."""
    drain_seconds: Annotated[int, Range(0, 300)] = 0
    """Seconds for which a service that was told to stop serves on, while `/health/ready` answers 503."""
    concurrent_imports: Jobs = 4
    """Imports that one worker runs at the same time; more wait."""
    concurrent_exports: Jobs = 8
    """Exports that one worker runs at the same time; more wait."""
    spool_bytes: BytesOrNone = Size(16 * 2**30)
    """What may wait on disk for slow readers, in bytes per worker; beyond it exports and streams go at their pace."""
    max_upload: Bytes = Size(10 * 2**30)
    """Largest uploaded file, in bytes."""
    max_inflated: Bytes = Size(10 * 2**30)
    """Largest file inside a gzip or ZIP file, and all files of an exported workspace together, in bytes."""
    max_body: Bytes = Size(16 * 2**20)
    """Largest JSON request body, in bytes."""
    max_line: Bytes = Size(64 * 2**20)
    """Longest line of a delimited file, or record of JSON, in bytes."""
    max_cell: Bytes = Size(32 * 2**20)
    """Longest cell, in bytes."""
    max_columns: Annotated[int, Range(1, 1_000_000)] = 16_384
    """Most columns of a dataset."""
    max_rows: Rows = 50_000_000
    """Most rows of a dataset."""
    workspace_datasets: RowsOrNone = 0
    """Most datasets of a workspace; 0: any number."""
    workspace_rows: RowsOrNone = 0
    """Most live records of a workspace; 0: any number."""
    workspace_bytes: BytesOrNone = Size(0)
    """Most bytes that the datasets of a workspace may take; 0: any number."""
    workspace_export_bytes: BytesOrNone = Size(10 * 2**30)
    """Most bytes that the files of a workspace's prepared exports may take; 0: any number."""
    workspace_upload_bytes: BytesOrNone = Size(20 * 2**30)
    """Most bytes that a workspace's kept files, and those that wait for their import, may take; 0: any number."""
    workbook_memory: Annotated[Size, Range(64 * 2**20, _MOST)] = Size(2 * 2**30)
    """Memory that reading one workbook or Parquet file may take, in bytes."""
    workbook_seconds: Seconds = 300
    """Time that reading one workbook, or a part of a Parquet file, may take."""
    upload_hours: Hours = 24
    """Hours for which a file that is to be imported later is kept."""
    export_hours: Hours = 24
    """Hours for which the file of a prepared export is kept."""
    import_days: Days = 30
    """Days for which an import that has ended can be looked up."""
    index_rows: Rows = 50_000
    """Records from which on a dataset gets indexes on the columns that it is filtered and sorted by."""
    index_days: Days = 30
    """Days after which an index that no query asked for is dropped."""
    index_budget: Annotated[float, Range(0, 100)] = 2.0
    """How much a dataset's such indexes may take on disk, as a share of what its records take; 0 builds none."""
    undelete_days: Days = 30
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


_RANGES: dict[str, tuple[type, Range]] = {
    name: (kind.__origin__, kind.__metadata__[0])
    for name, kind in get_type_hints(Settings, include_extras=True).items()
    if hasattr(kind, "__metadata__")
}


class SettingsError(ValueError):
    """A `SHEAF_…` variable is unknown or has a value that cannot be used."""


def _decode(kind: type, value: Any) -> Any:
    if kind is Size:
        return size(value)
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
    _check_ranges(settings, named, given)
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


def _check_ranges(settings: Settings, named: Mapping[str, object], given: Mapping[str, object]) -> None:
    """Raises SettingsError for a number outside its range, and for an address to listen on that is none."""
    if not settings.host.strip():
        raise SettingsError(_refused("host", "an address is needed, such as 127.0.0.1", named, given))
    for name, (kind, span) in _RANGES.items():
        if not span.least <= getattr(settings, name) <= span.most:
            raise SettingsError(_refused(name, span.told(kind), named, given))


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
        found = _ORIGIN.fullmatch(origin)
        if origin != "*" and (found is None or int(found["port"] or 0) > _LAST_PORT):
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
    kind, span = _RANGES.get(name, (str, None))
    return _refused(name, span.told(kind) if span else found[1], named, given)


def _refused(name: str, why: str, named: Mapping[str, object], given: Mapping[str, object]) -> str:
    source = PREFIX + name.upper() if given.get(name) is None else f"--{name}"
    return f"{source} cannot be {str(named[name])[:_SHOWN]!r}: {why}"
