"""One application for a whole module, emptied between its tests: making one costs more than most of these tests."""

import pytest

from testing_platform.app import create_app
from testing_platform.bus import open_database
from testing_platform.db import Base
from testing_platform.settings import Settings


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    return Settings(data=tmp_path_factory.mktemp("data"), public_url="http://localhost", log_level="warning")


@pytest.fixture(scope="module")
def opened(settings):
    found = open_database(settings)
    Base.metadata.create_all(found.engine)
    yield found
    found.close()


@pytest.fixture(scope="module")
def app(settings, opened):
    return create_app(settings, opened)


@pytest.fixture
def db(opened):
    yield opened
    with opened.write() as session:
        for table in reversed(Base.metadata.sorted_tables):
            session.execute(table.delete())
