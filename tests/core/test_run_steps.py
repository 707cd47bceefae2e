"""A run in triage, its answers and outputs, and the kinds of steps that look."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from cockpit.connect.net.settings import EndpointSettings
from cockpit.connect.role import Role
from cockpit.errors import Reason, Refused
from cockpit.redact import MASKER
from cockpit.runbooks import planning
from cockpit.runbooks.kinds.http import MOST
from cockpit.runbooks.plan import Approval
from cockpit.triage.target import Target
from cockpit.world.net.certificates import Authority
from tests.core.run_words import UNVERIFIED, ready
from tests.core.runs import (
    LOOK,
    RAISE,
    TARGETS,
    TERMINATE,
    Rig,
    book,
    forever,
    free_of_waiters,
    queue,
    rig,
)
from tests.patience import at_most

ASK = """
## Which path is right?
Ask the owner.
```toml step
id = "path"
kind = "manual"
ask = "the path that answers 200"
answer = { type = "path", default = "$blocker.user" }
```
"""


HTTP = """
## Ask the endpoint
See what it says.
```toml step
id = "ask"
kind = "http"
target = "$web"
url = "$web.url"
capture = { status = "status" }
```
"""


POST = HTTP.replace('url = "$web.url"', 'method = "POST"\nurl = "$web.url"\nbody = "on"')


WEB = """\
+++
id = "web-book"
title = "A web"
for = ["X"]
reviewed = 2026-11-21

[params.web]
type = "target"
kind = "endpoint"
default = "web"
+++
"""


async def test_in_triage_a_forged_approval_opens_nothing() -> None:
    commander = ready(LOOK, TERMINATE)
    plan = await commander.run.plan("terminate")
    approval = commander.run.approve(plan, typed="orders-db")
    made = ready(LOOK, TERMINATE, role=Role.TRIAGE)
    with pytest.raises(Refused, match="triage is read-only"):
        await made.run.execute(plan, approval)
    assert made.actors.opened == 0
    assert made.journal.kinds() == ["refusal"]


async def test_a_proposal_tells_the_commander_what_would_run() -> None:
    made = ready(LOOK, TERMINATE, role=Role.TRIAGE)
    await made.run.propose("terminate", "it holds up checkout")
    kind, text, data = made.journal.entries[-1]
    assert kind == "proposal"
    assert text.startswith("proposed 'Terminate the blocker': it holds up checkout (terminate_b")
    assert (data["does"], data["args"]["pid"]) == ("terminate_backend", 4242)
    assert made.status("terminate") == "proposed"
    with pytest.raises(Refused, match="say why"):
        await made.run.propose("terminate", "")


async def test_a_step_that_cannot_be_planned_can_still_be_proposed() -> None:
    made = ready(LOOK, TERMINATE, role=Role.TRIAGE)
    made.looks.now = Reason.TIMEOUT
    await made.run.propose("terminate", "as soon as it answers")
    assert "could not look" in made.journal.entries[-1][2]["not_planned"]


async def test_one_step_runs_at_a_time() -> None:
    made = ready(LOOK, TERMINATE.replace('"1s"', '"1m"'))
    made.acts.does = forever
    task = asyncio.create_task(made.carry("terminate"))
    while not made.acts.calls:
        await asyncio.sleep(0)
    with pytest.raises(Refused, match="another step is running"):
        await made.carry("blocker")
    assert made.status("terminate") == "running"
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_answer_is_typed_and_can_be_used_by_later_steps() -> None:
    use = RAISE.replace('TableName = "carts", Prov', 'TableName = "$path.answer", Prov', 1)
    made = ready(LOOK, ASK, use)
    made.looks.now = {"queues": [queue(user="/healthz")]}
    plan = await made.run.plan("path")
    assert (plan.asks, plan.suggestion) == ("the path that answers 200", "/healthz")
    assert (plan.lines[0].label, plan.lines[0].text) == ("question", "Ask the owner.")
    with pytest.raises(Refused, match="is not a path"):
        made.run.approve(plan, typed="health z")
    assert (await made.carry("path", typed="/live")).kind == "ok"
    assert made.run.state("path").captured == {"answer": "/live"}


async def test_in_triage_an_answer_is_a_note_and_opens_nothing_that_acts() -> None:
    use = RAISE.replace('TableName = "carts", Prov', 'TableName = "$path.answer", Prov', 1)
    made = ready(LOOK, ASK, use, role=Role.TRIAGE)
    await made.carry("blocker")
    outcome = await made.carry("path", typed="/live")
    kind, text, _ = made.journal.entries[-1]
    assert (kind, text) == ("note", f"Which path is right? {outcome.text}")
    assert outcome.text.startswith("answered /live, as a note: what acts waits for a commander")
    await made.run.propose("raise", "the table throttles")
    proposal = made.journal.entries[-1][2]
    assert "plan" not in proposal
    assert "$path.answer has no value" in proposal["not_planned"]


async def test_enter_alone_takes_the_suggested_answer() -> None:
    made = ready(LOOK, ASK)
    made.looks.now = {"queues": [queue(user="/healthz")]}
    await made.carry("path", typed="")
    assert made.run.state("path").captured == {"answer": "/healthz"}


async def test_a_step_that_needs_an_answer_says_which_step_to_do_first() -> None:
    use = TERMINATE.replace("show = { session =", "show = { p =").replace(
        'pid = "$blocker.pid"', 'pid = "$path.answer"', 1
    )
    made = ready(LOOK, ASK, use)
    with pytest.raises(Refused, match=r"\$path.answer has no value") as raised:
        await made.run.plan("terminate")
    assert raised.value.hint == "run the step path first"


HOSTILE = "\x1b]0;pwned\x07\x1b[2J[/b] \u202e secret-of-the-test $(reboot) \x00" + "A" * 1_000_000


async def test_output_is_stripped_masked_bounded_and_kept_as_a_blob() -> None:
    MASKER.learn("secret-of-the-test")
    made = ready(LOOK, UNVERIFIED)

    async def act() -> Mapping[str, Any]:
        return {"done": True, "detail": HOSTILE, "rows": HOSTILE}

    made.acts.does = act
    outcome = await made.carry("terminate")
    for text in (outcome.text, outcome.output, *made.journal.blobs.values()):
        assert not {"\x1b", "\x00", "\u202e", "\x07"} & set(text)
        assert "secret-of-the-test" not in text
    assert len(outcome.text) <= 600
    assert len(outcome.output) < 17_000
    data = made.journal.entries[-1][2]
    assert len(data["output"]) < 5_000
    assert len(made.journal.blobs[data["blob"]]) > 500_000


async def test_a_read_of_aws_goes_through_the_read_only_session() -> None:
    read = """
## Ask AWS
Look.
```toml step
id = "ask"
kind = "aws"
risk = "read"
target = "$db"
call = "dynamodb.DescribeTable"
args = { TableName = "carts" }
capture = { seven = "value" }
```
"""
    made = ready(read, LOOK, role=Role.TRIAGE)
    assert (await made.carry("ask")).kind == "ok"
    assert made.reads.asked == [("dynamodb.DescribeTable", {"TableName": "carts"})]
    assert made.run.state("ask").captured == {"seven": 7}
    assert made.actors.opened == 0


async def test_a_wait_looks_until_it_holds() -> None:
    wait = """
## Wait
For it.
```toml step
id = "wait"
kind = "wait"
target = "$db"
probe = "postgres.locks"
until = "length(queues) == `0`"
every = "5s"
within = "30s"
```
"""
    made = ready(wait, role=Role.TRIAGE)
    made.looks.after = [{"queues": [queue()]}, Reason.TIMEOUT, free_of_waiters()]
    outcome = await made.carry("wait")
    assert (outcome.kind, outcome.took) == ("ok", 10.0)
    made.looks.after = []
    assert (await made.carry("wait")).kind == "failed"


@contextmanager
def served(
    status: int = 200,
    body: bytes = b"fine",
    delay: float = 0,
    tls: ssl.SSLContext | None = None,
    promised: int = 0,
) -> Iterator[tuple[str, list[tuple[str, str, bytes]]]]:
    """A server on a free port of 127.0.0.1; what it was asked is in the list.

    `promised`: so long is the body said to be, and what is missing of it never comes.
    """
    asked: list[tuple[str, str, bytes]] = []
    done = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            asked.append((self.command, self.path, self.rfile.read(length)))
            done.wait(delay)
            try:
                self.send_response(status)
                self.send_header("Content-Length", str(promised or len(body)))
                self.end_headers()
                self.wfile.write(body)
                done.wait(600 if promised else 0)
            except OSError:
                return

        do_POST = do_GET  # noqa: N815

        def log_message(self, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}/x?y=1", asked
    finally:
        done.set()
        server.shutdown()
        server.server_close()
        thread.join()


def web(step: str, url: str, **more: Any) -> Rig:
    constant = step.replace('"$web.url"', f'"{url}"').replace('target = "$web"\n', "")
    return rig(book(constant, front=WEB.partition("[params")[0] + "+++\n"), **more)


def own(step: str, url: str, **more: Any) -> Rig:
    target = Target(name="web", kind="endpoint", settings=EndpointSettings(url=url))
    return rig(book(step, front=WEB), targets={**TARGETS, "web": target}, **more)


async def test_a_get_of_the_targets_own_url_is_a_look_also_in_triage() -> None:
    with served() as (url, asked):
        made = own(HTTP, url, role=Role.TRIAGE)
        outcome = await made.carry("ask")
    assert (outcome.kind, outcome.output) == ("ok", "fine")
    assert asked == [("GET", "/x?y=1", b"")]
    assert made.run.state("ask").captured == {"status": 200}


ELSEWHERE = HTTP.replace('"$web.url"', '"http://127.0.0.1:9/restart?now=yes"')


@pytest.mark.parametrize(
    "step",
    [
        ELSEWHERE,
        ELSEWHERE.replace('target = "$web"\n', ""),
        HTTP.replace("url =", 'headers = { X-Do = "restart" }\nurl ='),
        HTTP.replace("url =", 'body = "restart"\nurl ='),
    ],
    ids=["another address", "no target", "headers", "a body"],
)
async def test_any_other_request_is_only_proposed_in_triage(step: str) -> None:
    with served() as (url, asked):
        made = own(step, url, role=Role.TRIAGE)
        plan = await made.run.plan("ask")
        assert "the target's own url" in plan.gaps[0]
        with pytest.raises(Refused, match="own url"):
            made.run.approve(plan)
        forged = Approval(digest=plan.digest, by="eve", at=plan.made_at, good_until=plan.good_until)
        with pytest.raises(Refused, match="own url"):
            await made.run.execute(plan, forged)
    assert asked == []


@pytest.mark.parametrize("begin", ["plan", "propose"])
async def test_what_triage_may_only_propose_is_not_asked_by_planning_a_later_step(
    begin: str,
) -> None:
    then = """
## Ask the application
```toml step
id = "then"
kind = "manual"
show = { before = "$ask.status" }
```
"""
    with served() as (url, asked):
        restart = HTTP.replace('"$web.url"', f'"{url}&restart=now"')
        made = own(f"{restart}{then}", url, role=Role.TRIAGE)
        if begin == "plan":
            with pytest.raises(Refused, match="would be asked again: triage is read-only"):
                await made.run.plan("then")
        else:
            await made.run.propose("then", "it hangs")
    assert asked == []


async def test_another_status_than_expected_is_failed() -> None:
    with served(status=503) as (url, _):
        made = web(HTTP, url)
        assert (await made.carry("ask")).kind == "failed"


async def test_a_post_is_a_change_with_an_intent() -> None:
    with served(status=204, body=b"") as (url, asked):
        made = web(POST, url)
        plan = await made.run.plan("ask")
        assert (plan.risk, plan.confirm_word) == ("high", url.split("/")[2])
        assert (await made.carry("ask")).kind == "ok"
    assert asked == [("POST", "/x?y=1", b"on")]
    assert "step.intent" in made.journal.kinds()


HEADED = POST.replace(
    "url =",
    'headers = { X-Site = "blue", Authorization = "Bearer abcdefgh", X-Word = "$params.word" }\nurl =',
    1,
)


async def test_headers_are_approved_and_recorded_by_name_and_their_secrets_by_name_only() -> None:
    MASKER.learn("hunter22")
    front = WEB.partition("[params")[0] + '[params.word]\ntype = "text"\n+++\n'
    with served() as (url, _):
        step = HEADED.replace('"$web.url"', f'"{url}"').replace('target = "$web"\n', "")
        made = rig(book(step, front=front), word="hunter22")
        plan = await made.run.plan("ask")
        told = [line.text for line in plan.lines if line.label == "header"]
        assert told == ["X-Site: blue", "Authorization: •••", "X-Word: •••"]
        assert (await made.carry("ask")).kind == "ok"
        (intent,) = (data for kind, _, data in made.journal.entries if kind == "step.intent")
        assert intent["headers"] == {"X-Site": "blue", "Authorization": "•••", "X-Word": "•••"}
        look = rig(book(step.replace('method = "POST"', 'method = "GET"'), front=front), word="x")
        await look.carry("ask")
    assert look.journal.entries[-1][2]["headers"]["X-Site"] == "blue"


AGAIN = HTTP.replace('id = "ask"', 'id = "again"\nrequire = ["ask.status == `200`"]')


async def test_what_a_site_with_its_own_authority_answered_can_be_used_later(
    tmp_path: Path,
) -> None:
    authority = Authority(tmp_path)
    with served(tls=authority.issue().context()) as (url, asked):
        settings = EndpointSettings(url=url, tls_ca=str(authority.ca_file))
        web = Target(name="web", kind="endpoint", settings=settings)
        made = rig(book(HTTP, AGAIN, front=WEB), targets={**TARGETS, "web": web})
        assert (await made.carry("ask")).kind == "ok"
        assert (await made.carry("again")).kind == "ok"
    assert len(asked) == 3, "asked, asked again for the plan, and by the step that relies on it"


async def test_a_server_that_hangs_costs_only_the_time_of_the_step() -> None:
    slow = 'timeout = "300ms"\nurl ='
    with served(delay=600) as (url, _):
        made = web(HTTP.replace("url =", slow), url)
        assert (await asyncio.wait_for(made.carry("ask"), at_most(15))).kind == "failed"
        made = web(POST.replace("url =", slow), url)
        assert (await asyncio.wait_for(made.carry("ask"), at_most(15))).kind == "unknown"


async def test_of_an_answer_without_end_only_the_beginning_is_read() -> None:
    with served(body=b"x" * (MOST + 1), promised=2**40) as (url, _):
        outcome = await asyncio.wait_for(web(HTTP, url).carry("ask"), at_most(15))
    assert outcome.kind == "ok", "nobody waits for what is not taken"


async def test_states_tell_whoever_listens() -> None:
    made = ready(LOOK)
    told: list[str] = []
    stop = made.run.subscribe(lambda: told.append(made.status("blocker")))
    await made.carry("blocker")
    assert told[0] == "running"
    assert told[-1] == "ok"
    stop()
    stop()
    await made.carry("blocker")
    assert told[-1] == "ok"


async def test_a_capture_that_fails_after_the_effect_is_not_taken_for_a_step_that_was_not_run() -> (
    None
):
    made = ready(LOOK, TERMINATE.replace("require =", 'capture = { all = "detail" }\nrequire ='))

    async def does() -> dict[str, Any]:
        made.looks.now = {"queues": []}
        return {"done": True, "detail": "x" * 2_000_000}

    made.acts.does = does
    outcome = await made.carry("terminate")
    assert outcome.kind == "ok"
    assert len(made.acts.calls) == 1
    assert made.status("terminate") == "ok"


@pytest.mark.parametrize(
    ("value", "told"), [(779.5629851704291, "779.56"), (640, "640"), ("x", "x"), (True, "true")]
)
def test_a_value_beside_the_plan_has_no_more_digits_than_say_something(
    value: object, told: str
) -> None:
    assert planning._seen("$look.slowest", {"look": {"slowest": value}}) == told
