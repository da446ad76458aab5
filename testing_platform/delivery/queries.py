"""Reads for the candidate's pages."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from flask_babel import ngettext
from markupsafe import Markup
from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from testing_platform.delivery import rules, service
from testing_platform.delivery.models import Attempt, CheckInStep
from testing_platform.delivery.rules import State
from testing_platform.examinations.models import Administration, Appointment
from testing_platform.itembank.models import FormSlot
from testing_platform.itembank.rules import PICTURE_NAME, Kind, with_pictures


def attempt_of(session: Session, appointment_id: int) -> Attempt | None:
    return session.scalars(select(Attempt).where(Attempt.appointment_id == appointment_id)).first()


def appointments(session: Session, person_id: int) -> list[Appointment]:
    return list(
        session.scalars(
            select(Appointment).where(Appointment.person_id == person_id, Appointment.state == "booked").order_by(Appointment.id)
        )
    )


def page_of(session: Session, attempt: Attempt) -> str:
    """Where this attempt's candidate belongs now."""
    base = f"/candidate/attempts/{attempt.id}"
    state = State(attempt.state)
    if state is State.CHECKING_IN:
        step = rules.next_step(service.steps_done(session, attempt), attempt.mode)
        return f"{base}/{ {'consent': 'consent', 'system': 'system-check', 'photo': 'photo'}[step] if step else 'waiting' }"
    if state is State.AWAITING:
        return f"{base}/waiting"
    if state is State.ADMITTED:
        return f"{base}/rules"
    if state in rules.UNDER_WAY:
        return f"{base}/test"
    return f"{base}/receipt" if attempt.submitted_at else "/candidate/"


def place_in_queue(session: Session, attempt: Attempt) -> int:
    """1 for the one who is next."""
    if attempt.awaiting_since is None:
        return 0
    ahead = session.scalar(
        select(func.count())
        .select_from(Attempt)
        .where(
            Attempt.session_id == attempt.session_id,
            Attempt.state == State.AWAITING,
            or_(
                Attempt.awaiting_since < attempt.awaiting_since,
                (Attempt.awaiting_since == attempt.awaiting_since) & (Attempt.id < attempt.id),
            ),
        )
    )
    return (ahead or 0) + 1


def returned_reason(session: Session, attempt_id: int, step: str) -> str:
    row = session.get(CheckInStep, (attempt_id, step))
    return str(row.facts.get("reason", "")) if row is not None and row.state == "returned" else ""


def slots(session: Session, form_id: int, pictures: str = "") -> list[dict[str, Any]]:
    """The form as its candidate is shown it: stems and options only, no key, no code of the bank. `pictures` is the address that they stand under."""

    def shown(html: str) -> Markup:
        return Markup(with_pictures(html, pictures))

    found = []
    for row in session.scalars(select(FormSlot).where(FormSlot.form_id == form_id).order_by(FormSlot.slot)):
        version = row.version
        stimulus = version.stimulus
        found.append(
            {
                "number": row.slot,
                "stem_html": shown(version.stem),
                "options": [{"key": option["key"], "html": shown(option["html"])} for option in version.options],
                # None of a single answer, 0 without a limit.
                "most": version.max_choices if version.kind == Kind.MULTIPLE else None,
                "language": version.language,
                "passage": version.stimulus_id,
                # Whether its options may change places, and which of them may not.
                "shuffle": version.shuffle,
                "fixed": frozenset(option["key"] for option in version.options if option.get("fixed")),
                "stimulus": None if stimulus is None else {"title": stimulus.title, "html": shown(stimulus.html)},
            }
        )
    return found


def has_picture(session: Session, form_id: int, name: str) -> bool:
    """Whether an item of the form, or its passage, shows this picture."""
    if not PICTURE_NAME.fullmatch(name):
        return False
    for row in session.scalars(select(FormSlot).where(FormSlot.form_id == form_id)):
        version = row.version
        passage = version.stimulus.html if version.stimulus else ""
        if any(name in html for html in (version.stem, passage, *(option["html"] for option in version.options))):
            return True
    return False


def count_items(session: Session, form_id: int) -> int:
    return session.scalar(select(func.count()).select_from(FormSlot).where(FormSlot.form_id == form_id)) or 0


def span(amount: timedelta) -> str:
    """Minutes and seconds in words: a factor of 1.5 on 75 minutes gives half a minute too, and it is theirs."""
    seconds = round(amount.total_seconds())
    minutes, rest = divmod(seconds, 60)
    parts = []
    if minutes:
        parts.append(ngettext("%(num)d minute", "%(num)d minutes", minutes))
    if rest or not minutes:
        parts.append(ngettext("%(num)d second", "%(num)d seconds", rest))
    return " ".join(parts)


def receipt(session: Session, attempt: Attempt) -> dict[str, Any]:
    items = count_items(session, attempt.form_id)
    answered = len(service.chosen(session, attempt.id))
    by = {"candidate": "candidate", "clock": "clock", "two_people": "ended"}[attempt.submitted_by or "candidate"]
    return {
        "code": attempt.receipt_code,
        "submitted_at": attempt.submitted_at,
        "answered": answered,
        "unanswered": items - answered,
        "items": items,
        "by": by,
        "emailed_to": attempt.person.email,
    }


def examination_of(attempt: Attempt) -> dict[str, str]:
    return examination_words(attempt.session.administration)


def examination_words(administration: Administration) -> dict[str, str]:
    examination = administration.examination
    return {"title": examination.title, "code": examination.bulletin.job_class.code}


# What later packages have to say of a test that was handed in, such as its result: (words, address). They register here, for delivery knows none of them.
News = Callable[[Session, Attempt], tuple[str, str] | None]
_news: list[News] = []


def tells_news(teller: News) -> News:
    _news.append(teller)
    return teller


def news(session: Session, attempt: Attempt) -> tuple[str, str] | None:
    return next((said for teller in _news if (said := teller(session, attempt)) is not None), None)
