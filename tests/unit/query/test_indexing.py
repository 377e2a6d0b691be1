"""Which indexes a query asks for."""

from __future__ import annotations

import pytest

from backend.query.indexing import accesses
from backend.query.ordering import SOUGHT
from backend.query.spec import parse_params
from backend.schemas.columns import Column

COLUMNS = (
    Column("n", "amount", "number"),
    Column("i", "size", "integer"),
    Column("b", "paid", "boolean"),
    Column("s", "status", "text"),
    Column("d", "day", "date"),
    Column("j", "address", "json"),
)


def asked(*pairs: tuple[str, str]) -> list[tuple[str | None, str, tuple[str, ...]]]:
    return [(each.column, each.form, each.then) for each in accesses(parse_params(pairs), COLUMNS, "C")]


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("amount", [("amount", "asc", ())]),
        ("status,-amount", [("status", "asc", ("-amount",))]),
        ("-status,day,-paid", [("status", "desc", ("day", "-paid"))]),
        ("status,address,amount", [("status", "asc", ())]),
        ("address,status", []),
        ("status,__id,amount", [("status", "asc", ())]),
        ("status,-__id", [("status", "asc", ("-__id",))]),
        ("-__id", []),
    ],
)
def test_an_order_asks_for_one_index_as_far_as_there_is_one(
    sort: str, expected: list[tuple[str, str, tuple[str, ...]]]
) -> None:
    assert asked(("sort", sort)) == expected


def test_an_index_of_an_order_has_its_directions_and_so_many_columns_at_most() -> None:
    [access] = accesses(parse_params([("sort", "paid,-amount,size,-day,-status")]), COLUMNS, "C")
    assert len(access.following) == SOUGHT - 1
    assert [key.endswith(" DESC NULLS LAST") for key in access.following] == [True, False, True]
    assert access.length == len(access.expression) + sum(map(len, access.following))


def test_filters_take_the_index_of_the_order_where_it_begins_with_their_column() -> None:
    order = ("sort", "status,-amount")
    assert asked(order, ("status", "paid")) == [("status", "asc", ("-amount",))]
    assert asked(order, ("amount", "gt:1")) == [("status", "asc", ("-amount",)), ("amount", "asc", ())]
    assert asked(("sort", "-status"), ("status", "paid")) == [("status", "desc", ())]


def test_what_indexes_there_are_already_keep_their_names() -> None:
    """An index is found again by its digest: another one would build all of them anew."""
    digests = [
        access.digest
        for sort in ("amount", "-status", "status,-amount", "status,amount")
        for access in accesses(parse_params([("sort", sort)]), COLUMNS, "C")
    ]
    assert digests[:2] == ["f1cfb40089b6", "04cc4f111253"]
    assert len(set(digests)) == len(digests)
