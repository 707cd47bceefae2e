"""Secrets of a request are masked by their place and by their value, however they are written."""

from __future__ import annotations

import base64
import json
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from cockpit.redact import MASK, MASKER, Masker, masked
from cockpit.report.postmortem import FORMATS, render
from cockpit.secret_shapes import secrets_of, without_shapes
from screens.present.runbook import outcome_lines, plan_lines
from tests.core import records
from tests.core.runs import book, rig
from tests.patience import at_most

CANARY = "c4n4ry/Zq+7"
"""Never told to the masker by a test; with characters that every encoding writes otherwise."""


@pytest.fixture(autouse=True)
def _forgets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MASKER, "_values", set())


def escaped(text: str) -> str:
    return json.dumps(json.dumps(text))


SHAPES = [
    pytest.param(f"https://ana:{quote(CANARY, '')}@shop.example/pay", id="the password of a URL"),
    pytest.param(f"https://{quote(CANARY, '')}@shop.example/pay", id="a token as a user"),
    pytest.param(f"redis://:{quote(CANARY, '')}@cache:6379/0", id="of another scheme"),
    pytest.param(f"GET https://x.example/a?b=1&token={CANARY}&c=2", id="a token in a query"),
    pytest.param(f"/a?key={CANARY}", id="a key"),
    pytest.param(f"/a?X-Amz-Signature={CANARY}", id="a signature of AWS"),
    pytest.param(f"/a?sig={CANARY}#access_token={CANARY}", id="a fragment"),
    pytest.param(quote(f"https://x/a?api_key={CANARY}&b=2", ""), id="percent-encoded"),
    pytest.param(quote(f"https://ana:{quote(CANARY, '')}@x/a", ""), id="a percent-encoded user"),
    pytest.param(f"Authorization: Bearer {CANARY}", id="a header"),
    pytest.param(f"Cookie: a=1; session={CANARY}", id="a cookie"),
    pytest.param(f"x-api-key: {CANARY}\nHost: x", id="a key as a header"),
    pytest.param(f"x-auth: {CANARY}", id="a header that only says auth"),
    pytest.param(f"curl -H 'Authorization: Basic {CANARY}'", id="a header of a program"),
    pytest.param(f'headers = {{ Authorization = "Bearer {CANARY}" }}', id="TOML"),
    pytest.param(json.dumps({"user": "ana", "password": CANARY}), id="JSON"),
    pytest.param(json.dumps({"clientSecret": f'a"{CANARY}'}), id="JSON with a quote"),
    pytest.param(escaped(json.dumps({"db_password": CANARY})), id="JSON in JSON in JSON"),
    pytest.param(repr({"access_token": CANARY}), id="Python"),
    pytest.param(f"user=ana&client_secret={CANARY}&x=1", id="a form"),
    pytest.param(f"PGPASSWORD={CANARY} psql", id="an environment"),
]


@pytest.mark.parametrize("text", SHAPES)
def test_what_stands_in_the_place_of_a_secret_is_masked(text: str) -> None:
    told = Masker().mask(text)
    assert MASK in told
    for form in (CANARY, quote(CANARY, ""), quote(CANARY), "c4n4ry"):
        assert form not in told
    assert Masker().mask(told) == told, "once is enough"


@pytest.mark.parametrize(
    "text",
    [
        "https://shop.example/pay?order=42&page=2",
        "unable to retrieve secret from asm: AccessDeniedException",
        "SELECT * FROM tokens WHERE token = $1 AND key = ?",
        "the password of cockpit_ro was refused: change it",
        'secretsmanager.GetSecretValue(SecretId="prod/orders")',
        's3.HeadObject(Bucket="b", Key="reports/2026.csv")',
        "postgres://cockpit_ro@db.example/orders",
        "ecs: monkey=3, hockey=4",
        "PG_LOCK_BLOCKED: 61 sessions wait",
        "basic authentication is off; a bearer token is wanted",
    ],
)
def test_what_only_speaks_of_secrets_stays(text: str) -> None:
    assert without_shapes(text) == text


_LONG = """
from cockpit.connect.aws.redact import without_secrets
from cockpit.redact import MASKER

for part in (
    "a.", "a-", "x-key", "token-", "token ", "token='", 'token="', "\\\\", "eyJ-", "-eyJaaaaaaaa",
    "http://a", "http://a?", "?key.", "a://b:", "a+", "x-amz-signature",
):
    for text in (part * 20_000, "token" + part * 20_000, part * 20_000 + '"token'):
        MASKER.mask(text)
        without_secrets(text)
"""


def test_a_long_text_takes_no_longer_for_what_is_in_it() -> None:
    """It is masked on the event loop, and who answers chooses what is in it. A pattern cannot be
    interrupted, so another process does it: hours are what the limit tells from seconds.
    """
    subprocess.run([sys.executable, "-c", _LONG], check=True, timeout=at_most(60))


def test_a_value_with_quotes_is_masked_to_its_end_at_every_depth() -> None:
    text = json.dumps({"password": f'a"{CANARY}\\"{CANARY}', "user": "ana"})
    for _ in range(4):
        told = without_shapes(text)
        assert "c4n4ry" not in told
        assert "ana" in told, "only the value"
        text = json.dumps(text)


def test_a_members_name_counts_where_its_text_alone_says_nothing(tmp_path: Path) -> None:
    told = {"args": {"password": CANARY, "SecretId": "prod/db", "pids": [1]}}
    assert masked(told) == {"args": {"password": MASK, "SecretId": "prod/db", "pids": [1]}}
    incident = records.opened(tmp_path)
    entry = incident.record("note", "x", data=told)
    incident.close()
    assert entry.data["args"] == {"password": MASK, "SecretId": "prod/db", "pids": [1]}


def test_what_a_request_holds_is_known_by_its_value_too() -> None:
    basic = base64.b64encode(b"ana:b4sic-word").decode()
    found = set(
        secrets_of(
            "https://ana:us3r-word@x/a?key=orders&token=t0ken&sig=12345678abc&order=notasecret",
            {"Authorization": f"Basic {basic}", "Cookie": "a=1; sid=c00kie-word", "Accept": "x/y"},
            '{"items": [{"password": "b0dy-word", "name": "notasecret"}]}',
        )
    )
    wanted = {"us3r-word", "t0ken", "12345678abc", basic, "b4sic-word", "c00kie-word", "b0dy-word"}
    assert wanted <= found
    assert not {"orders", "notasecret", "x/y", "1"} & found, "a mere key that is a word is none"
    assert "f0rm-word" in set(secrets_of("https://x/", {}, "user=ana&password=f0rm-word"))


class Echo(BaseHTTPRequestHandler):
    """Says what it was asked, in every encoding that it knows."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        said = f"{self.path}\n{self.headers}\n{body}\n{CANARY}"
        forms = (said, quote(said), base64.b64encode(said.encode()).decode(), escaped(said))
        answer = "\n".join((*forms, base64.b64encode(b"x" + CANARY.encode()).decode())).encode()
        self.send_response(200)
        self.send_header("Set-Cookie", f"sid={CANARY}")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


STEP = """
## Tell the partner
```toml step
id = "tell"
kind = "http"
risk = "high"
method = "POST"
url = "http://127.0.0.1:{port}/hook?key={canary}&order=42"
headers = {{ Authorization = "Bearer {canary}", Cookie = "sid={canary}" }}
body = '{{"password": "{canary}", "note": "paid"}}'
effect = "tells them"
verify = {{ probe = "postgres.locks", target = "$db", until = "length(queues) > `0`" }}
undo = "none: it was told"
[capture]
said = "body"
cookie = "headers.\\"set-cookie\\""
```
"""


async def test_no_secret_of_a_request_is_anywhere(tmp_path: Path, port: int) -> None:
    incident = records.opened(tmp_path)
    document = book(STEP.format(port=port, canary=CANARY))
    made = rig(document, journal=incident)
    shown = [document.steps[0].call]
    plan = await made.run.plan("tell")
    assert plan.confirm_word == f"127.0.0.1:{port}"
    shown += [line.plain for line in plan_lines(plan, "", 400)]
    outcome = await made.run.execute(plan, made.run.approve(plan, typed=plan.confirm_word))
    assert outcome.kind == "ok"
    shown += [line.plain for line in outcome_lines(outcome, 400)]
    incident.close()
    shown += [render(incident, format=form) for form in FORMATS]
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    raw = CANARY.encode()
    forms = [raw, quote(CANARY).encode(), quote(CANARY, "").encode(), b"c4n4ry"]
    forms += [base64.b64encode(raw)[:12], base64.b64encode(b"x" + raw)[4:12]]
    for form in forms:
        assert not [line for line in shown if form.decode() in line], form
        assert not [path.name for path in files if form in path.read_bytes()], form
    assert "order=42" in "\n".join(shown), "what is no secret is shown"
    assert "paid" in "\n".join(shown)


@pytest.mark.parametrize("most", [1, 7, 40, 400])
def test_the_beginning_of_a_text_is_that_of_the_masked_one(most: int) -> None:
    masker, chance = Masker(), random.Random(most)
    secrets = ["pa55:4711", "hunter2", "x" * 90, "hunter2-and-more"]
    for secret in secrets:
        masker.learn(secret)
    for _ in range(300):
        parts = chance.choices([*secrets, "hunt", "x" * 89, "a word ", "\n", "é"], k=12)
        whole = "".join(parts)
        assert masker.beginning(whole, most) == masker.without_known(whole)[:most]


def test_of_a_long_text_no_more_is_looked_at_than_is_shown() -> None:
    masker = Masker()
    masker.learn("pa55:4711")
    looked: list[int] = []

    class Long(str):
        __slots__ = ()

        def __getitem__(self, key: Any) -> str:
            looked.append(key.stop)
            return super().__getitem__(key)

    assert masker.beginning(Long("x" * 1_000_000), 40) == "x" * 40
    assert max(looked) < 200
