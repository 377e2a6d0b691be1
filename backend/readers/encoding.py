"""Which encoding a file is in, and its text as UTF-8 bytes."""

from __future__ import annotations

import codecs
import os
from typing import BinaryIO

from msgspec import Struct

from backend.errors import UnreadableFile
from backend.readers.guess import guess
from backend.schemas.imports import Warnings

BLOCK = 4 * 2**20
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


class Encoding(Struct, frozen=True):
    """A codec by its Python name, and the bytes of the byte order mark in front of the text."""

    name: str
    mark: int = 0


def detect_encoding(file: BinaryIO, told: str | None, warnings: Warnings) -> Encoding:
    """Byte order mark, then strict UTF-8 over the whole file, then UTF-16/32 by shape, then a statistical guess.

    `told` overrides all but the byte order mark of its own family. Raises UnreadableFile naming the line for
    text that is UTF-8 but for a few bytes, or that no encoding fits.
    """
    file.seek(0)
    head = file.read(BLOCK)
    marked = next((Encoding(name, len(mark)) for mark, name in _MARKS if head.startswith(mark)), None)
    if told is not None:
        return _told(told, marked)
    if marked is not None:
        return marked
    wide = wide_encoding(head)
    if wide is not None:
        warnings.add(f"Encoding found by the shape of the bytes: {wide}")
        return Encoding(wide)
    damage = _first_damage(file)
    if damage is None:
        return Encoding("utf-8")
    name = guess(file, damage)
    warnings.add(f"The file is not UTF-8: read as {name} by its letters; say `encoding` if that is wrong")
    return Encoding(name)


def _told(told: str, marked: Encoding | None) -> Encoding:
    try:
        name = codecs.lookup(told.strip()).name
        "".encode(name)
    except (LookupError, UnicodeError) as error:
        raise UnreadableFile(f"No such encoding: {told[:40]!r}") from error
    if marked is not None and name.replace("-sig", "") in (marked.name, marked.name[:6]):
        return marked
    if name in ("utf-16", "utf-32"):
        return Encoding(f"{name}-le")
    return Encoding("utf-8" if name in ("utf-8-sig", "ascii") else name)


def _first_damage(file: BinaryIO) -> int | None:
    """Byte position of the first byte that is not UTF-8, over the whole file."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    file.seek(0)
    position = 0
    while block := file.read(BLOCK):
        held = len(decoder.getstate()[0])
        if not (held == 0 and block.isascii()):
            try:
                decoder.decode(block)
            except UnicodeDecodeError as error:
                return position - held + error.start
        position += len(block)
    held = len(decoder.getstate()[0])
    return position - held if held else None


def wide_encoding(head: bytes) -> str | None:
    """UTF-16 or UTF-32 without a byte order mark, by where the zero bytes are; None when it is neither."""
    sample = head[: len(head[:65_536]) // 4 * 4]
    if b"\0" not in sample:
        return None
    for name, step in (("utf-32-le", 4), ("utf-32-be", 4), ("utf-16-le", 2), ("utf-16-be", 2)):
        try:
            text = codecs.getincrementaldecoder(name)().decode(sample)
        except UnicodeDecodeError:
            continue
        usual = sum(letter.isprintable() or letter in "\t\r\n" for letter in text)
        zeros = sum(sample[place::step].count(0) for place in range(step))
        if "\0" not in text and usual >= 0.98 * len(text) and zeros >= len(sample) * (step - 1) / step * 0.1:
            return name
    return None


class Utf8Stream:
    """The text behind the byte order mark as UTF-8 bytes, whatever the file's encoding."""

    def __init__(self, file: BinaryIO, encoding: Encoding) -> None:
        self._file = file
        self._file.seek(encoding.mark)
        self._decoder = None if encoding.name == "utf-8" else codecs.getincrementaldecoder(encoding.name)()
        self._held = b""
        self.name = encoding.name
        self.ended = False

    def read(self, size: int) -> bytes:
        """About `size` bytes more; `ended` is set with the last of them. Raises UnreadableFile at what is no text."""
        if self._held:
            held, self._held = self._held, b""
            return held
        block = self._file.read(size)
        self.ended = len(block) < size
        if self._decoder is None:
            return block
        try:
            return self._decoder.decode(block, final=self.ended).encode()
        except UnicodeError as error:
            raise UnreadableFile(f"The file is not in the encoding {self.name}") from error

    def skip(self, count: int) -> None:
        """Leave out the first `count` bytes of the text."""
        if self._decoder is None:
            self._file.seek(count, os.SEEK_CUR)
            return
        while count > 0:
            block = self.read(BLOCK)
            self._held = block[count:]
            count -= len(block)
            if not block and self.ended:
                return
