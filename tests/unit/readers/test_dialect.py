"""How text is written is found by what makes the most consistent table of it."""

from __future__ import annotations

import pytest

from backend.readers.dialect import detect_dialect
from backend.readers.records import Dialect
from backend.readers.tolerant import RecordParser

WORDS = ["house", "tree", "river", "stone", "cloud", "market", "summer", "winter", "London", "Paris"]
ROWS = range(40)


def word(row: int) -> str:
    return WORDS[row * 7 % 10]


def prose(row: int) -> str:
    return ", ".join(" ".join(WORDS[(row + at) % 10 :][:3]) for at in range(row % 4 + 2)) + "."


def detected(header: str, line: str) -> tuple[str, str | None, str | None]:
    """The dialect of a file: `line` is a template of its records."""
    text = f"{header}\n" if header else ""
    text += "".join(line.format(n=row, d=row % 28 + 1, w=word(row), p=prose(row)) + "\n" for row in ROWS)
    dialect = detect_dialect(text)
    return dialect.delimiter, dialect.quote, dialect.escape


@pytest.mark.parametrize(
    ("header", "line", "delimiter"),
    [
        ("id\tnote\tday", "{n}\t{p}\t2020-01-{d:02}", "\t"),
        ("id\tdoc", '{n}\t{{"a": {n}, "b": [1,2], "c": "x:y"}}', "\t"),
        ("a;b", "{n},5;{n},25", ";"),
        ("", "{n},5;{n},25", ";"),
        ("id;place", "{n};52.{n},13.{n}", ";"),
        ("when,where", "2020/01/02 10:{d:02}:00,{w}", ","),
        ("d,t,v", "1/{d}/2020,10:{d:02},{n}", ","),
        ("url,title", "https://x.org/a/{n}?q=1&b={n};c,{w} {w}", ","),
        ("id,doc", '{n},"{{""a"": {n}, ""b"": [1,2]}}"', ","),
        ("id,tags", "{n},a;b;c", ","),
        ("day,open", "Mon,10:00-18:{d:02}", ","),
        ("id,name,v", "{n},it's {w} o'{w},{n}", ","),
        ("id,size,v", '{n},{n}" pipe,{n}', ","),
        ("a,b,c;", "{n},{w},x;", ","),
        ("name,,", "{w},,", ","),
        ("id|name|v", "{n}|{p}|{n}", "|"),
        ("", "user{n}:x:{n}:100:{w}:/home/u{n}:/bin/sh", ":"),
        ("x y z", "{n} {n} {n}.5", " "),
        ("id name v", '{n} "{w} {w}" {n}.5', " "),
        ("a#b#c", "{n}#{w} {w}#{n}", "#"),
        ("a\x1fb\x1fc", "{n}\x1f{p}\x1f{n}", "\x1f"),
        ("aþbþc", "{n}þ{p}þ{n}", "þ"),
        ("id, name, v", "{n}, {w}, {n}", ", "),
        ("id | name | v", "{n} | {w} | {n}", " | "),
        ("id | name | v", '"{n}" |  | "{p}"', " | "),
    ],
)
def test_one_delimiter_among_many_signs(header: str, line: str, delimiter: str) -> None:
    assert detected(header, line)[:2] == (delimiter, '"')


@pytest.mark.parametrize(
    "sign", ["||", ";;", "::", "\t\t", "~|~", "|~|", ",,", "^^", "|;|", "->", "=>", ":|:", "***", "~~"]
)
@pytest.mark.parametrize("line", ["{n}@{w}@{w} {w}@{n}", '{n}@"{w}"@"{p}@x"@{n}'])
def test_delimiters_of_several_signs(sign: str, line: str) -> None:
    assert detected("id@name@note@v".replace("@", sign), line.replace("@", sign))[0] == sign


def test_an_empty_cell_makes_no_delimiter_of_two_signs() -> None:
    assert detected("a||b||c", "{n}||x|y||{n}")[0] == "||"
    assert detected("a|b|c", "{n}||{n}")[0] == "|"


@pytest.mark.parametrize(
    ("header", "line"),
    [
        ("name", "{w}"),
        ("name", "{w} {w}"),
        ("text", "{p}"),
        ("url", "https://x.org/a/{n}?q=1&b={n}"),
        ("", "https://x.org/a/{n}/b/c"),
        ("", "2020-01-02 10:{d:02}:00"),
        ("day", "{d}/01/2020"),
        ("time", "10:{d:02}:00"),
        ("n", "{n},5"),
        ("mail", "{w}{n}@example.org"),
        ("id", "AB-{n:04}-X"),
        ("phone", "+49 30 {n} 1234567"),
        ("name", '"{w}, {w}"'),
        ("", "2020-01-02 10:{d:02}:00 INFO server: {p}"),
        ("", "{n:<8}{w:<12}{n:>10}"),
        ("", '{{"id": {n}, "name": "{w}", "v": [1, 2]}}'),
    ],
)
def test_a_single_column_is_not_divided(header: str, line: str) -> None:
    text = f"{header}\n" if header else ""
    text += "".join(line.format(n=row, d=row % 28 + 1, w=word(row), p=prose(row)) + "\n" for row in ROWS)
    records = RecordParser(text, detect_dialect(text)).parse()
    assert {len(cells) for cells in records.cells} == {1}


@pytest.mark.parametrize(
    ("line", "quote", "escape"),
    [
        ("{n},'{w}, {w}',{n}", "'", None),
        ("{n},`{w}, {w}`,{n}", "`", None),
        ("{n},~{w}, {w}~,{n}", "~", None),
        ("|{n}|,|{w}, {w}|,|{n}|", "|", None),
        ('{n},"say \\"{w}\\", {w}",{n}', '"', "\\"),
        ('{n},"say ^"{w}^", {w}",{n}', '"', "^"),
        ("{n},'it\\'s {w}, {w}',{n}", "'", "\\"),
        ("{n},*{w}*,{n}", '"', None),
        ("{n},/usr/lib/,{n}", '"', None),
    ],
)
def test_quotes_and_escapes(line: str, quote: str, escape: str | None) -> None:
    assert detected("id,name,v", line) == (",", quote, escape)


def test_quotes_that_are_no_quotes_in_every_record() -> None:
    assert detected("id\tname\tv", '{n}\t"{w} by {w}\t{n}')[:2] == ("\t", None)


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("a,b,c\n", ","),
        ("name;age", ";"),
        ("1;2,5;3\n", ";"),
        ("name\tage\nann, dr\t3\n", "\t"),
        ("x;y\n1,5;2,5\n3,5;4,5\n", ";"),
        ("a,b\n10:20:30,x\n10:21:30,y\n", ","),
    ],
)
def test_a_few_lines_are_enough(text: str, delimiter: str) -> None:
    assert detect_dialect(text).delimiter == delimiter


@pytest.mark.parametrize("text", ["hello\n", "hello my dear friend.\n", "city\nNew York\nSan Francisco\n"])
def test_a_few_lines_of_words_are_one_column(text: str) -> None:
    assert {len(cells) for cells in RecordParser(text, detect_dialect(text)).parse().cells} == {1}


def test_a_long_preamble_is_not_what_counts() -> None:
    text = "".join(f"Remark {row}: {prose(row)}\n" for row in range(120))
    text += "id;name;v;w\n" + "".join(f"{row};{word(row)};{row},5;x\n" for row in range(400))
    assert detect_dialect(text).delimiter == ";"


def test_what_is_told_is_kept() -> None:
    found = detect_dialect("a,b\n1,2\n", delimiter="|~|", quote="'", escape="^")
    assert found == Dialect("|~|", "'", "^")


def test_apostrophes_are_no_quotes_beside_double_ones() -> None:
    rows = [f"{number},x{number}" for number in range(1000)]
    found = detect_dialect("\n".join(["a,b", *rows, "5,'quoted'", '6,"say ""hi"""', ""]))
    assert (found.delimiter, found.quote) == (",", '"')


def test_a_few_apostrophes_are_text() -> None:
    found = detect_dialect("\n".join(["a,b", *(f"{number},x" for number in range(50)), "5,'quoted'", ""]))
    assert found.quote == '"'
