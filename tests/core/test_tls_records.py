"""What a server says in the open part of a handshake."""

from __future__ import annotations

import pytest

from cockpit.connect.net.tls import _of_no_certificate
from cockpit.connect.net.tls_records import asks_for_certificate


def record(kind: int, body: bytes) -> bytes:
    return bytes((kind, 3, 3)) + len(body).to_bytes(2, "big") + body


def message(kind: int, body: bytes = b"") -> bytes:
    return bytes((kind,)) + len(body).to_bytes(3, "big") + body


HELLO, CERTIFICATE, REQUEST, DONE = 2, 11, 13, 14
TALK = message(HELLO, b"x" * 70) + message(CERTIFICATE, b"\x0d" * 3000)
ALERT = record(21, b"\x02\x28")


@pytest.mark.parametrize(
    ("heard", "asks"),
    [
        (record(22, TALK + message(REQUEST, b"y") + message(DONE)) + ALERT, True),
        (record(22, TALK[:500]) + record(22, TALK[500:] + message(REQUEST)), True),
        (record(22, TALK + message(DONE)) + ALERT, False),
        (record(22, message(HELLO)) + record(20, b"\x01") + record(22, message(REQUEST)), False),
        (record(22, TALK + message(REQUEST))[:-10], False),
        (ALERT, False),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", False),
        (b"", False),
    ],
    ids=[
        "asked", "a message over two records", "not asked", "encrypted", "cut off",
        "an alert alone", "no TLS", "nothing",
    ],
)  # fmt: skip
def test_a_request_for_a_certificate_is_read_as_it_is_sent(heard: bytes, asks: bool) -> None:
    assert asks_for_certificate(heard) is asks


@pytest.mark.parametrize(
    ("reason", "may"),
    [
        ("SSLV3_ALERT_HANDSHAKE_FAILURE", True),
        ("SSLV3_ALERT_BAD_CERTIFICATE", True),
        ("TLSV13_ALERT_CERTIFICATE_REQUIRED", True),
        ("TLSV1_ALERT_INTERNAL_ERROR", False),
        ("TLSV1_UNRECOGNIZED_NAME", False),
        ("TLSV1_ALERT_PROTOCOL_VERSION", False),
    ],
)
def test_only_what_can_follow_an_empty_certificate_accuses_its_want(
    reason: str, *, may: bool
) -> None:
    """A server that takes certificates without needing them asks in every handshake."""
    assert _of_no_certificate(reason) is may
