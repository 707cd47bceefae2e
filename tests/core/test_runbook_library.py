"""What we ship: clean against the real probes, statements and service models, and whole."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cockpit.cli.commands.runbook import runbook as commands
from cockpit.connect.aws.models import parse as parse_call
from cockpit.connect.aws.models import validate_call
from cockpit.connect.aws.reads import iam_action
from cockpit.connect.net.settings import EndpointSettings
from cockpit.incident.sanitise import plain_data
from cockpit.runbooks import gate
from cockpit.runbooks.exact import _IDENTIFIERS, identified
from cockpit.runbooks.format import Parsed, parse
from cockpit.runbooks.known import known
from cockpit.runbooks.library import library, shipped
from cockpit.runbooks.lint import coverage, lint
from cockpit.runbooks.scope import param_values, untils
from cockpit.runbooks.step import Risk, Runbook, Step, StepKind
from cockpit.runbooks.values import holds, is_reference
from cockpit.triage.board import FindingId, OpenFinding
from cockpit.triage.finding import Finding, Severity
from cockpit.triage.registry import registry
from cockpit.triage.target import Target
from tests.core.runs import FRONT, LOOK, TERMINATE

SCENARIOS = {
    "PG_LOCK_BLOCKED": "database-connections",
    "PG_SAT_CONNECTIONS": "database-connections",
    "TG_NO_HEALTHY_TARGETS": "targets-unhealthy",
    "ECS_CRASH_LOOP": "ecs-rollback",
    "DDB_THROTTLED_PROVISIONED": "dynamodb-throttling",
    "RD_MEM_NEAR_MAX": "redis-memory",
    "CACHE_MEMORY_HIGH": "redis-memory",
    "PATH_SG_INGRESS_DENIED": "path-security-group",
    "NET_TLS_EXPIRED": "tls-certificate",
    "NET_DNS_SERVFAIL": "path-dns",
    "NET_TARGET_ONE_BAD": "path-tcp",
    "DEP_EXTERNAL": "dependency-external",
    "LAMBDA_ALL_FAILING": "lambda-rollback",
    "LAMBDA_OOM": "lambda-memory",
    "LAMBDA_THROTTLED": "lambda-throttles",
    "LAMBDA_ACCESS_DENIED": "lambda-permissions",
    "ASG_BELOW_DESIRED": "asg-capacity",
    "ASG_REPLACEMENT_LOOP": "asg-replacement-loop",
    "ASG_SCALING_SUSPENDED": "asg-suspended",
    "S3_PUBLIC_POLICY": "s3-public",
    "S3_READER_DENIED": "s3-access-denied",
    "REPORT_MISSING": "report-pipeline",
}
NEVER = re.compile(r"(?i)flushall|0\.0\.0\.0/0|deregistertargets|promote|stopdb|deletedb|pwn")

GUARDED = {("targets-unhealthy", "deregister")}
"""What is in `NEVER` and offered all the same, with the guards that a test of its own shows."""


def books() -> list[Any]:
    return [pytest.param(each, id=each.runbook.id if each.runbook else "?") for each in shipped()]


def steps(*kinds: StepKind) -> list[Any]:
    return [
        pytest.param(each.runbook, step, id=f"{each.runbook.id}:{step.id}")
        for each in shipped()
        if each.runbook is not None
        for step in each.runbook.steps
        if step.kind in kinds
    ]


@pytest.mark.parametrize("parsed", books())
def test_every_shipped_runbook_is_without_a_problem(parsed: Parsed) -> None:
    assert parsed.runbook is not None, "\n".join(map(str, parsed.problems))
    assert [str(problem) for problem in lint(parsed.runbook, known())] == []
    assert parsed.runbook.path.stem == parsed.runbook.id
    assert parsed.runbook.intro


@pytest.mark.parametrize(("code", "name"), SCENARIOS.items())
def test_each_scenario_with_a_repair_has_its_runbook(code: str, name: str) -> None:
    assert library().for_code(code)[0].id == name


def test_the_names_of_the_shipped_runbooks_are_taken_once() -> None:
    found = library()
    names = [name for each in found.runbooks for name in (each.id,)]
    assert len(names) == len(set(names))
    assert found.problems == ()


CLOSED = (
    '{"Statement":{"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"s3:GetObject",'
    '"Resource":"arn:aws:s3:::shop/*"}}'
)


def filled(value: Any, model: Any) -> Any:
    """The arguments with a value of the type that the service model wants for each reference."""
    if is_reference(value) and model.name in {"Policy", "policyDocumentType"}:
        return CLOSED
    if is_reference(value):
        return _EXAMPLES[model.type_name](model)
    if isinstance(value, Mapping):
        of = (lambda _: model.value) if model.type_name == "map" else model.members.get
        return {name: filled(each, of(name)) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [filled(each, model.member) for each in value]
    return value


_EXAMPLES: Mapping[str, Any] = {
    "string": lambda _: "x" * 40,
    "integer": lambda shape: max(10, shape.metadata.get("min", 10)),
    "long": lambda shape: max(10, shape.metadata.get("min", 10)),
    "double": lambda _: 10.0,
    "list": lambda shape: [_EXAMPLES[shape.member.type_name](shape.member)],
    "structure": lambda shape: {
        name: _EXAMPLES[shape.members[name].type_name](shape.members[name])
        for name in shape.required_members
    },
    "map": lambda _: {},
    "boolean": lambda _: True,
    "blob": lambda _: b"{}",
}


def model_of(call: str) -> Any:
    from botocore.model import ServiceModel

    from cockpit.connect.aws.loader import ModelLoader

    service, operation = parse_call(call)
    loaded = ModelLoader().load_service_model(service, "service-2")
    return ServiceModel(loaded, service).operation_model(operation).input_shape


@pytest.mark.parametrize(("book", "step"), steps(StepKind.AWS))
def test_every_call_and_its_undo_is_what_aws_takes(book: Runbook, step: Step) -> None:
    calls = [(step.does, step.args)]
    if step.undo and step.undo.does:
        calls.append((step.undo.does, step.undo.args))
    for call, args in calls:
        assert validate_call(call, filled(dict(args), model_of(call))) == [], book.id
    assert step.risk >= gate.aws_floor(step.does, step.args)


@pytest.mark.parametrize(("book", "step"), steps(StepKind.AWS))
def test_the_record_has_the_values_of_every_undo_as_they_are(book: Runbook, step: Step) -> None:
    """A value whose place is called like a secret is masked, and the undo is lost at a restart."""
    undo = step.undo
    if undo is None or not undo.does:
        return
    calls = [(step.does, step.args), (undo.does, undo.args)]
    calls += [(until.call, until.args) for until in untils(step) if until.call]
    for call, args in calls:
        sent = identified(call, filled(dict(args), model_of(call)))
        assert plain_data(sent) == sent, (book.id, step.id, call)
    names = [name for each in book.steps for name in each.capture]
    assert plain_data(dict.fromkeys(names, "x")) == dict.fromkeys(names, "x")


def test_what_only_names_a_thing_stands_in_the_path_of_its_request() -> None:
    for call, names in _IDENTIFIERS.items():
        for name in names:
            assert model_of(call).members[name].serialization["location"] == "uri", (call, name)


@pytest.mark.parametrize(
    ("book", "step"), steps(StepKind.AWS, StepKind.SQL, StepKind.REDIS, StepKind.HTTP)
)
def test_what_changes_something_says_what_proves_it_and_how_to_undo_it(
    book: Runbook, step: Step
) -> None:
    if step.risk is Risk.READ:
        return
    assert step.effect, book.id
    assert step.verify is not None
    assert step.undo is not None
    assert step.require, "a change checks right before itself whether it is still right"
    assert (book.id, step.id) in GUARDED or not NEVER.search(f"{step.does} {step.args}")


@pytest.mark.parametrize("parsed", books())
def test_an_answer_that_stops_does_stop(parsed: Parsed) -> None:
    """Whoever says no, or does not know where that is not enough, meets a condition."""
    assert parsed.runbook is not None
    all_steps = parsed.runbook.steps
    for asking in all_steps:
        means = asking.answer.means if asking.answer else {}
        for answer in (name for name, does in means.items() if does.startswith("stop:")):
            acting = [each for each in all_steps[all_steps.index(asking) :] if each.risk > "read"]
            for each in acting:
                scope = {asking.id: {"answer": answer}}
                checks = [c.that for c in each.require if f"{asking.id}.answer" in c.that]
                assert checks, f"{parsed.runbook.id}: {each.id} runs whatever was answered"
                assert not all(holds(check, scope) for check in checks)


def test_what_steps_read_is_among_the_rights_of_the_looks_at_their_targets() -> None:
    """A role is narrowed to those: another read would be denied in the middle of a repair."""
    needs: dict[str, set[str]] = {}
    for probe in registry().values():
        needs.setdefault(probe.kind, set()).update(probe.needs)
    for book in library().runbooks:
        for step in (each for each in book.steps if each.kind is StepKind.AWS):
            calls = [until.call for until in untils(step) if until.call]
            if gate.aws_floor(step.does, step.args) is Risk.READ:
                calls.append(step.does)
            kind = book.params[step.target.removeprefix("$")].kind
            for call in calls:
                assert iam_action(*parse_call(call)) in needs[kind], (book.id, step.id, call)


def test_no_runbook_runs_a_program() -> None:
    assert steps(StepKind.COMMAND) == []


@pytest.mark.parametrize("parsed", books())
def test_every_verification_looks_often_enough(parsed: Parsed) -> None:
    assert parsed.runbook is not None
    for step in parsed.runbook.steps:
        for until in untils(step):
            assert until.every < until.within
            assert until.says


def test_every_finding_code_has_a_runbook() -> None:
    codes = {code: probe.id for probe in registry().values() for code in probe.codes}
    assert coverage(codes, library().for_code) == ()


def test_what_a_look_reads_for_the_codes_that_it_found_names_the_same_runbooks() -> None:
    whole = library()
    codes = {code for probe in registry().values() for code in probe.codes}
    for code in codes:
        assert library(codes=[code]).best(code) == whole.best(code)
    assert library(codes=[]).runbooks == ()


def test_a_library_without_steps_gives_whole_runbooks() -> None:
    whole, light = library(), library(whole=False)
    assert [each.id for each in light.runbooks] == [each.id for each in whole.runbooks]
    assert not any(each.steps for each in light.runbooks)
    for each in whole.runbooks:
        assert light.get(each.id) == each
    (code, *_) = whole.get("alb-review").codes
    assert light.for_code(code) == whole.for_code(code)


def test_who_asks_for_codes_alone_gets_no_steps_of_what_is_shipped() -> None:
    """Their documents are not parsed: a check only names them."""
    (code, *_) = library().get("alb-review").codes
    (light,) = [each for each in library(codes=[code]).runbooks if each.id == "alb-review"]
    assert (light.steps, light.codes) == ((), library().get("alb-review").codes)


def test_the_codes_and_probes_that_runbooks_name_are_those_there_are() -> None:
    codes = {code for probe in registry().values() for code in probe.codes}
    named = {code for each in library().runbooks for code in each.codes}
    assert named <= codes


def invoke(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(commands, list(arguments), obj={}, standalone_mode=False)
    assert result.exception is None, result.exception
    assert (result.return_value or 0) == code, result.output
    return result.output


def test_list_show_and_lint_tell_of_every_runbook() -> None:
    listed = invoke("list")
    for each in library().runbooks:
        assert each.id in listed
    shown = invoke("show", "database-connections")
    assert "Terminate the session at the head" in shown
    assert "terminate_backend($blocker.pid, $blocker.backend_start)" in shown
    assert invoke("show", "database-connections", "--raw").startswith("+++")
    assert '"id": "tls-certificate"' in invoke("list", "--json")


def test_lint_names_file_and_line_and_ends_with_two(tmp_path: Path) -> None:
    bad = tmp_path / "bad.md"
    bad.write_text(FRONT + LOOK.replace("postgres.locks", "postgres.lock") + TERMINATE)
    told = invoke("lint", str(tmp_path), code=2)
    assert "bad.md:21: unknown probe 'postgres.lock'; did you mean 'postgres.locks'?" in told
    bad.write_text(FRONT + LOOK.replace("queues[0].pid", "queues[0].hed"))
    assert "Queue has no 'hed'; did you mean 'head'?" in invoke("lint", str(bad), code=2)
    bad.write_text(
        FRONT + LOOK.replace('"queues[0].', '"queues[0].head.').replace(".user", ".usename")
    )
    invoke("lint", str(bad))


def test_coverage_lists_the_codes_without_a_runbook() -> None:
    left = coverage({"PG_LOCK_BLOCKED": "postgres.locks", "X": "x.y"}, library().for_code)
    assert left == (("X", "x.y"),)


def test_the_runbook_of_the_manual_is_without_a_problem() -> None:
    page = (Path(__file__).parents[2] / "docs" / "runbooks.md").read_text(encoding="utf-8")
    example = page.partition("````markdown\n")[2].partition("````")[0]
    parsed = parse(example, Path("example.md"))
    assert parsed.runbook is not None, parsed.problems
    assert lint(parsed.runbook, known()) == ()


@pytest.mark.parametrize(
    ("code", "kind", "best"),
    [
        ("NET_TCP_REFUSED", "", "path-tcp"),
        ("NET_TCP_REFUSED", "endpoint", "path-tcp"),
        ("NET_TCP_REFUSED", "postgres", "database-refuses"),
        ("NET_TCP_TIMEOUT", "redis", "database-refuses"),
        ("NET_DNS_NXDOMAIN", "mysql", "path-dns"),
    ],
)
def test_a_runbook_that_looks_at_another_kind_comes_last(code: str, kind: str, best: str) -> None:
    """A database that refused was sent to look at the shop's front, which was well."""
    assert library().best(code, kind) == best
    assert library().for_code(code, kind)[0].id == best


@pytest.mark.parametrize("name", ["path-tcp", "path-dns"])
@pytest.mark.parametrize(("kind", "looked_at"), [("endpoint", "here"), ("postgres", None)])
def test_the_address_that_is_looked_at_is_the_one_of_the_finding(
    name: str, kind: str, looked_at: str | None
) -> None:
    settings = EndpointSettings(url="https://shop.example.test/")
    front = Target(name="front", kind="endpoint", settings=settings, needs=("here",))
    here = Target(name="here", kind=kind, settings=settings)
    at = datetime(2026, 11, 30, tzinfo=UTC)
    found = Finding("NET_TCP_REFUSED", Severity.CRITICAL, "refused")
    opened = OpenFinding(
        id=FindingId("here", found.code, ""), kind=kind, probe="", finding=found, since=at, seen=at
    )
    values = param_values(library().get(name), opened, {"front": front, "here": here}, {})
    site = values.get("site")
    assert (site["name"] if isinstance(site, dict) else site) == looked_at
