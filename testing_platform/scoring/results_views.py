"""The analyst's page of results, once they exist: how many, whether everyone was told, and the file for the applicant system."""

from collections import Counter
from typing import Any

from flask import Blueprint, Response, current_app, flash, g, redirect, render_template, request
from flask_babel import gettext as _

from testing_platform import errors
from testing_platform.accounts import service as accounts
from testing_platform.accounts.permissions import allowed
from testing_platform.accounts.rules import Role
from testing_platform.audit import service as audit
from testing_platform.delivery.models import Attempt
from testing_platform.examinations import views as examinations
from testing_platform.examinations.models import Administration
from testing_platform.scoring import exports, holds, queries, results, rulings, service
from testing_platform.web.frame import own_transactions, recorded, row_number

bp = Blueprint("results", __name__, url_prefix="/analyst")
KIND = "pass_fail"


@bp.get("/administrations/<int:administration_id>/results")
@allowed("result.list")
def listed(one: Administration) -> Any:
    return _page(one)


def _page(one: Administration, problem: dict[str, Any] | None = None) -> str:
    """`problem`: whose letter could not be sent again, to what address, and why."""
    examinations.rail("administrations")
    decision = results.decision_in_force(g.session, one.id)
    told = results.told(g.session, decision) if decision else []
    return render_template(
        "scoring/results.html",
        administration=one,
        decision=decision,
        outcomes=Counter(row.outcome for row in told),
        letters=Counter(row.letter for row in told),
        on_hold=len(service.on_hold(g.session, one)),
        followed=holds.followed(g.session, one),
        changed=service.counted(service.changes_by(g.session, decision)) if decision else {},
        undelivered=[row for row in told if row.letter == "failed"],
        url=f"/analyst/administrations/{one.id}",
        formats=exports.FORMATS[KIND],
        jobs=exports.jobs(g.session, one.id, list(exports.FORMATS)),
        is_analyst=Role.ANALYST in g.person.roles,
        problem=problem or {},
    )


@bp.get("/administrations/<int:administration_id>/results/changes")
@own_transactions
@allowed("result.list")
def changes(one: Administration) -> Any:
    """By name: whose result a superseding decision changes, or a key that has not scored yet would at the passing score in force."""
    in_force = results.released(g.session, one.id)
    number = request.args.get("number", "")
    known = [made for made in queries.decisions(g.session, one) if made.supersedes_id and made.outcome != "withdrawn"]
    decision = next((made for made in known if str(made.number) == number), None)
    if number and decision is None:
        raise errors.NotFound
    key, holds = None, rulings.review_policy(one).hold_harmless
    if decision is not None:
        found, holds = service.changes_by(g.session, decision), service.holds_harmless(decision)
    else:
        key = service.form_key(g.session, one, g.now)
        raw = service.scored(service.entries_of(key), service.gather(g.session, one, g.now))
        found = service.changes_of(g.session, in_force, raw, in_force.cut, holds)
    examinations.rail("administrations")
    page = render_template(
        "scoring/changes.html",
        administration=one,
        url=f"/analyst/administrations/{one.id}",
        decision=decision,
        in_force=in_force,
        key=key,
        holds=holds,
        rows=results.affected(g.session, found),
        letters={row.attempt_id: row.letter for row in results.told(g.session, in_force)} if decision is in_force else {},
        counts=service.counted(found),
    )
    about, person_id = f"administration:{one.id}", g.person.id
    g.session.close()
    with current_app.db.write() as session:  # type: ignore[attr-defined]
        audit.record(session, "results.changes_seen", about, g.now, person_id, decision=number or None)
    return page


@bp.post("/administrations/<int:administration_id>/results/letter")
@allowed("result.letter")
def send_again(one: Administration) -> Any:
    """A letter that did not arrive goes out once more, to the address as it was corrected."""
    number = request.form.get("about", type=row_number)
    if number is None:
        raise errors.BadRequest(why="an attempt is needed")
    if number not in {row.attempt_id for row in results.told(g.session, results.released(g.session, one.id))}:
        raise errors.NotFound
    email = request.form.get("email", "")[:300]
    try:
        results.send_letter_again(g.session, g.session.get_one(Attempt, number), email, g.person, g.now)
    except accounts.FaultyAddress as refusal:
        return _page(one, {"about": number, "email": email, **refusal.facts}), 422
    flash(_("The letter goes out again."), "success")
    return redirect(f"/analyst/administrations/{one.id}/results", 303)


@bp.get("/administrations/<int:administration_id>/pass-fail.<any(csv, json, neogov):format>")
@recorded
@allowed("result.list")
def export(one: Administration, format: str) -> Any:
    """PASS and FAIL for the applicant system. Raises results.NotReleased before the second signature."""
    content, _job = exports.export(g.session, one, KIND, format, current_app.settings, g.person.id, g.now)  # type: ignore[attr-defined]
    name = exports.file_name(one, KIND, format)
    return Response(content, content_type=exports.TYPES[format], headers={"Content-Disposition": f'attachment; filename="{name}"'})
