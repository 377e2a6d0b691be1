"""How many real files are read under their right dialect and encoding, with nothing told."""

import sys

import pytest
from support.compare import same_encoding
from support.expected import DATA, MISSING, Expected, expected

from backend.readers import ReadLimits
from backend.readers.delimited import open_delimited
from backend.schemas.imports import ImportOptions

if not DATA.is_dir():
    pytest.skip(MISSING, allow_module_level=True)

FILES = [each for each in expected() if each.delimiter and not each.container and each.outcome == "ok"]
ENOUGH = 0.9


def wrong(entry: Expected) -> list[str]:
    """What is found otherwise than it is."""
    with entry.file.open("rb") as file:
        source = open_delimited(file, options=ImportOptions(), limits=ReadLimits())
        found = []
        if source.delimiter != entry.delimiter and len(source.names) > 1:
            found.append(f"delimiter {source.delimiter!r} for {entry.delimiter!r}")
        if (source.quote or '"') != (entry.quote or '"'):
            found.append(f"quote {source.quote!r} for {entry.quote!r}")
        if entry.encoding and not same_encoding(source.encoding, entry.encoding):
            found.append(f"encoding {source.encoding} for {entry.encoding}")
        return found


@pytest.mark.parametrize("made", [False, True], ids=["real", "made"])
def test_the_right_dialect(made: bool) -> None:
    files = [each for each in FILES if each.path.startswith("made/") == made]
    found = {each.path: mistakes for each in files if (mistakes := wrong(each))}
    share = 1 - len(found) / len(files)
    sys.stderr.write(f"right dialect: {len(files) - len(found)} of {len(files)} files, {share:.1%}; wrong: {found}\n")
    assert share >= ENOUGH
