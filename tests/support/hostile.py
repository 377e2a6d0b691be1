"""Workbooks that no honest program writes, packed by hand."""

import struct
import zlib
from io import BytesIO
from typing import NamedTuple
from zipfile import ZIP_DEFLATED, ZipFile

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
SHEET = "xl/worksheets/sheet1.xml"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_MACRO = "application/vnd.ms-excel.sheet.macroEnabled.main+xml"
_ODS = "application/vnd.oasis.opendocument.spreadsheet"


def xlsx(sheet: str, *, macros: bool = False) -> bytes:
    """A workbook with one sheet of this XML, and a macro project where asked for."""
    book = BytesIO()
    with ZipFile(book, "w", ZIP_DEFLATED) as package:
        for name, text in {**_parts(macros), SHEET: sheet}.items():
            package.writestr(name, text)
        if macros:
            package.writestr("xl/vbaProject.bin", b"\xd0\xcf\x11\xe0" + bytes(5000))
    return book.getvalue()


def rows(*lines: tuple[str, ...], dimension: str = "") -> str:
    """A sheet of inline strings that claims to be as large as `dimension`."""
    cells = ("".join(f'<c t="inlineStr"><is><t>{each}</t></is></c>' for each in line) for line in lines)
    body = "".join(f'<row r="{number}">{line}</row>' for number, line in enumerate(cells, 1))
    claim = f'<dimension ref="{dimension}"/>' if dimension else ""
    return f'<worksheet xmlns="{MAIN}">{claim}<sheetData>{body}</sheetData></worksheet>'


def inflating_xlsx(head: str, again: str, gibibytes: float, *, admitted: bool) -> bytes:
    """A small workbook whose sheet is `head`, then `again` over and over; `admitted`: the package tells its size."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    begin = packer.compress(f'<worksheet xmlns="{MAIN}"><sheetData>{head}'.encode()) + packer.flush(zlib.Z_FULL_FLUSH)
    block = again.encode() * (2**22 // len(again) + 1)
    repeated = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    times = int(gibibytes * 2**30 / len(block))
    sheet = begin + repeated * times + packer.flush()
    size = len(block) * times if admitted else 1000
    return _zip([*(_entry(name, text.encode()) for name, text in _parts().items()), _Entry(SHEET, sheet, size, 0)])


class _Entry(NamedTuple):
    name: str
    deflated: bytes
    size: int
    checksum: int


def _entry(name: str, content: bytes) -> _Entry:
    return _Entry(name, zlib.compress(content, wbits=-15), len(content), zlib.crc32(content))


def _zip(entries: list[_Entry]) -> bytes:
    """A ZIP of entries whose sizes and checksums are taken on trust."""
    body, directory = b"", b""
    for name, deflated, size, checksum in entries:
        fields = (20, 0, 8, 0, 0x21, checksum, len(deflated), size, len(name), 0)
        directory += b"PK\x01\x02" + struct.pack("<6H3I5H2I", 20, *fields, 0, 0, 0, 0, len(body)) + name.encode()
        body += b"PK\x03\x04" + struct.pack("<5H3I2H", *fields) + name.encode() + deflated
    counted = (0, 0, len(entries), len(entries), len(directory), len(body), 0)
    return body + directory + b"PK\x05\x06" + struct.pack("<4H2IH", *counted)


def encrypted() -> bytes:
    """An OLE2 file as Excel writes it for a workbook with a password; what is in its streams nobody can read."""
    free, last, sectors = 0xFFFFFFFF, 0xFFFFFFFE, 8
    streams = {"EncryptionInfo": 2, "EncryptedPackage": 2 + sectors}
    table = [0xFFFFFFFD, last]
    for start in streams.values():
        table += [*range(start + 1, start + sectors), last]
    table += [free] * (128 - len(table))
    header = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(16) + struct.pack("<5H6x", 0x3E, 3, 0xFFFE, 9, 6)
    header += struct.pack("<9I", 0, 1, 1, 0, 4096, last, 0, last, 0) + struct.pack("<109I", 0, *[free] * 108)
    entries = _ole_entry("Root Entry", 5, child=1, start=last)
    entries += _ole_entry("EncryptionInfo", 2, right=2, start=streams["EncryptionInfo"], size=512 * sectors)
    entries += _ole_entry("EncryptedPackage", 2, start=streams["EncryptedPackage"], size=512 * sectors)
    entries += _ole_entry("", 0, start=0)
    return header + struct.pack("<128I", *table) + entries + bytes(range(256)) * 2 * 2 * sectors


def _ole_entry(
    name: str, kind: int, *, start: int, size: int = 0, right: int = 0xFFFFFFFF, child: int = 0xFFFFFFFF
) -> bytes:
    text = name.encode("utf-16-le")
    entry = text.ljust(64, b"\0") + struct.pack("<HBB", len(text) + 2 if name else 0, kind, 1)
    return entry + struct.pack("<3I36xIQ", 0xFFFFFFFF, right, child, start, size)


def ods(table: str, *, encrypted: bool = False, prolog: str = "") -> bytes:
    """An OpenDocument spreadsheet with one table of these rows; `prolog`: what stands before its content."""
    office = "urn:oasis:names:tc:opendocument:xmlns"
    names = f'xmlns:office="{office}:office:1.0" xmlns:table="{office}:table:1.0" xmlns:text="{office}:text:1.0"'
    content = (
        f'{prolog}<office:document-content {names} office:version="1.3"><office:body><office:spreadsheet>'
        f'<table:table table:name="data">{table}</table:table>'
        "</office:spreadsheet></office:body></office:document-content>"
    )
    lock = '<m:encryption-data m:checksum="x"><m:algorithm m:algorithm-name="aes256-cbc"/></m:encryption-data>'
    manifest = (
        f'<m:manifest xmlns:m="{office}:manifest:1.0"><m:file-entry m:full-path="/" m:media-type="{_ODS}"/>'
        f'<m:file-entry m:full-path="content.xml" m:media-type="text/xml">{lock * encrypted}</m:file-entry>'
        "</m:manifest>"
    )
    book = BytesIO()
    with ZipFile(book, "w") as package:
        package.writestr("mimetype", _ODS)
        package.writestr("META-INF/manifest.xml", manifest)
        package.writestr("content.xml", bytes(range(256)) * 8 if encrypted else content.encode())
    return book.getvalue()


def ods_cell(text: str) -> str:
    """A text cell of an OpenDocument table."""
    return f'<table:table-cell office:value-type="string"><text:p>{text}</text:p></table:table-cell>'


def _parts(macros: bool = False) -> dict[str, str]:
    main = _MACRO if macros else f"{_TYPE}.sheet.main+xml"
    return {
        "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="bin" ContentType="application/vnd.ms-office.vbaProject"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{main}"/>'
        f'<Override PartName="/{SHEET}" ContentType="{_TYPE}.worksheet+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
        f'<Relationship Id="r1" Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{_OFFICE}">'
        '<sheets><sheet name="data" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
        f'<Relationship Id="r1" Type="{_OFFICE}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
    }
