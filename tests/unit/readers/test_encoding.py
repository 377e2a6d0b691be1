"""Encodings are told, marked, proven or guessed."""

from __future__ import annotations

import io

import pytest

from backend.errors import Invalid, UnreadableFile
from backend.readers.encoding import Encoding, Utf8Stream, detect_encoding
from backend.schemas.imports import Warnings

GERMAN = "Straße,Größe\nMünchner Straße,über 5 Äpfel für 3 €\n"
POLISH = "imię,miasto\nŁukasz,Łódź\nMałgorzata,Częstochowa\nżółć,gęślą jaźń\n"
RUSSIAN = "имя,город\nАнна,Москва\nпростой русский текст для проверки кодировки,Новосибирск\n" * 3
JAPANESE = "名前,年齢\n山田太郎さん,25\n東京都に住んでいます,30\nひらがなとカタカナのテスト,28\n" * 3
CHINESE = "姓名,城市\n王小明,北京市\n这是一个简单的测试文件,上海市\n我们的产品价格,广州市\n" * 3
TAIWANESE = "姓名,城市\n王小明,台北市\n這是一個簡單的測試檔案,高雄市\n我們的產品價格,台中市\n" * 3
KOREAN = "이름,도시\n김철수,서울특별시\n이것은 간단한 시험 파일입니다,부산광역시\n우리 제품의 가격,대구\n" * 3


def detected(data: bytes, told: str | None = None) -> Encoding:
    return detect_encoding(io.BytesIO(data), told, Warnings())


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be", "utf-8"])
@pytest.mark.parametrize("mark", ["\ufeff", ""])
def test_unicode_is_found_with_and_without_a_mark(encoding: str, mark: str) -> None:
    found = detected((mark + GERMAN).encode(encoding))
    assert found == Encoding(encoding, len(mark.encode(encoding)))


@pytest.mark.parametrize(
    ("text", "codec", "name"),
    [
        (GERMAN, "cp1252", "windows-1252"),
        (GERMAN.replace("€", "Euro"), "latin-1", "iso-8859-1"),
        (POLISH, "cp1250", "windows-1250"),
        ("café,naïve\nrésumé,élève\nà bientôt,garçon\n", "mac-roman", "macintosh"),
        (RUSSIAN, "cp1251", "cp1251"),
        (JAPANESE, "cp932", "shift_jis"),
        (JAPANESE, "euc_jp", "euc_jp"),
        (CHINESE, "gb18030", "gb18030"),
        (TAIWANESE, "big5", "big5"),
        (KOREAN, "cp949", "euc-kr"),
    ],
)
def test_other_encodings_are_guessed_and_reported(text: str, codec: str, name: str) -> None:
    warnings = Warnings()
    found = detect_encoding(io.BytesIO(text.encode(codec)), None, warnings)
    assert (found.name, warnings.total) == (name, 1)
    stream = Utf8Stream(io.BytesIO(text.encode(codec)), found)
    assert stream.read(1 << 20).decode() == text


def test_one_bad_byte_does_not_turn_utf8_into_latin1() -> None:
    with pytest.raises(UnreadableFile, match="Line 3 holds byte 0xFF") as caught:
        detected("id,name\n1,Zoë\n2,bad ".encode() + b"\xff byte\n" + "3,Köln\n".encode())
    assert caught.value.errors[0].row == 3


def test_bytes_that_are_not_of_the_told_encoding_are_refused() -> None:
    with pytest.raises(UnreadableFile, match="Line 1 holds byte 0xFC"):
        detected("München".encode("latin-1"), "utf-8")
    with pytest.raises(UnreadableFile, match="Line 2 holds byte 0x78"):
        detected("a,b\n".encode("utf-16") + b"x")


@pytest.mark.parametrize(
    ("told", "data", "found"),
    [
        ("UTF8", b"\xef\xbb\xbfa", Encoding("utf-8", 3)),
        ("utf-16", "\ufeffa".encode("utf-16-be"), Encoding("utf-16-be", 2)),
        ("utf-16", "a".encode("utf-16-le"), Encoding("utf-16-le")),
        ("latin1", "é".encode(), Encoding("iso8859-1")),
        ("ascii", b"a", Encoding("utf-8")),
    ],
)
def test_what_is_told_is_kept(told: str, data: bytes, found: Encoding) -> None:
    assert detected(data, told) == found


@pytest.mark.parametrize(
    ("charset", "data", "found", "warnings"),
    [
        ("windows-1250", POLISH.encode("cp1250"), Encoding("cp1250"), 0),
        ("UTF-8", GERMAN.encode(), Encoding("utf-8"), 0),
        ("utf-8", GERMAN.encode("cp1252"), Encoding("windows-1252"), 1),
        ("us-ascii", GERMAN.encode("cp1252"), Encoding("windows-1252"), 1),
        ("utf-8", ("\ufeff" + GERMAN).encode("utf-16-le"), Encoding("utf-16-le", 2), 1),
        ("windows-1250", ("\ufeff" + GERMAN).encode(), Encoding("utf-8", 3), 1),
        ("utf-16", ("\ufeff" + GERMAN).encode("utf-16-be"), Encoding("utf-16-be", 2), 0),
    ],
)
def test_a_media_types_charset_is_believed_unless_the_bytes_say_otherwise(
    charset: str, data: bytes, found: Encoding, warnings: int
) -> None:
    report = Warnings()
    assert (detect_encoding(io.BytesIO(data), None, report, charset=charset), report.total) == (found, warnings)


def test_a_charset_that_cannot_be_is_refused() -> None:
    with pytest.raises(Invalid, match="no encoding 'klingon'"):
        detect_encoding(io.BytesIO(b"a"), None, Warnings(), charset="klingon")
    with pytest.raises(UnreadableFile, match="Line 1 holds byte 0x81"):
        detect_encoding(io.BytesIO(b"\x81"), None, Warnings(), charset="windows-1250")
    assert detect_encoding(io.BytesIO(b"a"), "latin-1", Warnings(), charset="klingon") == Encoding("iso8859-1")


def test_a_stream_can_leave_out_its_beginning() -> None:
    data = GERMAN.encode("utf-16-be")
    stream = Utf8Stream(io.BytesIO(data), Encoding("utf-16-be"))
    stream.skip(len("Straße,".encode()))
    text = stream.read(1 << 20)
    while not stream.ended():
        text += stream.read(1 << 20)
    assert text.decode() == GERMAN.removeprefix("Straße,")
