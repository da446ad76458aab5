"""The simulated candidates: their pictures, their journal, their reckoning of contact, and what the simulated proctor does when."""

import json
import random
import struct

import pytest

pytest.importorskip("aiohttp")

from testing_platform.delivery import pictures
from testing_platform.demo.client import MOST_EVENTS, Contact, Journal, Page, RawSaver, delay
from testing_platform.demo.crowd import ADMITTED_AFTER_ALL, VISITOR_PATIENCE, Proctor
from testing_platform.demo.figures import LOOP_SECONDS, Figure, Scene
from testing_platform.proctor import wire
from testing_platform.proctor.link import CALM, FOCUSED
from testing_platform.proctor.signals import LIVE, Raised, Watch
from testing_platform.proctor.vision import Eyes

# ------------------------------------------------------------ figures


@pytest.mark.parametrize("rate", [CALM, FOCUSED], ids=["calm", "focused"])
@pytest.mark.parametrize("seed", range(6))
def test_a_figure_is_a_still_within_the_bounds(seed, rate):
    still = Figure(seed).still(3, rate["width"], rate["height"])
    assert pictures.check_still(still) == (rate["width"], rate["height"])
    assert len(still) < (16_000 if rate is CALM else 60_000)


def test_figures_differ_by_seed_and_a_seed_gives_the_same_figure_again():
    assert len({Figure(seed).still(0) for seed in range(24)}) == 24
    assert Figure(7).still(5) == Figure(7).still(5)


def test_a_figure_moves_and_its_loop_has_no_seam():
    figure = Figure(3)
    assert len({figure.still(second) for second in range(12)}) > 8
    assert figure.still(2) == figure.still(2 + LOOP_SECONDS)
    ends, begins = figure.pose(LOOP_SECONDS - 1e-6), figure.pose(0)
    assert abs(ends.sway - begins.sway) < 0.01
    assert abs(ends.breath - begins.breath) < 0.01


def test_a_figure_blinks_on_a_picture_that_is_shown_once_a_second():
    assert any(Figure(4).pose(second).eyes < 0.2 for second in range(LOOP_SECONDS))


def test_a_still_travels_under_the_header_of_the_protocol():
    still = Figure(1).still(0)
    data = wire.Frame(wire.LIVE_STILL, 0, 3, 17, 1766400000000, still).pack()
    assert struct.unpack_from("!BBBBHHIIQI", data) == (0x54, 1, 1, 0, 0, 0, 3, 17, 1766400000000, len(still))
    assert wire.unpack(data).payload == still


# ------------------------------------------------------------ journal


def journal_with(count):
    journal = Journal()
    for slot in range(1, count + 1):
        journal.note(slot, "answered", "b")
    return journal


def test_a_journal_counts_from_one_and_keeps_what_is_not_acknowledged():
    journal = journal_with(3)
    assert [event["seq"] for event in journal.batch()] == [1, 2, 3]
    assert journal.answered(journal.batch()[:2], {"acked": 2, "gaps": []}) == []
    assert [event["seq"] for event in journal.batch()] == [3]


def test_a_batch_has_at_most_a_hundred_events_and_the_oldest_go_first():
    journal = journal_with(130)
    assert [event["seq"] for event in journal.batch()] == list(range(1, MOST_EVENTS + 1))


def test_what_lies_in_a_gap_is_sent_again():
    journal = journal_with(5)
    journal.answered([journal.waiting[4], journal.waiting[5]], {"acked": 1, "gaps": [[2, 3]]})
    assert [event["seq"] for event in journal.batch()] == [2, 3]


def test_a_refused_event_is_dropped_and_holds_up_nothing():
    journal = journal_with(3)
    reply = {"acked": 1, "gaps": [[2, 2]], "refused": [{"seq": 2, "why": "unknown-option"}]}
    assert journal.answered(journal.batch(), reply) == [2]
    assert journal.batch() == []
    journal.note(9, "flagged")
    journal.answered(journal.batch(), {"acked": 1, "gaps": [[2, 2]]})
    assert journal.batch() == []


def test_a_lost_reply_changes_nothing_when_the_events_are_sent_again():
    journal = journal_with(2)
    first = json.dumps(journal.batch())
    assert json.dumps(journal.batch()) == first


@pytest.mark.parametrize(("failures", "least", "most"), [(1, 0.25, 0.5), (2, 0.5, 1), (4, 2, 4), (20, 7.5, 15)])
def test_the_pause_doubles_to_a_bound_and_is_spread(failures, least, most):
    chance = random.Random(1)
    pauses = [delay(failures, chance) for _ in range(50)]
    assert all(least <= pause <= most for pause in pauses)
    assert len(set(pauses)) > 40


def test_the_pause_is_never_shorter_than_the_server_asked():
    assert delay(1, random.Random(1), retry_after=2) == 2


# ------------------------------------------------------------ contact


def test_contact_takes_the_offset_of_the_shortest_exchange():
    contact = Contact()
    contact.heard(10_000, sent=0, received=400)
    contact.heard(10_500, sent=500, received=520)
    contact.heard(11_000, sent=600, received=1_800)
    assert contact.offset == 10_500 - 510


def test_the_questions_are_covered_at_the_patience_after_the_newest_word_of_the_server():
    contact = Contact(patience=20_000)
    assert contact.covered_at(5) is None
    contact.heard(100_000, sent=0, received=0)
    contact.heard(99_000, sent=0, received=1)  # a late reply takes nothing back
    assert contact.covered_at(19_999) is None
    assert contact.covered_at(20_000) == 120_000
    assert contact.covered_at(50_000) == 120_000


# ------------------------------------------------------------ pages


def test_a_page_gives_its_token_forms_and_data():
    page = Page("""<meta name="csrf-token" content="abc"><a href="/candidate/attempts/5/waiting">Go on</a>
        <form method="post"><input type="hidden" name="csrf_token" value="abc"><input type="radio" name="consent-detectors" value="allow">
        <input type="radio" name="consent-detectors" value="people_only"></form>
        <script type="application/json" id="player">{"attempt": 5, "less": "\\u003c"}</script>""")
    assert page.csrf == "abc"
    assert page.links == ["/candidate/attempts/5/waiting"]
    assert page.forms[0].choices == {"consent-detectors": ["allow", "people_only"]}
    assert page.forms[0].fields == {"csrf_token": "abc"}
    assert page.data["player"] == {"attempt": 5, "less": "<"}


class Wire:
    def __init__(self):
        self.written = b""

    def write(self, data):
        self.written = data


def test_the_raw_saver_writes_requests_of_one_length_and_reads_replies_in_pieces():
    replies = []
    saver = RawSaver(lambda _, status, body: replies.append((status, body)))
    saver.transport = Wire()
    saver.prepare("/api/attempts/5/responses", "localhost:8000", "5.1.9.x", "device-1")
    lengths = set()
    for seq in (1, 250, 99_999):
        saver.save(seq, 4)
        head, _, body = saver.transport.written.partition(b"\r\n\r\n")
        assert f"Content-Length: {len(body)}".encode() in head
        assert json.loads(body)["events"] == [{"seq": seq, "slot": 4, "option": "b", "state": "answered", "elapsed_ms": 8120}]
        lengths.add(len(body))
    assert len(lengths) == 1
    reply = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{"acked":1}'
    for at in range(0, len(reply), 7):
        saver.data_received(reply[at : at + 7])
    assert replies == [(200, b'{"acked":1}')]


# ------------------------------------------------------------ the simulated proctor


def row(number, state="awaiting", waiting_since=0, unread=0):
    return {"id": number, "state": state, "waiting_since": waiting_since, "unread": unread, "version": 1, "link": "online"}


@pytest.fixture
def proctor():
    return Proctor(None, lambda: {1, 2, 3, 4, 5}, left_waiting=2, chance=random.Random(1))


def acts(proctor, rows, now):
    return [(attempt, act) for attempt, act, _ in proctor.due(rows, now)]


def test_most_are_admitted_and_the_first_of_the_queue_are_left_for_the_visitor(proctor):
    queue = [row(number, waiting_since=number) for number in range(1, 6)]
    assert acts(proctor, queue, now=0) == []
    assert acts(proctor, queue, now=10) == [(3, "admit"), (4, "admit"), (5, "admit")]
    assert acts(proctor, queue, now=ADMITTED_AFTER_ALL) == [(number, "admit") for number in range(1, 6)]


def test_a_visitor_is_left_to_the_visitor_for_a_while(proctor):
    visitor = [row(9)]
    assert acts(proctor, visitor, now=0) == acts(proctor, visitor, now=VISITOR_PATIENCE - 1) == []
    assert acts(proctor, visitor, now=VISITOR_PATIENCE) == [(9, "admit")]


def test_who_waits_is_resumed_and_who_asks_is_answered(proctor):
    rows = [row(1, "awaiting_resume"), row(2, "in_progress", unread=1)]
    acts(proctor, rows, now=0)
    assert acts(proctor, rows, now=20) == [(1, "resume"), (2, "message")]


def test_only_a_pause_of_its_own_is_ended_by_the_simulated_proctor(proctor):
    rows = [row(1, "paused_proctor"), row(2, "paused_proctor")]
    proctor.paused.add(2)
    acts(proctor, rows, now=0)
    assert acts(proctor, rows, now=60) == [(2, "resume")]


# ------------------------------------------------------------ what the detectors make of them


@pytest.mark.parametrize("seed", [1, 4, 8, 14])
@pytest.mark.parametrize(("scene", "signal"), [(Scene.ALONE, None), (Scene.AWAY, "no_face"), (Scene.VISITED, "multiple_faces")])
def test_the_detectors_see_a_figure_as_a_person_and_flag_only_what_is_staged(seed, scene, signal):
    eyes, watch, figure, raised = Eyes(), Watch(LIVE), Figure(seed), []
    for second in range(60):
        still = figure.still(second, scene=scene if 20 <= second < 32 else Scene.ALONE)
        raised += [one.signal for one in watch.see(eyes.look(still), float(second)) if isinstance(one, Raised)]
    assert raised == ([signal] if signal else [])
