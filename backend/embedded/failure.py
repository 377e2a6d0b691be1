"""The one failure of this package."""

from __future__ import annotations


class EmbeddedError(RuntimeError):
    """A private server cannot be started; the text is a sentence for the operator."""
