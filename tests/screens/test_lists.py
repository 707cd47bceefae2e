"""The list of our own: it costs what is visible. And themes, glyphs and the clipboard."""

from __future__ import annotations

import base64
import itertools
import subprocess
import sys
from dataclasses import replace
from time import process_time

import pytest

from cockpit.triage.board import Board
from cockpit.triage.finding import Severity
from screens import clipboard, theme
from screens.widgets.findings import Findings
from tests.screens.conftest import FULL, Shows, press, settle, text
from tests.screens.fake_desk import FakeDesk, ago
from tests.screens.fake_desk import finding as make


def many(count: int) -> Board:
    severities = list(Severity)
    found = [
        make(f"CODE_{n}", severities[n % 4], f"finding {n}", on="orders-db", since=ago(seconds=n))
        for n in range(count)
    ]
    return Board(open={each.id: each for each in found})


@pytest.mark.parametrize("count", [0, 1, 10, 11, 100, 101, 10_000])
async def test_lists_of_every_length_can_be_walked(count: int, show: Shows, desk: FakeDesk) -> None:
    desk.board = many(count)
    async with show(desk) as pilot:
        rows = pilot.app.screen.query_one(Findings)
        await press(pilot, "end")
        assert rows.cursor == max(0, count - 1)
        if count:
            assert rows.chosen is not None
            last = rows.chosen.finding.summary  # type: ignore[union-attr]
            assert last in text(pilot)
        await press(pilot, "pageup", "home", "up")
        assert rows.cursor == 0


async def test_moving_the_cursor_draws_two_rows_however_many_there_are(
    show: Shows, desk: FakeDesk
) -> None:
    desk.board = many(10_000)
    async with show(desk) as pilot:
        rows = pilot.app.screen.query_one(Findings)
        await press(pilot, "down")
        before = rows._draw_again
        await pilot.press("down")
        await pilot.pause()
        assert rows._draw_again - before <= 4


async def test_news_that_change_nothing_draw_nothing(show: Shows, desk: FakeDesk) -> None:
    async with show(desk) as pilot:
        rows = pilot.app.screen.query_one(Findings)
        before = rows._draw_again
        desk.board = replace(desk.board)
        await settle(pilot)
        assert rows._draw_again == before


async def test_ten_thousand_findings_are_set_quickly(show: Shows, desk: FakeDesk) -> None:
    async with show(desk) as pilot:
        board = many(10_000)
        began = process_time()
        desk.board = board
        await settle(pilot)
        assert process_time() - began < 10, "the budget is 300 ms; this guards against minutes"


async def test_a_click_chooses_and_a_second_one_opens(show: Shows, desk: FakeDesk) -> None:
    async with show(desk, FULL) as pilot:
        rows = pilot.app.screen.query_one(Findings)
        await pilot.click("#findings", offset=(10, 4))
        await pilot.pause()
        assert rows.cursor == 2
        await pilot.click("#findings", offset=(10, 4), times=2)
        await pilot.pause()
        assert type(pilot.app.screen).__name__ == "DetailScreen"


# -- themes ----------------------------------------------------------------------------------------

# Machado, Oliveira, Fernandes (2009), severity 1.0, linear RGB.
DEFICIENCIES = {
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216),
                   (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413),
                     (-0.011820, 0.042940, 0.968881)),
    "tritanopia": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602),
                   (0.004733, 0.691367, 0.303900)),
}  # fmt: skip


def linear(colour: str) -> list[float]:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    return [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]


def lab(rgb: list[float]) -> tuple[float, float, float]:
    r, g, b = (min(1.0, max(0.0, part)) for part in rgb)
    x = (0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505
    y = 0.2126 * r + 0.7152 * g + 0.0722 * b
    z = (0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089
    fx, fy, fz = (t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in (x, y, z))
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


@pytest.mark.parametrize("name", [theme.DARK, theme.LIGHT])
@pytest.mark.parametrize("deficiency", DEFICIENCIES)
def test_severities_stay_apart_for_colour_blind_people(name: str, deficiency: str) -> None:
    matrix = DEFICIENCIES[deficiency]
    seen = {}
    for tone in ("critical", "high", "warning", "ok", "info"):
        rgb = linear(theme.TONES[name][tone].colour)
        seen[tone] = lab([sum(m * c for m, c in zip(row, rgb, strict=True)) for row in matrix])
    for one, other in itertools.combinations(seen, 2):
        apart = sum((a - b) ** 2 for a, b in zip(seen[one], seen[other], strict=True)) ** 0.5
        assert apart > 12, (one, other, apart)


def test_every_theme_has_every_tone() -> None:
    names = set(theme.TONES[theme.DARK])
    assert all(set(tones) == names for tones in theme.TONES.values())


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        pytest.param({"TERM": "xterm-256color"}, theme.DARK, id="256 colours"),
        pytest.param({"TERM": "xterm", "COLORTERM": "truecolor"}, theme.DARK, id="true colour"),
        pytest.param({"TERM": "linux"}, theme.SIXTEEN, id="a console"),
        pytest.param({"TERM": "xterm-256color", "NO_COLOR": "1"}, theme.PLAIN, id="NO_COLOR"),
        pytest.param({"COCKPIT_THEME": "light"}, theme.LIGHT, id="by a short name"),
        pytest.param(
            {"COCKPIT_THEME": "nonsense", "TERM": "xterm-kitty"}, theme.DARK, id="unknown"
        ),
    ],
)
def test_the_theme_is_chosen_for_the_terminal(environ: dict[str, str], expected: str) -> None:
    assert theme.choose(environ) == expected


async def test_no_color_sends_no_colour(show: Shows, desk: FakeDesk) -> None:
    async with show(desk, environ={"NO_COLOR": "1"}) as pilot:
        strips = pilot.app.screen._compositor.render_strips()
        for strip in strips:
            for segment in strip:
                if segment.style is not None:
                    assert segment.style.color is None or segment.style.color.is_default
                    assert segment.style.bgcolor is None or segment.style.bgcolor.is_default


@pytest.mark.parametrize("name", [theme.LIGHT, theme.SIXTEEN, theme.PLAIN, "nord", "ansi-dark"])
async def test_every_theme_can_be_worn(show: Shows, desk: FakeDesk, name: str) -> None:
    async with show(desk) as pilot:
        pilot.app.theme = name
        await settle(pilot)
        assert "orders-db" in text(pilot)


def test_ascii_keeps_widths() -> None:
    told = theme.to_ascii("✖ ▲ 日本 … → é")
    assert told == "X ^ ???? ~ > ?"


# -- clipboard -------------------------------------------------------------------------------------


def test_a_copy_is_osc_52() -> None:
    copied = clipboard.osc52("héllo", {"TERM": "xterm-256color"})
    code = copied.sequence.removeprefix("\x1b]52;c;").removesuffix("\x07")
    assert base64.b64decode(code).decode() == "héllo"


def test_inside_tmux_it_is_wrapped() -> None:
    copied = clipboard.osc52("x", {"TERM": "screen-256color", "TMUX": "/tmp/tmux"})
    assert copied.sequence.startswith("\x1bPtmux;\x1b\x1b]52;c;")
    assert copied.sequence.endswith("\x07\x1b\\")
    assert "allow-passthrough" in copied.message


@pytest.mark.parametrize(
    ("text", "environ", "why"),
    [
        pytest.param("", {"TERM": "xterm"}, "Nothing to copy", id="nothing"),
        pytest.param("x" * 80_000, {"TERM": "xterm"}, "80,000 bytes", id="too much"),
        pytest.param("x", {"TERM": "linux"}, "no clipboard", id="a console"),
        pytest.param("x", {"TERM_PROGRAM": "Apple_Terminal"}, "Terminal.app", id="refuses it"),
    ],
)
def test_a_copy_that_cannot_be_says_why(text: str, environ: dict[str, str], why: str) -> None:
    copied = clipboard.osc52(text, environ)
    assert not copied.worked
    assert why in copied.message


def test_over_ssh_no_desktop_command_is_used() -> None:
    assert clipboard.native({"SSH_TTY": "/dev/pts/1", "DISPLAY": ":0"}, "linux") == ()
    assert clipboard.native({"WAYLAND_DISPLAY": "w"}, "linux") == ("wl-copy",)


def test_the_first_paint_needs_no_driver() -> None:
    code = (
        "import sys, screens.app, screens.main\n"
        "drivers = {'aioboto3', 'botocore', 'boto3', 'psycopg', 'pymysql', 'redis', 'aiohttp',"
        " 'dns', 'cryptography', 'jinja2', 'moto', 'jmespath'}\n"
        "print(sorted(drivers & set(sys.modules)))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
