"""Puts the parts together."""

import contextlib
import threading
import time
from typing import Any

import structlog
from sqlalchemy import Connection
from sqlalchemy.orm import Session
from werkzeug.middleware.proxy_fix import ProxyFix

from testing_platform import clock, models
from testing_platform.bus import open_database
from testing_platform.db import Database
from testing_platform.delivery import service as attempts
from testing_platform.delivery.answers import AnswerApp, Answers
from testing_platform.settings import Settings
from testing_platform.web import errors as web_errors
from testing_platform.web.frame import Frame, make_frame
from testing_platform.web.logs import configure

assert models.metadata.tables


def create_app(settings: Settings | None = None, db: Database | None = None) -> Frame:
    settings = settings or Settings.load()
    configure(settings.log_level)
    app = make_frame(settings, db or open_database(settings))
    web_errors.register(app)

    from testing_platform.accounts import views as accounts
    from testing_platform.delivery import api as delivery_api
    from testing_platform.delivery import views as delivery
    from testing_platform.delivery import workstation
    from testing_platform.examinations import form_views
    from testing_platform.examinations import views as examinations
    from testing_platform.integrity import hold_views, referral_views
    from testing_platform.integrity import views as forensics
    from testing_platform.itembank import export_views, item_views, passage_views, pool_views
    from testing_platform.itembank import views as itembank
    from testing_platform.proctor import api as proctor_api
    from testing_platform.proctor import room_views as room
    from testing_platform.proctor import views as proctor
    from testing_platform.scoring import analyses_views as analyses
    from testing_platform.scoring import (
        api,
        candidate_views,
        equating_views,
        impact_views,
        judged_views,
        results_views,
        rulings_views,
        scheduler_views,
    )
    from testing_platform.scoring import views as scoring
    from testing_platform.web import auditor
    from testing_platform.web import views as web

    for blueprint in (api.bp, candidate_views.bp, results_views.bp, scheduler_views.bp, judged_views.bp, impact_views.bp, rulings_views.bp):
        app.register_blueprint(blueprint)
    for blueprint in (web.bp, accounts.bp, delivery.bp, delivery_api.bp, examinations.bp, scoring.bp, proctor.bp, proctor_api.bp):
        app.register_blueprint(blueprint)
    for blueprint in (
        workstation.bp,
        room.bp,
        auditor.bp,
        itembank.bp,
        item_views.bp,
        export_views.bp,
        passage_views.bp,
        pool_views.bp,
        form_views.bp,
        analyses.bp,
        equating_views.bp,
        forensics.bp,
        referral_views.bp,
        hold_views.bp,
    ):
        app.register_blueprint(blueprint)
    if settings.demo:
        from testing_platform.demo import views as demo

        app.register_blueprint(demo.bp)
    if settings.proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=settings.proxies, x_proto=settings.proxies)  # type: ignore[method-assign]
    app.answers = Answers(app.db, settings)
    app.wsgi_app = AnswerApp(app.wsgi_app, app.answers, structlog.get_logger("answers"))  # type: ignore[method-assign]
    return app


def wsgi() -> Any:
    """What gunicorn serves: the application with its heartbeat, by which an outage of ours is told from a candidate's line."""
    app = create_app()
    threading.Thread(target=_beat_forever, args=(app,), name="beat", daemon=True).start()
    return app


def _beat_forever(app: Frame) -> None:
    while True:
        # Through the writer of the answers: what is measured is whether an answer could have been kept.
        with contextlib.suppress(Exception):
            app.db.group(_beat)
        time.sleep(attempts.BEAT_EACH.total_seconds())


def _beat(connection: Connection) -> None:
    with Session(connection) as session:
        attempts.beat(session, "web", clock.now())
        session.flush()
