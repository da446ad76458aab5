"""The trail: what is sealed cannot be changed, taken out or put in unnoticed; what no chain shows, an anchor does."""

from datetime import timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from testing_platform import errors
from testing_platform.audit import rules, service
from testing_platform.audit.models import AuditEntry
from testing_platform.audit.rules import FIRST, Anchor, Fault
from testing_platform.audit.service import keep_verdict, read, record, seal, verify, write_down
from tests.audit import tamper
from tests.make import NOON

SECRET = b"the installation's signing key"


def entries(db):
    with db.read() as session:
        return session.scalars(select(AuditEntry).order_by(AuditEntry.number)).all()


def faults(db, *anchors):
    with db.read() as session:
        return verify(session, SECRET, anchors).faults


def anchor_at(db, number):
    with db.read() as session:
        return Anchor(number, tamper.digest_of(session, number))


def test_sealing_numbers_from_one_and_links_each_to_the_one_before(trail):
    found = entries(trail)
    assert [entry.number for entry in found] == [*range(1, 9)]
    assert [entry.previous for entry in found] == [FIRST, *(entry.digest for entry in found[:-1])]
    with trail.read() as session:
        assert read(session).head == Anchor(8, found[-1].digest)
    assert faults(trail) == []


def test_an_empty_trail_has_no_fault_and_no_head(db):
    with db.read() as session:
        found = verify(session, SECRET)
    assert (found.entries, found.head, found.faults) == (0, None, [])


def test_sealing_again_changes_nothing(trail):
    before = [(entry.number, entry.digest) for entry in entries(trail)]
    with trail.write() as session:
        assert seal(session) == 0
    assert [(entry.number, entry.digest) for entry in entries(trail)] == before


def test_what_comes_later_is_linked_to_the_last(trail):
    with trail.write() as session:
        record(session, "later", "attempt:9", NOON)
        session.flush()
        assert seal(session) == 1
    last = entries(trail)[-1]
    assert (last.number, last.previous) == (9, entries(trail)[-2].digest)
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
        assert (read(session).count, read(session).faults) == (7, [])


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
    assert [(entry.number, entry.act) for entry in entries(trail)][-2:] == [(9, "quick"), (10, "slow")]
    assert faults(trail) == []


@pytest.mark.parametrize(
    "changed",
    [
        "act = 'attempt.admit'",
        "object = 'attempt:9'",
        "actor_id = 9",
        "actor_id = NULL",
        "at = '2026-11-21 20:00:00.000000'",
        "at = 'yesterday'",
        "facts = '{\"form\": 2}'",
        "facts = '{}'",
        "facts = '[]'",
        "previous = NULL",
        f"previous = '{'0' * 64}'",
        f"digest = '{'0' * 64}'",
    ],
)
@pytest.mark.parametrize("number", [1, 3, 8])
def test_a_changed_entry_is_named_and_no_other(trail, changed, number):
    if number == 1 and changed.startswith("previous = '"):
        changed = f"previous = '{'1' * 64}'"
    tamper.run(trail, f"UPDATE audit_entries SET {changed} WHERE number = {number}")
    assert faults(trail) == [Fault(number, "changed")]


def test_an_entry_that_cannot_even_be_read_is_named_where_the_database_takes_it(trail):
    broken = "UPDATE audit_entries SET facts = 'no JSON' WHERE number = 3"
    if trail.sqlite:
        tamper.run(trail, broken)
        assert faults(trail) == [Fault(3, "changed")]
    else:
        with pytest.raises(errors.BadRequest):
            tamper.run(trail, broken)


def retake(session, number):
    """Change one entry and take its own hash anew, and no other's."""
    row = tamper.rows(session, number)[0]
    session.execute(text(f"DELETE FROM audit_entries WHERE number = {number}"))
    tamper.forge(session, number, row["previous"], {"form": 2})


def remove(session, first, last=None, close_up=False):
    session.execute(text(f"DELETE FROM audit_entries WHERE number BETWEEN {first} AND {last or first}"))
    if close_up:
        tamper.shift(session, (last or first) + 1, -((last or first) - first + 1))


@pytest.mark.parametrize(
    ("done", "expected"),
    [
        (lambda s: retake(s, 3), [Fault(3, "changed")]),
        (lambda s: retake(s, 1), [Fault(1, "changed")]),
        (lambda s: remove(s, 1), [Fault(1, "missing")]),
        (lambda s: remove(s, 4), [Fault(4, "missing")]),
        (lambda s: remove(s, 3, 5), [Fault(3, "missing", 5)]),
        # The numbers of the rest drawn together, so that nothing seems to be missing.
        (lambda s: remove(s, 4, close_up=True), [Fault(4, "missing")]),
        (lambda s: remove(s, 3, 5, close_up=True), [Fault(3, "missing", 5)]),
        (lambda s: remove(s, 1, 2, close_up=True), [Fault(1, "missing", 2)]),
        (lambda s: tamper.insert(s, 4), [Fault(4, "inserted")]),
        (lambda s: tamper.insert(s, 1), [Fault(1, "inserted")]),
        (lambda s: tamper.insert(s, 4, 3), [Fault(4, "inserted", 6)]),
        (lambda s: tamper.forge(s, 0, FIRST), [Fault(0, "changed"), Fault(0, "inserted")]),
        (lambda s: tamper.swap(s, 3, 4), [Fault(3, "moved"), Fault(4, "moved")]),
        (lambda s: tamper.swap(s, 7, 8), [Fault(7, "moved"), Fault(8, "moved")]),
        (lambda s: (remove(s, 3), tamper.forge(s, 3, tamper.digest_of(s, 2))), [Fault(3, "changed")]),
        (lambda s: (remove(s, 3), tamper.insert(s, 7)), [Fault(3, "missing"), Fault(7, "inserted")]),
    ],
)
def test_what_was_done_to_the_trail_is_named(trail, done, expected):
    with trail.write() as session:
        done(session)
    assert faults(trail) == expected


def test_two_that_stand_far_apart_and_were_exchanged_are_both_named(trail):
    with trail.write() as session:
        tamper.swap(session, 2, 7)
    assert {fault.number for fault in faults(trail)} >= {2, 7}


# ---------------------------------------------------------------- what the chain alone cannot show


def test_a_cut_off_end_shows_against_an_anchor_alone(trail):
    anchor = anchor_at(trail, 8)
    tamper.run(trail, "DELETE FROM audit_entries WHERE number > 6")
    assert faults(trail) == []
    assert faults(trail, anchor) == [Fault(7, "cut-off", 8)]


def test_a_cut_off_end_that_grew_again_shows_against_an_anchor(trail):
    anchor = anchor_at(trail, 7)
    tamper.run(trail, "DELETE FROM audit_entries WHERE number > 6")
    with trail.write() as session:
        for n in range(3):
            record(session, "act", f"thing:{n}", NOON)
        session.flush()
        seal(session)
    assert faults(trail) == []
    assert faults(trail, anchor) == [Fault(7, "anchor")]


def test_all_cut_off_shows_against_an_anchor(trail):
    anchor = anchor_at(trail, 2)
    tamper.run(trail, "DELETE FROM audit_entries")
    assert faults(trail, anchor) == [Fault(1, "cut-off", 2)]


def test_a_chain_written_anew_shows_against_any_later_anchor(trail):
    early, late = anchor_at(trail, 3), anchor_at(trail, 8)
    with trail.write() as session:
        tamper.write_anew(session, 4)
    assert faults(trail) == []
    assert faults(trail, early) == []
    assert faults(trail, late) == [Fault(8, "anchor")]


def test_growing_keeps_every_anchor(trail):
    anchors = [anchor_at(trail, number) for number in (1, 5, 8)]
    with trail.write() as session:
        record(session, "later", "attempt:9", NOON)
        session.flush()
        seal(session)
    assert faults(trail, *anchors) == []


@pytest.fixture
def verified(trail):
    """A trail that was verified, so that its own last word is an anchor under the signing key's stamp."""
    with trail.write() as session:
        keep_verdict(session, verify(session, SECRET), SECRET, NOON, 1, "page")
        session.flush()
        seal(session)
    return trail


def test_an_earlier_verification_in_the_trail_is_an_anchor_of_its_own(verified):
    assert faults(verified) == []
    with verified.write() as session:
        tamper.write_anew(session, 4)
    assert faults(verified) == [Fault(8, "anchor")]


def test_without_the_key_the_anchor_in_the_trail_cannot_be_made_to_agree(verified):
    with verified.write() as session:
        tamper.write_anew(session, 4)
        tamper.write_anew(session, 9, digest=tamper.digest_of(session, 8))
    assert faults(verified) == [Fault(8, "stamp")]


def test_an_anchor_that_was_handed_out_is_an_entry_with_the_head_of_that_moment(trail):
    with trail.write() as session:
        given = write_down(session, SECRET, NOON, 5)
        session.flush()
        seal(session)
    entry = entries(trail)[-1]
    assert given == anchor_at(trail, 8)
    assert (entry.act, entry.actor_id, entry.facts["number"], entry.facts["digest"]) == ("trail.anchored", 5, 8, given.digest)
    assert faults(trail, given) == []


def test_nothing_to_hand_out_while_nothing_is_sealed(db):
    with db.write() as session:
        assert write_down(session, SECRET, NOON, 5) is None
    assert entries(db) == []


def test_a_check_is_an_entry_that_names_its_faults(trail):
    tamper.run(trail, "DELETE FROM audit_entries WHERE number = 4")
    with trail.write() as session:
        keep_verdict(session, verify(session, SECRET), SECRET, NOON, 5, "page")
    facts = next(entry for entry in entries(trail) if entry.act == "trail.verified").facts
    assert (facts["entries"], facts["faults"], facts["named"], facts["number"]) == (7, 1, [["missing", 4, None]], 8)


# ---------------------------------------------------------------- slices


@pytest.mark.parametrize("done", [lambda s: None, lambda s: remove(s, 4), lambda s: tamper.insert(s, 4, 2), lambda s: tamper.swap(s, 3, 4)])
def test_reading_in_slices_with_a_pause_finds_what_reading_at_once_finds(trail, done):
    with trail.write() as session:
        done(session)
    with trail.read() as session:
        at_once = read(session)
        reading = rules.Reading()
        while service.read_on(session, reading, limit=1):
            reading = rules.taken_up(reading.written_down())
    assert reading == at_once


def test_countless_faults_are_counted_and_the_first_are_named(db):
    with db.write() as session:
        for n in range(rules.MOST + 50):
            record(session, "act", f"thing:{n}", NOON + timedelta(seconds=n))
        session.flush()
        seal(session)
        session.execute(text("UPDATE audit_entries SET act = 'other'"))
    with db.read() as session:
        found = verify(session, SECRET)
    assert (len(found.faults), found.total) == (rules.MOST, rules.MOST + 50)


# ---------------------------------------------------------------- the database's own rules


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


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (f"12:{'a' * 64}", Anchor(12, "a" * 64)),
        (f" 1,234 : {'A' * 32} {'B' * 32} ", Anchor(1234, "a" * 32 + "b" * 32)),
        ("", None),
        ("12", None),
        (f"0:{'a' * 64}", None),
        (f"-1:{'a' * 64}", None),
        (f"12:{'a' * 63}", None),
        (f"12:{'g' * 64}", None),
    ],
)
def test_an_anchor_as_typed(typed, expected):
    if expected is None:
        with pytest.raises(rules.FaultyAnchor):
            rules.read_anchor(typed)
    else:
        assert rules.read_anchor(typed) == expected
        assert rules.read_anchor(str(expected)) == expected
