"""What is wrong with a name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cockpit.connect.net.dns import Resolution
from cockpit.connect.net.session import PathLook
from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.units import duration
from probes.endpoint.model import Settings, Snapshot, all_private, answer_of, percentile

_POOL = 3
"""So many changes among six answers are a pool that rotates."""
_STALE_LEAST = 2.0
_LONG = 1.0
"""Seconds from which on it is told what an answer took: what applications wait for, too."""
_WORDS = {
    "nxdomain": ("NET_DNS_NXDOMAIN", Severity.CRITICAL, "there is no such name"),
    "servfail": ("NET_DNS_SERVFAIL", Severity.HIGH, "the name server failed (SERVFAIL)"),
    "refused": ("NET_DNS_SERVFAIL", Severity.HIGH, "the name server refused to answer"),
    "error": ("NET_DNS_SERVFAIL", Severity.HIGH, "the name could not be resolved"),
    "timeout": ("NET_DNS_TIMEOUT", Severity.HIGH, "the name was not resolved in time"),
    "unreachable": ("NET_DNS_TIMEOUT", Severity.HIGH, "no name server can be reached from here"),
    "no_answer": ("NET_DNS_NO_A", Severity.WARNING, "the name has no address"),
}
_OF_ALIAS = {
    "nxdomain": "that name does not exist",
    "no_answer": "that name has no address",
    "servfail": "its name server failed (SERVFAIL)",
    "refused": "its name server refused to answer",
}
_LIKELY = {
    "NET_DNS_NXDOMAIN": (
        "the name is wrong or its record was deleted",
        "a private zone that is not visible from here",
    ),
    "NET_DNS_SERVFAIL": ("the resolver is broken", "the zone is broken (DNSSEC, lame delegation)"),
    "NET_DNS_TIMEOUT": ("the resolver is down", "port 53 is blocked on the way (VPN?)"),
    "NET_DNS_NO_A": ("the record was removed or has another type",),
}


def findings(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Report the name; without addresses there is nothing else to report."""
    path = snapshot.path
    first = path.dns[0]
    if not first.addresses:
        yield _unresolved(path, first)
        return
    yield from _families(path)
    yield from _silent(path)
    yield from _slow(path, settings)
    yield from _changed(path)
    yield from _differing(path)
    yield from _private(path)


def _unresolved(path: PathLook, first: Resolution) -> Finding:
    """The name does not lead to any address, so nobody who must look it up can connect.

    Those who still have it in a cache go on until its time is over. A second resolver is asked when
    there is one: when it knows the name, the trouble is this machine's.

    NET_DNS_NXDOMAIN: The name server says that there is no such name.

    NET_DNS_SERVFAIL: The resolver or the zone's servers fail; the name itself may be fine.

    NET_DNS_TIMEOUT: No answer in time. It is this machine's own network when no name server can be
    reached.

    NET_DNS_NO_A: The name exists and has no address.
    """
    code, severity, words = _WORDS.get(first.outcome, _WORDS["error"])
    other = next((answer for answer in path.dns[1:] if answer.addresses), None)
    likely = _LIKELY[code]
    if first.aliases:
        words = f"an alias of {first.canonical}; {_OF_ALIAS.get(first.outcome, words)}"
        likely = (f"what {first.canonical} stood for was deleted or renamed", *likely)
    if other:
        likely = (f"this machine's resolver or VPN: {other.server} knows the name", *likely)
    if any(answer.outcome == "unreachable" for answer in path.dns):
        likely = ("this machine has no way to its name server: look at its own network", *likely)
    return Finding(
        code,
        severity,
        f"{path.host}: {words}",
        evidence=(*_answers(path), Evidence("asked for", first.took, "s")),
        likely=likely,
        next="ask a second resolver, and compare with what the applications' network sees",
    )


def _families(path: PathLook) -> Iterator[Finding]:
    """The name has addresses of IPv6 only.

    Clients without IPv6 cannot reach it. Often the A record was removed by mistake.
    """
    addresses = path.dns[0].addresses
    if path.dns[0].source != "literal" and all(":" in address for address in addresses):
        yield Finding(
            "NET_DNS_V6_ONLY",
            Severity.WARNING,
            f"{path.host} has IPv6 addresses only",
            evidence=_answers(path),
            next="clients without IPv6 cannot reach it: was the A record removed?",
        )


def _silent(path: PathLook) -> Iterator[Finding]:
    """A name server gives no answer, or none to one of the two questions, and the name is found.

    The addresses are those that applications get in the end; what it costs them is the wait at each
    look-up, 5 s for each silent server in front unless the resolver's options say otherwise.

    NET_DNS_SERVER_SILENT: One of this machine's name servers is silent, another one answers.

    NET_DNS_AAAA_SILENT: The server answers for IPv4 and not for IPv6, or the other way round: who
    asks for both waits for the one that is lost, though the other came at once.
    """
    mute = [one for one in path.servers if one.outcome == "timeout"]
    half = [one for one in (*path.servers, *path.dns) if one.lost]
    if mute and len(mute) < len(path.servers):
        names = ", ".join(one.server for one in mute)
        yield Finding(
            "NET_DNS_SERVER_SILENT",
            Severity.HIGH,
            f"{len(mute)} of {len(path.servers)} name servers of this machine "
            f"{'is' if len(mute) == 1 else 'are'} silent: {names}",
            subject=names,
            evidence=(*_rows(path.servers), *_answers(path)),
            likely=("the name server is down", "port 53 to it is blocked on the way"),
            next="bring it back or take it out of /etc/resolv.conf: what resolves on this machine "
            "waits for it at each name; other hosts may list other servers",
        )
    elif half:
        kind = half[0].lost
        yield Finding(
            "NET_DNS_AAAA_SILENT",
            Severity.WARNING,
            f"{path.host}: {half[0].server or 'the name server'} gives no answer for {kind}, "
            f"and one for {'A' if kind == 'AAAA' else 'AAAA'}",
            evidence=(*_rows(path.servers), *_answers(path)),
            likely=("a firewall or forwarder that drops these questions or their answers",),
            next="ask the server for both types by itself; clients that ask for both wait for the "
            "lost one",
            fact=False,
        )


def _slow(path: PathLook, settings: Settings) -> Iterator[Finding]:
    """Looking the name up takes long, at the 95th percentile.

    Every new connection of every client waits for it. A dead first resolver in the list costs its
    whole timeout each time.
    """
    if not path.dns_history:
        return
    took = _usually_slow(path.dns_history)
    severity = settings.dns.grade(took)
    if severity:
        yield Finding(
            "NET_DNS_SLOW",
            severity,
            f"{path.host} takes {duration(took)} to resolve",
            evidence=(
                Evidence("95th percentile", took, "s", settings.dns.first, path.dns_history),
                Evidence("look-ups", len(path.dns_history)),
            ),
            likely=_slow_likely(path),
            fact=False,
        )


def _slow_likely(path: PathLook) -> tuple[str, ...]:
    if any(one.lost for one in (*path.servers, *path.dns)):
        return ("answers of one type (A or AAAA) are lost: the other came at once",)
    if path.servers and all(one.outcome != "timeout" for one in path.servers):
        return ("a loaded or far resolver",)
    return ("the first resolver of the list is dead", "a loaded or far resolver")


def _usually_slow(history: tuple[float, ...]) -> float:
    """The 95th percentile; of fewer than 20 the second worst, since the first one fills caches."""
    if len(history) >= 20:
        return percentile(history, 0.95)
    return sorted(history)[-2:][0]


def _changed(path: PathLook) -> Iterator[Finding]:
    """The name leads to other addresses than at the look before: a marker of a failover or a move.

    Names that change at most looks are pools and are not told.
    """
    now, before = set(path.dns[0].addresses), set(path.addresses_before)
    if not before or now == before or path.dns_changes >= _POOL:
        return
    alias = next((answer.canonical for answer in path.dns if answer.canonical), "")
    moved = bool(path.canonical_before and alias and alias != path.canonical_before)
    yield Finding(
        "NET_DNS_CHANGED",
        Severity.INFO,
        f"{path.host} has other addresses than before"
        + (f": it is an alias of {alias} now" if moved else ""),
        evidence=(
            Evidence("new", ", ".join(sorted(now - before)) or "none"),
            Evidence("gone", ", ".join(sorted(before - now)) or "none"),
            *((Evidence("alias of", f"{path.canonical_before} → {alias}"),) if moved else ()),
            Evidence("TTL", path.dns_ttl, "s"),
        ),
        likely=("a failover or a scaling of the load balancer", "an answer of many addresses"),
    )


def _differing(path: PathLook) -> Iterator[Finding]:
    """The resolver of this machine and the name server give different addresses.

    Split horizon is often meant: inside one address, outside another. Find out which the
    applications get before you conclude anything.
    """
    system, server = answer_of(path, "system"), answer_of(path, "resolver")
    if system is None or server is None:
        return
    if path.dns_differs_for is not None and _is_stale(path, system, server):
        yield _stale(path, path.dns_differs_for)
        return
    words = _split_words(path, system, server)
    if words:
        yield Finding(
            "NET_DNS_SPLIT",
            Severity.INFO,
            f"{path.host}: {words}",
            evidence=_answers(path),
            likely=("the hosts file of this machine",)
            if system.in_hosts_file
            else ("split horizon: a private zone, or a VPN's own resolver", "a stale cache"),
            next="know which of the two the applications use before you conclude anything",
        )


def _split_words(path: PathLook, system: Resolution, server: Resolution) -> str:
    if path.dns_differs_for is not None:
        return "the system uses addresses that the name server does not give"
    if system.addresses and server.outcome == "nxdomain":
        return "this machine knows the name, the name server does not"
    if server.addresses and system.outcome in {"nxdomain", "no_answer"}:
        return "the configured name server knows the name, this machine does not"
    return ""


def _is_stale(path: PathLook, system: Resolution, server: Resolution) -> bool:
    """Whether the system stands by an answer that ran out.

    They agreed before, or they ask the same name servers; a hosts file or a horizon of its own
    (one answer private, the other public) differs on purpose. Without a TTL nobody can tell.
    """
    if path.dns_ttl is None or system.in_hosts_file:
        return False
    if (path.dns_differs_for or 0.0) <= max(2 * path.dns_ttl, _STALE_LEAST):
        return False
    is_configured = path.dns[0].source == "resolver"
    same_kind = all_private(system.addresses) == all_private(server.addresses)
    return path.dns_agreed or (same_kind and not is_configured)


def _stale(path: PathLook, since: float) -> Finding:
    """The system still uses addresses that the name server no longer gives.

    Whoever uses the same cache talks to servers that may be gone. Applications that resolve only at
    their start have the same trouble until they are restarted.
    """
    lost = [look for look in path.addresses if look.tcp.outcome != "ok"]
    return Finding(
        "NET_DNS_STALE",
        Severity.HIGH,
        f"{path.host}: the system has used addresses that the name server no longer gives "
        f"for {duration(since)}",
        evidence=(
            *_answers(path),
            Evidence("differs for", since, "s", 2.0 * (path.dns_ttl or 0)),
            Evidence("TTL", path.dns_ttl, "s"),
            Evidence("addresses that do not connect", len(lost)),
        ),
        likely=(
            "a cache here that keeps names beyond their TTL; applications may have the same",
            "a resolver of the VPN that is cut off from its source",
        ),
        against=("an own resolver for this name does this on purpose",),
        next="flush the cache here; restart clients that resolve only at their start",
    )


def _private(path: PathLook) -> Iterator[Finding]:
    """The name has private addresses only, and this machine is outside their network.

    It says nothing of whether the endpoint works: look from inside.
    """
    looks = path.addresses
    lost = looks and all(look.tcp.outcome in {"timeout", "unreachable"} for look in looks)
    if lost and all_private(path.dns[0].addresses):
        yield Finding(
            "NET_DNS_PRIVATE_FROM_PUBLIC",
            Severity.INFO,
            f"{path.host} has private addresses only, and none can be reached from here",
            evidence=_answers(path),
            likely=("this machine is outside the VPC: no VPN, or its route is missing",),
            next="look from inside before calling it down",
        )


def _answers(path: PathLook) -> tuple[Evidence, ...]:
    """What each source said, with the chain of aliases and the TTL where it told them."""
    return _rows(path.dns)


def _rows(answers: Iterable[Resolution]) -> tuple[Evidence, ...]:
    rows = []
    for answer in answers:
        said = ", ".join(answer.addresses[:8])
        if not said:
            said = answer.outcome + (answer.detail and f" ({answer.detail})")
        if answer.aliases:
            said = " → ".join(answer.aliases) + " → " + said
        if answer.ttl is not None:
            said += f", TTL {answer.ttl} s"
        if answer.addresses and answer.took >= _LONG:
            said += f", after {duration(answer.took)}"
        if answer.lost:
            said += f"; no answer for {answer.lost}"
        rows.append(Evidence(f"{answer.source} {answer.server}".strip(), said))
    return tuple(rows)
