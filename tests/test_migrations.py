"""A database that was upgraded is the one that the models describe."""

import re
import subprocess
import sys

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from testing_platform import migrations
from testing_platform.db import Base, Database
from testing_platform.itembank import search
from testing_platform.models import metadata

pytestmark = pytest.mark.both

COLUMNS = """
SELECT table_name, column_name, data_type, character_maximum_length, numeric_precision, numeric_scale, is_nullable, column_default
FROM information_schema.columns WHERE table_schema = 'public' AND table_name != 'alembic_version'
"""
CONSTRAINTS = """
SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text != 'alembic_version'
"""
INDEXES = "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename != 'alembic_version'"


def schema(db: Database) -> dict[str, list[str]]:
    """Every table and index in the database's own words, without the spaces and the order of columns, which differ between two ways of making them."""
    with db.engine.connect() as connection:
        if not db.sqlite:
            return {
                name: sorted(map(str, connection.execute(text(query))))
                for name, query in (("columns", COLUMNS), ("constraints", CONSTRAINTS), ("indexes", INDEXES))
            }
        rows = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'alembic%'"))
        return {name: sorted(re.sub(r"[(),]", r" \g<0> ", sql).replace(",", " ").replace('"', "").split()) for name, sql in rows}


def modelled(found: object, name: str | None, kind: str, *_more: object) -> bool:
    """Tables for full-text search are made by a statement of their own, since each database has its own kind."""
    return not (kind == "table" and (name or "").startswith(search.PREFIX))


@pytest.fixture
def empty(tmp_path, kind, request):
    """`empty()`: a database without tables."""
    opened = []

    def make():
        name = f"empty_{len(opened)}"
        opened.append(Database(f"sqlite:///{tmp_path / name}.sqlite" if kind == "sqlite" else request.getfixturevalue("postgres").empty()))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


def test_an_upgraded_database_is_a_fresh_one(empty):
    upgraded, fresh = empty(), empty()
    migrations.upgrade(upgraded)
    Base.metadata.create_all(fresh.engine)
    with upgraded.engine.connect() as connection:
        assert (
            compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True, "include_object": modelled}), metadata)
            == []
        )
    assert schema(upgraded) == schema(fresh)
    assert migrations.current(upgraded) == migrations.head()


def test_upgrading_twice_changes_nothing(empty):
    db = empty()
    migrations.upgrade(db)
    before = schema(db)
    migrations.upgrade(db)
    assert schema(db) == before
    assert "attempts" in inspect(db.engine).get_table_names()


UPGRADE = "import sys; from testing_platform import db, migrations; migrations.upgrade(db.Database(sys.argv[1]))"


def test_two_that_start_at_once_upgrade_once(empty):
    db = empty()
    children = [subprocess.Popen([sys.executable, "-c", UPGRADE, db.url], stderr=subprocess.PIPE) for _ in range(2)]
    assert [child.communicate(timeout=120)[1].decode() for child in children] == ["", ""]
    assert migrations.current(db) == migrations.head()
