"""What is wrong with the answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from cockpit.connect.net.http import BODY_LIMIT, HttpLook
from cockpit.connect.net.session import AddressLook, PathLook
from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.units import count, duration
from probes.endpoint import failing, whole
from probes.endpoint.model import (
    Group,
    Settings,
    Snapshot,
    address_evidence,
    answer_evidence,
    judged_addresses,
    share,
    status_is_expected,
)
from probes.endpoint.tcp import how_many, where_from
from probes.endpoint.tls import TLS_CODES

_RECENT = 5
_LONGEST_WAIT = 7
"""Digits of a Retry-After in seconds that are shown as a time."""
_TALK = {
    "mute": ("NET_CONN_MUTE", Severity.CRITICAL, "accepts connections and never answers"),
    "dropped": ("NET_CONN_DROPPED", Severity.HIGH, "closes connections without an answer"),
    "reset": ("NET_TCP_RESET", Severity.HIGH, "resets connections after accepting them"),
    "": ("NET_CONN_DROPPED", Severity.HIGH, "breaks connections after accepting them"),
}
_OWN_FINDING = {
    *("truncated", "stalled", "head_slow", "too_long", "malformed", "error", "alert", "ok"),
    *("not_serving", "grpc_status", "http2"),
}
"""Words of the HTTP rung that are not told as silence."""
_TALK_LIKELY = {
    "NET_CONN_MUTE": (
        "the process hangs or starves: the kernel accepts for it",
        "everything it waits for is stuck (database, lock, thread pool)",
    ),
    "NET_CONN_DROPPED": ("the process crashes or restarts", "a load balancer without a target"),
    "NET_TCP_RESET": ("the process crashes or restarts", "a proxy that has no backend"),
}
_TLS_LIKELY = ("it wants a client certificate, or does not know this name (SNI)",)
_MADE_BY_BALANCER = {
    502: "the target closed or broke the connection",
    503: "no target is registered or available",
    504: "the target did not answer in time",
}
_MEANS = {
    401: ("the path wants a login", "a firewall (WAF) in front"),
    403: ("the path wants a login", "a firewall (WAF) blocks this machine"),
    404: ("the path is wrong, or a deployment moved it",),
    429: ("we, or others, ask too often: the probe itself may be the cause",),
}


def findings(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Report who does not answer, who answers badly, and who is slow."""
    looks = judged_addresses(snapshot.path)
    flaky = failing.failing(snapshot) is not None
    lasting = tuple(
        look for look in looks if not (flaky and failing.is_chance(snapshot, look.address))
    )
    if lasting:  # what fails by chance is told by its share, not opened and cleared with each look
        yield from _no_answer(snapshot.path, looks)
    yield from failing.findings(snapshot, settings)
    answers = tuple(look for look in looks if look.http)
    yield from whole.findings(snapshot, answers)
    yield from _server_errors(snapshot, answers, flaky=flaky)
    yield from _other_status(snapshot, answers)
    yield from _body(snapshot, answers)
    yield from _redirects(snapshot.path, answers)
    yield from _led_nowhere(snapshot.path)
    yield from _slow(snapshot, answers, settings)


def _no_answer(path: PathLook, looks: Group) -> Iterator[Finding]:
    """Addresses take the connection and then give no answer, and none answers.

    NET_CONN_MUTE: Nothing comes back: the process hangs, or its queue is full. Checks that only
    connect stay green.

    NET_CONN_DROPPED: The connection is closed without an answer: a proxy without a backend, or a
    process that dies.

    NET_TCP_RESET: The connection is cut in the middle.
    """
    silent = tuple(look for look in looks if _is_silent(look))
    if not silent or any(look.outcome == "ok" for look in looks):
        return
    word = Counter(look.outcome for look in silent).most_common(1)[0][0]
    code, severity, says = _TALK.get(word.partition(" ")[2], _TALK[""])
    in_tls = word.startswith("tls")
    rung = "in the TLS handshake" if in_tls else "to a request"
    yield Finding(
        code,
        severity,
        f"{path.host}:{path.port} {says} ({rung})"
        + how_many([look.outcome for look in looks], word),
        evidence=(*address_evidence(looks), *where_from(path)),
        likely=(*_TALK_LIKELY[code], *(_TLS_LIKELY if in_tls else ())),
        next="the port is open, so TCP checks stay green: look at the process behind it",
    )


def _is_silent(look: AddressLook) -> bool:
    """Whether it failed behind its connection in a way that no other finding tells."""
    rung, _, word = look.outcome.partition(" ")
    if rung == "tls":
        return word not in TLS_CODES
    return rung == "http" and word not in _OWN_FINDING


def _server_errors(snapshot: Snapshot, looks: Group, *, flaky: bool) -> Iterator[Finding]:
    """The endpoint answers 5xx: it is reached and fails.

    Two of an address's last five answers make it high, since one may be chance; nothing else at all
    is critical. Where failures come and go, their share over a longer time is told instead
    (NET_HTTP_FAILING).
    """
    statuses = _recent_statuses(snapshot)
    failed = [s for s in statuses if s >= 500 and not status_is_expected(snapshot, s)]
    newest = [look for look in looks if look.http and look.http.status in failed]
    if not newest or newest[0].http is None or (len(failed) < 2 and len(statuses) > 1):
        return
    status = Counter(failed).most_common(1)[0][0]
    all_fail = len(failed) == len(statuses) and len(failed) > 1
    if flaky and not all_fail:
        return
    answer = newest[0].http
    yield Finding(
        "NET_HTTP_5XX",
        Severity.CRITICAL if all_fail else Severity.HIGH,
        f"{snapshot.path.url} answers {status}: "
        + ("every time" if all_fail else f"{len(failed)} of {count(len(statuses), 'request')}")
        + _come_again(answer),
        evidence=(
            Evidence("answers of 500 and above", len(failed), limit=2),
            Evidence("requests", len(statuses)),
            *answer_evidence(answer),
            *where_from(snapshot.path),
        ),
        likely=_server_error_causes(status, answer),
        next="look at the targets behind the load balancer, then at the latest deployment",
    )


def _come_again(answer: HttpLook) -> str:
    """`; it asks to come again in 2m`, or as it wrote it (a date)."""
    said = answer.header("retry-after")
    if said.isascii() and said.isdigit() and len(said) < _LONGEST_WAIT:
        return f"; it asks to come again in {duration(float(said))}"
    return f"; it asks to come again at {said}" if said else ""


def _recent_statuses(snapshot: Snapshot) -> list[int]:
    grouped: dict[str, list[int]] = {}
    for sample in snapshot.path.history:
        if sample.status:
            grouped.setdefault(sample.address, []).append(sample.status)
    return [status for statuses in grouped.values() for status in statuses[-_RECENT:]]


def _server_error_causes(status: int, answer: HttpLook) -> tuple[str, ...]:
    if answer.header("server").startswith("awselb") and status in _MADE_BY_BALANCER:
        return (f"made by the load balancer: {_MADE_BY_BALANCER[status]}",)
    if status in _MADE_BY_BALANCER:
        return (f"a proxy says: {_MADE_BY_BALANCER[status]}", "the application itself")
    return ("the application fails", "what it depends on fails")


def _other_status(snapshot: Snapshot, looks: Group) -> Iterator[Finding]:
    """The endpoint answers another status than it should.

    A warning when the configuration says what is expected, else information.

    NET_HTTP_4XX: It refuses the request: signed out, forbidden, moved, limited, or a firewall.

    NET_HTTP_STATUS: A redirect or another success than the expected one.
    """
    odd = tuple(
        look
        for look in looks
        if look.http
        and look.http.outcome == "ok"
        and look.http.status < 500
        and not status_is_expected(snapshot, look.http.status)
    )
    if not odd or odd[0].http is None:
        return
    answer = odd[0].http
    is_4xx = 400 <= answer.status <= 499
    wanted = ", ".join(map(str, snapshot.expect_status))
    yield Finding(
        "NET_HTTP_4XX" if is_4xx else "NET_HTTP_STATUS",
        Severity.WARNING if snapshot.expect_status else Severity.INFO,
        f"{snapshot.path.url}: {share(odd, looks)}answers {answer.status}"
        + (f", expected {wanted}" if wanted else ""),
        evidence=(*answer_evidence(answer), *where_from(snapshot.path)),
        likely=_MEANS.get(answer.status, ()),
    )


def _body(snapshot: Snapshot, looks: Group) -> Iterator[Finding]:
    """The status is right and the text is not: a maintenance page, an error page, a captive portal.

    A warning only where the text may not have been read whole: a compressed or a long one.
    """
    wrong = tuple(
        look
        for look in looks
        if look.http
        and look.http.outcome == "ok"
        and look.http.has_marker is False
        and status_is_expected(snapshot, look.http.status)
        and not 300 <= look.http.status <= 399
    )
    if not wrong or wrong[0].http is None:
        return
    answer = wrong[0].http
    doubts = _unread(answer)
    yield Finding(
        "NET_HTTP_BODY",
        Severity.WARNING if doubts else Severity.HIGH,
        f"{snapshot.path.url}: {share(wrong, looks)}answers {answer.status} "
        "without the expected text",
        evidence=(
            *answer_evidence(answer),
            Evidence("body begins", answer.body or "(empty)"),
            *where_from(snapshot.path),
        ),
        likely=("a maintenance or error page with a good status", "a captive portal or proxy"),
        against=doubts,
    )


def _unread(answer: HttpLook) -> tuple[str, ...]:
    """Why the text may be there and was not seen."""
    doubts = []
    coding = answer.header("content-encoding")
    if coding and coding.lower() != "identity":
        doubts.append(f"the body is compressed ({coding}) although we asked for plain text")
    if answer.size >= BODY_LIMIT:
        doubts.append("only the first 4 KiB were read: the text may stand behind them")
    return tuple(doubts)


def _redirects(path: PathLook, looks: Group) -> Iterator[Finding]:
    """The endpoint redirects in a circle: nobody gets a page.

    Usually TLS ends in front of an application that does not know it, and redirects to https again.
    """
    for look in looks[:1]:
        if look.http and look.http.redirects > 5:
            yield Finding(
                "NET_HTTP_REDIRECT_LOOP",
                Severity.HIGH,
                f"{path.url} redirects without an end",
                evidence=(
                    Evidence("redirects", look.http.redirects, limit=5),
                    Evidence("leads to", look.http.header("location")),
                ),
                likely=("TLS ends in front of an application that redirects to https",),
            )


def _led_nowhere(path: PathLook) -> Iterator[Finding]:
    """The endpoint redirects to another origin, and nobody can be reached there.

    The status looks well, and whoever follows it gets nothing. Only the way is tried: name,
    connection, handshake, at most once a minute.
    """
    led = path.onward
    if led is None or led.outcome in {"", "ok"}:
        return
    rung, _, word = led.outcome.partition(" ")
    yield Finding(
        "NET_HTTP_REDIRECT_DEAD",
        Severity.HIGH,
        f"{path.url} redirects to {led.url}, which cannot be reached from here "
        f"({rung}: {word.replace('_', ' ')})",
        evidence=(
            Evidence("leads to", led.url),
            Evidence("way there", f"{led.outcome}: {led.detail}" if led.detail else led.outcome),
            *where_from(path),
        ),
        likely=("the redirect is wrong, or what it leads to is down",),
        against=("clients elsewhere may reach it: a name or network not visible from here",),
        next="configure where it leads as an endpoint of its own, and look at it rung by rung",
    )


def _slow(snapshot: Snapshot, looks: Group, settings: Settings) -> Iterator[Finding]:
    """The first byte of the answer takes long, after connection and TLS.

    It is the time in which the application works or waits for something. Also told when it is
    several times its own usual time, and when a tenth of the kept requests is above the limit
    though the newest one is not.
    """
    path = snapshot.path
    timed = [
        (look.http.first_byte, look)
        for look in looks
        if look.http and look.http.first_byte and look.http.held is None
    ]
    if not timed:
        return
    took, look = max(timed, key=lambda pair: pair[0])
    severity = settings.first_byte.grade(took)
    usual = look.usual_first_byte
    if (
        severity is None
        and usual
        and took > max(usual * settings.slower, settings.first_byte_floor)
    ):
        severity = Severity.WARNING
    if severity is None:
        yield from _slow_at_times(snapshot, settings)
        return
    history = tuple(
        sample.first_byte
        for sample in path.history
        if sample.address == look.address and sample.first_byte is not None
    )
    yield Finding(
        "NET_HTTP_SLOW",
        severity,
        f"{path.url}: the first byte takes {duration(took)}"
        + (f", usually {duration(usual)}" if usual else ""),
        evidence=(
            Evidence("first byte", took, "s", settings.first_byte.first, history),
            Evidence("usual", usual, "s"),
            Evidence("connect", look.tcp.took, "s"),
            Evidence("address", look.address),
            *where_from(path),
        ),
        likely=("the application waits for something: database, lock, third party",),
        fact=False,
    )


def _slow_at_times(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    limit = settings.first_byte.first
    found = failing.slow_share(snapshot, limit) if limit is not None else None
    if found is None or limit is None or found.share < settings.slow_share:
        return
    slowest = max(one.first_byte or 0.0 for one in found.odd)
    yield Finding(
        "NET_HTTP_SLOW",
        Severity.WARNING,
        f"{snapshot.path.url}: {found.words} took {duration(limit)} or longer to the first byte",
        evidence=(
            Evidence("share of slow requests", found.share, "share", limit=settings.slow_share),
            Evidence("slowest first byte", slowest, "s", limit),
            *where_from(snapshot.path),
        ),
        likely=(
            "one of several members behind it starves",
            "a pool that is full at times",
        ),
        fact=False,
    )
