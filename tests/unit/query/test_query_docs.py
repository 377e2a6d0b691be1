"""What the user's page says about the query language is all there is."""

from pathlib import Path

import pytest

from backend.query.nodes import PARAMETERS
from backend.query.operators import OPERATORS
from backend.query.spec import MEMBERS

PAGE = (Path(__file__).parents[3] / "docs" / "querying.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted({*OPERATORS, *PARAMETERS, *MEMBERS}))
def test_is_documented(name: str) -> None:
    assert f"`{name}`" in PAGE
