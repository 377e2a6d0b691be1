"""The schema of a schemaless dataset grows with what is written, and never narrows."""

from __future__ import annotations

import pytest
from msgspec import Raw

from backend.schemas.columns import Column
from backend.services.schema_growth import grown


def types(*items: dict[str, str], columns: tuple[Column, ...] = ()) -> dict[str, str]:
    raw = [{name: Raw(text.encode()) for name, text in item.items()} for item in items]
    return {column.name: column.type for column in grown(columns, raw, {column.key for column in columns})}


@pytest.mark.parametrize(
    ("text", "kind"),
    [("1", "integer"), ("-0.5", "number"), ("1e5", "number"), ("true", "boolean"), ('"x"', "text"), ("[]", "json"),
     ('{"a": 1}', "json"), ("null", "text")],
)  # fmt: skip
def test_a_new_column_has_its_values_type(text: str, kind: str) -> None:
    assert types({"a": text}) == {"a": kind}


@pytest.mark.parametrize(
    ("first", "second", "kind"),
    [("1", "2.5", "number"), ("2.5", "1", "number"), ("1", "true", "json"), ("1", '"x"', "json"), ("[]", "1", "json"),
     ("null", "1", "integer"), ("1", "null", "integer"), ('"x"', '"y"', "text")],
)  # fmt: skip
def test_values_that_disagree_widen_it(first: str, second: str, kind: str) -> None:
    assert types({"a": first}, {"a": second}) == {"a": kind}


def test_columns_keep_their_place_and_key() -> None:
    known = (Column("old", "b", "integer"), Column("a", "renamed", "text"))
    raw = [{"a": Raw(b"1"), "renamed": Raw(b"1"), "b": Raw(b"2")}]
    assert grown(known, raw, {"old", "a", "a_2"}) == [
        Column("old", "b", "integer"),
        Column("a", "renamed", "json"),
        Column("a_3", "a", "integer"),
    ]


@pytest.mark.parametrize(("text", "kind"), [("1", "integer"), ("[]", "json"), ('"x"', "text"), ("null", "text")])
def test_the_first_value_of_a_column_without_any_decides(text: str, kind: str) -> None:
    known = (Column("k", "a", "text"),)
    assert grown(known, [{"a": Raw(text.encode())}], {"k"}, never_filled={"k"})[0].type == kind


def test_a_json_column_stays_one() -> None:
    assert types({"a": "1"}, columns=(Column("a", "a", "json"),)) == {"a": "json"}
