"""Texts of ECS: what AWS documents and people report means what it says, whatever names are in it."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cockpit.runbooks.library import library
from probes.ecs import service as ecs
from probes.ecs import stops
from probes.ecs.failure import failure_of
from probes.ecs.model import Container, Snapshot
from probes.ecs.settings import Settings
from tests.probes.ecs_looks import (
    CRITICAL,
    WARNING,
    active,
    deployment,
    event,
    found,
    many,
    rolling,
    snapshot,
    stop,
)

TABLE = Path(__file__).with_name("ecs_texts.tsv")


def told() -> list[dict[str, str]]:
    """Cause, resource, source and text: the documentation, the agent's source, public reports."""
    with TABLE.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


TOLD = told()


def test_the_table_is_long_and_says_nothing_twice() -> None:
    texts = [row["text"] for row in TOLD]
    assert len(set(texts)) == len(texts) >= 120


@pytest.mark.parametrize("row", TOLD, ids=lambda row: f"{row['source']} {row['text'][:60]}")
def test_a_text_is_told_by_its_codes_and_words(row: dict[str, str]) -> None:
    meaning = failure_of(row["text"])
    assert (meaning.cause.value, meaning.resource.value) == (row["cause"], row["resource"])


# What somebody may call a repository or a host: every word that would be a cause by itself.
TEMPTING = [
    "platform",
    "throttling",
    "throttled",
    "denied",
    "forbidden",
    "unauthorized",
    "timeout",
    "eni",
    "secret",
    "secrets",
    "efs",
    "mount",
    "ssm",
    "kms",
    "notfound",
    "missing",
    "network",
    "agent",
    "memory",
    "429",
    "403",
    "401",
    "404",
    "500",
    "exec",
    "format",
    "disk",
    "toomanyrequests",
    "logger",
    "volume",
    "role",
]
LABELS = st.one_of(
    st.sampled_from(TEMPTING),
    st.from_regex(r"[a-z][a-z0-9]{0,8}(-[a-z0-9]{1,6})?", fullmatch=True),
)
HEX = st.text("0123456789abcdef", min_size=12, max_size=64)
ACCOUNTS = st.from_regex(r"[0-9]{6}(429|403|401|404|500|503)[0-9]{3}", fullmatch=True)
DIGESTS = HEX.map(lambda digits: f"sha256:{digits}")
PATHS = st.lists(LABELS, min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts))
HOSTS = st.lists(LABELS, min_size=2, max_size=4).map(".".join)
REPOSITORIES = st.one_of(
    st.tuples(LABELS, LABELS).map("/".join),
    st.tuples(LABELS, LABELS).map(":".join),
    st.tuples(HOSTS, LABELS, LABELS).map(lambda parts: f"{parts[0]}/{parts[1]}:{parts[2]}"),
    st.tuples(LABELS, DIGESTS).map("@".join),
    LABELS.map(lambda label: f"'{label}'"),
    LABELS.map(lambda label: f'"{label}"'),
)
ADDRESSES = st.one_of(
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=4).map(lambda address: f"{address}:443"),
    st.ip_addresses(v=6).map(lambda address: f"[{address}]:443"),
    st.tuples(HOSTS, PATHS).map(lambda parts: f"https://{parts[0]}{parts[1]}"),
)
ARNS = st.tuples(ACCOUNTS, PATHS).map(lambda parts: f"arn:aws:iam::{parts[0]}:role{parts[1]}")
NAMES = st.one_of(ACCOUNTS, DIGESTS, HEX, PATHS, HOSTS, REPOSITORIES, ADDRESSES, ARNS)


@given(
    row=st.sampled_from(TOLD),
    insertions=st.lists(
        st.tuples(st.floats(0, 1), NAMES, st.sampled_from(["", ",", ".", ":", ")"])),
        min_size=1,
        max_size=5,
    ),
)
@settings(max_examples=200, deadline=None)
def test_no_name_that_stands_in_a_text_changes_what_it_means(
    row: dict[str, str], insertions: Iterable[tuple[float, str, str]]
) -> None:
    words = row["text"].split(" ")
    for where, name, end in insertions:
        words.insert(round(where * len(words)), name + end)
    assert failure_of(" ".join(words)) == failure_of(row["text"])


@given(LABELS)
@settings(deadline=None)
def test_a_repository_of_one_word_is_no_cause(label: str) -> None:
    lost = f"CannotPullContainerError: API error (404): repository {label} not found"
    hidden = (
        f"CannotPullContainerError: pull access denied for {label}, repository does not exist or"
        " may require 'docker login'"
    )
    gone = f"CannotPullContainerError: manifest for {label} not found: manifest unknown"
    causes = [failure_of(text).cause.value for text in (lost, hidden, gone)]
    assert causes == ["missing", "missing or denied", "missing"]


def test_the_code_is_told_as_aws_spells_it() -> None:
    text = "(service web) was unable to place a task. Reason: ResourceInitializationError: denied"
    assert failure_of(text).code == "ResourceInitializationError"
    assert failure_of("a SomethingNewError: of tomorrow").code == "SomethingNewError"
    assert failure_of("nothing of the sort") == failure_of("")


DENIED_SECRET = (
    "ResourceInitializationError: unable to pull secrets or registry auth: unable to retrieve"
    " secret from asm: AccessDeniedException: User: arn:aws:sts::123456789012:assumed-role/web is"
    " not authorized to perform: secretsmanager:GetSecretValue"
)
THROTTLED_SECRET = (
    "ResourceInitializationError: unable to pull secrets or registry auth: unable to retrieve"
    " secrets from ssm: ThrottlingException: Rate exceeded"
)


def one(look: Snapshot, code: str) -> tuple[str, dict[str, object]]:
    (finding,) = [each for each in ecs.diagnose(look, Settings()) if each.code == code]
    return finding.subject, {each.label: each.value for each in finding.evidence}


def test_a_secret_that_may_not_be_read_is_no_network_interface() -> None:
    look = snapshot(stopped=many(2, "TaskFailedToStart", None, reason=DENIED_SECRET))
    subject, evidence = one(look, "ECS_RESOURCE_INIT_FAILED")
    assert (subject, evidence["cause"], evidence["resource"]) == ("secrets", "denied ×2", "secret")


def test_a_secret_that_is_read_too_often_is_throttling_and_waits() -> None:
    look = snapshot(stopped=many(3, "TaskFailedToStart", None, reason=THROTTLED_SECRET))
    (finding,) = ecs.diagnose(look, Settings())
    assert finding.likely[0].startswith("many tasks start at once")
    assert one(look, "ECS_RESOURCE_INIT_FAILED")[1]["cause"] == "throttled ×3"


def test_the_containers_own_text_outranks_that_the_task_did_not_start() -> None:
    said = "CannotPullContainerError: toomanyrequests: Rate exceeded"
    failed = stop("TaskFailedToStart", None, reason="Task failed to start", container=said)
    assert stops.reason(failed) == said
    assert stops.pull_failure(failed) == "rate limit"
    assert not stops.crashed(failed)


def test_of_several_containers_the_one_that_tells_a_cause_speaks() -> None:
    containers = (
        Container(name="sidecar", reason="Dependency did not become ready"),
        Container(name="web", reason="OutOfMemoryError: Container killed due to memory usage"),
    )
    assert stops.reason(stop(containers=containers)).startswith("OutOfMemoryError")


def test_what_a_person_wrote_who_stopped_a_task_is_no_cause() -> None:
    wrote = "CannotPullContainerError: no, just OutOfMemoryError: and failed ELB health checks"
    (stopped,) = many(1, "UserInitiated", 143, reason=wrote)
    assert stops.reason(stopped) == wrote
    assert found(snapshot(stopped=(stopped,)))[0][0] == "ECS_TASKS_STOPPED_BY_USER"
    assert len(found(snapshot(stopped=(stopped,)))) == 1


@pytest.mark.parametrize(
    ("running", "severity"),
    [pytest.param(0, CRITICAL, id="none runs"), pytest.param(3, WARNING, id="all run")],
)
def test_a_missing_image_is_as_bad_as_what_still_runs(running: int, severity: object) -> None:
    gone = many(1, "TaskFailedToStart", None, reason="CannotPullContainerError: manifest unknown")
    look = snapshot(stopped=gone, desired=3, running=running)
    assert ("ECS_IMAGE_PULL_FAILED", severity) in found(look)


def test_an_event_that_names_a_secret_is_no_lack_of_places() -> None:
    message = f"was unable to place a task. Reason: {DENIED_SECRET}"
    look = snapshot(events=(event(message, minutes=2),))
    assert found(look) == [("ECS_RESOURCE_INIT_FAILED", WARNING)]
    seen = snapshot(
        events=(event(message, minutes=2),),
        stopped=many(2, "TaskFailedToStart", None, reason=DENIED_SECRET),
    )
    assert one(seen, "ECS_RESOURCE_INIT_FAILED")[1]["failures"] == 2


def test_a_role_that_cannot_be_assumed_is_told_by_its_event() -> None:
    message = (
        "failed to launch a task with (error ECS was unable to assume the role"
        " 'arn:aws:iam::123456789012:role/web' that was provided for this task.)."
    )
    look = rolling(deployment(), active(), events=(event(message, minutes=1),))
    subject, evidence = one(look, "ECS_RESOURCE_INIT_FAILED")
    assert (subject, evidence["cause"]) == ("role", "denied ×1")


def test_what_a_place_lacks_is_read_from_its_event() -> None:
    near = "The closest matching container-instance 5d69e1a0f3b24c1e has insufficient memory available."
    message = f"was unable to place a task because no container instance met all of its requirements. {near}"
    assert one(snapshot(events=(event(message, minutes=1),)), "ECS_PLACEMENT_FAILED")[1][
        "lacking"
    ] == ("memory")


def test_every_new_finding_has_its_runbook() -> None:
    for code in ("ECS_IMAGE_PULL_FAILED", "ECS_RESOURCE_INIT_FAILED"):
        assert library().best(code) == "ecs-rollback"
