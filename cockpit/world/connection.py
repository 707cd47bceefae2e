"""One HTTP/1.1 connection of a client, as werkzeug serves it, without a word on stderr."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from moto.moto_server.werkzeug_app import MotoRequestHandler


class Connection(MotoRequestHandler):
    """Keeps connections open, and puts itself where faults can find it."""

    protocol_version = "HTTP/1.1"
    timeout = 60
    disable_nagle_algorithm = True

    def make_environ(self) -> dict[str, Any]:
        """The request, with the way to its connection."""
        environ: dict[str, Any] = super().make_environ()
        environ["cockpit.connection"] = self
        return environ

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002
        """Say nothing: requests are in the call log, errors go through the server."""

    def handle(self) -> None:
        """Serve until the client or a fault ends the connection."""
        with contextlib.suppress(OSError, ValueError):
            super().handle()

    def finish(self) -> None:
        """Close, also when a fault has closed before."""
        with contextlib.suppress(OSError, ValueError):
            super().finish()


def error_log(file: Path | None) -> Callable[..., None]:
    """What a server calls for an error of ours; None: it is not kept."""

    def log(kind: str, message: str, *args: Any) -> None:
        if kind == "error" and file is not None:
            with file.open("a", encoding="utf-8") as output:
                output.write((message % args if args else message) + "\n")

    return log
