"""Reads for the room's pages: the roster, one candidate, the seat plan, the session report; and the words for what stands in the lists."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask_babel import gettext as _
from flask_babel import ngettext
from sqlalchemy import select
from sqlalchemy.orm import Session

from testing_platform.accounts.models import Person
from testing_platform.accounts.rules import Role
from testing_platform.bus import Event
from testing_platform.delivery import facility
from testing_platform.delivery import rules as delivery
from testing_platform.delivery import service as attempts
from testing_platform.delivery.models import Attempt, NoShow, Seating, TakeOverCode, TimeEntry
from testing_platform.delivery.queries import span
from testing_platform.delivery.rules import State
from testing_platform.examinations import rules as examinations
from testing_platform.examinations.models import Appointment, TestSession
from testing_platform.proctor import queries, room_rules, room_service
from testing_platform.proctor.models import EndProposal, Irregularity, RoomPause
from testing_platform.proctor.room_rules import Standing


@dataclass
class Row:
    """One candidate of the roster."""

    appointment: Appointment
    standing: Standing
    seat: int | None
    attempt: Attempt | None
    no_show: NoShow | None
    # Since when it stands so, where that says something.
    since: datetime | None = None
    out_since: datetime | None = None
    effects: list[str] = field(default_factory=list)
    minutes_left: int | None = None
    reports: int = 0
    # Somebody proposes to end this test, and a lead proctor has not decided.
    proposal: EndProposal | None = None

    @property
    def name(self) -> str:
        return self.appointment.person.name

    @property
    def is_over(self) -> bool:
        return self.standing in (Standing.HANDED_IN, Standing.ENDED)

    @property
    def number(self) -> str:
        return self.appointment.person.candidate_number or ""


def effects(settings: dict[str, Any]) -> list[str]:
    """What an approved accommodation changes, never why."""
    words = []
    factor = examinations.multiplier(settings)
    if factor != 1:
        words.append(_("time × %(factor)s", factor=f"{factor.normalize():f}"))
    known = {"breaks": _("breaks allowed"), "reader": _("a reader may be present"), "screen_reader": _("uses a screen reader")}
    words += [label for key, label in known.items() if settings.get(key)]
    if settings.get("text_size") in ("large", "largest"):
        words.append(_("large text"))
    return words


def roster(session: Session, place: TestSession, now: datetime) -> list[Row]:
    """Everyone booked in the session, by name."""
    booked = (
        session.scalars(
            select(Appointment)
            .join(Person, Person.id == Appointment.person_id)
            .where(Appointment.session_id == place.id, Appointment.state == "booked")
            .order_by(Person.name, Appointment.id)
        )
        .unique()
        .all()
    )
    seats = {row.appointment_id: row for row in facility.seatings(session, place.id)}
    found = {attempt.appointment_id: attempt for attempt in facility.all_attempts(session, place.id)}
    away = {row.appointment_id: row for row in facility.no_shows(session, place.id) if row.reversed_at is None}
    reports: dict[int, int] = {}
    for report in irregularities(session, place.id):
        if report.appointment_id is not None and report.withdrawn_at is None:
            reports[report.appointment_id] = reports.get(report.appointment_id, 0) + 1
    out = _out(session, place.id)
    proposals = {row.attempt_id: row for row in queries.open_proposals(session, place.id)}
    return [
        _row(
            one,
            seats.get(one.id),
            attempt := found.get(one.id),
            away.get(one.id),
            out,
            reports.get(one.id, 0),
            None if attempt is None else proposals.get(attempt.id),
            now,
        )
        for one in booked
    ]


def _row(
    appointment: Appointment,
    seating: Seating | None,
    attempt: Attempt | None,
    no_show: NoShow | None,
    out: dict[int, datetime],
    reports: int,
    proposal: EndProposal | None,
    now: datetime,
) -> Row:
    last = None if attempt is None else attempt.contact.newest
    stands = room_rules.standing(
        no_show=no_show is not None,
        seated=seating is not None,
        state=None if attempt is None else State(attempt.state),
        last_contact=last,
        patience=timedelta(seconds=20) if attempt is None else attempt.contact_patience,
        now=now,
    )
    since = {
        Standing.SEATED: None if seating is None else seating.seated_at,
        Standing.TESTING: None if attempt is None else attempt.started_at,
        Standing.PAUSED: None if attempt is None else attempt.held_since,
        Standing.SILENT: last,
        Standing.HANDED_IN: None if attempt is None else attempt.submitted_at,
        Standing.NO_SHOW: None if no_show is None else no_show.recorded_at,
    }.get(stands)
    runs = attempt is not None and attempt.started_at is not None and State(attempt.state) in delivery.UNDER_WAY
    return Row(
        appointment,
        stands,
        None if seating is None else seating.seat,
        attempt,
        no_show,
        since,
        out.get(attempt.id) if attempt is not None and State(attempt.state) not in delivery.OVER else None,
        effects(appointment.settings),
        round(attempt.clock.left(now).total_seconds() / 60) if attempt is not None and runs else None,
        reports,
        proposal,
    )


def _out(session: Session, session_id: int) -> dict[int, datetime]:
    """Who is out of the room, by attempt."""
    found: dict[int, datetime] = {}
    ids = select(Attempt.id).where(Attempt.session_id == session_id)
    for event in session.scalars(
        select(Event).where(Event.attempt_id.in_(ids), Event.kind.in_(("room.left", "room.back"))).order_by(Event.id)
    ):
        if event.attempt_id is not None:
            found.pop(event.attempt_id, None)
            if event.kind == "room.left":
                found[event.attempt_id] = event.at
    return found


def filtered(rows: list[Row], looked_for: str, show: str) -> list[Row]:
    return [
        row for row in rows if room_rules.matches(looked_for, row.name, row.number) and (show not in set(Standing) or row.standing == show)
    ]


def counts(rows: list[Row]) -> dict[str, int]:
    found = {str(one): 0 for one in Standing}
    for row in rows:
        found[row.standing] += 1
    return found


def seat_plan(place: TestSession, rows: list[Row]) -> list[tuple[int, Row | None]]:
    """Every seat in its order, with who sits there."""
    taken = {row.seat: row for row in rows if row.seat is not None}
    seats = place.room.seats if place.room is not None else max([*taken, 1])
    return [(number, taken.get(number)) for number in range(1, seats + 1)]


def free_seats(place: TestSession, rows: list[Row]) -> list[int]:
    return [number for number, row in seat_plan(place, rows) if row is None]


def irregularities(session: Session, session_id: int) -> list[Irregularity]:
    return list(session.scalars(select(Irregularity).where(Irregularity.session_id == session_id).order_by(Irregularity.id)))


def names(session: Session, ids: set[int | None]) -> dict[int | None, str]:
    found: dict[int | None, str] = dict(
        session.execute(select(Person.id, Person.name).where(Person.id.in_({i for i in ids if i is not None}))).all()
    )
    return found


def reports(session: Session, place: TestSession) -> list[dict[str, Any]]:
    """The irregularities of the session with the words and names beside them, newest last."""
    found = irregularities(session, place.id)
    people = names(session, {one for row in found for one in (row.filed_by_id, row.withdrawn_by_id)})
    return [
        {
            "row": row,
            "about": None if row.appointment_id is None else session.get_one(Appointment, row.appointment_id).person.name,
            "kind": kind_words(row.category, row.kind),
            "category": category_words(row.category),
            "by": people.get(row.filed_by_id, ""),
            "withdrawn_by": people.get(row.withdrawn_by_id, ""),
        }
        for row in found
    ]


@dataclass(frozen=True)
class Lost:
    """Time that a workstation took from a candidate, as the server measured it."""

    span: str
    minutes: int
    moved: bool


def lost(session: Session, attempt: Attempt, now: datetime) -> Lost | None:
    """The silence that is going on, or the one that ended when the test went to another workstation, less what was given for it."""
    if State(attempt.state) not in delivery.UNDER_WAY:
        return None
    last = attempt.contact.newest
    silent = now - last if last is not None and attempt.state == State.IN_PROGRESS else timedelta()
    moved, since = silent < attempt.contact_patience, last
    if moved:
        event = session.scalars(
            select(Event).where(Event.attempt_id == attempt.id, Event.kind == "room.taken_over").order_by(Event.id.desc()).limit(1)
        ).first()
        if event is None:
            return None
        silent = timedelta(seconds=int(event.facts.get("silent_seconds", 0)))
        since = event.at - silent
    granted = session.scalars(
        select(TimeEntry).where(TimeEntry.attempt_id == attempt.id, TimeEntry.kind == "grant", TimeEntry.began_at >= since)
    )
    owed = silent - sum((entry.amount for entry in granted if entry.amount is not None), timedelta())
    minutes = room_rules.lost_minutes(owed)
    return Lost(span(silent), minutes, moved) if minutes else None


def happenings(session: Session, appointment: Appointment, attempt: Attempt | None) -> list[tuple[datetime, str]]:
    """What happened to one candidate in this room, in words."""
    if attempt is None:
        return []
    events = session.scalars(select(Event).where(Event.attempt_id == attempt.id).order_by(Event.id)).all()
    people = names(session, {event.actor_id for event in events})
    return [(event.at, _happening(event, people.get(event.actor_id, _("The system")))) for event in events if event.kind in _TOLD]


_TOLD = {
    "room.seated",
    "room.seat_changed",
    "room.seat_freed",
    "room.left",
    "room.back",
    "room.take_over_issued",
    "room.taken_over",
    "room.no_show",
    "room.no_show_taken_back",
    "attempt.begin",
    "attempt.pause",
    "attempt.resume",
    "attempt.time_given",
    "attempt.message",
    "attempt.end_proposed",
    "attempt.end_withdrawn",
    "attempt.submit",
    "attempt.time_is_up",
    "attempt.end",
    "attempt.abandon",
}


def _happening(event: Event, by: str) -> str:
    facts = event.facts
    match event.kind:
        case "room.seated":
            return _(
                "%(by)s checked the identity (%(document)s) and gave seat %(seat)d.",
                by=by,
                document=identity_words(facts.get("identity", "")),
                seat=facts.get("seat", 0),
            )
        case "room.seat_changed":
            return _("%(by)s moved the candidate from seat %(before)d to seat %(seat)d.", by=by, before=facts["before"], seat=facts["seat"])
        case "room.seat_freed":
            return _("%(by)s freed seat %(seat)d.", by=by, seat=facts["seat"])
        case "room.left":
            return _("Left the room.")
        case "room.back":
            return _("Came back into the room.")
        case "room.take_over_issued":
            return _("%(by)s made a code for another workstation.", by=by)
        case "room.taken_over":
            return _("The test went on at another workstation.")
        case "room.no_show":
            return _("%(by)s recorded a no-show: %(why)s.", by=by, why=no_show_words(facts.get("reason", "")))
        case "room.no_show_taken_back":
            return _("%(by)s took the no-show back.", by=by)
        case "attempt.pause" if facts.get("cause") == room_service.ROOM:
            return _("%(by)s paused the whole room: %(why)s.", by=by, why=pause_words(facts.get("category", "")))
        case "attempt.resume" if facts.get("room"):
            return _("%(by)s let the whole room go on.", by=by)
    return queries._event_words(event.kind, facts, by)


def ledger(session: Session, attempt: Attempt, zone: ZoneInfo, now: datetime) -> list[str]:
    return queries.ledger(session, attempt, zone, now)


def open_take_over(session: Session, attempt: Attempt, now: datetime) -> TakeOverCode | None:
    return facility.open_take_over(session, attempt.id, now)


def session_report(session: Session, place: TestSession, now: datetime) -> dict[str, Any]:
    """Everything the room's report prints."""
    rows = roster(session, place, now)
    everyone = facility.seatings(session, place.id, now_only=False)
    pauses = list(session.scalars(select(RoomPause).where(RoomPause.session_id == place.id).order_by(RoomPause.id)))
    codes = facility.codes_issued(session, place.id)
    away = facility.no_shows(session, place.id)
    people = names(
        session,
        {one.seated_by_id for one in everyone}
        | {one.began_by_id for one in pauses}
        | {one.ended_by_id for one in pauses}
        | {sign_in.person_id for _code, sign_in in codes}
        | {one.recorded_by_id for one in away}
        | {one.reversed_by_id for one in away},
    )
    last_seating = {one.appointment_id: one for one in everyone}
    return {
        "rows": rows,
        "counts": counts(rows),
        "seatings": last_seating,
        "pauses": pauses,
        "codes": codes,
        "away": away,
        "people": people,
        "given": {row.appointment.id: _given(session, row.attempt) for row in rows if row.attempt is not None},
        "reports": reports(session, place),
    }


def _given(session: Session, attempt: Attempt) -> str:
    """Time given back to one candidate in all: grants and finished holds."""
    return span(attempt.given) if attempt.given else ""


def messages(session: Session, attempt: Attempt) -> list[tuple[datetime, str, str]]:
    """(when, by whom, text) of what was written to this candidate; nobody writes back from a workstation."""
    found = attempts.messages_after(session, attempt.id, 0)
    people = names(session, {one.actor_id for one in found})
    return [(one.at, people.get(one.actor_id, ""), one.text) for one in found]


def end_words(code: str) -> str:
    return queries.reason_words("end", code)


def answered(session: Session, attempt: Attempt) -> int:
    return len(attempts.chosen(session, attempt.id))


def may_take_back(person: Person) -> bool:
    return Role.LEAD_PROCTOR in person.roles


# ---------------------------------------------------------------- words


def standing_words(standing: str) -> tuple[str, str]:
    """(word, colour)."""
    return {
        Standing.EXPECTED: (_("expected"), ""),
        Standing.SEATED: (_("seated"), "info"),
        Standing.TESTING: (_("testing"), "good"),
        Standing.PAUSED: (_("paused"), "warn"),
        Standing.SILENT: (_("no contact"), "bad"),
        Standing.HANDED_IN: (_("handed in"), ""),
        Standing.ENDED: (_("stopped"), ""),
        Standing.NO_SHOW: (_("no-show"), ""),
    }[Standing(standing)]


def identity_words(code: str) -> str:
    known = {
        "city_badge": _("City employee badge"),
        "driver_licence": _("Driver’s license"),
        "passport": _("Passport"),
        "other": _("Another document"),
    }
    kind, _colon, note = code.partition(": ")
    return note or known.get(kind, kind)


def no_show_words(code: str) -> str:
    return {
        "late": _("came too late"),
        "wrong_id": _("no valid identity document"),
        "other_session": _("not on this roster, or another session"),
        "left_before_start": _("left before the start"),
        "did_not_come": _("did not come"),
    }.get(code, code)


def pause_words(code: str) -> str:
    return {
        "emergency": _("an emergency"),
        "building": _("power, heat or water in the building"),
        "noise": _("noise"),
        "technical": _("technical trouble"),
        "announcement": _("something to tell the room"),
    }.get(code) or queries.reason_words("pause", code)


def category_words(code: str) -> str:
    return {
        "environment": _("Environment"),
        "examinee": _("Candidate"),
        "staff": _("Proctor or staff"),
        "technical": _("Technical"),
        "security": _("Test security"),
        "accommodation": _("Accommodation"),
        "other": _("Other"),
    }[code]


def kind_words(category: str, kind: str) -> str:
    return {
        ("environment", "comfort"): _("comfort (heat, light, furniture)"),
        ("environment", "disturbance"): _("a disturbance"),
        ("environment", "noise"): _("noise"),
        ("environment", "power_outage"): _("power outage"),
        ("environment", "weather"): _("weather"),
        ("examinee", "behaviour"): _("behavior"),
        ("examinee", "complaint"): _("a complaint"),
        ("examinee", "identification"): _("identification or authorization"),
        ("examinee", "illness"): _("illness"),
        ("examinee", "late"): _("came late"),
        ("examinee", "navigation"): _("trouble using the test page"),
        ("examinee", "no_show"): _("no-show"),
        ("staff", "behaviour"): _("behavior"),
        ("staff", "compliance"): _("a rule not followed"),
        ("staff", "error"): _("an error"),
        ("staff", "late"): _("came late"),
        ("staff", "no_show"): _("did not come"),
        ("technical", "freezing"): _("the page or computer froze"),
        ("technical", "launching"): _("the test did not open"),
        ("technical", "network"): _("network"),
        ("technical", "printing"): _("printing"),
        ("technical", "testing_workstation"): _("the workstation"),
        ("security", "impersonation"): _("another person may have taken the test"),
        ("security", "unauthorised_aid"): _("help that is not allowed"),
        ("security", "item_exposure"): _("questions were copied or shown"),
        ("security", "recording_attempt"): _("a picture or recording of the questions"),
        ("accommodation", "not_delivered"): _("was not delivered"),
        ("accommodation", "delivered_late"): _("was delivered late"),
        ("other", "other"): _("something else"),
    }[(category, kind)]


def report_choices() -> list[tuple[str, list[tuple[str, str]]]]:
    """[(category, [(value, kind), …]), …] for the list of the form."""
    return [
        (category_words(category), [(f"{category}/{kind}", kind_words(category, kind)) for kind in kinds])
        for category, kinds in room_rules.IRREGULARITIES.items()
    ]


def since_words(row: Row) -> str:
    return ngettext("%(num)d minute left", "%(num)d minutes left", row.minutes_left or 0) if row.minutes_left is not None else ""
