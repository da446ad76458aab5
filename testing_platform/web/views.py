"""Pages that belong to nobody in particular: the front page, health, the operator's view of the machine."""

import shutil
from typing import Any

from flask import Blueprint, current_app, g, jsonify, redirect, render_template
from flask_babel import gettext as _
from sqlalchemy import func, select

from testing_platform import clock
from testing_platform.accounts.models import Person, RoleGrant
from testing_platform.accounts.permissions import allowed
from testing_platform.accounts.rules import Role
from testing_platform.audit.models import AuditEntry
from testing_platform.delivery.models import Beat, Outage
from testing_platform.notices.models import Notice

bp = Blueprint("web", __name__)


@bp.get("/")
@allowed("public")
def front() -> Any:
    if current_app.settings.demo:  # type: ignore[attr-defined]
        return redirect("/demo/")
    return render_template("web/front.html")


@bp.get("/healthz")
@allowed("health")
def health() -> Any:
    return "ok\n", 200, {"Content-Type": "text/plain"}


@bp.get("/readyz")
@allowed("health")
def ready() -> Any:
    """Whether an answer could be kept now."""
    g.session.execute(select(1))
    free = shutil.disk_usage(current_app.settings.data).free  # type: ignore[attr-defined]
    return jsonify(database=True, free_bytes=free), 200 if free > 64 * 1024**2 else 503


@bp.get("/operator/")
@allowed("operator.home")
def operator() -> Any:
    """Accounts and machines. No test content comes here."""
    settings = current_app.settings  # type: ignore[attr-defined]
    disk = shutil.disk_usage(settings.data)
    beats = [
        {
            "service": beat.service,
            "at": beat.at,
            "age_seconds": round((g.now - beat.at).total_seconds(), 1),
            "ok": (g.now - beat.at).total_seconds() < 10,
        }
        for beat in g.session.scalars(select(Beat).order_by(Beat.service))
    ]
    staff = g.session.scalars(select(Person).join(RoleGrant).where(RoleGrant.role != Role.CANDIDATE).distinct().order_by(Person.name)).all()
    notices = dict(g.session.execute(select(Notice.state, func.count()).group_by(Notice.state)).all())
    g.rail = [(_("Machine and accounts"), "/operator/", True)]
    return render_template(
        "web/operator.html",
        beats=beats,
        free=disk.free,
        total=disk.total,
        staff=staff,
        notices=notices,
        smtp=bool(settings.smtp_url),
        outages=g.session.scalars(select(Outage).order_by(Outage.id.desc()).limit(10)).all(),
        sealed=g.session.scalar(select(func.count()).where(AuditEntry.number.is_not(None))),
        unsealed=g.session.scalar(select(func.count()).where(AuditEntry.number.is_(None))),
        now=clock.now(),
    )
