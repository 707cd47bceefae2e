"""What is wrong with connecting, and with one address among several."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from statistics import median

from cockpit.connect.net.session import AddressLook, PathLook, Sample
from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.units import count, duration, percent
from probes.endpoint.model import (
    Settings,
    Snapshot,
    address_evidence,
    all_private,
    in_words,
    is_good,
    is_v6,
    judged_addresses,
    percentile,
    typical_total,
    v6_is_apart,
)

_WINDOW = 20
_OUTAGE = 3
_CODES = {
    "timeout": ("NET_TCP_TIMEOUT", Severity.CRITICAL, "does not answer connection attempts"),
    "refused": ("NET_TCP_REFUSED", Severity.CRITICAL, "refuses connections"),
    "reset": ("NET_TCP_RESET", Severity.HIGH, "resets connections"),
    "unreachable": ("NET_TCP_UNREACH", Severity.HIGH, "cannot be reached from here"),
    "error": ("NET_TCP_UNREACH", Severity.HIGH, "cannot be connected to from here"),
}
_LIKELY = {
    "NET_TCP_TIMEOUT": (
        "a security group, network ACL or route drops the packets",
        "the host is dead",
        "its accept queue is full: the process does not keep up",
    ),
    "NET_TCP_REFUSED": (
        "nothing listens on the port: the process is down",
        "a firewall that rejects instead of dropping (security groups never do)",
        "a load balancer without a healthy target",
    ),
    "NET_TCP_RESET": ("a proxy or load balancer without a backend", "the process restarts"),
    "NET_TCP_UNREACH": ("no route from here: VPN down, or no IPv6 here", "a local firewall"),
}


def findings(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Report connections: all dead, one dead, slow, lossy."""
    path = snapshot.path
    yield from _all_dead(path)
    yield from _one_bad(snapshot, settings)
    yield from _v6(path)
    yield from _slow(path, settings)
    yield from _loss(path, settings)
    yield from _jitter(path, settings)


def where_from(path: PathLook) -> tuple[Evidence, ...]:
    """A path is only ever seen from somewhere."""
    seen = f"this machine, {path.source}" if path.source else "this machine"
    if path.proxy:
        seen += " (a proxy is configured; the probe goes past it)"
    return (Evidence("seen from", seen),)


def _all_dead(path: PathLook) -> Iterator[Finding]:
    """No address of the endpoint can be connected to from here.

    When one of several still answers, it is told as NET_TARGET_ONE_BAD instead.

    NET_TCP_TIMEOUT: Packets get no answer at all: something drops them on the way, or the host is
    dead.

    NET_TCP_REFUSED: The host is up and refuses: nothing listens on the port.

    NET_TCP_RESET: The connection is cut as soon as it stands: a proxy or balancer without a
    backend, or a process that restarts.

    NET_TCP_UNREACH: This machine has no way to the address: its own network is the first suspect.
    """
    looks = judged_addresses(path)
    dead = [look for look in looks if look.tcp.outcome != "ok"]
    if not dead or any(look.outcome == "ok" for look in looks):
        return
    word = Counter(look.tcp.outcome for look in dead).most_common(1)[0][0]
    code, severity, words = _CODES.get(word, _CODES["error"])
    many = how_many([look.outcome for look in looks], f"tcp {word}")
    yield Finding(
        code,
        severity,
        f"{path.host}:{path.port} {words}{many}",
        evidence=(*address_evidence(looks), *where_from(path)),
        likely=_LIKELY[code],
        against=_elsewhere(path, word),
        next="look from a second place, inside the VPC, before calling it down",
    )


def how_many(outcomes: Sequence[str], told: str) -> str:
    """Of how many a summary speaks, and what the others do: nobody shall read "all" by mistake."""
    others = [outcome.replace("_", " ") for outcome in outcomes if outcome != told]
    if len(outcomes) == 1:
        return ""
    if not others:
        return f" (all {len(outcomes)} addresses)"
    rest = ", ".join(dict.fromkeys(others))
    return f" ({len(outcomes) - len(others)} of {len(outcomes)} addresses; the rest: {rest})"


def _elsewhere(path: PathLook, word: str) -> tuple[str, ...]:
    if word in {"timeout", "unreachable"} and all_private(path.dns[0].addresses):
        return ("its addresses are private: from outside the VPC this is no news",)
    return ()


def _one_bad(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Some addresses of the endpoint fail or are far slower, the others work.

    Clients hit the bad one by chance, so a part of all requests fails, and trying again seems to
    help.
    """
    looks = judged_addresses(snapshot.path)
    bad = [look for look in looks if not is_good(snapshot, look)]
    if len(bad) == len(looks):  # an answer of 5xx is one, and has its own finding
        bad = [look for look in looks if look.outcome != "ok"]
    slow = [] if bad else _slow_ones(snapshot.path, looks, settings)
    if len(looks) < 2 or len(bad) == len(looks) or not (bad or slow):
        return
    odd = bad or slow
    what = "fails" if bad else "is far slower than the others"
    if len(odd) > 1:
        what = "fail" if bad else "are far slower than the others"
    first = odd[0]
    yield Finding(
        "NET_TARGET_ONE_BAD",
        Severity.HIGH,
        f"{len(odd)} of {len(looks)} addresses of {snapshot.path.host} {what}: "
        f"{first.address} ({in_words(first)})",
        evidence=(*_typical(snapshot.path, looks), *where_from(snapshot.path)),
        likely=(
            "one sick node or zone behind the name",
            "a stale record that nobody removed",
        ),
        next="take the address out of the name or the load balancer; clients hit it by chance",
        fact=bool(bad),
    )


def _typical(path: PathLook, looks: Sequence[AddressLook]) -> Iterator[Evidence]:
    for look in looks[:8]:
        seen = [one for one in path.history if one.address == look.address]
        lost = sum(1 for one in seen if one.outcome != "ok")
        words = f"{in_words(look)}, typically {duration(typical_total(path, look))}"
        yield Evidence(
            look.address, f"{words}; {lost} of {count(len(seen), 'try', 'tries')} failed"
        )


def _slow_ones(
    path: PathLook, looks: Sequence[AddressLook], settings: Settings
) -> list[AddressLook]:
    """Those whose median is far above that of the others' medians: one slow look is none."""
    if len(looks) < 2:
        return []
    slow = []
    for look in looks:
        own = typical_total(path, look)
        others = median(typical_total(path, other) for other in looks if other is not look)
        if own > others * settings.slower and own > settings.first_byte_floor:
            slow.append(look)
    return slow if len(slow) < len(looks) else []


def _v6(path: PathLook) -> Iterator[Finding]:
    """Over IPv6 it does not connect, over IPv4 it does.

    Clients that try IPv6 first wait until they give up. Information when this machine has no IPv6
    at all.
    """
    if not v6_is_apart(path):
        return
    v6 = [look for look in path.addresses if is_v6(look)]
    ours = all(look.tcp.outcome == "unreachable" for look in v6)
    yield Finding(
        "NET_V6_BROKEN",
        Severity.INFO if ours else Severity.WARNING,
        f"{path.host}: IPv6 does not connect, IPv4 does"
        + (" (there is no IPv6 route from here)" if ours else ""),
        evidence=(*address_evidence(v6), *where_from(path)),
        likely=("no IPv6 from here",)
        if ours
        else ("the AAAA record points to nothing", "IPv6 is missing in the security group"),
        next="clients that try IPv6 first wait for it",
    )


def _slow(path: PathLook, settings: Settings) -> Iterator[Finding]:
    """Connecting takes several times what it usually takes.

    Before anything is sent: the network, or a host that is too busy to accept.
    """
    for look in path.addresses:
        usual = look.usual_connect
        if look.tcp.outcome != "ok" or usual is None:
            continue
        if is_sent_again(look.tcp.took, look.tcp.syn_again):
            continue  # that is loss
        if look.tcp.took > max(usual * settings.slower, settings.slower_floor):
            yield Finding(
                "NET_TCP_SLOW",
                Severity.WARNING,
                f"{look.address} takes {duration(look.tcp.took)} to connect, "
                f"usually {duration(usual)}",
                subject=look.address,
                evidence=(
                    Evidence("connect", look.tcp.took, "s", usual * settings.slower),
                    Evidence("usual", usual, "s"),
                    *where_from(path),
                ),
                fact=False,
            )


def _loss(path: PathLook, settings: Settings) -> Iterator[Finding]:
    """Some connections vanish, or come only after the first packet was sent again.

    Each loss costs a client a second or more. Told apart from an outage, in which all fail in a
    row.
    """
    for address, samples in _by_address(path).items():
        recent = samples[-_WINDOW:]
        lost = [number for number, one in enumerate(recent) if one.outcome == "tcp timeout"]
        gone = 0 if _is_outage(lost) else len(lost)
        again = sum(1 for one in recent if is_sent_again(one.connect, one.syn_again))
        if gone == len(recent) or gone + again < 2:
            continue
        part = gone / len(recent)
        yield Finding(
            "NET_TCP_LOSS",
            Severity.HIGH if gone >= 2 and part >= settings.lost_share else Severity.WARNING,
            f"{address}: of {count(len(recent), 'connection')}, {gone} got no answer "
            f"({percent(part)}) and {again} only to a second SYN",
            subject=address,
            evidence=(
                Evidence("no answer", gone, limit=2),
                Evidence("SYN sent again", again),
                Evidence("connections", len(recent)),
                *where_from(path),
            ),
            likely=("packets are lost on the way", "an accept queue that overflows at times"),
        )


def _is_outage(lost: Sequence[int]) -> bool:
    """Whether lost connections stand in one row: that was, or is, an outage; loss is scattered."""
    return len(lost) >= _OUTAGE and lost[-1] - lost[0] == len(lost) - 1


def is_sent_again(connect: float | None, told: int | None = None) -> bool:
    """Whether a connection came only to a SYN that was sent again.

    The kernel tells (`told`); where it does not, the time does: one second, or one and then two
    more. (Linux since 6.5 sends the first four a second apart, and tells.)
    """
    if connect is None or told is not None:
        return bool(told)
    return 0.95 <= connect <= 1.1 or 2.9 <= connect <= 3.3


def _jitter(path: PathLook, settings: Settings) -> Iterator[Finding]:
    """The time to connect varies much more than the path explains.

    Information: a crowded line or host. It makes small differences of other times mean less.
    """
    for address, samples in _by_address(path).items():
        times = [
            one.connect
            for one in samples
            if one.connect is not None and not is_sent_again(one.connect, one.syn_again)
        ]
        if len(times) < _WINDOW:
            continue
        spread = percentile(times, 0.95) - percentile(times, 0.5)
        if spread > settings.jitter:
            yield Finding(
                "NET_TCP_JITTER",
                Severity.INFO,
                f"{address}: connect times spread by {duration(spread)}",
                subject=address,
                evidence=(
                    Evidence("95th percentile less median", spread, "s", settings.jitter),
                    Evidence("connections", len(times), history=tuple(times)),
                ),
                fact=False,
            )


def _by_address(path: PathLook) -> dict[str, list[Sample]]:
    grouped: dict[str, list[Sample]] = {}
    for sample in path.history:
        grouped.setdefault(sample.address, []).append(sample)
    return grouped
