"""OOXML workbooks, of the shapes that programs write and of odd ones."""

from __future__ import annotations

import pytest
from support.sheets import read
from support.workbooks import MAIN, OFFICE, PACKAGE, sheet, strings, styles, xlsx

from backend.errors import UnreadableFile
from backend.sheets import package, sheet_fast

SHARED = strings("<t>zero</t>", "<t>one &amp; a half</t>", "<r><t>ri</t></r><r><rPr><b/></rPr><t>ch</t></r>", "<t/>")
FIVE = '<c r="A1"><v>5</v></c>'
HALF = '<c r="B1" t="s"><v>1</v></c>'
ROWS = {
    "plain": f'<row r="1" spans="1:2">{FIVE}<c r="B1" s="1" t="s"><v>1</v></c></row>',
    "style behind type": f'<row r="1">{FIVE}<c r="B1" t="s" s="1"><v>1</v></c></row>',
    "white space between": f'<row r="1">\n {FIVE}\n <c r="B1" t="s">\n<v>1</v></c>\n</row>\n',
    "blank cells and rows": f'<row r="1">{FIVE}{HALF}<c r="C1" s="1"/></row><row r="2"/>',
    "text in place": f'<row r="1">{FIVE}<c r="B1" t="inlineStr"><is><t>one &amp; a half</t></is></c></row>',
    "formulas": '<row r="1"><c r="A1"><f>2+3</f><v>5</v></c><c r="B1" t="str"><f t="shared" si="0"/>'
    "<v>one &amp; a half</v></c></row>",
    "no addresses": "<row><c><v>5</v></c><c t='s'><v>1</v></c></row>",
    "single quotes": "<row r='1'><c r='A1'><v>5</v></c><c r='B1' t='s'><v>1</v></c></row>",
    "type first": '<row r="1"><c t="n" r="A1"><v>5</v></c><c t="s" r="B1"><v>1</v></c></row>',
    "a comment": f'<row r="1"><!-- <c r="X9"> -->{FIVE}{HALF}</row>',
    "a CDATA section": f'<row r="1">{FIVE}<c r="B1" t="str"><v><![CDATA[one & a half]]></v></c></row>',
    "an empty style": '<row r="1"><c r="A1" s=""><v>5</v></c><c r="B1" s="" t="s"><v>1</v></c></row>',
    "an extension": f'<row r="1"><c r="A1"><v>5</v><extLst><ext/></extLst></c>{HALF}</row>',
    "rich text in place": f'<row r="1">{FIVE}<c r="B1" t="inlineStr"><is><r><t>one &amp;</t></r>'
    '<r><t xml:space="preserve"> a half</t></r><rPh><t>x</t></rPh></is></c></row>',
}


@pytest.mark.parametrize("rows", ROWS.values(), ids=ROWS.keys())
def test_every_shape_gives_the_same_cells(rows: str) -> None:
    assert read(xlsx(sheet(rows), shared=SHARED)).cells == {"A1": ("number", "5"), "B1": ("text", "one & a half")}


def test_prefixed_elements() -> None:
    part = sheet(ROWS["plain"])
    for name in ("worksheet", "sheetData", "row", "c", "v"):
        part = part.replace(f"<{name}", f"<x:{name}").replace(f"</{name}>", f"</x:{name}>")
    part = part.replace("xmlns=", "xmlns:x=")
    shared = SHARED.replace("<", "<x:").replace("<x:/", "</x:").replace("xmlns=", "xmlns:x=")
    assert read(xlsx(part, shared=shared)).texts == {"A1": "5", "B1": "one & a half"}


def test_another_encoding() -> None:
    part = sheet('<row r="1"><c r="A1" t="str"><v>Zoë</v></c></row>')
    for name, declared in (("utf-16", "utf-16"), ("iso-8859-1", "ISO-8859-1")):
        encoded = part.replace('version="1.0"', f'version="1.0" encoding="{declared}"').encode(name)
        assert read(xlsx(encoded)).texts == {"A1": "Zoë"}


@pytest.mark.no_cover
def test_one_odd_cell_late_in_a_long_sheet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "_INFLATED", 2**15)
    monkeypatch.setattr(sheet_fast, "CHUNK", 2**17)
    rows = "".join(f'<row r="{row}"><c r="A{row}"><v>{row}</v></c></row>' for row in range(1, 6_000))
    found = read(xlsx(sheet(rows + '<row r="6000"><c t="n" r="A6000"><v>7</v></c></row>')))
    assert len(found.parts) > 1
    assert len(found.cells) == 6_000
    assert found.texts["A5999"] == "5999"
    assert found.texts["A6000"] == "7"


@pytest.mark.parametrize("odd", ["", "<!-- odd -->"])
def test_shared_strings(odd: str) -> None:
    items = ["<t>a</t>", "<t/>", '<t xml:space="preserve"> b </t>', "<r><t>c</t></r><r><t>d</t></r>"]
    items += ["<t>漢字</t><rPh sb='0' eb='2'><t>かんじ</t></rPh>", "<t>_x0041_&#10;</t>", ""]
    rows = "".join(f'<row r="{at + 1}"><c r="A{at + 1}" t="s"><v>{at}</v></c></row>' for at in range(len(items)))
    found = read(xlsx(sheet(rows), shared=odd + strings(*items)))
    assert found.texts == {"A1": "a", "A3": " b ", "A4": "cd", "A5": "漢字", "A6": "A\n"}


def test_a_self_closed_shared_string() -> None:
    shared = f'<sst xmlns="{MAIN}"><si><t>a</t></si><si/><si><t>b</t></si></sst>'
    rows = '<row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>2</v></c></row>'
    assert read(xlsx(sheet(rows), shared=shared)).texts == {"A1": "a", "B1": "b"}


def test_an_empty_table_of_shared_strings() -> None:
    assert read(xlsx(sheet('<row r="1"><c r="A1"><v>1</v></c></row>'), shared=f'<sst xmlns="{MAIN}"/>')).texts == {
        "A1": "1"
    }


def test_styles_and_date_system() -> None:
    rows = '<row r="1"><c r="A1" s="1"><v>0</v></c><c r="B1" s="2"><v>7</v></c><c r="C1" s="99"><v>7</v></c></row>'
    made = xlsx(sheet(rows), style=styles("yyyy-mm-dd", "00000"), properties='<workbookPr date1904="true"/>')
    assert read(made).cells == {"A1": ("date", "1904-01-01"), "B1": ("text", "00007"), "C1": ("number", "7")}


def test_builtin_formats() -> None:
    style = f'<styleSheet xmlns="{MAIN}"><cellXfs><xf numFmtId="14"/><xf numFmtId="46"/><xf/></cellXfs></styleSheet>'
    rows = (
        '<row r="1"><c r="A1" s="0"><v>45688</v></c><c r="B1" s="1"><v>1.5</v></c><c r="C1" s="2"><v>1.5</v></c></row>'
    )
    assert read(xlsx(sheet(rows), style=style)).texts == {"A1": "2025-01-31", "B1": "36:00:00", "C1": "1.5"}


def test_an_empty_sheet() -> None:
    for part in (sheet(""), f'<worksheet xmlns="{MAIN}"><sheetData/></worksheet>'):
        found = read(xlsx(part))
        assert (found.cells, found.end.last_row) == ({}, 0)


def test_formulas_and_errors_are_reported() -> None:
    cells = '<c r="A1"><f>1/0</f></c><c r="B1" t="e"><f>1/0</f><v>#DIV/0!</v></c><c r="C1" t="str"><f>""</f><v></v></c>'
    found = read(xlsx(sheet(f'<row r="1">{cells}</row>')))
    assert found.cells == {"B1": ("error", None)}
    assert [(problem.column, problem.value) for problem in found.problems] == [(0, None), (1, "#DIV/0!")]


def test_a_lying_dimension_costs_nothing() -> None:
    rows = '<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>2</v></c></row>'
    assert read(xlsx(sheet(rows, head='<dimension ref="A1:XFD1048576"/>'))).texts == {"A1": "1", "XFD1048576": "2"}


def test_parts_by_other_names() -> None:
    extra = {
        "_rels/.rels": f'<Relationships xmlns="{PACKAGE}"><Relationship Id="a" Type="{OFFICE}/officeDocument" '
        'Target="/XL\\WorkBook.xml"/></Relationships>'
    }
    assert read(xlsx(sheet(ROWS["plain"]), shared=SHARED, extra=extra)).texts["A1"] == "5"


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (sheet('<row r="1"><c r="A1"><v>1</v></c></row>')[:-30], "broken"),
        (sheet('<row r="1"><c r="A1"><v>1</c></row>'), "broken"),
        ("no XML", "broken"),
        ("", "broken"),
        ("<!DOCTYPE a>" + sheet(""), "document type"),
        (sheet('<row r="1"><c r="A1" t="str"><v>\0</v></c></row>'), "broken"),
        (sheet('<row r="1"><c r="A1" t="str"><v>X</v></c></row>').encode().replace(b"X", b"\xff"), "broken"),
        (sheet('<row r="1048577"><c r="A1048577"><v>1</v></c></row>'), "beyond row"),
        (sheet('<row r="1"><c r="XFE1"><v>1</v></c></row>'), "beyond row"),
        (sheet("<row r='1048577'><c><v>1</v></c></row>"), "beyond row"),
        (sheet("").replace("<worksheet", "<worksheet a='" + " " * 40_000_000), "without end"),
    ],
)
def test_damage_is_refused(part: str | bytes, message: str) -> None:
    with pytest.raises(UnreadableFile, match=message):
        read(xlsx(part))
