"""Who writes an entry, and what somebody leaves for the one who holds the journal."""

from __future__ import annotations

import functools
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cockpit.connect.role import Role
from cockpit.incident import sanitise
from cockpit.incident.entry import EntryKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """Who writes: the person, what they may do, and the machine they sit at."""

    actor: str
    role: Role = Role.TRIAGE
    host: str = ""
    boot: str = ""

    @classmethod
    def here(cls, actor: str, role: Role) -> Author:
        """The author on this machine, with names made harmless."""
        host = sanitise.plain(socket.gethostname(), 200)
        return cls(actor=sanitise.plain(actor, 200), role=role, host=host, boot=boot_id())


@functools.cache
def boot_id() -> str:
    """The kernel's name for this boot; a random one where there is none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return secrets.token_hex(16)


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What somebody else wants in the journal while this cockpit holds it."""

    id: str
    at: str
    """When it was written, as `clock.stamp` writes it."""
    kind: EntryKind
    text: str
    author: Author
    data: Mapping[str, str] = field(default_factory=dict)
    """What belongs to the kind; its `when` is an earlier time than `at`."""
