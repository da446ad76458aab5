"""Signing in through the pages: by admission code, by link, by password and six digits."""

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pyotp
import pytest
from sqlalchemy import select

from testing_platform import clock
from testing_platform.accounts import rules, service
from testing_platform.accounts.models import AdmissionCode, OneTimeLink, Person, SignIn
from testing_platform.accounts.rules import Area, Role
from testing_platform.app import create_app
from testing_platform.audit.models import AuditEntry
from tests import make
from tests.conftest import Visitor
from tests.make import NOON

MINUTE = timedelta(minutes=1)
CODE = "K7P4-29QM-XT"
PASSWORD = "correct horse battery"
TOTP = "JBSWY3DPEHPK3PXP" * 2


@dataclass
class Time:
    at: datetime = NOON

    def passes(self, amount: timedelta) -> None:
        self.at += amount


@pytest.fixture(autouse=True)
def time(monkeypatch):
    found = Time()
    monkeypatch.setattr(clock, "now", lambda: found.at)
    return found


@pytest.fixture
def candidate(db, settings):
    with db.write() as session:
        person = make.person(session, Role.CANDIDATE)
        service.keep_admission_code(session, settings.secret, person, CODE, NOON, NOON + timedelta(hours=4))
    return person


@pytest.fixture
def proctor(db):
    with db.write() as session:
        person = make.person(session, Role.PROCTOR)
        service.set_password(session, person, service.HASHER.hash(PASSWORD), TOTP, 0, NOON)
    return person


def digits(at):
    return pyotp.TOTP(TOTP).at(at)


def type_code(visitor, code=CODE, next_page="", **more):
    return visitor.post(f"/candidate/sign-in{next_page and '?next=' + next_page}", {"code": code}, **more)


def type_password(visitor, person, at, **typed):
    form = {"email": person.email, "password": PASSWORD, "code": digits(at)} | typed
    return visitor.post("/proctor/sign-in", form)


def is_in(visitor, area=Area.CANDIDATE):
    return visitor.get(f"/{area}/").status_code == 200


def link_for(db, settings, person, area=Area.CANDIDATE, **more):
    with db.write() as session:
        return service.make_link(session, settings.secret, session.get_one(Person, person.id), area, clock.now(), **more)


# ------------------------------------------------------------ admission codes


@pytest.mark.parametrize("typed", [CODE, "k7p4-29qm-xt", "K7P429QMXT", " k7p4 29qm xt  "])
def test_a_code_opens_however_it_is_typed(candidate, visit, typed):
    visitor = visit()
    reply = type_code(visitor, typed)
    assert (reply.status_code, reply.headers["Location"]) == (303, "/candidate/")
    assert is_in(visitor)


def test_a_code_opens_again_for_a_person_who_has_to_come_back_in(candidate, visit):
    assert is_in_after(visit(), CODE)
    assert is_in_after(visit(), CODE)


def is_in_after(visitor, code):
    assert type_code(visitor, code).status_code == 303
    return is_in(visitor)


def test_a_wrong_code_is_answered_with_what_to_do(candidate, visit):
    visitor = visit()
    reply = type_code(visitor, "K7P4-29QM-XX")
    assert reply.status_code == 422
    assert "We do not know this code" in reply.text
    assert "call the help desk" in reply.text
    assert not is_in(visitor)


@pytest.mark.parametrize("what", ["expired", "ended", "closed", "not a candidate"])
def test_a_code_that_no_longer_opens_reads_like_an_unknown_one(candidate, db, visit, time, what):
    with db.write() as session:
        code = session.scalars(select(AdmissionCode)).one()
        if what == "expired":
            time.passes(timedelta(hours=4))
        elif what == "ended":
            code.ended_at = NOON
        elif what == "closed":
            code.person.closed_at = NOON
        else:
            code.person.grants[0].ended_at = NOON
    reply = type_code(visit())
    assert reply.status_code == 422
    assert "We do not know this code" in reply.text


def test_after_ten_wrong_codes_even_the_right_one_waits_until_the_window_has_passed(candidate, visit, time):
    visitor = visit()
    for _ in range(10):
        assert type_code(visitor, "WRONG").status_code == 422
    reply = type_code(visitor)
    assert reply.status_code == 429
    assert re.search(r"Wait 1[56] minutes and try again, or call the help desk", reply.text)
    time.passes(14 * MINUTE)
    assert type_code(visitor).status_code == 429
    time.passes(MINUTE)
    assert type_code(visitor).status_code == 303


def test_the_limit_is_counted_for_each_address_apart(candidate, visit):
    for _ in range(10):
        type_code(visit(), "WRONG", headers={"X-Forwarded-For": "198.51.100.7"})
    assert type_code(visit(), headers={"X-Forwarded-For": "198.51.100.7"}).status_code == 429
    # What a visitor writes in front of the front's own word does not change who they are.
    assert type_code(visit(), headers={"X-Forwarded-For": "203.0.113.1, 198.51.100.7"}).status_code == 429
    assert type_code(visit(), headers={"X-Forwarded-For": "198.51.100.8"}).status_code == 303


def test_right_codes_are_not_counted(candidate, visit):
    for _ in range(11):
        assert type_code(visit()).status_code == 303


# ------------------------------------------------------------ links


def test_a_mail_scanner_does_not_use_a_link_up(candidate, db, settings, visit):
    token = link_for(db, settings, candidate)
    scanner = visit()
    for headers in ({}, {"Sec-Fetch-Site": "none"}, {"Sec-Fetch-Site": "cross-site"}):
        page = scanner.get(f"/candidate/in/{token}", headers=headers)
        assert page.status_code == 200
        assert f"Continue as {candidate.name}" in page.text
    assert scanner.client.head(f"/candidate/in/{token}").status_code == 200
    assert not is_in(scanner)
    person = visit()
    assert person.post(f"/candidate/in/{token}").headers["Location"] == "/candidate/"
    assert is_in(person)


def test_a_link_on_a_page_of_ours_leads_straight_through_and_works_once(candidate, db, settings, visit):
    token = link_for(db, settings, candidate)
    visitor = visit()
    assert visitor.get(f"/candidate/in/{token}", headers={"Sec-Fetch-Site": "same-origin"}).status_code == 303
    assert is_in(visitor)
    other = visit()
    again = other.get(f"/candidate/in/{token}", headers={"Sec-Fetch-Site": "same-origin"})
    assert again.status_code == 410
    assert "This link is no longer good" in again.text
    assert candidate.name not in again.text
    assert other.post(f"/candidate/in/{token}").status_code == 410
    assert not is_in(other)


def test_who_would_be_put_out_by_another_person_of_the_same_part_is_named_first(db, settings, visit):
    with db.write() as session:
        analyst, approver = (make.person(session, role, now=clock.now()) for role in (Role.ANALYST, Role.APPROVER))
        tokens = [service.make_link(session, settings.secret, one, Area.ANALYST, clock.now()) for one in (analyst, approver, approver)]
    browser = visit()
    ours = {"Sec-Fetch-Site": "same-origin"}
    assert browser.get(f"/analyst/in/{tokens[0]}", headers=ours).status_code == 303
    page = browser.get(f"/analyst/in/{tokens[1]}", headers=ours)
    assert page.status_code == 200
    assert f"{analyst.name} is signed in here" in page.text
    assert f"{analyst.name} is signed in here" in browser.get("/analyst/sign-in").text
    assert "is signed in here" not in browser.get("/proctor/sign-in").text
    assert browser.post(f"/analyst/in/{tokens[1]}").status_code == 303
    # The same person again leads straight through.
    assert browser.get(f"/analyst/in/{tokens[2]}", headers=ours).status_code == 303


@pytest.mark.parametrize(
    ("area", "minutes", "status"),
    [
        ("candidate", 0, 200),
        ("candidate", 29, 200),
        ("candidate", 30, 410),
        ("proctor", 0, 410),
        ("analyst", 0, 410),
        ("operator", 0, 410),
        ("public", 0, 404),
        ("elsewhere", 0, 404),
    ],
)
def test_a_link_opens_its_own_area_for_half_an_hour(candidate, db, settings, visit, time, area, minutes, status):
    token = link_for(db, settings, candidate)
    time.passes(minutes * MINUTE)
    assert visit().get(f"/{area}/in/{token}").status_code == status


def test_neither_codes_nor_tokens_can_be_read_from_the_database(candidate, db, settings, visit):
    token = link_for(db, settings, candidate)
    visitor = visit()
    type_code(visitor)
    cookie = visitor.client.get_cookie("tp_candidate").value
    with db.read() as session:
        kept = [session.scalars(select(column)).one() for column in (OneTimeLink.token_hash, AdmissionCode.code_hash, SignIn.token_hash)]
    assert all(re.fullmatch("[0-9a-f]{64}", one) and one not in cookie for one in kept)
    assert not {token, CODE, rules.plain_code(CODE)} & set(kept)


# ------------------------------------------------------------ passwords


def test_a_password_and_six_digits_open(proctor, visit, time):
    visitor = visit()
    reply = type_password(visitor, proctor, time.at)
    assert (reply.status_code, reply.headers["Location"]) == (303, "/proctor/now")
    assert is_in(visitor, Area.PROCTOR)


@pytest.mark.parametrize(
    "typed",
    [
        {"password": "wrong horse battery"},
        {"code": "000000"},
        {"code": ""},
        {"code": "١٢٣٤٥٦"},
        {"email": "nobody@example.org"},
        {"email": ""},
    ],
    ids=lambda typed: " ".join(map(str, typed.items())),
)
def test_one_sentence_for_whatever_was_wrong(proctor, visit, time, typed):
    visitor = visit()
    reply = type_password(visitor, proctor, time.at, **typed)
    assert reply.status_code == 422
    assert "The e-mail address, the password, or the six digits are not right" in reply.text
    assert not is_in(visitor, Area.PROCTOR)


def test_the_same_six_digits_do_not_open_twice(proctor, visit, time):
    assert type_password(visit(), proctor, time.at).status_code == 303
    assert type_password(visit(), proctor, time.at).status_code == 422
    # Nor do the ones before them, though they are within the drift.
    assert type_password(visit(), proctor, time.at - timedelta(seconds=30)).status_code == 422
    time.passes(timedelta(seconds=30))
    assert type_password(visit(), proctor, time.at).status_code == 303


def test_digits_that_were_used_are_refused_before_anything_is_written(proctor, db, time):
    with db.write() as session:
        person = session.get_one(Person, proctor.id)
        found = service.check_password(session, person.email, PASSWORD, digits(time.at), time.at)
        person.totp_step = found.totp_step
        session.flush()
        with pytest.raises(service.WrongSignIn):
            service.check_password(session, person.email, PASSWORD, digits(time.at), time.at)


@pytest.mark.parametrize("area", ["analyst", "operator"])
def test_a_password_opens_the_areas_of_ones_own_roles_alone(proctor, visit, time, area):
    form = {"email": proctor.email, "password": PASSWORD, "code": digits(time.at)}
    assert visit().post(f"/{area}/sign-in", form).status_code == 422
    # A refused sign-in does not use the digits up.
    assert type_password(visit(), proctor, time.at).status_code == 303


def test_a_closed_account_does_not_open(proctor, db, visit, time):
    with db.write() as session:
        session.get_one(Person, proctor.id).closed_at = NOON
    assert type_password(visit(), proctor, time.at).status_code == 422


def test_after_eight_wrong_passwords_an_account_waits_wherever_they_came_from(proctor, visit, time):
    for n in range(8):
        form = {"email": proctor.email, "password": "wrong", "code": "000000"}
        assert visit().post("/proctor/sign-in", form, headers={"X-Forwarded-For": f"198.51.100.{n}"}).status_code == 422
    reply = type_password(visit(), proctor, time.at)
    assert reply.status_code == 429
    assert re.search(r"Wait 1[56] minutes, then try again", reply.text)
    time.passes(15 * MINUTE)
    assert type_password(visit(), proctor, time.at).status_code == 303


def test_the_limit_of_an_account_does_not_depend_on_how_its_address_is_typed(proctor, visit, time):
    for n, typed in enumerate([proctor.email, proctor.email.upper(), f" {proctor.email}", f"{proctor.email} "] * 2):
        form = {"email": typed, "password": "wrong", "code": "000000"}
        visit().post("/proctor/sign-in", form, headers={"X-Forwarded-For": f"198.51.100.{n}"})
    assert type_password(visit(), proctor, time.at).status_code == 429


# ------------------------------------------------------------ setting up


@pytest.fixture
def new_staff(db, settings):
    with db.write() as session:
        person = make.person(session, Role.ANALYST)
        token = service.make_link(session, settings.secret, person, Area.ANALYST, NOON, purpose="set_up", lasts=timedelta(days=3))
    return person, f"/analyst/set-up/{token}"


def set_up(visitor, url, password, at, code=None):
    secret = "".join(re.findall(r"<span>([A-Z2-7]{4})</span>", visitor.get(url).text))
    return secret, visitor.post(url, {"password": password, "code": code or pyotp.TOTP(secret).at(at)})


def test_a_new_member_of_staff_chooses_a_password_and_a_second_factor_once(new_staff, visit, time):
    person, url = new_staff
    visitor = visit()
    secret, reply = set_up(visitor, url, PASSWORD, time.at)
    assert (reply.status_code, reply.headers["Location"]) == (303, "/analyst/")
    assert is_in(visitor, Area.ANALYST)
    assert visit().get(url).status_code == 410
    form = {"email": person.email, "password": PASSWORD}
    # The digits shown at set-up were used there.
    assert visit().post("/analyst/sign-in", form | {"code": pyotp.TOTP(secret).at(time.at)}).status_code == 422
    time.passes(MINUTE)
    assert visit().post("/analyst/sign-in", form | {"code": pyotp.TOTP(secret).at(time.at)}).status_code == 303


@pytest.mark.parametrize(("password", "code"), [("too short", None), (PASSWORD, "000000"), ("too short", "000000")])
def test_a_set_up_that_failed_may_be_tried_again_with_the_same_picture(new_staff, visit, time, password, code):
    _, url = new_staff
    visitor = visit()
    first, reply = set_up(visitor, url, password, time.at, code)
    assert reply.status_code == 422
    second, reply = set_up(visitor, url, PASSWORD, time.at)
    assert first == second
    assert reply.status_code == 303


def test_a_set_up_link_ends_and_belongs_to_its_area(new_staff, visit, time):
    _, url = new_staff
    assert visit().get(url.replace("analyst", "proctor")).status_code == 410
    time.passes(timedelta(days=3))
    assert visit().get(url).status_code == 410


def test_a_set_up_link_signs_nobody_in_and_a_sign_in_link_sets_nothing_up(new_staff, proctor, db, settings, visit):
    _, url = new_staff
    visitor = visit()
    reply = visitor.post(url.replace("set-up", "in"))
    assert (reply.status_code, reply.headers["Location"]) == (303, url)
    assert not is_in(visitor, Area.ANALYST)
    token = link_for(db, settings, proctor, Area.PROCTOR)
    assert visit().get(f"/proctor/set-up/{token}").status_code == 410


# ------------------------------------------------------------ the sign-in itself


def test_signing_out_ends_the_sign_in_wherever_its_cookie_lies(candidate, db, visit):
    visitor, thief = visit(), visit()
    type_code(visitor)
    thief.client.set_cookie("tp_candidate", visitor.client.get_cookie("tp_candidate").value)
    assert is_in(thief)
    assert visitor.post("/candidate/sign-out").status_code == 303
    assert not is_in(visitor)
    assert not is_in(thief)
    with db.read() as session:
        assert session.scalars(select(SignIn.ended_at)).one() == NOON
        assert [e.act for e in session.scalars(select(AuditEntry).order_by(AuditEntry.id))][-2:] == ["signed-in", "signed-out"]


@pytest.mark.parametrize(("area", "hours"), [(Area.CANDIDATE, 16), (Area.PROCTOR, 12)])
def test_a_sign_in_outlasts_the_longest_test_and_then_ends(candidate, proctor, visit, time, area, hours):
    visitor = visit(candidate if area is Area.CANDIDATE else proctor, area)
    time.passes(timedelta(hours=hours) - MINUTE)
    assert is_in(visitor, area)
    time.passes(MINUTE)
    assert not is_in(visitor, area)


def test_closing_an_account_ends_its_sign_ins_at_once(candidate, db, visit):
    visitor = visit(candidate, Area.CANDIDATE)
    with db.write() as session:
        session.get_one(Person, candidate.id).closed_at = NOON
    assert not is_in(visitor)


def test_a_candidate_and_a_proctor_may_be_signed_in_in_one_browser(candidate, proctor, visit, time):
    visitor = visit()
    type_code(visitor)
    type_password(visitor, proctor, time.at)
    assert is_in(visitor, Area.CANDIDATE)
    assert is_in(visitor, Area.PROCTOR)


def test_the_cookie_of_before_is_worth_nothing_after(candidate, visit):
    visitor = visit()
    visitor.get("/candidate/sign-in")
    before = visitor.client.get_cookie("tp_candidate").value
    type_code(visitor)
    assert visitor.client.get_cookie("tp_candidate").value != before
    visitor.client.set_cookie("tp_candidate", before)
    assert not is_in(visitor)


def test_a_cookie_that_was_tampered_with_opens_nothing(candidate, visit):
    visitor = visit(candidate, Area.CANDIDATE)
    value = visitor.client.get_cookie("tp_candidate").value
    visitor.client.set_cookie("tp_candidate", value[:-2] + ("AA" if value[-2:] != "AA" else "BB"))
    assert not is_in(visitor)


def cookies(reply):
    return {line.partition("=")[0]: line.partition(";")[2] for line in reply.headers.getlist("Set-Cookie")}


def test_cookies_on_plain_http_are_named_by_area_and_closed_to_scripts(candidate, proctor, visit, time):
    set_here = cookies(type_code(visit())) | cookies(type_password(visit(), proctor, time.at))
    assert set(set_here) == {"tp_candidate", "tp_proctor", "tp_device"}
    for flags in set_here.values():
        assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= {flag.strip() for flag in flags.split(";")}
        assert "Secure" not in flags
        assert "Domain" not in flags


def test_cookies_on_https_are_bound_to_the_host_and_to_tls(candidate, settings, db):
    app = create_app(replace(settings, public_url="https://localhost"), db)
    app.config["PREFERRED_URL_SCHEME"] = "https"
    visitor = Visitor(app, app.test_client(), Area.PUBLIC)
    set_here = cookies(type_code(visitor, headers={"Origin": "https://localhost"}))
    assert set(set_here) == {"__Host-tp_candidate", "__Host-tp_device"}
    for flags in set_here.values():
        found = {flag.strip() for flag in flags.split(";")}
        assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= found
        assert not any(flag.startswith("Domain") for flag in found)
    assert is_in(visitor)


@pytest.mark.parametrize(
    ("wanted", "leads"),
    [
        ("", "/candidate/"),
        ("/candidate/attempts/3/test", "/candidate/attempts/3/test"),
        ("https://elsewhere.example/", "/candidate/"),
        ("//elsewhere.example/candidate/", "/candidate/"),
        ("/candidate//elsewhere.example", "/candidate/"),
        ("/candidate/%5Celsewhere.example", "/candidate/"),
        ("/%5Celsewhere.example", "/candidate/"),
        ("/proctor/", "/candidate/"),
        ("candidate/", "/candidate/"),
        ("/candidate", "/candidate/"),
        ("javascript:alert(1)", "/candidate/"),
        ("%20//elsewhere.example", "/candidate/"),
    ],
)
def test_a_sign_in_leads_to_a_page_of_its_own_area_alone(candidate, visit, wanted, leads):
    assert type_code(visit(), next_page=wanted).headers["Location"] == leads


def test_a_page_asked_for_while_signed_out_is_where_the_sign_in_leads(candidate, visit):
    visitor = visit()
    asked = visitor.get("/candidate/attempts/3/test")
    assert asked.headers["Location"] == "/candidate/sign-in?next=/candidate/attempts/3/test"
