"""Two administrations one after the other whose forms share items, both scored."""

import random
from datetime import timedelta

from testing_platform import clock
from testing_platform.accounts.rules import Role
from testing_platform.examinations import service as examinations
from testing_platform.examinations.models import Administration
from testing_platform.examinations.rules import Mode, Window
from testing_platform.itembank import service as itembank
from testing_platform.itembank.form_models import FormPlan
from testing_platform.itembank.models import Bank
from testing_platform.scoring import equating_service as equatings
from testing_platform.scoring import rules, service
from testing_platform.scoring.analysis.equating import Method
from tests import make
from tests.scoring.answered import scored

CODES = [f"I-{number}" for number in range(1, 7)]
# The later form: five items of the earlier one, and three of its own.
LATER = ["J-1", *CODES[1:], "J-2", "J-3"]
HARD = dict(zip(CODES, (-1.4, -0.9, -0.4, 0.1, 0.6, 1.1), strict=True)) | {"J-1": -1.0, "J-2": 0.0, "J-3": 1.2}
SHARED = CODES[1:]


def rows(seed, codes, ability=0.0, people=60, moved=()):
    """Answers of so many people; `moved` items are easier than their difficulty says."""
    chance = random.Random(seed)
    found = []
    for _ in range(people):
        able = chance.gauss(ability, 1.6)
        found.append(
            [
                "b" if chance.random() < 1 / (1 + 2.7 ** -(able - HARD[code] + 1.5 * (code in moved))) else chance.choice("acd")
                for code in codes
            ]
        )
    return found


THEN, HERE = rows(1, CODES), rows(2, LATER, 0.2)
# Where the figures do not matter: each taker costs some milliseconds.
FEW = rows(1, CODES, people=26), rows(2, LATER, 0.2, people=26)
POLICY = {"anchor_items": 5, "replications": 30, "source": "a short form"}


def kept(session, bank, code, stem="What is asked?", now=make.NOON):
    draft = itembank.ItemDraft(
        code=code,
        area="CST",
        stem=stem,
        options={key: f"Option {key}" for key in "abcd"},
        correct=("b",),
        rationale="Because.",
        difficulty="medium",
    )
    version = itembank.keep_item(session, bank, draft, {}, now)
    make.in_use(version, make.person(session, Role.ANALYST, now=now), now)
    return version


def pair(db, then=FEW[0], here=FEW[1], *, codes=LATER, policy=POLICY, changes=(), earlier_changes=(), before=None, on_trial=(), cut=4):
    """The ids of the earlier one and of the later. `before(session, form)` is done to the bank between the two; without a cut nothing was decided then."""
    first = scored(db, then, *earlier_changes, hours=48)
    if cut is not None:
        with db.write() as session:
            decide(session, session.get_one(Administration, first), cut)

    def place(session, now):
        one = session.get_one(Administration, first)
        bank, settings = session.get_one(Bank, one.form.bank_id), one.test_day
        for code in codes:
            if code.startswith("J"):
                kept(session, bank, code)
        if before:
            before(session, one.form)
        form = itembank.compose_form(session, bank, "B", list(codes), timedelta(minutes=75), now)
        if on_trial:
            session.add(FormPlan(form_id=form.id, unscored=list(on_trial)))
        if policy:
            bulletin = one.examination.bulletin
            bulletin.content = {**bulletin.content, "policy": {"equating": policy}}
        later = examinations.plan_administration(session, one.examination, form, settings, now)
        window = Window(now - timedelta(hours=1), now + timedelta(hours=8))
        return examinations.open_session(
            session, later, title="At home", mode=Mode.REMOTE, window=window, zone="America/Los_Angeles", now=now
        )

    return first, scored(db, here, *changes, place=place)


def decide(session, one, cut):
    """Both signatures under a passing score."""
    inputs = rules.Inputs(vacancies_now=1, vacancies_expected=0, below_reason="A short form.", rates_reason="A made-up one.")
    analyst, approver = (make.person(session, role) for role in (Role.ANALYST, Role.APPROVER))
    service.approve(session, service.propose(session, one, analyst, cut, inputs, "Enough.", clock.now()), approver, clock.now())


def equate(db, number, method=Method.TUCKER):
    """What the page does when an analyst keeps an equating."""
    with db.write() as session:
        one = session.get_one(Administration, number)
        run, policy = service.newest_run(session, one), equatings.policy_of(one)
        with_ = equatings.earlier(session, one, run)[0]
        found = equatings.pair(session, one, run, with_)
        made, about = equatings.convert(found, method, False, policy), equatings.facts(found)
        seen, analyst = equatings.digest_of(run, with_), make.person(session, Role.ANALYST)
        equatings.keep(session, one, analyst, made, about, policy, seen, with_.administration.id, "Alike.", clock.now())
