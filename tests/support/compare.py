"""A dataset as it came back, against what its file holds."""

import json
import re
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from io import BytesIO
from typing import Any, NamedTuple

from openpyxl import load_workbook
from openpyxl.utils.escape import unescape

from support.client import Client
from support.delimited import parse

_ZONE = re.compile(r"(Z|[+-]\d\d:?\d\d)$")
_LATIN = {"iso-8859-1", "windows-1252", "cp1252", "latin-1", "iso-8859-15"}

Cells = Sequence[str | None]


class Digits(NamedTuple):
    """A JSON number as it is written."""

    text: str


class Returned(NamedTuple):
    """A dataset by its CSV export; `types` by position."""

    names: list[str]
    types: list[str]
    rows: list[Cells]


def returned(client: Client, dataset: str) -> Returned:
    """Export as CSV; checks that the header is that of the schema and that each line has all columns."""
    schema = client.schema(dataset)
    names, types = [each["name"] for each in schema], [each["type"] for each in schema]
    text = client.export(dataset).decode()
    assert text.endswith("\r\n")
    if not names:
        assert text == "\r\n"
        return Returned([], [], [])
    header, *rows = parse(text, blank_is_null=len(names) == 1)
    assert list(header.cells) == names
    assert {len(row.cells) for row in rows} <= {len(names)}
    return Returned(names, types, [row.cells for row in rows])


def page_differences(client: Client, dataset: str, table: Returned) -> list[str]:
    """Where the first page of records is not what the CSV export says."""
    answer = client.http.get(f"/datasets/{dataset}/records", params={"limit": 500})
    assert answer.status_code == 200, answer.text
    page = _read(answer.text)
    assert page["total"] == Digits(str(len(table.rows)))
    wrong = []
    for number, (record, cells) in enumerate(zip(page["data"], table.rows, strict=False), 1):
        assert record["id"] == Digits(str(number))
        assert list(record["data"]) == table.names
        wrong += [
            f"record {number}, column {name!r}: {value!r} in JSON, {text!r} in CSV"
            for (name, value), text, kind in zip(record["data"].items(), cells, table.types, strict=True)
            if not _is_shown(value, text, kind)
        ]
    return wrong[:10]


def _read(text: str) -> Any:
    return json.loads(text, parse_int=Digits, parse_float=Digits)


def _is_shown(value: Any, text: str | None, kind: str) -> bool:
    """Whether a value of a JSON page is what a CSV cell says."""
    if kind == "json":
        return (value is None) == (text is None) and (text is None or _read(text) == value)
    if isinstance(value, Digits):
        return value.text == text
    return bool(value == (text.lower() == "true" if isinstance(value, bool) and text else text))


def differences(found: Sequence[Cells], source: Sequence[Cells]) -> list[str]:
    """The first cells that differ, in words; rows of `source` may be short."""
    wrong = [] if len(found) == len(source) else [f"{len(found)} records, {len(source)} in the file"]
    for number, (row, cells) in enumerate(zip(found, source, strict=False), 1):
        full = [*cells, *[None] * (len(row) - len(cells))]
        if list(row) == full:
            continue
        wrong += [
            f"record {number}, column {at}: {ours!r}, {theirs!r} in the file"
            for at, (ours, theirs) in enumerate(zip(row, full, strict=True), 1)
            if ours != theirs
        ]
        if len(wrong) > 10:
            break
    return wrong


def same_encoding(found: str | None, expected: str) -> bool:
    return found == expected or {found, expected} <= _LATIN


def same_value(found: str | None, expected: str | None) -> bool:
    """Whether two texts of a workbook's cell are one value: numbers by value, a datetime with `T` or space."""
    if found == expected:
        return True
    if found is None or expected is None:
        return False
    if (one := _number(found)) is not None and (other := _number(expected)) is not None:
        return one == other
    return _moment(found) == _moment(expected)


def _number(text: str) -> float | None:
    try:
        return float(Decimal(text))
    except InvalidOperation:
        return None


def _moment(text: str) -> str:
    """A datetime with `T`, without a fraction that is zero, and a midnight as its day."""
    found = re.fullmatch(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d(?:\.\d*?)?)\.?0*", text)
    if found is None:
        return text
    return found[1] if found[2].rstrip(".") == "00:00:00" else f"{found[1]}T{found[2].rstrip('.')}"


def xlsx_differences(book: bytes, table: Returned) -> list[str]:
    """The first cells of an exported workbook that are not those of the CSV export, typed."""
    opened = load_workbook(BytesIO(book), read_only=True)
    rows = opened.worksheets[0].iter_rows(values_only=True)
    header = next(rows, ())
    wrong = [] if [_text(each) for each in header] == table.names else [f"header {header!r}"]
    count = 0
    for count, values in enumerate(rows, 1):
        cells = table.rows[count - 1] if count <= len(table.rows) else ()
        wrong += [
            f"record {count}, column {name!r}: {value!r} for {text!r} ({kind})"
            for name, kind, text, value in zip(table.names, table.types, cells, values, strict=False)
            if not _same_cell(value, text, kind)
        ]
        if len(wrong) > 10:
            break
    else:
        wrong += [] if count == len(table.rows) else [f"{count} rows for {len(table.rows)}"]
    opened.close()
    return wrong


def _same_cell(value: Any, text: str | None, kind: str) -> bool:
    if text is None or text == "":
        return value is None or value == ""
    if isinstance(value, str):
        return _text(value) == text and _may_be_text(text, kind)
    if kind == "boolean":
        return value is (text.lower() == "true")
    if kind in {"integer", "number"}:
        return isinstance(value, int | float) and float(value) == float(text)
    if kind == "date":
        return isinstance(value, datetime) and value == datetime.combine(date.fromisoformat(text), time())
    if kind == "datetime":
        return isinstance(value, datetime) and abs(value - datetime.fromisoformat(text)) <= timedelta(milliseconds=1)
    return kind == "time" and value == time.fromisoformat(text)


def _may_be_text(text: str, kind: str) -> bool:
    """What a spreadsheet cannot hold as a value: long numbers, moments with a zone, days before March 1900."""
    if kind in {"integer", "number"}:
        return len(re.sub(r"\D", "", text)) > 15
    if kind in {"date", "datetime"}:
        return text < "1900-03-01" or _ZONE.search(text[10:]) is not None
    return kind in {"text", "json"}


def _text(value: Any) -> Any:
    return unescape(value) if isinstance(value, str) else value
