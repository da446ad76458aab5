"""What follows from two signatures: who passed, the letters about it, the interviews. The caller owns the transaction."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from sqlalchemy import String, cast, func, literal, select, update
from sqlalchemy.orm import Session, joinedload, lazyload

from testing_platform import bus, errors
from testing_platform.accounts import service as accounts
from testing_platform.accounts.models import Person
from testing_platform.audit import service as audit
from testing_platform.bus import Event
from testing_platform.delivery.models import Attempt
from testing_platform.digests import canonical
from testing_platform.examinations.models import Administration, Appointment, TestSession
from testing_platform.notices import service as outbox
from testing_platform.notices.models import Notice
from testing_platform.scoring import dates, interviews, notices
from testing_platform.scoring.interviews import Plan, Slot
from testing_platform.scoring.models import InterviewInvitation, InterviewPlan, PassingScoreDecision, QualifyingResult
from testing_platform.scoring.rules import Change, list_of
from testing_platform.settings import Settings


class NotReleased(errors.Refusal):
    """Nobody has passed or failed: the passing score is not signed by two people."""

    code = "not-released"


class NothingToSendAgain(errors.Refusal):
    """The letter did arrive, is on its way, or would come too late."""

    code = "nothing-to-send-again"


class StillPasses(errors.Refusal):
    """An invitation is taken back only from somebody who does not pass any more."""

    code = "still-passes"


# --- decisions and results ------------------------------------------------------------------------------------------------------------------


def decision_in_force(session: Session, administration_id: int) -> PassingScoreDecision | None:
    return session.scalars(
        select(PassingScoreDecision).where(
            PassingScoreDecision.administration_id == administration_id, PassingScoreDecision.outcome == "approved"
        )
    ).first()


def released(session: Session, administration_id: int) -> PassingScoreDecision:
    """The decision in force. Raises NotReleased before the second signature."""
    found = decision_in_force(session, administration_id)
    if found is None:
        raise NotReleased(administration=administration_id)
    return found


def released_administrations(session: Session) -> list[Administration]:
    return list(
        session.scalars(
            select(Administration)
            .join(PassingScoreDecision, PassingScoreDecision.administration_id == Administration.id)
            .where(PassingScoreDecision.outcome == "approved")
            .order_by(PassingScoreDecision.approved_at.desc(), Administration.id.desc())
        )
    )


def of_attempt(session: Session, attempt: Attempt) -> QualifyingResult | None:
    """The result in force of one attempt; none before the signatures, and none for an attempt that the decision in force does not score."""
    return session.scalars(
        select(QualifyingResult)
        .join(PassingScoreDecision, PassingScoreDecision.id == QualifyingResult.decision_id)
        .where(QualifyingResult.attempt_id == attempt.id, PassingScoreDecision.outcome == "approved")
    ).first()


def was_told(session: Session, attempt_id: int) -> bool:
    """Whether some decision, in force or not, gave this attempt a result."""
    return session.scalars(select(QualifyingResult.id).where(QualifyingResult.attempt_id == attempt_id).limit(1)).first() is not None


def zone_of(session: Session, administration_id: int, settings: Settings) -> str:
    """The zone in which an administration was given, that of the first of its sessions."""
    found = session.scalars(
        select(TestSession.zone).where(TestSession.administration_id == administration_id).order_by(TestSession.id).limit(1)
    ).first()
    return found or settings.zone


def retest_months(administration: Administration) -> int:
    """The bulletin's bar on another test (R33)."""
    content = administration.examination.bulletin.content
    return int(content.get("policy", {}).get("retest", {}).get("months", 24))


# An event of an attempt: its candidate was told that the result told before stands no more and that no other is in its place.
TAKEN_BACK = "result.taken_back"

# --- letters about results ------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Due:
    """A result whose candidate has not been told of it; the letter is none when an earlier one said the same."""

    result_id: int
    attempt_id: int
    person: Person
    letter: notices.Letter | None
    told_at: datetime | None = None


def letters_due(session: Session, limit: int = 1000) -> list[int]:
    """Results in force of which nobody has been told. Only reads."""
    return list(
        session.scalars(
            select(QualifyingResult.id)
            .join(PassingScoreDecision, PassingScoreDecision.id == QualifyingResult.decision_id)
            .where(QualifyingResult.mailed_at.is_(None), PassingScoreDecision.outcome == "approved")
            .order_by(QualifyingResult.id)
            .limit(limit)
        )
    )


def write_letters(session: Session, settings: Settings, ids: Sequence[int]) -> list[Due]:
    """What is to be said about each of these results. Only reads: the slow part stands outside every write transaction."""
    rows = session.execute(
        select(QualifyingResult, Person, Attempt.started_at, TestSession.zone, TestSession.administration_id)
        .join(Person, Person.id == QualifyingResult.person_id)
        .join(Attempt, Attempt.id == QualifyingResult.attempt_id)
        .join(TestSession, TestSession.id == Attempt.session_id)
        .where(QualifyingResult.id.in_(ids))
        .order_by(QualifyingResult.id)
        .options(lazyload(QualifyingResult.attempt), lazyload(QualifyingResult.decision), lazyload(QualifyingResult.person))
    ).all()
    told = _last_told(session, [row[0].attempt_id for row in rows])
    taken_back = _taken_back(session, list(told))
    found = []
    for result, person, started_at, zone, administration_id in rows:
        # Once for all of them: a bulletin is long.
        administration = session.get_one(Administration, administration_id)
        before, at = told.get(result.attempt_id, (None, None))
        if before == result.outcome and result.attempt_id not in taken_back:
            found.append(Due(result.id, result.attempt_id, person, None, at))
            continue
        began = started_at or result.released_at
        outcome = notices.Outcome(
            passed=result.outcome == "PASS",
            changed=before is not None,
            taken_on=dates.local_day(began, zone),
            may_file_on=dates.may_file_again_on(began, zone, retest_months(administration)),
        )
        found.append(Due(result.id, result.attempt_id, person, notices.result(settings, person, administration, outcome)))
    return found


def _taken_back(session: Session, attempt_ids: Sequence[int]) -> set[int]:
    """Attempts whose candidate was told last that there is no result any more."""
    rows = session.execute(
        select(Event.attempt_id, func.max(Event.at))
        .where(Event.kind == TAKEN_BACK, Event.attempt_id.in_(attempt_ids))
        .group_by(Event.attempt_id)
    )
    said = {attempt_id: at for attempt_id, at in rows if attempt_id is not None}
    told = _last_told(session, list(said))
    return {attempt_id for attempt_id, at in said.items() if at >= told[attempt_id][1]}


@dataclass(frozen=True)
class Gone:
    """A result that was told, of an attempt that the decision in force does not score."""

    attempt_id: int
    person: Person
    letter: notices.Letter


def letters_of_no_result(session: Session, settings: Settings) -> list[Gone]:
    """For those who were told a result that stands no more, without another in its place. Only reads."""
    in_force = select(PassingScoreDecision.administration_id).where(PassingScoreDecision.outcome == "approved")
    scored = (
        select(QualifyingResult.attempt_id)
        .join(PassingScoreDecision, PassingScoreDecision.id == QualifyingResult.decision_id)
        .where(PassingScoreDecision.outcome == "approved")
    )
    rows = session.execute(
        select(Attempt, TestSession)
        .join(TestSession, TestSession.id == Attempt.session_id)
        .where(
            Attempt.id.in_(select(QualifyingResult.attempt_id).where(QualifyingResult.mailed_at.is_not(None))),
            Attempt.id.not_in(scored),
            TestSession.administration_id.in_(in_force),
        )
        .order_by(Attempt.id)
    ).all()
    known = _taken_back(session, [attempt.id for attempt, _place in rows])
    return [
        Gone(
            attempt.id,
            attempt.person,
            notices.no_result(settings, attempt.person, place.administration, dates.local_day(began, place.zone)),
        )
        for attempt, place in rows
        if attempt.id not in known and (began := attempt.started_at) is not None
    ]


def tell_of_no_result(session: Session, gone: Sequence[Gone], now: datetime) -> int:
    """Put these letters into the outbox, once for each time that a result was told and taken back; returns how many."""
    ids = [one.attempt_id for one in gone]
    # Another worker that writes the same letters waits here, and then sees that they are written.
    session.execute(select(QualifyingResult.id).where(QualifyingResult.attempt_id.in_(ids)).with_for_update())
    known = _taken_back(session, ids)
    found = [one for one in gone if one.attempt_id not in known]
    for one in found:
        notices.keep(session, one.person, one.attempt_id, one.letter, now)
        bus.publish(session, TAKEN_BACK, now, attempt_id=one.attempt_id)
    session.flush()
    return len(found)


def _last_told(session: Session, attempt_ids: Sequence[int]) -> dict[int, tuple[str, datetime]]:
    """For each of these attempts the outcome that its candidate was told last, and when."""
    rows = session.execute(
        select(QualifyingResult.attempt_id, QualifyingResult.outcome, QualifyingResult.mailed_at)
        .join(PassingScoreDecision, PassingScoreDecision.id == QualifyingResult.decision_id)
        .where(QualifyingResult.attempt_id.in_(attempt_ids), QualifyingResult.mailed_at.is_not(None))
        .order_by(PassingScoreDecision.number)
    )
    return {attempt_id: (outcome, mailed_at) for attempt_id, outcome, mailed_at in rows if mailed_at is not None}


def tell(session: Session, due: Sequence[Due], now: datetime) -> int:
    """Put the letters into the outbox; returns how many. A result told meanwhile, or superseded, is left alone."""
    still = set(
        session.scalars(
            select(QualifyingResult.id)
            .join(PassingScoreDecision, PassingScoreDecision.id == QualifyingResult.decision_id)
            .where(
                QualifyingResult.id.in_([one.result_id for one in due]),
                QualifyingResult.mailed_at.is_(None),
                PassingScoreDecision.outcome == "approved",
            )
            .with_for_update(of=QualifyingResult)
        )
    )
    found = [one for one in due if one.result_id in still]
    if found:
        session.execute(update(QualifyingResult), [{"id": one.result_id, "mailed_at": one.told_at or now} for one in found])
    for one in found:
        if one.letter is not None:
            notices.keep(session, one.person, one.attempt_id, one.letter, now)
    session.flush()
    return sum(one.letter is not None for one in found)


# --- who is to be invited --------------------------------------------------------------------------------------------------------------------


class Standing:
    """Where one who passed, or had passed, stands on the way to the interview."""

    TO_INVITE = "to_invite"
    WAITING = "mail_waiting"
    SENT = "mail_sent"
    BOUNCED = "mail_refused"
    FAILED = "mail_failed"
    WITHDRAW = "withdraw"


UNDELIVERED = (Standing.BOUNCED, Standing.FAILED)
STANDINGS = (Standing.WITHDRAW, Standing.TO_INVITE, Standing.WAITING, Standing.SENT, Standing.BOUNCED, Standing.FAILED)


@dataclass(frozen=True)
class Row:
    """One line of the scheduler's list: who, how to reach them, what they need. There is no score in it."""

    attempt_id: int
    result: QualifyingResult | None  # none: does not pass under the decision in force
    person: Person
    basis: str  # promotional | open
    note: str
    language: str
    invitation: InterviewInvitation | None
    notice: Notice | None

    @property
    def standing(self) -> str:
        if self.invitation is None or self.notice is None:
            return Standing.TO_INVITE
        if self.result is None:
            return Standing.WITHDRAW
        if self.notice.state == "failed":
            return Standing.BOUNCED if self.notice.trouble == "recipient refused" else Standing.FAILED
        return Standing.SENT if self.notice.state == "sent" else Standing.WAITING


def functional_note(settings: dict[str, Any]) -> str:
    """What an approved accommodation changes, in words, and never why: "extra time 1.5; text size large"."""
    said = []
    for name, value in sorted(settings.items()):
        if name == "time_multiplier":
            try:
                factor = Decimal(str(value)).normalize()
            except InvalidOperation:
                continue
            if factor != 1:
                said.append(f"extra time {factor:f}")
        elif value is True:
            said.append(name.replace("_", " "))
        elif value not in (None, False, "", "no", "none"):
            said.append(f"{name.replace('_', ' ')} {value}")
    return "; ".join(said)


def rows(session: Session, administration: Administration, decision: PassingScoreDecision) -> list[Row]:
    """Everyone who passed, and everyone still invited who does not pass any more, by candidate number."""
    invited = {one.result.attempt_id: one for one in live_invitations(session, administration.id)}
    found = session.execute(
        select(Attempt.id, Person, Appointment)
        .join(Appointment, Appointment.id == Attempt.appointment_id)
        .join(Person, Person.id == Attempt.person_id)
        .where(Appointment.administration_id == administration.id)
        .options(lazyload(Appointment.person), lazyload(Appointment.session))
    ).all()
    results = {
        result.attempt_id: result
        for result in session.scalars(
            select(QualifyingResult)
            .where(QualifyingResult.decision_id == decision.id, QualifyingResult.outcome == "PASS")
            .options(lazyload(QualifyingResult.attempt), lazyload(QualifyingResult.decision), lazyload(QualifyingResult.person))
        )
    }
    letters = {one.id: one for one in session.scalars(select(Notice).where(Notice.id.in_([one.notice_id for one in invited.values()])))}
    listed = []
    for attempt_id, person, appointment in found:
        if attempt_id not in results and attempt_id not in invited:
            continue
        invitation = invited.get(attempt_id)
        listed.append(
            Row(
                attempt_id=attempt_id,
                result=results.get(attempt_id),
                person=person,
                basis=list_of(appointment.basis),
                note=functional_note(appointment.settings),
                language=person.locale or "en",
                invitation=invitation,
                notice=letters.get(invitation.notice_id) if invitation else None,
            )
        )
    return sorted(listed, key=lambda row: (row.person.candidate_number or "", row.attempt_id))


def live_invitations(session: Session, administration_id: int) -> list[InterviewInvitation]:
    """Invitations that were not taken back, under whatever decision they were made."""
    return list(
        session.scalars(
            select(InterviewInvitation)
            .join(InterviewPlan, InterviewPlan.id == InterviewInvitation.plan_id)
            .where(InterviewPlan.administration_id == administration_id, InterviewInvitation.withdrawn_at.is_(None))
            .options(
                joinedload(InterviewInvitation.result).options(
                    lazyload(QualifyingResult.attempt), lazyload(QualifyingResult.decision), lazyload(QualifyingResult.person)
                )
            )
        )
    )


@dataclass(frozen=True)
class Booked:
    """One candidate's newest interview, kept or taken back, as it is to stand in a calendar."""

    invitation: InterviewInvitation
    person: Person
    note: str
    sequence: int


def schedule(session: Session, administration_id: int) -> list[Booked]:
    """The newest interview of each who was invited, by place, time and board."""
    newest: dict[int, InterviewInvitation] = {}
    count: dict[int, int] = {}
    for one in session.scalars(
        select(InterviewInvitation)
        .join(InterviewPlan, InterviewPlan.id == InterviewInvitation.plan_id)
        .where(InterviewPlan.administration_id == administration_id)
        .order_by(InterviewInvitation.id)
    ):
        attempt_id = one.result.attempt_id
        newest[attempt_id], count[attempt_id] = one, count.get(attempt_id, 0) + 1
    found = session.execute(
        select(Attempt.id, Person, Appointment.settings)
        .join(Appointment, Appointment.id == Attempt.appointment_id)
        .join(Person, Person.id == Attempt.person_id)
        .where(Attempt.id.in_(newest))
        .options(lazyload(Person.grants))
    )
    booked = [
        Booked(newest[attempt_id], person, functional_note(settings), sequence(count[attempt_id], newest[attempt_id]))
        for attempt_id, person, settings in found
    ]
    return sorted(booked, key=lambda one: (one.invitation.location, one.invitation.starts_at, one.invitation.board, one.invitation.id))


def sequence(invited: int, newest: InterviewInvitation) -> int:
    """How often a calendar's entry was said anew: each invitation counts, and so does each time one was taken back."""
    return 2 * invited - (1 if newest.withdrawn_at is not None else 2)


def invitation_of(session: Session, attempt: Attempt) -> InterviewInvitation | None:
    return session.scalars(
        select(InterviewInvitation)
        .join(QualifyingResult, QualifyingResult.id == InterviewInvitation.result_id)
        .where(QualifyingResult.attempt_id == attempt.id, InterviewInvitation.withdrawn_at.is_(None))
    ).first()


# --- inviting --------------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Preview:
    """Whom a plan would invite to which slot, and what would be left over either way. Nothing is kept by looking."""

    plan: Plan
    zone: str
    given: list[tuple[Row, Slot]]
    waiting: int  # how many are to be invited
    slots: int  # how many the plan has that are still free
    digest: str = field(default="")

    @property
    def missing(self) -> int:
        return self.waiting - len(self.given)

    @property
    def spare(self) -> int:
        return self.slots - len(self.given)


def preview(session: Session, administration: Administration, plan: Plan, settings: Settings, now: datetime) -> Preview:
    """Raises NotReleased before the second signature."""
    decision = released(session, administration.id)
    zone = zone_of(session, administration.id, settings)
    waiting = [row for row in rows(session, administration, decision) if row.standing == Standing.TO_INVITE]
    there = interviews.free(interviews.slots(plan, zone), _taken(session, plan.location), now)
    busy = _busy(session, [row.person.id for row in waiting])
    given = interviews.assign([(row, busy.get(row.person.id, [])) for row in waiting], there)
    said = [decision.id, plan.to_json(), [[row.attempt_id, slot.board, slot.starts_at.isoformat()] for row, slot in given]]
    return Preview(plan, zone, given, len(waiting), len(there), hashlib.sha256(canonical(said)).hexdigest())


def _taken(session: Session, location: str) -> list[Slot]:
    """What is booked at this place by any plan of any administration: boards are the same people in the same rooms."""
    found = session.execute(
        select(InterviewInvitation.starts_at, InterviewInvitation.board, InterviewInvitation.ends_at).where(
            InterviewInvitation.location == location, InterviewInvitation.withdrawn_at.is_(None)
        )
    )
    return [Slot(*row) for row in found]


def _busy(session: Session, people: Sequence[int]) -> dict[int, list[Slot]]:
    """The interviews that these people have already, for whatever class."""
    found: dict[int, list[Slot]] = {}
    for person_id, starts_at, board, ends_at in session.execute(
        select(QualifyingResult.person_id, InterviewInvitation.starts_at, InterviewInvitation.board, InterviewInvitation.ends_at)
        .join(QualifyingResult, QualifyingResult.id == InterviewInvitation.result_id)
        .where(QualifyingResult.person_id.in_(people), InterviewInvitation.withdrawn_at.is_(None))
    ):
        found.setdefault(person_id, []).append(Slot(starts_at, board, ends_at))
    return found


def plan_of(session: Session, administration_id: int, digest: str) -> InterviewPlan | None:
    """The plan that was kept from this preview, if it was: sending it twice invites nobody twice."""
    found = session.scalars(select(InterviewPlan).where(InterviewPlan.administration_id == administration_id))
    return next((plan for plan in found if plan.plan.get("preview") == digest), None)


def last_plan(session: Session, administration_id: int) -> InterviewPlan | None:
    return session.scalars(
        select(InterviewPlan).where(InterviewPlan.administration_id == administration_id).order_by(InterviewPlan.id.desc()).limit(1)
    ).first()


def letters_for(
    session: Session, administration: Administration, seen: Preview, settings: Settings, now: datetime
) -> dict[int, notices.Letter]:
    """The letter of each invitation, by attempt. Only reads."""
    earlier: dict[int, int] = dict(
        session.execute(
            select(QualifyingResult.attempt_id, func.count())
            .join(InterviewInvitation, InterviewInvitation.result_id == QualifyingResult.id)
            .where(QualifyingResult.attempt_id.in_([row.attempt_id for row, _slot in seen.given]))
            .group_by(QualifyingResult.attempt_id)
        ).all()
    )
    return {
        row.attempt_id: notices.invitation(
            settings,
            row.person,
            administration,
            notices.Meeting(
                slot,
                seen.plan.location,
                seen.zone,
                seen.plan.respond_by,
                notices.uid(settings, row.attempt_id),
                # Each earlier invitation has had its withdrawal.
                2 * earlier.get(row.attempt_id, 0),
            ),
            now,
        )
        for row, slot in seen.given
    }


def invite(
    session: Session,
    administration: Administration,
    plan: Plan,
    seen: str,
    letters: dict[int, notices.Letter],
    person: Person,
    settings: Settings,
    now: datetime,
) -> InterviewPlan:
    """Invite exactly those who stood in the preview with this digest. Raises errors.VersionMoved when it would look different now.

    Once it is done, asking for the same again changes nothing.
    """
    # Whoever else invites for this administration waits here, and then sees what was done.
    session.execute(select(Administration.id).where(Administration.id == administration.id).with_for_update())
    done = plan_of(session, administration.id, seen)
    if done is not None:
        return done
    now_seen = preview(session, administration, plan, settings, now)
    if now_seen.digest != seen or not now_seen.given or {row.attempt_id for row, _slot in now_seen.given} - letters.keys():
        raise errors.VersionMoved
    kept = InterviewPlan(
        administration_id=administration.id,
        plan={**plan.to_json(), "preview": seen},
        zone=now_seen.zone,
        made_by_id=person.id,
        made_at=now,
    )
    session.add(kept)
    posted = [(row, slot, notices.keep(session, row.person, row.attempt_id, letters[row.attempt_id], now)) for row, slot in now_seen.given]
    session.flush()
    for row, slot, notice in posted:
        assert row.result is not None
        session.add(
            InterviewInvitation(
                result_id=row.result.id,
                plan_id=kept.id,
                board=slot.board,
                location=plan.location,
                starts_at=slot.starts_at,
                ends_at=slot.ends_at,
                notice_id=notice.id,
                invited_by_id=person.id,
                invited_at=now,
            )
        )
    session.flush()
    audit.record(
        session,
        "interviews.invited",
        f"administration:{administration.id}",
        now,
        person.id,
        plan=kept.id,
        invited=len(posted),
        missing=now_seen.missing,
        preview=seen,
    )
    return kept


def withdraw_invitation(session: Session, invitation: InterviewInvitation, person: Person, settings: Settings, now: datetime) -> None:
    """Take back the invitation of somebody who does not pass any more, and tell them. Raises StillPasses; done twice, it changes nothing."""
    if invitation.withdrawn_at is not None:
        return
    attempt = invitation.result.attempt
    found = of_attempt(session, attempt)
    if found is not None and found.outcome == "PASS":
        raise StillPasses
    invitation.withdrawn_at, invitation.withdrawn_by_id = now, person.id
    invited = session.scalar(
        select(func.count())
        .select_from(InterviewInvitation)
        .join(QualifyingResult, QualifyingResult.id == InterviewInvitation.result_id)
        .where(QualifyingResult.attempt_id == attempt.id)
    )
    meeting = notices.Meeting(
        Slot(invitation.starts_at, invitation.board, invitation.ends_at),
        invitation.location,
        invitation.plan.zone,
        dates.local_day(now, invitation.plan.zone),
        notices.uid(settings, attempt.id),
        sequence(invited or 1, invitation),
    )
    administration = attempt.session.administration
    letter = notices.withdrawal(settings, attempt.person, administration, meeting, now)
    kept = notices.keep(session, attempt.person, attempt.id, letter, now)
    session.flush()
    invitation.notice_id = kept.id
    audit.record(session, "interview.withdrawn", f"invitation:{invitation.id}", now, person.id, attempt=attempt.id)
    session.flush()


def withdrawals_not_told(session: Session, administration_id: int, now: datetime) -> list[InterviewInvitation]:
    """Interviews to come that were taken back, and whose letter about that did not arrive: somebody may travel to them in vain."""
    return list(
        session.scalars(
            select(InterviewInvitation)
            .join(InterviewPlan, InterviewPlan.id == InterviewInvitation.plan_id)
            .join(Notice, Notice.id == InterviewInvitation.notice_id)
            .where(
                InterviewPlan.administration_id == administration_id,
                InterviewInvitation.withdrawn_at.is_not(None),
                InterviewInvitation.starts_at > now,
                Notice.state == "failed",
            )
            .order_by(InterviewInvitation.starts_at, InterviewInvitation.id)
        )
    )


def respond_by(invitation: InterviewInvitation) -> date:
    return date.fromisoformat(invitation.plan.plan["respond_by"])


# --- for the analyst -------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Told:
    """One who has or had a result, and what became of the newest letter about it."""

    attempt_id: int
    name: str
    email: str
    candidate_number: str
    outcome: str  # PASS | FAIL | TAKEN_BACK: told before, and not scored by the decision
    letter: str  # unwritten | queued | sent | failed


def told(session: Session, decision: PassingScoreDecision) -> list[Told]:
    """Everyone with a result of this decision, and everyone whose result it takes back, by candidate number."""
    newest = select(Notice.about, func.max(Notice.id).label("id")).where(Notice.template.like("result-%")).group_by(Notice.about).subquery()
    had = (
        select(QualifyingResult.attempt_id)
        .join(PassingScoreDecision, PassingScoreDecision.id == QualifyingResult.decision_id)
        .where(PassingScoreDecision.administration_id == decision.administration_id)
    )
    rows = session.execute(
        select(
            Attempt.id,
            Person.name,
            Person.email,
            Person.candidate_number,
            QualifyingResult.outcome,
            QualifyingResult.mailed_at,
            Notice.state,
        )
        .select_from(Attempt)
        .join(Person, Person.id == Attempt.person_id)
        .outerjoin(QualifyingResult, (QualifyingResult.attempt_id == Attempt.id) & (QualifyingResult.decision_id == decision.id))
        .outerjoin(newest, newest.c.about == literal("attempt:") + cast(Attempt.id, String))
        .outerjoin(Notice, Notice.id == newest.c.id)
        .where(Attempt.id.in_(had))
        .order_by(Person.candidate_number, Attempt.id)
    )
    return [
        Told(attempt_id, name, email, number or "", outcome or "TAKEN_BACK", (state or "sent") if mailed_at or not outcome else "unwritten")
        for attempt_id, name, email, number, outcome, mailed_at, state in rows
    ]


@dataclass(frozen=True)
class Affected:
    """One whose result changes, or would but for being held harmless. There is no score in it."""

    attempt_id: int
    name: str
    candidate_number: str
    change: Change


def affected(session: Session, changes: Mapping[int, Change]) -> list[Affected]:
    """By candidate number."""
    some = [attempt_id for attempt_id, change in changes.items() if change is not Change.NONE]
    rows = session.execute(
        select(Attempt.id, Person.name, Person.candidate_number)
        .join(Person, Person.id == Attempt.person_id)
        .where(Attempt.id.in_(some))
        .order_by(Person.candidate_number, Attempt.id)
    )
    return [Affected(attempt_id, name, number or "", changes[attempt_id]) for attempt_id, name, number in rows]


def send_letter_again(session: Session, attempt: Attempt, email: str, by: Person, now: datetime) -> Notice:
    """The newest letter about a result, once more, to the address as it is known now. Raises NothingToSendAgain, accounts.FaultyAddress."""
    newest = session.scalars(
        select(Notice)
        .where(Notice.about == notices.about(attempt.id), Notice.template.like("result-%"))
        .order_by(Notice.id.desc())
        .limit(1)
        .with_for_update()
    ).first()
    again = _again(session, newest, attempt.person, email, by, now)
    audit.record(session, "result.letter_sent_again", f"attempt:{attempt.id}", now, by.id)
    return again


def send_invitation_again(session: Session, invitation: InterviewInvitation, email: str, by: Person, now: datetime) -> Notice:
    """The letter that invites, or that takes back, once more, while it can still be followed. Raises NothingToSendAgain, accounts.FaultyAddress."""
    # Whoever else sends it waits here, and then sees that it was sent.
    session.execute(select(InterviewInvitation.id).where(InterviewInvitation.id == invitation.id).with_for_update())
    session.refresh(invitation)
    if invitation.starts_at <= now:
        raise NothingToSendAgain
    letter = session.get(Notice, invitation.notice_id)
    again = _again(session, letter, invitation.result.attempt.person, email, by, now)
    session.flush()
    invitation.notice_id = again.id
    audit.record(session, "interview.letter_sent_again", f"invitation:{invitation.id}", now, by.id)
    return again


def _again(session: Session, letter: Notice | None, person: Person, email: str, by: Person, now: datetime) -> Notice:
    if letter is None or letter.state != "failed":
        raise NothingToSendAgain
    accounts.correct_email(session, person, email, by, now)
    return outbox.write_again(session, letter, person, now)
