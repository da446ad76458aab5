"""Equating and the drift of the anchor, on pages beside the other analyses. No name, group or tier is on them, and no score of a person."""

from typing import TYPE_CHECKING, Any

from flask import Blueprint, flash, g, redirect, request
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from testing_platform import errors
from testing_platform.accounts.models import Person
from testing_platform.accounts.permissions import allowed
from testing_platform.examinations.models import Administration
from testing_platform.itembank import form_queries
from testing_platform.scoring import analyses_views as pages
from testing_platform.scoring import equated, queries, service
from testing_platform.scoring.analysis.refusals import CannotSay
from testing_platform.scoring.models import ScoreRun
from testing_platform.web.frame import own_transactions, row_number

if TYPE_CHECKING:
    from testing_platform.scoring.equating_service import Drift, Earlier, Pair

bp = Blueprint("equating", __name__, url_prefix="/analyst/administrations/<int:administration_id>/analyses")
bp.teardown_request(pages.let_go)
REASON = 2000


def _chosen(one: Administration, run: ScoreRun) -> "tuple[list[Earlier], Earlier | None]":
    """The earlier administrations, and the one that is asked for; unless one is, that with the largest anchor."""
    # What it imports is large, and most who sign in never come here.
    from testing_platform.scoring import equating_service as equatings

    found, asked = equatings.earlier(g.session, one, run), request.values.get("with", "")
    if not asked:
        return found, found[0] if found else None
    chosen = next((each for each in found if str(each.administration.id) == asked), None)
    if chosen is None:
        raise errors.NotFound
    return found, chosen


def _sure(one: Administration) -> "tuple[ScoreRun, Earlier]":
    run = pages.run_of(one)
    if run is None:
        raise service.ScoresNotCurrent
    _found, chosen = _chosen(one, run)
    if chosen is None:
        raise errors.NotFound
    return run, chosen


def _drift(found: "Pair") -> "tuple[Drift | None, str]":
    """None, and why, where nothing can be said."""
    from testing_platform.scoring import equating_service as equatings

    try:
        return equatings.drift(found, equatings.policy_of(found.administration)), ""
    except CannotSay as refusal:
        return None, refusal.facts["why"]


@bp.get("/equating")
@allowed("score.see")
def equating(one: Administration) -> Any:
    return _equating(one)


def _equating(one: Administration, problem: str = "", reason: str = "") -> str:
    run = pages.run_of(one)
    if run is None:
        return pages.show("none", one)
    from testing_platform.scoring import equating_plots as plots
    from testing_platform.scoring import equating_rules
    from testing_platform.scoring import equating_service as equatings
    from testing_platform.scoring.analysis.equating import Method

    if form_queries.pool_behind(g.session, one.form_id) is not None:
        return pages.show("none", one, own_forms=True)
    policy, (found, chosen) = equatings.policy_of(one), _chosen(one, run)
    more: dict[str, Any] = {"found": None, "recommended": None, "drifted": 0}
    if chosen is not None:
        pair = equatings.pair(g.session, one, run, chosen)
        about = equatings.facts(pair)
        recommended = equating_rules.recommend(about, policy)
        asked = request.values.get("method", "")
        method = Method(asked) if asked in set(Method) else recommended.method
        smooth = request.values.get("smooth") == "yes" if asked else recommended.smooth
        more |= {"about": about, "recommended": recommended, "method": method, "smooth": smooth, "seen": equatings.digest_of(run, chosen)}
        moved, _why = _drift(pair)
        more["drifted"] = len(moved.flagged) if moved else 0
        try:
            made = equatings.convert(pair, method, smooth, policy)
            lowest = int(pair.x.sheet.totals.min()) + pair.x.credited
            shown = plots.shown_rows(made.table, lowest - 2)
            more |= {"found": made, "gains": plots.gains(shown, made.cut.x if made.cut else None)}
        except CannotSay as refusal:
            more["cannot"] = refusal.facts["why"]
    kept = (equated.newest(g.session, one, chosen.administration.id) if chosen else None) or equated.newest(g.session, one)
    return pages.shown(
        "equating",
        one,
        run,
        policy=policy,
        earlier=found,
        chosen=chosen,
        methods=list(Method),
        smoothed=equating_rules.SMOOTHED,
        kept=kept,
        holds=kept is not None and equated.holds(g.session, kept, run),
        by=queries.names(g.session, {kept.made_by_id}) if kept else {},
        problem=problem,
        reason=reason,
        **more,
    )


@bp.post("/equating/keep")
@own_transactions
@allowed("equating.keep")
def keep(one: Administration) -> Any:
    """The conversion that was looked at, with the passing score that it carries over. It is worked out before anything is written."""
    from testing_platform.scoring import equating_service as equatings
    from testing_platform.scoring.analysis.equating import Method

    reason, asked = request.form.get("reason", "").strip()[:REASON], request.form.get("method", "")
    if asked not in set(Method):
        raise errors.BadRequest(why="method")
    if not reason:
        return _equating(one, "reason-needed"), 422
    run, chosen = _sure(one)
    policy, pair = equatings.policy_of(one), equatings.pair(g.session, one, run, chosen)
    about = equatings.facts(pair)
    try:
        made = equatings.convert(pair, Method(asked), request.form.get("smooth") == "yes", policy)
    except CannotSay:
        return _equating(one), 422
    number, person_id, with_id, seen = one.id, g.person.id, chosen.administration.id, request.form.get("seen", "")

    def write(session: Session) -> int | None:
        here, person = session.get_one(Administration, number), session.get_one(Person, person_id)
        return equatings.keep(session, here, person, made, about, policy, seen, with_id, reason, g.now).raw

    raw = pages.write(write)
    if raw is None:
        flash(_("The equating is kept. Both administrations can be counted together on their passing score pages."), "success")
    else:
        flash(_("The carried passing score, %(raw)s, is kept. It stands on the passing score page as a line.", raw=raw), "success")
    smooth = "&smooth=yes" if made.smooth else ""
    return redirect(f"/analyst/administrations/{number}/analyses/equating?with={with_id}&method={asked}{smooth}", 303)


@bp.get("/drift")
@allowed("score.see")
def drift(one: Administration) -> Any:
    return _drift_page(one)


def _drift_page(one: Administration, problem: str = "", version: int | None = None) -> str:
    run = pages.run_of(one)
    if run is None:
        return pages.show("none", one)
    from testing_platform.scoring import equating_plots as plots
    from testing_platform.scoring import equating_service as equatings

    if form_queries.pool_behind(g.session, one.form_id) is not None:
        return pages.show("none", one, own_forms=True)
    policy, (found, chosen) = equatings.policy_of(one), _chosen(one, run)
    drifted, cannot = None, ""
    if chosen is not None:
        drifted, cannot = _drift(equatings.pair(g.session, one, run, chosen))
    rulings = [item.ruling for item in chosen.items if item.ruling] if chosen else []
    return pages.shown(
        "drift",
        one,
        run,
        policy=policy,
        earlier=found,
        chosen=chosen,
        found=drifted,
        cannot=cannot,
        taken=len(service.scores(g.session, run)),
        deltas=plots.deltas(drifted, policy) if drifted else None,
        by=queries.names(g.session, {ruling.person_id for ruling in rulings}),
        problem=problem,
        version=version,
    )


@bp.post("/drift/items")
@own_transactions
@allowed("equating.keep")
def rule_on(one: Administration) -> Any:
    """An item is left out of the anchor, or taken in again."""
    from testing_platform.scoring import equating_service as equatings

    try:
        version = row_number(request.form.get("version", ""))
    except ValueError:
        raise errors.BadRequest(why="version") from None
    out, reason = request.form.get("out") != "no", request.form.get("reason", "").strip()[:REASON]
    run, chosen = _sure(one)
    found, _why = _drift(equatings.pair(g.session, one, run, chosen))
    line = next((each for each in found.items if each.item.version_id == version), None) if found else None
    figures = {"distance": line.distance, "robust_z": line.figures.robust_z if line.figures else None} if line else {}
    number, person_id, with_id = one.id, g.person.id, chosen.administration.id
    if not reason:
        return _drift_page(one, "reason-needed", version), 422

    def write(session: Session) -> None:
        here, person = session.get_one(Administration, number), session.get_one(Person, person_id)
        equatings.rule_on(session, here, with_id, person, version, out, reason, figures, g.now)

    pages.write(write)
    flash(_("The item is out of the anchor; all is worked out anew.") if out else _("The item is in the anchor again."), "success")
    return redirect(f"/analyst/administrations/{number}/analyses/drift?with={with_id}", 303)
