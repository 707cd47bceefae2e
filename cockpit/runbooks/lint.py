"""What is wrong with a readable runbook: names that do not exist, steps that cannot work."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from cockpit.errors import Misconfigured
from cockpit.runbooks import gate
from cockpit.runbooks.known import Known
from cockpit.runbooks.scope import named_in, trees, untils
from cockpit.runbooks.shapes import asks_a_negation, shape_fields, unknown_fields
from cockpit.runbooks.step import Problem, Risk, Runbook, Step, StepKind
from cockpit.runbooks.values import head, is_reference, references
from cockpit.text import nearest

STALE = timedelta(days=365)
"""How long a review is believed."""
_NAMESPACES = ("params", "finding", "reading")
_CALLS = {StepKind.SQL, StepKind.REDIS}
KEPT = {
    "s3.PutBucketPolicy",
    "s3.DeleteBucketPolicy",
    "s3control.PutAccessPointPolicy",
    "s3control.DeleteAccessPointPolicy",
}
"""Calls that take a policy away for good: the step shows, and so records, the one from before."""


@dataclass(frozen=True, slots=True)
class _Lint:
    runbook: Runbook
    known: Known

    def problem(self, needle: str, message: str, *, after: int = 1) -> Problem:
        """An error at the first line, from `after` on, that holds the needle."""
        return Problem(self.runbook.path, self.line(needle, after), message)

    def advice(self, needle: str, message: str, *, after: int = 1) -> Problem:
        """The same as advice."""
        return Problem(self.runbook.path, self.line(needle, after), message, error=False)

    def line(self, needle: str, after: int) -> int:
        """Where a text stands, so that the person can go there; else where the step begins."""
        lines = self.runbook.source.split("\n")
        for number, line in enumerate(lines[after - 1 :], start=after):
            if needle and needle in line:
                return number
            if number > after and line.startswith("```"):
                break
        return after


def lint(runbook: Runbook, known: Known) -> tuple[Problem, ...]:
    """Every problem, in the order of the lines. Slow for AWS steps: reads service models."""
    lints: tuple[Callable[[_Lint], Iterator[Problem]], ...] = (
        _codes,
        _freshness,
        _params,
        _steps,
    )
    work = _Lint(runbook, known)
    found = [problem for check in lints for problem in check(work)]
    return tuple(sorted(found, key=lambda problem: problem.line))


def _codes(work: _Lint) -> Iterator[Problem]:
    codes = work.known.codes
    if codes is None:
        return
    for code in work.runbook.codes:
        if code not in codes:
            yield work.problem(f'"{code}"', f"unknown finding code {code}{nearest(code, codes)}")


def _freshness(work: _Lint) -> Iterator[Problem]:
    reviewed, today = work.runbook.reviewed, work.known.today
    if reviewed is None:
        yield work.advice("", "has no date of review: reviewed = 2026-11-21")
    elif today is not None and today - reviewed > STALE:
        yield work.advice("reviewed", f"was reviewed {(today - reviewed).days} days ago")


def _params(work: _Lint) -> Iterator[Problem]:
    used: set[str] = set()
    for step in work.runbook.steps:
        used |= {head(reference) for reference in references(trees(step))}
        used |= {name for name in work.runbook.params if named_in(step, name)}
    for name, param in work.runbook.params.items():
        if name not in used:
            yield Problem(work.runbook.path, param.line, f"the parameter {name!r} is never used")
        if param.kind and work.known.kinds is not None and param.kind not in work.known.kinds:
            told = f"unknown kind {param.kind!r}{nearest(param.kind, work.known.kinds)}"
            yield Problem(work.runbook.path, param.line, told)


def _steps(work: _Lint) -> Iterator[Problem]:
    for index, step in enumerate(work.runbook.steps):
        earlier = {other.id for other in work.runbook.steps[:index]}
        yield from _step_references(work, step, earlier)
        yield from _names(work, step)
        yield from _promises(work, step)
        yield from _questions(work, step)
        if step.kind is StepKind.AWS:
            yield from _calls(work, step)
        elif any(until.call for until in untils(step)):
            told = "a call of AWS verifies only steps of the kind aws"
            yield work.problem("call", told, after=step.line)


def _questions(work: _Lint, step: Step) -> Iterator[Problem]:
    """What is answered is the title, and each answer says what it does: a `yes` to another question
    than the one that is read is worse than no question.
    """
    answer = step.answer
    if answer is None:
        return
    if not step.title.endswith("?"):
        told = f"the title {step.title!r} is no question: it is what the answer answers"
        yield Problem(work.runbook.path, step.line, told)
    if answer.type != "choice":
        return
    needed = {"yes", "no", "unknown"} if {"yes", "no"} & set(answer.choices) else {"unknown"}
    if missing := sorted(needed - set(answer.choices)):
        told = f"a person may have to answer {', '.join(missing)}: add it, and what it does"
        yield work.problem("choices", told, after=step.line)
    silent = [name for name in answer.choices if not answer.means.get(name, "").strip()]
    if silent:
        told = f'say what each answer does: choices = {{ {silent[0]} = "…" }}'
        yield work.problem("choices", told, after=step.line)


def _step_references(work: _Lint, step: Step, earlier: set[str]) -> Iterator[Problem]:
    params = set(work.runbook.params)
    captures = {other.id: _gives(other) for other in work.runbook.steps}
    own = set(references(step.undo.args)) if step.undo else set()
    for reference in dict.fromkeys(references(trees(step))):
        name = head(reference)
        if name in params or name in _NAMESPACES:
            continue
        if name == step.id and reference in own and name in captures:
            pass
        elif name not in earlier:
            later = name in captures
            why = (
                "comes later" if later else f"is no parameter or step{_near(name, params, earlier)}"
            )
            yield work.problem(reference, f"{reference}: {name!r} {why}", after=step.line)
            continue
        member = reference.split(".")[1].split("[")[0] if "." in reference else ""
        if member not in captures[name]:
            gives = captures[name]
            yield work.problem(
                reference,
                f"{reference}: {name!r} captures no {member!r}{nearest(member, gives)}",
                after=step.line,
            )
    yield from _expressions(work, step, earlier)
    used = set(references([step.args, list(step.argv), step.url]))
    for reference in step.held:
        if reference not in used:
            yield work.problem("held", f"held: {reference} is not used", after=step.line)


def _expressions(work: _Lint, step: Step, earlier: set[str]) -> Iterator[Problem]:
    """Conditions name steps too: `blocker.pid` has to be captured, and before."""
    texts = [check.that for check in step.require] + list(step.same)
    texts += [until.until for until in untils(step)]
    for text in texts:
        if asks_a_negation(text):
            told = f"{text}: `!a.b` is (!a).b, which nothing ever is: write a.b == `false`"
            yield work.problem(text, told, after=step.line)
    for other in work.runbook.steps:
        for text in texts:
            for member in re.findall(rf"(?<![\w.'\"]){other.id}\.(\w+)", text):
                if other.id not in earlier | {step.id}:
                    yield work.problem(text, f"{other.id!r} comes later", after=step.line)
                elif member not in _gives(other) and not _is_snapshot(work, step, other.id):
                    gives = _gives(other)
                    message = f"{other.id!r} captures no {member!r}{nearest(member, gives)}"
                    yield work.problem(text, message, after=step.line)


def _is_snapshot(work: _Lint, step: Step, name: str) -> bool:
    """Whether a verification's snapshot has a member of that name, which hides the step."""
    shapes = work.known.shapes
    return any(name in shape_fields(shapes.get(until.probe)) for until in untils(step))


def _near(name: str, params: set[str], earlier: set[str]) -> str:
    return nearest(name, params | earlier)


def _gives(step: Step) -> set[str]:
    return {"answer"} if step.answer else set(step.capture)


def _names(work: _Lint, step: Step) -> Iterator[Problem]:
    probes = work.known.probes
    looks = [step.does] if step.kind is StepKind.PROBE else []
    looks += [until.probe for until in untils(step) if until.probe]
    looks += [wire.probe for wire in step.tripwires if wire.probe]
    for probe in looks if probes is not None else ():
        if probes is not None and probe not in probes:
            message = f"unknown probe {probe!r}{nearest(probe, probes)}"
            yield work.problem(f'"{probe}"', message, after=step.line)
    if step.kind is StepKind.PROBE and probes is not None and step.does in probes:
        yield from _fits(work, step, step.target, step.does)
    for until in untils(step):
        if probes is not None and until.probe in probes:
            yield from _fits(work, step, until.target or step.target, until.probe)
    yield from _snapshots(work, step)
    if step.kind in _CALLS:
        yield from _statement(work, step)


def _snapshots(work: _Lint, step: Step) -> Iterator[Problem]:
    """Captures and verifications name fields that the probe's snapshots have."""
    shapes = work.known.shapes
    also = ["reading", "params", "finding", *(other.id for other in work.runbook.steps)]
    asked = [(step.does, text, ["reading"]) for text in step.capture.values()]
    asked = asked if step.kind is StepKind.PROBE else []
    asked += [(until.probe, until.until, also) for until in untils(step) if until.probe]
    for probe, expression, names in asked:
        if probe in shapes:
            for message in unknown_fields(expression, shapes[probe], names):
                yield work.problem(expression, message, after=step.line)


def _fits(work: _Lint, step: Step, target: str, probe: str) -> Iterator[Problem]:
    """A probe looks at one kind of target: the parameter has to be of it."""
    param = work.runbook.params.get(head(target)) if target.startswith("$") else None
    kind = (work.known.probes or {})[probe]
    if param is not None and param.kind and param.kind != kind:
        message = f"{probe} looks at {kind} targets, {target} is a {param.kind}"
        yield work.problem(probe, message, after=step.line)


def _statement(work: _Lint, step: Step) -> Iterator[Problem]:
    statement = work.known.statements.get(step.does)
    if statement is None:
        message = f"unknown statement {step.does!r}{nearest(step.does, work.known.statements)}"
        yield work.problem(step.does, message, after=step.line)
        return
    if (statement.engine == "redis") is not (step.kind is StepKind.REDIS):
        message = f"{step.does} is a statement of {statement.engine}"
        yield work.problem(step.does, message, after=step.line)
    for name in step.args:
        if name not in statement.parameters:
            message = f"{step.does} has no parameter {name!r}{nearest(name, statement.parameters)}"
            yield work.problem(name, message, after=step.line)
    for name in statement.parameters:
        if name not in step.args:
            yield work.problem("args", f"{step.does} needs {name!r}", after=step.line)
    if step.risk < statement.risk:
        message = f"risk {step.risk} is below {statement.risk}, which {step.does} is"
        yield work.problem("risk", message, after=step.line)


def _promises(work: _Lint, step: Step) -> Iterator[Problem]:
    """Rule 4: from `high` on, effect, verification and undo are part of the step."""
    if step.risk >= Risk.HIGH:
        missing = [
            name
            for name, value in (
                ("effect", step.effect),
                ("verify", step.verify),
                ("undo", step.undo),
            )
            if not value
        ]
        if missing:
            message = f"a step of risk {step.risk} needs {', '.join(missing)}"
            yield Problem(work.runbook.path, step.line, message)
    if step.kind is StepKind.HTTP and step.does not in gate.READ_METHODS and step.risk < Risk.HIGH:
        message = f"risk {step.risk} is below high, which a {step.does} is"
        yield work.problem("risk", message, after=step.line)
    if step.kind is StepKind.COMMAND and step.risk < Risk.HIGH:
        message = f"risk {step.risk} is below high, which every program is"
        yield work.problem("risk", message, after=step.line)
    if not step.prose:
        yield Problem(
            work.runbook.path, step.line, "has no prose: say why, and what not to do", False
        )


def _calls(work: _Lint, step: Step) -> Iterator[Problem]:
    if step.does in KEPT and not any(references(each[0]) for each in step.change.values()):
        told = f"{step.does} replaces a policy: keep the one from before in change = {{ policy }}"
        yield work.problem("call", told, after=step.line)
    undo = [(step.undo.does, step.undo.args)] if step.undo and step.undo.does else []
    looks = [(until.call, until.args) for until in untils(step) if until.call]
    for call, args in [(step.does, step.args), *undo, *looks]:
        for message in draft_problems(call, args, work.known):
            yield work.problem(call, f"{call}: {message}", after=step.line)
    if (floor := _floor(work, step.does, step.args)) > step.risk:
        told = f"risk {step.risk} is below {floor}, which {step.does} is"
        yield work.problem("risk", told, after=step.line)
    for call, args in looks:
        if _floor(work, call, args) is not Risk.READ:
            told = f"{call} changes something: it does not look"
            yield work.problem(call, told, after=step.line)


def _floor(work: _Lint, call: str, args: Mapping[str, object]) -> Risk:
    """What the call is known to do; one that cannot be made is told of already."""
    return Risk.READ if draft_problems(call, args, work.known) else gate.aws_floor(call, args)


def draft_problems(call: str, args: Mapping[str, object], known: Known) -> Sequence[str]:
    """What the service model has against a call whose references are not filled in yet.

    A value that is not known yet is judged by its place only; names and constants are judged whole.
    """
    try:
        from cockpit.connect.aws.models import parse

        parse(call)
    except Misconfigured as error:
        return [error.message.removeprefix(f"{call}: ")]
    return known.check_draft(call, args, is_reference)


def coverage(
    codes: Mapping[str, str], covered: Callable[[str], Sequence[Runbook]]
) -> tuple[tuple[str, str], ...]:
    """(code, probe) of every finding code that no runbook is for, in order."""
    return tuple((code, probe) for code, probe in sorted(codes.items()) if not covered(code))
