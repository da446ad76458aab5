import threading
from datetime import timedelta

import pytest
from sqlalchemy import event, func, select, update
from sqlalchemy.exc import IntegrityError

from testing_platform import errors
from testing_platform.accounts.rules import Role
from testing_platform.audit.models import AuditEntry
from testing_platform.delivery import service as attempts
from testing_platform.delivery.models import Response
from testing_platform.delivery.rules import Event, State, Who
from testing_platform.itembank.models import Form
from testing_platform.scoring import rules, service
from testing_platform.scoring.models import Key, PassingScoreDecision, QualifyingResult, RawScore, ScoreRun
from tests import make
from tests.make import NOON

LATER = NOON + timedelta(hours=10)
INPUTS = rules.Inputs(1, 0)


@pytest.fixture
def analyst(session):
    return make.person(session, Role.ANALYST)


@pytest.fixture
def approver(session):
    return make.person(session, Role.APPROVER)


@pytest.fixture
def where(session):
    """A session in which four have handed in: 6, 4, 3 and 1 of six right."""
    place = make.place(session)
    for right in (6, 4, 3, 1):
        make.handed_in(session, place, right)
    return place


@pytest.fixture
def administration(where):
    return where.administration


@pytest.fixture
def scored(session, administration, analyst):
    service.lock_key(session, administration, analyst, LATER)
    return service.run(session, administration, analyst, LATER)


def acts(session):
    return list(session.scalars(select(AuditEntry.act).order_by(AuditEntry.id)))


def say(session, attempt, slot, option, seq, state="answered", standing="counted", epoch=1, device="browser-1"):
    session.add(
        Response(
            attempt_id=attempt.id,
            device=device,
            seq=seq,
            epoch=epoch,
            slot=slot,
            option=option,
            state=state,
            elapsed_ms=1,
            received_at=NOON,
            standing=standing,
        )
    )


# --- the key ---------------------------------------------------------------------------------------------------------------------------------


def test_the_first_key_is_the_forms_own_and_made_once(session, administration):
    key = service.form_key(session, administration, LATER)
    assert (key.number, key.made_by_id, key.locked_at) == (1, None, None)
    assert key.entries == {str(slot): ["b"] for slot in range(1, make.ITEMS + 1)}
    assert service.form_key(session, administration, LATER).id == key.id


def test_a_change_is_a_new_version_and_the_old_one_stays(session, administration, analyst):
    first = service.lock_key(session, administration, analyst, LATER)
    second = service.change_key(session, administration, analyst, 3, ["c", "b"], "Both are right.", LATER)
    assert (second.number, second.locked_at, second.entries["3"]) == (2, None, ["b", "c"])
    assert second.changes == [{"slot": 3, "ruling": "also", "before": ["b"], "after": ["b", "c"], "reason": "Both are right."}]
    assert first.entries["3"] == ["b"]
    assert first.digest != second.digest


@pytest.mark.parametrize(
    ("slot", "options", "reason", "refusal"),
    [
        (3, ["c"], " ", rules.ReasonMissing),
        (3, ["z"], "why", rules.FaultyKey),
        (99, ["a"], "why", rules.FaultyKey),
        (3, ["b"], "why", rules.SameKey),
    ],
)
def test_a_change_needs_a_reason_and_options_of_the_item(session, administration, analyst, slot, options, reason, refusal):
    with pytest.raises(refusal):
        service.change_key(session, administration, analyst, slot, options, reason, LATER)
    assert session.scalar(select(func.max(Key.number))) in (None, 1)


def test_of_a_question_with_several_answers_those_together_are_the_key(session, administration, analyst):
    make.several(session, session.get_one(Form, administration.form_id), slot=3)
    key = service.form_key(session, administration, LATER)
    assert key.entries["3"] == ["a c"]
    assert rules.raw_score({3: key.entries["3"]}, {3: "a c"}) == 1
    assert [rules.raw_score({3: key.entries["3"]}, {3: wrong}) for wrong in ("a", "c", "a b")] == [0, 0, 0]
    assert service.change_key(session, administration, analyst, 3, ["a c", "b d"], "Both pairs are right.", LATER).entries["3"] == [
        "a c",
        "b d",
    ]
    for faulty in (["c a"], ["a b c"], ["z"]):
        with pytest.raises(rules.FaultyKey):
            service.change_key(session, administration, analyst, 3, faulty, "why", LATER)


def test_the_key_stays_while_a_proposal_rests_on_it(session, administration, analyst, approver, scored):
    decision = service.propose(session, administration, analyst, 3, INPUTS, "Enough.", LATER)
    with pytest.raises(service.KeyInUse):
        service.change_key(session, administration, analyst, 3, ["c"], "why", LATER, superseding=True)
    service.withdraw(session, decision, approver, "The key of item 3.", LATER)
    assert service.change_key(session, administration, analyst, 3, ["c"], "why", LATER).number == 2


def test_after_results_a_key_changes_only_to_begin_a_superseding_decision(session, administration, analyst, approver, scored):
    service.approve(session, service.propose(session, administration, analyst, 3, INPUTS, "Enough.", LATER), approver, LATER)
    with pytest.raises(service.KeyInUse):
        service.change_key(session, administration, analyst, 3, ["c"], "why", LATER)
    assert service.change_key(session, administration, analyst, 3, ["c"], "why", LATER, superseding=True).number == 2


def test_a_key_is_locked_by_someone_and_once(session, administration, analyst):
    key = service.lock_key(session, administration, analyst, LATER)
    again = service.lock_key(session, administration, make.person(session, Role.ANALYST), LATER + timedelta(hours=1))
    assert (again.id, again.locked_by_id, again.locked_at) == (key.id, analyst.id, LATER)
    assert acts(session).count("key.locked") == 1


# --- raw scores ------------------------------------------------------------------------------------------------------------------------------


def test_raw_scores_are_items_right(session, scored):
    assert service.scores(session, scored) == [1, 3, 4, 6]
    assert scored.maximum == 6


@pytest.mark.parametrize(
    ("entry", "scores", "maximum"),
    [([], [0, 2, 3, 5], 5), (["*"], [1, 3, 4, 6], 6), (["a"], [0, 2, 3, 5], 6), (["a", "b"], [1, 3, 4, 6], 6)],
)
def test_what_a_changed_entry_does_to_the_scores(session, administration, analyst, entry, scores, maximum):
    # All four have item 1 right with b.
    service.change_key(session, administration, analyst, 1, entry, "why", LATER)
    service.lock_key(session, administration, analyst, LATER)
    run = service.run(session, administration, analyst, LATER)
    assert (service.scores(session, run), run.maximum) == (scores, maximum)


def test_all_are_read_at_once_as_delivery_reads_each(session, where, analyst):
    """Answers changed, cleared, from two devices, late and aside: what counts is what the candidate's own page says."""
    attempt = make.attempt(session, where=where, now=NOON)
    for seq, (slot, option, state) in enumerate(
        [(1, "a", "answered"), (1, "b", "answered"), (2, "b", "answered"), (2, None, "cleared")], 1
    ):
        say(session, attempt, slot, option, seq, state)
    say(session, attempt, 3, "b", 5, "flagged")
    say(session, attempt, 4, "b", 1, standing="held", epoch=2, device="browser-2")
    say(session, attempt, 4, "a", 9, standing="counted")
    say(session, attempt, 5, "b", 6, standing="late")
    say(session, attempt, 6, "b", 7, standing="aside")
    session.flush()
    attempts.submit(session, attempt, NOON)
    found = service.gather(session, where.administration, LATER)
    assert found.sheets[attempt.id] == {1: "b", 4: "b"}
    assert found.sheets == {one: attempts.chosen(session, one) for one in found.sheets}
    assert len(found.sheets) == 5


def test_a_batch_takes_a_few_queries_whatever_its_size(session, where, analyst):
    counted = []
    connection = session.connection()

    def count(*_args):
        counted.append(1)

    event.listen(connection, "before_cursor_execute", count)
    service.gather(session, where.administration, LATER)
    few = len(counted)
    for _ in range(6):
        make.handed_in(session, where, 2)
    counted.clear()
    service.gather(session, where.administration, LATER)
    event.remove(connection, "before_cursor_execute", count)
    assert len(counted) <= few <= 5


@pytest.mark.parametrize("state", [State.IN_PROGRESS, State.PAUSED_PROCTOR])
def test_nothing_is_scored_while_someone_tests(session, where, analyst, state):
    make.attempt(session, where=where, state=state)
    service.lock_key(session, where.administration, analyst, LATER)
    with pytest.raises(service.StillRunning) as refusal:
        service.run(session, where.administration, analyst, LATER)
    assert refusal.value.facts["running"] == 1
    assert session.scalar(select(func.count()).select_from(ScoreRun)) == 0


def test_nothing_is_scored_while_someone_may_yet_begin(session, where, analyst):
    make.attempt(session, where=where, state=State.ADMITTED)
    make.examinations.book(session, make.person(session, Role.CANDIDATE), where, {}, NOON)
    service.lock_key(session, where.administration, analyst, NOON)
    with pytest.raises(service.StillRunning) as refusal:
        service.run(session, where.administration, analyst, NOON)
    assert (refusal.value.facts["waiting"], refusal.value.facts["open_sessions"]) == (1, 1)
    # The hours are over: one never began, one did not come.
    run = service.run(session, where.administration, analyst, LATER)
    assert [entry["reason"] for entry in run.excluded] == ["not_begun"]


def test_ending_the_sessions_shuts_the_door_and_takes_nobodys_time(session, where, analyst):
    testing = make.attempt(session, where=where)
    gone = make.attempt(session, where=where, state=State.CHECKING_IN)
    gone.contact.http_at = NOON - timedelta(hours=1)
    make.examinations.book(session, make.person(session, Role.CANDIDATE), where, {}, NOON)
    deadline = testing.deadline
    assert service.end_sessions(session, where.administration, analyst, NOON) == 1
    assert (testing.deadline, testing.state) == (deadline, State.IN_PROGRESS)
    assert service.open_sessions(session, where.administration, NOON) == []
    found = service.gather(session, where.administration, NOON)
    assert (found.running, found.waiting, [entry["reason"] for entry in found.excluded]) == (1, 0, ["not_begun"])
    assert service.end_sessions(session, where.administration, analyst, NOON) == 0


def test_sessions_are_not_ended_before_someone_at_check_in(session, where, analyst):
    here = make.attempt(session, where=where, state=State.ADMITTED)
    here.contact.http_at = NOON
    with pytest.raises(service.StillRunning):
        service.end_sessions(session, where.administration, analyst, NOON)
    assert where.window.closes_at > NOON


@pytest.mark.parametrize(("sealed"), [False, True])
def test_a_test_that_two_people_ended_is_not_scored_and_says_why(session, where, analyst, sealed):
    attempt = make.attempt(session, where=where)
    attempts.end(session, attempt, analyst.id, NOON, "content")
    if sealed:
        attempts.move(session, attempt, Event.SEAL, Who.CLOCK, NOON)
    session.flush()
    service.lock_key(session, where.administration, analyst, LATER)
    run = service.run(session, where.administration, analyst, LATER)
    assert run.excluded == [{"attempt": attempt.id, "reason": "terminated"}]
    assert len(service.scores(session, run)) == 4


def test_a_test_that_was_handed_in_and_sealed_counts(session, where, analyst):
    attempt = make.handed_in(session, where, 5)
    attempts.move(session, attempt, Event.SEAL, Who.CLOCK, NOON)
    session.flush()
    service.lock_key(session, where.administration, analyst, LATER)
    assert service.scores(session, service.run(session, where.administration, analyst, LATER)) == [1, 3, 4, 5, 6]


def test_answers_that_are_not_those_of_the_receipt_are_left_out_for_a_person(session, where, analyst):
    attempt = make.handed_in(session, where, 2)
    session.execute(update(Response).where(Response.attempt_id == attempt.id, Response.slot == 6).values(option="b"))
    service.lock_key(session, where.administration, analyst, LATER)
    run = service.run(session, where.administration, analyst, LATER)
    assert run.excluded == [{"attempt": attempt.id, "reason": "answers_differ"}]
    assert service.is_current(session, where.administration, run, LATER)


def test_only_a_locked_key_scores(session, administration, analyst):
    service.form_key(session, administration, LATER)
    with pytest.raises(service.KeyNotLocked):
        service.run(session, administration, analyst, LATER)


def test_the_same_inputs_give_the_run_that_is_there(session, administration, analyst, scored):
    assert service.run(session, administration, analyst, LATER).id == scored.id
    service.change_key(session, administration, analyst, 1, [], "Bad item.", LATER)
    service.lock_key(session, administration, analyst, LATER)
    assert not service.is_current(session, administration, scored, LATER)
    again = service.run(session, administration, analyst, LATER)
    assert again.id != scored.id
    assert service.scores(session, scored) == [1, 3, 4, 6]


def test_what_was_gathered_before_is_used_only_if_the_attempts_still_stand_so(session, where, analyst):
    service.lock_key(session, where.administration, analyst, LATER)
    before = service.gather(session, where.administration, LATER)
    make.handed_in(session, where, 5)
    run = service.run(session, where.administration, analyst, LATER, before)
    assert service.scores(session, run) == [1, 3, 4, 5, 6]


def test_another_administrations_attempts_are_not_in_it(session, where, analyst):
    make.handed_in(session, make.place(session), 6)
    assert len(service.gather(session, where.administration, LATER).sheets) == 4


# --- two signatures --------------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def proposal(session, administration, analyst, scored):
    return service.propose(session, administration, analyst, 4, INPUTS, "One vacancy.", LATER)


def results(session):
    return dict(session.execute(select(QualifyingResult.attempt_id, QualifyingResult.outcome)).all())


def test_a_proposal_keeps_all_that_was_before_the_proposer(session, administration, scored, proposal):
    assert (proposal.number, proposal.outcome, proposal.approved_at) == (1, "proposed", None)
    assert proposal.inputs["inputs"]["vacancies_now"] == 1
    assert proposal.inputs["counts"] == [0, 1, 0, 1, 1, 0, 1]
    assert proposal.inputs["policy"]["assurance"] == {"value": "0.90", "source": rules.SOURCES["assurance"]}
    assert len(proposal.table) == scored.maximum + 1
    assert proposal.table[4]["passers"] == 2
    assert service.differences(session, proposal) == []


def test_nobody_has_a_result_before_the_second_signature(session, proposal):
    assert results(session) == {}


def test_all_at_the_cut_pass_once_a_second_person_signs(session, proposal, approver):
    done = service.approve(session, proposal, approver, LATER)
    raw = dict(session.execute(select(RawScore.attempt_id, RawScore.raw)).all())
    assert (done.outcome, done.approved_by_id, done.approved_at) == ("approved", approver.id, LATER)
    assert results(session) == {attempt: "PASS" if score >= 4 else "FAIL" for attempt, score in raw.items()}
    assert sorted(results(session).values()) == ["FAIL", "FAIL", "PASS", "PASS"]
    assert {row.released_at for row in session.scalars(select(QualifyingResult))} == {LATER}


def test_who_proposed_does_not_sign_too(session, administration, scored):
    both = make.person(session, Role.ANALYST, Role.APPROVER)
    mine = service.propose(session, administration, both, 4, INPUTS, "One vacancy.", LATER)
    with pytest.raises(service.SecondPersonNeeded) as refusal:
        service.approve(session, mine, both, LATER)
    assert refusal.value.facts == {"same": True}
    assert results(session) == {}


def test_the_second_signature_is_an_approvers(session, proposal):
    with pytest.raises(service.SecondPersonNeeded):
        service.approve(session, proposal, make.person(session, Role.ANALYST), LATER)


def test_the_database_too_refuses_one_person_twice(session, proposal, analyst):
    with pytest.raises(IntegrityError, match="two_people"):
        session.execute(
            update(PassingScoreDecision)
            .where(PassingScoreDecision.id == proposal.id)
            .values(outcome="approved", approved_by_id=analyst.id, approved_at=LATER)
        )


def test_a_proposal_is_signed_or_sent_back_once(session, proposal, approver):
    service.withdraw(session, proposal, approver, "Ask the hiring department first.", LATER)
    assert (proposal.outcome, proposal.withdrawn_by_id) == ("withdrawn", approver.id)
    for act in (
        lambda: service.approve(session, proposal, approver, LATER),
        lambda: service.withdraw(session, proposal, approver, "Again.", LATER),
    ):
        with pytest.raises(service.NotProposed):
            act()
    assert results(session) == {}


def test_sending_back_takes_a_reason(session, proposal, approver):
    with pytest.raises(rules.ReasonMissing):
        service.withdraw(session, proposal, approver, " ", LATER)
    assert proposal.outcome == "proposed"


def test_a_colleagues_proposal_is_not_an_analysts_to_take_back(session, proposal, analyst):
    with pytest.raises(errors.Forbidden):
        service.withdraw(session, proposal, make.person(session, Role.ANALYST), "Mine is better.", LATER)
    service.withdraw(session, proposal, analyst, "A better one comes.", LATER)
    assert proposal.outcome == "withdrawn"


def test_one_proposal_waits_at_a_time(session, administration, analyst, proposal):
    with pytest.raises(service.AlreadyProposed):
        service.propose(session, administration, analyst, 3, INPUTS, "Another.", LATER)


def test_a_proposal_needs_its_reason_scores_and_someone_scored(session, administration, analyst, scored):
    with pytest.raises(rules.ReasonMissing):
        service.propose(session, administration, analyst, 4, INPUTS, "  ", LATER)
    with pytest.raises(rules.FaultyCut):
        service.propose(session, administration, analyst, 7, INPUTS, "why", LATER)
    empty = make.place(session).administration
    with pytest.raises(service.ScoresNotCurrent):
        service.propose(session, empty, analyst, 4, INPUTS, "why", LATER)
    service.lock_key(session, empty, analyst, LATER)
    service.run(session, empty, analyst, LATER)
    with pytest.raises(service.NothingToDecide):
        service.propose(session, empty, analyst, 4, INPUTS, "why", LATER)


def test_a_test_handed_in_later_makes_the_scores_stale(session, where, administration, analyst, approver, proposal):
    make.handed_in(session, where, 5)
    with pytest.raises(service.ScoresNotCurrent):
        service.approve(session, proposal, approver, LATER)
    assert results(session) == {}


def test_an_ended_test_that_goes_on_makes_the_scores_stale(session, where, administration, analyst):
    attempt = make.attempt(session, where=where)
    attempts.end(session, attempt, analyst.id, NOON, "content")
    session.flush()
    service.lock_key(session, administration, analyst, LATER)
    run = service.run(session, administration, analyst, LATER)
    assert service.is_current(session, administration, run, LATER)
    with session.no_autoflush:
        attempt.held_since = LATER
        attempts.move(session, attempt, Event.REACTIVATE, Who.LEAD, LATER)
    session.flush()
    assert not service.is_current(session, administration, run, LATER)


@pytest.mark.parametrize("what", ["table", "counts", "point", "statistics"])
def test_a_stored_page_that_was_changed_is_not_signed(session, proposal, approver, what):
    if what == "table":
        proposal.table = [{**row, "passers": row["passers"] + 1} for row in proposal.table]
    else:
        proposal.inputs = {**proposal.inputs, what: {"taken": 5} if what == "statistics" else [9] if what == "counts" else 1}
    session.flush()
    with pytest.raises(service.StoredDiffers) as refusal:
        service.approve(session, proposal, approver, LATER)
    assert refusal.value.facts["what"] == [what]


def test_a_changed_raw_score_shows_at_the_signature(session, proposal, approver):
    session.execute(update(RawScore).where(RawScore.raw == 3).values(raw=5))
    with pytest.raises(service.StoredDiffers):
        service.approve(session, proposal, approver, LATER)


def test_a_later_decision_supersedes_and_overwrites_nothing(session, administration, analyst, approver, proposal):
    first = service.approve(session, proposal, approver, LATER)
    second = service.propose(session, administration, analyst, 3, INPUTS, "Two more vacancies.", LATER)
    assert (second.number, second.supersedes_id) == (2, first.id)
    assert first.outcome == "approved"
    service.approve(session, second, approver, LATER)
    session.refresh(first)
    assert (first.outcome, first.cut, first.approved_by_id) == ("superseded", 4, approver.id)
    assert acts(session)[-2:] == ["passing_score.superseded", "passing_score.approved"]
    by_decision = {
        decision: sorted(session.scalars(select(QualifyingResult.outcome).where(QualifyingResult.decision_id == decision)))
        for decision in (first.id, second.id)
    }
    assert by_decision == {first.id: ["FAIL", "FAIL", "PASS", "PASS"], second.id: ["FAIL", "PASS", "PASS", "PASS"]}


def test_each_act_is_in_the_trail_and_no_name_is(session, administration, analyst, approver, proposal):
    service.approve(session, proposal, approver, LATER)
    said = session.scalars(select(AuditEntry).where(AuditEntry.object == f"administration:{administration.id}")).all()
    assert [entry.act for entry in said if entry.act.split(".")[0] in ("key", "scores", "passing_score")] == [
        "key.made",
        "key.locked",
        "scores.made",
        "passing_score.proposed",
        "passing_score.approved",
    ]
    digests = [entry.facts["digest"] for entry in said if entry.act.startswith("passing_score")]
    assert digests[0] == digests[1] == service.decision_digest(proposal)
    names = {person.name for person in (analyst, approver)}
    assert not any(name in str(entry.facts) for entry in said for name in names)


@pytest.mark.both
def test_of_two_approvers_at_once_one_signs(db):
    with db.write() as session:
        where = make.place(session)
        for right in (6, 2):
            make.handed_in(session, where, right)
        analyst = make.person(session, Role.ANALYST)
        people = [make.person(session, Role.APPROVER).id for _ in range(4)]
        service.lock_key(session, where.administration, analyst, LATER)
        service.run(session, where.administration, analyst, LATER)
        decision = service.propose(session, where.administration, analyst, 4, INPUTS, "why", LATER).id
    together = threading.Barrier(len(people))
    ended = []

    def sign(person):
        together.wait()
        try:
            with db.write() as session:
                service.approve(session, session.get_one(PassingScoreDecision, decision), session.get_one(make.Person, person), LATER)
            ended.append(person)
        except errors.Refusal as refusal:
            ended.append(refusal.code)

    threads = [threading.Thread(target=sign, args=(person,)) for person in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with db.read() as session:
        found = session.get_one(PassingScoreDecision, decision)
        assert [one for one in ended if one != "not-proposed"] == [found.approved_by_id]
        assert session.scalar(select(func.count()).select_from(QualifyingResult)) == 2


def test_one_who_reads_an_old_page_does_not_sign_what_was_withdrawn_meanwhile(session, proposal, approver):
    """The row in memory still says proposed: the statement that signs asks the database."""
    session.execute(
        update(PassingScoreDecision)
        .where(PassingScoreDecision.id == proposal.id)
        .values(outcome="withdrawn", withdrawn_by_id=approver.id, withdrawn_at=LATER, withdrawn_reason="why")
        .execution_options(synchronize_session=False)
    )
    assert proposal.outcome == "proposed"
    with pytest.raises(service.NotProposed):
        service.approve(session, proposal, approver, LATER)
    assert results(session) == {}
