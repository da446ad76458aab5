"""The worker: a loop of sweeps over due rows. Everything it does may come late without harm, and twice without harm."""

import time

import structlog

from testing_platform import clock, errors
from testing_platform.app import create_app
from testing_platform.audit import jobs as checks
from testing_platform.audit import service as audit
from testing_platform.bus import open_database
from testing_platform.db import OnlyOne
from testing_platform.delivery import jobs as delivery
from testing_platform.delivery import service as attempts
from testing_platform.delivery import withdrawals
from testing_platform.ending import Told
from testing_platform.itembank import form_jobs
from testing_platform.notices import service as notices
from testing_platform.notices.models import Notice
from testing_platform.scoring import announce
from testing_platform.scoring import jobs as results
from testing_platform.settings import Settings
from testing_platform.web.frame import Frame

log = structlog.get_logger("worker")
EACH = 1.0


def once(app: Frame, *, hourly: bool = False) -> None:
    """One round, with what is due each hour if asked. Each part is a short transaction of its own; mail goes out between two of them."""
    settings, db = app.settings, app.db
    with app.app_context():
        # Reading takes no lock: a quiet round never stands before an answer.
        with db.read() as reading:
            sweep, receipts = delivery.anything_due(reading, clock.now()), delivery.receipts_due(reading)
            check, forms = checks.due(reading), form_jobs.due(reading)
            announcing = announce.due(reading, settings, clock.now())
            known = withdrawals.due(reading, clock.now())
            seal, beat = audit.anything_to_seal(reading), attempts.beat_due(reading, "worker", clock.now())
        if sweep:
            with db.write() as session:
                done = delivery.sweep(session, settings, clock.now())
            if any(done.values()):
                log.info("swept", **done)
            receipts = seal = True
        results.mail_results(db, settings, clock.now())
        if receipts:
            with db.write() as session:
                delivery.mail_receipts(session, settings, clock.now())
        if seal:
            with db.write() as session:
                audit.seal(session)
        if known:
            with db.write() as session:
                log.info("withdrawn", sessions=withdrawals.withdraw(session, clock.now()))
        if beat:
            with db.write() as session:
                attempts.beat(session, "worker", clock.now())
        if check:
            checks.go_on(db, settings.secret, clock.now())
        if forms:
            form_jobs.SEARCHER.go_on(db, clock.day(clock.now(), settings.zone), clock.now())
        if announcing:
            announce.go_on(db, settings, clock.now())
        if hourly:
            with db.write() as session:
                delivery.destroy_old_photos(session, app.vault, clock.now())
        if settings.smtp_url:
            _send(app)


def _send(app: Frame) -> None:
    with app.db.read() as reading:
        due = notices.due(reading, clock.now())
        reading.expunge_all()
    if not due:
        return
    results = notices.deliver(due, app.settings.smtp_url, app.settings.mail_from)
    with app.db.write() as session:
        for number, trouble in results.items():
            notice = session.get_one(Notice, number)
            if trouble is None:
                notices.sent(notice, clock.now())
            else:
                notices.failed(notice, trouble[0], clock.now(), for_good=trouble[1])
    log.info("mail", sent=sum(trouble is None for trouble in results.values()), of=len(results))


def main(settings: Settings) -> None:
    app = create_app(settings, open_database(settings))
    told = Told()
    log.info("worker.ready")
    only = OnlyOne(app.db, "worker")
    next_hour = time.monotonic()
    while not told.told:
        began = time.monotonic()
        hourly = began >= next_hour
        try:
            # Several may stand by, so that one machine's end is not the end of mails and deadlines; two at work would send mails twice.
            if only.held():
                once(app, hourly=hourly)
                if hourly:
                    next_hour = began + 3600
        except errors.Unavailable:
            log.warning("storage")
        except Exception as problem:
            log.error("round", kind=type(problem).__name__, exc_info=True)
        told.wait(max(0.05, EACH - (time.monotonic() - began)))
