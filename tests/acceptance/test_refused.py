"""Real files that cannot be imported, or need not be: a clear refusal or a sensible dataset, never a 500."""

from collections import Counter

import pytest
from support.client import Client, problem
from support.compare import returned, same_value
from support.expected import DATA, MISSING, Expected, expected, name, some

if not DATA.is_dir():
    pytest.skip(MISSING, allow_module_level=True)

REJECTED = [each for each in expected() if each.outcome == "rejected"]
OPENS = [each for each in expected() if each.outcome == "opens"]
WORKBOOKS = [each for each in OPENS if each.path.startswith("workbooks/")]
SOME = [*some(WORKBOOKS), *(each for each in OPENS if each not in WORKBOOKS)]


@pytest.mark.parametrize("entry", [pytest.param(each, id=name(each)) for each in REJECTED])
def test_file_is_refused_and_nothing_stored(client: Client, entry: Expected) -> None:
    before = client.names()
    problem(client.upload(entry.file.read_bytes(), entry.file.name), 413, 415, 422)
    assert client.names() == before


@pytest.mark.parametrize("entry", [pytest.param(each, id=name(each)) for each in SOME])
def test_file_loads_or_is_refused(client: Client, entry: Expected) -> None:
    before = client.names()
    answer = client.upload(entry.file.read_bytes(), entry.file.name, options=entry.options)
    if answer.status_code != 201:
        problem(answer, 413, 415, 422)
        assert client.names() == before
        return
    table = returned(client, client.made(answer))
    assert len(table.rows) == answer.json()["dataset"]["rows"]
    if entry.rows is not None:
        assert len(table.rows) == entry.rows
    report = answer.json()["import"]
    if report["delimiter"] and not report["warnings_total"]:
        written = entry.file.read_bytes().decode(report["encoding"])
        kept = "".join([*table.names, *[cell or "" for row in table.rows for cell in row]])
        assert not letters(written) - letters(kept)
    for record, column, text in entry.cells:
        at = min(column, len(table.names)) - 1 if isinstance(column, int) else table.names.index(column)
        assert same_value(table.rows[record - 1][at], text), (record, column)


def letters(text: str) -> Counter[str]:
    return Counter(filter(str.isalnum, text))
