"""Runbooks for spool folders."""
