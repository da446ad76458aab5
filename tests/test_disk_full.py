"""The disk fills up under answer load and is freed again: answers are refused meanwhile, nothing acknowledged is lost, and all goes on by itself."""

import contextlib
import json
import os
import resource
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from testing_platform import clock
from testing_platform.delivery import tokens
from tests.postgres import Server
from tests.stack import Stack, running
from tests.test_kill import CANDIDATES, Load

MB = 1024 * 1024


@contextlib.contextmanager
def small_disk(folder: Path, size: int) -> Iterator[bool]:
    """A disk of that size at the folder; false where this user may not mount one."""
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], stderr=subprocess.DEVNULL).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", folder], check=True)
            folder.rmdir()


class Full:
    """Nothing more goes onto the disk of this folder until the block ends."""

    def __init__(self, folder: Path) -> None:
        self.filler = folder / "filler"

    def __enter__(self) -> None:
        with contextlib.suppress(OSError), self.filler.open("wb", buffering=0) as out:
            while True:
                out.write(b"x" * 4096)

    def __exit__(self, *_: object) -> None:
        self.filler.unlink()


class Short:
    """Where no disk can be mounted: the kernel lets no file of our processes grow any more, which is as good as a full disk to them."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack

    def _limit(self, most: int) -> None:
        for name in ("web", "live", "worker"):
            # The process and those that it started, which are one group.
            for pid in subprocess.run(["pgrep", "-g", str(self.stack.pid(name))], capture_output=True, text=True).stdout.split():
                resource.prlimit(int(pid), resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))

    def __enter__(self) -> None:
        self._limit(4096)

    def __exit__(self, *_: object) -> None:
        self._limit(resource.RLIM_INFINITY)


class ReadOnly:
    """Where no disk can be mounted for PostgreSQL: what an operator does whose disk is about to be full."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def _set(self, value: str) -> None:
        with self.server.administer() as connection:
            connection.execute("SET default_transaction_read_only = off")
            connection.execute(f"ALTER SYSTEM SET default_transaction_read_only = {value}")
            connection.execute("SELECT pg_reload_conf()")

    def __enter__(self) -> None:
        self._set("on")

    def __exit__(self, *_: object) -> None:
        self._set("off")


def status_of_a_save(load: Load) -> tuple[int, str | None]:
    """What a page of its own is told, and when to come again."""
    stack = load.stack
    token = tokens.make(stack.settings.secret, load.ids[0], 1, clock.now() + timedelta(hours=1))
    status_of_a_save.seq += 1
    body = {"device": "browser-two", "epoch": 1, "events": [{"seq": status_of_a_save.seq, "slot": 1, "state": "flagged"}]}
    asked = urllib.request.Request(
        f"{stack.url}/api/attempts/{load.ids[0]}/responses", json.dumps(body).encode(), {"Authorization": f"Attempt {token}"}
    )
    try:
        with urllib.request.urlopen(asked, timeout=20) as reply:
            return reply.status, None
    except urllib.error.HTTPError as problem:
        return problem.code, problem.headers["Retry-After"]


status_of_a_save.seq = 0


def fill_and_free(load: Load, full: Full | Short | ReadOnly, seconds: float = 4) -> None:
    load.goes_on("the start")
    with full:
        until = time.monotonic() + 60
        # What has room on pages that are there already is still kept.
        while (said := status_of_a_save(load)) == (200, None):
            assert time.monotonic() < until, "the full disk was never noticed"
        assert said[0] == 503
        assert said[1]
        time.sleep(seconds)
    load.goes_on("the disk was freed")
    assert status_of_a_save(load) == (200, None)


@pytest.mark.timeout(300)
def test_a_full_disk_and_files_that_cannot_grow_under_sqlite(tmp_path):
    with small_disk(tmp_path / "data", 64 * MB) as mounted, running(tmp_path, log_level="error") as stack:
        load = Load(stack)
        if mounted:
            fill_and_free(load, Full(tmp_path / "data"))
        fill_and_free(load, Short(stack))
        assert load.check() >= 2 * CANDIDATES


@pytest.mark.timeout(300)
def test_a_full_disk_under_postgresql(tmp_path):
    """Its log has room in the file that it is writing; its tables do not grow."""
    folder = Path("/tmp") / f"postgres-on-a-small-disk-{os.getpid()}"
    with contextlib.ExitStack() as opened:
        mounted = opened.enter_context(small_disk(folder, 256 * MB))
        server = opened.enter_context(Server(folder))
        stack = opened.enter_context(running(tmp_path, log_level="error", database=server.create("full")))
        with server.administer() as connection:
            # A file of its log that is all free, and no checkpoint after which whole pages go into it: on a slow machine it would be full before the disk is freed.
            connection.execute("ALTER SYSTEM SET checkpoint_timeout = '1h'")
            connection.execute("SELECT pg_reload_conf(), pg_switch_wal()")
        load = Load(stack)
        fill_and_free(load, Full(folder) if mounted else ReadOnly(server))
        assert load.check() >= 2 * CANDIDATES
