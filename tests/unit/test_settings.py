"""Settings: read once, typos refused, sizes with units."""

from __future__ import annotations

import ast
import itertools
import re
from pathlib import Path

import pytest

from backend.settings import Settings, SettingsError, load

ROOT = Path(__file__).parents[2]


def test_nothing_given_gives_the_defaults() -> None:
    assert load({"HOME": "/nowhere"}) == Settings()


def test_variables_are_converted_and_flags_win() -> None:
    settings = load({"SHEAF_PORT": "1", "SHEAF_DATA": "/srv", "SHEAF_WORKERS": "3"}, port=2, data=None)
    assert (settings.port, settings.data, settings.workers) == (2, Path("/srv"), 3)


@pytest.mark.parametrize(
    ("text", "size"),
    [("2GiB", 2 * 2**30), ("500 MB", 500_000_000), ("17", 17), ("1.5kib", 1536), ("3b", 3)],
)
def test_sizes_take_units(text: str, size: int) -> None:
    assert load({"SHEAF_MAX_UPLOAD": text}).max_upload == size


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("SHEAF_PROT", "1", "no such setting: SHEAF_PROT"),
        ("SHEAF_PORT", "many", "SHEAF_PORT cannot be 'many': it must be a whole number$"),
        ("SHEAF_PORT", "70000", "SHEAF_PORT cannot be '70000': it must be a whole number <= 65535"),
        ("SHEAF_WORKERS", "0", "SHEAF_WORKERS cannot be '0'"),
        ("SHEAF_MAX_UPLOAD", "large", "'large' is no size"),
        ("SHEAF_MAX_UPLOAD", "2 parsecs", "is no size"),
        ("SHEAF_REGISTRATION", "maybe", "SHEAF_REGISTRATION cannot be 'maybe'"),
    ],
)
def test_what_cannot_be_used_is_refused(name: str, value: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        load({name: value})


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
