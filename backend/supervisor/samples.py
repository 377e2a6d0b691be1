"""Three small datasets to try things on: sales, users and products."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Iterator, Sequence
from datetime import date, timedelta

Row = Sequence[object]

_PRODUCTS = (
    ("Notebook A5", "Paper", "3.50"),
    ("Notebook A4", "Paper", "4.90"),
    ("Fountain pen", "Writing", "24.00"),
    ("Pencil HB", "Writing", "0.80"),
    ("Ink, blue", "Writing", "6.20"),
    ("Desk lamp", "Furniture", "39.90"),
    ("Café table", "Furniture", "149.00"),
    ("Stapler", "Tools", "12.75"),
    ("Scissors", "Tools", "8.40"),
    ("Backpack", "Bags", "59.95"),
)
_FIRST = ("Ann", "Bo", "Chloé", "Dmitri", "Élise", "Farid", "Grace", "Hiro", "Ines", "Jürgen")
_LAST = ("Nguyen", "Okafor", "Smith", "Müller", "García", "Rossi", "Kowalski", "Tanaka")
_CITIES = (("Bonn", "DE"), ("Lyon", "FR"), ("Oslo", "NO"), ("Porto", "PT"), ("Leeds", "GB"))
_START = date(2025, 1, 1)


def samples() -> dict[str, bytes]:
    """Each dataset's name with its CSV; the same on every call."""
    return {
        "products": _csv(("sku", "name", "category", "price", "in_stock"), _products()),
        "users": _csv(("user_id", "name", "email", "city", "country", "joined", "newsletter"), _users(100)),
        "sales": _csv(
            ("order_id", "date", "user_id", "sku", "quantity", "unit_price", "amount", "status"), _sales(1000)
        ),
    }


def _csv(header: Row, rows: Iterator[Row]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode()


def _sku(number: int) -> str:
    return f"{number + 1:05d}"


def _products() -> Iterator[Row]:
    for number, (name, category, price) in enumerate(_PRODUCTS):
        yield _sku(number), name, category, price, "false" if number == 6 else "true"


def _users(count: int) -> Iterator[Row]:
    chance = random.Random(1)  # noqa: S311
    for number in range(1, count + 1):
        name = f"{chance.choice(_FIRST)} {chance.choice(_LAST)}"
        city, country = chance.choice(_CITIES)
        joined = _START - timedelta(days=chance.randrange(900))
        email = "" if number % 17 == 0 else f"user{number}@example.com"
        yield number, name, email, city, country, joined, "true" if chance.random() < 0.4 else "false"


def _sales(count: int) -> Iterator[Row]:
    chance = random.Random(2)  # noqa: S311
    for number in range(1, count + 1):
        product = chance.randrange(len(_PRODUCTS))
        price = _PRODUCTS[product][2]
        quantity = chance.randrange(1, 12)
        cents = int(price.replace(".", "")) * quantity
        day = _START + timedelta(days=number * 365 // count)
        status = chance.choice(("new", "paid", "paid", "shipped", "returned"))
        amount = f"{cents // 100}.{cents % 100:02d}"
        yield 10_000 + number, day, chance.randrange(1, 101), _sku(product), quantity, price, amount, status
