"""Whatever JSON holds comes out as it stands there; whatever is no JSON is refused, never a failure."""

from __future__ import annotations

import io
import json
from contextlib import suppress
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from backend.errors import AppError
from backend.inference import Inference, Kind, encode
from backend.readers.base import ReadLimits
from backend.readers.json_source import JsonSource, open_json
from backend.schemas.imports import ImportOptions

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
NUMBERS = st.from_regex(r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?", fullmatch=True)
NAMES = st.sampled_from(["a", "b", 'c"', "d:", "é", "\\", "e,", " f {"])


class Number(str):
    """A number as it is written."""

    __slots__ = ()


SCALARS = st.none() | st.booleans() | TEXTS | NUMBERS.map(Number)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3))
RECORDS = st.lists(st.dictionaries(NAMES, VALUES, min_size=1, max_size=4), min_size=1, max_size=6)


def write(value: Any, gap: str, *, plain: bool) -> str:
    """JSON with `gap` around its signs; `plain`: no escapes that are not needed."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, dict):
        members = (
            f"{write(name, gap, plain=plain)}{gap}:{gap}{write(each, gap, plain=plain)}" for name, each in value.items()
        )
        return f"{{{gap}{f'{gap},{gap}'.join(members)}{gap}}}"
    if isinstance(value, list):
        return f"[{gap}{f',{gap}'.join(write(each, gap, plain=plain) for each in value)}{gap}]"
    return json.dumps(value, ensure_ascii=not plain)


def opened(text: bytes) -> JsonSource:
    return open_json(io.BytesIO(text), options=ImportOptions(), limits=ReadLimits())


def cells(source: JsonSource) -> list[dict[str, Any]]:
    """The records without nulls: texts as they are, all else read as JSON."""
    found = []
    for batch in source.batches():
        assert batch.kinds is not None
        for texts, kinds in zip(batch.frame.rows(), batch.kinds.rows(), strict=True):
            known = zip(source.names, texts, kinds, strict=False)
            found.append(
                {
                    name: text if kind == Kind.STRING else json.loads(text, parse_int=Number, parse_float=Number)
                    for name, text, kind in known
                    if text is not None
                }
            )
    return found


@settings(max_examples=60)
@given(RECORDS, st.sampled_from(["", " ", "\n", "\t \r\n"]), st.booleans(), st.sampled_from(["array", "objects", "in"]))
def test_every_value_comes_out(records: list[dict[str, Any]], gap: str, plain: bool, form: str) -> None:
    written = [write(record, gap, plain=plain) for record in records]
    array = f"[{gap}{f'{gap},{gap}'.join(written)}{gap}]"
    text = {
        "array": array,
        "objects": "\n".join([*written, '{"end": 1}']),
        "in": f'{{"more": [1],{gap}"data"{gap}:{gap}{array},"z": "]}}"}}',
    }[form]
    source = opened(text.encode())
    found = cells(source)
    trimmed = [{name.strip(): each for name, each in record.items() if each is not None} for record in records]
    assert found[: len(records)] == trimmed


@settings(max_examples=60)
@given(RECORDS, st.data())
def test_what_is_broken_is_refused_or_read(records: list[dict[str, Any]], data: st.DataObject) -> None:
    text = bytearray(write(records, " ", plain=True).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text) - 1))
        text[at : at + 1] = data.draw(
            st.sampled_from([b"", b'"', b"\\", b"{", b"]", b",", b"\x00", b"\xff", b"1", b"\n"])
        )
    with suppress(AppError):
        source = opened(bytes(text))
        inference = Inference(ImportOptions(), source.warnings)
        for batch in source.batches():
            encode(inference.observe(batch, source.names), inference.plan(), source.names, 1, 1)
