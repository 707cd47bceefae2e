"""What the internet sees of the shop, and the third party: HTTPS sites, names, certificates."""

from __future__ import annotations

from cockpit.world import layout
from cockpit.world.net import Answer, Authority, Behaviour, Issued, Names, Web
from cockpit.world.prepare import Prepared, addresses

_PAGE = "<html><title>shop</title><h1>Welcome to the shop</h1></html>\n"


class Edge:
    """The front of the shop, the payment provider, and the resolver that knows both."""

    def __init__(self, prepared: Prepared) -> None:
        authority = Authority(prepared.folder)
        names = (layout.FRONT_HOST,)
        self.certificates: dict[str, Issued] = {
            "front-2025": authority.issue(names=names, days=60),
            "front-2026": authority.issue(names=names, days=365),
        }
        """What ACM holds, by the names in the layout."""
        self._authority = authority
        self._ports = prepared.ports
        self.front = Web(certificate=self.certificates["front-2025"])
        self.front.paths = {"/": Behaviour(body=_PAGE)}
        self.payments = Web(
            addresses=addresses(),
            certificate=authority.issue(names=(layout.PAYMENTS_HOST,), days=120),
        )
        self.payments.paths = {"/v1/status": Behaviour(body='{"status": "operational"}\n')}
        zone = {
            layout.FRONT_HOST: Answer(a=("127.0.0.1",), ttl=30),
            layout.PAYMENTS_HOST: Answer(a=addresses(), ttl=30, rotate=True),
        }
        self.names = Names(zone, wanted=prepared.ports.names)

    def expire(self, name: str) -> None:
        """The certificate of this name ran out."""
        expired = self._authority.issue("expired", names=(layout.FRONT_HOST,))
        self.certificates[name] = expired

    def present(self, arn: str) -> bool:
        """Present the certificate with this ARN to the next client; False for another ARN."""
        for name, known in layout.CERTIFICATES.items():
            if known == arn:
                self.front.certificate = self.certificates[name]
                return True
        return False

    async def start(self) -> None:
        """Listen on the ports that the configuration names."""
        await self.names.start()
        for site, port in ((self.front, self._ports.front), (self.payments, self._ports.payments)):
            site.port = port
            for address in site.addresses:
                await site.reopen(address)

    async def close(self) -> None:
        """Stop listening."""
        await self.front.close()
        await self.payments.close()
        await self.names.close()
