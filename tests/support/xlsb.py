"""Binary OOXML workbooks made record by record."""

from __future__ import annotations

from collections.abc import Mapping
from struct import pack

from support.workbooks import OFFICE, PACKAGE, zipped


def record(number: int, content: bytes = b"") -> bytes:
    """A record with this number."""
    head = bytes([number]) if number < 0x80 else bytes([number & 0x7F | 0x80, number >> 7])
    length = len(content)
    size = b""
    while length > 0x7F:
        size += bytes([length & 0x7F | 0x80])
        length >>= 7
    return head + size + bytes([length]) + content


def wide(text: str) -> bytes:
    """A text with its length before it."""
    encoded = text.encode("utf-16-le")
    return pack("<I", len(encoded) // 2) + encoded


def row(number: int) -> bytes:
    """The beginning of a row, from 0."""
    return record(0, pack("<I", number) + bytes(13))


def cell(kind: int, column: int, value: bytes = b"", style: int = 0) -> bytes:
    """A cell of the current row."""
    return record(kind, pack("<II", column, style) + value)


def text(column: int, value: str) -> bytes:
    """A cell with its text in place."""
    return cell(6, column, wide(value))


def real(column: int, value: float, style: int = 0) -> bytes:
    """A cell with a double."""
    return cell(5, column, pack("<d", value), style)


def merged(top: int, bottom: int, left: int, right: int) -> bytes:
    """A merged area."""
    return record(176, pack("<4I", top, bottom, left, right))


def part(*records: bytes, tail: bytes = b"", last_row: int | None = None) -> bytes:
    """A worksheet part of these rows and cells."""
    dimension = b"" if last_row is None else record(148, pack("<4I", 0, last_row, 0, 0))
    return record(129) + dimension + record(145) + b"".join(records) + record(146) + tail + record(130)


def styles(*codes: str) -> bytes:
    """A styles part whose cell style n (from 1) has the n-th number format; style 0 is General."""
    formats = b"".join(record(44, pack("<H", 170 + at) + wide(code)) for at, code in enumerate(codes))
    used = b"".join(record(47, pack("<HH", 0, key) + bytes(12)) for key in (0, *range(170, 170 + len(codes))))
    formats = record(615, pack("<I", len(codes))) + formats + record(616)
    used = record(617, pack("<I", len(codes) + 1)) + used + record(618)
    return formats + record(626) + record(47, pack("<HH", 0xFFFF, 14)) + record(627) + used


def strings(*items: str) -> bytes:
    """A part of shared strings."""
    return (
        record(159, pack("<II", len(items), len(items)))
        + b"".join(record(19, b"\0" + wide(item)) for item in items)
        + record(160)
    )


def xlsb(
    sheets: Mapping[str, bytes] | bytes,
    *,
    style: bytes | None = None,
    shared: bytes | None = None,
    hidden: tuple[str, ...] = (),
    charts: tuple[str, ...] = (),
    from_1904: bool = False,
    book: bytes | None = None,
) -> bytes:
    """An XLSB file of these worksheet parts by sheet name (one alone is called `Data`)."""
    named = {"Data": sheets} if isinstance(sheets, bytes) else dict(sheets)
    listed = b"".join(
        record(156, pack("<II", 2 * (name in hidden), at) + wide(f"rId{at}") + wide(name))
        for at, name in enumerate(named, 1)
    )
    related = "".join(
        f'<Relationship Id="rId{at}" Type="{OFFICE}/{"chartsheet" if name in charts else "worksheet"}"'
        f' Target="worksheets/sheet{at}.bin"/>'
        for at, name in enumerate(named, 1)
    )
    parts: dict[str, str | bytes] = {
        "[Content_Types].xml": "<Types/>",
        "xl/workbook.bin": book or record(131) + record(153, pack("<I", from_1904)) + listed + record(132),
        "xl/_rels/workbook.bin.rels": f'<Relationships xmlns="{PACKAGE}">{related}'
        f'<Relationship Id="s" Type="{OFFICE}/sharedStrings" Target="sharedStrings.bin"/>'
        f'<Relationship Id="f" Type="{OFFICE}/styles" Target="styles.bin"/></Relationships>',
    }
    parts |= {f"xl/worksheets/sheet{at}.bin": content for at, content in enumerate(named.values(), 1)}
    parts |= {"xl/styles.bin": style} if style else {}
    parts |= {"xl/sharedStrings.bin": shared} if shared else {}
    return zipped(parts)
