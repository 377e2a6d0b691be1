"""Ids, tokens, slugs, and the names that people and files give."""

from __future__ import annotations

import re
import secrets
import time
import unicodedata
from collections.abc import Callable, Collection
from uuid import UUID

from backend.errors import InvalidName
from backend.schemas.problems import ErrorItem

_LONGEST_NAME = 200
_LONGEST_SLUG = 80
_CONTROLS = {"\0": "NUL", "\t": "tab", "\n": "line feed", "\r": "carriage return", "\x1b": "escape", "\x7f": "delete"}
RESERVED_SLUGS = frozenset({"import"})
"""No workspace's: `POST /workspaces/import` is a call of its own."""


def uuid7() -> UUID:
    """A UUID of version 7 (RFC 9562, section 5.7): 48 bits of milliseconds, then random bits."""
    value = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | 0x7 << 76
    return UUID(int=value & ~(0x3 << 62) | 0x2 << 62)


def new_token() -> str:
    """What tells one version from every other that ever was, URL-safe."""
    return secrets.token_urlsafe(9)


def slugify(name: str) -> str:
    """Lower-case letters and digits of any script, joined by single hyphens; may come out empty."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    slug = re.sub(r"[\W_]+", "-", folded).strip("-")[:_LONGEST_SLUG].strip("-")
    return f"{slug}-" if _is_uuid(slug) else slug


def is_slug(text: str) -> bool:
    """Whether a dataset could have this slug: one made of a name, with a number behind it where that was taken."""
    if slugify(text) == text:
        return text != ""
    numbered = re.fullmatch("(.+)-[0-9]+", text)
    return numbered is not None and slugify(numbered[1]) == numbered[1] and not _is_uuid(text)


def dataset_slug(name: str, taken: Collection[str] = ()) -> str:
    """A dataset's slug made of a name, none of those that are `taken`."""
    return first_free(slugify(name) or "dataset", lambda each: each not in taken, joiner="-")


def workspace_slug(name: str, taken: Collection[str] = ()) -> str:
    """A workspace's slug made of a name, none of those that are `taken`."""
    return first_free(
        slugify(name) or "workspace", lambda each: each not in RESERVED_SLUGS and each not in taken, joiner="-"
    )


def check_name(name: str) -> str:
    """The name without outer white space. Raises InvalidName: empty, a folder's, too long, or it could mislead."""
    trimmed = name.strip()
    wrong = next((character for character in trimmed if _misleading(character)), None)
    if not trimmed:
        reason = "A name needs at least one visible character."
    elif len(trimmed) > _LONGEST_NAME:
        reason = f"A name has at most {_LONGEST_NAME} characters; this one has {len(trimmed)}."
    elif trimmed in {".", ".."}:
        reason = "A name cannot be . or .., which stand for folders."
    elif wrong is not None:
        reason = f"A name cannot hold {_called(wrong)}."
    else:
        return trimmed
    raise InvalidName(reason, errors=[ErrorItem(reason, pointer="/name")])


def check_tag(tag: str) -> str:
    """A version's name without outer white space. Raises InvalidName: empty, a number, or it could mislead."""
    trimmed = tag.strip()
    if not trimmed or trimmed.isdecimal():
        reason = "A tag needs something besides white space and digits: version=7 is the seventh version."
    elif any(character not in "/\\" and _misleading(character) for character in trimmed):
        reason = "A tag cannot hold characters that are not seen."
    else:
        return trimmed
    raise InvalidName(reason, errors=[ErrorItem(reason, "/tag", code="INVALID_VALUE")])


def name_from_file(filename: str | None) -> str:
    """A dataset name made of a file's: no folders, no ending, nothing that misleads."""
    base = re.split(r"[/\\]", filename or "")[-1]
    clean = "".join(" " if _misleading(character) else character for character in base)
    stem = re.sub(r"(?<=.)(\.[A-Za-z0-9]{1,8}){1,2}$", "", re.sub(r"\s+", " ", clean).strip())
    name = stem.strip()[: _LONGEST_NAME - 10].strip()
    return "dataset" if name in {"", ".", ".."} else name


def first_free(name: str, is_free: Callable[[str], bool], joiner: str = " ") -> str:
    """`name`, or `name 2`, `name 3`, …: the first one that is free."""
    number = 1
    candidate = name
    while not is_free(candidate):
        number += 1
        candidate = f"{name}{joiner}{number}"
    return candidate


def _called(character: str) -> str:
    """A character in words, itself where it can be seen."""
    if character in "/\\":
        return f"{character} (a {'slash' if character == '/' else 'backslash'})"
    named = _CONTROLS.get(character) or unicodedata.name(character, "").lower()
    return f"U+{ord(character):04X}{named and f' ({named})'}"


def _misleading(character: str) -> bool:
    return character in "/\\" or unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
