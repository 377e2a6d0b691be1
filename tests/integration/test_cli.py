"""What `sheaf serve` refuses before anything is made."""

from __future__ import annotations

from pathlib import Path

from support.program import refused


def test_a_service_that_cannot_listen_leaves_no_folder(tmp_path: Path) -> None:
    assert "Cannot listen on host.invalid" in refused("--data", tmp_path / "data", "--host", "host.invalid")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_for_data_that_are_not_kept_is_refused(tmp_path: Path) -> None:
    assert "give one of the two" in refused("--ephemeral", "--data", tmp_path / "data")
    assert list(tmp_path.iterdir()) == []


def test_a_flag_that_is_no_number_is_named() -> None:
    assert refused("--port", "abc") == "sheaf: --port cannot be 'abc': it must be a whole number\n"
