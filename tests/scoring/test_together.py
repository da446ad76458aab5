"""Other administrations of the class in the count of a passing score, on its page, in what is decided, and on paper."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from testing_platform import clock
from testing_platform.accounts.rules import Area, Role
from testing_platform.delivery.models import Attempt
from testing_platform.examinations import service as examinations
from testing_platform.examinations.models import Administration
from testing_platform.examinations.rules import Mode, Window
from testing_platform.scoring import rules, service, together
from testing_platform.scoring.chooser_models import Scenario
from testing_platform.scoring.equating_models import KeptEquating
from tests import make
from tests.scoring.answered import scored
from tests.scoring.paired import FEW, decide, equate, pair
from tests.scoring.test_equating_pages import keep, text

NUMBERS = {"vacancies_now": "3", "vacancies_expected": "1", "listed": "2", "attend": "85", "reach": "72", "appointed": "45", "show": "100"}
REASONS = {"rationale": "Enough.", "rates_reason": "Made up.", "below_reason": "A short form."}


@pytest.fixture(scope="module")
def db(module_db):
    """Not emptied: each test reads administrations of its own."""
    return module_db


@pytest.fixture
def analyst(db, visit):
    with db.write() as session:
        person = make.person(session, Role.ANALYST)
    return visit(person, Area.ANALYST)


@pytest.fixture(scope="module")
def both(db):
    """The earlier and the later administration, neither decided, with an equating between them that an analyst has kept."""
    first, here = pair(db, cut=None)
    equate(db, here)
    return first, here


def raw(db, number):
    """Raw scores by person."""
    with db.read() as session:
        run = service.newest_run(session, session.get_one(Administration, number))
        scores = service.raw_scores(session, run)
        return {session.get_one(Attempt, attempt).person_id: score for attempt, score in scores.items()}


def table(db, here):
    with db.read() as session:
        return session.scalars(select(KeptEquating.figures).where(KeptEquating.administration_id == here)).one()["table"]


def cells(page, name):
    return [int(cell) for cell in re.findall(rf'data-cell="{name}">(\d+)<', page)]


def chooser(visitor, number, *others, status=200, **said):
    reply = visitor.get(f"/analyst/administrations/{number}/passing-score", query_string={**NUMBERS, "with": others, **said})
    assert reply.status_code == status
    return reply.get_data(as_text=True)


def propose(visitor, number, cut, *others, **said):
    form = {**NUMBERS, **REASONS, "cut": cut, "with": list(others), **said}
    return visitor.post(f"/analyst/administrations/{number}/passing-score/propose", form)


def test_without_an_equating_nothing_is_counted_and_the_page_says_where_one_is_made(db, analyst):
    first, here = pair(db, cut=None)
    for number in (first, here):
        page = chooser(analyst, number)
        assert "no equating with it is kept" in page
        assert f'href="/analyst/administrations/{here}/analyses/equating?with={first}"' in page
        assert "data-together" not in page
    assert propose(analyst, here, 4, first).status_code == 422
    assert keep(analyst, here).status_code == 303
    for number, other in ((first, here), (here, first)):
        assert f'id="with-{other}"' in chooser(analyst, number)


def test_at_each_cut_those_of_the_other_form_pass_whose_score_is_worth_it(db, analyst, both):
    first, here = both
    worth = {x: y for x, y, _ in table(db, here)}
    then, now = raw(db, first), raw(db, here)
    page = chooser(analyst, here, first)
    expected = [sum(score >= cut for score in now.values()) + sum(worth[x] >= cut for x in then.values()) for cut in range(9)]
    expected[0] = len(now) + len(then)
    assert cells(page, "passers") == expected
    assert cells(page, "here") == [sum(score >= cut for score in now.values()) for cut in range(9)]
    assert cells(page, "at_cut") == [a - b for a, b in zip(expected, [*expected[1:], 0], strict=True)]
    back = chooser(analyst, first, here)
    expected = [sum(score >= cut for score in then.values()) + sum(score >= worth[cut] for score in now.values()) for cut in range(7)]
    expected[0] = len(now) + len(then)
    assert cells(back, "passers") == expected


def test_the_page_says_how_the_forms_were_equated(db, analyst, both):
    first, here = both
    said = re.sub(
        r"\s+", " ", text(analyst.get(f"/analyst/administrations/{here}/passing-score", query_string={**NUMBERS, "with": first, "cut": 5}))
    )
    with db.read() as session:
        kept = session.scalars(select(KeptEquating).where(KeptEquating.administration_id == here)).one()
        cut = next(x for x, y, _ in kept.figures["table"] if y >= 5)
        error = kept.figures["table"][cut][2]
    passing = sum(score >= cut for score in raw(db, first).values())
    assert (
        f"{passing} of 26 pass there at {cut} of 6, which asks for as much. Equated by Tucker through 5 shared items (26 and 26 candidates)."
        in said
    )
    assert f"Standard error at the cut: {error:.2f}" in said
    assert "nobody who is counted here may stand in “Eligibles already listed” too" in said


def test_nothing_is_counted_that_is_not_ticked_and_with_nothing_ticked_all_is_as_ever(db, analyst, both):
    first, here = both
    plain, scores = chooser(analyst, here), raw(db, here)
    assert cells(plain, "passers") == [sum(score >= cut for score in scores.values()) for cut in range(9)]
    assert 'data-part="together-said" aria-labelledby="counted-h" hidden' in plain
    with db.read() as session:
        one = session.get_one(Administration, here)
        run, policy = service.newest_run(session, one), service.policy_of(one)
        assert "together" not in service.weigh(session, one, run, rules.Inputs(3, 1), policy).told(rules.Inputs(3, 1), policy)
    assert "counted" not in rules.Inputs(3, 1).told()


def test_what_was_counted_stays_with_the_decision_its_page_and_its_memo(db, visit, analyst, untypeset):
    first, here = pair(db, cut=None)
    equate(db, here)
    base = f"/analyst/administrations/{here}"
    kept = analyst.post(f"{base}/passing-score/scenarios", {**NUMBERS, "cut": 5, "with": [first], "scenario": "Both"})
    assert kept.status_code == 303
    assert f"with={first}" in kept.headers["Location"]
    alone = analyst.post(f"{base}/passing-score/scenarios", {**NUMBERS, "cut": 5, "scenario": "This one"})
    assert alone.status_code == 303
    with db.read() as session:
        with_both, with_one = session.scalars(select(Scenario).order_by(Scenario.id.desc()).limit(2)).all()[::-1]
        assert with_both.inputs["counted"] == [[first, None]]
        assert with_both.figures["passers"] == with_one.figures["passers"] + with_both.figures["others"][0]["passers"]
    page = chooser(analyst, here, first, cut=5)
    assert f"with={first}" in page.split("Take these numbers")[0]
    assert propose(analyst, here, 5, first).status_code == 422  # a reason is due for the other scenario
    assert propose(analyst, here, 5, first, **{f"against-{with_one.id}": "Both come onto one list."}).status_code == 303
    with db.read() as session:
        decision = service.standing_decision(session, session.get_one(Administration, here))
        stored = decision.inputs["together"]
        assert service.differences(session, decision) == []
        assert [row["passers"] for row in decision.table] == [sum(stored["supply"][cut:]) for cut in range(9)]
        other = stored["others"][0]
        assert (other["administration"], other["decision"], other["settled"], len(other["route"])) == (first, None, None, 1)
        assert sum(decision.inputs["counts"]) == 26
    for url in (f"{base}/decision", f"{base}/decision/memo.pdf?number=1"):
        said = text(analyst.get(url))
        passers = decision.table[5]["passers"]
        assert re.search(rf"{passers}\s+of\s+52", said)
        assert f"{other['passers'][5]} of 26 pass there at {other['cuts'][5]} of 6" in re.sub(r"\s+", " ", said)
    with db.write() as session:
        approver = make.person(session, Role.APPROVER)
        service.approve(session, service.standing_decision(session, session.get_one(Administration, here)), approver, clock.now())
    # The other is decided later, and the decision is what it was.
    with db.write() as session:
        decide(session, session.get_one(Administration, first), 4)
    with db.read() as session:
        decision = service.standing_decision(session, session.get_one(Administration, here))
        assert service.differences(session, decision) == []


def test_a_proposal_is_not_signed_once_an_administration_that_it_counts_is_decided(db, visit, analyst):
    first, here = pair(db, cut=None)
    equate(db, here)
    assert propose(analyst, here, 5, first).status_code == 303
    with db.write() as session:
        decide(session, session.get_one(Administration, first), 4)
        approver = make.person(session, Role.APPROVER)
    decision = service.standing_decision
    with db.write() as session, pytest.raises(service.CountMoved):
        service.approve(session, decision(session, session.get_one(Administration, here)), session.merge(approver), clock.now())
    page = visit(approver, Area.ANALYST).get(f"/analyst/administrations/{here}/decision")
    assert "An administration that was counted has changed" in text(page)


def test_who_passed_a_decided_administration_counts_at_every_cut_but_for_those_who_had_their_interview(db, analyst):
    first, here = pair(db, cut=4)
    passed = sum(score >= 4 for score in raw(db, first).values())
    own = [sum(score >= cut for score in raw(db, here).values()) for cut in range(9)]
    assert f"the {passed} who passed count" in text(analyst.get(f"/analyst/administrations/{here}/passing-score"))
    page = chooser(analyst, here, first, **{f"settled-{first}": "3"})
    assert cells(page, "passers") == [count + passed - 3 for count in own]
    assert cells(page, "at_cut") == [a - b for a, b in zip(own, [*own[1:], 0], strict=True)]
    for settled, word in (("", "Write a number."), (str(passed + 1), "So many did not pass."), ("x", "Write a number.")):
        refused = propose(analyst, here, 5, first, **{f"settled-{first}": settled})
        assert refused.status_code == 422
        assert word in text(refused)
        assert cells(refused.get_data(as_text=True), "passers") == own
    assert propose(analyst, here, 5, first, **{f"settled-{first}": "3"}).status_code == 303
    with db.read() as session:
        decision = service.standing_decision(session, session.get_one(Administration, here))
        assert decision.inputs["inputs"]["counted"] == [[first, 3]]
        assert decision.inputs["together"]["fixed"] == passed - 3
        assert decision.inputs["together"]["others"][0]["decision"]["cut"] == 4
        assert service.differences(session, decision) == []


def test_who_took_both_tests_counts_once_with_the_newer(db, analyst):
    first, here = pair(db, cut=None)
    equate(db, here)
    then, now = raw(db, first), raw(db, here)
    best, least = max(then, key=then.get), min(now, key=now.get)
    with db.write() as session:
        session.execute(update(Attempt).where(Attempt.person_id == least).values(person_id=best))
    worth = {x: y for x, y, _ in table(db, here)}
    expected = [
        sum(score >= cut for score in now.values()) + sum(worth[x] >= cut for person, x in then.items() if person != best)
        for cut in range(1, 9)
    ]
    page = chooser(analyst, here, first)
    assert cells(page, "passers")[0] == 51
    assert cells(page, "passers")[1:] == expected
    assert re.search(r'data-part="together-twice">1<', page)
    back = chooser(analyst, first, here)
    assert cells(back, "passers")[0] == 51
    assert cells(back, "here")[1] == sum(score >= 1 for person, score in then.items() if person != best)


def test_a_third_form_is_counted_through_the_one_in_between_and_the_same_form_as_it_is(db, analyst, both):
    """The earliest shares its form with a test date of its own; both are as far from the latest as the one in between is."""
    first, here = both

    def again(session, now):
        one = session.get_one(Administration, first)
        later = examinations.plan_administration(session, one.examination, one.form, one.test_day, now)
        window = Window(now - timedelta(hours=1), now + timedelta(hours=8))
        return examinations.open_session(
            session, later, title="Once more", mode=Mode.REMOTE, window=window, zone="America/Los_Angeles", now=now
        )

    date = scored(db, FEW[0][:10], place=again, hours=36)
    page = chooser(analyst, first, date)
    assert "The same form with the same key" in page
    own = [sum(score >= cut for score in [*raw(db, first).values(), *raw(db, date).values()]) for cut in range(7)]
    assert cells(page, "passers") == own
    worth = {x: y for x, y, _ in table(db, here)}
    through = cells(chooser(analyst, here, date), "passers")
    expected = [
        sum(score >= cut for score in raw(db, here).values()) + sum(worth[x] >= cut for x in raw(db, date).values()) for cut in range(1, 9)
    ]
    assert through[1:] == expected
    both_there = cells(chooser(analyst, here, first, date), "passers")
    assert both_there[0] == 26 + 26 + 10


def test_too_long_ago_is_not_offered(db, both):
    first, here = both
    with db.read() as session:
        one = session.get_one(Administration, here)
        run = service.newest_run(session, one)
        assert first in {other.administration.id for other in together.others(session, one, run, 1)}
        assert first not in {other.administration.id for other in together.others(session, one, run, 0)}
