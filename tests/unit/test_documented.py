"""The pages of docs/ name everything that a user can set, ask for or be answered, and nothing that is not there."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

import backend
from backend.cli import main
from backend.controllers.uploads import MEDIA_TYPE_BY_FORMAT
from backend.errors import AppError
from backend.query.nodes import PARAMETERS
from backend.query.operators import OPERATORS
from backend.query.spec import MEMBERS
from backend.readers.recognise import Format
from backend.schemas.columns import ColumnType
from backend.schemas.exports import ExportOptions
from backend.schemas.imports import ImportOptions, ImportReport
from backend.settings import SECRETS, Settings
from backend.writers import WRITERS

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
SETTINGS = {f"SHEAF_{name.upper()}" for name in Settings.__struct_fields__}
COMPOSE = {"SHEAF_PUBLISH", "SHEAF_MEMORY", "SHEAF_CPUS"} | {f"SHEAF_{name.upper()}_FILE" for name in SECRETS}
"""Read by compose.yaml, not by the program."""
OF_HTTP = {"METHOD_NOT_ALLOWED": 405, "INVALID_BODY": 422, "INVALID_PARAMETER": 400, "INTERNAL_ERROR": 500}
"""Error codes of answers that no class of ours stands for."""


def _text(name: str) -> str:
    return (ROOT / "docs" / f"{name}.md").read_text()


def _module_names() -> list[str]:
    found = [each.name for each in pkgutil.walk_packages(backend.__path__, "backend.")]
    return [name for name in found if name.rpartition(".")[2] != "__main__"]


def _errors(base: type[AppError]) -> Iterator[type[AppError]]:
    for each in base.__subclasses__():
        yield each
        yield from _errors(each)


def _statuses() -> dict[str, int]:
    """Every error code with its status."""
    for name in _module_names():
        importlib.import_module(name)
    ours = {each.code(): each.status for each in _errors(AppError) if each.__module__.startswith("backend")}
    return ours | OF_HTTP


def _item_codes() -> Iterator[str]:
    """Every `code="…"` in our source."""
    for path in sorted((ROOT / "backend").rglob("*.py")):
        source = path.read_bytes()
        for node in ast.walk(ast.parse(source)) if b"code=" in source else ():
            if isinstance(node, ast.keyword) and node.arg == "code" and isinstance(node.value, ast.Constant):
                yield str(node.value.value)


@pytest.mark.parametrize("field", Settings.__struct_fields__)
def test_a_setting_is_documented_with_its_default(field: str) -> None:
    row = re.search(rf"^\| `SHEAF_{field.upper()}` \| ([^|]+) \|", _text("configuration"), re.MULTILINE)
    assert row, f"docs/configuration.md has no row for SHEAF_{field.upper()}"
    told = row[1].strip().strip("`")
    default = getattr(Settings(), field)
    assert _in_bytes(told) == {"": "empty", "True": "true", "False": "false"}.get(str(default), str(default))


def _in_bytes(text: str) -> str:
    size = re.fullmatch(r"(\d+)([MG])iB", text)
    return str(int(size[1]) * {"M": 2**20, "G": 2**30}[size[2]]) if size else text


def test_no_page_names_a_setting_that_is_not_there() -> None:
    named = {name for page in PAGES for name in re.findall(r"SHEAF_[A-Z][A-Z_]*[A-Z]", page.read_text())}
    assert named <= SETTINGS | COMPOSE


def test_the_flags_of_the_program_are_documented(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["serve", "--help"])
    flags = set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) - {"--help"}
    missing = {flag for flag in flags if f"| `{flag}` |" not in _text("running")}
    assert flags
    assert not missing


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("querying", [*OPERATORS, *PARAMETERS, *MEMBERS]),
        ("exporting", [*WRITERS, *ExportOptions.__struct_fields__]),
        ("uploading", [*MEDIA_TYPE_BY_FORMAT, *(name for name in get_args(Format) if name != "text")]),
        ("uploading", [*ImportOptions.__struct_fields__, *ImportReport.__struct_fields__]),
        ("uploading", get_args(ColumnType)),
    ],
)
def test_what_can_be_asked_for_is_documented(page: str, names: list[str]) -> None:
    text = _text(page)
    missing = [name for name in names if not re.search(rf"`{re.escape(name)}(?:=[^`]*)?`", text)]
    assert not missing, f"docs/{page}.md does not name {missing}"


def test_every_error_code_is_documented_with_its_status_and_none_besides() -> None:
    told = {
        code: int(status) for status, code in re.findall(r"^\| (\d{3}) \| `(\w+)` \|", _text("errors"), re.MULTILINE)
    }
    assert told == _statuses()


@pytest.mark.parametrize("code", sorted(set(_item_codes())))
def test_the_code_of_an_item_of_errors_is_documented(code: str) -> None:
    assert f"`{code}`" in _text("errors")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)", page.read_text()):
        there = page if target == "" else (page.parent / target).resolve()
        assert there.exists(), target
        if anchor:
            assert anchor in _anchors(there), f"{target}#{anchor}"


def _anchors(page: Path) -> set[str]:
    """The anchors that a Markdown renderer makes of the headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", sorted((ROOT / "docs/decisions").glob("0*.md")), ids=lambda page: page.stem)
def test_a_decision_is_listed_and_has_its_four_parts(page: Path) -> None:
    text = page.read_text()
    assert f"({page.name})" in (ROOT / "docs/decisions/README.md").read_text()
    assert all(part in text for part in ("Context", "Decision", "Consequences", "Alternatives"))
