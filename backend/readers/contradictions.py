"""What the caller tells about a file and the file itself refutes."""

from __future__ import annotations

from backend.errors import Invalid
from backend.readers.recognise import OPEN_XML, Format, shown
from backend.schemas.imports import ImportOptions

_OF_TEXT = ("delimiter", "quote", "escape", "comment")
_OF_ROWS = ("header", "skip_rows", "skip_footer")
_OF_WORKBOOKS = ("sheet", "fill_merged")
_RECORDS = ("json", "ndjson", "parquet")
_UNTOLD = ImportOptions()


def refuse_contradictions(found: Format, told: str | None, options: ImportOptions) -> None:
    """Raises Invalid for options that mean nothing in a file of the format `found`, and where `told`, the format that
    the caller named, is another one."""
    if told is not None and told not in _names(found):
        wanted = "csv" if found == "text" else found
        what = shown(found)
        raise Invalid(f"format={told} is told, but the content is {what}: send format={wanted}, or leave `format` out.")
    for names, of in _foreign(found):
        for name in names:
            if getattr(options, name) != getattr(_UNTOLD, name):
                raise Invalid(f"The option `{name}` is for {of}, but the content is {shown(found)}: leave it out.")


def _foreign(found: Format) -> list[tuple[tuple[str, ...], str]]:
    """Options that the format does not know, and what they are for."""
    foreign: list[tuple[tuple[str, ...], str]] = []
    if found != "text":
        foreign.append((_OF_TEXT, "delimited text"))
    if found not in ("text", "json", "ndjson"):
        foreign.append((("encoding",), "text"))
    if found in ("text", *_RECORDS):
        foreign.append((_OF_WORKBOOKS, "workbooks"))
    if found in _RECORDS:
        foreign.append((_OF_ROWS, "delimited text and workbooks"))
    return foreign


def _names(found: Format) -> tuple[str, ...]:
    if found == "text":
        return "csv", "tsv"
    if found in ("json", "ndjson"):
        return ("json", "ndjson") if found == "ndjson" else ("json",)
    return OPEN_XML if found in OPEN_XML else (found,)
