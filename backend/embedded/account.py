"""The system user under which the private servers run, since PostgreSQL refuses to be root."""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path

from msgspec import Struct

from backend.embedded.failure import Failure


class Account(Struct, frozen=True):
    """A user id and group id that exist on this system."""

    uid: int
    gid: int

    @property
    def foreign(self) -> bool:
        """Whether a process has to change its user to become this one."""
        return self.uid != os.geteuid()

    def own(self, path: Path) -> None:
        """Give a file or an empty folder to this account."""
        if self.foreign:
            os.chown(path, self.uid, self.gid)

    def reaches(self, path: Path) -> bool:
        """Whether this account may walk to `path`, judged by the permission bits of each folder on the way."""
        return not self.foreign or all(self._enters(folder) for folder in path.resolve().parents)

    def _enters(self, folder: Path) -> bool:
        found = folder.stat()
        if found.st_uid == self.uid:
            return bool(found.st_mode & stat.S_IXUSR)
        if found.st_gid == self.gid:
            return bool(found.st_mode & stat.S_IXGRP)
        return bool(found.st_mode & stat.S_IXOTH)


def account_for(cluster: Path) -> Account:
    """Who runs the server: its folder's owner, otherwise the current user, in root's place `nobody`."""
    owner = cluster.stat() if cluster.exists() else None
    if os.geteuid() != 0:
        if owner is not None and owner.st_uid != os.geteuid():
            raise Failure(f"The database in {cluster} belongs to another user; start as that user or as root.")
        return Account(os.geteuid(), os.getegid())
    if owner is not None and owner.st_uid != 0:
        return Account(owner.st_uid, owner.st_gid)
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise Failure(
            "PostgreSQL does not run as root and this system has no user `nobody`; start as an ordinary user."
        ) from None
    return Account(nobody.pw_uid, nobody.pw_gid)
