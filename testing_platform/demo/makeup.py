"""A make-up date of the demo's first administration: another form of the same bulletin, scored and not decided, to be counted together with the first."""

from datetime import datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from testing_platform.accounts.rules import Role
from testing_platform.db import Database
from testing_platform.demo import earlier, past, setup
from testing_platform.examinations.models import Administration
from testing_platform.itembank import service as itembank
from testing_platform.itembank.models import Bank
from testing_platform.scoring import service
from testing_platform.settings import Settings

PLAN = setup.read("makeup.toml")


def candidates() -> list[past.Candidate]:
    """The same people at each call; nobody of another administration is among them."""
    return earlier.drawn(PLAN, {who.name for who in (*past.candidates(), *earlier.candidates())})


def plan(
    session: Session, db: Database, settings: Settings, first: Administration, planned_at: datetime, now: datetime
) -> list[past.Happening]:
    """Planned with the `first` one, whose bulletin it shares; its items are those of the form of half a year ago. What happens then."""
    on = now.astimezone(ZoneInfo(setup.ZONE)).date() - timedelta(days=PLAN["days_ago"])
    window = past.window_on(on, PLAN)
    bank, minutes = session.get_one(Bank, first.form.bank_id), timedelta(minutes=PLAN["minutes"])
    form = itembank.compose_form(session, bank, PLAN["form"], earlier.PLAN["items"], minutes, planned_at)
    day, administration = past.plan_day(session, db, settings, first.examination, form, [(PLAN["title"], window)], planned_at)
    _takers, acts = past.acts_of(day, administration, candidates(), PLAN["seed"])
    return [*acts, (window.closes_at + timedelta(days=PLAN["scored_days"]), len(acts), partial(_score, session, administration))]


def _score(session: Session, administration: Administration, now: datetime) -> None:
    analyst = setup.person_with(session, Role.ANALYST)
    service.lock_key(session, administration, analyst, now)
    service.run(session, administration, analyst, now)
