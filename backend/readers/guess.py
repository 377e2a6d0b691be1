"""A statistical guess at an encoding, for text that is neither UTF-8 nor marked."""

from __future__ import annotations

import os
import re
import unicodedata
from typing import BinaryIO

from charset_normalizer import from_bytes

_AROUND = 512 * 1024
_PIECES = 8
_SAMPLE = 65_536
_VALID = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_HIGH = bytes(range(0x80, 0x100))
_PAIR = re.compile(rb"[\x81-\xfe][\x40-\xfe]|[\x80-\xff]")

_DOUBLE = {
    "shift_jis": ("cp932", ((0x8140, 0x84BE), (0x889F, 0x9872))),
    "euc_jp": ("euc_jp", ((0xA1A1, 0xA5FE), (0xB0A1, 0xCFD3))),
    "gb18030": ("gb18030", ((0xA1A1, 0xA3FE), (0xB0A1, 0xD7F9))),
    "big5": ("big5", ((0xA140, 0xC67E),)),
    "euc-kr": ("cp949", ((0xA1A1, 0xA3FE), (0xB0A1, 0xC8FE))),
}
"""Codec, and the byte pairs that everyday text in it consists of."""
_LATIN = {
    "windows-1252": "cp1252",
    "windows-1250": "cp1250",
    "iso-8859-2": "iso8859-2",
    "macintosh": "mac-roman",
    "ibm850": "cp850",
}
_MARGIN = 0.15
"""By how much another Western encoding must be better than windows-1252 to be taken."""
_MARKS = frozenset("©®°±²³µ·¼½¾€£¥§«»¡¿“”„’‘–—…•×\xa0")
_OTHER = ["cp1251", "koi8_r", "cp866", "iso8859_5", "mac_cyrillic", "cp1253", "iso8859_7", "cp1255", "cp1256", "cp874"]


def is_damaged_utf8(file: BinaryIO, damage: int) -> bool:
    """Whether text that stops being UTF-8 at byte `damage` is UTF-8 but for some bytes, judged over all the file."""
    size = file.seek(0, os.SEEK_END)
    valid = stray = 0
    for start in {max(0, damage - _AROUND // 2), *(size * part // _PIECES for part in range(_PIECES))}:
        file.seek(start)
        sample = file.read(_AROUND).translate(None, bytes(range(0x80)))
        rest = _VALID.sub(b"", sample)
        valid += len(sample) - len(rest)
        stray += len(rest)
    return valid >= 2 * stray


def guess(file: BinaryIO, damage: int) -> str:
    """The likeliest encoding of text that is not UTF-8; `damage` is the position of the first byte that shows it."""
    sample = _foreign_lines(file, damage)
    doubles = [name for name in _DOUBLE if _fits_double(sample, name)]
    if len(doubles) == 1:
        return doubles[0]
    high = len(sample) - len(sample.translate(None, _HIGH))
    letters = sum(1 for byte in sample if chr(byte).isalpha() and byte < 0x80)
    runs = sum(map(len, re.findall(rb"[\x80-\xff]{3,}", sample)))
    if doubles or (high > 0.4 * (high + letters) and runs > high / 2):
        codecs = {_DOUBLE[name][0]: name for name in doubles} or {name: name for name in _OTHER}
        best = from_bytes(sample, cp_isolation=list(codecs)).best()
        if best is not None and best.encoding in codecs:
            return codecs[best.encoding]
        if doubles:
            return doubles[0]
    scores = {name: _plausible(sample, codec) for name, codec in _LATIN.items()}
    best_latin = max(scores, key=lambda name: scores[name])
    return best_latin if scores[best_latin] > scores["windows-1252"] + _MARGIN else "windows-1252"


def _foreign_lines(file: BinaryIO, damage: int) -> bytes:
    """Lines from `damage` on that hold bytes beyond ASCII."""
    file.seek(max(0, damage - 4096))
    lines = re.split(rb"[\r\n]", file.read(16 * _SAMPLE))[damage > 4096 :]
    chosen: list[bytes] = []
    size = 0
    for line in lines:
        if not line.isascii():
            chosen.append(line)
            size += len(line)
            if size > _SAMPLE:
                break
    return b"\n".join(chosen)[:_SAMPLE]


def _fits_double(sample: bytes, name: str) -> bool:
    """Whether text is mostly made of the everyday byte pairs of a two-byte encoding."""
    codec, common = _DOUBLE[name]
    if len(sample.decode(codec, errors="replace").replace("\ufffd", "")) < 0.99 * len(sample.decode(codec, "replace")):
        return False
    usual = unusual = high = 0
    for pair in _PAIR.findall(sample):
        number = int.from_bytes(pair, "big")
        if any(first <= number <= last for first, last in common):
            usual += 1
            high += pair[1] >= 0x80
        else:
            unusual += 1
    return usual >= 2 and usual >= 4 * unusual and high >= 0.3 * usual


def _plausible(sample: bytes, codec: str) -> float:
    """How well the foreign characters fit their neighbours, on average: 0 is perfect, below is worse."""
    text = sample.decode(codec, errors="replace")
    score = 0.0
    count = 0
    for before, letter, after in zip("\n" + text, text, text[1:] + "\n", strict=False):
        if letter.isascii():
            continue
        count += 1
        kind = unicodedata.category(letter)
        if kind.startswith("L"):
            score -= (kind == "Lu") * (0.2 + before.islower()) + (kind == "Lo")
        elif kind in ("Cc", "Cn") or letter == "\ufffd":
            score -= 2
        elif before.isalpha() and after.isalpha() and letter not in "’‘":
            score -= 1
        else:
            score -= 0.1 if letter in _MARKS else 0.5
    return score / count if count else 0.0
