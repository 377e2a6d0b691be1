"""Settings: read once, typos refused, sizes with units."""

from __future__ import annotations

import ast
import itertools
import re
from pathlib import Path

import msgspec
import pytest

from backend.settings import SECRETS, Settings, SettingsError, load

ROOT = Path(__file__).parents[2]


def test_nothing_given_gives_the_defaults() -> None:
    assert load({"HOME": "/nowhere"}) == Settings()


def test_variables_are_converted_and_flags_win() -> None:
    settings = load({"SHEAF_PORT": "1", "SHEAF_DATA": "/srv", "SHEAF_WORKERS": "3"}, port=2, data=None)
    assert (settings.port, settings.data, settings.workers) == (2, Path("/srv"), 3)


@pytest.mark.parametrize(
    ("text", "size"),
    [("2GiB", 2 * 2**30), ("500 MB", 500_000_000), ("1700", 1700), ("1.5kib", 1536), ("3000b", 3000), ("1TB", 10**12)],
)
def test_sizes_take_units(text: str, size: int) -> None:
    assert load({"SHEAF_MAX_UPLOAD": text}).max_upload == size


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("SHEAF_PROT", "1", "no such setting: SHEAF_PROT"),
        ("SHEAF_PORT", "many", "SHEAF_PORT cannot be 'many': it must be a whole number from 0 to 65,535$"),
        ("SHEAF_PORT", "70000", "SHEAF_PORT cannot be '70000': it must be a whole number from 0 to 65,535$"),
        ("SHEAF_WORKERS", "0", "SHEAF_WORKERS cannot be '0'"),
        ("SHEAF_MAX_UPLOAD", "large", "SHEAF_MAX_UPLOAD cannot be 'large': it must be a size from 1KiB to 1024TiB$"),
        ("SHEAF_MAX_UPLOAD", "2 parsecs", "it must be a size"),
        ("SHEAF_REGISTRATION", "maybe", "SHEAF_REGISTRATION cannot be 'maybe'"),
        ("SHEAF_RATE_LIMIT", "600", "SHEAF_RATE_LIMIT: '600' is no rate; write for example 600/minute"),
        ("SHEAF_RATE_LIMIT", "5/minute,6/minute", "has two rates for one length of time"),
        ("SHEAF_CORS_ORIGINS", "https://a.example/", "SHEAF_CORS_ORIGINS: 'https://a.example/' is no origin"),
        ("SHEAF_CORS_ORIGINS", "https://a.example:99999", "SHEAF_CORS_ORIGINS: 'https://a.example:99999' is no origin"),
        ("SHEAF_CORS_ORIGINS", "https://a.example:８０", "is no origin"),
        ("SHEAF_RATE_LIMIT", "6０/minute", "is no rate"),
        ("SHEAF_HOST", "", "SHEAF_HOST cannot be '': an address is needed, such as 127.0.0.1$"),
        ("SHEAF_MAX_BODY", "2\u212ai", "it must be a size"),
        ("SHEAF_MAX_BODY", "９MB", "it must be a size"),
        ("SHEAF_KEY_MEMORY", "nan", "SHEAF_KEY_MEMORY cannot be 'nan': it must be a number from 0 to 60$"),
        ("SHEAF_CORS_ORIGINS", "https://*.example", "SHEAF_CORS_ORIGINS: 'https://\\*.example' is no origin"),
        ("SHEAF_CORS_ORIGINS", "https://a.example,", "SHEAF_CORS_ORIGINS: '' is no origin"),
    ],
)
def test_what_cannot_be_used_is_refused(name: str, value: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        load({name: value})


def is_number(default: object) -> bool:
    return isinstance(default, int | float) and not isinstance(default, bool)


NUMBERS = [name for name, default in msgspec.structs.asdict(Settings()).items() if is_number(default)]


@pytest.mark.parametrize("value", ["-1", "9" * 17, "9" * 5_000])
@pytest.mark.parametrize("name", NUMBERS)
def test_each_number_has_a_range(name: str, value: str) -> None:
    variable = f"SHEAF_{name.upper()}"
    with pytest.raises(
        SettingsError, match=rf"^{variable} cannot be '.*': it must be a .* from \S+ to \S+$"
    ) as refused:
        load({variable: value})
    assert len(str(refused.value)) < 160


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((f"MAX_{each}", "0") for each in ("BODY", "CELL", "LINE", "UPLOAD", "INFLATED", "ROWS")),
        *((f"{each}_DAYS", "4000000") for each in ("IMPORT", "INDEX", "UNDELETE")),
        *((f"{each}_HOURS", "99999999") for each in ("UPLOAD", "EXPORT")),
        ("CACHE_MINUTES", "99999999999999"),
        ("WORKBOOK_SECONDS", "99999999999"),
        ("WORKERS", "100000"),
        ("DATABASE_POOL", "1000000"),
    ],
)
def test_what_would_break_later_is_refused(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^SHEAF_{name} cannot be '{value}'"):
        load({f"SHEAF_{name}": value})


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_may_lie_in_a_file(name: str, tmp_path: Path) -> None:
    secret = {"database_url": "postgresql://a:b@c/d", "redis_url": "redis://:p@h"}.get(name, "k" * 24)
    variable, file = f"SHEAF_{name.upper()}", tmp_path / "secret"
    file.write_text(f"{secret}\n")
    assert getattr(load({f"{variable}_FILE": str(file)}), name) == secret
    assert getattr(load({f"{variable}_FILE": "", variable: secret}), name) == secret
    with pytest.raises(SettingsError, match=f"{variable} and {variable}_FILE are both given"):
        load({f"{variable}_FILE": str(file), variable: secret})
    file.write_text(" ")
    with pytest.raises(SettingsError, match=f"{variable}_FILE: .* is empty"):
        load({f"{variable}_FILE": str(file)})
    with pytest.raises(SettingsError, match=f"{variable}_FILE: .* cannot be read: No such file or directory"):
        load({f"{variable}_FILE": str(tmp_path / "none")})


def test_a_flag_is_called_as_it_was_given() -> None:
    with pytest.raises(SettingsError, match="--port cannot be 'abc'"):
        load({"SHEAF_PORT": "1"}, port="abc")


def explained() -> list[str]:
    """The settings with a sentence below the field."""
    source = ast.parse((ROOT / "backend/settings.py").read_text())
    fields = next(node.body for node in source.body if isinstance(node, ast.ClassDef) and node.name == "Settings")
    return [
        field.target.id
        for field, sentence in itertools.pairwise(fields)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(sentence, ast.Expr)
    ]


def test_each_setting_is_explained_in_the_code_and_in_the_docs() -> None:
    docs = (ROOT / "docs/configuration.md").read_text()
    documented = re.findall(r"^\| `SHEAF_(\w+)` \|", docs, re.MULTILINE)
    assert [name.lower() for name in documented] == list(Settings.__struct_fields__) == explained()


GOOD, SECRET = "abcdefgh", "hunter2-is/secret"


class TestKeys:
    @pytest.mark.parametrize(
        ("told", "said"),
        [
            ({"ALLOWED_KEYS": GOOD, "KEY_POLICY": "any"}, "SHEAF_KEY_POLICY is any; leave out one of the two"),
            ({"ALLOWED_KEYS": GOOD, "KEY_POLICY": "issued"}, "SHEAF_KEY_POLICY is issued; leave out one"),
            ({"ALLOWED_KEYS": " ", "KEY_POLICY": "listed"}, "lists no key, so none would work"),
            ({"ALLOWED_KEYS": GOOD, "BOOTSTRAP_KEY": GOOD}, "SHEAF_BOOTSTRAP_KEY would not work"),
            ({"ALLOWED_KEYS": f"{GOOD},{SECRET},{GOOD}"}, "SHEAF_ALLOWED_KEYS: key 2 of 3 is malformed"),
            ({"ALLOWED_KEYS": f"{GOOD},"}, "SHEAF_ALLOWED_KEYS: key 2 of 2 is malformed"),
            ({"ALLOWED_KEYS": f"{GOOD},{'k' * 65}"}, "key 2 of 2 is malformed; a key has 8 to 64 letters"),
            ({"BOOTSTRAP_KEY": SECRET}, "SHEAF_BOOTSTRAP_KEY is malformed"),
            ({"BOOTSTRAP_KEY": "short"}, "SHEAF_BOOTSTRAP_KEY is malformed"),
            ({"KEY_POLICY": "all"}, "SHEAF_KEY_POLICY cannot be 'all'"),
        ],
    )
    def test_what_cannot_be_used_is_refused_and_not_shown(self, told: dict[str, str], said: str) -> None:
        with pytest.raises(SettingsError, match=said) as refused:
            load({f"SHEAF_{name}": value for name, value in told.items()})
        assert GOOD not in str(refused.value)
        assert "hunter2" not in str(refused.value)

    def test_listed_keys_imply_their_policy(self) -> None:
        settings = load({"SHEAF_ALLOWED_KEYS": f" {GOOD}, {GOOD[::-1]} "})
        assert (settings.key_policy, settings.listed_keys) == ("listed", (GOOD, GOOD[::-1]))

    def test_an_empty_list_is_none(self) -> None:
        settings = load({"SHEAF_ALLOWED_KEYS": "", "SHEAF_BOOTSTRAP_KEY": ""})
        assert (settings.key_policy, settings.listed_keys) == ("issued", ())


@pytest.mark.parametrize(
    "address",
    [
        "postgres//u:hunter2@h/db",
        "postgresql://u:hunter2%zz@h/db",
        "postgresql://u:hunter2/x@h/db",
        "postgresql://u:12/hunter2@h/db",
        "postgresql://u:x@hunter2@h/db",
        "postgresql://u:hunter2@h:port/db",
        "postgresql://u:hunter2 @h/db",
        "http://u:hunter2@h/db",
        "u:hunter2",
    ],
)
def test_an_address_that_cannot_be_read_is_not_shown(address: str) -> None:
    for name in ("DATABASE_URL", "REDIS_URL"):
        with pytest.raises(SettingsError, match=f"SHEAF_{name} is no address like") as refused:
            load({f"SHEAF_{name}": address})
        assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://h",
        "postgresql:///db",
        "postgres://u:p%40%2F-_@h:5,h2/db?connect_timeout=2",
        "postgresql://u:p@/db?host=%2Ftmp%2Fx",
        "postgresql://u@%2Ftmp/db",
        "postgresql://[::1]:5432/db",
    ],
)
def test_addresses_of_databases(address: str) -> None:
    assert load({"SHEAF_DATABASE_URL": address}).database_url == address


@pytest.mark.parametrize("address", ["redis://x", "rediss://:p@h:6379/0", "unix:///tmp/a b/valkey?password=x&db=0"])
def test_addresses_of_caches(address: str) -> None:
    assert load({"SHEAF_REDIS_URL": address}).redis_url == address
