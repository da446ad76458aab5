"""What a row of observations amounts to, at every rate at which frames may come."""

import json
import random
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testing_platform.proctor.signals import (
    CLIP,
    LIVE,
    WATCHED,
    Cleared,
    Profile,
    ProfileWrong,
    Raised,
    Signal,
    Watch,
    Window,
    count_people,
    difference,
    still_signals,
    straight_ahead,
)

RATES = [0.5, 1, 2, 10]


@dataclass(frozen=True)
class Face:
    box: tuple[float, float, float, float] = (250, 120, 140, 190)
    score: float = 0.93


@dataclass(frozen=True)
class Seen:
    """An ordinary frame of an ordinary person, 640x480."""

    faces: tuple[Face, ...] = (Face(),)
    yaw: float | None = 3
    pitch: float | None = 9
    luminance: float = 130
    face_luminance: float | None = 140
    contrast: float = 55
    sharpness: float = 1200
    detail: float = 0.5
    frame_detail: float = 0.25
    digest: str = ""
    thumbnail: bytes = b""
    width: int = 640
    height: int = 480


NOBODY = {"faces": (), "yaw": None, "pitch": None, "face_luminance": None}
ORDINARY = Seen()
EMPTY = Seen(**NOBODY)
TWO = Seen(faces=(Face(), Face((450, 130, 130, 180), 0.9)))
DARK = Seen(luminance=7, face_luminance=8, contrast=3.2, sharpness=10, detail=1.2, frame_detail=0.8)
DARK_AND_NOBODY_FOUND = replace(DARK, **NOBODY)
WHITE = Seen(luminance=240, face_luminance=240, contrast=20)
BLURRED = Seen(sharpness=55, detail=0.05, frame_detail=0.012)
COVERED = Seen(**NOBODY, luminance=30, contrast=3.9, sharpness=1, detail=0.06, frame_detail=0.06)
BLACK = Seen(**NOBODY, luminance=2, contrast=0.6, sharpness=8, detail=8, frame_detail=8)
LEFT = Seen(yaw=38)


def alive(seen: Seen, number: int) -> Seen:
    """No two frames of a camera are the same."""
    return replace(seen, digest=str(number), thumbnail=bytes([100 + number % 2]) * 768) if not seen.digest else seen


def run(profile: Profile, rate: float, *parts: tuple[float, Seen], start: float = 0.0) -> tuple[list[Raised], list[Cleared], Watch]:
    """Each part is shown for so many seconds."""
    watch, events, at, number = Watch(profile), [], start, 0
    for seconds, seen in parts:
        for _ in range(round(seconds * rate)):
            events += watch.see(alive(seen, number), at)
            at, number = at + 1 / rate, number + 1
    return [one for one in events if isinstance(one, Raised)], [one for one in events if isinstance(one, Cleared)], watch


# ------------------------------------------------------------ raised, cleared


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize(
    ("seen", "signals", "peak"),
    [
        (EMPTY, [Signal.NO_FACE], 0),
        (TWO, [Signal.MULTIPLE_FACES], 2),
        (DARK, [Signal.TOO_DARK], 7),
        (DARK_AND_NOBODY_FOUND, [Signal.TOO_DARK], 7),
        (WHITE, [Signal.OVEREXPOSED], 240),
        (BLURRED, [Signal.BLURRED], 55),
        (COVERED, [Signal.NO_FACE, Signal.CAMERA_COVERED], 3.9),
        (BLACK, [Signal.NO_FACE, Signal.CAMERA_COVERED], 0.6),
    ],
    ids=["nobody", "two", "dark", "dark, face not found", "white", "blurred", "covered", "black"],
)
@pytest.mark.parametrize("profile", [LIVE, CLIP], ids=["live", "clip"])
def test_each_signal_is_raised_once_and_cleared_once(profile, rate, seen, signals, peak):
    raised, cleared, watch = run(profile, rate, (30, ORDINARY), (20, seen), (20, ORDINARY))
    assert [one.signal for one in sorted(raised, key=lambda one: list(Signal).index(one.signal))] == signals
    assert sorted(one.signal for one in cleared) == sorted(signals)
    assert watch.active == {}
    for one in cleared:
        assert one.start == pytest.approx(30)
        assert one.end == pytest.approx(50)
    last = signals[-1]
    assert [one.peak for one in (*raised, *cleared) if one.signal is last] == [peak, peak]


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize(
    ("seen", "profile", "never", "always"),
    [
        (EMPTY, LIVE, 2, 6),
        (TWO, LIVE, 2, 6),
        (DARK, LIVE, 4, 8),
        (BLURRED, LIVE, 4, 8),
        (EMPTY, CLIP, 1, 4),
        (LEFT, CLIP, 1, 4),
    ],
)
def test_a_signal_takes_its_time_whatever_the_rate(rate, seen, profile, never, always):
    short, *_ = run(profile, rate, (30, ORDINARY), (max(never, 1 / rate), seen), (20, ORDINARY))
    assert short == []
    long, *_ = run(profile, rate, (30, ORDINARY), (always, seen), (20, ORDINARY))
    assert len(long) == 1


@pytest.mark.parametrize("rate", RATES)
def test_one_bad_frame_in_each_ten_raises_nothing(rate):
    for seen in (EMPTY, TWO, DARK, BLURRED, COVERED, LEFT):
        for profile in (LIVE, CLIP):
            raised, *_ = run(profile, rate, *[(9 / rate, ORDINARY), (1 / rate, seen)] * 12)
            assert raised == []


@pytest.mark.parametrize("rate", RATES)
def test_one_good_frame_does_not_end_a_signal(rate):
    raised, cleared, watch = run(LIVE, rate, (20, EMPTY), (1 / rate, ORDINARY), (20, EMPTY))
    assert len(raised) == 1
    assert cleared == []
    assert watch.active == {Signal.NO_FACE: 0}


def test_a_signal_begins_when_it_began_and_is_told_when_enough_was_seen():
    watch, told = Watch(LIVE), None
    for second in range(20):
        for one in watch.see(alive(ORDINARY if second < 10 else EMPTY, second), float(second)):
            told = (second, one)
    assert told == (14, Raised(Signal.NO_FACE, 10, 0))


def test_what_is_off_is_not_raised():
    only = replace(CLIP, on=frozenset({Signal.TOO_DARK}))
    assert run(only, 2, (10, EMPTY), (10, TWO))[0] == []
    assert [one.signal for one in run(only, 2, (10, DARK))[0]] == [Signal.TOO_DARK]
    assert Signal.LOOKING_AWAY not in LIVE.on


# ------------------------------------------------------------ frames that do not come


def test_a_gap_is_no_data_and_never_nobody():
    watch = Watch(LIVE)
    for at in (0.0, 1.0, 2.0):
        assert watch.see(alive(EMPTY, int(at)), at) == []
    assert watch.silence(20) == []
    # Two seconds more of nobody are two, not twenty.
    for at in (21.0, 22.0, 23.0):
        assert watch.see(alive(EMPTY, int(at)), at) == []
    assert [one.signal for at in (24.0, 25.0) for one in watch.see(alive(EMPTY, int(at)), at)] == [Signal.NO_FACE]
    assert watch.active == {Signal.NO_FACE: 21}


def test_a_gap_is_noticed_without_being_told():
    watch = Watch(LIVE)
    for at in (0.0, 1.0, 2.0, 20.0, 21.0, 22.0):
        assert watch.see(alive(EMPTY, int(at)), at) == []


def test_one_frame_speaks_for_two_seconds_at_most():
    watch = Watch(LIVE)
    assert watch.see(alive(EMPTY, 0), 0) == []
    assert watch.see(alive(EMPTY, 1), 4.9) == []


def test_a_signal_outlasts_a_short_gap_and_ends_in_a_long_one_where_it_was_last_seen():
    for gap, ended in ((10, []), (40, [Cleared(Signal.NO_FACE, 0, 11, 0)])):
        watch = Watch(LIVE)
        for second in range(10):
            watch.see(alive(EMPTY, second), float(second))
        assert watch.silence(9 + gap) == ended
        assert watch.active == ({} if ended else {Signal.NO_FACE: 0})
        assert watch.silence(9 + gap) == []


def test_closing_ends_what_is_raised():
    _, _, watch = run(CLIP, 10, (2, ORDINARY), (4, COVERED))
    assert watch.close(6.0) == [
        Cleared(Signal.NO_FACE, pytest.approx(2), 6, 0),
        Cleared(Signal.CAMERA_COVERED, pytest.approx(2), 6, 3.9),
    ]
    assert watch.close(7.0) == []


def test_an_older_frame_is_left_out():
    watch = Watch(CLIP)
    watch.see(ORDINARY, 10)
    assert watch.see(EMPTY, 9) == watch.see(EMPTY, 10) == []


# ------------------------------------------------------------ pictures that show nothing


@pytest.mark.parametrize(
    ("seen", "signals"),
    [
        (ORDINARY, []),
        (EMPTY, ["no_face"]),
        (TWO, ["multiple_faces"]),
        (LEFT, ["looking_away"]),
        (replace(ORDINARY, yaw=-38), ["looking_away"]),
        (DARK, ["too_dark"]),
        (DARK_AND_NOBODY_FOUND, ["too_dark"]),
        (replace(DARK, yaw=-38), ["too_dark"]),
        (replace(ORDINARY, luminance=15, face_luminance=60), []),  # the screen lights the face
        (replace(EMPTY, luminance=18, contrast=8), ["no_face", "too_dark"]),
        (WHITE, ["overexposed"]),
        (replace(WHITE, face_luminance=150), []),  # a white wall
        (replace(EMPTY, luminance=240, contrast=4), ["overexposed"]),
        (BLURRED, ["blurred"]),
        (replace(BLURRED, detail=0.5), []),  # a blurred room behind a clear face
        (replace(BLURRED, frame_detail=0.2), []),
        (replace(BLURRED, luminance=30), []),  # noise hides it
        (replace(EMPTY, detail=0.02, frame_detail=0.02), ["no_face", "blurred"]),
        (replace(EMPTY, detail=0.02, frame_detail=0.02, contrast=12), ["no_face"]),  # a bare wall
        (COVERED, ["no_face", "camera_covered"]),
        (BLACK, ["no_face", "camera_covered"]),
        (replace(ORDINARY, contrast=4), []),  # somebody is there
    ],
)
def test_what_one_picture_shows(seen, signals):
    assert still_signals(seen) == signals


def test_a_camera_that_starts_may_find_its_exposure():
    assert run(LIVE, 1, (5, DARK), (20, ORDINARY))[0] == []
    assert run(LIVE, 1, (20, DARK))[0] == [Raised(Signal.TOO_DARK, 5, 7)]
    # And again after a gap.
    watch = Watch(LIVE)
    watch.see(ORDINARY, 0)
    assert [one for at in range(60, 69) for one in watch.see(alive(DARK, at), float(at))] == []


@pytest.mark.parametrize(
    ("faces", "people"),
    [
        ([], 0),
        ([(190, 0.61)], 1),
        ([(190, 0.61), (150, 0.7)], 1),
        ([(190, 0.9), (150, 0.79)], 1),
        ([(190, 0.9), (150, 0.8)], 2),
        ([(190, 0.7), (150, 0.9)], 1),
        ([(190, 0.9), (49, 0.9)], 2),  # 24.5 of 240
        ([(190, 0.9), (47, 0.9)], 1),
        ([(300, 0.9), (74, 0.9)], 1),  # less than a quarter
        ([(300, 0.9), (76, 0.9)], 2),
        ([(76, 0.95), (300, 0.9)], 2),
        ([(190, 0.9), (150, 0.9), (140, 0.85), (20, 0.95)], 3),
    ],
)
def test_a_second_person_has_to_be_sure_and_large_enough(faces, people):
    every = [Face((100 * number, 0, high, high), score) for number, (high, score) in enumerate(faces)]
    assert count_people(every, 640, 480) == people
    doubled = [Face(tuple(2 * value for value in face.box), face.score) for face in every]
    assert count_people(doubled, 1280, 960) == people


# ------------------------------------------------------------ frozen


@pytest.mark.parametrize("rate", RATES)
def test_the_same_picture_again_and_again_is_frozen(rate):
    stopped = replace(ORDINARY, digest="same", thumbnail=bytes(768))
    raised, cleared, _ = run(LIVE, rate, (20, ORDINARY), (20, stopped), (10, ORDINARY))
    assert [one.signal for one in raised] == [one.signal for one in cleared] == [Signal.FROZEN]
    assert cleared[0].start == pytest.approx(20 + 1 / rate)
    assert cleared[0].end == pytest.approx(40)
    assert run(LIVE, rate, (20, ORDINARY), (6, stopped), (10, ORDINARY))[0] == []


def test_a_stopped_picture_that_is_encoded_anew_is_frozen_too():
    frames = [(0.1, replace(ORDINARY, digest=str(number), thumbnail=bytes([80] * 767 + [80 + number % 2 * 20]))) for number in range(100)]
    assert [one.signal for one in run(LIVE, 10, *frames)[0]] == [Signal.FROZEN]


def test_a_slow_change_is_a_change_at_ten_frames_a_second_too():
    frames = [
        (0.1, replace(ORDINARY, digest=str(number), thumbnail=bytes([80 + (number * 30 + place) // 768 for place in range(768)])))
        for number in range(300)
    ]
    assert run(LIVE, 10, *frames)[0] == []


def test_a_black_picture_is_not_called_frozen():
    black = replace(BLACK, digest="same", thumbnail=bytes(768))
    assert [one.signal for one in run(LIVE, 1, (10, ORDINARY), (30, black))[0]] == [Signal.CAMERA_COVERED, Signal.NO_FACE]


@pytest.mark.parametrize(
    "shown", [replace(DARK, luminance=20, face_luminance=22, contrast=8), replace(WHITE, contrast=8)], ids=["dark", "white"]
)
def test_where_light_leaves_no_noise_only_the_very_same_bytes_are_frozen(shown):
    alike = [(1, replace(shown, digest=str(number), thumbnail=bytes(768))) for number in range(30)]
    assert Signal.FROZEN not in [one.signal for one in run(LIVE, 1, *alike)[0]]
    assert Signal.FROZEN in [one.signal for one in run(LIVE, 1, (30, replace(shown, digest="same", thumbnail=bytes(768))))[0]]


@pytest.mark.parametrize(
    ("one", "other", "expected"), [(bytes(768), bytes(768), 0), (bytes(768), bytes([2]) * 768, 2), (bytes(3), b"", 255), (b"", b"", 255)]
)
def test_difference(one, other, expected):
    assert difference(one, other) == difference(other, one) == expected


# ------------------------------------------------------------ looking away

PILOT = replace(LIVE, on=frozenset(WATCHED))


def ahead(yaw: float, pitch: float = 9) -> Seen:
    return replace(ORDINARY, yaw=yaw, pitch=pitch)


@pytest.mark.parametrize(
    ("habit", "then", "signals"),
    [
        (ahead(0), ahead(28), 0),
        (ahead(0), ahead(32), 1),
        (ahead(15), ahead(32), 0),  # the camera stands aside
        (ahead(15), ahead(-20), 1),
        (ahead(40), ahead(45), 0),
        (ahead(0, 9), ahead(0, 28), 0),
        (ahead(0, 9), ahead(0, 31), 1),
        (ahead(0, 20), ahead(0, 31), 0),  # the camera stands low
        (ahead(0, 9), ahead(0, -30), 0),  # up is thinking
    ],
)
def test_away_counts_from_where_this_candidate_looks(habit, then, signals):
    assert len(run(PILOT, 1, (40, habit), (10, then), (10, habit))[0]) == signals


def test_between_the_two_limits_a_head_stays_where_it_was():
    assert run(PILOT, 1, (40, ahead(0)), (30, ahead(25)))[0] == []
    _, cleared, watch = run(PILOT, 1, (40, ahead(0)), (8, ahead(35)), (30, ahead(25)))
    assert cleared == []
    assert Signal.LOOKING_AWAY in watch.active


def test_a_fifth_of_two_minutes_is_told_too():
    often = [(3, ahead(40)), (8, ahead(0))] * 11
    seldom = [(3, ahead(40)), (17, ahead(0))] * 6
    assert len(run(PILOT, 1, (40, ahead(0)), *often)[0]) == 1
    assert run(PILOT, 1, (40, ahead(0)), *seldom)[0] == []


def test_the_baseline_follows_a_camera_that_was_moved_a_little():
    assert len(run(PILOT, 1, (40, ahead(0)), (10, ahead(34)))[0]) == 1
    assert run(PILOT, 1, (40, ahead(0)), (900, ahead(15)), (10, ahead(34)))[0] == []


def test_a_clip_counts_from_straight_ahead():
    assert run(CLIP, 10, (6, ahead(13, 25)))[0] == []
    assert len(run(CLIP, 10, (2, ahead(0)), (2, ahead(-30)), (1.5, ahead(0)), (2, ahead(30)))[0]) == 2


@pytest.mark.parametrize(
    ("yaws", "ahead"),
    [
        ([], 0),
        ([4, 5, 6], 5),
        ([-13] * 8, -13),  # the camera stands aside
        ([35] * 8, 0),  # turned throughout
        ([-6] * 4 + [22] * 12, -6),  # turned most of the time
        ([-6] * 3 + [22] * 13, 0),
    ],
)
def test_where_a_person_in_a_recording_looks_when_looking_ahead(yaws, ahead):
    assert straight_ahead(yaws) == ahead


@pytest.mark.parametrize(
    ("habit", "then", "signals"),
    [(0, 13, 0), (0, 15, 1), (-8, 8, 0), (-8, 10, 1), (12, 22, 0), (12, 27, 1), (35, 35, 1), (-12, 4, 0)],  # the last: another person
)
def test_a_recording_counts_from_its_own_straight_ahead_and_from_the_camera(habit, then, signals):
    shown = [(4, ahead(habit)), (3, ahead(then)), (4, ahead(habit))]
    watch, found, number = Watch(CLIP, straight_ahead([seen.yaw for seconds, seen in shown for _ in range(seconds)])), [], 0
    for seconds, seen in shown:
        for _ in range(seconds * 10):
            found += watch.see(alive(seen, number), number / 10)
            number += 1
    assert len([one for one in found if isinstance(one, Raised)]) == signals


def test_two_persons_or_a_dim_picture_do_not_look_away():
    assert [one.signal for one in run(CLIP, 10, (6, replace(TWO, yaw=50)))[0]] == [Signal.MULTIPLE_FACES]
    assert [one.signal for one in run(CLIP, 10, (6, replace(DARK, yaw=50)))[0]] == [Signal.TOO_DARK]
    assert [one.signal for one in run(CLIP, 10, (6, replace(BLURRED, yaw=50)))[0]] == [Signal.BLURRED]


# ------------------------------------------------------------ a picture on the wall


def with_second(sway: float, seconds: int, seed: int = 1, main: bool = True) -> list[tuple[float, Seen]]:
    chance = random.Random(seed)
    frames = []
    for _ in range(seconds):
        second = Face((500 + chance.gauss(0, sway), 60 + chance.gauss(0, sway), 50, 70), 0.88)
        first = Face((250 + chance.gauss(0, 6), 120 + chance.gauss(0, 6), 140, 190), 0.93)
        frames.append((1, replace(ORDINARY, faces=(first, second) if main else (second,))))
    return frames


def test_a_face_that_does_not_move_is_shown_once_and_then_left_alone():
    raised, cleared, watch = run(LIVE, 1, *with_second(1, 400))
    assert [one.signal for one in raised] == [Signal.MULTIPLE_FACES]
    assert 60 <= cleared[0].end <= 70
    assert watch.active == {}


def test_a_person_who_sits_behind_is_never_left_alone():
    raised, cleared, watch = run(LIVE, 1, *with_second(6, 400))
    assert len(raised) == 1
    assert cleared == []


def test_the_picture_on_the_wall_is_not_the_candidate():
    raised, *_ = run(LIVE, 1, *with_second(1, 120), *with_second(1, 20, main=False))
    assert [one.signal for one in raised] == [Signal.MULTIPLE_FACES, Signal.NO_FACE]


def test_a_second_person_beside_the_picture_is_told():
    third = [(1, replace(seen, faces=(*seen.faces, Face((40, 100, 120, 160), 0.9)))) for _, seen in with_second(1, 20)]
    raised, *_ = run(LIVE, 1, *with_second(1, 120), *third)
    assert [one.signal for one in raised] == [Signal.MULTIPLE_FACES] * 2


def test_the_rule_about_pictures_on_the_wall_may_be_off():
    _, cleared, _ = run(replace(LIVE, static_seconds=None), 1, *with_second(1, 400))
    assert cleared == []


# ------------------------------------------------------------ profiles


@pytest.mark.parametrize("profile", [LIVE, CLIP, PILOT], ids=["live", "clip", "pilot"])
def test_a_profile_is_kept_as_json(profile):
    assert Profile.from_dict(json.loads(json.dumps(profile.as_dict()))) == profile


def test_what_a_stored_profile_does_not_say_is_as_in_live():
    assert Profile.from_dict({"dark": 20, "no_face_raise": [6, 8], "on": ["no_face"]}) == replace(
        LIVE, dark=20, no_face_raise=Window(6, 8), on=frozenset({Signal.NO_FACE})
    )


@pytest.mark.parametrize(
    "stored",
    [{"dusk": 20}, {"dark": "20"}, {"dark": None}, {"on": ["cheating"]}, {"on": 3}, {"no_face_raise": 4}, {"no_face_raise": [4]}],
)
def test_a_profile_that_is_wrong_is_refused_by_name(stored):
    with pytest.raises(ProfileWrong) as wrong:
        Profile.from_dict(stored)
    assert wrong.value.facts == {"name": next(iter(stored))}


# ------------------------------------------------------------ whatever comes

ANY = st.sampled_from(
    [ORDINARY, EMPTY, TWO, DARK, DARK_AND_NOBODY_FOUND, WHITE, BLURRED, COVERED, BLACK, LEFT, replace(ORDINARY, digest="same")]
)


@given(st.lists(st.tuples(st.floats(0.05, 40), ANY, st.integers(1, 12)), max_size=30), st.sampled_from([LIVE, CLIP, PILOT]))
def test_signals_are_raised_and_cleared_in_turn_and_never_end_before_they_begin(parts, profile):
    watch, at, number, open_now = Watch(profile), 0.0, 0, {}
    events = []
    for step, seen, count in parts:
        for _ in range(count):
            at, number = at + step, number + 1
            events += [(one, at) for one in watch.see(alive(seen, number), at)]
    events += [(one, at) for one in watch.close(at)]
    for one, when in events:
        if isinstance(one, Raised):
            assert one.signal not in open_now
            assert one.signal in profile.on
            assert 0 <= one.at <= when
            open_now[one.signal] = one.at
        else:
            assert open_now.pop(one.signal) == one.start <= one.end <= when
    assert open_now == {} == watch.active
