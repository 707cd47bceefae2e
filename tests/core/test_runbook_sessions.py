"""The ports over the real connections: which session is asked, as whom, and what triage gets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from cockpit.connect.aws.session import Aws, AwsActs, open_aws_acts
from cockpit.connect.aws.settings import AwsResource
from cockpit.connect.role import Role
from cockpit.connect.settings import AwsSite
from cockpit.errors import BlindError, Misconfigured, Reason, Refused, UnknownOutcome
from cockpit.runbooks.sessions import RunSessions
from cockpit.runbooks.step import StepKind
from cockpit.triage.target import Target
from tests.core.aws_stub import Reply, group_arn, groups_answer, reading, stubbed
from tests.core.aws_stub import place as site
from tests.core.runs import POSTGRES, TARGETS

PLACES = {"prod": AwsSite(name="prod", region="us-east-1")}
CACHE = Target(name="cache", kind="redis", settings=POSTGRES.settings)
CALLER = {"Account": "123456789012", "Arn": "arn:aws:iam::123456789012:user/ops"}


class Session:
    """A read-only session, and a commander's, that write down what they are asked."""

    def __init__(self, answer: Any = None) -> None:
        self.answer = answer
        self.asked: list[tuple[Any, ...]] = []
        self.closed = 0

    async def call(
        self, service: str, operation: str, arguments: Mapping[str, object], expect: str
    ) -> Mapping[str, Any]:
        self.asked.append((service, operation, dict(arguments)))
        return {"Listeners": []}

    async def identity(self) -> tuple[str, str]:
        return "123456789012", "arn:aws:iam::123456789012:user/ro"

    async def run(self, call: str, arguments: Mapping[str, object]) -> Mapping[str, Any]:
        self.asked.append((call, dict(arguments)))
        if isinstance(self.answer, Exception):
            raise self.answer
        return CALLER

    async def close(self) -> None:
        self.closed += 1


class SqlSession(Session):
    async def rows(self, sql: str, parameters: Any = (), *, into: type[Any]) -> list[Any]:
        raise AssertionError(sql)

    async def value(self, sql: str, parameters: Any = ()) -> Any:
        self.asked.append((sql.split()[0], dict(parameters)))
        return [{"user": "checkout"}]


class RedisSession(Session):
    async def info(self, *sections: str) -> Mapping[str, Any]:
        raise AssertionError(sections)

    async def command(self, *words: str | int) -> Any:
        self.asked.append(words)
        return "Sam, I have no memory problems"


class Doors:
    """`Connections` without a system behind it."""

    def __init__(self, session: Session, role: Role) -> None:
        self.role = role
        self.opened: list[tuple[str, ...]] = []
        self._session = session

    async def session(self, name: str, settings: object) -> Session:
        self.opened.append((name, type(settings).__name__))
        flavour = RedisSession if name == CACHE.name else SqlSession
        session = flavour(self._session.answer)
        session.asked = self._session.asked
        return session

    async def aws(self, place: str) -> Session:
        self.opened.append(("", "AwsResource"))
        return self._session

    async def acts(self, settings: object) -> Session:
        if self.role is not Role.COMMANDER:
            raise Refused("triage is read-only")
        self.opened.append(("acts", type(settings).__name__, getattr(settings, "aws", "")))
        return self._session

    async def aws_acts(self, place: str) -> Session:
        return await self.acts(AwsResource(aws=place, id=""))


def sessions(role: Role = Role.COMMANDER, answer: Any = None) -> tuple[RunSessions, Session, Doors]:
    session = Session(answer)
    doors = Doors(session, role)
    return RunSessions(doors, PLACES, "ana"), session, doors  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("target", "kind", "does", "expected"),
    [
        pytest.param(
            TARGETS["checkout-tg"],
            StepKind.AWS,
            "elbv2.describe_listeners",
            ("elbv2", "DescribeListeners", {}),
            id="an AWS read in either spelling",
        ),
        pytest.param(
            POSTGRES, StepKind.SQL, "connections_by_client", ("SELECT", {}), id="a named statement"
        ),
        pytest.param(
            CACHE, StepKind.REDIS, "memory_doctor", ("MEMORY", "DOCTOR"), id="a Redis command"
        ),
    ],
)
async def test_a_read_goes_through_the_read_only_session(
    target: Target, kind: StepKind, does: str, expected: tuple[Any, ...]
) -> None:
    ports, session, doors = sessions(Role.TRIAGE)
    await ports.read(target, kind, does, {})
    assert session.asked == [expected]
    assert not any("acts" in opened for opened in doors.opened)


class Places(Doors):
    """Connections whose AWS is a server."""

    def __init__(self, aws: Aws) -> None:
        super().__init__(Session(), Role.TRIAGE)
        self._aws = aws

    async def aws(self, place: str) -> Aws:  # type: ignore[override]
        return self._aws


async def test_what_is_looked_at_again_is_no_answer_of_a_moment_ago(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COCKPIT_TEST_KEY", "testing-key")
    target = TARGETS["checkout-tg"]
    async with stubbed() as stub, reading(stub) as aws:
        stub.reply(groups_answer([group_arn(1)]))
        ports = RunSessions(Places(aws), PLACES, "ana")  # type: ignore[arg-type]
        for _ in range(2):
            await ports.read(target, StepKind.AWS, "elbv2.DescribeTargetGroups", {})
        assert len(stub.requests) == 2
        with pytest.raises(Refused, match="not on the list"):
            await ports.read(target, StepKind.AWS, "elbv2.DeleteTargetGroup", {"expect": "x"})
        assert len(stub.requests) == 2


@pytest.mark.parametrize("does", ["terminate_backend", "cancel_backend", "resume_replay"])
async def test_a_statement_that_changes_something_is_no_read(does: str) -> None:
    ports, session, _ = sessions()
    with pytest.raises(Refused, match="changes something"):
        await ports.read(POSTGRES, StepKind.SQL, does, {})
    assert session.asked == []


async def test_a_statement_of_another_engine_or_none_is_told() -> None:
    ports, _, _ = sessions()
    for does in ("memory_doctor", "DROP TABLE orders"):
        with pytest.raises(Misconfigured, match="has no statement"):
            await ports.read(POSTGRES, StepKind.SQL, does, {})


async def test_triage_opens_no_session_to_act_with() -> None:
    ports, _, _ = sessions(Role.TRIAGE)
    for kind in (StepKind.AWS, StepKind.SQL):
        with pytest.raises(Refused, match="triage"):
            await ports.open(POSTGRES, kind)


async def test_an_aws_step_on_a_database_acts_at_its_place() -> None:
    ports, _, doors = sessions()
    await ports.open(POSTGRES, StepKind.AWS)
    await ports.open(POSTGRES, StepKind.SQL)
    assert doors.opened == [("acts", "AwsResource", "prod"), ("acts", "PostgresSettings", "prod")]
    with pytest.raises(Refused, match="has no AWS place"):
        await ports.open(TARGETS["replica-db"], StepKind.AWS)


async def test_as_whom_a_step_would_run() -> None:
    ports, session, _ = sessions()
    who = await ports.identity(POSTGRES, StepKind.SQL)
    assert who.principal == "cockpit_ops via db.internal"
    assert (who.account, who.region) == ("123456789012", "us-east-1")
    who = await ports.identity(TARGETS["checkout-tg"], StepKind.AWS)
    assert who.principal == CALLER["Arn"]
    assert session.closed == 2
    assert (await ports.identity(None, StepKind.COMMAND)).principal == "ana, on this machine"


async def test_who_acts_in_aws_is_asked_each_time() -> None:
    ports, session, _ = sessions()
    target = Target(name="t", kind="alb", settings=AwsResource(aws="prod", id="x"))
    await ports.identity(target, StepKind.AWS)
    await ports.identity(target, StepKind.AWS)
    assert len(session.asked) == 2


@pytest.mark.parametrize(
    "failure",
    [BlindError(Reason.EXPIRED, "the token expired"), UnknownOutcome("reset")],
    ids=["expired", "reset"],
)
async def test_a_lock_can_be_ended_while_aws_is_down_and_an_aws_step_cannot(
    failure: Exception,
) -> None:
    ports, session, _ = sessions(answer=failure)
    who = await ports.identity(POSTGRES, StepKind.SQL)
    assert (who.principal, who.account) == ("cockpit_ops via db.internal", "")
    with pytest.raises(BlindError):
        await ports.identity(TARGETS["checkout-tg"], StepKind.AWS)
    assert session.closed == 2


async def test_whose_and_whether_he_may_is_asked_in_one_session(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COCKPIT_TEST_KEY", "testing-key")
    arn = "arn:aws:iam::123456789012:user/ana"
    said = {
        "GetCallerIdentity": "<GetCallerIdentityResult><Account>123456789012</Account>"
        f"<Arn>{arn}</Arn></GetCallerIdentityResult>",
        "SimulatePrincipalPolicy": "<SimulatePrincipalPolicyResult><EvaluationResults><member>"
        "<EvalActionName>ecs:UpdateService</EvalActionName><EvalDecision>allowed</EvalDecision>"
        "</member></EvaluationResults></SimulatePrincipalPolicyResult>",
    }
    opened: list[AwsActs] = []

    class Commander(Doors):
        async def aws_acts(self, place: str) -> AwsActs:  # type: ignore[override]
            opened.append(await open_aws_acts(site(stub.port)))
            return opened[-1]

    async with stubbed() as stub:
        stub.answer = lambda request: Reply(
            f"<{request.operation}Response>{said[request.operation]}<ResponseMetadata>"
            f"<RequestId>1</RequestId></ResponseMetadata></{request.operation}Response>"
        )
        ports = RunSessions(Commander(Session(), Role.COMMANDER), PLACES, "ana")  # type: ignore[arg-type]
        who, right = await ports.identity_and_right(
            TARGETS["checkout-tg"], StepKind.AWS, "ecs.UpdateService", {}
        )
        assert (who.principal, who.account) == (arn, "123456789012")
        assert right.held is True, right.why
        assert len(opened) == 1
        assert stub.operations == ["GetCallerIdentity", "SimulatePrincipalPolicy"]
