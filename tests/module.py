"""One application for a whole module, emptied between its tests: making one costs more than most of these tests."""

from collections.abc import Iterator

import pytest

from testing_platform.app import create_app
from testing_platform.db import Database
from testing_platform.settings import Settings
from testing_platform.web.frame import Frame
from tests.postgres import emptied

__all__ = ["app", "db", "settings"]


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
