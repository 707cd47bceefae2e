"""Names, connections, certificates and HTTP, each rung of its own."""
