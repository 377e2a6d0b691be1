"""What one caller may ask of the service at most, and what one workspace may hold."""

from msgspec import Struct


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
