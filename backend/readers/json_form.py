"""Whether text is JSON, by how it begins."""

from __future__ import annotations

import codecs
import re
from typing import Literal

from backend.readers.encoding import wide_encoding
from backend.readers.json_layout import is_object

_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_ARRAY = re.compile(rb"\s*\[\s*(?:[\[{\]\"0-9tfn-]|$)")
_OBJECTS = re.compile(rb"\s*\[\s*\{\s*(?:\"|\}|$)")
_OBJECT = re.compile(rb"\s*\{\s*(?:\"|\}|$)")
_MEMBER = re.compile(rb"\s*\{\s*(?:\"(?:[^\"\\\n]|\\.)*\"\s*:|\}\s*$)")


def json_form(head: bytes, claimed: str | None) -> Literal["json", "ndjson"] | None:
    """`ndjson` for objects one behind the other, `json` for one array or object, None for what is no JSON.

    `head` are the first bytes of the file, `claimed` what its name or media type say: where they say JSON, a bracket
    is enough; where they say delimited text, the first line must be a whole object or the start of an array of them.
    """
    text = _utf8(head)
    if claimed in ("json", "ndjson"):
        if _ARRAY.match(text):
            return "json"
        return _lines_or_object(text, claimed) if text.lstrip().startswith(b"{") else None
    if _OBJECTS.match(text) or text.strip() == b"[]":
        return "json"
    if not (_OBJECT.match(text) and _MEMBER.match(text)):
        return None
    first = text.strip().partition(b"\n")[0]
    if claimed == "text" and b"," in first and not is_object(first) and len(first) < len(text.strip()):
        return None
    return _lines_or_object(text, claimed)


def _lines_or_object(text: bytes, claimed: str | None) -> Literal["json", "ndjson"]:
    if claimed == "ndjson":
        return "ndjson"
    first, _, rest = text.strip().partition(b"\n")
    return "ndjson" if is_object(first) and rest.strip().startswith(b"{") else "json"


def _utf8(head: bytes) -> bytes:
    """The text behind a byte order mark, as UTF-8."""
    for mark, name in _MARKS:
        if head.startswith(mark):
            return head[len(mark) :].decode(name, errors="ignore").encode()
    wide = wide_encoding(head)
    return head.decode(wide, errors="ignore").encode(errors="ignore") if wide else head
