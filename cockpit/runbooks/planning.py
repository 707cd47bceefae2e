"""A step → a `Plan`: look again at what it depends on, fill its values in, freeze the result."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import TypeVar
from urllib.parse import urlsplit

from cockpit import clock
from cockpit.connect.role import Role
from cockpit.connect.session import Right
from cockpit.connect.statements import checked as checked_arguments
from cockpit.errors import BlindError, DoesNotApply, Misconfigured, Refused
from cockpit.redact import MASK, MASKER
from cockpit.runbooks import gate
from cockpit.runbooks.exact import relied
from cockpit.runbooks.kinds import acts, command, looks
from cockpit.runbooks.kinds import http as http_kind
from cockpit.runbooks.known import Known
from cockpit.runbooks.output import line, literal, whole
from cockpit.runbooks.plan import VALID_FOR, Act, Plan, PlanLine, digest_of, short
from cockpit.runbooks.ports import Identity, Ports
from cockpit.runbooks.scope import CouldNotLook, sources, target_of, uses
from cockpit.runbooks.step import Risk, Runbook, Step, StepKind, Tripwire, Until
from cockpit.runbooks.values import (
    NoValue,
    captured,
    holds,
    query,
    references,
    resolved,
    resolved_but,
    typed,
)
from cockpit.secret_shapes import secret_header, secrets_of
from cockpit.triage.target import Target
from cockpit.units import number

CALLS = frozenset({StepKind.AWS, StepKind.SQL, StepKind.REDIS})
_Told = TypeVar("_Told")
_AGAIN = frozenset({StepKind.PROBE, StepKind.AWS, StepKind.SQL, StepKind.REDIS, StepKind.HTTP})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fresh:
    """What was true just now: the scope, what the step relies on, and what does not hold."""

    scope: Mapping[str, object]
    fingerprints: Mapping[str, object]
    failing: tuple[str, ...]
    checks: tuple[str, ...]
    identity: Identity = field(default_factory=Identity)
    """As whom it would run now; empty for a look."""


@dataclass(slots=True)
class Planner:
    """Makes plans for the steps of one runbook. Reads only; changes nothing anywhere."""

    runbook: Runbook
    role: Role
    environment: str
    ports: Ports
    targets: Mapping[str, Target]
    known: Known
    params: Mapping[str, object] = field(default_factory=dict)
    finding: Mapping[str, object] = field(default_factory=dict)
    kept: dict[str, Mapping[str, object]] = field(default_factory=dict)
    """What steps with `once` gave the first time."""

    async def plan(
        self, step: Step, given: Mapping[str, Mapping[str, object]], *, earlier: Sequence[Step]
    ) -> Plan:
        """The plan of a step. `given`: step id → what it captured when it was run.

        Raises `DoesNotApply` when a condition does not hold, `Refused` when a value is missing or
        a look that it depends on was blind; `Misconfigured` when the runbook does not fit AWS or
        the statement.
        """
        fresh = await self._facts(step, given, earlier=earlier)
        if fresh.failing:
            raise DoesNotApply(f"not now, not true: {'; '.join(fresh.failing)}")
        target = target_of(step.target, fresh.scope, self.targets) if step.target else None
        act, floor = await self.act(step, fresh.scope)
        risk = max(step.risk, floor)
        who, right = await self._who(step, target, act=act, risk=Risk(risk))
        undo_args = self._undo_args(step, fresh.scope)
        plan = Plan(
            step=step,
            runbook=self.runbook.id,
            runbook_digest=self.runbook.digest,
            act=act,
            target=target.name if target else "",
            environment=self.environment,
            account=who.account,
            region=who.region,
            principal=who.principal,
            risk=Risk(risk),
            checked=fresh.checks,
            fingerprints=fresh.fingerprints,
            undo_args=undo_args,
            undo_verify=_undo_verify(step, fresh.scope),
            verify=self._verify(step, fresh.scope),
            tripwires=self._tripwires(step, fresh.scope),
            relies=_relied(step, fresh.scope),
            confirm_word=_confirm_word(step, act, target) if risk >= Risk.HIGH else "",
            made_at=self.ports.now(),
            good_until=self.ports.elapsed() + VALID_FOR,
            asks=step.answer.ask if step.answer else "",
            suggestion=self._suggestion(step, fresh.scope),
        )
        plan = replace(plan, digest=sealed(plan))
        gaps = (_missing(plan, right),) if right.held is False else ()
        return replace(plan, lines=_lines(plan, fresh.scope, right), gaps=gaps)

    async def _who(
        self, step: Step, target: Target | None, *, act: Act, risk: Risk
    ) -> tuple[Identity, Right]:
        """As whom it would run, and whether that login may: known before a name is typed."""
        if target is None or risk is Risk.READ or act.kind not in CALLS:
            return await self._identity(target, step.kind), Right(None)
        asked = self.ports.actors.identity_and_right(target, act.kind, act.does, act.args)
        return await _known(asked)

    def target(self, step: Step, given: Mapping[str, Mapping[str, object]]) -> Target | None:
        """What a step is run on; None when it names nothing."""
        if not step.target:
            return None
        return target_of(step.target, self.scope(given), self.targets)

    def tls_ca(self, name: str) -> str:
        """The file of authorities that a target's certificate is checked by; empty: the usual."""
        return self._setting(name, "tls_ca")

    def permitted(self, act: Act, risk: Risk, target: str) -> None:
        """Raise `Refused` for what the role may only propose. `target`: its name, or empty."""
        gate.permitted(self.role, act.kind, risk)
        gate.own_site(self.role, act, self._setting(target, "url"))

    def _setting(self, name: str, setting: str) -> str:
        target = self.targets.get(name)
        return str(getattr(target.settings, setting, "")) if target else ""

    async def fresh(
        self, step: Step, given: Mapping[str, Mapping[str, object]], *, earlier: Sequence[Step]
    ) -> Fresh:
        """Look again at everything the step depends on. Raises `Refused` when that is blind."""
        found = await self._facts(step, given, earlier=earlier)
        target = target_of(step.target, found.scope, self.targets) if step.target else None
        return replace(found, identity=await self._identity(target, step.kind))

    async def _facts(
        self, step: Step, given: Mapping[str, Mapping[str, object]], *, earlier: Sequence[Step]
    ) -> Fresh:
        """What is true now, without as whom."""
        scope, lacking = await self._fresh_scope(step, given, earlier=earlier)
        if step.target:  # before anything else is said: where it would run
            target_of(step.target, scope, self.targets)
        failing = tuple(
            check.text
            for check in step.require
            if not any(uses(check.that, name) for name in lacking) and not holds(check.that, scope)
        )
        if not failing:  # else it does not apply, whatever the value would have been
            for error in lacking.values():
                raise error
        fingerprints = {} if failing else self._fingerprints(step, scope)
        return Fresh(
            scope=scope,
            fingerprints=fingerprints,
            failing=failing,
            checks=tuple(check.text for check in step.require),
        )

    async def _identity(self, target: Target | None, kind: StepKind) -> Identity:
        if kind in gate.LOOKING:
            return Identity()
        return await _known(self.ports.actors.identity(target, kind))

    async def act(self, step: Step, scope: Mapping[str, object]) -> tuple[Act, Risk]:
        """The effect with final values, and the least risk that it can have.

        Raises `Refused` for a missing value, `Misconfigured` for what AWS or the statement would
        not take. Service models are read off the loop.
        """
        args = resolved(step.args, scope)
        if step.kind in {StepKind.SQL, StepKind.REDIS}:
            args = self._statement_args(step, args)
        if step.kind is StepKind.AWS:
            wrong = await asyncio.to_thread(self.known.check_call, step.does, args)
            if wrong:
                raise Misconfigured(f"{step.does}: {'; '.join(wrong)}")
        floor = await asyncio.to_thread(
            gate.floor, step.kind, step.does, args, statements=self.known.statements
        )
        url = str(typed(resolved(step.url, scope), "url")) if step.url else ""
        act = Act(
            kind=step.kind,
            does=step.does,
            args=args,
            argv=_argv(step, scope),
            url=url,
            headers={name: str(value) for name, value in resolved(step.headers, scope).items()},
            body=str(resolved(step.body, scope)),
            status=step.status,
            timeout=step.timeout,
        )
        for secret in secrets_of(act.url, act.headers, act.body):
            MASKER.learn(secret)
        return act, floor

    async def value_of(
        self, source: Step, scope: Mapping[str, object]
    ) -> Mapping[str, object] | None:
        """What a read step gives now; None for a step that cannot simply be done again.

        Raises `Refused` for one that the role may only propose: here nobody said yes to it.
        """
        if source.kind not in _AGAIN:
            return None
        if source.kind is StepKind.PROBE:
            target = target_of(source.target, scope, self.targets)
            result = await looks.look(self.ports, target.name, source.does)
            return captured(source.capture, result.data)
        act, floor = await self.act(source, scope)
        if max(source.risk, floor) is not Risk.READ:
            return None
        if source.kind is StepKind.HTTP:
            name = target_of(source.target, scope, self.targets).name if source.target else ""
            try:
                self.permitted(act, Risk.READ, name)
            except Refused as error:
                raise Refused(f"'{source.title}' would be asked again: {error.message}") from None
            result = await http_kind.request(act, tls_ca=self.tls_ca(name))
        else:
            target = target_of(source.target, scope, self.targets)
            result = await acts.read(self.ports, target, act)
        return captured(source.capture, result.data)

    def scope(self, given: Mapping[str, Mapping[str, object]]) -> dict[str, object]:
        """What references can see, as of the last looks."""
        return {**given, **self.kept, "params": self.params, "finding": self.finding}

    def remembered(self, step: Step, gave: Mapping[str, object]) -> Mapping[str, object]:
        """What a step gave: for one with `once`, what it gave the first time."""
        return self.kept.setdefault(step.id, gave) if step.once else gave

    async def _fresh_scope(
        self, step: Step, given: Mapping[str, Mapping[str, object]], *, earlier: Sequence[Step]
    ) -> tuple[dict[str, object], dict[str, NoValue]]:
        """What references can see now, and the sources that lack a value, with which."""
        scope, lacking = self.scope(given), dict[str, NoValue]()
        for source in _closure(step, earlier):
            if source.once and source.id in self.kept:
                continue
            try:
                value = await self.value_of(source, scope)
            except BlindError as error:
                raise CouldNotLook(f"{source.title}: {error.message}", hint=error.hint) from None
            except NoValue as error:
                lacking[source.id] = error
                continue
            if value is not None:
                scope[source.id] = self.remembered(source, value)
        return scope, lacking

    def _fingerprints(self, step: Step, scope: Mapping[str, object]) -> dict[str, object]:
        """What the step relies on: every value that it uses, and a program's digest."""
        prints: dict[str, object] = {}
        used = [step.args, list(step.argv), step.url, step.headers, step.target]
        for reference in references(used):
            if reference not in step.held:
                prints[reference.removeprefix("$")] = resolved(reference, scope)
        for expression in step.same:
            prints[expression] = query(expression, scope)
        if step.argv:
            prints["program"] = command.fingerprint(step.argv[0])
        return prints

    def _statement_args(self, step: Step, args: Mapping[str, object]) -> dict[str, object]:
        statement = self.known.statements.get(step.does)
        if statement is None:
            raise Misconfigured(f"there is no statement {step.does!r}")
        return dict(checked_arguments(statement, args))

    def _undo_args(self, step: Step, scope: Mapping[str, object]) -> Mapping[str, object]:
        """The undo's arguments from before the effect; references to the step itself stay."""
        if step.undo is None or not step.undo.does:
            return {}
        return resolved_but(step.undo.args, scope, step.id)

    def _verify(self, step: Step, scope: Mapping[str, object]) -> Until | None:
        if step.verify is None:
            return None
        place = step.verify.target or step.target
        target = target_of(place, scope, self.targets).name
        return replace(step.verify, target=target, args=resolved(step.verify.args, scope))

    def _tripwires(self, step: Step, scope: Mapping[str, object]) -> tuple[Tripwire, ...]:
        return tuple(
            replace(wire, target=target_of(wire.target, scope, self.targets).name)
            if wire.target
            else wire
            for wire in step.tripwires
        )

    def _suggestion(self, step: Step, scope: Mapping[str, object]) -> str:
        if step.answer is None or not step.answer.default:
            return ""
        try:
            return str(resolved(step.answer.default, scope))
        except NoValue:
            return ""


async def _known(asked: Awaitable[_Told]) -> _Told:
    try:
        return await asked
    except BlindError as error:
        raise Refused(f"as whom it would run is not known: {error.message}") from None


def _relied(step: Step, scope: Mapping[str, object]) -> dict[str, object]:
    """What of the scope the verification names: it must compare with what was approved."""
    if step.verify is None:
        return {}
    return relied(step.verify.until, {**scope, **step.verify.scope})


def _undo_verify(step: Step, scope: Mapping[str, object]) -> Until | None:
    """The undo's verification by the values from before; references to the step itself stay."""
    verify = step.undo.verify if step.undo and step.undo.does else None
    if verify is None:
        return None
    before = {name: value for name, value in scope.items() if name != step.id}
    args = resolved_but(verify.args, scope, step.id)
    return replace(verify, args=args, scope=relied(verify.until, before))


def _closure(step: Step, earlier: Sequence[Step]) -> tuple[Step, ...]:
    """Every earlier step that the step depends on, directly or through others, in order."""
    wanted: dict[str, Step] = {}
    queue = [step]
    while queue:
        for source in sources(queue.pop(), earlier):
            if source.id not in wanted:
                wanted[source.id] = source
                queue.append(source)
    return tuple(source for source in earlier if source.id in wanted)


def _argv(step: Step, scope: Mapping[str, object]) -> tuple[str, ...]:
    """The argument list; values that came from outside may not look like options."""
    argv: list[str] = []
    dashes = False
    for word in step.argv:
        value = resolved(word, scope)
        constant = value == word
        argv.append(command.argument(value, after_dashes=dashes or constant))
        dashes = dashes or word == "--"
    return tuple(argv)


def _confirm_word(step: Step, act: Act, target: Target | None) -> str:
    """The resource's name: the target's, else the host's or the program's."""
    if target is not None:
        return target.name
    if step.kind is StepKind.HTTP:
        return urlsplit(act.url).netloc.rpartition("@")[2]
    return act.argv[0].rpartition("/")[2] if act.argv else step.id


def sealed(plan: Plan) -> str:
    """The digest of what the plan would do; the same as `plan.digest`, or it was tampered with."""
    return digest_of(_body(plan))


def _body(plan: Plan) -> dict[str, object]:
    """What the digest covers: everything that decides what would happen, not when."""
    act = plan.act
    return {
        "runbook": plan.runbook,
        "runbook_digest": plan.runbook_digest,
        "step": plan.step.id,
        "kind": act.kind.value,
        "does": act.does,
        "args": act.args,
        "argv": act.argv,
        "url": act.url,
        "headers": act.headers,
        "body": act.body,
        "status": act.status,
        "timeout": act.timeout,
        "target": plan.target,
        "environment": plan.environment,
        "account": plan.account,
        "region": plan.region,
        "principal": plan.principal,
        "risk": plan.risk.value,
        "checked": plan.checked,
        "fingerprints": plan.fingerprints,
        "undo": plan.undo_args,
        "effect": plan.step.effect,
        "verify": plan.step.verification,
    }


def _lines(plan: Plan, scope: Mapping[str, object], right: Right) -> tuple[PlanLine, ...]:
    step = plan.step
    lines = [_does(plan)]
    lines += [PlanLine("header", f"{k}: {v}") for k, v in shown_headers(plan.act).items()]
    if step.answer:
        lines += [PlanLine(name, does) for name, does in step.answer.means.items()]
    if plan.principal:
        lines.append(PlanLine("as", whole(plan.principal)))
    lines += _told(right)
    if step.effect:
        lines.append(PlanLine("effect", step.effect))
    for label, (before, after) in step.change.items():
        lines.append(PlanLine(label, f"{_seen(before, scope)} → {_seen(after, scope)}"))
    lines += [PlanLine(label, _seen(value, scope)) for label, value in step.show.items()]
    if step.undo:
        lines.append(PlanLine("undo", step.undo.says))
    if plan.checked:
        lines.append(PlanLine("checked now", "\n".join(f"✔ {text}" for text in plan.checked)))
    if step.verify:
        lines.append(PlanLine("verify", step.verification))
    if step.tripwires not in {(), (Tripwire(),)}:
        watched = "; ".join(each.text for each in plan.tripwires)
        lines.append(PlanLine("stop-loss", f"interrupted when {watched}"))
    if plan.mutates:
        made = f"made {clock.stamp(plan.made_at)[11:19]} UTC, good for {VALID_FOR:g} s"
        lines.append(PlanLine("approval", f"{short(plan.digest)}  {made}"))
    return tuple(lines)


def _does(plan: Plan) -> PlanLine:
    """What would run; of a manual step what is asked, or is to be done by a person."""
    step = plan.step
    if step.kind is not StepKind.MANUAL:
        return PlanLine("will run", rendered(plan.act, plan.target))
    return PlanLine("question" if step.answer else "to do", step.prose or step.title)


def _missing(plan: Plan, right: Right) -> str:
    type_ = f"; type: {right.grant}" if right.grant else ""
    return f"{plan.principal or 'the commander'} may not: {right.why}{type_}"


def _told(right: Right) -> list[PlanLine]:
    """A line on the right to act, where there is something to tell."""
    if right.held:
        return [PlanLine("rights", "✔ the login may do this")]
    if right.held is None and right.why:
        return [PlanLine("rights", f"cannot be told: {whole(right.why)}")]
    return []


def _seen(value: object, scope: Mapping[str, object]) -> str:
    try:
        found = resolved(value, scope)
    except NoValue:
        return "unknown"
    if isinstance(found, bool):
        return str(found).lower()
    return number(found) if isinstance(found, float) and isfinite(found) else whole(found)


def shown_headers(act: Act) -> dict[str, str]:
    """A request's own headers as they are approved and journalled: every name, and every value
    that is no secret by its own or by the header's name.
    """
    return {
        whole(name): MASK if secret_header(name) else whole(value)
        for name, value in act.headers.items()
    }


def rendered(act: Act, target: str = "") -> str:
    """The complete act in one line, as a person reads it before the yes."""
    match act.kind:
        case StepKind.MANUAL:
            return ""
        case StepKind.PROBE | StepKind.WAIT:
            return f"look at {target} ({act.does})"
        case StepKind.HTTP:
            body = f" with the body {literal(act.body)}" if act.body else ""
            return f"{act.does} {whole(act.url)}{body}"
        case StepKind.COMMAND:
            import shlex

            return whole(shlex.join(act.argv))
        case _:
            given = ", ".join(f"{name}={literal(value)}" for name, value in act.args.items())
            return f"{line(act.does)}({given})"
