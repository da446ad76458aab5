"""One application for a whole module, emptied between its tests: making one costs more than most of these tests."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Table, select

from testing_platform.app import create_app
from testing_platform.db import Base, Database
from testing_platform.settings import Settings
from testing_platform.web.frame import Frame
from tests.postgres import emptied

__all__ = ["app", "db", "once", "settings"]


@pytest.fixture(scope="module")
def settings(module_settings: Settings) -> Settings:
    return module_settings


@pytest.fixture(scope="module")
def app(module_settings: Settings, module_db: Database) -> Frame:
    return create_app(module_settings, module_db)


@pytest.fixture
def db(module_db: Database) -> Iterator[Database]:
    yield module_db
    emptied(module_db)


Rows = dict[Table, list[dict[str, Any]]]


def rows_of(db: Database) -> Rows:
    """Everything that is in the database."""
    with db.read() as session:
        return {table: [dict(row._mapping) for row in session.execute(select(table))] for table in Base.metadata.sorted_tables}


def put_back(db: Database, rows: Rows) -> None:
    """This and nothing else, in an empty database."""
    with db.write() as session:
        for table, kept in rows.items():
            if kept:
                session.execute(table.insert(), kept)


@pytest.fixture(scope="module")
def once(module_db: Database) -> Callable[[Callable[[], Any]], Any]:
    """`once(build)`: what `build` makes in the empty database and returns, made for the first test of the module and put back for the others."""
    known: dict[str, tuple[Any, Rows]] = {}

    def call(build: Callable[[], Any]) -> Any:
        name = build.__qualname__
        if name in known and module_db.sqlite:  # a sequence of PostgreSQL would not know of rows that were put back
            put_back(module_db, known[name][1])
        else:
            known[name] = build(), rows_of(module_db)
        return known[name][0]

    return call
