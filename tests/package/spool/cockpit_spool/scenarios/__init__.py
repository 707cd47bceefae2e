"""Scenarios with a spool folder beside the shop."""
