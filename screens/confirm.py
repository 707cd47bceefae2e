"""The dialog between a plan and its run: everything that would happen, and a yes by risk."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from math import inf
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input

from cockpit import clock
from cockpit.errors import Refused
from screens.base import CockpitModal
from screens.bindings import Where
from screens.port import RunPort
from screens.present.lines import line, safe, wrap
from screens.present.runbook import approval_line, plan_lines, plan_title
from screens.widgets.header import Bar
from screens.widgets.lineview import Paper
from screens.widgets.panes import set_title

if TYPE_CHECKING:
    from cockpit.runbooks.plan import Plan

SETTLE = 0.4
"""Seconds after the plan was drawn in which Enter is ignored: nobody has read it by then."""
HELD = 1.0
"""Seconds from one Enter to the next below which the key may be held down. It repeats after its
first delay (660 ms in X11, up to a second elsewhere), and a key that is held approves nothing."""


class AnswerInput(Input):
    """A line of the dialog; Enter is the screen's."""

    BINDINGS: ClassVar[list[BindingType]] = []


class ConfirmScreen(CockpitModal[Any], part=Where.CONFIRM):
    """Shows the whole plan. Gives the approval, or None when nothing shall run."""

    def __init__(
        self, run: RunPort, plan: Plan, place: tuple[int, int], *, passed: Sequence[str] = ()
    ) -> None:
        """`passed`: why this is not the step that was next when the key was pressed."""
        super().__init__()
        self._passed = passed
        self._run_shown = run
        self._plan = plan
        self._place = place
        self._opened = inf
        """When the plan was drawn."""
        self._rows = 0
        self._refused = 0
        """Lines of the plan, and of why Enter was refused."""

    def compose(self) -> ComposeResult:
        """The plan, when it expires, what to type."""
        with Vertical(id="dialog", classes=f"-{self._plan.risk}"):
            yield Paper(id="plan")
            yield Bar(id="approval")
            yield Bar(id="ask")
            for name, hint in self._fields():
                yield AnswerInput(id=name, placeholder=hint, select_on_focus=False)
            yield Bar(id="refusal")

    def _fields(self) -> list[tuple[str, str]]:
        plan = self._plan
        if plan.gaps:
            return []
        fields: list[tuple[str, str]] = []
        if plan.confirm_word:
            fields.append(("typed", "type it here"))
        elif plan.asks:
            fields.append(("typed", safe(plan.suggestion)))
        if plan.risk == "destructive":
            fields.append(("second", "second person, who agrees"))
            fields.append(("reason", "or the reason, which is journalled"))
        return fields

    def on_mount(self) -> None:
        """Take the focus to what is to be typed, else to the plan."""
        super().on_mount()
        self.app.clear_notifications()  # nothing may lie over what is said yes to
        for field in self.query(AnswerInput):
            field.focus()
            break
        else:
            self.query_one("#plan", Paper).focus()
        self.set_interval(1.0, self._count_down)
        self.call_after_refresh(self._draw)

    def laid_out(self) -> None:
        """Wrap the plan anew."""
        if self.is_mounted:
            self.call_after_refresh(self._draw)

    def _draw(self) -> None:
        if not self.is_mounted:
            return
        dialog = self.query_one("#dialog")
        paper = self.query_one("#plan", Paper)
        dialog_title = plan_title(self._plan, *self._place, finding=self._run_shown.finding)
        set_title(dialog, dialog_title)
        width = max(20, dialog.content_region.width - 1)
        why = [wrap(line((safe(each, 2000), "warning")), width) for each in self._passed]
        title = wrap(dialog_title, width) if self.layout_class == "-tiny" else []  # it has no frame
        lines = [*title, *chain.from_iterable(why), *plan_lines(self._plan, self._where(), width)]
        ask, asked = self.query_one("#ask", Bar), wrap(self._question(), width)
        ask.styles.height = len(asked)
        ask.show(asked)
        paper.show(lines)
        self._rows = len(lines)
        self._fit()
        self._opened = min(self._opened, clock.monotonic())
        if self._plan.gaps:
            self._refuse("; ".join(self._plan.gaps))
        self._count_down()

    def _fit(self) -> None:
        """The plan has the rows that the rest leaves, with one for why Enter was refused: the line
        to type in is never what falls off a small terminal.
        """
        dialog = self.query_one("#dialog")
        rest = [each.styles for each in dialog.children if each.id not in {"plan", "refusal"}]
        rows = sum(int(each.height.value) + each.margin.height for each in rest if each.height)
        besides = dialog.gutter.height + rows + max(1, self._refused)
        height = min(self._rows, max(3, self.app.size.height - besides))
        self.query_one("#plan", Paper).styles.height = height

    def _where(self) -> str:
        parts = (self._plan.environment, self._plan.account, self._plan.region)
        return " · ".join(part for part in parts if part)

    def _question(self) -> Content:
        plan = self._plan
        if plan.gaps:
            return line(("This plan cannot be run here. Esc closes it.", "dim"))
        if plan.confirm_word:
            word = (safe(plan.confirm_word), "strong")
            return line("Type ", word, " and Enter to run it, Esc to cancel.")
        if plan.asks:
            return line((safe(plan.asks), "strong"), "  Enter answers, Esc cancels.")
        does = "says it is done" if plan.step.kind == "manual" else "runs it"
        return line(("Enter", "strong"), f" {does}, ", ("Esc", "strong"), " cancels.")

    def _count_down(self) -> None:
        if self.is_mounted:
            self.query_one("#approval", Bar).show([approval_line(self._plan, clock.elapsed())])

    def _typed(self, name: str) -> str:
        found = self.query(f"#{name}").results(AnswerInput)
        return next((field.value.strip() for field in found), "")

    def action_yes(self) -> None:
        """Enter: the gate decides, not the screen."""
        presses = self.host.presses
        if self._plan.gaps or presses.at - self._opened < SETTLE:
            return
        if presses.gap < HELD:
            self._refuse("Enter was held down, or pressed twice: wait a second, then press it once")
            return
        try:
            approval = self._run_shown.approve(
                self._plan,
                typed=self._typed("typed"),
                reason=self._typed("reason"),
                second=self._typed("second"),
            )
        except Refused as refused:
            self._refuse(refused.message)
            return
        self.dismiss(approval)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter in a field is the same yes."""
        event.stop()
        self.action_yes()

    def action_no(self) -> None:
        """Esc: nothing runs."""
        self.dismiss(None)

    def _refuse(self, why: str) -> None:
        bar = self.query_one("#refusal", Bar)
        told = wrap(line(("✖ ", "critical"), (safe(why, 2000), "critical")), max(20, bar.columns))
        bar.styles.height = min(3, len(told))
        bar.show(told)
        self._refused = min(3, len(told))
        self._fit()
