"""The demo's administration of half a year ago, under the bulletin before: scored, decided, and sharing items with the next, so that one can be held against the other.

It comes about as the next one does (`past`), act by act through the services, and is smaller.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from testing_platform.accounts.rules import Role
from testing_platform.db import Database
from testing_platform.demo import past, setup
from testing_platform.examinations.models import Administration
from testing_platform.itembank import service as itembank
from testing_platform.notices.models import Notice
from testing_platform.scoring import interviews, results, rules, service
from testing_platform.scoring.models import InterviewInvitation, QualifyingResult
from testing_platform.settings import Settings
from testing_platform.web.frame import make_frame

PLAN = setup.read("earlier.toml")


def candidates() -> list[past.Candidate]:
    """The same people at each call; nobody of the next administration is among them."""
    return drawn(PLAN, {who.name for who in past.candidates()})


def drawn(plan: Mapping[str, Any], taken: set[str]) -> list[past.Candidate]:
    """The people of a small administration, of whom none is `taken`."""
    chance = random.Random(f"{plan['seed']} people")
    names = past.PLAN["names"]
    free = [(given, family) for given in names["given"] for family in names["family"] if f"{given} {family}" not in taken]
    return [
        past.Candidate(
            number=plan["first_number"] + n,
            name=f"{given} {family}",
            email=f"{given}.{family}@example.org".lower(),
            phone=f"555-01{chance.randrange(100):02}",
            external_id=f"A-{plan['first_external'] + 7 * n}",
            language="en",
            basis="PROMOTIONAL" if chance.random() < 0.18 else "OPEN",
            settings={},
            session=0,
            shows=True,
        )
        for n, (given, family) in enumerate(chance.sample(free, plan["candidates"]))
    ]


def fill(session: Session, db: Database, settings: Settings, now: datetime, progress: Callable[[int, int], None]) -> None:
    on = now.astimezone(ZoneInfo(setup.ZONE)).date() - timedelta(days=PLAN["days_ago"])
    window = past.window_on(on, PLAN)
    announced_at = window.opens_at - timedelta(days=PLAN["announced_days"])
    # The bulletin counts its days as the next one does.
    examination = setup.announce(session, window.opens_at + timedelta(days=past.PLAN["days_ago"]), announced_at, anew=True)
    bank = setup.fill_bank(session, announced_at, PLAN["items"])
    form = itembank.compose_form(session, bank, PLAN["form"], PLAN["items"], timedelta(minutes=PLAN["minutes"]), announced_at)
    day, administration = past.plan_day(session, db, settings, examination, form, [(PLAN["title"], window)], announced_at)
    drifted = PLAN["items"].index(PLAN["drifted"]["item"])
    day.items[drifted] = replace(day.items[drifted], difficulty=day.items[drifted].difficulty + PLAN["drifted"]["harder"])
    _takers, acts = past.acts_of(day, administration, candidates(), PLAN["seed"])
    past.happen(acts, progress)
    decided_at = window.closes_at + timedelta(days=PLAN["decided_days"])
    _decide(session, administration, decided_at)
    with make_frame(settings, db).app_context():  # letters are written in the language of who reads them
        _invite(session, administration, settings, decided_at + timedelta(days=1))


def _decide(session: Session, administration: Administration, now: datetime) -> None:
    """Key, scores and both signatures. Who passed was told long ago: those letters would hide the mail of today."""
    said = PLAN["decision"]
    analyst, approver = (setup.person_with(session, role) for role in (Role.ANALYST, Role.APPROVER))
    service.lock_key(session, administration, analyst, now)
    service.run(session, administration, analyst, now)
    policy = service.policy_of(administration)
    inputs = rules.Inputs(
        said["vacancies_now"],
        said["vacancies_expected"],
        attend=policy.attend,
        reach=policy.reach,
        appointed=policy.appointed,
        rates_reason=said["rates_reason"],
    )
    decision = service.propose(session, administration, analyst, said["cut"], inputs, said["rationale"], now)
    service.approve(session, decision, approver, now)
    session.execute(update(QualifyingResult).where(QualifyingResult.decision_id == decision.id).values(mailed_at=now))


def _invite(session: Session, administration: Administration, settings: Settings, now: datetime) -> None:
    """All who passed were invited to an interview, and it was held."""
    said, today = PLAN["interviews"], now.astimezone(ZoneInfo(setup.ZONE)).date()
    days = interviews.working_days(
        today + timedelta(days=said["in_days"]), today + timedelta(days=said["in_days"] + 13), (), weekends=False
    )
    plan = interviews.Plan(
        said["location"], tuple(days), time(9), time(17), said["minutes"], said["boards"], today + timedelta(days=said["in_days"] - 4)
    )
    seen = results.preview(session, administration, plan, settings, now)
    letters = results.letters_for(session, administration, seen, settings, now)
    kept = results.invite(session, administration, plan, seen.digest, letters, setup.person_with(session, Role.SCHEDULER), settings, now)
    posted = select(InterviewInvitation.notice_id).where(InterviewInvitation.plan_id == kept.id)
    session.execute(update(Notice).where(Notice.id.in_(posted)).values(state="sent", sent_at=now))
