"""Both ends of the live protocol, without a socket: messages and time in, deeds out."""

import json
import struct
import zlib
from datetime import timedelta

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as how
from hypothesis import strategies as st

from testing_platform.clock import from_ms, to_ms
from testing_platform.proctor import link, wire
from testing_platform.proctor.link import CREDITS, Applied, CandidateLink, ConsoleLink, HangUp, Heard, Keep, Noted, Prove, Say, Show, Watch
from testing_platform.proctor.wire import Frame
from tests.make import NOON

# A busy machine is no fault of the code.
relaxed = how(deadline=None, suppress_health_check=[HealthCheck.too_slow])
SECOND = timedelta(seconds=1)
AT = to_ms(NOON)


def jpeg(width: int = 32, height: int = 24) -> bytes:
    return cv2.imencode(".jpg", np.full((height, width, 3), 120, np.uint8))[1].tobytes()


STILL = jpeg()


def frame(seq: int = 1, kind: int = wire.LIVE_STILL, payload: bytes = STILL, **more) -> Frame:
    return Frame(kind=kind, stream=0, epoch=1, seq=seq, capture_ms=AT, payload=payload, **more)


def text(one, now=NOON, **message):
    return one.text(json.dumps(message), now)


@pytest.fixture
def fresh():
    return CandidateLink(NOON)


@pytest.fixture
def candidate(fresh):
    text(fresh, t="hello", ticket="one", device="browser-1")
    fresh.welcome(3, 0, NOON)
    return fresh


NOT_MESSAGES = [
    "",
    "hello",
    "{",
    "null",
    "[]",
    "[" * 100_000,
    '{"t":' * 50_000,
    '"t"',
    "7",
    "{}",
    '{"t": 7}',
    '{"t": null}',
    '{"n": 1}',
    '{"t": ["hb"]}',
    "1" * 10_000,
]


# ------------------------------------------------------------ hello


def test_hello_is_proven_and_then_welcomed(fresh):
    assert text(fresh, t="hello", ticket="one", device="browser-1", event=4) == [Prove("one", "browser-1", 4)]
    (welcome,) = fresh.welcome(3, 4, NOON)
    assert welcome.message == {
        "t": "welcome", "server_now": AT, "event": 4, "stream": {"epoch": 3},
        "policy": {"fps": 1, "width": 320, "height": 240, "quality": 0.6, "evidence_seconds": 30, "heartbeat_seconds": 10, "still_bytes": 200_000},
    }  # fmt: skip


@pytest.mark.parametrize("one", [CandidateLink(NOON), ConsoleLink(NOON)], ids=["candidate", "console"])
@pytest.mark.parametrize(
    "first",
    [*NOT_MESSAGES, '{"t": "hb", "at": 1}', '{"t": "hello"}', '{"t": "hello", "ticket": 7}', '{"t": "hello", "ticket": null}'],
    ids=lambda text: text[:20],
)
def test_whatever_comes_before_hello_ends_the_connection(one, first):
    (deed,) = one.text(first, NOON)
    assert isinstance(deed, HangUp)
    assert deed.code == link.PROTOCOL
    assert not one.welcomed


def test_a_picture_before_hello_ends_the_connection(fresh):
    assert fresh.binary(frame().pack(), NOON) == [HangUp(link.PROTOCOL, "hello first")]


@pytest.mark.parametrize("one", [CandidateLink, ConsoleLink])
def test_hello_comes_within_ten_seconds(one):
    waiting = one(NOON)
    assert waiting.tick(NOON + 9.9 * SECOND) == []
    assert waiting.tick(NOON + 10 * SECOND) == [HangUp(link.PROTOCOL, "no hello")]
    waiting.welcomed = True
    assert waiting.tick(NOON + timedelta(hours=3)) == []


@pytest.mark.parametrize(
    ("said", "proven"),
    [
        ({"ticket": "x" * 5000, "device": "d" * 500}, Prove("x" * 200, "d" * 64, 0)),
        ({"ticket": "x"}, Prove("x", "", 0)),
        ({"ticket": "x", "event": "many"}, Prove("x", "", 0)),
        ({"ticket": "x", "event": -3}, Prove("x", "", 0)),
        ({"ticket": "x", "event": True}, Prove("x", "", 0)),
    ],
)
def test_what_hello_says_is_cut_to_its_bounds(fresh, said, proven):
    assert text(fresh, t="hello", **said) == [proven]


# ------------------------------------------------------------ a candidate's text


@pytest.mark.parametrize("message", NOT_MESSAGES, ids=lambda text: text[:20])
def test_what_is_no_message_ends_the_connection(candidate, message):
    assert candidate.text(message, NOON) == [HangUp(link.PROTOCOL, "not a message")]


@pytest.mark.parametrize(
    ("said", "deeds"),
    [
        ({"t": "hb", "at": 5, "waiting": 2}, [Heard(5, 2)]),
        ({"t": "hb", "at": 5}, [Heard(5, 0)]),
        ({"t": "hb", "at": 5, "waiting": "many"}, [Heard(5, 0)]),
        ({"t": "hb"}, [HangUp(link.PROTOCOL, "hb")]),
        ({"t": "hb", "at": "now"}, [HangUp(link.PROTOCOL, "hb")]),
        ({"t": "hb", "at": True}, [HangUp(link.PROTOCOL, "hb")]),
        ({"t": "hb", "at": -1}, [HangUp(link.PROTOCOL, "hb")]),
        ({"t": "hb", "at": 2**60}, [HangUp(link.PROTOCOL, "hb")]),
        ({"t": "command_ack", "id": 7}, [Applied(7)]),
        ({"t": "command_ack", "id": "7"}, []),
        ({"t": "hello", "ticket": "again"}, []),
        ({"t": "of a later version", "x": 1}, []),
        ({"t": "event"}, [HangUp(link.PROTOCOL, "event")]),
        ({"t": "event", "n": "1", "at": AT, "kind": "copy"}, [HangUp(link.PROTOCOL, "event")]),
        ({"t": "event", "n": 1, "at": None, "kind": "copy"}, [HangUp(link.PROTOCOL, "event")]),
        ({"t": "event", "n": 2**31, "at": AT, "kind": "copy"}, [HangUp(link.PROTOCOL, "event")]),
        ({"t": "event", "n": 1, "at": 2**53, "kind": "copy"}, [HangUp(link.PROTOCOL, "event time")]),
        ({"t": "event", "n": 1, "at": AT, "kind": "copy"}, [Noted(1, "copy", NOON, {})]),
        ({"t": "event", "n": 1, "at": AT, "kind": "copy", "data": [1]}, [Noted(1, "copy", NOON, {})]),
        (
            {"t": "event", "n": 1, "at": AT, "kind": "visibility", "data": {"state": "hidden"}},
            [Noted(1, "visibility", NOON, {"state": "hidden"})],
        ),
    ],
    ids=lambda said: str(said)[:70],
)
def test_what_a_candidate_may_say(candidate, said, deeds):
    assert text(candidate, **said) == deeds


def test_numbers_that_are_none_are_refused(candidate):
    for number in ("NaN", "Infinity", "-Infinity", "1e999", "9" * 400):
        assert candidate.text(f'{{"t": "hb", "at": {number}}}', NOON) == [HangUp(link.PROTOCOL, "hb")]


def test_a_heartbeat_is_answered_once_it_is_stored(candidate):
    assert text(candidate, t="hb", at=5) == [Heard(5, 0)]
    assert candidate.contact_stored(5, NOON + SECOND) == [Say({"t": "hb", "at": 5, "server_now": AT + 1000})]


# ------------------------------------------------------------ what the page notices


def event(n, kind="focus_lost", **data):
    return {"t": "event", "n": n, "at": AT, "kind": kind, "data": data}


def ack(up_to):
    return [Say({"t": "event_ack", "up_to": up_to})]


@pytest.mark.parametrize("kind", sorted(link.PAGE_EVENTS))
def test_each_known_kind_is_noted_and_acknowledged_after_it_is_stored(candidate, kind):
    assert text(candidate, **event(1, kind)) == [Noted(1, kind, from_ms(AT), {})]
    assert candidate.event_stored(1) == ack(1)


def test_a_repeat_is_acknowledged_and_noted_once(candidate):
    text(candidate, **event(1))
    candidate.event_stored(1)
    assert text(candidate, **event(1)) == ack(1)


def test_a_repeat_of_what_is_not_stored_yet_is_not_acknowledged(candidate):
    text(candidate, **event(1))
    assert text(candidate, **event(1)) == ack(0)


def test_what_an_earlier_connection_stored_is_not_noted_again(fresh):
    text(fresh, t="hello", ticket="one", device="browser-1", event=7)
    fresh.welcome(2, 7, NOON)
    assert text(fresh, **event(7)) == ack(7)
    assert text(fresh, **event(8)) == [Noted(8, "focus_lost", NOON, {})]


@pytest.mark.parametrize("kind", ["", "hacked", "attempt.submit", None, 7, ["copy"], {"copy": 1}])
def test_an_unknown_kind_is_acknowledged_and_dropped(candidate, kind):
    assert text(candidate, **event(1) | {"kind": kind}) == ack(1)


def test_an_unknown_kind_does_not_acknowledge_what_is_not_stored_yet(candidate):
    text(candidate, **event(1))
    said = text(candidate, **event(2, "of a later version"))
    assert all(deed.message["up_to"] < 1 for deed in said)


def test_an_event_that_could_not_be_stored_is_not_acknowledged_by_the_next(candidate):
    text(candidate, **event(1))
    text(candidate, **event(2))
    assert candidate.event_stored(2) == ack(0)


def test_what_a_page_says_of_an_event_is_kept_small(candidate):
    data = {f"k{n}": n for n in range(50)} | {"text": "x" * 41, "list": [1], "object": {}, "nothing": None}
    (noted,) = text(candidate, **event(1, **data))
    assert noted.facts == {f"k{n}": n for n in range(8)}
    (noted,) = text(candidate, **event(2, **{"x" * 100_000: 1}))
    assert len(str(noted.facts)) < 1000


# ------------------------------------------------------------ pictures


def test_a_live_still_is_shown_and_its_credit_given_back(candidate):
    assert candidate.binary(frame(9).pack(), NOON) == [Show(frame(9)), Say({"t": "frame_ack", "seq": 9})]


def test_an_evidence_still_is_acknowledged_after_it_is_stored_alone(candidate):
    still = frame(9, wire.EVIDENCE_STILL)
    assert candidate.binary(still.pack(), NOON) == [Keep(still)]
    assert candidate.still_stored(still, "ab") == [Say({"t": "chunk_ack", "stream": 0, "epoch": 1, "seq": 9, "sha256": "ab"})]


def header(magic=wire.MAGIC, version=wire.VERSION, kind=wire.LIVE_STILL, payload=STILL, length=None, crc=None):
    return (
        wire.HEADER.pack(
            magic, version, kind, 0, 0, 0, 1, 9, AT, len(payload) if length is None else length, zlib.crc32(payload) if crc is None else crc
        )
        + payload
    )


def with_size(width, height):
    """A small JPEG whose own header claims this size."""
    at = STILL.index(b"\xff\xc0")
    return STILL[: at + 5] + struct.pack(">HH", height, width) + STILL[at + 9 :]


BAD_FRAMES = [
    (b"", None, "short"),
    (b"T" * 31, None, "short"),
    (header(magic=0x55), None, "magic"),
    (header(version=2), None, "magic"),
    (header(length=len(STILL) - 1), None, "length"),
    (header(length=2**32 - 1), None, "length"),
    (header() + b"x", None, "length"),
    (header()[:-1], None, "length"),
    (header(crc=0), None, "crc"),
    (header()[:-1] + b"\x00", None, "crc"),
    (header(payload=b""), 9, "not-jpeg"),
    (header(payload=b"GIF89a" + b"x" * 50), 9, "not-jpeg"),
    (header(payload=b"<script>alert(1)</script>"), 9, "not-jpeg"),
    (header(payload=STILL[:-40]), 9, "not-jpeg"),
    (header(payload=b"\xff\xd8\xff\xd9"), 9, "no-frame-header"),
    (header(payload=with_size(1281, 960)), 9, "size"),
    (header(payload=with_size(1280, 961)), 9, "size"),
    (header(payload=with_size(65535, 65535)), 9, "size"),
    (header(payload=with_size(0, 0)), 9, "size"),
    (header(payload=STILL[:-2] + b"\x00" * 200_000 + b"\xff\xd9"), 9, "too-many-bytes"),
    (header(kind=0), 9, "kind"),
    (header(kind=3), 9, "kind"),
    (header(kind=255), 9, "kind"),
]


@pytest.mark.parametrize(("data", "seq", "why"), BAD_FRAMES, ids=[f"{n}-{bad[2]}" for n, bad in enumerate(BAD_FRAMES)])
def test_a_bad_frame_is_refused_by_its_fault_and_never_by_its_content(candidate, data, seq, why):
    assert candidate.binary(data, NOON) == [Say({"t": "nack", "seq": seq, "code": why})]


@pytest.mark.parametrize(("width", "height"), [(1280, 960), (640, 480), (16, 16)])
def test_a_still_of_an_allowed_size_is_taken(candidate, width, height):
    assert isinstance(candidate.binary(header(payload=with_size(width, height)), NOON)[0], Show)


def test_the_twentieth_bad_frame_ends_the_connection(candidate):
    for _ in range(19):
        assert isinstance(candidate.binary(b"noise", NOON)[0], Say)
    candidate.binary(frame().pack(), NOON)
    assert candidate.binary(b"noise", NOON) == [HangUp(link.OVER_BOUNDS, "short")]


@relaxed
@given(st.binary(max_size=200))
def test_no_bytes_break_the_link(data):
    one = CandidateLink(NOON, welcomed=True)
    assert all(isinstance(deed, Say | Show | Keep | HangUp) for deed in one.binary(data, NOON))
    assert all(isinstance(deed, Say | Show | Keep | HangUp) for deed in one.binary(header(payload=data), NOON))


FIELDS = ["t", "n", "at", "kind", "data", "id", "tiles", "focus", "ticket"]
VALUES = st.one_of(
    st.sampled_from(
        [None, True, 0, 1, -1, 2**31, 2**64, 1e300, float("nan"), "", "x", "\ud800", "hb", "event", "copy", "subscribe", "credit", "all"]
    ),
    st.sampled_from([[], [1], ["x"], [[]], {}, {"x": 1}, {"x": []}, [None], [{}]]),
)


@relaxed
@given(st.dictionaries(st.sampled_from(FIELDS), VALUES))
def test_no_words_break_a_link(message):
    for one in (CandidateLink(NOON, welcomed=True), ConsoleLink(NOON, welcomed=True), CandidateLink(NOON), ConsoleLink(NOON)):
        assert isinstance(one.text(json.dumps(message), NOON), list)


def test_a_frame_survives_its_way():
    sent = frame(2**32 - 1, payload=STILL, tile=7, flags=1)
    assert wire.unpack(sent.pack()) == sent
    assert wire.unpack(sent.pack(9)).tile == 9
    assert len(sent.pack()) == 32 + len(STILL)


# ------------------------------------------------------------ commands


def test_a_command_reaches_a_page_that_was_welcomed(fresh, candidate):
    assert candidate.command(5, "sync", {}) == [Say({"t": "command", "id": 5, "action": "sync", "data": {}})]
    assert CandidateLink(NOON).command(5, "sync", {}) == []


# ------------------------------------------------------------ a proctor's console


@pytest.fixture
def console():
    found = ConsoleLink(NOON)
    found.welcome(NOON)
    found.number([11, 12, 13])
    text(found, t="subscribe", tiles="all")
    return found


def sent(console):
    """Every frame that goes out now, as (tile, seq)."""
    found = []
    while (data := console.take()) is not None:
        one = wire.unpack(data)
        found.append((one.tile, one.seq))
    return found


def test_a_console_is_welcomed_with_its_credits():
    one = ConsoleLink(NOON)
    assert text(one, t="hello", ticket="one") == [Prove("one", "", 0)]
    assert one.welcome(NOON) == [Say({"t": "welcome", "server_now": AT, "credits": 4})]
    assert text(one, t="hb") == [Say({"t": "hb", "server_now": AT})]


@pytest.mark.parametrize(
    ("said", "watch"),
    [
        ({"tiles": "all"}, Watch(None, None)),
        ({"tiles": "all", "focus": 12}, Watch(None, 12)),
        ({"tiles": [11, 12]}, Watch(frozenset({11, 12}), None)),
        ({"tiles": []}, Watch(frozenset(), None)),
        ({"tiles": [], "focus": "12"}, Watch(frozenset(), None)),
        ({"tiles": [], "focus": True}, Watch(frozenset(), None)),
    ],
)
def test_subscribe(console, said, watch):
    assert text(console, t="subscribe", **said) == [watch]


@pytest.mark.parametrize("tiles", [None, "some", 11, {"11": 1}, ["11"], [None], list(range(501))], ids=lambda tiles: str(tiles)[:20])
def test_a_subscription_that_is_none_ends_the_connection(console, tiles):
    assert text(console, t="subscribe", tiles=tiles) == [HangUp(link.PROTOCOL, "subscribe")]


def test_at_most_four_frames_are_on_their_way_and_each_credit_sends_one_more(console):
    console.number(range(20, 30))
    for attempt in range(20, 30):
        console.offer(attempt, frame(attempt))
    assert len(sent(console)) == CREDITS
    text(console, t="credit", n=1)
    assert len(sent(console)) == 1
    text(console, t="credit", n=2)
    assert len(sent(console)) == 2


@pytest.mark.parametrize("n", [0, -1, 5, 10**9, "4", None, True, [4]])
def test_a_credit_that_is_none_gives_nothing(console, n):
    console.credits = 0
    text(console, t="credit", n=n)
    assert console.credits == 0


def test_the_newest_frame_of_a_tile_wins_and_keeps_its_turn(console):
    console.credits = 0
    for attempt, seq in [(11, 1), (12, 1), (11, 2), (11, 3), (12, 2)]:
        assert not console.offer(attempt, frame(seq))
    text(console, t="credit", n=4)
    assert sent(console) == [(1, 3), (2, 2)]


def test_the_focused_candidate_goes_first(console):
    text(console, t="subscribe", tiles="all", focus=13)
    console.credits = 0
    for attempt in (11, 12, 13):
        console.offer(attempt, frame(attempt))
    text(console, t="credit", n=4)
    assert sent(console) == [(3, 13), (1, 11), (2, 12)]


def test_a_tile_that_is_not_subscribed_is_not_sent(console):
    text(console, t="subscribe", tiles=[11], focus=13)
    taken = [console.offer(attempt, frame(attempt)) for attempt in (11, 12, 13, 99)]
    assert taken == [True, False, True, False]
    assert sent(console) == [(3, 13), (1, 11)]


def test_what_waits_for_a_tile_that_was_given_up_is_dropped(console):
    console.credits = 0
    for attempt in (11, 12):
        console.offer(attempt, frame(attempt))
    text(console, t="subscribe", tiles=[12])
    text(console, t="credit", n=4)
    assert sent(console) == [(2, 12)]


def test_nothing_is_sent_before_the_first_subscription():
    one = ConsoleLink(NOON)
    one.welcome(NOON)
    one.number([11])
    assert not one.offer(11, frame())
    assert sent(one) == []


def test_a_tile_keeps_its_number(console):
    assert console.number([13, 14, 11]) == {11: 1, 12: 2, 13: 3, 14: 4}


STEPS = st.lists(
    st.tuples(st.just("offer"), st.sampled_from([11, 12, 13])) | st.tuples(st.just("send"), st.integers(1, 5))
    | st.tuples(st.just("draw"), st.integers(1, 4)) | st.tuples(st.just("focus"), st.sampled_from([None, 11, 13])),
    max_size=60,
)  # fmt: skip


@relaxed
@given(STEPS)
def test_whatever_happens_four_frames_at_most_are_on_their_way_and_none_goes_back_in_time(steps):
    one = ConsoleLink(NOON)
    one.welcome(NOON)
    one.number([11, 12, 13])
    text(one, t="subscribe", tiles="all")
    on_their_way, seq, newest = 0, 0, {}
    for what, value in steps:
        if what == "offer":
            seq += 1
            one.offer(value, frame(seq))
        elif what == "send":
            for _ in range(value):
                if (data := one.take()) is not None:
                    on_their_way += 1
                    found = wire.unpack(data)
                    assert found.seq > newest.get(found.tile, 0)
                    newest[found.tile] = found.seq
        elif what == "draw":
            drawn = min(value, on_their_way)
            on_their_way -= drawn
            text(one, t="credit", n=drawn)
        else:
            text(one, t="subscribe", tiles="all", focus=value)
        assert on_their_way <= CREDITS
        assert on_their_way + one.credits == CREDITS
    # Once everything is drawn, what is newest of each tile goes out.
    text(one, t="credit", n=on_their_way)
    waiting = dict(one.ready)
    assert len(sent(one)) == len(waiting) <= 3
