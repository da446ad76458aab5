"""The Flask application that every page runs in: one transaction for each request, one cookie for each area."""

from datetime import UTC
from typing import Any

import structlog
from flask import Flask, Request, g, redirect, request, session
from flask.sessions import SecureCookieSessionInterface
from flask_babel import Babel, get_locale
from flask_login import LoginManager, UserMixin, current_user, login_user
from flask_wtf import CSRFProtect
from werkzeug.routing import IntegerConverter, Map

from testing_platform import assets, clock, errors
from testing_platform.accounts import rules, service
from testing_platform.accounts.models import Person, SignIn
from testing_platform.accounts.rules import Area
from testing_platform.db import Database
from testing_platform.settings import Settings
from testing_platform.storage import Folder, Vault

log = structlog.get_logger("web")
csrf = CSRFProtect()
LANGUAGES = {"en": "English", "es": "Español"}
# Spanish as it is written in the United States: 3:05 p. m. PST, not 15:05 -0800.
LOCALES = {"en": "en_US", "es": "es_US"}
MOST_BYTES = 1024 * 1024
LARGEST = 2**63 - 1

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; font-src 'self'; "
    "connect-src 'self' {live}; media-src 'self' blob:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


class SignedIn(UserMixin):
    """A browser that is signed in, as Flask-Login sees it."""

    def __init__(self, sign_in: SignIn, token: str) -> None:
        self.sign_in = sign_in
        self.person: Person = sign_in.person
        self.token = token

    def get_id(self) -> str:
        return self.token


class AreaCookies(SecureCookieSessionInterface):
    """One signed cookie for each area, so that a candidate's and a proctor's window can stand in one browser."""

    def get_cookie_name(self, app: Flask) -> str:
        return cookie_name(app.config["SETTINGS"], rules.area_of(request.path))

    def get_cookie_secure(self, app: Flask) -> bool:
        return bool(app.config["SETTINGS"].secure)


def cookie_name(settings: Settings, area: Area | str) -> str:
    return f"{'__Host-' if settings.secure else ''}tp_{area}"


def row_number(text: str) -> int:
    """A number out of a form. Raises ValueError for one that no row can have; the database would not take it at all."""
    found = int(text)
    if abs(found) > LARGEST:
        raise ValueError
    return found


class RowNumber(IntegerConverter):
    """A number in an address. Where no row can have it, the address leads nowhere."""

    def __init__(self, url_map: Map) -> None:
        super().__init__(url_map, max=LARGEST)


class Frame(Flask):
    """Opens one transaction around each view: reading for GET, writing for everything else, kept before the reply leaves."""

    settings: Settings
    db: Database
    vault: Vault
    answers: Any  # delivery's answer path, put here by app.py

    def dispatch_request(self) -> Any:
        view = self.view_functions.get(request.endpoint or "")
        if request.routing_exception is not None or view is None or request.endpoint == "static":
            return super().dispatch_request()
        if getattr(view, "own_transactions", False):
            with self.db.read() as g.session:
                self._know_person()
            return super().dispatch_request()
        writes = request.method not in ("GET", "HEAD", "OPTIONS") or getattr(view, "recorded", False)
        if writes:
            request.get_data(cache=True, parse_form_data=request.mimetype != "application/json")
        with self.db.write() if writes else self.db.read() as g.session:
            self._know_person()
            return self.make_response(super().dispatch_request())

    def _know_person(self) -> None:
        g.person = current_user.person if current_user.is_authenticated else None


def own_transactions(view: Any) -> Any:
    """For a view with slow work that must not stand inside a write transaction; it opens its own."""
    view.own_transactions = True
    return view


def recorded(view: Any) -> Any:
    """For a page whose being looked at is itself a line in the trail, so that its GET may write."""
    view.recorded = True
    return view


def make_frame(settings: Settings, db: Database) -> Frame:
    app = Frame("testing_platform", template_folder=str(assets.folder("templates")), static_folder=str(assets.folder("static")))
    app.settings, app.db = settings, db
    app.url_map.converters["int"] = RowNumber
    app.vault = Vault(settings.vault_key, Folder(settings.data / "objects"))
    app.config.update(
        SETTINGS=settings,
        SECRET_KEY=settings.secret,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_PATH="/",
        MAX_CONTENT_LENGTH=MOST_BYTES,
        WTF_CSRF_TIME_LIMIT=None,
        WTF_CSRF_SSL_STRICT=False,
        BABEL_DEFAULT_TIMEZONE=settings.zone,
        BABEL_TRANSLATION_DIRECTORIES=str(assets.PACKAGE / "web" / "translations"),
        TEMPLATES_AUTO_RELOAD=False,
    )
    app.session_interface = AreaCookies()
    app.before_request(_prepare)
    csrf.init_app(app)
    Babel(app, locale_selector=_locale)
    _login(app)
    app.after_request(_finish)
    app.context_processor(_shared)
    # A global, not a context value: macros are imported without context.
    app.jinja_env.globals["asset"] = asset
    return app


def _prepare() -> Any:
    app: Frame = _app()
    g.now = clock.now()
    g.person = None
    g.area = rules.area_of(request.path)
    # Before anything reads the body: a package of items is larger than any form.
    view = app.view_functions.get(request.endpoint or "")
    request.max_content_length = getattr(view, "takes_bytes", MOST_BYTES)
    settings = app.settings
    # A secure context and the cookies belong to the name localhost.
    if settings.origin.startswith("http://localhost") and request.host.startswith("127.0.0.1") and request.method == "GET":
        return redirect(settings.origin + request.full_path.rstrip("?"), code=302)
    if request.method not in ("GET", "HEAD", "OPTIONS"):
        origin = request.headers.get("Origin")
        if (origin not in (None, settings.origin)) or request.headers.get("Sec-Fetch-Site") == "cross-site":
            raise errors.Forbidden(why="origin")
    return None


def _app() -> Any:
    from flask import current_app

    return current_app._get_current_object()  # type: ignore[attr-defined]


def _login(app: Frame) -> None:
    manager = LoginManager(app, add_context_processor=False)
    # The sign-in row is the authority; binding the cookie to an address would throw out people on moving networks.
    manager.session_protection = None

    @manager.user_loader
    def load(token: str) -> SignedIn | None:
        found = service.find_sign_in(g.session, app.settings.secret, token, rules.area_of(request.path), g.now)
        return SignedIn(found, token) if found else None


def sign_in_here(person: Person, area: Area, way: str) -> None:
    """Sign this browser in for the area of the request, under a fresh cookie."""
    app = _app()
    token = service.sign_in(g.session, app.settings.secret, person, area, way, g.now)
    g.session.flush()
    session.clear()
    found = service.find_sign_in(g.session, app.settings.secret, token, area, g.now)
    if found is not None:
        chosen = request.cookies.get("tp_lang")
        if chosen in LANGUAGES:
            # Who pressed a language wants the mails in it too.
            person.locale = chosen
        login_user(SignedIn(found, token))
        g.person = person


DEVICE_COOKIE = "tp_device"


def device_hash() -> str | None:
    """What the server keeps of this browser's own cookie; none for a browser that has none yet."""
    app = _app()
    token = request.cookies.get(("__Host-" if app.settings.secure else "") + DEVICE_COOKIE)
    return rules.keyed_hash(app.settings.secret, "device", token) if token else None


def remember_device() -> str:
    """The hash of this browser's cookie, which is set with the reply if it has none."""
    known = device_hash()
    if known:
        return known
    g.new_device = rules.new_token()
    return rules.keyed_hash(_app().settings.secret, "device", g.new_device)


def language() -> str:
    """The language of the page: en or es."""
    return str(get_locale() or "en")[:2]


def _locale() -> str:
    return LOCALES[_language()]


def _language() -> str:
    asked = request.args.get("lang") or request.cookies.get("tp_lang")
    if asked in LANGUAGES:
        return asked
    person = g.get("person")
    if person is not None and person.locale in LANGUAGES:
        return str(person.locale)
    return request.accept_languages.best_match(list(LANGUAGES), "en") or "en"


def _finish(response: Any) -> Any:
    app = _app()
    settings = app.settings
    headers = response.headers
    live = "ws:" if not settings.secure else "wss:"
    headers.setdefault("Content-Security-Policy", CSP.format(live=live))
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Referrer-Policy", "same-origin")
    headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
    headers.setdefault("Permissions-Policy", "camera=(self), microphone=(self), display-capture=(self), fullscreen=(self), geolocation=()")
    if settings.secure:
        headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    if request.endpoint != "static":
        # Test pages stay out of every cache, the browser's history included.
        headers.setdefault("Cache-Control", "no-store")
    elif "v" in request.args:
        headers["Cache-Control"] = "public, max-age=31536000, immutable"
    if request.args.get("lang") in LANGUAGES:
        response.set_cookie("tp_lang", request.args["lang"], max_age=86400 * 365, httponly=True, samesite="Lax", secure=settings.secure)
    if g.get("new_device"):
        response.set_cookie(
            ("__Host-" if settings.secure else "") + DEVICE_COOKIE,
            g.new_device,
            max_age=86400 * 400,
            httponly=True,
            samesite="Lax",
            secure=settings.secure,
        )
    return response


def asset(path: str) -> str:
    return f"/static/{path}?v={assets.version_of(path)}"


def _shared() -> dict[str, Any]:
    settings: Settings = _app().settings
    person = g.get("person")
    area = g.get("area", Area.PUBLIC)
    return {
        "city_name": settings.city_name,
        "lang": language(),
        "languages": LANGUAGES,
        "help": {"phone": settings.help_phone, "hours": settings.hours_in(language()), "email": settings.help_email},
        "person": person,
        "person_name": person.name if person else "",
        "demo": settings.demo,
        "home_url": "/" if area == Area.PUBLIC else f"/{area}/",
        "sign_out_url": f"/{area}/sign-out",
        "rail": g.get("rail", []),
        "UTC": UTC,
    }


def json_body() -> dict[str, Any]:
    """The JSON object of the request. Raises errors.BadRequest for anything else."""
    try:
        found = request.get_json(silent=True)
    except RecursionError:
        found = None
    if not isinstance(found, dict):
        raise errors.BadRequest(why="a JSON object is needed")
    return found


def wants_json(asked: Request) -> bool:
    return asked.path.startswith("/api/")
