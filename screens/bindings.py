"""Every action there is: one table, from which keys, footer, help, palette and documents come."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from textual.binding import Binding, BindingType


class Where(StrEnum):
    """The part of the screen that an action belongs to."""

    ANYWHERE = "anywhere"
    LIST = "in lists and texts"
    MAIN = "main screen"
    DETAIL = "target detail"
    TIMELINE = "timeline"
    CHANGES = "what changed"
    LOGS = "logs"
    READING = "reading"
    CONFIRM = "confirmation"
    CHOOSING = "choosing"
    CODE = "the dialog for an MFA code"
    PROMPT = "typing a line"


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One thing that a person can do.

    `name` is the method `action_<name>`; with `by_key` it is given the key. `panes` empty: in
    every pane. `footer` orders the footer, 0 keeps it out. `palette` False: a mere movement.
    """

    name: str
    keys: tuple[str, ...]
    label: str
    help: str
    where: Where
    panes: frozenset[str] = frozenset()
    footer: int = 0
    by_key: bool = False
    palette: bool = True
    argument: str = ""
    role: str = ""
    """Only this role's footer shows it; empty: both."""
    shown_keys: str = ""

    @property
    def shown(self) -> str:
        """The keys as people read them: `ctrl+p` as `^p`, `question_mark` as `?`."""
        return self.shown_keys or " ".join(_short(key) for key in self.keys)

    @property
    def first(self) -> str:
        """The key that the footer shows."""
        return self.shown_keys or _short(self.keys[0])

    def call(self, key: str = "") -> str:
        """The action as Textual wants it: `jump('3')`."""
        given = key if self.by_key else self.argument
        return f"{self.name}({given!r})" if given else self.name


_NAMES = {
    "question_mark": "?",
    "slash": "/",
    "space": "space",
    "enter": "⏎",
    "escape": "esc",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "up": "↑",
    "down": "↓",
    "pageup": "pgup",
    "pagedown": "pgdn",
}


def _short(key: str) -> str:
    if key.startswith("ctrl+"):
        return "^" + key.removeprefix("ctrl+")
    return _NAMES.get(key, key)


def _pane(*names: str) -> frozenset[str]:
    return frozenset(names)


_DIGITS = tuple("123456789")

ACTIONS: tuple[Action, ...] = (
    # Anywhere
    Action(name="leave", keys=("q",), label="Quit", where=Where.ANYWHERE, footer=90,
           help="End the cockpit at once. Nothing is lost: `cockpit resume` goes on."),
    Action(name="keys", keys=("question_mark",), label="Keys", where=Where.ANYWHERE, footer=80,
           help="Show what every key does here."),
    Action(name="command_palette", keys=("ctrl+p",), label="Palette", where=Where.ANYWHERE,
           help="Find an action, a target or a theme by its name.", palette=False),
    # In lists and texts
    Action(name="step", keys=("up", "k"), argument="-1", label="Up", where=Where.LIST,
           help="One row up.", palette=False),
    Action(name="step", keys=("down", "j"), argument="1", label="Down", where=Where.LIST,
           help="One row down.", palette=False),
    Action(name="page", keys=("pageup", "ctrl+b"), argument="-1", label="Page up",
           where=Where.LIST, help="One page up.", palette=False),
    Action(name="page", keys=("pagedown", "ctrl+f"), argument="1", label="Page down",
           where=Where.LIST, help="One page down.", palette=False),
    Action(name="edge", keys=("home", "g"), argument="first", label="First", where=Where.LIST,
           help="The first row.", palette=False),
    Action(name="edge", keys=("end", "G"), argument="last", label="Last", where=Where.LIST,
           help="The last row; the timeline then follows what comes.", palette=False),
    # Main screen
    Action(name="open", keys=("enter",), label="Open", where=Where.MAIN, footer=10,
           panes=_pane("findings", "systems", "evidence", "suspects", "timeline"),
           help="Open what is selected: the target's detail, a suspect's reasoning, an entry."),
    Action(name="open", keys=("enter",), label="Run step", where=Where.MAIN, footer=10,
           panes=_pane("runbook"), palette=False,
           help="Plan the selected step, confirm by its risk, run it, see the outcome."),
    Action(name="run_step", keys=("R",), label="Run next step", where=Where.MAIN, footer=15,
           role="commander",
           help="Plan the runbook's next step (or the selected one), confirm, run."),
    Action(name="propose", keys=("p",), label="Propose", where=Where.MAIN, footer=16,
           role="triage",
           help="In triage: put the step before a commander, with a reason."),
    Action(name="skip", keys=("s",), label="Skip step", where=Where.MAIN, footer=17,
           panes=_pane("runbook"),
           help="Go on without the selected step, with a reason that is journalled."),
    Action(name="stop", keys=("x",), label="Stop waiting", where=Where.MAIN,
           help="Stop waiting for the running step; its outcome is then unknown until verified."),
    Action(name="output", keys=("o",), label="Output", where=Where.MAIN, footer=18,
           panes=_pane("runbook"), help="Read the whole output of the selected step."),
    Action(name="another", keys=("b",), label="Other runbook", where=Where.MAIN,
           help="Show the next runbook that is for the selected finding."),
    Action(name="places", keys=("v",), label="By place", where=Where.MAIN,
           panes=_pane("systems"), footer=19,
           help="Group the systems by account and region, and back: how much of each is sick or"
           " unseen, and which service makes us wait there."),
    Action(name="better", keys=("B",), label="Better runbook", where=Where.MAIN,
           help="Go to the first suspect's own finding and its runbook, when a line at the top says"
           " so: the selection itself stays where your first key found it."),
    Action(name="not_this", keys=("N",), label="Not this", where=Where.MAIN, footer=11,
           panes=_pane("suspects"),
           help="Say that the selected suspect did not begin it: journalled under your name, in"
           " triage too, and shown as ruled out by you. The rest is judged without it."),
    Action(name="this_is_it", keys=("I",), label="This is it", where=Where.MAIN, footer=11,
           panes=_pane("suspects"),
           help="Say that the selected suspect began it: journalled under your name, in triage too,"
           " and shown as said by you. The others then explain only the rest."),
    Action(name="open_again", keys=("O",), label="Take back", where=Where.MAIN, footer=11,
           panes=_pane("suspects"),
           help="Take back what was said about a suspect, by N or I, here or by somebody else."),
    Action(name="explain", keys=("e",), label="Explain", where=Where.MAIN,
           help="Say what the selected finding means, how it is judged, and what to do."),
    Action(name="filter", keys=("slash",), label="Filter", where=Where.MAIN, footer=20,
           help="Filter the pane: `words`, `!not`, `column:value`. Esc clears it."),
    Action(name="note", keys=("n",), label="Note", where=Where.MAIN, footer=12,
           help="Write a line into the timeline. `TODO …` makes an action item; "
                "`!impact_start 02:40 …` says when it began (UTC, or a range: `02:30..02:40`), "
                "and so do `!detected`, `!acknowledged`, `!mitigated`, `!resolved`."),
    Action(name="freeze", keys=("space",), label="Freeze", where=Where.MAIN, footer=30,
           help="Hold the panes still. Looking and recording go on; space goes live again."),
    Action(name="look", keys=("r",), label="Look now", where=Where.MAIN, footer=25,
           help="Look at everything again now, also at what is backing off."),
    Action(name="copy", keys=("y",), label="Copy", where=Where.MAIN, footer=40,
           help="Copy what is selected, as plain text, also over SSH and tmux (OSC 52)."),
    Action(name="jump", keys=tuple("123456"), by_key=True, label="Panes", where=Where.MAIN,
           shown_keys="1-6", footer=50, palette=False,
           help="Jump to suspects, systems, findings, evidence, runbook, timeline."),
    Action(name="next_pane", keys=("tab",), argument="1", label="Next pane", where=Where.MAIN,
           help="The next pane.", palette=False),
    Action(name="next_pane", keys=("shift+tab",), argument="-1", label="Pane before",
           where=Where.MAIN, help="The pane before.", palette=False),
    Action(name="zoom", keys=("z",), label="Zoom", where=Where.MAIN,
           help="Give the whole screen to one pane, and back."),
    Action(name="unfinished", keys=("U",), label="Cut-off step", where=Where.MAIN,
           help="Look what became of a step whose outcome is unknown since a crash, or say it."),
    Action(name="take_back", keys=("X",), label="Undo interrupted", where=Where.MAIN,
           help="Plan what takes back a step since which something else got worse, when a line at"
           " the top says so. It is confirmed like any other step; s on the step goes on instead."),
    Action(name="code", keys=("M",), label="MFA code", where=Where.MAIN,
           help="Type the code of an MFA device, when a profile's role wants one."),
    Action(name="status", keys=("S",), label="Status, severity", where=Where.MAIN,
           help="Set the incident's status or severity."),
    Action(name="timeline", keys=("T",), label="Whole timeline", where=Where.MAIN,
           help="The whole timeline, with filter."),
    Action(name="changes", keys=("C",), label="What changed", where=Where.MAIN,
           help="What was changed, by whom, on one axis with the symptoms, the most suspected"
           " first; what could not be seen stands before it."),
    Action(name="logs", keys=("L",), label="Logs", where=Where.MAIN, footer=19,
           panes=_pane("findings", "systems", "evidence", "suspects"),
           help="The lines of errors of what is selected, grouped: what is new since the onset"
           " first; a live tail; the last lines of stopped tasks. Reading them costs nothing."),
    Action(name="clear", keys=("escape",), label="Clear filter", where=Where.MAIN,
           help="Clear the pane's filter, or end the zoom.", palette=False),
    # Target detail
    Action(name="view_text", keys=("v", "enter"), label="View text", where=Where.DETAIL, footer=11,
           help="Show the selected row in full below, a statement with its values: on the screen"
           " only, never recorded, copied or exported."),
    Action(name="sort", keys=("s",), label="Sort", where=Where.DETAIL, footer=20,
           help="Sort by the next column, at last as the look gave them. A click on a title sorts"
           " too, another click turns the order around."),
    Action(name="reverse", keys=("S",), label="Reverse", where=Where.DETAIL,
           help="Turn the order around."),
    Action(name="offer", keys=(*_DIGITS, "c", "t"), by_key=True, label="Plan it",
           where=Where.DETAIL, shown_keys="1-9 c t", footer=10, palette=False,
           help="Plan what the pane “What would help” offers under this key, confirm, run."),
    Action(name="table", keys=("tab", "right_square_bracket"), argument="1", label="Next table",
           where=Where.DETAIL, footer=21,
           help="The target's next table. A click on its name opens it too."),
    Action(name="table", keys=("shift+tab", "left_square_bracket"), argument="-1",
           label="Table before", where=Where.DETAIL, help="The target's table before.",
           palette=False),
    Action(name="filter", keys=("slash",), label="Filter", where=Where.DETAIL, footer=22,
           help="Filter the rows: `words`, `!not`, `column:value`."),
    Action(name="logs", keys=("L",), label="Logs", where=Where.DETAIL, footer=23,
           help="The lines of errors of this target, what is new since the onset first."),
    Action(name="look", keys=("r",), label="Look now", where=Where.DETAIL, footer=25,
           help="Look at this target again now."),
    Action(name="freeze", keys=("space",), label="Freeze", where=Where.DETAIL, footer=30,
           help="Hold the rows still. Looking and recording go on."),
    Action(name="note", keys=("n",), label="Note", where=Where.DETAIL, footer=35,
           help="Write a line into the timeline."),
    Action(name="copy", keys=("y",), label="Copy", where=Where.DETAIL, footer=40,
           help="Copy the selected row, statements without their values."),
    Action(name="back", keys=("escape",), label="Back", where=Where.DETAIL, footer=60,
           help="Clear the filter, else back to the main screen.", palette=False),
    # Timeline
    Action(name="filter", keys=("slash",), label="Filter", where=Where.TIMELINE, footer=20,
           help="Filter: `kind:note`, `actor:alice`, `!sweep`, words."),
    Action(name="note", keys=("n",), label="Note", where=Where.TIMELINE, footer=12,
           help="Write a line into the timeline."),
    Action(name="copy", keys=("y",), label="Copy", where=Where.TIMELINE, footer=40,
           help="Copy the selected entry."),
    Action(name="freeze", keys=("space",), label="Freeze", where=Where.TIMELINE, footer=30,
           help="Hold the list still. Recording goes on."),
    Action(name="back", keys=("escape",), label="Back", where=Where.TIMELINE, footer=60,
           help="Clear the filter, else back.", palette=False),
    # What changed
    Action(name="open", keys=("enter",), label="Open", where=Where.CHANGES, footer=10,
           help="Read the whole change: what exactly was added, removed or set, and why it stands"
           " where it stands; below it everything that was not seen."),
    Action(name="filter", keys=("slash",), label="Filter", where=Where.CHANGES, footer=20,
           help="Filter: `target:checkout`, `who:alice`, `what:ecs`, words."),
    Action(name="look", keys=("r",), label="Look now", where=Where.CHANGES, footer=25,
           help="Read the histories again now."),
    Action(name="freeze", keys=("space",), label="Freeze", where=Where.CHANGES, footer=30,
           help="Hold the list still. Looking and recording go on."),
    Action(name="note", keys=("n",), label="Note", where=Where.CHANGES, footer=35,
           help="Write a line into the timeline."),
    Action(name="copy", keys=("y",), label="Copy", where=Where.CHANGES, footer=40,
           help="Copy the selected change in full, as plain text."),
    Action(name="back", keys=("escape",), label="Back", where=Where.CHANGES, footer=60,
           help="Clear the filter, else back to the main screen.", palette=False),
    # Logs
    Action(name="open", keys=("enter",), label="Open", where=Where.LOGS, footer=10,
           help="Of a pattern its first and newest lines; of a line what stands around it."),
    Action(name="source", keys=("tab", "right_square_bracket"), argument="1", label="Next source",
           where=Where.LOGS, footer=14,
           help="The target's next log: another container, a stopped task, a function behind."),
    Action(name="source", keys=("shift+tab", "left_square_bracket"), argument="-1",
           label="Source before", where=Where.LOGS, help="The log before.", palette=False),
    Action(name="tail", keys=("t",), label="Live tail", where=Where.LOGS, footer=15,
           help="Every line as it comes, asked each four seconds, for ten minutes; t ends it."),
    Action(name="wider", keys=("w",), label="Further back", where=Where.LOGS, footer=18,
           help="Read twice as far back: 15 minutes at first, six hours at most."),
    Action(name="insights", keys=("i",), label="Insights", where=Where.LOGS, footer=45,
           help="Ask Logs Insights for patterns and what differs from the time before. It costs"
           " by what it scans: bytes and price are shown first, and nothing runs before `yes`."),
    Action(name="pin", keys=("p",), label="Pin line", where=Where.LOGS, footer=17,
           help="Write the selected line, masked and cut, into the timeline as a note. Nothing"
           " else of what is read here is kept."),
    Action(name="filter", keys=("slash",), label="Filter", where=Where.LOGS, footer=20,
           help="Filter the rows: `words`, `!not`, `kind:timeout`, `stream:web`."),
    Action(name="look", keys=("r",), label="Read again", where=Where.LOGS, footer=25,
           help="Read the lines again now."),
    Action(name="note", keys=("n",), label="Note", where=Where.LOGS, footer=35,
           help="Write a line into the timeline."),
    Action(name="copy", keys=("y",), label="Copy", where=Where.LOGS, footer=40,
           help="Copy the selected pattern or line."),
    Action(name="back", keys=("escape",), label="Back", where=Where.LOGS, footer=60,
           help="End the tail, clear the filter, back to the patterns, or leave.", palette=False),
    # Reading
    Action(name="copy", keys=("y",), label="Copy", where=Where.READING, footer=40,
           help="Copy the text."),
    Action(name="back", keys=("escape", "enter"), label="Back", where=Where.READING, footer=60,
           help="Back to where you were.", palette=False),
    # Confirmation
    Action(name="yes", keys=("enter",), label="Run it", where=Where.CONFIRM, footer=10,
           help="Say yes to exactly this plan.", palette=False),
    Action(name="no", keys=("escape",), label="Cancel", where=Where.CONFIRM, footer=20,
           help="Run nothing.", palette=False),
    # Choosing
    Action(name="take", keys=("enter",), label="Choose", where=Where.CHOOSING, footer=10,
           help="Take the row under the cursor.", palette=False),
    Action(name="filter", keys=("slash",), label="Filter", where=Where.CHOOSING,
           help="Filter the rows.", palette=False),
    Action(name="back", keys=("escape",), label="Back", where=Where.CHOOSING, footer=60,
           help="Choose nothing.", palette=False),
    # Typing
    Action(name="back", keys=("escape",), label="Not now", where=Where.CODE, footer=60,
           help="Close it without a code."),
    Action(name="abandon", keys=("escape",), label="Leave", where=Where.PROMPT, footer=60,
           help="Leave the line without writing it.", palette=False),
)  # fmt: skip


def actions(*where: Where) -> tuple[Action, ...]:
    """The actions of these parts, in the order of the table."""
    return tuple(action for action in ACTIONS if action.where in where)


def bindings(*where: Where) -> list[BindingType]:
    """Textual's bindings for these parts; actions that share a key and a call are bound once."""
    bound: dict[tuple[str, str], Binding] = {}
    for action in actions(*where):
        for key in action.keys:
            call = action.call(key)
            bound[key, call] = Binding(key, call, action.label, show=False)
    return list(bound.values())


def footer(where: Iterable[Where], pane: str, role: str = "") -> tuple[Action, ...]:
    """What the footer shows for a pane and a role, the most useful first."""
    wanted = set(where)
    shown = [
        action
        for action in ACTIONS
        if action.footer
        and action.where in wanted
        and (not action.panes or pane in action.panes)
        and (not action.role or not role or action.role == role)
    ]
    return tuple(sorted(shown, key=lambda action: action.footer))


def as_markdown() -> str:
    """The table of keys for the documentation."""
    lines = ["# Keys", ""]
    for where in Where:
        lines += [f"## {where.value.capitalize()}", "", "| key | what it does |", "|---|---|"]
        for action in actions(where):
            place = f" ({', '.join(sorted(action.panes))})" if action.panes else ""
            shown = action.shown.replace("|", "\\|")
            lines.append(f"| `{shown}` | **{action.label}**{place}: {action.help} |")
        lines.append("")
    return "\n".join(lines)
