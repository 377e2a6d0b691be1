"""Two things in turn, A B A B …, and how they compare."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

from msgspec import Struct


class Sample(Struct, frozen=True):
    """One measurement: what was asked (seconds, requests a second) and the processor time that it took."""

    value: float
    cpu: float = 0.0


class Figure(Struct, frozen=True):
    """A line of the table."""

    work: str
    bar: str
    aim: str
    result: str
    cpu: str
    absolute: str


def alternate(
    baseline: Callable[[], Sample], ours: Callable[[], Sample], rounds: int
) -> tuple[list[Sample], list[Sample]]:
    """Both in turn, after one round that does not count."""
    pairs = [(baseline(), ours()) for _ in range(rounds + 1)][1:]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def ratio(over: Sequence[float], under: Sequence[float], sign: str = "×") -> str:
    """Median and spread of the rounds' own ratios."""
    each = [one / other for one, other in zip(over, under, strict=True)]
    return f"{statistics.median(each):.2f} {sign} ({min(each):.2f}–{max(each):.2f})"


def cpu_ratio(over: Sequence[Sample], under: Sequence[Sample]) -> str:
    """How the medians of processor time compare."""
    return f"{_median_cpu(over) / _median_cpu(under):.2f} ×"


def values(samples: Sequence[Sample]) -> list[float]:
    return [sample.value for sample in samples]


def median(numbers: Sequence[float], unit: str, digits: int = 2) -> str:
    return f"{statistics.median(numbers):,.{digits}f} {unit}"


def compared(work: str, bar: str, aim: str, baseline: Sequence[Sample], ours: Sequence[Sample]) -> Figure:
    """Seconds of ours over those of the baseline."""
    times = f"{median(values(ours), 's')} against {median(values(baseline), 's')}"
    return Figure(work, bar, aim, ratio(values(ours), values(baseline)), cpu_ratio(ours, baseline), times)


def table(figures: Sequence[Figure]) -> str:
    """In Markdown."""
    head = ["work", "bar", "aim", "median (spread)", "processor time", "absolute"]
    rows = [[f.work, f.bar, f.aim, f"**{f.result}**", f.cpu, f.absolute] for f in figures]
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows])


def _median_cpu(samples: Sequence[Sample]) -> float:
    return statistics.median(sample.cpu for sample in samples)
