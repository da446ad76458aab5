"""Reads for a proctor's first page: which sessions are on, and each in short."""

from dataclasses import dataclass
from datetime import datetime

from flask_babel import gettext as _
from flask_babel import ngettext
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from testing_platform.delivery import rules as delivery
from testing_platform.delivery.models import Attempt
from testing_platform.examinations.models import Appointment, TestSession
from testing_platform.examinations.rules import TestDay
from testing_platform.proctor import queries, room_queries, room_service
from testing_platform.proctor.room_rules import Standing


@dataclass(frozen=True)
class Short:
    """A session as a line of the list: how many are booked, how they stand, and whether anybody waits for the proctor."""

    place: TestSession
    url: str
    booked: int
    standing: list[str]
    needs: list[str]


def address(place: TestSession) -> str:
    return f"/proctor/rooms/{place.id}" if place.room_id is not None else f"/proctor/sessions/{place.id}"


def is_on(session: Session, place: TestSession, now: datetime) -> bool:
    """From the first minute of check-in until the window has closed and nobody's clock runs any more."""
    opens_at = place.window.opens_at - TestDay.of(place.administration.test_day).check_in_opens
    if opens_at <= now < place.window.closes_at:
        return True
    under_way = select(Attempt.id).where(Attempt.session_id == place.id, Attempt.state.in_(delivery.UNDER_WAY)).limit(1)
    return session.scalars(under_way).first() is not None


def in_short(session: Session, place: TestSession, lead: bool, now: datetime) -> Short:
    booked = session.scalar(
        select(func.count()).select_from(Appointment).where(Appointment.session_id == place.id, Appointment.state == "booked")
    )
    standing, needs = _room(session, place, now) if place.room_id is not None else _remote(session, place)
    proposed = len(queries.open_proposals(session, place.id)) if lead else 0
    if proposed:
        needs.append(ngettext("%(num)s proposal to end a test waits for you.", "%(num)s proposals to end a test wait for you.", proposed))
    return Short(place, address(place), booked or 0, standing, needs)


def _remote(session: Session, place: TestSession) -> tuple[list[str], list[str]]:
    counts = queries.summary(session, place.id)
    waiting = counts["waiting"]
    standing = [_("%(num)d testing", num=counts["in_progress"]), _("%(num)d handed in", num=counts["submitted"])]
    return standing, [ngettext("%(num)s candidate waits for you.", "%(num)s candidates wait for you.", waiting)] if waiting else []


def _room(session: Session, place: TestSession, now: datetime) -> tuple[list[str], list[str]]:
    counts = room_queries.counts(room_queries.roster(session, place, now))
    testing = counts[Standing.TESTING] + counts[Standing.PAUSED] + counts[Standing.SILENT]
    standing = [
        _("%(num)d expected", num=counts[Standing.EXPECTED]),
        _("%(num)d seated", num=counts[Standing.SEATED]),
        _("%(num)d testing", num=testing),
        _("%(num)d handed in", num=counts[Standing.HANDED_IN]),
    ]
    needs = []
    if room_service.running_pause(session, place.id) is not None:
        needs.append(_("The room is paused."))
    if silent := counts[Standing.SILENT]:
        needs.append(ngettext("%(num)d workstation is not heard.", "%(num)d workstations are not heard.", silent))
    return standing, needs
