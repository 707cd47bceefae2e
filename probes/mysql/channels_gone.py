"""Channels that a MySQL replica had and has no longer: `RESET SLAVE ALL` leaves no trace in itself.

Source: MySQL Reference Manual, "RESET REPLICA"; MariaDB Knowledge Base, "RESET REPLICA". With the
channel its lag, its errors and its state are gone too: what is left looks like a server that never
was a replica, and serves data that grow old.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.units import duration

_KEPT = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class GoneChannel:
    """A channel that an earlier look saw. `at`: the first look without it."""

    label: str
    source: str
    at: datetime


def still_gone(
    missed: Iterable[GoneChannel],
    had: Mapping[str, str],
    here: Iterable[str],
    *,
    at: datetime,
    sees: bool,
) -> tuple[GoneChannel, ...]:
    """Those of an hour that did not come back. `had`: label → source at the look before; `here`:
    labels now; `sees` False: the channels could not be read, which loses none.
    """
    kept = {each.label: each for each in missed if at - each.at < _KEPT}
    if not sees:
        return tuple(kept.values())
    for label, source in had.items():
        kept.setdefault(label, GoneChannel(label=label, source=source, at=at))
    left = set(here)
    return tuple(each for label, each in sorted(kept.items()) if label not in left)


def gone_findings(
    gone: Sequence[GoneChannel], *, at: datetime, reader: bool, expects: str
) -> Iterator[Finding]:
    """A channel of replication vanished while we looked: nothing arrives by it any more.

    Somebody ran RESET SLAVE ALL (RESET REPLICA ALL), or a tool did. Readers get data that grow old
    from a server that looks well, and it cannot take over. When the server became writable with it,
    it was promoted, and this is information.
    """
    promoted = not reader and expects != "reader"
    for each in gone:
        yield Finding(
            "MY_REPL_GONE",
            Severity.INFO if promoted else Severity.CRITICAL,
            f"replication from {each.label} is gone for {duration((at - each.at).total_seconds())}"
            + (": the server is writable, so it was promoted" if promoted else ""),
            subject=each.label,
            evidence=(
                Evidence("its source was", each.source or None),
                Evidence("read_only", "on" if reader else "off"),
            ),
            likely=("RESET SLAVE ALL (RESET REPLICA ALL) by hand or by a tool", "a failover"),
            next="who did it? CHANGE MASTER TO its source (the position is lost unless GTIDs know "
            "it), or take the server out of the readers",
        )


def none_finding() -> Finding:
    """The target is meant to be a reader, and it replicates from nobody.

    What it serves is as old as the day when its replication was taken away, and nothing in the
    server itself says so: lag, threads and errors are told of channels, and there is none. Readers
    of Aurora and nodes of a cluster, which get their data in another way, are left out.
    """
    return Finding(
        "MY_REPL_NONE",
        Severity.CRITICAL,
        "meant to be a reader, and it replicates from nobody: its data grow old",
        evidence=(Evidence("channels", 0, "", 1), Evidence("expects", "reader")),
        likely=(
            "RESET SLAVE ALL (RESET REPLICA ALL) by hand or by a tool",
            "a server that was restored from a backup and never connected",
            "the endpoint leads to another server",
        ),
        next="how old is its newest row? take it out of the readers until it follows its primary",
    )
