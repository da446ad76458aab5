"""The analyst's pages: what is announced, what is given, and the form as candidates see it, with its key."""

from collections.abc import Callable
from typing import Any

from flask import Blueprint, g, render_template
from flask_babel import gettext as _
from markupsafe import Markup
from sqlalchemy import select
from sqlalchemy.orm import Session

from testing_platform import errors
from testing_platform.accounts.models import Person
from testing_platform.accounts.permissions import allowed, object_rule
from testing_platform.audit import service as audit
from testing_platform.examinations import queries
from testing_platform.examinations.models import Administration, Examination
from testing_platform.itembank.models import Form, FormSlot
from testing_platform.web.frame import recorded

bp = Blueprint("examinations", __name__, url_prefix="/analyst")


def _found(session: Session, kind: type[Any], number: int) -> Any:
    found = session.get(kind, number)
    if found is None:
        raise errors.NotFound
    return found


@object_rule("administration")
def administration_rule(session: Session, person: Person, administration_id: int, **_ids: Any) -> Administration:
    return _found(session, Administration, administration_id)


@object_rule("form")
def form_rule(session: Session, person: Person, form_id: int, **_ids: Any) -> Form:
    return _found(session, Form, form_id)


@object_rule("examination")
def examination_rule(session: Session, person: Person, examination_id: int, **_ids: Any) -> Examination:
    return _found(session, Examination, examination_id)


def rail(current: str) -> None:
    g.rail = [
        (_("Administrations"), "/analyst/", current == "administrations"),
        (_("Bulletins"), "/analyst/bulletins", current == "bulletins"),
    ]


Need = Callable[[Session, Administration], "dict[str, str] | None"]
_needs: list[Need] = []


def needs(say: Need) -> Need:
    """Registers what later packages have to say under "what needs you today" of an administration: title, text, url and kind."""
    _needs.append(say)
    return say


@bp.get("/")
@allowed("analyst.home")
def home() -> Any:
    rail("administrations")
    found = [
        {
            "administration": one,
            "sessions": queries.sessions_of(g.session, one.id),
            "url": f"/analyst/administrations/{one.id}",
            "needs": [need for need in (say(g.session, one) for say in _needs) if need],
        }
        for one in queries.administrations(g.session)
    ]
    return render_template("examinations/home.html", administrations=found)


@bp.get("/administrations/<int:administration_id>")
@allowed("administration.see")
def administration(one: Administration) -> Any:
    rail("administrations")
    return render_template(
        "examinations/administration.html",
        administration=one,
        sessions=queries.sessions_of(g.session, one.id),
        areas=queries.form_areas(g.session, one.form),
        form_url=f"/analyst/forms/{one.form_id}",
        bulletin_url=f"/analyst/bulletins/{one.examination_id}",
    )


@bp.get("/bulletins")
@allowed("analyst.home")
def bulletins() -> Any:
    rail("bulletins")
    return render_template("examinations/bulletins.html", examinations=queries.examinations(g.session))


@bp.get("/bulletins/<int:examination_id>")
@allowed("bulletin.see")
def bulletin(one: Examination) -> Any:
    """Every rule of the bulletin with its value and where it comes from."""
    rail("bulletins")
    return render_template("examinations/bulletin.html", examination=one, bulletin=one.bulletin, content=one.bulletin.content)


@bp.get("/forms/<int:form_id>")
@recorded
@allowed("form.see")
def form(one: Form) -> Any:
    audit.record(g.session, "form.seen", f"form:{one.id}", g.now, g.person.id)
    rail("administrations")
    slots = [
        {
            "slot": row.slot,
            "code": row.version.item.code,
            "area": row.version.item.area,
            "stem": Markup(row.version.stem),
            "options": [{**option, "html": Markup(option["html"])} for option in row.version.options],
            "correct": row.version.correct,
            "rationale": row.version.rationale,
            "difficulty": row.version.difficulty,
            "stimulus": row.version.stimulus and {"title": row.version.stimulus.title, "html": Markup(row.version.stimulus.html)},
        }
        for row in g.session.scalars(select(FormSlot).where(FormSlot.form_id == one.id).order_by(FormSlot.slot))
    ]
    return render_template("examinations/form.html", form=one, slots=slots, areas=queries.area_titles(g.session, one.id))
