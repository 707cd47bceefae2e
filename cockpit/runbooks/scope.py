"""What a runbook's references and conditions can see: parameters, the finding, what steps gave."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping, Sequence

from cockpit.errors import Refused
from cockpit.runbooks.step import Param, Runbook, Step, Until
from cockpit.runbooks.values import NoValue, head, references, resolved, target_value, typed
from cockpit.triage.board import OpenFinding
from cockpit.triage.probe import Blind, Reading, Seen
from cockpit.triage.recording import builtins
from cockpit.triage.target import Target


def finding_value(opened: OpenFinding | None) -> dict[str, object]:
    """The finding as `finding.*` sees it; empty for a runbook that is opened without one."""
    if opened is None:
        return {}
    finding = opened.finding
    return {
        "code": finding.code,
        "target": opened.target,
        "kind": opened.kind,
        "severity": finding.severity.value,
        "subject": finding.subject,
        "summary": finding.summary,
        "evidence": {evidence.label: evidence.value for evidence in finding.evidence},
    }


def param_values(
    runbook: Runbook,
    opened: OpenFinding | None,
    targets: Mapping[str, Target],
    given: Mapping[str, object],
) -> dict[str, object]:
    """Name → value of every parameter that has one; targets as `values.target_value` shows them.

    A parameter without a value is simply absent: the step that needs it says so.
    """
    found: dict[str, object] = {}
    for param in runbook.params.values():
        value = given.get(param.name, _derived(param, opened, targets))
        if value is None:
            continue
        if param.type != "target":
            found[param.name] = typed(value, param.type, param.choices)
        elif str(value) in targets:
            found[param.name] = target_value(targets[str(value)])
    return found


def _derived(param: Param, opened: OpenFinding | None, targets: Mapping[str, Target]) -> object:
    default = param.default
    if opened is None:
        return default if default is not None else _only(param, targets)
    match param.source:
        case "finding.subject":
            return opened.finding.subject or default
        case "finding.target":
            own = targets.get(opened.target)
            fits = own is not None and param.kind in {"", own.kind}
            return opened.target if fits else default
        case "near":
            return nearest_target(opened.target, param.kind, targets) or default
        case _:
            return default


def _only(param: Param, targets: Mapping[str, Target]) -> str | None:
    """The one target of a kind there is, for a runbook that is opened without a finding."""
    fitting = [target.name for target in targets.values() if target.kind == param.kind]
    return fitting[0] if param.type == "target" and len(fitting) == 1 else None


def nearest_target(name: str, kind: str, targets: Mapping[str, Target]) -> str | None:
    """The target of a kind that is nearest to one: itself, then what it needs, then what needs it.

    Of several at one distance, the first in the order of the configuration's `needs`. None: there
    is none that is connected.
    """
    below = {target.name: target.needs for target in targets.values()}
    above: dict[str, list[str]] = {}
    for target in targets.values():
        for need in target.needs:
            above.setdefault(need, []).append(target.name)
    return _walk(name, kind, targets, below) or _walk(name, kind, targets, above)


def _walk(
    start: str, kind: str, targets: Mapping[str, Target], edges: Mapping[str, Sequence[str]]
) -> str | None:
    queue, seen = deque([start]), {start}
    while queue:
        name = queue.popleft()
        target = targets.get(name)
        if target is not None and kind in {"", target.kind}:
            return name
        for other in edges.get(name, ()):
            if other not in seen:
                seen.add(other)
                queue.append(other)
    return None


def reading_value(reading: Reading) -> dict[str, object]:
    """What captures and `until` query: the snapshot's members, and `reading.findings|facts`.

    Raises `Refused` when the look was blind: nothing is concluded from not having looked.
    """
    match reading.outcome:
        case Blind(reason=reason, detail=detail, hint=hint):
            where = f"{reading.target} ({reading.probe})"
            raise CouldNotLook(f"could not look at {where}: {reason}: {detail}", hint=hint)
        case Seen(findings=findings, facts=facts, snapshot=snapshot):
            members = builtins(snapshot)
            own = members if isinstance(members, dict) else {"snapshot": members}
            return {
                **own,
                "reading": {
                    "target": reading.target,
                    "findings": [
                        {
                            "code": finding.code,
                            "severity": finding.severity.value,
                            "subject": finding.subject,
                            "summary": finding.summary,
                        }
                        for finding in findings
                    ],
                    "facts": {fact.label: fact.value for fact in facts},
                },
            }


class CouldNotLook(Refused):
    """A look that a step depends on was blind."""


def target_of(reference: str, scope: Mapping[str, object], targets: Mapping[str, Target]) -> Target:
    """The target that a step names. Raises `Refused` when it is not known."""
    try:
        name = str(resolved(reference, scope))
    except NoValue:
        raise Refused(
            f"which target {reference} is cannot be known from here",
            hint="open the runbook from a finding of it, or add it to `needs`",
        ) from None
    if name not in targets:
        raise Refused(f"no target {name!r} is configured")
    return targets[name]


def sources(step: Step, earlier: Sequence[Step]) -> tuple[Step, ...]:
    """The earlier steps whose values a step uses, in their order."""
    named = {head(reference) for reference in references(trees(step))}
    return tuple(other for other in earlier if other.id in named or named_in(step, other.id))


def trees(step: Step) -> list[object]:
    """Everything in a step that may hold references."""
    undo = [step.undo.args] if step.undo else []
    answer = [step.answer.default] if step.answer else []
    return [
        step.target,
        step.args,
        step.argv,
        step.url,
        step.headers,
        step.show,
        [list(pair) for pair in step.change.values()],
        *undo,
        *answer,
        *(until.target for until in untils(step)),
        *(until.args for until in untils(step)),
        *(wire.target for wire in step.tripwires),
    ]


def untils(step: Step) -> list[Until]:
    """What the step, or its undo, waits for or is verified by."""
    undo = step.undo.verify if step.undo else None
    return [until for until in (step.verify, undo) if until is not None]


def named_in(step: Step, name: str) -> bool:
    """Whether one of the step's expressions uses a parameter's or step's value."""
    texts = [check.that for check in step.require] + list(step.same)
    texts += [until.until for until in untils(step)]
    return any(uses(text, name) for text in texts)


def uses(expression: str, name: str) -> bool:
    """Whether an expression names a parameter or a step."""
    pattern = rf"(?<![\w.]){re.escape(name)}\b|\bparams\.{re.escape(name)}\b"
    return re.search(pattern, expression) is not None
