"""What the screens show of a web ACL: its rules, and who sends what."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from cockpit.triage.changes import Change
from cockpit.triage.probe import Fact
from cockpit.triage.view import Column, Row, Table
from cockpit.units import number, percent
from probes.metrics import read_at, settled, total
from probes.waf_acl.findings import blocked_rate, blocks, judged
from probes.waf_acl.model import SampledShare, Settings, Snapshot, WafRule


def facts(snapshot: Snapshot, settings: Settings) -> Iterator[Fact]:
    """The share that is blocked, and how many requests come."""
    rate = blocked_rate(snapshot)
    severity = max((each.severity for each in blocks(snapshot, settings)), default=None)
    share = rate.share
    shown = "no data" if share is None else percent(share)
    if share is None and any(gap.what.startswith("metric") for gap in snapshot.gaps):
        shown = "unknown"
    seen = read_at(snapshot.blocked, snapshot.allowed)
    yield Fact("blocked", shown, share, "share", severity, seen)
    if rate.whole is not None:
        shown = number(round(rate.whole / 5))
        yield Fact("requests a minute", shown, rate.whole / 5, as_of=seen)
    yield Fact("rules", number(len(snapshot.rules)), len(snapshot.rules))


def tables(snapshot: Snapshot, settings: Settings) -> Iterator[Table]:
    """The rules with what they blocked; then addresses, paths and countries of the samples."""
    yield Table(
        title="Rules",
        columns=(
            Column("Rule", 34),
            Column("Does", 10),
            Column("Blocked in 5 min", 17, right=True),
            Column("Is"),
        ),
        rows=tuple(_rule(each, snapshot) for each in snapshot.rules),
        headline=f"{snapshot.name}: what no rule matches is "
        f"{'let through' if snapshot.default == 'allow' else snapshot.default or 'unknown'}; "
        f"guards {_guards(snapshot)}",
        note=("what a rule blocks stands in CloudWatch a few minutes later",),
    )
    for title, rows in (
        ("Sampled addresses", snapshot.sources),
        ("Sampled paths", snapshot.paths),
        ("Sampled countries", snapshot.countries),
    ):
        if rows:
            yield _sampled(title, rows, snapshot)


def _guards(snapshot: Snapshot) -> str:
    if snapshot.attached is None:
        return "a distribution or nothing: WAF does not tell" if _global(snapshot) else "unknown"
    return ", ".join(a.rpartition(":")[2] for a in snapshot.attached[:4]) or "nothing"


def _global(snapshot: Snapshot) -> bool:
    return snapshot.scope == "CLOUDFRONT"


def _rule(rule: WafRule, snapshot: Snapshot) -> Row:
    many = total(settled(rule.blocked, snapshot.at))
    if many is None and judged(snapshot).values:
        many = 0.0  # sparse: the ACL itself has points
    words = [rule.sort, f"version {rule.version}" if rule.version else ""]
    words.append(f"{rule.counted} of it only count" if rule.counted else "")
    words.append(f"holds back {rule.limited} addresses" if rule.limited is not None else "")
    words.append(
        f"{'came' if rule.came else 'changed'} {rule.changed:%H:%M}" if rule.changed else ""
    )
    shown = "no data" if many is None else number(round(many))
    return Row(
        key=rule.name,
        cells=(rule.name, rule.action, shown, " · ".join(filter(None, words))),
        dim=not many,
    )


def _sampled(title: str, rows: tuple[SampledShare, ...], snapshot: Snapshot) -> Table:
    whole = sum(each.weight for each in snapshot.paths) or 1.0
    return Table(
        title=title,
        columns=(
            Column("What", 40),
            Column("Share", 8, right=True),
            Column("Blocked", 8, right=True),
            Column("Country", 8),
            Column("Agent"),
        ),
        rows=tuple(
            Row(
                key=each.name,
                cells=(
                    each.name,
                    percent(min(1.0, each.weight / whole)),
                    percent(each.blocked / each.weight) if each.weight else "unknown",
                    each.country,
                    each.agent,
                ),
            )
            for each in rows
        ),
        headline=f"{number(snapshot.samples)} samples of the last ten minutes",
        note=("of what no rule matched, and of the rule that blocks most",),
    )


def changes(snapshot: Snapshot, target: str) -> Iterator[Change]:
    """Rules that came or were changed between two looks of ours."""
    for rule in snapshot.rules:
        if rule.changed is not None and snapshot.at - rule.changed <= timedelta(hours=1):
            yield Change(
                at=rule.changed,
                kind="wafv2.rule",
                target=target,
                summary=f"rule {rule.name} {'came' if rule.came else 'was changed'}",
                source="wafv2.GetWebACL",
                resource=snapshot.arn,
                late=60.0,
            )
