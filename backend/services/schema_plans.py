"""What a change of columns means: the columns afterwards and whose values must be converted, or a refusal."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from msgspec import UNSET, Struct, structs

from backend.errors import Invalid, InvalidSchema
from backend.inference.dates import strptime_pattern
from backend.inference.retype import TypeChange
from backend.query.text import nearest, shown
from backend.schemas.columns import Column, ColumnType
from backend.schemas.problems import ErrorItem
from backend.schemas.schema_changes import ColumnChange, SchemaPatch
from backend.services.column_keys import keys_for
from backend.services.columns import UNNAMEABLE, check_columns, is_column_name

_MOST_ERRORS = 100
_NUMERIC = ("integer", "number")
_DAYS = ("date", "datetime", "time")
_OPTIONS = ("null_values", "date_format", "decimal_comma")


class Retyped(Struct, frozen=True):
    """A column whose values are converted; `place`: where the change names it."""

    place: int
    told: TypeChange


class SchemaPlan(Struct, frozen=True):
    """`required`: keys of the columns that may hold no null from now on but could before, and where that is told.

    The formats of retyped columns are not known yet.
    """

    columns: tuple[Column, ...]
    retyped: tuple[Retyped, ...]
    required: dict[str, str]


def plan_changes(columns: Sequence[Column], patch: SchemaPatch, used_keys: Collection[str], most: int) -> SchemaPlan:
    """Raises InvalidSchema with a pointer to each thing that cannot be, LimitExceeded for more than `most` columns."""
    errors: list[ErrorItem] = []
    changes = _by_name(columns, patch.columns, errors)
    after, names = list[Column](), list[tuple[str, str]]()
    retyped, required = list[Retyped](), dict[str, str]()
    for column in columns:
        place, change = changes.get(column.name, (-1, ColumnChange(column.name)))
        if change.drop:
            continue
        changed = _changed(column, change)
        after.append(changed)
        names.append((f"/columns/{place}/rename_to" if change.rename_to is not UNSET else "", changed.name))
        if (retyping := _retyping(column, changed.type, change, f"/columns/{place}", errors)) is not None:
            retyped.append(Retyped(place, retyping))
        if not changed.nullable and (column.nullable or retyping is not None):
            required[column.key] = f"/columns/{place}" if change.nullable is UNSET else f"/columns/{place}/nullable"
    keys = keys_for([each.name.strip() for each in patch.add], (), used_keys)
    for at, (key, new) in enumerate(zip(keys, patch.add, strict=True)):
        after.append(Column(key, new.name.strip(), new.type, nullable=new.nullable, description=new.description))
        names.append((f"/add/{at}/name", after[-1].name))
        if not new.nullable:
            required[key] = f"/add/{at}/nullable"
    errors += _wrong_names(names)
    if columns and not after:
        errors.append(ErrorItem("A dataset keeps one column at least.", "/columns", code="NO_COLUMNS"))
    _check(errors, len(after), most)
    return SchemaPlan(_ordered(after, patch.order), tuple(retyped), required)


def _by_name(
    columns: Sequence[Column], changes: Sequence[ColumnChange], errors: list[ErrorItem]
) -> dict[str, tuple[int, ColumnChange]]:
    known = {column.name for column in columns}
    found: dict[str, tuple[int, ColumnChange]] = {}
    for place, change in enumerate(changes):
        where = f"/columns/{place}"
        if change.name not in known:
            text = f"There is no column {shown(change.name)}; {nearest(change.name, [each.name for each in columns])}."
            errors.append(ErrorItem(text, f"{where}/name", column=change.name, code="UNKNOWN_COLUMN"))
        elif change.name in found:
            text = f"{shown(change.name)} is named twice."
            errors.append(ErrorItem(text, f"{where}/name", column=change.name, code="NAMED_TWICE"))
        elif change.drop and structs.replace(change, drop=False) != ColumnChange(change.name):
            text = "A column that is dropped can have nothing else changed."
            errors.append(ErrorItem(text, f"{where}/drop", column=change.name, code="INVALID_VALUE"))
        if len(errors) >= _MOST_ERRORS:
            break
        found.setdefault(change.name, (place, change))
    return found


def _changed(column: Column, change: ColumnChange) -> Column:
    kind = column.type if change.type is UNSET else change.type
    return Column(
        column.key,
        column.name if change.rename_to is UNSET else change.rename_to.strip(),
        kind,
        column.format if kind == column.type else None,
        column.nullable if change.nullable is UNSET else change.nullable,
        column.description if change.description is UNSET else change.description,
    )


def _retyping(
    column: Column, kind: ColumnType, change: ColumnChange, pointer: str, errors: list[ErrorItem]
) -> TypeChange | None:
    """How the column's values are converted; None where they stay as they are."""
    wrong = _wrong_option(column, kind, change)
    if wrong is not None:
        option, why = wrong
        errors.append(ErrorItem(why, f"{pointer}/{option}", column=column.name, code="INVALID_VALUE"))
        return None
    if not change.null_values and (kind == column.type or _verbatim(column.type, kind)):
        return None
    stored_text = column.type in {"text", "json"}
    return TypeChange(
        column,
        kind,
        change.null_values,
        change.date_format if stored_text else None,
        change.decimal_comma and stored_text,
    )


def _verbatim(before: ColumnType, after: ColumnType) -> bool:
    """Whether every value of the one type stands in JSON as it would in the other."""
    return (
        (before, after) == ("integer", "number")
        or (before in _DAYS and after == "text")
        or (before != "text" and after == "json")
    )


def _wrong_option(column: Column, kind: ColumnType, change: ColumnChange) -> tuple[str, str] | None:
    if change.decimal_comma and kind not in _NUMERIC:
        return "decimal_comma", f"decimal_comma is for type integer or number, and the column's is {kind}."
    if change.date_format is not None:
        if kind != "date":
            return "date_format", f"date_format is for type date, and the column's is {kind}."
        try:
            strptime_pattern(change.date_format)
        except Invalid as error:
            return "date_format", str(error)
    if change.null_values and (column.type, kind) == ("json", "json"):
        return "null_values", "null_values is not for a column that stays json."
    return None


def _wrong_names(names: Sequence[tuple[str, str]]) -> list[ErrorItem]:
    """What is wrong with the columns' names afterwards: (pointer to where it is told, name)."""
    errors, taken = list[ErrorItem](), {name for pointer, name in names if not pointer}
    for pointer, name in names:
        if not pointer:
            continue
        if not is_column_name(name):
            errors.append(ErrorItem(UNNAMEABLE, pointer, column=name, code="INVALID_NAME"))
        elif name in taken:
            text = f"There would be two columns called {shown(name)}."
            errors.append(ErrorItem(text, pointer, column=name, code="NAME_TAKEN"))
        taken.add(name)
    return errors


def _check(errors: Sequence[ErrorItem], count: int, most: int) -> None:
    if errors:
        more = f" There are {len(errors) - 1} more errors." if len(errors) > 1 else ""
        raise InvalidSchema(f"{errors[0].message}{more} Nothing was changed.", errors=errors[:_MOST_ERRORS])
    check_columns(count, most, pointer="/add")


def _ordered(columns: Sequence[Column], order: Sequence[str]) -> tuple[Column, ...]:
    """The columns named first, as they are named, then the others. Raises InvalidSchema."""
    by_name = {column.name: column for column in columns}
    first, errors = dict[str, Column](), list[ErrorItem]()
    for place, name in enumerate(order):
        if name not in by_name:
            text = f"There would be no column {shown(name)}; {nearest(name, by_name)}."
            errors.append(ErrorItem(text, f"/order/{place}", column=name, code="UNKNOWN_COLUMN"))
        elif name in first:
            text = f"{shown(name)} is named twice."
            errors.append(ErrorItem(text, f"/order/{place}", column=name, code="NAMED_TWICE"))
        else:
            first[name] = by_name[name]
        if len(errors) == _MOST_ERRORS:
            break
    _check(errors, 0, 0)
    return (*first.values(), *(column for name, column in by_name.items() if name not in first))
