"""`testing-platform results …`"""

import json
import os
from pathlib import Path

import click

from testing_platform import clock
from testing_platform.settings import Settings


@click.group()
def results() -> None:
    """Who passed, once two people have signed the passing score."""


@results.command("export")
@click.option("--administration", "number", type=int, required=True, help="The administration's id.")
@click.option("--format", "format", type=click.Choice(["csv", "xlsx", "json", "ics", "neogov"]), required=True)
@click.option(
    "--kind",
    type=click.Choice(["interview_candidates", "interview_schedule", "pass_fail"]),
    help="Unless said: interview_schedule for ics, pass_fail for neogov, else interview_candidates.",
)
@click.option("--json", "as_json", is_flag=True)
@click.argument("out", type=click.Path(path_type=Path, dir_okay=False))
@click.pass_context
def export(context: click.Context, number: int, format: str, kind: str | None, as_json: bool, out: Path) -> None:
    """Write to OUT, readable by this user alone: who passed, the boards' schedule, or PASS and FAIL for the applicant system."""
    from testing_platform.examinations.models import Administration
    from testing_platform.scoring import exports
    from testing_platform.scoring.results import NotReleased

    settings: Settings = context.obj
    kind = kind or exports.USUAL.get(format, "interview_candidates")
    if format not in exports.FORMATS[kind]:
        raise click.UsageError(f"{kind} is written as {' or '.join(exports.FORMATS[kind])}")
    if not out.absolute().parent.is_dir():
        raise click.ClickException(f"there is no folder {out.absolute().parent}")
    with context.meta["testing_platform.opened"]().write() as session:
        administration = session.get(Administration, number)
        if administration is None:
            raise click.ClickException(f"there is no administration {number}")
        try:
            content, job = exports.export(session, administration, kind, format, settings, None, clock.now())
        except NotReleased:
            raise click.ClickException(
                f"the passing score of administration {number} is not signed by two people: nobody has passed or failed yet"
            ) from None
        except exports.FaultyLayout as refusal:
            raise click.ClickException(
                f"the bulletin's layout for the applicant system names columns that there are not: {', '.join(refusal.facts['unknown'])}"
            ) from None
        said = {"out": str(out), "kind": kind, "format": format, "rows": job.rows, "sha256": job.sha256, "schema": job.template}
    draft = out.with_name(f".{out.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
    draft.replace(out)
    click.echo(json.dumps(said) if as_json else f"{job.rows} rows written to {out} (sha256 {job.sha256})")
