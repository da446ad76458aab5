"""A result that is kept back while something is settled: nobody else waits, nobody passes or fails by it, and it follows when cleared."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from testing_platform.accounts.rules import Area, Role
from testing_platform.audit.models import AuditEntry
from testing_platform.notices.models import Notice
from testing_platform.scoring import exports, holds, results, rules, service
from testing_platform.scoring import jobs as mails
from testing_platform.scoring.models import QualifyingResult
from tests import make
from tests.make import NOON

LATER = NOON + timedelta(hours=10)
DAYS = timedelta(days=3)


@pytest.fixture
def lead(session):
    return make.person(session, Role.LEAD_PROCTOR)


@pytest.fixture
def where(session):
    return make.place(session)


@pytest.fixture
def three(session, where):
    """6, 4 and 1 of six right."""
    return [make.handed_in(session, where, right) for right in (6, 4, 1)]


def outcomes(session, where):
    decision = results.decision_in_force(session, where.administration_id)
    return service.outcomes_of(session, decision.id)


def test_the_others_have_their_results_and_this_one_follows(session, settings, where, three, lead):
    first, second, third = three
    assert holds.possible(session, second)
    hold = holds.place(session, second, "Somebody spoke in the room.", lead, LATER)
    assert not holds.possible(session, second)
    decision = make.decided(session, where, 4, LATER)
    assert outcomes(session, where) == {first.id: "PASS", third.id: "FAIL"}
    assert results.of_attempt(session, second) is None
    assert len(results.letters_due(session)) == 2
    lines = exports.pass_fail(session, where.administration, decision, settings, LATER + DAYS)
    assert len(lines) == 2
    assert holds.followed(session, where.administration) == 0
    assert [holds.possible(session, one) for one in three] == [False] * 3

    made = holds.clear(session, hold, "It was the radio of a neighbour.", lead, LATER + DAYS)
    assert (made.outcome, made.released_at, made.held) == ("PASS", LATER + DAYS, False)
    assert outcomes(session, where) == {first.id: "PASS", second.id: "PASS", third.id: "FAIL"}
    assert len(exports.pass_fail(session, where.administration, decision, settings, LATER + DAYS)) == 3
    assert holds.followed(session, where.administration) == 1
    assert made.id in results.letters_due(session)
    said = session.scalars(select(AuditEntry.act).where(AuditEntry.act.in_(("result.held", "result.cleared"))))
    assert list(said) == ["result.held", "result.cleared"]


def test_a_hold_that_is_cleared_before_the_signature_changes_nothing(session, where, three, lead):
    hold = holds.place(session, three[0], "To be looked at.", lead, LATER)
    assert holds.clear(session, hold, "Nothing in it.", lead, LATER) is None
    make.decided(session, where, 4, LATER)
    assert len(outcomes(session, where)) == 3


def test_a_hold_outlasts_a_superseding_decision(session, where, three, lead):
    hold = holds.place(session, three[1], "To be looked at.", lead, LATER)
    make.decided(session, where, 5, LATER)
    make.decided(session, where, 4, LATER + DAYS)
    assert three[1].id not in outcomes(session, where)
    assert holds.clear(session, hold, "Nothing in it.", lead, LATER + 2 * DAYS).outcome == "PASS"


def test_what_cannot_be(session, where, three, lead):
    with pytest.raises(rules.ReasonMissing):
        holds.place(session, three[0], "  ", lead, LATER)
    hold = holds.place(session, three[0], "To be looked at.", lead, LATER)
    with pytest.raises(holds.HeldAlready):
        holds.place(session, three[0], "Again.", lead, LATER)
    make.decided(session, where, 4, LATER)
    with pytest.raises(holds.ResultIsOut):
        holds.place(session, three[1], "Too late.", lead, LATER)
    with pytest.raises(rules.ReasonMissing):
        holds.clear(session, hold, "", lead, LATER)
    holds.clear(session, hold, "Settled.", lead, LATER)
    with pytest.raises(holds.HoldMoved):
        holds.clear(session, hold, "Settled.", lead, LATER)
    with pytest.raises(holds.ResultIsOut):
        holds.place(session, three[0], "Again.", lead, LATER)


@pytest.mark.parametrize(("said", "days"), [({}, 30), ({"days": 10}, 10)])
def test_how_long_is_a_setting_of_the_bulletin(session, where, said, days):
    bulletin = where.administration.examination.bulletin
    bulletin.content = {**bulletin.content, "policy": {"holds": said}}
    assert holds.longest(where.administration) == timedelta(days=days)


def test_on_pages(app, db, settings, visit):
    with db.write() as session:
        place = make.place(session)
        attempts = [make.handed_in(session, place, right) for right in (6, 4)]
        lead = make.proctor(session, place, Role.LEAD_PROCTOR)
        stranger = make.person(session, Role.LEAD_PROCTOR)
        numbers = ["C-1", "C-2"]
        for attempt, number in zip(attempts, numbers, strict=True):
            attempt.person.candidate_number = number
        candidate, administration_id = attempts[1].person, place.administration_id
    page = visit(lead, Area.PROCTOR)
    assert "No result is on hold" in page.get("/proctor/holds").get_data(as_text=True)

    def post(path, **form):
        reply = page.post(path, form)
        return reply.status_code, reply.get_data(as_text=True)

    assert post("/proctor/holds", candidate="C-9", reason="x")[0] == 422
    status, text = post("/proctor/holds", candidate="C-2", reason=" ")
    assert (status, "Say why" in text, 'value="C-2"' in text) == (422, True, True)
    assert post("/proctor/holds", candidate=" c-2 ", reason="Somebody spoke in the room.")[0] == 303
    status, text = post("/proctor/holds", candidate="C-2", reason="Again.")
    assert (status, re.search(r'<input[^>]* id="candidate"[^>]* autofocus', text) is not None) == (422, True)
    assert "Somebody spoke in the room." in page.get("/proctor/holds").get_data(as_text=True)
    other = visit(stranger, Area.PROCTOR)
    assert "Somebody spoke" not in other.get("/proctor/holds").get_data(as_text=True)
    assert other.post("/proctor/holds/1/clear", {"reason": "x"}).status_code == 404
    assert other.post("/proctor/holds", {"candidate": "C-1", "reason": "x"}).status_code == 422

    with db.write() as session:
        make.decided(session, session.get_one(type(place), place.id), 4, LATER)
        analyst = make.person(session, Role.ANALYST)
    with app.app_context():
        assert mails.mail_results(db, settings, LATER) == 1
    listed = visit(analyst, Area.ANALYST).get(f"/analyst/administrations/{administration_id}/results").get_data(as_text=True)
    assert "1 result is on hold" in listed
    own = visit(candidate, Area.CANDIDATE)
    assert "See my result" not in own.get("/candidate/").get_data(as_text=True)

    status, text = post("/proctor/holds/1/clear", reason="")
    assert (status, "Say how it was settled" in text) == (422, True)
    assert post("/proctor/holds/1/clear", reason="It was a radio.")[0] == 303
    text = page.get("/proctor/holds").get_data(as_text=True)
    assert "It was a radio." in text
    with app.app_context():
        assert mails.mail_results(db, settings, LATER) == 1
    assert "See my result" in own.get("/candidate/").get_data(as_text=True)
    listed = visit(analyst, Area.ANALYST).get(f"/analyst/administrations/{administration_id}/results").get_data(as_text=True)
    assert "1 result followed after the others." in listed
    with db.read() as session:
        assert len(session.scalars(select(QualifyingResult)).all()) == 2
        assert session.scalars(select(Notice).where(Notice.person_id == candidate.id)).first() is not None
