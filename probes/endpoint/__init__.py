"""Endpoints, as seen from here: DNS, TCP, TLS, HTTP."""
