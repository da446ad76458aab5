"""A City workstation: from the code on the board to the rules, and on to another workstation when one gets stuck."""

from datetime import timedelta
from typing import Any

from flask import Blueprint, current_app, g, redirect, render_template, request, session
from flask_login import current_user, logout_user

from testing_platform import errors
from testing_platform.accounts import service as accounts
from testing_platform.accounts.permissions import allowed
from testing_platform.accounts.rules import Area, keyed_hash, plain_code
from testing_platform.delivery import facility, queries, rules
from testing_platform.delivery.models import Attempt
from testing_platform.examinations.rules import Mode
from testing_platform.web.frame import own_transactions, remember_device, sign_in_here

bp = Blueprint("workstation", __name__, url_prefix="/candidate/workstation")

# A whole room sits behind one address: a tight limit there would lock everyone out for one person's typing. So few tries for one number
# from one address (nobody elsewhere can use them up for somebody in the room), and many for the address as a whole. Against 24 bits of
# code a room's address has a chance of one in eight hundred in a whole day, and the code is another one at the proctor's next sign-in.
ONE: dict[str, Any] = {"limit": 6, "window": timedelta(minutes=10)}
ROOM: dict[str, Any] = {"limit": 150, "window": timedelta(minutes=10)}


def _keys(purpose: str, number: str) -> list[tuple[str, dict[str, Any]]]:
    address = request.remote_addr or "nowhere"
    whose = keyed_hash(current_app.settings.secret, "tries", plain_code(number))[:16]  # type: ignore[attr-defined]
    return [(f"{purpose}:{address}:{whose}", ONE), (f"{purpose}:{address}", ROOM)]


def _form(template: str, error: str = "", status: int = 200, **more: Any) -> Any:
    number = (request.form.get("number") or request.args.get("number") or "")[:64]
    return render_template(template, error=error, number=number, **more), status


def _tried(purpose: str, template: str, find: Any) -> Any:
    """Look for what was typed, counting what is wrong; `find(number, code)` runs in the write transaction that signs in."""
    number, code = request.form.get("number", "")[:64], request.form.get("code", "")[:32]
    keys = _keys(purpose, number)
    db = current_app.db  # type: ignore[attr-defined]
    try:
        with db.read() as reading:
            for what, limit in keys:
                accounts.check_tries(reading, what, g.now, **limit)
        with db.write() as g.session:
            attempt: Attempt = find(number, code)
            sign_in_here(attempt.person, Area.CANDIDATE, facility.WORKSTATION)
            return redirect(_next(attempt, purpose), 303)
    except (rules.WrongStartCode, rules.NotOnRoster, rules.WrongTakeOverCode) as refusal:
        with db.write() as writing:
            for what, limit in keys:
                accounts.count_try(writing, what, g.now, window=limit["window"])
        return _form(template, refusal.code, 422)
    except (rules.NotSeated, rules.NotNow) as refusal:
        # The code was right: nothing to count.
        return _form(template, refusal.code, 409)
    except errors.TooMany as refusal:
        return _form(template, "too-many", 429, minutes=refusal.facts["seconds"] // 60 + 1)


def _next(attempt: Attempt, purpose: str) -> str:
    return f"/candidate/workstation/{attempt.id}" if purpose == "start" else f"/candidate/attempts/{attempt.id}/test"


@bp.get("")
@allowed("sign_in")
def sign_in() -> Any:
    return _form("delivery/workstation.html")


@bp.post("")
@own_transactions
@allowed("sign_in")
def sign_in_with_code() -> Any:
    def find(number: str, code: str) -> Attempt:
        found = facility.find_seated(g.session, current_app.settings.secret, number, code, g.now)  # type: ignore[attr-defined]
        remember_device()
        return found.attempt

    return _tried("start", "delivery/workstation.html", find)


@bp.get("/move")
@allowed("sign_in")
def move() -> Any:
    return _form("delivery/workstation_move.html")


@bp.post("/move")
@own_transactions
@allowed("sign_in")
def move_with_code() -> Any:
    """The test goes on here; the workstation that got stuck becomes read-only."""

    def find(number: str, code: str) -> Attempt:
        row = facility.find_take_over(g.session, current_app.settings.secret, number, code, g.now)  # type: ignore[attr-defined]
        return facility.take_over(g.session, row, remember_device(), g.now)

    return _tried("move", "delivery/workstation_move.html", find)


@bp.get("/<int:attempt_id>")
@allowed("attempt.check_in")
def confirm(attempt: Attempt) -> Any:
    """Is this you? A person reads their own name and seat before anything begins."""
    here = facility.seating_of(g.session, attempt.appointment_id)
    if attempt.mode != Mode.FACILITY or here is None:
        return redirect("/candidate/", 303)
    return render_template(
        "delivery/workstation_confirm.html",
        attempt=attempt,
        seat=here.seat,
        room=attempt.session.room,
        examination=queries.examination_of(attempt),
        your_time=queries.span(attempt.clock.time_allowed),
        next_url=queries.page_of(g.session, attempt),
        begun=attempt.started_at is not None,
    )


@bp.post("/leave")
@allowed("sign_out")
def sign_out() -> Any:
    """Signed out, and this workstation is free for the next person."""
    if current_user.is_authenticated:
        accounts.sign_out(g.session, current_user.sign_in, g.now)
    logout_user()
    session.clear()
    return redirect("/candidate/workstation", 303)
