"""The database's history: Alembic without an ini file, so that an installed wheel can upgrade itself."""

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from testing_platform import assets
from testing_platform.bus import ADOPT
from testing_platform.db import Database


def config() -> Config:
    found = Config()
    found.set_main_option("script_location", str(assets.PACKAGE / "migrations"))
    return found


def head() -> str | None:
    return ScriptDirectory.from_config(config()).get_current_head()


def current(db: Database) -> str | None:
    with db.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def upgrade(db: Database, to: str = "head") -> None:
    """Under the lock: two processes starting together must not both create the tables."""
    with db.locked():
        found = config()
        with db.engine.connect().execution_options(writes=True, patient=True) as connection:
            found.attributes["connection"] = connection
            command.upgrade(found, to)
            if not db.sqlite and to == "head":
                connection.execute(ADOPT)
            connection.commit()
