"""Errors on a terminal: no escape of a file or a server acts there, and no secret is told."""

from __future__ import annotations

import pytest

from cockpit.cli.main import USAGE, run, tell
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
