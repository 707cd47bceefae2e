"""What clients of Redis get back: error replies by kind and commands by failure, between our looks.

Source: Redis documentation, INFO (errorstats since 6.2, commandstats). A kind is the first word of
an error reply, also of a script's or a module's own, so a kind that nobody knows is told as itself.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cockpit.text import visible
from probes.gains import MINUTE, Pair

ERROR, _REJECTED, _FAILED = "error ", "rejected ", "failed "
_DENIED = "acl_access_denied_"
"""Since Redis 7.2 and Valkey 7.2: logins, commands, keys and channels that the ACL denied."""
COMMANDS, CONNECTIONS = "commands", "connections"
FLUSHES = ("flushall", "flushdb")
_NUMBERS = re.compile(r"[0-9]+")
GREETINGS = frozenset({"hello", "client", "command", "info", "ping", "reset", "quit"})
"""By which clients, we too, find out what they talk to: when it is refused, nobody is hurt."""
_A_GREETING = 3
"""Errors of one client's greeting, at most, that no command's count shows: HELLO, CLIENT SETINFO
twice, of which a server knows no word.
"""
_DIM = frozenset({"ERR", "NOPERM", "NOPROTO", "MISCONF", "MASTERDOWN", "LOADING"})
"""Kinds with which a greeting may be refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endings:
    """How commands ended within some seconds."""

    seconds: float
    kinds: Mapping[str, int]
    """Error replies by kind, without those to greetings."""
    commands: Mapping[str, int]
    """Commands that were refused or failed, by name, without greetings."""
    executed: int
    refused: int
    """Commands that were not even begun."""
    denied: str = ""
    """What the ACL denied, for people: `cmd 30 · key 2`; empty: nothing, or it is not told."""

    def share(self, kind: str) -> float:
        """Of all commands, those that ended with this kind of error."""
        return self.kinds.get(kind, 0) / max(1, self.executed + self.refused)

    def rate(self, kind: str) -> float:
        """Error replies of this kind, per second."""
        return self.kinds.get(kind, 0) / self.seconds if self.seconds > 0 else 0.0

    @property
    def all_per_s(self) -> float:
        """Error replies of every kind, per second."""
        return sum(self.kinds.values()) / self.seconds if self.seconds > 0 else 0.0

    @property
    def served_per_s(self) -> float:
        """Commands that ended well, per second. Those that were refused are not in `executed`."""
        failed = max(0, sum(self.kinds.values()) - self.refused)
        return max(0, self.executed - failed) / self.seconds if self.seconds > 0 else 0.0

    def names(self, most: int = 3) -> str:
        """The commands that were refused or failed most, for people."""
        listed = sorted(self.commands.items(), key=lambda each: (-each[1], each[0]))[:most]
        return " · ".join(f"{name.upper().replace('|', ' ')} {n:,}" for name, n in listed)


def tallied(info: Mapping[str, Any], by_command: Mapping[str, Any]) -> dict[str, int]:
    """Counters since the start, by our own names; empty: this server does not count errors."""
    found: Counter[str] = Counter()
    for name, value in info.items():
        if name.startswith("errorstat_") and (number := _field(value, "count")) is not None:
            found[ERROR + _kind(name.removeprefix("errorstat_"))] += number
    if not found and "total_error_replies" not in info:
        return {}
    for name, value in by_command.items():
        if name.startswith("cmdstat_"):
            found.update(_of_command(visible(name.removeprefix("cmdstat_"), 40), value))
    for name in (each for each in info if each.startswith(_DENIED)):
        if isinstance(number := info[name], int) and number:
            found[name] = number
    for name, field in (
        (COMMANDS, "total_commands_processed"),
        (CONNECTIONS, "total_connections_received"),
    ):
        if isinstance(number := info.get(field), int):
            found[name] = number
    return dict(found)


def _kind(word: str) -> str:
    """A script's own word may hold a key or an id: its numbers are left out."""
    return _NUMBERS.sub("#", visible(word, 40))


def _of_command(name: str, value: object) -> dict[str, int]:
    counts = {
        _REJECTED + name: _field(value, "rejected_calls") or 0,
        _FAILED + name: _field(value, "failed_calls") or 0,
    }
    if name in FLUSHES:
        counts["calls " + name] = _field(value, "calls") or 0
    return {key: count for key, count in counts.items() if count}


def gained(before: Mapping[str, int], now: Mapping[str, int]) -> dict[str, int] | None:
    """What was added; a name that was not there began at nought. None: not counted, or reset."""
    if not before or not now:
        return None
    added = {name: number - before.get(name, 0) for name, number in now.items()}
    if min(added.values(), default=0) < 0 or before.keys() - now.keys():
        return None
    return {name: number for name, number in added.items() if number}


def recent(pairs: Iterable[Pair], pair: Pair) -> tuple[Pair, ...]:
    """The pairs of the last minute, with a new one."""
    oldest = pair.at - timedelta(seconds=MINUTE)
    return (*(each for each in pairs if each.at > oldest), pair)


def ended(pairs: Iterable[Pair], at: datetime, span: float) -> Endings | None:
    """How commands ended in the last `span` seconds; None: no earlier look to compare with."""
    oldest = at - timedelta(seconds=span)
    chosen = [pair for pair in pairs if pair.at > oldest]
    if not chosen:
        return None
    total: Counter[str] = Counter()
    for pair in chosen:
        total.update(pair.gained)
    rejected, failed = _by_command(total, _REJECTED), _by_command(total, _FAILED)
    both = Counter(rejected) + Counter(failed)
    return Endings(
        seconds=sum(pair.seconds for pair in chosen),
        kinds=_kinds(total, sum(n for name, n in both.items() if _greets(name))),
        commands={name: n for name, n in both.items() if not _greets(name)},
        executed=total[COMMANDS],
        refused=sum(rejected.values()),
        denied=" · ".join(f"{what} {n:,}" for what, n in _by_command(total, _DENIED).items()),
    )


def error_kind(name: str) -> str:
    """The kind of error of which this is the counter; empty: it is another counter."""
    return name.removeprefix(ERROR) if name.startswith(ERROR) else ""


def flushes(pair: Mapping[str, int]) -> str:
    """The command that emptied a database between two looks; empty: none did."""
    return " and ".join(name.upper() for name in FLUSHES if pair.get("calls " + name))


def _by_command(total: Mapping[str, int], prefix: str) -> dict[str, int]:
    return {name.removeprefix(prefix): n for name, n in total.items() if name.startswith(prefix)}


def _greets(name: str) -> bool:
    return name.partition("|")[0] in GREETINGS


def _kinds(total: Counter[str], greetings: int) -> dict[str, int]:
    found = {}
    for key, number in total.items():
        if not (kind := error_kind(key)):
            continue
        ours = greetings if kind in _DIM else 0
        unknown = _A_GREETING * total[CONNECTIONS] if kind == "ERR" else 0
        if number > ours + unknown:
            found[kind] = number - ours - unknown
    return found


def _field(value: object, name: str) -> int | None:
    """`count=3`, `calls=1,usec=2,rejected_calls=0,failed_calls=0`."""
    for part in str(value).split(","):
        key, _, number = part.partition("=")
        if key == name and number.isdigit():
            return int(number)
    return None
