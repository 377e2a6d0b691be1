"""Parquet files of one row group or few, joined into one file while they are made.

What is joined is what polars writes, byte for byte; of its metadata the places in the file change. Page indexes are
left out: they are optional, and would have to stand behind all row groups.
"""

from collections.abc import Collection
from struct import pack, unpack

from backend.writers.parquet.thrift import Fields, decode, encode, encode_structs

MAGIC = b"PAR1"
_SCHEMA, _ROWS, _GROUPS = 2, 3, 4
_COLUMNS, _GROUP_OFFSET, _ORDINAL = 1, 5, 7
_CHUNK_OFFSET, _METADATA = 2, 3
_OFFSET_INDEX, _COLUMN_INDEX = 4, 6
_INDEXES = (4, 5, 6, 7)
_PAGE_OFFSETS = (9, 10, 11, 14)
_NAME, _CONVERTED, _LOGICAL = 4, 6, 10
_I32, _I64, _LIST, _STRUCT = 5, 6, 9, 12
_JSON, _LOGICAL_JSON = 19, 12


class Footer:
    """What the end of the file says. `json`: names of the columns of texts that are JSON."""

    def __init__(self, json: Collection[str]) -> None:
        self._json = {name.encode() for name in json}
        self._metadata: Fields = {}
        self._groups: list[bytes] = []
        self._rows = 0
        self._written = len(MAGIC)

    def add(self, file: bytes) -> bytes:
        """The row groups of a file, to stand behind those of the files before."""
        metadata, size = _metadata(file)
        groups: list[Fields] = metadata[_GROUPS][1][1]
        end = len(file) - 8 - size
        shift = self._written - len(MAGIC)
        for group in groups:
            end = min(end, _moved(group, shift))
            self._groups.append(encode(group))
        self._rows += metadata[_ROWS][1]
        self._metadata = self._metadata or metadata
        self._written += end - len(MAGIC)
        return file[len(MAGIC) : end]

    def finish(self) -> bytes:
        """The footer. At least one file must have been added, if one without rows."""
        fields = dict(self._metadata)
        for element in fields[_SCHEMA][1][1][1:]:
            if element[_NAME][1] in self._json:
                element[_CONVERTED] = _I32, _JSON
                element[_LOGICAL] = _STRUCT, {_LOGICAL_JSON: (_STRUCT, {})}
        fields[_ROWS] = _I64, self._rows
        before = encode({name: fields[name] for name in fields if name < _GROUPS})[:-1]
        groups = bytes([1 << 4 | _LIST]) + encode_structs(self._groups)
        behind = encode({name - _GROUPS: fields[name] for name in fields if name > _GROUPS})
        footer = before + groups + behind
        return footer + pack("<I", len(footer)) + MAGIC


def _metadata(file: bytes) -> tuple[Fields, int]:
    (size,) = unpack("<I", file[-8:-4])
    return decode(file[-8 - size : -8]), size


def _moved(group: Fields, shift: int) -> int:
    """Moves a row group by so many bytes and takes its indexes out. Answers where the first of them stood."""
    first = 2**63
    group.pop(_ORDINAL, None)
    _move(group, (_GROUP_OFFSET,), shift)
    for chunk in group[_COLUMNS][1][1]:
        _move(chunk, (_CHUNK_OFFSET,), shift)
        _move(chunk[_METADATA][1], _PAGE_OFFSETS, shift)
        first = min([first, *(chunk[name][1] for name in (_OFFSET_INDEX, _COLUMN_INDEX) if name in chunk)])
        for name in _INDEXES:
            chunk.pop(name, None)
    return first


def _move(fields: Fields, names: Collection[int], shift: int) -> None:
    for name in names:
        if name in fields:
            kind, value = fields[name]
            fields[name] = kind, value + shift
