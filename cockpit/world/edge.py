"""What the internet sees of the shop, and the third party: certificates, and who presents them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

from cockpit.errors import CockpitError
from cockpit.world import layout
from cockpit.world.net import Authority, Issued
from cockpit.world.prepare import PreparedWorld, addresses

_PATIENCE = 60.0


class Edge:
    """Certificates of the shop, and the process of its sites."""

    def __init__(self, prepared: PreparedWorld) -> None:
        self._home = prepared.folder
        self._folder = prepared.folder / "sites"
        self._ports = prepared.ports
        self._process: asyncio.subprocess.Process | None = None
        self.certificates: dict[str, Issued] = {}
        """What ACM holds, by the names in the layout."""

    def issue(self) -> None:
        """Make the certificates, before anybody needs one."""
        self._authority = Authority(self._home)
        self._folder.mkdir(mode=0o700, exist_ok=True)
        names = (layout.FRONT_HOST,)
        self.certificates = {
            "front-2025": self._authority.issue(names=names, days=60),
            "front-2026": self._authority.issue(names=names, days=365),
        }
        payments = self._authority.issue(names=(layout.PAYMENTS_HOST, layout.STATUS_HOST), days=120)
        for name, issued in (*self.certificates.items(), ("payments", payments)):
            self._write(name, issued)

    def expire(self, name: str) -> None:
        """The certificate of this name ran out."""
        expired = self._authority.issue("expired", names=(layout.FRONT_HOST,))
        self.certificates[name] = expired
        self._write(name, expired)

    def present(self, arn: str) -> None:
        """Present the certificate with this ARN to the next client; another ARN changes nothing."""
        for name, known in layout.CERTIFICATES.items():
            if known == arn:
                self.tell(f"present {name}")

    def tell(self, line: str) -> None:
        """One line for the process of the sites; see `Sites.obey`."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.write(f"{line}\n".encode())

    async def start(self, born: Callable[[int, str], None]) -> None:
        """Start the sites; `born` is told the process id. Raises `CockpitError` when they fail."""
        ports = {
            "front": self._ports.front,
            "payments": self._ports.payments,
            "names": self._ports.names,
        }
        told = {"ports": ports, "addresses": list(addresses()), "front": "front-2025"}
        (self._folder / "sites.json").write_text(json.dumps(told))
        with (self._folder / "log").open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",
                "-m",
                "cockpit.world.sites",
                str(self._folder),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                start_new_session=True,
                env=_environment(),
            )
        born(self._process.pid, "sites")
        assert self._process.stdout is not None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                if await self._process.stdout.readline() == b"ready\n":
                    return
        raise CockpitError("the sites of the shop did not start", hint=self._said())

    async def close(self) -> None:
        """End the sites."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(2):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    def _write(self, name: str, issued: Issued) -> None:
        (self._folder / f"{name}.chain.pem").write_bytes(issued.chain)
        path = self._folder / f"{name}.key.pem"
        path.touch(mode=0o600)
        path.write_bytes(issued.key)

    def _said(self) -> str:
        return (self._folder / "log").read_text(errors="replace")[-800:].strip()


def _environment() -> dict[str, str]:
    root = str(Path(__file__).resolve().parents[2])
    known = os.environ.get("PYTHONPATH", "")
    path = os.pathsep.join(dict.fromkeys(part for part in (root, *known.split(":")) if part))
    return {**os.environ, "PYTHONPATH": path}
