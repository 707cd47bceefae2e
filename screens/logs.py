"""The lines of a target's logs: patterns that are new first, lines, a live tail, what is around.

Nothing that is read here is kept: it goes with the screen. Only a line that is pinned becomes a
note.
"""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from dataclasses import replace

from textual.app import ComposeResult
from textual.worker import Worker, WorkerState

from cockpit import clock
from cockpit.errors import BlindError, CockpitError, Reason
from cockpit.logs.insights import QueryEstimate
from cockpit.logs.reading import LogLine
from cockpit.logs.source import LogSource
from cockpit.triage.target_logs import LONGEST, SPAN, LogView, PatternLines
from screens.base import CockpitScreen, bottom
from screens.bindings import Where
from screens.log_tail import LogTail
from screens.port import LogsPort
from screens.present import logs as present
from screens.present.header import header
from screens.present.lines import line, safe, wrap
from screens.present.logs import LogRow
from screens.shown import Shown
from screens.widgets.header import Bar, Header
from screens.widgets.lineview import Paper
from screens.widgets.panes import set_subtitle, set_title
from screens.widgets.rowlist import RowList, RowView

VIEW: RowView[LogRow] = RowView(
    key=present.key,
    draw=present.draw,
    fields=present.fields,
    columns=present.COLUMNS,
    empty="Nothing is read yet.",
)


class LogsScreen(CockpitScreen[None], part=Where.LOGS):
    """One source at a time: its patterns, or lines."""

    def __init__(self, target: str) -> None:
        super().__init__()
        self._target = target
        self._logs: LogsPort | None = None
        self._sources: Sequence[LogSource] = ()
        self._at = 0
        self._span = SPAN
        self._view: LogView | None = None
        self._of: PatternLines | None = None
        """The pattern whose lines are shown; None: patterns are."""
        self._tail: LogTail | None = None
        self._failed: CockpitError | None = None
        self._busy = "where are its lines?"
        self._rows_kept: Sequence[LogRow] = ()

    def compose(self) -> ComposeResult:
        """Header, the source, rows, the selected one in full, the note line, keys."""
        yield Header(id="header")
        yield Bar(id="sources")
        yield RowList(VIEW, id="rows", classes="pane")
        yield Paper(id="line", classes="pane")
        yield from bottom()

    def on_mount(self) -> None:
        """The keys go to the rows; reading begins."""
        super().on_mount()
        self._rows.focus()
        self._work("read", self._begin())

    @property
    def _rows(self) -> RowList[LogRow]:
        found: RowList[LogRow] = self.query_one("#rows", RowList)
        return found

    @property
    def _source(self) -> LogSource | None:
        return self._sources[self._at] if self._sources else None

    @property
    def _ended(self) -> bool:
        """Whether who wrote the log has stopped."""
        return self._source is not None and self._source.ended is not None

    # -- drawing -------------------------------------------------------------------------------

    def refresh_from(self, shown: Shown) -> None:
        """Draw a moment: the header lives, the rows stand until they are read again."""
        bar = self.query_one("#header", Header)
        bar.show(header(shown, bar.columns, rows=1 if self.layout_class == "-tiny" else 2))
        self._draw()

    def _draw(self) -> None:
        """Everything below the header."""
        if not self.is_mounted:
            return
        rows = self._rows
        lines = self._lines()
        told = self._busy or (safe(self._failed.message, 300) if self._failed else "")
        if self._tail is not None:
            told = self._tail.told
        self.query_one("#sources", Bar).show(
            present.sources(self._sources, self._at, self._view, told)
        )
        patterns = lines is None
        found = (self._view.patterns if self._view else ()) if lines is None else lines
        rows.set_head([present.heads(rows.columns, patterns=patterns)])
        if found != self._rows_kept:
            self._rows_kept = found
        follows = (self._ended and self._of is None) or self._tail is not None
        rows.view = replace(VIEW, empty=self._why_empty(), follow_end=follows)
        rows.show(self._rows_kept, clock.now())
        set_title(rows, line(f"{self._title()}  ", (safe(self._target, 60), "dim")))
        if not rows.filter:
            back = present.short_span(self._span)
            spans = lines is None and self._source is not None and not self._ended
            set_subtitle(rows, f" the last {back}; w: further back " if spans else "")
        self._draw_line()
        self.show_footer()

    def idle(self) -> frozenset[str]:
        """What needs a log, or another one."""
        if self._source is None:
            return frozenset({"open", "source", "tail", "wider", "insights", "pin"})
        only = frozenset() if len(self._sources) > 1 else frozenset({"source"})
        return only | {"tail", "wider", "insights"} if self._ended else only

    def _lines(self) -> Sequence[LogRow] | None:
        """The lines that are shown; None: patterns are."""
        if self._tail is not None:
            return tuple(self._tail.lines)
        if self._of is not None:
            return self._of.lines
        if self._view is not None and self._view.source.ended is not None:
            return self._view.lines
        return None

    def _title(self) -> str:
        if self._tail is not None:
            return "Live tail"
        if self._of is not None:
            shown, all_ = len(self._of.lines), self._of.pattern.count
            some = f": the first and the newest, {shown} of {all_:,}" if shown < all_ else ""
            return f"Lines of a pattern{some}"
        return "Last lines" if self._ended else "Patterns of errors"

    def _why_empty(self) -> str:
        if self._failed is not None:
            hint = f" · {self._failed.hint}" if self._failed.hint else ""
            return f"Not read, which says nothing: {safe(self._failed.message + hint, 600)}"
        if self._busy:
            return "Reading …"
        if self._tail is not None:
            return "No line has come yet."
        return "No line tells of an error."

    def _draw_line(self) -> None:
        paper = self.query_one("#line", Paper)
        row = self._rows.chosen
        width = max(10, paper.columns)
        if row is None and self._failed is not None:
            set_title(paper, line(("Not read", "blind")))
            told = [self._failed.message, self._failed.hint]
            paper.show(
                [part for text in told if text for part in wrap(line(safe(text, 600)), width)]
            )
            return
        named = "Line" if isinstance(row, LogLine) else "Pattern"
        set_title(paper, line(named if row is not None else ""))
        paper.show(present.whole(row, width))

    def on_row_list_moved(self, message: RowList.Moved) -> None:
        """Another row is selected."""
        message.stop()
        self._draw_line()

    def on_row_list_opened(self, message: RowList.Opened) -> None:
        """A double click opens."""
        message.stop()
        self.action_open()

    def copied(self) -> str:
        """The selected row."""
        return present.as_text(self._rows.chosen)

    # -- reading -------------------------------------------------------------------------------

    async def _begin(self) -> None:
        desk = self.host.desk
        try:
            if desk is None:
                return
            self._logs = desk.logs_of(self._target)
            self._sources = await self._logs.sources()
            self._at = next((at for at, s in enumerate(self._sources) if not s.why), 0)
        except CockpitError as error:
            self._busy, self._failed = "", error
            self._draw()
            return
        await self._read()

    async def _read(self) -> None:
        source, logs = self._source, self._logs
        if source is None or logs is None:
            return
        self._busy, self._failed = "reading …", None
        self._draw()
        try:
            self._view = await logs.read(source, span=self._span)
        except CockpitError as error:
            self._view, self._failed = None, error
        finally:
            self._busy = ""
        if self._of is not None and self._view is not None:
            same = present.key(self._of)
            again = (each for each in self._view.patterns if present.key(each) == same)
            self._of = next(again, self._of)
        self._draw()

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """A fault of ours, or of a probe from outside: told, and nothing is shown as read."""
        if event.state is WorkerState.ERROR:
            told = safe(repr(event.worker.error), 300)
            self._busy, self._failed = "", BlindError(Reason.BUG, f"reading failed: {told}")
            self._draw()

    def _start(self) -> None:
        self._work("read", self._read())

    def _work(self, group: str, work: Coroutine[None, None, None]) -> None:
        """One of a group at a time; a fault ends the work and not the cockpit."""
        self.run_worker(work, group=group, exclusive=True, exit_on_error=False)

    def _anew(self) -> None:
        """The cursor at the top of what is shown now."""
        self._rows.moved = False
        self._rows.set_filter("")

    def _without(self) -> bool:
        """Whether no log is known yet, which is said."""
        if self._source is None:
            self.host.say("No log of it is known: nothing to read")
        return self._source is None

    def _over(self) -> bool:
        """Whether who wrote the log has stopped, which is said."""
        if self._ended:
            self.host.say("It has stopped: these are its last lines, and no more will come")
        return self._ended

    # -- actions -------------------------------------------------------------------------------

    def action_open(self) -> None:
        """The lines of a pattern; what stands around a line."""
        row = self._rows.chosen
        if isinstance(row, PatternLines):
            self._of = row
            self._anew()
            self._draw()
        elif isinstance(row, LogLine):
            self._work("around", self._around(row))

    async def _around(self, row: LogLine) -> None:
        if self._logs is None or self._source is None:
            return
        try:
            before, after = await self._logs.around(self._source, row)
        except CockpitError as error:
            self.host.say_error(error)
            return
        self.host.read(
            line("Around a line  ", (safe(row.stream, 120), "dim")),
            lambda width: present.around(before, after, row, width),
            mark=present.MARK,
        )

    def action_source(self, by: str) -> None:
        """Another log of the target."""
        if self._without():
            return
        if len(self._sources) < 2:
            self.host.say("The target has this log only")
            return
        self._end_tail()
        self._at = (self._at + int(by)) % len(self._sources)
        self._view, self._of = None, None
        self._anew()
        self._start()

    def action_wider(self) -> None:
        """Twice as far back."""
        if self._without() or self._over():
            return
        if self._span >= LONGEST:
            self.host.say("Six hours are the most: ask Logs Insights (i), or the archive")
            return
        self._span = min(self._span * 2, LONGEST)
        self._start()

    def action_look(self) -> None:
        """Read again."""
        if self._sources:
            self._start()
        else:
            self._work("read", self._begin())

    def action_pin(self) -> None:
        """The selected line as a note."""
        row, source = self._rows.chosen, self._source
        if row is None or source is None:
            self.host.say("No line is selected")
            return
        self.host.write_note(present.pinned(row, source))
        self.host.say("The line is in the timeline")

    def action_back(self) -> None:
        """End the tail, clear the filter, back to the patterns, or leave."""
        if self._tail is not None and not self._rows.filter:
            self._leave_tail()
        elif self._of is not None and not self._rows.filter:
            was, self._of = self._of, None
            self._anew()
            self._draw()
            self._rows.choose(present.key(was))
        else:
            super().action_back()

    # -- live tail -----------------------------------------------------------------------------

    def action_tail(self) -> None:
        """Begin, or end."""
        if self._tail is not None:
            self._leave_tail()
        elif self._without() or self._over():
            return
        elif self._source is not None and self._logs is not None:
            self._tail = LogTail(self._logs, self._source)
            self._anew()
            self._draw()
            self._work("tail", self._follow(self._tail))

    def _leave_tail(self) -> None:
        self._end_tail()
        self._anew()
        self._draw()

    def _end_tail(self) -> None:
        self._tail = None
        self.workers.cancel_group(self, "tail")

    async def _follow(self, tail: LogTail) -> None:
        error = await tail.follow(self._draw)
        if error is not None:
            self.host.say_error(error, "the tail ended; t begins it again")
        else:
            self.host.say("The tail ended after ten minutes: t leaves it, t begins it again")

    # -- Logs Insights -------------------------------------------------------------------------

    def action_insights(self) -> None:
        """Show what a query would cost, then ask."""
        if self._without() or self._over():
            return
        self._work("insights", self._price())

    async def _price(self) -> None:
        if self._logs is None or self._source is None:
            return
        try:
            about = await self._logs.estimate(self._source, span=self._span)
        except CockpitError as error:
            self.host.say_error(error)
            return

        def answer(text: str) -> None:
            if text.strip().lower() == "yes":
                self._work("insights", self._query(about))
            else:
                self.host.say("Nothing was run: only yes runs it")

        self.ask("insights", present.estimated(about), answer)

    async def _query(self, about: QueryEstimate) -> None:
        if self._logs is None or self._source is None:
            return
        self.host.say("The query runs; leaving this screen stops it")
        try:
            found = await self._logs.query(self._source, about)
        except CockpitError as error:
            self.host.say_error(error)
            return
        self.host.read(line("Logs Insights"), lambda width: present.queried(found, width))
