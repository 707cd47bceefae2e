"""Scripted servers on loopback for the shop and for tests: web sites, names, odd ports.

Every server binds free ports of 127.0.0.1 to 127.0.0.3, runs in the caller's event loop, and is an
asynchronous context manager or has `start()` and `close()`.
"""

from cockpit.world.net.certificates import Authority, Issued
from cockpit.world.net.names import DnsAnswer, Names
from cockpit.world.net.oddities import Oddity
from cockpit.world.net.web import Behaviour, Request, Web

__all__ = ["Authority", "Behaviour", "DnsAnswer", "Issued", "Names", "Oddity", "Request", "Web"]
