"""Every kind of dirt that the benchmark makes, on three tables, and what the reader makes of it with nothing told."""

from __future__ import annotations

from functools import cache
from itertools import groupby

import pytest

from scripts.benchmarks import pollution
from scripts.benchmarks.pollution import Polluted
from scripts.benchmarks.pollution_run import means, read_alone
from scripts.benchmarks.pollution_score import score
from scripts.benchmarks.pollution_tables import loans, people, readings

pytestmark = pytest.mark.no_cover  # thousands of files: measured, they take more than twice as long

TABLES = {"loans": loans(), "people": people(), "readings": readings()}
OF_FILES = list(pollution.of_files(TABLES["loans"]))
OTHERWISE = {
    "no_header": "the columns get made-up names, where the benchmark wants none",
    "second_table_same": "records below a header that stands again belong to the table",
    "delimiter_space": "cells with spaces and without quotes cannot be told apart",
    "escape_none": "two quotes in a quoted cell may be one",
}


@cache
def polluted(table: str) -> list[Polluted]:
    """All pollutions of a table."""
    return list(pollution.polluted(TABLES[table]))


def test_there_are_as_many_as_in_the_benchmark() -> None:
    assert len(polluted("loans")) == len({each.name for each in polluted("loans")}) == 2290
    assert [each.name for each in polluted("loans") if each.name == each.kind] == [each.name for each in OF_FILES]
    assert len(OF_FILES) == 22


@pytest.mark.parametrize("each", [pytest.param(each, id=each.kind) for each in OF_FILES if each.kind not in OTHERWISE])
def test_dirt_of_a_whole_file_costs_nothing(each: Polluted) -> None:
    assert read_alone(each) == each.expected


def test_what_is_read_otherwise_keeps_every_record() -> None:
    found = {each.kind: read_alone(each) or [] for each in OF_FILES if each.kind in OTHERWISE}
    names, *records = OF_FILES[0].expected
    assert found["no_header"] == [[f"column_{place}" for place in range(1, 10)], *records]
    assert found["second_table_same"] == [names, *records, *records[:-1]]
    assert len(found["delimiter_space"]) == len(records) + 1
    assert sum(row != wanted for row, wanted in zip(found["escape_none"], [names, *records], strict=True)) == 1


@pytest.mark.parametrize("kind", ["more_cells", "fewer_cells", "extra_quote", "spaced_row"])
@pytest.mark.parametrize("table", TABLES)
def test_a_damaged_row_costs_no_other(kind: str, table: str) -> None:
    files = [each for each in polluted(table) if each.kind == kind and not each.name.startswith(f"{kind}_0_")]
    assert files
    for each in files[:: max(1, len(files) // 6)]:
        found = read_alone(each)
        assert found is not None
        different = [row for row, wanted in zip(found, each.expected, strict=True) if row[: len(wanted)] != wanted]
        assert len(different) <= 1, each.name


@pytest.mark.parametrize("table", TABLES)
def test_the_score_is_kept(table: str) -> None:
    kinds = groupby(polluted(table), key=lambda each: each.weight >= 1 or each.name == each.kind)
    files = [each for whole, found in kinds for at, each in enumerate(found) if whole or at % 60 == 0]
    simple, weighted = means([(each, score(each.expected, read_alone(each))) for each in files])
    assert simple >= 9.90
    assert weighted >= 9.60


def test_marks() -> None:
    table = [["a", "b"], ["1", "x"], ["2", "y"]]
    assert score(table, table) == 10
    assert score(table, [["b", "A "], ["2.0", "y"], ["1", "x"]]) == pytest.approx(1 + 3 + 3 + 3 * 4 / 6)
    assert score(table, None) == 0
    assert score(table, []) == 1
    assert score([], [["anything"]]) == 10
    assert score(table, [["a", "c"], *table[1:]]) == pytest.approx(1 + 1.5 + 3 + 3 * 5 / 6)
