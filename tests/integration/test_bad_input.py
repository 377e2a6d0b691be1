"""Bad files: refused by a clear 4xx that says why, and nothing of them is stored; untidy ones are read and reported."""

import random
from collections.abc import Iterable, Iterator

import pytest
from support.client import Client, problem
from support.compare import returned
from support.hostile import encrypted, inflating_xlsx, ods, ods_cell, rows, xlsx
from support.server import Server

PNG = b"\x89PNG\r\n\x1a\n" + bytes.fromhex("0000000d49484452000000010000000108060000001f15c489")
ROW = "<table:table-row"
FAR_ODS = ods(
    ods_cell("x")
    .join((f'{ROW} table:number-rows-repeated="1048576">', "</table:table-row>"))
    .replace("<table:table-cell", '<table:table-cell table:number-columns-repeated="16384"')
)


@pytest.fixture(scope="module")
def narrow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service with low limits."""
    limits = {"upload": "16MiB", "rows": "1000", "columns": "50", "cell": "10KiB", "line": "20KiB"}
    told = {f"max_{name}": value for name, value in limits.items()}
    told |= {"workbook_memory": "300MiB", "workbook_seconds": "20"}
    with Server(tmp_path_factory.mktemp("narrow"), ephemeral=True, **told) as running:
        yield running


@pytest.fixture
def narrow(narrow_server: Server) -> Iterator[Client]:
    with Client.register(narrow_server.base) as user:
        yield user


def noise(size: int) -> bytes:
    return random.Random(size).randbytes(size)


@pytest.mark.parametrize(
    ("content", "filename"),
    [
        pytest.param(noise(100_000), "orders.csv", id="random bytes"),
        pytest.param(PNG + noise(5000), "orders.csv", id="an image"),
        pytest.param(b"\x7fELF\x02\x01\x01" + bytes(9) + noise(5000), "orders.csv", id="a program"),
        pytest.param(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" + noise(5000), "orders.csv", id="a PDF"),
        pytest.param(noise(50_000), "orders.xlsx", id="random bytes as XLSX"),
        pytest.param(xlsx(rows(("a", "b"), ("1", "2")))[:-60], "orders.xlsx", id="a truncated XLSX"),
        pytest.param(xlsx(rows(("a", "b"), ("1", "2")))[:300], "orders.xlsx", id="the beginning of an XLSX"),
        pytest.param(ods(f"{ROW}>{ods_cell('a')}</table:table-row>")[:-40], "orders.ods", id="a truncated ODS"),
        pytest.param(encrypted()[:700], "orders.xls", id="a truncated OLE2 file"),
        pytest.param(bytes.fromhex("d0cf11e0a1b11ae1") + noise(5000), "orders.xls", id="a damaged XLS"),
        pytest.param(xlsx("<worksheet><sheetData><row>"), "orders.xlsx", id="a sheet that ends early"),
        pytest.param(xlsx("no XML at all"), "orders.xlsx", id="a sheet that is no XML"),
    ],
)
def test_what_is_no_table_is_refused(caller: Client, content: bytes, filename: str) -> None:
    problem(caller.upload(content, filename), 415, 422)
    assert caller.names() == []


@pytest.mark.parametrize(
    ("content", "filename"),
    [
        pytest.param(encrypted(), "orders.xlsx", id="xlsx"),
        pytest.param(encrypted(), "orders.xls", id="xls"),
        pytest.param(ods("", encrypted=True), "orders.ods", id="ods"),
    ],
)
def test_an_encrypted_workbook_is_refused_as_such(caller: Client, content: bytes, filename: str) -> None:
    detail = problem(caller.upload(content, filename), 415, 422)["detail"].lower()
    assert "encrypt" in detail or "password" in detail
    assert caller.names() == []


def test_a_workbook_with_macros_is_read_without_them(caller: Client) -> None:
    dataset = caller.made(caller.upload(xlsx(rows(("id", "name"), ("1", "ann")), macros=True), "orders.xlsm"))
    assert caller.export(dataset) == b"id,name\r\n1,ann\r\n"


_LAUGHS = "".join(f'<!ENTITY l{at} "{f"&l{at - 1};" * 10}">' for at in range(1, 10))
BOMBS = {
    "a billion laughs": f'<!DOCTYPE a [<!ENTITY l0 "lol">{_LAUGHS}]>',
    "one long entity, often": f'<!DOCTYPE a [<!ENTITY l9 "{"l" * 50_000}">]>',
    "a file of the server": '<!DOCTYPE a [<!ENTITY l9 SYSTEM "file:///etc/passwd">]>',
    "an address": '<!DOCTYPE a [<!ENTITY l9 SYSTEM "http://127.0.0.1:9/">]>',
    "a document type elsewhere": '<!DOCTYPE a SYSTEM "http://127.0.0.1:9/"><!-- &l9; -->',
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
@pytest.mark.parametrize("form", ["xlsx", "xlsm", "ods"])
def test_no_entity_of_a_workbook_is_ever_expanded(caller: Client, form: str, bomb: str) -> None:
    text = "&l9;" * 500
    if form == "ods":
        content = ods(f"{ROW}>{ods_cell(text)}</table:table-row>", prolog=bomb)
    else:
        content = xlsx(bomb + rows(("a",), (text,)), macros=form == "xlsm")
    found = problem(caller.upload(content, f"orders.{form}"), 422)
    assert "document type" in found["detail"]
    assert caller.names() == []


@pytest.mark.parametrize("ending", ["json", "ndjson", "csv"])
def test_a_hundred_thousand_brackets_are_text_or_refused(caller: Client, ending: str) -> None:
    for begin, end in (("[", "]"), ('{"a":', "}")):
        text = f"{begin * 100_000}1{end * 100_000}"
        answer = caller.upload(f'[{{"a": {text}}}]'.encode(), f"orders.{ending}")
        assert "nested too deep" in problem(answer, 422)["detail"]
    assert caller.names() == []


@pytest.mark.parametrize("admitted", [True, False], ids=["that says so", "that hides it"])
@pytest.mark.parametrize(
    ("begin", "again"),
    [
        pytest.param("", '<row><c t="str"><v>text</v></c></row>', id="by rows"),
        pytest.param("<row>", '<c t="str"><v>text</v></c>', id="by one row"),
        pytest.param('<row><c t="str"><v>', "text", id="by one cell"),
        pytest.param("", " ", id="by nothing"),
    ],
)
def test_a_workbook_that_inflates_without_end_is_refused(
    narrow: Client, begin: str, again: str, *, admitted: bool
) -> None:
    problem(narrow.upload(inflating_xlsx(begin, again, 3.5, admitted=admitted), "orders.xlsx"), 413, 422)
    assert narrow.names() == []


def test_a_sheet_that_only_claims_to_be_huge_is_read(caller: Client) -> None:
    sheet = rows(("id", "name"), ("1", "ann"), dimension="A1:XFD1048576")
    dataset = caller.made(caller.upload(xlsx(sheet), "orders.xlsx"))
    assert caller.export(dataset) == b"id,name\r\n1,ann\r\n"


def test_a_sheet_whose_last_cell_is_filled_is_read_or_refused(caller: Client) -> None:
    filled = rows(("id",), ("1",)).replace(
        "</sheetData>", '<row r="1048576"><c r="XFD1048576"><v>7</v></c></row></sheetData>'
    )
    answer = caller.upload(xlsx(filled), "orders.xlsx")
    if answer.status_code == 201:
        assert returned(caller, caller.made(answer)).rows[-1][-1] == "7"
    else:
        problem(answer, 413, 422)
        assert caller.names() == []


def test_a_sheet_of_seventeen_thousand_million_cells_is_refused(caller: Client) -> None:
    problem(caller.upload(FAR_ODS, "orders.ods"), 413, 422)
    assert caller.names() == []


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize(
    ("text", "row"),
    [("id,name,city\n1,ann,Rome\n2,b\0b,Oslo\n", 3), ("id,na\0me,city\n1,ann,Rome\n", 1)],
    ids=["in a cell", "in a column's name"],
)
def test_a_nul_is_refused_with_its_place(caller: Client, text: str, row: int, encoding: str) -> None:
    found = problem(caller.send(text.encode(encoding)), 422)["errors"][0]
    assert found["row"] == row
    assert found["column"]
    assert caller.names() == []


def test_a_nul_deep_in_a_large_file_is_refused_with_its_place(caller: Client) -> None:
    lines = b"1,ann,Rome\n" * 1_500_000
    found = problem(caller.send(b"id,name,city\n" + lines + b"2,b\0b,Oslo\n" + lines), 422)
    assert (found["errors"][0]["row"], found["errors"][0]["column"]) == (1_500_002, "name")
    assert caller.names() == []


def test_a_nul_character_in_a_workbook_is_refused_with_its_place(caller: Client) -> None:
    answer = caller.upload(xlsx(rows(("id", "name"), ("1", "b_x0000_b"))), "orders.xlsx")
    assert problem(answer, 422)["detail"] == "Cell B2 holds a NUL character."
    assert caller.names() == []


@pytest.mark.parametrize("told", [True, False], ids=["told", "detected"])
def test_bytes_that_are_no_utf8_deep_in_a_file_are_refused_with_their_line(caller: Client, *, told: bool) -> None:
    good, bad, lines = "1,Zoë,Łódź,東京\n".encode(), b"1,Zo\xc3,\xa5\xf0,x\n", 600_000

    def body() -> Iterable[bytes]:
        yield b"id,name,city,note\n" + good * (lines // 2) + bad
        yield good * (lines // 2)

    found = problem(caller.send(body(), **({"encoding": "utf-8"} if told else {})), 422)
    assert found["errors"][0]["row"] == lines // 2 + 2
    assert caller.names() == []


@pytest.mark.parametrize("start", [b"", b'"'], ids=["plain", "quoted"])
def test_a_line_of_100_megabytes_is_refused_by_the_name_of_the_limit(caller: Client, start: bytes) -> None:
    def body() -> Iterable[bytes]:
        yield b"id,name\n1," + start
        yield from [b"x" * 2**20] * 100
        yield start + b"\n2,y\n"

    found = problem(caller.send(body()), 413, 422)
    assert "SHEAF_MAX_LINE" in found["detail"]
    assert caller.names() == []


def test_20_000_columns_are_refused_by_the_name_of_the_limit(caller: Client) -> None:
    line = ",".join(f"c{number}" for number in range(20_000))
    found = problem(caller.send(f"{line}\n{line}\n".encode()), 413, 422)
    assert "SHEAF_MAX_COLUMNS" in found["detail"]
    assert "16,384" in found["detail"]
    assert caller.names() == []


@pytest.mark.parametrize(
    ("content", "limit", "value"),
    [
        pytest.param(b"id\n" + b"1\n" * 9 * 2**20, "SHEAF_MAX_UPLOAD", "16,777,216", id="upload"),
        pytest.param(b"id\n" + b"1\n" * 1001, "SHEAF_MAX_ROWS", "1,000", id="rows"),
        pytest.param(b",".join([b"x"] * 51) + b"\n", "SHEAF_MAX_COLUMNS", "50", id="columns"),
        pytest.param(b"id\n" + b"x" * 10_241 + b"\n", "SHEAF_MAX_CELL", "10,240", id="cell"),
        pytest.param(b"a,b,c\n" + b",".join([b"x" * 9000] * 3) + b"\n", "SHEAF_MAX_LINE", "20,480", id="line"),
        pytest.param(b"a,b\n1,2\n" + b",".join([b"x"] * 51) + b"\n", "SHEAF_MAX_COLUMNS", "50", id="a long row"),
    ],
)
def test_limits_are_named_with_their_value(narrow: Client, content: bytes, limit: str, value: str) -> None:
    detail = problem(narrow.send(content), 413, 422)["detail"]
    assert limit in detail
    assert value in detail
    assert narrow.names() == []


@pytest.mark.parametrize(
    ("sheet", "limit"),
    [
        pytest.param(rows(("a",), *[("1",)] * 1001), "SHEAF_MAX_ROWS", id="rows"),
        pytest.param(rows(("a",) * 51), "SHEAF_MAX_COLUMNS", id="columns"),
        pytest.param(rows(("a",), ("x" * 10_241,)), "SHEAF_MAX_CELL", id="cell"),
    ],
)
def test_limits_hold_for_workbooks_too(narrow: Client, sheet: str, limit: str) -> None:
    assert limit in problem(narrow.upload(xlsx(sheet), "orders.xlsx"), 413, 422)["detail"]
    assert narrow.names() == []


@pytest.mark.parametrize(("content", "columns"), [(b"", 0), (b"id,name\n", 2), (b"id,name", 2), (b"\xef\xbb\xbf", 0)])
def test_an_empty_file_or_a_header_alone_is_a_dataset_without_rows(
    caller: Client, content: bytes, columns: int
) -> None:
    answer = caller.upload(content, "orders.csv")
    table = returned(caller, caller.made(answer))
    assert (len(table.names), table.rows) == (columns, [])
    assert answer.json()["dataset"]["rows"] == 0
    assert columns or answer.json()["import"]["warnings_total"]


@pytest.mark.parametrize(
    ("content", "names", "line"),
    [
        pytest.param(b'id,name\n1,ann\n2,"bob\n3,cyd\n', ["id", "name"], 3, id="a quote that never closes"),
        pytest.param(b"id,name\n1,ann\n2\n3,cyd\n", ["id", "name"], 3, id="a short row"),
        pytest.param(b"id,name\n1,ann\n2,bob,x\n3,cyd\n", ["id", "name", "column_3"], 3, id="a long row"),
        pytest.param(b"id,name,name\n1,ann,x\n2,bob,y\n", ["id", "name", "name_2"], 1, id="doubled headers"),
    ],
)
def test_untidy_files_are_read_with_a_report(caller: Client, content: bytes, names: list[str], line: int) -> None:
    answer = caller.upload(content, "orders.csv")
    table = returned(caller, caller.made(answer))
    assert table.names == names
    assert "ann" in table.rows[0]
    assert {each.get("row") for each in answer.json()["import"]["warnings"]} == {line}
