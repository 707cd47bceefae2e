"""Lines of logs: where those of a target are, how they are read, and what they have in common."""
