"""The sample datasets fit together and never change by themselves."""

from __future__ import annotations

import csv
import io

from backend.supervisor.samples import samples


def rows(name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(samples()[name].decode())))


def test_they_are_the_same_on_every_call() -> None:
    assert samples() == samples()


def test_each_sale_names_a_user_and_a_product() -> None:
    users, products = {row["user_id"] for row in rows("users")}, {row["sku"]: row["price"] for row in rows("products")}
    for sale in rows("sales"):
        assert sale["user_id"] in users
        assert sale["unit_price"] == products[sale["sku"]]
        assert round(float(sale["unit_price"]) * int(sale["quantity"]), 2) == float(sale["amount"])
