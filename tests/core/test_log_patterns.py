"""Shapes of lines and their grouping: what counts as the same, and that it stays linear."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from cockpit.logs.patterns import LinePattern, PatternTally
from cockpit.logs.shapes import kind_of, shape_of

AT = datetime(2026, 11, 30, 3, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("2026-11-30T03:00:00Z app Task timed out after 30.03 seconds", "timeout"),
        ("upstream timed out (110: Connection timed out) while reading", "timeout"),
        ("connect ETIMEDOUT 10.0.1.2:443", "timeout"),
        ("RequestId: 1 Error: Runtime exited with error: signal: killed", "memory"),
        ("java.lang.OutOfMemoryError: Java heap space", "memory"),
        ("container exited with code 137", "memory"),
        ("exit code 1370", ""),
        (
            "User: arn:aws:sts::1:assumed-role/pay/pay is not authorized to perform: s3:GetObject",
            "denied",
        ),
        ('{"level":"info","msg":"AccessDenied when calling PutObject"}', "denied"),
        ("FATAL: remaining connection slots are reserved", "pool"),
        ("QueuePool limit of size 5 overflow 10 reached", "pool"),
        ("HikariPool-1 - Connection is not available, request timed out after 30000ms", "pool"),
        ("An error occurred (ThrottlingException): Rate exceeded", "throttled"),
        ("TypeError: Cannot read properties of undefined (reading 'id')", "field"),
        ("[ERROR] KeyError: 'customer_id'", "field"),
        ("ERROR could not charge card", "error"),
        ('10.0.0.1 - - [30/Nov/2026:03:00:00 +0000] "GET /p HTTP/1.1" 502 12', "error"),
        ('10.0.0.1 - - [30/Nov/2026:03:00:00 +0000] "GET /p HTTP/1.1" 200 502', ""),
        ('{"status": 503, "path": "/pay"}', "error"),
        ('{"level":"info","msg":"closed with error: EOF"}', ""),
        ("INFO: 10.0.0.1 GET /error 200", ""),
        ("WARN retry after error, ok now", ""),
        ("done, 0 errors", ""),
        ("done: no errors", ""),
        ("batch error=null", ""),
        ('{"message":"ok","error":null}', ""),
        ("DEBUG heartbeat", ""),
        ("", ""),
    ],
)
def test_a_line_is_of_one_kind(line: str, kind: str) -> None:
    assert kind_of(line) == kind


@pytest.mark.parametrize(
    ("line", "other"),
    [
        ("order 17 failed", "order 18 failed"),
        ("took 1.5ms", "took 22ms"),
        ("job 8f3ac91e-1111-2222-3333-444455556666", "job 00000000-1111-2222-3333-444455556667"),
        ("commit 9ad0c1f2e3b4a5d6 gone", "commit 0123456789abcdef gone"),
        ("at 0xdeadbeef", "at 0x1"),
        ("2026-11-30T03:00:00.123Z ERROR x", "2026-11-29 04:01:02,9 ERROR x"),
        ("no user 'bob'", "no user 'alice'"),
        ('unknown field "a b"', 'unknown field "c"'),
        ("mail to bob@example.com", "mail to a.b@mail.example.org"),
        ("connect 10.0.0.1:5432", "connect 10.0.0.2:6432"),
        ('{"ts":1,"level":"error","msg":"boom 1"}', '{"msg":"boom 2","level":"error"}'),
        (
            'Traceback (most recent call last):\n  File "a.py", line 3\nValueError: bad 1',
            'Traceback (most recent call last):\n  File "b.py", line 9\nValueError: bad 2',
        ),
    ],
)
def test_what_differs_from_line_to_line_is_no_part_of_the_shape(line: str, other: str) -> None:
    assert shape_of(line) == shape_of(other)


@pytest.mark.parametrize(
    ("line", "other"),
    [
        ('{"status":502,"path":"/pay"}', '{"status":503,"path":"/pay"}'),
        ('"GET /p HTTP/1.1" 502 12', '"GET /p HTTP/1.1" 504 12'),
        ("exit code 137", "exit code 1"),
        ("can't read, don't try", "can't write, don't try"),
    ],
)
def test_what_tells_apart_stays(line: str, other: str) -> None:
    assert shape_of(line) != shape_of(other)


def tally(*lines: str, **given: bool) -> tuple[LinePattern, ...]:
    made = PatternTally()
    for place, text in enumerate(lines):
        made.add(text, AT + timedelta(seconds=place), stream=f"s{place % 2}")
    return made.patterns(**given)


def test_lines_that_differ_in_one_word_are_one_pattern() -> None:
    (one,) = tally(
        "ERROR could not reserve apples for the order",
        "ERROR could not reserve pears for the order",
        "ERROR could not reserve plums for the order",
    )
    assert (one.count, one.streams) == (3, 2)
    assert one.shape == "ERROR could not reserve <*> for the order"
    assert (one.first, one.last) == (AT, AT + timedelta(seconds=2))


def test_short_lines_are_never_joined() -> None:
    assert len(tally("ERROR disk full", "ERROR disk slow")) == 2


def test_new_is_what_the_time_before_has_none_of() -> None:
    made = PatternTally()
    made.add("ERROR old 1", AT, before=True)
    made.add("ERROR old 2", AT)
    made.add("ERROR old 3", AT)
    made.add("KeyError: 'x'", AT)
    new, old = made.patterns(compared=True)
    assert (new.kind, new.new_since, new.before) == ("field", AT, 0)
    assert (old.count, old.before, old.new_since) == (2, 1, None)
    assert all(each.new_since is None for each in made.patterns())


def test_what_came_only_before_is_no_pattern_now() -> None:
    made = PatternTally()
    made.add("ERROR gone", AT, before=True)
    assert made.patterns(compared=True) == ()


def test_memory_is_bounded_and_what_found_no_room_is_counted() -> None:
    made = PatternTally(most=10, kept=2)
    for number in range(1000):
        letters = "".join(chr(97 + int(digit)) for digit in str(number))
        made.add(f"ERROR {letters}", AT, number=number)
    assert len(made.patterns()) == 10
    assert made.beyond == 990
    for _ in range(5):
        made.add("ERROR a", AT, number=7)
    found = dict(made.with_lines())
    assert max(len(numbers) for numbers in found.values()) == 2


def test_the_first_lines_and_the_newest_are_kept() -> None:
    made = PatternTally(kept=8)
    for number in range(100):
        made.add("ERROR a", AT, number=number)
    ((_, numbers),) = made.with_lines()
    assert numbers == (0, 1, 2, 3, 4, 97, 98, 99)


def test_no_line_takes_long() -> None:
    """Linear: what would make a pattern go back and forth is told by its number of steps."""
    for unit in ("a", "a" * 63 + "@", "'", '"\\', "1.", "error=", "f", "-", "[", "{"):
        line = unit * (200_000 // len(unit))
        assert len(shape_of(line)) <= 200
        assert kind_of(line) in {"", "error"}


def test_untrusted_text_comes_out_harmless() -> None:
    assert shape_of("ERROR \x1b[31m[bold]\u202ex") == "ERROR \\x1b[Nm[bold]\\u202ex"
