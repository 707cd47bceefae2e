"""Untrusted text: nothing in it can act on a terminal, and no literal leaves the live screen."""

from __future__ import annotations

import base64
import json
import time
import unicodedata
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cockpit.redact import MASK, Masker, SecretText
from cockpit.text import lines, visible, without_double_quotes, without_literals


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        pytest.param(
            "SELECT * FROM t WHERE id = 42", "SELECT * FROM t WHERE id = ?", id="a number"
        ),
        pytest.param("SELECT 'a''b', E'c\\'d' FROM t1", "SELECT ?, ? FROM t1", id="quoted text"),
        pytest.param("WHERE a IN (1, 2, 3)", "WHERE a IN (?, …)", id="a list"),
        pytest.param(
            "WHERE id = $1 AND x2 = 3.5e7", "WHERE id = $1 AND x2 = ?", id="a parameter stays"
        ),
        pytest.param("DO $$ secret $$", "DO ?", id="dollar quotes"),
        pytest.param("DO $fn$ a $$ b $fn$ x", "DO ? x", id="tagged dollar quotes"),
        pytest.param("SELECT 1 -- password hunter2\n, 2", "SELECT ? , ?", id="a comment"),
        pytest.param("SELECT /* 'x */ 1", "SELECT ?", id="a block comment"),
        pytest.param("ALTER ROLE app PASSWORD 'x'", "ALTER ROLE app PASSWORD ?", id="a password"),
        pytest.param("IDENTIFIED BY hunter2", "IDENTIFIED BY ?", id="an unquoted password"),
        pytest.param("SELECT 'cut off", "SELECT ?", id="a text that the server cut"),
        pytest.param('SELECT "Order" FROM t', 'SELECT "Order" FROM t', id="a quoted name stays"),
    ],
)
def test_literals_are_taken_out_of_statements(sql: str, expected: str) -> None:
    assert without_literals(sql) == expected


def test_double_quotes_are_texts_in_mysql() -> None:
    assert without_literals(without_double_quotes('SELECT "it\\"s" , 1')) == "SELECT ? , ?"


@given(st.text())
def test_no_character_that_acts_survives(content: str) -> None:
    shown = visible(content)
    assert not [c for c in shown if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"}]
    assert len(shown) <= 400


@given(st.text())
def test_statements_of_any_shape_become_harmless(content: str) -> None:
    assert len(without_literals(content)) <= 400


def test_a_megabyte_takes_no_time() -> None:
    started = time.process_time()
    for sql in (
        "'" * 1_000_000,
        "$$" * 500_000,
        "(1," * 300_000,
        "/*" * 500_000,
        "password " * 99_999,
    ):
        without_literals(sql)
        without_double_quotes('"' + sql)
        visible(sql)
        lines(sql)
    assert time.process_time() - started < 5, "a fiftieth of it"


def test_markup_and_direction_are_only_text() -> None:
    assert visible("[/b]\x1b[31m\u202egnp.exe\x00") == "[/b]\\x1b[31m\\u202egnp.exe\\x00"


def test_output_keeps_its_lines_and_loses_its_colours() -> None:
    assert lines("a\x1b[31mb\x1b[0m\nc\x07") == "ab\nc\\x07"


def test_a_secret_text_shows_no_literal_unless_it_is_asked_to() -> None:
    text = SecretText("SELECT 'hunter2'")
    assert "hunter2" not in f"{text} {text!r}"
    assert "hunter2" in text.reveal()


HARD = "p\"a\\s=s wörd%/\u202e'"


@pytest.mark.parametrize(
    "encode",
    [
        str,
        json.dumps,
        lambda value: json.dumps(value, ensure_ascii=False),
        lambda value: json.dumps(json.dumps(value)),
        repr,
        lambda value: repr(value.encode()),
        visible,
        quote,
        lambda value: quote(value, safe=""),
        quote_plus,
        lambda value: quote(value, safe="").lower(),
        lambda value: base64.b64encode(value.encode()).decode(),
        lambda value: base64.urlsafe_b64encode(b"u:" + value.encode()).decode(),
        lambda value: base64.b64encode(b"user:" + value.encode() + b"\n").decode(),
        lambda value: base64.b64encode(b"user " + value.encode() + b"\n\n").decode(),
    ],
)
@pytest.mark.parametrize("value", [HARD, "plain-and-long-4711"])
def test_a_secret_is_masked_however_it_is_encoded(value: str, encode: Callable[[str], str]) -> None:
    masker = Masker()
    masker.learn(value)
    found = masker.mask(f"said {encode(value)} here")
    assert MASK in found
    for part in (value[:6], encode(value)[8:14]):
        assert part not in found, found


@pytest.mark.parametrize(
    "said",
    [
        "GET https://b.s3.amazonaws.com/k?X-Amz-Signature=0123abcd&X-Amz-Expires=9 failed",
        "X-Amz-Security-Token: 0123abcd",
        """{'X-Amz-Security-Token': '0123abcd', 'Host': 'x'}""",
        '{\\"x-amz-security-token\\": \\"0123abcd\\"}',
        "x-amz-signature%3D0123abcd",
    ],
)
def test_what_signs_a_request_is_masked(said: str) -> None:
    found = Masker().mask(said)
    assert "0123" not in found
    assert MASK in found


def test_known_secrets_are_masked_the_longest_first() -> None:
    masker = Masker()
    for value in ("hunter", "hunter2hunter", "abc"):
        masker.learn(value)
    assert masker.mask("x hunter2hunter hunter abc") == f"x {MASK} {MASK} abc"
