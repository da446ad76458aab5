"""What a form is expected to do, for its page: its figures, its blueprint line by line, and how it lies beside its parallel forms."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import select
from sqlalchemy.orm import Session

from testing_platform.itembank import form_queries
from testing_platform.itembank.assembly import blueprint as blueprints
from testing_platform.itembank.assembly import checks, figures
from testing_platform.itembank.assembly.blueprint import Blueprint
from testing_platform.itembank.assembly.checks import Line
from testing_platform.itembank.assembly.pool import PoolItem
from testing_platform.itembank.form_models import Assembly, BlueprintVersion, FormPlan
from testing_platform.itembank.models import Bank, Form

LETTERS = "abcdefghij"


@dataclass(frozen=True)
class Figures:
    """Predictions for one form, of its scored items; `measured` counts the items whose share comes from answers."""

    form: Form
    shares: list[float]
    mean: float
    deviation: float
    reliability: float | None
    minutes: float
    measured: int
    keys: list[tuple[str, int]]

    @property
    def bins(self) -> list[tuple[float, int]]:
        """The items of each fiftieth of the scale: their mean and how many they are."""
        found: dict[int, list[float]] = {}
        for share in self.shares:
            found.setdefault(int(share * 50 + 1e-9), []).append(share)
        return [(figures.mean(found[place]), len(found[place])) for place in sorted(found)]

    @property
    def score(self) -> float:
        return self.mean * len(self.shares)


@dataclass(frozen=True)
class Report:
    """`own` is false where the form was put together by hand and is held against a blueprint that was not its own."""

    blueprint: BlueprintVersion
    own: bool
    # The target difficulty, what it may be missed by, and the most keys that one place may have.
    mean: float
    within: float
    most_keys: int | None
    figures: Figures
    lines: list[Line]
    # Items of the bank that may not stand beside one of this form, and do not.
    kept_out: int
    parallel: list[Figures]


def items_of(session: Session, form: Form, found: Blueprint) -> list[PoolItem]:
    """The form's items in their order, with what was known of earlier forms when it was made."""
    plan = form_queries.plan_of(session, form.id)
    unscored = set(plan.unscored) if plan else set()
    slots = form_queries.slots_of(session, form)
    bank = session.get_one(Bank, form.bank_id)
    known = form_queries.pool_items(session, bank, found, [row.version for row in slots], form)
    return [replace(item, pilot=row.slot in unscored) for row, item in zip(slots, known, strict=True)]


def figures_of(form: Form, items: Sequence[PoolItem]) -> Figures | None:
    """None for a form without scored items."""
    scored = checks.scored(items)
    if not scored:
        return None
    shares = [item.share for item in scored]
    keys = Counter(item.key for item in scored if item.key is not None)
    return Figures(
        form=form,
        shares=shares,
        mean=figures.mean(shares),
        deviation=figures.deviation((item.share, item.item_total) for item in scored),
        reliability=figures.reliability([(item.share, item.item_total) for item in scored]),
        minutes=sum(item.seconds for item in items) / 60,
        measured=sum(item.measured for item in scored),
        keys=[(LETTERS[place], keys[place]) for place in range(max(keys, default=-1) + 1)],
    )


def yardstick(session: Session, form: Form) -> tuple[BlueprintVersion | None, bool]:
    """The blueprint that the form was assembled or drawn by, else the bank's newest; and whether it is the form's own."""
    plan = form_queries.plan_of(session, form.id)
    if plan is not None and plan.assembly is not None:
        return plan.assembly.blueprint, True
    if (pool := form_queries.drawn_from(session, form.id)) is not None:
        return pool.blueprint, True
    newest = select(BlueprintVersion).where(BlueprintVersion.bank_id == form.bank_id).order_by(BlueprintVersion.id.desc()).limit(1)
    return session.scalars(newest).first(), False


def report(session: Session, form: Form) -> Report | None:
    """None where the bank has no blueprint to hold the form against, or the form nothing to count."""
    one, own = yardstick(session, form)
    if one is None:
        return None
    found = blueprints.of(one.content)
    items = items_of(session, form, found)
    told = figures_of(form, items)
    if told is None:
        return None
    plan = form_queries.plan_of(session, form.id)
    together = [form]
    if plan is not None and plan.assembly is not None:
        together = [other.form for other in plan.assembly.made]
    parallel = [figures for other in together if (figures := figures_of(other, items_of(session, other, found))) is not None]
    lines = checks.check(found, [items], _anchor(plan, items)) if own else checks.check(replace(found, anchor_count=0), [items])
    share = found.key_share
    return Report(
        one,
        own,
        found.mean,
        found.within,
        None if share is None else checks.most_of(share, len(told.shares)),
        told,
        lines,
        form_queries.kept_out(session, form),
        parallel,
    )


def _anchor(plan: FormPlan | None, items: Sequence[PoolItem]) -> frozenset[int]:
    asked: Assembly | None = plan.assembly if plan else None
    codes = set(asked.result.get("anchor", ())) if asked else set()
    return frozenset(item.id for item in items if item.code in codes)
