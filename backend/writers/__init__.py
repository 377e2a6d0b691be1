"""Export formats: each has its line in `WRITERS`, those that are nearly alike share a module."""

from msgspec import structs

from backend.errors import InvalidQuery
from backend.schemas.exports import ExportOptions
from backend.writers.base import Limits, Rows, Table, Writer
from backend.writers.csv import CSV, TSV
from backend.writers.json import JSON, NDJSON
from backend.writers.parquet import PARQUET
from backend.writers.xlsx import XLSX

WRITERS: dict[str, Writer] = {
    "csv": CSV,
    "tsv": TSV,
    "xlsx": XLSX,
    "json": JSON,
    "ndjson": NDJSON,
    "parquet": PARQUET,
}


def writer_for(options: ExportOptions) -> Writer:
    """The writer of the format asked for. Raises `InvalidQuery` for an unknown one, and an option it does not take."""
    writer = WRITERS.get(options.format)
    if writer is None:
        msg = f"Unknown export format {options.format!r}; known are {', '.join(WRITERS)}."
        raise InvalidQuery(msg)
    for field in structs.fields(ExportOptions):
        if field.name not in {"format", "ids", *writer.options} and getattr(options, field.name) != field.default:
            msg = f"{field.name} is no option of the format {options.format}."
            raise InvalidQuery(msg)
    return writer


__all__ = ["WRITERS", "Limits", "Rows", "Table", "Writer", "writer_for"]
