"""The data folder: one user at a time, small secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.embedded.failure import Failure
from backend.embedded.folder import DataFolder


def test_it_is_made_and_closed_to_others(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "a" / "b")
    assert folder.path.stat().st_mode & 0o777 == 0o700
    folder.close()


def test_only_one_may_use_it(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    with pytest.raises(Failure, match="Another service is running"):
        DataFolder(tmp_path)
    folder.close()
    DataFolder(tmp_path).close()


def test_a_file_in_its_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    with pytest.raises(Failure, match="cannot be used"):
        DataFolder(tmp_path / "data")


def test_a_password_is_made_once(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    first = folder.password("secret")
    assert len(first) >= 32
    assert folder.password("secret") == first
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600
    folder.close()


def test_a_text_is_replaced_in_whole(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    assert folder.read("note") is None
    folder.write("note", "one")
    folder.write("note", "two")
    assert folder.read("note") == "two"
    assert {path.name for path in tmp_path.iterdir()} == {"lock", "note"}
    folder.close()
