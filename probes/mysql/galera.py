"""Whether a node of a Galera cluster answers its applications: they may get 1047 from all it has.

Source: MariaDB Knowledge Base, "Galera Cluster Status Variables", "wsrep_reject_queries"; Galera
documentation, "Monitoring the Cluster", "Resetting the Quorum". Seen on MariaDB 10.11 with Galera
4: SHOW, SET, the information schema and a SELECT without a table are answered in any state, BEGIN
and all that needs a table is not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from cockpit.connect.session import SqlReads
from cockpit.text import visible
from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.triage.nature import codes
from cockpit.triage.probe import Fact
from cockpit.units import count
from probes.gains import severity_of, still_told

NAMES = (
    "wsrep_provider_name", "wsrep_ready", "wsrep_connected", "wsrep_cluster_status",
    "wsrep_cluster_size", "wsrep_local_state_comment",
)  # fmt: skip
REJECTS = "SHOW GLOBAL VARIABLES LIKE 'wsrep_reject_queries'"
_DONOR = "Donor/Desynced"
GALERA_CODES = codes(
    cause=("MY_GALERA_NOT_READY", "MY_GALERA_REJECTS"),
    event=("MY_GALERA_SMALLER",),
    either=("MY_GALERA_NOT_SYNCED",),
)
"""What is found of a node of a cluster, beside what is found of every server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Galera:
    """What the node says of itself, in its own words."""

    ready: str = ""
    """`ON`: it answers statements."""
    connected: str = ""
    status: str = ""
    """`Primary`, `non-Primary` or `Disconnected`: of the component that it is in."""
    size: int | None = None
    """Nodes in that component."""
    state: str = ""
    """`Synced`, `Donor/Desynced`, `Joining: …`, `Initialized`."""
    rejects: str = ""
    """`NONE`, `ALL` or `ALL_KILL`; empty: not told."""
    was: int | None = None
    """Nodes that it had before it became smaller, while that is still told."""
    smaller: datetime | None = None
    """When our looks saw it become smaller."""

    @property
    def answers(self) -> bool:
        """Applications get answers, as far as the cluster goes. What it does not tell is no no."""
        return self.ready.upper() != "OFF" and self.status in {"", "Primary"}

    @property
    def refuses(self) -> bool:
        """It was told to refuse statements, in whatever way."""
        return self.rejects.upper() not in {"", "NONE"}


def galera_of(values: Mapping[str, str]) -> Galera | None:
    """From status variables; None where no provider is loaded, as MariaDB comes."""
    if not values.get("wsrep_provider_name"):
        return None
    size = values.get("wsrep_cluster_size", "")
    return Galera(
        ready=visible(values.get("wsrep_ready", ""), 20),
        connected=visible(values.get("wsrep_connected", ""), 20),
        status=visible(values.get("wsrep_cluster_status", ""), 40),
        size=int(size) if size.isdigit() else None,
        state=visible(values.get("wsrep_local_state_comment", ""), 60),
    )


async def with_rejects(mysql: SqlReads, node: Galera | None) -> Galera | None:
    """With what it was told to refuse, which no status variable has."""
    if node is None:
        return None
    rows: list[dict[str, object]] = await mysql.rows(REJECTS, into=dict)
    said = [str(value) for row in rows for name, value in row.items() if name.lower() == "value"]
    return replace(node, rejects=visible(said[0], 20) if said else "")


def since_galera(before: Galera | None, now: Galera | None, at: datetime) -> Galera | None:
    """The node's look, with how large its component was before it lost nodes."""
    if before is None or now is None or now.size is None:
        return now
    if before.size is not None and now.size < before.size:
        return replace(now, was=max(before.was or 0, before.size), smaller=at)
    smaller = still_told(before.smaller, at)
    if smaller is None or now.size >= (before.was or 0):
        return now
    return replace(now, was=before.was, smaller=smaller)


def galera_findings(node: Galera | None, at: datetime) -> Iterator[Finding]:
    """What a node refuses its applications, and whether it is in step.

    MY_GALERA_NOT_READY: Every statement that needs a table gets error 1047 (`WSREP has not yet
    prepared node for application use`), while logins, pings and SHOW work: a balancer that only
    connects keeps sending clients here. A node outside the primary component does it so that two
    halves of a cluster never write apart.

    MY_GALERA_REJECTS: Somebody set `wsrep_reject_queries`, as before maintenance: applications get
    1047 although the node is in step. Forgotten, it lasts until the next restart.

    MY_GALERA_NOT_SYNCED: The node is in the cluster and not in step: it gives or gets a copy of all
    data, was desynced by hand (as backups do), or catches up. What is read here may be old.

    MY_GALERA_SMALLER: The component of this node lost nodes while we looked: a restart, or the way
    to them. With half of the cluster gone at once those that are left stop answering.
    """
    if node is None:
        return
    if not node.answers:
        yield _not_ready(node)
    elif node.refuses:
        yield Finding(
            "MY_GALERA_REJECTS",
            Severity.CRITICAL,
            f"applications get 1047: this node refuses statements (wsrep_reject_queries = "
            f"{node.rejects})",
            evidence=_evidence(node),
            likely=("maintenance that somebody began and did not end", "a script of a backup"),
            next="ask who set it; SET GLOBAL wsrep_reject_queries = NONE lets them in again",
        )
    elif node.state != "Synced":
        donor = node.state == _DONOR
        yield Finding(
            "MY_GALERA_NOT_SYNCED",
            Severity.INFO if donor else Severity.WARNING,
            f"this node is in the cluster and not in step: {node.state or 'state unknown'}",
            evidence=_evidence(node),
            likely=("it gives its data to a node that joins", "wsrep_desync of a backup")
            if donor
            else ("it joins, or was away and catches up",),
            next="does it end? reads here may be old meanwhile: balancers should prefer others",
            fact=False,
        )
    if node.answers and node.smaller is not None:
        yield Finding(
            "MY_GALERA_SMALLER",
            severity_of(node.smaller, at),
            f"the cluster has {count(node.size or 0, 'node')}, it had {node.was}",
            evidence=(Evidence("nodes in its component", node.size, "", node.was),),
            likely=("a node was stopped or restarted", "the network to it", "a node that crashed"),
            next="which one is missing, and does it come back? look at it before another goes",
        )


def _not_ready(node: Galera) -> Finding:
    joins = node.status == "Primary"
    return Finding(
        "MY_GALERA_NOT_READY",
        Severity.CRITICAL,
        "applications get 1047 from every statement: this node is "
        f"{node.status or 'in no known component'}, {node.state or 'state unknown'}, "
        f"wsrep_ready {node.ready or 'unknown'}",
        evidence=_evidence(node),
        likely=("it joins and waits for its copy of the data",)
        if joins
        else (
            "the cluster lost its quorum: fewer than half of its nodes see each other",
            "the network between this node and the others",
        ),
        next="its error log says how far the copy is"
        if joins
        else "ask the other nodes: is one of them in a Primary component? then this one's network; "
        "if none is, who knows all nodes bootstraps the one with the newest wsrep_last_committed "
        "(pc.bootstrap), and that one alone: two of them are two clusters",
    )


def _evidence(node: Galera) -> tuple[Evidence, ...]:
    return (
        *((Evidence("wsrep_reject_queries", node.rejects),) if node.refuses else ()),
        Evidence("wsrep_ready", node.ready or None),
        Evidence("wsrep_cluster_status", node.status or None),
        Evidence("wsrep_connected", node.connected or None),
        Evidence("wsrep_local_state_comment", node.state or None),
        Evidence("nodes in its component", node.size),
    )


def galera_facts(node: Galera | None) -> Iterator[Fact]:
    """How the node stands in its cluster, by its own words."""
    if node is None:
        return
    words = node.state or "state unknown"
    if not node.answers:
        words = f"{node.status or 'unknown'}, not ready"
    refuses = node.answers and node.refuses
    yield Fact(
        "Galera",
        f"{'refuses statements' if refuses else words}, {count(node.size or 0, 'node')}",
        severity=None if node.answers and not refuses else Severity.CRITICAL,
    )
