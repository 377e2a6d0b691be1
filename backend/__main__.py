"""`python -m backend` is the program `sheaf`."""

from backend.cli import main

main()
