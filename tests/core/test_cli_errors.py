"""Errors on a terminal: no escape of a file or a server acts there, and no secret is told."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from cockpit.cli import main as cli
from cockpit.cli.main import USAGE, run, tell
from cockpit.cli.tui import called_as
from cockpit.errors import Misconfigured
from cockpit.redact import MASK, MASKER


def test_an_error_shows_escapes_and_hides_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    MASKER.learn("hunter2-of-the-cli")
    tell(Misconfigured("first \x1b]0;owned\x07\nsecond hunter2-of-the-cli", hint="\x1b[2J do"))
    told = capsys.readouterr().err
    assert "\x1b" not in told
    assert told.splitlines()[0] == r"cockpit: first \x1b]0;owned\x07"
    assert told.splitlines()[1] == f"cockpit: second {MASK}"


@pytest.mark.parametrize(
    ("words", "next_step"),
    [
        (["check", "--jsno"], "  try: cockpit check --help"),
        (["runbook", "show"], "  try: cockpit runbook show --help"),
        (["--role", "boss", "check"], "  try: cockpit --help"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_call_ends_with_what_to_type(
    words: list[str], next_step: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(words) == USAGE
    assert capsys.readouterr().err.splitlines()[-1] == next_step


def test_the_demo_is_not_painted_where_nobody_sees_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["demo"]) != 0
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.splitlines()[0] == "cockpit: the cockpit needs a terminal"
    assert told.err.splitlines()[-1].strip() == "without one: cockpit demo --no-tui"


def test_a_line_to_type_names_the_program_as_it_was_called(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "my bin" / "cockpit"
    program.parent.mkdir()
    program.touch(0o755)
    monkeypatch.setattr("sys.argv", [str(program)])
    monkeypatch.setenv("PATH", str(tmp_path))
    assert called_as() == f"'{program}'"
    monkeypatch.setenv("PATH", str(program.parent))
    assert called_as() == "cockpit"
    monkeypatch.setattr("sys.argv", [str(tmp_path / "__main__.py")])
    monkeypatch.setattr("sys.executable", "/usr/bin/python3")
    assert called_as() == "/usr/bin/python3 -m cockpit.cli"


def test_a_bug_ends_with_70_and_not_with_what_monitoring_reads_as_a_warning(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def bug(_: object) -> int:
        raise ZeroDivisionError("by nought with hunter2-of-the-bug")

    MASKER.learn("hunter2-of-the-bug")

    monkeypatch.setattr(cli, "run", bug)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(SystemExit) as caught:
        cli.main(["check"])
    assert caught.value.code == 70
    assert "a bug of ours, ZeroDivisionError: by nought" in capsys.readouterr().err
    (report,) = tmp_path.iterdir()
    assert stat.S_IMODE(report.stat().st_mode) == 0o600
    assert f"by nought with {MASK}" in report.read_text()
    assert "hunter2" not in report.read_text()
