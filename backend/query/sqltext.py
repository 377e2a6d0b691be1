"""Pieces of SQL text. Statements are joined from this package's own text and what is quoted here; values are bound.

The text is made to be executed with parameters (`{}` where there are none): a percent sign is written twice.
"""

from collections.abc import Iterable


def literal(text: str) -> str:
    """A quoted text constant, right whatever `standard_conforming_strings` is."""
    quoted = text.replace("'", "''").replace("%", "%%")
    if "\\" in quoted:
        return " E'" + quoted.replace("\\", "\\\\") + "'"
    return f"'{quoted}'"


def text_array(texts: Iterable[str]) -> str:
    """A quoted constant of type text[]."""
    escaped = (text.replace("\\", "\\\\").replace('"', '\\"') for text in texts)
    return literal("{" + ",".join(f'"{text}"' for text in escaped) + "}") + "::text[]"


def collation(name: str) -> str:
    """A quoted collation name, which may begin with its schema (`pg_catalog.C.utf8`)."""
    schema, dot, own = name.partition(".")
    parts = (schema, own) if dot and schema.startswith("pg_") else (name,)
    return ".".join('"' + part.replace('"', '""').replace("%", "%%") + '"' for part in parts)
