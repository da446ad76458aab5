"""The worker's part in results: one letter to each candidate after the second signature."""

from datetime import datetime

from testing_platform.db import Database
from testing_platform.scoring import results
from testing_platform.settings import Settings

# So many rows take the write lock for a few milliseconds; answers of another test may be waiting for it.
BATCH = 50


def mail_results(db: Database, settings: Settings, now: datetime) -> int:
    """Write the letters outside any write transaction, then keep them batch by batch under one instant (R52). Returns how many."""
    with db.read() as reading:
        ids = results.letters_due(reading)
        due = results.write_letters(reading, settings, ids) if ids else []
        gone = results.letters_of_no_result(reading, settings)
    count = 0
    for first in range(0, len(due), BATCH):
        with db.write() as session:
            count += results.tell(session, due[first : first + BATCH], now)
    for first in range(0, len(gone), BATCH):
        with db.write() as session:
            count += results.tell_of_no_result(session, gone[first : first + BATCH], now)
    return count
