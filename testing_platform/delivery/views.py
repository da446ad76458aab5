"""The candidate's pages, from the first sign-in to the receipt."""

import base64
import hmac
from datetime import timedelta
from typing import Any

from flask import Blueprint, current_app, flash, g, redirect, render_template, request
from flask_babel import gettext as _
from flask_babel import ngettext
from flask_login import current_user
from sqlalchemy.orm import Session

from testing_platform import clock, errors
from testing_platform.accounts import service as accounts
from testing_platform.accounts.permissions import allowed
from testing_platform.accounts.rules import Area
from testing_platform.delivery import facility, lines, notices, objects, orders, queries, rules, service, tokens, withdrawals
from testing_platform.delivery.models import Attempt
from testing_platform.delivery.rules import State
from testing_platform.examinations import views as examinations
from testing_platform.examinations.models import Administration, Appointment
from testing_platform.examinations.queries import count_items
from testing_platform.examinations.rules import Mode, multiplier
from testing_platform.itembank.models import Picture
from testing_platform.web.frame import device_hash, language, own_transactions, remember_device

bp = Blueprint("delivery", __name__, url_prefix="/candidate")
# Importing the module registers which attempts a request may reach.
__all__ = ["bp", "objects"]


def _settings() -> Any:
    return current_app.settings  # type: ignore[attr-defined]


def _texts(attempt: Attempt) -> dict[str, Any]:
    return attempt.session.administration.examination.bulletin.content


def _localized(entry: dict[str, Any]) -> dict[str, Any]:
    """A text of the bulletin in the page's language, English where it has no other."""
    lang = language()
    return {**entry, **entry.get("en", {}), **entry.get(lang, {})}


def _here(attempt: Attempt, name: str) -> Any | None:
    """A redirect when the candidate belongs on another page."""
    wanted = queries.page_of(g.session, attempt)
    return None if wanted.endswith("/" + name) else redirect(wanted, 303)


def _way() -> str:
    """How this browser was signed in: by link or code at home, or at a workstation of the City."""
    return current_user.sign_in.way if current_user.is_authenticated else ""


def _not_here(attempt: Attempt) -> Any | None:
    """A test at a City facility goes on at its workstation alone: at home its pages lead to the card that says where to come."""
    at_home = attempt.mode == Mode.FACILITY and _way() != facility.WORKSTATION
    return redirect("/candidate/", 303) if at_home and attempt.submitted_at is None else None


def _page(template: str, attempt: Attempt, **context: Any) -> str:
    return render_template(
        template,
        attempt=attempt,
        examination=queries.examination_of(attempt),
        test={"items": queries.count_items(g.session, attempt.form_id), "minutes": round(attempt.time_limit.total_seconds() / 60)},
        **context,
    )


LINK_LIMIT: dict[str, Any] = {"limit": 5, "window": timedelta(minutes=15)}


@bp.post("/sign-in/link")
@own_transactions
@allowed("sign_in")
def mail_link() -> Any:
    """Mail a sign-in link. The reply is the same for every address, so that nobody learns who is a candidate."""
    what = f"link:{request.remote_addr}"
    settings = _settings()
    with current_app.db.write() as g.session:  # type: ignore[attr-defined]
        try:
            accounts.check_tries(g.session, what, g.now, **LINK_LIMIT)
        except errors.TooMany as refusal:
            return render_template("delivery/sign_in.html", error="too-many", minutes=refusal.facts["seconds"] // 60 + 1), 429
        accounts.count_try(g.session, what, g.now, window=LINK_LIMIT["window"])
        person = accounts.candidate_by_email(g.session, request.form.get("email", "").strip().lower()[:200])
        if person is not None:
            token = accounts.make_link(g.session, settings.secret, person, Area.CANDIDATE, g.now)
            notices.sign_in_link(g.session, settings, person, f"{settings.public_url}/candidate/in/{token}", g.now)
    return render_template("delivery/sign_in.html", error=None, link_sent=True)


@bp.get("/")
@allowed("candidate.home")
def home() -> Any:
    cards = []
    for appointment in queries.appointments(g.session, g.person.id):
        attempt = queries.attempt_of(g.session, appointment.id)
        cards.append(_card(appointment, attempt))
    return render_template("delivery/home.html", cards=cards)


def _card(appointment: Appointment, attempt: Attempt | None) -> dict[str, Any]:
    place = appointment.session
    day = _day(appointment)
    opens_at = place.window.opens_at - day.check_in_opens
    if attempt is None:
        open_now = opens_at <= g.now < place.window.closes_at
        state = "open" if open_now else "early" if g.now < opens_at else "missed"
        url, post = (f"/candidate/appointments/{appointment.id}/check-in", True) if open_now else (None, False)
        label = "check_in"
    else:
        state, url, post = attempt.state, queries.page_of(g.session, attempt), False
        label = "receipt" if attempt.submitted_at else "go_on"
    news = queries.news(g.session, attempt) if attempt and attempt.submitted_at else None
    if news is not None:
        label, url = news
    if place.mode == Mode.FACILITY and (attempt is None or (attempt.submitted_at is None and _way() != facility.WORKSTATION)):
        # Nothing to press at home: the card says where to come, when, and what to bring.
        url, post, state = None, False, "missed" if g.now >= place.window.closes_at and attempt is None else "come"
    return {
        "title": place.administration.examination.title,
        "opens_at": place.window.opens_at,
        "closes_at": place.window.closes_at,
        "check_in_opens_at": opens_at,
        "state": state,
        "next_url": url if url != "/candidate/" else None,
        "next_post": post,
        "next_label": label,
        "your_time": queries.span(rules.Clock(day.time_limit, multiplier(appointment.settings)).time_allowed),
        "mode": place.mode,
        "room": place.room,
        "items": count_items(g.session, place.administration),
        "submitted_at": attempt.submitted_at if attempt else None,
        "receipt_url": f"/candidate/attempts/{attempt.id}/receipt" if attempt and attempt.submitted_at else None,
        "news": news is not None,
    }


def _day(appointment: Appointment) -> Any:
    return service.TestDay.of(appointment.session.administration.test_day)


@bp.post("/appointments/<int:appointment_id>/check-in")
@allowed("appointment.check_in")
def check_in(appointment: Appointment) -> Any:
    if appointment.session.mode == Mode.FACILITY:
        raise rules.AtTheFacility
    attempt = service.check_in(g.session, appointment, current_app.vault.new_key(), g.now)  # type: ignore[attr-defined]
    return redirect(queries.page_of(g.session, attempt), 303)


@bp.get("/attempts/<int:attempt_id>")
@allowed("attempt.check_in")
def go_on(attempt: Attempt) -> Any:
    return redirect(queries.page_of(g.session, attempt), 303)


@bp.route("/attempts/<int:attempt_id>/consent", methods=["GET", "POST"])
@allowed("attempt.check_in")
def consent(attempt: Attempt) -> Any:
    if elsewhere := _not_here(attempt) or _here(attempt, "consent"):
        return elsewhere
    texts = [_localized(entry) for entry in facility.texts_for(_texts(attempt)["consents"], attempt.mode)]
    faults: dict[str, str] = {}
    chosen = service.consent_choices(g.session, attempt.id)
    if request.method == "POST":
        chosen = {text["kind"]: request.form.get(f"consent-{text['kind']}", "")[:40] for text in texts}
        try:
            with g.session.begin_nested():
                service.keep_consents(g.session, attempt, texts, chosen, language(), g.now)
                if attempt.mode == Mode.FACILITY:
                    facility.let_in(g.session, attempt, g.now)
            attempt.person.locale = language()
            return redirect(queries.page_of(g.session, attempt), 303)
        except service.ChoiceMissing as refusal:
            faults = {kind: "declined" if chosen.get(kind) else "missing" for kind in refusal.facts["kinds"]}
    for text in texts:
        text["chosen"] = chosen.get(text["kind"], "")
    page = _page(
        "delivery/consent.html",
        attempt,
        consents=texts,
        errors=faults,
        returned_reason=queries.returned_reason(g.session, attempt.id, "consent"),
    )
    return page, 422 if faults else 200


@bp.get("/attempts/<int:attempt_id>/system-check")
@allowed("attempt.check_in")
def system_check(attempt: Attempt) -> Any:
    return _here(attempt, "system-check") or _page(
        "delivery/system_check.html", attempt, returned_reason=queries.returned_reason(g.session, attempt.id, "system")
    )


@bp.get("/attempts/<int:attempt_id>/photo")
@allowed("attempt.check_in")
def photo(attempt: Attempt) -> Any:
    return _here(attempt, "photo") or _page(
        "delivery/photo.html", attempt, photo_taken=False, returned_reason=queries.returned_reason(g.session, attempt.id, "photo")
    )


@bp.get("/attempts/<int:attempt_id>/waiting")
@allowed("attempt.check_in")
def waiting(attempt: Attempt) -> Any:
    return _here(attempt, "waiting") or _page(
        "delivery/waiting.html", attempt, position=queries.place_in_queue(g.session, attempt), live=_live(attempt)
    )


@bp.get("/attempts/<int:attempt_id>/rules")
@allowed("attempt.check_in")
def rules_page(attempt: Attempt) -> Any:
    found = _localized(_texts(attempt)["rules"])
    found["sections"] = facility.texts_for(found["sections"], attempt.mode)
    allowed_time = attempt.clock.time_allowed
    extra = allowed_time - attempt.time_limit
    return (
        _not_here(attempt)
        or _here(attempt, "rules")
        or _page(
            "delivery/rules.html",
            attempt,
            rules=found,
            items=queries.count_items(g.session, attempt.form_id),
            your_time=queries.span(allowed_time),
            base_time=queries.span(attempt.time_limit),
            extra_time=queries.span(extra) if extra else "",
            live=_live(attempt),
        )
    )


def _live(attempt: Attempt) -> dict[str, Any]:
    """What the camera's link needs on the pages before the test."""
    return {
        "attempt": attempt.id,
        "media": attempt.mode == "remote",
        "ticket_url": f"/api/candidate/attempts/{attempt.id}/ticket",
        "place_url": f"/api/candidate/attempts/{attempt.id}/place",
        "journal_key": journal_key(attempt.id),
    }


@bp.post("/attempts/<int:attempt_id>/begin")
@allowed("attempt.begin")
def begin(attempt: Attempt) -> Any:
    if attempt.mode == Mode.FACILITY and attempt.started_at is None:
        try:
            facility.check_begin(g.session, attempt, _way(), g.now)
        except (rules.NotSeated, rules.NoProctorHere, rules.RoomPaused) as refusal:
            # Said on the page where they wait, so that Begin is there when the room goes on.
            happened, act = current_app.extensions["sentence"](refusal.code, refusal.facts)
            flash(f"{happened}. {act}", "warning")
            return redirect(f"/candidate/attempts/{attempt.id}/rules", 303)
    service.begin(g.session, attempt, remember_device(), g.now)
    _note_line(attempt)
    return redirect(f"/candidate/attempts/{attempt.id}/test", 303)


@bp.post("/attempts/<int:attempt_id>/take-over")
@allowed("attempt.take_over")
def take_over(attempt: Attempt) -> Any:
    if attempt.mode == Mode.FACILITY:
        # A neighbour must not be able to carry a test away: the room's proctor gives a code.
        raise rules.WrongTakeOverCode
    service.take_over(g.session, attempt, remember_device(), g.now)
    _note_line(attempt)
    return redirect(queries.page_of(g.session, attempt), 303)


def _note_line(attempt: Attempt) -> None:
    line = lines.line_of(_settings().secret, attempt.session.administration_id, request.remote_addr)
    lines.note(g.session, attempt, line, g.now)


def journal_key(attempt_id: int) -> str:
    """The key with which the browser encrypts its journal, so that a shared computer shows nothing once this person is signed out."""
    key = hmac.digest(_settings().secret, f"journal\0{attempt_id}".encode(), "sha256")
    return base64.b64encode(key).decode()


@bp.get("/attempts/<int:attempt_id>/test")
@allowed("attempt.take")
def test(attempt: Attempt) -> Any:
    if elsewhere := _not_here(attempt) or _here(attempt, "test"):
        return elsewhere
    if attempt.device != device_hash():
        return _page("delivery/elsewhere.html", attempt)
    settings = _settings()
    answers = {
        slot: {"option": answer.option, "flagged": answer.flagged, "struck": sorted(answer.struck)}
        for slot, answer in service.answers(g.session, attempt.id).items()
    }
    # Long enough for the time allowed, every grant and hold that could come, and a reload at the end.
    expires_at = g.now + attempt.clock.time_allowed + timedelta(hours=8)
    api = f"/api/attempts/{attempt.id}"
    player = {
        "attempt": attempt.id,
        "token": tokens.make(settings.secret, attempt.id, attempt.epoch, expires_at),
        "epoch": attempt.epoch,
        "patience_seconds": attempt.contact_patience.total_seconds(),
        "state_seconds": settings.state_seconds,
        "warnings_minutes": [30, 10, 5, 1],
        "clock_returns_minutes": 5,
        "deadline": clock.to_ms(attempt.clock.deadline_at(g.now)),
        "server_now": clock.to_ms(g.now),
        "status": rules.status(State(attempt.state)),
        "pause": current_app.answers.told(g.session, attempt, 0)["pause"],  # type: ignore[attr-defined]
        "mode": attempt.mode,
        "ticket_url": f"/api/candidate/attempts/{attempt.id}/ticket",
        "urls": {
            "responses": f"{api}/responses",
            "state": f"{api}/state",
            "resume": f"{api}/resume",
            "submit": f"{api}/submit",
            "messages": f"{api}/messages",
            "comments": f"{api}/comments",
            "receipt": f"/candidate/attempts/{attempt.id}/receipt",
        },
        "answers": answers,
        "media": attempt.mode == "remote",
        "journal_key": journal_key(attempt.id),
        "shortcuts": True,
    }
    slots = orders.laid_out(g.session, attempt, queries.slots(g.session, attempt.form_id, f"/candidate/attempts/{attempt.id}/pictures/"))
    return _page("delivery/test.html", attempt, player=player, slots=slots, places=[(slot["number"], slot["place"]) for slot in slots])


@bp.get("/attempts/<int:attempt_id>/receipt")
@allowed("attempt.receipt")
def receipt(attempt: Attempt) -> Any:
    if attempt.submitted_at is None:
        return redirect(queries.page_of(g.session, attempt), 303)
    return _page(
        "delivery/receipt.html",
        attempt,
        receipt=queries.receipt(g.session, attempt),
        news=queries.news(g.session, attempt),
        at_workstation=_way() == facility.WORKSTATION,
    )


@bp.get("/attempts/<int:attempt_id>/pictures/<name>")
@allowed("attempt.take")
def item_picture(attempt: Attempt, name: str) -> Any:
    """A picture of an item or passage of this test, while it is taken; of no other test."""
    if attempt.state != State.IN_PROGRESS or not queries.has_picture(g.session, attempt.form_id, name):
        raise errors.NotFound
    found = g.session.get_one(Picture, name)
    return current_app.response_class(found.data, mimetype=found.media_type)


@examinations.needs
def _known_outside(session: Session, administration: Administration) -> dict[str, str] | None:
    """Candidates had an item that has become known: the key is where a person decides whether it counts."""
    found = withdrawals.met(session, administration)
    if found is None:
        return None
    return {
        "title": _("An item is known outside"),
        "text": ngettext(
            "%(num)s candidate had it in this test: %(codes)s. Decide whether it counts before the key is locked.",
            "%(num)s candidates had it in this test: %(codes)s. Decide whether it counts before the key is locked.",
            found.candidates,
            codes=", ".join(found.codes),
        ),
        "url": f"/analyst/administrations/{administration.id}/key",
        "kind": "warn",
    }
