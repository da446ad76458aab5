"""One private PostgreSQL for the whole run, and in it databases that the tests find empty."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from benchmarks.postgres import Server
from testing_platform.db import Base, Database

__all__ = ["Postgres", "Server", "database_of", "emptied", "started"]

# Making a database takes the server a tenth of a second; emptying one, little.
EMPTY = """
DO $$
DECLARE one record; used boolean;
BEGIN
    SET LOCAL session_replication_role = replica;
    FOR one IN SELECT oid::regclass AS name FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace LOOP
        EXECUTE format('SELECT EXISTS (SELECT 1 FROM %s)', one.name) INTO used;
        IF used THEN EXECUTE format('DELETE FROM %s', one.name); END IF;
    END LOOP;
    FOR one IN SELECT format('%I', sequencename) AS name FROM pg_sequences WHERE schemaname = 'public' AND last_value IS NOT NULL LOOP
        PERFORM setval(one.name::regclass, 1, false);
    END LOOP;
END $$
"""


def clean(url: str) -> None:
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(EMPTY)


def emptied(db: Database) -> None:
    """Our tables without a row."""
    if not db.sqlite:
        clean(db.url)
        return
    with db.write() as session:
        for table in reversed(Base.metadata.sorted_tables):
            session.execute(table.delete())


class Postgres:
    def __init__(self, server: Server) -> None:
        self.server = server
        self.free: list[str] = []
        self.count = 0

    @contextmanager
    def fresh(self) -> Iterator[str]:
        """The address of a database that has our tables and no row, until the block ends."""
        if self.free:
            url = self.free.pop()
            clean(url)
        else:
            url = self.empty()
            first = Database(url)
            Base.metadata.create_all(first.engine)
            first.close()
        yield url
        self.free.append(url)

    def empty(self) -> str:
        """The address of a database without tables."""
        self.count += 1
        return self.server.create(f"test_{self.count}")


@contextmanager
def database_of(kind: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of an empty database on PostgreSQL; on SQLite it is in the data folder."""
    if kind == "sqlite":
        yield ""
        return
    with request.getfixturevalue("postgres").fresh() as url:
        yield url


@contextmanager
def started() -> Iterator[Postgres]:
    with Server() as server:
        yield Postgres(server)
