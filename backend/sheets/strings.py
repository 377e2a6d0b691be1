"""The table of shared strings of an OOXML workbook."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain

import polars as pl

from backend.sheets import texts, xml
from backend.sheets.package import Package

CHUNK = 8 << 20
_ROOT = re.compile(rb"<((?:[A-Za-z_][\w.-]*:)?)sst[\s>/]")
_PLAIN = r'^<{p}t(?: xml:space="preserve")?>([^<]*)</{p}t></{p}si>[ \r\n\t]*$'


class OddShape(Exception):
    """The XML is sound perhaps, but not of the plain shape that most programs write."""


class StringItem:
    """Collects the text of one `si` or `is` element: runs joined, phonetic text left out."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._inside = False
        self._phonetic = 0

    def start(self, name: str) -> None:
        if name == "rPh":
            self._phonetic += 1
        elif name == "t":
            self._inside = not self._phonetic

    def end(self, name: str) -> None:
        if name == "rPh":
            self._phonetic -= 1
        elif name == "t":
            self._inside = False

    def text(self, data: str) -> None:
        if self._inside:
            self._parts.append(data)

    def take(self) -> str:
        """The text so far; the next item starts empty."""
        joined = "".join(self._parts)
        self._parts.clear()
        return texts.escaped(joined) if "_x" in joined else joined


def shared_strings(package: Package, name: str) -> pl.Series:
    """All shared strings in order. Raises UnreadableFile."""
    try:
        parts = [*_fast(package.blocks(name))]
    except (OddShape, UnicodeDecodeError):
        parts = [pl.Series([*_exact(package.blocks(name), name)], dtype=pl.String)]
    return pl.concat([pl.Series([], dtype=pl.String), *parts]).rechunk()


def pieces(blocks: Iterable[bytes], end: bytes, size: int) -> Iterator[bytes]:
    """The bytes again in chunks of about `size`, each cut after the last `end` in it; what follows comes last."""
    rest = bytearray()
    wanted = size
    for block in blocks:
        rest += block
        if len(rest) < wanted:
            continue
        cut = rest.rfind(end)
        if cut >= 0:
            yield bytes(rest[: cut + len(end)])
            del rest[: cut + len(end)]
        wanted = len(rest) + size
    yield bytes(rest)


def _fast(blocks: Iterator[bytes]) -> Iterator[pl.Series]:
    head = next(blocks, b"")
    root = _ROOT.search(head)
    if root is None or b"<!" in head[: root.start()]:
        raise OddShape
    prefix = root[1].decode()
    after = head.index(b">", root.start()) + 1 if b">" in head[root.start() :] else len(head)
    if head[after - 2 : after] == b"/>":
        return
    for chunk in pieces(chain([head[after:]], blocks), f"</{prefix}si>".encode(), CHUNK):
        yield _chunk(chunk.decode(), prefix)


def _chunk(chunk: str, prefix: str) -> pl.Series:
    cut = pl.Series([chunk]).str.split(f"<{prefix}si>").explode()
    _check_between(cut[0], prefix)
    items = cut.slice(1)
    plain = items.str.extract(_PLAIN.format(p=re.escape(prefix)), 1)
    rich = plain.is_null()
    if not rich.any():
        return texts.decode(plain)
    found = texts.decode(plain.fill_null(""))
    return texts.changed(found, rich, [_rich(item, prefix) for item in items.filter(rich)])


def _rich(item: str, prefix: str) -> str:
    inner, closed, after = item.partition(f"</{prefix}si>")
    if not closed:
        raise OddShape
    _check_between(after, prefix)
    return next(_exact([f"<si>{inner}</si>".encode()], "shared strings"))


def _check_between(text: str, prefix: str) -> None:
    """Between items there is nothing, behind the last one the end of the table."""
    if (rest := text.strip()) and not rest.startswith(f"</{prefix}sst>"):
        raise OddShape


def _exact(blocks: Iterable[bytes], name: str) -> Iterator[str]:
    item = StringItem()
    done: list[str] = []

    def end(tag: str) -> None:
        if (plain := xml.local(tag)) == "si":
            done.append(item.take())
        else:
            item.end(plain)

    reader = xml.parser(lambda tag, _: item.start(xml.local(tag)), end, item.text)
    for _ in xml.feed(reader, blocks, name):
        yield from done
        done.clear()
