"""kill -9 of each process and of the database under answer load: no acknowledged answer is missing, none is doubled."""

import http.client
import json
import threading
import time
from datetime import timedelta

import pytest
from sqlalchemy import select

from testing_platform import clock
from testing_platform.delivery import service, tokens
from testing_platform.delivery.models import Attempt, Response
from testing_platform.delivery.rules import State
from tests import make
from tests.stack import running

CANDIDATES = 12
DEVICE = "browser-one"


class Saver(threading.Thread):
    """A candidate's page as far as saving goes: a journal, and the same event again until it is acknowledged."""

    def __init__(self, stack, attempt_id, token):
        super().__init__(daemon=True)
        self.stack, self.attempt_id, self.token = stack, attempt_id, token
        self.acked, self.given, self.faults = {}, 0, []
        self.stop = threading.Event()
        self.heard_at, self.longest = time.monotonic(), 0.0

    @property
    def silence(self):
        """The longest in seconds for which the server may have heard nothing from this page."""
        return max(self.longest, time.monotonic() - self.heard_at)

    def run(self):
        host = self.stack.url.removeprefix("http://")
        connection = http.client.HTTPConnection(host, timeout=10)
        while not self.stop.is_set():
            self.given += 1
            event = {
                "seq": self.given,
                "slot": self.given % make.ITEMS + 1,
                "option": "abcd"[self.given % 4],
                "state": "answered",
                "elapsed_ms": 5,
            }
            body = json.dumps({"device": DEVICE, "epoch": 1, "events": [event]})
            while not self.stop.is_set():
                began_at = time.monotonic()
                try:
                    connection.request(
                        "POST", f"/api/attempts/{self.attempt_id}/responses", body, {"Authorization": f"Attempt {self.token}"}
                    )
                    reply = connection.getresponse()
                    said = reply.read()
                    if reply.status == 200 and json.loads(said)["acked"] >= event["seq"]:
                        self.acked[event["seq"]] = event
                        self.longest, self.heard_at = self.silence, began_at
                        break
                    if reply.status < 500:
                        self.faults.append((reply.status, said))
                        return
                except (OSError, http.client.HTTPException, ValueError):
                    connection.close()
                time.sleep(0.05)
            time.sleep(0.05)


class Load:
    """Candidates who answer all the time, and what was acknowledged to them."""

    def __init__(self, stack):
        self.stack = stack
        now = clock.now()
        with stack.db.write() as session:
            where = make.place(session, now)
            self.ids = [make.attempt(session, where=where, now=now).id for _ in range(CANDIDATES)]
        self.savers = [Saver(stack, i, tokens.make(stack.settings.secret, i, 1, now + timedelta(hours=4))) for i in self.ids]
        for saver in self.savers:
            saver.start()

    @property
    def acked(self):
        return sum(len(saver.acked) for saver in self.savers)

    def goes_on(self, after, seconds=60):
        """Answers are saved again, one for each candidate on average. Fails when nothing is for that long."""
        before, until = self.acked, time.monotonic() + seconds
        while self.acked < before + CANDIDATES and time.monotonic() < until:
            time.sleep(0.05)
        assert self.acked >= before + CANDIDATES, f"nothing was saved for {seconds} s after {after}"

    def check(self):
        """How many were acknowledged; each of them is stored once, as it was given."""
        with self.stack.db.read() as session:
            paused = [
                saver.silence
                for saver in self.savers
                if (attempt := session.get_one(Attempt, saver.attempt_id)).state != State.IN_PROGRESS
                and saver.silence < attempt.contact_patience.total_seconds()
            ]
        # Waiting for a server of ours pauses nobody: the page had nothing covered.
        assert paused == []
        for saver in self.savers:
            saver.stop.set()
        for saver in self.savers:
            saver.join(20)
        assert [saver.faults for saver in self.savers if saver.faults] == []
        missing, doubled = [], []
        with self.stack.db.read() as session:
            for saver in self.savers:
                rows = session.scalars(select(Response).where(Response.attempt_id == saver.attempt_id, Response.device == DEVICE)).all()
                stored = {row.seq: (row.slot, row.option) for row in rows}
                doubled += [saver.attempt_id] if len(stored) != len(rows) else []
                missing += [seq for seq, event in saver.acked.items() if stored.get(seq) != (event["slot"], event["option"])]
                last = saver.acked[max(saver.acked)]
                if len(saver.acked) == saver.given:
                    assert service.chosen(session, saver.attempt_id)[last["slot"]] == last["option"]
        assert (missing, doubled) == ([], [])
        return self.acked


def kill_under_load(folder, rounds, **more):
    with running(folder, log_level="error", **more) as stack:
        load = Load(stack)
        for _ in range(rounds):
            for name in ("web", "worker", "live", "front"):
                stack.kill(name)
                load.goes_on(f"{name} died")
        return load.check()


@pytest.mark.timeout(300)
def test_five_deaths_of_each_process_lose_and_double_nothing(tmp_path):
    assert kill_under_load(tmp_path, 5) > 100


@pytest.mark.timeout(300)
def test_deaths_of_each_process_and_of_the_database_itself_lose_and_double_nothing(tmp_path, postgres):
    """On PostgreSQL, with several processes of web; its own death is an immediate stop, after which it recovers from its log."""
    with running(tmp_path, log_level="error", database=postgres.empty()) as stack:
        load = Load(stack)
        load.goes_on("the start")
        for _ in range(3):
            postgres.server.stop("immediate")
            time.sleep(0.5)
            postgres.server.start()
            load.goes_on("the database died")
            for name in ("web", "worker"):
                stack.kill(name)
                load.goes_on(f"{name} died")
        assert load.check() > 100


@pytest.mark.long
@pytest.mark.timeout(1500)
def test_twenty_deaths_of_each_process_lose_and_double_nothing(tmp_path):
    assert kill_under_load(tmp_path, 20) > 400
