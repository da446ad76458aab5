"""`testing-platform demo`: fill, serve, and let the crowd in."""

import os
import shutil
import signal
import socket
import sys
import threading
import time
import urllib.request
from dataclasses import replace

import click
from sqlalchemy import select

from testing_platform import models
from testing_platform.accounts.models import Person
from testing_platform.accounts.rules import Role
from testing_platform.bus import open_database
from testing_platform.db import Database
from testing_platform.demo import past, setup
from testing_platform.migrations import current, upgrade
from testing_platform.serve import Supervisor, commands
from testing_platform.settings import Settings

assert models.metadata.tables


def run(settings: Settings, *, crowd: int, port: int, fresh: bool, database: str = "") -> None:
    demo = replace(
        settings,
        demo=True,
        public_url=f"http://localhost:{port}",
        web_bind=f"127.0.0.1:{port + 1}",
        live_bind=f"127.0.0.1:{port + 2}",
        data=settings.data / "demo",
        keys=None,
        database=database,
        smtp_url="",
    )
    _check_ports(port)
    if fresh and demo.data.exists():
        shutil.rmtree(demo.data)
    db = open_database(demo)
    _refuse_another_s(db)
    upgrade(db)
    _look_back(db, demo)
    with db.write() as session:
        setup.fill(session, demo)
    db.close()
    found = commands(demo, front=True, domain=None)
    if crowd:
        found["crowd"] = [sys.executable, "-m", "testing_platform.demo.crowd", "--count", str(crowd)]
    threading.Thread(target=_announce, args=(demo, crowd), daemon=True).start()
    Supervisor(found, demo.environment, demo.data).run()


def _check_ports(port: int) -> None:
    """A clear word before anything starts: a second demo would fight the first for its ports."""
    for number in (port, port + 1, port + 2):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", number))
            except OSError:
                raise click.ClickException(
                    f"port {number} is in use: is the demo running already? Stop it, or choose another with --port"
                ) from None


def _refuse_another_s(db: Database) -> None:
    """The demo has doors without passwords: no installation's database may be behind them."""
    if current(db) is None:
        return
    with db.read() as session:
        if session.scalars(select(Person.id).limit(1)).first() and not past.is_filled(session):
            raise click.ClickException("this database holds people who are not the demo's; give it one of its own")


def _look_back(db: Database, settings: Settings) -> None:
    """The administration of some weeks ago, before anything is served: so its acts stand in the trail before those of today."""
    count = past.PLAN["candidates"]
    with click.progressbar(length=100, label=f"Once for this folder: a test that {count} made-up candidates took weeks ago") as bar:
        past.fill(db, settings, lambda done, of: bar.update(100 * done // of - bar.pos))


def _announce(settings: Settings, crowd: int) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(f"{settings.public_url}/healthz", timeout=2):
                break
        except OSError:
            time.sleep(0.2)
    else:
        click.echo("the demo did not answer within a minute; the lines above say why", err=True)
        os.kill(os.getpid(), signal.SIGTERM)
        return
    click.echo(f"\n  Open {settings.public_url}/demo/ in a browser: a door for each person of an examination, none with a password.")
    click.echo("  Open two side by side: a candidate and a proctor, an analyst and an approver. Who can come in:\n")
    for role, names in _by_role().items():
        click.echo(f"    {role:<18}{names}")
    click.echo(f"\n  The mail that the demo writes: {settings.public_url}/demo/outbox")
    click.echo(f"  A crowd of {crowd} simulated candidates is taking the test. Ctrl-C ends the demo.\n")


def _by_role() -> dict[str, str]:
    """Each role with the names of those who have it, in the order of an examination."""
    people = setup.read("people.toml")
    found = {
        "candidate": f"{len(people['visitor'])} of them, the first is {people['visitor'][0]['given_name']} {people['visitor'][0]['family_name']}"
    }
    for role in Role:
        names = [f"{one['given_name']} {one['family_name']}" for one in people["staff"] if one["role"] == role]
        if names:
            found[role.replace("_", " ")] = ", ".join(names)
    return found
