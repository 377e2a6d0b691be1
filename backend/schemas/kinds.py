"""What a file that knows kinds of values says a cell is."""

from enum import IntEnum


class Kind(IntEnum):
    """The kind of one cell."""

    EMPTY = 0
    TEXT = 1
    NUMBER = 2
    BOOLEAN = 3
    DATE = 4
    DATETIME = 5
    TIME = 6
    ERROR = 7
    JSON = 8
    """An object or an array; its text is JSON."""
    STRING = 9
    """Text of a format that has no dates and times of its own: these stand in it as text."""
