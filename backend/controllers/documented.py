"""What the OpenAPI document cannot learn from a handler's signature: its summary, what it reads and answers itself."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, cast

import msgspec
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import OpenAPI, OpenAPIMediaType, Operation, Parameter, RequestBody, Schema
from litestar.plugins import ReceiveRoutePlugin
from litestar.routes import BaseRoute, HTTPRoute

from backend.controllers.uploads import MEDIA_TYPE_BY_FORMAT
from backend.query.nodes import DEFAULT_LIMIT, MAX_LIMIT
from backend.schemas.exports import ExportOptions
from backend.schemas.imports import ImportOptions

JSON = "application/json"
Fields = Mapping[str, Any]
"""A JSON Schema."""

TEXT: Fields = {"type": "string"}
RECORD: Fields = {"type": "object", "description": "Column name → value."}
RECORDS: Fields = {"oneOf": [RECORD, {"type": "array", "items": RECORD, "maxItems": 10_000}]}
RECORD_LINES: Fields = {"type": "string", "description": "A JSON object a line."}
_ID: Fields = {"type": "integer", "minimum": 1}
_IF_VERSION: Fields = {"type": ["integer", "null"], "minimum": 1}
_CHANGE: Fields = {
    "type": "object",
    "properties": {"id": _ID, "set": RECORD, "if_version": _IF_VERSION},
    "required": ["id", "set"],
    "additionalProperties": False,
}
_REMOVAL: Fields = {
    "type": "object",
    "properties": {"id": _ID, "if_version": _IF_VERSION},
    "required": ["id"],
    "additionalProperties": False,
}
BATCH: Fields = {
    "type": "object",
    "properties": {
        "changes": {"type": "array", "items": _CHANGE},
        "deletes": {"type": "array", "items": {"oneOf": [_ID, _REMOVAL]}},
        "creates": {"type": "array", "items": RECORD},
    },
    "additionalProperties": False,
}
FILE: Fields = {"type": "string", "contentMediaType": "application/octet-stream"}


class Summaries(ReceiveRoutePlugin):
    """Makes the first line of a handler's docstring the summary of its call, and the rest its description."""

    def receive_route(self, route: BaseRoute) -> None:
        for handler in route.route_handlers if isinstance(route, HTTPRoute) else ():
            first, _, rest = (inspect.getdoc(handler.fn) or "").partition("\n")
            handler.summary = first.removesuffix(".") or None
            handler.description = handler.description or rest.strip() or None


class DocumentConfig(OpenAPIConfig):
    """Makes a document whose unions are `anyOf`: what fits two of their members at once fits them, too."""

    def to_openapi_schema(self) -> OpenAPI:
        made = super().to_openapi_schema()
        parts = {each.name: getattr(made, each.name) for each in fields(made)}
        return _Document(**parts)


class _Document(OpenAPI):
    def to_schema(self) -> dict[str, Any]:
        written: dict[str, Any] = _any_of(super().to_schema())
        return written


def _any_of(node: Any) -> Any:
    if isinstance(node, dict):
        return {"anyOf" if name == "oneOf" else name: _any_of(value) for name, value in node.items()}
    return [_any_of(value) for value in node] if isinstance(node, list) else node


def documented(
    *,
    parameters: Sequence[Parameter] = (),
    body: Mapping[str, Fields] | None = None,
    body_required: bool = True,
    answers: Mapping[str, Fields] | None = None,
    files: Sequence[str] | Mapping[str, Fields] = (),
) -> type[Operation]:
    """For a handler's `operation_class`: more parameters, a body and more forms of the 200 (media type → schema).

    `files`: the media types of a 200 that is a file and nothing else, and of a 206, which is a part of it; with a
    schema each where it is no plain file.
    """

    @dataclass
    class Documented(Operation):
        def __post_init__(self) -> None:
            self.parameters = [*(self.parameters or ()), *parameters]
            if body is not None:
                self.request_body = RequestBody(content=_content(body), required=body_required)
            success = (self.responses or {}).get("200")
            if answers is not None and success is not None:
                success.content = {**(success.content or {}), **_content(answers)}  # type: ignore[union-attr]
            for status in ("200", "206") if files else ():
                if (answer := (self.responses or {}).get(status)) is not None:
                    schemas = files if isinstance(files, Mapping) else dict.fromkeys(files, FILE)
                    answer.content = _content(schemas)  # type: ignore[union-attr]

    return Documented


def parameter(name: str, schema: Fields, description: str, *, where: str = "query", **more: Any) -> Parameter:
    return Parameter(name=name, param_in=where, schema=cast("Schema", schema), description=description, **more)


def schema_of(kind: type) -> dict[str, Any]:
    """The JSON Schema of a struct, what it refers to written out in place."""
    (reference,), known = msgspec.json.schema_components([kind])
    written: dict[str, Any] = _inlined(reference, known)
    return written


def _inlined(node: Any, known: Mapping[str, Any]) -> Any:
    if isinstance(node, dict):
        if "$ref" in node:
            return _inlined(known[node["$ref"].rpartition("/")[2]], known)
        return {name: _inlined(value, known) for name, value in node.items()}
    return [_inlined(value, known) for value in node] if isinstance(node, list) else node


def _content(schemas: Mapping[str, Fields]) -> dict[str, OpenAPIMediaType]:
    return {media_type: OpenAPIMediaType(schema=cast("Schema", schema)) for media_type, schema in schemas.items()}


def _options(kind: type, *, leave_out: Sequence[str] = ()) -> list[Parameter]:
    members = schema_of(kind)["properties"]
    return [
        parameter(name, {key: value for key, value in member.items() if key != "default"}, f"Option `{name}`.")
        for name, member in members.items()
        if name not in leave_out
    ]


IF_NONE_MATCH = parameter("If-None-Match", TEXT, "Entity tags: 304 when the answer has one of them.", where="header")
PREFER = parameter("Prefer", TEXT, "`return=minimal`: answer without the records themselves.", where="header")
WORKSPACE = parameter("workspace", TEXT, "The workspace that a slug is looked up in: its id or slug.")
FILTERS = (
    WORKSPACE,
    parameter(
        "filter",
        {"type": "object", "additionalProperties": TEXT},
        "`filter[column]=operator:value`; the short form `column=operator:value` means the same.",
        style="deepObject",
        explode=True,
    ),
    parameter("q", TEXT, "Words that a record must hold in any column."),
)
_MATCHING = (
    *FILTERS,
    parameter("version", TEXT, "The version to read: its number or tag."),
    parameter("as_of", {"type": "string", "format": "date-time"}, "The moment to read the dataset as of."),
)
_SELECTION = (
    *_MATCHING,
    parameter("sort", TEXT, "Columns, `-` for descending: `-amount,date`."),
    parameter("select", TEXT, "Columns to answer, in this order: `name,amount`."),
    parameter("offset", {"type": "integer", "minimum": 0}, "Records to skip."),
)
_COUNT = parameter("count", {"enum": ["exact", "bounded", "none"]}, "How to find `total`.")
_LIMIT = parameter("limit", {"type": "integer", "minimum": 1}, "Most records to answer.")

_EXPLAIN = parameter("explain", {"type": "boolean"}, "Answer how the database goes about it, and no records.")

PAGE = (
    *_SELECTION,
    _EXPLAIN,
    parameter(
        "limit",
        {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
        "Most records on the page.",
    ),
    parameter("cursor", TEXT, "`next` of the page before."),
    _COUNT,
    IF_NONE_MATCH,
)
STREAM = (*_SELECTION, _LIMIT, IF_NONE_MATCH)
COUNT = (
    *_MATCHING,
    parameter("count", {"enum": ["exact", "bounded"]}, "Whether to stop at 10,000."),
    _EXPLAIN,
    IF_NONE_MATCH,
)
_PREPARE = parameter("prepare", {"type": "boolean"}, "Answer 202, and make the file beside the requests.")
EXPORT = (*_SELECTION, _LIMIT, *_options(ExportOptions), _PREPARE, _EXPLAIN, IF_NONE_MATCH)
EXPORT_OPTIONS = tuple(_options(ExportOptions))
EXPORT_BY_BODY = (WORKSPACE, *_options(ExportOptions), _PREPARE, _EXPLAIN, IF_NONE_MATCH)
_FILE_OPTIONS = (
    parameter("format", {"enum": list(MEDIA_TYPE_BY_FORMAT)}, "Where the media type does not say."),
    *_options(ImportOptions, leave_out=["null_values", "types", "header"]),
    parameter("header", TEXT, "`true`, `false` or the header's row number."),
    parameter("null_values", TEXT, "Texts that mean null, separated by commas or as a JSON list."),
    parameter("types", TEXT, "`column:type,…` or a JSON object."),
    parameter("dry_run", {"type": "boolean"}, "Answer the plan, store nothing."),
)
UPLOAD = (WORKSPACE, parameter("name", TEXT, "The dataset's name; the file's without it."), *_FILE_OPTIONS)
UPLOAD_INTO = (
    WORKSPACE,
    parameter("mode", {"enum": ["append", "replace", "upsert", "sync"], "default": "append"}, "What the rows do."),
    parameter("key", TEXT, "For `upsert` and `sync`: the columns by which a row finds its record: `sku` or `a,b`."),
    parameter("If-Match", TEXT, "The dataset's ETag: 412 when it has changed since.", where="header"),
    *_FILE_OPTIONS,
)
FORM_INTO: Fields = {
    "type": "object",
    "properties": {"file": FILE, "mode": TEXT, "key": TEXT, "options": TEXT, "dry_run": TEXT},
    "required": ["file"],
}
FORM: Fields = {
    "type": "object",
    "properties": {"file": FILE, "name": TEXT, "workspace": TEXT, "options": TEXT},
    "required": ["file"],
}
QUERY: Fields = {
    "type": "object",
    "properties": {
        "columns": {"type": "array", "items": TEXT},
        "filters": {"type": ["object", "array", "null"]},
        "q": TEXT,
        "sort_by": TEXT,
        "sort_order": {"enum": ["asc", "desc"]},
        "sort": {"oneOf": [TEXT, {"type": "array", "items": TEXT}]},
        "limit": {"type": "integer", "minimum": 1},
        "offset": {"type": "integer", "minimum": 0},
        "cursor": TEXT,
        "count": {"enum": ["exact", "bounded", "none"]},
        "version": {"type": ["integer", "string"]},
        "as_of": {"type": "string", "format": "date-time"},
        "explain": {"type": "boolean"},
    },
}
