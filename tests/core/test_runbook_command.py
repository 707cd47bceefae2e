"""Programs without a shell: one value one argument, nothing inherited, killed as a group."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from pathlib import Path

import pytest

from cockpit.errors import BlindError, Refused
from cockpit.runbooks.kinds import command
from cockpit.runbooks.kinds.result import CutOff
from cockpit.runbooks.plan import Act
from cockpit.runbooks.step import StepKind
from tests.core.runs import Rig, book, rig
from tests.patience import at_most, until

PYTHON = str(Path(sys.executable).resolve())
HOSTILE = ['"; rm -rf /"', "$(touch /tmp/pwned)", "`id`", "a b  c", "*", "~", "$HOME", "é\u202e\n|"]
FRONT = """\
+++
id = "test-book"
title = "A program"
for = ["X"]
reviewed = 2026-11-21

[params.word]
type = "text"
from = "finding.subject"
+++
"""


def act(*argv: str, timeout: float = 60) -> Act:
    return Act(kind=StepKind.COMMAND, does="", argv=argv, timeout=timeout)


def script(code: str, *words: str, timeout: float = 60) -> Act:
    return act(PYTHON, "-c", code, *words, timeout=timeout)


def step(argv: list[str], **more: str) -> str:
    extra = "\n".join(f"{key} = {value}" for key, value in more.items())
    quoted = json.dumps(argv)[1:-1]
    return (
        f'\n## Run it\nProse.\n```toml step\nid = "run"\nkind = "command"\nrisk = "high"\n'
        f'argv = [{quoted}]\neffect = "runs"\nundo = "none: it only looks"\n{extra}\n```\n'
    )


def ready(argv: list[str], word: str = "x", **more: str) -> Rig:
    return rig(book(step(argv, **more), front=FRONT), word=word)


@pytest.mark.parametrize("word", HOSTILE)
async def test_a_value_is_one_argument_whatever_is_in_it(word: str) -> None:
    result = await command.run(script("import sys; print(ascii(sys.argv[1:]))", word, "next"))
    assert result.output.strip() == ascii([word, "next"])
    assert result.done


async def test_nothing_of_our_environment_is_inherited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("LD_PRELOAD", "")
    code = "import os; print(sorted(os.environ)); print(os.getcwd()); print(os.read(0, 1))"
    result = await command.run(script(code))
    names, cwd, read = result.output.splitlines()
    assert "AWS_SECRET_ACCESS_KEY" not in names
    assert "LD_PRELOAD" not in names
    assert (cwd, read) == ("/", "b''")


async def test_another_status_than_zero_is_not_done() -> None:
    result = await command.run(script("import sys; print('no'); sys.exit(3)"))
    assert (result.done, result.data["status"], result.output) == (False, 3, "no\n")
    killed = await command.run(script("import os; os.kill(os.getpid(), 9)"))
    assert (killed.done, killed.text.endswith("was ended by signal 9")) == (False, True)


async def test_a_program_that_does_not_start_did_nothing() -> None:
    with pytest.raises(BlindError, match="did not start"):
        await command.run(act("/nonexistent/program"))


def gone(pid: int, within: float = 15) -> bool:
    """Whether a process is gone, or only waits for its parent to ask how it ended."""
    end = time.monotonic() + at_most(within)
    while time.monotonic() < end:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


_FAMILY = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(os.getpid(), child.pid, flush=True)
"""


async def test_at_the_end_of_its_time_the_whole_group_is_killed() -> None:
    stubborn = (
        "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        + _FAMILY
        + "time.sleep(600)"
    )
    with pytest.raises(CutOff, match="did not end within 3s and was killed") as raised:
        await command.run(script(stubborn, timeout=3))  # time enough to tell its family
    pids = [int(word) for word in raised.value.output.split()]
    assert len(pids) == 2
    assert all(gone(pid) for pid in pids)


async def test_a_child_that_keeps_the_pipe_open_does_not_hold_us_and_is_killed() -> None:
    result = await command.run(script(_FAMILY))
    assert result.done, "the child sleeps for ten minutes, and nobody waited for it"
    assert all(gone(int(pid)) for pid in result.output.split())


async def test_a_cancelled_run_leaves_no_process() -> None:
    told = asyncio.create_task(command.run(script(_FAMILY + "time.sleep(600)")))
    await until(_sleepers)
    told.cancel()
    with pytest.raises(asyncio.CancelledError):
        await told
    assert not _sleepers()


def _sleepers() -> list[Path]:
    """Children of ours that sleep."""
    mine = [p for p in Path("/proc").iterdir() if p.name.isdigit() and _parent(p) == os.getpid()]
    return [p for p in mine if b"time.sleep(600)" in (p / "cmdline").read_bytes()]


def _parent(folder: Path) -> int:
    try:
        return int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


async def test_a_flood_of_output_is_read_to_its_end_and_kept_in_part() -> None:
    code = "import sys\nfor _ in range(4096): sys.stdout.write('x' * 1023 + '\\n')\nprint('end')"
    result = await command.run(script(code))
    assert result.done
    assert len(result.output) == command.MOST


async def test_output_that_is_not_text_is_shown_all_the_same() -> None:
    code = "import sys; sys.stdout.buffer.write(bytes(range(256)))"
    result = await command.run(script(code))
    assert result.done
    assert "\ufffd" in result.output


def test_a_program_is_pinned_by_its_content(tmp_path: Path) -> None:
    program = tmp_path / "tool"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    first = command.fingerprint(str(program))
    program.write_text("#!/bin/sh\nrm -rf /\n")
    assert command.fingerprint(str(program)) != first


@pytest.mark.parametrize(
    ("mode", "told"),
    [(0o644, "not an executable file"), (0o757, "written by everybody")],
)
def test_some_files_are_not_run(tmp_path: Path, mode: int, told: str) -> None:
    program = tmp_path / "tool"
    program.write_text("#!/bin/sh\n")
    program.chmod(mode)
    if mode == 0o644 and os.access(program, os.X_OK):
        told = ""
    with pytest.raises(Refused, match=told):
        command.fingerprint(str(program))


def program_in(folder: Path) -> Path:
    folder.mkdir(parents=True)
    program = folder / "tool"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return program


@pytest.mark.parametrize(
    ("mode", "told"),
    [
        pytest.param(0o755, "", id="ours"),
        pytest.param(0o757, "others may write", id="everybody may write it"),
        pytest.param(0o1777, "", id="everybody, but not what is ours: as /tmp"),
    ],
)
@pytest.mark.parametrize("deep", [False, True], ids=["its folder", "a folder above"])
def test_a_program_in_a_folder_that_others_may_write_is_not_run(
    tmp_path: Path, mode: int, told: str, deep: bool
) -> None:
    open_to = tmp_path / "open"
    program = program_in(open_to / "inner" if deep else open_to)
    open_to.chmod(mode)
    if not told:
        command.fingerprint(str(program))
        return
    with pytest.raises(Refused, match=told):
        command.fingerprint(str(program))


def test_a_link_to_a_program_is_judged_by_both_its_ends(tmp_path: Path) -> None:
    program = program_in(tmp_path / "safe")
    loose = tmp_path / "loose"
    loose.mkdir()
    link = loose / "tool"
    link.symlink_to(program)
    command.fingerprint(str(link))
    loose.chmod(0o777)
    with pytest.raises(Refused, match="others may write"):
        command.fingerprint(str(link))
    link.unlink()
    link = tmp_path / "safe" / "link"
    link.symlink_to(program_in(loose / "below"))
    with pytest.raises(Refused, match="others may write"):
        command.fingerprint(str(link))


def test_a_program_of_another_user_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = program_in(tmp_path / "theirs")
    if os.geteuid() == 0:
        os.chown(program.parent, 65534, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(Refused, match="belongs to another user"):
        command.fingerprint(str(program))


@pytest.mark.parametrize("program", ["ls", "./tool", "", "/", "/nonexistent/tool"])
def test_a_program_is_an_absolute_path_of_a_file(program: str) -> None:
    with pytest.raises(Refused):
        command.fingerprint(program)


@pytest.mark.parametrize(
    ("value", "dashes", "expected"),
    [
        ("x", False, "x"),
        (42, False, "42"),
        ("-rf", True, "-rf"),
        ("-rf", False, None),
        ("a\0b", True, None),
        (True, True, None),
        (["a"], True, None),
        (None, True, None),
    ],
)
def test_a_value_from_outside_cannot_be_an_option(
    value: object,
    dashes: bool,
    expected: str | None,
) -> None:
    if expected is None:
        with pytest.raises(Refused):
            command.argument(value, after_dashes=dashes)
    else:
        assert command.argument(value, after_dashes=dashes) == expected


async def test_a_command_step_is_a_high_risk_whose_plan_shows_every_argument() -> None:
    made = ready([PYTHON, "-c", "import sys; print(sys.argv[1])", "$word"], "$(id); 'x'")
    plan = await made.run.plan("run")
    assert (plan.risk, plan.confirm_word) == ("high", Path(PYTHON).name)
    assert plan.lines[0].text.endswith("""'$(id); '"'"'x'"'"''""")
    outcome = await made.carry("run")
    assert (outcome.kind, outcome.output) == ("ok", "$(id); 'x'\n")


async def test_an_option_from_outside_is_refused_unless_the_author_wrote_two_dashes() -> None:
    made = ready([PYTHON, "-c", "0", "$word"], "-rf")
    with pytest.raises(Refused, match="put -- before it"):
        await made.run.plan("run")
    made = ready([PYTHON, "-c", "0", "--", "$word"], "-rf")
    assert (await made.carry("run")).kind == "ok"


async def test_a_program_that_was_exchanged_after_the_approval_is_not_run(tmp_path: Path) -> None:
    program = tmp_path / "tool"
    program.write_text("#!/bin/sh\necho one\n")
    program.chmod(0o755)
    made = ready([str(program)])
    plan = await made.run.plan("run")
    approval = made.run.approve(plan, typed="tool")
    program.write_text("#!/bin/sh\necho two\n")
    with pytest.raises(Refused, match="program: "):
        await made.run.execute(plan, approval)
    assert "step.intent" not in made.journal.kinds()


async def test_a_program_that_hangs_has_an_unknown_outcome_with_what_it_printed() -> None:
    code = "import time; print('half', flush=True); time.sleep(600)"
    made = ready([PYTHON, "-c", code], timeout='"3s"')
    outcome = await made.carry("run")
    assert (outcome.kind, outcome.output) == ("unknown", "half\n")
    assert made.journal.entries[-1][2]["outcome"] == "unknown"
