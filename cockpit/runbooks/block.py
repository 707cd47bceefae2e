"""One `toml step` block → a `Step`, with what is wrong in it at its own line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from cockpit.runbooks.step import Condition, Question, Risk, Step, StepKind, Tripwire, Undo, Until
from cockpit.runbooks.table import Keys
from cockpit.runbooks.values import NAME, TYPES, is_reference, references, well_formed
from cockpit.triage.finding import Severity

RESERVED = frozenset({"params", "finding", "reading"})
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_DOES = {
    StepKind.PROBE: "probe",
    StepKind.WAIT: "probe",
    StepKind.AWS: "call",
    StepKind.SQL: "statement",
    StepKind.REDIS: "statement",
    StepKind.HTTP: "method",
}
_CAPTURING = {StepKind.PROBE, StepKind.AWS, StepKind.SQL, StepKind.REDIS, StepKind.HTTP}
_LOOKING = {StepKind.MANUAL, StepKind.PROBE, StepKind.WAIT}
_ALL = (
    "id",
    "kind",
    "risk",
    "target",
    "probe",
    "call",
    "statement",
    "method",
    "args",
    "argv",
    "url",
    "headers",
    "body",
    "status",
    "capture",
    "once",
    "require",
    "held",
    "same",
    "effect",
    "show",
    "change",
    "verify",
    "undo",
    "tripwire",
    "timeout",
    "ask",
    "answer",
    "until",
    "every",
    "within",
    "says",
)


def read_step(keys: Keys, *, title: str, prose: str) -> Step | None:
    """The step of a block; None when nothing can be made of it, after the complaints."""
    step_id = _name(keys)
    kind_word = keys.one_of("kind", StepKind, needed=True)
    if not kind_word:
        keys.taken.update(keys.table)
        return None
    kind = StepKind(kind_word)
    risk = _risk(keys, kind)
    step = Step(
        id=step_id,
        title=title,
        kind=kind,
        risk=risk,
        prose=prose,
        line=keys.first_line,
        target=_target(keys, kind),
        does=_does(keys, kind),
        args=_args(keys, kind),
        capture=_capture(keys, kind),
        once=bool(keys.take("once", bool, False)) if kind in _CAPTURING else False,
        require=_require(keys),
        same=tuple(keys.expression("same", text) for text in keys.words("same")),
        held=_held(keys),
        effect=keys.take("effect", str, ""),
        show=keys.take("show", dict, {}),
        change=_change(keys),
        verify=_waits(keys) if kind is StepKind.WAIT else _verify(keys, "verify"),
        undo=_undo(keys, kind),
        tripwires=_tripwires(keys),
        timeout=keys.seconds("timeout", 30.0),
        answer=_answer(keys) if kind is StepKind.MANUAL else None,
    )
    step = _with_transport(step, keys)
    keys.finish(_ALL)
    _check_references(keys)
    return None if keys.broken else step


def _name(keys: Keys) -> str:
    name = str(keys.take("id", str, "", needed=True))
    if name and not NAME.match(name):
        keys.complain("id", f"{name!r} should be lower case letters, digits and underscores")
    if name in RESERVED:
        keys.complain("id", f"{name!r} is taken by the language")
    return name


def _risk(keys: Keys, kind: StepKind) -> Risk:
    asking = kind is StepKind.HTTP and keys.table.get("method", "GET") in ("GET", "HEAD")
    default = Risk.READ if kind in _LOOKING or asking else Risk.HIGH
    risk = Risk(keys.one_of("risk", Risk) or default)
    if kind in _LOOKING and risk is not Risk.READ:
        keys.complain("risk", f"a {kind} step only looks: leave it out")
    return risk


def _target(keys: Keys, kind: StepKind) -> str:
    needed = kind not in {StepKind.MANUAL, StepKind.HTTP, StepKind.COMMAND}
    return str(keys.take("target", str, "", needed=needed))


def _does(keys: Keys, kind: StepKind) -> str:
    if kind is StepKind.HTTP:
        return keys.one_of("method", METHODS, "GET")
    key = _DOES.get(kind)
    if key is None:
        return ""
    does = str(keys.take(key, str, "", needed=True))
    if is_reference(does):
        keys.complain(key, "must be a constant")
    return does


def _args(keys: Keys, kind: StepKind) -> dict[str, object]:
    if kind not in {StepKind.AWS, StepKind.SQL, StepKind.REDIS}:
        return {}
    return dict(keys.take("args", dict, {}))


def _with_transport(step: Step, keys: Keys) -> Step:
    """The step with the request or the program that it sends or runs."""
    if step.kind is StepKind.HTTP:
        status = keys.take("status", list, [])
        if not all(isinstance(code, int) and 100 <= code <= 599 for code in status):
            keys.complain("status", "should be a list of status codes")
            status = []
        headers = keys.take("headers", dict, {})
        if not all(isinstance(value, str) for value in headers.values()):
            keys.complain("headers", "values should be texts")
            headers = {}
        return replace(
            step,
            url=keys.take("url", str, "", needed=True),
            headers=headers,
            body=keys.take("body", str, ""),
            status=tuple(status),
        )
    if step.kind is StepKind.COMMAND:
        argv = keys.words("argv")
        if not argv:
            keys.complain("argv", "is missing: a list, the program first, no shell")
        elif not argv[0].startswith("/"):
            keys.complain("argv", f"{argv[0]!r}: the program must be a constant, absolute path")
        return replace(step, argv=argv)
    return step


def _capture(keys: Keys, kind: StepKind) -> dict[str, str]:
    if kind not in _CAPTURING:
        return {}
    wanted = keys.take("capture", dict, {})
    captured: dict[str, str] = {}
    for name, expression in wanted.items():
        if not NAME.match(name) or not isinstance(expression, str):
            keys.complain(name, "should be a lower case name and a JMESPath text")
            continue
        captured[name] = keys.expression(name, expression)
    return captured


def _require(keys: Keys) -> tuple[Condition, ...]:
    checks = []
    for item in keys.take("require", list, []):
        match item:
            case str():
                checks.append(Condition(keys.expression("require", item)))
            case {"that": str(that), **rest} if set(rest) <= {"says"}:
                checks.append(
                    Condition(keys.expression("require", that), str(rest.get("says", "")))
                )
            case _:
                keys.complain("require", "each is a JMESPath text or { that = …, says = … }")
    return tuple(checks)


def _held(keys: Keys) -> tuple[str, ...]:
    held = keys.words("held")
    for reference in held:
        if not is_reference(reference):
            keys.complain("held", f"{reference!r} is not a reference")
    return held


def _change(keys: Keys) -> dict[str, tuple[object, object]]:
    change = {}
    for label, pair in keys.take("change", dict, {}).items():
        if isinstance(pair, list) and len(pair) == 2:
            change[label] = (pair[0], pair[1])
        else:
            keys.complain(label, "should be [before, after]")
    return change


def _waits(keys: Keys) -> Until:
    until = str(keys.take("until", str, "", needed=True))
    return Until(
        probe=str(keys.table.get("probe", "")),
        target=str(keys.table.get("target", "")),
        until=keys.expression("until", until) if until else "",
        every=keys.seconds("every", 5.0),
        within=keys.seconds("within", 60.0),
        says=keys.take("says", str, ""),
    )


def _verify(outer: Keys, key: str) -> Until | None:
    table = outer.take(key, dict, {})
    if not table:
        return None
    keys = outer.inner(key, table)
    until = str(keys.take("until", str, "", needed=True))
    verify = Until(
        probe=str(keys.take("probe", str, "")),
        call=str(keys.take("call", str, "")),
        args=dict(keys.take("args", dict, {})),
        target=str(keys.take("target", str, "")),
        until=keys.expression("until", until) if until else "",
        every=keys.seconds("every", 5.0),
        within=keys.seconds("within", 60.0),
        says=keys.take("says", str, ""),
    )
    if bool(verify.probe) is bool(verify.call):
        keys.complain("until", "needs a probe, or a call that reads AWS")
    if verify.args and not verify.call:
        keys.complain("args", "are those of a call")
    keys.finish()
    outer.broken |= keys.broken
    return verify


def _undo(outer: Keys, kind: StepKind) -> Undo | None:
    outer.taken.add("undo")
    given = outer.table.get("undo")
    if given is None:
        return None
    if isinstance(given, str) and given.strip():
        return Undo(says=given)
    if not isinstance(given, dict):
        outer.complain("undo", 'should be "none: why", or a table with says, call, args')
        return None
    keys = outer.inner("undo", given)
    undo = Undo(
        says=str(keys.take("says", str, "", needed=True)),
        does=str(keys.take(_DOES.get(kind, "call"), str, "", needed=True)),
        args=dict(keys.take("args", dict, {})),
        effect=keys.take("effect", str, ""),
        verify=_verify(keys, "verify"),
    )
    keys.finish()
    outer.broken |= keys.broken
    if kind not in {StepKind.AWS, StepKind.SQL, StepKind.REDIS}:
        outer.complain("undo", f"a {kind} step can only say how to undo it, as a text")
    return undo


def _tripwires(outer: Keys) -> tuple[Tripwire, ...]:
    """Those of the block; without the key, what holds for every step."""
    if "tripwire" not in outer.table:
        return (Tripwire(),)
    wires = []
    for item in outer.take("tripwire", list, []):
        if isinstance(item, dict):
            wires.append(_tripwire(outer, item))
        else:
            outer.complain("tripwire", "should be a list of tables")
    return tuple(wires)


def _tripwire(outer: Keys, table: Mapping[str, object]) -> Tripwire:
    keys = outer.inner("tripwire", table)
    wire = Tripwire(
        finding=Severity(keys.one_of("finding", Severity) or Severity.CRITICAL),
        target=str(keys.take("target", str, "")),
        probe=str(keys.take("probe", str, "")),
        fact=str(keys.take("fact", str, "")),
        above=_bound(keys, "above"),
        below=_bound(keys, "below"),
        says=str(keys.take("says", str, "")),
    )
    bounded = wire.above is not None or wire.below is not None
    whole = bool(wire.fact and wire.probe and wire.target and bounded)
    if not whole and (wire.fact or wire.probe or bounded):
        keys.complain("fact", "needs all of fact, probe, target, and above or below")
    keys.finish()
    outer.broken |= keys.broken
    return wire


def _bound(keys: Keys, key: str) -> float | None:
    keys.taken.add(key)
    value = keys.table.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        keys.complain(key, "should be a number")
        return None
    return float(value)


def _answer(outer: Keys) -> Question | None:
    table = outer.take("answer", dict, {})
    ask = str(outer.take("ask", str, ""))
    if not table:
        if ask:
            outer.complain("ask", 'needs an answer, such as answer = { type = "path" }')
        return None
    keys = outer.inner("answer", table)
    choices, means = _choices(keys)
    answer = Question(
        type=keys.one_of("type", TYPES, "text"),
        ask=ask or (" or ".join(choices) if choices else "answer"),
        default=str(keys.take("default", str, "")),
        choices=choices,
        means=means,
    )
    if answer.type == "choice" and not answer.choices:
        keys.complain("choices", "are missing")
    keys.finish()
    outer.broken |= keys.broken
    return answer


def _choices(keys: Keys) -> tuple[tuple[str, ...], dict[str, str]]:
    """The answers to choose from, and what each does: a table, or a list that does not say it."""
    if not isinstance(keys.table.get("choices"), dict):
        return keys.words("choices"), {}
    means = keys.take("choices", dict, {})
    wrong = [name for name, does in means.items() if not isinstance(does, str)]
    for name in wrong:
        keys.complain(name, "should say what the answer does")
    return tuple(means), {name: does for name, does in means.items() if name not in wrong}


def _check_references(keys: Keys) -> None:
    for reference in references(_holding(keys.table)):
        if not well_formed(reference):
            keys.broken = True
            keys.problems.add(
                keys.line(),
                f"{reference!r} is not a reference: names, dots and indexes only"
                " ($$ for a text that begins with $)",
            )


def _holding(table: Mapping[str, object]) -> dict[str, object]:
    """The keys whose texts may be references."""
    prose = {"effect", "says", "ask", "until", "require", "same", "capture", "body"}
    return {key: value for key, value in table.items() if key not in prose}
