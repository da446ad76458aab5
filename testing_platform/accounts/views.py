from datetime import timedelta
from typing import Any

import pyotp
import segno
from flask import Blueprint, abort, current_app, g, redirect, render_template, request, session
from flask_login import current_user, logout_user

from testing_platform import errors
from testing_platform.accounts import rules, service
from testing_platform.accounts.permissions import allowed
from testing_platform.accounts.rules import STAFF_AREAS, Area
from testing_platform.web.frame import own_transactions, remember_device, sign_in_here

bp = Blueprint("accounts", __name__)

CODE_LIMIT: dict[str, Any] = {"limit": 10, "window": timedelta(minutes=15)}
PASSWORD_LIMIT: dict[str, Any] = {"limit": 8, "window": timedelta(minutes=15)}


def _staff(area: str) -> Area:
    if area not in set(STAFF_AREAS):
        abort(404)
    return Area(area)


def _next(area: Area) -> str:
    """Only to a page of the same area: a link from elsewhere must not choose where a sign-in leads."""
    wanted = request.args.get("next", "")
    inside = wanted.startswith(f"/{area}/") and "//" not in wanted and ".." not in wanted and "\\" not in wanted
    return wanted if inside and wanted != f"/{area}/" else rules.first_page(area)


def _limited(what: str, limit: dict[str, Any]) -> None:
    with current_app.db.read() as reading:  # type: ignore[attr-defined]
        service.check_tries(reading, what, g.now, **limit)


def _count(what: str, window: timedelta) -> None:
    with current_app.db.write() as writing:  # type: ignore[attr-defined]
        service.count_try(writing, what, g.now, window=window)


def _person_url() -> str:
    return request.remote_addr or "nowhere"


@bp.get("/candidate/sign-in")
@allowed("sign_in")
def candidate_sign_in() -> Any:
    return render_template("delivery/sign_in.html", error=None)


@bp.post("/candidate/sign-in")
@own_transactions
@allowed("sign_in")
def candidate_sign_in_with_code() -> Any:
    what = f"code:{_person_url()}"
    try:
        _limited(what, CODE_LIMIT)
        with current_app.db.write() as g.session:  # type: ignore[attr-defined]
            found = service.find_by_code(g.session, current_app.settings.secret, request.form.get("code", "")[:64], g.now)  # type: ignore[attr-defined]
            remember_device()
            sign_in_here(found, Area.CANDIDATE, "code")
    except (service.UnknownCode, errors.Forbidden):
        _count(what, CODE_LIMIT["window"])
        return render_template("delivery/sign_in.html", error="unknown-code"), 422
    except errors.TooMany as refusal:
        return render_template("delivery/sign_in.html", error="too-many", minutes=refusal.facts["seconds"] // 60 + 1), 429
    return redirect(_next(Area.CANDIDATE), 303)


@bp.get("/<area>/in/<token>")
@own_transactions
@allowed("sign_in")
def link(area: str, token: str) -> Any:
    """A mail scanner that fetches the link must not use it up, so a person presses Continue; our own pages lead straight through."""
    here = Area.CANDIDATE if area == Area.CANDIDATE else _staff(area)
    with current_app.db.read() as g.session:  # type: ignore[attr-defined]
        try:
            found = service.find_link(g.session, current_app.settings.secret, token, here, g.now)  # type: ignore[attr-defined]
        except service.LinkEnded:
            return render_template(_link_page(here), person_name="", expired=True, area=here), 410
        # One browser holds one person of a part of the site: whoever would be put out is told first.
        other = g.person.name if here != Area.CANDIDATE and g.person is not None and g.person.id != found.person_id else ""
        if request.headers.get("Sec-Fetch-Site") != "same-origin" or found.purpose != "sign_in" or other:
            return render_template(_link_page(here), person_name=found.person.name, expired=False, area=here, other=other)
    return _use(here, token)


def _link_page(area: Area) -> str:
    return "delivery/link.html" if area == Area.CANDIDATE else "accounts/link.html"


@bp.post("/<area>/in/<token>")
@own_transactions
@allowed("sign_in")
def use_link(area: str, token: str) -> Any:
    return _use(Area.CANDIDATE if area == Area.CANDIDATE else _staff(area), token)


def _use(area: Area, token: str) -> Any:
    secret = current_app.settings.secret  # type: ignore[attr-defined]
    with current_app.db.write() as g.session:  # type: ignore[attr-defined]
        found = service.find_link(g.session, secret, token, area, g.now)
        if found.purpose == "set_up":
            return redirect(f"/{area}/set-up/{token}", 303)
        found.used_at = g.now
        remember_device()
        sign_in_here(found.person, area, "link")
    return redirect(rules.first_page(area), 303)


@bp.get("/<area>/sign-in")
@allowed("sign_in")
def staff_sign_in(area: str) -> Any:
    here = _staff(area)
    return render_template("accounts/sign_in.html", area=here, error=None, email="", other=g.person.name if g.person else "")


@bp.post("/<area>/sign-in")
@own_transactions
@allowed("sign_in")
def staff_sign_in_with_password(area: str) -> Any:
    here = _staff(area)
    email = request.form.get("email", "").strip()[:200]
    keys = [f"password:{_person_url()}", f"password:{rules.keyed_hash(current_app.settings.secret, 'tries', email.lower())}"]  # type: ignore[attr-defined]
    try:
        for what in keys:
            _limited(what, PASSWORD_LIMIT)
        with current_app.db.read() as reading:  # type: ignore[attr-defined]
            checked = service.check_password(
                reading, email, request.form.get("password", "")[:1000], request.form.get("code", "")[:16], g.now
            )
        with current_app.db.write() as g.session:  # type: ignore[attr-defined]
            person = g.session.get_one(service.Person, checked.person_id)
            if person.totp_step is not None and checked.totp_step <= person.totp_step:
                raise service.WrongSignIn
            person.totp_step = checked.totp_step
            sign_in_here(person, here, "password")
    except (service.WrongSignIn, errors.Forbidden):
        for what in keys:
            _count(what, PASSWORD_LIMIT["window"])
        return render_template("accounts/sign_in.html", area=here, error="wrong-sign-in", email=email), 422
    except errors.TooMany as refusal:
        minutes = refusal.facts["seconds"] // 60 + 1
        return render_template("accounts/sign_in.html", area=here, error="too-many", minutes=minutes, email=email), 429
    return redirect(_next(here), 303)


@bp.route("/<area>/set-up/<token>", methods=["GET", "POST"])
@own_transactions
@allowed("sign_in")
def set_up(area: str, token: str) -> Any:
    """A new member of staff chooses a password and adds the second factor; the link is used up when both are right."""
    here = _staff(area)
    secret = current_app.settings.secret  # type: ignore[attr-defined]
    with current_app.db.read() as reading:  # type: ignore[attr-defined]
        found = service.find_link(reading, secret, token, here, g.now)
        name, email = found.person.name, found.person.email
    if found.purpose != "set_up":
        raise service.LinkEnded
    totp = session.setdefault("totp_secret", pyotp.random_base32())
    uri = pyotp.TOTP(totp).provisioning_uri(name=email, issuer_name=current_app.settings.city_name)  # type: ignore[attr-defined]
    picture = segno.make(uri, micro=False).svg_data_uri(scale=5, border=2)
    error = None
    if request.method == "POST":
        password = request.form.get("password", "")[:1000]
        step = service.matching_step(totp, request.form.get("code", "")[:16], g.now)
        error = "password-short" if not rules.password_is_long_enough(password) else "wrong-code" if step is None else None
        if error is None and step is not None:
            hashed = service.HASHER.hash(password)
            with current_app.db.write() as g.session:  # type: ignore[attr-defined]
                link = service.find_link(g.session, secret, token, here, g.now)
                link.used_at = g.now
                service.set_password(g.session, link.person, hashed, totp, step, g.now)
                sign_in_here(link.person, here, "password")
            return redirect(rules.first_page(here), 303)
    page = render_template("accounts/set_up.html", area=here, name=name, email=email, picture=picture, secret=totp, error=error)
    return page, 422 if error else 200


@bp.post("/<area>/sign-out")
@allowed("sign_out")
def sign_out(area: str) -> Any:
    if current_user.is_authenticated:
        service.sign_out(g.session, current_user.sign_in, g.now)
    logout_user()
    session.clear()
    return redirect("/", 303)
