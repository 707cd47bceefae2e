"""What a commander may do at PgBouncer's console: let clients on that it holds back.

Source: PgBouncer documentation, "Admin console": PAUSE, RESUME, DISABLE, ENABLE, RECONNECT.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cockpit.connect.kind import Secret
from cockpit.connect.observer import sent
from cockpit.connect.postgres.pooler import PgBouncer, open_pgbouncer
from cockpit.connect.postgres.pooler_settings import CONSOLE, PgBouncerSettings
from cockpit.connect.secrets import resolve_async
from cockpit.connect.session import Acts, Right
from cockpit.connect.settings import commanders_login
from cockpit.connect.sql.acts import became
from cockpit.connect.statements import checked, statement
from cockpit.errors import Refused

_COMMANDS = {
    "resume_database": "RESUME",
    "enable_database": "ENABLE",
    "reconnect_database": "RECONNECT",
}


@dataclass(frozen=True, slots=True)
class PooledNow:
    """A database of the pooler, as the console lists it."""

    name: str
    paused: int = 0
    disabled: int = 0


@dataclass(frozen=True, slots=True)
class ConsoleSetting:
    """A setting of the pooler."""

    key: str
    value: str | None = None


class PgBouncerActs:
    """A commander's session for one approved plan."""

    def __init__(self, console: PgBouncer, user: str) -> None:
        self._console = console
        self._user = user

    async def run(self, call: str, arguments: Mapping[str, object]) -> Mapping[str, object]:
        """See `Acts`. Raises `Refused` where the database is not, or not any more, held back."""
        known = statement(call, "pgbouncer")
        name = str(checked(known, arguments)["database"])
        before = await self._database(name)
        if call == "resume_database" and not before.paused:
            raise Refused(f"database {name!r} is not paused any more: nothing was sent")
        if call == "enable_database" and not before.disabled:
            raise Refused(f"database {name!r} is not disabled any more: nothing was sent")
        quoted = name.replace('"', '""')
        await sent(self._console.dicts(f'{_COMMANDS[call]} "{quoted}"'))
        now = await became(self._database(name), what="the command")
        match call:
            case "resume_database":
                done, left = not now.paused, "it is still paused"
            case "enable_database":
                done, left = not now.disabled, "it is still disabled"
            case _:
                done, left = True, ""
        return {"done": done, "detail": left if not done else f"{_COMMANDS[call]} {name}: done"}

    async def may(self, call: str, arguments: Mapping[str, object]) -> Right:
        """See `TellsRights`."""
        checked(statement(call, "pgbouncer"), arguments)
        rows = await self._console.rows("SHOW CONFIG", into=ConsoleSetting)
        admins = next((row.value for row in rows if row.key == "admin_users"), None)
        if admins is None:
            return Right(None, "PgBouncer does not tell its admin_users")
        names = {name.strip() for name in admins.split(",")}
        if self._user in names or "*" in names:
            return Right(held=True)
        grant = f"admin_users = {self._user}   -- pgbouncer.ini, then RELOAD"
        return Right(False, "is not in admin_users", grant)

    async def close(self) -> None:
        """See `Acts`."""
        await self._console.close()

    async def _database(self, name: str) -> PooledNow:
        rows = await self._console.rows("SHOW DATABASES", into=PooledNow)
        found = next((row for row in rows if row.name == name != CONSOLE), None)
        if found is None:
            raise Refused(f"PgBouncer has no database {name!r}: nothing was sent")
        return found


async def open_pgbouncer_acts(
    settings: PgBouncerSettings, *, secret: Secret = resolve_async
) -> Acts:
    """The commander's session: named commands only, with the commander's login."""
    login = commanders_login(settings)
    console = await open_pgbouncer(settings, secret=secret, login=login, read_only=False)
    return PgBouncerActs(console, login.user)
