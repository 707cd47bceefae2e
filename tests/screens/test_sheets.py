"""The tables of a target: their order, the strip of names, sorting by the mouse, trends."""

from __future__ import annotations

from dataclasses import replace

import pytest
from textual.pilot import Pilot

from cockpit.errors import Reason
from cockpit.triage.board import Board, LookId
from cockpit.triage.finding import Severity
from cockpit.triage.probe import Blind, Fact, Reading, Seen
from cockpit.triage.view import Column, Row, Table
from screens.detail import DetailScreen
from screens.present import sheets as present
from screens.present.lines import spark
from screens.widgets.rowlist import RowList
from tests.screens.conftest import SMALL, Shows, press, settle, text, until
from tests.screens.fake_desk import NOW, FakeDesk, ago

DB = "orders-db"
COLUMNS = (Column("pid", 8), Column("client", 16), Column("for", 8, right=True), Column("query"))


def table(title: str, *pids: int, bad: Severity | None = None) -> Table:
    return Table(
        title=title,
        columns=COLUMNS,
        rows=tuple(
            Row(
                key=str(pid),
                cells=(str(pid), f"client-{pid % 7}", f"{pid}s", f"SELECT {pid}"),
                sort=(pid, f"client-{pid % 7}", float(pid % 10), None),
                severity=bad,
            )
            for pid in pids
        ),
    )


def look(probe: str, *tables: Table, **more: object) -> tuple[LookId, Reading]:
    seen = Seen(tables=tables, **more)  # type: ignore[arg-type]
    return LookId(DB, probe), Reading(DB, "postgres", probe, ago(seconds=3), 0.01, seen)


def with_looks(desk: FakeDesk, *looks: tuple[LookId, Reading], **more: object) -> FakeDesk:
    desk.board = replace(desk.board, readings=dict(looks), **more)  # type: ignore[arg-type]
    return desk


def titles(pilot: Pilot[int]) -> list[str]:
    screen = pilot.app.screen
    assert isinstance(screen, DetailScreen)
    assert screen._shown is not None
    return [sheet.table.title for sheet in screen.sheets(screen._shown)]


def rows(pilot: Pilot[int]) -> RowList[Row]:
    return pilot.app.screen.query_one("#rows", RowList)


async def opened(pilot: Pilot[int], probe: str = "") -> None:
    pilot.app.open_target(DB, probe)  # type: ignore[attr-defined]
    await settle(pilot)


async def test_the_order_of_the_tables_is_not_the_order_in_which_looks_end(
    desk: FakeDesk, show: Shows
) -> None:
    late = look("postgres.sessions", table("Sessions", 1, 2))
    with_looks(desk, look("postgres.counters", table("Databases", 7)))
    async with show(desk) as pilot:
        await opened(pilot)
        await press(pilot, "down")
        assert titles(pilot) == ["Databases"]
        desk.board = replace(desk.board, readings={**desk.board.readings, late[0]: late[1]})
        await settle(pilot)
        assert titles(pilot) == ["Sessions", "Databases"]
        assert "─ Databases" in text(pilot), "what is read stays what is read"


async def test_what_is_wrong_is_opened_first(desk: FakeDesk, show: Shows) -> None:
    with_looks(
        desk,
        look("postgres.sessions", table("Sessions", 1, 2)),
        look("postgres.locks", table("Who waits for whom", 2, bad=Severity.CRITICAL)),
    )
    async with show(desk) as pilot:
        await opened(pilot)
        assert "─ Who waits for whom" in text(pilot)


async def test_an_empty_table_gives_way_to_one_with_rows_until_a_person_chose(
    desk: FakeDesk, show: Shows
) -> None:
    empty, full = look("postgres.locks", table("Locks")), look("postgres.x", table("X", 1))
    with_looks(desk, empty)
    async with show(desk) as pilot:
        await opened(pilot)
        assert "─ Locks" in text(pilot)
        with_looks(desk, empty, full)
        await settle(pilot)
        assert "─ X" in text(pilot)
        await press(pilot, "tab")
        assert "─ Locks" in text(pilot)
        await settle(pilot)
        assert "─ Locks" in text(pilot)


async def test_a_click_on_a_title_sorts_and_another_turns_it_around(
    desk: FakeDesk, show: Shows
) -> None:
    with_looks(desk, look("postgres.sessions", table("Sessions", 15, 28, 31, 12)))
    async with show(desk) as pilot:
        await opened(pilot)
        for_ = text(pilot).splitlines()[4].index(" for") + 2
        await pilot.click("#rows", offset=(for_, 1))
        await settle(pilot)
        assert [row.key for row in rows(pilot).shown] == ["28", "15", "12", "31"]
        assert "for ▼" in text(pilot)
        await pilot.click("#rows", offset=(for_, 1))
        await settle(pilot)
        assert [row.key for row in rows(pilot).shown] == ["31", "12", "15", "28"]
        assert "for ▲" in text(pilot)
        client = text(pilot).splitlines()[4].index("client")
        await pilot.click("#rows", offset=(client, 1))
        await settle(pilot)
        assert "client ▲" in text(pilot), "words begin with a"


async def test_a_click_on_a_name_opens_that_table(desk: FakeDesk, show: Shows) -> None:
    with_looks(
        desk,
        look("postgres.sessions", table("Sessions", 1), table("Standbys", 2)),
        look("postgres.counters", table("Databases", 7)),
    )
    async with show(desk) as pilot:
        await opened(pilot)
        strip = text(pilot).splitlines()[2]
        assert "Sessions 1 │ Standbys 1 │ Databases 1" in strip
        await pilot.click("#tables", offset=(strip.index("Databases") + 2, 0))
        await settle(pilot)
        assert "─ Databases" in text(pilot)


async def test_the_chosen_name_is_in_the_strip_however_many_there_are(
    desk: FakeDesk, show: Shows
) -> None:
    many = [table(f"A table with number {n:02d}", n) for n in range(20)]
    with_looks(desk, look("postgres.sessions", *many))
    async with show(desk, SMALL) as pilot:
        await opened(pilot)
        for n in range(20):
            strip = text(pilot).splitlines()[2]
            assert f"A table with number {n:02d}" in strip
            assert strip.startswith(" ‹") is ("number 00" not in strip)
            assert strip.endswith("›") is ("number 19" not in strip)
            await press(pilot, "tab")


async def test_the_selection_stays_on_its_session_while_rows_come_and_go(
    desk: FakeDesk, show: Shows
) -> None:
    with_looks(desk, look("postgres.sessions", table("Sessions", *range(100, 160))))
    async with show(desk, SMALL) as pilot:
        await opened(pilot)
        await press(pilot, "s", *["down"] * 20)
        chosen = rows(pilot).chosen
        assert chosen is not None
        before = rows(pilot).cursor - rows(pilot).scroll_offset.y
        here = [*range(120, 200), *range(100, 118)]
        with_looks(desk, look("postgres.sessions", table("Sessions", *here)))
        await settle(pilot)
        after = rows(pilot).chosen
        assert after is not None
        assert after.key == chosen.key
        assert rows(pilot).cursor - rows(pilot).scroll_offset.y == before, "not moved on screen"


async def test_five_thousand_sessions_cost_what_is_visible(desk: FakeDesk, show: Shows) -> None:
    with_looks(desk, look("postgres.sessions", table("Sessions", *range(5000))))
    async with show(desk, SMALL) as pilot:
        await opened(pilot)
        await press(pilot, "s", "end")
        assert rows(pilot).cursor == 4999
        before = rows(pilot)._draw_again
        with_looks(desk, look("postgres.sessions", table("Sessions", *range(5000))))
        await settle(pilot)
        assert rows(pilot)._draw_again == before, "the same rows again: nothing is drawn"
        changed = table("Sessions", *range(5000)).rows
        old = replace(changed[2], cells=("2", "client-2", "9s", "SELECT 2"))
        new = replace(table("Sessions"), rows=(*changed[:2], old, *changed[3:]))
        with_looks(desk, look("postgres.sessions", new))
        await settle(pilot)
        assert rows(pilot)._draw_again - before <= 1, "one visible row changed"


async def test_the_palette_finds_columns_and_tables(desk: FakeDesk, show: Shows) -> None:
    with_looks(
        desk,
        look("postgres.sessions", table("Sessions", 15, 28, 31), table("Standbys [/b]", 2)),
    )
    async with show(desk) as pilot:
        await opened(pilot)
        await press(pilot, "ctrl+p")
        await pilot.press(*"Sort by for")
        await until(pilot, lambda: "Sort by for" in text(pilot), "the column in the palette")
        await pilot.press("enter")
        await until(pilot, lambda: "for ▼" in text(pilot), "sorted")
        assert [row.key for row in rows(pilot).shown] == ["28", "15", "31"]
        await press(pilot, "ctrl+p")
        await pilot.press(*"Table Stand")
        await until(pilot, lambda: "Table Standbys" in text(pilot), "the table in the palette")
        await pilot.press("enter")
        await until(pilot, lambda: "─ Standbys [/b]" in text(pilot), "the table")


@pytest.mark.parametrize("width", [*range(20, 60, 3), 80, 140])
async def test_the_badge_of_the_role_is_whole_on_a_detail_of_any_width(
    triage: FakeDesk, show: Shows, width: int
) -> None:
    id_, reading = look("postgres.sessions", table("Sessions", 1))
    blind = replace(reading, outcome=Blind(Reason.TIMEOUT, "no answer within 3 s " * 5))
    with_looks(triage, (id_, blind))
    async with show(triage, (width, 14)) as pilot:
        await opened(pilot)
        assert " TRIAGE " in text(pilot)


async def test_a_detail_is_plain_ascii_where_the_terminal_is(desk: FakeDesk, show: Shows) -> None:
    facts = (Fact("commands", "513/s", 513.0, "/s"),)
    many = [table(f"A table with number {n:02d}", n, bad=Severity.CRITICAL) for n in range(9)]
    trends = {(DB, "redis.health", "commands"): (500.0, 0.0, 513.0)}
    with_looks(desk, look("redis.health", *many, facts=facts), trends=trends)
    async with show(desk, SMALL, environ={"COCKPIT_ASCII": "1", "NO_COLOR": "1"}) as pilot:
        await opened(pilot)
        for _ in range(10):
            told = text(pilot)
            assert told.isascii(), [c for c in told if not c.isascii()]
            assert "?" not in told, "every sign has another one"
            await press(pilot, "tab", "s")


async def test_a_blind_look_says_what_to_type_and_y_copies_it(desk: FakeDesk, show: Shows) -> None:
    grant = "GRANT pg_read_all_stats TO cockpit_ro;"
    denied = Blind(Reason.DENIED, "permission denied for pg_stat_activity " + "x" * 80, grant)
    reading = Reading(DB, "postgres", "postgres.sessions", NOW, 0.01, denied)
    with_looks(desk, (LookId(DB, "postgres.sessions"), reading))
    async with show(desk, SMALL) as pilot:
        await opened(pilot)
        told = text(pilot)
        assert "Not examined: denied. This says nothing about its health." in told
        assert grant in told
        screen = pilot.app.screen
        assert isinstance(screen, DetailScreen)
        assert screen.copied() == grant


async def test_what_was_frozen_stays_when_a_later_look_sees_more(
    desk: FakeDesk, show: Shows
) -> None:
    id_, seen = look("postgres.sessions", table("Sessions", 1))
    blind = replace(seen, at=ago(seconds=1), outcome=Blind(Reason.TIMEOUT, "no answer"))
    async with show(with_looks(desk, (id_, seen))) as pilot:
        with_looks(desk, (id_, blind))
        await settle(pilot)
        await opened(pilot)
        await press(pilot, "space")
        with_looks(desk, look("postgres.sessions", table("Sessions", 1, 2, 3)))
        await settle(pilot)
        assert [row.key for row in rows(pilot).rows] == ["1"]
        await press(pilot, "space")
        assert [row.key for row in rows(pilot).rows] == ["1", "2", "3"]


async def test_a_number_that_is_older_than_its_look_has_its_own_age(
    desk: FakeDesk, show: Shows
) -> None:
    """The budget keeps series for longer than a look: what AWS said of the tasks is of now."""
    facts = (Fact("running", "2/2", 2.0), Fact("CPU", "41%", 41.0, "%", as_of=ago(minutes=14)))
    with_looks(desk, look("redis.health", facts=facts))
    async with show(desk) as pilot:
        await opened(pilot)
        told = text(pilot).splitlines()
        assert any("running" in each and " 3s" in each for each in told)
        assert any("CPU" in each and " 14m" in each for each in told)


async def test_numbers_have_trends_and_an_old_look_is_not_called_live(
    desk: FakeDesk, show: Shows
) -> None:
    facts = (Fact("commands", "513/s", 513.0, "/s"), Fact("role", "primary"))
    id_, reading = look("redis.health", table("Overview", 1), facts=facts)
    trends = {(DB, "redis.health", "commands"): (500.0, 0.0, 513.0)}
    with_looks(desk, (id_, reading), trends=trends)
    async with show(desk, SMALL) as pilot:
        await opened(pilot)
        told = text(pilot)
        assert "─ Trends" in told
        assert "commands  513/s  █▁█  0 /s to 513 /s · 3 looks" in told
        assert "sampled 3s ago · took 10 ms  ● live" in told
        await press(pilot, "tab")
        told = text(pilot)
        assert "─ Numbers and trends" in told
        assert "│ commands   513/s █▁█" in told
        assert "│ role     primary" in told
        with_looks(desk, (id_, replace(reading, at=ago(minutes=4))), trends=trends)
        await settle(pilot)
        assert "sampled 4m ago" in text(pilot)
        assert "● live" not in text(pilot)


def test_what_is_no_number_is_left_out_of_a_trend() -> None:
    nan, inf = float("nan"), float("inf")
    assert spark((1.0, nan, 2.0, inf, 0.0, -inf), 20) == "▄█▁"
    assert spark((nan, inf), 20) == ""
    assert spark((1.0, 2.0), 0) == ""
    fact = Fact("used", "2", 2.0)
    _, reading = look("p", facts=(fact,))
    board = Board(trends={(DB, "p", "used"): (1.0, nan, inf, 2.0)})
    assert present.history(board, reading, fact) == (1.0, 2.0)
    word = replace(fact, value=None)
    assert present.history(board, reading, word) == (), "another number of that name"


def test_the_strip_fits_every_width() -> None:
    sheets = [
        present.Sheet(reading, each, NOW)
        for n in range(9)
        for _, reading in [look(f"p.{n}", table("名前" * n, n))]
        for each in [table("名前" * n, n)]
    ]
    for width in range(200):
        for sheet in sheets:
            told, tabs = present.strip(sheets, sheet.id, width)
            assert told.cell_length <= width
            assert width < 8 or sheet.id in {tab.id for tab in tabs}
