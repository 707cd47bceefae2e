"""The sites and names of the shop in a process of their own: `python -m cockpit.world.sites`.

They are looked at with a clock, so they must not share an interpreter with a busy AWS. Lines on the
standard input change them (`present NAME`); its end ends them.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from cryptography import x509

from cockpit.world import layout
from cockpit.world.net import Behaviour, DnsAnswer, Issued, Names, Web

_STATUS = '{"status": {"indicator": "none", "description": "All Systems Operational"}}\n'
_PAGE = "<html><title>shop</title><h1>Welcome to the shop</h1></html>\n"


class Sites:
    """The front of the shop, the payment provider, and the resolver that knows both."""

    def __init__(self, folder: Path, told: dict[str, Any]) -> None:
        self._folder = folder
        self._ports: dict[str, int] = told["ports"]
        addresses = tuple(told["addresses"])
        self.front = Web(certificate=self.certificate(told["front"]))
        self.front.paths = {"/": Behaviour(body=_PAGE)}
        self.payments = Web(addresses=addresses, certificate=self.certificate("payments"))
        self.payments.paths = {
            "/v1/status": Behaviour(body='{"status": "operational"}\n'),
            "/api/v2/status.json": Behaviour(body=_STATUS),
        }
        zone = {
            layout.FRONT_HOST: DnsAnswer(a=("127.0.0.1",), ttl=30),
            layout.PAYMENTS_HOST: DnsAnswer(a=addresses, ttl=30, rotate=True),
            layout.STATUS_HOST: DnsAnswer(a=addresses[:1], ttl=30),
        }
        self.names = Names(zone, wanted=self._ports["names"])

    def certificate(self, name: str) -> Issued:
        """A certificate that the world wrote into the folder."""
        chain = (self._folder / f"{name}.chain.pem").read_bytes()
        key = (self._folder / f"{name}.key.pem").read_bytes()
        return Issued(key, chain, x509.load_pem_x509_certificate(chain))

    async def start(self) -> None:
        """Listen on the ports that the configuration names."""
        await self.names.start()
        for site, port in (
            (self.front, self._ports["front"]),
            (self.payments, self._ports["payments"]),
        ):
            site.port = port
            for address in site.addresses:
                await site.reopen(address)

    def obey(self, line: str) -> None:
        """One line of the world's: `present CERTIFICATE`, `name HOST RCODE`, `sick STATUS`, or
        `answer STATUS SECONDS`: how the third party answers, and after how long.
        """
        match line.split():
            case ["present", name]:
                self.front.certificate = self.certificate(name)
            case ["name", host, rcode]:
                self.names.zone[host] = replace(self.names.zone[host], rcode=rcode)
            case ["answer", status, seconds]:
                headers = (("Retry-After", "30"),) if status == "429" else ()
                told = Behaviour(int(status), headers=headers, delay=float(seconds))
                self.payments.paths["/v1/status"] = told
            case ["sick", status]:
                sick = Behaviour(status=int(status), body="upstream connect error\n")
                self.payments.by_address[self.payments.addresses[-1]] = sick


async def _serve(folder: Path) -> None:
    sites = Sites(folder, json.loads((folder / "sites.json").read_text()))
    await sites.start()
    print("ready", flush=True)
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        sites.obey(line.decode())


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asyncio.run(_serve(Path(sys.argv[1])))
