"""A program of a step is found again: it begins once the record names it, and ends with us."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from cockpit.connect.role import Role
from cockpit.errors import BlindError
from cockpit.incident.author import Author
from cockpit.incident.incident import Incidents
from cockpit.runbooks import unfinished
from cockpit.runbooks.kinds import command
from cockpit.runbooks.kinds.process import StepProcess, from_data, process_of
from cockpit.runbooks.kinds.result import CutOff
from tests.core.test_runbook_command import PYTHON, act, gone, ready, script
from tests.patience import eventually

COCKPIT = """
import asyncio, sys
from cockpit.runbooks.kinds import command
from cockpit.runbooks.plan import Act
from cockpit.runbooks.step import StepKind

async def tell(process):
    print(process.pid, process.started, flush=True)
    if sys.argv[2] == "slow":
        await asyncio.sleep(600)

code = f"import time; open({sys.argv[1]!r}, 'w').close(); time.sleep(600)"
asyncio.run(command.run(
    Act(kind=StepKind.COMMAND, does="", argv=(sys.argv[3], "-c", code), timeout=600), tell
))
"""


@contextmanager
def cockpit(marker: Path, record: str) -> Iterator[tuple[subprocess.Popen[str], StepProcess]]:
    """A cockpit that runs a program which leaves a marker, and the process that it told of."""
    argv = [sys.executable, "-c", COCKPIT, str(marker), record, PYTHON]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as ours:
        assert ours.stdout is not None
        pid, started = ours.stdout.readline().split()
        try:
            yield ours, StepProcess(int(pid), started)
        finally:
            ours.kill()


def test_a_program_ends_with_a_cockpit_that_is_killed(tmp_path: Path) -> None:
    marker = tmp_path / "began"
    with cockpit(marker, "quick") as (ours, process):
        eventually(marker.exists)
        assert process.runs is True
        ours.send_signal(signal.SIGKILL)
        ours.wait()
        assert gone(process.pid)
        assert process.runs is False


def test_a_program_that_the_record_does_not_name_never_begins(tmp_path: Path) -> None:
    marker = tmp_path / "began"
    with cockpit(marker, "slow") as (ours, process):
        assert process.runs is True, "it waits for the word"
        ours.send_signal(signal.SIGKILL)
        ours.wait()
        assert gone(process.pid)
    assert not marker.exists()


async def test_the_record_names_the_process_before_the_program_begins() -> None:
    made = ready([PYTHON, "-c", "import os; print(os.getpid(), os.getsid(0))"])
    outcome = await made.carry("run")
    kinds = made.journal.kinds()
    assert kinds.index("step.intent") < kinds.index("step.output") < kinds.index("step.outcome")
    (began,) = (data for kind, _, data in made.journal.entries if kind == "step.output")
    assert began["intent"] == kinds.index("step.intent") + 1
    assert began["process"] == made.journal.entries[-1][2]["process"]
    assert began["process"]["started"]
    assert outcome.output.split() == [str(began["process"]["pid"])] * 2, "it and its session"


async def test_a_program_that_is_not_told_of_in_time_is_ended() -> None:
    found: list[StepProcess] = []

    async def tell(process: StepProcess) -> None:
        found.append(process)
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await command.run(script("print('never')"), tell)
    assert gone(found[0].pid)


async def test_what_cannot_become_the_program_says_why(tmp_path: Path) -> None:
    text = tmp_path / "tool"
    text.write_text("no program at all")
    text.chmod(0o755)
    with pytest.raises(BlindError, match="did not start: Exec format error"):
        await command.run(act(str(text)))


@pytest.mark.parametrize("code", ["", "; time.sleep(600)"], ids=["it ends", "it is killed"])
async def test_a_child_that_left_the_session_does_not_outlive_the_step(
    tmp_path: Path, code: str
) -> None:
    told = tmp_path / "pid"
    child = f"import os, time; open({str(told)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    leaving = (
        "import os, subprocess, sys, time\n"
        f"subprocess.Popen([sys.executable, '-c', {child!r}], start_new_session=True)\n"
        f"while not os.path.exists({str(told)!r}) or not os.path.getsize({str(told)!r}):\n"
        "    time.sleep(0.01)\n"
        "print('left', flush=True)"
    )
    with suppress(CutOff):
        await command.run(script(leaving + code, timeout=5))
    assert gone(int(told.read_text()))


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A program with a child, in a session of its own."""
    code = "import subprocess, sys; print(flush=True); subprocess.run(['sleep', '600'])"
    argv = [sys.executable, "-c", code]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return


def ended(process: StepProcess) -> bool:
    """It comes to that, sooner or later."""
    return eventually(lambda: process.runs is False)


def test_it_runs_as_long_as_any_of_its_group_does(sleeper: subprocess.Popen[bytes]) -> None:
    process = process_of(sleeper.pid)
    assert process.runs is True
    assert replace(process, started="1").runs is False, "another process got its number"
    assert from_data(process.as_data()) == process
    while not _children(sleeper.pid):
        time.sleep(0.02)
    sleeper.kill()
    sleeper.wait()
    assert process.runs is True, "its child still does"
    os.killpg(sleeper.pid, signal.SIGKILL)
    assert ended(process)


def _children(pid: int) -> str:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text()


@pytest.mark.parametrize(
    "data", [None, "x", {}, {"pid": "1"}, {"pid": True}, {"pid": 0}, {"pid": -5}]
)
def test_what_is_no_process_in_the_record_is_none(data: object) -> None:
    assert from_data(data) is None


async def test_on_resume_it_is_told_whether_the_program_still_runs(
    tmp_path: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    incidents = Incidents(tmp_path)
    first = incidents.create("x", "P1", environment="prod", role=Role.COMMANDER, actor="ana")
    intent = await first.intent("Run it: /usr/bin/x")
    data = {"intent": intent.seq, "process": process_of(sleeper.pid).as_data()}
    await first.append("step.output", "/usr/bin/x begins", data=data, durable=True)
    name = first.id
    first.close()
    again = incidents.resume(name, role=Role.COMMANDER, actor="ben")
    (one,) = unfinished.all_of(again.unfinished, again.entries)
    assert one.program == f"its program (process {sleeper.pid}) STILL RUNS"
    os.killpg(sleeper.pid, signal.SIGKILL)
    sleeper.wait()
    assert one.process is not None
    assert ended(one.process)
    assert one.program == f"its program (process {sleeper.pid}) runs no more"
    away = replace(one, intent=replace(one.intent, host="bastion-2"))
    assert away.program.endswith("was on bastion-2: look there whether it runs")
    restarted = replace(one, intent=replace(one.intent, boot="another"))
    assert restarted.program.endswith("ended: the machine was restarted since")
    assert Author.here("", Role.TRIAGE).host == one.intent.host
    again.close()
