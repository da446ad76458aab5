"""A database that was upgraded is the one that the models describe."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from testing_platform import migrations
from testing_platform.db import Base, Database
from testing_platform.models import metadata


def schema(db: Database) -> dict[str, str]:
    """Every table's and index's own text, without the spaces that differ between two ways of making them."""
    with db.engine.connect() as connection:
        rows = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'alembic%'"))
        return {
            name: sorted(" ".join(sql.replace("(", " ( ").replace(")", " ) ").replace(",", " ").replace('"', "").split()).split())
            for name, sql in rows
        }


def test_an_upgraded_database_is_a_fresh_one(tmp_path):
    upgraded, fresh = (Database(f"sqlite:///{tmp_path / name}.sqlite") for name in ("upgraded", "fresh"))
    migrations.upgrade(upgraded)
    Base.metadata.create_all(fresh.engine)
    with upgraded.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata) == []
    assert schema(upgraded) == schema(fresh)
    assert migrations.current(upgraded) == migrations.head()


def test_upgrading_twice_changes_nothing(tmp_path):
    db = Database(f"sqlite:///{tmp_path / 'twice.sqlite'}")
    migrations.upgrade(db)
    before = schema(db)
    migrations.upgrade(db)
    assert schema(db) == before
    assert "attempts" in inspect(db.engine).get_table_names()
