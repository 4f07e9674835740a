"""`python -m camlite`: the same as the command `camlite`; torchrun needs it."""

from camlite.course.cli import main

main()
