"""Two candidates of one administration, each with a form of their own: what they read, answer and hand in is theirs alone."""

from datetime import timedelta

import pytest
from playwright.sync_api import expect

from testing_platform import clock
from testing_platform.accounts import service as accounts
from testing_platform.demo import setup
from testing_platform.examinations import service as examinations
from testing_platform.examinations.rules import Mode, Window
from testing_platform.itembank import form_queries, forms
from testing_platform.itembank.models import Bank, Form
from testing_platform.itembank.rules import text_of
from tests.journeys.conftest import Candidate

pytestmark = pytest.mark.journey

ITEMS = 6
AREAS = ("CST", "MATH", "READ")


def opened(session, now):
    """A session that is open for two hours, of an administration that gives a pool of the demonstration's bank."""
    live = setup.open_session(session).administration
    document = {
        "name": "SHORT",
        "title": "A short test",
        "difficulty": {"mean": 0.7, "within": 0.1},
        "expected": {"shares": {"easy": 0.8, "medium": 0.7, "hard": 0.55}},
        "section": [{"name": "1", "items": ITEMS, "minutes": 20, "cell": [{"area": area, "min": 2, "max": 2} for area in AREAS]}],
    }
    blueprint = forms.keep_blueprint(session, session.get_one(Bank, live.form.bank_id), document, now)
    pool = forms.freeze(session, blueprint, 0.8, 1, now.date(), now)
    one = examinations.plan_administration(session, live.examination, forms.pool_form(session, pool, now), live.test_day, now)
    window = Window(now - timedelta(minutes=5), now + timedelta(hours=2))
    return examinations.open_session(session, one, title="Short", mode=Mode.REMOTE, window=window, zone="America/Los_Angeles", now=now)


def test_each_candidate_answers_a_form_of_their_own(window, stack):
    now = clock.now()
    with stack.db.write() as session:
        place = opened(session, now)
        people = [setup.add_candidate(session, "drawn", now, place) for _ in range(2)]
        codes = [accounts.issue_admission_code(session, stack.settings.secret, one, now, now + timedelta(hours=2)) for one in people]
    shown = []
    for number, code in enumerate(codes):
        candidate = window(Candidate, width=(1280, 320)[number])
        candidate.sign_in(code)
        expect(candidate.page.locator("main")).to_contain_text("Questions")
        assert candidate.page.locator("dt", has_text="Questions").locator("xpath=following-sibling::dd[1]").inner_text() == str(ITEMS)
        candidate.check_in()
        candidate.admit_in_database()
        candidate.begin()
        stems = candidate.page.locator("fieldset .question__stem")
        shown.append([" ".join(text.split()) for text in stems.all_text_contents()])
        with stack.db.read() as session:
            rows = form_queries.slots_of(session, session.get_one(Form, candidate.attempt().form_id))
            assert shown[-1] == [" ".join(text_of(row.version.stem).split()) for row in rows]
        candidate.choose(number + 1)
        candidate.saved()
        candidate.hand_in()
        assert candidate.chosen() == {1: "ab"[number]}
        expect(candidate.page.locator("main")).to_contain_text("1 of 6")
        assert candidate.fits()
    assert len(shown[0]) == len(shown[1]) == ITEMS
    assert set(shown[0]) != set(shown[1])
