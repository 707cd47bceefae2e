"""What the calls of one principal mean."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network

from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.units import count
from probes.began import TOLD
from probes.began import told as told_by
from probes.iam_principal.model import Settings, Snapshot, ThreatFinding
from probes.trail import ApiEvent, is_denied

_TEN = timedelta(minutes=10)
_FIVE = timedelta(minutes=5)
_STOLEN = re.compile(r"^(UnauthorizedAccess:|CredentialAccess:)|InstanceCredentialExfiltration")
_GRANTS = re.compile(
    r"^(CreateAccessKey|CreateUser|CreateLoginProfile|UpdateLoginProfile|Attach\w*Policy"
    r"|Put(User|Role|Group)Policy|UpdateAssumeRolePolicy|CreatePolicyVersion|SetDefaultPolicyVersion"
    r"|AddUserToGroup|DeactivateMFADevice|DeleteUserPermissionsBoundary|CreateRole)$"
)
_AUDIT = {
    "cloudtrail.StopLogging",
    "cloudtrail.DeleteTrail",
    "cloudtrail.PutEventSelectors",
    "guardduty.DeleteDetector",
    "config.StopConfigurationRecorder",
    "config.DeleteConfigurationRecorder",
}
_ENDS = re.compile(r"^(Delete|Terminate)")
_ADMIN = "policy/AdministratorAccess"


def calls_of(snapshot: Snapshot, settings: Settings) -> tuple[ApiEvent, ...]:
    """Its calls without our own looks; none when CloudTrail was not read."""
    ours = settings.own_agents
    return tuple(
        each
        for each in snapshot.calls or ()
        if not any(name in each.agent for name in ours) and each.by != "service"
    )


def addresses(events: Iterable[ApiEvent]) -> tuple[str, ...]:
    """Where they came from, most calls first; AWS' own services have a name there instead."""
    many = Counter(each.address for each in events if _is_address(each.address))
    return tuple(address for address, _ in many.most_common())


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def most_within(times: Sequence[datetime], span: timedelta) -> int:
    """The most of them that lie within one span."""
    return max((sum(start <= each <= start + span for each in times) for start in times), default=0)


def strange(snapshot: Snapshot, settings: Settings) -> tuple[frozenset[str], str]:
    """Addresses that it is not ordinarily used from, and how that is known; empty: not known."""
    events = calls_of(snapshot, settings)
    every = frozenset(addresses(events))
    if snapshot.networks:
        nets = [ip_network(each, strict=False) for each in _valid(snapshot.networks)]
        known = {a for a in every if any(ip_address(a) in net for net in nets)}
        return every - known, "outside the configured networks"
    edge = snapshot.at - timedelta(seconds=settings.known_after)
    old = frozenset(addresses(each for each in events if each.at < edge))
    return (every - old, "not used before") if old else (frozenset(), "")


def _valid(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        try:
            ip_network(text, strict=False)
        except ValueError:
            continue
        yield text


def who(snapshot: Snapshot) -> str:
    """`user deploy`, or the last four of the key that is followed."""
    if snapshot.followed:
        return f"key …{snapshot.followed[-4:]}"
    return "root" if snapshot.sort == "root" else f"{snapshot.sort} {snapshot.name}"


def _where(events: Sequence[ApiEvent]) -> tuple[Evidence, ...]:
    calls = sorted({each.call for each in events})
    return (
        Evidence("calls", ", ".join(calls[:6])),
        Evidence("from", ", ".join(addresses(events)[:4]) or "no address"),
        Evidence("last", f"{max(each.at for each in events):%H:%M:%S} UTC"),
    )


def _threats(snapshot: Snapshot) -> tuple[ThreatFinding, ...]:
    return tuple(each for each in snapshot.threats if _STOLEN.search(each.type))


def abuse(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Somebody else seems to use its credentials: GuardDuty says so, or an address that it was
    never used from tries what it may do.

    CloudTrail tells addresses and no countries; who moves to another network looks the same.
    """
    told = _threats(snapshot)
    new, how = strange(snapshot, settings)
    tried = [e for e in calls_of(snapshot, settings) if is_denied(e) and e.address in new]
    many = most_within([each.at for each in tried], _TEN)
    if not told and many < settings.strange_denied:
        return
    evidence = [Evidence("GuardDuty", f"{each.type} ({each.severity:g})") for each in told[:4]]
    if tried:
        evidence += [
            Evidence("refused in ten minutes", many, "", settings.strange_denied),
            Evidence("address", how),
            *_where(tried),
        ]
    yield Finding(
        "SEC_CREDENTIAL_ABUSE_SUSPECTED",
        Severity.CRITICAL,
        f"somebody else may use {who(snapshot)}: "
        + (told[0].title if told else f"{many} refused calls from {addresses(tried)[0]}"),
        evidence=tuple(evidence),
        likely=("a stolen key", "its owner works from elsewhere", "a scanner of yours"),
        against=() if told else ("GuardDuty says nothing of it",),
        next="keep what it did, then switch the key off",
    )


def elsewhere(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """It is used from outside the networks that the configuration names, and let in."""
    new, _ = strange(snapshot, settings)
    if not snapshot.networks or not new:
        return
    events = [e for e in calls_of(snapshot, settings) if e.address in new and not e.error]
    if events:
        yield Finding(
            "SEC_CALLS_FROM_ELSEWHERE",
            Severity.WARNING,
            f"{who(snapshot)} is used from {addresses(events)[0]}",
            evidence=(Evidence("calls from there", len(events)), *_where(events)),
            likely=("another way out of your network", "a stolen key"),
            next="ask its owner; add the network if it is yours",
            began=told_by(min(each.at for each in events), snapshot.at),
            resolution=TOLD,
        )


def root(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Root was used. Nothing in daily work needs it, and no policy of the account stops it."""
    events = [e for e in calls_of(snapshot, settings) if e.by == "root"]
    if events:
        yield Finding(
            "SEC_ROOT_USED",
            Severity.CRITICAL,
            f"root made {count(len(events), 'call')}, the last one {events[0].call}",
            subject="root",
            evidence=_where(events),
            likely=("a task that only root may do", "root's password or mailbox is stolen"),
            next="ask the few who could: nobody did it means that the account is taken",
            began=told_by(min(each.at for each in events), snapshot.at),
            resolution=TOLD,
        )


def logins(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Logins at the console without a second factor."""
    for event in calls_of(snapshot, settings):
        plain = event.identity in {"IAMUser", "Root"} and event.extra.get("mFAUsed") == "No"
        if event.name == "ConsoleLogin" and plain and _let_in(event):
            yield Finding(
                "SEC_CONSOLE_LOGIN_NO_MFA",
                Severity.WARNING,
                f"{who(snapshot)} came into the console without a second factor",
                evidence=_where([event]),
                likely=("it has no MFA device", "a stolen password"),
                next="ask its owner; give it a device, or take its password away",
            )
            return


def _let_in(event: ApiEvent) -> bool:
    return event.answer.get("consoleLogin") == "Success"


def failed_logins(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Passwords are tried at the console; critical when one was right in the end.

    A user name that does not exist is hidden in CloudTrail: those tries are not counted here.
    """
    events = [e for e in calls_of(snapshot, settings) if e.name == "ConsoleLogin"]
    failed = [e for e in events if e.answer.get("consoleLogin") == "Failure"]
    many = most_within([each.at for each in failed], _TEN)
    severity = settings.logins.grade(many)
    if severity is None:
        return
    first = min(each.at for each in failed)
    inside = any(_let_in(each) and each.at > first for each in events)
    yield Finding(
        "SEC_LOGIN_FAILURES",
        Severity.CRITICAL if inside else severity,
        f"{many} failed logins of {who(snapshot)} within ten minutes"
        + (", and then one that was let in" if inside else ""),
        evidence=(Evidence("failed", many, "", settings.logins.first), *_where(failed)),
        likely=("a forgotten password", "somebody tries passwords"),
        next="ask its owner whether that was him",
        began=told_by(first, snapshot.at),
        resolution=TOLD,
    )


def grants(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """It changed who may do what: keys, users, policies. A thief does that first, to stay.

    Critical when it gave everything, or while its credentials are suspected. Pipelines do it all
    day: then it is their roll-out.
    """
    events = [
        e
        for e in calls_of(snapshot, settings)
        if e.service == "iam" and _GRANTS.match(e.name) and not e.error
    ]
    if not events:
        return
    wide = [each for each in events if _gives_all(each)]
    suspected = any(True for _ in abuse(snapshot, settings))
    yield Finding(
        "SEC_IAM_CHANGED",
        Severity.CRITICAL if wide or suspected else Severity.WARNING,
        f"{who(snapshot)} changed who may do what: {events[0].call}"
        + (", and gave everything" if wide else ""),
        evidence=(Evidence("changes", len(events)), *_where(wide or events)),
        likely=("a roll-out", "somebody makes himself a way back in"),
        against=("a pipeline's role made them",) if events[0].by == "pipeline" else (),
        next="read each change, and take back what nobody asked for",
        began=told_by(min(each.at for each in events), snapshot.at),
        resolution=TOLD,
    )


def _gives_all(event: ApiEvent) -> bool:
    """`AdministratorAccess`, or a statement that allows everything on everything."""
    if str(event.parameters.get("policyArn", "")).endswith(_ADMIN):
        return True
    document = event.parameters.get("policyDocument")
    try:
        held = json.loads(document) if isinstance(document, str) else document
    except ValueError:
        return False
    rows = held.get("Statement") if isinstance(held, dict) else None
    listed = rows if isinstance(rows, list) else [rows]
    return any(isinstance(row, dict) and _all_of(row) for row in listed)


def _all_of(row: dict[str, object]) -> bool:
    wide = [each in ("*", ["*"]) for each in (row.get("Action"), row.get("Resource"))]
    return row.get("Effect") == "Allow" and all(wide) and not row.get("Condition")


def audit(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """It switched off what would tell of it: a trail, GuardDuty, the configuration recorder."""
    events = [e for e in calls_of(snapshot, settings) if e.call in _AUDIT and not e.error]
    if events:
        yield Finding(
            "SEC_AUDIT_OFF",
            Severity.CRITICAL,
            f"{who(snapshot)} called {events[0].call}",
            evidence=_where(events),
            likely=("somebody covers tracks", "a trail that was moved"),
            next="switch it on again first; CloudTrail's last 90 days of events stay readable",
            began=told_by(min(each.at for each in events), snapshot.at),
            resolution=TOLD,
        )


def refused(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """It is refused again and again, reads included: it lost a right, or tries what it may do."""
    events = [e for e in calls_of(snapshot, settings) if is_denied(e)]
    many = most_within([each.at for each in events], _TEN)
    severity = settings.denied.grade(many)
    if severity:
        yield Finding(
            "SEC_ACCESS_DENIED_BURST",
            severity,
            f"{who(snapshot)}: {count(many, 'call')} refused within ten minutes",
            evidence=(Evidence("refused", many, "", settings.denied.first), *_where(events)),
            likely=("a right that was taken away", "a scanner", "a stolen key"),
            next="one call again and again is a lost right; many different ones are a search",
            began=told_by(min(each.at for each in events), snapshot.at),
            resolution=TOLD,
        )


def deletions(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """It deletes one thing after the other."""
    events = [e for e in calls_of(snapshot, settings) if _ENDS.match(e.name) and not e.error]
    many = most_within([each.at for each in events], _FIVE)
    severity = settings.deleted.grade(many)
    if severity:
        made = events[0].by == "pipeline" or "cloudformation" in events[0].agent.lower()
        yield Finding(
            "SEC_MASS_DELETE",
            severity,
            f"{who(snapshot)} deleted {many} things within five minutes",
            evidence=(Evidence("deleted", many, "", settings.deleted.first), *_where(events)),
            likely=("a clean-up or a roll-out", "somebody destroys on purpose"),
            against=("a pipeline's role did it",) if made else (),
            next="ask its owner now; if nobody knows, stop it first",
            began=told_by(min(each.at for each in events), snapshot.at),
            resolution=TOLD,
        )


def threats(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """GuardDuty found something about it within a day."""
    for each in snapshot.threats:
        severity = settings.guardduty.grade(each.severity)
        if severity:
            yield Finding(
                "SEC_GUARDDUTY_HIGH",
                severity,
                f"GuardDuty: {each.title or each.type}",
                subject=each.id,
                evidence=(
                    Evidence("severity", each.severity, "", settings.guardduty.first),
                    Evidence("type", each.type),
                    Evidence("times", each.count),
                    Evidence("last seen", each.last or "not told"),
                ),
                next="read the finding in GuardDuty: it names address and calls",
            )
    if snapshot.guarded is False:
        yield Finding(
            "SEC_GUARDDUTY_OFF",
            Severity.INFO,
            f"GuardDuty is not on in {snapshot.region}",
            next="without it nobody compares calls with what is usual",
        )
