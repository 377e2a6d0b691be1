"""Real delimited files and JSON, packed or not: upload, compare, export, compare again."""

import pytest
from msgspec import UNSET
from support.client import Client, problem
from support.compare import differences, page_differences, returned, same_encoding, xlsx_differences
from support.delimited import NotPlain, Record, parse
from support.expected import ALL_FILES, DATA, MISSING, Expected, expected, name, some

if not DATA.is_dir():
    pytest.skip(MISSING, allow_module_level=True)

FORMATS = {"csv", "tsv", "txt", "json", "ndjson"}
FILES = [each for each in expected() if each.outcome == "ok" and each.format in FORMATS]
SOME = some(FILES)
NOT_PLAIN = {
    "made/backslash_escape.csv": "quotes are escaped by backslashes",
    "dialects/duckdb/auto__backslash_escape.csv": "quotes are escaped by backslashes",
}
TOO_LONG_FOR_XLSX = {"made/cell_1mb.csv"}
LONG = 200_000
"""Bytes from which on a file is not written as a workbook too, unless all files are asked for: long workbooks are."""


@pytest.mark.parametrize("entry", [pytest.param(each, id=name(each)) for each in SOME])
def test_file_goes_in_and_comes_out(client: Client, entry: Expected) -> None:
    answer = client.upload(entry.file.read_bytes(), entry.file.name, options=entry.options)
    dataset = client.made(answer)
    check_report(answer.json(), entry)
    table = returned(client, dataset)
    check_columns(dict(zip(table.names, table.types, strict=True)), entry)
    wrong = page_differences(client, dataset, table)
    for record, column, text in entry.cells:
        at = column - 1 if isinstance(column, int) else table.names.index(column)
        found = table.rows[record - 1][at]
        wrong += [] if found == text else [f"record {record}, column {column}: {found!r} for {text!r}"]
    assert wrong == []
    if entry.delimiter:
        check_source(answer.json()["import"], table.rows, entry)
    if entry.path in TOO_LONG_FOR_XLSX:
        answer = client.http.get(f"/datasets/{dataset}/export", params={"format": "xlsx"})
        assert problem(answer, 422)["error_code"] == "LIMIT_EXCEEDED"
    elif ALL_FILES or entry.file.stat().st_size <= LONG:
        assert xlsx_differences(client.export(dataset, "xlsx"), table) == []


def check_report(answer: dict, entry: Expected) -> None:
    dataset, report = answer["dataset"], answer["import"]
    assert dataset["version"] == 1
    assert (dataset["rows"], dataset["columns"]) == (report["rows"], report["columns"])
    assert report["bytes"] == entry.file.stat().st_size
    assert report["rejected"] == 0
    if entry.rows is not None:
        assert report["rows"] == entry.rows
    if entry.header_row is not UNSET:
        first = entry.header_row[0] if isinstance(entry.header_row, list) else entry.header_row
        assert report["header_row"] == first
    if entry.encoding:
        assert same_encoding(report["encoding"], entry.encoding), report["encoding"]
    if entry.delimiter and report["columns"] > 1:
        assert report["delimiter"] == entry.delimiter
    if entry.quote:
        assert report["quote"] == entry.quote


def check_columns(types: dict[str, str], entry: Expected) -> None:
    """Names in order, further columns behind them, and those types that are beyond doubt."""
    if entry.names is not None:
        assert list(types)[: len(entry.names)] == entry.names
        assert len(types) == len(entry.names) + entry.extra_columns
    assert {column: types[column] for column in entry.types} == entry.types


def check_source(report: dict, rows: list, entry: Expected) -> None:
    """Every cell as an independent parser reads it, and every ragged row reported."""
    try:
        header, records = source(entry)
    except NotPlain:
        assert entry.path in NOT_PLAIN
        return
    assert entry.path not in NOT_PLAIN
    assert differences(rows, [each.cells for each in records]) == []
    width = len(header.cells) if header else max(len(each.cells) for each in records)
    ragged = {each.line for each in records if len(each.cells) != width}
    reported = {each.get("row") for each in report["warnings"]}
    assert ragged <= reported or report["warnings_total"] > len(report["warnings"])


def source(entry: Expected) -> tuple[Record | None, list[Record]]:
    """The header and the records, read under the dialect that the entry gives."""
    text = entry.content.decode(entry.encoding or "utf-8").removeprefix("\ufeff")
    if comment := entry.options.get("comment"):
        lines = text.splitlines(keepends=True)
        text = "".join("\n" if line.startswith(comment) else line for line in lines)
    records = list(parse(text, entry.delimiter or ",", entry.quote or '"'))
    records = records[: len(records) - entry.options.get("skip_footer", 0)]
    while records and not any(cell is not None for cell in records[-1].cells):
        records.pop()
    if not entry.header_row:
        return None, records
    line = entry.header_row if isinstance(entry.header_row, int) else entry.header_row[-1]
    header = next(each for each in records if each.line == line)
    return header, records[records.index(header) + 1 :]
