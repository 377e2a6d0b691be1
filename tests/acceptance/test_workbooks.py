"""Real workbooks, compared cell by cell with what independent readers found in them."""

from collections.abc import Sequence

import pytest
from support.client import Client
from support.compare import Returned, page_differences, returned, same_value, xlsx_differences
from support.expected import DATA, MISSING, Expected, Sheet, expected, name, sheets, some
from support.sheets import read

from backend.errors import AppError
from backend.readers.recognise import recognise
from backend.sheets.protocol import address

if not DATA.is_dir():
    pytest.skip(MISSING, allow_module_level=True)

FORMATS = {"xlsx", "xlsm", "xlsb", "xls", "ods"}
RIGHT = 0.995
"""The share of sheets that must be read cell by cell as their truth says."""
KINDS = {
    "text": {"text"},
    "number": {"number"},
    "boolean": {"boolean"},
    "date": {"date", "datetime"},
    "datetime": {"date", "datetime"},
    "time": {"time"},
    "error": {"error"},
}
FILES = [each for each in expected() if each.outcome == "ok" and each.format in FORMATS]


@pytest.mark.parametrize("entry", [pytest.param(each, id=name(each)) for each in some(FILES)])
def test_workbook_goes_in_and_comes_out(client: Client, entry: Expected) -> None:
    answer = client.upload(entry.file.read_bytes(), entry.file.name, options=entry.options)
    dataset = client.made(answer)
    report = answer.json()["import"]
    table = returned(client, dataset)
    check_report(report, entry)
    check_columns(table, entry)
    wrong = page_differences(client, dataset, table)
    for record, column, text in entry.cells:
        at = column - 1 if isinstance(column, int) else table.names.index(column)
        found = table.rows[record - 1][at]
        wrong += [] if same_value(found, text) else [f"record {record}, column {column}: {found!r} for {text!r}"]
    if truth := sheets().get((entry.path, report["sheet"])):
        wrong += sheet_differences(table, truth, report["header_row"])
        above = {cell.row for cell in truth.cells if cell.row < (report["header_row"] or 1)}
        assert above <= {each.get("row") for each in report["warnings"]}
    assert wrong == []
    assert xlsx_differences(client.export(dataset, "xlsx"), table) == []


def test_sheets_are_read_cell_by_cell_as_their_truth_says(capsys: pytest.CaptureFixture[str]) -> None:
    """Every sheet of every workbook, hidden ones, titles and headers included; prints the share and what is wrong."""
    wrong = {
        f"{path}, sheet {sheet.index} {name!r}": found
        for (path, name), sheet in sheets().items()
        if (found := cell_differences(sheet))
    }
    right = 1 - len(wrong) / len(sheets())
    with capsys.disabled():
        print(f"\n{right:.2%} of {len(sheets())} sheets are read as their truth says")  # noqa: T201
        for where, found in wrong.items():
            print(f"  {where}: {'; '.join(found[:3])}")  # noqa: T201
    assert right >= RIGHT, wrong


def cell_differences(sheet: Sheet) -> list[str]:
    """Where the reader's cells are not those of the truth, by their place in the sheet."""
    file = DATA / sheet.path
    with file.open("rb") as opened:
        kind, _ = recognise(opened, file.name, None)
    try:
        found = read(file.read_bytes(), format=kind, sheet=sheet.index).cells
    except AppError as refusal:
        return [f"refused: {refusal}"]
    wrong = []
    for cell in sheet.cells:
        place = address(cell.row - 1, cell.column - 1)
        name, text = found.pop(place, ("empty", None))
        same = name in KINDS[cell.kind] and same_value(text, cell.text)
        wrong += [] if same or (cell.text is None and text is None) else [f"{place}: {text!r} for {cell.text!r}"]
    return wrong + ([f"{place}: {text!r}" for place, (_, text) in found.items()] if sheet.complete else [])


def check_report(report: dict, entry: Expected) -> None:
    if entry.sheet is not None:
        assert report["sheet"] == entry.sheet
    if entry.rows is not None:
        assert report["rows"] == entry.rows
    if entry.header_row is None or isinstance(entry.header_row, int):
        assert report["header_row"] == entry.header_row


def check_columns(table: Returned, entry: Expected) -> None:
    if entry.names is not None:
        assert table.names[: len(entry.names)] == entry.names
        assert len(table.names) == len(entry.names) + entry.extra_columns
    types = dict(zip(table.names, table.types, strict=True))
    assert {column: types[column] for column in entry.types} == entry.types


def sheet_differences(table: Returned, sheet: Sheet, header_row: int | None) -> list[str]:
    """Where the dataset is not what the sheet holds below its header."""
    below = [cell for cell in sheet.cells if header_row is None or cell.row > header_row]
    filled = [cell for cell in below if cell.text is not None]
    row_numbers = sorted({cell.row for cell in below})
    columns = columns_of(table, sheet, header_row)
    values = {(cell.row, cell.column): cell.text for cell in filled}
    wrong = []
    if sheet.complete and len(row_numbers) != len(table.rows):
        wrong.append(f"{len(table.rows)} records, {len(row_numbers)} rows in the sheet")
    if len(row_numbers) != len(table.rows):
        return wrong
    for number, cells in zip(row_numbers, table.rows, strict=True):
        for at, found in zip(columns, cells, strict=True):
            text = values.pop((number, at), None)
            if not same_value(found, text) and (sheet.complete or text is not None):
                wrong.append(f"row {number}, column {at}: {found!r} for {text!r}")
    return [*wrong[:10], *[f"not there: {where}: {text!r}" for where, text in list(values.items())[:10]]]


def columns_of(table: Returned, sheet: Sheet, header_row: int | None) -> Sequence[int]:
    """The sheet's column of each of ours: those without any cell may be left out, or those on the left alone."""
    used = sorted({cell.column for cell in sheet.cells if header_row is None or cell.row >= header_row})
    if len(table.names) == len(used):
        return used
    first = 1 if len(table.names) >= max(used, default=1) else min(used)
    return range(first, first + len(table.names))
