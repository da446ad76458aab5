"""The live process: who may connect, what it stores before it answers, and what it never writes down."""

import asyncio
import contextlib
import hashlib
import json
import time
import urllib.error
import urllib.request
import uuid
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import cv2
import numpy as np
import pytest
from sqlalchemy import select
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin, Subprotocol

from testing_platform import clock, errors
from testing_platform.accounts import rules as accounts
from testing_platform.accounts.models import Person
from testing_platform.accounts.rules import Role
from testing_platform.delivery import service as attempts
from testing_platform.delivery import tokens
from testing_platform.delivery.models import Attempt, Consent, Contact, MediaKey, Ticket
from testing_platform.delivery.rules import State
from testing_platform.demo import setup
from testing_platform.examinations import service as examinations
from testing_platform.examinations.models import ProctorAssignment
from testing_platform.proctor import flag_service, wire
from testing_platform.proctor.link import CandidateLink, ConsoleLink
from testing_platform.proctor.live import RECHECK_EACH, Candidate, Console, Live
from testing_platform.proctor.models import EvidenceStill, Flag, FlagFrame, PageEvent, VisionSettings
from testing_platform.proctor.signals import LIVE
from testing_platform.storage import Folder, Vault
from tests import make
from tests.make import NOON
from tests.stack import Stack, running

CANDIDATE, PROCTOR = "tp.candidate.v1", "tp.proctor.v1"
STILL = cv2.imencode(".jpg", np.full((24, 32, 3), 120, np.uint8))[1].tobytes()
NAME, DEVICE = "Marigold Featherstone", "browser-of-marigold"


def run(walk):
    """In a thread of its own: a browser of another test may have left its event loop in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, walk).result()


# ------------------------------------------------------------ without a socket


@dataclass
class Ear:
    """A socket that remembers how it was closed."""

    closed: list = field(default_factory=list)

    async def close(self, code, reason):
        self.closed.append((code, reason))


@pytest.mark.parametrize(
    ("change", "seconds", "closed"),
    [
        ("nothing", 30, False),
        ("assignment ended", 30, True),
        ("role ended", 30, True),
        ("account closed", 30, True),
        ("assignment ended", 29, False),  # the look is each half minute
    ],
)
def test_a_proctor_who_was_taken_off_the_session_stops_seeing_it(db, settings, monkeypatch, change, seconds, closed):
    with db.write() as session:
        where = make.place(session)
        person = make.proctor(session, where)
        if change == "assignment ended":
            session.get_one(ProctorAssignment, (where.id, person.id)).ended_at = NOON
        elif change == "role ended":
            person.grants[0].ended_at = NOON
        elif change == "account closed":
            person.closed_at = NOON
    live, ear = Live(settings, db), Ear()
    live.consoles.add(Console(ear, ConsoleLink(NOON), where.id, person.id, checked_at=NOON))
    monkeypatch.setattr(clock, "now", lambda: NOON + timedelta(seconds=seconds))
    run(live._recheck())
    assert ear.closed == ([(4003, "no longer assigned")] if closed else [])
    assert timedelta(seconds=30) == RECHECK_EACH


@pytest.mark.parametrize(
    "problem", [errors.NotFound(), ValueError("x"), UnicodeEncodeError("utf-8", "\ud800", 0, 1, "x")], ids=lambda p: type(p).__name__
)
def test_what_one_connection_brings_does_not_undo_what_others_store(db, settings, problem):
    def fails(session):
        make.person(session, Role.OPERATOR, name="Nobody")
        raise problem

    def adds(name):
        return lambda session: make.person(session, Role.OPERATOR, name=name).id

    async def store_together():
        live = Live(settings, db)
        committing = asyncio.create_task(live.commit_forever())
        found = await asyncio.gather(*(live.store(work) for work in (adds("First"), fails, adds("Third"))), return_exceptions=True)
        committing.cancel()
        return found

    first, second, third = run(store_together())
    assert second is problem
    with db.read() as session:
        assert {session.get(Person, first).name, session.get(Person, third).name} == {"First", "Third"}
        assert session.scalars(select(Person).where(Person.name == "Nobody")).all() == []


# ------------------------------------------------------------ over a real socket


@dataclass
class Nobody:
    """A socket whose other end says nothing and hears everything."""

    said: list = field(default_factory=list)

    async def send(self, text):
        self.said.append(json.loads(text))


@pytest.mark.both
def test_a_still_that_is_sent_again_is_kept_once_whatever_its_numbers(db, settings):
    """The wire has 32 bits for epoch and number."""
    with db.write() as session:
        attempt = make.attempt(session)
    live, most = Live(settings, db), 2**32 - 1
    one = Candidate(Nobody(), CandidateLink(NOON), attempt.id, attempt.session_id, wrapped_key=live.vault.new_key())

    async def keep():
        committing = asyncio.create_task(live.commit_forever())
        for seq in (7, 7, most):
            await live._keep(one, wire.Frame(wire.EVIDENCE_STILL, 0, most, seq, 1_700_000_000_123, STILL))
        committing.cancel()

    run(keep())
    assert [said["seq"] for said in one.socket.said] == [7, 7, most]
    with db.read() as session:
        kept = session.scalars(select(EvidenceStill).order_by(EvidenceStill.seq)).all()
    assert [(still.epoch, still.seq) for still in kept] == [(most, 7), (most, most)]
    assert kept[0].captured_at == clock.from_ms(1_700_000_000_123)
    assert clock.now() - kept[0].received_at < timedelta(minutes=1)


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    with running(tmp_path_factory.mktemp("live"), log_level="info") as found:
        yield found


@dataclass
class Taker:
    """A candidate in the middle of the test, as the database has them."""

    stack: Stack
    id: int
    person_id: int
    session_id: int

    def ticket(self, **more):
        return ticket(self.stack, self.person_id, attempt_id=self.id, **more)


def ticket(stack, person_id, seconds=60, **what):
    """A ticket as the API makes it."""
    token = accounts.new_token()
    with stack.db.write() as session:
        session.add(
            Ticket(
                token_hash=tokens.hashed(stack.settings.secret, token),
                person_id=person_id,
                expires_at=clock.now() + timedelta(seconds=seconds),
                **what,
            )
        )
    return token


@pytest.fixture
def taker(stack):
    person, _ = stack.candidate(NAME)
    now = clock.now()
    with stack.db.write() as session:
        where = stack.place(session)
        booked = session.scalars(select(examinations.Appointment).where(examinations.Appointment.person_id == person.id)).one()
        key = Vault(stack.settings.vault_key, Folder(stack.settings.data / "objects")).new_key()
        attempt = attempts.check_in(session, booked, key, now)
        for step in attempts.Step:
            attempts.finish_step(session, attempt, step, now)
        attempts.move(session, attempt, attempts.Event.ADMIT, attempts.Who.PROCTOR, now)
        attempts.begin(session, attempt, DEVICE, now)
        return Taker(stack, attempt.id, person.id, where.id)


@pytest.fixture
def proctor(stack):
    """A proctor of the open session, as a person's id."""
    with stack.db.read() as session:
        return setup.person_with(session, Role.PROCTOR).id


def socket(stack, path="/live/candidate", protocol=CANDIDATE, origin="ours", **more):
    return connect(
        stack.url.replace("http", "ws") + path,
        origin=None if origin is None else Origin(stack.settings.origin if origin == "ours" else origin),
        subprotocols=None if protocol is None else [Subprotocol(protocol)],
        max_size=2**22,
        **more,
    )


async def say(ws, **message):
    await ws.send(json.dumps(message))


async def hear(ws, kind, seconds=10):
    """The next message of this kind."""
    async with asyncio.timeout(seconds):
        while True:
            message = await ws.recv()
            if isinstance(message, str) and (found := json.loads(message))["t"] == kind:
                return found


async def closing(ws, seconds=10):
    """The code with which the server closes."""
    with contextlib.suppress(ConnectionClosed):
        async with asyncio.timeout(seconds):
            while True:
                await ws.recv()
    return ws.close_code


async def enter(ws, token, device=DEVICE):
    await say(ws, t="hello", ticket=token, device=device, event=0)
    return await hear(ws, "welcome")


def frame(seq=1, kind=wire.LIVE_STILL, payload=STILL, crc=None):
    head = wire.HEADER.pack(
        wire.MAGIC, 1, kind, 0, 0, 0, 1, seq, clock.to_ms(clock.now()), len(payload), zlib.crc32(payload) if crc is None else crc
    )
    return head + payload


@pytest.mark.parametrize("origin", ["http://elsewhere.example", "https://localhost", "null", None])
@pytest.mark.parametrize(("path", "protocol"), [("/live/candidate", CANDIDATE), ("/live/proctor", PROCTOR)])
def test_a_page_from_elsewhere_is_refused_at_the_door(stack, path, protocol, origin):
    async def walk():
        with pytest.raises(InvalidStatus) as refusal:
            async with socket(stack, path, protocol, origin):
                pass
        assert refusal.value.response.status_code == 403

    run(walk())


@pytest.mark.parametrize(
    ("path", "protocol"),
    [
        ("/live/candidate", PROCTOR),
        ("/live/proctor", CANDIDATE),
        ("/live/candidate", "tp.candidate.v2"),
        ("/live/candidate", None),
        ("/live/elsewhere", CANDIDATE),
    ],
)
def test_a_wrong_path_or_subprotocol_is_refused(stack, taker, path, protocol):
    async def walk():
        try:
            async with socket(stack, path, protocol) as ws:
                await say(ws, t="hello", ticket=taker.ticket(), device=DEVICE)
                assert await closing(ws) == 4000
        except InvalidStatus as refusal:
            assert refusal.response.status_code in (400, 404)  # noqa: PT017 - either way of refusing is right
        except ConnectionClosed as closed:
            assert closed.rcvd.code == 4000  # noqa: PT017

    run(walk())


@pytest.mark.parametrize("what", ["unknown", "used", "expired", "of a proctor", "attempt over", "attempt unknown", "no text"])
def test_a_ticket_that_is_not_good_is_rejected_and_nothing_more_is_said(stack, taker, proctor, what):
    token = {
        "unknown": lambda: "no-such-ticket", "used": taker.ticket, "expired": lambda: taker.ticket(seconds=-1), "no text": lambda: "\ud800\x00",
        "of a proctor": lambda: ticket(stack, proctor, session_id=taker.session_id), "attempt over": taker.ticket,
        "attempt unknown": lambda: ticket(stack, taker.person_id, attempt_id=10**6),
    }[what]()  # fmt: skip

    async def walk():
        if what == "used":
            async with socket(stack) as ws:
                await enter(ws, token)
        if what == "attempt over":
            with stack.db.write() as session:
                attempts.submit(session, session.get_one(Attempt, taker.id), clock.now())
        async with socket(stack) as ws:
            await say(ws, t="hello", ticket=token, device=DEVICE)
            assert (await hear(ws, "reject"))["code"] == "ticket"
            assert await closing(ws) == 4003

    run(walk())


@pytest.mark.parametrize("what", ["of a candidate", "of another session", "of someone not assigned", "of an analyst"])
def test_a_console_opens_for_a_proctor_of_the_session_alone(stack, taker, proctor, what):
    with stack.db.write() as session:
        stranger = make.person(session, Role.ANALYST if what == "of an analyst" else Role.PROCTOR, name=f"Stranger {what}")
        stranger.email = f"{stranger.id}@elsewhere.example"
        if what == "of an analyst":
            examinations.assign_proctor(session, stack.place(session), stranger, clock.now())
    token = {
        "of a candidate": lambda: taker.ticket(),
        "of another session": lambda: ticket(stack, proctor, session_id=10**6),
        "of someone not assigned": lambda: ticket(stack, stranger.id, session_id=taker.session_id),
        "of an analyst": lambda: ticket(stack, stranger.id, session_id=taker.session_id),
    }[what]()

    async def walk():
        async with socket(stack, "/live/proctor", PROCTOR) as ws:
            await say(ws, t="hello", ticket=token)
            assert (await hear(ws, "reject"))["code"] == "ticket"
            assert await closing(ws) == 4003

    run(walk())


@pytest.mark.parametrize("first", ["garbage", '{"t": "hb", "at": 1}', "[" * 5000, b"\x00" * 40])
def test_whoever_does_not_say_hello_first_is_hung_up_on(stack, first):
    async def walk():
        async with socket(stack) as ws:
            await ws.send(first)
            assert await closing(ws) == 4000

    run(walk())


def test_a_message_over_the_bounds_closes_the_connection(stack, taker):
    async def walk():
        async with socket(stack) as ws:
            await enter(ws, taker.ticket())
            with contextlib.suppress(ConnectionClosed):
                await ws.send(b"\x54" * (wire.MOST_BYTES + 1))
            assert await closing(ws) in (1009, 4008)

    run(walk())


def test_contact_is_stored_before_its_reply_leaves(stack, taker):
    async def walk():
        async with socket(stack) as ws:
            await enter(ws, taker.ticket())
            for at in (1, 2):
                await say(ws, t="hb", at=at, waiting=0, buffered=0)
                reply = await hear(ws, "hb")
                assert reply["at"] == at
                with stack.db.read() as session:
                    stored = session.get_one(Contact, taker.id).live_at
                assert clock.to_ms(stored) == reply["server_now"]

    run(walk())


def test_what_the_page_notices_is_stored_before_its_acknowledgement_and_once(stack, taker):
    async def walk():
        async with socket(stack) as ws:
            await enter(ws, taker.ticket())
            for n in (1, 2, 2, 1):
                await say(ws, t="event", n=n, at=clock.to_ms(clock.now()), kind="focus_lost", data={})
            while (await hear(ws, "event_ack"))["up_to"] < 2:
                pass
        with stack.db.read() as session:
            numbers = session.scalars(select(PageEvent.number).where(PageEvent.attempt_id == taker.id).order_by(PageEvent.number)).all()
        assert numbers == [1, 2]
        async with socket(stack) as ws:
            assert (await enter(ws, taker.ticket()))["event"] == 2

    run(walk())


def test_an_evidence_still_is_stored_encrypted_before_its_acknowledgement(stack, taker):
    async def walk():
        async with socket(stack) as ws:
            await enter(ws, taker.ticket())
            for _ in range(2):
                await ws.send(frame(5, wire.EVIDENCE_STILL))
                assert (await hear(ws, "chunk_ack"))["sha256"] == hashlib.sha256(STILL).hexdigest()

    run(walk())
    with stack.db.read() as session:
        still = session.scalars(select(EvidenceStill).where(EvidenceStill.attempt_id == taker.id)).one()
        wrapped = session.get_one(MediaKey, taker.id).wrapped
    store = Folder(stack.settings.data / "objects")
    assert STILL not in store.get(still.object_name)
    assert Vault(stack.settings.vault_key, store).get(wrapped, still.object_name) == STILL


def test_a_newer_connection_of_the_same_attempt_closes_the_older(stack, taker):
    async def walk():
        async with socket(stack) as older, socket(stack) as newer:
            first = await enter(older, taker.ticket())
            second = await enter(newer, taker.ticket())
            assert await closing(older) == 4001
            assert second["stream"]["epoch"] == first["stream"]["epoch"] + 1
            await say(newer, t="hb", at=1)
            assert await hear(newer, "hb")

    run(walk())


def test_what_a_candidate_sends_reaches_their_own_attempt_alone(stack, taker):
    """No message names an attempt: the ticket did, and what a page adds to its messages is not read."""
    with stack.db.read() as session:
        other = session.scalars(select(Attempt.id).where(Attempt.id != taker.id)).first()

    async def walk():
        async with socket(stack) as ws:
            await enter(ws, taker.ticket())
            await say(ws, t="event", n=1, at=1, kind="copy", data={}, attempt=other, attempt_id=other, id=other)
            await hear(ws, "event_ack")

    run(walk())
    with stack.db.read() as session:
        assert session.scalars(select(PageEvent.attempt_id).where(PageEvent.kind == "copy")).all() == [taker.id]


def test_one_page_that_sends_nonsense_does_not_cost_another_its_contact(stack, taker):
    async def walk():
        async with socket(stack) as good:
            await enter(good, taker.ticket())
            for n in range(3):
                async with socket(stack) as bad:
                    # What no database can store: half of a character.
                    await bad.send(json.dumps({"t": "hello", "ticket": "\ud800", "device": "\ud800"}))
                    await say(good, t="hb", at=n)
                    assert (await hear(good, "hb", 5))["at"] == n

    run(walk())


@pytest.mark.parametrize("kind", [["copy"], {"copy": 1}, None])
def test_a_message_of_a_strange_shape_does_not_break_the_connection(stack, taker, kind):
    async def walk():
        async with socket(stack) as ws:
            await enter(ws, taker.ticket())
            await say(ws, t="event", n=1, at=1, kind=kind)
            assert (await hear(ws, "event_ack"))["up_to"] == 1

    run(walk())


def test_a_console_sees_pictures_newest_first_within_its_credits(stack, taker, proctor):
    async def walk():
        async with socket(stack) as ws, socket(stack, "/live/proctor", PROCTOR) as console:
            await enter(ws, taker.ticket())
            await say(console, t="hello", ticket=ticket(stack, proctor, session_id=taker.session_id))
            assert (await hear(console, "welcome"))["credits"] == 4
            await say(console, t="subscribe", tiles=[taker.id], focus=None)
            snapshot = await hear(console, "snapshot")
            tile = snapshot["tiles"][str(taker.id)]
            assert {row["id"]: row["name"] for row in snapshot["rows"]}[taker.id] == NAME
            for seq in range(1, 21):
                await ws.send(frame(seq))
                assert (await hear(ws, "frame_ack"))["seq"] == seq
            pictures = []
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1):
                    while True:
                        message = await console.recv()
                        if isinstance(message, bytes):
                            pictures.append(wire.unpack(message))
            assert [picture.tile for picture in pictures] == [tile] * 4
            await say(console, t="credit", n=1)
            async with asyncio.timeout(5):
                while not isinstance(message := await console.recv(), bytes):
                    pass
            assert wire.unpack(message).seq == 20
            assert wire.unpack(message).payload == STILL

    run(walk())


def test_looking_at_one_candidate_makes_their_camera_faster_and_a_message_reaches_the_page(stack, taker, proctor):
    async def walk():
        async with socket(stack) as ws, socket(stack, "/live/proctor", PROCTOR) as console:
            await enter(ws, taker.ticket())
            await say(console, t="hello", ticket=ticket(stack, proctor, session_id=taker.session_id))
            await hear(console, "welcome")
            await say(console, t="subscribe", tiles="all", focus=taker.id)
            command = await hear(ws, "command")
            assert (command["action"], command["data"]) == ("rate", {"fps": 5, "width": 640, "height": 480})
            with stack.db.write() as session:
                attempts.write_message(session, session.get_one(Attempt, taker.id), "proctor", proctor, "All is well.", clock.now())
            command = await hear(ws, "command", 3)
            assert (command["action"], command["data"]["text"]) == ("message", "All is well.")
            await say(ws, t="command_ack", id=command["id"])
            with stack.db.write() as session:
                attempts.submit(session, session.get_one(Attempt, taker.id), clock.now())
            assert (await hear(ws, "command", 3))["action"] == "sync"
            assert await closing(ws) == 4011

    run(walk())
    with stack.db.read() as session:
        assert session.get_one(Attempt, taker.id).state == State.SUBMITTED


def test_bad_frames_are_refused_by_their_fault_and_the_log_holds_no_content(stack, taker):
    token = taker.ticket()
    payload = b"PAYLOAD-THAT-NOBODY-MAY-READ" * 4

    async def walk():
        async with socket(stack) as ws:
            await enter(ws, token)
            await ws.send(frame(7, payload=payload, crc=0))
            assert await hear(ws, "nack") == {"t": "nack", "seq": None, "code": "crc"}
            for _ in range(18):
                await ws.send(frame(7, payload=payload))
                assert await hear(ws, "nack") == {"t": "nack", "seq": 7, "code": "not-jpeg"}
            await ws.send(frame(7, payload=payload))
            assert await closing(ws) == 4008
        # And what a broken page might say in text.
        async with socket(stack) as ws:
            await ws.send(json.dumps({"t": "hello", "ticket": [NAME], "device": NAME}))
            assert await closing(ws) == 4000

    run(walk())
    until = time.monotonic() + 5
    while f'"attempt": {taker.id}' not in (log := stack.log.read_text()) and time.monotonic() < until:
        time.sleep(0.1)
    (line,) = [json.loads(line) for line in log.splitlines() if f'"attempt": {taker.id}' in line]
    assert (line["event"], line["code"], line["reason"]) == ("candidate.hang_up", 4008, "not-jpeg")
    for secret in (NAME, token, "PAYLOAD", DEVICE, stack.settings.secret.hex()):
        assert secret not in log


def test_the_health_page_answers_without_an_upgrade_and_nothing_else_does(stack):
    assert urllib.request.urlopen(stack.url + "/live/health", timeout=5).read() == b"ok\n"
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(stack.url + "/live/candidate", timeout=5)


# ------------------------------------------------------------ flags

CLIPS = Path(__file__).parent.parent.parent.parent / "shared" / "media" / "clips"


def pictures(*what):
    """Pictures of a camera with its noise, one a second: `("one", 5), ("two", 8)`. From the clips where they are, else from scikit-image's astronaut."""
    clips = {"one": "one_face_a", "two": "two_faces", "nobody": "no_face"}
    found, rng = [], np.random.default_rng(3)
    for kind, seconds in what:
        path = CLIPS / f"{clips[kind]}.mjpeg"
        if path.exists():
            frames = [b"\xff\xd8\xff" + one for one in path.read_bytes().split(b"\xff\xd8\xff")[1:]]
            images = [cv2.resize(cv2.imdecode(np.frombuffer(frames[n % 40], np.uint8), 1), (320, 240)) for n in range(seconds)]
        else:
            images = [drawn(kind, n) for n in range(seconds)]
        noisy = [np.clip(image + rng.normal(0, 1.5, (240, 320, 1)), 0, 255).astype(np.uint8) for image in images]
        found += [cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 70])[1].tobytes() for image in noisy]
    return found


def drawn(kind, n):
    from skimage.data import astronaut

    room, sway = np.full((240, 320, 3), 150, np.uint8), round(3 * np.sin(n))
    room[:40] = 90
    face = cv2.cvtColor(cv2.resize(astronaut()[:360, 80:380], (150, 180)), cv2.COLOR_RGB2BGR)
    for left, one in [(4 + sway, face), (164 - sway, face[:, ::-1])][: {"nobody": 0, "two": 2}.get(kind, 1)]:
        room[55:235, left : left + 150] = one
    return room


async def film(ws, stills, each=1.0):
    for seq, still in enumerate(stills, 1):
        began = time.monotonic()
        await ws.send(frame(seq, payload=still))
        assert (await hear(ws, "frame_ack"))["seq"] == seq
        if seq % 5 == 0:
            await say(ws, t="hb", at=seq)
        await asyncio.sleep(max(0.0, each - (time.monotonic() - began)))


def flags_of(stack, attempt_id, ready=lambda found: True, seconds=15):
    """The flags once `ready` likes them: what a picture amounts to is stored within a second or so."""
    until = time.monotonic() + seconds
    while True:
        with stack.db.read() as session:
            rows = session.scalars(select(Flag).where(Flag.attempt_id == attempt_id).order_by(Flag.began_at)).all()
            found = [(flag, sorted(one.place for one in flag.frames)) for flag in rows]
        if ready(found) or time.monotonic() > until:
            return found
        time.sleep(0.2)


def attempt_row(stack, attempt_id):
    with stack.db.read() as session:
        return tuple(session.execute(select(Attempt.__table__).where(Attempt.__table__.c.id == attempt_id)).one())


@pytest.fixture
def sighted(stack):
    """The stack once its vision workers can see."""
    until = time.monotonic() + 60
    while '"vision.ready"' not in stack.log.read_text():
        assert time.monotonic() < until, stack.log.read_text()[-2000:]
        time.sleep(0.2)
    return stack


@pytest.mark.parametrize(("kind", "signal", "ended"), [("two", "multiple_faces", False), ("nobody", "no_face", True)])
def test_what_the_camera_shows_becomes_a_flag_with_three_pictures_and_nothing_else(sighted, taker, kind, signal, ended):
    before = attempt_row(sighted, taker.id)

    async def walk():
        async with socket(sighted) as ws:
            await enter(ws, taker.ticket())
            await asyncio.sleep(0.5)
            await film(ws, pictures(("one", 8), (kind, 12), ("one", 10)) if ended else pictures(("one", 8), (kind, 18)))

    run(walk())
    # Who leaves ends what is open.
    found = flags_of(sighted, taker.id, lambda found: found and all(flag.ended_at for flag, _ in found))
    assert [(flag.signal, places, flag.outcome) for flag, places in found] == [(signal, ["after", "at", "before"], "open")]
    flag = found[0][0]
    assert 6 < (flag.ended_at - flag.began_at).total_seconds() < 20
    assert flag.began_at < flag.raised_at
    assert attempt_row(sighted, taker.id) == before
    with sighted.db.read() as session:
        wrapped = session.get_one(MediaKey, taker.id).wrapped
        store = Folder(sighted.settings.data / "objects")
        for one in session.scalars(select(FlagFrame).where(FlagFrame.flag_id == flag.id)):
            still = Vault(sighted.settings.vault_key, store).get(wrapped, one.object_name)
            assert hashlib.sha256(still).hexdigest() == one.sha256
            assert still not in store.get(one.object_name)
        assert session.get_one(VisionSettings, flag.settings_number).profile == LIVE.as_dict()


@pytest.mark.parametrize("why", ["people only", "paused", "handed in"])
def test_software_does_not_look_at_whoever_chose_people_alone_or_whose_clock_stands(sighted, taker, why):
    now = clock.now()
    with sighted.db.write() as session:
        if why == "people only":
            session.add(Consent(attempt_id=taker.id, kind="detectors", choice="people_only", text_version="1", locale="en", at=now))

    async def walk():
        async with socket(sighted) as ws:
            await enter(ws, taker.ticket())
            with sighted.db.write() as session:
                attempt = session.get_one(Attempt, taker.id)
                if why == "paused":
                    attempts.hold(session, attempt, attempts.Event.PAUSE, attempts.Who.PROCTOR, now, clock.now(), cause="proctor")
                if why == "handed in":
                    attempts.submit(session, attempt, clock.now())
            await asyncio.sleep(1.5)
            with contextlib.suppress(ConnectionClosed):
                await film(ws, pictures(("one", 3), ("nobody", 10)))

    run(walk())
    time.sleep(1)
    assert flags_of(sighted, taker.id) == []


def test_consoles_hear_of_a_flag_and_of_its_decision_and_the_candidate_hears_of_neither(sighted, taker, proctor):
    told = []

    async def walk():
        async with socket(sighted) as ws, socket(sighted, "/live/proctor", PROCTOR) as console:
            await enter(ws, taker.ticket())
            await say(console, t="hello", ticket=ticket(sighted, proctor, session_id=taker.session_id))
            await hear(console, "welcome")
            await say(console, t="subscribe", tiles=[], focus=taker.id)
            await hear(console, "snapshot")
            # Larger and faster for who is looked at alone; everything else that comes is kept.
            for seq, still in enumerate(pictures(("one", 3), ("two", 7)), 1):
                await ws.send(frame(seq, payload=still))
                while (message := json.loads(await ws.recv()))["t"] != "frame_ack":
                    told.append(message)
                await asyncio.sleep(1)

            async def row(wanted):
                """The row as wanted, once the console was told to look at it too: with the row, or with the next, where a round read it before its event."""
                shown = None
                async with asyncio.timeout(30):
                    while True:
                        delta = await hear(console, "delta")
                        shown = next((found for found in delta["rows"] if found["id"] == taker.id and wanted(found)), shown)
                        if shown is not None and taker.id in delta["touched"]:
                            return shown

            shown = await row(lambda found: found["open_flags"] == 1)
            assert shown["active_flags"] == [{"signal": "multiple_faces", "count": 2}]
            ((flag, _),) = flags_of(sighted, taker.id)
            began = time.monotonic()
            with sighted.db.write() as session:
                flag_service.decide(
                    session, session.get_one(Attempt, taker.id), session.get_one(Flag, flag.id), session.get_one(Person, proctor),
                    flag_service.Decision.DISMISS, str(uuid.uuid4()), "", clock.now(),
                )  # fmt: skip
            shown = await row(lambda found: found["open_flags"] == 0)
            assert shown["active_flags"] == []
            assert time.monotonic() - began < 5
            await say(ws, t="hb", at=9)
            while (message := json.loads(await ws.recv()))["t"] != "hb":
                told.append(message)

    run(walk())
    assert {(message["t"], message.get("action")) for message in told} <= {("command", "rate")}
    assert "flag" not in json.dumps(told)


def test_a_killed_live_ends_its_open_flags_where_they_were_last_seen_when_it_comes_back(sighted, taker):
    async def walk():
        async with socket(sighted) as ws:
            await enter(ws, taker.ticket())
            await film(ws, pictures(("one", 3), ("two", 7)))
            found = flags_of(sighted, taker.id, lambda found: found)
            assert [flag.ended_at for flag, _ in found] == [None]
            sighted.kill("live")

    with contextlib.suppress(ConnectionClosed):
        run(walk())
    ((flag, _),) = flags_of(sighted, taker.id, lambda found: found and found[0][0].ended_at, 30)
    assert flag.ended_at is not None
    assert flag.raised_at <= flag.ended_at <= clock.now() - timedelta(seconds=0.5)
    sighted.wait("/live/health")
