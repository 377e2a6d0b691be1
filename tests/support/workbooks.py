"""Workbooks made part by part, sound or not."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from tempfile import TemporaryFile
from typing import Any

import polars as pl

from backend.readers.base import ReadLimits
from backend.readers.workbook import WorkbookSource, open_workbook
from backend.schemas.imports import ImportOptions

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
ODS = (
    'xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
    'xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" '
    'xmlns:style="urn:oasis:names:tc:opendocument:xmlns:style:1.0" '
    'xmlns:calcext="urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0" '
    'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"'
)


def sheet(rows: str, *, head: str = "", tail: str = "") -> str:
    """A worksheet part around these `row` elements."""
    return f'<?xml version="1.0"?><worksheet xmlns="{MAIN}">{head}<sheetData>{rows}</sheetData>{tail}</worksheet>'


def styles(*codes: str) -> str:
    """A styles part whose cell style n (from 1) has the n-th number format; style 0 is General."""
    formats = "".join(f'<numFmt numFmtId="{170 + at}" formatCode="{code}"/>' for at, code in enumerate(codes))
    used = "".join(f'<xf numFmtId="{number}"/>' for number in (0, *range(170, 170 + len(codes))))
    return f'<styleSheet xmlns="{MAIN}"><numFmts>{formats}</numFmts><cellXfs>{used}</cellXfs></styleSheet>'


def strings(*items: str) -> str:
    """A shared strings part of these `si` contents."""
    return f'<sst xmlns="{MAIN}">{"".join(f"<si>{item}</si>" for item in items)}</sst>'


def xlsx(
    sheets: Mapping[str, str | bytes] | str | bytes,
    *,
    shared: str | None = None,
    style: str | None = None,
    properties: str = "",
    hidden: tuple[str, ...] = (),
    extra: Mapping[str, str | bytes] | None = None,
) -> bytes:
    """An XLSX file of these worksheet parts by sheet name (one alone is called `Data`)."""
    named = {"Data": sheets} if isinstance(sheets, str | bytes) else dict(sheets)
    listed = "".join(
        f'<sheet name="{name}" sheetId="{at}" state="{"hidden" if name in hidden else "visible"}" r:id="rId{at}"/>'
        for at, name in enumerate(named, 1)
    )
    related = "".join(
        f'<Relationship Id="rId{at}" Type="{OFFICE}/worksheet" Target="worksheets/sheet{at}.xml"/>'
        for at in range(1, len(named) + 1)
    )
    parts: dict[str, str | bytes] = {
        "[Content_Types].xml": "<Types/>",
        "_rels/.rels": _relations(f'<Relationship Id="r" Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/>'),
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}">{properties}'
        f"<sheets>{listed}</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": _relations(
            f'{related}<Relationship Id="s" Type="{OFFICE}/sharedStrings" Target="sharedStrings.xml"/>'
            f'<Relationship Id="f" Type="{OFFICE}/styles" Target="styles.xml"/>'
        ),
    }
    parts |= {f"xl/worksheets/sheet{at}.xml": part for at, part in enumerate(named.values(), 1)}
    if shared is not None:
        parts["xl/sharedStrings.xml"] = shared
    if style is not None:
        parts["xl/styles.xml"] = style
    return zipped(parts | dict(extra or {}))


def ods(tables: str, *, automatic: str = "", extra: Mapping[str, str] | None = None) -> bytes:
    """An ODS file of these `table:table` elements."""
    content = (
        f"<office:document-content {ODS}><office:automatic-styles>{automatic}</office:automatic-styles>"
        f"<office:body><office:spreadsheet>{tables}</office:spreadsheet></office:body></office:document-content>"
    )
    return zipped(
        {"mimetype": "application/vnd.oasis.opendocument.spreadsheet", "content.xml": content, **(extra or {})}
    )


def _relations(content: str) -> str:
    return f'<Relationships xmlns="{PACKAGE}">{content}</Relationships>'


def zipped(parts: Mapping[str, str | bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return made.getvalue()


@contextmanager
def opened(
    content: bytes,
    *,
    format: str = "xlsx",  # noqa: A002
    filename: str | None = None,
    limits: ReadLimits | None = None,
    **options: Any,
) -> Iterator[WorkbookSource]:
    """The source that a child process makes of these bytes."""
    with TemporaryFile() as file:
        file.write(content)
        file.flush()
        source = open_workbook(
            file, format=format, filename=filename, options=ImportOptions(**options), limits=limits or ReadLimits()
        )
        try:
            yield source
        finally:
            source.close()


def records(source: WorkbookSource) -> list[tuple[str | None, ...]]:
    """All records as text."""
    batches = list(source.batches())
    width = len(source.names)
    frames = [
        batch.frame.with_columns(pl.lit(None, pl.String).alias(str(at)) for at in range(batch.frame.width, width))
        for batch in batches
    ]
    return [row for frame in frames for row in frame.iter_rows()]
