"""`python -m rop` is the `rop` command."""

from rop.cli import main

main()
