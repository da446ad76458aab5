"""`testing-platform items …`"""

import json
from pathlib import Path
from typing import Any

import click
from sqlalchemy import select

from testing_platform import clock
from testing_platform.itembank.exchange import drafts
from testing_platform.itembank.exchange.read import read
from testing_platform.itembank.exchange.safety import Refused
from testing_platform.itembank.exchange.write import FORMATS
from testing_platform.itembank.models import Bank, Form
from testing_platform.storage import Folder


@click.group()
def items() -> None:
    """The item bank: items from and for other systems."""


@items.command("import")
@click.argument("source", metavar="FILE_OR_FOLDER", type=click.Path(path_type=Path))
@click.option(
    "--bank", "name", help="The item bank that takes them in; made when there is none of this name. Unless said: the only one there is."
)
@click.option("--area", default="", help="The content area of items whose file names none of the bank's.")
@click.option("--dry-run", is_flag=True, help="Say item by item what would come in; write nothing.")
@click.option("--json", "as_json", is_flag=True)
@click.pass_context
def import_items(context: click.Context, source: Path, name: str | None, area: str, dry_run: bool, as_json: bool) -> None:
    """Read items from QTI 1.2 to 3.0, Moodle XML, GIFT, Aiken, CSV or XLSX: a file, a package or a folder."""
    try:
        found = list(read(source))
    except Refused as refusal:
        raise click.ClickException(str(refusal)) from None
    said = (
        drafts.report([drafts.outcome(one) for one in found]) if dry_run and name is None else _take_in(context, found, name, area, dry_run)
    )
    if as_json:
        click.echo(json.dumps(said, ensure_ascii=False))
        return
    for row in said["items"]:
        told = row["reason"] or f"{row['kind']}, {row['options']} options, key {', '.join(row['key'])}"
        code = f"  {row['fate']:7}  {row['code'] or '-'}" if "fate" in row else ""
        click.echo(f"{row['outcome']:8}{code}  {row['source']}  {row['identifier']}  {told}")
    can = "can come in" if dry_run else "taken in"
    here = f", {said['counts']['here']} here already" if "counts" in said else ""
    left = said["counts"]["skipped"] if "counts" in said else said["skipped"]
    click.echo(f"{said['found']} found, {said['imported']} {can}{here}, {left} skipped")


def _take_in(context: click.Context, found: list[Any], name: str | None, area: str, dry_run: bool) -> dict[str, Any]:
    """What the bank does with them, in one transaction that is kept or not."""
    from testing_platform.itembank import intake, service

    opened = context.meta["testing_platform.opened"]()
    with opened.read() as session:
        known = list(session.scalars(select(Bank.name).order_by(Bank.name)))
    if name is None and len(known) != 1:
        raise click.UsageError("say which item bank: --bank NAME")
    wanted = name or known[0]
    if dry_run:
        with opened.read() as session:
            bank = session.scalars(select(Bank).where(Bank.name == wanted)).first()
            if bank is None:
                return intake.report([intake.fresh(one) for one in found])
            return intake.report(intake.take_in(session, bank, found, clock.now(), dry_run=True, area=area))
    with opened.write() as session:
        bank = service.open_bank(session, wanted, clock.now())
        return intake.report(intake.take_in(session, bank, found, clock.now(), area=area))


@items.command("export")
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--bank", "name", required=True, help="The name of the item bank.")
@click.option("--format", type=click.Choice(FORMATS), default=FORMATS[0], show_default=True)
@click.option("--area", default="", help="This content area alone.")
@click.option(
    "--form", "form_name", help="The items of this form, with its test where the format knows tests; of several by that name the newest."
)
@click.option("--number", type=int, help="Of forms with the same name this one.")
@click.option("--with-key/--without-key", default=True, show_default=True, help="For paper (html, pdf): the answer key at the end.")
@click.option("--dry-run", is_flag=True, help="Say item by item what the format leaves behind; write nothing.")
@click.option("--json", "as_json", is_flag=True)
@click.pass_context
def export_items(
    context: click.Context,
    out: Path,
    name: str,
    format: str,
    area: str,
    form_name: str | None,
    number: int | None,
    with_key: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Write the items of a bank or a form to OUT, readable by this user alone."""
    from testing_platform.itembank import export

    if form_name is None and number is not None:
        raise click.UsageError("--number says which form of a name: add --form")
    if form_name is not None and area:
        raise click.UsageError("a form is written whole: leave out --area")
    out = out.absolute()
    if not out.parent.is_dir():
        raise click.ClickException(f"there is no folder {out.parent}")
    db = context.meta["testing_platform.opened"]()
    with db.read() as session:
        bank = session.scalars(select(Bank).where(Bank.name == name)).first()
        if bank is None:
            known = ", ".join(sorted(session.scalars(select(Bank.name)))) or "none"
            raise click.ClickException(f"there is no item bank {name!r}; there are: {known}")
        if form_name is None:
            of, written = f"bank:{bank.id}", export.of_bank(session, bank, format, area, with_key, look=dry_run)
        else:
            chosen = select(Form).where(Form.bank_id == bank.id, Form.name == form_name).order_by(Form.number.desc())
            form = session.scalars(chosen if number is None else chosen.where(Form.number == number)).first()
            if form is None:
                raise click.ClickException(f"there is no form {form_name!r}{f' {number}' if number is not None else ''} in that bank")
            of, written = f"form:{form.id}", export.of_form(session, form, format, with_key, look=dry_run)
    if not dry_run:
        with db.write() as session:
            export.handed_out(session, of, format, written, clock.now(), with_key=with_key)
            # Before the trail says so for good: a file that cannot be written takes its line back.
            try:
                Folder(out.parent).put(out.name, written.export.data)
            except (OSError, ValueError) as problem:
                raise click.ClickException(f"{out} cannot be written: {getattr(problem, 'strerror', None) or problem}") from None
    left = [{"item": each.identifier, "what": each.what, "whole": each.whole} for each in written.export.left]
    if as_json:
        said = {
            "out": None if dry_run else str(out),
            "format": format,
            "items": written.export.written,
            "sha256": written.sha256,
            "left": left,
        }
        click.echo(json.dumps(said, ensure_ascii=False))
        return
    for each in left:
        click.echo(f"{'left out' if each['whole'] else 'written ':8}  {each['item']}  {each['what']}")
    done = f"can be written as {format}" if dry_run else f"written to {out} (sha256 {written.sha256})"
    click.echo(f"{written.export.written} items {done}")
