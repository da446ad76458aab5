"""Tests that came over one line can be told; the address cannot."""

import pytest

from testing_platform import clock
from testing_platform.accounts.rules import Area
from testing_platform.delivery import lines
from testing_platform.delivery.rules import State
from testing_platform.examinations.rules import Mode
from tests import make

SECRET = b"a secret of this test"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("203.0.113.7", "203.0.113.7", True),
        ("203.0.113.7", "203.0.113.8", False),
        ("203.0.113.7", "::ffff:203.0.113.7", True),
        # One household has 64 bits of an IPv6 network for all its machines.
        ("2001:db8:1:2:aaaa::1", "2001:db8:1:2:bbbb::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
    ],
)
def test_one_line_is_told_from_another(one, other, same):
    assert (lines.line_of(SECRET, 3, one) == lines.line_of(SECRET, 3, other)) == same


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "nowhere", "", None])
def test_an_address_that_tells_nobody_apart_is_no_line(address):
    assert lines.line_of(SECRET, 3, address) is None


def test_what_is_kept_is_no_address_and_no_help_in_another_administration():
    kept = lines.line_of(SECRET, 3, "203.0.113.7")
    assert "203.0.113.7" not in kept
    assert kept != lines.line_of(SECRET, 4, "203.0.113.7")
    assert kept != lines.line_of(b"another", 3, "203.0.113.7")


@pytest.mark.both
def test_a_line_is_noted_once_and_those_who_share_one_are_found(db):
    now = clock.now()
    with db.write() as session:
        where = make.place(session, now)
        first, second, third = (make.attempt(session, where=where, now=now) for _ in range(3))
        room = make.attempt(session, mode=Mode.FACILITY, now=now)
        for attempt, line in ((first, "x"), (first, "x"), (first, "y"), (second, "x"), (third, "z"), (room, "x")):
            lines.note(session, attempt, line, now)
        lines.note(session, third, None, now)
        assert lines.shared(session, where.administration_id) == [{first.id, second.id}]
        assert lines.shared(session, room.session.administration_id) == []


def test_begin_notes_the_line_of_who_tests_at_home(app, db, visit):
    now = clock.now()
    with db.write() as session:
        where = make.place(session, now)
        found = [make.attempt(session, where=where, state=State.ADMITTED, now=now) for _ in range(2)]
    for attempt in found:
        reply = visit(attempt.person, Area.CANDIDATE).post(
            f"/candidate/attempts/{attempt.id}/begin", environ_base={"REMOTE_ADDR": "10.0.0.9"}, headers={"X-Forwarded-For": "203.0.113.7"}
        )
        assert reply.status_code == 303
    with db.read() as session:
        assert lines.shared(session, where.administration_id) == [{one.id for one in found}]
