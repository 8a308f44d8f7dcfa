"""`python -m services` is the command `headcount`, wherever its script lies."""

from services.cli import main

main()
