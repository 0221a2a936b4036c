"""The analysts' warehouse: facts and dimensions in DuckDB, loaded by one loader, read by everybody.

`connect()` and `query()` are all that a reader needs.
"""

from warehouse.readers import connect, query

__all__ = ["connect", "query"]
