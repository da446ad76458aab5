"""What proctors do. The caller owns the transaction."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from testing_platform import bus, errors
from testing_platform.accounts.models import Person
from testing_platform.accounts.rules import Role
from testing_platform.audit import service as audit
from testing_platform.delivery import rules as delivery
from testing_platform.delivery import service as attempts
from testing_platform.delivery.models import Attempt, CheckInStep
from testing_platform.delivery.rules import Event, State, Step, Who
from testing_platform.proctor import rules
from testing_platform.proctor.models import Act, EndProposal
from testing_platform.proctor.rules import Act as Doing


@dataclass(frozen=True)
class Asked:
    """One act as the console sends it."""

    act: Doing
    version: int
    key: str
    category: str = ""
    text: str = ""
    step: str = ""
    minutes: int = 0


def who(person: Person) -> Who:
    return Who.LEAD if Role.LEAD_PROCTOR in person.roles else Who.PROCTOR


def do(session: Session, attempt: Attempt, person: Person, asked: Asked, now: datetime) -> None:
    """Carry out one act. Raises errors.VersionMoved when the attempt has moved since it was looked at, and the rules' own refusals."""
    done = session.get(Act, asked.key)
    if done is not None:
        if (done.attempt_id, done.actor_id, done.act) != (attempt.id, person.id, asked.act):
            raise errors.BadRequest(why="this key belongs to another act")
        return
    # A message changes nothing that could have moved.
    if asked.act is not Doing.MESSAGE and asked.version != attempt.version:
        raise errors.VersionMoved(version=attempt.version)
    _ACTS[asked.act](session, attempt, person, asked, now)
    session.add(Act(key=asked.key, attempt_id=attempt.id, actor_id=person.id, act=asked.act, at=now))
    session.flush()


def _admit(session: Session, attempt: Attempt, person: Person, asked: Asked, now: datetime) -> None:
    attempts.move(session, attempt, Event.ADMIT, who(person), now, person.id)
    attempt.admitted_at = now
    # The server restarting, or the line failing, between two looks must not hold a test that has not begun.
    attempt.contact.http_at = attempt.contact.http_at or now


def _return_to_step(session: Session, attempt: Attempt, person: Person, asked: Asked, now: datetime) -> None:
    category = rules.check_reason("return", asked.category)
    if asked.step not in set(Step):
        raise errors.BadRequest(why="step")
    row = session.get(CheckInStep, (attempt.id, asked.step))
    if row is not None and row.state == "waived":
        raise rules.StepWaived(step=asked.step)
    attempts.move(session, attempt, Event.RETURN_TO_STEP, who(person), now, person.id, step=asked.step, category=category)
    attempt.awaiting_since = None
    if row is not None:
        row.state, row.at, row.facts = "returned", now, {**row.facts, "category": category, "reason": asked.text[:500]}


def _pause(session: Session, attempt: Attempt, person: Person, asked: Asked, now: datetime) -> None:
    category = rules.check_reason("pause", asked.category)
    attempts.hold(
        session,
        attempt,
        Event.PAUSE,
        who(person),
        now,
        now,
        cause="proctor",
        reason=asked.text[:500],
        category=category,
        actor_id=person.id,
    )


def _resume(session: Session, attempt: Attempt, person: Person, asked: Asked, now: datetime) -> None:
    attempts.go_on(session, attempt, Event.RESUME, who(person), now, person.id, note=bool(asked.text))
    # The page has the questions covered still and asks at once; what lay before is given back already.
    attempt.contact.http_at = now


def _message(session: Session, attempt: Attempt, person: Person, asked: Asked, now: datetime) -> None:
    attempts.write_message(session, attempt, "proctor", person.id, asked.text, now)


def _give_time(session: Session, attempt: Attempt, person: Person, asked: Asked, now: datetime) -> None:
    category = rules.check_reason("time", asked.category)
    day = attempts.test_day(attempt)
    limit = day.lead_grant if who(person) is Who.LEAD else day.proctor_grant
    attempts.give_time(session, attempt, asked.minutes, category, asked.text[:500], person.id, limit, now)


def open_proposal(session: Session, attempt_id: int) -> EndProposal | None:
    return session.scalars(select(EndProposal).where(EndProposal.attempt_id == attempt_id, EndProposal.outcome == "open")).first()


def _propose_end(session: Session, attempt: Attempt, person: Person, asked: Asked, now: datetime) -> None:
    category = rules.check_reason("end", asked.category)
    if State(attempt.state) not in delivery.UNDER_WAY or open_proposal(session, attempt.id) is not None:
        raise delivery.NotNow(state=attempt.state)
    session.add(
        EndProposal(attempt_id=attempt.id, proposed_by_id=person.id, category=category, reason=asked.text[:500], at=now, outcome="open")
    )
    _note(session, attempt, "attempt.end_proposed", person, now, category=category)


def _decide(session: Session, attempt: Attempt, person: Person, outcome: str, now: datetime) -> EndProposal:
    proposal = open_proposal(session, attempt.id)
    if proposal is None:
        raise delivery.NotNow(state=attempt.state)
    proposal.outcome, proposal.decided_by_id, proposal.decided_at = outcome, person.id, now
    return proposal


def _confirm_end(session: Session, attempt: Attempt, person: Person, asked: Asked, now: datetime) -> None:
    if who(person) is not Who.LEAD:
        raise errors.Forbidden(why="a lead proctor confirms")
    proposal = open_proposal(session, attempt.id)
    if proposal is not None:
        rules.check_two_people(proposal.proposed_by_id, person.id)
    proposal = _decide(session, attempt, person, "confirmed", now)
    attempts.end(session, attempt, person.id, now, proposal.category)


def _withdraw_end(session: Session, attempt: Attempt, person: Person, asked: Asked, now: datetime) -> None:
    proposal = open_proposal(session, attempt.id)
    if proposal is not None and who(person) is not Who.LEAD and proposal.proposed_by_id != person.id:
        raise errors.Forbidden(why="the one who proposed, or a lead proctor, withdraws")
    _decide(session, attempt, person, "withdrawn", now)
    _note(session, attempt, "attempt.end_withdrawn", person, now)


def _note(session: Session, attempt: Attempt, kind: str, person: Person, now: datetime, **facts: Any) -> None:
    attempt.version += 1
    bus.publish(session, kind, now, session_id=attempt.session_id, attempt_id=attempt.id, actor_id=person.id, **facts)
    audit.record(session, kind, f"attempt:{attempt.id}", now, person.id, **facts)


_ACTS = {
    Doing.ADMIT: _admit,
    Doing.RETURN_TO_STEP: _return_to_step,
    Doing.PAUSE: _pause,
    Doing.RESUME: _resume,
    Doing.MESSAGE: _message,
    Doing.GIVE_TIME: _give_time,
    Doing.PROPOSE_END: _propose_end,
    Doing.CONFIRM_END: _confirm_end,
    Doing.WITHDRAW_END: _withdraw_end,
}
