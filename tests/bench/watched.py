"""Four private servers and a cockpit that looks at them at its default pace, for the benches."""

from __future__ import annotations

import asyncio
import contextlib
import http.server
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

import psycopg
import pymysql

from cockpit import sweep
from cockpit.config import Config
from cockpit.connect.mysql.settings import MysqlSettings
from cockpit.connect.net.settings import EndpointSettings
from cockpit.connect.postgres.settings import PostgresSettings
from cockpit.connect.redis.settings import RedisSettings
from cockpit.connect.role import Role
from cockpit.connect.settings import ConnectionSettings
from cockpit.triage.board import Board, BoardChange, BoardEvent, OpenFinding
from cockpit.triage.finding import Severity
from cockpit.triage.registry import registry
from cockpit.triage.store import Store
from cockpit.triage.target import Target
from cockpit.world.servers import mariadb, postgres, valkey
from tests.bench.beside import Beside, beside

MARIADB: dict[str, str | int] = {"max-connections": 40, "innodb-log-file-size": "96M"}
"""With the redo log that it has by default: one of 8 MB is full with every large statement."""
PgSession: TypeAlias = "psycopg.Connection[tuple[object, ...]]"
MySession: TypeAlias = "pymysql.Connection[pymysql.cursors.Cursor]"


class Front(http.server.ThreadingHTTPServer):
    """A web application whose answers are what `answer` says: a status, and seconds before it."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)
        self.answer: Callable[[int], tuple[int, float]] = lambda _: (200, 0.0)
        self.asked = 0
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])


class _Answering(http.server.BaseHTTPRequestHandler):
    server: Front

    def do_GET(self) -> None:
        self.server.asked += 1
        status, late = self.server.answer(self.server.asked)
        time.sleep(late)
        with contextlib.suppress(OSError):
            self.send_response(status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@dataclass
class Shop:
    """The servers, and who talks to them."""

    pg: postgres.PostgresServer
    my: mariadb.MariaDb
    rd: valkey.Valkey
    web: Front
    over: threading.Event = field(default_factory=threading.Event)
    """Set: whoever was begun ends."""
    also: Beside | None = None
    """What stands beside them, where the bench looks at it too."""

    def alone(self) -> Shop:
        """The same servers, with an end of its own: what others begin goes on."""
        return replace(self, over=threading.Event())

    def targets(self) -> tuple[Target, ...]:
        """One of each kind; the databases are meant to be written to."""
        here = "127.0.0.1"
        kinds: dict[str, ConnectionSettings] = {
            "postgres": PostgresSettings(
                host=here, port=self.pg.port, user="postgres", sslmode="disable", expects="writer"
            ),
            "mysql": MysqlSettings(
                host=here, port=self.my.port, user="watch", tls="off", expects="writer"
            ),
            "redis": RedisSettings(host=here, port=self.rd.port, tls=False, expects="writer"),
            "endpoint": EndpointSettings(url=f"http://{here}:{self.web.port}/"),
        }
        return (
            *(Target(name=kind, kind=kind, settings=settings) for kind, settings in kinds.items()),
            *(self.also.targets() if self.also else ()),
        )

    def begin(self, work: Callable[[], object], times: int = 1) -> None:
        """Do it in threads of their own; what the server says of it is no matter."""

        def run() -> None:
            with contextlib.suppress(psycopg.Error, pymysql.Error, OSError):
                work()

        for _ in range(times):
            threading.Thread(target=run, daemon=True).start()

    def again(self, work: Callable[[], object], pause: float = 0.02) -> threading.Thread:
        """Do it again and again until it is over."""
        over = self.over

        def run() -> None:
            while not over.wait(pause):
                with contextlib.suppress(psycopg.Error, pymysql.Error, OSError):
                    work()

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread

    def pg_session(self) -> PgSession:
        """An application's."""
        return psycopg.connect(self.pg.dsn("app"), autocommit=True, application_name="shop")

    def my_session(self) -> MySession:
        """An application's."""
        return pymysql.connect(
            host="127.0.0.1", port=self.my.port, user="app", database="shop", autocommit=True
        )

    def end(self) -> None:
        """End what was begun; the next is begun anew."""
        self.over.set()
        self.over = threading.Event()


@contextlib.contextmanager
def shop(*, whole: bool = False) -> Iterator[Shop]:
    """The servers, with a table of orders. `whole`: with what stands beside them."""
    folder = Path(tempfile.mkdtemp(prefix="cockpit-bench-"))
    folder.chmod(0o755)
    with contextlib.ExitStack() as ends:
        ends.callback(shutil.rmtree, folder, ignore_errors=True)
        pg = postgres.start(postgres.create(folder / "pg"), settings={"max_connections": 40})
        ends.callback(pg.stop)
        my = mariadb.start(mariadb.create(folder / "my"), settings=MARIADB)
        ends.callback(my.stop)
        (folder / "rd").mkdir()
        rd = valkey.start(folder / "rd", settings={"enable-debug-command": "local"})
        ends.callback(rd.stop)
        web = Front()
        ends.callback(web.shutdown)
        pg.execute(
            "CREATE ROLE app LOGIN",
            "CREATE TABLE orders (id int PRIMARY KEY, n int)",
            "INSERT INTO orders SELECT i, 0 FROM generate_series(1, 100000) AS i",
            "GRANT ALL ON orders TO app",
            "ALTER TABLE orders OWNER TO app",
        )
        my.execute(
            "CREATE DATABASE shop",
            "CREATE USER app@'%'",
            "GRANT RELOAD ON *.* TO app@'%'",
            "GRANT ALL ON shop.* TO app@'%'",
            "CREATE USER watch@'%'",
            "GRANT PROCESS, SLAVE MONITOR ON *.* TO watch@'%'",
            "CREATE TABLE shop.orders (id int PRIMARY KEY, n int) ENGINE=InnoDB",
            "INSERT INTO shop.orders SELECT seq, 0 FROM seq_1_to_50000",
            "CREATE TABLE shop.old (id int) ENGINE=MyISAM",
            "INSERT INTO shop.old SELECT seq FROM seq_1_to_1000",
            database="mysql",
        )
        also = ends.enter_context(beside(folder, pg)) if whole else None
        yield Shop(pg, my, rd, web, also=also)


@dataclass(frozen=True)
class Opened:
    """A finding that appeared, and when by the monotonic clock."""

    at: float
    finding: OpenFinding


class Desk:
    """What the cockpit says of the shop."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.opened: list[Opened] = []
        store.subscribe(self._told)

    def _told(self, _: Board, changes: Sequence[BoardChange]) -> None:
        now = time.monotonic()
        self.opened += [
            Opened(now, change.finding)
            for change in changes
            if change.event is BoardEvent.OPENED and change.finding is not None
        ]

    def since(self, at: float, target: str, least: Severity) -> list[Opened]:
        """What has appeared at a target since then."""
        return [
            each
            for each in self.opened
            if each.at >= at
            and each.finding.target == target
            and each.finding.finding.severity >= least
        ]

    def open_at(self, target: str) -> list[OpenFinding]:
        """What is open there now."""
        return [each for each in self._store.board.open.values() if each.target == target]

    async def calm(self, target: str, patience: float = 240.0) -> None:
        """Until nothing worse than information is open there or waits for its second look: what
        is open would not open again. A share of failures is over after a minute and three looks.
        """
        end = time.monotonic() + patience
        left: set[str] = set()
        while time.monotonic() < end:
            board = self._store.board
            both = (*board.open.values(), *board.pending.values())
            grave = (each for each in both if each.finding.severity > Severity.INFO)
            left = {each.finding.code for each in grave if each.target == target}
            if not left:
                return
            await asyncio.sleep(0.5)
        print(f"{target}: {', '.join(sorted(left))} stays", file=sys.stderr, flush=True)


@contextlib.asynccontextmanager
async def watching(there: Shop) -> AsyncIterator[Desk]:
    """A cockpit that looks, as it does by default, from ten seconds ago."""
    config = Config(path=Path("cockpit.toml"), environment="bench", targets=there.targets())
    connections, store = sweep.connections(config, Role.TRIAGE), Store()
    engine = sweep.engine(
        sweep.looks(config, registry()), connections, store=store, debug=lambda _: ""
    )
    desk, looking = Desk(store), asyncio.create_task(engine.run())
    try:
        await asyncio.sleep(10)
        yield desk
    finally:
        looking.cancel()
        await asyncio.wait({looking})
        await connections.close()
