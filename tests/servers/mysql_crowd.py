"""Applications on a MySQL server that hold locks and wait for them."""

from __future__ import annotations

import threading
import time
from typing import Any

import pymysql

from cockpit.world.servers import mariadb
from tests.servers.private import SECRETS


class Crowd:
    """Applications that hold and wait, each waiter in a thread; all are killed at the end."""

    def __init__(self, server: mariadb.MariaDb) -> None:
        self.server = server
        self.connections: list[Any] = []
        self.threads: list[threading.Thread] = []

    def __enter__(self) -> Crowd:
        return self

    def __exit__(self, *_: object) -> None:
        for connection in self.connections:
            ids = self.server.execute(
                f"SELECT id FROM information_schema.processlist WHERE id={connection.thread_id()}"
            )
            if ids:
                self.server.execute(f"KILL {connection.thread_id()}")
        for thread in self.threads:
            thread.join(5)
        for connection in self.connections:
            if connection.open:
                connection._force_close()

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

    def wait(self, statement: str) -> Any:
        connection = self.open()

        def ask() -> None:
            try:
                with connection.cursor() as cursor:
                    cursor.execute(statement)
            except (pymysql.MySQLError, OSError, AttributeError, ValueError):
                return

        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        self.threads.append(thread)
        time.sleep(0.05)
        return connection
