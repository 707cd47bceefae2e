"""A file → a runbook, or every problem with its line."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from cockpit.errors import Misconfigured
from cockpit.runbooks.format import LARGEST, RunbookProblems, load, parse, parse_file
from cockpit.runbooks.known import Known, known
from cockpit.runbooks.library import collected, library
from cockpit.runbooks.lint import draft_problems, lint
from cockpit.runbooks.step import Risk, StepKind
from tests.core.runs import FRONT, LOOK, RAISE, TERMINATE, book, problems, rig

KNOWN = Known(
    codes=frozenset({"PG_LOCK_BLOCKED"}),
    probes={"postgres.locks": "postgres", "ecs.service": "ecs_service"},
    today=date(2026, 12, 1),
)


def linted(*steps: str, front: str = FRONT) -> list[str]:
    return [str(problem) for problem in lint(book(*steps, front=front), KNOWN)]


def test_a_runbook_is_read_with_its_steps_their_prose_and_their_lines() -> None:
    read = book(LOOK, TERMINATE)
    assert (read.id, read.title, read.codes) == ("test-book", "A test", ("PG_LOCK_BLOCKED",))
    assert read.intro == "Why it is here."
    assert [(step.id, step.kind, step.risk) for step in read.steps] == [
        ("blocker", StepKind.PROBE, Risk.READ),
        ("terminate", StepKind.SQL, Risk.HIGH),
    ]
    step = read.steps[1]
    assert step.prose == "Ends one session."
    assert read.source.split("\n")[step.line - 1] == 'id = "terminate"'
    assert step.timeout == 1.0
    assert step.verification == "nobody waits within 1m 00s"
    assert step.call == "terminate_backend($blocker.pid, $blocker.backend_start)"
    assert linted(LOOK, TERMINATE) == []


def test_an_ordinary_code_block_is_prose() -> None:
    read = book(LOOK, "\n## By hand\n```sh\nrm -rf /\n```\n")
    assert [step.id for step in read.steps] == ["blocker"]


def step(text: str, heading: str = "\n## A step\nProse.\n") -> str:
    return f"{heading}```toml step\n{text}\n```\n"


PROBE = 'id = "x"\nkind = "probe"\ntarget = "$db"\nprobe = "postgres.locks"\n'


@pytest.mark.parametrize(
    ("front", "steps", "expected"),
    [
        pytest.param("# no front\n", (), ["test-book.md:1: a runbook begins with +++"], id="none"),
        pytest.param(
            "+++\nid = 'a'\n", (), ["test-book.md:1: the front matter is not closed"], id="unclosed"
        ),
        pytest.param(
            "+++\nid = 'a'\ntitle = \n+++\n", (), ["test-book.md:3: TOML: "], id="toml in front"
        ),
        pytest.param(
            FRONT.replace("title =", "titel ="),
            (LOOK,),
            ["test-book.md:2: title is missing", "test-book.md:3: titel: unknown key; did you m"],
            id="unknown key in front",
        ),
        pytest.param(
            FRONT.replace("2026-11-21", '"soon"'),
            (LOOK,),
            ["test-book.md:5: reviewed: should be a date"],
            id="reviewed is no date",
        ),
        pytest.param(FRONT, (), ["test-book.md: has no step"], id="no step"),
        pytest.param(
            FRONT, (step(PROBE + "kind2 = 1"),), ["test-book.md:22: kind2: unknown key"], id="key"
        ),
        pytest.param(
            FRONT, (step(PROBE + "x = = 1"),), ["test-book.md:22: TOML: "], id="toml in a step"
        ),
        pytest.param(
            FRONT,
            (step(PROBE.replace("probe =", "prob =")),),
            ["test-book.md:18: probe is missing", "test-book.md:21: prob: unknown key; did you"],
            id="nearest word",
        ),
        pytest.param(
            FRONT,
            (step(PROBE.replace('"probe"', '"prob"')),),
            ["test-book.md:19: kind: unknown 'prob'; did you mean 'probe'?"],
            id="unknown kind",
        ),
        pytest.param(
            FRONT,
            (LOOK, LOOK),
            ["the id 'blocker' is taken by line"],
            id="an id twice",
        ),
        pytest.param(
            FRONT,
            (step(PROBE, heading=LOOK),),
            ["a second step under one heading"],
            id="two steps under a heading",
        ),
        pytest.param(
            FRONT,
            (step(PROBE.replace("$db", "$db.host or 1")),),
            ["is not a reference: names, dots and indexes only"],
            id="an expression is no reference",
        ),
        pytest.param(
            FRONT,
            (step(PROBE + 'capture = { pid = "queues[" }'),),
            ["test-book.md:22: pid: not a JMESPath expression"],
            id="bad JMESPath",
        ),
        pytest.param(
            FRONT,
            ("\n## A step\n```toml steps\nid = 1\n```\n", LOOK),
            ["test-book.md:16: a block 'toml steps' never runs"],
            id="nearly a step",
        ),
        pytest.param(
            FRONT,
            (step('id = "x"\nkind = "command"\nargv = ["ls", "-l"]'),),
            ["'ls': the program must be a constant, absolute path"],
            id="a program from PATH",
        ),
        pytest.param(
            FRONT,
            (step('id = "x"\nkind = "command"\nargv = ["$db.host"]'),),
            ["'$db.host': the program must be a constant, absolute path"],
            id="a program from a reference",
        ),
        pytest.param(
            FRONT,
            (step('id = "x"\nkind = "probe"\nrisk = "high"\ntarget = "a"\nprobe = "b"'),),
            ["risk: a probe step only looks"],
            id="risk of a look",
        ),
        pytest.param(
            FRONT,
            (step('id = "params"\nkind = "manual"'),),
            ["id: 'params' is taken by the language"],
            id="a reserved id",
        ),
        pytest.param(
            FRONT,
            (step('id = "x"\nkind = "manual"\ntimeout = "soon"'),),
            ['timeout: should be a time such as "10s"'],
            id="a time that is none",
        ),
    ],
)
def test_each_problem_is_told_with_its_line(
    front: str, steps: tuple[str, ...], expected: list[str]
) -> None:
    told = problems(*steps, front=front)
    assert len(told) >= len(expected)
    for part in expected:
        assert any(part in line for line in told), told


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param(
            ("PG_LOCK_BLOCKED", "PG_LOCK_BLOKED"),
            "test-book.md:4: unknown finding code PG_LOCK_BLOKED; did you mean 'PG_LOCK_BLOCKED'?",
            id="code",
        ),
        pytest.param(
            ("2026-11-21", "2020-01-01"), "advice: was reviewed 2526 days ago", id="stale"
        ),
        pytest.param(
            ("postgres.locks", "postgres.lock"), "unknown probe 'postgres.lock'", id="probe"
        ),
        pytest.param(
            ('"postgres.locks"', '"ecs.service"'),
            "ecs.service looks at ecs_service targets, $db is a postgres",
            id="a probe of another kind",
        ),
        pytest.param(
            ("terminate_backend", "terminate_backnd"),
            "unknown statement 'terminate_backnd'; did you mean 'terminate_backend'?",
            id="statement",
        ),
        pytest.param(("args = { pid", "args = { pit"), "has no parameter 'pit'", id="parameter"),
        pytest.param(("$blocker.pid", "$bloker.pid"), "is no parameter or step", id="reference"),
        pytest.param(
            ("$blocker.pid", "$blocker.pit"), "'blocker' captures no 'pit'; did", id="capture"
        ),
        pytest.param(('risk = "high"', 'risk = "low"'), "risk low is below high", id="risk"),
        pytest.param(('effect = "ends 1 session"\n', ""), "needs effect", id="effect"),
        pytest.param(('undo = "none: the application must retry"\n', ""), "needs undo", id="undo"),
        pytest.param(
            (
                'type = "target"\nkind = "postgres"\nfrom = "finding.target"',
                'type = "target"\nkind = "postgres"\n[params.idle]',
            ),
            "the parameter 'idle' is never used",
            id="unused",
        ),
    ],
)
def test_lint_finds_what_cannot_work(change: tuple[str, str], expected: str) -> None:
    text = FRONT + LOOK + TERMINATE
    assert change[0] in text
    parsed = parse(text.replace(*change), Path("test-book.md"))
    assert parsed.runbook is not None, parsed.problems
    told = [str(problem) for problem in lint(parsed.runbook, KNOWN)]
    assert any(expected in line for line in told), told


MIGRATED = """
## Can the old revision run on the database as it is now?
Ask the team that released.
```toml step
id = "migrated"
kind = "manual"

[answer]
type = "choice"

[answer.choices]
yes = "it may be brought back"
no = "stop: fix forward"
unknown = "it may be brought back all the same"
```
"""


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param(("", ""), "", id="as it should be"),
        pytest.param(
            ("Can the old revision run on the database as it is now?", "Ask about the database"),
            "the title 'Ask about the database' is no question",
            id="the title is another question, or none",
        ),
        pytest.param(
            ('no = "stop: fix forward"\n', ""),
            "a person may have to answer no: add it, and what it does",
            id="no way to say no",
        ),
        pytest.param(
            ('unknown = "it may be brought back all the same"\n', ""),
            "a person may have to answer unknown",
            id="no way to say that nobody knows",
        ),
        pytest.param(
            ('no = "stop: fix forward"', 'no = ""'),
            "say what each answer does: choices = { no =",
            id="an answer that does not say what it does",
        ),
        pytest.param(
            (
                MIGRATED[MIGRATED.index("\n[answer.choices]") : MIGRATED.rindex("```")],
                'choices = ["yes", "no", "unknown"]\n',
            ),
            "say what each answer does: choices = { yes =",
            id="a list of answers",
        ),
    ],
)
def test_a_question_is_its_title_and_each_answer_says_what_it_does(
    change: tuple[str, str], expected: str
) -> None:
    assert change[0] in MIGRATED
    told = [line for line in linted(MIGRATED.replace(*change)) if "never used" not in line]
    assert (told == []) if not expected else any(expected in line for line in told), told


async def test_a_plan_shows_what_each_answer_does() -> None:
    plan = await rig(book(MIGRATED)).run.plan("migrated")
    shown = {line.label: line.text for line in plan.lines}
    assert shown["no"] == "stop: fix forward"
    assert set(shown) >= {"yes", "no", "unknown"}
    assert plan.asks == "yes or no or unknown"


def test_a_step_cannot_use_what_a_later_one_captures() -> None:
    assert any("'blocker' comes later" in line for line in linted(TERMINATE, LOOK))


@pytest.mark.parametrize(
    ("call", "args", "expected"),
    [
        pytest.param("dynamodb.UpdatTable", {}, "did you mean dynamodb.UpdateTable?", id="call"),
        pytest.param("dynamo.UpdateTable", {}, "no service 'dynamo'", id="service"),
        pytest.param(
            "dynamodb.UpdateTable", {"TableNam": "$x.y"}, "unknown parameter 'TableNam'", id="name"
        ),
        pytest.param("dynamodb.UpdateTable", {"TableName": 5}, "Invalid type", id="type"),
        pytest.param("dynamodb.UpdateTable", {}, "TableName", id="a required one is missing"),
        pytest.param(
            "dynamodb.UpdateTable",
            {"TableName": "a", "ProvisionedThroughput": "$x.y"},
            "",
            id="a reference is judged when it has a value",
        ),
        pytest.param(
            "iam.UpdateAccessKey",
            {"AccessKeyId": "$k.id", "Status": "Inactive"},
            "",
            id="the least length is that of the value, not of the reference",
        ),
        pytest.param(
            "iam.UpdateAccessKey",
            {"AccessKeyId": "$k.id", "Status": "$k.s", "UserName": ""},
            "UserName",
            id="a constant beside references is judged",
        ),
        pytest.param(
            "s3.PutBucketPolicy",
            {"Bucket": "$b.name", "Policy": '{"Statement":{"Effect":"Allow","Action":"s3:*"}}'},
            "everybody",
            id="and so is a policy",
        ),
        pytest.param(
            "ec2.AuthorizeSecurityGroupIngress",
            {"GroupId": "$r.group", "IpPermissions": [{"FromPort": "$r.port", "ToPorts": 1}]},
            "ToPorts",
            id="and a name beside references",
        ),
    ],
)
def test_calls_are_checked_against_the_service_model(
    call: str, args: dict[str, object], expected: str
) -> None:
    told = draft_problems(call, args, KNOWN)
    assert expected in "\n".join(told) if expected else told == []


BY_CALL = RAISE.replace(
    'verify = { probe = "postgres.locks", until = "length(queues) == `0`" }',
    'verify = { call = "dynamodb.DescribeTable", args = { TableName = "$params.db" }, until = "Table" }',
)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param(("", ""), [], id="a read may verify a call"),
        pytest.param(
            ("DescribeTable", "DeleteTable"), ["it does not look"], id="a change does not verify"
        ),
        pytest.param(
            ("DescribeTable", "DescribeTabel"), ["did you mean dynamodb.DescribeTable"], id="name"
        ),
        pytest.param(("{ TableName", "{ TableNam"), ["TableNam", "TableName"], id="arguments"),
        pytest.param(("$params.db", "$later.x"), ["no parameter or step"], id="references"),
    ],
)
def test_a_call_that_verifies_is_a_read(change: tuple[str, str], expected: list[str]) -> None:
    told = linted(LOOK, BY_CALL.replace(*change) if change[0] else BY_CALL)
    assert bool(told) is bool(expected), told
    for words in expected:
        assert any(words in line for line in told), told


@pytest.mark.parametrize(
    ("verify", "expected"),
    [
        ('verify = { until = "x" }', "needs a probe, or a call that reads AWS"),
        ('verify = { probe = "a.b", call = "s3.GetObject", until = "x" }', "needs a probe, or"),
        ('verify = { probe = "a.b", args = { a = 1 }, until = "x" }', "are those of a call"),
    ],
)
def test_a_verification_looks_in_one_way(verify: str, expected: str) -> None:
    block = BY_CALL.splitlines()
    at = next(n for n, text in enumerate(block) if text.startswith("verify"))
    told = problems(LOOK, "\n".join([*block[:at], verify, *block[at + 1 :], ""]))
    assert any(expected in line for line in told), told


def test_a_step_that_replaces_a_policy_keeps_the_one_from_before() -> None:
    kept = library().get("s3-public")
    assert [str(problem) for problem in lint(kept, known())] == []
    text = kept.source.replace('change = { policy = ["$before.policy", "$before.closed"] }', "")
    lost = parse(text, kept.path).runbook
    assert lost is not None
    (told,) = [str(problem) for problem in lint(lost, known())]
    assert "s3.PutBucketPolicy replaces a policy: keep the one from before" in told


def test_a_negation_of_which_a_member_is_asked_is_told() -> None:
    """It was never true, and so the step was never offered."""
    kept = library().get("s3-public")
    text = kept.source.replace("now.whole == `false`", "!now.whole")
    wrong = parse(text, kept.path).runbook
    assert wrong is not None
    (told,) = [str(problem) for problem in lint(wrong, known())]
    assert "`!a.b` is (!a).b" in told


def test_the_risk_of_a_call_cannot_be_told_down() -> None:
    dangerous = RAISE.replace('dynamodb.UpdateTable"\nargs', 'dynamodb.DeleteTable"\nargs')
    dangerous = dangerous.replace(
        'args = { TableName = "carts", ProvisionedThroughput = { ReadCapacityUnits = 5, '
        'WriteCapacityUnits = "$blocker.pid" } }\neffect',
        'args = { TableName = "carts" }\neffect',
    )
    told = linted(LOOK, dangerous)
    assert any("risk high is below destructive" in line for line in told), told


def test_a_file_that_cannot_be_read_is_a_problem_of_that_file_only(tmp_path: Path) -> None:
    (tmp_path / "binary.md").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "empty.md").write_text("")
    (tmp_path / "huge.md").write_bytes(b"x" * (LARGEST + 1))
    (tmp_path / "good.md").write_text(FRONT + LOOK)
    (tmp_path / "notes.txt").write_text("not a runbook")
    found = library([tmp_path, tmp_path / "absent"])
    assert found.get("test-book").path == tmp_path / "good.md"
    named = {problem.path.name for problem in found.problems if problem.path.parent == tmp_path}
    assert named >= {"binary.md", "empty.md", "huge.md", "absent"}


def test_a_runbook_of_the_user_replaces_the_shipped_one_and_says_when_two_claim_an_id() -> None:
    shipped = replace(book(LOOK), shipped=True)
    own = replace(book(LOOK, path="own.md"), title="Ours")
    third = replace(book(LOOK, path="third.md"), title="Third")
    from cockpit.runbooks.format import Parsed

    found = collected([Parsed(shipped), Parsed(own), Parsed(third)])
    assert found.get("test-book").title == "Ours"
    assert [str(problem) for problem in found.problems] == [
        "third.md: the id 'test-book' is taken by own.md"
    ]
    with pytest.raises(Misconfigured, match="did you mean 'test-book'"):
        found.get("tset-book")
    assert found.for_code("PG_LOCK_BLOCKED") == (found.get("test-book"),)


def test_loading_a_broken_file_raises_all_its_problems(tmp_path: Path) -> None:
    path = tmp_path / "bad.md"
    path.write_text(FRONT.replace("title =", "titel ="))
    with pytest.raises(RunbookProblems) as raised:
        load(path)
    assert "bad.md:3: titel: unknown key" in str(raised.value)
    assert parse_file(tmp_path / "gone.md").problems[0].message.startswith("cannot be read")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("\x00" * 1000, id="NUL"),
        pytest.param("+++\n+++\n" + "#" * 100_000, id="hashes"),
        pytest.param("+++\n+++\n" + "> " * 5000 + "x", id="deep quotes"),
        pytest.param("+++\n+++\n" + "[" * 20_000, id="brackets"),
        pytest.param("+++\nid = " + "[" * 2000 + "\n+++\n", id="deep TOML"),
        pytest.param("+++\nfor = 5\nid = 7\nparams = 3\ntitle = []\n+++\n", id="wrong types"),
    ],
)
def test_hostile_files_give_problems(text: str) -> None:
    parsed = parse(text, Path("hostile.md"))
    assert parsed.runbook is None
    assert parsed.problems


WHOLE = """+++
id = "whole"
title = "t"
for = ["PG_LOCK_BLOCKED"]
owner = "o"
+++
# Whole
## Ask
```toml step
id = "ask"
kind = "http"
method = "GET"
url = "http://127.0.0.1/"
target = "db"
risk = "read"
timeout = "3s"
status = [200]
headers = { a = "b" }
capture = { b = "status" }
require = ["finding"]
change = { a = [1, 2] }
show = { a = "b" }
```
"""
ODD = ("{}", "[]", "{ a = {} }", "[{}]", '"$$"', '"$"', '"${"', "nan", "2020-01-01", '"\\u0000"')


def test_whatever_a_key_holds_is_read_or_is_a_line_of_blame() -> None:
    assert parse(WHOLE, Path("whole.md")).runbook is not None
    lines = WHOLE.split("\n")
    for number, line in enumerate(lines):
        key, equals, _ = line.partition(" = ")
        for odd in ODD if equals else ():
            text = "\n".join([*lines[:number], f"{key} = {odd}", *lines[number + 1 :]])
            found = parse(text, Path("whole.md"))
            assert found.runbook is not None or found.errors, (key, odd)
            if found.runbook is not None:
                lint(found.runbook, known())
