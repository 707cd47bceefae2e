"""What piles up in the catalog behind a schema change that waits for an idle reader.

Real sessions in threads of their own: each blocks in its driver. They end with the process.
"""

from __future__ import annotations

import threading
import time
from typing import Any

_READ = "SELECT id, name, price FROM products WHERE id = %s"
_CHANGE = "ALTER TABLE products ADD COLUMN weight int"
_PAUSE = 0.5


class SchemaChangeQueue:
    """An open transaction that has read, a schema change behind it, and readers behind that.

    It is over when the change or the open transaction is ended; the change is not tried again.
    """

    def __init__(self, port: int, password: str, *, readers: int) -> None:
        self._port = port
        self._password = password
        self._readers = readers
        self._waiting = 0
        self._read = threading.Event()
        self.full = threading.Event()
        """Set once every reader has asked."""
        self.over = threading.Event()

    def start(self) -> None:
        """Begin: the reader first, then the change, then the crowd."""
        self._spawn(self._hold)
        self._read.wait(5)
        self._spawn(self._change)
        time.sleep(0.3)
        for _ in range(self._readers):
            self._spawn(self._wait)

    def _spawn(self, work: Any) -> None:
        threading.Thread(target=work, daemon=True).start()

    def _hold(self) -> None:
        """Read in a transaction, and leave it open until the session is ended."""
        import pymysql

        try:
            connection = self._connect(user="search", autocommit=False)
            with connection.cursor() as cursor:
                cursor.execute(_READ, (1,))
                self._read.set()
                while not self.over.is_set():
                    time.sleep(_PAUSE)
                    if _was_ended(connection):
                        self.over.set()
                self.over.wait()
        except pymysql.MySQLError:
            self._read.set()

    def _change(self) -> None:
        """The migration, without a lock_wait_timeout."""
        import pymysql

        try:
            with self._connect(user="root", autocommit=True) as connection:
                connection.cursor().execute(_CHANGE)
        except pymysql.MySQLError:
            pass
        finally:
            self.over.set()

    def _wait(self) -> None:
        """A search: tried again until the queue is gone."""
        import pymysql

        while not self.over.is_set():
            try:
                with self._connect(user="search", autocommit=True) as connection:
                    self._waiting += 1
                    if self._waiting >= self._readers:
                        self.full.set()
                    connection.cursor().execute(_READ, (2,))
            except pymysql.MySQLError:
                time.sleep(_PAUSE)

    def _connect(self, *, user: str, autocommit: bool) -> Any:
        import pymysql

        return pymysql.connect(
            host="127.0.0.1",
            port=self._port,
            user=user,
            password=self._password if user == "search" else "",
            database="catalog",
            autocommit=autocommit,
            ssl_disabled=True,
            connect_timeout=3,
        )


def _was_ended(connection: Any) -> bool:
    """Whether the server closed the session: an idle one has nothing to say otherwise."""
    import select

    readable, _, _ = select.select([connection._sock], [], [], 0)  # noqa: SLF001
    return bool(readable)
