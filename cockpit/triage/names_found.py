"""What the resolver of this machine costs whoever connects to a target by its name."""

from __future__ import annotations

from dataclasses import replace

from cockpit.connect import slow_names
from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.triage.probe import Seen
from cockpit.triage.target import Target
from cockpit.units import duration


def with_its_name(seen: Seen, target: Target) -> Seen:
    """The look, with a finding where its target's name takes long to find: the cockpit asks each
    name server by itself then and gets there, and applications wait.
    """
    host = getattr(target.settings, "host", "")
    slow = slow_names.of(host) if isinstance(host, str) else None
    if slow is None:
        return seen
    silent = ", ".join(slow.silent)
    servers = f": {silent} {'is' if len(slow.silent) == 1 else 'are'} silent" if silent else ""
    found = Finding(
        "NET_DNS_SERVER_SILENT" if silent else "NET_DNS_SLOW",
        Severity.HIGH if silent else Severity.WARNING,
        f"{host}: this machine's resolver takes {duration(slow.seconds)} or longer{servers}",
        subject="name",
        evidence=(
            Evidence("look-up by the system", slow.seconds, "s", limit=slow_names.SLOW),
            *((Evidence("silent name servers", silent),) if silent else ()),
        ),
        likely=("a name server of the list is dead, and each look-up waits for it",),
        against=("applications elsewhere may ask other name servers",),
        next="look at /etc/resolv.conf here and where the applications run; each new connection "
        "of theirs waits so long",
    )
    return replace(seen, findings=(*seen.findings, found))
