"""`testing-platform scoring demographics`: the one command of `scoring` that keeps something."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from testing_platform import clock


class DryRun(Exception):
    """Ends the transaction with nothing kept."""


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--administration", "number", type=int, required=True, help="The administration's id.")
@click.option("--dry-run", is_flag=True, help="Say what would be kept, and keep nothing.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@click.pass_context
def demographics(context: click.Context, file: Path, number: int, dry_run: bool, as_json: bool) -> None:
    """Take in what candidates said voluntarily of sex, ethnicity and age, from the applicant system.

    FILE is a CSV candidate,sex,ethnicity,age_40: the candidate's number here or there; F, M or X; white, black, hispanic, asian, pacific, native or
    two_or_more; yes or no. Blank: nothing was said.
    """
    from testing_platform.examinations.models import Administration
    from testing_platform.scoring import groups_file, impact_service

    said, digest = groups_file.read(file)
    try:
        with context.meta["testing_platform.opened"]().write() as session:
            administration = session.get(Administration, number)
            if administration is None:
                raise click.ClickException(f"there is no administration {number}")
            try:
                kept = impact_service.keep_demographics(session, administration, said, digest, None, clock.now())
            except impact_service.UnknownCandidates as refusal:
                lines = refusal.facts["lines"]
                named = ", ".join(f"{candidate} (row {row})" for row, candidate in lines[:10])
                more = f" and {len(lines) - 10} more" if len(lines) > 10 else ""
                raise click.ClickException(f"nobody with a place in administration {number}: {named}{more}; nothing is kept") from None
            if dry_run:
                raise DryRun
    except DryRun:
        pass
    if as_json:
        click.echo(json.dumps({"lines": len(said), **asdict(kept), "kept": not dry_run}))
        return
    what = "would be taken in" if dry_run else "taken in"
    click.echo(
        f"{len(said)} lines {what}: {kept.new} new, {kept.changed} changed, {kept.same} as before; {kept.without} candidates have no line"
    )
