"""What one caller may ask of the service at most, and what one workspace may hold."""

from __future__ import annotations

import re

from msgspec import Struct

_RATE = re.compile(r"([1-9][0-9]{0,8})\s*/\s*(second|minute|hour|day)")
_SECONDS = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400}


class Rate(Struct, frozen=True):
    """So many calls in a window of so many seconds."""

    calls: int
    seconds: int
    name: str

    @classmethod
    def each(cls, text: str) -> tuple[Rate, ...]:
        """Those of a text such as `600/minute, 10/second`; an empty one has none. Raises ValueError."""
        found = [_RATE.fullmatch(part.strip()) for part in text.split(",")] if text.strip() else []
        rates = [cls(int(each[1]), _SECONDS[each[2]], f"{each[1]}/{each[2]}") for each in found if each]
        if len(rates) != len(found):
            raise ValueError(f"{text!r} is no rate; write for example 600/minute, or 10/second,600/minute")
        if len({rate.seconds for rate in rates}) != len(rates):
            raise ValueError(f"{text!r} has two rates for one length of time; leave out one of them")
        return tuple(rates)


class Quotas(Struct, frozen=True):
    """The most that one workspace may hold: datasets, live records, bytes as datasets tell theirs; 0: any number."""

    datasets: int = 0
    rows: int = 0
    bytes: int = 0


class Usage(Struct, frozen=True):
    """What a workspace's datasets are: how many, their live records, the bytes that they take."""

    datasets: int = 0
    rows: int = 0
    bytes: int = 0
