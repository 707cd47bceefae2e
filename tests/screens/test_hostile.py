"""Text from outside stays text, in every pane, whatever is in it."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import pytest

import screens
from cockpit.errors import Reason
from cockpit.incident.entry import EntryKind
from cockpit.redact import MASKER, SecretText
from cockpit.runbooks.plan import PlanLine
from cockpit.triage.board import Board, LookId
from cockpit.triage.changes import Change
from cockpit.triage.finding import Evidence, Severity
from cockpit.triage.probe import Blind, Fact, Reading, Seen
from cockpit.triage.suspects import Suspect
from cockpit.triage.suspicion.certainty import Certainty
from cockpit.triage.suspicion.chain import ChainLink
from cockpit.triage.suspicion.ruled_out import RuledOut
from cockpit.triage.view import Column, Offer, Row, Table
from tests.screens.conftest import FULL, SMALL, Shows, press, settle, text
from tests.screens.fake_desk import FakeDesk, ago, entry
from tests.screens.fake_desk import finding as make
from tests.screens.fake_desk import target as make_target
from tests.screens.fake_run import FakeRun

HOSTILE = {
    "markup and a secret": (
        "pa55:4711 '[/b]' [/closing] [bold red]x[/] [@click=app.quit]y[/] a[1 $critical {x} %s {{y}}"
    ),
    "controls and directions": "\x1b[31mr\x1b]0;t\x07 \x00b\r\nc\td\x7f \u202edcba\u2066 \ud800",
    "wide and combining": "日本語テキスト" * 8 + "e\u0301\u0301\u0301" * 30,
    "one megabyte": "x" * 1_000_000,
    "nothing": "",
}
FORBIDDEN = ("\x1b", "\x00", "\u202e", "\u2066", "\x07", "\ud800", "pa55")


def hostile_desk(bad: str) -> FakeDesk:
    desk = FakeDesk()
    desk.targets = {**desk.targets, bad: make_target(bad, "postgres", bad)}
    offer = Offer(
        key="t", label=bad, kind="sql", call=bad, args={bad: bad}, risk="high", effect=bad
    )
    table = Table(
        title=bad, headline=bad, note=(bad,), best=(offer,),
        columns=(Column(bad, 10), Column("b"), Column(bad)),
        rows=(
            Row(key=bad, cells=(bad, bad, bad), secret=SecretText(bad), offers=(offer,)),
            Row(key="2", cells=(bad,), depth=3, severity=Severity.HIGH),
        ),
    )  # fmt: skip
    reading = Reading(bad, "postgres", bad, ago(seconds=1), 1.0, Seen(
        facts=(Fact(bad, bad, severity=Severity.CRITICAL),), tables=(table,),
    ))  # fmt: skip
    blind = Reading("catalog", bad, bad, ago(seconds=1), 1.0, Blind(Reason.DENIED, bad, bad))
    found = make(bad, Severity.CRITICAL, bad, on=bad, subject=bad, probe=bad, likely=(bad,),
                 against=(bad,), next=bad,
                 evidence=(Evidence(bad, bad, bad), Evidence(bad, 3, bad, 2, (1.0, 2.0))))  # fmt: skip
    change = Change(at=ago(minutes=1), kind=bad, target=bad, summary=bad, actor=bad, source=bad)
    desk.board = Board(
        readings={LookId(bad, bad): reading, LookId("catalog", bad): blind},
        open={found.id: found},
        cleared=(replace(found, cleared=ago(seconds=9), id=found.id._replace(code="GONE")),),
        changes=(change,),
    )
    desk.suspects = (
        Suspect(
            rank=1, kind=bad, name=bad, score=0.5, summary=bad, explains=(bad,), for_=(bad,),
            against=(bad,), not_examined=(bad,), next_probe=bad, said=bad, reason=bad,
            verdict=Certainty.UNCLEAR if len(bad) % 2 else Certainty.LIKELY,
            change=change, after=(change,), chain=(ChainLink(bad, ago(minutes=2)), ChainLink(bad, None)),
        ),
    )  # fmt: skip
    desk.ruled_out = (
        RuledOut(bad, (), at=ago(minutes=1), until=None, by=bad),
        RuledOut(bad, (bad,), at=ago(minutes=1), until=ago(minutes=-1)),
    )
    desk.entries = [replace(entry(1, ago(minutes=2), EntryKind.NOTE, bad, bad), word=bad[:20])]
    desk.headline = replace(desk.headline, title=bad)
    desk.status = replace(
        desk.status, environment=bad, account=bad, region=bad, actor=bad, degraded=bad
    )
    return desk


def clean(told: str) -> bool:
    return not any(each in told for each in FORBIDDEN)


@pytest.mark.parametrize("bad", HOSTILE.values(), ids=HOSTILE.keys())
async def test_no_pane_parses_what_comes_from_outside(
    bad: str, show: Shows, monkeypatch: pytest.MonkeyPatch
) -> None:
    MASKER.learn("pa55:4711")
    desk = hostile_desk(bad)
    found = next(iter(desk.board.open.values()))
    run = desk.start_run("database-connections", found)
    run.output = bad
    plan = FakeRun.plan

    async def hostile_plan(self: FakeRun, step_id: str) -> object:
        made = await plan(self, step_id)
        return replace(made, lines=(PlanLine(bad, bad),), confirm_word=bad, target=bad, gaps=(bad,))

    monkeypatch.setattr(FakeRun, "plan", hostile_plan)
    async with show(desk, FULL) as pilot:
        assert clean(text(pilot))
        for keys in (
            ("1", "O"), ("escape", "1", "enter"), ("escape", "2", "end", "enter"), ("escape", "3", "enter"), ("v",),
            ("escape", "down"), ("T",), ("escape", "3", "home", "y"), ("5", "end", "R"),
            ("escape", "n"), ("escape", "space"),
        ):  # fmt: skip
            await press(pilot, *keys)
            assert clean(text(pilot)), keys
        pilot.app.say(bad)  # type: ignore[attr-defined]
        await pilot.resize_terminal(*SMALL)
        await settle(pilot)
        assert clean(text(pilot))


TAKES_MARKUP = {"Static", "Label", "Button", "RichLog", "Markdown", "Tooltip", "DataTable", "Log"}


def test_no_screen_uses_a_widget_that_reads_markup() -> None:
    for path in Path(screens.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("textual"):
                used = {alias.name for alias in node.names} & TAKES_MARKUP
                assert not used, f"{path.name}: {used} reads str as markup; use LineView"
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                name = node.func.attr
                assert name != "from_markup", f"{path.name}:{node.lineno}: parses markup"
                if name == "notify":
                    keys = {word.arg for word in node.keywords}
                    assert "markup" in keys, f"{path.name}:{node.lineno}: notify(markup=False)"
            if isinstance(node, ast.Assign):
                for goal in node.targets:
                    named = goal.attr if isinstance(goal, ast.Attribute) else ""
                    if named in {"border_title", "border_subtitle", "tooltip"}:
                        assert isinstance(node.value, ast.Call), f"{path.name}:{node.lineno}"
                        assert getattr(node.value.func, "id", "") == "Content"


def test_no_screen_imports_a_probe_or_a_driver() -> None:
    drivers = {"probes", "aioboto3", "botocore", "boto3", "psycopg", "pymysql", "redis", "aiohttp"}
    for path in Path(screens.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            assert not {name.partition(".")[0] for name in names} & drivers, path
