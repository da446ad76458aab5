"""`testing-platform items …`"""

import json
from pathlib import Path

import click

from testing_platform.itembank.exchange import drafts
from testing_platform.itembank.exchange.read import read
from testing_platform.itembank.exchange.safety import Refused


@click.group()
def items() -> None:
    """The item bank: items from and for other systems."""


@items.command("import")
@click.argument("source", metavar="FILE_OR_FOLDER", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Say item by item what would come in; write nothing.")
@click.option("--json", "as_json", is_flag=True)
def import_items(source: Path, dry_run: bool, as_json: bool) -> None:
    """Read items from QTI 1.2 to 3.0, Moodle XML, GIFT, Aiken, CSV or XLSX: a file, a package or a folder."""
    if not dry_run:
        raise click.ClickException("this version shows what would come in and does not take it in: add --dry-run")
    try:
        rows = [drafts.outcome(found) for found in read(source)]
    except Refused as refusal:
        raise click.ClickException(str(refusal)) from None
    said = drafts.report(rows)
    if as_json:
        click.echo(json.dumps(said, ensure_ascii=False))
        return
    for row in rows:
        told = row["reason"] or f"{row['kind']}, {row['options']} options, key {', '.join(row['key'])}"
        click.echo(f"{row['outcome']:8}  {row['source']}  {row['identifier']}  {told}")
    click.echo(f"{said['found']} found, {said['imported']} can come in, {said['skipped']} skipped")
