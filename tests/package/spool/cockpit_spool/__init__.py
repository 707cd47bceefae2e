"""Folders in which files wait to be sent, as a kind of target."""
