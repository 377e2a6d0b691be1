"""Suggestions: a lossy reading of a text column that is plain enough to offer, never taken unasked."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple, cast

import polars as pl

from backend.inference.dates import to_iso
from backend.inference.lattice import INTEGER, NUMBER, anchored
from backend.schemas.columns import ColumnType
from backend.schemas.imports import SuggestedChange

_MOST_WORDS = 8
_GLANCE = 50
_NULL_WORDS = frozenset({"na", "n/a", "#n/a", "n.a.", "nan", "null", "none", "nil", "-", "--", "?", "."})
_PAIRS = (("yes", "no"), ("y", "n"), ("t", "f"), ("on", "off"))
_DAY = "(?:0?[1-9]|[12][0-9]|3[01])"
_MONTH = "(?:0?[1-9]|1[0-2])"
_NAME = "(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
_YEAR = "[0-9]{4}"
_GROUPED = r"^\s*-?[1-9][0-9]{0,2},[0-9]{3}\s*$"
"""A comma that may stand for decimals or for thousands."""


class Form(NamedTuple):
    """A writing of values: what to call it, what it matches, what it is read as, beside which types it may stand.

    `doubtful`: what could be read otherwise too; not all values may be so.
    """

    words: str
    core: str
    type: ColumnType
    date_format: str | None = None
    comma: bool = False
    beside: frozenset[str] = frozenset()
    doubtful: str | None = None


def _dates() -> Iterator[Form]:
    beside = frozenset({"date"})
    for mark in "./-":
        for words, parts, days in (
            ("day first", (_DAY, _MONTH, _YEAR), "%d{0}%m{0}%Y"),
            ("month first", (_MONTH, _DAY, _YEAR), "%m{0}%d{0}%Y"),
            ("year first", (_YEAR, _MONTH, _DAY), "%Y{0}%m{0}%d"),
        ):
            yield Form(f"date, {words}", re.escape(mark).join(parts), "date", days.format(mark), beside=beside)
    for core, days in (
        (f"{_DAY} {_NAME} {_YEAR}", "%d %b %Y"),
        (f"{_DAY}-{_NAME}-{_YEAR}", "%d-%b-%Y"),
        (f"{_NAME} {_DAY}, {_YEAR}", "%b %d, %Y"),
    ):
        yield Form("date, month by name", core, "date", days, beside=beside)


_COMMA = NUMBER.replace(r"\.", ",")
_DATES = tuple(_dates())
_NUMERIC = frozenset({"integer", "number"})
_NUMBERS = (
    Form("integer, white space left out", rf"\s*(?:{INTEGER})\s*", "integer", beside=frozenset({"integer"})),
    Form("number, white space left out", rf"\s*(?:{NUMBER})\s*", "number", beside=_NUMERIC),
    Form(
        "number, decimal comma",
        rf"\s*(?:{_COMMA})\s*",
        "number",
        comma=True,
        beside=frozenset({"integer"}),
        doubtful=_GROUPED,
    ),
)
_FORMS = (*_DATES, *_NUMBERS)
_COMPILED = tuple(re.compile(form.core) for form in _FORMS)
_FEW = 1_000
"""So many different values are looked at one by one."""


class Hints:
    """Watches the values of a column that are of no type: words for null, a small vocabulary, one common writing."""

    __slots__ = ("_forms", "_nulls", "_others", "_proved", "_words")

    def __init__(self) -> None:
        self._words: set[str] | None = set()
        self._nulls: set[str] = set()
        self._others = False
        self._forms: Sequence[int] = range(len(_FORMS))
        self._proved: set[int] = set()

    @property
    def alive(self) -> bool:
        return self._words is not None or bool(self._forms)

    def meet(self, values: pl.Series) -> None:
        """Take in values of no type (nulls do not count). The first few settle most columns, without polars."""
        self._look([value for value in values.head(_GLANCE).to_list() if value is not None])
        if len(values) > _GLANCE and self.alive:
            different = values.drop_nulls().unique()
            if len(different) > _FEW:
                self._scan(different)
            else:
                self._look(different.to_list())

    def _look(self, values: Sequence[str]) -> None:
        words = {value for value in values if value.lower() not in _NULL_WORDS}
        self._nulls.update(value for value in values if value not in words)
        if not words:
            return
        self._others = True
        if self._words is not None:
            self._words = None if len(self._words | words) > _MOST_WORDS else self._words | words
        self._forms = [at for at in self._forms if all(map(_COMPILED[at].fullmatch, words))]
        self._prove(pl.Series("value", sorted(words)))

    def _scan(self, different: pl.Series) -> None:
        null = different.str.to_lowercase().is_in(sorted(_NULL_WORDS))
        self._nulls.update(different.filter(null).to_list())
        words = different.filter(~null)
        self._words, self._others = None, True
        self._forms = [at for at in self._forms if words.str.contains(anchored(_FORMS[at].core)).all()]
        self._prove(words)

    def _prove(self, words: pl.Series) -> None:
        """Of the writings that all values have so far: dates must be days that there are, and no doubt may be left."""
        for at in list(self._forms):
            form = _FORMS[at]
            if form.type == "date" and to_iso(words, str(form.date_format)).null_count():
                self._forms = [other for other in self._forms if other != at]
            elif form.doubtful is None or not words.str.contains(form.doubtful).all():
                self._proved.add(at)

    def ambiguous(self, counts: Mapping[str, int]) -> bool:
        """Whether the values are dates that could be read with the day or with the month first."""
        return self._others and not set(counts) - {"text", "date"} and len(self._alive(_DATES)) > 1

    def suggestion(
        self, counts: Mapping[str, int], shapes: Collection[str | None] = (), *, comma: bool = False
    ) -> tuple[str, SuggestedChange] | None:
        """What to offer for a text column of which so many values are of each type, in words and as a change.

        `shapes`: those of the datetimes or times among them; `comma`: numbers among them have a decimal comma.
        """
        typed = {"number" if name == "integer" and counts.get("number") else name for name in counts} - {"text"}
        found = self._writing(typed) if self._others else self._typed(typed, shapes)
        if found is None or (comma and found.comma):
            return None
        nulls = tuple(sorted(self._nulls))
        change = SuggestedChange(
            found.type, found.date_format, found.comma or (comma and found.type in _NUMERIC), nulls
        )
        return found.words + (f", null for {', '.join(nulls)}" if nulls else ""), change

    def _typed(self, typed: Collection[str], shapes: Collection[str | None]) -> Form | None:
        """Nothing but null words beside values of one type, or booleans in several casings."""
        if len(typed) != 1 or len(shapes) > 1 or not (self._nulls or typed == {"boolean"}):
            return None
        kind = cast("ColumnType", next(iter(typed)))
        return Form(kind if self._nulls else "boolean in any casing", "", kind)

    def _writing(self, typed: Collection[str]) -> Form | None:
        dates = self._alive(_DATES)
        if len(dates) == 1 and dates[0].beside.issuperset(typed):
            return dates[0]
        for form in self._alive(_NUMBERS):
            if form.beside.issuperset(typed):
                return form
        lower = {word.lower() for word in self._words or ()}
        pair = next((pair for pair in _PAIRS if not typed and lower == set(pair)), None)
        return Form(f"boolean from {'/'.join(pair)}", "", "boolean") if pair else None

    def _alive(self, forms: Collection[Form]) -> list[Form]:
        return [_FORMS[at] for at in self._forms if _FORMS[at] in forms and at in self._proved]
