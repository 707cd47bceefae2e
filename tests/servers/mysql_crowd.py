"""Applications on a MySQL server that hold locks and wait for them."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

import pymysql
import pytest

from cockpit.world.servers import mariadb
from tests.patience import at_most
from tests.servers.private import SECRETS


class Crowd:
    """Applications that hold and wait, each waiter in a thread; all are killed at the end."""

    def __init__(self, server: mariadb.MariaDb) -> None:
        self.server = server
        self.connections: list[Any] = []
        self.threads: list[threading.Thread] = []
        self._told: dict[int, str] = {}

    def __enter__(self) -> Crowd:
        return self

    def __exit__(self, *_: object) -> None:
        for connection in self.connections:
            ids = self._as_root(
                f"SELECT id FROM information_schema.processlist WHERE id={connection.thread_id()}"
            )
            if ids:
                self._as_root(f"KILL {connection.thread_id()}")
        for thread in self.threads:
            thread.join(5)
        for connection in self.connections:
            if connection.open:
                connection._force_close()

    def _as_root(self, statement: str) -> list[tuple[Any, ...]]:
        """On a full server root has one place, which its own last session may not have left yet."""
        patience = time.monotonic() + at_most(10)
        while True:
            try:
                return self.server.execute(statement)
            except pymysql.err.OperationalError as error:
                if error.args[0] != 1040 or time.monotonic() > patience:
                    raise
            time.sleep(0.1)

    def open(self) -> Any:
        connection = pymysql.connect(
            host="127.0.0.1",
            port=self.server.port,
            user="app",
            password=SECRETS["T_APP"],
            database="shop",
            ssl_disabled=True,
        )
        self.connections.append(connection)
        return connection

    def hold(self, *statements: str) -> Any:
        connection = self.open()
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
        return connection

    def wait(self, statement: str, *, state: str = "%", after: Sequence[str] = ()) -> Any:
        """`state`: what the server has to say that it does, before this comes back; `after`: what
        the session does first.
        """
        connection = self.hold(*after)
        id_ = connection.thread_id()

        def ask() -> None:
            try:
                with connection.cursor() as cursor:
                    cursor.execute(statement)
            except (pymysql.MySQLError, OSError, AttributeError, ValueError) as error:
                self._told[id_] = str(error.args[0]) if error.args else type(error).__name__
            else:
                self._told[id_] = "ok"

        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        self.threads.append(thread)
        self._until_it_runs(id_, state)
        return connection

    def said(self, connection: Any, *, patience: float = at_most(5)) -> str:
        """What a waiter was told: `ok`, an error's number, or nothing yet, after so many seconds of
        patience.
        """
        end = time.monotonic() + patience
        while (told := self._told.get(connection.thread_id(), "")) == "":
            if time.monotonic() > end:
                break
            time.sleep(0.02)
        return told

    def _until_it_runs(self, id_: int, state: str) -> None:
        """Until the server has the statement, or is through with it."""
        runs = (
            f"SELECT 1 FROM information_schema.processlist WHERE id = {id_} AND command = 'Query'"
            f" AND state LIKE '{state}'"
        )
        end = time.monotonic() + at_most(15)
        while not self.server.execute(runs) and self.threads[-1].is_alive():
            if time.monotonic() > end:
                pytest.fail("the server never got the statement")
            time.sleep(0.02)
