"""The kind `mysql`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cockpit.connect.kind import Door, Kind, off_loop
from cockpit.connect.mysql.settings import MysqlSettings
from cockpit.connect.session import Acts

if TYPE_CHECKING:
    from cockpit.connect.mysql.session import Mysql

_MODULE = "cockpit.connect.mysql.session"


async def _open(settings: MysqlSettings, door: Door) -> Mysql:
    await off_loop(_MODULE)
    from cockpit.connect.mysql.session import open_mysql

    return await open_mysql(settings, secret=await door.secret(settings))


async def _open_acts(settings: MysqlSettings, door: Door) -> Acts:
    await off_loop("cockpit.connect.mysql.acts")
    from cockpit.connect.mysql.acts import open_mysql_acts

    return await open_mysql_acts(settings, secret=await door.secret(settings, acting=True))


KIND = Kind(
    name="mysql",
    short="mysql",
    settings=MysqlSettings,
    open=_open,
    open_acts=_open_acts,
    words={
        "tls": ("verify", "encrypt", "off"),
        "expects": ("any", "writer", "reader"),
    },
)
