"""`testing-platform vision inspect`, and what the eyes and the signals make of recordings together."""

import io
import json

import cv2
import pytest
from click.testing import CliRunner

from testing_platform.cli import main
from testing_platform.proctor import cli
from testing_platform.proctor.signals import CLIP, LIVE, Cleared, Watch, straight_ahead
from testing_platform.proctor.vision import Eyes
from tests.proctor import scenes


@pytest.fixture
def inspect(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(*arguments, code=0):
        found = CliRunner().invoke(main, ["vision", "inspect", *map(str, arguments)])
        assert found.exit_code == code, found.output
        return found

    return run


def look(frames, profile, rate):
    """The signals of a row of frames."""
    eyes = Eyes()
    seen = [eyes.look_at_file(jpeg) for jpeg in frames]
    watch = Watch(profile, straight_ahead([one.yaw for one in seen if one.yaw is not None]))
    found = [one for number, shown in enumerate(seen) for one in watch.see(shown, number / rate)]
    return [one for one in (*found, *watch.close(len(seen) / rate)) if isinstance(one, Cleared)]


# ------------------------------------------------------------ clips

CLIPS = scenes.EXPECTED_OF_MEDIA if scenes.MEDIA.is_dir() else scenes.EXPECTED
SPANS = {
    "blurred": [(2, 8)],
    "covered": [(2, 8), (2, 8)],
    "dark": [(2, 8)],
    "frozen": [(2.5, 8)],
    "leave_return": [(3, 6.25)],
    "no_face": [(0, 8)],
    # The picture that is turned by arithmetic turns a second earlier than the person before the camera.
    "turned": [(2.2, 4.2), (5.8, 7.6)] if scenes.MEDIA.is_dir() else [(1.8, 3.7), (4.8, 6.9)],
    "turned_real": [(0, 8)],
    "two_faces": [(0, 8)],
}
COUNTS = {"covered": 0, "no_face": 0, "two_faces": 2}


@pytest.mark.parametrize("name", CLIPS)
def test_a_clip_shows_what_happens_in_it_and_nothing_else(inspect, tmp_path, name):
    found = json.loads(inspect(scenes.clip(name, tmp_path), "--json").stdout)
    (clip,) = found["files"]
    assert [signal["signal"] for signal in clip["signals"]] == CLIPS[name]
    for signal, (start, end) in zip(clip["signals"], SPANS.get(name, []), strict=True):
        assert signal["start"] == pytest.approx(start, abs=0.8)
        assert signal["end"] == pytest.approx(end, abs=0.8)
    assert clip["faces"] == COUNTS.get(name, 1)
    assert len(clip["boxes"]) == clip["faces"]
    assert clip["frames"] >= 80


@pytest.mark.parametrize("name", scenes.EXPECTED)
@pytest.mark.parametrize(("rate", "shape"), [(5, (320, 240)), (5, (640, 360))], ids=["small", "widescreen"])
def test_another_camera_shows_the_same(name, rate, shape):
    signals = sorted(one.signal for one in look(scenes.made(name, rate, shape=shape), CLIP, rate))
    assert signals == sorted(scenes.EXPECTED[name])


def test_an_occluded_face_is_no_face_at_most(inspect):
    clip = scenes.MEDIA / "clips" / "occluded.mjpeg"
    if clip.is_file():
        (found,) = json.loads(inspect(clip, "--json").stdout)["files"]
        assert {signal["signal"] for signal in found["signals"]} <= {"no_face"}


def test_a_camera_that_stands_aside_changes_nothing_about_who_turns_away(inspect, tmp_path):
    """A person who reads 12 degrees to the side all the time, and one who does and turns."""
    for name, turns in (("aside", [20] * 40), ("aside_and_turns", [20] * 15 + [-34] * 15 + [20] * 10)):
        stills = [scenes.jpeg(scenes.frame(shape=(320, 240), seed=number, turned=turned)) for number, turned in enumerate(turns)]
        (tmp_path / f"{name}.mjpeg").write_bytes(b"".join(one for still in stills for one in (still, still + b"\0")))
    straight, turning = json.loads(inspect("aside.mjpeg", "aside_and_turns.mjpeg", "--json").stdout)["files"]
    assert straight["yaw"] > 6
    assert straight["signals"] == []
    assert [signal["signal"] for signal in turning["signals"]] == ["looking_away"]
    assert turning["signals"][0]["start"] == pytest.approx(3, abs=0.3)
    assert turning["signals"][0]["end"] == pytest.approx(6, abs=0.3)


# ------------------------------------------------------------ quiet


@pytest.mark.parametrize(("rate", "seconds"), [(1, 120), (0.5, 120), (4, 30)])
def test_somebody_who_sits_there_raises_nothing(rate, seconds):
    eyes, watch = Eyes(), Watch(LIVE)
    assert [one for at, jpeg in scenes.quiet(seconds, rate) for one in watch.see(eyes.look(jpeg), at)] == []


@pytest.mark.long
@pytest.mark.parametrize("shape", [(320, 240), (640, 480)])
def test_half_an_hour_of_somebody_who_sits_there_raises_nothing(shape):
    eyes, watch = Eyes(), Watch(LIVE)
    assert [one for at, jpeg in scenes.quiet(1800, 1, shape) for one in watch.see(eyes.look(jpeg), at)] == []


# ------------------------------------------------------------ stills


def test_a_still_has_its_count_its_boxes_and_what_it_shows_alone(inspect, tmp_path):
    (tmp_path / "one.jpg").write_bytes(scenes.jpeg(scenes.frame()))
    (tmp_path / "two.png").write_bytes(scenes.png(scenes.frame(picture=scenes.two_persons())))
    (tmp_path / "dark.jpg").write_bytes(scenes.jpeg(scenes.frame(light=0.05)))
    one, two, dark = json.loads(inspect("one.jpg", "two.png", "dark.jpg", "--json").stdout)["files"]
    assert set(one) == {"file", "frames", "faces", "boxes", "yaw", "pitch", "luminance", "sharpness", "signals"}
    assert (one["file"], one["frames"], one["faces"], one["signals"]) == ("one.jpg", 1, 1, [])
    assert scenes.overlap(one["boxes"][0][:4], scenes.box(0.4, (640, 480))) > 0.6
    assert 0.6 <= one["boxes"][0][4] <= 1
    assert two["faces"] == len(two["boxes"]) == 2
    assert two["signals"] == [{"signal": "multiple_faces", "start": 0, "end": 0, "peak": 2}]
    assert [(signal["signal"], signal["peak"]) for signal in dark["signals"]] == [("too_dark", dark["luminance"])]


def test_without_json_people_read_a_table(inspect, tmp_path):
    (tmp_path / "one.jpg").write_bytes(scenes.jpeg(scenes.frame()))
    (tmp_path / "gone.mjpeg").write_bytes(b"".join(scenes.made("leave_return", rate=10)))
    lines = inspect("one.jpg", "gone.mjpeg").stdout.splitlines()
    assert lines[0].split() == ["file", "frames", "faces", "yaw", "pitch", "light", "sharpness", "signals"]
    assert lines[1].startswith("one.jpg")
    assert lines[1].endswith("none")
    assert "no face 3–6 s" in lines[2]


# ------------------------------------------------------------ files that cannot be read

WEBP = cv2.imencode(".webp", scenes.frame(), [cv2.IMWRITE_WEBP_QUALITY, 80])[1].tobytes()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("nothing.jpg", None, "there is no such file"),
        ("empty.jpg", b"", "is empty"),
        ("text.jpg", b"not a picture at all", "is no JPEG, PNG or WebP picture"),
        ("cut.webp", WEBP[:-20], "is damaged or cut off"),
        ("cut.jpg", scenes.jpeg(scenes.frame())[:4000], "is damaged or cut off"),
        ("empty.mjpeg", b"", "holds no whole JPEG frame"),
        ("text.mjpeg", b"not a clip" * 1000, "holds no whole JPEG frame"),
        ("cut.mjpeg", scenes.jpeg(scenes.frame())[:4000], "holds no whole JPEG frame"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_and_the_others_are_reported(inspect, tmp_path, name, content, said):
    (tmp_path / "good.jpg").write_bytes(scenes.jpeg(scenes.frame()))
    if content is not None:
        (tmp_path / name).write_bytes(content)
    found = inspect(name, "good.jpg", "--json", code=1)
    assert f"{name}: {said}" in found.stderr
    told = json.loads(found.stdout)
    (good,), (bad,) = told["files"], told["refused"]
    assert bad["file"] == name
    assert said in bad["error"]
    assert (good["file"], good["faces"]) == ("good.jpg", 1)
    plain = inspect(name, "good.jpg", code=1)
    assert f"{name}: {said}" in plain.stderr
    assert "good.jpg" in plain.stdout


def test_a_folder_is_no_picture(inspect, tmp_path):
    assert "is a folder" in inspect(tmp_path, code=1).stderr


def test_no_file_is_a_wrong_usage(inspect):
    inspect(code=2)


# ------------------------------------------------------------ frames of a stream

ONE, TWO = (scenes.jpeg(scenes.frame(shape=(320, 240), seed=seed)) for seed in (1, 2))
# A telephone's thumbnail: a whole JPEG inside a segment of another.
INNER = scenes.jpeg(scenes.frame(shape=(64, 48)), 30)
WITH_THUMBNAIL = ONE[:2] + b"\xff\xe1" + (len(INNER) + 2).to_bytes(2) + INNER + ONE[2:]


@pytest.mark.parametrize(
    ("stream", "frames"),
    [
        (b"", []),
        (ONE, [ONE]),
        (ONE + TWO, [ONE, TWO]),
        (b"garbage" + ONE + bytes(500) + TWO + b"more", [ONE, TWO]),
        (b"\xff\xd8\xff" + ONE + b"\xff\xd8\xff\xff\xd8" + TWO, [ONE, TWO]),
        (ONE + TWO[:-200], [ONE]),
        (ONE[:-200] + TWO, [TWO]),
        (ONE[:-200] + TWO + ONE, [TWO, ONE]),
        (ONE + b"\xff\xd8", [ONE]),
        (b"\xff" * 1000 + ONE, [ONE]),
        (WITH_THUMBNAIL + TWO, [WITH_THUMBNAIL, TWO]),
        (b"--boundary\r\nContent-Type: image/jpeg\r\n\r\n" + ONE + b"\r\n--boundary\r\n\r\n" + TWO, [ONE, TWO]),
    ],
)
@pytest.mark.parametrize("chunk", [1 << 16, 7, 1000])
def test_frames_are_found_whatever_lies_between(monkeypatch, stream, frames, chunk):
    monkeypatch.setattr(cli, "CHUNK", chunk)
    assert list(cli.frames_of(io.BytesIO(stream))) == frames


def test_a_long_clip_is_never_read_whole():
    class Endless(io.RawIOBase):
        given = 0

        def readable(self):
            return True

        def read(self, size=-1):
            assert 0 < size <= 4 * cli.CHUNK
            Endless.given += size
            return (ONE * (size // len(ONE) + 2))[Endless.given % len(ONE) :][:size]

    frames = cli.frames_of(Endless())
    for _ in range(500):
        next(frames)
    assert Endless.given < 520 * len(ONE) + 4 * cli.CHUNK


def test_what_never_ends_is_not_held_for_ever():
    held = io.BytesIO(ONE[:-2] + bytes(3_000_000) + TWO)
    assert list(cli.frames_of(held, most=100_000)) == [TWO]


def test_a_frame_that_cannot_be_decoded_keeps_its_place_in_time(inspect, tmp_path):
    frames = list(scenes.made("leave_return", shape=(320, 240)))
    broken = b"\xff\xd8\xff\xe0\0\x04ab\xff\xd9"
    (tmp_path / "broken.mjpeg").write_bytes(b"".join(broken if 5 <= number < 25 else one for number, one in enumerate(frames)))
    (found,) = json.loads(inspect("broken.mjpeg", "--json").stdout)["files"]
    assert (found["frames"], found["unreadable"]) == (60, 20)
    (signal,) = found["signals"]
    assert signal["start"] == pytest.approx(3, abs=0.2)
