"""A ZIP file as a stream: nothing is sought back to, nothing is known beforehand."""

from struct import pack

from isal import isal_zlib
from msgspec import Struct

_LEVEL = 1
_RAW_DEFLATE = -15
_DEFLATED = 8
_SIZES_FOLLOW = 0x08
_UTF8_NAME = 0x800
_UNIX = 3 << 8
"""Where it was made: of a name that was not made there some programs think that it is in a code page of DOS."""
_FILE = 0o100644 << 16
_DATE = (0 << 9) | (1 << 5) | 1  # 1980-01-01, the first that ZIP knows
_MAX16, _MAX32 = 0xFFFF, 0xFFFFFFFF


class _Entry(Struct):
    name: bytes
    offset: int
    large: bool
    crc: int = 0
    packed: int = 0
    size: int = 0

    def is_large(self) -> bool:
        return self.packed >= _MAX32 or self.size >= _MAX32

    @property
    def flags(self) -> int:
        return _SIZES_FOLLOW if self.name.isascii() else _SIZES_FOLLOW | _UTF8_NAME


class Archive:
    """Entries one after the other; each call returns the bytes to send next.

    Sizes follow the data (flag bit 3). The fields of ZIP64 appear in the central directory only from 4 GB on, and in
    the header of an entry only where it is begun as a `large` one: spreadsheet programs refuse them there.
    """

    def __init__(self) -> None:
        self._entries: list[_Entry] = []
        self._sent = 0
        self._begin_deflate()

    def begin(self, name: str, *, large: bool = False) -> bytes:
        """Start the next entry; `large`: it may have 4 GB or more, and who reads it as it comes must know that."""
        entry = _Entry(name.encode(), self._sent, large)
        self._entries.append(entry)
        self._begin_deflate()
        version, sizes = (45, _MAX32) if large else (20, 0)
        extra = pack("<2H2Q", 1, 16, 0, 0) if large else b""
        told = (version, entry.flags, _DEFLATED, 0, _DATE, 0, sizes, sizes, len(entry.name), len(extra))
        return self._send(pack("<4s5H3I2H", b"PK\3\4", *told) + entry.name + extra)

    def add(self, data: bytes | memoryview) -> bytes:
        """More of the entry begun last."""
        entry = self._entries[-1]
        entry.crc = isal_zlib.crc32(data, entry.crc)
        entry.size += len(data)
        return self._pack(self._deflate.compress(data))

    def end(self) -> bytes:
        """Close the entry begun last."""
        entry = self._entries[-1]
        rest = self._pack(self._deflate.flush())
        sizes = "<4sI2Q" if entry.large or entry.is_large() else "<4s3I"
        return rest + self._send(pack(sizes, b"PK\7\x08", entry.crc, entry.packed, entry.size))

    def finish(self) -> bytes:
        """The central directory, after which nothing comes."""
        start = self._sent
        directory = b"".join(map(_directory_entry, self._entries))
        count, size = len(self._entries), len(directory)
        if start + size >= _MAX32 or count >= _MAX16:
            end64 = pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, start)
            directory += end64 + pack("<4sIQI", b"PK\6\7", 0, start + size, 1)
        count, size, start = min(count, _MAX16), min(size, _MAX32), min(start, _MAX32)
        return directory + pack("<4s4H2IH", b"PK\5\6", 0, 0, count, count, size, start, 0)

    def _begin_deflate(self) -> None:
        self._deflate = isal_zlib.compressobj(_LEVEL, isal_zlib.DEFLATED, _RAW_DEFLATE)

    def _pack(self, packed: bytes) -> bytes:
        self._entries[-1].packed += len(packed)
        return self._send(packed)

    def _send(self, data: bytes) -> bytes:
        self._sent += len(data)
        return data


def _directory_entry(entry: _Entry) -> bytes:
    large = entry.is_large() or entry.offset >= _MAX32
    extra = pack("<2H3Q", 1, 24, entry.size, entry.packed, entry.offset) if large else b""
    packed, size, offset = (_MAX32,) * 3 if large else (entry.packed, entry.size, entry.offset)
    version = 45 if large or entry.large else 20
    about = (_UNIX | version, version, entry.flags, _DEFLATED, 0, _DATE)
    sizes = (entry.crc, packed, size, len(entry.name), len(extra))
    fixed = pack("<4s6H3I2H3H2I", b"PK\1\2", *about, *sizes, 0, 0, 0, _FILE, offset)
    return fixed + entry.name + extra
