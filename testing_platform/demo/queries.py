"""What waits behind each door of the demo, in one sentence each."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from flask_babel import gettext as _
from flask_babel import ngettext
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from testing_platform.accounts.rules import Role
from testing_platform.audit.models import AuditEntry
from testing_platform.delivery.models import Attempt, Beat, Seating
from testing_platform.demo import past, setup
from testing_platform.examinations.models import Administration, Appointment, TestSession
from testing_platform.examinations.rules import Mode
from testing_platform.itembank import queries as items
from testing_platform.itembank.models import Bank, Form
from testing_platform.itembank.rules import Signature, State
from testing_platform.notices.models import Notice
from testing_platform.proctor import queries as console
from testing_platform.proctor.models import EndProposal
from testing_platform.scoring import countersign
from testing_platform.scoring.models import InterviewInvitation, Key, PassingScoreDecision, QualifyingResult, ScoreRun

ALIVE = timedelta(seconds=10)


@dataclass(frozen=True)
class Now:
    """A sentence, and whether somebody is waited for."""

    text: str
    waits: bool = False


def room(session: Session, now: datetime) -> TestSession | None:
    """The session at a City facility that is open now."""
    places = select(TestSession).where(TestSession.mode == Mode.FACILITY).order_by(TestSession.id.desc())
    return next((place for place in session.scalars(places) if now in place.window), None)


def free_seat(session: Session, place: TestSession) -> Seating | None:
    """Where somebody sits who has not begun."""
    begun = select(Attempt.appointment_id).where(Attempt.session_id == place.id, Attempt.started_at.is_not(None))
    return session.scalars(
        select(Seating)
        .where(Seating.session_id == place.id, Seating.left_at.is_(None), Seating.appointment_id.not_in(begun))
        .order_by(Seating.seat)
    ).first()


def behind_doors(session: Session, now: datetime) -> dict[str, Now]:
    place = setup.open_session(session)
    counts = console.summary(session, place.id)
    found = {
        "candidate": Now(_("The session at home is open now.")),
        "proctor": _watching(counts["waiting"], counts["in_progress"]),
        "lead": _second_person(session),
        "operator": _processes(session, now),
        "auditor": _trail(session),
        "outbox": _mails(session, now),
        **_scoring(session),
        **_bank(session),
    }
    hall = room(session, now)
    if hall is not None:
        found |= _room(session, hall)
    return found


def _count(session: Session, kind: type, *which: object) -> int:
    return session.scalar(select(func.count()).select_from(kind).where(*which)) or 0  # type: ignore[arg-type]


def _watching(waiting: int, testing: int) -> Now:
    if waiting:
        return Now(
            ngettext("%(num)s candidate waits to be let in.", "%(num)s candidates wait to be let in.", waiting)
            + " "
            + ngettext("%(num)s takes the test.", "%(num)s take the test.", testing),
            waits=True,
        )
    return Now(ngettext("%(num)s candidate takes the test.", "%(num)s candidates take the test.", testing))


def _second_person(session: Session) -> Now:
    count = _count(session, EndProposal, EndProposal.outcome == "open")
    if count:
        return Now(ngettext("%(num)s proposal to end a test waits for you.", "%(num)s proposals to end a test wait for you.", count), True)
    return Now(_("Nothing waits for a second person."))


def _bank(session: Session) -> dict[str, Now]:
    """What waits for the one who comes in by each door of the item bank."""
    bank = session.scalars(select(Bank).where(Bank.name == setup.BANK)).one()
    writer, reviewer, fairness = (
        setup.person_with(session, role).id for role in (Role.ITEM_WRITER, Role.ITEM_REVIEWER, Role.FAIRNESS_REVIEWER)
    )
    returned = len(items.of_author(session, bank, writer, [State.RETURNED]))
    content = len(items.waiting_for(session, bank, reviewer, Signature.CONTENT))
    bias = len(items.waiting_for(session, bank, fairness, Signature.FAIRNESS))
    to_review = ngettext("%(num)s item waits for your review.", "%(num)s items wait for your review.", content)
    to_read = ngettext("%(num)s item waits for your review.", "%(num)s items wait for your review.", bias)
    return {
        "writer": Now(ngettext("%(num)s item came back to you.", "%(num)s items came back to you.", returned), waits=bool(returned)),
        "reviewer": Now(to_review, waits=bool(content)),
        "fairness": Now(to_read, waits=bool(bias)),
    }


def _room(session: Session, hall: TestSession) -> dict[str, Now]:
    booked = _count(session, Appointment, Appointment.session_id == hall.id, Appointment.state == "booked")
    seated = _count(session, Seating, Seating.session_id == hall.id, Seating.left_at.is_(None))
    return {
        "room": Now(
            ngettext("%(seated)s of %(num)s expected is seated.", "%(seated)s of %(num)s expected are seated.", booked, seated=seated)
        ),
        "workstation": _workstation(session, hall),
    }


def _workstation(session: Session, hall: TestSession) -> Now:
    seat = free_seat(session, hall)
    if seat is None:
        return Now(_("A candidate gets a seat for you."))
    person = session.get_one(Appointment, seat.appointment_id).person
    return Now(_("%(name)s has seat %(seat)s and has not begun.", name=person.name, seat=seat.seat))


def _scoring(session: Session) -> dict[str, Now]:
    """How far the administration of weeks ago is, as each of those who work on it sees it. Nothing of a person, and no result before it is signed."""
    one = session.scalars(select(Administration).join(Form).where(Form.name == past.PLAN["form"])).first()
    if one is None:
        quiet = Now(_("No administration is over yet."))
        return {"analyst": quiet, "approver": quiet, "scheduler": quiet, "validation": quiet}
    number = one.number
    decisions = select(PassingScoreDecision).where(PassingScoreDecision.administration_id == one.id)
    proposed = session.scalars(decisions.where(PassingScoreDecision.outcome == "proposed")).first()
    approved = session.scalars(decisions.where(PassingScoreDecision.outcome == "approved")).first()
    key = session.scalars(select(Key).where(Key.administration_id == one.id).order_by(Key.number.desc())).first()
    scored = _count(session, ScoreRun, ScoreRun.administration_id == one.id)
    nothing = Now(_("Nothing to sign: an analyst proposes first."))
    hidden = Now(_("Nobody to invite: there is no result before two people have signed."))
    weighing = Now(_("Administration %(number)s: no passing score waits for you.", number=number))
    if proposed is not None:
        signing = Now(_("Administration %(number)s: a passing score waits for your signature.", number=number), waits=True)
        if countersign.is_due(session, proposed):
            signing = Now(_("Administration %(number)s: a validation analyst countersigns before you sign.", number=number))
            weighing = Now(_("Administration %(number)s: a passing score waits for your countersignature.", number=number), waits=True)
        return {
            "analyst": Now(_("Administration %(number)s: a passing score waits for the second signature.", number=number)),
            "approver": signing,
            "scheduler": hidden if approved is None else _to_invite(session, approved),
            "validation": weighing,
        }
    if approved is not None:
        return {
            "analyst": Now(_("Administration %(number)s: the passing score is signed and the results are out.", number=number)),
            "approver": Now(_("Administration %(number)s: signed. Nothing else waits for you.", number=number)),
            "scheduler": _to_invite(session, approved),
            "validation": weighing,
        }
    if scored:
        weighing = Now(_("Administration %(number)s: groups can be compared.", number=number))
        said = _("Administration %(number)s: the scores are there. Propose a passing score.", number=number)
    elif key is not None and key.locked_at is not None:
        said = _("Administration %(number)s: the key is locked. Score the answers.", number=number)
    else:
        handed_in = session.scalar(
            select(func.count())
            .select_from(Attempt)
            .join(TestSession, TestSession.id == Attempt.session_id)
            .where(TestSession.administration_id == one.id, Attempt.submitted_at.is_not(None))
        )
        said = _("Administration %(number)s: %(count)s tests are in. Look at the key and lock it.", number=number, count=handed_in)
    return {"analyst": Now(said, waits=True), "approver": nothing, "scheduler": hidden, "validation": weighing}


def _to_invite(session: Session, decision: PassingScoreDecision) -> Now:
    passed = _count(session, QualifyingResult, QualifyingResult.decision_id == decision.id, QualifyingResult.outcome == "PASS")
    invited = session.scalar(
        select(func.count())
        .select_from(InterviewInvitation)
        .join(QualifyingResult, QualifyingResult.id == InterviewInvitation.result_id)
        .where(QualifyingResult.decision_id == decision.id, InterviewInvitation.withdrawn_at.is_(None))
    )
    rest = passed - (invited or 0)
    if rest > 0:
        return Now(ngettext("%(num)s person is to be invited.", "%(num)s people are to be invited.", rest), waits=True)
    return Now(_("Everyone who can be invited is invited."))


def _trail(session: Session) -> Now:
    entries = _count(session, AuditEntry)
    return Now(ngettext("%(num)s entry, linked to the one before.", "%(num)s entries, each linked to the one before.", entries))


def _processes(session: Session, now: datetime) -> Now:
    beats = session.scalars(select(Beat)).all()
    silent = sum(now - beat.at > ALIVE for beat in beats)
    if silent:
        return Now(ngettext("%(num)s part of the server is silent.", "%(num)s parts of the server are silent.", silent), waits=True)
    return Now(ngettext("%(num)s part of the server is well.", "All %(num)s parts of the server are well.", len(beats)))


def of_today(now: datetime) -> ColumnElement[bool]:
    """Mail that the demo writes; not that of its past, which would hide it."""
    return Notice.created_at > now - timedelta(days=past.PLAN["days_ago"])


def _mails(session: Session, now: datetime) -> Now:
    return Now(ngettext("%(num)s mail so far.", "%(num)s mails so far.", _count(session, Notice, of_today(now))))
