"""`python -m cockpit.cli`."""

from cockpit.cli.main import main

main()
