"""Whether this machine's clock is wrong, as several hosts see it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cockpit.connect.clocks import Witness
from cockpit.connect.net.session import PathLook
from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.units import count, duration
from probes.endpoint.model import Settings, Snapshot, judged_addresses

_ALIKE = 2.0
_MILDER = {
    Severity.CRITICAL: Severity.HIGH,
    Severity.HIGH: Severity.WARNING,
    Severity.WARNING: Severity.INFO,
    Severity.INFO: Severity.INFO,
}


def findings(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Report a difference: ours when others see it too, the host's when they do not.

    A host is one witness, whatever the number of its addresses; alone it counts one step less.
    """
    path = snapshot.path
    ahead = _seen_here(path)
    severity = settings.clock.grade(abs(ahead)) if ahead is not None else None
    if ahead is None or severity is None:
        return
    agree = [one for one in path.clocks if _is_alike(one.ahead, ahead)]
    fine = [one for one in path.clocks if settings.clock.grade(abs(one.ahead)) is None]
    if len(fine) > len(agree):
        yield _theirs(path, ahead, fine)
    else:
        yield _ours(path, ahead, agree, severity=severity if agree else _MILDER[severity])


def _seen_here(path: PathLook) -> float | None:
    skews = [look.http.clock_ahead for look in judged_addresses(path) if look.http]
    return min((skew for skew in skews if skew is not None), key=abs, default=None)


def _is_alike(one: float, other: float) -> bool:
    return one * other > 0 and abs(one - other) <= max(_ALIKE, 0.1 * abs(other))


def _ours(path: PathLook, ahead: float, agree: Sequence[Witness], *, severity: Severity) -> Finding:
    """The clock of this machine is wrong, as far as other hosts say.

    AWS refuses signatures that are more than five minutes off, certificates seem not valid yet, and
    every time in the record is off. With one witness only it counts a step less: that one may be
    wrong itself.
    """
    who = "behind" if ahead > 0 else "ahead of"
    others = f" and {count(len(agree), 'other')}" if agree else ""
    return Finding(
        "NET_CLOCK_SKEW",
        severity,
        f"this machine's clock is {duration(abs(ahead))} {who} that of {path.host}{others}",
        evidence=(
            Evidence("difference", abs(ahead), "s", 2),
            Evidence("sources that agree", 1 + len(agree)),
            *_witnesses(path, ahead),
        ),
        likely=("this machine's clock is wrong: AWS refuses signatures beyond 5 minutes",),
        against=() if agree else ("one host is one source: its clock may be the wrong one",),
        next="set this machine's clock by NTP, then look again"
        if agree
        else "compare with a second host, then with NTP",
        fact=False,
    )


def _theirs(path: PathLook, ahead: float, fine: Sequence[Witness]) -> Finding:
    """The host's clock is wrong; others agree with ours.

    Its logs and tokens carry the wrong time, which matters when you put a timeline together.
    """
    how = "ahead" if ahead > 0 else "behind"
    return Finding(
        "NET_CLOCK_SKEW",
        Severity.INFO,
        f"the clock of {path.host} is {duration(abs(ahead))} {how}, others agree with ours",
        subject=path.host,
        evidence=(Evidence("sources that agree with us", len(fine)), *_witnesses(path, ahead)),
        likely=("that host's clock is wrong", "its answer comes from a cache"),
        next="its logs and tokens carry the wrong time",
        fact=False,
    )


def _witnesses(path: PathLook, ahead: float) -> Iterator[Evidence]:
    yield Evidence(path.host, _in_words(ahead))
    for one in path.clocks[:7]:
        yield Evidence(one.who, _in_words(one.ahead))


def _in_words(ahead: float) -> str:
    if not ahead:
        return "as ours"
    return f"{duration(abs(ahead))} {'ahead of' if ahead > 0 else 'behind'} ours"
