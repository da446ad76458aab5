"""The candidate's result: PASS or FAIL in calm words, what comes next, whom to call. Never a score."""

from typing import Any

from flask import Blueprint, g, render_template
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from testing_platform.accounts.permissions import allowed
from testing_platform.delivery import queries as delivery
from testing_platform.delivery.models import Attempt
from testing_platform.scoring import dates, notices, results

bp = Blueprint("results_of_candidate", __name__, url_prefix="/candidate")


@delivery.tells_news
def news(session: Session, attempt: Attempt) -> tuple[str, str] | None:
    """For the candidate's first page; the words are the same whatever the result is."""
    found = results.of_attempt(session, attempt)
    if found is None and not results.was_told(session, attempt.id):
        return None
    return _("See my result"), f"/candidate/attempts/{attempt.id}/result"


@bp.get("/attempts/<int:attempt_id>/result")
@allowed("attempt.result")
def result(attempt: Attempt) -> Any:
    found = results.of_attempt(g.session, attempt)
    administration = attempt.session.administration
    zone = attempt.session.zone
    invitation = results.invitation_of(g.session, attempt)
    return render_template(
        "scoring/result.html",
        attempt=attempt,
        title=administration.examination.title,
        class_code=administration.examination.bulletin.job_class.code,
        outcome=found.outcome if found else None,
        released_at=found.released_at if found else None,
        earlier=found is None and results.was_told(g.session, attempt.id),
        taken_on=dates.local_day(attempt.started_at, zone) if attempt.started_at else None,
        may_file_on=dates.may_file_again_on(attempt.started_at, zone, results.retest_months(administration))
        if attempt.started_at
        else None,
        months=results.retest_months(administration),
        interview=invitation if found and found.outcome == "PASS" else None,
        when=notices.local_time(invitation.starts_at, invitation.plan.zone) if invitation else None,
        respond_by=results.respond_by(invitation) if invitation else None,
    )
