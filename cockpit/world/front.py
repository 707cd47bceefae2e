"""The shop's AWS: moto's server behind a layer that fails, answers and remembers.

A request is identified, may meet a fault, is answered by the world where moto cannot, else by moto;
then it is paged as AWS does, written down, and told to the reactors when it changed something.
"""

from __future__ import annotations

import json
import secrets
import socket
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from cockpit.world import layout, paging
from cockpit.world.calls import Call, CallLog, stamp
from cockpit.world.faults import Dropped, Fault, Faults, broken_off
from cockpit.world.identify import AwsRequest, identify
from cockpit.world.protocol import HttpReply, Refusal, error, failure, parsed, success

Answerer = Callable[[AwsRequest, dict[str, Any]], dict[str, Any]]
Amendment = Callable[[AwsRequest, dict[str, Any], dict[str, Any]], dict[str, Any]]
Reactor = Callable[[AwsRequest, dict[str, Any], dict[str, Any]], None]
Operation = tuple[str, str]
Script = Callable[[Operation, dict[str, Any]], Answerer | None]
"""An answerer for an operation with these arguments, or None: then somebody else answers."""
_READERS = {"triage", "billing"}
_PATIENCE = 60.0
_WSGI = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Front:
    """The WSGI application. Tables may be filled until `serve` is called, faults at any time."""

    def __init__(self, calls: CallLog, faults: Faults) -> None:
        self.calls = calls
        self.faults = faults
        self.answers: dict[Operation, Answerer] = {}
        self.amendments: dict[Operation, Amendment] = {}
        self.reactors: dict[Operation, list[Reactor]] = {}
        self.written: list[Reactor] = []
        """Called after each successful call that is no read."""
        self.scripts: list[Script] = []
        """Asked first, the newest first."""
        self.pages: dict[str, Callable[[], object]] = {
            "calls": calls.as_json,
            "holes": lambda: list(calls.holes),
        }
        """Pages of the control endpoint that are read."""
        self.control = f"/_world/{secrets.token_urlsafe(9)}"
        """The path of the control endpoint: `pages` and `faults` are under it."""
        self.ready = threading.Event()
        """Until it is set, clients wait: a shop that is half built would look broken."""
        self.log: Path | None = None
        self._moto: _WSGI | None = None
        self._server: Any = None
        self._thread: threading.Thread | None = None

    def react(self, service: str, operation: str, reactor: Reactor) -> None:
        """Call `reactor` after each successful call of an operation that is not the world's own."""
        self.reactors.setdefault((service, operation), []).append(reactor)

    def serve(self, listener: socket.socket) -> None:
        """Import moto and answer on a listening socket, each request in a thread of its own."""
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
        from werkzeug.serving import make_server

        from cockpit.world.connection import Connection, error_log

        self._moto = DomainDispatcherApplication(create_backend_app)
        host, port = listener.getsockname()[:2]
        self._server = make_server(
            host,
            port,
            self,
            threaded=True,
            request_handler=Connection,
            fd=listener.fileno(),
        )
        self._server.daemon_threads = True
        self._server.log = error_log(self.log)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop listening; whatever hangs is let go."""
        self.ready.set()
        self.faults.end()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Answer one request of a client, or break it off."""
        if environ.get("PATH_INFO", "").startswith("/_world/"):
            answer = self._controlled(environ)
            return self._send(answer, start_response)
        request = identify(environ)
        if request.key in layout.OWNERS:
            return self._send(self._answer(request), start_response)
        self.ready.wait(_PATIENCE)
        who = layout.KEYS.get(request.key, "stranger")
        fault = self.faults.pick(request, who)
        if fault is not None:
            return self._spoiled(fault, request, who, start_response)
        answer = self._permitted(request, who)
        outcome = "answered" if answer.status < 400 else f"error {answer.status}"
        allowed = answer.status not in {401, 403} and b"AccessDenied" not in answer.body[:200]
        self._note(request, who, allowed=allowed, status=answer.status, outcome=outcome)
        return self._send(answer, start_response)

    def _spoiled(
        self, fault: Fault, request: AwsRequest, who: str, start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        principal = layout.PRINCIPALS.get(who, who)
        try:
            answer = self.faults.spoil(fault, request, principal)
        except Dropped:
            self._note(request, who, allowed=False, status=0, outcome=fault.kind)
            raise
        self._note(request, who, allowed=False, status=answer.status, outcome=fault.kind)
        if fault.kind == "truncate":
            request.environ["cockpit.connection"].close_connection = True
            start_response("200 OK", list(answer.headers.items()))
            return broken_off(answer.body)
        return self._send(answer, start_response)

    def _permitted(self, request: AwsRequest, who: str) -> HttpReply:
        if who == "stranger":
            return failure(request, "bad-key")
        if who in _READERS and not request.is_read:
            return failure(request, "denied", layout.PRINCIPALS[who])
        return self._answer(request)

    def _answer(self, request: AwsRequest) -> HttpReply:
        operation = (request.service, request.operation)
        asked = request.parameters
        answerer = self._scripted(operation, asked) or self.answers.get(operation)
        amendment = self.amendments.get(operation)
        reactors = self._reactors(request, operation)
        paged = paging.PAGES.get(operation)
        try:
            reply = None
            if answerer is not None:
                result = answerer(request, asked)
            else:
                reply = self._ask_moto(request, paged)
                plain = paged is None or paging.whole(paged, asked)
                if reply.status >= 300 or (not amendment and not reactors and plain):
                    return reply
                result = parsed(request, reply)
                reply = reply if plain and not amendment else None
            if amendment is not None:
                result = amendment(request, asked, result)
            if paged is not None:
                result = paging.cut(paged, asked, result)
            for reactor in reactors:
                reactor(request, asked, result)
            return reply or success(request, result)
        except Refusal as refusal:
            return error(request, refusal.code, refusal.message, status=refusal.status)

    def _scripted(self, operation: Operation, asked: dict[str, Any]) -> Answerer | None:
        found = (script(operation, asked) for script in reversed(self.scripts))
        return next((answerer for answerer in found if answerer is not None), None)

    def _reactors(self, request: AwsRequest, operation: Operation) -> list[Reactor]:
        known = self.reactors.get(operation, [])
        return known if request.is_read else [*known, *self.written]

    def _ask_moto(self, request: AwsRequest, paged: paging.Paged | None) -> HttpReply:
        from werkzeug.test import run_wsgi_app

        assert self._moto is not None
        environ = request.rewind()
        if paged is not None:
            environ = _without_pages(request, paged)
        environ["HTTP_X_MOTO_ACCOUNT_ID"] = layout.account_of(request.key)
        answer: HttpReply | None = None
        try:
            pieces, status, headers = run_wsgi_app(self._moto, environ, buffered=True)
            answer = _labelled(int(status.split(" ", 1)[0]), b"".join(pieces), dict(headers))
        finally:
            if answer is None or _is_page(answer):
                self.calls.hole(request.service, request.operation)
        return answer

    def _note(
        self, request: AwsRequest, who: str, *, allowed: bool, status: int, outcome: str
    ) -> None:
        self.calls.add(
            Call(
                at=stamp(),
                service=request.service,
                operation=request.operation,
                who=who,
                region=request.region,
                read=request.is_read,
                allowed=allowed,
                status=status,
                outcome=outcome,
            )
        )

    def _send(self, answer: HttpReply, start_response: Callable[..., Any]) -> Iterable[bytes]:
        headers = {
            name: value
            for name, value in answer.headers.items()
            if name.lower() not in {"content-length", "connection", "transfer-encoding"}
        }
        headers["Content-Length"] = str(len(answer.body))
        start_response(f"{answer.status} {_phrase(answer.status)}", list(headers.items()))
        return [answer.body]

    def _controlled(self, environ: dict[str, Any]) -> HttpReply:
        path = str(environ["PATH_INFO"])
        if not path.startswith(self.control + "/"):
            return _as_json({"error": "no such page"}, 404)
        page, method = path.removeprefix(self.control + "/"), environ["REQUEST_METHOD"]
        match (method, page):
            case ("GET", _) if page in self.pages:
                return _as_json(self.pages[page]())
            case ("POST", "faults"):
                return self._add_fault(environ)
            case ("DELETE", "faults"):
                self.faults.clear()
                return _as_json({})
            case _:
                return _as_json({"error": "no such page"}, 404)

    def _add_fault(self, environ: dict[str, Any]) -> HttpReply:
        length = int(environ.get("CONTENT_LENGTH") or 0)
        try:
            fault = Fault(**json.loads(environ["wsgi.input"].read(length)))
            return _as_json({"number": self.faults.add(fault)})
        except (ValueError, TypeError) as wrong:
            return _as_json({"error": str(wrong)}, 400)


def _labelled(status: int, body: bytes, headers: dict[str, str]) -> HttpReply:
    """Moto's answer with the type that AWS would give it: moto calls Lambda's JSON a page."""
    html = headers.get("Content-Type", "").startswith("text/html")
    if html and not body.lstrip().startswith(b"<"):
        headers["Content-Type"] = "application/json"
    return HttpReply(status, body, headers)


def _is_page(answer: HttpReply) -> bool:
    """Whether an answer is HTML for people: how moto says that it lacks an operation."""
    kind = answer.headers.get("Content-Type", "")
    beginning = answer.body.lstrip()[:40].lower()
    shows = beginning.startswith(b"<!doctype html") or answer.status >= 400
    return kind.startswith("text/html") and beginning.startswith(b"<") and shows


def _without_pages(request: AwsRequest, paged: paging.Paged) -> dict[str, Any]:
    """The request as moto shall see it: without limit and token, so that it gives everything."""
    from urllib.parse import parse_qsl, urlencode

    names = {paged.limit, paged.token}
    body = request.body
    if request.protocol == "json" and body:
        kept = {key: value for key, value in request.parameters.items() if key not in names}
        body = json.dumps(kept).encode()
    elif request.protocol in {"query", "ec2"}:
        pairs = parse_qsl(body.decode(errors="replace"), keep_blank_values=True)
        body = urlencode([(key, value) for key, value in pairs if key not in names]).encode()
    whole, request.body = request.body, body
    environ = request.rewind()
    request.body = whole
    return environ


def _as_json(value: object, status: int = 200) -> HttpReply:
    return HttpReply(status, json.dumps(value).encode(), {"Content-Type": "application/json"})


def _phrase(status: int) -> str:
    from http import HTTPStatus

    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
