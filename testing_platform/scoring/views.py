"""Scoring pages of the analyst and the approver: how far it is, the key, the passing score and its two signatures."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal, DecimalException
from fractions import Fraction
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, current_app, flash, g, redirect, render_template, request
from flask_babel import gettext as _
from markupsafe import Markup
from sqlalchemy import select
from sqlalchemy.orm import Session

from testing_platform import assets, errors
from testing_platform.accounts import service as accounts
from testing_platform.accounts.models import Person
from testing_platform.accounts.permissions import allowed
from testing_platform.accounts.rules import Role
from testing_platform.audit import service as audit
from testing_platform.delivery import comments
from testing_platform.examinations import views as examinations
from testing_platform.examinations.models import Administration
from testing_platform.itembank import rules as bank_rules
from testing_platform.itembank.exchange.write_print import pdf_of
from testing_platform.itembank.models import FormSlot
from testing_platform.itembank.views import rail
from testing_platform.scoring import countersign, dates, equated, judged, queries, rules, rulings, scenarios, service, together
from testing_platform.scoring.again import again
from testing_platform.scoring.chooser_models import Scenario
from testing_platform.scoring.models import PassingScoreDecision, ScoreRun
from testing_platform.web.frame import own_transactions

bp = Blueprint("scoring", __name__, url_prefix="/analyst/administrations/<int:administration_id>")

PERCENTS = ("attend", "reach", "appointed", "show")
FIELDS = (
    "vacancies_now",
    "vacancies_expected",
    "listed",
    *PERCENTS,
    "capacity",
    "minimum",
    *(f"{name}_{which}" for name in rules.SHARES for which in ("did", "of")),
    "rates_reason",
    "below_reason",
)


def _page(template: str, one: Administration, **more: Any) -> str:
    rail("administrations")
    return render_template(
        f"scoring/{template}.html",
        administration=one,
        base=_base(one),
        is_analyst=Role.ANALYST in g.person.roles,
        is_approver=Role.APPROVER in g.person.roles,
        **more,
    )


def _who_may_sign(proposal: PassingScoreDecision | None) -> list[str]:
    """The approvers, without who proposed."""
    return [person.name for person in accounts.with_role(g.session, Role.APPROVER) if proposal and person.id != proposal.proposed_by_id]


@bp.app_template_filter("places")
def places(value: Any, count: int) -> Decimal:
    """Rounded half up to so many places, from the exact value."""
    return rules.rounded(Fraction(value), count)


@bp.app_template_filter("plainly")
def plainly(value: Any, times: int = 1) -> str:
    """0.8500 times 100 as 85."""
    return f"{(Decimal(value) * times).normalize():f}"


bp.add_app_template_filter(rules.percent, "percent_of")
bp.add_app_template_filter(date.fromisoformat, "as_day")


def _base(one: Administration) -> str:
    return f"/analyst/administrations/{one.id}"


@bp.teardown_request
def _let_go(_problem: BaseException | None) -> None:
    """A view with transactions of its own may have ended, refused, while it was reading."""
    if "session" in g:
        g.session.close()


def _write(act: Callable[[Session], Any]) -> Any:
    """One short write after the reading is over."""
    g.session.close()
    with current_app.db.write() as session:  # type: ignore[attr-defined]
        return act(session)


def _text(name: str, most: int = 4000) -> str:
    return request.form.get(name, "").strip()[:most]


@bp.get("/scoring")
@allowed("score.see")
def steps(one: Administration) -> Any:
    found = queries.progress(g.session, one, g.now)
    decisions = queries.decisions(g.session, one)
    people = {found.key.locked_by_id if found.key else None} | {d.proposed_by_id for d in decisions} | {d.approved_by_id for d in decisions}
    return _page(
        "steps", one, found=found, decisions=decisions, names=queries.names(g.session, people), may_sign=_who_may_sign(found.proposal)
    )


@bp.post("/scoring/end-sessions")
@allowed("score.run")
def end_sessions(one: Administration) -> Any:
    service.end_sessions(g.session, one, g.person, g.now)
    return redirect(f"{_base(one)}/scoring", 303)


@bp.post("/scores")
@own_transactions
@allowed("score.run")
def run(one: Administration) -> Any:
    administration_id, person_id = one.id, g.person.id
    gathered = service.gather(g.session, one, g.now)

    def score(session: Session) -> int:
        kept = session.get_one(Administration, administration_id)
        return service.run(session, kept, session.get_one(Person, person_id), g.now, gathered).id

    _write(score)
    return redirect(f"/analyst/administrations/{administration_id}/passing-score", 303)


# --- the key --------------------------------------------------------------------------------------------------------------------------------


@bp.get("/key")
@own_transactions
@allowed("key.see")
def key(one: Administration) -> Any:
    page = _key_page(one)
    about, person_id = f"administration:{one.id}", g.person.id
    _write(lambda session: audit.record(session, "key.seen", about, g.now, person_id))
    return page


def _key_page(one: Administration, problem: str = "", reason: str = "") -> str:
    newest = service.newest_key(g.session, one)
    entries = service.entries_of(newest) if newest else service.form_entries(g.session, one)
    gathered = service.gather(g.session, one, g.now)
    policy = service.policy_of(one)
    run = service.newest_run(g.session, one)
    versions = queries.keys(g.session, one)
    people = {version.made_by_id for version in versions} | {version.locked_by_id for version in versions}
    return _page(
        "key",
        one,
        key=newest,
        slots=queries.slots(g.session, one, entries, gathered, policy),
        taken=len(gathered.sheets),
        running=gathered.running + gathered.waiting,
        maximum=service.maximum(g.session, one, entries),
        policy=policy,
        versions=versions,
        # Of a key that has not scored yet: what it would do to the scores in force.
        preview=rulings.rescore(g.session, one, entries, gathered) if newest and run and newest.id != run.key_id else None,
        asked=rulings.panel_of(g.session, one),
        still_out=rulings.still_out(g.session, one),
        standing=service.standing_decision(g.session, one),
        names=queries.names(g.session, people),
        problem=problem,
        reason=reason,
    )


@bp.get("/key/items/<int:number>")
@own_transactions
@allowed("key.see")
def key_item(one: Administration, number: int) -> Any:
    page = _item_page(one, number)
    about, person_id = f"administration:{one.id}", g.person.id
    _write(lambda session: audit.record(session, "key.item_seen", about, g.now, person_id, slot=number))
    return page


def _item_page(one: Administration, number: int, problem: str = "", said: dict[str, Any] | None = None) -> str:
    row = g.session.scalars(select(FormSlot).where(FormSlot.form_id == one.form_id, FormSlot.slot == number)).first()
    if row is None:
        raise errors.NotFound
    newest = service.newest_key(g.session, one)
    entries = service.entries_of(newest) if newest else service.form_entries(g.session, one)
    gathered = service.gather(g.session, one, g.now)
    slots = queries.slots(g.session, one, entries, gathered, service.policy_of(one))
    at = next(index for index, found in enumerate(slots) if found.slot == number)
    stimulus = row.version.stimulus
    return _page(
        "item",
        one,
        slot=slots[at],
        before=slots[at - 1].slot if at else None,
        after=slots[at + 1].slot if at + 1 < len(slots) else None,
        taken=len(gathered.sheets),
        stem=Markup(row.version.stem),
        options=[(str(option["key"]), Markup(option["html"])) for option in row.version.options],
        rationale=row.version.rationale,
        stimulus=stimulus and {"title": stimulus.title, "html": Markup(stimulus.html)},
        changes=[(version, change) for version in queries.keys(g.session, one) for change in version.changes if change["slot"] == number],
        key=newest,
        standing=service.standing_decision(g.session, one),
        problem=problem,
        said=said or {},
        comments=comments.of_versions(g.session, one)[row.item_version_id],
        **_asked(one, number),
    )


def _said() -> dict[str, Any]:
    how = request.values.get("how", "")
    if how not in set(rules.Ruling):
        raise errors.BadRequest(why="ruling")
    return {"how": how, "options": request.values.getlist("option"), "reason": _text("reason"), "superseding": _text("superseding")}


def _intended(one: Administration, number: int, said: dict[str, Any]) -> rulings.Intended | str:
    """What the ruling would do, or why it is none. Raises rules.FaultyKey."""
    version = service.versions_of(g.session, one).get(number)
    if version is None:
        raise errors.NotFound
    how, answers = rules.Ruling(said["how"]), said["options"]
    if how in (rules.Ruling.CHANGE, rules.Ruling.ALSO):
        if not answers:
            return "no-option"
        if version.choices.most is not None:
            answers = [bank_rules.together(answers)]
    try:
        return rulings.intend(g.session, one, number, how, answers, service.gather(g.session, one, g.now))
    except (rules.SameKey, service.OnTrial, service.DrawnForms) as refusal:
        return refusal.code


@bp.get("/key/items/<int:number>/ruling")
@own_transactions
@allowed("key.change")
def weigh_ruling(one: Administration, number: int) -> Any:
    """What a ruling would do, in both directions, before it is kept."""
    said = _said()
    found = _intended(one, number, said)
    if isinstance(found, str):
        return _item_page(one, number, found, said), 422
    page = _ruling_page(one, number, said, found)
    about, person_id = f"administration:{one.id}", g.person.id
    _write(lambda session: audit.record(session, "key.ruling_weighed", about, g.now, person_id, slot=number, ruling=said["how"]))
    return page


def _ruling_page(one: Administration, number: int, said: dict[str, Any], found: rulings.Intended, problem: str = "") -> str:
    version = service.versions_of(g.session, one)[number]
    return _page(
        "ruling",
        one,
        slot=number,
        code=version.item.code,
        found=found,
        preview=found.preview,
        standing=found.preview.decision,
        said=said,
        problem=problem,
        **_asked(one, number),
    )


def _asked(one: Administration, number: int) -> dict[str, Any]:
    """What experts say of this item, if they were asked."""
    item = rulings.panel_of(g.session, one).get(number)
    return {"asked": item, "closed": bool(item and rulings.is_closed(item)), "agreed": item and rulings.agreement(item)}


@bp.post("/key/items/<int:number>/change")
@own_transactions
@allowed("key.change")
def change_key(one: Administration, number: int) -> Any:
    """Keeps the ruling that was looked at, with its reason."""
    said = _said()
    found = _intended(one, number, said)
    if isinstance(found, str):
        return _item_page(one, number, found, said), 422
    if _text("seen") != found.digest:
        return _ruling_page(one, number, said, found, "look-again"), 409
    if not said["reason"]:
        return _ruling_page(one, number, said, found, "reason-needed"), 422
    base, administration_id, person_id = _base(one), one.id, g.person.id

    def keep(session: Session) -> None:
        kept = session.get_one(Administration, administration_id)
        if service.form_key(session, kept, g.now).number != found.key:
            raise errors.VersionMoved
        by, superseding = session.get_one(Person, person_id), said["superseding"] == "yes"
        service.change_key(session, kept, by, number, found.after, said["reason"], g.now, superseding=superseding)

    _write(keep)
    flash(_("The key of item %(slot)s is changed. Look the key over and lock it.", slot=number), "success")
    return redirect(f"{base}/key#slot-{number}", 303)


@bp.post("/key/lock")
@own_transactions
@allowed("key.lock")
def lock_key(one: Administration) -> Any:
    """The version that was read is locked, and its slots that a figure points at are named with it."""
    number, reason = _text("number"), _text("reason")
    newest = service.newest_key(g.session, one)
    entries = service.entries_of(newest) if newest else service.form_entries(g.session, one)
    slots = queries.slots(g.session, one, entries, service.gather(g.session, one, g.now), service.policy_of(one))
    pointed_at = [slot.slot for slot in slots if slot.figures.reasons]
    if pointed_at and not reason:
        return _key_page(one, "reason-needed", reason), 422
    base, administration_id, person_id = _base(one), one.id, g.person.id

    def lock(session: Session) -> None:
        kept = session.get_one(Administration, administration_id)
        if number != str(service.form_key(session, kept, g.now).number):
            raise errors.VersionMoved
        service.lock_key(session, kept, session.get_one(Person, person_id), g.now, pointed_at=pointed_at, reason=reason)

    _write(lock)
    return redirect(f"{base}/scoring", 303)


# --- the passing score ----------------------------------------------------------------------------------------------------------------------


def _fraction(text: str) -> str:
    """A percent as it is typed, as the rate that it means; what is no number stays what it was."""
    try:
        return str(Decimal(text.strip().removesuffix("%").strip()) / 100)
    except DecimalException:
        return text


def _inputs(said: Any, policy: rules.Policy) -> rules.Inputs:
    values = {name: said.get(name, "").strip() for name in FIELDS}
    for name in PERCENTS:
        if values[name]:
            values[name] = _fraction(values[name])
    return rules.Inputs.of(
        values | {"counted": [(number, said.get(f"settled-{number}", "").strip()) for number in _with(said)]}, policy.prior
    )


def _with(said: Any) -> list[int]:
    """The administrations that are to be counted too."""
    return sorted({int(number) for number in said.getlist("with") if re.fullmatch(r"[0-9]{1,18}", number)})


def _shown(inputs: rules.Inputs) -> dict[str, str]:
    """The inputs as they stand in the boxes."""
    found = {name: "" if value is None else str(value) for name, value in inputs.told().items() if name != "counted"}
    for name in PERCENTS:
        found[name] = f"{(Decimal(found[name]) * 100).normalize():f}"
    return found


def _begin_with(
    one: Administration,
    decisions: list[PassingScoreDecision],
    vacancies: service.Vacancies | None,
    show: Decimal,
    panel: judged.Panel | None,
) -> rules.Inputs:
    """The numbers of the last decision, else the department's own rates and past cases, the judges' line, and the vacancies if the bulletin counts them."""
    policy = service.policy_of(one)
    if decisions:
        return rules.Inputs.of(decisions[0].inputs["inputs"], policy.prior)
    now, expected = (vacancies.now, vacancies.expected) if vacancies else (0, 0)
    own = rules.Inputs(
        now, expected, attend=policy.attend, reach=policy.reach, appointed=policy.appointed, show=show, minimum=panel.cut if panel else None
    )
    return replace(own, **{f"{name}_{which}": getattr(cases, which) for name, cases in policy.cases.items() for which in ("did", "of")})


@bp.get("/passing-score")
@allowed("passing_score.see")
def passing_score(one: Administration) -> Any:
    return _chooser(one, request.args)


def _chooser(one: Administration, said: Any, problem: errors.Refusal | None = None) -> str:
    found = queries.progress(g.session, one, g.now)
    if found.run is None or not found.scored:
        return _page("no_scores", one, found=found)
    policy = service.policy_of(one)
    decisions = queries.decisions(g.session, one)
    vacancies = service.vacancies_of(one)
    panel = judged.panel(judged.ratings_of(judged.newest(g.session, one)), service.entries_of(found.run.key), found.run.maximum)
    inputs = _begin_with(one, decisions, vacancies, queries.show_rate(found), panel)
    boxes = _shown(inputs)
    if "vacancies_now" in said:
        boxes |= {name: said.get(name, "") for name in FIELDS}
        try:
            inputs = _inputs(said, policy)
            # A rate with past cases is theirs, whatever stood in its box.
            boxes |= {name: _shown(inputs)[name] for name in rules.SHARES if inputs.cases(name)}
        except rules.FaultyInputs as refusal:
            problem = problem or refusal
    others = service.others(g.session, one, found.run, policy, g.now)
    try:
        countable = together.choose(g.session, one, found.run, others, inputs, g.now)
    except rules.FaultyInputs as refusal:
        inputs = replace(inputs, counted=())
        countable = together.choose(g.session, one, found.run, others, inputs, g.now)
        problem = problem or (refusal if "vacancies_now" in said else None)
    weighed = service.weigh(g.session, one, found.run, inputs, policy, countable if inputs.counted else None)
    carried = equated.told(g.session, one, found.run)
    forward = str(carried["raw"]) if carried and equated.carries_forward(one) else ""
    cut = said.get("cut", str(decisions[0].cut) if decisions else forward)
    at = int(cut) if cut.isdecimal() and len(cut) < 6 else weighed.choice.point
    at = min(at, found.run.maximum)
    kept = scenarios.of_run(g.session, found.run)
    # By somebody else than who proposed it, and nothing was proposed since.
    back = next((made for made in decisions[:1] if made.outcome == "withdrawn" and made.withdrawn_by_id != made.proposed_by_id), None)
    return _page(
        "chooser",
        one,
        found=found,
        run=found.run,
        policy=policy,
        inputs=inputs,
        vacancies=vacancies,
        boxes=boxes,
        copied=[name for name in FIELDS if not name.endswith("_reason")],
        weighed=weighed,
        choice=weighed.choice,
        cut=at,
        # Somebody has said which cut, in the address, the form or an earlier decision.
        moved=cut.isdecimal(),
        chart=queries.chart(
            weighed.choice.supply, float(weighed.lines.chance), countable.joined_with_all.supply if countable.others else ()
        ),
        together=_offered(one, found.run, others, countable, inputs, said),
        rationale=said.get("rationale", ""),
        hold_harmless=said.get("hold_harmless") or ("yes" if rulings.review_policy(one).hold_harmless else "no"),
        taken_back_reason=said.get("taken_back_reason", ""),
        problem=problem.facts | {"code": problem.code} if problem else {},
        below=rules.below(at, weighed.lines, inputs),
        judged=panel,
        **_streams(weighed, inputs, policy),
        sent_back=back,
        names=queries.names(g.session, {back.withdrawn_by_id}) if back else {},
        equated=carried,
        forward=bool(forward),
        other_rates=rules.other_rates(inputs, policy),
        scenarios=_compared(kept, policy),
        against=scenarios.others(g.session, found.run, at, inputs),
        reasons={one.id: said.get(f"against-{one.id}", "") for one in kept},
        scenario_name=said.get("scenario", ""),
        **_figures(weighed, at, policy),
    )


def _offered(
    one: Administration, run: ScoreRun, others: list[together.Other], countable: together.Together, inputs: rules.Inputs, said: Any
) -> dict[str, Any]:
    """The other administrations as the page shows them, and what it needs to count them itself."""
    chosen = set(_with(said)) if "vacancies_now" in said else countable.chosen
    joined, entries, offers = countable.joined, {}, []
    for each in countable.others:
        entries[each.administration.id] = countable.entry(each, joined)
    for each in sorted(others, key=lambda other: bool(other.why)):  # what can be counted stands first
        number = each.administration.id
        settled = dict(inputs.counted).get(number)
        if settled is None and each.decision is not None:
            settled = together.settled_by(g.session, each.decision, g.now)
        earlier, later = sorted((each, together.Other(one, countable.began, each.zone, run, None)), key=lambda which: which.opens_at)
        offers.append(
            {
                "id": number,
                "number": each.administration.number,
                "on": str(dates.local_day(each.opens_at, each.zone)),
                "why": each.why,
                "entry": entries.get(number),
                "passed": countable.passed(number) if each.decision else None,
                "chosen": number in chosen,
                "counted": number in countable.chosen,
                "settled": said.get(f"settled-{number}", "") if "vacancies_now" in said and number in chosen else settled,
                "equating": f"{_base(later.administration)}/analyses/equating?with={earlier.administration.id}",
            }
        )
    groups = [{"took": group.took, "counts": group.counts} for group in countable.groups]
    figures = {
        str(number): {"cuts": entry["cuts"], "most": entry["maximum"], "errors": [link["errors"] for link in entry["route"]]}
        for number, entry in entries.items()
    }
    return {
        "offers": offers,
        "here": joined.here,
        "twice": joined.twice,
        "counts": bool(countable.chosen),
        "data": {"here": one.id, "most": run.maximum, "groups": groups, "others": figures},
    }


def _compared(kept: list[Scenario], policy: rules.Policy) -> list[dict[str, Any]]:
    """Each scenario with its numbers, the address that brings them back, and who may remove it."""
    names = queries.names(g.session, {one.made_by_id for one in kept})
    found = []
    for one in kept:
        inputs = rules.Inputs.of(one.inputs, policy.prior)
        query = {name: value for name, value in _shown(inputs).items() if value != ""} | {"cut": one.cut} | _query(inputs)
        found.append(
            {
                "scenario": one,
                "inputs": inputs,
                "query": urlencode(query, doseq=True),
                "by": names[one.made_by_id],
                "mine": one.made_by_id == g.person.id,
            }
        )
    return found


def _streams(weighed: service.Weighed, inputs: rules.Inputs, policy: rules.Policy) -> dict[str, Any]:
    return {"streams": weighed.streams, "stream_rows": weighed.streams.rows(inputs, policy) if weighed.streams else {}}


def _query(inputs: rules.Inputs) -> dict[str, Any]:
    """Which others are counted, as an address says it."""
    settled = {f"settled-{number}": count for number, count in inputs.counted if count is not None}
    return {"with": [number for number, _settled in inputs.counted]} | settled if inputs.counted else {}


def _figures(weighed: service.Weighed, cut: int, policy: rules.Policy) -> dict[str, Any]:
    stats, lines, counts = weighed.choice.statistics, weighed.lines, weighed.choice.counts
    csem = rules.csem_squared(cut, len(counts) - 1)
    small = stats.taken < policy.small_group
    return {
        "again": None if small else again(counts, cut),
        "csem": rules.root(csem, 2),
        "within_csem": rules.within(counts, cut, csem),
        "mean": rules.rounded(stats.mean, 2),
        "sd": rules.root(stats.variance, 2),
        "kr21": None if stats.kr21 is None else rules.rounded(stats.kr21, 3),
        "sem": rules.root(stats.sem_squared, 2),
        "within": stats.within_sem(counts, cut),
        "chance": rules.rounded(lines.chance, 1),
        "chance_sd": rules.root(lines.chance_variance, 2),
        "small": small,
    }


@bp.post("/passing-score/propose")
@allowed("passing_score.propose")
def propose(one: Administration) -> Any:
    cut = _text("cut", 6)
    try:
        if not cut.isdecimal():
            raise rules.FaultyCut(cut=cut)
        inputs = _inputs(request.form, service.policy_of(one))
        if not inputs.vacancies:
            raise rules.FaultyInputs(name="vacancies_now", why="missing")
        against = {
            int(name.removeprefix("against-")): text for name, text in request.form.items() if re.fullmatch(r"against-\d{1,18}", name)
        }
        made = service.propose(
            g.session,
            one,
            g.person,
            int(cut),
            inputs,
            _text("rationale"),
            g.now,
            against=against,
            hold_harmless=_text("hold_harmless") != "no",
            taken_back_reason=_text("taken_back_reason"),
        )
    except (rules.FaultyInputs, rules.FaultyCut, rules.ReasonMissing) as refusal:
        return _chooser(one, request.form, refusal), 422
    return redirect(f"{_base(one)}/decision?number={made.number}", 303)


@bp.post("/passing-score/scenarios")
@allowed("passing_score.propose")
def keep_scenario(one: Administration) -> Any:
    """The numbers of the page under a name. They are worked out anew, from the scores and not from what the page showed."""
    found, policy, cut = service.newest_run(g.session, one), service.policy_of(one), _text("cut", 6)
    if found is None:
        raise service.ScoresNotCurrent
    try:
        if not cut.isdecimal():
            raise rules.FaultyCut(cut=cut)
        inputs = _inputs(request.form, policy)
        if not inputs.vacancies:
            raise rules.FaultyInputs(name="vacancies_now", why="missing")
        counted = service.counted_with(g.session, one, found, inputs, policy, g.now)
        choice = service.weigh(g.session, one, found, inputs, policy, counted).choice
        scenarios.keep(g.session, found, g.person, _text("scenario"), int(cut), inputs, choice, g.now, counted)
    except (rules.FaultyInputs, rules.FaultyCut, scenarios.NameMissing, scenarios.NameTaken, scenarios.TooManyScenarios) as refusal:
        return _chooser(one, request.form, refusal), 422
    numbers = {name: text for name in (*FIELDS, "cut") if (text := request.form.get(name, ""))}
    return redirect(f"{_base(one)}/passing-score?{urlencode(numbers | _query(inputs), doseq=True)}#scenarios", 303)


@bp.post("/passing-score/scenarios/<int:number>/remove")
@allowed("passing_score.propose")
def remove_scenario(one: Administration, number: int) -> Any:
    found = service.newest_run(g.session, one)
    if found is None:
        raise errors.NotFound
    scenarios.remove(g.session, found, number, g.person, g.now)
    return redirect(f"{_base(one)}/passing-score#scenarios", 303)


@bp.get("/decision")
@allowed("passing_score.see")
def decision(one: Administration) -> Any:
    return _decision_page(one, request.args.get("number", ""))


def _decision_page(one: Administration, number: str, problem: str = "", typed: str = "", reason: str = "") -> str:
    decisions = queries.decisions(g.session, one)
    found = next((made for made in decisions if not number or str(made.number) == number), None)
    if found is None:
        return _page("no_decision", one)
    return _page(
        "decision",
        one,
        decisions=decisions,
        current=found.outcome != "proposed" or service.is_current(g.session, one, found.run, g.now),
        counts_still=found.outcome != "proposed" or service.still_counts(g.session, found, g.now),
        problem=problem,
        typed=typed,
        reason=reason,
        may_sign=_who_may_sign(found),
        **_decided(one, found),
    )


def _decided(one: Administration, found: PassingScoreDecision) -> dict[str, Any]:
    """A decision as its page and its memo show it, worked out again from what is stored."""
    policy = service.policy_at(found)
    inputs = rules.Inputs.of(found.inputs["inputs"], policy.prior)
    weighed = service.weigh(g.session, one, found.run, inputs, policy, together.stored(g.session, found))
    people = {found.proposed_by_id, found.approved_by_id, found.withdrawn_by_id}
    return {
        "decision": found,
        "stored": found.inputs,
        "rows": found.table,
        "inputs": inputs,
        "policy": policy,
        "weighed": weighed,
        "choice": weighed.choice,
        "cut": found.cut,
        "chart": queries.chart(weighed.choice.supply, float(weighed.lines.chance)),
        "together": found.inputs.get("together"),
        "differences": service.differences(g.session, found),
        "names": queries.names(g.session, people),
        "countersigned": countersign.told(g.session, found),
        **_streams(weighed, inputs, policy),
        "digest": service.decision_digest(found),
        "equated": found.inputs.get("equated"),
        "alternatives": [
            {"scenario": said, "inputs": rules.Inputs.of(said["inputs"], policy.prior)} for said in found.inputs.get("alternatives", [])
        ],
        **_figures(weighed, found.cut, policy),
    }


@bp.get("/decision/memo.pdf")
@own_transactions
@allowed("passing_score.see")
def memo(one: Administration) -> Any:
    """The whole record of a decision on paper. It is set in type outside of any transaction."""
    number = request.args.get("number", "")
    found = next((made for made in queries.decisions(g.session, one) if str(made.number) == number), None)
    if found is None:
        raise errors.NotFound
    style = (assets.folder("static") / "css" / "memo.css").read_text()
    page = _page("memo", one, style=Markup(style), **_decided(one, found))
    g.session.close()
    return Response(
        pdf_of(page),
        content_type="application/pdf",
        headers={"Content-Disposition": f'inline; filename="passing-score-{one.number}-{number}.pdf"', "Cache-Control": "no-store"},
    )


def _proposal(one: Administration) -> PassingScoreDecision:
    """The one that the form was about; another that was proposed meanwhile is not signed by accident."""
    number = _text("number", 9)
    found = next((made for made in queries.decisions(g.session, one) if str(made.number) == number), None)
    if found is None:
        raise service.NotProposed(outcome="")
    return found


@bp.post("/decision/sign")
@allowed("passing_score.decide")
def sign(one: Administration) -> Any:
    found = _proposal(one)
    if found.outcome == "proposed" and _text("typed", 9) != str(found.cut):
        return _decision_page(one, str(found.number), "typed-differs", typed=_text("typed", 9)), 422
    service.approve(g.session, found, g.person, g.now)
    return redirect(f"{_base(one)}/decision?number={found.number}", 303)


@bp.post("/decision/withdraw")
@allowed("passing_score.decide")
def withdraw(one: Administration) -> Any:
    found = _proposal(one)
    try:
        service.withdraw(g.session, found, g.person, _text("reason"), g.now)
    except rules.ReasonMissing:
        return _decision_page(one, str(found.number), "reason-needed"), 422
    return redirect(f"{_base(one)}/decision?number={found.number}", 303)


# --- what needs me today --------------------------------------------------------------------------------------------------------------------


@examinations.needs
def _need(session: Session, administration: Administration) -> dict[str, str] | None:
    found = queries.need(session, administration, g.person, g.now)
    if found is None:
        return None
    base = _base(administration)
    number = administration.number
    title, text, url, kind = {
        "handed_in": (
            _("Tests are still open"),
            _("Nobody may begin any more, and %(count)s are not handed in.", count=found.count),
            "",
            "",
        ),
        "key": (_("Look at the key and lock it"), _("Everyone has handed in."), "/key", ""),
        "scores": (_("Make the raw scores"), _("The key is locked; %(count)s tests count.", count=found.count), "/scoring", ""),
        "propose": (_("Propose a passing score"), _("%(count)s raw scores are made.", count=found.count), "/passing-score", ""),
        "sign": (
            _("A passing score waits for your signature"),
            _("It takes effect with a second person's signature."),
            "/decision",
            "warn",
        ),
        "stale": (_("The scores are no longer current"), _("The key or the attempts have changed since."), "/scoring", "warn"),
    }[found.what]
    return {
        "title": title,
        "text": _("Administration %(number)s.", number=number) + " " + text,
        "url": base + (url or "/scoring"),
        "kind": kind,
    }
