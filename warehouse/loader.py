"""The one loader: every batch is a transaction with its watermark and a check of the result."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import ClassVar, Self

import duckdb

from core.errors import LeaseLost, PermanentError, Unavailable
from core.failpoints import failpoint
from core.settings import Settings
from warehouse import catalog, stores
from warehouse.batch import Batch, LoadRefused, Rules
from warehouse.writer import Writer


class SchemaChanged(PermanentError):
    """The tables were made by another version of the product; a rebuild makes them anew."""

    code = "schema_changed"
    texts: ClassVar[dict[str, str]] = {
        "ru": "Устройство витрины изменилось, её нужно собрать заново: rop warehouse rebuild.",
        "en": "The warehouse schema changed, rebuild it: rop warehouse rebuild.",
    }


STAMP = "SELECT changes, loaded_at FROM load_state"


class Loader:
    """Holds the warehouse open for writing; once another loader has written, this one cannot any more.

    Raises:
        Unavailable: another process has the warehouse open.
        SchemaChanged: it was created by another version of `schema/`.
    """

    def __init__(self, settings: Settings) -> None:
        self._public_url = settings.public_url or ""
        self._connection = stores.of(settings).writer()
        self._writer = Writer(self._connection)
        try:
            self._prepare()
            self._seen = self._stamp()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    @property
    def dimensions_hash(self) -> str:
        """The fingerprint of the dimensions that are loaded."""
        return self._writer.dimensions_hash

    def load(self, batch: Batch) -> int:
        """Make the warehouse show the batch, wholly or not at all; returns how many calls it holds now of the batch.

        Raises:
            LoadRefused: the rows contradict each other.
            LeaseLost: another loader took over.
        """
        with self._transaction():
            if self._stamp() != self._seen:
                raise LeaseLost(ru="Витрину загружает другой процесс.", en="Another loader took the warehouse over.")
            failpoint("load.before_commit")
            loaded = self._writer.write(batch)
            stamp = self._stamp()
            failpoint("load.inside_commit")
        failpoint("load.after_commit")
        self._seen = stamp
        return loaded

    def load_sound(self, batch: Batch) -> dict[str, Rules]:
        """Load the batch without the calls whose rows are refused; returns those, with the rules they break."""
        return _sound(batch, self.load, lambda _: None)

    def _prepare(self) -> None:
        with self._transaction():
            if catalog.is_empty(self._connection):
                catalog.create(self._connection, self._public_url)
            if catalog.tables_are_outdated(self._connection):
                raise SchemaChanged
            moved = catalog.public_url(self._connection) != self._public_url
            if moved or catalog.views_are_outdated(self._connection):
                self._connection.execute("UPDATE load_state SET changes = changes + 1, public_url = ?", [self._public_url])
                catalog.refresh_views(self._connection)

    def _stamp(self) -> object:
        """Changes with every load, whoever makes it."""
        return self._connection.execute(STAMP).fetchone()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException as error:
            # A commit that failed has rolled back by itself.
            with suppress(duckdb.TransactionException):
                self._connection.execute("ROLLBACK")
            if isinstance(error, duckdb.TransactionException):
                raise Unavailable(ru="Витрину одновременно изменил другой процесс.", en="Another process changed the warehouse.") from error
            raise


def rebuild(settings: Settings, batches: Iterable[Batch]) -> dict[str, Rules]:
    """Replace the whole warehouse by what the batches bring; returns the calls that were refused. Nothing changes on an error."""
    refused: dict[str, Rules] = {}
    with stores.of(settings).anew() as connection:
        catalog.create(connection, settings.public_url or "")
        writer = Writer(connection)
        for batch in batches:
            refused |= _sound(batch, writer.write, lambda failed: writer.write(Batch(failed.call_ids)))
    return refused


def _sound(batch: Batch, write: Callable[[Batch], object], undo: Callable[[Batch], object]) -> dict[str, Rules]:
    """Write the batch, or its halves, until only the calls that are refused by themselves are left out."""
    try:
        write(batch)
    except LoadRefused as refusal:
        undo(batch)
        if not batch.call_ids:
            raise
        if len(batch.call_ids) == 1:
            return {batch.call_ids[0]: refusal.fields["rules"]}
        first, second = batch.halves()
        return _sound(first, write, undo) | _sound(second, write, undo)
    return {}
