from datetime import timedelta

import pytest

from testing_platform.audit.service import record, seal
from tests.make import NOON


@pytest.fixture
def trail(db):
    """Eight sealed entries."""
    with db.write() as session:
        for n in range(1, 9):
            record(session, "attempt.begin", f"attempt:{n}", NOON + timedelta(seconds=n), n, form=1, words="é — “ü”", list=[1, None, 2.5])
        session.flush()
        assert seal(session) == 8
    return db
