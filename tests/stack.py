"""The whole product as it is served, for tests that need the real processes: front, web, live, worker on free ports."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from testing_platform import clock
from testing_platform.accounts import service as accounts
from testing_platform.accounts.models import Person
from testing_platform.accounts.rules import ROLES_OF_AREA, Role
from testing_platform.bus import open_database
from testing_platform.db import Database
from testing_platform.demo import setup
from testing_platform.examinations import service as examinations
from testing_platform.examinations.models import TestSession
from testing_platform.migrations import upgrade
from testing_platform.serve import commands
from testing_platform.settings import Settings


def free_ports() -> int:
    """The first of three ports in a row that are free, out of a range of this worker's own: what others have chosen they may not yet have taken."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 4
    first = 12000 + 5000 * worker
    for start in range(first + os.getpid() % 3000, first + 5000, 3):
        with contextlib.ExitStack() as stack:
            try:
                for port in (start, start + 1, start + 2):
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            except OSError:
                continue
            return start
    raise OSError("no free ports")


@dataclass
class Stack:
    settings: Settings
    db: Database
    log: Path
    supervisor: subprocess.Popen[bytes] | None = None
    count: int = field(default=0)

    @property
    def url(self) -> str:
        return self.settings.public_url

    def start(self) -> None:
        environment = os.environ | self.settings.environment
        with self.log.open("ab") as out:
            self.supervisor = subprocess.Popen(
                [sys.executable, "-m", "testing_platform.cli", "serve"], env=environment, stdout=out, stderr=out
            )
        self.wait("/healthz")
        self.wait("/live/health")

    def wait(self, path: str, seconds: float = 120) -> None:
        until = time.monotonic() + seconds
        while True:
            try:
                with urllib.request.urlopen(self.url + path, timeout=3) as reply:
                    if reply.status == 200:
                        return
            except (urllib.error.URLError, OSError):
                pass
            if time.monotonic() > until:
                raise TimeoutError(f"{path} did not answer; the log ends: {self.log.read_text()[-2000:]}")
            time.sleep(0.1)

    def stop(self) -> None:
        if self.supervisor is not None and self.supervisor.poll() is None:
            self.supervisor.terminate()
            self.supervisor.wait(60)

    def pid(self, name: str) -> int:
        return int((self.settings.data / f"{name}.pid").read_text())

    def kill(self, name: str) -> None:
        """kill -9 of the process and its own children (gunicorn's worker among them)."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid(name), signal.SIGKILL)

    # ------------------------------------------------------------ people

    def candidate(self, name: str | None = None, **accommodation: Any) -> tuple[Person, str]:
        """A fresh candidate with a place in the open session, and their admission code."""
        now = clock.now()
        self.count += 1
        with self.db.write() as session:
            person = accounts.add_person(
                session,
                name=name or f"Journey Candidate {self.count}",
                email=f"journey-{self.count}-{os.getpid()}@example.org",
                roles={Role.CANDIDATE},
                now=now,
                candidate_number=f"J-{self.count:04d}-{os.getpid()}",
            )
            examinations.book(session, person, self.place(session), accommodation, now)
            code = accounts.issue_admission_code(session, self.settings.secret, person, now, now + timedelta(hours=4))
        return person, code

    def place(self, session: Any) -> TestSession:
        return setup.open_session(session)

    def link(self, role: Role, number: int = 0) -> str:
        """A one-time link for a member of staff."""
        area = next(area for area, roles in ROLES_OF_AREA.items() if role in roles)
        with self.db.write() as session:
            person = setup.person_with(session, role, number)
            token = accounts.make_link(session, self.settings.secret, person, area, clock.now())
        return f"{self.url}/{area}/in/{token}"


@contextlib.contextmanager
def running(folder: Path, **more: Any) -> Iterator[Stack]:
    port = free_ports()
    settings = Settings(
        data=folder / "data",
        public_url=f"http://localhost:{port}",
        web_bind=f"127.0.0.1:{port + 1}",
        live_bind=f"127.0.0.1:{port + 2}",
        **more,
    )
    assert commands(settings, front=False, domain=None)
    db = open_database(settings)
    upgrade(db)
    with db.write() as session:
        setup.fill(session, settings)
    stack = Stack(settings, db, folder / "log")
    try:
        stack.start()
        yield stack
    finally:
        stack.stop()
        db.close()
