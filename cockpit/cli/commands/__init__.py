"""The commands, a file each: its name is the command's, and nothing else has to know.

A file has `COMMAND`, a click command whose first line of help the list shows, and where it stands
in that list: `SECTION, PLACE`. It imports nothing heavy before it is called.
"""
