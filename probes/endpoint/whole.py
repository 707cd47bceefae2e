"""Whether an answer is whole, and what it says of itself."""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.connect.net.http import HttpLook
from cockpit.connect.net.session import PathLook
from cockpit.triage.finding import Evidence, Finding, Severity
from probes.endpoint.model import Group, Snapshot, answer_evidence, share, status_is_expected
from probes.endpoint.tcp import where_from

UNIMPLEMENTED = 12
"""gRPC's status of a server that does not have what is asked for."""
_DOWN = {
    *("down", "unhealthy", "fail", "failed", "failing", "error", "critical", "out_of_service"),
    *("unavailable", "outage", "dead", "red"),
}
"""Words by which health documents say that they are not well, in lower case."""


_CODES = {
    "truncated": ("NET_HTTP_TRUNCATED", Severity.HIGH),
    "head_slow": ("NET_HTTP_SLOW_HEAD", Severity.HIGH),
    "stalled": ("NET_HTTP_SLOW_BODY", Severity.HIGH),
    "too_long": ("NET_HTTP_HEADER_TOO_LONG", Severity.HIGH),
    "malformed": ("NET_HTTP_MALFORMED", Severity.HIGH),
    "error": ("NET_HTTP_MALFORMED", Severity.HIGH),
    "http2": ("NET_HTTP_MALFORMED", Severity.HIGH),
    "not_serving": ("NET_GRPC_NOT_SERVING", Severity.CRITICAL),
    "grpc_status": ("NET_GRPC_STATUS", Severity.HIGH),
}
"""Words of the HTTP rung by which an answer is not whole, or not well."""
_SAYS = {
    "NET_HTTP_TRUNCATED": "the answer ends too early",
    "NET_HTTP_SLOW_HEAD": "the header of the answer comes too slowly: our patience ended, not the "
    "connection",
    "NET_HTTP_SLOW_BODY": "the body of the answer comes too slowly: our patience ended, not the "
    "connection",
    "NET_HTTP_HEADER_TOO_LONG": "the header of the answer is beyond what clients take",
    "NET_HTTP_MALFORMED": "the answer is not HTTP",
    "NET_GRPC_NOT_SERVING": "its own health says that it does not serve",
    "NET_GRPC_STATUS": "gRPC's health is answered with an error",
}
_NOT_HTTP = (
    "another service listens on this port",
    "a proxy or captive portal on the way",
)
_LIKELY = {
    "truncated": ("the process or a proxy dies while it answers",),
    "head_slow": (
        "the application waits in the middle of its header",
        "a proxy that holds octets back",
    ),
    "stalled": (
        "the application or its disk is slow to give out what it began",
        "a full line",
    ),
    "too_long": ("cookies or a policy header that grew",),
    "malformed": _NOT_HTTP,
    "error": _NOT_HTTP,
    "http2": _NOT_HTTP,
    "not_serving": (
        "what it depends on fails",
        "it starts, or is being drained",
        "the service's name is wrong",
    ),
    "grpc_status": (
        "a proxy in front has no backend (UNAVAILABLE)",
        "the service's name is wrong (NOT_FOUND)",
    ),
}
_NEXT = {
    "truncated": "",
    "head_slow": "clients with longer timeouts wait on: look at what the process waits for",
    "stalled": "where an answer without an end is meant (events, a long poll), set expect = "
    '"stream"',
    "too_long": "many clients and proxies take 8 to 16 KiB of header: find which field grew",
    "malformed": "",
    "error": "",
    "http2": "",
    "not_serving": "clients and balancers that ask for its health send it nothing: look at its log "
    "and its needs",
    "grpc_status": "look at what answers: a proxy, or the server itself",
}


def findings(snapshot: Snapshot, looks: Group) -> Iterator[Finding]:
    """Report answers that are not whole, then those that call themselves ill."""
    yield from _broken(snapshot.path, looks)
    yield from _unsealed(snapshot.path, looks)
    yield from _no_health(snapshot.path, looks)
    yield from _says_down(snapshot, looks)
    yield from _held(snapshot.path, looks)


def _broken(path: PathLook, looks: Group) -> Iterator[Finding]:
    """Report each way in which an answer is not whole, once."""
    outcomes = [look.http.outcome for look in looks if look.http]
    for word in dict.fromkeys(outcome for outcome in outcomes if outcome in _CODES):
        yield _not_whole(path, word, looks)


def _not_whole(path: PathLook, outcome: str, looks: Group) -> Finding:
    """What comes back is no whole HTTP answer.

    NET_HTTP_TRUNCATED: The answer ends too early: the process or a proxy dies in the middle. A
    warning where it ended with a TLS connection that nobody closed in order, and no length was
    promised: it may be whole, and a cut looks the same; strict clients refuse it.

    NET_HTTP_SLOW_HEAD: The header has begun and is not whole in time. The connection stands: it is
    the look that gave up, as clients with such a timeout do.

    NET_HTTP_SLOW_BODY: The header is whole, and the body does not come in time: a slow producer, or
    an answer that has no end and is not configured as one.

    NET_HTTP_HEADER_TOO_LONG: The header is longer than 16 KiB, or has more than 100 fields.

    NET_GRPC_NOT_SERVING: The server's own health (grpc.health.v1) is not SERVING.

    NET_GRPC_STATUS: The question for its health ends with another gRPC status than OK.

    NET_HTTP_MALFORMED: It is not HTTP: another service on this port, or a portal on the way.
    """
    code, severity = _CODES[outcome]
    alike = tuple(look for look in looks if look.http and look.http.outcome == outcome)
    answer = alike[0].http
    assert answer is not None
    everywhere = len(alike) == len(looks)
    return Finding(
        code,
        severity if everywhere else Severity.HIGH,
        f"{path.url}: {share(alike, looks)}{_SAYS[code]}{_grpc_words(answer)}",
        subject="" if everywhere else alike[0].address,
        evidence=(
            Evidence("what came", answer.detail),
            Evidence("octets read", answer.size),
            Evidence("status", answer.status or None),
            *where_from(path),
        ),
        likely=_LIKELY[outcome],
        next=_NEXT[outcome],
    )


def _grpc_words(answer: HttpLook) -> str:
    """The word of gRPC's health, or of its status."""
    return f" ({answer.detail})" if answer.outcome in {"not_serving", "grpc_status"} else ""


def _no_health(path: PathLook, looks: Group) -> Iterator[Finding]:
    """The server speaks gRPC and has no health service, so only that it answers is known."""
    alike = [look for look in looks if look.http and look.http.grpc_status == UNIMPLEMENTED]
    if alike:
        yield Finding(
            "NET_GRPC_NO_HEALTH",
            Severity.INFO,
            f"{path.url}: the server answers gRPC, and has no health service to ask",
            evidence=where_from(path),
            next="have it register grpc.health.v1, which balancers ask too",
        )


def _unsealed(path: PathLook, looks: Group) -> Iterator[Finding]:
    alike = tuple(look for look in looks if look.http and look.http.unsealed)
    if not alike or alike[0].http is None or alike[0].http.outcome != "ok":
        return
    yield Finding(
        "NET_HTTP_TRUNCATED",
        Severity.WARNING,
        f"{path.url}: {share(alike, looks)}the answer ends with the connection, without a length "
        "and without TLS's own end: it may be cut off",
        subject="" if len(alike) == len(looks) else alike[0].address,
        evidence=(
            Evidence("octets read", alike[0].http.size),
            Evidence("status", alike[0].http.status),
            *where_from(path),
        ),
        likely=("the process or a proxy dies while it answers",),
        against=("a server that never sends close_notify, and no Content-Length",),
        next="have the server promise a length or send chunks; strict clients refuse this",
    )


def _held(path: PathLook, looks: Group) -> Iterator[Finding]:
    """The request was taken and is held, as an answer without an end may be.

    `expect = "stream"` says that this is meant. A process that hangs does the same, and this look
    cannot tell them apart.
    """
    alike = tuple(look for look in looks if look.http and look.http.outcome == "held")
    if alike and alike[0].http:
        yield Finding(
            "NET_HTTP_HELD",
            Severity.INFO,
            f"{path.url}: {share(alike, looks)}the request is held, as a long poll does",
            evidence=(Evidence("what came", alike[0].http.detail), *where_from(path)),
            against=("a process that hangs does the same",),
            next="to be sure, look at a path that answers at once beside this one",
        )


def _says_down(snapshot: Snapshot, looks: Group) -> Iterator[Finding]:
    """The status is good, and the document says of itself that it is not.

    A health document with `status: DOWN` and the status 200: every check that looks at the status
    alone stays green.
    """
    alike = tuple(
        look
        for look in looks
        if look.http
        and look.http.says.lower() in _DOWN
        and look.http.has_marker is not True
        and status_is_expected(snapshot, look.http.status)
    )
    if not alike or alike[0].http is None:
        return
    answer = alike[0].http
    yield Finding(
        "NET_HTTP_SAYS_DOWN",
        Severity.WARNING,
        f"{snapshot.path.url}: {share(alike, looks)}answers {answer.status}, and says of itself "
        f"{answer.says!r}",
        evidence=(
            *answer_evidence(answer),
            Evidence("body begins", answer.body),
            *where_from(snapshot.path),
        ),
        likely=("a part that it needs is down, and the status does not follow",),
        next="read which part; to have the word judged, set expect_text to the one that is well, "
        'such as "UP"',
    )
