"""What burns slowly in MySQL and MariaDB: AUTO_INCREMENT columns that come to their end.

Source: MySQL Reference Manual, "Using AUTO_INCREMENT", "Integer Types", "The INFORMATION_SCHEMA
INNODB_TABLESTATS Table"; MariaDB Knowledge Base, "INNODB_SYS_TABLESTATS", "INNODB_SYS_COLUMNS".
Read from InnoDB's own tables, since information_schema.tables opens every table and shows an
observer none of them. A table that was not opened since the server's start has no counter there.
Needs: PROCESS.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from cockpit.errors import BlindError, Reason
from cockpit.text import visible
from cockpit.triage.finding import Evidence, Finding, Severity, Thresholds
from cockpit.triage.nature import Trait, codes
from cockpit.triage.probe import Fact, Probe
from cockpit.triage.target import Target
from cockpit.triage.view import Column, Row, Table
from cockpit.units import percent
from probes.mysql.model import MysqlReads, MysqlServer, read_server

_CAP = 1
"""Seconds for a statement on the server."""
_SPARED = 3600.0
_EACH = 5
_NEAR = 0.8
_SMALL = 3
"""Octets up to which a type is judged at its end alone: lists of names fill it on purpose, and
every larger table passes through it, for which the columns would be asked each time."""
_UNSIGNED = 512
"""A bit of InnoDB's precise type."""
_SIGNED_MOST = {size: 2 ** (8 * size - 1) - 1 for size in (1, 2, 3, 4, 8)}
_UNSIGNED_MOST = {size: 2 ** (8 * size) - 1 for size in (1, 2, 3, 4, 8)}
_TYPES = {1: "tinyint", 2: "smallint", 3: "mediumint", 4: "int", 8: "bigint"}
_WINDOWS = " OR ".join(
    f"autoinc BETWEEN {int(most * (_NEAR if size > _SMALL else 1))} AND {most + 1}"
    for bounds in (_SIGNED_MOST, _UNSIGNED_MOST)
    for size, most in bounds.items()
)
"""A counter outside of all of them is far from the end of every type."""
COUNTERS = f"""
SELECT table_id, name, autoinc AS following FROM information_schema.innodb_{{}}tablestats
 WHERE {_WINDOWS} ORDER BY autoinc DESC LIMIT 50
"""  # noqa: S608  constants only
INDEXES = """
SELECT table_id, index_id, name FROM information_schema.innodb_{}indexes WHERE table_id IN ({})
"""
FIELDS = """
SELECT index_id, pos, name FROM information_schema.innodb_{}fields
 WHERE index_id IN ({}) AND pos < 2
"""
COLUMNS = """
SELECT table_id, name, len AS size, prtype AS flags FROM information_schema.innodb_{}columns
 WHERE mtype = 6 AND table_id IN ({})
"""
"""Whole numbers. These tables have no index: the server compares each row of one with each of the
other, so that a join of the three took 20 ms at a thousand tables, and the three by themselves 4.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter:
    """A table whose next number is near the end of some type."""

    table_id: int
    name: str
    following: int
    """The next number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Index:
    table_id: int
    index_id: int
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Field:
    index_id: int
    pos: int
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Column:
    table_id: int
    name: str
    size: int
    flags: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedColumn:
    """A column of whole numbers that an index begins with."""

    table_id: int
    column_name: str
    size: int
    """Octets."""
    flags: int
    is_key: bool = False
    """It is the primary key, alone."""

    @property
    def most(self) -> int | None:
        """The largest number that it holds; None: a size that we do not know."""
        bounds = _UNSIGNED_MOST if self.flags & _UNSIGNED else _SIGNED_MOST
        return bounds.get(self.size)


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoIncrement:
    """An AUTO_INCREMENT column near its end."""

    table: str
    column: str
    type: str
    following: int
    most: int

    @property
    def share(self) -> float:
        """Of the numbers that are used up; 1: none is left."""
        return min(1.0, (self.following - 1) / self.most)

    @property
    def left(self) -> int:
        """Numbers that are left."""
        return max(0, self.most - self.following + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class MysqlFuses:
    """One look."""

    server: MysqlServer
    sequences: tuple[AutoIncrement, ...] = ()
    """Those that are used up for the most part, the worst first."""
    sees: bool = True
    """False: the role may not read InnoDB's tables."""
    late: bool = False
    """They did not answer in time, and are left alone for an hour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Thresholds. Shares of one."""

    auto_increment: Thresholds = Thresholds(warning=0.8, high=0.95, critical=1.0)


async def collect(mysql: MysqlReads, target: Target) -> MysqlFuses:
    """One statement; a second one when some table's counter is near the end of a type."""
    server = await read_server(mysql)
    if mysql.pace.spared("fuses"):
        return MysqlFuses(server=server, late=True)
    try:
        return MysqlFuses(server=server, sequences=await _sequences(mysql, server))
    except BlindError as error:
        if error.reason is Reason.DENIED:
            return MysqlFuses(server=server, sees=False)
        if error.reason is not Reason.TIMEOUT or error.code:
            raise
        mysql.pace.spare("fuses", _SPARED)
        return MysqlFuses(server=server, late=True)


async def _sequences(mysql: MysqlReads, server: MysqlServer) -> tuple[AutoIncrement, ...]:
    ways = ("sys_",) if server.mariadb else ("", "sys_")
    for way in ways:
        try:
            counters = await mysql.rows_within(_CAP, COUNTERS.format(way), into=Counter)
        except BlindError as error:
            if error.reason is not Reason.UNSUPPORTED or way == ways[-1]:
                raise
            continue
        if not counters:
            return ()
        return near_their_end(counters, await _columns(mysql, way, counters))
    return ()


async def _columns(mysql: MysqlReads, way: str, counters: Sequence[Counter]) -> list[IndexedColumn]:
    """The columns of whole numbers that an index begins with, as each AUTO_INCREMENT does."""
    tables = _listed(each.table_id for each in counters)
    indexes = await mysql.rows_within(_CAP, INDEXES.format(way, tables), into=_Index)
    if not indexes:
        return []
    asked = FIELDS.format(way, _listed(each.index_id for each in indexes))
    fields = await mysql.rows_within(_CAP, asked, into=_Field)
    columns = await mysql.rows_within(_CAP, COLUMNS.format(way, tables), into=_Column)
    known = {(each.table_id, each.name): each for each in columns}
    first = {each.index_id: each.name for each in fields if each.pos == 0}
    longer = {each.index_id for each in fields if each.pos == 1}
    return [
        IndexedColumn(
            table_id=index.table_id,
            column_name=column.name,
            size=column.size,
            flags=column.flags,
            is_key=index.name == "PRIMARY" and index.index_id not in longer,
        )
        for index in indexes
        if (column := known.get((index.table_id, first.get(index.index_id, "")))) is not None
    ]


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(str(int(each)) for each in numbers)


def near_their_end(
    counters: Sequence[Counter], columns: Sequence[IndexedColumn]
) -> tuple[AutoIncrement, ...]:
    """Each counter with its column, the worst first."""
    found = []
    for counter in counters:
        column = _column(counter, [each for each in columns if each.table_id == counter.table_id])
        most = column.most if column else None
        if column is None or most is None:
            continue
        if counter.following - 1 < most * (_NEAR if column.size > _SMALL else 1):
            continue
        unsigned = " unsigned" if column.flags & _UNSIGNED else ""
        found.append(
            AutoIncrement(
                table=visible(counter.name.split("#")[0].replace("/", ".", 1), 100),
                column=visible(column.column_name, 60),
                type=_TYPES[column.size] + unsigned,
                following=counter.following,
                most=most,
            )
        )
    return tuple(sorted(found, key=lambda each: (-each.share, each.table)))


def _column(counter: Counter, columns: Sequence[IndexedColumn]) -> IndexedColumn | None:
    """The primary key when it is one column that can have given those numbers; else the widest: a
    warning that is too late is better than one about the wrong column.
    """
    can = [each for each in columns if each.most and counter.following - 1 <= each.most]
    return max(can, key=lambda each: (each.is_key, each.most or 0), default=None)


def diagnose(look: MysqlFuses, settings: Settings) -> Iterator[Finding]:
    """Tell each table whose numbers come to their end.

    MY_OBS_BLIND: Without PROCESS the account sees none of InnoDB's tables, so no end of a counter.

    MY_OBS_SLOW: InnoDB's tables did not answer in time, and are left alone for an hour.
    """
    if not look.sees:
        yield Finding(
            "MY_OBS_BLIND",
            Severity.INFO,
            f"{visible(look.server.role, 60)} may not see the counters of AUTO_INCREMENT",
            subject="auto_increment",
            likely=("the account was made without PROCESS",),
            next=look.server.grant,
        )
    if look.late:
        yield Finding(
            "MY_OBS_SLOW",
            Severity.INFO,
            f"InnoDB's list of tables did not answer within {_CAP} s: it is left alone for an hour",
            subject="auto_increment",
            likely=("very many tables",),
            next="nothing: no end of an AUTO_INCREMENT is told meanwhile",
        )
    for each in look.sequences[:_EACH]:
        severity = settings.auto_increment.grade(each.share)
        if severity is not None:
            yield _ends(each, severity, settings)


def _ends(each: AutoIncrement, severity: Severity, settings: Settings) -> Finding:
    """An AUTO_INCREMENT column has used up the numbers of its type, or nearly so.

    After the last one every INSERT fails (167, 1062 or 1467), while reads and all else go on: the
    server looks well. A change of the type rebuilds the table, which takes hours for a large one
    and wants the columns of other tables that point to it changed as well: it is cheap only early.
    """
    over = not each.left
    return Finding(
        "MY_AUTO_INCREMENT_END",
        severity,
        f"{each.table}: no number is left in {each.column} ({each.type}): every INSERT fails"
        if over
        else f"{each.table}: {percent(each.share)} of the numbers of {each.column} ({each.type}) "
        f"are used up, {each.left:,} are left",
        subject=each.table,
        evidence=(
            Evidence("used up", each.share, "share", settings.auto_increment.first),
            Evidence("next number", each.following),
            Evidence("largest of its type", each.most),
        ),
        likely=(
            "the type is too small for what the table became",
            "numbers that were never used: INSERT IGNORE, REPLACE, and transactions rolled back",
            "one row with a large number that somebody inserted by hand",
        ),
        next="SELECT MAX of the column: was it one row? else ALTER TABLE … MODIFY to BIGINT, with "
        "the columns that point to it; it rebuilds the table: plan it (pt-online-schema-change, "
        "gh-ost)",
    )


def facts(look: MysqlFuses, limits: Settings) -> Iterator[Fact]:
    """The AUTO_INCREMENT that is nearest to its end."""
    if not look.sees or look.late:
        yield Fact("AUTO_INCREMENT", "unknown")
        return
    worst = next(iter(look.sequences), None)
    if worst is None:
        yield Fact("AUTO_INCREMENT", f"none above {percent(_NEAR)}")
        return
    severity = limits.auto_increment.grade(worst.share)
    text = f"{percent(worst.share)} of {worst.table}"
    yield Fact("AUTO_INCREMENT", text, worst.share, "share", severity=severity)


_COLUMNS = (
    Column("table", 30),
    Column("column", 16),
    Column("type", 18),
    Column("used up", 8, right=True),
    Column("left", 20, right=True),
)


def tables(look: MysqlFuses, settings: Settings) -> Iterator[Table]:
    """The AUTO_INCREMENT columns that are used up for the most part."""
    yield Table(
        title="AUTO_INCREMENT near its end",
        columns=_COLUMNS,
        rows=tuple(
            Row(
                key=each.table,
                cells=(
                    each.table,
                    each.column,
                    each.type,
                    percent(each.share),
                    f"{each.left:,}",
                ),
                severity=settings.auto_increment.grade(each.share),
                sort=(each.table, each.column, each.type, each.share, each.left),
            )
            for each in look.sequences
        ),
        note=() if look.sees else (f"hidden: {look.server.grant}",),
    )


PROBE = Probe(
    id="mysql.fuses",
    kind="mysql",
    collect=collect,
    diagnose=diagnose,
    snapshot=MysqlFuses,
    settings=Settings(),
    every=300,
    timeout=9,
    facts=facts,
    tables=tables,
    lacks=lambda look: "" if look.sees else f"PROCESS was taken: {look.server.grant}",
    needs=("GRANT PROCESS",),
    codes=codes(
        risk=("MY_AUTO_INCREMENT_END",),
        eye=("MY_OBS_BLIND", "MY_OBS_SLOW"),
        traits={
            Trait.SLOW_BURN: ("MY_AUTO_INCREMENT_END",),
            Trait.CAUSE_AT_CRITICAL: ("MY_AUTO_INCREMENT_END",),
        },
    ),
)
