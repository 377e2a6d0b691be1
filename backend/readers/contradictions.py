"""What the caller tells about a file and the file itself refutes."""

from __future__ import annotations

from backend.errors import Invalid
from backend.readers.recognise import OPEN_XML, Format
from backend.schemas.imports import ImportOptions

_OF_TEXT = ("encoding", "delimiter", "quote", "escape", "comment")
_OF_WORKBOOKS = ("sheet", "fill_merged")


def refuse_contradictions(found: Format, told: str | None, options: ImportOptions) -> None:
    """Raises Invalid for options that mean nothing in a file of the format `found`, and where `told`, the format that
    the caller named, is another one."""
    is_text = found == "text"
    what = "delimited text" if is_text else found.upper()
    if told is not None and told not in _names(found):
        wanted = "format=csv" if is_text else f"format={found}"
        raise Invalid(f"format={told} is told, but the content is {what}: send {wanted}, or leave `format` out.")
    for name in _OF_WORKBOOKS if is_text else _OF_TEXT:
        value = getattr(options, name)
        if value is not None and value is not False:
            of = "workbooks" if is_text else "delimited text"
            raise Invalid(f"The option `{name}` is for {of}, but the content is {what}: leave it out.")


def _names(found: Format) -> tuple[str, ...]:
    if found == "text":
        return "csv", "tsv"
    return OPEN_XML if found in OPEN_XML else (found,)
