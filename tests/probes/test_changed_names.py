"""A record of DNS that was changed, beside what each resolver answers: histories in, findings out."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from cockpit import clock
from cockpit.connect.net.dns import Resolution
from cockpit.runbooks.library import library
from cockpit.triage.board import Board, LookId
from cockpit.triage.finding import Finding
from cockpit.triage.names import RecordMove, changed_names
from cockpit.triage.probe import Reading, Seen
from cockpit.triage.recording import decode, encode
from cockpit.triage.related import RankedChanges, Relating, changes_of
from cockpit.triage.topology import DependencyGraph
from probes.changes import feed, related
from probes.changes.model import Happening
from probes.changes.model import Snapshot as Feed
from probes.changes.settings import RelatedSettings
from probes.changes.zones import moves_of
from probes.endpoint.model import Snapshot as Endpoint
from probes.trail import ApiEvent
from tests.probes.endpoint_looks import look as address
from tests.probes.endpoint_looks import name, path
from tests.probes.fake_aws import AT, ago
from tests.probes.test_changes import look

HOST, WAS, NOW = "shop.example", "198.51.100.1", "198.51.100.2"


@pytest.fixture(autouse=True)
def _still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: AT)


def move(**changes: Any) -> RecordMove:
    base: dict[str, Any] = {
        "at": ago(minutes=3),
        "name": HOST,
        "type": "A",
        "new": (NOW,),
        "old": (WAS,),
        "old_ttl": 300,
        "actor": "alice",
    }
    return RecordMove(**{**base, **changes})


def told_of(*moves: RecordMove) -> Feed:
    held = tuple(
        Happening(
            at=each.at, kind="route53.record", resource="Z1", summary="", source="", record=each
        )
        for each in moves
    )
    return Feed(at=AT, region="us-east-1", happenings=held)


def board(history: Feed, *answers: Resolution) -> Board:
    asked = Endpoint(path=path(address(WAS), dns=answers))
    looks = {"feed": history, "front": asked}
    return Board(
        readings={
            LookId(target, "p"): Reading(target, "k", "p", AT, 0.1, Seen((), snapshot=seen))
            for target, seen in looks.items()
        }
    )


def found(history: Feed, *answers: Resolution) -> list[Finding]:
    ranked = changes_of(board(history, *answers), DependencyGraph(()), at=AT, began=None)
    assert decode(encode(ranked), RankedChanges) == ranked
    told = list(related.diagnose(ranked, RelatedSettings()))
    assert all(f.code in related.PROBE.codes and library().best(f.code) for f in told)
    return [f for f in told if f.code == "DNS_RECORD_CHANGED"]


def resolver(*addresses: str, **more: Any) -> Resolution:
    return name(*addresses, source="resolver", server="10.0.0.2", **more)


ALIASED = {"aliases": ("lb.example",), "canonical": "lb.example"}


@pytest.mark.parametrize(
    ("one", "answers", "severity", "words"),
    [
        pytest.param(
            move(), (resolver(NOW), name(WAS)), "warning",
            "A was changed at 02:57:30 UTC by alice: 198.51.100.1 → 198.51.100.2;"
            " system still gives the old answer",
            id="one resolver keeps the old one",
        ),
        pytest.param(
            move(), (resolver(NOW), name(NOW)), "info", "every resolver that is asked gives the new",
            id="true everywhere",
        ),
        pytest.param(
            move(), (resolver("192.0.2.9"),), "info", "cannot be held against it",
            id="neither: a zone of its own, or another horizon",
        ),
        pytest.param(
            move(old=None, old_ttl=None), (resolver(WAS),), "info", "what it was is not told → ",
            id="what it was is not known: nothing is called old",
        ),
        pytest.param(
            move(plain=False), (resolver(WAS),), "info", "cannot be held against it",
            id="one of several by weight",
        ),
        pytest.param(
            move(new=()), (resolver(outcome="nxdomain"),), "info", "→ deleted; every resolver",
            id="deleted, and gone",
        ),
        pytest.param(
            move(new=()), (resolver(WAS),), "warning", "resolver 10.0.0.2 still gives the old",
            id="deleted, and kept",
        ),
        pytest.param(
            move(type="CNAME", old=("old.example.",), new=("LB.example.",)),
            (resolver(NOW, **ALIASED),), "info", "gives the new",
            id="an alias of another name",
        ),
        pytest.param(
            move(name="lb.example"), (resolver(WAS, **ALIASED),), "warning", "still gives the old",
            id="the record that the alias leads to",
        ),
        pytest.param(
            move(), (name(WAS, in_hosts_file=True), resolver(NOW)), "info", "gives the new",
            id="a hosts file is no resolver",
        ),
        pytest.param(
            move(type="AAAA", old=("2001:db8::1",), new=("2001:db8::2",)), (resolver(WAS),),
            "info", "cannot be held", id="no answer of this type",
        ),
    ],
)  # fmt: skip
def test_each_answer_is_held_against_the_record(
    one: RecordMove, answers: tuple[Resolution, ...], severity: str, words: str
) -> None:
    (finding,) = found(told_of(one), *answers)
    assert finding.severity.value == severity
    assert words in finding.summary


def test_until_when_the_old_answer_may_be_kept_stands_beside_each_answer() -> None:
    (finding,) = found(told_of(move()), resolver(NOW), name(WAS))
    assert {e.label: e.value for e in finding.evidence} == {
        "old answers may be kept until": "03:02:30 UTC",
        "old TTL": 300,
        "resolver 10.0.0.2": f"{NOW} (new)",
        "system": f"{WAS} (old)",
    }
    (unknown,) = found(told_of(move(old_ttl=None)), resolver(WAS))
    assert unknown.evidence[0].value == "not known"


@pytest.mark.parametrize(
    "history",
    [
        pytest.param(told_of(), id="no change"),
        pytest.param(told_of(move(name="other.example")), id="of another name"),
        pytest.param(told_of(move(type="TXT", name="_acme.shop.example")), id="of a name below"),
        pytest.param(told_of(move(at=AT - timedelta(hours=25))), id="of the day before"),
    ],
)
def test_what_is_no_change_of_this_name_is_not_told(history: Feed) -> None:
    assert found(history, resolver(WAS)) == []


def test_the_newest_change_counts_and_of_two_histories_the_one_that_knows_more() -> None:
    earlier = move(at=ago(minutes=30), new=(WAS,), old=("192.0.2.7",))
    trail = move(at=ago(seconds=170), old=None, old_ttl=None)
    seen = board(told_of(trail, move(), earlier), resolver(WAS))
    (one,) = changed_names(seen)
    assert one.move == move()


def test_it_is_ranked_anew_when_a_resolver_turns() -> None:
    relating = Relating(DependencyGraph(()))
    old, new = board(told_of(move()), resolver(WAS)), board(told_of(move()), resolver(NOW))
    assert relating.refresh(old, None)
    assert not relating.refresh(old, None)
    assert relating.refresh(new, None)


def call(*changes: dict[str, Any], error: str = "") -> ApiEvent:
    return ApiEvent(
        id="e",
        at=ago(minutes=3),
        service="route53",
        name="ChangeResourceRecordSets",
        actor="alice",
        error=error,
        parameters={"hostedZoneId": "Z1", "changeBatch": {"changes": list(changes)}},
    )


def change(action: str, value: str = "", **more: Any) -> dict[str, Any]:
    held = {"name": "Shop.example.", "type": "A", "tTL": 300, **more}
    if value:
        held["resourceRecords"] = [{"value": value}]
    return {"action": action, "resourceRecordSet": held}


def test_cloudtrail_tells_old_values_where_the_same_call_deleted_them() -> None:
    assert list(moves_of(call(change("DELETE", WAS), change("CREATE", NOW)))) == [move()]
    (alone,) = moves_of(call(change("UPSERT", NOW)))
    assert alone == move(old=None, old_ttl=None)
    (gone,) = moves_of(call(change("DELETE", WAS)))
    assert gone == move(new=())
    (weighted,) = moves_of(call(change("UPSERT", NOW, setIdentifier="blue")))
    assert not weighted.plain
    blue = change("DELETE", WAS, setIdentifier="blue")
    one, other = moves_of(call(blue, change("CREATE", NOW)))
    assert (one.new, one.plain) == ((), False)
    assert (other.old, other.plain) == (None, True), "what a weighted record had is not its own"
    assert list(moves_of(call(change("UPSERT", NOW), error="AccessDenied"))) == []


async def test_the_zones_own_history_tells_records_from_what_to_what() -> None:
    def row(minutes: int, value: str, ttl: int) -> dict[str, Any]:
        return {
            "SubmittedAt": ago(minutes=minutes),
            "SubmittedBy": "arn:aws:sts::1:assumed-role/Admin/alice",
            "Action": "UPSERT",
            "ResourceRecordSet": {
                "Name": "shop.example.",
                "Type": "A",
                "TTL": ttl,
                "ResourceRecords": [{"Value": value}],
            },
        }

    zones = {
        "route53.ListHostedZones": [{"Id": "/hostedzone/Z1", "Name": "example."}],
        "route53.ListResourceRecordSetChanges": [row(3, NOW, 60), row(9, WAS, 300)],
    }
    seen = await look(others=zones)
    assert decode(encode(seen), feed.PROBE.snapshot) == seen
    assert move() in seen.moved_records()
