"""Memcached nodes."""
