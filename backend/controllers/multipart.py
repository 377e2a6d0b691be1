"""A `multipart/form-data` body with one file (RFC 7578), read as it arrives."""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable, Collection

from multipart import MultipartError, MultipartSegment, PushMultipartParser

from backend.errors import BadRequest, IncompleteBody
from backend.services.uploads import Upload

_FIELD_LIMIT = 1_000_000

OnField = Callable[[str], Awaitable[None]]


class FormReceiver:
    """Streams the part named `file` into `upload`; adds the other fields to `params`.

    `on_field(name)` is called for each field as soon as it is complete, so that a wrong one is refused before the file
    that follows is read.
    """

    def __init__(self, upload: Upload, params: dict[str, str], known: Collection[str], on_field: OnField) -> None:
        self._upload = upload
        self._params = params
        self._known = known
        self._on_field = on_field
        self._segment: MultipartSegment | None = None
        self._value = bytearray()
        self._has_file = False

    async def receive(self, chunks: AsyncIterable[bytes], boundary: str) -> None:
        """Reads the whole body. Raises BadRequest, IncompleteBody, and what `on_field` and the upload raise."""
        try:
            with PushMultipartParser(boundary, max_segment_count=64) as parser:
                async for chunk in chunks:
                    for event in parser.parse(chunk):
                        await self._take(event)
        except MultipartError as error:
            if "incomplete" in str(error).lower() or "unexpected end" in str(error).lower():
                raise IncompleteBody from error
            if isinstance(error.__context__, UnicodeDecodeError):
                raise BadRequest("A part's header, such as the file's name, is not UTF-8.") from error
            raise BadRequest(f"The multipart body cannot be read: {error}.") from error
        if not self._has_file:
            raise BadRequest("The form has no part named `file`.")
        await self._upload.finish()

    async def _take(self, event: MultipartSegment | bytearray | None) -> None:
        if isinstance(event, MultipartSegment):
            self._begin(event)
        elif event is not None and self._is_file:
            await self._upload.write(event)
        elif event is not None:
            self._value += event
            if len(self._value) > _FIELD_LIMIT:
                raise BadRequest(f"A form field is longer than {_FIELD_LIMIT:,} bytes.")
        else:
            await self._end()

    @property
    def _is_file(self) -> bool:
        return self._segment is not None and self._segment.name == "file"

    def _begin(self, segment: MultipartSegment) -> None:
        self._segment, self._value = segment, bytearray()
        if self._is_file:
            if self._has_file:
                raise BadRequest("The form has more than one part named `file`; send one file a request.")
            self._has_file = True
            self._upload.filename, self._upload.media_type = segment.filename, segment.content_type
            self._upload.charset = segment.charset
        elif segment.name not in self._known:
            raise BadRequest(f"The form has an unknown part {segment.name!r}; known: file, {', '.join(self._known)}.")

    async def _end(self) -> None:
        if self._segment is None or self._is_file:
            return
        try:
            value = self._value.decode()
        except UnicodeDecodeError as error:
            raise BadRequest(f"The form field {self._segment.name!r} is not UTF-8.") from error
        name = self._segment.name or ""
        if name in self._params:
            raise BadRequest(f"`{name}` is given twice.")
        self._params[name] = value
        await self._on_field(name)
