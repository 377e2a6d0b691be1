"""Files that were sound and have been damaged, each the same whenever the same number is asked for."""

from __future__ import annotations

import gzip
import io
import random
import re
import warnings
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import PurePath

from msgspec import Struct

from support.samples import Sample

LARGEST = 4 * 2**20
"""Bytes beyond which a damaged file is cut, so that a run is many files and not a few large ones."""
_NUMBERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**63 - 1, 2**64 - 1)
_TEXTS = (
    *('"', '""', '"\n', "'", ",", ";", "\t", "|", "\\", "\r", "\n", "\r\n", "\0", "\x1a", "\x85", "\u2028", "\ufeff"),
    *("1e400", "-1e400", "NaN", "Infinity", "-0", "1_000", "9" * 5000, "0." + "0" * 5000 + "1", "1e-99999", "0x1F"),
    *(
        "9999-12-31",
        "0000-00-00",
        "2025-02-30",
        "24:00:00",
        "12:60",
        "true",
        "null",
        "NULL",
        "__proto__",
        "constructor",
    ),
    *("[" * 3000, "{" * 50, '{"a":' * 2000, "]" * 50, '"\\ud800"', '"\\u0000"', "{}", "[]", '{"a":1,"a":2}', "=1+1"),
    *("x" * 70_000, "," * 20_000, "\n" * 20_000, "${7*7}", "'; DROP TABLE users; --", "%s%n", "../../etc/passwd"),
)
_BYTES = (
    *(b"\xc0\xaf", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80", b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf", b"\xff" * 8),
    *(b"\x1f\x8b\x08", b"PK\x03\x04", b"PK\x05\x06", b"PAR1", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"\x00" * 512),
)
_MARKUP = (
    *('<!DOCTYPE a [<!ENTITY x "y">]>', "&x;", "&#0;", "&#xD800;", "<![CDATA[", "]]>", "<!--", "<a>" * 300, "</row>"),
    *("<row>", '<row r="0">', '<row r="99999999999">', '<c r="XFD1048576"/>', '<c r="ZZZZ1" t="s"><v>99999999</v></c>'),
    *('<c t="d"><v>-1</v></c>', "<v>1e999</v>", "<v>-1</v>", '<mergeCell ref="A1:XFD1048576"/>', "<si/>", "</si>"),
    *('<table:table-row table:number-rows-repeated="2147483647"/>', '<dimension ref="A1:A0"/>', "<x:y xmlns:x=''/>"),
)


class Mutant(Struct, frozen=True):
    """`how` it was made: the sample, and what was done to it."""

    name: str
    content: bytes
    how: tuple[str, ...]

    @property
    def form(self) -> str:
        """The ending of the name, by which results are counted."""
        return PurePath(self.name).suffix.lstrip(".") or "none"


Change = Callable[[random.Random, bytes, Sequence[Sample]], bytes]


def mutant(number: int, samples: Sequence[Sample]) -> Mutant:
    """The damaged file of this number; each form of sample is as likely as another."""
    chance = random.Random(number)
    form = chance.choice(sorted({each.form for each in samples}))
    sample = chance.choice([each for each in samples if each.form == form])
    content, how = sample.content, [sample.title]
    for _ in range(chance.choice((1, 1, 2, 3, 6))):
        change = chance.choice(_CHANGES.get(form, _OF_TEXT))
        content = change(chance, content, samples)[:LARGEST]
        how.append(change.__name__)
    name = sample.name if chance.random() < 0.9 else chance.choice(samples).name
    return Mutant(name, content, tuple(how))


def flipped(chance: random.Random, content: bytes, _: Sequence[Sample]) -> bytes:
    """Some bytes are others."""
    found = bytearray(content)
    for _ in range(chance.choice((1, 1, 4, 64)) if found else 0):
        found[chance.randrange(len(found))] = chance.randrange(256)
    return bytes(found)


def cut(chance: random.Random, content: bytes, _: Sequence[Sample]) -> bytes:
    """The end, the beginning, or a piece in between is missing."""
    a, b = sorted((_place(chance, content), _place(chance, content)))
    return chance.choice((content[:a], content[b:], content[:a] + content[b:]))


def spliced(chance: random.Random, content: bytes, samples: Sequence[Sample]) -> bytes:
    """A piece of another file lies within."""
    other = chance.choice(samples).content
    a, b = sorted((_place(chance, other), _place(chance, other)))
    at = _place(chance, content)
    return content[:at] + other[a : min(b, a + 100_000)] + content[at:]


def doubled(chance: random.Random, content: bytes, _: Sequence[Sample]) -> bytes:
    """A piece stands there again, once or often."""
    a, b = sorted((_place(chance, content), _place(chance, content)))
    piece = content[a : min(b, a + 2000)]
    return content[:a] + piece * chance.choice((2, 3, 100)) + content[a:]


def forged(chance: random.Random, content: bytes, _: Sequence[Sample]) -> bytes:
    """A number of one to eight bytes is a strange one: a length, an offset, a count."""
    at, size = _place(chance, content), chance.choice((1, 2, 4, 8))
    number = chance.choice(_NUMBERS) & (256**size - 1)
    return content[:at] + number.to_bytes(size, chance.choice(("little", "big"))) + content[at + size :]


def inserted(chance: random.Random, content: bytes, _: Sequence[Sample]) -> bytes:
    """Text that readers stumble over stands somewhere."""
    at = _place(chance, content)
    token = chance.choice(_TEXTS).encode() if chance.random() < 0.8 else chance.choice(_BYTES)
    return content[:at] + token + content[at:]


def mixed(chance: random.Random, content: bytes, _: Sequence[Sample]) -> bytes:
    """A part of the text is in another encoding."""
    text = content.decode("utf-8", "replace")
    at = _place(chance, text)
    names = ("utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1", "cp1252", "utf-7", "cp037")
    first, second = (chance.choice(names) for _ in range(2))
    return text[:at].encode(first, "replace") + text[at:].encode(second, "replace")


def nested(chance: random.Random, content: bytes, _: Sequence[Sample]) -> bytes:
    """JSON lies within so many brackets, closed or not."""
    depth = chance.choice((100, 1000, 100_000))
    begin, end = chance.choice(((b"[", b"]"), (b'{"a":', b"}")))
    return begin * depth + content + end * chance.choice((depth, depth - 1, 0))


def renumbered(chance: random.Random, content: bytes, _: Sequence[Sample]) -> bytes:
    """A number in text is another one."""
    found = list(re.finditer(rb"\d+", content))
    if not found:
        return content
    one = chance.choice(found)
    number = chance.choice((b"0", b"-1", b"1e400", b"99999999999999999999", b"4294967296", b"", b"9" * 100_000))
    return content[: one.start()] + number + content[one.end() :]


def marked_up(chance: random.Random, content: bytes, _: Sequence[Sample]) -> bytes:
    """A tag is taken out or doubled, or markup that means harm is put before or into one."""
    tags = list(re.finditer(rb"<[^<>]{0,500}>", content[: 2**20]))
    if not tags:
        return content
    one = chance.choice(tags)
    harm = chance.choice(_MARKUP).encode()
    new = chance.choice((b"", one[0] * 2, harm + one[0], one[0] + harm, one[0].replace(b'"', b"'", 1)))
    return content[: one.start()] + new + content[one.end() :]


def members_moved(chance: random.Random, content: bytes, samples: Sequence[Sample]) -> bytes:
    """Members of a ZIP are swapped, dropped, doubled, renamed, or come from another one."""
    parts, others = _members(content), _members(chance.choice(samples).content)
    if len(parts) < 2:
        return flipped(chance, content, samples)
    a, b = chance.sample(range(len(parts)), 2)
    (name, data), (other, more) = parts[a], parts[b]
    match chance.randrange(6):
        case 0:
            parts[a], parts[b] = (name, more), (other, data)
        case 1:
            del parts[a]
        case 2:
            parts.append((name, more))
        case 3:
            parts[a] = (chance.choice(("../" * 5 + name, "/" + name, name.upper(), "\r\n", "a" * 3000, "\0")), data)
        case 4 if others:
            parts[a] = (name, chance.choice(others)[1])
        case _:
            parts += [(f"more/{number}", b"") for number in range(chance.choice((1, 3000)))]
    return _packed(chance, parts)


def member_changed(chance: random.Random, content: bytes, samples: Sequence[Sample]) -> bytes:
    """A member of a ZIP is damaged, and packed as if it were sound."""
    parts = _members(content)
    if not parts:
        return flipped(chance, content, samples)
    at = chance.randrange(len(parts))
    name, data = parts[at]
    within = (marked_up, renumbered, inserted) if data.lstrip()[:1] == b"<" else (inserted, forged, doubled)
    parts[at] = name, chance.choice((*within, *within, flipped, cut))(chance, data, samples)
    return _packed(chance, parts)


def member_forged(chance: random.Random, content: bytes, samples: Sequence[Sample]) -> bytes:
    """A field in one of a ZIP's own headers is a strange number."""
    heads = [one.start() for one in re.finditer(rb"PK(?:\x01\x02|\x03\x04|\x05\x06)", content)]
    if not heads:
        return forged(chance, content, samples)
    at = chance.choice(heads) + chance.randrange(4, 46)
    return content[:at] + forged(chance, content[at : at + 4], samples) + content[at + 4 :]


def repacked(chance: random.Random, content: bytes, samples: Sequence[Sample]) -> bytes:
    """What is in a gzip file is damaged, and packed as if it were sound, once or twice."""
    try:
        inner = zlib.decompressobj(31).decompress(content, LARGEST)
    except zlib.error:
        return flipped(chance, content, samples)
    inner = chance.choice(_OF_TEXT)(chance, inner, samples)
    once = gzip.compress(inner, 1)
    return chance.choice((once, once, once + once, gzip.compress(once, 1), once + b"\0" * 100, once + b"x"))


def footer_forged(chance: random.Random, content: bytes, samples: Sequence[Sample]) -> bytes:
    """The footer of a Parquet file is damaged, its length is wrong, or it is that of another file."""
    size = int.from_bytes(content[-8:-4], "little")
    if len(content) < 20 or size > len(content):
        return forged(chance, content, samples)
    body, footer, length = content[: -8 - size], content[-8 - size : -8], content[-8:-4]
    match chance.randrange(4):
        case 0:
            length = forged(chance, length, samples)[:4]
        case 1:
            other = chance.choice([each for each in samples if each.form == "parquet"]).content
            return content[: -8 - size] + other[-8 - int.from_bytes(other[-8:-4], "little") :]
        case _:
            footer = chance.choice((flipped, forged, doubled))(chance, footer, samples)
            length = len(footer).to_bytes(4, "little")
    return body + footer + length + content[-4:]


def _place(chance: random.Random, content: Sequence[object]) -> int:
    """Anywhere, but often where headers and directories are: at the beginning or the end."""
    size = len(content)
    return chance.choice(
        (chance.randint(0, size), min(size, chance.randint(0, 64)), max(0, size - chance.randint(0, 64)))
    )


def _members(content: bytes) -> list[tuple[str, bytes]]:
    """Names and contents; none of what cannot be read."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return [(each.filename, archive.open(each).read(LARGEST)) for each in archive.infolist()[:500]]
    except Exception:  # of all kinds, for a damaged file
        return []


def _packed(chance: random.Random, parts: Sequence[tuple[str, bytes]]) -> bytes:
    made = io.BytesIO()
    method = chance.choice((zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED))
    with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(made, "w", method) as archive:
        for name, data in parts:
            entry = zipfile.ZipInfo(name.encode("utf-8", "replace").decode())
            entry.compress_type = method
            archive.writestr(entry, data)
    return made.getvalue()


_OF_BYTES: tuple[Change, ...] = (flipped, cut, spliced, doubled, forged)
_OF_TEXT: tuple[Change, ...] = (*_OF_BYTES, inserted, inserted, mixed, renumbered)
_OF_ZIP: tuple[Change, ...] = (*_OF_BYTES, members_moved, *[member_changed] * 6, member_forged, member_forged)
_CHANGES: dict[str, tuple[Change, ...]] = {
    **dict.fromkeys(("xlsx", "xlsm", "xlsb", "ods", "zip", "archive"), _OF_ZIP),
    **dict.fromkeys(("json", "ndjson"), (*_OF_TEXT, nested)),
    "gz": (*_OF_BYTES, repacked, repacked, repacked),
    "parquet": (*_OF_BYTES, footer_forged, footer_forged),
    "xls": _OF_BYTES,
}
