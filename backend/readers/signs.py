"""The signs that may divide, quote and escape the cells of a text, as candidates for its dialect."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

USUAL = (",", ";", "\t", "|")
BETWEEN = " | "
"""A bar with white space on both sides in all places is a delimiter with it."""
_OTHERS = (":", " ", "^", "~", "\x01", "\x02", "\x14", "\x1c", "\x1d", "\x1e", "\x1f", "¦", "§", "¬", "¤", "þ")
_ODD = re.compile(r"[#&*!=%$@/+?<>·•|]")
_QUOTES = "'`~|^$%#*@¦¬þ/"
_LINES = 400
"""About as many lines are looked at for candidates, spread over the sample."""
_LONGEST = 4096
"""Characters of a line that are looked at."""

_VALUES = re.compile(
    r"[a-z]{2,10}://[^\s,;|\"']*"
    r"|\d{4}[-/.]\d{1,2}[-/.]\d{1,2}(?:[T ]+\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?)?"
    r"|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}(?: \d{1,2}:\d{2}(?::\d{2})?)?"
    r"|\b\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?!\d)(?: ?[AaPp][Mm]\b)?"
    r"|(?<![\w.+-])[\w.+-]{1,64}@[\w-]+\.[\w.-]+"
    r"|\+\d[\d ()/-]{6,}",
    re.IGNORECASE,
)
"""Addresses, dates, times and phone numbers: what a sign inside them divides is no cell."""
_QUOTED = re.compile(r"\"[^\"\r\n]*\"")
_RUNS = re.compile(r"[^\w\s\"'\\]{2,}|\t{2,}")
_OBJECT = re.compile(r"\s*\{\s*(?:\"(?:[^\"\\]|\\.)*\"\s*:.*)?\}\s*,?\s*")


def lines_of(sample: str) -> list[str]:
    """Lines that are not blank, spread over the sample; its first 30 are among them."""
    lines = [line[:_LONGEST] for line in sample.splitlines() if line.strip()]
    return lines[:30] + lines[30 :: max(1, len(lines) // _LINES)]


def are_objects(lines: Sequence[str]) -> bool:
    """Whether the lines are JSON objects, which no sign divides."""
    return bool(lines) and sum(_OBJECT.fullmatch(line) is not None for line in lines) >= 0.8 * len(lines)


class Delimiters:
    """The delimiters that a text may have, and how much each counts for (`weight`)."""

    def __init__(self, sample: str) -> None:
        self._sample = sample
        self._lines = lines = lines_of(sample)
        self._text = "\n".join(lines)
        self._bare = _VALUES.sub("0", _QUOTED.sub('"Q"', self._text))
        self._whole = _QUOTED.sub('"Q"', self._text)

    def found(self) -> list[str]:
        """Every plausible one, the likelier first, and one that divides nothing."""
        none = absent(self._sample)
        if are_objects(self._lines):
            return [none]
        enough = max(1, len(self._lines) // 5)
        top = "\n".join(self._lines[:3])
        found = [
            sign
            for sign in (*USUAL, *_OTHERS)
            if sum(sign in line for line in self._lines) >= enough or (sign in USUAL and sign in top)
        ]
        runs = self._runs()
        found = [sign for sign in found if sign * 2 not in runs or self._doubled(sign) < 0.95]
        odd = Counter(sign for line in self._bare.split("\n") for sign in set(_ODD.findall(line)))
        most = 0.9 * len(self._lines)
        found += [sign for sign, count in odd.most_common(4) if count >= most and sign not in found]
        found += [run for run in runs if run not in found]
        spaced = [sign for sign in found if sign in ",;|"]
        found += [f"{sign} " for sign in spaced if self._is_spaced(sign)]
        found += [BETWEEN] if "|" in spaced and self._text.count(BETWEEN) == self._text.count("|") else []
        return [none, *found] if none == "," else [*found, none]

    def weight(self, sign: str) -> float:
        """From 0 to 1; signs that stand in ordinary text as well count for less."""
        if sign in USUAL or sign[1:] == " " or sign == BETWEEN:
            return 1.0
        whole = self._whole.count(sign)
        kept = self._bare.count(sign) / whole if whole else 1.0
        seldom = 0.55 if is_odd(sign) else 1.0 if sign in ("->", "=>", "<>", "][") or sign == sign[::-1] else 0.4
        usual = {":": 0.4, " ": 0.4, "^": 0.9, "~": 0.9}.get(sign, seldom)
        return float(usual * kept**2)

    def _is_spaced(self, sign: str) -> bool:
        return self._text.count(f"{sign} ") >= 0.8 * self._text.count(sign)

    def _runs(self) -> list[str]:
        """Delimiters of two or three signs that stand in nearly every line."""
        lines = self._bare.split("\n")
        counts: Counter[str] = Counter()
        for line in lines:
            parts = {run[at : at + size] for run in _RUNS.findall(line) for size in (2, 3) for at in range(len(run))}
            counts.update(part for part in parts if len(part) > 1)
        enough = 0.8 * len(lines)
        found = [run for run, count in counts.most_common(12) if count >= enough and run.strip("-.()")]
        return [run for run in found if run != run[0] * len(run) or self._is_repeated(run[0], len(run))][:6]

    def _doubled(self, sign: str, length: int = 2) -> float:
        """The share of a sign's runs that are as long as `length` or a multiple of it."""
        runs = [len(run) for run in re.findall(f"{re.escape(sign)}+", self._bare)]
        return sum(run % length == 0 for run in runs) / len(runs) if runs else 0.0

    def _is_repeated(self, sign: str, length: int) -> bool:
        """Whether a sign stands mostly in runs of `length` or a multiple, and between cells."""
        between = sum(re.search(rf"[^\n]{re.escape(sign)}+[^\n]", line) is not None for line in self._lines)
        enough = sign != "," or self._bare.count(",,") >= 2 * len(self._lines)
        return enough and self._doubled(sign, length) >= 0.6 and between >= 0.8 * len(self._lines)


def is_odd(sign: str) -> bool:
    """Whether a sign is a delimiter only when everything speaks for it."""
    return len(sign) == 1 and sign not in USUAL and sign not in _OTHERS


def absent(sample: str) -> str:
    """A sign that the sample does not hold: the delimiter of a table of one column."""
    return next((sign for sign in (*USUAL, *_OTHERS[5:]) if sign not in sample), "\x1f")


def quotes(sample: str, delimiter: str) -> list[str | None]:
    """The quotes that a text may have, `"` first; None where quotes may be text."""
    found: list[str | None] = ['"']
    found += [mark for mark in _QUOTES if mark in sample and mark not in delimiter and _quotes(sample, delimiter, mark)]
    if '"' in sample:
        found.append(None)
    return found


def _quotes(sample: str, delimiter: str, mark: str) -> bool:
    """Whether a sign stands around cells; one that is seldom a quote must show that it is, and `'` that `"` is not."""
    cells = _quoted(sample, delimiter, mark)
    held = sum(delimiter in cell for cell in cells)
    lines = sample.count("\n") or sample.count("\r") or 1
    if mark == "'":
        return len(cells) > len(_quoted(sample, delimiter, '"')) and bool(held or len(cells) >= 0.5 * lines)
    return held >= 2 or len(cells) >= 0.9 * (sample.count(delimiter) + lines)


def _quoted(sample: str, delimiter: str, mark: str) -> list[str]:
    """What stands between quotes that begin and end a cell."""
    sign, quote = re.escape(delimiter), re.escape(mark)
    before, after = rf"(?:\A|(?<=[\r\n])|(?<={sign}))", rf"(?={sign}|[\r\n]|\Z)"
    return re.findall(rf"{before}{quote}((?:[^{quote}\\]|{quote}{quote}|\\.)*){quote}{after}", sample)


def escapes(sample: str, delimiter: str, quote: str | None) -> list[str | None]:
    """The escapes that a text may have besides the doubled quote, which None stands for."""
    if quote is None or quote not in sample:
        return [None]
    found: list[str | None] = [None]
    if "\\" + quote in sample:
        found.append("\\")
    sign, mark = re.escape(delimiter), re.escape(quote)
    inner = re.findall(rf"([^\r\n{mark}]){mark}(?!{sign}|{mark}|[\r\n]|\Z)", sample)
    before = Counter(letter for letter in inner if letter != delimiter[-1])
    for letter, count in before.most_common(1):
        usual = letter.isalnum() or letter.isspace() or letter in "\\([{,;:.-='"
        if not usual and count >= 3 and count >= 0.9 * before.total():
            found.append(letter)
    return found
