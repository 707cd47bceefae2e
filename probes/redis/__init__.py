"""Redis and Valkey servers."""
