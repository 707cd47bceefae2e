"""A `view.Table` of any kind as rows of the drill-down, and the offers that would help."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from operator import itemgetter

from textual.content import Content

from cockpit.triage.view import Column, Offer, Row, Table
from screens.present.lines import BLANK, GLYPHS, Part, cells, fit, line, safe, tone, wrap
from screens.present.runbook import RISK_TONES

_NARROW = 100
"""Cells below which columns stand closer together."""


def _gap(width: int) -> int:
    return 1 if width < _NARROW else 2


def _least_flex(width: int) -> int:
    return 12 if width < _NARROW else 16


MARK = 2
"""Cells before the rows for the sign of their severity: a colour alone says nothing."""


def marked(table: Table) -> bool:
    """Whether any row has a severity, so that all rows leave room for its sign."""
    return any(row.severity is not None for row in table.rows)


def widths(table: Table, width: int, *, sort: int | None = None) -> tuple[int, ...]:
    """Cells for each column: its own where it says so, what is left for the others.

    When the fixed ones leave too little, they shrink to what their rows need, then the widest
    give way, so that the last column stays readable. The one that sorts has room for its arrow.
    """
    whole = width
    if marked(table):
        width -= MARK
    wanted = [column.width or 0 for column in table.columns]
    flexible = [at for at, each in enumerate(wanted) if each == 0]
    gaps = _gap(whole) * max(0, len(wanted) - 1)
    for at, each in enumerate(wanted):
        if each:
            wanted[at] = min(each, _needed(table, at))
            if at == sort:
                wanted[at] = max(wanted[at], cells(table.columns[at].title) + 2)
    left = width - gaps - sum(wanted)
    least = _least_flex(whole) * len(flexible)
    while left < least and max(wanted, default=0) > 6:
        at = wanted.index(max(wanted))
        wanted[at] -= 1
        left += 1
    for place, at in enumerate(flexible):
        share = max(0, left) // len(flexible)
        wanted[at] = share if place < len(flexible) - 1 else max(0, left) - share * place
    return tuple(max(0, each) for each in wanted)


def _needed(table: Table, at: int) -> int:
    if not table.rows:
        return table.columns[at].width
    longest = max(
        (
            cells((_stem(r) if at == 0 else "") + r.cells[at][:400])
            for r in table.rows[:200]
            if at < len(r.cells)
        ),
        default=0,
    )
    return max(longest, cells(table.columns[at].title))


def _stem(row: Row) -> str:
    return "  " * (row.depth - 1) + "└ " if row.depth else ""


def heading(
    table: Table,
    width: int,
    *,
    shape: tuple[int, ...] = (),
    sort: int | None = None,
    down: bool = True,
) -> Content:
    """The titles; the sorted column carries an arrow."""
    parts: list[Part] = [" " * MARK if marked(table) else ""]
    for at, (column, each) in enumerate(
        zip(table.columns, shape or widths(table, width, sort=sort), strict=True)
    ):
        name = safe(column.title, 40)
        if at == sort:
            name = fit(name, min(cells(name), max(0, each - 2))) + (" ▼" if down else " ▲")
        shown = fit(name, each, right=column.right)
        parts += [(shown, "accent" if at == sort else "faint"), " " * _gap(width)]
    return line(*parts[:-1])


def column_at(shape: Sequence[int], x: int, width: int) -> int | None:
    """The column under a cell of the heading, with the gap after it; None beyond the last. `x`
    counts from the first column, after the place of the marks.
    """
    start = 0
    for at, each in enumerate(shape):
        start += each + _gap(width)
        if each and x < start:
            return at
    return None


def draw(
    row: Row, table: Table, width: int, *, shape: tuple[int, ...] = (), mark: bool | None = None
) -> Content:
    """One row; its depth indents the first cell. `mark` None: as `marked` says."""
    parts: list[Part] = []
    if marked(table) if mark is None else mark:
        parts.append(_mark(row))
    stem = _stem(row)
    for at, (column, each) in enumerate(
        zip(table.columns, shape or widths(table, width), strict=True)
    ):
        text = safe(row.cells[at]) if at < len(row.cells) else ""
        shade = _shade(row, at, len(table.columns))
        if at == 0 and stem:
            parts.append((stem, "faint"))
            parts.append((fit(text, max(1, each - len(stem))), shade))
        else:
            parts.append((fit(text, each, right=column.right), shade))
        parts.append(" " * _gap(width))
    return line(*parts[:-1])


def _mark(row: Row) -> Part:
    if row.severity is None:
        return " " * MARK
    return (fit(GLYPHS[row.severity.value], MARK), tone(row.severity))


def _shade(row: Row, at: int, columns: int) -> str:
    if at == 0 and row.severity is not None:
        return f"{tone(row.severity)} bold"
    if row.dim:
        return "dim"
    if row.severity is not None and at < columns - 1:
        return tone(row.severity)
    return ""


def fields(table: Table) -> Callable[[Row], Mapping[str, str]]:
    """The columns that a filter can name: the titles, in lower case without spaces."""
    names = [name_of(column) for column in table.columns]

    def of(row: Row) -> Mapping[str, str]:
        return dict(zip(names, row.cells, strict=False))

    return of


def name_of(column: Column) -> str:
    """`waits for` is typed as `waits_for`."""
    return column.title.casefold().replace(" ", "_")


def key(row: Row) -> Hashable:
    """Identity from look to look."""
    return row.key


Value = float | int | str


def ordered(rows: Sequence[Row], column: int | None, *, down: bool) -> Sequence[Row]:
    """The rows by a column, as numbers where the probe gives them; None: as they came (a tree).

    What has no value comes last, whichever way. Rows that are equal keep their order.
    """
    if column is None:
        return rows
    numbers: list[tuple[float, Row]] = []
    words: list[tuple[str, Row]] = []
    rest: list[Row] = []
    for row in rows:
        value = _value(row, column)
        if value is None:
            rest.append(row)
        elif isinstance(value, str):
            words.append((value.casefold(), row))
        else:
            numbers.append((value, row))
    numbers.sort(key=_FIRST_OF, reverse=down)
    words.sort(key=_FIRST_OF, reverse=down)
    known = [*words, *numbers] if down else [*numbers, *words]
    return [*(row for _, row in known), *rest]


_FIRST_OF = itemgetter(0)


def _value(row: Row, column: int) -> Value | None:
    if column < len(row.sort):
        value = row.sort[column]
        # a text that the probe gave no value for, as the query, is sorted as it is read
        if value is not None or column < len(row.cells) - 1:
            return value
    return (row.cells[column] or None) if column < len(row.cells) else None


def starts_down(table: Table, column: int) -> bool:
    """Whether a column is best read from its largest value: numbers are, words are not."""
    values = (_value(row, column) for row in table.rows)
    known = next((value for value in values if value is not None), None)
    return known is not None and not isinstance(known, str)


def offers(table: Table, chosen: Row | None) -> list[tuple[str, Offer]]:
    """Key → offer: the table's best ones as 1 to 9, the chosen row's own by their letter."""
    listed = [(str(place), offer) for place, offer in enumerate(table.best[:9], 1)]
    taken: set[str] = set()
    for offer in chosen.offers if chosen is not None else ():
        if offer.key and offer.key not in taken:
            taken.add(offer.key)
            listed.append((offer.key, offer))
    return listed


def help_lines(table: Table, chosen: Row | None, width: int, *, runs: bool) -> list[Content]:
    """What is offered, then the table's notes; empty when nothing is offered. `runs` False:
    offers are proposed, not run.
    """
    listed = offers(table, chosen)
    if not listed:
        return []
    lines: list[Content] = []
    if table.best:
        releases = any(offer.promise for offer in table.best)
        what = "Releases most for least" if releases else "Helps most for least"
        lines.append(line((what, "bold")))
    shape = (
        min(44, max(cells(safe(offer.label)) for _, offer in listed)),
        max(cells(offer.promise) for _, offer in listed),
        max(cells(offer.risk) for _, offer in listed),
    )
    own = False
    for shortcut, offer in listed:
        if not shortcut.isdigit() and not own:
            own = True
            lines.append(line(("The row under the cursor", "bold")))
        lines.append(_offer(shortcut, offer, shape, width=width))
    lines += note_lines(table, width)
    if not runs:
        lines += [
            BLANK,
            line(("Triage is read-only: the key proposes it to the commander.", "dim")),
        ]
    return lines


def note_lines(table: Table, width: int) -> list[Content]:
    """What is missing from the table, and how to read it."""
    return [each for note in table.note for each in wrap(line((safe(note, 2000), "dim")), width)]


def _offer(shortcut: str, offer: Offer, shape: tuple[int, int, int], *, width: int) -> Content:
    names, releases, risks = shape
    return line(
        (f" {shortcut} ", "accent bold"),
        fit(safe(offer.label), names),
        "  ",
        (fit(offer.promise, releases) + "  " if releases else "", "bold"),
        (fit(offer.risk, risks) + "  ", RISK_TONES.get(offer.risk, "critical")),
        safe(offer.effect),
    ).truncate(max(0, width), ellipsis=True)


def as_text(row: Row, table: Table) -> str:
    """What `y` copies: `pid: 4242` a line, without the statement's literals."""
    return "\n".join(
        f"{safe(column.title)}: {safe(cell)}"
        for column, cell in zip(table.columns, row.cells, strict=False)
        if cell
    )
