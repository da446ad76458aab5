"""The pages of frozen pools, from which a form is drawn for each candidate."""

import secrets
from typing import Any

from flask import Blueprint, flash, g, redirect, render_template, request
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from testing_platform import errors
from testing_platform.accounts.models import Person
from testing_platform.accounts.permissions import allowed, object_rule
from testing_platform.itembank import form_queries, forms
from testing_platform.itembank.assembly.supply import offered, supply
from testing_platform.itembank.form_models import LoftPool
from testing_platform.itembank.views import rail
from testing_platform.web.frame import row_number

bp = Blueprint("pools", __name__, url_prefix="/analyst")


@object_rule("pool")
def pool_rule(session: Session, person: Person, pool_id: int, **_ids: Any) -> LoftPool:
    found = session.get(LoftPool, pool_id)
    if found is None:
        raise errors.NotFound
    return found


def typed_seed() -> int:
    found = request.form.get("seed", -1, type=row_number)
    if not 0 <= found < 2**31:
        raise errors.BadRequest(why="seed")
    return found


@bp.get("/pools/<int:pool_id>")
@allowed("pool.see")
def pool(one: LoftPool) -> Any:
    """What is in the pool, how far it reaches, and how often each item was drawn so far."""
    rail("forms")
    frozen = forms.frozen_pool(one)
    told = frozen.ground.blueprint
    times, draws = form_queries.drawn_items(g.session, one.id), form_queries.draws_of(g.session, one)
    for_candidates = form_queries.count_drawn(g.session, one)
    rows = [(item, weight, times.get(item.code, 0)) for item, weight in zip(frozen.items, frozen.weights, strict=True)]
    return render_template(
        "itembank/pool.html",
        pool=one,
        cap=frozen.cap,
        blueprint=told,
        lines=supply(told, offered(frozen.items)),
        areas=form_queries.names(told.areas, one.blueprint.bank),
        draws=draws,
        for_candidates=for_candidates,
        drawn=len(draws) + for_candidates,
        rows=sorted(rows, key=lambda row: (-row[2], row[0].code)),
        seed=secrets.randbelow(1_000_000),
    )


@bp.post("/pools/<int:pool_id>/draws")
@allowed("pool.draw")
def draw(one: LoftPool) -> Any:
    """The form of a seed, which is then shown; the same seed leads to the same form again."""
    drawn = forms.draw(g.session, one, typed_seed(), g.now, g.person)
    flash(
        _(
            "Form %(name)s, version %(number)s, was drawn with seed %(seed)s.",
            name=drawn.form.name,
            number=drawn.form.number,
            seed=drawn.seed,
        ),
        "success",
    )
    return redirect(f"/analyst/forms/{drawn.form_id}", 303)
