"""The commands of an operator."""

from __future__ import annotations

import json
import re
from contextlib import redirect_stdout
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any

import pytest

from backend.cli import main


class Beside:
    """Commands over a database, or a data folder, in this process: starting one for each takes long."""

    def __init__(self, database_url: str = "") -> None:
        self._environment = {"SHEAF_DATABASE_URL": database_url}

    def run(self, *arguments: str | Path, **environment: str) -> tuple[str, object]:
        """What it prints, and with what it exits."""
        printed = TextIOWrapper(BytesIO(), "utf-8", newline="", write_through=True)  # a backup is written as bytes
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed):
            for name, value in (self._environment | environment).items():
                patch.setenv(name, value)
            try:
                main([str(each) for each in arguments])
            except SystemExit as ended:
                return _text(printed), ended.code
        return _text(printed), None

    def __call__(self, *arguments: str | Path) -> str:
        """What it prints; it must succeed."""
        printed, code = self.run(*arguments)
        assert code is None
        return printed

    def json(self, *arguments: str | Path) -> Any:
        return json.loads(self(*arguments, "--json"))

    def refused(self, *arguments: str | Path, **environment: str) -> str:
        """The one sentence for standard error, with which Python exits with code 1."""
        printed, said = self.run(*arguments, **environment)
        assert printed == ""
        assert isinstance(said, str)
        assert re.fullmatch(r"sheaf: [^\n]+", said)
        return said


def _text(printed: TextIOWrapper) -> str:
    printed.seek(0)
    return printed.read()
