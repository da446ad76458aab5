"""The pages of the person who runs a room of a City facility."""

import uuid
from collections.abc import Callable
from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, current_app, flash, g, redirect, render_template, request
from flask_babel import gettext as _
from flask_babel import ngettext
from flask_login import current_user

from testing_platform import errors
from testing_platform.accounts.permissions import allowed
from testing_platform.accounts.rules import Role
from testing_platform.delivery import facility
from testing_platform.delivery import rules as delivery
from testing_platform.delivery.models import Attempt
from testing_platform.delivery.rules import State
from testing_platform.examinations.models import Appointment, TestSession
from testing_platform.proctor import room_queries, room_rules, room_service, rules, service
from testing_platform.proctor.models import Irregularity
from testing_platform.proctor.queries import reasons

bp = Blueprint("room", __name__, url_prefix="/proctor/rooms")


def _secret() -> bytes:
    return current_app.settings.secret  # type: ignore[attr-defined]


def _code(place: TestSession) -> str:
    """The start code of this sign-in, where it was asked for."""
    sign_in = current_user.sign_in
    if facility.code_of(g.session, place.id, sign_in.id) is None:
        return ""
    return delivery.spaced(facility.start_code(_secret(), place.id, sign_in.id))


def _page(template: str, place: TestSession, current: str, **more: Any) -> str:
    base = f"/proctor/rooms/{place.id}"
    g.rail = [
        (_("Today"), "/proctor/", False),
        (_("Roster"), base, current == "roster"),
        (_("Seat plan"), f"{base}/seats", current == "seats"),
        (_("Irregularities"), f"{base}/irregularities", current == "irregularities"),
        (_("Session report"), f"{base}/report", current == "report"),
    ]
    return render_template(
        template,
        place=place,
        base=base,
        zone=ZoneInfo(place.zone),
        pause=room_service.running_pause(g.session, place.id),
        queries=room_queries,
        Standing=room_rules.Standing,
        **more,
    )


def _refused(refusal: errors.Refusal) -> None:
    """Say what was refused on the page where it was asked."""
    happened, act = current_app.extensions["sentence"](refusal.code, refusal.facts)
    flash(f"{happened}. {act}", "error")


def _try(act: Callable[[], Any], back: str, said: str = "") -> Any:
    """Carry out one act and go back to the page; what is refused is undone and said there."""
    try:
        with g.session.begin_nested():
            act()
            g.session.flush()
    except errors.Forbidden:
        raise
    except errors.Refusal as refusal:
        _refused(refusal)
        return redirect(back, 303)
    if said:
        flash(said, "success")
    return redirect(back, 303)


def _say_how_many(act: Callable[[], int], back: str, say: Callable[[int], str]) -> Any:
    count: list[int] = []
    reply = _try(lambda: count.append(act()), back)
    if count:
        flash(say(count[0]), "success")
    return reply


def _number(name: str) -> int:
    text = request.form.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def _person(place: TestSession, number: int) -> Appointment:
    """An appointment of this session. Raises errors.NotFound for another's."""
    found = g.session.get(Appointment, number)
    if found is None or found.session_id != place.id or found.state != "booked":
        raise errors.NotFound
    return found


@bp.get("/<int:session_id>")
@allowed("room.see")
def roster(place: TestSession) -> Any:
    rows = room_queries.roster(g.session, place, g.now)
    looked_for, show = request.args.get("q", "")[:100].strip(), request.args.get("show", "")
    return _page(
        "proctor/room.html",
        place,
        "roster",
        rows=room_queries.filtered(rows, looked_for, show),
        counts=room_queries.counts(rows),
        all=len(rows),
        q=looked_for,
        show=show,
        code=_code(place),
        pauses=[(one, room_queries.pause_words(one)) for one in room_rules.PAUSE],
        now=g.now,
    )


@bp.get("/<int:session_id>/seats")
@allowed("room.see")
def seats(place: TestSession) -> Any:
    rows = room_queries.roster(g.session, place, g.now)
    plan = room_queries.seat_plan(place, rows)
    return _page("proctor/room_seats.html", place, "seats", plan=plan, over=sum(row is not None and row.is_over for _seat, row in plan))


@bp.get("/<int:session_id>/board")
@allowed("room.see")
def board(place: TestSession) -> Any:
    """The code as it is projected for the room: large, and nothing beside it that could be somebody's."""
    address = f"{current_app.settings.public_url}/candidate/workstation"  # type: ignore[attr-defined]
    return _page("proctor/room_board.html", place, "board", code=_code(place), address=address.partition("://")[2])


@bp.post("/<int:session_id>/code")
@allowed("room.act")
def code(place: TestSession) -> Any:
    facility.issue_start_code(g.session, _secret(), place, current_user.sign_in, g.now)
    return redirect(f"/proctor/rooms/{place.id}/board", 303)


@bp.post("/<int:session_id>/pause")
@allowed("room.act")
def pause(place: TestSession) -> Any:
    category, text = request.form.get("category", ""), request.form.get("text", "")
    return _try(
        lambda: room_service.pause_room(g.session, place, category, text, g.person, g.now),
        f"/proctor/rooms/{place.id}",
        _("The room is paused."),
    )


@bp.post("/<int:session_id>/resume")
@allowed("room.act")
def resume(place: TestSession) -> Any:
    return _try(lambda: room_service.resume_room(g.session, place, g.person, g.now), f"/proctor/rooms/{place.id}", _("The room goes on."))


@bp.post("/<int:session_id>/message")
@allowed("room.act")
def message(place: TestSession) -> Any:
    text = request.form.get("text", "")
    return _say_how_many(
        lambda: room_service.tell_room(g.session, place, text, g.person, g.now),
        f"/proctor/rooms/{place.id}",
        lambda count: ngettext("Sent to the page of %(num)d candidate.", "Sent to the pages of %(num)d candidates.", count),
    )


@bp.post("/<int:session_id>/free-seats")
@allowed("room.act")
def free_seats(place: TestSession) -> Any:
    return _say_how_many(
        lambda: room_service.free_seats(g.session, place, g.person, g.now),
        f"/proctor/rooms/{place.id}/seats",
        lambda count: ngettext("%(num)d seat is free again.", "%(num)d seats are free again.", count),
    )


@bp.get("/<int:session_id>/people/<int:number>")
@allowed("room.see")
def person(place: TestSession, number: int) -> Any:
    appointment = _person(place, number)
    rows = room_queries.roster(g.session, place, g.now)
    row = next(one for one in rows if one.appointment.id == appointment.id)
    attempt = row.attempt
    under_way = attempt is not None and State(attempt.state) in delivery.UNDER_WAY
    free = room_queries.free_seats(place, rows)
    open_code = room_queries.open_take_over(g.session, attempt, g.now) if attempt is not None and under_way else None
    return _page(
        "proctor/room_person.html",
        place,
        "person",
        row=row,
        attempt=attempt,
        under_way=under_way,
        running=attempt is not None and attempt.state == State.IN_PROGRESS,
        held=attempt is not None and attempt.state in (State.PAUSED_PROCTOR, State.AWAITING_RESUME),
        seating=facility.seating_of(g.session, appointment.id),
        free=free,
        next_seat=free[0] if free else None,
        identities=[(one, room_queries.identity_words(one)) for one in delivery.IDENTITY],
        no_shows=[(one, room_queries.no_show_words(one)) for one in delivery.NO_SHOW],
        reasons=reasons(),
        messages=room_queries.messages(g.session, attempt) if attempt is not None else [],
        may_confirm=row.proposal is not None and Role.LEAD_PROCTOR in g.person.roles and row.proposal.proposed_by_id != g.person.id,
        may_withdraw=row.proposal is not None and (Role.LEAD_PROCTOR in g.person.roles or row.proposal.proposed_by_id == g.person.id),
        proposed_by=room_queries.names(g.session, {row.proposal.proposed_by_id}) if row.proposal is not None else {},
        take_over=delivery.spaced(facility.take_over_code(_secret(), open_code)) if open_code else "",
        take_over_until=open_code.expires_at if open_code else None,
        ledger=room_queries.ledger(g.session, attempt, ZoneInfo(place.zone), g.now) if attempt is not None else [],
        happenings=room_queries.happenings(g.session, appointment, attempt),
        lost=room_queries.lost(g.session, attempt, g.now) if attempt is not None else None,
        answered=room_queries.answered(g.session, attempt) if attempt is not None else 0,
        reports=[one for one in room_queries.reports(g.session, place) if one["row"].appointment_id == appointment.id],
        may_take_back=room_queries.may_take_back(g.person),
        lead=Role.LEAD_PROCTOR in g.person.roles,
        key=str(uuid.uuid4()),
        now=g.now,
    )


def _seat(place: TestSession, appointment: Appointment) -> str:
    row = facility.seat(
        g.session,
        appointment,
        _number("seat"),
        request.form.get("identity", ""),
        request.form.get("note", ""),
        g.person,
        current_app.vault.new_key,  # type: ignore[attr-defined]
        g.now,
    )
    return _("%(name)s has seat %(seat)d.", name=appointment.person.name, seat=row.seat)


def _change_seat(place: TestSession, appointment: Appointment) -> str:
    row = facility.change_seat(g.session, appointment, _number("seat"), g.person, g.now)
    return _("%(name)s has seat %(seat)d.", name=appointment.person.name, seat=row.seat)


def _no_show(place: TestSession, appointment: Appointment) -> str:
    facility.record_no_show(g.session, appointment, request.form.get("reason", ""), request.form.get("note", ""), g.person, g.now)
    return _("The no-show is recorded.")


def _take_back(place: TestSession, appointment: Appointment) -> str:
    room_service.take_back_no_show(g.session, appointment, g.person, g.now)
    return _("The no-show is taken back. Check in as usual.")


def _free_seat(place: TestSession, appointment: Appointment) -> str:
    facility.free_seat(g.session, appointment, g.person, g.now)
    return _("The seat is free.")


def _leave(place: TestSession, appointment: Appointment) -> str:
    facility.leave_room(g.session, appointment, True, g.person, g.now)
    return ""


def _back(place: TestSession, appointment: Appointment) -> str:
    facility.leave_room(g.session, appointment, False, g.person, g.now)
    return ""


def _attempt(appointment: Appointment) -> Attempt:
    found = facility.attempt_of(g.session, appointment.id)
    if found is None:
        raise delivery.NotSeated
    return found


def _take_over(place: TestSession, appointment: Appointment) -> str:
    """One press: another seat, and the code with which the test goes on there."""
    attempt = _attempt(appointment)
    facility.issue_take_over(g.session, _secret(), attempt, g.person, g.now)
    here = facility.seating_of(g.session, appointment.id)
    wanted = _number("seat")
    if wanted and (here is None or here.seat != wanted):
        facility.change_seat(g.session, appointment, wanted, g.person, g.now)
    return ""


ACTS = {
    "pause": rules.Act.PAUSE,
    "resume": rules.Act.RESUME,
    "give-time": rules.Act.GIVE_TIME,
    "message": rules.Act.MESSAGE,
    "propose-end": rules.Act.PROPOSE_END,
    "confirm-end": rules.Act.CONFIRM_END,
    "withdraw-end": rules.Act.WITHDRAW_END,
}


def _act(doing: str) -> Callable[[TestSession, Appointment], str]:
    """One act of the console's, through the same service."""

    def act(place: TestSession, appointment: Appointment) -> str:
        attempt = _attempt(appointment)
        try:
            key = str(uuid.UUID(request.form.get("key", "")))
        except ValueError:
            raise errors.BadRequest(why="key") from None
        asked = service.Asked(
            ACTS[doing],
            _number("version"),
            key,
            request.form.get("category", ""),
            request.form.get("text", "")[:500],
            "",
            _number("minutes"),
        )
        heard = attempt.contact.http_at
        service.do(g.session, attempt, g.person, asked, g.now)
        # The room's page is heard by itself alone: a press of the proctor's is no sign of life of the workstation.
        attempt.contact.http_at = heard
        return ""

    return act


DOINGS: dict[str, Callable[[TestSession, Appointment], str]] = {
    "seat": _seat,
    "change-seat": _change_seat,
    "no-show": _no_show,
    "take-back": _take_back,
    "free-seat": _free_seat,
    "leave": _leave,
    "back": _back,
    "take-over": _take_over,
    **{doing: _act(doing) for doing in ACTS},
}


@bp.post("/<int:session_id>/people/<int:number>/<doing>")
@allowed("room.act")
def do(place: TestSession, number: int, doing: str) -> Any:
    appointment = _person(place, number)
    if doing not in DOINGS:
        raise errors.NotFound
    said: list[str] = []
    reply = _try(lambda: said.append(DOINGS[doing](place, appointment)), f"/proctor/rooms/{place.id}/people/{number}")
    if said and said[0]:
        flash(said[0], "success")
    return reply


@bp.get("/<int:session_id>/irregularities")
@allowed("room.see")
def irregularities(place: TestSession) -> Any:
    return _irregularities(place, {})


def _irregularities(place: TestSession, typed: dict[str, str], error: str = "") -> str:
    about = typed.get("about") or request.args.get("about", "")
    local = g.now.astimezone(ZoneInfo(place.zone))
    return _page(
        "proctor/room_irregularities.html",
        place,
        "irregularities",
        reports=room_queries.reports(g.session, place),
        choices=room_queries.report_choices(),
        people=[(str(one.appointment.id), f"{one.name} ({one.number})") for one in room_queries.roster(g.session, place, g.now)],
        typed={"began": local.strftime("%H:%M"), **typed, "about": about},
        error=error,
        lead=Role.LEAD_PROCTOR in g.person.roles,
    )


def _instant(place: TestSession, text: str) -> datetime | None:
    """A time of the clock on the day of the session, in the room's zone; none for what is no time."""
    zone = ZoneInfo(place.zone)
    try:
        at = time.fromisoformat(text)
    except ValueError:
        return None
    day: date = g.now.astimezone(zone).date()
    return datetime.combine(day, at.replace(tzinfo=None), zone)


@bp.post("/<int:session_id>/irregularities")
@allowed("room.act")
def report(place: TestSession) -> Any:
    typed = {name: request.form.get(name, "")[:4100] for name in ("about", "what", "text", "began", "ended")}
    about = _person(place, int(typed["about"])) if typed["about"].isascii() and typed["about"].isdigit() else None
    category, _slash, kind = typed["what"].partition("/")
    ended = _instant(place, typed["ended"])
    try:
        if typed["ended"] and ended is None:
            raise room_rules.IncompleteReport(field="ended")
        with g.session.begin_nested():
            room_service.report(
                g.session, place, about, category, kind, typed["text"], _instant(place, typed["began"]), ended, g.person, g.now
            )
    except room_rules.IncompleteReport as refusal:
        happened, act = current_app.extensions["sentence"](refusal.code, refusal.facts)
        return _irregularities(place, typed, f"{happened}. {act}"), 422
    flash(_("The report is filed."), "success")
    return redirect(f"/proctor/rooms/{place.id}/irregularities", 303)


@bp.post("/<int:session_id>/irregularities/<int:number>/withdraw")
@allowed("room.act")
def withdraw(place: TestSession, number: int) -> Any:
    row = g.session.get(Irregularity, number)
    if row is None or row.session_id != place.id:
        raise errors.NotFound
    reason = request.form.get("reason", "")
    return _try(lambda: room_service.withdraw(g.session, row, reason, g.person, g.now), f"/proctor/rooms/{place.id}/irregularities")


@bp.get("/<int:session_id>/report")
@allowed("room.see")
def session_report(place: TestSession) -> Any:
    return _page("proctor/room_report.html", place, "report", report=room_queries.session_report(g.session, place, g.now), now=g.now)
