"""The validation analyst's pages: how groups fare at each passing score, items compared between groups, and the countersignature.

Every look is a line in the trail; who sets a passing score is refused by the object rule.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from flask import Blueprint, Response, current_app, flash, g, redirect, render_template, request
from flask_babel import gettext as _
from markupsafe import Markup
from sqlalchemy import select
from sqlalchemy.orm import Session

from testing_platform import errors
from testing_platform.accounts.models import Person
from testing_platform.accounts.permissions import allowed, object_rule
from testing_platform.examinations.models import Administration
from testing_platform.itembank.models import FormSlot
from testing_platform.scoring import countersign, dif_service, exports, rules, service
from testing_platform.scoring import impact_queries as queries
from testing_platform.scoring import impact_service as impacts
from testing_platform.scoring.analysis.impact import Impact
from testing_platform.scoring.impact_rules import By, GroupPolicy, lowest
from testing_platform.scoring.models import PassingScoreDecision, ScoreRun
from testing_platform.web.frame import own_transactions, row_number

bp = Blueprint("validation", __name__, url_prefix="/validation")
OF_ONE = "/administrations/<int:administration_id>"


@object_rule("groups_of_administration")
def groups_of_administration(session: Session, person: Person, administration_id: int, **_ids: Any) -> Administration:
    return impacts.may_see(session, person, administration_id)


@bp.app_template_filter("figure")
def figure(value: float | None, places: int = 3) -> str:
    """A figure with its sign as it is printed; a dash for what is not defined."""
    return "–" if value is None else f"{value:.{places}f}".replace("-", "−")


@bp.app_template_filter("ratio_text")
def ratio_text(value: str) -> str:
    """A ratio that is stored exactly, such as 26/33."""
    return figure(float(Fraction(value)))


@bp.app_template_filter("chance")
def chance(value: float | None) -> str:
    """A probability; of a small one only that it is small."""
    return "–" if value is None else "<\u00a0.001" if value < 0.001 else f"{value:.3f}"


def _page(template: str, **more: Any) -> str:
    g.rail = [(_("Administrations"), "/validation/", True)]
    return render_template(f"scoring/impact/{template}.html", **more)


def _of(one: Administration, run: ScoreRun | None, **more: Any) -> dict[str, Any]:
    return {"administration": one, "base": f"/validation/administrations/{one.id}", "run": run, **more}


def _seen(administration_id: int, person_id: int, act: str, others: Sequence[int] = (), **facts: Any) -> None:
    """The lines in the trail, of this administration and of others whose groups are in the figures, in one short write after the reading is over."""
    g.session.close()
    with current_app.db.write() as session:  # type: ignore[attr-defined]
        for number in (administration_id, *others):
            impacts.seen(session, number, person_id, act, g.now, **facts)


@bp.teardown_request
def _let_go(_problem: BaseException | None) -> None:
    if "session" in g:
        g.session.close()


@bp.get("/")
@allowed("validation.home")
def home() -> Any:
    return _page("home", found=queries.standings(g.session, g.person))


def _by(default: By = By.SEX) -> By:
    asked = request.args.get("by", default)
    return By(asked) if asked in set(By) else default


def _cut(one: Administration, run: ScoreRun, decision: PassingScoreDecision | None) -> int:
    asked = request.args.get("cut", "")
    if asked.isascii() and asked.isdecimal() and len(asked) < 6:
        return min(int(asked), run.maximum)
    return queries.usual_cut(one, run, decision)


def _every_cut(grouping: impacts.Grouping, policy: GroupPolicy, reference: str | None) -> dict[int, Impact]:
    everyone = [sum(at) for at in zip(*grouping.reach.values(), strict=True)]
    return {cut: grouping.at(cut, policy, reference) for cut in queries.shown_cuts(everyone)}


@bp.get(OF_ONE)
@own_transactions
@allowed("impact.see")
def impact(one: Administration) -> Any:
    run, decision, policy = service.newest_run(g.session, one), service.standing_decision(g.session, one), impacts.policy_of(one)
    person_id, administration_id = g.person.id, one.id
    takers = impacts.takers(g.session, one, run) if run else []
    if run is None or not takers:
        return _page("nothing", **_of(one, run))
    by, cut = _by(), _cut(one, run, decision)
    grouping = impacts.grouping(takers, by, run.maximum)
    reference = request.args.get("reference") if request.args.get("reference") in grouping.reach else None
    by_cut = _every_cut(grouping, policy, reference) if grouping.compares else {}
    at = grouping.at(cut, policy, reference) if grouping.compares else None
    pooled = impacts.pooled(g.session, one, grouping, cut, at.reference, g.person) if at else impacts.Pooled([], [])
    page = _page(
        "impact",
        **_of(
            one,
            run,
            by=by,
            kinds=list(By),
            cut=cut,
            decision=decision,
            countersignature=countersign.of_decision(g.session, decision) if decision else None,
            required=countersign.is_required(g.session, one),
            grouping=grouping,
            reference=reference,
            at=at,
            lowest=lowest(at) if at else None,
            by_cut=by_cut,
            pooled=pooled,
            charts=queries.ratio_charts(by_cut, float(policy.four_fifths), cut) if by_cut else [],
            policy=policy,
            current=service.is_current(g.session, one, run, g.now),
            taken=len(takers),
        ),
    )
    _seen(administration_id, person_id, "impact.seen", pooled.others, by=by, cut=cut, run=run.id)
    return page


@bp.get(OF_ONE + "/impact.<any(csv, xlsx):format>")
@own_transactions
@allowed("impact.export")
def export(one: Administration, format: str) -> Any:
    """Every kind of groups at every cut, without small counts."""
    run, policy = service.newest_run(g.session, one), impacts.policy_of(one)
    if run is None:
        raise service.ScoresNotCurrent
    person_id, administration_id, name = g.person.id, one.id, f"{exports.examination_number(one)}-impact.{format}"
    takers = impacts.takers(g.session, one, run)
    lines: list[dict[str, str]] = []
    for by in By:
        grouping = impacts.grouping(takers, by, run.maximum)
        if grouping.compares:
            lines += queries.file_lines(by, _every_cut(grouping, policy, None), policy.suppress_below, grouping.unsaid)
    content = (
        exports.as_csv(queries.COLUMNS, lines, figures=True)
        if format == "csv"
        else exports.as_xlsx(queries.COLUMNS, lines, "impact", run.made_at)
    )
    _seen(administration_id, person_id, "impact.exported", format=format, rows=len(lines), run=run.id)
    return Response(content, content_type=exports.TYPES[format], headers={"Content-Disposition": f'attachment; filename="{name}"'})


# --- items -----------------------------------------------------------------------------------------------------------------------------------


@bp.get(OF_ONE + "/dif")
@own_transactions
@allowed("dif.see")
def dif(one: Administration) -> Any:
    run, policy = service.newest_run(g.session, one), impacts.policy_of(one)
    person_id, administration_id = g.person.id, one.id
    answers = dif_service.answers_of(g.session, one, run) if run else None
    if run is None or answers is None or not answers.sheet.candidates:
        return _page("nothing", **_of(one, run))
    purify = request.args.get("purify", "yes") == "yes"
    lines = dif_service.overview(answers.sheet, purify, policy)
    asked = (request.args.get("by"), request.args.get("focal"))
    made = [line for line in lines if line.found]
    chosen = next((line for line in made if (line.pair.by, line.pair.focal) == asked), made[0] if made else None)
    page = _page(
        "dif",
        **_of(
            one,
            run,
            lines=lines,
            chosen=chosen,
            purify=purify,
            slots=answers.slots,
            chart=queries.delta_chart(chosen.found, answers.slots, policy.dif) if chosen and chosen.found else None,
            policy=policy,
        ),
    )
    facts: dict[str, Any] = {"by": chosen.pair.by, "focal": chosen.pair.focal} if chosen else {}
    _seen(administration_id, person_id, "dif.seen", run=run.id, **facts)
    return page


@bp.get(OF_ONE + "/items/<int:number>")
@own_transactions
@allowed("dif.see")
def item(one: Administration, number: int) -> Any:
    row = g.session.scalars(select(FormSlot).where(FormSlot.form_id == one.form_id, FormSlot.slot == number)).first()
    if row is None:
        raise errors.NotFound
    run, policy = service.newest_run(g.session, one), impacts.policy_of(one)
    person_id, administration_id = g.person.id, one.id
    code, version = row.version.item.code, row.version
    lines, chosen = [], {}
    if run is not None:
        answers = dif_service.answers_of(g.session, one, run)
        if code in answers.slots and answers.sheet.candidates:
            place = answers.sheet.items.index(code)
            lines = [
                (line.pair, line.found, line.found.items[place]) for line in dif_service.overview(answers.sheet, True, policy) if line.found
            ]
            chosen = {by: dif_service.chosen_by_group(answers.sheet, code, by) for by in {pair.by: None for pair, *_rest in lines}}
    page = _page(
        "item",
        **_of(
            one,
            run,
            slot=number,
            code=code,
            area=version.item.area,
            stem=Markup(version.stem),
            options=[(str(option["key"]), Markup(option["html"])) for option in version.options],
            right=(service.entries_of(run.key) if run else {}).get(number, version.accepted),
            stimulus=version.stimulus and {"title": version.stimulus.title, "html": Markup(version.stimulus.html)},
            lines=lines,
            chosen=chosen,
            policy=policy,
        ),
    )
    _seen(administration_id, person_id, "dif.item_seen", slot=number)
    return page


# --- the countersignature --------------------------------------------------------------------------------------------------------------------


@bp.get(OF_ONE + "/countersign")
@own_transactions
@allowed("impact.countersign")
def countersign_page(one: Administration) -> Any:
    administration_id, person_id = one.id, g.person.id
    page = _countersign_page(one)
    _seen(administration_id, person_id, "impact.seen", by="all")
    return page


def _countersign_page(one: Administration, problem: str = "", said: dict[str, str] | None = None) -> str:
    run, decision = service.newest_run(g.session, one), service.standing_decision(g.session, one)
    if decision is None:
        return _page("nothing", **_of(one, run))
    policy = impacts.policy_of(one)
    takers = impacts.takers(g.session, one, decision.run)
    made = countersign.of_decision(g.session, decision)
    now = impacts.weighed(takers, decision.run.maximum, [decision.cut], policy)
    signer = g.session.get(Person, made.person_id) if made else None
    return _page(
        "countersign",
        **_of(
            one,
            run,
            decision=decision,
            made=made,
            signer=signer.name if signer else "",
            weighed=made.cuts if made else now,
            required=countersign.is_required(g.session, one),
            taken=len(takers),
            problem=problem,
            said=said or {},
            kinds=[by for by in By if str(by) in now[0]["groups"]],
        ),
    )


@bp.post(OF_ONE + "/send-back")
@allowed("impact.send_back")
def send_back(one: Administration) -> Any:
    """The proposal goes back to the analyst, who reads why."""
    decision, reason = service.standing_decision(g.session, one), request.form.get("reason", "").strip()[:4000]
    if decision is None or str(decision.number) != request.form.get("number", ""):
        raise service.NotProposed(outcome="")
    try:
        impacts.send_back(g.session, decision, g.person, reason, g.now)
    except rules.ReasonMissing:
        return _countersign_page(one, "send-back"), 422
    flash(_("Passing score %(cut)s is back with the analyst, with your reason.", cut=decision.cut), "success")
    return redirect(f"/validation/administrations/{one.id}", 303)


@bp.post(OF_ONE + "/countersign")
@allowed("impact.countersign")
def countersign_proposal(one: Administration) -> Any:
    said = {name: request.form.get(name, "").strip()[:4000] for name in ("number", "cuts", "methods", "words", "typed")}
    decision = service.standing_decision(g.session, one)
    if decision is None or str(decision.number) != said["number"]:
        raise service.NotProposed(outcome="")
    try:
        cuts = [row_number(word) for word in said["cuts"].replace(",", " ").split()]
    except ValueError:
        return _countersign_page(one, "faulty-cut", said), 422
    if said["typed"] != str(decision.cut):
        return _countersign_page(one, "typed-differs", said), 422
    try:
        impacts.countersign_proposal(g.session, decision, g.person, cuts, said["methods"], said["words"], g.now)
    except (rules.FaultyCut, rules.ReasonMissing) as refusal:
        return _countersign_page(one, str(refusal.facts.get("what", refusal.code)), said), 422
    return redirect(f"/validation/administrations/{one.id}/countersign", 303)
