"""Run as a program of its own: wait for the word, then become the program of a step.

The word comes once the record has our process id, so that no program runs that nobody could find
again; without it, as when the cockpit is killed meanwhile, nothing begins. On Linux the program
ends with the cockpit (prctl(2), PR_SET_PDEATHSIG), also when that is killed with SIGKILL. This is
not done between fork and exec of the cockpit itself, whose threads may hold a lock then.

Arguments: where the word comes from, where an error goes to (file descriptors), the cockpit's
process id, the program, its arguments. Uses nothing but the standard library and no site.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def _end_with(parent: int) -> None:
    with contextlib.suppress(AttributeError, OSError):  # macOS has no prctl
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before we asked to end with it
        os._exit(126)


def main(argv: list[str]) -> None:
    """Become the program, or tell the errno why not. Never returns."""
    word, errors, parent = (int(each) for each in argv[1:4])
    _end_with(parent)
    if not os.read(word, 1):
        os._exit(126)
    os.close(word)
    os.set_inheritable(errors, False)  # closed when the program begins
    try:
        os.execv(argv[4], argv[4:])  # noqa: S606  no shell is what we want
    except OSError as error:
        os.write(errors, str(error.errno).encode())
        os._exit(127)


if __name__ == "__main__":
    main(sys.argv)
