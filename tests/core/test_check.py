"""`cockpit check`: the JSON contract, the table, the exit codes."""

from __future__ import annotations

import json
import socket
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

from cockpit import clock, sweep
from cockpit.check import Exit, Report, look_once, to_json, write_recordings
from cockpit.check_text import Style, printed, to_text
from cockpit.config import load
from cockpit.connect.role import Role
from cockpit.errors import Reason
from cockpit.ownership import private
from cockpit.redact import MASKER
from cockpit.runbooks.library import library
from cockpit.sweep import Cost
from cockpit.triage.blindness import alike
from cockpit.triage.board import ONE_LOOK, Board, reduce
from cockpit.triage.changes import Change
from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.triage.probe import Blind, Fact, Reading, Seen
from cockpit.triage.registry import catalog, registry
from cockpit.triage.suspects import suspects
from cockpit.triage.topology import DependencyGraph
from tests.core.builders import at, blind, finding, seen, target

SCHEMA = json.loads(files("cockpit").joinpath("schema/check.json").read_text(encoding="utf-8"))
UNREACHED = Blind(Reason.UNREACHABLE, "refused", "check endpoint_url")
HOSTILE = "[/b]\x1b[31m\u202e\x00'; DROP TABLE x"


def report(*readings: Reading) -> Report:
    board = Board()
    for reading in readings:
        board, _ = reduce(board, reading, ONE_LOOK)
    targets = (target("db"), target("tg", "db"))
    return Report(
        started_at=at(0),
        took=1.4234,
        environment="prod",
        role=Role.TRIAGE,
        targets=targets,
        board=board,
        suspects=suspects(board, DependencyGraph(targets)),
        cost=Cost(31, 0.00041, 1),
        library=library(),
    )


WARNING, HIGH = finding("A_B", Severity.WARNING), finding("A_C", Severity.HIGH)
HOSTILE_FINDING = Finding(
    "PG_LOCK_BLOCKED",
    Severity.CRITICAL,
    HOSTILE,
    subject=HOSTILE,
    evidence=(Evidence(HOSTILE, HOSTILE), Evidence("nan", float("nan"), "s", 1.0)),
)


@pytest.mark.parametrize(
    ("readings", "code"),
    [
        pytest.param([seen()], Exit.OK, id="nothing wrong"),
        pytest.param([seen(finding("A_D", Severity.INFO))], Exit.OK, id="only worth knowing"),
        pytest.param(
            [seen(finding("PG_OBS_BLIND", Severity.INFO))], Exit.UNKNOWN, id="saw only a part"
        ),
        pytest.param([seen(WARNING)], Exit.WARNING, id="a warning"),
        pytest.param([seen(WARNING, HIGH)], Exit.CRITICAL, id="high"),
        pytest.param(
            [seen(), blind(name="tg")], Exit.UNKNOWN, id="could not look, nothing wrong elsewhere"
        ),
        pytest.param(
            [seen(WARNING), blind(name="tg")], Exit.WARNING, id="could not look, but a warning"
        ),
        pytest.param([blind(found=HIGH)], Exit.CRITICAL, id="the failure is the finding"),
    ],
)
def test_exit_codes_are_those_of_monitoring_plug_ins(readings: list[Reading], code: Exit) -> None:
    assert report(*readings).exit_code == code


@pytest.mark.parametrize(
    "readings",
    [
        pytest.param([], id="nothing looked at"),
        pytest.param(
            [seen(WARNING, HIGH), blind(Reason.DENIED, name="tg")], id="findings and a blind one"
        ),
        pytest.param([seen(HOSTILE_FINDING)], id="hostile text"),
        pytest.param(
            [seen(changes=(Change(at=at(-60), kind="ecs.deployment", target="db", summary="x"),))],
            id="a change",
        ),
    ],
)
def test_the_json_keeps_its_schema(readings: list[Reading]) -> None:
    jsonschema.validate(json.loads(to_json(report(*readings))), SCHEMA)


def test_the_json_tells_when_a_finding_began_and_null_where_nobody_knows() -> None:
    looked = report(seen(WARNING, replace(HIGH, began=at(-600), resolution=90.0)))
    document = json.loads(to_json(looked))
    jsonschema.validate(document, SCHEMA)
    told = {each["code"]: (each["began"], each["resolution_s"]) for each in document["findings"]}
    assert told[HIGH.code] == (clock.stamp(at(-600)), 90.0)
    assert told[WARNING.code] == (None, None)


def test_the_json_gives_the_facts_in_their_order_the_headline_first() -> None:
    facts = (
        Fact("answered", "120/s · 3 wait", 120.0, "/s"),
        Fact("role", HOSTILE),
        Fact("left", "unknown", float("inf"), "s"),
    )
    look = seen()
    assert isinstance(look.outcome, Seen)
    looked = report(replace(look, outcome=replace(look.outcome, facts=facts)))
    (row,) = json.loads(to_json(looked))["readings"]

    jsonschema.validate(json.loads(to_json(looked)), SCHEMA)
    first, role, left = row["facts"]
    assert first == {"label": "answered", "text": "120/s · 3 wait", "value": 120.0, "unit": "/s"}
    assert "\x1b" not in role["text"]
    assert (role["value"], left["value"]) == (None, None)


def test_the_json_says_why_it_is_blind() -> None:
    (row,) = json.loads(to_json(report(blind(Reason.DENIED))))["readings"]
    assert (row["outcome"], row["reason"], row["detail"]) == (
        "blind",
        "denied",
        "no answer within 3 s",
    )


def test_the_table_never_calls_what_was_not_seen_healthy() -> None:
    text = to_text(report(seen(name="tg"), blind(name="db")))
    assert "1 not examined" in text
    assert "nothing wrong found" not in text


def test_what_is_not_examined_for_one_reason_is_told_once_for_a_target() -> None:
    looks = [blind(probe=f"pg.{name}") for name in ("locks", "sessions", "counters")]
    text = to_text(report(*looks, blind(name="tg"), blind(Reason.DENIED)))
    assert "4 not examined" in text
    assert [line for line in text.splitlines() if line.startswith("?")] == [
        "? denied        pg db  no answer within 3 s",
        "? timeout       pg db  no answer within 3 s (2 looks)",
        "? timeout       pg tg  no answer within 3 s",
    ]


def test_one_hint_stands_below_all_that_it_is_for() -> None:
    away = [replace(blind(name=name), outcome=UNREACHED) for name in ("db", "tg", "web")]
    lines = to_text(report(blind(Reason.DENIED, name="old"), *away)).splitlines()
    assert [line for line in lines if line.startswith(("?", "    "))][-3:] == [
        "? unreachable   3 targets  refused",
        "    pg db, pg tg, pg web",
        "    try: check endpoint_url",
    ]


def test_calls_to_services_of_one_region_that_fail_alike_have_one_cause() -> None:
    def away(name: str, call: str, region: str = "eu-west-1") -> Reading:
        service = call.partition(".")[0]
        detail = f"{call}: nothing answers at {service}.{region}.amazonaws.com within 2.5 s"
        outcome = Blind(Reason.UNREACHABLE, detail, f"is the network up? aws {call}")
        return replace(blind(name=name), outcome=outcome)

    one = away("db", "rds.DescribeDBInstances"), away("tg", "ecs.DescribeServices")
    groups = alike([*one, away("web", "ecs.DescribeServices", "eu-central-1"), seen(name="x")])
    assert [[each.target for each in group] for group in groups] == [["db", "tg"], ["web"], ["x"]]


async def test_at_a_place_that_cannot_be_reached_no_target_is_seen_in_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of every kind of the manual that AWS is asked about."""
    for name in ("COCKPIT_KEY", "COCKPIT_SECRET"):
        monkeypatch.setenv(name, "x")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        looked = await _at_a_closed_port(tmp_path, closed.getsockname()[1])
    own = {"changes.related"}  # judges what others saw, and asks nobody
    wrong = {
        reading.probe
        for reading in looked.board.readings.values()
        if reading.probe not in own and not isinstance(reading.outcome, Blind)
    }
    assert wrong == set()
    assert len({reading.kind for reading in looked.board.readings.values()}) >= 25
    assert "docs/rights.md" not in to_text(looked, Style(width=200))


async def _at_a_closed_port(folder: Path, port: int) -> Report:
    manual = Path(__file__).parents[2].joinpath("config.example.toml").read_text(encoding="utf-8")
    for given, instead in (
        ('profile = "prod-readonly"', ""),
        ('commander_profile = "prod-operator"', ""),
        ('# endpoint_url = ""', f'endpoint_url = "http://127.0.0.1:{port}"'),
        ("# access_key_id", "access_key_id"),
        ("# secret_access_key", "secret_access_key"),
    ):
        assert given in manual
        manual = manual.replace(given, instead)
    path = folder / "cockpit.toml"
    path.write_text(manual, encoding="utf-8")
    config = load(path, catalog())
    asked = tuple(
        one
        for one in config.targets
        if one.kind not in {"postgres", "mysql", "redis", "memcached", "endpoint"}
    )
    return await look_once(replace(config, targets=asked), registry())


async def test_a_finding_of_a_connection_that_failed_names_its_runbook(tmp_path: Path) -> None:
    with socket.socket() as closed, socket.socket() as mute:
        closed.bind(("127.0.0.1", 0))
        mute.bind(("127.0.0.1", 0))
        mute.listen(256)  # the kernel connects, and nobody ever answers
        targets = _four_kinds("refused", closed) + _four_kinds("mute", mute)
        looked = await _looked(tmp_path, targets)
    found = json.loads(to_json(looked))["findings"]
    assert {one["code"] for one in found} >= {
        "NET_TCP_REFUSED",
        "PG_CONN_MUTE",
        "MY_CONN_MUTE",
        "RD_CONN_MUTE",
        "MC_MUTE",
    }
    assert [one for one in found if one["severity"] != "info" and not one["runbook"]] == []
    assert "runbook database-refuses" in to_text(looked)
    assert "path-tcp" not in to_text(looked), "it looks at addresses of endpoints"


async def test_the_footer_counts_the_targets_that_were_looked_at(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        one = await _looked(tmp_path, _four_kinds("refused", closed), "memcached-refused")
    assert to_text(one).splitlines()[-1].startswith("1 target in ")


async def _looked(folder: Path, targets: str, *chosen: str) -> Report:
    path = folder / "cockpit.toml"
    path.write_text(f'environment = "x"\n{targets}')
    return await look_once(load(path, catalog()), registry(), targets=chosen)


def _four_kinds(name: str, server: socket.socket) -> str:
    port = server.getsockname()[1]
    return "".join(
        f'[[target]]\nkind = "{kind}"\nname = "{kind}-{name}"\nhost = "127.0.0.1"\n'
        f"port = {port}\n{more}\n"
        for kind, more in (
            ("postgres", 'user = "x"\nsslmode = "disable"'),
            ("mysql", 'user = "x"\ntls = "off"'),
            ("redis", "tls = false"),
            ("memcached", "tls = false"),
        )
    )


def test_hostile_text_stays_text_in_every_form() -> None:
    for shown in (to_json(report(seen(HOSTILE_FINDING))), to_text(report(seen(HOSTILE_FINDING)))):
        assert "\x1b" not in shown
        assert "\x00" not in shown
        assert "\u202e" not in shown


def test_the_table_fits_the_terminal() -> None:
    long = finding("A_C", Severity.HIGH, subject="x" * 300)
    text = to_text(report(seen(long, facts=(Fact("a", "1" * 90),))), Style(width=80))
    assert max(len(line) for line in text.splitlines()) <= 80


def test_an_endpoint_that_is_not_of_the_configuration_is_told() -> None:
    given = replace(report(seen(WARNING)), redirected={"prod ecs": "http://127.0.0.1:4566"})
    assert "not AWS itself: prod ecs was asked at http://127.0.0.1:4566" in to_text(given, Style())
    assert json.loads(to_json(given))["redirected"] == {"prod ecs": "http://127.0.0.1:4566"}


def test_the_table_is_plain_without_colour_and_without_unicode() -> None:
    text = to_text(report(seen(WARNING, HIGH)), Style(ascii=True))
    assert text.partition("\n\n")[2].splitlines()[0].startswith("x high")


def test_printed_lines_are_harmless_fold_and_are_plain_without_unicode() -> None:
    lines = ["\x1b[31m12 × of 3 ± 1 …", "  " + "word " * 12]
    assert list(printed(lines, Style(ascii=True, width=40))) == [
        "\\x1b[31m12 x of 3 +- 1 ...",
        "  word word word word word word word",
        "    word word word word word",
    ]


def test_names_that_look_alike_as_files_keep_a_recording_each(tmp_path: Path) -> None:
    board = Board()
    for name in ("a/b", "a b", "a_b", "x" * 300, "x" * 301):
        outcome = Seen(snapshot={"said": f'{name} p"w\\4711'})
        look = Reading(target=name, kind="k", probe="p.q", at=at(0), took=0.1, outcome=outcome)
        board, _ = reduce(board, look, ONE_LOOK)
    MASKER.learn('p"w\\4711')
    (tmp_path / "a_b.p.q.json").write_text("was there, for everybody")
    (tmp_path / "a_b.p.q.json").chmod(0o644)
    assert write_recordings(board, tmp_path) == ""
    kept = list(tmp_path.iterdir())
    assert len(kept) == 5
    assert {path.stat().st_mode & 0o777 for path in kept} == {0o600}
    assert not [path for path in kept if "4711" in path.read_text()]


def test_the_debug_log_is_bounded_and_private(tmp_path: Path) -> None:
    write = sweep.debug_log(tmp_path)
    for _ in range(40):
        assert write("x" * 60_000) == str(tmp_path / "debug.log")
    kept = list(tmp_path.iterdir())
    assert sorted(path.name for path in kept) == ["debug.log", "debug.log.1"]
    assert sum(path.stat().st_size for path in kept) < 1_000_000
    assert {path.stat().st_mode & 0o777 for path in kept} == {0o600}


def test_a_link_put_in_place_of_a_private_file_is_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("kept")
    (tmp_path / "debug.log").symlink_to(precious)
    for append in (False, True):
        with pytest.raises(OSError, match="symbolic"):
            private(tmp_path / "debug.log", append=append)
    assert precious.read_text() == "kept"


def test_a_secret_of_a_server_stands_in_no_evidence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MASKER, "_values", set())
    MASKER.learn('hunter"2\\of-check')
    told = replace(
        finding("A_B", subject="hunter%222%5Cof-check"),
        summary='hunter"2\\of-check',
        evidence=(Evidence("said", 'x hunter"2\\of-check y'),),
    )
    out = to_json(report(seen(told)))
    assert "of-check" not in out
    jsonschema.validate(json.loads(out), SCHEMA)
