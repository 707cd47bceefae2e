"""Real servers on loopback: created in a folder, started on a free port, ended by their pid."""
