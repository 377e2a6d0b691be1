"""What a workbook says a cell is."""

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
