"""A statistical guess at an encoding, for text that is neither UTF-8 nor marked."""

from __future__ import annotations

from typing import BinaryIO

from charset_normalizer import from_bytes

from backend.errors import UnreadableFile

_SAMPLE = 65_536
_CANDIDATES = [
    "cp1252",
    "cp932",
    "shift_jis",
    "big5",
    "gb18030",
    "euc_kr",
    "euc_jp",
    "cp1251",
    "cp1250",
    "koi8_r",
    "cp1253",
]


def guess(file: BinaryIO, damage: int) -> str:
    """The likeliest encoding; `damage` is where the text stops being UTF-8. Raises UnreadableFile naming the line."""
    file.seek(max(0, damage - _SAMPLE // 2))
    sample = file.read(_SAMPLE)
    best = from_bytes(sample, cp_isolation=_CANDIDATES).best()
    return best.encoding if best is not None else "latin-1"
