"""Athena workgroups: do their queries end well, and is the table that they read as it should be."""
