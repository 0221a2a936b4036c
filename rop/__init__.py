"""The `rop` command: the stack of one machine, keys, definitions, calls, queries."""
