"""Files whose outcome is known but belongs to later work, or is not reached yet: each with its reason."""

import pytest
from support.expected import Expected

LATER = {
    "json": "JSON comes with nested values",
    "ndjson": "JSON comes with nested values",
}
CONTAINERS = "archives are opened later"


def marks(entry: Expected) -> list[pytest.MarkDecorator]:
    """A strict expected failure where there is a reason for one."""
    reason = CONTAINERS if entry.container else LATER.get(entry.format)
    return [pytest.mark.xfail(reason=reason, strict=True)] if reason else []
