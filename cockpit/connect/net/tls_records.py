"""What a server says in the open part of a handshake, which OpenSSL does not tell Python.

Source: RFC 5246, 6.2.1 (records) and 7.4 (messages). Up to TLS 1.2 a server asks for a certificate
in plain text and answers to none with an alert that says nothing; in TLS 1.3 both are encrypted,
and the alert names it.
"""

from __future__ import annotations

from collections.abc import Iterator

MOST = 65_536
"""Bytes of a handshake that are kept: a chain of certificates has a few thousand."""
_RECORD, _MESSAGE = 5, 4
"""Bytes of the heads of records and of messages."""
_HANDSHAKE, _CERTIFICATE_REQUEST = 22, 13


def asks_for_certificate(heard: bytes) -> bool:
    """Whether what the server sent holds a CertificateRequest; of anything else False."""
    talk = b"".join(_handshake_records(heard))
    at = 0
    while at + _MESSAGE <= len(talk):
        if talk[at] == _CERTIFICATE_REQUEST:
            return True
        at += _MESSAGE + int.from_bytes(talk[at + 1 : at + _MESSAGE], "big")
    return False


def _handshake_records(heard: bytes) -> Iterator[bytes]:
    """The bodies of the records up to the first that is none of the handshake's: from the change
    of the cipher on they cannot be read.
    """
    at = 0
    while at + _RECORD <= len(heard) and heard[at] == _HANDSHAKE:
        end = at + _RECORD + int.from_bytes(heard[at + 3 : at + _RECORD], "big")
        yield heard[at + _RECORD : end]
        at = end
