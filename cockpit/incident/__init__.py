"""What happened: the journal and the views of it."""
