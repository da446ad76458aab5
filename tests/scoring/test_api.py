"""What another system gets with a token, what it is told, and that neither is before two signatures."""

import hashlib
import hmac
import json
import re
import threading
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from sqlalchemy import select

from testing_platform import clock
from testing_platform.accounts.rules import Area, Role
from testing_platform.audit.models import AuditEntry
from testing_platform.scoring import announce
from testing_platform.scoring.api_models import Announcement, ApiToken
from testing_platform.scoring.models import ExportJob
from testing_platform.settings import FaultySetting, Settings
from tests import make

LIST = "/api/scheduling/v1/administrations"


@pytest.fixture
def place(db):
    """Two have handed in: Ada has 6 right, Cy 1."""
    with db.write() as session:
        where = make.place(session)
        for name, right in (("Ada Ash", 6), ("Cy Cedar", 1)):
            make.handed_in(session, where, right).person.name = name
    return where


@pytest.fixture
def scheduler(db, visit):
    with db.write() as session:
        person = make.person(session, Role.SCHEDULER, name="Sid Scheduler")
    return visit(person, Area.SCHEDULER)


def decide(db, place, cut=4, now=None):
    with db.write() as session:
        return make.decided(session, session.get_one(make.TestSession, place.id), cut, now or clock.now()).id


def new_token(visitor, name="Applicant system"):
    reply = visitor.post("/scheduler/tokens", {"name": name})
    assert reply.status_code == 201
    return re.search(r"tps_[\w-]{43}", reply.get_data(as_text=True))[0]


def ask(app, path, token):
    return app.test_client().get(path, headers={"Authorization": f"Bearer {token}"})


def test_a_token_fetches_what_a_scheduler_may_take_along_once_there_are_results(app, db, scheduler, place):
    token = new_token(scheduler)
    here = f"{LIST}/{place.administration_id}"
    assert ask(app, LIST, token).json == {"administrations": []}
    assert ask(app, f"{here}/interview-candidates.json", token).status_code == 404
    decide(db, place)
    (one,) = ask(app, LIST, token).json["administrations"]
    assert (one["administration"], one["decision_version"]) == (place.administration_id, 1)
    reply = ask(app, one["interview_candidates"], token)
    assert [(row["legal_last_name"], row["result"]) for row in reply.json["rows"]] == [("Ash", "PASS")]
    assert "score" not in reply.get_data(as_text=True)
    assert ask(app, f"{here}/interview-candidates.csv", token).get_data(as_text=True).count("\r\n") == 2
    assert ask(app, f"{here}/interview-schedule.ics", token).get_data(as_text=True).startswith("BEGIN:VCALENDAR")
    assert ask(app, f"{LIST}/999/interview-candidates.json", token).status_code == 404
    with db.read() as session:
        jobs = session.scalars(select(ExportJob)).all()
        used = session.scalars(select(AuditEntry).where(AuditEntry.act == "api_token.used")).all()
    # Each download is on record, as the scheduler's who made the token.
    assert jobs[0].sha256 == hashlib.sha256(reply.get_data()).hexdigest()
    assert len(jobs) == len(used) == 3


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer x", "Bearer tps_" + "x" * 43, "Basic YTpi", "Bearer tps_" + "x" * 5000])
def test_nothing_opens_without_a_token_that_was_made(app, db, scheduler, place, header):
    decide(db, place)
    new_token(scheduler)
    reply = app.test_client().get(LIST, headers={"Authorization": header})
    assert (reply.status_code, reply.json["code"]) == (401, "bad-api-token")
    # Nor does a scheduler's cookie.
    assert scheduler.get(LIST).status_code == 401


def test_a_token_is_shown_once_kept_as_a_digest_and_taken_back_for_good(app, db, scheduler):
    token = new_token(scheduler, "  Calendar of   the boards ")
    page = scheduler.get("/scheduler/tokens").get_data(as_text=True)
    assert token not in page
    assert "Calendar of the boards" in page
    assert ask(app, LIST, token).status_code == 200
    with db.read() as session:
        (kept,) = session.scalars(select(ApiToken)).all()
    assert kept.digest == hashlib.sha256(token.encode()).hexdigest()
    assert kept.used_at is not None
    for _ in range(2):
        assert scheduler.post(f"/scheduler/tokens/{kept.id}/revoke").status_code == 303
    assert ask(app, LIST, token).status_code == 401
    assert "taken back" in scheduler.get("/scheduler/tokens").get_data(as_text=True)
    assert scheduler.post("/scheduler/tokens/999/revoke").status_code == 404
    with db.read() as session:
        acts = session.scalars(select(AuditEntry.act).where(AuditEntry.act.like("api_token.%")).order_by(AuditEntry.id)).all()
    assert acts == ["api_token.made", "api_token.revoked"]


def test_a_page_that_is_sent_again_shows_the_same_token_and_makes_no_second_one(app, db, scheduler):
    key = re.search(r'name="key" value="(\w{32})"', scheduler.get("/scheduler/tokens").get_data(as_text=True))[1]
    replies = [scheduler.post("/scheduler/tokens", {"name": "Calendar", "key": key}).get_data(as_text=True) for _ in range(2)]
    (token,) = {re.search(r"tps_[\w-]{43}", reply)[0] for reply in replies}
    assert ask(app, LIST, token).status_code == 200
    assert key not in replies[0]
    with db.read() as session:
        assert len(session.scalars(select(ApiToken)).all()) == 1


@pytest.mark.parametrize("name", ["", "   ", "x" * 101])
def test_a_token_without_a_name_is_not_made(db, scheduler, name):
    reply = scheduler.post("/scheduler/tokens", {"name": name})
    assert (reply.status_code, "Write a name of at most 100 letters." in reply.get_data(as_text=True)) == (422, True)
    with db.read() as session:
        assert session.scalars(select(ApiToken)).all() == []


# ------------------------------------------------------------ what it is told


@pytest.fixture
def listener():
    """Another system: `answers` is what it says in turn, `heard` what came."""

    class Ear(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.server.heard.append((dict(self.headers), body))
            self.send_response(self.server.answers.pop(0) if self.server.answers else 204)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Ear)
    server.heard, server.answers = [], []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def listening(settings, listener):
    return replace(settings, webhook_url=f"http://127.0.0.1:{listener.server_port}/hook?from=tests")


def due(db, settings, now):
    with db.read() as session:
        return announce.due(session, settings, now)


def announcements(db):
    with db.read() as session:
        return [(one.state, one.tries, one.said) for one in session.scalars(select(Announcement).order_by(Announcement.id))]


def test_results_are_announced_once_and_signed(db, settings, listening, listener, place):
    now = clock.now()
    assert not due(db, listening, now)
    decide(db, place)
    assert not due(db, settings, now), "nobody is to be told"
    assert due(db, listening, now)
    announce.go_on(db, listening, now)
    assert not due(db, listening, now + timedelta(days=3))
    ((headers, body),) = listener.heard
    at, signed = re.fullmatch(r"t=(\d+),v1=([0-9a-f]{64})", headers["X-Testing-Platform-Signature"]).groups()
    assert signed == hmac.new((listening.keys_folder / "webhook.key").read_bytes(), at.encode() + b"." + body, hashlib.sha256).hexdigest()
    said = json.loads(body)
    assert (said["event"], said["administration"], said["decision_version"]) == ("results.released", place.administration_id, 1)
    # Where to fetch it, and nobody's name.
    assert said["interview_candidates"].startswith("/api/")
    assert b"Ash" not in body
    assert announcements(db) == [("taken", 1, "204")]


def test_a_system_that_is_away_is_told_later_and_given_up_after_two_days(db, listening, listener, place):
    decide(db, place)
    listener.answers[:] = [500, 302]
    now = clock.now()
    announce.go_on(db, listening, now)
    assert announcements(db) == [("due", 1, "500")]
    assert not due(db, listening, now + timedelta(seconds=9))
    assert due(db, listening, now + timedelta(seconds=10))
    announce.go_on(db, listening, now + timedelta(seconds=10))
    assert not due(db, listening, now + timedelta(seconds=29))
    announce.go_on(db, listening, now + timedelta(seconds=30))
    assert announcements(db) == [("taken", 3, "204")]


def test_it_is_given_up_in_the_end_and_the_trail_says_so(db, listening, place):
    away = replace(listening, webhook_url="http://127.0.0.1:9/")
    decide(db, place)
    now, rounds = clock.now(), 0
    while due(db, away, now) or announcements(db)[0][0] == "due":
        announce.go_on(db, away, now)
        now, rounds = now + announce.LONGEST, rounds + 1
    assert announcements(db) == [("given_up", announce.MOST, "ConnectionRefusedError")]
    with db.read() as session:
        assert session.scalars(select(AuditEntry.act).where(AuditEntry.act == "results.not_announced")).all() == ["results.not_announced"]


def test_a_decision_that_another_took_the_place_of_is_not_announced(db, listening, listener, place):
    now = clock.now()
    decide(db, place)
    listener.answers[:] = [503]
    announce.go_on(db, listening, now)
    decide(db, place, 5)
    for _ in range(3):
        announce.go_on(db, listening, now + timedelta(minutes=1))
    assert [one[0] for one in announcements(db)] == ["given_up", "taken"]
    assert [json.loads(body)["decision_version"] for _, body in listener.heard] == [1, 2]


@pytest.mark.parametrize("address", ["http://hr.example.gov/x", "hr.example.gov", "ftp://hr.example.gov", "https://"])
def test_an_address_that_anybody_on_the_way_could_read_is_refused(tmp_path, address):
    with pytest.raises(FaultySetting, match="webhook_url"):
        Settings.load(data=tmp_path, webhook_url=address)
    assert Settings.load(data=tmp_path, webhook_url="https://hr.example.gov/x").webhook_url
