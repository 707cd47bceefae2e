"""Witnesses inside the shop's own servers: every statement and command that the cockpit sends."""

from __future__ import annotations

import json
import re
import threading
import urllib.request
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pymysql
import redis

from cockpit.world.launch import World
from tests.e2e.seat import OWNER, prepared
from tests.patience import at_most

APPLICATION = "incident-cockpit"
_LAST = "nothing is heard after this"


@dataclass
class Referee:
    """Begins to listen when it is made; everything until `end` was heard."""

    world: World
    heard: list[tuple[str, str]] = field(default_factory=list)
    """(address, command) of everything that the sessions cache was sent."""

    def __post_init__(self) -> None:
        self.ports, self.secrets = prepared(self.world).ports, prepared(self.world).secrets
        self.orders("ALTER ROLE cockpit_ro SET log_statement = 'all'")
        self.orders("ALTER ROLE cockpit_ops SET log_duration = 'on'")
        for role in ("cockpit_ro", "cockpit_ops"):
            self.orders(f"ALTER ROLE {role} SET log_min_messages = 'log'")
        if self.ports.catalog:
            self.catalog("SET GLOBAL log_output = 'TABLE'")
            self.catalog("SET GLOBAL general_log = 1")
        self._listening = threading.Event()
        self._ear = redis.Redis(host="127.0.0.1", port=self.ports.sessions)
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        assert self._listening.wait(at_most(15))

    def orders(self, sql: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(
            host="127.0.0.1",
            port=self.ports.orders,
            dbname="orders",
            user=OWNER,
            password=self.secrets.owner,
            sslmode="disable",
            autocommit=True,
            application_name="referee",
        ) as connection:
            cursor = connection.execute(sql)
            return cursor.fetchall() if cursor.description else []

    def catalog(self, sql: str) -> list[tuple[Any, ...]]:
        connection = pymysql.connect(host="127.0.0.1", port=self.ports.catalog, user="root")
        with connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())

    def log_of_orders(self) -> list[str]:
        """Every statement that the observer sent to PostgreSQL, whole."""
        return [one for one in self._entries() if re.search(r"LOG:  (statement|execute)", one)]

    def acts_in_orders(self) -> list[str]:
        """A line for each statement that the commander's login sent to PostgreSQL."""
        return [one for one in self._entries() if "LOG:  duration:" in one]

    def _entries(self) -> list[str]:
        """The server's log; a statement of several lines goes on with tabs."""
        text = (self.world.folder / "orders" / "log").read_text(errors="replace")
        return text.replace("\n\t", " ").splitlines()

    def log_of_catalog(self) -> list[tuple[str, str]]:
        """(login, statement) of the cockpit's users in MariaDB."""
        if not self.ports.catalog:
            return []
        rows = self.catalog(
            "SELECT user_host, argument FROM mysql.general_log WHERE user_host LIKE '%cockpit%'"
        )
        return [(str(user), _text(argument)) for user, argument in rows]

    def commands(self) -> list[str]:
        """What the cockpit sent to Valkey: the connections that named themselves so."""
        ours = {addr for addr, words in self.heard if f"SETNAME {APPLICATION}" in words}
        return [words for addr, words in self.heard if addr in ours]

    def calls(self) -> list[dict[str, Any]]:
        """What the AWS front was asked by others than the shop itself."""
        url = f"{self.world.status().control}/calls"
        with urllib.request.urlopen(url, timeout=at_most(10)) as answer:
            return [call for call in json.loads(answer.read()) if call["who"] != "shop"]

    def end(self) -> None:
        self._ear.echo(_LAST)
        self._thread.join(at_most(15))
        assert not self._thread.is_alive()
        self._ear.close()

    def _listen(self) -> None:
        """Until the last word. No timeout: it would end the connection, and with it the monitor."""
        with (
            suppress(redis.exceptions.ConnectionError),  # the world ended before
            self._ear.monitor() as monitor,  # type: ignore[no-untyped-call]
        ):
            self._listening.set()
            while _LAST not in (command := str((told := monitor.next_command())["command"])):
                self.heard.append((f"{told['client_address']}:{told['client_port']}", command))


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
