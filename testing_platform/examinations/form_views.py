"""The analyst's pages for blueprints, assemblies and forms."""

import secrets
from typing import Any

from flask import Blueprint, Response, current_app, flash, g, redirect, render_template, request
from flask_babel import gettext as _
from markupsafe import Markup
from sqlalchemy import select
from sqlalchemy.orm import Session

from testing_platform import clock, errors
from testing_platform.accounts.models import Person
from testing_platform.accounts.permissions import allowed, object_rule
from testing_platform.audit import service as audit
from testing_platform.examinations import queries
from testing_platform.examinations.views import found
from testing_platform.itembank import form_queries, form_report, forms, service
from testing_platform.itembank.assembly import blueprint as blueprints
from testing_platform.itembank.assembly import loft
from testing_platform.itembank.assembly.supply import supply
from testing_platform.itembank.form_models import ENDED, Assembly, BlueprintVersion
from testing_platform.itembank.models import Bank, Form
from testing_platform.itembank.pool_views import typed_seed
from testing_platform.itembank.views import rail
from testing_platform.web.frame import own_transactions, recorded, row_number

bp = Blueprint("forms", __name__, url_prefix="/analyst")


@object_rule("form")
def form_rule(session: Session, person: Person, form_id: int, **_ids: Any) -> Form:
    return found(session, Form, form_id)


@object_rule("blueprint")
def blueprint_rule(session: Session, person: Person, blueprint_id: int, **_ids: Any) -> BlueprintVersion:
    return found(session, BlueprintVersion, blueprint_id)


@object_rule("assembly")
def assembly_rule(session: Session, person: Person, assembly_id: int, **_ids: Any) -> Assembly:
    return found(session, Assembly, assembly_id)


def _zone() -> str:
    return str(current_app.settings.zone)  # type: ignore[attr-defined]


@bp.get("/blueprints")
@allowed("blueprint.list")
def all_blueprints() -> Any:
    rail("forms")
    rows = [
        {"version": one, "blueprint": blueprints.of(one.content), "newest": next(iter(form_queries.assemblies_of(g.session, one)), None)}
        for one in form_queries.blueprints(g.session)
    ]
    banks = g.session.scalars(select(Bank).order_by(Bank.name)).all()
    return render_template("examinations/blueprints.html", rows=rows, banks=banks)


@bp.post("/blueprints/new")
@allowed("blueprint.write")
def keep() -> Any:
    """A version from the page: a file, or the text as it was edited."""
    bank = g.session.get(Bank, request.form.get("bank", 0, type=row_number))
    if bank is None:
        raise errors.BadRequest(why="bank")
    sent = request.files.get("file")
    text = sent.read().decode("utf-8", errors="replace") if sent else request.form.get("text", "")
    beside = g.session.get(BlueprintVersion, request.form.get("beside", 0, type=row_number))
    try:
        one = forms.keep_blueprint(g.session, bank, blueprints.read(text), g.now, g.person)
    except (blueprints.FaultyBlueprint, forms.UnknownAreas) as refused:
        if beside is None:
            raise
        return _blueprint(beside, refused), 422
    return redirect(f"/analyst/blueprints/{one.id}", 303)


@bp.get("/blueprints/<int:blueprint_id>")
@allowed("blueprint.see")
def blueprint(one: BlueprintVersion) -> Any:
    return _blueprint(one)


def _blueprint(one: BlueprintVersion, refused: errors.Refusal | None = None) -> str:
    """`refused`: why what was just sent was not done; what was typed stands where it was."""
    rail("forms")
    told = blueprints.of(one.content)
    lines = supply(told, form_queries.offers(g.session, one.bank, clock.day(g.now, _zone())))
    return render_template(
        "examinations/blueprint.html",
        refused=current_app.extensions["sentence"](refused.code, refused.facts) if refused else None,
        version=one,
        blueprint=told,
        versions=form_queries.versions_of(g.session, one),
        assemblies=form_queries.assemblies_of(g.session, one),
        pools=form_queries.pools_of(g.session, one),
        supply={section.name: [line for line in lines if line.section == section.name] for section in told.sections},
        areas=form_queries.names(told.areas, one.bank),
        text=blueprints.written(one.content),
        seed=secrets.randbelow(1_000_000),
    )


@bp.get("/blueprints/<int:blueprint_id>.toml")
@allowed("blueprint.see")
def blueprint_file(one: BlueprintVersion) -> Any:
    name = f"blueprint-{one.id}-version-{one.number}.toml"
    return Response(
        blueprints.written(one.content), mimetype="application/toml", headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )


@bp.post("/blueprints/<int:blueprint_id>/assemble")
@allowed("form.assemble")
@own_transactions
def assemble(blueprint_id: int) -> Any:
    """Asked for, tried while the analyst waits, and written down: the search itself stands in no transaction."""
    count, seed = request.form.get("forms", 0, type=row_number), request.form.get("seed", -1, type=row_number)
    db, today = current_app.db, clock.day(g.now, _zone())  # type: ignore[attr-defined]
    with db.write() as session:
        asked = forms.ask(session, found(session, BlueprintVersion, blueprint_id), count, seed, g.now, g.person)
        # Begun here: the worker leaves it alone unless this process is lost.
        asked.state, asked.began_at = "running", g.now
        number = asked.id
        told, pool = forms.read_pool(session, asked, today)
    tried = forms.try_quickly(told, pool, count, seed)
    with db.write() as session:
        asked = session.get_one(Assembly, number)
        if tried is None:
            asked.state, asked.began_at = "asked", None
        else:
            forms.settle(session, asked, tried, form_queries.pool_digest(pool), clock.now())
    return redirect(f"/analyst/assemblies/{number}", 303)


@bp.post("/blueprints/<int:blueprint_id>/pools")
@allowed("pool.freeze")
@own_transactions
def freeze(blueprint_id: int) -> Any:
    """The rehearsals stand in no transaction."""
    percent, seed, db = request.form.get("cap", 0, type=row_number), typed_seed(), current_app.db  # type: ignore[attr-defined]
    if not 1 <= percent <= 100:
        raise errors.BadRequest(why="cap")
    with db.read() as session:
        one = found(session, BlueprintVersion, blueprint_id)
        document = one.content
        pool = form_queries.pool(session, one.bank, blueprints.of(document), clock.day(g.now, _zone()))
    try:
        frozen = forms.freeze_apart(document, pool, percent / 100, seed)
    except (loft.PoolTooSmall, loft.NoDraw) as refused:
        with db.read() as g.session:
            return _blueprint(found(g.session, BlueprintVersion, blueprint_id), refused), 409
    with db.write() as session:
        one = session.get_one(BlueprintVersion, blueprint_id)
        number = forms.keep_pool(session, one, frozen, seed, clock.now(), session.get_one(Person, g.person.id)).id
    return redirect(f"/analyst/pools/{number}", 303)


@bp.get("/assemblies/<int:assembly_id>")
@allowed("assembly.see")
def assembly(one: Assembly) -> Any:
    rail("forms")
    told = blueprints.of(one.blueprint.content)
    made = [
        figures
        for plan in one.made
        if (figures := form_report.figures_of(plan.form, form_report.items_of(g.session, plan.form, told))) is not None
    ]
    return render_template(
        "examinations/assembly.html",
        assembly=one,
        ended=one.state in ENDED,
        blueprint=told,
        made=made,
        areas=form_queries.names(told.areas, one.blueprint.bank),
        spent=_spent(one),
    )


@bp.get("/assemblies/<int:assembly_id>/progress")
@allowed("assembly.see")
def progress(one: Assembly) -> Any:
    return render_template("examinations/_assembly_progress.html", assembly=one, ended=one.state in ENDED, spent=_spent(one))


def _spent(one: Assembly) -> int:
    """Seconds that the search has run."""
    return 0 if one.began_at is None else max(0, int((g.now - one.began_at).total_seconds()))


@bp.get("/forms/<int:form_id>")
@recorded
@allowed("form.see")
def form(one: Form) -> Any:
    audit.record(g.session, "form.seen", f"form:{one.id}", g.now, g.person.id)
    rail("forms")
    plan = form_queries.plan_of(g.session, one.id)
    unscored = set(plan.unscored) if plan else set()
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
            "unscored": row.slot in unscored,
            "stimulus": row.version.stimulus and {"title": row.version.stimulus.title, "html": Markup(row.version.stimulus.html)},
        }
        for row in form_queries.slots_of(g.session, one)
    ]
    bank = g.session.get_one(Bank, one.bank_id)
    pool = form_queries.pool_behind(g.session, one.id)
    return render_template(
        "examinations/form.html",
        form=one,
        pool=pool,
        source=pool or form_queries.drawn_from(g.session, one.id),
        plan=plan,
        slots=slots,
        areas=form_queries.names(queries.area_titles(g.session, one.id), bank),
        report=None if pool else form_report.report(g.session, one),
    )


@bp.post("/forms/<int:form_id>/lock")
@allowed("form.lock")
def lock(one: Form) -> Any:
    service.lock_form(g.session, one, g.now, g.person.id)
    flash(_("Form %(name)s is locked. It can be given in an administration and does not change any more.", name=one.name), "success")
    return redirect(f"/analyst/forms/{one.id}", 303)


@bp.post("/forms/<int:form_id>/order")
@allowed("form.lock")
def order(one: Form) -> Any:
    wanted = request.form.getlist("shuffle")
    if not set(wanted) <= {"items", "options"}:
        raise errors.BadRequest(why="shuffle")
    forms.set_shuffle(g.session, one, "items" in wanted, "options" in wanted, g.now, g.person)
    flash(_("The order is kept."), "success")
    return redirect(f"/analyst/forms/{one.id}", 303)
