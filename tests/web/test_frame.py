"""What every reply has in common: headers, languages, refusals in words, one transaction for each request."""

import re
from dataclasses import replace

import pytest
from sqlalchemy.exc import OperationalError

from testing_platform import clock, errors
from testing_platform.accounts.models import Person
from testing_platform.accounts.rules import Area, Role
from testing_platform.app import create_app
from testing_platform.web.errors import STATUS, sentence
from tests import make

PAGES = ["/", "/candidate/sign-in", "/proctor/sign-in", "/healthz", "/api/clock", "/no/such/page", "/static/css/base.css"]


@pytest.fixture
def candidate(db):
    with db.write() as session:
        return make.person(session, Role.CANDIDATE, now=clock.now())


def refusals(kind=errors.Refusal):
    for one in kind.__subclasses__():
        yield one
        yield from refusals(one)


# ------------------------------------------------------------ addresses


@pytest.mark.parametrize(
    ("path", "host", "leads"),
    [
        ("/candidate/sign-in", "127.0.0.1", "http://localhost/candidate/sign-in"),
        ("/candidate/sign-in?next=/candidate/&lang=es", "127.0.0.1:8000", "http://localhost/candidate/sign-in?next=/candidate/&lang=es"),
        ("/candidate/sign-in", "localhost", None),
    ],
)
def test_the_number_of_this_machine_leads_to_its_name(visit, path, host, leads):
    reply = visit().get(path, base_url=f"http://{host}")
    assert reply.headers.get("Location") == leads
    assert reply.status_code == (302 if leads else 200)


def test_with_a_public_name_nothing_is_led_to_localhost(settings, db):
    app = create_app(replace(settings, public_url="https://tests.example.gov"), db)
    assert app.test_client().get("/healthz", base_url="http://127.0.0.1").status_code == 200


# ------------------------------------------------------------ headers


@pytest.mark.parametrize("path", PAGES)
def test_every_reply_is_closed_to_what_it_does_not_need(visit, path):
    headers = visit().get(path).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
    assert policy == {
        "default-src": "'none'", "script-src": "'self'", "style-src": "'self'", "img-src": "'self' blob: data:", "font-src": "'self'",
        "connect-src": "'self' ws:", "media-src": "'self' blob:", "form-action": "'self'", "base-uri": "'none'", "frame-ancestors": "'none'",
    }  # fmt: skip
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "Strict-Transport-Security" not in headers


def test_on_https_the_name_stays_on_https_and_sockets_too(settings, db):
    headers = create_app(replace(settings, public_url="https://localhost"), db).test_client().get("/healthz").headers
    assert headers["Strict-Transport-Security"] == "max-age=31536000"
    assert "connect-src 'self' wss:;" in headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("path", "cache"),
    [
        ("/candidate/sign-in", "no-store"),
        ("/api/clock", "no-store"),
        ("/no/such/page", "no-store"),
        ("/static/css/base.css?v=1", "public, max-age=31536000, immutable"),
    ],
)
def test_pages_stay_out_of_every_cache_and_versioned_files_in_it(visit, path, cache):
    assert visit().get(path).headers["Cache-Control"] == cache


@pytest.mark.parametrize("path", ["/", "/candidate/sign-in", "/proctor/sign-in", "/no/such/page"])
def test_a_page_has_no_script_or_style_of_its_own(visit, path):
    page = visit().get(path).text
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", page)
    assert all("src=" in tag or "application/json" in tag for tag in re.findall(r"<script[^>]*>", page))


# ------------------------------------------------------------ languages


@pytest.mark.parametrize(
    ("asked", "accepts", "lang"),
    [
        ("", None, "en"),
        ("", "es-MX,es;q=0.9", "es"),
        ("", "fr", "en"),
        ("?lang=es", None, "es"),
        ("?lang=en", "es", "en"),
        ("?lang=xx", "es", "es"),
    ],
)
def test_a_page_speaks_the_language_that_was_asked_for(visit, asked, accepts, lang):
    page = visit().get(f"/candidate/sign-in{asked}", headers={"Accept-Language": accepts} if accepts else {}).text
    assert f'<html lang="{lang}"' in page


def test_a_chosen_language_stays(visit):
    visitor = visit()
    visitor.get("/candidate/sign-in?lang=es")
    assert '<html lang="es"' in visitor.get("/candidate/sign-in").text


def test_a_candidate_is_spoken_to_in_their_own_language(db, visit, candidate):
    with db.write() as session:
        session.get_one(Person, candidate.id).locale = "es"
    assert '<html lang="es"' in visit(candidate, Area.CANDIDATE).get("/candidate/").text


# ------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/no/such/page", 404),
        ("DELETE", "/candidate/", 405),
        ("POST", "/candidate/sign-in", 400),
        ("GET", "/operator/../../etc/passwd", 404),
    ],
)
def test_every_refusal_is_a_page_with_what_to_do_and_whom_to_call(visit, method, path, status):
    reply = visit().client.open(path, method=method)
    assert reply.status_code == status
    assert "<h1" in reply.text
    assert "555-0100" in reply.text


@pytest.mark.parametrize(
    ("came_from", "led_to"),
    [
        ("http://localhost/candidate/sign-in?next=/candidate/", "/candidate/sign-in?next=/candidate/"),
        ("http://localhost//evil.example/", ""),  # no page of ours
        ("http://localhost/candidate/sign-out", ""),  # takes forms alone
        ("http://evil.example/candidate/sign-in", ""),
        ("", ""),
    ],
)
def test_a_refused_form_leads_back_to_its_page(visit, came_from, led_to):
    reply = visit().client.post("/candidate/sign-in", headers={"Referer": came_from} if came_from else {})
    assert reply.status_code == 400
    assert ("Back to the page before" in reply.text) == bool(led_to)
    assert "evil.example" not in reply.text
    if led_to:
        assert f'href="{led_to}"' in reply.text


def test_under_api_a_refusal_is_json_with_a_code_and_a_sentence(visit):
    reply = visit().get("/api/no/such/thing")
    assert reply.status_code == 404
    assert set(reply.json) == {"code", "facts", "sentence"}
    assert reply.json["code"] == "not-found"


@pytest.mark.parametrize("area", ["candidate", "proctor", "analyst", "operator"])
def test_who_is_signed_out_is_led_to_the_sign_in_of_that_area(visit, area):
    assert visit().get(f"/{area}/").headers["Location"] == f"/{area}/sign-in?next=/{area}/"
    # A form that was sent while signed out is told so and not lost silently.
    assert visit().post(f"/{area}/sign-out").status_code == 401


def test_what_is_too_large_is_refused_with_words(visit):
    reply = visit().post("/candidate/sign-in", data={"code": "x" * (1024 * 1024 + 1)})
    assert reply.status_code == 413
    assert "That is too large" in reply.text


KINDS = sorted({kind.code for kind in refusals()} - {"refused"})


# These come from commands, files and searches of their own, where there is no page.
NO_PAGE = {
    "anchor-unfit", "cannot-say", "face-model-wrong", "faulty-file", "faulty-setting", "search-lost", "unknown-candidates",
    "unknown-bank", "unknown-item", "unreadable-picture", "vision-profile-wrong",
}  # fmt: skip
# The page where it happens says it beside the field, and nothing is lost.
SAID_IN_PLACE = {"faulty-anchor", "faulty-cut", "faulty-inputs", "faulty-token-name", "reason-needed", "same-key", "unknown-receipt"}


def test_every_refusal_that_a_page_may_meet_has_a_status():
    assert set(KINDS) - set(STATUS) <= NO_PAGE | SAID_IN_PLACE


@pytest.mark.parametrize("code", sorted(STATUS))
def test_every_sentence_says_what_happened_and_what_to_do(app, code):
    with app.test_request_context("/"):
        happened, act = sentence(code, {})
    assert happened
    assert act.endswith(".")
    assert "%" not in happened + act
    assert "_" not in happened + act


def test_a_fault_of_ours_is_said_without_its_inside(app, visit, candidate, monkeypatch, capfd):
    def breaks(*_):
        raise RuntimeError("secret inside")

    visitor = visit(candidate, Area.CANDIDATE)
    monkeypatch.setattr("testing_platform.delivery.views.queries.appointments", breaks)
    reply = visitor.get("/candidate/")
    assert reply.status_code == 500
    assert "secret inside" not in reply.text
    assert "Something went wrong" in reply.text


def test_a_database_that_is_away_is_503_and_says_when_to_try_again(visit, candidate, monkeypatch):
    def away(*_):
        raise OperationalError("SELECT 1", {}, Exception("disk I/O error"))

    visitor = visit(candidate, Area.CANDIDATE)
    monkeypatch.setattr("testing_platform.delivery.views.queries.appointments", away)
    reply = visitor.get("/candidate/")
    assert (reply.status_code, reply.headers["Retry-After"]) == (503, "2")
    assert "Nothing was lost" in reply.text


# ------------------------------------------------------------ health


def test_health_says_ok_and_readiness_that_an_answer_could_be_kept(visit, monkeypatch):
    assert visit().get("/healthz").text == "ok\n"
    ready = visit().get("/readyz")
    assert (ready.status_code, ready.json["database"]) == (200, True)
    monkeypatch.setattr("testing_platform.web.views.shutil.disk_usage", lambda _: type("Disk", (), {"free": 1024}))
    assert visit().get("/readyz").status_code == 503


def test_a_request_that_fails_keeps_nothing(app, db, visit, candidate, monkeypatch):
    """One transaction for each request: what was written before the fault is not kept."""
    visitor = visit(candidate, Area.CANDIDATE)

    def ends_then_breaks(session, sign_in, now):
        sign_in.ended_at = now
        session.flush()
        raise RuntimeError

    monkeypatch.setattr("testing_platform.accounts.views.service.sign_out", ends_then_breaks)
    assert visitor.post("/candidate/sign-out").status_code == 500
    assert visitor.get("/candidate/").status_code == 200
