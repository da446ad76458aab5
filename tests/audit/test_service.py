"""The trail: what is sealed cannot be changed, taken out or put in unnoticed."""

from datetime import timedelta

import pytest
from sqlalchemy import delete, select, text, update
from sqlalchemy.exc import IntegrityError

from testing_platform.audit import service
from testing_platform.audit.models import AuditEntry
from testing_platform.audit.service import FIRST, Fault, record, seal, verify
from tests.make import NOON


@pytest.fixture
def trail(db):
    """Five sealed entries."""
    with db.write() as session:
        for n in range(1, 6):
            record(session, "attempt.begin", f"attempt:{n}", NOON + timedelta(seconds=n), n, form=1, words="é — “ü”", list=[1, None, 2.5])
        session.flush()
        assert seal(session) == 5
    return db


def entries(db):
    with db.read() as session:
        return session.scalars(select(AuditEntry).order_by(AuditEntry.number)).all()


def faults(db):
    with db.read() as session:
        return verify(session)[1]


def test_sealing_numbers_from_one_and_links_each_to_the_one_before(trail):
    found = entries(trail)
    assert [entry.number for entry in found] == [1, 2, 3, 4, 5]
    assert [entry.previous for entry in found] == [FIRST, *(entry.digest for entry in found[:-1])]
    with trail.read() as session:
        assert verify(session) == (5, [])


def test_sealing_again_changes_nothing(trail):
    before = [(entry.number, entry.digest) for entry in entries(trail)]
    with trail.write() as session:
        assert seal(session) == 0
    assert [(entry.number, entry.digest) for entry in entries(trail)] == before


def test_what_comes_later_is_linked_to_the_last(trail):
    with trail.write() as session:
        record(session, "later", "attempt:6", NOON)
        session.flush()
        assert seal(session) == 1
    last = entries(trail)[-1]
    assert (last.number, last.previous) == (6, entries(trail)[-2].digest)
    assert faults(trail) == []


def test_more_than_one_round_seals_everything_in_order(db):
    with db.write() as session:
        for n in range(7):
            record(session, "act", f"thing:{n}", NOON)
        session.flush()
        assert [seal(session, limit=3) for _ in range(4)] == [3, 3, 1, 0]
        assert [entry.object for entry in session.scalars(select(AuditEntry).order_by(AuditEntry.number))] == [
            f"thing:{n}" for n in range(7)
        ]
        assert verify(session) == (7, [])


def test_an_entry_that_is_not_sealed_yet_is_no_fault(trail):
    with trail.write() as session:
        record(session, "act", "thing:1", NOON)
    assert faults(trail) == []


def test_an_act_that_was_kept_after_later_ones_were_sealed_is_sealed_in_its_turn(trail):
    """Ids are given before the commit: a slow transaction's row appears below rows that are sealed already."""
    with trail.write() as session:
        session.add(AuditEntry(id=20, at=NOON, actor_id=None, act="quick", object="thing:20", facts={}))
        session.flush()
        seal(session)
    with trail.write() as session:
        session.add(AuditEntry(id=19, at=NOON, actor_id=None, act="slow", object="thing:19", facts={}))
        session.flush()
        assert seal(session) == 1
    assert [(entry.number, entry.act) for entry in entries(trail)][-2:] == [(6, "quick"), (7, "slow")]
    assert faults(trail) == []


@pytest.mark.parametrize(
    "changed",
    [
        {"act": "attempt.admit"},
        {"object": "attempt:9"},
        {"actor_id": 9},
        {"actor_id": None},
        {"at": NOON},
        {"facts": {"form": 2}},
        {"facts": {}},
        {"digest": "0" * 64},
    ],
    ids=str,
)
def test_a_changed_entry_is_named(trail, changed):
    with trail.write() as session:
        session.execute(update(AuditEntry).where(AuditEntry.number == 3).values(changed))
    assert Fault(3, "changed") in faults(trail)


def test_an_entry_changed_with_its_digest_taken_anew_breaks_the_next_link(trail):
    with trail.write() as session:
        entry = session.scalars(select(AuditEntry).where(AuditEntry.number == 3)).one()
        entry.facts = {"form": 2}
        entry.digest = service.digest(entry)
    assert faults(trail) == [Fault(4, "inserted")]


@pytest.mark.parametrize("number", [1, 2, 4])
def test_a_removed_entry_is_named(trail, number):
    with trail.write() as session:
        session.execute(delete(AuditEntry).where(AuditEntry.number == number))
    assert faults(trail) == [Fault(number, "missing")]


def test_an_entry_put_in_between_is_named(trail):
    with trail.write() as session:
        for number in (5, 4):
            session.execute(update(AuditEntry).where(AuditEntry.number == number).values(number=number + 1))
        before = session.scalars(select(AuditEntry).where(AuditEntry.number == 3)).one()
        forged = AuditEntry(at=NOON, actor_id=1, act="forged", object="attempt:1", facts={}, number=4, previous=before.digest)
        forged.digest = service.digest(forged)
        session.add(forged)
    assert Fault(5, "inserted") in faults(trail)


def test_the_database_refuses_a_number_without_a_digest_and_the_same_number_twice(trail):
    for broken in ("UPDATE audit_entries SET digest = NULL WHERE number = 2", "UPDATE audit_entries SET number = 3 WHERE number = 2"):
        with pytest.raises(IntegrityError), trail.write() as session:
            session.execute(text(broken))


def test_an_act_that_was_not_kept_leaves_no_entry(db):
    def fails():
        with db.write() as session:
            record(session, "act", "thing:1", NOON)
            session.flush()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails()
    assert entries(db) == []
