"""Frames in, observations out, and the worker processes that look."""

import asyncio
import os
import random
import signal
import struct
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage import data

from testing_platform.proctor import vision, vision_pool
from testing_platform.proctor.vision import Eyes, Observation, Unreadable
from testing_platform.proctor.vision_pool import Pool
from tests.proctor import scenes


@pytest.fixture(scope="module")
def eyes():
    cv2.setNumThreads(1)
    return Eyes()


# ------------------------------------------------------------ who is there


def test_at_least_98_of_100_labelled_stills_have_the_labelled_count(eyes):
    stills = scenes.labelled()
    wrong = [(name, count, found) for name, still, count in stills if (found := eyes.look(still).people) != count]
    assert len(stills) >= 90
    assert len(wrong) <= 0.02 * len(stills), wrong


CONDITIONS = {
    "near": {"size": 0.8},
    "far": {"size": 0.15},
    "half the light": {"light": 0.5},
    "a quarter of the light": {"light": 0.25},
    "an eighth of the light": {"light": 0.12},
    "a twentieth of the light": {"light": 0.05},
    "twice the light": {"light": 2},
    "out of focus": {"blur": 3},
    "noisy": {"noise": 14},
    "mirrored": {"mirrored": True},
    "widescreen": {"shape": (1280, 720)},
    "widescreen, small": {"shape": (426, 240)},
    "telephone upright": {"shape": (480, 640), "size": 0.3},
    "as the page sends it": {"shape": (320, 240)},
    "tiny": {"shape": (160, 120)},
    "square": {"shape": (480, 480)},
}


@pytest.mark.parametrize("given", CONDITIONS.values(), ids=CONDITIONS)
@pytest.mark.parametrize("quality", [25, 90])
def test_one_person_is_found_in_place(eyes, given, quality):
    found = eyes.look(scenes.jpeg(scenes.frame(**given), quality))
    assert found.people == len(found.faces) == 1
    shape = given.get("shape", (640, 480))
    assert (found.width, found.height) == shape
    assert scenes.overlap(found.faces[0].box, scenes.box(given.get("size", 0.4), shape)) > 0.6


@pytest.mark.parametrize("name", ["rocket", "coffee", "brick", "coins", "page", "moon", "grass"])
@pytest.mark.parametrize("light", [1, 0.05])
def test_things_are_no_persons(eyes, name, light):
    picture = getattr(data, name)()
    picture = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR if picture.ndim == 3 else cv2.COLOR_GRAY2BGR)
    found = eyes.look(scenes.jpeg(scenes.frame(picture=picture, light=light)))
    assert (found.people, found.faces, found.yaw) == (0, (), None)


@pytest.mark.parametrize("shape", [(640, 480), (1280, 720), (480, 640)])
def test_two_persons_are_two(eyes, shape):
    size = 0.35 if shape[0] > shape[1] else 0.2
    found = eyes.look(scenes.jpeg(scenes.two_persons(shape, size)))
    assert found.people == 2
    assert found.faces[0].score >= found.faces[1].score


# ------------------------------------------------------------ where they look, what the picture shows


@pytest.mark.parametrize(
    ("degrees", "low", "high"), [(0, -8, 12), (48, 18, 60), (-48, -60, -18)], ids=["ahead", "to the image's left", "to its right"]
)
@pytest.mark.parametrize("shape", [(640, 480), (1280, 720)])
def test_a_turned_head(eyes, degrees, low, high, shape):
    found = eyes.look(scenes.jpeg(scenes.frame(turned=degrees, shape=shape)))
    assert low <= found.yaw <= high
    mirrored = eyes.look(scenes.jpeg(scenes.frame(turned=degrees, shape=shape, mirrored=True)))
    assert -high - 3 <= mirrored.yaw <= -low + 3


# A face as the pose of a head makes it, seen by a camera of the focal length that is assumed.
@pytest.mark.parametrize(("yaw", "pitch"), [(0, 0), (25, 0), (-25, 0), (0, 20), (0, -15), (35, 10)])
def test_a_known_pose_is_read_back(yaw, pitch):
    across, down = np.radians(yaw), np.radians(pitch)
    about_y = np.array([(np.cos(across), 0, np.sin(across)), (0, 1, 0), (-np.sin(across), 0, np.cos(across))])
    about_x = np.array([(1, 0, 0), (0, np.cos(down), -np.sin(down)), (0, np.sin(down), np.cos(down))])
    points = vision.HEAD @ (about_y @ about_x).T + (0, 0, 1000)
    focal = vision.FOCAL * np.hypot(320, 240)
    seen = points[:, :2] / points[:, 2:] * focal + (160, 120)
    assert vision.yaw_of(seen) == pytest.approx(yaw, abs=4)
    assert vision.pitch_of(seen, (240, 320)) == pytest.approx(pitch, abs=2)


def test_light_does_not_change_detail_and_focus_does(eyes):
    sharp, dim, soft = (eyes.look(scenes.jpeg(scenes.frame(**given), 90)) for given in ({}, {"light": 0.5}, {"blur": 3}))
    assert dim.detail == pytest.approx(sharp.detail, rel=0.25)
    assert soft.detail < 0.15 < 0.25 < sharp.detail
    assert soft.sharpness < sharp.sharpness / 5
    assert dim.luminance == pytest.approx(sharp.luminance / 2, rel=0.05)
    assert dim.face_luminance == pytest.approx(sharp.face_luminance / 2, rel=0.05)
    assert dim.contrast == pytest.approx(sharp.contrast / 2, rel=0.05)


def test_digest_and_thumbnail_tell_frames_apart(eyes):
    one, other = scenes.jpeg(scenes.frame(seed=1)), scenes.jpeg(scenes.frame(seed=2))
    assert eyes.look(one) == eyes.look(one)
    assert eyes.look(one).digest != eyes.look(other).digest
    assert len(eyes.look(one).thumbnail) == 32 * 24


def test_a_frame_of_another_shape_between_changes_nothing(eyes):
    one, other = scenes.jpeg(scenes.frame()), scenes.jpeg(scenes.frame(shape=(480, 640), size=0.3))
    before = eyes.look(one)
    assert eyes.look(other).people == 1
    assert eyes.look(one) == before


def test_eyes_of_their_own_see_the_same_in_every_thread(eyes):
    stills = [scenes.jpeg(scenes.frame(shape=(320, 240))), scenes.jpeg(scenes.frame(shape=(320, 240), picture=scenes.two_persons()))] * 8
    expected = [eyes.look(still) for still in stills]
    assert {one.people for one in expected} == {1, 2}

    def look(_: int) -> list[Observation]:
        own = Eyes()
        return [own.look(still) for still in stills]

    with ThreadPoolExecutor(3) as threads:
        assert all(found == expected for found in threads.map(look, range(3)))


# ------------------------------------------------------------ photographs


def large(wide: int, high: int) -> np.ndarray:
    return cv2.resize(scenes.frame(shape=(wide // 4, high // 4)), (wide, high), interpolation=cv2.INTER_CUBIC)


@pytest.mark.parametrize(
    ("name", "encode"),
    [
        ("jpeg", scenes.jpeg),
        ("progressive", lambda picture: scenes.jpeg(picture, 80, cv2.IMWRITE_JPEG_PROGRESSIVE, 1)),
        ("png", scenes.png),
        ("webp", lambda picture: cv2.imencode(".webp", picture, [cv2.IMWRITE_WEBP_QUALITY, 80])[1].tobytes()),
        ("grey", lambda picture: scenes.jpeg(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY))),
        ("telephone's own bytes behind it", lambda picture: scenes.jpeg(picture) + b"SEFT" + bytes(300)),
    ],
)
def test_a_large_photograph_has_boxes_in_its_own_pixels(eyes, name, encode):
    found = eyes.look_at_file(encode(large(4000, 3000)))
    assert (found.people, found.width, found.height) == (1, 4000, 3000)
    assert scenes.overlap(found.faces[0].box, scenes.box(0.4, (4000, 3000))) > 0.6


@pytest.mark.parametrize(("kind", "masked", "quality"), [(b"VP8 ", False, 80), (b"VP8L", False, 101), (b"VP8X", True, 80)])
def test_each_kind_of_webp_is_read(eyes, kind, masked, quality):
    picture = scenes.frame(shape=(340, 240))
    if masked:
        picture = cv2.cvtColor(picture, cv2.COLOR_BGR2BGRA)
        picture[0, 0, 3] = 0
    data = cv2.imencode(".webp", picture, [cv2.IMWRITE_WEBP_QUALITY, quality])[1].tobytes()
    assert data[12:16] == kind
    found = eyes.look_at_file(data)
    assert (found.people, found.width, found.height) == (1, 340, 240)


def test_a_photograph_that_lies_on_its_side_is_looked_at_upright(eyes):
    upright = scenes.frame(shape=(480, 640), size=0.3)
    lying = scenes.jpeg(cv2.rotate(upright, cv2.ROTATE_90_COUNTERCLOCKWISE))
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    found = eyes.look_at_file(lying[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + lying[2:])
    assert (found.people, found.width, found.height) == (1, 480, 640)
    assert scenes.overlap(found.faces[0].box, scenes.box(0.3, (480, 640))) > 0.6


# ------------------------------------------------------------ what cannot be looked at


def header_says(width: int, height: int) -> bytes:
    """A small JPEG whose header claims another size."""
    still = bytearray(scenes.jpeg(scenes.frame(shape=(320, 240))))
    at = still.index(b"\xff\xc0")
    still[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(still)


def with_scans(more: int) -> bytes:
    """A small progressive JPEG whose last scan, a dozen bytes, comes that many times more. The decoder passes over the whole picture for each."""
    still = scenes.jpeg(np.full((240, 320), 128, np.uint8), 70, cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
    last = still.rindex(b"\xff\xda")
    return still[:-2] + still[last:-2] * more + b"\xff\xd9"


STILL = scenes.jpeg(scenes.frame(shape=(320, 240)))


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (b"", "not-jpeg"),
        (b"junk" * 100, "not-jpeg"),
        (STILL[: len(STILL) // 2], "not-jpeg"),
        (scenes.png(np.zeros((240, 320, 3), np.uint8)), "not-jpeg"),
        (b"\xff\xd8\xff\xd9", "no-frame-header"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF\xff\xd9", "no-frame-header"),
        (with_scans(10_000), "too-many-scans"),
        (header_says(8000, 8000), "size"),
        (header_says(1281, 720), "size"),
        (header_says(8, 8), "size"),
        (STILL[:-2] + bytes(200_000) + b"\xff\xd9", "too-many-bytes"),
    ],
)
def test_a_live_frame_that_is_refused_before_it_is_decoded(eyes, monkeypatch, bad, why):
    monkeypatch.setattr(cv2, "imdecode", None)
    with pytest.raises(Unreadable) as refused:
        eyes.look(bad)
    assert refused.value.facts["why"] == why


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (b"", "no-picture"),
        (b"GIF89a" + bytes(50), "no-picture"),
        (STILL[: len(STILL) // 2], "broken"),
        (with_scans(10_000), "broken"),
        (scenes.png(np.zeros((240, 320, 3), np.uint8))[:-20], "broken"),
        (header_says(60_000, 60_000), "size"),
        (scenes.png(np.zeros((10, 3000, 3), np.uint8)), "size"),
        (b"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0" + bytes(4) + b"\xff" * 6, "size"),
        (b"RIFF\x16\0\0\0WEBPJUNK" + bytes(14), "broken"),
        (b"RIFF\x17\0\0\0WEBPVP8X" + bytes(14), "broken"),
        (b"RIFF\x04\0\0\0WEBP", "broken"),
    ],
)
def test_a_file_that_is_refused_before_it_is_decoded(eyes, monkeypatch, bad, why):
    monkeypatch.setattr(cv2, "imdecode", None)
    with pytest.raises(Unreadable) as refused:
        eyes.look_at_file(bad)
    assert refused.value.facts["why"] == why


def test_a_picture_of_several_scans_is_looked_at(eyes):
    assert eyes.look(with_scans(5)).people == 0


def test_a_frame_that_does_not_decode_costs_itself_only(eyes):
    start = STILL.index(b"\xff\xda")
    with pytest.raises(Unreadable):
        eyes.look(STILL[: STILL.index(b"\xff\xdb")] + STILL[STILL.index(b"\xff\xc0") : start] + b"\xff\xd9")
    assert eyes.look(STILL).people == 1


@pytest.mark.parametrize(("content", "why"), [(None, "missing"), (b"another model", "another-file")])
def test_eyes_open_only_with_the_model_that_was_shipped(tmp_path, content, why):
    file = tmp_path / "model.onnx"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(vision.ModelWrong) as wrong:
        Eyes(file)
    assert wrong.value.facts["why"] == why


def test_the_library_is_silent():
    done = subprocess.run(
        [sys.executable, "-c", "from testing_platform.proctor.vision import Eyes; Eyes()"], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# ------------------------------------------------------------ workers


class Seen:
    def __init__(self) -> None:
        self.results: list[tuple[int, float, bytes, Observation | None]] = []

    async def __call__(self, candidate: int, at: float, jpeg: bytes, observation: Observation | None) -> None:
        self.results.append((candidate, at, jpeg, observation))

    async def wait(self, count: int) -> None:
        async with asyncio.timeout(30):
            while len(self.results) < count:
                await asyncio.sleep(0.01)


def with_pool(test, workers=1, patience=20.0):
    """Runs test(pool, seen), and sees that no worker is left."""

    async def run():
        seen = Seen()
        pool = Pool(workers, seen, patience=patience)
        await pool.start()
        try:
            await test(pool, seen)
        finally:
            pids = pool.pids
            await pool.stop()
        assert pool.pids == []
        assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]

    asyncio.run(run())


def test_a_worker_sees_what_eyes_see(eyes):
    async def test(pool, seen):
        assert len(pool.pids) == 2
        assert await pool.look(STILL) == eyes.look(STILL)
        with pytest.raises(Unreadable):
            await pool.look(b"junk")
        assert (pool.analysed, pool.unreadable, pool.restarts) == (1, 1, 0)

    with_pool(test, workers=2)


def test_the_newest_frame_of_each_candidate_wins_and_nobody_waits_for_another():
    async def test(pool, seen):
        for at in range(5):
            for candidate in (1, 2, 3):
                pool.offer(candidate, float(at), STILL)
        assert pool.waiting == 3
        assert pool.dropped == 12
        await seen.wait(3)
        assert [(candidate, at, observation.people) for candidate, at, _, observation in seen.results] == [(1, 4, 1), (2, 4, 1), (3, 4, 1)]

    with_pool(test)


def test_results_of_a_candidate_keep_the_order_of_the_frames():
    async def test(pool, seen):
        for number in range(30):
            pool.offer(1, float(number), STILL)
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.3)
        times = [at for _, at, _, _ in seen.results]
        assert len(times) > 1
        assert times == sorted(times)
        assert times[-1] == 29

    with_pool(test, workers=2)


def test_a_frame_that_cannot_be_read_is_told_and_the_next_is_seen():
    async def test(pool, seen):
        pool.offer(1, 1.0, b"junk")
        await seen.wait(1)
        pool.offer(1, 2.0, STILL)
        await seen.wait(2)
        assert [(at, observation and observation.people) for _, at, _, observation in seen.results] == [(1, None), (2, 1)]
        assert pool.restarts == 0

    with_pool(test)


def test_hostile_frames_cost_themselves_only(eyes):
    """Bytes changed at random in the places where a decoder believes them, and a picture that takes a decoder long."""
    chance = random.Random(11)
    hostile = [with_scans(10_000)]
    for changes in (1, 3, 30, 300) * 10:
        bad = bytearray(STILL)
        for _ in range(changes):
            bad[chance.randrange(2, len(bad) - 2)] = chance.randrange(256)
        hostile.append(bytes(bad))

    async def test(pool, seen):
        for number, bad in enumerate(hostile):
            pool.offer(number, 1.0, bad)
        pool.offer(-1, 1.0, STILL)
        await seen.wait(len(hostile) + 1)
        told = {candidate: observation for candidate, _, _, observation in seen.results}
        assert told[-1] == eyes.look(STILL)
        assert told[0] is None
        assert 1 < list(told.values()).count(None) == pool.unreadable
        assert pool.restarts == 0

    with_pool(test)


@pytest.mark.parametrize("kills", [True, False], ids=["killed while it looks", "hangs while it looks"])
def test_a_worker_that_goes_costs_the_one_frame_it_had(kills):
    async def test(pool, seen):
        (pid,) = pool.pids
        os.kill(pid, signal.SIGSTOP)  # it has the frame and does not answer
        pool.offer(1, 1.0, STILL)
        pool.offer(2, 1.0, STILL)
        await asyncio.sleep(0.2)
        if kills:
            os.kill(pid, signal.SIGKILL)
        began = time.monotonic()
        await seen.wait(2)
        assert kills or time.monotonic() - began > 0.5
        assert [(candidate, observation and observation.people) for candidate, _, _, observation in seen.results] == [(1, None), (2, 1)]
        assert (pool.restarts, pool.unreadable) == (1, 1)
        assert pool.pids != [pid]

    with_pool(test, patience=20 if kills else 1)


def test_a_worker_that_dies_idle_costs_no_frame():
    async def test(pool, seen):
        os.kill(pool.pids[0], signal.SIGKILL)
        await asyncio.sleep(0.5)
        assert (await pool.look(STILL)).people == 1
        assert (pool.restarts, pool.unreadable) == (1, 0)

    with_pool(test)


def test_trouble_with_one_result_does_not_end_the_workers():
    async def test(pool, seen):
        async def fails(*given):
            raise ValueError

        pool._seen = fails
        pool.offer(1, 1.0, STILL)
        await asyncio.sleep(0.3)
        pool._seen = seen
        pool.offer(1, 2.0, STILL)
        await seen.wait(1)
        assert pool.restarts == 0

    with_pool(test)


def test_workers_end_with_the_process_that_began_them(tmp_path):
    """Also when it is killed: a worker's input ends then."""
    script = tmp_path / "begin.py"
    script.write_text(
        "import asyncio, os\n"
        "from testing_platform.proctor.vision_pool import Pool\n"
        "async def run():\n"
        "    pool = Pool(1)\n"
        "    await pool.start()\n"
        "    print(pool.pids[0], flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
        "asyncio.run(run())\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60)
    pid = int(done.stdout)
    until = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert not Path(f"/proc/{pid}").exists()


def test_a_pool_whose_model_is_wrong_does_not_start(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"another")
    with pytest.raises(vision.ModelWrong):
        asyncio.run(Pool(1, model=tmp_path / "model.onnx").start())


def test_a_worker_is_polite():
    async def test(pool, seen):
        (pid,) = pool.pids
        assert os.getpriority(os.PRIO_PROCESS, pid) >= min(19, os.getpriority(os.PRIO_PROCESS, 0) + vision_pool.NICENESS)
        assert "OPENBLAS_NUM_THREADS=1" in Path(f"/proc/{pid}/environ").read_text().split("\0")

    with_pool(test)
