"""A private PostgreSQL in a folder of its own, for tests and benchmarks; it waits for the disk as one in earnest does."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import psycopg
from psycopg import sql

SETTINGS = {
    "listen_addresses": "",
    "shared_buffers": "64MB",
    "max_connections": "100",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "log_min_messages": "warning",
}


def programs() -> Path | None:
    """The folder of the newest server's programs; Debian keeps them off the path."""
    on_path = shutil.which("initdb")
    beside = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda found: int(found.parent.parent.name))
    found = [Path(on_path).resolve()] if on_path else beside
    return found[-1].parent if found else None


class Server:
    """One server, reached through a socket file in its folder alone. Its program refuses to run as root, so root starts it as another user."""

    def __init__(self, folder: Path | None = None) -> None:
        found = programs()
        if found is None:
            raise FileNotFoundError("PostgreSQL's server programs (initdb, pg_ctl) are not on this machine: run tools/postgres.sh")
        self.programs = found
        self.user = None if os.getuid() else next((name for name in ("postgres", "nobody") if _known(name)), None)
        # Not below a folder that only root may enter, as pytest's is.
        self.folder = folder or Path(tempfile.mkdtemp(prefix="postgres-", dir="/tmp"))
        self.data = self.folder / "data"
        if self.user:
            shutil.chown(self.folder, self.user)
        self._run("initdb", "--username=platform", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", str(self.data))
        with (self.data / "postgresql.conf").open("a") as out:
            out.writelines(f"{name} = '{value}'\n" for name, value in {**SETTINGS, "unix_socket_directories": self.folder}.items())
        self.start()

    def _run(self, program: str, *given: str) -> None:
        as_whom: dict[str, Any] = {"user": self.user, "group": pwd.getpwnam(self.user).pw_gid, "extra_groups": []} if self.user else {}
        with (self.folder / "said").open("ab") as out:
            done = subprocess.run(
                [self.programs / program, *given], cwd=self.folder, stdout=out, stderr=out, stdin=subprocess.DEVNULL, **as_whom
            )
        if done.returncode:
            raise RuntimeError(f"{program} ended with {done.returncode}: {(self.folder / 'said').read_text()[-2000:]}")

    def start(self) -> None:
        self._run("pg_ctl", "start", "--wait", "--timeout=60", f"--pgdata={self.data}", f"--log={self.folder / 'log'}")

    def stop(self, mode: str = "fast") -> None:
        """`immediate` is the server's death: nothing is written down any more, and the next start recovers from the log."""
        self._run("pg_ctl", "stop", "--wait", "--timeout=60", f"--mode={mode}", f"--pgdata={self.data}")

    def remove(self) -> None:
        if (self.data / "postmaster.pid").exists():
            self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, name: str) -> str:
        return f"postgresql+psycopg://platform@/{name}?host={self.folder}"

    @contextmanager
    def administer(self) -> Iterator["psycopg.Connection[Any]"]:
        with psycopg.connect(host=str(self.folder), user="platform", dbname="postgres", autocommit=True) as connection:
            yield connection

    def create(self, name: str, template: str = "template0") -> str:
        """A fresh database; its address."""
        with self.administer() as connection:
            connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template)))
        return self.url(name)

    def drop(self, name: str) -> None:
        with self.administer() as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None) -> None:
        self.remove()


def _known(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True
