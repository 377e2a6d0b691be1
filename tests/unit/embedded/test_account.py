"""Who runs the private servers, and where they may go."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from backend.embedded.account import Account, account_for
from backend.embedded.failure import Failure

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give files away")
as_user = pytest.mark.skipif(os.geteuid() == 0, reason="needs an ordinary user")
STRANGER = Account(54_321, 54_321)


def test_a_folder_is_reached_only_when_each_on_the_way_is_open(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "inner").mkdir(mode=0o700)
    open_before = STRANGER.reaches(tmp_path)
    assert not STRANGER.reaches(tmp_path / "inner" / "file")
    (tmp_path / "inner").chmod(0o711)
    assert STRANGER.reaches(tmp_path / "inner" / "file") == open_before


def test_one_reaches_all_that_is_ones_own(tmp_path: Path) -> None:
    assert Account(os.geteuid(), os.getegid()).reaches(tmp_path / "file")


@as_root
def test_owner_and_group_count(tmp_path: Path) -> None:
    folder = Path("/tmp") / f"sheaf-test-{os.getpid()}"
    folder.mkdir()
    try:
        for uid, gid, mode, reached in ((54_321, 0, 0o100, True), (0, 54_321, 0o010, True), (0, 54_321, 0o701, False)):
            os.chown(folder, uid, gid)
            folder.chmod(mode)
            assert STRANGER.reaches(folder / "file") == reached
    finally:
        folder.rmdir()


@as_root
def test_root_takes_nobody_or_the_owner_of_the_cluster(tmp_path: Path) -> None:
    assert account_for(tmp_path / "none").uid == pwd.getpwnam("nobody").pw_uid
    os.chown(tmp_path, 54_321, 54_321)
    assert account_for(tmp_path) == STRANGER


@as_user
def test_an_ordinary_user_stays_who_he_is_and_takes_no_other_s_cluster(tmp_path: Path) -> None:
    assert account_for(tmp_path) == Account(os.geteuid(), os.getegid())
    with pytest.raises(Failure, match="belongs to another user"):
        account_for(Path("/"))
