"""XML without document types: small parts as trees, large ones as events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any
from xml.parsers import expat

from msgspec import Struct, field

from backend.errors import UnreadableFile, Unwelcome

LONGEST = 16 * 2**20
"""Bytes that may pass before the parser understands more."""
DEEPEST = 200
"""Elements within one another in a small part."""


class Node(Struct):
    """An element by its local name, its attributes by theirs."""

    name: str
    attributes: dict[str, str]
    children: list[Node] = field(default_factory=list)
    text: str = ""

    def all(self, name: str) -> Iterator[Node]:
        """Every element below this one that has this local name."""
        for child in self.children:
            if child.name == name:
                yield child
            yield from child.all(name)

    def first(self, name: str) -> Node | None:
        return next(self.all(name), None)


def local(name: str) -> str:
    return name.rpartition(":")[2]


def parser(
    start: Callable[[str, dict[str, str]], Any], end: Callable[[str], Any], text: Callable[[str], Any]
) -> expat.XMLParserType:
    """An expat parser with these handlers; a document type is refused."""
    made = expat.ParserCreate()
    made.buffer_text = True
    made.StartElementHandler = start
    made.EndElementHandler = end
    made.CharacterDataHandler = text
    made.StartDoctypeDeclHandler = _refuse_doctype
    return made


def feed(made: expat.XMLParserType, blocks: Iterable[bytes], name: str) -> Iterator[None]:
    """Parse block by block, pausing after each. Raises UnreadableFile where the XML is broken or a tag has no end."""
    fed = 0
    try:
        for block in blocks:
            made.Parse(block, False)
            fed += len(block)
            if fed - made.CurrentByteIndex > LONGEST:
                raise UnreadableFile(f"The workbook is damaged: its part {name} holds a tag without end.")
            yield
        made.Parse(b"", True)
        yield
    except expat.ExpatError as error:
        raise UnreadableFile(f"The workbook is damaged: its part {name} is broken at line {error.lineno}.") from error


def tree(blocks: Iterable[bytes], name: str) -> Node:
    """The root element of a small part. Raises UnreadableFile where the XML is broken."""
    top = Node("", {})
    stack = [top]

    def start(tag: str, attributes: dict[str, str]) -> None:
        node = Node(local(tag), {local(key): value for key, value in attributes.items()})
        stack[-1].children.append(node)
        stack.append(node)
        if len(stack) > DEEPEST:
            raise UnreadableFile(f"The workbook is damaged: its part {name} is nested too deep.")

    def end(_: str) -> None:
        stack.pop()

    def text(data: str) -> None:
        stack[-1].text += data

    for _ in feed(parser(start, end, text), blocks, name):
        pass
    return top.children[0]


def _refuse_doctype(*_: object) -> None:
    raise Unwelcome("The workbook declares an XML document type, which no workbook needs.")
