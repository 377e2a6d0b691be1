"""Changes of a dataset's columns as they go over the wire."""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from backend.schemas.columns import ColumnType
from backend.schemas.datasets import ColumnCreate, ColumnInfo, Description
from backend.schemas.problems import ErrorItem

Name = Annotated[str, Meta(min_length=1, max_length=1000)]


class ColumnChange(Struct, frozen=True, forbid_unknown_fields=True):
    """What becomes of the column `name`; absent leaves a member alone, a null description clears it.

    `null_values`, `date_format` and `decimal_comma` say how its values are read when they are brought to the type.
    """

    name: str
    type: ColumnType | UnsetType = UNSET
    rename_to: Name | UnsetType = UNSET
    drop: bool = False
    description: Description | UnsetType | None = UNSET
    nullable: bool | UnsetType = UNSET
    null_values: tuple[str, ...] = ()
    date_format: str | None = None
    decimal_comma: bool = False


class SchemaPatch(Struct, frozen=True, forbid_unknown_fields=True):
    """Columns that are not named stay. `order` holds names as they are afterwards; the others follow in their order."""

    columns: tuple[ColumnChange, ...] = ()
    add: tuple[ColumnCreate, ...] = ()
    order: tuple[str, ...] = ()


class SchemaChanged(Struct, frozen=True):
    """The columns after a change, or as they would be.

    `version` is the version that the change makes, the present one when it changes nothing; `changed` counts the
    records with another value. In a dry run `errors` holds the first cells that do not convert, and `errors_total`
    says how many they are.
    """

    version: int
    columns: tuple[ColumnInfo, ...]
    changed: int
    errors: tuple[ErrorItem, ...] = ()
    errors_total: int = 0
