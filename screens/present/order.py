"""The order of a table's rows: the probe's own, or by a column."""

from __future__ import annotations

from collections.abc import Sequence

from cockpit.triage.view import Row, Table
from screens.present import table as present


class Order:
    """Sorts the rows anew only when table or order changed: five thousand take a while."""

    def __init__(self) -> None:
        self.column: int | None = None
        """None: as the look gave them."""
        self.down = True
        self._sorted: tuple[Table, int | None, bool] | None = None
        self._rows: Sequence[Row] = ()

    def rows(self, table: Table) -> Sequence[Row]:
        """The rows in this order; the same object until something changes."""
        wanted = (table, self.column, self.down)
        before = self._sorted
        if before is None or before[0] is not table or before[1:] != wanted[1:]:
            self._rows = present.ordered(table.rows, self.column, down=self.down)
            self._sorted = wanted
        return self._rows

    def by(self, table: Table, column: int) -> None:
        """Numbers from the largest, words from the first; the same column again the other way."""
        if column == self.column:
            self.reverse()
        else:
            self.column, self.down = column, present.starts_down(table, column)

    def turn(self, table: Table) -> None:
        """By the next column; after the last one as the look gave them."""
        after = 0 if self.column is None else self.column + 1
        if after < len(table.columns):
            self.by(table, after)
        else:
            self.column = None

    def reverse(self) -> None:
        """Turn the order around."""
        self.down = not self.down

    def forget(self) -> None:
        """As the look gave them."""
        self.column = None
