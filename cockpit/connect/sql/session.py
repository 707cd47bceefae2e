"""What every session with a SQL server gives, whatever its engine."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import partial
from typing import ClassVar, TypeVar

from cockpit.connect.kind import Secret, ServerSettings
from cockpit.connect.observer import ServerSession
from cockpit.connect.rows import first_value, rows_into
from cockpit.connect.settings import Login
from cockpit.connect.sql import looks as sql_looks
from cockpit.connect.sql.connection import DriverConnection

GOODBYE = 0.3
"""Seconds that a question which nobody waits for any more may take to end, before its connection is
cut: most end at once, and the server then hears that we leave. `Connections.close` takes longer."""

Driver = TypeVar("Driver")
Row = TypeVar("Row")
Parameters = Sequence[object] | Mapping[str, object]
Rows = list[dict[str, object]]


class SqlSession(ServerSession[DriverConnection[Driver]]):
    """One statement is in flight at a time. Every failure is a `BlindError`; where the catalogue
    has a finding for the failure, with its code. A commander's statement never runs twice.
    """

    engine: ClassVar[sql_looks.Flavour]
    """Whose syntax a look is checked by."""

    def __init__(
        self, settings: ServerSettings, *, secret: Secret, login: Login | None, read_only: bool
    ) -> None:
        super().__init__(f"{settings.host}:{settings.port}")
        self._secret = secret
        self._login = login or Login(user=settings.user, password=settings.password)
        self._read_only = read_only

    async def rows(self, sql: str, parameters: Parameters = (), *, into: type[Row]) -> list[Row]:
        """See `SqlReads`."""
        rows = await self.dicts(sql, parameters)
        return rows_into(rows, into, mysql=self.engine == "mysql")

    async def value(self, sql: str, parameters: Parameters = ()) -> object:
        """See `SqlReads`."""
        return first_value(await self.dicts(sql, parameters))

    async def dicts(self, sql: str, parameters: Parameters = ()) -> Rows:
        """The rows as they come. Raises `Refused` when an observer is given what does not only
        look.
        """
        if self._read_only:
            sql_looks.check(sql, self.engine)
        return await self._answer(partial(self._ask, sql, parameters), again=self._read_only)

    async def drop(self, connection: DriverConnection[Driver]) -> None:
        """See `ServerSession`."""
        connection.drop()

    async def leave(self, connection: DriverConnection[Driver]) -> None:
        """See `ServerSession`."""
        await connection.leave(GOODBYE)

    @abstractmethod
    async def _ask(
        self, sql: str, parameters: Parameters, connection: DriverConnection[Driver]
    ) -> Rows: ...
