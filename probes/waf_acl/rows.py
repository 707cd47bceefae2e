"""WAF's answers: the ACL's rules, the IP set, and sampled requests counted up."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping

import msgspec

from cockpit.connect.aws.answer import Answer, GivenText, answer_into, answers_into
from cockpit.text import SafeText
from probes.waf_acl.model import SampledShare, WafRule

_SHOWN = 20


class ActionChosen(Answer, frozen=True):
    """An action that is there."""


class WafActionRow(Answer, frozen=True):
    """Exactly one of them is there."""

    of = "wafv2.RuleAction"
    block: ActionChosen | None = None
    allow: ActionChosen | None = None
    count: ActionChosen | None = None
    captcha: ActionChosen | None = None
    challenge: ActionChosen | None = None

    @property
    def word(self) -> str:
        """Which one; empty: none that is known."""
        return next((n for n in self.__struct_fields__ if getattr(self, n) is not None), "")


class GroupOverrideRow(Answer, frozen=True):
    """What becomes of a group's own actions."""

    of = "wafv2.OverrideAction"
    count: ActionChosen | None = None
    none: ActionChosen | None = None


class VisibilityRow(Answer, frozen=True):
    """Where its numbers go."""

    of = "wafv2.VisibilityConfig"
    metric_name: SafeText = ""
    sampled_requests_enabled: bool = False
    cloud_watch_metrics_enabled: bool = False


class RuleOverrideRow(Answer, frozen=True):
    """A rule of a group that does something else here."""

    of = "wafv2.RuleActionOverride"
    name: SafeText = ""
    action_to_use: WafActionRow = WafActionRow()


class ManagedGroupRow(Answer, frozen=True):
    """A group that somebody else keeps."""

    of = "wafv2.ManagedRuleGroupStatement"
    vendor_name: SafeText = ""
    name: SafeText = ""
    version: SafeText = ""
    rule_action_overrides: tuple[RuleOverrideRow, ...] = ()


class RateRow(Answer, frozen=True):
    """So many in a time."""

    of = "wafv2.RateBasedStatement"
    limit: int = 0
    evaluation_window_sec: int = 300


class OwnGroupRow(Answer, frozen=True):
    """A group of one's own."""

    of = "wafv2.RuleGroupReferenceStatement"
    arn: SafeText = msgspec.field(name="ARN", default="")
    rule_action_overrides: tuple[RuleOverrideRow, ...] = ()


class SetReferenceRow(Answer, frozen=True):
    """Addresses kept apart."""

    of = "wafv2.IPSetReferenceStatement"
    arn: SafeText = msgspec.field(name="ARN", default="")
    forwarded: ActionChosen | None = msgspec.field(name="IPSetForwardedIPConfig", default=None)


class StatementRow(Answer, frozen=True):
    """What a rule looks for, as far as it is told apart here."""

    of = "wafv2.Statement"
    managed_rule_group_statement: ManagedGroupRow | None = None
    rate_based_statement: RateRow | None = None
    rule_group_reference_statement: OwnGroupRow | None = None
    ip_set: SetReferenceRow | None = msgspec.field(name="IPSetReferenceStatement", default=None)


class WafRuleRow(Answer, frozen=True):
    """A rule."""

    of = "wafv2.Rule"
    name: GivenText
    action: WafActionRow | None = None
    override_action: GroupOverrideRow | None = None
    statement: StatementRow = StatementRow()
    visibility_config: VisibilityRow = VisibilityRow()


class DefaultRow(Answer, frozen=True):
    """What happens to what no rule matches."""

    of = "wafv2.DefaultAction"
    allow: ActionChosen | None = None
    block: ActionChosen | None = None


class WebAclRow(Answer, frozen=True):
    """A web ACL."""

    of = "wafv2.WebACL"
    name: GivenText
    id: GivenText
    arn: GivenText = msgspec.field(name="ARN")
    default_action: DefaultRow = DefaultRow()
    visibility_config: VisibilityRow = VisibilityRow()
    rules: tuple[WafRuleRow, ...] = ()


class WebAclName(Answer, frozen=True):
    """One of a list."""

    of = "wafv2.WebACLSummary"
    name: SafeText = ""
    arn: SafeText = msgspec.field(name="ARN", default="")


class IpSetRow(Answer, frozen=True):
    """An IP set."""

    of = "wafv2.IPSet"
    name: GivenText
    id: GivenText
    ip_address_version: SafeText = msgspec.field(name="IPAddressVersion", default="")
    addresses: tuple[SafeText, ...] = ()


class HeldKeys(Answer, frozen=True):
    """Addresses that a rate rule holds back."""

    of = "wafv2.RateBasedStatementManagedKeysIPSet"
    addresses: tuple[SafeText, ...] = ()


class BalancerAttribute(Answer, frozen=True):
    """A setting of a balancer."""

    of = "elbv2.LoadBalancerAttribute"
    key: SafeText = ""
    value: SafeText = ""


class HeaderRow(Answer, frozen=True):
    """A header of a request: only who asks and for which host is let through."""

    of = "wafv2.HTTPHeader"
    name: SafeText = ""
    value: SafeText = ""


class WebRequestRow(Answer, frozen=True):
    """A request."""

    of = "wafv2.HTTPRequest"
    client: SafeText = msgspec.field(name="ClientIP", default="")
    country: SafeText = ""
    uri: SafeText = msgspec.field(name="URI", default="")
    headers: tuple[HeaderRow, ...] = ()

    @property
    def agent(self) -> str:
        """What it calls itself."""
        return next((h.value for h in self.headers if h.name.lower() == "user-agent"), "")


class SampledRow(Answer, frozen=True):
    """A request of the sample, and how many it stands for."""

    of = "wafv2.SampledHTTPRequest"
    request: WebRequestRow = WebRequestRow()
    weight: int = 1
    action: SafeText = ""


def rules_of(acl: WebAclRow, raw: object) -> tuple[WafRule, ...]:
    """The rules, each with a print of everything that it says."""
    held = raw.get("Rules") if isinstance(raw, Mapping) else None
    texts = held if isinstance(held, list) else []
    return tuple(_rule(row, text) for row, text in zip(acl.rules, texts, strict=False))


def _rule(row: WafRuleRow, raw: object) -> WafRule:
    told = json.dumps(raw, sort_keys=True, default=repr)
    statement, counted = row.statement, 0
    managed, own = statement.managed_rule_group_statement, statement.rule_group_reference_statement
    rate = statement.rate_based_statement
    for group in (managed, own):
        if group is not None:
            counted = sum(e.action_to_use.count is not None for e in group.rule_action_overrides)
    sort = ""
    if managed is not None:
        sort = f"{managed.vendor_name} {managed.name}"
    elif rate is not None:
        sort = f"rate {rate.limit} in {rate.evaluation_window_sec} s"
    elif statement.ip_set is not None:
        sort = "IP set"
    return WafRule(
        name=row.name,
        metric=row.visibility_config.metric_name,
        action=_action(row),
        sort=sort,
        version=managed.version if managed is not None else "",
        counted=counted,
        print=hashlib.sha256(told.encode()).hexdigest()[:12],
    )


def _action(row: WafRuleRow) -> str:
    if row.action is not None and row.action.word:
        return row.action.word
    if row.override_action is not None:
        if row.override_action.count is not None:
            return "count"
        if row.override_action.none is not None:
            return "group"
    return "unknown"


def blocking_sets(acl: WebAclRow) -> list[SetReferenceRow]:
    """The IP sets of rules that block."""
    return [
        row.statement.ip_set
        for row in acl.rules
        if row.statement.ip_set is not None
        and row.action is not None
        and row.action.word == "block"
    ]


def weighed(answer: Mapping[str, object]) -> list[tuple[SampledRow, float]]:
    """The samples with how many requests each stands for.

    Weights compare within one answer only: they are stretched to the population of it.
    """
    rows = answers_into(answer.get("SampledRequests") or [], SampledRow)
    heavy = sum(max(each.weight, 0) for each in rows)
    population = answer.get("PopulationSize")
    known = population if isinstance(population, int) and population > 0 else heavy
    return [(each, max(each.weight, 0) * known / heavy) for each in rows] if heavy else []


def shares(rows: Iterable[tuple[SampledRow, float]], by: str) -> tuple[SampledShare, ...]:
    """Counted up by `client`, `country` or `uri`, most first."""
    held: dict[str, list[tuple[SampledRow, float]]] = {}
    for row, weight in rows:
        held.setdefault(getattr(row.request, by) or "unknown", []).append((row, weight))
    told = [_share(name, group, alone=by == "client") for name, group in held.items()]
    return tuple(sorted(told, key=lambda each: (-each.weight, each.name))[:_SHOWN])


def _share(name: str, rows: list[tuple[SampledRow, float]], *, alone: bool) -> SampledShare:
    first = max(rows, key=lambda each: each[1])[0].request
    return SampledShare(
        name=name,
        weight=sum(weight for _, weight in rows),
        blocked=sum(weight for row, weight in rows if row.action.upper() == "BLOCK"),
        country=first.country if alone else "",
        agent=first.agent if alone else "",
        path=first.uri if alone else "",
    )


def acl_of(answer: Mapping[str, object]) -> WebAclRow:
    """The ACL."""
    return answer_into(answer["WebACL"], WebAclRow)
