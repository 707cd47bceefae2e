"""What a failed connection means, for every engine: a finding's code and the next thing to do."""

from __future__ import annotations

import errno
from dataclasses import dataclass

from cockpit.errors import BlindError, Reason
from cockpit.redact import MASKER
from cockpit.text import visible


@dataclass(frozen=True, slots=True)
class Meaning:
    """How a failure reads: the public code, its weight and the next thing to do."""

    code: str
    severity: str
    reason: Reason
    says: str
    hint: str = ""

    def blind(self, said: str, *, where: str) -> BlindError:
        """The error for it, with the server's own words behind it. `where`: host and port."""
        tail = f" ({words(said)})" if said else ""
        return BlindError(
            self.reason,
            f"{where}: {self.says}{tail}",
            hint=self.hint,
            code=self.code,
            severity=self.severity,
        )


TCP_TIMEOUT = Meaning(
    "NET_TCP_TIMEOUT",
    "critical",
    Reason.TIMEOUT,
    "packets get no answer",
    "security group, network ACL, route, or the host is gone; seen from here",
)
REFUSED = Meaning(
    "NET_TCP_REFUSED",
    "critical",
    Reason.UNREACHABLE,
    "the host is up but nothing listens on the port",
)
UNREACHABLE = Meaning(
    "NET_TCP_UNREACH",
    "high",
    Reason.UNREACHABLE,
    "there is no way to the address from here",
    "VPN, route",
)


NO_FILES = frozenset({errno.EMFILE, errno.ENFILE})
"""This process, or this machine, has no file descriptor left."""


def out_of_files(where: str) -> BlindError:
    """Our own trouble: the other side was not even asked."""
    return BlindError(
        Reason.UNREADABLE,
        f"{where}: not looked at: this machine has no file descriptor left for a connection",
        hint="ulimit -n 4096, then start the cockpit again; what else holds files open here?",
    )


def words(raw: str) -> str:
    """What a server said, on one line, without secrets."""
    return visible(MASKER.mask(raw).strip(), 240)


def tcp_failure(error: OSError, *, where: str) -> BlindError:
    """Why the TCP connection did not come about."""
    if error.errno in NO_FILES:
        return out_of_files(where)
    if isinstance(error, TimeoutError):
        return TCP_TIMEOUT.blind("", where=where)
    meaning = REFUSED if isinstance(error, ConnectionRefusedError) else UNREACHABLE
    return meaning.blind(error.strerror or str(error), where=where)
