"""Forensics of an administration on pages, for analysts: by candidates' numbers, without a name. Every look is a line in the trail."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from flask import Blueprint, Response, flash, g, redirect, render_template, request
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from testing_platform import errors
from testing_platform.accounts.models import Person
from testing_platform.accounts.permissions import allowed
from testing_platform.accounts.rules import Role
from testing_platform.audit import service as audit
from testing_platform.examinations.models import Administration
from testing_platform.integrity import service
from testing_platform.integrity.rules import BY_ANALYST, Conclusion, Policy
from testing_platform.itembank.views import rail
from testing_platform.scoring import exports
from testing_platform.scoring import service as scoring
from testing_platform.scoring.analyses_views import FORMATS, let_go, run_of, write
from testing_platform.scoring.analysis.refusals import CannotSay
from testing_platform.scoring.models import ScoreRun
from testing_platform.scoring.rules import ReasonMissing
from testing_platform.web.frame import own_transactions

if TYPE_CHECKING:
    from testing_platform.integrity import forensics
    from testing_platform.scoring import analyses

bp = Blueprint("forensics", __name__, url_prefix="/analyst/administrations/<int:administration_id>/forensics")


bp.teardown_request(let_go)


def _seen(administration_id: int, what: str, **facts: Any) -> None:
    """Every look is a line in the trail, without a figure."""
    about, person_id = f"administration:{administration_id}", g.person.id
    write(lambda session: audit.record(session, f"forensics.{what}", about, g.now, person_id, **facts))


@dataclass(frozen=True)
class Scored:
    """What all these pages rest on."""

    administration: Administration
    run: ScoreRun
    tests: "forensics.Tests"
    policy: Policy
    thresholds: "analyses.Thresholds"

    def near(self) -> dict[tuple[int, int], Any]:
        from testing_platform.integrity import forensics

        return forensics.neighbours(g.session, self.administration, self.tests, self.policy)


def _scored(one: Administration) -> Scored | None:
    """The newest scoring with somebody in it."""
    # What it imports is large, and most who sign in never come here.
    from testing_platform.integrity import forensics
    from testing_platform.scoring import analyses

    run = run_of(one)
    if run is None:
        return None
    content = one.examination.bulletin.content
    return Scored(one, run, forensics.read(g.session, one, run), Policy.of(content), analyses.Thresholds.of(one))


def _page(template: str, one: Administration, **more: Any) -> str:
    rail("administrations")
    return render_template(
        template,
        administration=one,
        base=f"/analyst/administrations/{one.id}",
        tab="forensics",
        is_analyst=Role.ANALYST in g.person.roles,
        small_group=scoring.policy_of(one).small_group,
        **more,
    )


def _shown(name: str, found: Scored, **more: Any) -> str:
    one = found.administration
    return _page(
        f"integrity/{name}.html",
        one,
        part=name,
        run=found.run,
        current=scoring.is_current(g.session, one, found.run, g.now),
        taken=len(found.tests.takers),
        policy=found.policy,
        thresholds=found.thresholds,
        **more,
    )


def _of_scored(view: Callable[[Scored], Any]) -> Callable[[Administration], Any]:
    """A page that rests on scored tests; where there are none it says so."""

    @wraps(view)
    def shown(one: Administration) -> Any:
        found = _scored(one)
        return _page("scoring/analyses/none.html", one) if found is None else view(found)

    return shown


@bp.get("")
@own_transactions
@allowed("forensics.see")
@_of_scored
def similar(found: Scored) -> Any:
    page = _similar(found)
    _seen(found.administration.id, "seen", run=found.run.id)
    return page


def _similar(found: Scored, problem: str = "") -> str:
    from testing_platform.integrity import forensics

    near, alike, why = found.near(), None, ""
    try:
        alike = forensics.alike(found.tests, near, found.policy)
    except CannotSay as refusal:
        why = refusal.facts["why"]
    said = {about: rows[-1] for about, rows in service.conclusions(g.session, found.administration).items()}
    return _shown("similar", found, alike=alike, why=why, said=said, near=near, problem=problem, asked=request.args)


@bp.get("/pace")
@own_transactions
@allowed("forensics.see")
@_of_scored
def pace(found: Scored) -> Any:
    from testing_platform.integrity import forensics, plots

    more: dict[str, Any] = {"quadrants": None}
    try:
        quadrants = forensics.quadrants(found.tests, found.policy, found.thresholds)
        credited = found.tests.answered.credited
        more = {
            "quadrants": quadrants,
            "plot": plots.pace(quadrants, credited, found.run.maximum),
            "fifths": plots.fifths(quadrants),
            "every": plots.thinned(quadrants),
            "credited": credited,
        }
    except CannotSay as refusal:
        more["why"] = refusal.facts["why"]
    page = _shown("pace", found, takers=found.tests.takers, **more)
    _seen(found.administration.id, "pace_seen", run=found.run.id)
    return page


def _slots(values: list[str]) -> list[int]:
    return sorted({int(text) for text in values if text.isascii() and text.isdecimal() and len(text) < 6})


@bp.get("/sets")
@own_transactions
@allowed("forensics.see")
@_of_scored
def sets(found: Scored) -> Any:
    from testing_platform.integrity import forensics

    items = forensics.set_items(g.session, found.administration, found.tests)
    known = {item.column.slot for item in items}
    # Nothing chosen yet: the items that are known outside, where there are any.
    slots = [slot for slot in _slots(request.args.getlist("slot")) if slot in known]
    if "chosen" not in request.args and not slots:
        slots = [item.column.slot for item in items if item.compromised]
    made, why = None, "" if found.tests.sheet.order is None else "own-forms"
    if slots:
        try:
            made = forensics.of_set(found.tests, slots, found.policy, found.thresholds)
        except CannotSay as refusal:
            why = refusal.facts["why"]
    page = _shown("sets", found, items=items, slots=slots, made=made, why=why, takers=found.tests.takers)
    _seen(found.administration.id, "set_seen", run=found.run.id, slots=slots)
    return page


# --- one lead --------------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """The candidates that the address or the form names, the smaller attempt first; one alone for a lead about one."""

    takers: "list[forensics.Taker]"
    slots: list[int]

    @property
    def about(self) -> service.About:
        return self.takers[0].attempt_id, self.takers[1].attempt_id if len(self.takers) > 1 else None

    @property
    def query(self) -> str:
        pairs = [("a", self.takers[0].number), *(("b", one.number) for one in self.takers[1:]), *(("slot", slot) for slot in self.slots)]
        return urlencode(pairs)


def _asked(found: Scored, values: Any) -> Asked | None:
    """None where somebody is named who has no scored test, or one person twice."""
    numbers = [values.get(name, "").strip()[:64] for name in ("a", "b")]
    named = [found.tests.by_number.get(number) for number in numbers if number]
    if not named or None in named or len(set(named)) < len(named):
        return None
    return Asked(sorted((one for one in named if one), key=lambda one: one.attempt_id), _slots(values.getlist("slot")))


@bp.get("/lead")
@own_transactions
@allowed("forensics.see")
@_of_scored
def lead(found: Scored) -> Any:
    asked = _asked(found, request.args)
    if asked is None:
        return _similar(found, "no-such-candidates"), 422
    page = _lead(found, asked)
    _seen(found.administration.id, "lead_seen", run=found.run.id, attempts=[taker.attempt_id for taker in asked.takers])
    return page


def _figures(found: Scored, asked: Asked) -> "tuple[forensics.Lead | None, Any, Any, dict[str, Any]]":
    """(the pair, the candidate's pace, the candidate on the set, what is kept of these with a conclusion)."""
    from testing_platform.integrity import forensics

    if len(asked.takers) == 2:
        near = found.near()
        pair = forensics.compared(found.tests, asked.takers[0], asked.takers[1], near, forensics.alike(found.tests, near, found.policy))
        return pair, None, None, forensics.figures_of(pair)
    row = found.tests.row[asked.takers[0].attempt_id]
    kept: dict[str, Any] = {}
    pace = on_set = None
    try:
        quadrants = forensics.quadrants(found.tests, found.policy, found.thresholds)
        pace = next((person for person in quadrants.people if person.row == row), None)
        kept = {"pace_z": round(pace.z, 3), "total": pace.total, "rapid": pace.rapid} if pace else {}
        if asked.slots:
            made = forensics.of_set(found.tests, asked.slots, found.policy, found.thresholds)
            on_set = next(person for person in made.found.people if person.row == row)
            kept |= {"slots": asked.slots, "right": on_set.right, "expected": round(on_set.expected, 3), "signed": round(on_set.signed, 3)}
    except CannotSay:
        pass  # the page says that there is no figure
    return None, pace, on_set, kept


def _lead(found: Scored, asked: Asked, problem: str = "") -> str:
    from testing_platform.integrity import forensics, record

    pair, pace, on_set, _kept = _figures(found, asked)
    return _shown(
        "lead",
        found,
        asked=asked,
        pair=pair,
        pace=pace,
        on_set=on_set,
        items=forensics.side_by_side(found.tests, *asked.takers) if pair else [],
        records=record.of_takers(g.session, asked.takers),
        conclusions=service.of_lead(g.session, found.administration, asked.about),
        said=request.form,
        problem=problem,
    )


@bp.post("/lead")
@own_transactions
@allowed("forensics.conclude")
def conclude(one: Administration) -> Any:
    found = _scored(one)
    if found is None:
        raise scoring.ScoresNotCurrent
    asked = _asked(found, request.form)
    if asked is None:
        raise errors.NotFound
    conclusion, after = request.form.get("conclusion", ""), request.form.get("after", "0")
    if conclusion not in BY_ANALYST:
        return _lead(found, asked, "no-conclusion"), 422
    if not request.form.get("reason", "").strip():
        return _lead(found, asked, ReasonMissing.code), 422
    figures = _figures(found, asked)[3]
    about, run_id, person_id = asked.about, found.run.id, g.person.id
    administration_id, reason = one.id, request.form["reason"][:4000]

    def keep(session: Session) -> None:
        service.conclude(
            session,
            session.get_one(Administration, administration_id),
            session.get_one(ScoreRun, run_id),
            about,
            Conclusion(conclusion),
            reason,
            figures,
            session.get_one(Person, person_id),
            g.now,
            int(after) if after.isascii() and after.isdecimal() and len(after) < 10 else 0,
        )

    write(keep)
    flash(_("Your conclusion is kept. Nothing else has changed by it."), "success")
    return redirect(f"/analyst/administrations/{administration_id}/forensics/lead?{asked.query}", 303)


@bp.post("/report")
@own_transactions
@allowed("forensics.see")
def report(one: Administration) -> Any:
    """All of these pages in one file, with the set that was chosen."""
    format = request.form.get("format", "")
    if format not in FORMATS:
        raise errors.BadRequest(why="format")
    found = _scored(one)
    if found is None:
        raise scoring.ScoresNotCurrent
    from testing_platform.integrity import files

    made = files.report(g.session, found, _slots(request.form.getlist("slot")))
    content = files.as_xlsx(made) if format == "xlsx" else files.as_pdf(made)
    name = f"forensics-{exports.examination_number(one)}.{format}"
    _seen(one.id, "exported", run=found.run.id, format=format, sha256=files.sha256(content))
    return Response(content, content_type=files.TYPES[format], headers={"Content-Disposition": f'attachment; filename="{name}"'})
