"""What a proctor may do to an attempt: by whom, from which state, once."""

import uuid
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from testing_platform import errors
from testing_platform.accounts.rules import Role
from testing_platform.audit.models import AuditEntry
from testing_platform.bus import Event as Happening
from testing_platform.delivery import queries as delivery_queries
from testing_platform.delivery import rules as delivery
from testing_platform.delivery import service as attempts
from testing_platform.delivery.models import CheckInStep, Message, TimeEntry
from testing_platform.delivery.rules import State, Step
from testing_platform.examinations.rules import Mode
from testing_platform.proctor import rules, service
from testing_platform.proctor.models import Act, EndProposal
from testing_platform.proctor.rules import Act as Doing
from testing_platform.proctor.service import Asked
from tests import make
from tests.make import NOON

MINUTE = timedelta(minutes=1)


@pytest.fixture(scope="module")
def settings(module_settings):
    return module_settings


@pytest.fixture(scope="module")
def db(module_db):
    """One for the module: every test here throws its transaction away."""
    return module_db


def attempt_in(session, state, where=None):
    """An attempt brought to any state in which a proctor may meet it."""
    if state is State.PAUSED_TECHNICAL or state is State.AWAITING_RESUME:
        found = make.attempt(session, where=where)
        back = NOON + (MINUTE if state is State.PAUSED_TECHNICAL else 3 * MINUTE)
        attempts.lose_contact(session, found, back)
        if state is State.AWAITING_RESUME:
            attempts.regain_contact(session, found, None, timedelta(seconds=10), back)
    elif state is State.TERMINATED:
        found = make.attempt(session, where=where)
        attempts.end(session, found, 1, NOON, "illness")
        session.flush()
    else:
        found = make.attempt(session, state=state, where=where)
    assert found.state == state
    return found


def ask(attempt, act, **more):
    more.setdefault("key", str(uuid.uuid4()))
    more.setdefault("version", attempt.version)
    reasons = {Doing.RETURN_TO_STEP: "photo_unclear", Doing.PAUSE: "illness", Doing.GIVE_TIME: "technical", Doing.PROPOSE_END: "illness"}
    more.setdefault("category", reasons.get(act, ""))
    more.setdefault("step", "photo" if act is Doing.RETURN_TO_STEP else "")
    more.setdefault("minutes", 5 if act is Doing.GIVE_TIME else 0)
    more.setdefault("text", "Hello." if act is Doing.MESSAGE else "")
    return Asked(act, **more)


def do(session, attempt, person, act, now=NOON + 3 * MINUTE, **more):
    service.do(session, attempt, person, ask(attempt, act, **more), now)


@pytest.fixture
def proctor(session):
    return make.person(session, Role.PROCTOR)


@pytest.fixture
def lead(session):
    return make.person(session, Role.LEAD_PROCTOR)


STATES = [
    State.CHECKING_IN, State.AWAITING, State.ADMITTED, State.IN_PROGRESS, State.PAUSED_PROCTOR, State.PAUSED_TECHNICAL, State.AWAITING_RESUME,
    State.SUBMITTED, State.TERMINATED,
]  # fmt: skip
UNDER_WAY = {State.IN_PROGRESS, State.PAUSED_PROCTOR, State.PAUSED_TECHNICAL, State.AWAITING_RESUME}
# act → the states from which it goes, and where it leads (none: it stays).
TABLE = {
    Doing.ADMIT: ({State.AWAITING}, State.ADMITTED),
    Doing.RETURN_TO_STEP: ({State.AWAITING}, State.CHECKING_IN),
    Doing.PAUSE: ({State.IN_PROGRESS}, State.PAUSED_PROCTOR),
    Doing.RESUME: ({State.PAUSED_PROCTOR, State.AWAITING_RESUME}, State.IN_PROGRESS),
    Doing.MESSAGE: (set(STATES), None),
    Doing.GIVE_TIME: (UNDER_WAY, None),
    Doing.PROPOSE_END: (UNDER_WAY, None),
    Doing.CONFIRM_END: (set(), None),  # nothing was proposed
    Doing.WITHDRAW_END: (set(), None),
}


def test_the_table_has_every_act():
    assert set(TABLE) == set(Doing)


@pytest.mark.parametrize("role", [Role.PROCTOR, Role.LEAD_PROCTOR])
@pytest.mark.parametrize("state", STATES)
def test_from_which_state_each_act_goes_and_where_it_leads(session, state, role):
    person, where = make.person(session, role), make.place(session)
    for act, (sources, target) in TABLE.items():
        attempt = attempt_in(session, state, where)
        before = attempt.version
        if state in sources:
            do(session, attempt, person, act)
            assert (act, attempt.state) == (act, target or state)
            assert attempt.version > before or act is Doing.MESSAGE
        else:
            refusal = errors.Forbidden if act is Doing.CONFIRM_END and role is Role.PROCTOR else delivery.NotNow
            with pytest.raises(refusal):
                do(session, attempt, person, act)
            assert (act, attempt.state, attempt.version) == (act, state, before)
            assert session.scalars(select(Act).where(Act.attempt_id == attempt.id)).all() == []


@pytest.mark.parametrize("act", [act for act in Doing if act is not Doing.MESSAGE])
def test_who_looked_at_an_older_version_looks_again(session, lead, act):
    attempt = make.attempt(session, state=State.AWAITING if act in (Doing.ADMIT, Doing.RETURN_TO_STEP) else State.IN_PROGRESS)
    for version in (attempt.version - 1, attempt.version + 1):
        with pytest.raises(errors.VersionMoved):
            do(session, attempt, lead, act, version=version)


def test_a_message_needs_no_version(session, proctor):
    attempt = make.attempt(session)
    do(session, attempt, proctor, Doing.MESSAGE, version=0, text="  All is well.  ")
    (message,) = session.scalars(select(Message)).all()
    assert (message.sender, message.actor_id, message.text, message.number) == ("proctor", proctor.id, "All is well.", 1)


def test_of_two_proctors_who_press_at_once_the_second_looks_again(session, proctor, lead):
    attempt = make.attempt(session)
    both = [(proctor, ask(attempt, Doing.PAUSE)), (lead, ask(attempt, Doing.PAUSE))]
    service.do(session, attempt, *both[0], NOON)
    with pytest.raises(errors.VersionMoved) as refusal:
        service.do(session, attempt, *both[1], NOON)
    assert refusal.value.facts == {"version": attempt.version}


def test_the_same_key_twice_acts_once(session, proctor):
    attempt = make.attempt(session)
    asked = ask(attempt, Doing.GIVE_TIME, minutes=5)
    for _ in range(3):
        service.do(session, attempt, proctor, asked, NOON)
    assert attempt.given == 5 * MINUTE
    assert len(session.scalars(select(Happening).where(Happening.kind == "attempt.time_given")).all()) == 1


def test_a_key_belongs_to_one_act_of_one_person_on_one_attempt(session, proctor, lead):
    where = make.place(session)
    here, there = make.attempt(session, where=where), make.attempt(session, where=where)
    asked = ask(here, Doing.MESSAGE)
    service.do(session, here, proctor, asked, NOON)
    for attempt, person, act in [(there, proctor, Doing.MESSAGE), (here, lead, Doing.MESSAGE), (here, proctor, Doing.PAUSE)]:
        with pytest.raises(errors.BadRequest):
            do(session, attempt, person, act, key=asked.key)
    assert here.state == State.IN_PROGRESS
    assert len(session.scalars(select(Message)).all()) == 1


@pytest.mark.parametrize(
    ("act", "state"),
    [
        (Doing.RETURN_TO_STEP, State.AWAITING),
        (Doing.PAUSE, State.IN_PROGRESS),
        (Doing.GIVE_TIME, State.IN_PROGRESS),
        (Doing.PROPOSE_END, State.IN_PROGRESS),
    ],
)
@pytest.mark.parametrize("category", ["", "because"])
def test_what_touches_a_candidate_has_a_reason_from_the_list(session, proctor, act, state, category):
    attempt = make.attempt(session, state=state)
    with pytest.raises(rules.ReasonMissing):
        do(session, attempt, proctor, act, category=category, text="A sentence alone is not enough.")
    assert attempt.state == state


# ------------------------------------------------------------ time


@pytest.mark.parametrize(
    ("role", "given", "minutes", "fits"),
    [
        (Role.PROCTOR, 0, 10, True),
        (Role.PROCTOR, 0, 11, False),
        (Role.PROCTOR, 4, 6, True),
        (Role.PROCTOR, 4, 7, False),
        (Role.PROCTOR, 10, 1, False),
        (Role.PROCTOR, 0, 0, False),
        (Role.PROCTOR, 0, -5, False),
        (Role.LEAD_PROCTOR, 0, 60, True),
        (Role.LEAD_PROCTOR, 0, 61, False),
        (Role.LEAD_PROCTOR, 10, 50, True),
        (Role.LEAD_PROCTOR, 10, 51, False),
        (Role.LEAD_PROCTOR, 0, 10**15, False),
    ],
)
def test_how_much_time_may_be_given_in_all_for_one_attempt(session, role, given, minutes, fits):
    attempt = make.attempt(session)
    if given:
        # Whoever gave it: the limit is on the attempt's sum.
        do(session, attempt, make.person(session, Role.PROCTOR), Doing.GIVE_TIME, minutes=given)
    person = make.person(session, role)
    if fits:
        do(session, attempt, person, Doing.GIVE_TIME, minutes=minutes)
        assert attempt.deadline == NOON + 75 * MINUTE + (given + minutes) * MINUTE
    else:
        with pytest.raises(delivery.OverTheLimit) as refusal:
            do(session, attempt, person, Doing.GIVE_TIME, minutes=minutes)
        assert refusal.value.facts == {"limit_minutes": 10 if role is Role.PROCTOR else 60, "given_minutes": given}
        assert attempt.deadline == NOON + 75 * MINUTE + given * MINUTE


def test_time_given_back_for_a_lost_line_does_not_use_up_what_a_proctor_may_give(session, proctor):
    attempt = make.attempt(session)
    attempts.lose_contact(session, attempt, NOON + MINUTE)
    attempts.regain_contact(session, attempt, None, timedelta(seconds=10), NOON + MINUTE)
    do(session, attempt, proctor, Doing.GIVE_TIME, minutes=10)
    assert attempt.given == 10 * MINUTE + timedelta(seconds=40)


def test_a_grant_is_written_down_with_its_reason_and_its_giver(session, proctor):
    attempt = make.attempt(session)
    do(session, attempt, proctor, Doing.GIVE_TIME, minutes=3, category="our_fault", text="The console was slow.")
    (entry,) = session.scalars(select(TimeEntry)).all()
    assert (entry.kind, entry.cause, entry.amount, entry.actor_id, entry.reason) == (
        "grant", "our_fault", 3 * MINUTE, proctor.id, "The console was slow.",
    )  # fmt: skip


# ------------------------------------------------------------ pausing


def test_a_pause_stops_the_clock_and_gives_the_span_back(session, proctor):
    attempt = make.attempt(session)
    do(session, attempt, proctor, Doing.PAUSE, now=NOON + MINUTE, text="A word with you, please.")
    assert attempt.clock.left(NOON + 30 * MINUTE) == 74 * MINUTE
    assert attempts.running_hold(session, attempt).reason == "A word with you, please."
    do(session, attempt, proctor, Doing.RESUME, now=NOON + 6 * MINUTE)
    assert (attempt.state, attempt.given, attempt.deadline) == (State.IN_PROGRESS, 5 * MINUTE, NOON + 80 * MINUTE)


def test_a_test_that_a_proctor_let_go_on_is_not_held_at_once_for_the_silence_before(session, proctor):
    attempt = attempt_in(session, State.AWAITING_RESUME)
    now = NOON + 20 * MINUTE
    do(session, attempt, proctor, Doing.RESUME, now=now)
    assert not attempts.lose_contact(session, attempt, now + timedelta(seconds=19))
    assert attempt.state == State.IN_PROGRESS


# ------------------------------------------------------------ check-in


def test_admitting_is_written_down_with_its_time(session, proctor):
    attempt = make.attempt(session, state=State.AWAITING)
    do(session, attempt, proctor, Doing.ADMIT, now=NOON + MINUTE)
    assert attempt.admitted_at == NOON + MINUTE
    assert session.scalars(select(AuditEntry.actor_id).where(AuditEntry.act == "attempt.admit")).all() == [proctor.id]


@pytest.mark.parametrize("step", list(Step))
def test_a_candidate_who_is_sent_back_finds_the_step_and_the_reason(session, proctor, step):
    attempt = make.attempt(session, state=State.AWAITING)
    do(session, attempt, proctor, Doing.RETURN_TO_STEP, step=step, text="Please sit closer to the camera.")
    assert delivery_queries.page_of(session, attempt).endswith({"system": "/system-check"}.get(step, f"/{step}"))
    assert delivery_queries.returned_reason(session, attempt.id, step) == "Please sit closer to the camera."
    assert attempt.awaiting_since is None
    # The step done again leads back to the queue, at its end.
    attempts.finish_step(session, attempt, step, NOON + 5 * MINUTE)
    assert (attempt.state, attempt.awaiting_since) == (State.AWAITING, NOON + 5 * MINUTE)
    assert delivery_queries.returned_reason(session, attempt.id, step) == ""


def test_what_the_step_had_stays_until_it_is_done_again(session, proctor):
    attempt = make.attempt(session, state=State.AWAITING)
    row = session.get_one(CheckInStep, (attempt.id, "photo"))
    row.facts = {"object": "attempts/1/photo-1", "sha256": "ab" * 32}
    do(session, attempt, proctor, Doing.RETURN_TO_STEP, text="Too dark.")
    assert row.facts == {"object": "attempts/1/photo-1", "sha256": "ab" * 32, "category": "photo_unclear", "reason": "Too dark."}


@pytest.mark.parametrize("step", ["", "begin", "Photo"])
def test_a_step_that_there_is_not_is_refused(session, proctor, step):
    attempt = make.attempt(session, state=State.AWAITING)
    with pytest.raises(errors.BadRequest):
        do(session, attempt, proctor, Doing.RETURN_TO_STEP, step=step)
    assert attempt.state == State.AWAITING


def test_nobody_is_sent_back_to_a_step_that_they_chose_to_go_without(session, proctor):
    attempt = make.attempt(session, state=State.AWAITING)
    session.get_one(CheckInStep, (attempt.id, "photo")).state = "waived"
    with pytest.raises(rules.StepWaived):
        do(session, attempt, proctor, Doing.RETURN_TO_STEP, step="photo")
    assert attempt.state == State.AWAITING


# ------------------------------------------------------------ ending, by two people


@pytest.fixture
def proposed(session, proctor):
    attempt = make.attempt(session)
    do(session, attempt, proctor, Doing.PROPOSE_END, category="asked_to_stop", text="Said so twice.")
    return attempt


def proposal(session):
    return session.scalars(select(EndProposal)).one()


def test_a_proposal_alone_changes_nothing_for_the_candidate(session, proposed, proctor):
    assert (proposed.state, proposed.held_since, proposed.deadline) == (State.IN_PROGRESS, None, NOON + 75 * MINUTE)
    found = proposal(session)
    assert (found.proposed_by_id, found.category, found.reason, found.outcome) == (proctor.id, "asked_to_stop", "Said so twice.", "open")


def test_a_lead_who_did_not_propose_confirms(session, proposed, lead):
    do(session, proposed, lead, Doing.CONFIRM_END)
    assert (proposed.state, proposed.submitted_by) == (State.TERMINATED, "two_people")
    assert (proposal(session).outcome, proposal(session).decided_by_id) == ("confirmed", lead.id)
    assert proposed.digest
    assert session.scalars(select(AuditEntry.facts).where(AuditEntry.act == "attempt.end")).one()["category"] == "asked_to_stop"


def test_a_paused_test_ends_with_its_clock_let_go(session, lead):
    attempt = make.attempt(session, state=State.PAUSED_PROCTOR)
    do(session, attempt, make.person(session, Role.LEAD_PROCTOR), Doing.PROPOSE_END)
    do(session, attempt, lead, Doing.CONFIRM_END)
    assert (attempt.state, attempt.held_since, attempts.running_hold(session, attempt)) == (State.TERMINATED, None, None)


def test_the_lead_who_proposed_does_not_confirm(session, lead):
    attempt = make.attempt(session)
    do(session, attempt, lead, Doing.PROPOSE_END)
    with pytest.raises(rules.SamePerson):
        do(session, attempt, lead, Doing.CONFIRM_END)
    assert (attempt.state, proposal(session).outcome) == (State.IN_PROGRESS, "open")


def test_a_proctor_confirms_neither_their_own_proposal_nor_anothers(session, proposed, proctor):
    for person in (proctor, make.person(session, Role.PROCTOR)):
        with pytest.raises(errors.Forbidden):
            do(session, proposed, person, Doing.CONFIRM_END)
    assert proposed.state == State.IN_PROGRESS


def test_the_database_too_wants_two_people(session, proposed, proctor):
    found = proposal(session)
    found.outcome, found.decided_by_id = "confirmed", proctor.id
    with pytest.raises(IntegrityError, match="two_people"):
        session.flush()


@pytest.mark.parametrize("who", ["proposer", "lead"])
def test_the_proposer_or_a_lead_withdraws(session, proposed, proctor, lead, who):
    do(session, proposed, proctor if who == "proposer" else lead, Doing.WITHDRAW_END)
    assert (proposal(session).outcome, proposed.state) == ("withdrawn", State.IN_PROGRESS)
    with pytest.raises(delivery.NotNow):
        do(session, proposed, lead, Doing.CONFIRM_END)
    do(session, proposed, proctor, Doing.PROPOSE_END)


def test_a_proctor_does_not_withdraw_what_another_proposed(session, proposed):
    with pytest.raises(errors.Refusal):
        do(session, proposed, make.person(session, Role.PROCTOR), Doing.WITHDRAW_END)
    assert proposal(session).outcome == "open"


def test_one_proposal_at_a_time(session, proposed, lead):
    with pytest.raises(delivery.NotNow):
        do(session, proposed, lead, Doing.PROPOSE_END)


def test_a_test_that_was_handed_in_meanwhile_is_not_ended(session, proposed, lead):
    attempts.submit(session, proposed, NOON + MINUTE)
    with pytest.raises(delivery.NotNow), session.begin_nested():
        do(session, proposed, lead, Doing.CONFIRM_END)
    session.refresh(proposed)
    assert (proposed.state, proposal(session).outcome) == (State.SUBMITTED, "open")


# ------------------------------------------------------------ the trail


def test_every_act_but_a_message_leaves_a_line_in_the_trail_without_words_or_names(session, proctor, lead):
    attempt = make.attempt(session, state=State.AWAITING, mode=Mode.REMOTE)
    secret = "Rowan has the flu"
    do(session, attempt, proctor, Doing.RETURN_TO_STEP, text=secret)
    attempts.finish_step(session, attempt, Step.PHOTO, NOON)
    do(session, attempt, proctor, Doing.ADMIT)
    attempts.begin(session, attempt, "this-browser", NOON)
    for act in (Doing.PAUSE, Doing.RESUME, Doing.GIVE_TIME, Doing.PROPOSE_END, Doing.WITHDRAW_END, Doing.PROPOSE_END):
        do(session, attempt, proctor, act, text=secret)
    do(session, attempt, lead, Doing.CONFIRM_END)
    lines = session.scalars(select(AuditEntry).where(AuditEntry.actor_id.in_([proctor.id, lead.id])).order_by(AuditEntry.id)).all()
    assert [line.act for line in lines] == [
        "attempt.return_to_step", "attempt.admit", "attempt.pause", "attempt.resume", "attempt.time_given", "attempt.end_proposed",
        "attempt.end_withdrawn", "attempt.end_proposed", "attempt.end",
    ]  # fmt: skip
    said = " ".join(str(line.facts) for line in lines) + " ".join(str(happening.facts) for happening in session.scalars(select(Happening)))
    for word in (secret, proctor.name, attempt.person.name):
        assert word not in said
