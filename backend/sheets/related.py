"""How the parts of an OOXML package lead to one another."""

from __future__ import annotations

import posixpath

from backend.sheets import xml
from backend.sheets.package import Package

SHEETS_WITHOUT_CELLS = ("chartsheet", "dialogsheet", "xlMacrosheet", "xlIntlMacrosheet")
"""Relations of a workbook to what has a tab but no table."""


def tree(package: Package, part: str) -> xml.Node:
    """The root element of a part. Raises UnreadableFile where it is missing or broken."""
    return xml.tree([package.read(part)], part)


def relations(package: Package, part: str) -> dict[str, tuple[str, str]]:
    """By id: the last word of the relation's type, and the part that it leads to."""
    folder, name = posixpath.split(part)
    listed = posixpath.join(folder, "_rels", f"{name}.rels")
    if listed not in package:
        return {}
    found = {}
    for node in tree(package, listed).all("Relationship"):
        kind = node.attributes.get("Type", "").rpartition("/")[2]
        target = posixpath.normpath(posixpath.join("/", folder, node.attributes.get("Target", "").replace("\\", "/")))
        found[node.attributes.get("Id", "")] = kind, target.lstrip("/")
    return found
