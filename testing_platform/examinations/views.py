"""The analyst's pages: what is announced and what is given."""

from collections.abc import Callable
from typing import Any

from flask import Blueprint, flash, g, redirect, render_template, request
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from testing_platform import errors
from testing_platform.accounts.models import Person
from testing_platform.accounts.permissions import ANALYSTS, allowed, object_rule
from testing_platform.examinations import queries, service
from testing_platform.examinations.models import Administration, Examination
from testing_platform.itembank import form_queries, forms
from testing_platform.itembank.form_models import LoftPool
from testing_platform.itembank.views import rail

bp = Blueprint("examinations", __name__, url_prefix="/analyst")


def found(session: Session, kind: type[Any], number: int) -> Any:
    found = session.get(kind, number)
    if found is None:
        raise errors.NotFound
    return found


@object_rule("administration")
def administration_rule(session: Session, person: Person, administration_id: int, **_ids: Any) -> Administration:
    return found(session, Administration, administration_id)


@object_rule("examination")
def examination_rule(session: Session, person: Person, examination_id: int, **_ids: Any) -> Examination:
    return found(session, Examination, examination_id)


Need = Callable[[Session, Administration], "dict[str, str] | None"]
_needs: list[Need] = []


def needs(say: Need) -> Need:
    """Registers what later packages have to say under "what needs you today" of an administration: title, text, url and kind."""
    _needs.append(say)
    return say


@bp.get("/")
@allowed("analyst.home")
def home() -> Any:
    if not g.person.roles & ANALYSTS:
        return redirect("/analyst/bank/", 303)
    rail("administrations")
    rows = [
        {
            "administration": one,
            "sessions": queries.sessions_of(g.session, one.id),
            "url": f"/analyst/administrations/{one.id}",
            "pool": form_queries.pool_behind(g.session, one.form_id),
            "needs": [need for need in (say(g.session, one) for say in _needs) if need],
        }
        for one in queries.administrations(g.session)
    ]
    return render_template("examinations/home.html", administrations=rows)


@bp.get("/administrations/<int:administration_id>")
@allowed("administration.see")
def administration(one: Administration) -> Any:
    rail("administrations")
    pool = form_queries.pool_behind(g.session, one.form_id)
    return render_template(
        "examinations/administration.html",
        administration=one,
        sessions=queries.sessions_of(g.session, one.id),
        areas=queries.form_areas(g.session, one.form),
        form_url=f"/analyst/forms/{one.form_id}",
        bulletin_url=f"/analyst/bulletins/{one.examination_id}",
        pool=pool,
        frozen=forms.frozen_pool(pool) if pool else None,
        drawn=form_queries.count_drawn(g.session, pool) if pool else 0,
        fixed=service.form_fixed(g.session, one, g.now),
        choices=queries.choices(g.session, one.form.bank_id),
    )


@bp.post("/administrations/<int:administration_id>/form")
@allowed("administration.give")
def give(one: Administration) -> Any:
    """Another form for everybody, or a form of their own for each candidate from a pool."""
    chosen = queries.choices(g.session, one.form.bank_id).get(request.form.get("given", ""))
    if chosen is None:
        raise errors.BadRequest(why="form")
    if why := service.form_fixed(g.session, one, g.now):
        raise service.FormFixed(why=why)
    form = forms.pool_form(g.session, chosen, g.now, g.person) if isinstance(chosen, LoftPool) else chosen
    if form.id != one.form_id:
        service.give(g.session, one, form, g.now, g.person)
    flash(_("The administration gives what you chose. It can be changed until check-in opens."), "success")
    return redirect(f"/analyst/administrations/{one.id}", 303)


@bp.get("/bulletins")
@allowed("bulletin.list")
def bulletins() -> Any:
    rail("bulletins")
    return render_template("examinations/bulletins.html", examinations=queries.examinations(g.session))


@bp.get("/bulletins/<int:examination_id>")
@allowed("bulletin.see")
def bulletin(one: Examination) -> Any:
    """Every rule of the bulletin with its value and where it comes from."""
    rail("bulletins")
    return render_template("examinations/bulletin.html", examination=one, bulletin=one.bulletin, content=one.bulletin.content)
