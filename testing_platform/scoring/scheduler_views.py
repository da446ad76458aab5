"""The scheduler's pages: whom to invite to the interview, and when. There is never a score on them, and nothing at all before two signatures."""

import secrets
from collections import Counter
from datetime import date
from typing import Any

from flask import Blueprint, Response, current_app, flash, g, redirect, render_template, request
from flask_babel import gettext as _
from flask_babel import ngettext
from sqlalchemy.orm import Session

from testing_platform import errors
from testing_platform.accounts import service as accounts
from testing_platform.accounts.models import Person
from testing_platform.accounts.permissions import allowed, object_rule
from testing_platform.examinations.models import Administration
from testing_platform.scoring import api, dates, exports, interviews, notices, results
from testing_platform.scoring.models import InterviewInvitation
from testing_platform.web.frame import LANGUAGES, own_transactions, recorded, row_number

bp = Blueprint("scheduler", __name__, url_prefix="/scheduler")
KIND = "interview_candidates"
SCHEDULE = "interview_schedule"


@object_rule("released_administration")
def released_administration(session: Session, person: Person, administration_id: int, **_ids: Any) -> Administration:
    """Until two people have signed, there is no such administration for a scheduler."""
    found = session.get(Administration, administration_id)
    if found is None or results.decision_in_force(session, administration_id) is None:
        raise errors.NotFound
    return found


def _settings() -> Any:
    return current_app.settings  # type: ignore[attr-defined]


def _rail(active: str = "interviews") -> None:
    g.rail = [
        (_("Interviews"), "/scheduler/", active == "interviews"),
        (_("Other systems"), "/scheduler/tokens", active == "tokens"),
    ]


def _url(one: Administration, more: str = "") -> str:
    return f"/scheduler/administrations/{one.id}{more}"


@bp.get("/")
@allowed("scheduler.home")
def home() -> Any:
    _rail()
    found = []
    for one in results.released_administrations(g.session):
        decision = results.released(g.session, one.id)
        count = Counter(row.standing for row in results.rows(g.session, one, decision))
        found.append(
            {
                "administration": one,
                "url": _url(one),
                "released_at": decision.approved_at,
                "count": count,
                "passed": count.total() - count[results.Standing.WITHDRAW],
                "invited": sum(count[name] for name in (results.Standing.WAITING, results.Standing.SENT, *results.UNDELIVERED)),
                "undelivered": sum(count[name] for name in results.UNDELIVERED),
            }
        )
    return render_template("scheduler/home.html", administrations=found)


@bp.get("/administrations/<int:administration_id>")
@allowed("interview.list")
def administration(one: Administration) -> Any:
    return _list_page(one)


def _list_page(one: Administration, problem: dict[str, Any] | None = None) -> str:
    """`problem`: whose letter could not be sent again, to what address, and why."""
    _rail()
    decision = results.released(g.session, one.id)
    everyone = results.rows(g.session, one, decision)
    asked = {name: request.args.get(name, "").strip()[:100] for name in ("q", "standing", "basis", "language", "need")}
    shown = [row for row in everyone if _asked_for(row, asked)]
    return render_template(
        "scheduler/administration.html",
        administration=one,
        decision=decision,
        rows=[(row, _when(row.invitation)) for row in shown],
        total=len(everyone),
        count=Counter(row.standing for row in everyone),
        languages_there=[(code, LANGUAGES.get(code, code)) for code in sorted({row.language for row in everyone})],
        asked=asked,
        url=_url(one),
        formats=exports.FORMATS[KIND],
        schedule_formats=exports.FORMATS[SCHEDULE] if any(row.invitation for row in everyone) else (),
        jobs=exports.jobs(g.session, one.id, [KIND, SCHEDULE]),
        undelivered=results.UNDELIVERED,
        not_told=[(found, _when(found)) for found in results.withdrawals_not_told(g.session, one.id, g.now)],
        now=g.now,
        problem=problem or {},
    )


def _asked_for(row: results.Row, asked: dict[str, str]) -> bool:
    words = asked["q"].lower().split()
    said = f"{row.person.candidate_number} {row.person.name} {row.person.email} {row.person.phone or ''}".lower()
    return (
        all(word in said for word in words)
        and asked["standing"] in ("", row.standing)
        and asked["basis"] in ("", row.basis)
        and asked["language"] in ("", row.language)
        and (asked["need"] != "yes" or bool(row.note))
    )


def _when(invitation: InterviewInvitation | None) -> str:
    return notices.local_time(invitation.starts_at, invitation.plan.zone, short=True) if invitation else ""


@bp.get("/administrations/<int:administration_id>/interview-candidates.<any(csv, xlsx, json):format>")
@recorded
@allowed("interview.export")
def export(one: Administration, format: str) -> Any:
    return _file(one, KIND, format)


@bp.get("/administrations/<int:administration_id>/interview-schedule.<any(xlsx, csv, ics):format>")
@recorded
@allowed("interview.export")
def schedule(one: Administration, format: str) -> Any:
    return _file(one, SCHEDULE, format)


def _file(one: Administration, kind: str, format: str) -> Response:
    """The list as a file. That it left, for whom, and its hash stay on record."""
    content, _job = exports.export(g.session, one, kind, format, _settings(), g.person.id, g.now)
    name = exports.file_name(one, kind, format)
    return Response(content, content_type=exports.TYPES[format], headers={"Content-Disposition": f'attachment; filename="{name}"'})


# --- the plan --------------------------------------------------------------------------------------------------------------------------------

HOURS = ("opens", "closes", "break_from", "break_until")
FIELDS = ("location", "first_on", "last_on", "without", "weekends", *HOURS, "minutes", "boards", "respond_by")


def _typed(given: Any) -> dict[str, str]:
    return {name: given.get(name, "")[:300] for name in FIELDS}


def _today(one: Administration) -> date:
    return dates.local_day(g.now, results.zone_of(g.session, one.id, _settings()))


@bp.get("/administrations/<int:administration_id>/invite")
@allowed("interview.invite")
def plan(one: Administration) -> Any:
    """The plan's form, and below it whom it would invite to what. Looking changes nothing, so the plan stands in the address."""
    if request.args.keys() & set(FIELDS):
        typed = _typed(request.args)
        try:
            seen = results.preview(g.session, one, interviews.read(typed, _today(one)), _settings(), g.now)
        except interviews.FaultyPlan as refusal:
            return _plan_page(one, typed, refusal.facts["faults"]), 422
        return _plan_page(one, typed, {}, seen)
    return _plan_page(one, _usual(one), {})


def _usual(one: Administration) -> dict[str, str]:
    """What the last plan of this administration said, without its days; else the hours of an office."""
    last = results.last_plan(g.session, one.id)
    said: dict[str, Any] = (
        last.plan if last else {"location": "", "from": "09:00", "to": "16:00", "break": ["12:00", "13:00"], "minutes": 30, "boards": 1}
    )
    rest = said.get("break") or ["", ""]
    return dict.fromkeys(FIELDS, "") | {
        "location": said["location"],
        "opens": said["from"],
        "closes": said["to"],
        "break_from": rest[0],
        "break_until": rest[1],
        "minutes": str(said["minutes"]),
        "boards": str(said["boards"]),
    }


def _plan_page(one: Administration, typed: dict[str, str], faults: dict[str, str], seen: results.Preview | None = None) -> str:
    _rail()
    days: dict[str, list[Any]] = {}
    for row, slot in seen.given if seen else ():
        day, hour = notices.local_day_and_hour(slot.starts_at, seen.zone)  # type: ignore[union-attr]
        days.setdefault(day, []).append((hour, slot.board, row))
    decision = results.released(g.session, one.id)
    waiting = sum(row.standing == results.Standing.TO_INVITE for row in results.rows(g.session, one, decision))
    return render_template(
        "scheduler/plan.html",
        administration=one,
        typed=typed,
        faults=faults,
        seen=seen,
        days=days,
        waiting=waiting,
        url=_url(one),
        zone=results.zone_of(g.session, one.id, _settings()),
        least=interviews.SHORTEST,
        most=interviews.LONGEST,
        most_boards=interviews.MOST_BOARDS,
        most_days=interviews.MOST_DAYS,
    )


@bp.post("/administrations/<int:administration_id>/invite")
@own_transactions
@allowed("interview.invite")
def invite(one: Administration) -> Any:
    """Invite exactly those whom the preview showed. The letters are written before the write lock is taken."""
    db = current_app.db  # type: ignore[attr-defined]
    number, person_id, seen = one.id, g.person.id, request.form.get("seen", "")[:64]
    typed = _typed(request.form)
    g.session.close()
    with db.read() as g.session:
        one = g.session.get_one(Administration, number)
        done = results.plan_of(g.session, number, seen)
        if done is None:
            # What the page did not let through is not on the way here: a plan with a fault has no preview to send.
            wanted = interviews.read(typed, _today(one))
            letters = results.letters_for(g.session, one, results.preview(g.session, one, wanted, _settings(), g.now), _settings(), g.now)
    if done is None:
        with db.write() as g.session:
            person = g.session.get_one(Person, person_id)
            results.invite(g.session, g.session.get_one(Administration, number), wanted, seen, letters, person, _settings(), g.now)
        flash(
            ngettext("%(num)d invitation is on its way.", "%(num)d invitations are on their way.", len(letters)),
            "success",
        )
    return redirect(f"/scheduler/administrations/{number}", 303)


@bp.post("/administrations/<int:administration_id>/letter")
@allowed("interview.invite")
def send_again(one: Administration) -> Any:
    """An invitation, or its withdrawal, that did not arrive goes out once more, to the address as it was corrected."""
    found = _invitation(one, request.form.get("about", type=row_number))
    email = request.form.get("email", "")[:300]
    try:
        results.send_invitation_again(g.session, found, email, g.person, g.now)
    except accounts.FaultyAddress as refusal:
        return _list_page(one, {"about": found.id, "email": email, **refusal.facts}), 422
    flash(_("The letter goes out again."), "success")
    return redirect(_url(one), 303)


def _invitation(one: Administration, number: int | None) -> InterviewInvitation:
    if number is None:
        raise errors.BadRequest(why="an invitation is needed")
    found: InterviewInvitation | None = g.session.get(InterviewInvitation, number)
    if found is None or found.plan.administration_id != one.id:
        raise errors.NotFound
    return found


@bp.post("/administrations/<int:administration_id>/withdraw")
@allowed("interview.invite")
def withdraw(one: Administration) -> Any:
    numbers = request.form.getlist("invitation", type=row_number)
    if not numbers:
        raise errors.BadRequest(why="an invitation is needed")
    found = [_invitation(one, number) for number in numbers]
    for invitation in found:
        results.withdraw_invitation(g.session, invitation, g.person, _settings(), g.now)
    flash(
        ngettext(
            "%(num)d invitation is withdrawn, and a mail says so.",
            "%(num)d invitations are withdrawn, and a mail says so to each.",
            len(found),
        ),
        "success",
    )
    return redirect(_url(one), 303)


# --- other systems ---------------------------------------------------------------------------------------------------------------------------


@bp.get("/tokens")
@allowed("api.tokens")
def tokens() -> Any:
    return _tokens_page()


def _tokens_page(shown: str = "", name: str = "", problem: bool = False) -> str:
    """`shown`: the token that was just made, on this one page."""
    _rail("tokens")
    settings = _settings()
    return render_template(
        "scheduler/tokens.html",
        tokens=api.tokens(g.session),
        shown=shown,
        key=secrets.token_hex(16),
        name=name,
        problem=problem,
        address=f"{settings.origin}/api/scheduling/v1/administrations",
        webhook=settings.webhook_url,
    )


@bp.post("/tokens")
@allowed("api.tokens")
def make_token() -> Any:
    name = request.form.get("name", "")[:300]
    try:
        shown = api.make_token(
            g.session, _settings().secret, request.form.get("key", "")[:100] or secrets.token_hex(16), name, g.person, g.now
        )
    except api.FaultyName:
        return _tokens_page(name=name, problem=True), 422
    return _tokens_page(shown), 201


@bp.post("/tokens/<int:number>/revoke")
@allowed("api.tokens")
def revoke_token(number: int) -> Any:
    api.revoke_token(g.session, number, g.person, g.now)
    flash(_("The token is taken back. It opens nothing any more."), "success")
    return redirect("/scheduler/tokens", 303)
