"""Recovery objectives: what holds, what is left, what is met, and what nobody can know."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cockpit import units
from cockpit.config import ConfigProblems, load
from cockpit.desk.objectives import ObjectiveKeeper
from cockpit.errors import Reason
from cockpit.incident.entry import EntryKind
from cockpit.incident.metrics import measure
from cockpit.incident.objectives import Attainment, Objective, RecoveryTime, recorded, recovery_time
from cockpit.incident.record import Incident
from cockpit.report.postmortem import render
from cockpit.triage.board import Board, LookId
from cockpit.triage.probe import Blind, Reading, RecoveryPoint, Seen
from cockpit.triage.registry import catalog, registry
from tests.core import records
from tests.core.records import START, Told, entries
from tests.core.test_metrics import OPENED, milestone

HOUR = Objective(seconds=3600.0)
LOOK = LookId("orders-db", "postgres.replication")
CONFIG = """
environment = "prod"
{more}
[[target]]
kind = "postgres"
name = "orders-db"
host = "db"
user = "cockpit_ro"
{database}
[[target]]
kind = "endpoint"
name = "front"
url = "http://127.0.0.1:9/"
{front}
"""


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90.0), ("15m", 900.0), ("1h 30m", 5400.0), ("1h30m", 5400.0), ("2d", 172800.0),
        ("0s", 0.0), ("", None), ("15", None), ("-5m", None), ("1.5h", None), ("m", None),
        ("99999h", None), ("5m 1h", None),
    ],
)  # fmt: skip
def test_a_span_as_people_write_it(text: str, seconds: float | None) -> None:
    assert units.parsed(text) == seconds


@pytest.mark.parametrize("text", ["0s", "90s", "15m", "1h", "1h 30m", "2d"])
def test_a_chosen_span_is_told_as_it_was_written(text: str) -> None:
    seconds = units.parsed(text)
    assert seconds is not None
    assert units.brief(seconds) == text.replace("90s", "1m 30s")


def told(*more: Told) -> RecoveryTime:
    found = recovery_time(HOUR, entries(OPENED, *more))
    assert found is not None
    return found


MITIGATED = milestone("mitigated", 50)


@pytest.mark.parametrize(
    ("more", "minutes", "verdict", "left"),
    [
        pytest.param([], 20, Attainment.RUNNING, 40, id="the opening stands for the beginning"),
        pytest.param([], 61, Attainment.OVER, -1, id="over whenever it began"),
        pytest.param([milestone("impact_start", -10)], 20, Attainment.RUNNING, 30, id="impact start"),
        pytest.param([milestone("impact_start", -50)], 20, Attainment.OVER, -10, id="over by it"),
        pytest.param([milestone("impact_start", -30, -10)], 20, Attainment.RUNNING, 10, id="a range"),
        pytest.param([MITIGATED], 90, Attainment.UNKNOWN, 10, id="never met without a beginning"),
        pytest.param([milestone("impact_start", -10), MITIGATED], 90, Attainment.MET, 0, id="met"),
        pytest.param([milestone("impact_start", -11), MITIGATED], 90, Attainment.MISSED, -1, id="missed"),
        pytest.param(
            [milestone("impact_start", -20, -5), MITIGATED], 90, Attainment.UNKNOWN, -10, id="either"
        ),
        pytest.param(
            [milestone("impact_start", 60), MITIGATED], 90, Attainment.UNKNOWN, 70, id="backwards"
        ),
        pytest.param(
            [milestone("impact_start", 0), milestone("resolved", 30)], 90, Attainment.MET, 30,
            id="resolved without a word on mitigated",
        ),
    ],
)  # fmt: skip
def test_the_clock_counts_from_the_impact_until_it_is_mitigated(
    more: list[Told], minutes: int, verdict: Attainment, left: int
) -> None:
    now = START + timedelta(minutes=minutes)
    assert told(*more).verdict(now) is verdict
    assert told(*more).left(now) == left * 60


RTO: Told = ("objective", "RTO 1h holds", {"objective": "rto", "seconds": 3600.0, "of": "front"})


def rpo(verdict: str, behind: float | None, on: str = "orders-db") -> Told:
    data: dict[str, Any] = {"objective": "rpo", "seconds": 900.0, "verdict": verdict}
    return ("objective", "RPO", {**data, "behind": behind, "target": on})


@pytest.mark.parametrize(
    ("more", "text", "why"),
    [
        pytest.param([milestone("impact_start", -10), milestone("mitigated", 38)],
                     "met: 48m 00s, 12m 00s left", "", id="met"),
        pytest.param([milestone("impact_start", -10), milestone("mitigated", 60)],
                     "missed by 10m 00s: 1h 10m", "", id="missed"),
        pytest.param([milestone("mitigated", 38)], "", "not known whether it was met: impact start",
                     id="nobody said when it began"),
        pytest.param([], "not recovered after at least 1m 00s, 59m 00s left", "", id="it runs"),
        pytest.param([milestone("impact_start", -70)], "not recovered after 1h 12m, 12m 00s over", "",
                     id="it runs and is over"),
    ],
)  # fmt: skip
def test_the_export_tells_whether_the_rto_was_met_and_by_how_much(
    more: list[Told], text: str, why: str
) -> None:
    metric = measure(entries(OPENED, RTO, *more)).get("rto")
    assert (metric.text, metric.why) == (text, why)
    assert metric.title == "recovery time objective of front, 1h"


@pytest.mark.parametrize(
    ("more", "text", "why"),
    [
        pytest.param([rpo("within", 4.0)],
                     "within it at every look: the newest copy of orders-db was up to 4s behind when it was looked at first",
                     "", id="within"),
        pytest.param([rpo("within", 4.0), rpo("unknown", None, "carts")], "",
                     "not known: carts had no recovery point that is known, at least for a time",
                     id="once unknown is never met"),
        pytest.param([rpo("unknown", None), rpo("over", 1000.0), rpo("over", 2100.0)],
                     "exceeded by 20m 00s at least: the newest copy of orders-db was up to 35m 00s behind at 02:44:03 UTC",
                     "", id="the worst counts"),
    ],
)  # fmt: skip
def test_the_export_tells_of_the_rpo_what_is_known(more: list[Told], text: str, why: str) -> None:
    metric = measure(entries(OPENED, *more)).get("rpo")
    assert (metric.text, metric.why) == (text, why)


def test_without_objectives_the_export_says_nothing_of_them() -> None:
    names = {metric.name for metric in measure(entries(OPENED, MITIGATED)).metrics}
    assert not names & {"rto", "rpo"}


# -- what holds ------------------------------------------------------------------------------------


def keeper(folder: Path, incident: Incident, **more: str) -> ObjectiveKeeper:
    file = folder / "cockpit.toml"
    file.write_text(CONFIG.format(**{"more": "", "database": "", "front": "", **more}))
    return ObjectiveKeeper(load(file, catalog()), incident, registry())


def board(*points: RecoveryPoint, blind: bool = False) -> Board:
    outcome = Blind(Reason.TIMEOUT, "no answer") if blind else Seen(points=points)
    reading = Reading(LOOK.target, "postgres", LOOK.probe, START, 0.1, outcome)
    return Board(readings={LOOK: reading})


def has(incident: Incident, target: str, severity: str = "critical") -> None:
    data = {"code": "X", "severity": severity, "subject": "", "probe": "p"}
    incident.record(EntryKind.FINDING_OPENED, "ill", target=target, data=data)


def test_without_objectives_there_is_no_clock_and_no_entry(tmp_path: Path) -> None:
    with_none, incident = tmp_path, records.opened(tmp_path)
    kept = keeper(with_none, incident)
    kept.tell(board())
    assert kept.clock(board()) is None
    assert [entry.kind for entry in incident.entries] == [EntryKind.OPENED]
    incident.close()


def test_the_strictest_rto_of_what_is_gravely_ill_holds_and_is_recorded_once(
    tmp_path: Path,
) -> None:
    incident = records.opened(tmp_path)
    everywhere = '[incident]\nrto = "1h"'
    kept = keeper(tmp_path, incident, more=everywhere, database='rto = "4h"', front='rto = "30m"')
    held = []
    for ill in ("", "orders-db", "front"):
        if ill:
            has(incident, ill)
        for _ in range(2):
            kept.tell(Board())
        clock = kept.clock(Board())
        assert clock is not None
        assert clock.time is not None
        held.append((clock.time.objective.of, clock.time.objective.seconds))
    assert held == [("", 3600.0), ("orders-db", 14400.0), ("front", 1800.0)]
    recorded_ = [(e.data["of"], e.data["seconds"]) for e in recorded(incident.entries, "rto")]
    assert recorded_ == held
    incident.close()


def test_a_mild_finding_brings_no_objective(tmp_path: Path) -> None:
    incident = records.opened(tmp_path)
    kept = keeper(tmp_path, incident, front='rto = "30m"')
    has(incident, "front", "warning")
    kept.tell(Board())
    assert kept.clock(Board()) is None
    assert recorded(incident.entries, "rto") == []
    incident.close()


@pytest.mark.parametrize(
    ("seen", "verdict", "lacks"),
    [
        pytest.param(board(RecoveryPoint("a", 4.0)), Attainment.WITHIN, 4.0, id="in step"),
        pytest.param(board(RecoveryPoint("a", 900.0)), Attainment.WITHIN, 900.0, id="just within"),
        pytest.param(board(RecoveryPoint("a", 901.0)), Attainment.OVER, 901.0, id="over"),
        pytest.param(board(RecoveryPoint("a", 2000.0), RecoveryPoint("b", 9.0)), Attainment.WITHIN, 9.0,
                     id="the newest counts"),
        pytest.param(board(RecoveryPoint("a", None)), Attainment.UNKNOWN, None, id="a lag not known"),
        pytest.param(board(RecoveryPoint("a", float("nan"))), Attainment.UNKNOWN, None, id="no number"),
        pytest.param(board(), Attainment.UNKNOWN, None, id="no copy is known"),
        pytest.param(board(blind=True), Attainment.UNKNOWN, None, id="blind"),
        pytest.param(Board(), Attainment.UNKNOWN, None, id="not looked at yet"),
    ],
)  # fmt: skip
def test_what_is_not_known_of_a_copy_is_never_within(
    tmp_path: Path, seen: Board, verdict: Attainment, lacks: float | None
) -> None:
    incident = records.opened(tmp_path)
    kept = keeper(tmp_path, incident, more='[incident]\nrpo = "15m"')
    clock = kept.clock(seen)
    assert clock is not None
    (point,) = clock.points
    assert (point.target, point.verdict, point.lacks) == ("orders-db", verdict, lacks)
    kept.tell(seen)
    wrote = [entry.data["verdict"] for entry in recorded(incident.entries, "rpo")]
    assert wrote == ([verdict] if seen.readings else [])
    incident.close()


def test_a_target_s_own_rpo_is_told_as_unknown_where_no_look_can_know(tmp_path: Path) -> None:
    incident = records.opened(tmp_path)
    kept = keeper(tmp_path, incident, front='rpo = "5m"', database='rpo = "15m"')
    clock = kept.clock(board(RecoveryPoint("a", 901.0)))
    assert clock is not None
    stands = [(point.target, point.verdict) for point in clock.points]
    assert stands == [("orders-db", Attainment.OVER), ("front", Attainment.UNKNOWN)]
    incident.close()


STANDBY = """
[[target]]
kind = "postgres"
name = "standby"
host = "db2"
user = "cockpit_ro"
"""
ITSELF = RecoveryPoint("this standby", 9000.0, itself=True)


@pytest.mark.parametrize(
    ("primary", "standby", "stands"),
    [
        pytest.param(Seen(points=(RecoveryPoint("a", 4.0),)), Seen(points=(ITSELF,)),
                     [("orders-db", 4.0)], id="its store knows a newer copy"),
        pytest.param(Blind(Reason.UNREACHABLE, "gone"), Seen(points=(ITSELF,)),
                     [("standby", 9000.0), ("orders-db", None)], id="its primary is gone"),
        pytest.param(Blind(Reason.UNREACHABLE, "gone"), Seen(points=(replace(ITSELF, behind=None),)),
                     [("orders-db", None)], id="nothing is known of either"),
    ],
)  # fmt: skip
def test_a_standby_is_a_copy_and_no_store(
    tmp_path: Path,
    primary: Seen | Blind,
    standby: Seen | Blind,
    stands: list[tuple[str, float | None]],
) -> None:
    incident = records.opened(tmp_path)
    kept = keeper(tmp_path, incident, more='[incident]\nrpo = "15m"', front=STANDBY)
    clock = kept.clock(
        Board(
            readings={
                LookId(name, LOOK.probe): Reading(name, "postgres", LOOK.probe, START, 0.1, outcome)
                for name, outcome in (("orders-db", primary), ("standby", standby))
            }
        )
    )
    assert clock is not None
    assert [(point.target, point.lacks) for point in clock.points] == stands
    incident.close()


async def test_a_lag_that_swings_is_recorded_when_it_doubles_and_not_after_the_mitigation(
    tmp_path: Path,
) -> None:
    incident = records.opened(tmp_path)
    kept = keeper(tmp_path, incident, more='[incident]\nrpo = "15m"')
    for lag in (4.0, 1000.0, 5.0, 1900.0, 6.0, 2000.0, 2100.0):
        kept.tell(board(RecoveryPoint("a", lag)))
    wrote = [entry.data["behind"] for entry in recorded(incident.entries, "rpo")]
    assert wrote == [4.0, 1000.0, 2000.0]
    await incident.set_status("mitigated")
    kept.tell(board(RecoveryPoint("a", 9000.0)))
    assert len(recorded(incident.entries, "rpo")) == 3
    text = render(incident)
    assert (
        "| recovery point objective, 15m | exceeded by 18m 20s at least: the newest copy of" in text
    )
    metrics = json.loads(render(incident, format="json"))["metrics"]
    assert [m["seconds"] for m in metrics if m["name"] == "rpo"] == [2000.0]
    incident.close()


def test_what_holds_is_not_written_again_by_the_next_session(tmp_path: Path) -> None:
    incident = records.opened(tmp_path)
    both = '[incident]\nrto = "1h"\nrpo = "15m"'
    keeper(tmp_path, incident, more=both).tell(board(RecoveryPoint("a", 4.0)))
    incident.close()
    again = records.resumed(tmp_path)
    keeper(tmp_path, again, more=both).tell(board(RecoveryPoint("a", 5.0)))
    assert len([e for e in again.entries if e.kind is EntryKind.OBJECTIVE]) == 2
    keeper(tmp_path, again).tell(board())
    keeper(tmp_path, again, more='[incident]\nrto = "2h"').tell(board())
    last = recorded(again.entries, "rto")[-1]
    assert last.data["seconds"] == 7200.0
    again.close()


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"more": '[incident]\nrto = "0s"'}, "incident.rto: must be a span"),
        ({"more": '[incident]\nrpo = "soon"'}, "incident.rpo: must be a span"),
        ({"front": "rto = 60"}, "target[2] (front).rto: must be a span"),
        ({"database": 'rpo = "5 minutes"'}, "target[1] (orders-db).rpo: must be a span"),
    ],
)
def test_an_objective_that_is_no_span_is_a_problem_of_the_file(
    tmp_path: Path, more: dict[str, str], problem: str
) -> None:
    incident = records.opened(tmp_path)
    with pytest.raises(ConfigProblems) as caught:
        keeper(tmp_path, incident, **more)
    assert problem in str(caught.value)
    incident.close()


def test_a_redacted_objective_says_nothing_and_breaks_nothing() -> None:
    stored = entries(OPENED, RTO, rpo("over", 1000.0))
    bare = [stored[0], *(replace(entry, data={}, text="(redacted)") for entry in stored[1:])]
    assert not {"rto", "rpo"} & {metric.name for metric in measure(bare).metrics}
