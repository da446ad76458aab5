"""What becomes of signals: the flag, its three pictures, its end; and that nothing but a person decides it."""

import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from flask_babel import Babel
from sqlalchemy import inspect, select

from testing_platform import clock, errors
from testing_platform.accounts.rules import Role
from testing_platform.audit.models import AuditEntry
from testing_platform.bus import Event
from testing_platform.delivery.models import Attempt, Consent, MediaKey, Response, TimeEntry
from testing_platform.delivery.rules import State
from testing_platform.proctor import flag_service, flags, queries
from testing_platform.proctor.flag_service import Decision, Frame
from testing_platform.proctor.flags import Begun, Ended, Followed, Noticing
from testing_platform.proctor.models import Flag, FlagFrame, VisionSettings
from testing_platform.proctor.signals import LIVE, Cleared, Raised, Signal
from testing_platform.settings import FaultySetting
from testing_platform.storage import Folder, Vault
from tests import make
from tests.make import NOON

SECOND = timedelta(seconds=1)
ZONE = ZoneInfo("America/Los_Angeles")


# ------------------------------------------------------------ from signals to flags


@dataclass
class Told:
    """A watch that says at each picture what it was told to say; each instant in seconds after noon."""

    says: dict[int, list] = field(default_factory=dict)
    silences: list = field(default_factory=list)

    def see(self, observation, at):
        return self.says.get(round(at - NOON.timestamp()), [])

    def silence(self, at):
        self.silences.append(at)
        return self.says.get(-1, [])

    def close(self, at):
        return [Cleared(Signal.NO_FACE, NOON.timestamp() + 4, at, 0.0)]


def second(number):
    return NOON.timestamp() + number


def raised(at, signal=Signal.NO_FACE, peak=0.0):
    return Raised(signal, second(at), peak)


def cleared(start, end, signal=Signal.NO_FACE, peak=0.0):
    return Cleared(signal, second(start), second(end), peak)


def watched(says, until, noticing=None):
    """A picture each second; what came of each, by its second."""
    noticing = noticing or Noticing(Told(says))
    found = {}
    for n in range(until + 1):
        if deeds := noticing.see(None, NOON + n * SECOND, b"picture %d" % n):
            found[n] = deeds
    return found


def test_a_flag_has_the_last_picture_before_it_began_the_one_at_it_and_the_first_after_its_end():
    found = watched({8: [raised(4)], 12: [cleared(4, 11)]}, 20)
    assert sorted(found) == [8, 12]
    (begun,) = found[8]
    assert (begun.signal, begun.began_at, begun.raised_at) == (Signal.NO_FACE, NOON + 4 * SECOND, NOON + 8 * SECOND)
    assert {place: one.jpeg for place, one in begun.pictures.items()} == {"before": b"picture 3", "at": b"picture 8"}
    ended, followed = found[12]
    assert (ended.began_at, ended.ended_at) == (NOON + 4 * SECOND, NOON + 11 * SECOND)
    assert followed.picture.jpeg == b"picture 12"


def test_a_flag_that_lasts_gets_its_third_picture_all_the_same_and_only_one():
    found = watched({8: [raised(4)], 40: [cleared(4, 39)]}, 50)
    assert [type(deed) for n in sorted(found) for deed in found[n]] == [Begun, Followed, Ended]
    assert found[18][0].picture.jpeg == b"picture 18"


def test_a_flag_at_the_very_first_picture_has_none_before_it():
    (begun,) = watched({0: [raised(0)]}, 0)[0]
    assert set(begun.pictures) == {"at"}


def test_two_signals_at_once_are_two_flags_and_one_ends_without_the_other():
    says = {5: [raised(3, Signal.CAMERA_COVERED), raised(3)], 7: [cleared(3, 7, Signal.CAMERA_COVERED)]}
    found = watched(says, 8)
    assert [deed.signal for deed in found[5]] == [Signal.CAMERA_COVERED, Signal.NO_FACE]
    assert [(type(deed), deed.signal) for deed in found[7]] == [(Ended, Signal.CAMERA_COVERED), (Followed, Signal.CAMERA_COVERED)]


def test_what_a_gap_in_the_pictures_ends_has_its_third_picture_when_they_come_again():
    noticing = Noticing(Told({5: [raised(3)], -1: [cleared(3, 6)]}))
    watched(None, 6, noticing)
    assert [type(deed) for deed in noticing.wait(NOON + 11 * SECOND)] == [Ended]
    assert noticing.wait(NOON + 12 * SECOND) == []
    assert noticing.watch.silences == [second(11), second(12)]
    (followed,) = noticing.see(None, NOON + 30 * SECOND, b"again")
    assert (type(followed), followed.picture.jpeg) == (Followed, b"again")


def test_before_the_first_picture_there_is_nothing_to_be_silent_about():
    noticing = Noticing(Told())
    assert noticing.wait(NOON + 3600 * SECOND) == []
    assert noticing.leave() == []


def test_who_leaves_ends_what_is_open_with_the_last_picture_that_was_looked_at():
    noticing = Noticing(Told({8: [raised(4)]}))
    watched(None, 9, noticing)
    (ended,) = noticing.leave()
    assert (ended.began_at, ended.ended_at) == (NOON + 4 * SECOND, NOON + 9 * SECOND)
    # And who comes back begins anew: nothing of before is the picture before or after something.
    noticing.watch.says = {60: [raised(60)]}
    (begun,) = noticing.see(None, NOON + 60 * SECOND, b"back")
    assert set(begun.pictures) == {"at"}


def test_of_an_hour_of_pictures_a_handful_is_held_in_memory():
    noticing = Noticing(Told())
    watched(None, 3600, noticing)
    assert len(noticing.recent) <= flags.MOST_REMEMBERED
    for n in range(400):  # and of a camera that someone looks at closely
        noticing.see(None, NOON + timedelta(hours=2, milliseconds=200 * n), b"x")
    assert len(noticing.recent) <= flags.MOST_REMEMBERED


# ------------------------------------------------------------ the numbers in use


def test_the_numbers_in_use_are_stored_once_for_each_content(session):
    other = flags.Profile.from_dict(LIVE.as_dict() | {"name": "other"})
    assert [flag_service.keep_settings(session, used, NOON) for used in (LIVE, LIVE, other, LIVE)] == [1, 1, 2, 1]
    stored = session.get_one(VisionSettings, 1)
    assert flags.Profile.from_dict(stored.profile) == LIVE
    assert stored.digest == flags.digest(LIVE)


def test_a_file_changes_single_numbers_and_a_bad_one_says_which_setting_is_wrong(tmp_path):
    good, bad = tmp_path / "good.toml", tmp_path / "bad.toml"
    good.write_text('name = "ours"\n')
    bad.write_text("no toml at all")
    assert flags.profile(good).as_dict() == LIVE.as_dict() | {"name": "ours"}
    for file in (bad, tmp_path / "none.toml"):
        with pytest.raises(FaultySetting, match="vision_file"):
            flags.profile(file)


# ------------------------------------------------------------ in the database


def frame(place, at=NOON):
    return Frame(place, at, f"attempts/1/flag-{place}", "ab" * 32, 4)


def begun(at=0, signal=Signal.MULTIPLE_FACES, peak=2.0):
    return Begun(signal, NOON + at * SECOND, NOON + (at + 3) * SECOND, peak)


@pytest.fixture
def number(session):
    return flag_service.keep_settings(session, LIVE, NOON)


@pytest.fixture
def attempt(session):
    return make.attempt(session)


def flagged(session, attempt, number, what=None):
    what = what or begun()
    flag_service.raise_flag(session, attempt.id, attempt.session_id, what, [frame("before"), frame("at")], number, NOON)
    return flag_service.find(session, attempt.id, what.signal, what.began_at)


def everything(session, attempt):
    """The attempt's row and all that its clock and its score are made of."""
    session.flush()
    row = session.execute(select(Attempt.__table__).where(Attempt.__table__.c.id == attempt.id)).one()
    parts = [
        session.execute(select(table.__table__).where(table.__table__.c.attempt_id == attempt.id)).all()
        for table in (Response, TimeEntry, MediaKey)
    ]
    return [tuple(row), *parts, attempt.clock.deadline_at(NOON)]


def test_a_flag_tells_proctors_and_the_trail_and_names_nobody(session, attempt, number):
    flag = flagged(session, attempt, number)
    assert (flag.outcome, flag.ended_at, flag.settings_number) == ("open", None, number)
    event = session.scalars(select(Event).where(Event.kind == "attempt.flag")).one()
    assert (event.attempt_id, event.session_id, event.actor_id) == (attempt.id, attempt.session_id, None)
    assert event.facts == {"flag": flag.id, "signal": "multiple_faces"}
    assert session.scalars(select(AuditEntry).where(AuditEntry.act == "attempt.flag")).one().object == f"attempt:{attempt.id}"


def test_written_down_twice_is_one_flag(session, attempt, number):
    for _ in range(2):
        flag = flagged(session, attempt, number)
        flag_service.follow(session, attempt.id, Followed(flag.signal, flag.began_at, None), frame("after", NOON + 9 * SECOND))
        flag_service.end_flag(session, attempt.id, Ended(flag.signal, flag.began_at, NOON + 8 * SECOND, 3.0))
    assert len(session.scalars(select(Flag)).all()) == 1
    assert [one.place for one in session.scalars(select(FlagFrame).order_by(FlagFrame.place))] == ["after", "at", "before"]
    assert len(session.scalars(select(Event).where(Event.kind == "attempt.flag")).all()) == 1
    assert (flag.ended_at, flag.peak) == (NOON + 8 * SECOND, 3.0)


def test_what_an_earlier_process_left_open_ends_when_it_was_last_seen(session, attempt, number):
    short, long, done = (flagged(session, attempt, number, begun(at)) for at in (0, 100, 200))
    flag_service.follow(session, attempt.id, Followed(long.signal, long.began_at, None), frame("after", NOON + 113 * SECOND))
    flag_service.end_flag(session, attempt.id, Ended(done.signal, done.began_at, NOON + 205 * SECOND, 2.0))
    session.refresh(long)
    assert flag_service.close_left_open(session) == 2
    assert [flag.ended_at for flag in (short, long, done)] == [NOON + 3 * SECOND, NOON + 113 * SECOND, NOON + 205 * SECOND]
    assert {flag.outcome for flag in (short, long, done)} == {"open"}


@pytest.mark.parametrize("signal", list(Signal))
@pytest.mark.parametrize("decision", [None, *Decision])
def test_whatever_software_notices_and_a_person_decides_the_attempt_stays_as_it_was(session, attempt, number, signal, decision):
    before = everything(session, attempt)
    flag = flagged(session, attempt, number, begun(signal=signal))
    flag_service.end_flag(session, attempt.id, Ended(signal, flag.began_at, NOON + 60 * SECOND, 9.0))
    if decision:
        decide(session, attempt, flag, decision)
    assert everything(session, attempt) == before
    assert attempt.state == State.IN_PROGRESS


def test_nothing_that_decides_over_an_attempt_reads_flags():
    """Only what shows them, to proctors and with a lead that was referred, and what writes them knows the table."""
    from pathlib import Path

    package = Path(flags.__file__).parent.parent
    readers = {
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        if "FlagFrame" in (text := path.read_text()) or "import Flag" in text or " Flag," in text or "VisionSettings" in text
    }
    ours = {
        "proctor/models.py",
        "proctor/flag_service.py",
        "proctor/queries.py",
        "proctor/api.py",
        "proctor/views.py",
        "integrity/record.py",
    }
    assert {path for path in readers if not path.startswith("migrations/")} <= ours


# ------------------------------------------------------------ a person decides


def decide(session, attempt, flag, decision=Decision.DISMISS, person=None, key=None, note="", now=NOON):
    person = person or make.person(session, Role.PROCTOR)
    key = key or str(uuid.uuid4())
    flag_service.decide(session, attempt, flag, person, decision, key, note, now)
    return person, key


@pytest.mark.parametrize(("decision", "outcome"), [(Decision.DISMISS, "dismissed"), (Decision.CONFIRM, "confirmed")])
def test_a_decision_has_its_person_its_time_and_its_note_and_the_trail_not_the_note(session, attempt, number, decision, outcome):
    flag = flagged(session, attempt, number)
    person, _ = decide(session, attempt, flag, decision, note="  It was the mirror.\0 \ud800 ", now=NOON + SECOND)
    assert (flag.outcome, flag.decided_by_id, flag.decided_at, flag.note) == (outcome, person.id, NOON + SECOND, "It was the mirror. ?")
    event = session.scalars(select(Event).where(Event.kind == "attempt.flag_decided")).one()
    entry = session.scalars(select(AuditEntry).where(AuditEntry.act == "attempt.flag_decided")).one()
    assert event.actor_id == entry.actor_id == person.id
    assert entry.facts == {"flag": flag.id, "signal": "multiple_faces", "outcome": outcome, "note": True}
    assert "mirror" not in str(event.facts)


def test_the_same_key_again_changes_nothing_and_another_decision_is_told_that_it_came_late(session, attempt, number):
    flag = flagged(session, attempt, number)
    person, key = decide(session, attempt, flag)
    decide(session, attempt, flag, person=person, key=key, now=NOON + 60 * SECOND)
    assert flag.decided_at == NOON
    for other in (person, None):
        with pytest.raises(errors.VersionMoved):
            decide(session, attempt, flag, Decision.CONFIRM, person=other)
    assert (flag.outcome, flag.decided_by_id) == ("dismissed", person.id)
    assert len(session.scalars(select(Event).where(Event.kind == "attempt.flag_decided")).all()) == 1


@pytest.mark.parametrize("other", ["person", "decision"])
def test_a_key_belongs_to_one_act_of_one_person(session, attempt, number, other):
    flag = flagged(session, attempt, number)
    person, key = decide(session, attempt, flag)
    decision, by = (Decision.DISMISS, None) if other == "person" else (Decision.CONFIRM, person)
    with pytest.raises(errors.BadRequest):
        decide(session, attempt, flag, decision, person=by, key=key)


def test_the_database_has_no_decision_without_a_person(session, attempt, number):
    flag = flagged(session, attempt, number)
    names = {one["name"] for one in inspect(session.connection()).get_check_constraints("flags")}
    assert any("decided_by_a_person" in (name or "") for name in names)
    flag.outcome = "confirmed"
    with pytest.raises(Exception, match="decided_by_a_person"):
        session.flush()


# ------------------------------------------------------------ what consoles read


@pytest.fixture
def words():
    app = Flask("words")
    Babel(app)
    with app.app_context():
        yield


def row_of(session, attempt):
    session.flush()
    return queries.rows(session, attempt.session_id, NOON, {attempt.id})[0]


def test_a_row_says_what_is_noticed_now_and_how_many_flags_wait_for_a_person(session, attempt, number, words):
    two, dark, old = (
        flagged(session, attempt, number, begun(*what))
        for what in ((0, Signal.MULTIPLE_FACES, 3.0), (5, Signal.TOO_DARK, 9.0), (50, Signal.NO_FACE, 0.0))
    )
    flag_service.end_flag(session, attempt.id, Ended(old.signal, old.began_at, NOON + 60 * SECOND, 0.0))
    row = row_of(session, attempt)
    assert row["open_flags"] == 3
    assert row["active_flags"] == [{"signal": "multiple_faces", "count": 3}, {"signal": "too_dark", "count": 0}]
    version = row["version"]
    decide(session, attempt, two)  # a poster: who has looked need not be told again and again
    row = row_of(session, attempt)
    assert (row["open_flags"], row["active_flags"]) == (2, [{"signal": "too_dark", "count": 0}])
    assert row["version"] == version


def test_the_focus_view_has_each_flag_with_its_pictures_and_the_timeline_leads_to_it(session, attempt, number, words):
    flag = flagged(session, attempt, number, begun(0, Signal.MULTIPLE_FACES, 2.0))
    flag_service.follow(session, attempt.id, Followed(flag.signal, flag.began_at, None), frame("after", NOON + 9 * SECOND))
    flag_service.end_flag(session, attempt.id, Ended(flag.signal, flag.began_at, NOON + 8 * SECOND, 2.0))
    session.flush()
    session.expire(flag)
    found = queries.focus(session, attempt, ZONE, NOON)
    (shown,) = found["flags"]
    assert (shown["id"], shown["words"], shown["peak"], shown["outcome"]) == (flag.id, "more than one person", "2 faces at most", "open")
    assert (shown["began_at"], shown["ended_at"], shown["lasted"]) == (clock.to_ms(NOON), clock.to_ms(NOON + 8 * SECOND), "8 seconds")
    assert [one["place"] for one in shown["frames"]] == ["before", "at", "after"]
    assert shown["frames"][2]["url"] == f"/proctor/attempts/{attempt.id}/flags/{flag.id}/after.jpg"
    (line,) = [one for one in found["timeline"] if one["kind"] == "attempt.flag"]
    assert line["flag"] == flag.id
    assert line["words"].startswith("Flag: more than one person, 8 seconds")
    assert "nobody has looked" in line["words"]
    person, _ = decide(session, attempt, flag, Decision.CONFIRM, note="A visitor.")
    found = queries.focus(session, attempt, ZONE, NOON)
    assert (found["flags"][0]["decided_by"], found["flags"][0]["note"]) == (person.name, "A visitor.")
    assert any(f"confirmed by {person.name}" in one["words"] for one in found["timeline"])


@pytest.mark.parametrize("signal", list(Signal))
def test_every_signal_has_calm_words(session, attempt, number, words, signal):
    flagged(session, attempt, number, begun(signal=signal))
    (shown,) = queries.flags(session, attempt.id)
    text = f"{shown['words']} {shown['peak']} {queries._flag_line(shown)}".lower()
    assert shown["words"] != queries.flag_words("no such signal")
    assert not {word for word in ("violation", "cheat", "suspicious", "_") if word in text}


@pytest.mark.parametrize(
    ("state", "choices", "looked_at"),
    [
        (State.IN_PROGRESS, [], True),
        (State.IN_PROGRESS, ["allow"], True),
        (State.IN_PROGRESS, ["people_only"], False),
        (State.IN_PROGRESS, ["people_only", "allow"], True),
        (State.IN_PROGRESS, ["allow", "people_only"], False),
        (State.AWAITING, ["allow"], False),
        (State.ADMITTED, ["allow"], False),
        (State.PAUSED_PROCTOR, ["allow"], False),
        (State.SUBMITTED, ["allow"], False),
    ],
)
def test_software_looks_while_the_clock_runs_at_those_who_did_not_choose_people_alone(session, state, choices, looked_at):
    attempt, other = make.attempt(session, state=state), make.attempt(session)
    for choice in choices:
        session.add(Consent(attempt_id=attempt.id, kind="detectors", choice=choice, text_version="1", locale="en", at=NOON))
        session.flush()
    assert queries.looked_at_by_software(session, {attempt.id}) == ({attempt.id} if looked_at else set())
    assert other.id in queries.looked_at_by_software(session, {attempt.id, other.id, 10**6})
    assert queries.looked_at_by_software(session, set()) == set()


# ------------------------------------------------------------ over HTTP


@pytest.fixture
def here(db, settings, app, visit):
    """A candidate with a flag and its pictures in the object store, a proctor of the session, and one of another."""
    with db.write() as session:
        where = make.place(session)
        attempt = make.attempt(session, where=where)
        vault = Vault(settings.vault_key, Folder(settings.data / "objects"))
        wrapped = vault.new_key()
        session.get_one(MediaKey, attempt.id).wrapped = wrapped
        vault.put(wrapped, "attempts/1/flag-at", b"\xff\xd8 at it \xff\xd9")
        number = flag_service.keep_settings(session, LIVE, NOON)
        flag_service.raise_flag(session, attempt.id, where.id, begun(), [frame("at")], number, NOON)
        flag = session.scalars(select(Flag)).one()
        other = make.attempt(session, where=where)
        return {
            "attempt": attempt.id, "flag": flag.id, "other": other.id, "where": where.id,
            "proctor": make.proctor(session, where), "stranger": make.proctor(session, make.place(session)),
        }  # fmt: skip


def asked(act="dismiss", **more):
    return {"act": act, "key": str(uuid.uuid4()), "note": "Nobody.", **more}


def test_a_decision_over_http_answers_with_row_and_flag_and_a_late_one_with_what_stands(here, visit):
    proctor = visit(here["proctor"], "proctor")
    url = f"/api/proctor/attempts/{here['attempt']}/flags/{here['flag']}"
    said = asked()
    for _ in range(2):  # the second is the browser's second try
        reply = proctor.post(url, json=said)
        assert reply.status_code == 200
        assert (reply.json["row"]["open_flags"], reply.json["flag"]["outcome"], reply.json["flag"]["note"]) == (0, "dismissed", "Nobody.")
    late = proctor.post(url, json=asked("confirm"))
    assert (late.status_code, late.json["code"], late.json["flag"]["outcome"]) == (409, "version-moved", "dismissed")


@pytest.mark.parametrize(
    ("change", "status"),
    [({"act": "end"}, 400), ({"act": ["dismiss"]}, 400), ({"act": None}, 400), ({"key": "x"}, 400), ({"key": None}, 400)],
)
def test_a_decision_of_another_shape_is_refused(here, visit, change, status):
    proctor = visit(here["proctor"], "proctor")
    url = f"/api/proctor/attempts/{here['attempt']}/flags/{here['flag']}"
    assert proctor.post(url, json=asked() | change).status_code == status
    assert proctor.post(url, json=asked()).json["flag"]["outcome"] == "dismissed"


def test_a_flag_is_reached_by_its_own_attempt_and_its_own_proctors_alone(here, visit):
    proctor, stranger = visit(here["proctor"], "proctor"), visit(here["stranger"], "proctor")
    api, page = "/api/proctor/attempts/{}/flags/{}", "/proctor/attempts/{}/flags/{}/{}.jpg"
    picture = proctor.get(page.format(here["attempt"], here["flag"], "at"))
    assert (picture.status_code, picture.data, picture.headers["Cache-Control"]) == (200, b"\xff\xd8 at it \xff\xd9", "private, no-store")
    for visitor, attempt, flag, place in [
        (proctor, here["other"], here["flag"], "at"),
        (proctor, here["attempt"], 10**6, "at"),
        (proctor, here["attempt"], here["flag"], "before"),
        (proctor, here["attempt"], here["flag"], "elsewhere"),
        (stranger, here["attempt"], here["flag"], "at"),
    ]:
        assert visitor.get(page.format(attempt, flag, place)).status_code == 404
        if place == "at":
            assert visitor.post(api.format(attempt, flag), json=asked()).status_code == 404
