"""The file of a backup, and what is said where a restore fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.embedded.failure import Failure
from backend.services.backup_restore import _outcome
from backend.services.backups import created


def test_nobody_else_can_read_it(tmp_path: Path) -> None:
    """Not even who has prepared files, or a link, under the names that it might have."""
    target, elsewhere = tmp_path / "x", tmp_path / "elsewhere"
    target.touch()
    target.chmod(0o666)
    (tmp_path / "x.partial").symlink_to(elsewhere)
    with created(target, replace=True) as file:
        file.write(b"all")
    assert (target.read_bytes(), target.stat().st_mode & 0o777) == (b"all", 0o600)
    assert not elsewhere.exists()


def test_two_at_a_time_write_two_files(tmp_path: Path) -> None:
    target = tmp_path / "x"
    with created(target) as first:
        first.write(b"first")
        with created(target, replace=True) as second:
            second.write(b"second, which is longer")
        assert target.read_bytes() == b"second, which is longer"
    assert target.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [target]


def test_what_is_there_stays_there(tmp_path: Path) -> None:
    target = tmp_path / "x"
    target.write_bytes(b"of yesterday")
    with pytest.raises(Failure, match=r"is there already: .* --force"), created(target):
        pass
    assert target.read_bytes() == b"of yesterday"
    assert list(tmp_path.iterdir()) == [target]


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), created(tmp_path / "x") as file:
        file.write(b"%d" % (1 // 0))
    assert list(tmp_path.iterdir()) == []


def test_a_connection_that_was_lost_at_the_end_is_no_promise() -> None:
    assert "as it was: why" in _outcome("why", lost=False)
    assert "not known whether" in _outcome("why", lost=True)
