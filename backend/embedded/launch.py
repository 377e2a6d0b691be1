"""Become another user, ask the kernel for a signal when the parent ends, then become the program.

A script of its own, run by `processes.spawn`: what a fork may do safely in a process with threads is nothing of that.
Arguments: the parent's process id, the signal's number, user id, group id, and the command. It imports nothing of ours,
since it may run without the search path.
"""

from __future__ import annotations

import ctypes
import os
import sys

_PR_SET_PDEATHSIG = 1


def die_with_parent(number: int) -> None:
    """Have the kernel send this process a signal when the thread that started it ends (Linux; elsewhere nothing)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)


def main() -> None:
    """Run the command, as the user and with the signal that the arguments say."""
    parent, number, uid, gid = map(int, sys.argv[1:5])
    command = sys.argv[5:]
    if uid != os.geteuid():
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    die_with_parent(number)  # after the change of user, which would undo it
    if os.getppid() == parent:
        os.execv(command[0], command)  # noqa: S606


if __name__ == "__main__":
    main()
