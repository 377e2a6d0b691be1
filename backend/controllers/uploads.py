"""`POST /datasets`: a file as a form or as the raw body, or JSON for an empty dataset."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from typing import Any, Literal
from urllib.parse import unquote
from uuid import UUID

import msgspec
from litestar.exceptions import InternalServerException

from backend.controllers.bodies import decoded
from backend.controllers.multipart import FormReceiver
from backend.controllers.parameters import CallerRequest, converted, parameters_of
from backend.errors import BadRequest, IncompleteBody
from backend.query.text import items, nearest, shown
from backend.schemas.import_status import UploadedDataset, UploadedFile
from backend.schemas.imports import ImportOptions, ImportRequest
from backend.services.imports import ImportService
from backend.services.uploads import Upload

PARAMETERS = ("name", "workspace", "dry_run")
INTO_MODES = ("append", "replace", "upsert", "sync")
INTO_PARAMETERS = ("workspace", "mode", "key", "dry_run")
MEDIA_TYPE_BY_FORMAT = {
    "csv": "text/csv",
    "tsv": "text/tab-separated-values",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "xlsm": "application/vnd.ms-excel.sheet.macroEnabled.12",
    "xlsb": "application/vnd.ms-excel.sheet.binary.macroEnabled.12",
    "xls": "application/vnd.ms-excel",
    "ods": "application/vnd.oasis.opendocument.spreadsheet",
    "json": "application/json",
    "ndjson": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
    "gzip": "application/gzip",
    "zip": "application/zip",
}


async def receive_form(
    request: CallerRequest, imports: ImportService, upload: Upload, *, into: str | None = None
) -> ImportRequest:
    """A form: `file`, and as optional fields what the query string may hold too, `options` as JSON.

    `into`: the dataset that is there already, by id or slug.
    """
    known = (*(PARAMETERS if into is None else INTO_PARAMETERS), "options")
    params = parameters_of(request, known)
    options = parse_options(params["options"]) if "options" in params else ImportOptions()

    async def check(name: str) -> None:
        nonlocal options
        if name == "options":
            options = parse_options(params[name])
        elif "name" in params:
            await imports.check_free(request.user, params["name"], params.get("workspace"))

    if "name" in params:
        await imports.check_free(request.user, params["name"], params.get("workspace"))
    boundary = request.content_type[1].get("boundary", "")
    await FormReceiver(upload, params, known, check).receive(body_chunks(request), boundary)
    params.pop("options", None)
    return _import_request(_into(request, params, into), options)


async def receive_raw(
    request: CallerRequest, imports: ImportService, upload: Upload, *, into: str | None = None
) -> ImportRequest:
    """The file itself as body; everything else in the query string."""
    known = PARAMETERS if into is None else INTO_PARAMETERS
    params = parameters_of(request, (*known, "format", *ImportOptions.__struct_fields__))
    upload.format = _format(params.pop("format", None))
    upload.media_type = MEDIA_TYPE_BY_FORMAT[upload.format] if upload.format else request.content_type[0] or None
    upload.charset = request.content_type[1].get("charset") or None
    upload.filename = _filename(request)
    own = {name: params.pop(name) for name in known if name in params}
    wanted = _import_request(_into(request, own, into), options_from_strings(params))
    if wanted.name is not None:
        await imports.check_free(request.user, wanted.name, wanted.workspace)
    await upload.receive(body_chunks(request), request.content_length)
    return wanted


def _into(request: CallerRequest, params: Mapping[str, Any], dataset: str | None) -> Mapping[str, Any]:
    """What is asked of an import into a dataset that is there: its key as a list, and the version it was read at."""
    if dataset is None:
        return params
    mode, key = params.get("mode", "append"), params.get("key")
    if mode not in INTO_MODES:
        raise BadRequest(f"There is no mode {shown(mode)}; {nearest(mode, INTO_MODES)}.")
    asked = {"mode": mode, "key": items(key) if key else [], "dataset": dataset}
    return {**params, **asked, "if_match": request.headers.get("if-match")}


async def of_kept_into(request: CallerRequest, body: bytes, dataset: str) -> tuple[UUID, ImportRequest]:
    """A file that is kept, into a dataset that is there: which, and what is asked."""
    params = parameters_of(request, INTO_PARAMETERS)
    wanted = decoded(body, UploadedFile)
    asked = _import_request(
        _into(request, {"mode": wanted.mode, "dry_run": wanted.dry_run, **params}, dataset), wanted.options
    )
    if "key" not in params:
        key = (wanted.key,) if isinstance(wanted.key, str) else wanted.key
        asked = msgspec.structs.replace(asked, key=key)
    return wanted.upload, asked


def _import_request(params: Mapping[str, Any], options: ImportOptions) -> ImportRequest:
    return converted({**params, "options": options}, ImportRequest, "A parameter")


def parse_options(text: str) -> ImportOptions:
    """Import options from JSON. Raises BadRequest."""
    try:
        return msgspec.json.decode(text, type=ImportOptions)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise BadRequest(f"`options` cannot be used: {error}.") from error


def options_from_strings(params: Mapping[str, str]) -> ImportOptions:
    """Import options from query parameters: lists by comma or as JSON, `types` as `column:type,…` or JSON."""
    values: dict[str, Any] = dict(params)
    if "null_values" in values:
        values["null_values"] = _listed(values["null_values"])
    if "types" in values:
        values["types"] = _types(values["types"])
    if values.get("sheet", "").isdecimal():
        values["sheet"] = int(values["sheet"])
    return converted(values, ImportOptions, "An import option")


def _types(text: str) -> Any:
    if text.startswith("{"):
        return _json(text)
    pairs = [item.rpartition(":") for item in text.split(",")]
    if any(not name for name, _, _ in pairs):
        raise BadRequest(f"`types` is written as column:type,… or as a JSON object, not {shown(text)}.")
    return {name: kind for name, _, kind in pairs}


def _listed(text: str) -> list[str]:
    if text.startswith("["):
        listed = _json(text)
        return listed if isinstance(listed, list) else [text]
    return text.split(",")


def _json(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise BadRequest(f"{text[:60]!r} is not valid JSON: {error}.") from error


def _format(name: str | None) -> str | None:
    if name is not None and name.lower() not in MEDIA_TYPE_BY_FORMAT:
        raise BadRequest(f"There is no format {shown(name)}; {nearest(name, list(MEDIA_TYPE_BY_FORMAT))}.")
    return name and name.lower()


def _filename(request: CallerRequest) -> str | None:
    """From `Content-Disposition` (RFC 6266), for those who send one."""
    header = request.headers.get("content-disposition", "")
    if extended := re.search(r"filename\*=UTF-8''([^;]+)", header, re.IGNORECASE):
        return unquote(extended[1])
    plain = re.search(r'filename="([^"]*)"|filename=([^;\s]+)', header, re.IGNORECASE)
    return (plain[1] or plain[2]) if plain else None


async def body_chunks(request: CallerRequest) -> AsyncIterator[bytes]:
    """The body's chunks. Raises IncompleteBody when the sender stops half-way."""
    received = 0
    try:
        async for chunk in request.stream():
            if chunk:
                received += len(chunk)
                yield chunk
    except InternalServerException as error:
        raise IncompleteBody from error
    announced = request.content_length
    if announced is not None and received != announced:
        raise IncompleteBody(f"{announced:,} bytes were announced, {received:,} came; nothing was stored.")


def names_upload(body: bytes) -> bool:
    """Whether a JSON body is about a file that is kept."""
    return b'"upload"' in body and "upload" in decoded(body, dict[str, msgspec.Raw])


async def of_kept(request: CallerRequest, imports: ImportService, body: bytes) -> tuple[UUID, ImportRequest]:
    """A new dataset of a file that is kept: which, and what is asked."""
    params = parameters_of(request, ("workspace", "dry_run"))
    wanted = decoded(body, UploadedDataset)
    if "workspace" in params and wanted.workspace is not None:
        raise BadRequest("`workspace` is given twice.")
    given = {"workspace": wanted.workspace, "dry_run": wanted.dry_run, **params}
    asked = _import_request({name: value for name, value in given.items() if value is not None}, wanted.options)
    asked = msgspec.structs.replace(asked, name=wanted.name)
    if asked.name is not None:
        await imports.check_free(request.user, asked.name, asked.workspace)
    return wanted.upload, asked


Kind = Literal["form", "json", "raw"]


def kind_of_body(request: CallerRequest) -> Kind:
    """`application/json` without a `format` means an empty dataset; everything else that is no form is a file."""
    media_type = request.content_type[0]
    if media_type == "multipart/form-data":
        return "form"
    return "json" if media_type == "application/json" and "format" not in request.query_params else "raw"
