"""Leads that an analyst referred, for the lead proctor of the session: with names and the whole proctoring record, and without a question, answer or key."""

from typing import Any

from flask import Blueprint, flash, g, redirect, render_template, request
from flask_babel import gettext as _
from flask_babel import ngettext
from sqlalchemy.orm import Session

from testing_platform import errors
from testing_platform.accounts.models import Person
from testing_platform.accounts.permissions import allowed, object_rule
from testing_platform.audit import service as audit
from testing_platform.integrity import record, service
from testing_platform.integrity.models import LeadConclusion
from testing_platform.integrity.rules import BY_LEAD, Conclusion
from testing_platform.proctor.lead import ASKS, Ask, rail
from testing_platform.scoring import holds
from testing_platform.scoring.rules import ReasonMissing
from testing_platform.web.frame import recorded

bp = Blueprint("referrals", __name__, url_prefix="/proctor/referrals")


@object_rule("referred_lead")
def referred_lead(session: Session, person: Person, conclusion_id: int, **_ids: Any) -> LeadConclusion:
    found = session.get(LeadConclusion, conclusion_id)
    if found is None or found.conclusion != Conclusion.REFERRED or not service.may_read(session, person, found):
        raise errors.NotFound
    return found


def waiting(session: Session, person: Person) -> Ask | None:
    """For the lead proctor's first page: how many referred leads nobody has answered yet."""
    count = sum(referral.id == newest.id for referral, newest in service.referred_to(session, person))
    if not count:
        return None
    text = ngettext("%(num)s referred lead waits for you.", "%(num)s referred leads wait for you.", count)
    return Ask("/proctor/referrals", _("Referred leads"), text)


ASKS.append(waiting)


def _page(template: str, **more: Any) -> str:
    g.rail = rail("/proctor/referrals")
    return render_template(f"integrity/{template}.html", **more)


@bp.get("")
@allowed("referral.list")
def home() -> Any:
    return _page("referrals", found=service.referred_to(g.session, g.person))


@bp.get("/<int:conclusion_id>")
@recorded
@allowed("referral.see")
def lead(found: LeadConclusion) -> Any:
    attempts = [one for one in (found.one_id, found.other_id) if one is not None]
    about = f"administration:{found.administration_id}"
    audit.record(g.session, "forensics.referral_seen", about, g.now, g.person.id, conclusion=found.id, attempts=attempts)
    return _shown(found)


def _shown(found: LeadConclusion, problem: str = "") -> str:
    said = service.of_lead(g.session, found.administration, (found.one_id, found.other_id))
    attempts = [one for one in (found.one, found.other) if one is not None]
    return _page(
        "referral",
        referral=found,
        administration=found.administration,
        records=[record.of(g.session, one) for one in attempts],
        to_hold=[one.person.candidate_number for one in attempts if holds.possible(g.session, one)],
        waits=said[-1].id == found.id,
        conclusions=said,
        said=request.form,
        problem=problem,
    )


@bp.post("/<int:conclusion_id>")
@allowed("referral.answer")
def answer(found: LeadConclusion) -> Any:
    conclusion = request.form.get("conclusion", "")
    if conclusion not in BY_LEAD:
        return _shown(found, "no-conclusion"), 422
    try:
        service.answer(g.session, found, Conclusion(conclusion), request.form.get("reason", "")[:4000], g.person, g.now)
    except ReasonMissing as refusal:
        return _shown(found, refusal.code), 422
    flash(_("What you wrote is kept, and the analyst sees it. Nothing else has changed by it."), "success")
    return redirect(f"/proctor/referrals/{found.id}", 303)
