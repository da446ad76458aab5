"""The analyses of an administration on pages: the test, its decisions, its items. No name, group or tier is on them, and no score of a person."""

from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, current_app, flash, g, redirect, render_template, request
from flask_babel import gettext as _
from flask_babel import ngettext
from sqlalchemy.orm import Session

from testing_platform import errors
from testing_platform.accounts.models import Person
from testing_platform.accounts.permissions import allowed
from testing_platform.accounts.rules import Role
from testing_platform.audit import service as audit
from testing_platform.examinations.models import Administration
from testing_platform.itembank.views import rail
from testing_platform.scoring import equated, exports, rules, service
from testing_platform.scoring.analysis.refusals import CannotSay
from testing_platform.scoring.models import ScoreRun
from testing_platform.web.frame import own_transactions

if TYPE_CHECKING:
    from testing_platform.scoring import analyses

bp = Blueprint("analyses", __name__, url_prefix="/analyst/administrations/<int:administration_id>/analyses")

# How the table of items may be ordered; those that begin with the least worth a look.
ORDERS = ("slot", "p", "r_pb", "r_rest", "alpha", "n", "omitted", "not_reached", "seconds", "flags")
FORMATS = ("xlsx", "pdf")


@bp.teardown_request
def let_go(_problem: BaseException | None) -> None:
    """A view with transactions of its own may have ended, refused, while it was reading."""
    if "session" in g:
        g.session.close()


def write(act: Callable[[Session], Any]) -> Any:
    """One short write after the reading and the arithmetic are over."""
    g.session.close()
    with current_app.db.write() as session:  # type: ignore[attr-defined]
        return act(session)


def seen(one: Administration, what: str, **facts: Any) -> None:
    """A page with keys on it was looked at."""
    about, person_id = f"administration:{one.id}", g.person.id
    write(lambda session: audit.record(session, f"analysis.{what}", about, g.now, person_id, **facts))


def show(template: str, one: Administration, **more: Any) -> str:
    rail("administrations")
    return render_template(
        f"scoring/analyses/{template}.html",
        administration=one,
        base=f"/analyst/administrations/{one.id}",
        tab=template,
        is_analyst=Role.ANALYST in g.person.roles,
        small_group=service.policy_of(one).small_group,
        **more,
    )


def run_of(one: Administration) -> ScoreRun | None:
    """The newest scoring with somebody in it."""
    run = service.newest_run(g.session, one)
    return run if run is not None and service.scores(g.session, run) else None


def _figures(one: Administration, run: ScoreRun) -> "analyses.Figures":
    # What it imports is large, and most who sign in never come here.
    from testing_platform.scoring import analyses

    return analyses.figures(analyses.answered(g.session, one, run), analyses.Thresholds.of(one))


def _cut(one: Administration, run: ScoreRun) -> tuple[int, bool]:
    """The passing score that was proposed or signed for these scores, else the reference line; and whether it is a passing score."""
    standing = service.standing_decision(g.session, one)
    if standing is not None and standing.run_id == run.id:
        return standing.cut, True
    return rules.ceiling(Fraction(run.maximum) * Fraction(service.policy_of(one).reference_percent) / 100), False


def shown(template: str, one: Administration, run: ScoreRun, **more: Any) -> str:
    from testing_platform.scoring import analyses

    current = service.is_current(g.session, one, run, g.now)
    return show(template, one, run=run, current=current, thresholds=analyses.Thresholds.of(one), **more)


@bp.get("")
@allowed("score.see")
def test(one: Administration) -> Any:
    run = run_of(one)
    if run is None:
        return show("none", one)
    from testing_platform.scoring import analyses_plots as plots

    figures = _figures(one, run)
    cut, signed = _cut(one, run)
    return shown(
        "test",
        one,
        run,
        figures=figures,
        cut=cut,
        signed=signed,
        histogram=plots.histogram(figures, cut),
        pass_curve=plots.pass_curve(figures, cut),
        csem=plots.csem(figures, cut),
    )


@bp.get("/consistency")
@allowed("score.see")
def consistency(one: Administration) -> Any:
    run = run_of(one)
    if run is None:
        return show("none", one)
    from testing_platform.scoring import analyses
    from testing_platform.scoring import analyses_plots as plots

    cut, signed = _cut(one, run)
    found, problem = [], ""
    try:
        found = analyses.at_every_cut(analyses.answered(g.session, one, run))
    except CannotSay as refusal:
        problem = refusal.facts["why"]
    return shown(
        "consistency",
        one,
        run,
        cuts=found,
        at=next((row for row in found if row.cut == cut), None),
        cut=cut,
        signed=signed,
        problem=problem,
        taken=len(service.scores(g.session, run)),
        agreement=plots.agreement(found, cut) if found else None,
        mistakes=plots.mistakes(found, cut) if found else None,
    )


@bp.get("/calibration")
@allowed("score.see")
def calibration(one: Administration) -> Any:
    run = run_of(one)
    if run is None:
        return show("none", one)
    from testing_platform.scoring import analyses
    from testing_platform.scoring import analyses_plots as plots

    model = request.args.get("model", "2pl")
    model = model if model in analyses.MODELS else "2pl"
    held, (cut, signed) = analyses.answered(g.session, one, run), _cut(one, run)
    taken = len(held.sheet.answers)
    more: dict[str, Any] = {"found": None, "problem": "few"}
    if taken >= analyses.Thresholds.of(one).models.calibrate_from:
        try:
            found = analyses.calibrated(held, model, cut)
            more = {
                "found": found,
                "pairs": list(zip(found.columns, found.calibration.items, strict=True)),
                "curve": plots.curve(found),
                "information": plots.information(found),
                "people": plots.people(found),
                "bins": plots.bins(found),
            }
        except CannotSay as refusal:
            more["problem"] = refusal.facts["why"]
    return shown("calibration", one, run, model=model, taken=taken, signed=signed, **more)


def _value(line: "analyses.Line", order: str) -> float:
    """What the table is sorted by; what is not defined stands as the least."""
    found = line.figures
    value = {
        "slot": line.column.slot,
        "p": found.p,
        "r_pb": found.r_pb,
        "r_rest": found.r_rest,
        "alpha": found.alpha_if_deleted,
        "n": found.n,
        "omitted": line.omitted,
        "not_reached": found.not_reached,
        "seconds": line.time.median,
        "flags": len(found.flags) if line.look else 0,
    }[order]
    return float("-inf") if value is None else float(value)


@bp.get("/items")
@own_transactions
@allowed("score.see")
def items(one: Administration) -> Any:
    run = run_of(one)
    if run is None:
        return show("none", one)
    from testing_platform.scoring import analyses_plots as plots

    figures = _figures(one, run)
    order = request.args.get("sort", "slot")
    order = order if order in ORDERS else "slot"
    down, flagged = request.args.get("down") == "yes", request.args.get("show") == "flagged"
    lines = [line for line in figures.lines if line.look or not flagged]
    page = shown(
        "items",
        one,
        run,
        figures=figures,
        lines=sorted(lines, key=lambda line: (_value(line, order), line.column.slot), reverse=down),
        look=[line for line in figures.lines if line.look],
        order=order,
        orders=ORDERS,
        down=down,
        flagged=flagged,
        scatter=plots.scatter(figures),
    )
    seen(one, "items_seen", run=run.id)
    return page


@bp.get("/items/<int:number>")
@own_transactions
@allowed("score.see")
def item(one: Administration, number: int) -> Any:
    run = run_of(one)
    if run is None:
        return show("none", one)
    from testing_platform.scoring import analyses
    from testing_platform.scoring import analyses_plots as plots

    figures = _figures(one, run)
    at = next((place for place, line in enumerate(figures.lines) if line.column.slot == number), None)
    if at is None:
        raise errors.NotFound
    line = figures.lines[at]
    groups = analyses.fifths(figures.answered, line)
    page = shown(
        "item",
        one,
        run,
        figures=figures,
        line=line,
        groups=groups,
        trace=plots.trace(groups, line.figures),
        before=figures.lines[at - 1].column.slot if at else None,
        after=figures.lines[at + 1].column.slot if at + 1 < len(figures.lines) else None,
    )
    seen(one, "item_seen", run=run.id, slot=number)
    return page


def _sure_run(one: Administration) -> ScoreRun:
    run = run_of(one)
    if run is None or not service.is_current(g.session, one, run, g.now):
        raise service.ScoresNotCurrent
    return run


@bp.post("/items/statistics")
@own_transactions
@allowed("score.run")
def keep_statistics(one: Administration) -> Any:
    """Into the item bank, of the scores as they are now."""
    run = _sure_run(one)
    return _put_into_bank(one, run, _figures(one, run), "items")


@bp.post("/calibration/statistics")
@own_transactions
@allowed("score.run")
def keep_calibration(one: Administration) -> Any:
    """The parameters of the model that is shown, into the item bank, beside the figures that they were made of."""
    from testing_platform.scoring import analyses

    run = _sure_run(one)
    figures = _figures(one, run)
    model = request.form.get("model", "")
    if model not in analyses.MODELS or figures.test.n < analyses.Thresholds.of(one).models.calibrate_from:
        raise errors.BadRequest(why="model")
    try:
        found = analyses.calibrated(figures.answered, model, _cut(one, run)[0])
    except CannotSay as refusal:
        raise errors.BadRequest(why="model") from refusal
    return _put_into_bank(one, run, figures, "calibration", found)


def _put_into_bank(
    one: Administration, run: ScoreRun, figures: "analyses.Figures", page: str, model: "analyses.Calibrated | None" = None
) -> Any:
    from testing_platform.scoring import analyses

    about, person_id, where = one.id, g.person.id, f"/analyst/administrations/{one.id}/analyses/{page}"

    def keep(session: Session) -> int:
        kept, person = session.get_one(Administration, about), session.get_one(Person, person_id)
        newest = service.newest_run(session, kept)
        if newest is None or newest.id != run.id:
            raise service.ScoresNotCurrent
        return analyses.write_statistics(session, kept, newest, figures, person, g.now, model)

    new = write(keep)
    if new:
        flash(
            ngettext("The figures of %(num)s item are in the item bank.", "The figures of %(num)s items are in the item bank.", new),
            "success",
        )
    else:
        flash(_("The item bank had these figures already. Nothing was written twice."), "info")
    return redirect(where, 303)


@bp.post("/report")
@own_transactions
@allowed("score.see")
def report(one: Administration) -> Any:
    """Everything in one file. It is made before anything is written, and handed out after its line in the trail is kept."""
    format = request.form.get("format", "")
    if format not in FORMATS:
        raise errors.BadRequest(why="format")
    run = run_of(one)
    if run is None:
        raise service.ScoresNotCurrent
    from testing_platform.scoring import analyses, equating_files
    from testing_platform.scoring import analyses_files as files

    small_group, carried = service.policy_of(one).small_group, equating_files.carried(g.session, one, run)
    made = files.Report(
        one, run, _figures(one, run), analyses.Thresholds.of(one), *_cut(one, run), small_group, carried, equated.told(g.session, one, run)
    )
    content = files.as_xlsx(made) if format == "xlsx" else files.as_pdf(made)
    name = f"analyses-{exports.examination_number(one)}.{format}"
    seen(one, "exported", run=run.id, format=format, sha256=files.sha256(content))
    return Response(content, content_type=files.TYPES[format], headers={"Content-Disposition": f'attachment; filename="{name}"'})
