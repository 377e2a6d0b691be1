"""What no reader takes, however many there are to ask."""

from backend.errors import UnreadableFile


class Unwelcome(UnreadableFile):
    """The workbook is refused for what it is, encrypted for one; no other reader is asked."""

    code = UnreadableFile.code
