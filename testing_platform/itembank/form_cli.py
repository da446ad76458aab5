"""`testing-platform forms …`"""

import json
import sys
from pathlib import Path
from typing import Any

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from testing_platform import clock, errors
from testing_platform.itembank import form_queries, forms
from testing_platform.itembank.assembly import blueprint as blueprints
from testing_platform.itembank.assembly.assemble import assemble
from testing_platform.itembank.form_models import BlueprintVersion, LoftPool
from testing_platform.itembank.models import Bank

STEPS = {"quick": "filling and exchanging", "counts": "looking for what is short", "figures": "searching exactly"}


class UnknownBank(errors.Refusal):
    code = "unknown-bank"


def _document(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise click.ClickException(f"{path} cannot be read: {problem}") from None
    return blueprints.read(text)


def _bank(session: Session, name: str) -> Bank:
    found = session.scalars(select(Bank).where(Bank.name == name)).first()
    if found is None:
        raise UnknownBank(name=name, known=sorted(session.scalars(select(Bank.name))))
    return found


def _kept(session: Session, path: Path, bank: str) -> BlueprintVersion:
    return forms.keep_blueprint(session, _bank(session, bank), _document(path), clock.now())


@click.group("forms")
def forms_group() -> None:
    """Test forms, assembled from a blueprint."""


BLUEPRINT = click.argument("blueprint", metavar="BLUEPRINT.toml", type=click.Path(path_type=Path))
BANK = click.option("--bank", required=True, help="The name of the item bank.")
SEED = click.option("--seed", type=click.IntRange(0, 2**31 - 1), required=True, help="The same seed gives the same forms of the same bank.")


@forms_group.command("assemble")
@BLUEPRINT
@BANK
@click.option("--forms", "count", type=click.IntRange(1, 20), required=True, help="How many parallel forms.")
@SEED
@click.option(
    "--seconds", type=click.IntRange(1, 3600), default=forms.SECONDS, show_default=True, help="How long an exact search may take."
)
@click.option("--json", "as_json", is_flag=True)
@click.pass_context
def assemble_forms(context: click.Context, blueprint: Path, bank: str, count: int, seed: int, seconds: int, as_json: bool) -> None:
    """Assemble parallel forms and keep them in the bank, not locked; or say what is short."""
    db = context.meta["testing_platform.opened"]()
    now = clock.now()
    with db.write() as session:
        one = _kept(session, blueprint, bank)
        asked = forms.ask(session, one, count, seed, now, seconds=seconds)
        # Begun here: the worker leaves it alone.
        asked.state, asked.began_at = "running", now
        found, pool = forms.read_pool(session, asked, clock.day(now, context.obj.zone))
        asked_id = asked.id
    tell = lambda step: None if as_json else click.echo(f"{STEPS[step]} …", err=True)  # noqa: E731
    try:
        outcome = assemble(found, pool, count, seed, seconds=seconds, tell=tell)
    except errors.Refusal as refusal:
        with db.write() as session:
            forms.refuse(session, session.get_one(forms.Assembly, asked_id), refusal, clock.now())
        raise
    with db.write() as session:
        asked = session.get_one(forms.Assembly, asked_id)
        made = forms.take(session, asked, outcome, form_queries.pool_digest(pool), clock.now())
        said = {"blueprint": {"name": one.name, "version": one.number, "digest": one.digest}, "bank": bank, "pool": asked.pool_digest}
        said |= {"assembly": asked.id, **asked.result, "made": [{"id": form.id, "name": form.name, "number": form.number} for form in made]}
    if as_json:
        click.echo(json.dumps(said, ensure_ascii=False))
    else:
        _say(said)
    if outcome.state != "met":
        sys.exit(1)


def _say(said: dict[str, Any]) -> None:
    for row in said["shortages"]:
        click.echo(f"short  section {row['section']}  {row['kind']} {row['at']}: {row['missing']} more needed")
    for line in said["lines"]:
        if not line["met"]:
            bounds = f"{_number(line['least'])} to {_number(line['most'])}"
            where = " ".join(str(part) for part in (line["section"], line["at"]) if part)
            click.echo(f"unmet  form {line['form'] or 'all'}  {line['kind']} {where}: wanted {bounds}, got {_number(line['got'])}")
    if said["shortages"] and not said["proved"]:
        click.echo(f"with these added it can be met; fewer may do, at least {said['fewest']} are missing")
    for form in said["made"]:
        click.echo(f"made   {form['name']} ({form['number']})")
    met = sum(line["met"] for line in said["lines"])
    proved = ", proved" if said["proved"] else ""
    click.echo(
        f"{said['state']}{proved}: {met} of {len(said['lines'])} constraints met, mean within {said['distance']:.4f} of the target, "
        f"gap {said['gap']:.4f}, seed {said['seed']}, {said['way']} in {said['seconds']:.2f} s"
    )


def _number(value: float | None) -> str:
    return "any" if value is None else f"{value:.4g}"


@forms_group.command("freeze")
@BLUEPRINT
@BANK
@click.option("--cap", type=click.FloatRange(0.01, 1), required=True, help="The largest share of candidates who may be given an item.")
@SEED
@click.option("--json", "as_json", is_flag=True)
@click.pass_context
def freeze(context: click.Context, blueprint: Path, bank: str, cap: float, seed: int, as_json: bool) -> None:
    """Freeze a pool from which a form can be drawn for each candidate."""
    now = clock.now()
    with context.meta["testing_platform.opened"]().write() as session:
        pool = forms.freeze(session, _kept(session, blueprint, bank), cap, seed, clock.day(now, context.obj.zone), now)
        said = {"pool": pool.id, "digest": pool.digest, "items": len(pool.content["items"]), "cap": cap, "seed": seed}
    click.echo(json.dumps(said) if as_json else f"pool {said['pool']}: {said['items']} items, digest {said['digest']}")


@forms_group.command("draw")
@click.argument("pool", type=int)
@SEED
@click.option("--json", "as_json", is_flag=True)
@click.pass_context
def draw(context: click.Context, pool: int, seed: int, as_json: bool) -> None:
    """Draw one candidate's form from a frozen pool; the same seed draws the same form."""
    with context.meta["testing_platform.opened"]().write() as session:
        found = session.get(LoftPool, pool)
        if found is None:
            raise errors.NotFound(pool=pool)
        drawn = forms.draw(session, found, seed, clock.now())
        said = {"pool": pool, "seed": seed, "form": drawn.form_id, "digest": drawn.form.digest, "name": drawn.form.name}
        said["items"] = [row.version.item.code for row in form_queries.slots_of(session, drawn.form)]
        said["most_exposed"] = max(forms.exposure(session, found).values())
    click.echo(json.dumps(said) if as_json else f"form {said['form']} ({said['name']}), digest {said['digest']}")
