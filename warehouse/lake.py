"""The warehouse of many hosts: DuckLake with its catalog in PostgreSQL and Parquet files in a folder or on S3.

`python -m warehouse.lake` fills it from the embedded warehouse of `ROP_HOME`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
from sqlalchemy import make_url

from core.errors import Unavailable
from core.settings import Settings, load
from warehouse import catalog, extensions, sql
from warehouse.batch import DIMENSIONS, FACTS
from warehouse.embedded import Embedded
from warehouse.stores import Connection, NotPublished, instance

CATALOG = "rop_catalog"
LAKE = "rop_lake"


class Lake:
    """`Store` on a DuckLake. Rows always go to Parquet files: inlined ones meet open defects of DuckLake."""

    def __init__(self, settings: Settings) -> None:
        assert settings.lake_catalog is not None  # noqa: S101  the caller chose this back end by it
        self._settings = settings
        self._url = make_url(settings.lake_catalog.get_secret_value())
        self._data = settings.lake_data or str(settings.warehouse_dir / "lake")

    def writer(self) -> Connection:
        connection = self._connect()
        self._make_schema(connection)
        if "://" not in self._data:
            Path(self._data).mkdir(parents=True, exist_ok=True)
        self._attach(connection, "DATA_INLINING_ROW_LIMIT 0")
        connection.execute("CALL warehouse.set_option('parquet_compression', 'zstd')")
        return connection

    def reader(self, *, external: bool) -> Connection:
        connection = self._connect()
        try:
            self._attach(connection, "READ_ONLY", "CREATE_IF_NOT_EXISTS false")
            empty = catalog.is_empty(connection)
        except duckdb.Error as error:
            connection.close()
            if "does not exist" in str(error):
                raise NotPublished from error
            raise
        if empty:
            connection.close()
            raise NotPublished
        if not external:
            connection.execute(f"SET allowed_directories = [{sql.literal(self._data.rstrip('/') + '/')}]")
            connection.execute("SET enable_external_access = false")
            connection.execute("SET lock_configuration = true")
        return connection

    @contextmanager
    def anew(self) -> Iterator[Connection]:
        with self.writer() as connection:
            connection.execute("BEGIN")
            for kind, column in (("VIEW", "view_name"), ("TABLE", "table_name")):
                for (name,) in connection.execute(EVERYTHING.format(kind=kind.lower(), column=column)).fetchall():
                    connection.execute(f"DROP {kind} {sql.quoted(name)}")
            yield connection
            connection.execute("COMMIT")

    def _connect(self) -> Connection:
        """A connection with the extensions and secrets; passwords live in secrets, where no query can see them."""
        connection = instance(self._settings)
        extensions.load(connection, "ducklake", "postgres_scanner")
        connection.execute(f"CREATE SECRET {CATALOG} ({_options(self._catalog())})")
        if self._data.startswith("s3://"):
            extensions.load(connection, "httpfs")
            connection.execute(f"CREATE SECRET ({_options(self._storage())})")
        parameters = f"MAP {{'TYPE': 'postgres', 'SECRET': '{CATALOG}'}}"
        place = _options({"TYPE": "ducklake", "METADATA_PATH": "", "METADATA_SCHEMA": self._settings.lake_schema, "DATA_PATH": self._data})
        connection.execute(f"CREATE SECRET {LAKE} ({place}, METADATA_PARAMETERS {parameters})")
        return connection

    def _attach(self, connection: Connection, *options: str) -> None:
        with _reaching():
            connection.execute(f"ATTACH 'ducklake:{LAKE}' AS warehouse ({', '.join(options)})")
        connection.execute("USE warehouse")

    def _make_schema(self, connection: Connection) -> None:
        with _reaching():
            connection.execute(f"ATTACH '' AS catalog_database (TYPE postgres, SECRET {CATALOG})")
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS catalog_database.{sql.quoted(self._settings.lake_schema)}")
        connection.execute("DETACH catalog_database")

    def _catalog(self) -> dict[str, str]:
        url = self._url
        host = url.host or str(url.query.get("host", ""))
        wanted = {"HOST": host, "PORT": str(url.port or ""), "USER": url.username, "PASSWORD": url.password, "DATABASE": url.database}
        return {"TYPE": "postgres"} | {name: value for name, value in wanted.items() if value}

    def _storage(self) -> dict[str, str]:
        settings = self._settings
        keys = {"KEY_ID": settings.lake_s3_key, "SECRET": settings.lake_s3_secret}
        options = {"TYPE": "s3", "REGION": settings.lake_s3_region, "USE_SSL": str(settings.lake_s3_tls).lower()}
        options |= {name: value.get_secret_value() for name, value in keys.items() if value}
        if settings.lake_s3_endpoint:
            options |= {"ENDPOINT": settings.lake_s3_endpoint, "URL_STYLE": "path"}
        return options


STATE = """
    UPDATE load_state SET changes = s.changes, loaded_seq = s.loaded_seq, loaded_at = s.loaded_at,
        dimensions_hash = s.dimensions_hash
    FROM embedded.load_state s
"""
EVERYTHING = """
    SELECT {column} FROM duckdb_{kind}s() WHERE database_name = current_database() AND NOT internal
"""


@contextmanager
def _reaching() -> Iterator[None]:
    """Names the trouble of a catalog that does not answer, without its address and password."""
    try:
        yield
    except duckdb.IOException as error:
        raise Unavailable(ru="Каталог витрины недоступен.", en="The catalog of the warehouse cannot be reached.") from error


def _options(options: dict[str, str]) -> str:
    return ", ".join(f"{name} {sql.literal(value)}" for name, value in options.items())


def maintain(settings: Settings) -> int:
    """Compact the lake, expire old snapshots and delete files that nothing needs; returns how many files were deleted.

    Nobody may write meanwhile: the caller holds the loader's lease.
    """
    deleted = 0
    with Lake(settings).writer() as connection:
        for statement in connection.extract_statements(sql.read("loading/maintenance.sql").format(keep=settings.lake_keep_seconds)):
            found = connection.execute(statement).fetchall()
            deleted += len(found) if "cleanup" in statement.query or "orphaned" in statement.query else 0
    return deleted


def adopt(settings: Settings, source: Path) -> int:
    """Fill the lake from the private file of an embedded warehouse, replacing what it holds; returns how many calls moved.

    The file's tables must be of this version; nobody may load either meanwhile.
    """
    with Lake(settings).anew() as connection:
        connection.execute(f"ATTACH {sql.literal(str(source))} AS embedded (READ_ONLY)")
        catalog.create(connection, settings.public_url or "")
        for name in (*DIMENSIONS, *FACTS):
            order = "ORDER BY day" if name in FACTS else ""
            connection.execute(f"INSERT INTO {name} BY NAME SELECT * FROM embedded.{name} {order}")  # noqa: S608  constants
        connection.execute(STATE)
        catalog.refresh_views(connection)
        row = connection.execute("SELECT count(*) FROM fact_call").fetchone()
    return int(row[0]) if row else 0


def main() -> None:
    """Move the embedded warehouse of this machine into the lake that the settings name."""
    settings = load()
    calls = adopt(settings, Embedded(settings).private)
    print(f"Перенесено звонков: {calls}.")  # noqa: T201  a command


if __name__ == "__main__":
    main()
