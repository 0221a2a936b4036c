"""The operational database, the truth of the product: models, migrations, and repositories named by intention.

Each repository module owns its tables; every function takes a SQLAlchemy `Session` and leaves the commit to the caller.
"""
