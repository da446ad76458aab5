"""The analyst's page of results, once they exist: how many, whether everyone was told, and the file for the applicant system."""

from collections import Counter
from typing import Any

from flask import Blueprint, Response, current_app, g, render_template
from flask_babel import gettext as _

from testing_platform.accounts.permissions import allowed
from testing_platform.examinations.models import Administration
from testing_platform.scoring import exports, results
from testing_platform.web.frame import recorded

bp = Blueprint("results", __name__, url_prefix="/analyst")
KIND = "pass_fail"


@bp.get("/administrations/<int:administration_id>/results")
@allowed("result.list")
def listed(one: Administration) -> Any:
    g.rail = [(_("Administrations"), "/analyst/", True), (_("Bulletins"), "/analyst/bulletins", False)]
    decision = results.decision_in_force(g.session, one.id)
    told = results.told(g.session, decision) if decision else []
    return render_template(
        "scoring/results.html",
        administration=one,
        decision=decision,
        outcomes=Counter(row.outcome for row in told),
        letters=Counter(row.letter for row in told),
        undelivered=[row for row in told if row.letter == "failed"],
        url=f"/analyst/administrations/{one.id}",
        formats=exports.FORMATS[KIND],
        jobs=exports.jobs(g.session, one.id, list(exports.FORMATS)),
    )


@bp.get("/administrations/<int:administration_id>/pass-fail.<any(csv, json, neogov):format>")
@recorded
@allowed("result.list")
def export(one: Administration, format: str) -> Any:
    """PASS and FAIL for the applicant system. Raises results.NotReleased before the second signature."""
    content, _job = exports.export(g.session, one, KIND, format, current_app.settings, g.person.id, g.now)  # type: ignore[attr-defined]
    name = exports.file_name(one, KIND, format)
    return Response(content, content_type=exports.TYPES[format], headers={"Content-Disposition": f'attachment; filename="{name}"'})
