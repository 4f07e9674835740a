"""`python -m camlite`: the same as the command `camlite`; torchrun needs it."""

from camlite.cli import main

main()
