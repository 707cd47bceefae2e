"""Memcached."""
