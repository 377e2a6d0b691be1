"""How rates are written."""

from __future__ import annotations

import pytest

from backend.schemas.limits import Rate


@pytest.mark.parametrize(
    ("text", "rates"),
    [
        ("", ()),
        (" ", ()),
        ("600/minute", (Rate(600, 60, "600/minute"),)),
        ("10/second, 1000 / hour", (Rate(10, 1, "10/second"), Rate(1000, 3600, "1000/hour"))),
        ("5/day", (Rate(5, 86_400, "5/day"),)),
    ],
)
def test_a_rate_is_a_number_in_a_time(text: str, rates: tuple[Rate, ...]) -> None:
    assert Rate.each(text) == rates


@pytest.mark.parametrize(
    "text",
    ["600", "0/minute", "-1/minute", "1.5/second", "600/minutes", "1/second,", "x", "٣/day"],
)
def test_what_is_no_rate_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="write for example 600/minute"):
        Rate.each(text)


def test_two_rates_for_one_length_of_time_are_refused() -> None:
    with pytest.raises(ValueError, match="two rates for one length of time; leave out one"):
        Rate.each("1/second,2/second")
