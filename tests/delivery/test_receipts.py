"""A receipt taken again: it holds while nothing changed since the test was handed in, and says what does not agree when something did."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import select, text

from testing_platform.audit import service as audit
from testing_platform.audit.models import AuditEntry
from testing_platform.bus import open_database
from testing_platform.delivery import receipts, rules, service
from testing_platform.delivery.models import Response
from testing_platform.delivery.rules import State
from tests import make
from tests.make import NOON


@pytest.fixture
def handed_in(db):
    """An attempt of four right answers, handed in and sealed."""
    with db.write() as session:
        found = make.handed_in(session, make.place(session), 4, NOON)
        session.flush()
        while audit.seal(session):
            pass
    return found


def checks(db, code):
    with db.read() as session:
        found = receipts.check(session, code)
    return {check.name: check.good for check in found.checks}


GOOD = {"digest": True, "code": True, "trail": True, "seal": True}


def test_a_receipt_holds(db, handed_in):
    with db.read() as session:
        found = receipts.check(session, handed_in.receipt_code)
    assert found.good
    assert found.attempt_id == handed_in.id
    assert found.taken_again == found.kept == found.recorded == handed_in.digest
    assert checks(db, handed_in.receipt_code) == GOOD


@pytest.mark.parametrize(
    "typed",
    [
        str.lower,
        lambda code: code.replace("-", ""),
        lambda code: f"  {code.replace('-', ' - ')} ",
        lambda code: code.replace("0", "o").replace("1", "l"),
    ],
    ids=["case", "no dashes", "spaces", "letters for digits"],
)
def test_a_code_is_taken_as_typed(db, handed_in, typed):
    assert checks(db, typed(handed_in.receipt_code)) == GOOD


@pytest.mark.parametrize(
    "code", ["", "nothing", "AAAA-BBBB-CCCC", "AAAA-BBBB", "ZZZZ-ZZZZ-ZZZZ", "%", "____________", "AAAA-BBBB-CCCC-DDDD"]
)
def test_an_unknown_code_is_refused(db, handed_in, code):
    with pytest.raises(receipts.UnknownReceipt):
        checks(db, code)


def code_of(options, attempt_id):
    return rules.receipt_code(rules.answers_digest(attempt_id, options))


CHANGED = {"digest": False, "code": False, "trail": False, "seal": True}


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE responses SET option = 'd' WHERE slot = 2",
        "UPDATE responses SET state = 'cleared' WHERE slot = 2",
        "UPDATE responses SET standing = 'late' WHERE slot = 2",
        "UPDATE responses SET slot = 7 WHERE slot = 2",
        "DELETE FROM responses WHERE slot = 2",
        "DELETE FROM responses",
    ],
)
def test_a_changed_or_removed_answer_shows(db, handed_in, sql):
    with db.write() as session:
        session.execute(text(sql))
    assert checks(db, handed_in.receipt_code) == CHANGED


def add(session, attempt, standing, option="d", seq=90):
    session.add(
        Response(
            attempt_id=attempt.id, device="browser-1", seq=seq, epoch=1, slot=2, option=option, state="answered", elapsed_ms=1,
            received_at=NOON + timedelta(hours=2), standing=standing,
        )
    )  # fmt: skip


@pytest.mark.parametrize("standing", ["late", "aside"])
def test_an_answer_that_came_late_changes_no_receipt(db, handed_in, standing):
    with db.write() as session:
        add(session, handed_in, standing)
    assert checks(db, handed_in.receipt_code) == GOOD


def test_an_answer_put_in_as_counted_shows(db, handed_in):
    with db.write() as session:
        add(session, handed_in, "counted")
    assert checks(db, handed_in.receipt_code) == CHANGED


def test_who_changes_the_attempt_with_the_answers_is_found_by_the_trail(db, handed_in):
    """The candidate's paper has a code that no attempt has any more; the trail still knows whose it was."""
    code = handed_in.receipt_code
    with db.write() as session:
        session.execute(text("UPDATE responses SET option = 'd' WHERE slot = 2"))
        session.flush()
        digest = rules.answers_digest(handed_in.id, service.chosen(session, handed_in.id))
        session.execute(
            text("UPDATE attempts SET digest = :digest, receipt_code = :code WHERE id = :id"),
            {"digest": digest, "code": rules.receipt_code(digest), "id": handed_in.id},
        )
    assert checks(db, code) == {"digest": True, "code": False, "trail": False, "seal": True}
    # The code that was put in its place holds for the attempt, and not for the trail.
    assert checks(db, rules.receipt_code(digest)) == {"digest": True, "code": True, "trail": False, "seal": True}


def test_who_changes_the_trail_too_breaks_its_seal(db, handed_in):
    with db.write() as session:
        session.execute(text("UPDATE responses SET option = 'd' WHERE slot = 2"))
        digest = rules.answers_digest(handed_in.id, service.chosen(session, handed_in.id))
        session.execute(
            text("UPDATE attempts SET digest = :digest, receipt_code = :code"), {"digest": digest, "code": rules.receipt_code(digest)}
        )
        entry = session.scalars(select(AuditEntry).where(AuditEntry.act == "attempt.submit")).one()
        entry.facts = entry.facts | {"digest": digest}
    assert checks(db, rules.receipt_code(digest)) == {"digest": True, "code": True, "trail": True, "seal": False}


def test_an_entry_that_was_taken_out_of_the_trail_shows(db, handed_in):
    with db.write() as session:
        session.execute(text("DELETE FROM audit_entries WHERE act = 'attempt.submit'"))
    assert checks(db, handed_in.receipt_code) == {"digest": True, "code": True, "trail": False, "seal": None}
    with db.read() as session:
        assert not receipts.check(session, handed_in.receipt_code).good


def test_before_the_seal_everything_else_is_compared(db):
    with db.write() as session:
        found = make.handed_in(session, make.place(session), 4, NOON)
    assert checks(db, found.receipt_code) == GOOD | {"seal": None}


def test_an_attempt_that_the_clock_closed_has_a_receipt_too(db):
    with db.write() as session:
        found = make.attempt(session, started=timedelta(minutes=75))
        add(session, found, "counted")
        session.flush()
        assert service.time_is_up(session, found, NOON + timedelta(seconds=6))
        session.flush()
        while audit.seal(session):
            pass
    assert checks(db, found.receipt_code) == GOOD


# ---------------------------------------------------------------- the command


@pytest.fixture
def run(command):
    return command


@pytest.fixture
def opened(run, own_settings):
    run("db", "upgrade")
    found = open_database(own_settings)
    yield found
    found.close()


@pytest.fixture
def kept(opened):
    with opened.write() as session:
        found = make.handed_in(session, make.place(session), 4, NOON)
        session.flush()
        while audit.seal(session):
            pass
    return found


@pytest.mark.both
def test_the_command_says_what_agrees_and_shows_no_answer(run, kept):
    said = run("audit", "receipt", kept.receipt_code.lower()).stdout
    assert said.count("ok   ") == 4
    assert "the receipt holds" in said
    found = json.loads(run("audit", "receipt", kept.receipt_code, "--json").stdout)
    assert (found["good"], found["attempt"], found["checks"]) == (True, kept.id, GOOD)
    assert set(found["digest"].values()) == {kept.digest}
    assert set(found) == {"code", "known", "good", "attempt", "submitted_at", "submitted_by", "entry", "digest", "checks"}


def test_the_command_fails_on_a_difference(run, opened, kept):
    with opened.write() as session:
        session.execute(text("DELETE FROM responses WHERE slot = 2"))
    said = run("audit", "receipt", kept.receipt_code, code=1).stdout
    assert said.count("FAULT") >= 3
    assert "the receipt does not hold" in said
    assert json.loads(run("audit", "receipt", kept.receipt_code, "--json", code=1).stdout)["good"] is False


def test_the_command_fails_on_an_unknown_code(run, kept):
    assert "no attempt and no entry of the trail has this receipt code" in run("audit", "receipt", "AAAA-BBBB-CCCC", code=1).stderr
    assert json.loads(run("audit", "receipt", "x", "--json", code=1).stdout)["known"] is False


def test_each_check_of_a_receipt_is_an_entry_without_its_code(run, opened, kept):
    run("audit", "receipt", kept.receipt_code)
    with opened.read() as session:
        entry = session.scalars(select(AuditEntry).where(AuditEntry.act == "receipt.checked")).one()
    assert (entry.object, entry.facts) == (f"attempt:{kept.id}", {"good": True, "way": "command line"})


def test_a_test_that_is_not_handed_in_has_no_receipt(db):
    with db.write() as session:
        found = make.attempt(session, state=State.IN_PROGRESS)
    with pytest.raises(receipts.UnknownReceipt):
        checks(db, code_of({}, found.id))
