"""Evidence for people: what a column holds and why it is of no stricter type."""

from backend.inference.batch import Kind
from backend.inference.column import KIND_TYPES, NUMERIC, Cell, ColumnState
from backend.inference.lattice import accepts
from backend.inference.reasons import general, reason
from backend.schemas.columns import ColumnType
from backend.schemas.imports import Evidence, ReadWarning, Refusal

_SHOWN_CHARACTERS = 200
STRICTER: dict[ColumnType, tuple[ColumnType, ...]] = {
    "text": ("integer", "number", "boolean", "date", "datetime", "time"),
    "number": ("integer",),
}
"""The types that a column of the first could have had instead; other types exclude each other."""


def evidence(column: ColumnState, rows: int) -> Evidence:
    """What was seen of a column in `rows` records."""
    plan = column.plan()
    told_days = plan.type == "date" and plan.reading is not None
    known = column.day_range if told_days else column.text_range
    offered = None
    if plan.type == "text" and not column.forced:
        offered = column.hints.suggestion(+column.counts, column.shapes, comma=column.comma)
    low, high = (column.number_range if plan.type in NUMERIC else None) or known or (None, None)
    return Evidence(
        type=plan.type,
        counts={"date": column.values} if told_days else dict(+column.counts),
        nulls=rows - column.values,
        distinct=min(column.distinct.count(), column.values),
        min=_cut(low),
        max=_cut(high),
        longest=column.longest,
        refused={} if column.forced else _refused(column, plan.type),
        suggestion=offered[0] if offered else None,
        patch=offered[1] if offered else None,
    )


def _refused(column: ColumnState, chosen: ColumnType) -> dict[str, Refusal]:
    refused: dict[str, Refusal] = {}
    for wanted in STRICTER.get(chosen, tuple(column.broke)):
        cells = column.broke.get(wanted) or [cell for cell in column.first if not accepts(wanted, cell.value)]
        if shown := [_shown(wanted, cell, column) for cell in cells or column.first[:1]]:
            special = column.counts[wanted] or any(cell.message not in _plain(wanted) for cell in shown)
            doubtful = wanted == "date" and column.hints.ambiguous(+column.counts)
            why = f"{shown[0].message}; day and month cannot be told apart" if doubtful else shown[0].message
            refused[wanted] = Refusal(why, tuple(shown if special else shown[:1]))
    return refused


def _plain(wanted: ColumnType) -> set[str]:
    """Reasons of which one example is enough."""
    return {general(wanted), *(f"{kind.name.lower()} cell" for kind in Kind)}


def _shown(wanted: ColumnType, cell: Cell, column: ColumnState) -> ReadWarning:
    kind = column.kind
    if kind is not None and wanted not in KIND_TYPES.get(kind, ()):
        message = f"{Kind(kind).name.lower()} cell"
    elif kind is not None and column.mixed:
        message = "cell of another kind"
    else:
        message = reason(wanted, cell.value, column.formats.get(wanted)) or general(wanted)
    return ReadWarning(message, row=cell.row, value=_cut(cell.value))


def _cut(value: str | None) -> str | None:
    long = value is not None and len(value) > _SHOWN_CHARACTERS
    return f"{value[:_SHOWN_CHARACTERS]}…" if value is not None and long else value
