"""Supply by list: off unless the department has allowed it, told of both lists or of none, and at one cut."""

import re
from datetime import timedelta
from fractions import Fraction

import pytest

from testing_platform import clock
from testing_platform.accounts.rules import Area, Role
from testing_platform.examinations.models import Administration, Appointment
from testing_platform.scoring import rules, service
from testing_platform.scoring.models import PassingScoreDecision
from tests import make

NUMBERS = {"vacancies_now": "2", "vacancies_expected": "1", "listed": "", "attend": "85", "reach": "72", "appointed": "45", "show": "100"}
WHY = {"rationale": "Three vacancies within two years.", "below_reason": "A short form."}
ALLOWED = {"streams": ["list"], "streams_source": "the City Attorney’s letter of 2026-03-02"}
# Raw scores of each list.
PROMOTIONAL, OPEN = [6, 6, 5, 3, 2, 2], [6, 5, 5, 4, 4, 3, 1, 1]


@pytest.fixture
def world(db, once):
    def build():
        now = clock.now() - timedelta(hours=12)
        with db.write() as session:
            where = make.place(session, now)
            for right in PROMOTIONAL:
                make.handed_in(session, where, right, now, basis="PROMOTIONAL")
            for n, right in enumerate(OPEN):
                make.handed_in(session, where, right, now, basis="OPEN" if n % 2 else None)
            analyst, approver = make.person(session, Role.ANALYST), make.person(session, Role.APPROVER)
            one = session.get_one(Administration, where.administration_id)
            service.end_sessions(session, one, analyst, now)
            service.lock_key(session, one, analyst, now)
            service.run(session, one, analyst, now)
            return where.administration_id, analyst, approver

    return once(build)


@pytest.fixture
def number(world):
    return world[0]


@pytest.fixture
def analyst(world, visit):
    return visit(world[1], Area.ANALYST)


@pytest.fixture
def approver(world, visit):
    return visit(world[2], Area.ANALYST)


@pytest.fixture
def base(number):
    return f"/analyst/administrations/{number}"


@pytest.fixture
def policy(db, number):
    def put(**said):
        with db.write() as session:
            bulletin = session.get_one(Administration, number).examination.bulletin
            bulletin.content = bulletin.content | {"policy": {"passing_score": said}}

    return put


def words(reply, status=200):
    assert reply.status_code == status, reply.get_data(as_text=True)[:2000]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", reply.get_data(as_text=True)))


def propose(analyst, base):
    reply = analyst.post(f"{base}/passing-score/propose", {**NUMBERS, **WHY, "cut": "4"})
    assert reply.headers["Location"].endswith("/decision?number=1"), words(reply, 422)


def test_nothing_tells_the_lists_apart_where_nobody_allowed_it(db, analyst, base, policy, number):
    policy(small_group=2)
    propose(analyst, base)
    pages = [words(analyst.get(f"{base}/{path}")) for path in ("passing-score", "decision", "scoring")]
    assert not any(re.search("Supply by list|Promotional|promotional", page) for page in pages)
    with db.read() as session:
        decision = session.query(PassingScoreDecision).one()
        assert "streams" not in decision.inputs


def test_each_list_stands_beside_the_whole_at_the_same_cut(db, analyst, approver, base, policy):
    policy(small_group=2, **ALLOWED)
    page = words(analyst.get(f"{base}/passing-score", query_string=NUMBERS))
    assert "Allowed by: the City Attorney’s letter of 2026-03-02." in page
    inputs = rules.Inputs(2, 1)
    with db.read() as session:
        weighed = service.weigh(
            session,
            session.query(Administration).one(),
            service.newest_run(session, session.query(Administration).one()),
            inputs,
            rules.Policy.of({"small_group": 2, **ALLOWED}),
        )
    rows = weighed.streams.rows(inputs, rules.Policy())
    for cut in range(7):
        passers = [sum(raw >= cut for raw in of) for of in (PROMOTIONAL, OPEN)]
        assert [rows[name][cut].passers for name in ("promotional", "open")] == passers
        assert sum(passers) == weighed.choice.rows[cut].passers
        # 0.85 · 0.72 · 0.45 of them are appointed.
        assert rows["open"][cut].appointments == rules.exact(passers[1] * Fraction("0.2754"))
    propose(analyst, base)
    decision = words(approver.get(f"{base}/decision"))
    assert "Supply by list" in decision
    assert re.search(r"\b4 3 0\.8 0\.\d{3} 5 1\.4 0\.\d{3}", decision), decision[-3000:]
    assert approver.post(f"{base}/decision/sign", {"number": "1", "typed": "4"}).status_code == 303


def test_of_a_small_list_nothing_is_told_nor_of_the_other(db, analyst, base, policy):
    policy(small_group=7, **ALLOWED)
    page = words(analyst.get(f"{base}/passing-score"))
    assert "One of the lists has too few candidates to be shown apart." in page
    assert "Promotional:" not in page
    propose(analyst, base)
    with db.read() as session:
        assert session.query(PassingScoreDecision).one().inputs["streams"]["counts"] == {}


def test_who_changes_lists_after_the_proposal_keeps_it_from_being_signed(db, analyst, approver, base, policy):
    policy(small_group=2, **ALLOWED)
    propose(analyst, base)
    # The policy of today is not asked again; what was stored is.
    policy(small_group=2)
    assert "Supply by list" in words(approver.get(f"{base}/decision"))
    with db.write() as session:
        session.query(Appointment).filter_by(basis="PROMOTIONAL").first().basis = "OPEN"
        assert service.differences(session, session.query(PassingScoreDecision).one()) == ["streams"]
    assert approver.post(f"{base}/decision/sign", {"number": "1", "typed": "4"}).status_code == 409


def test_the_memo_has_the_lists(analyst, base, policy, untypeset):
    policy(small_group=2, **ALLOWED)
    propose(analyst, base)
    assert "Supply by list" in analyst.get(f"{base}/decision/memo.pdf", query_string={"number": "1"}).get_data(as_text=True)


@pytest.mark.parametrize(
    "said", [{"streams": ["list"]}, {"streams": ["list"], "streams_source": " "}, {"streams": ["sex"], "streams_source": "nobody"}]
)
def test_a_stream_takes_a_source_and_is_never_a_group(said):
    with pytest.raises(rules.FaultyInputs):
        rules.Policy.of(said)
