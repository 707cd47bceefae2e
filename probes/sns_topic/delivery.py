"""One topic: who is subscribed, and what became of what was published.

Source: SNS `GetTopicAttributes`, `ListSubscriptionsByTopic`; CloudWatch `AWS/SNS`. A mail that was
handed over counts as delivered: whether it was read, or came back, nobody tells.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import replace

from cockpit import clock
from cockpit.connect.aws.answer import Answer, answer_into, answers_into
from cockpit.connect.aws.kind import aws_kind
from cockpit.connect.aws.settings import AwsResource
from cockpit.connect.session import AwsReads, MetricQuery, Series
from cockpit.errors import BlindError
from cockpit.text import SafeText
from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.triage.nature import codes
from cockpit.triage.probe import Fact, Probe
from cockpit.triage.target import Target
from cockpit.triage.view import Column, Row, Table
from cockpit.units import count, number
from probes.answers import Gap, absent, attempt, blind_series, partly_blind
from probes.began import POINTS, counted_since
from probes.metrics import Rate, counted, is_blind, query, read_at, settled, total
from probes.sns_topic.model import Settings, Snapshot, Subscription

_NOBODY = "SNS_NO_SUBSCRIBERS"
_SERIES = {
    "published": "NumberOfMessagesPublished",
    "delivered": "NumberOfNotificationsDelivered",
    "failed": "NumberOfNotificationsFailed",
    "filtered": "NumberOfNotificationsFilteredOut",
    "dead": "NumberOfNotificationsRedrivenToDlq",
}
_STATES = {"PendingConfirmation": "pending", "Deleted": "deleted"}


class TopicRow(Answer, frozen=True):
    """A topic's attributes, all of them text."""

    subscriptions_confirmed: int | None = None
    subscriptions_pending: int | None = None
    subscriptions_deleted: int | None = None
    kms_master_key_id: SafeText = ""


class SubscriptionRow(Answer, frozen=True):
    """A subscription."""

    of = "sns.Subscription"
    subscription_arn: SafeText = ""
    protocol: SafeText = ""
    endpoint: SafeText = ""


class TopicAnswer(Answer, frozen=True):
    """What SNS says of a topic."""

    of = "sns.GetTopicAttributesResponse"
    attributes: TopicRow


async def collect(aws: AwsReads, target: Target) -> Snapshot:
    """The topic first: without it nobody gets anything; then subscriptions and counters."""
    settings = target.settings
    assert isinstance(settings, AwsResource)
    arn, gaps = settings.id, list[Gap]()
    try:
        answer = await aws.read("sns", "GetTopicAttributes", expect="Attributes", TopicArn=arn)
    except BlindError as error:
        raise _absent(error) from error
    row = answer_into(answer, TopicAnswer, strict=False).attributes
    look = Snapshot(
        at=clock.now(),
        arn=arn,
        name=arn.rpartition(":")[2],
        confirmed=row.subscriptions_confirmed,
        pending=row.subscriptions_pending,
        deleted=row.subscriptions_deleted,
        key=row.kms_master_key_id,
    )
    subscriptions, series = await asyncio.gather(
        attempt(gaps, "subscriptions", _subscriptions(aws, arn), otherwise=None),
        attempt(gaps, "metrics", _measured(aws, look.name), otherwise={}),
    )
    look = replace(look, subscriptions=subscriptions or (), listed=subscriptions is not None)
    look = _with(look, series)
    gaps += blind_series({name: getattr(look, field) for field, name in _SERIES.items()})
    return replace(look, gaps=tuple(gaps))


def _absent(error: BlindError) -> BlindError:
    """There is no such topic: what is published to it is refused, and nobody gets anything."""
    return absent(
        error,
        _NOBODY,
        severity=Severity.CRITICAL,
        hint="check ARN and region in the configuration; who deleted it? Its subscriptions went "
        "with it, and have to be confirmed anew",
    )


async def _subscriptions(aws: AwsReads, arn: str) -> tuple[Subscription, ...]:
    rows = await aws.pages("sns", "ListSubscriptionsByTopic", key="Subscriptions", TopicArn=arn)
    return tuple(map(_subscription, answers_into(rows, SubscriptionRow)))


def _subscription(row: SubscriptionRow) -> Subscription:
    arn = row.subscription_arn
    confirmed = arn.startswith("arn:")
    return Subscription(
        state="confirmed" if confirmed else _STATES.get(arn, arn or "unknown"),
        protocol=row.protocol,
        endpoint=_impersonal(row.protocol, row.endpoint),
        arn=arn if confirmed else "",
    )


def _impersonal(protocol: str, endpoint: str) -> str:
    """An address without the person; of a telephone number its last two digits."""
    if protocol.startswith("email"):
        return f"…@{endpoint.rpartition('@')[2]}"
    return f"…{endpoint[-2:]}" if protocol == "sms" else endpoint.partition("?")[0]


def _asked(topic: str) -> dict[str, MetricQuery]:
    return {
        field: query("AWS/SNS", name, "Sum", period=300, TopicName=topic)
        for field, name in _SERIES.items()
    }


async def _measured(aws: AwsReads, topic: str) -> Mapping[str, Series]:
    asked = _asked(topic)
    series = await aws.metrics(list(asked.values()), minutes=80)
    return {field: series[each] for field, each in asked.items()}


def _with(look: Snapshot, series: Mapping[str, Series]) -> Snapshot:
    return replace(look, **series)  # type: ignore[arg-type]


def since(before: Snapshot, now: Snapshot) -> Snapshot:
    """Carry over who was confirmed and is gone: SNS keeps no history of that."""
    if not (before.listed and now.listed):
        return replace(now, gone=before.gone)
    there = {each.arn for each in now.subscriptions}
    had = [
        f"{s.protocol} {s.endpoint}" for s in before.subscriptions if s.arn and s.arn not in there
    ]
    return replace(now, gone=tuple(dict.fromkeys((*before.gone, *had)))[:20])


def hour(snapshot: Snapshot, series: Series) -> Series:
    """The settled points of an hour."""
    return settled(series, snapshot.at, minutes=60, period=300)


def diagnose(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Whether anybody can get it first, then whether it arrives."""
    yield from subscribers(snapshot, settings)
    yield from failing(snapshot, settings)
    yield from partly_blind("SNS_OBS_BLIND", snapshot.gaps)


def subscribers(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Nobody gets what is published, or fewer than should.

    Critical when no subscription is confirmed, or there is no such topic. A warning while some
    wait for a person to click, or after one that was there has gone.
    """
    confirmed, pending = snapshot.confirmed, snapshot.pending
    if confirmed is None and snapshot.listed:
        confirmed = sum(each.state == "confirmed" for each in snapshot.subscriptions)
    evidence = (
        Evidence("confirmed", confirmed),
        Evidence("pending", pending),
        Evidence("deleted", snapshot.deleted),
        Evidence("gone since the cockpit looks", ", ".join(snapshot.gone) or None),
    )
    if confirmed == 0:
        yield Finding(
            _NOBODY,
            Severity.CRITICAL,
            "nobody gets what is published"
            + (f": {count(pending, 'subscription')} not confirmed" if pending else ""),
            evidence=evidence,
            likely=("the mail that asks for it was not clicked", "it was unsubscribed by a link"),
            next="subscribe again, and have the person click within three days",
        )
    elif pending or snapshot.gone:
        told = [f"{count(pending, 'subscription')} not confirmed"] if pending else []
        told += [f"{count(len(snapshot.gone), 'subscription')} gone"] if snapshot.gone else []
        yield Finding(
            _NOBODY,
            Severity.WARNING,
            ", ".join(told),
            evidence=evidence,
            likely=("nobody clicked", "a link to unsubscribe at the end of a mail was clicked"),
            next="who should get it and does not?",
        )


def failing(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """What was published did not arrive: deliveries failed for good.

    Critical when as many failed as were delivered. Mail that comes back is not seen by SNS.
    """
    published = hour(snapshot, snapshot.published)
    failed = total(hour(snapshot, snapshot.failed)) or 0.0
    severity = settings.failed.grade(failed)
    if severity is None or is_blind(snapshot.failed):
        return
    delivered = counted(hour(snapshot, snapshot.delivered), published)
    none = not delivered or failed >= delivered
    rate = Rate(failed, failed + (delivered or 0))
    yield Finding(
        "SNS_DELIVERY_FAILING",
        Severity.CRITICAL if none else severity,
        f"{rate.text('deliveries')} failed for good within the hour",
        evidence=(
            Evidence("failed", failed, limit=settings.failed.first),
            Evidence("delivered", delivered),
            Evidence("published", total(published)),
            Evidence("filtered out", total(hour(snapshot, snapshot.filtered))),
            Evidence("to a dead letter queue", total(hour(snapshot, snapshot.dead))),
        ),
        likely=(
            "an endpoint is gone, or does not answer",
            "a queue's or function's policy does not let the topic in",
            *(("SNS may not use the key of a queue",) if snapshot.key else ()),
        ),
        next="whose endpoint is it? the dead letter queue and delivery logs name it",
        fact=False,
        began=counted_since(hour(snapshot, snapshot.failed), hour(snapshot, snapshot.published)),
        resolution=POINTS,
    )


def facts(snapshot: Snapshot, settings: Settings) -> Iterator[Fact]:
    """How many get it, and how many do not yet."""
    told = snapshot.confirmed
    bad = Severity.CRITICAL if told == 0 else None
    text = "unknown" if told is None else "nobody" if not told else f"{told:,} confirmed"
    yield Fact("subscribers", text, told, severity=bad)
    if snapshot.pending:
        yield Fact("pending", f"{snapshot.pending:,}", snapshot.pending)
    for name in ("published", "delivered", "failed"):
        series = getattr(snapshot, name)
        value = total(hour(snapshot, series))
        if value is not None:
            yield Fact(f"{name} in an hour", number(value), value, as_of=read_at(series))


def tables(snapshot: Snapshot, settings: Settings) -> Iterator[Table]:
    """Who is subscribed; of people only where they are."""
    if snapshot.subscriptions:
        yield Table(
            title="Subscriptions",
            columns=(Column("State", 12), Column("Protocol", 12), Column("Endpoint")),
            rows=tuple(
                Row(
                    key=f"{number} {each.arn or each.endpoint}",
                    cells=(each.state, each.protocol or "unknown", each.endpoint),
                    dim=each.state == "confirmed",
                )
                for number, each in enumerate(snapshot.subscriptions[:500])
            ),
            note=("a mail counts as delivered when it was handed over",),
        )


KIND = aws_kind("sns_topic", "sns")

PROBE = Probe(
    id="sns_topic.delivery",
    kind="sns_topic",
    collect=collect,
    diagnose=diagnose,
    snapshot=Snapshot,
    settings=Settings(),
    every=120,
    timeout=20,
    facts=facts,
    tables=tables,
    since=since,
    twice=False,
    needs=(
        "sns:GetTopicAttributes",
        "sns:ListSubscriptionsByTopic",
        "cloudwatch:GetMetricData",
    ),
    codes=codes(cause=(_NOBODY,), symptom=("SNS_DELIVERY_FAILING",), eye=("SNS_OBS_BLIND",)),
)
