"""Names that stand twice are found, whatever else is in the text."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.readers.json_names import repeated
from backend.readers.json_scan import most_members

NAMES = st.sampled_from(["a", "b", "", "x:", '":', "a/b~"])
VALUES = st.recursive(
    st.none() | st.integers() | st.sampled_from([":", '"', '":', " :", "10:20"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
FORMS = st.sampled_from([{}, {"indent": 1}, {"separators": (" ,", "\t: ")}, {"separators": (",", ":")}])


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('{"a":1,"a":2}', "/a"),
        ('{"a":1,"\\u0061":2}', "/a"),
        ('{"where":{"n":[1,{"x":1,"x":1}]}}', "/where/n/1/x"),
        ('{"a":{"b":1,"b":2},"a":{}}', "/a"),
        ('{"a/b":{"~" : 1e999 , "~" :-0}}', "/a~1b/~0"),
        ('[{"a":1},{"":1,"":2}]', "/1/"),
    ],
)
def test_a_name_that_is_there_twice_is_told_with_its_place(text: str, place: str) -> None:
    found = repeated(text.encode())
    assert found is not None
    assert (found.pointer, found.code) == (place, "DUPLICATE_NAME")


@pytest.mark.parametrize("text", ['{"a":{"a":{"a":1}}}', '[{"a":1},{"a":1}]', '{"a":"a","A":1}', "1", '{"a":', '{"a"'])
def test_others_are_not(text: str) -> None:
    assert repeated(text.encode()) is None


def test_what_is_nested_too_deep_is_refused_not_a_fault() -> None:
    found = repeated(b'{"a":' * 200_000 + b"1" + b"}" * 200_000)
    assert found is not None
    assert found.code == "INVALID_JSON"


@given(VALUES, FORMS)
def test_there_are_never_more_members_than_most(value: Any, form: dict[str, Any]) -> None:
    text = json.dumps(value, **form).encode()
    assert most_members(text) >= _members(value)
    assert repeated(text) is None


def _members(value: Any) -> int:
    if isinstance(value, dict):
        return len(value) + sum(map(_members, value.values()))
    return sum(map(_members, value)) if isinstance(value, list) else 0
