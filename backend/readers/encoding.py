"""Which encoding a file is in, and its text as UTF-8 bytes."""

from __future__ import annotations

import codecs
import os
from typing import BinaryIO

import polars as pl
from msgspec import Struct

from backend.errors import Invalid, UnreadableFile
from backend.readers.guess import guess, is_damaged_utf8
from backend.schemas.imports import Warnings
from backend.schemas.problems import ErrorItem

BLOCK = 4 * 2**20
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_WIDE = ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be")
_CODECS = {"windows-1252": "cp1252", "shift_jis": "cp932", "euc-kr": "cp949", "gb18030": "gb18030"}
"""Names as people write them, where Python's codec of that name knows fewer characters than such files hold."""
_NO_TEXT = frozenset(("idna", "punycode", "unicode-escape", "raw-unicode-escape", "undefined", "mbcs", "oem"))
_C1 = bytes(range(0x80, 0xA0))


class Encoding(Struct, frozen=True):
    """An encoding by its common name, and the bytes of the byte order mark in front of the text."""

    name: str
    mark: int = 0

    @property
    def codec(self) -> str:
        """Python's codec for it."""
        return _CODECS.get(self.name, self.name)


def detect_encoding(file: BinaryIO, told: str | None, warnings: Warnings, *, charset: str | None = None) -> Encoding:
    """Byte order mark, then strict UTF-8 over the whole file, then UTF-16/32 by shape, then a statistical guess.

    `told` overrides all but the byte order mark of its own family; `charset`, from a media type, overrides the shape
    and the guess, and `utf-8` not even those: many programs say that of any file. Raises UnreadableFile naming the
    line when bytes do not fit the encoding.
    """
    file.seek(0)
    head = file.read(65_536)
    marked = next((Encoding(name, len(mark)) for mark, name in _MARKS if head.startswith(mark)), None)
    if told is not None:
        encoding = _told(told, marked)
    else:
        encoding = _sent(charset, marked, warnings) or _unmarked(file, head, warnings)
    damage = first_damage(file, encoding)
    if damage is not None:
        raise _misfit(file, encoding, damage)
    return encoding


def _sent(charset: str | None, marked: Encoding | None, warnings: Warnings) -> Encoding | None:
    """By the byte order mark, else by the media type; None where the bytes themselves must tell."""
    if charset is None:
        return marked
    encoding = _told(charset, marked)
    if marked is not None and encoding != marked:
        warnings.add(f"The Content-Type says {encoding.name}, a byte order mark {marked.name}: read as that")
    return marked or (None if encoding.name == "utf-8" else encoding)


def _unmarked(file: BinaryIO, head: bytes, warnings: Warnings) -> Encoding:
    wide = wide_encoding(head)
    if wide is not None:
        warnings.add(f"The encoding {wide} was recognised by the shape of the bytes")
        return Encoding(wide)
    plain = Encoding("utf-8")
    damage = first_damage(file, plain)
    if damage is None or is_damaged_utf8(file, damage):
        return plain
    name = guess(file, damage)
    if name == "windows-1252":
        name = _western(file)
    warnings.add(f"The file is not UTF-8: read as {name}, by its letters")
    return Encoding(name)


def _western(file: BinaryIO) -> str:
    """windows-1252, or ISO 8859-1 where only that can be."""
    if first_damage(file, Encoding("windows-1252")) is not None:
        return "iso-8859-1"
    file.seek(0)
    while block := file.read(BLOCK):
        if len(block.translate(None, _C1)) != len(block):
            return "windows-1252"
    return "iso-8859-1"


def _told(told: str, marked: Encoding | None) -> Encoding:
    try:
        codec = codecs.lookup(told.strip()).name
        "".encode(codec)
    except (LookupError, ValueError) as error:
        raise Invalid(f"There is no encoding {told[:40]!r}.") from error
    if codec in _NO_TEXT:
        raise Invalid(f"{codec} is no encoding of files.")
    if marked is not None and codec in (marked.codec, marked.codec[:6], f"{marked.codec}-sig"):
        return marked
    if codec in ("utf-16", "utf-32"):
        return Encoding(f"{codec}-le")
    return Encoding({"utf-8-sig": "utf-8", "ascii": "utf-8", "cp1252": "windows-1252"}.get(codec, codec))


def first_damage(file: BinaryIO, encoding: Encoding) -> int | None:
    """Position of the first byte that the encoding does not know, over the whole file; None when all fit."""
    if encoding.codec == "iso8859-1":
        return None
    decoder = codecs.getincrementaldecoder(encoding.codec)()
    file.seek(encoding.mark)
    position = encoding.mark
    while True:
        block = file.read(BLOCK)
        held = len(decoder.getstate()[0])
        if held or encoding.codec != "utf-8" or not _is_utf8(block):
            try:
                decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                return position - held + error.start
        if not block:
            return None
        position += len(block)


def _is_utf8(block: bytes) -> bool:
    """Whether a block is UTF-8 and ends with a whole character; ten times as fast as decoding it."""
    if block.isascii():
        return True
    try:
        pl.Series([block]).cast(pl.String)
    except pl.exceptions.PolarsError:
        return False
    return True


def _misfit(file: BinaryIO, encoding: Encoding, damage: int) -> UnreadableFile:
    """The error for bytes at `damage` that the encoding does not know, with their line."""
    file.seek(damage)
    byte = file.read(1)
    file.seek(encoding.mark)
    line = 1
    rest = damage - encoding.mark
    decoder = codecs.getincrementaldecoder(encoding.codec)(errors="ignore")
    while rest > 0 and (block := file.read(min(BLOCK, rest))):
        rest -= len(block)
        text = decoder.decode(block)
        line += text.count("\n") or text.count("\r")
    what = f"byte 0x{byte.hex().upper()}" if byte else "a character that is cut off"
    message = f"Line {line} holds {what}, which is not {encoding.name} as the rest of the file is."
    return UnreadableFile(message, errors=[ErrorItem(message, row=line, code="INVALID_ENCODING")])


def wide_encoding(head: bytes) -> str | None:
    """UTF-16 or UTF-32 without a byte order mark, by where the zero bytes are; None when it is neither."""
    sample = head[: len(head) // 4 * 4] or head[: len(head) // 2 * 2]
    if b"\0" not in sample or _narrow(sample):
        return None
    for name in _WIDE:
        try:
            text = codecs.getincrementaldecoder(name)().decode(sample)
        except UnicodeDecodeError:
            continue
        usual = sum(letter.isprintable() or letter in "\t\r\n" for letter in text)
        if text and "\0" not in text and usual >= 0.98 * len(text) and any(end in text for end in "\r\n,;\t"):
            return name
    return None


def _narrow(sample: bytes) -> bool:
    """Whether this is UTF-8 with a few zero bytes in it: in wide text nearly every line end or comma brings some."""
    rest = sample.replace(b"\0", b"")
    try:
        codecs.getincrementaldecoder("utf-8")().decode(rest)
    except UnicodeDecodeError:
        return False
    return 10 * (len(sample) - len(rest)) < len(sample)


class Utf8Stream:
    """The text behind the byte order mark as UTF-8 bytes, whatever the file's encoding."""

    def __init__(self, file: BinaryIO, encoding: Encoding) -> None:
        self._file = file
        self._file.seek(encoding.mark)
        self._name = encoding.name
        self._decoder = None if encoding.codec == "utf-8" else codecs.getincrementaldecoder(encoding.codec)()
        self._held = b""
        self._ended = False

    def ended(self) -> bool:
        """Whether all has been read."""
        return self._ended

    def read(self, size: int) -> bytes:
        """About `size` bytes more. Raises UnreadableFile at what is not of the encoding."""
        if self._held:
            held, self._held = self._held, b""
            return held
        block = self._file.read(size)
        self._ended = len(block) < size
        if self._decoder is None:
            return block
        try:
            return self._decoder.decode(block, final=self._ended).encode()
        except UnicodeError as error:
            raise UnreadableFile(f"The file holds bytes that are not {self._name}.") from error

    def skip(self, count: int) -> None:
        """Leave out the first `count` bytes of the text."""
        if self._decoder is None:
            self._file.seek(count, os.SEEK_CUR)
            return
        while count > 0 and not self._ended:
            block = self.read(65_536)
            count -= len(block)
            if count < 0:
                self._held, self._ended = block[count:], False
