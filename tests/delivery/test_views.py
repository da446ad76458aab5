"""The candidate's pages over HTTP, where the words and the next step are decided."""

from sqlalchemy import select

from testing_platform import clock
from testing_platform.accounts.rules import Area
from testing_platform.delivery.rules import State
from testing_platform.notices.models import Notice
from tests import make


def test_a_sign_in_link_is_mailed_to_a_known_address_and_the_reply_is_the_same_for_any(app, db, visit):
    with db.write() as session:
        candidate = make.person(session, make.Role.CANDIDATE, now=clock.now())
    visitor = visit()
    known = visitor.post("/candidate/sign-in/link", {"email": candidate.email.upper()})
    unknown = visitor.post("/candidate/sign-in/link", {"email": "nobody@example.org"})
    assert known.status_code == unknown.status_code == 200
    assert known.get_data(as_text=True).count("on its way") == unknown.get_data(as_text=True).count("on its way") == 1
    with db.read() as session:
        mail = session.scalars(select(Notice)).one()
    address = next(line for line in mail.text.splitlines() if "/candidate/in/" in line)
    path = address.removeprefix("http://localhost")
    assert visitor.get(path).status_code == 200
    assert visitor.post(path).status_code == 303
    assert visitor.get("/candidate/").status_code == 200
    assert visitor.post(path).status_code == 410


def test_links_can_be_asked_for_five_times_a_quarter_of_an_hour(visit):
    visitor = visit()
    codes = [visitor.post("/candidate/sign-in/link", {"email": "a@example.org"}).status_code for _ in range(6)]
    assert codes == [200] * 5 + [429]


def test_each_page_leads_to_where_the_candidate_belongs(db, visit):
    with db.write() as session:
        attempt = make.attempt(session, state=State.CHECKING_IN, now=clock.now())
        person = attempt.person
    visitor = visit(person, Area.CANDIDATE)
    base = f"/candidate/attempts/{attempt.id}"
    for page in ("system-check", "photo", "waiting", "rules", "test", "receipt"):
        assert visitor.get(f"{base}/{page}").headers["Location"].endswith("/consent"), page
    assert visitor.get(f"{base}/consent").status_code == 200


def test_consent_without_a_choice_says_which_and_keeps_the_others(db, visit):
    with db.write() as session:
        attempt = make.attempt(session, state=State.CHECKING_IN, now=clock.now())
        person = attempt.person
    visitor = visit(person, Area.CANDIDATE)
    reply = visitor.post(f"/candidate/attempts/{attempt.id}/consent", {"consent-detectors": "people_only"})
    page = reply.get_data(as_text=True)
    assert reply.status_code == 422
    assert 'value="people_only"' in page
    assert "checked" in page


def test_the_player_holds_every_question_and_no_key_and_no_code_of_the_bank(db, visit, app):
    with db.write() as session:
        attempt = make.attempt(session, now=clock.now(), state=State.ADMITTED)
        person = attempt.person
    visitor = visit(person, Area.CANDIDATE)
    visitor.post(f"/candidate/attempts/{attempt.id}/begin")
    page = visitor.get(f"/candidate/attempts/{attempt.id}/test").get_data(as_text=True)
    for number in range(1, make.ITEMS + 1):
        assert f"What does I-{number} ask?" in page
    assert "Because." not in page
    assert '"key": "b"' not in page
    assert [page.count(f"Option {key}") for key in "abcd"] == [make.ITEMS] * 4


def test_pages_of_a_test_are_in_no_cache(db, visit):
    with db.write() as session:
        attempt = make.attempt(session, now=clock.now(), state=State.SUBMITTED)
        person = attempt.person
    reply = visit(person, Area.CANDIDATE).get(f"/candidate/attempts/{attempt.id}/receipt")
    assert reply.headers["Cache-Control"] == "no-store"
    assert attempt.receipt_code in reply.get_data(as_text=True)


def test_after_the_test_no_page_shows_a_question(db, visit):
    with db.write() as session:
        attempt = make.attempt(session, now=clock.now(), state=State.SUBMITTED)
        person = attempt.person
    visitor = visit(person, Area.CANDIDATE)
    for page in ("", "/consent", "/waiting", "/rules", "/test", "/receipt"):
        reply = visitor.get(f"/candidate/attempts/{attempt.id}{page}")
        assert "What does" not in reply.get_data(as_text=True)


def test_a_test_that_was_turned_in_is_not_said_to_begin(db, visit):
    now = clock.now()
    with db.write() as session:
        where = make.place(session, now)
        waits = make.attempt(session, where=where, state=State.CHECKING_IN, now=now).person
        done = make.handed_in(session, where, 3, now).person
    pages = [visit(person, Area.CANDIDATE).get("/candidate/").get_data(as_text=True) for person in (waits, done)]
    assert [("Begin no later than" in page, "Turned in" in page) for page in pages] == [(True, False), (False, True)]
