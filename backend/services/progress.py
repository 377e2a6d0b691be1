"""How far an import has got."""

from __future__ import annotations

from typing import Literal

from backend.errors import ImportCancelled

Phase = Literal["waiting", "reading", "reading again", "comparing", "indexing", "publishing", "done"]

_AFTER = 0.15
"""What comes behind the last pass over a file, in passes."""


class Progress:
    """Written by the thread that reads the file, read by whoever asks.

    `rows` of the current pass; `share` of the file that it has read, from 0 to 1. `cancelled`: it is to stop.
    """

    def __init__(self) -> None:
        self.phase: Phase = "waiting"
        self.rows = 0
        self.share = 0.0
        self.cancelled = False
        self._passes = 1
        self._behind = 0.0
        self._told = 0.0

    def begin(self, phase: Phase) -> None:
        """The next phase begins; a second pass over the file makes the whole longer."""
        if phase == "reading again":
            self._passes, self._behind, self.rows, self.share = 2, 1.0, 0, 0.0
        elif phase in {"comparing", "indexing", "publishing"}:
            self._behind, self.share = self._passes, 0.0
        self.phase = phase

    def reached(self, rows: int, share: float) -> None:
        """Another batch is read. Raises ImportCancelled where it is to stop."""
        self.rows, self.share = rows, share
        if self.cancelled:
            raise ImportCancelled

    @property
    def percent(self) -> float:
        """From 0 to 100, never less than what was told before: a second pass only makes it wait."""
        if self.phase == "done":
            return 100.0
        now = 100 * (self._behind + self.share) / (self._passes + _AFTER)
        self._told = max(self._told, round(now, 1))
        return self._told
