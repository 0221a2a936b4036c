"""The domain, pure: what a checklist and a table are, what a transcript is, and how findings become results.

Nothing here does I/O beyond reading the YAML files that ship with the product.
"""
