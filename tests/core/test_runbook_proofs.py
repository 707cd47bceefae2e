"""What could not be read proves no step: neither that it worked nor that it was taken back."""

from __future__ import annotations

from typing import Any

import pytest

from cockpit.runbooks.library import library
from cockpit.runbooks.values import holds

DENIED = [{"what": what} for what in ("callers", "function policies", "security groups")]
BEFORE: dict[str, Any] = {"before": {"rule": "hourly", "function": "f", "execution": "e"}}
EMPTY: dict[str, Any] = {
    "rules": [],
    "callers": [],
    "forbidden": [],
    "blockers": [],
    "moves": [],
    "hoarders": [],
    "logging": "",
    "status": None,
    "network": {"unread": ["security groups"]},
    "denied": ["CLIENT LIST"],
    "known": [],
    "gaps": DENIED,
    "hoarder": {"id": "7"},
}
"""Looks that were made and could not read the part that is meant."""
READ: dict[str, Any] = EMPTY | {
    "moves": [{"status": "CANCELLED"}],
    "status": "ABORTED",
    "network": {"unread": []},
    "denied": [],
    "known": ["logging"],
    "gaps": [],
}
RUNS = {"status": "RUNNING"}


@pytest.mark.parametrize(
    ("book", "step", "undone", "read"),
    [
        pytest.param("apigw-unreachable", "permit", False, {}, id="who lets an API in"),
        pytest.param("lambda-not-invoked", "rule", False, {}, id="a rule"),
        pytest.param("lambda-not-invoked", "permit", True, {}, id="who may call"),
        pytest.param("path-security-group", "allow", False, {}, id="a rule for the way in"),
        pytest.param("path-security-group", "allow_out", False, {}, id="a rule for the way out"),
        pytest.param("redis-memory", "close", False, {}, id="clients"),
        pytest.param("s3-review", "log", True, {}, id="the access log"),
        pytest.param("sfn-failures", "abort", False, {}, id="an execution"),
        pytest.param("sfn-failures", "abort", True, RUNS, id="an execution that goes on"),
        pytest.param("sfn-failures", "redrive", False, RUNS, id="an execution done once more"),
        pytest.param("sfn-failures", "redrive", True, {}, id="an execution stopped again"),
        pytest.param("sqs-redrive", "move", True, {}, id="moves"),
    ],
)
def test_what_was_not_read_proves_nothing(
    book: str, step: str, undone: bool, read: dict[str, Any]
) -> None:
    held = next(each for each in library().get(book).steps if each.id == step)
    assert held.undo is not None
    until = held.undo.verify if undone else held.verify
    assert until is not None
    assert not holds(until.until, BEFORE | EMPTY)
    assert holds(until.until, BEFORE | READ | read)


def test_another_execution_that_hangs_longer_hides_none() -> None:
    """Each is asked for by its own name: the oldest that runs may be another one."""
    held = {each.id: each for each in library().get("sfn-failures").steps}
    for step in ("redrive", "abort"):
        assert held[step].verify is not None
        assert held[step].verify.call == "stepfunctions.DescribeExecution"  # type: ignore[union-attr]
