"""The right to act is known before a name is typed."""

from __future__ import annotations

import pytest

from cockpit.connect.aws.rights import role_of, simulated
from cockpit.connect.mysql.rights import right_of
from cockpit.connect.session import Right
from cockpit.errors import Refused
from tests.core.run_words import ready
from tests.core.runs import LOOK, TERMINATE

KILL = {"id": 7, "user": "app", "host": "10.0.0.1"}
TO = "`ops`@`%`"


@pytest.mark.parametrize(
    ("grants", "call", "mariadb", "held", "grant"),
    [
        pytest.param(
            [f"GRANT PROCESS, CONNECTION ADMIN ON *.* TO {TO} IDENTIFIED BY PASSWORD '*7'"],
            "kill_query", True, True, "", id="what the documentation grants",
        ),
        pytest.param(
            [f"GRANT PROCESS ON *.* TO {TO}"], "kill_connection", True, False,
            f"GRANT CONNECTION ADMIN ON *.* TO {TO};", id="may only see",
        ),
        pytest.param(
            [f"GRANT CONNECTION_ADMIN ON *.* TO {TO}"], "kill_connection", False, False,
            f"GRANT PROCESS ON *.* TO {TO};", id="may only kill",
        ),
        pytest.param(
            [f"GRANT USAGE ON *.* TO {TO}"], "kill_query", False, False,
            f"GRANT PROCESS, CONNECTION_ADMIN ON *.* TO {TO};", id="may nothing",
        ),
        pytest.param(
            [f"GRANT ALL PRIVILEGES ON *.* TO {TO} WITH GRANT OPTION"], "kill_query", False, True,
            "", id="may everything",
        ),
        pytest.param(
            [f"GRANT SELECT ON `shop`.* TO {TO}", f"GRANT `killers`@`%` TO {TO}"], "kill_query",
            False, None, "", id="a role may give it",
        ),
        pytest.param(
            [f"GRANT USAGE ON *.* TO {TO}"], "start_replication", True, False,
            f"GRANT REPLICATION SLAVE ADMIN ON *.* TO {TO};", id="replication",
        ),
        pytest.param(
            [f"GRANT REPLICATION_SLAVE_ADMIN ON *.* TO {TO}"], "start_replication", False, True,
            "", id="replication of MySQL",
        ),
    ],
)  # fmt: skip
def test_an_account_is_judged_by_its_grants(
    grants: list[str], call: str, mariadb: bool, held: bool | None, grant: str
) -> None:
    found = right_of(grants, call, KILL, user="ops", mariadb=mariadb)
    assert (found.held, found.grant) == (held, grant)


def test_everybody_may_end_threads_of_their_own() -> None:
    grants = [f"GRANT USAGE ON *.* TO {TO}"]
    assert right_of(grants, "kill_query", KILL, user="app", mariadb=True).held


ACTION = "ecs:UpdateService"


@pytest.mark.parametrize(
    ("decision", "held"),
    [("allowed", True), ("explicitDeny", False), ("implicitDeny", None), ("new", None)],
)
def test_only_a_deny_of_everything_is_a_no_of_iam(decision: str, held: bool | None) -> None:
    rows = [{"EvalActionName": ACTION, "EvalDecision": decision}]
    assert simulated({"EvaluationResults": rows}, ACTION, "arn:x").held is held


@pytest.mark.parametrize("answer", [{}, {"EvaluationResults": None}, {"EvaluationResults": [7]}])
def test_an_answer_without_a_decision_tells_nothing(answer: dict[str, object]) -> None:
    assert simulated(answer, ACTION, "arn:x").held is None


def test_policies_are_a_roles_and_not_its_sessions() -> None:
    session = "arn:aws-cn:sts::111122223333:assumed-role/oncall/eve"
    assert role_of(session) == "arn:aws-cn:iam::111122223333:role/oncall"
    assert role_of("arn:aws:iam::1:user/eve") == "arn:aws:iam::1:user/eve"


async def test_a_plan_without_the_right_says_which_and_cannot_be_approved() -> None:
    made = ready(LOOK, TERMINATE)
    made.actors.right = Right(False, "is no member of pg_monitor", "GRANT pg_monitor TO ops;")
    plan = await made.run.plan("terminate")
    assert len(plan.gaps) == 1
    assert "may not: is no member of pg_monitor; type: GRANT pg_monitor TO ops;" in plan.gaps[0]
    with pytest.raises(Refused, match="pg_monitor"):
        made.run.approve(plan, typed=plan.confirm_word)


@pytest.mark.parametrize(
    ("right", "said"),
    [
        (Right(held=True), "✔ the login may do this"),
        (Right(None, "older than 7.0"), "cannot be told: older than 7.0"),
    ],
)
async def test_a_plan_tells_what_is_known_of_the_right(right: Right, said: str) -> None:
    made = ready(LOOK, TERMINATE)
    made.actors.right = right
    plan = await made.run.plan("terminate")
    assert plan.gaps == ()
    assert [line.text for line in plan.lines if line.label == "rights"] == [said]
