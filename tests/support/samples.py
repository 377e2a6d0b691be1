"""Sound files of every format that is read: of the service's own writers, of others, and real ones where they are."""

from __future__ import annotations

import datetime as dt
import gzip
import io
from collections.abc import Iterator
from decimal import Decimal
from pathlib import PurePath

import polars as pl
import xlsxwriter
from msgspec import Struct

from support import expected, workbooks, xlsb
from support.client import Client

CSV = (
    "id,name,amount,day,moment,clock,ok,note\r\n"
    + "".join(
        f'{at},"Zoë, ""{at}""",{at}.50,2025-01-{at % 28 + 1:02},2025-01-31T10:20:{at:02}Z,10:20:{at:02},true,\r\n'
        for at in range(1, 60)
    )
    + '60,"two\nlines",,,,,false,"[1, {""a"": null}]"\r\n'
).encode()
_LARGEST = 300_000
_ENDINGS = frozenset(
    ("csv", "tsv", "txt", "psv", "ssv", "json", "ndjson", "xlsx", "xlsm", "xlsb", "xls", "ods", "gz", "zip")
)


class Sample(Struct, frozen=True):
    """`title` says where it is from."""

    title: str
    name: str
    content: bytes

    @property
    def form(self) -> str:
        return PurePath(self.name).suffix.lstrip(".").lower()


def samples(user: Client) -> list[Sample]:
    """Those that the service writes for this user, then all others."""
    return [*_of_the_service(user), *_made(), *_real()]


def _of_the_service(user: Client) -> Iterator[Sample]:
    dataset = user.made(user.upload(CSV, "sample.csv", name="sample"))
    for form in ("csv", "tsv", "xlsx", "json", "ndjson", "parquet"):
        yield Sample(f"exported {form}", f"sample.{form}", user.export(dataset, form))
    workspace = user.http.get("/workspaces").json()["data"][0]["id"]
    archive = user.http.get(f"/workspaces/{workspace}/export")
    assert archive.status_code == 200, archive.text
    yield Sample("exported workspace", "sample.archive", archive.content)


def _made() -> Iterator[Sample]:
    yield Sample("CSV in UTF-16", "wide.csv", CSV.decode().encode("utf-16"))
    yield Sample("CSV in Windows-1252", "western.csv", CSV.decode().encode("cp1252"))
    yield Sample("gzip", "sample.csv.gz", gzip.compress(CSV, mtime=0))
    yield Sample("zip", "sample.zip", workbooks.zipped({"sample.csv": CSV}))
    yield Sample(
        "nested JSON", "deep.json", b'[{"a": {"b": [1, 0.10, 1e5, null]}, "c": "\\u00e9\\ud83d\\ude00"}, {"c": 2}]'
    )
    yield Sample("one JSON object", "columns.json", b'{"data": [{"a": 1}, {"a": 2.50, "b": true}], "total": 2}')
    yield Sample("xlsxwriter", "styled.xlsx", _styled())
    yield Sample("shared strings", "shared.xlsx", _shared())
    table = (
        '<table:table table:name="t"><table:table-row><table:table-cell office:value-type="string"><text:p>a</text:p>'
    )
    table += '</table:table-cell></table:table-row><table:table-row table:number-rows-repeated="3"><table:table-cell '
    table += 'office:value-type="float" office:value="1.5" table:number-columns-repeated="2"/></table:table-row>'
    yield Sample("ODS", "made.ods", workbooks.ods(f"{table}</table:table>"))
    cells = [xlsb.row(0), xlsb.text(0, "a"), xlsb.text(1, "b"), xlsb.row(1), xlsb.real(0, 1.5), xlsb.real(1, 45688, 1)]
    content = xlsb.part(*cells, tail=xlsb.merged(0, 1, 2, 3), last_row=1)
    yield Sample("XLSB", "made.xlsb", xlsb.xlsb(content, style=xlsb.styles("yyyy-mm-dd"), shared=xlsb.strings("x")))
    yield Sample("polars", "typed.parquet", _parquet())


def _styled() -> bytes:
    made = io.BytesIO()
    with xlsxwriter.Workbook(made, {"in_memory": True}) as book:
        page, day = book.add_worksheet("data"), book.add_format({"num_format": "yyyy-mm-dd"})
        page.write_row(0, 0, ["id", "name", "day"])
        for at in range(1, 40):
            page.write_row(at, 0, [at, f"name {at % 5}"])
            page.write_datetime(at, 2, dt.date(2025, 1, at % 28 + 1), day)
        page.merge_range(42, 0, 43, 2, "merged")
        page.write_formula(44, 0, "=SUM(A2:A40)", None, 780)
        book.add_worksheet("other").hide()
    return made.getvalue()


def _shared() -> bytes:
    cells = '<c r="A{0}" t="s"><v>0</v></c><c r="B{0}" s="1"><v>45688.5</v></c><c r="C{0}" t="e"><v>#N/A</v></c>'
    lines = "".join(f'<row r="{at}">{cells.format(at)}</row>' for at in range(1, 30))
    return workbooks.xlsx(
        {"One": workbooks.sheet(lines), "Two": workbooks.sheet("")},
        shared=workbooks.strings("<t>a</t>", "<r><t>b</t></r>"),
        style=workbooks.styles("yyyy-mm-dd", "0000"),
    )


def _parquet() -> bytes:
    made = io.BytesIO()
    pl.DataFrame(
        {
            "id": list(range(200)),
            "amount": [Decimal("0.10")] * 200,
            "day": [dt.date(2025, 1, 31), None] * 100,
            "moment": [dt.datetime(2025, 1, 31, 10, 20, tzinfo=dt.UTC)] * 200,
            "many": [[1, None], []] * 100,
            "part": [{"a": "x", "b": 1.5}] * 200,
            "raw": [b"\x00\xff", b"abc"] * 100,
            "kind": pl.Series(["a", "b"] * 100, dtype=pl.Categorical),
        }
    ).write_parquet(made, row_group_size=50)
    return made.getvalue()


def _real() -> Iterator[Sample]:
    """The files of the folder beside the checkout, those that are not too large."""
    if expected.DATA.is_dir():
        for path in sorted(expected.DATA.rglob("*")):
            if path.suffix.lstrip(".").lower() in _ENDINGS and path.is_file() and path.stat().st_size <= _LARGEST:
                yield Sample(str(path.relative_to(expected.DATA)), path.name, path.read_bytes())
