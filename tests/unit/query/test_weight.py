"""What a query is said to weigh is no less than what it takes: what is remembered by it stays within its bound."""

import tracemalloc

import pytest

from backend.query.nodes import Query
from backend.query.spec import parse_params

FEW = [("city", "eq:Oslo"), ("amount", "gt:5"), ("sort", "-amount,key"), ("limit", "20")]
MANY = [("city", "in:" + ",".join(f"{number:04}" for number in range(1_000)))]
LONG = [("q", "x" * 50_000), ("select", ",".join(f"column{number}" for number in range(500)))]


@pytest.mark.parametrize("pairs", [FEW, MANY, LONG])
def test_a_query_weighs_what_it_takes(pairs: list[tuple[str, str]]) -> None:
    kept: list[Query | None] = [None] * 20
    parse_params(pairs)
    tracemalloc.start()
    try:
        for at in range(len(kept)):
            kept[at] = parse_params(pairs)
        taken = tracemalloc.get_traced_memory()[0] / len(kept)
    finally:
        tracemalloc.stop()
    first = kept[0]
    assert first is not None
    assert taken <= first.weight <= 5 * taken + 3_000
