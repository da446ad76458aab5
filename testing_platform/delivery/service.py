"""What a candidate and the clock do to an attempt. The caller owns the transaction."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from testing_platform import bus, errors
from testing_platform.audit import service as audit
from testing_platform.delivery import orders, rules, withdrawals
from testing_platform.delivery.models import (
    Attempt,
    Beat,
    CheckInStep,
    Consent,
    Contact,
    MediaKey,
    Message,
    Outage,
    Response,
    TimeEntry,
)
from testing_platform.delivery.rules import Event, State, Step, Who
from testing_platform.examinations import rules as examinations
from testing_platform.examinations.models import Administration, Appointment
from testing_platform.examinations.rules import TestDay
from testing_platform.itembank import form_queries, forms
from testing_platform.itembank import service as itembank

# A process says that it is alive this often, and a longer silence of it is an outage.
BEAT_EACH = timedelta(seconds=3)
BEAT_PATIENCE = timedelta(seconds=7)


def test_day(attempt: Attempt) -> TestDay:
    return TestDay.of(attempt.session.administration.test_day)


test_day.__test__ = False  # type: ignore[attr-defined]


def move(session: Session, attempt: Attempt, event: Event, who: Who, now: datetime, actor_id: int | None = None, **facts: Any) -> None:
    """Make one move of the table, with its row for the other processes and its line in the trail. Raises rules.NotNow."""
    before = State(attempt.state)
    attempt.state = rules.after(before, event, who)
    attempt.version += 1
    bus.publish(session, "attempt." + event, now, session_id=attempt.session_id, attempt_id=attempt.id, actor_id=actor_id, **facts)
    audit.record(session, "attempt." + event, f"attempt:{attempt.id}", now, actor_id, before=before, after=attempt.state, **facts)


def check_in(session: Session, appointment: Appointment, wrapped_key: bytes, now: datetime, by_id: int | None = None) -> Attempt:
    """Begin check-in (T1), or go on with one that was begun. `by_id`: the proctor at the desk of a City facility."""
    found = session.scalars(select(Attempt).where(Attempt.appointment_id == appointment.id)).first()
    if found is not None:
        return found
    place = appointment.session
    day = TestDay.of(place.administration.test_day)
    if appointment.state != "booked":
        raise rules.NotNow(state=appointment.state)
    if not place.window.opens_at - day.check_in_opens <= now < place.window.closes_at:
        raise rules.NotReady(opens_at=place.window.opens_at - day.check_in_opens, closes_at=place.window.closes_at)
    attempt = Attempt(
        appointment_id=appointment.id,
        person_id=appointment.person_id,
        session_id=place.id,
        form_id=_form_for(session, place.administration, now),
        mode=place.mode,
        window=place.window,
        state=State.CHECKING_IN,
        time_limit=day.time_limit,
        multiplier=examinations.multiplier(appointment.settings),
        late_grace=day.late_grace,
        contact_patience=day.contact_patience,
        checked_in_at=now,
        given=timedelta(),
        version=1,
        epoch=1,
    )
    session.add(attempt)
    session.flush()
    session.add(Contact(attempt_id=attempt.id, http_at=now))
    session.add(MediaKey(attempt_id=attempt.id, wrapped=wrapped_key))
    session.flush()
    session.refresh(attempt)
    bus.publish(session, "attempt.check_in", now, session_id=place.id, attempt_id=attempt.id)
    audit.record(session, "attempt.check_in", f"attempt:{attempt.id}", now, by_id or appointment.person_id, mode=place.mode)
    return attempt


def _form_for(session: Session, administration: Administration, now: datetime) -> int:
    """The administration's form, or one of the candidate's own where it gives a pool: drawn at check-in, so that Begin waits for no draw."""
    pool = form_queries.pool_behind(session, administration.form_id)
    if pool is None:
        return administration.form_id
    return forms.draw_for_candidate(session, pool, withdrawals.known_outside(session), now).id


class ChoiceMissing(errors.Refusal):
    """A required choice about data was not made, or was refused; `kinds` names which."""

    code = "choice-missing"


def steps_done(session: Session, attempt: Attempt) -> set[str]:
    return set(
        session.scalars(select(CheckInStep.step).where(CheckInStep.attempt_id == attempt.id, CheckInStep.state.in_(("done", "waived"))))
    )


def finish_step(session: Session, attempt: Attempt, step: Step, now: datetime, **facts: Any) -> None:
    """One step of check-in is done; after the last the candidate waits for a proctor (T6). Raises rules.NotNow out of turn."""
    if attempt.state != State.CHECKING_IN:
        raise rules.NotNow(state=attempt.state)
    due = rules.next_step(steps_done(session, attempt) - {step}, attempt.mode)
    if due is not step:
        raise rules.NotNow(state=attempt.state, step=due)
    row = session.get(CheckInStep, (attempt.id, step))
    if row is None:
        session.add(CheckInStep(attempt_id=attempt.id, step=step, state="done", at=now, facts=facts))
    else:
        row.state, row.at, row.facts = "done", now, facts
    session.flush()
    bus.publish(session, "attempt.step", now, session_id=attempt.session_id, attempt_id=attempt.id, step=step)
    if rules.next_step(steps_done(session, attempt), attempt.mode) is None:
        attempt.awaiting_since = now
        move(session, attempt, Event.STEPS_DONE, Who.CLOCK, now)


def keep_consents(
    session: Session, attempt: Attempt, texts: list[dict[str, Any]], choices: dict[str, str], locale: str, now: datetime
) -> None:
    """One choice for each kind of data. Raises ChoiceMissing, naming each kind without a choice, or without the one that the test at home needs."""
    missing = []
    for text in texts:
        choice = choices.get(text["kind"], "")
        if choice not in {option["id"] for option in text["choices"]} or (text["required"] and choice not in text["proceeds"]):
            missing.append(text["kind"])
    if missing:
        raise ChoiceMissing(kinds=missing)
    for text in texts:
        session.add(
            Consent(
                attempt_id=attempt.id, kind=text["kind"], choice=choices[text["kind"]], text_version=text["version"], locale=locale, at=now
            )
        )
    _waive(session, attempt, {text.get("waives", {}).get(choices[text["kind"]]) for text in texts}, now)
    finish_step(session, attempt, Step.CONSENT, now, versions={text["kind"]: text["version"] for text in texts})


def _waive(session: Session, attempt: Attempt, steps: set[str | None], now: datetime) -> None:
    """Take out the steps that a choice makes needless, and put back those that an earlier choice had taken out."""
    for step in Step:
        row = session.get(CheckInStep, (attempt.id, step))
        if step in steps and row is None:
            session.add(CheckInStep(attempt_id=attempt.id, step=step, state="waived", at=now, facts={}))
        elif step in steps and row is not None:
            row.state, row.at = "waived", now
        elif row is not None and row.state == "waived":
            session.delete(row)
    session.flush()


def consent_choices(session: Session, attempt_id: int) -> dict[str, str]:
    """The newest choice for each kind of data."""
    rows = session.execute(select(Consent.kind, Consent.choice).where(Consent.attempt_id == attempt_id).order_by(Consent.id))
    return dict(rows.all())


def begin(session: Session, attempt: Attempt, device: str, now: datetime) -> None:
    """Start the clock (T10). Pressed twice, the first press counts."""
    if attempt.started_at is not None:
        return
    if now >= attempt.window.closes_at or now < attempt.window.opens_at:
        raise rules.NotReady(opens_at=attempt.window.opens_at, closes_at=attempt.window.closes_at)
    rules.after(State(attempt.state), Event.BEGIN, Who.CANDIDATE)
    # The first of a session meets no item that became known outside since the worker's last round.
    withdrawals.withdraw(session, now, attempt.session_id)
    if withdrawals.knows_outside(session, attempt):
        attempt.form_id = _form_for(session, attempt.session.administration, now)
    attempt.device = device
    attempt.clock = replace(attempt.clock, started_at=now)
    attempt.contact.http_at = now
    orders.fix(session, attempt)
    itembank.expose(session, attempt.form_id, now)
    move(session, attempt, Event.BEGIN, Who.CANDIDATE, now, attempt.person_id, form=attempt.form_id)


def hold(
    session: Session,
    attempt: Attempt,
    event: Event,
    who: Who,
    since: datetime,
    now: datetime,
    *,
    cause: str,
    reason: str = "",
    category: str = "",
    actor_id: int | None = None,
) -> None:
    """Stop the clock from `since`. An attempt that is held already keeps its first instant."""
    rules.after(State(attempt.state), event, who)
    if attempt.held_since is None:
        session.add(TimeEntry(attempt_id=attempt.id, kind="hold", cause=cause, began_at=since, reason=reason, actor_id=actor_id))
        attempt.held_since = since
    move(session, attempt, event, who, now, actor_id, cause=cause, category=category)
    session.flush()


def go_on(
    session: Session,
    attempt: Attempt,
    event: Event,
    who: Who,
    now: datetime,
    actor_id: int | None = None,
    began_at: datetime | None = None,
    cause: str = "",
    **facts: Any,
) -> timedelta:
    """Let a held clock go on with a move of the table; returns the span given back."""
    rules.after(State(attempt.state), event, who)
    # State and clock change together: the database refuses one without the other.
    with session.no_autoflush:
        given = release(session, attempt, now, began_at, cause)
        move(session, attempt, event, who, now, actor_id, **facts)
    session.flush()
    return given


def running_hold(session: Session, attempt: Attempt) -> TimeEntry | None:
    return session.scalars(
        select(TimeEntry).where(TimeEntry.attempt_id == attempt.id, TimeEntry.kind == "hold", TimeEntry.ended_at.is_(None))
    ).first()


def release(session: Session, attempt: Attempt, now: datetime, began_at: datetime | None = None, cause: str = "") -> timedelta:
    """Let the clock go on and give the span back; returns it. `began_at` corrects where the span began."""
    entry = running_hold(session, attempt)
    if entry is None or attempt.held_since is None:
        return timedelta()
    entry.began_at = began_at or entry.began_at
    entry.cause = cause or entry.cause
    entry.ended_at = now
    # Whole milliseconds, as they are stored: the deadline stays the exact sum of its parts.
    entry.amount = timedelta(milliseconds=max(timedelta(), now - entry.began_at) // timedelta(milliseconds=1))
    attempt.clock = replace(attempt.clock, given=attempt.given + entry.amount, held_since=None)
    return entry.amount


def lose_contact(session: Session, attempt: Attempt, now: datetime) -> bool:
    """Hold a remote attempt whose page has covered the questions (T14), from that instant on; says whether it did."""
    last = attempt.contact.newest
    if attempt.mode != examinations.Mode.REMOTE or attempt.state != State.IN_PROGRESS or last is None:
        return False
    covered = rules.contact_lost_at(last, attempt.contact_patience, now)
    deadline = attempt.clock.deadline
    # After the deadline nothing is left to give back: the clock ends such an attempt.
    if covered is None or deadline is None or covered >= deadline:
        return False
    hold(session, attempt, Event.LOSE_CONTACT, Who.CLOCK, covered, now, cause="technical")
    return True


def our_fault(session: Session, since: datetime, until: datetime) -> bool:
    """Whether answers could not be taken at some time in this span because `web` was away."""
    return (
        session.scalars(select(Outage.id).where(Outage.service == "web", Outage.began_at < until, Outage.ended_at > since).limit(1)).first()
        is not None
    )


def automatic_so_far(session: Session, attempt: Attempt) -> timedelta:
    total = session.scalar(
        select(func.coalesce(func.sum(TimeEntry.amount), 0)).where(TimeEntry.attempt_id == attempt.id, TimeEntry.cause == "technical")
    )
    return total if isinstance(total, timedelta) else timedelta(milliseconds=total or 0)


def regain_contact(session: Session, attempt: Attempt, covered_at: datetime | None, slack: timedelta, now: datetime) -> None:
    """The page is back and still covers the questions: go on (T15) with exactly the covered span given back, or wait for a proctor (T16)."""
    if attempt.state == State.IN_PROGRESS:
        # Shorter than the server's own patience, or its reply was lost: nothing was held, but the page did cover.
        deadline = attempt.clock.deadline
        span = timedelta() if covered_at is None else min(max(timedelta(), now - covered_at), slack)
        if span and deadline and now < deadline and attempt.mode == examinations.Mode.REMOTE:
            if automatic_so_far(session, attempt) + span <= test_day(attempt).automatic_hold_cap:
                hold(session, attempt, Event.LOSE_CONTACT, Who.CLOCK, now - span, now, cause="technical")
                go_on(session, attempt, Event.REGAIN_CONTACT, Who.CLOCK, now, seconds=round(span.total_seconds()))
        return
    if attempt.state != State.PAUSED_TECHNICAL or attempt.held_since is None:
        return
    day = test_day(attempt)
    began = rules.covered_from(attempt.held_since, covered_at, slack, now)
    last_contact = attempt.held_since - attempt.contact_patience
    span = now - began
    ours = our_fault(session, last_contact, now)
    short = now - last_contact <= day.same_device_return
    within_cap = automatic_so_far(session, attempt) + span <= day.automatic_hold_cap
    if ours or (short and within_cap):
        go_on(
            session,
            attempt,
            Event.REGAIN_CONTACT,
            Who.CLOCK,
            now,
            None,
            began,
            "our_fault" if ours else "technical",
            seconds=round(span.total_seconds()),
            ours=ours,
        )
    else:
        entry = running_hold(session, attempt)
        if entry is not None:
            entry.began_at = attempt.held_since = began
        move(session, attempt, Event.LONG_GAP, Who.CLOCK, now, short=short, within_cap=within_cap)


def take_over(session: Session, attempt: Attempt, device: str, now: datetime) -> None:
    """Go on at another device: the older one becomes read-only, and a proctor looks first."""
    if attempt.device == device:
        return
    if attempt.state == State.ADMITTED:
        attempt.device = device
        move(session, attempt, Event.DEVICE_CHANGED, Who.CANDIDATE, now, attempt.person_id)
        attempt.awaiting_since = now
        return
    if State(attempt.state) not in rules.UNDER_WAY:
        raise rules.NotNow(state=attempt.state)
    attempt.epoch += 1
    attempt.device = device
    if attempt.mode == examinations.Mode.REMOTE:
        if attempt.state == State.AWAITING_RESUME:
            attempt.version += 1
            bus.publish(
                session,
                "attempt.device_changed",
                now,
                session_id=attempt.session_id,
                attempt_id=attempt.id,
                actor_id=attempt.person_id,
                epoch=attempt.epoch,
            )
        else:
            hold(session, attempt, Event.DEVICE_CHANGED, Who.CANDIDATE, now, now, cause="device", actor_id=attempt.person_id)
        audit.record(session, "attempt.device", f"attempt:{attempt.id}", now, attempt.person_id, epoch=attempt.epoch)


def said(session: Session, attempt_id: int) -> list[rules.Said]:
    rows = session.execute(
        select(
            Response.device, Response.seq, Response.epoch, Response.slot, Response.state, Response.option, Response.id, Response.standing
        ).where(Response.attempt_id == attempt_id)
    )
    return [rules.Said(*row[:7], counts=row[7] in ("counted", "held")) for row in rows]


def answers(session: Session, attempt_id: int) -> dict[int, rules.Answer]:
    return rules.sheet(said(session, attempt_id))


def chosen(session: Session, attempt_id: int) -> dict[int, str]:
    """The option of each slot that has one."""
    return {slot: a.option for slot, a in answers(session, attempt_id).items() if a.option is not None}


def _close(session: Session, attempt: Attempt, by: str, at: datetime) -> None:
    # Answers under way are waited for, and those behind them see that the test is over: the digest covers exactly what was acknowledged before.
    session.execute(select(Attempt.id).where(Attempt.id == attempt.id).with_for_update(key_share=True))
    attempt.submitted_at, attempt.submitted_by = at, by
    attempt.digest = rules.answers_digest(attempt.id, chosen(session, attempt.id))
    attempt.receipt_code = rules.receipt_code(attempt.digest)


def submit(session: Session, attempt: Attempt, now: datetime) -> bool:
    """Hand in (T20); says whether this call did it. Handing in twice changes nothing."""
    if attempt.state in (State.SUBMITTED, State.SEALED):
        return False
    rules.after(State(attempt.state), Event.SUBMIT, Who.CANDIDATE)
    session.flush()
    _close(session, attempt, "candidate", now)
    move(session, attempt, Event.SUBMIT, Who.CANDIDATE, now, attempt.person_id, digest=attempt.digest)
    return True


def time_is_up(session: Session, attempt: Attempt, now: datetime) -> bool:
    """Close at the deadline once the grace for answers in flight has passed (T21). Recorded as the deadline, whenever the sweep came by."""
    if attempt.state != State.IN_PROGRESS or attempt.deadline is None or attempt.answers_until is None or now < attempt.answers_until:
        return False
    _close(session, attempt, "clock", attempt.deadline)
    move(session, attempt, Event.TIME_IS_UP, Who.CLOCK, now, digest=attempt.digest)
    return True


def end(session: Session, attempt: Attempt, actor_id: int, now: datetime, category: str) -> None:
    """Stop the test (T22). The answers are kept and sealed; nothing about their score follows from this."""
    rules.after(State(attempt.state), Event.END, Who.LEAD)
    with session.no_autoflush:
        release(session, attempt, now)
        _close(session, attempt, "two_people", now)
        move(session, attempt, Event.END, Who.LEAD, now, actor_id, category=category, digest=attempt.digest)


def give_time(
    session: Session, attempt: Attempt, minutes: int, category: str, reason: str, actor_id: int, limit: timedelta, now: datetime
) -> TimeEntry:
    """Put minutes on top (T19). Raises rules.OverTheLimit beyond what this person may give in all, NotNow when the test is over."""
    if State(attempt.state) not in rules.UNDER_WAY:
        raise rules.NotNow(state=attempt.state)
    before = session.scalar(select(func.sum(TimeEntry.amount)).where(TimeEntry.attempt_id == attempt.id, TimeEntry.kind == "grant"))
    given = before if isinstance(before, timedelta) else timedelta(milliseconds=int(before or 0))
    amount = rules.check_grant(minutes, given, limit)
    entry = TimeEntry(
        attempt_id=attempt.id, kind="grant", cause=category, began_at=now, ended_at=now, amount=amount, reason=reason, actor_id=actor_id
    )
    session.add(entry)
    attempt.clock = replace(attempt.clock, given=attempt.given + amount)
    attempt.version += 1
    bus.publish(
        session, "attempt.time_given", now, session_id=attempt.session_id, attempt_id=attempt.id, actor_id=actor_id, minutes=minutes
    )
    audit.record(
        session,
        "attempt.time_given",
        f"attempt:{attempt.id}",
        now,
        actor_id,
        minutes=minutes,
        category=category,
        before_ms=int(given / timedelta(milliseconds=1)),
    )
    session.flush()
    return entry


def abandon(session: Session, attempt: Attempt, now: datetime) -> bool:
    """Nobody was there for an hour (T24)."""
    last = attempt.contact.newest
    if State(attempt.state) not in rules.PAUSED or last is None or now - last < test_day(attempt).abandoned_after:
        return False
    with session.no_autoflush:
        release(session, attempt, now)
        _close(session, attempt, "clock", now)
        move(session, attempt, Event.ABANDON, Who.CLOCK, now, digest=attempt.digest)
    return True


class EmptyMessage(errors.Refusal):
    code = "empty-message"


def write_message(session: Session, attempt: Attempt, sender: str, actor_id: int, text: str, now: datetime) -> Message:
    text = text.strip()
    if not 1 <= len(text) <= 500:
        raise EmptyMessage(length=len(text), most=500)
    number = (session.scalar(select(func.max(Message.number)).where(Message.attempt_id == attempt.id)) or 0) + 1
    message = Message(attempt_id=attempt.id, number=number, sender=sender, actor_id=actor_id, text=text, at=now)
    session.add(message)
    session.flush()
    bus.publish(
        session,
        "attempt.message",
        now,
        session_id=attempt.session_id,
        attempt_id=attempt.id,
        actor_id=actor_id,
        sender=sender,
        number=number,
    )
    return message


def messages_after(session: Session, attempt_id: int, number: int) -> list[Message]:
    return list(session.scalars(select(Message).where(Message.attempt_id == attempt_id, Message.number > number).order_by(Message.number)))


def beat_due(session: Session, service: str, now: datetime) -> bool:
    row = session.get(Beat, service)
    return row is None or now - row.at >= BEAT_EACH


def beat(session: Session, service: str, now: datetime) -> None:
    """This process is alive. A silence longer than the patience is written down as an outage."""
    row = session.get(Beat, service)
    if row is None:
        session.add(Beat(service=service, at=now))
        return
    if now - row.at > BEAT_PATIENCE:
        session.add(Outage(service=service, began_at=row.at, ended_at=now))
    row.at = max(row.at, now)


def hand_in_all_due(session: Session, now: datetime) -> list[Attempt]:
    """Every attempt whose time is up; returns those closed by this call."""
    due = session.scalars(select(Attempt).where(Attempt.state == State.IN_PROGRESS, Attempt.deadline <= now)).all()
    return [attempt for attempt in due if time_is_up(session, attempt, now)]


def silent(session: Session, now: datetime, only: Iterable[int] | None = None) -> list[int]:
    """Remote attempts in progress that were not heard for their patience (of these ids alone, if given). Only reads, and little."""
    rows = select(Attempt.id, Attempt.contact_patience, Contact.http_at, Contact.live_at).join(Contact)
    rows = rows.where(Attempt.state == State.IN_PROGRESS, Attempt.mode == examinations.Mode.REMOTE)
    if only is not None:
        rows = rows.where(Attempt.id.in_(only))
    found = []
    for attempt_id, patience, http_at, live_at in session.execute(rows):
        heard = max((at for at in (http_at, live_at) if at), default=None)
        if heard is not None and now - heard >= patience:
            found.append(attempt_id)
    return found


def notice_lost(session: Session, ids: Iterable[int], now: datetime) -> int:
    """Hold those of these attempts that are silent still; returns how many."""
    return sum(lose_contact(session, session.get_one(Attempt, attempt_id), now) for attempt_id in ids)


def anything_due(session: Session, now: datetime) -> bool:
    """Whether a sweep would find work: asked by reading, so that a quiet round takes no write lock."""
    due = select(Attempt.id).where(
        or_(
            and_(Attempt.state == State.IN_PROGRESS, Attempt.answers_until <= now),
            and_(Attempt.state.in_(rules.PAUSED), Attempt.held_since <= now - timedelta(minutes=1)),
        )
    )
    return session.scalars(due.limit(1)).first() is not None or bool(silent(session, now))


def let_go_abandoned(session: Session, now: datetime) -> list[Attempt]:
    paused = session.scalars(select(Attempt).where(Attempt.state.in_(rules.PAUSED), Attempt.held_since <= now - timedelta(minutes=1)))
    return [attempt for attempt in paused.all() if abandon(session, attempt, now)]
