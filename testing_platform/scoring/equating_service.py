"""An administration beside an earlier one that shares items with it: the anchor, its drift, and the earlier passing score carried over.

X is the earlier form, Y this one. The figures are those of `scoring equate` and `scoring drift` on the items that count; what a key gives to everybody
is taken off before and put on after. Nobody's name, group or single score leaves this module. The caller owns the transaction.
"""

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from threadpoolctl import threadpool_limits

from testing_platform import errors
from testing_platform.accounts.models import Person
from testing_platform.audit import service as audit
from testing_platform.digests import canonical
from testing_platform.examinations.models import Administration, TestSession
from testing_platform.itembank import form_queries
from testing_platform.itembank.form_models import LoftPool
from testing_platform.itembank.models import FormSlot, ItemVersion
from testing_platform.itembank.rules import State
from testing_platform.scoring import analyses, equating_rules, rules, service
from testing_platform.scoring.analysis import drift as drifts
from testing_platform.scoring.analysis import equating
from testing_platform.scoring.analysis.equating import Method
from testing_platform.scoring.analysis.refusals import CannotSay
from testing_platform.scoring.analysis.sheets import Sheet
from testing_platform.scoring.equating_models import AnchorRuling, KeptEquating
from testing_platform.scoring.equating_rules import EquatingPolicy, Facts, Standing
from testing_platform.scoring.models import PassingScoreDecision, RawScore, ScoreRun

SEED = 1  # of the bootstrap, so that the same data give the same errors
KEPT = 12  # conversions kept ready


class NoCut(errors.Refusal):
    """The conversion does not reach the earlier passing score, so that it cannot be carried over."""

    code = "no-cut"


class AnchorMoved(errors.Refusal):
    """What was looked at is not what is now: an item was ruled on, or one of both was scored anew."""

    code = "anchor-moved"


# --- which administrations, which items ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Shared:
    """An item that both forms hold in the same version; `standing` says whether it is in the anchor."""

    code: str
    item_id: int
    version_id: int
    there: int  # its slot in the earlier form
    here: int
    standing: Standing
    ruling: AnchorRuling | None


@dataclass(frozen=True)
class Earlier:
    """An administration that was given before, with what both share."""

    administration: Administration
    opens_at: datetime
    run: ScoreRun
    taken: int
    decision: PassingScoreDecision | None  # in force
    items: list[Shared]
    changed: list[tuple[str, int, int]]  # (item, slot there, slot here) of items that the two hold in different versions

    @property
    def anchor(self) -> list[Shared]:
        return [one for one in self.items if one.standing is Standing.ANCHOR]


def policy_of(administration: Administration) -> EquatingPolicy:
    return EquatingPolicy.of(administration.examination.bulletin.content)


def earlier(session: Session, administration: Administration, run: ScoreRun) -> list[Earlier]:
    """Those given before this one, of forms that share an item with it, and scored; the largest anchor first, then the newest.

    Forms that are drawn for each candidate are as hard as their blueprint says, and no one form is there to be carried to another: nothing is beside those.
    """
    pools = select(LoftPool.form_id).where(LoftPool.form_id.is_not(None))
    if form_queries.pool_behind(session, administration.form_id) is not None:
        return []
    opens = func.min(TestSession.__table__.c.opens_at)
    began: dict[int, datetime] = dict(
        session.execute(select(TestSession.administration_id, opens).group_by(TestSession.administration_id)).all()
    )
    start = began.get(administration.id)
    items = select(ItemVersion.item_id).join(FormSlot, FormSlot.item_version_id == ItemVersion.id)
    forms = (
        select(FormSlot.form_id)
        .join(ItemVersion, ItemVersion.id == FormSlot.item_version_id)
        .where(ItemVersion.item_id.in_(items.where(FormSlot.form_id == administration.form_id)))
    )
    others = session.scalars(
        select(Administration).where(
            Administration.form_id.in_(forms), Administration.form_id.not_in(pools), Administration.id != administration.id
        )
    )
    found = [
        one
        for other in others
        if start is not None and other.id in began and began[other.id] < start
        if (one := _beside(session, administration, run, other, began[other.id])) is not None
    ]
    return sorted(found, key=lambda one: (len(one.anchor), one.opens_at), reverse=True)


def _beside(session: Session, administration: Administration, run: ScoreRun, other: Administration, opens_at: datetime) -> Earlier | None:
    """None where nobody was scored. By the scoring that the passing score in force rests on, else the newest."""
    decision = session.scalars(
        select(PassingScoreDecision).where(PassingScoreDecision.administration_id == other.id, PassingScoreDecision.outcome == "approved")
    ).first()
    there = decision.run if decision is not None else service.newest_run(session, other)
    taken = session.scalar(select(func.count()).select_from(RawScore).where(RawScore.run_id == there.id)) if there is not None else 0
    if there is None or not taken:
        return None
    x, y = service.versions_of(session, other), service.versions_of(session, administration)
    slots = {version.id: slot for slot, version in x.items()}
    of_items = {version.item_id: slot for slot, version in x.items()}
    entries_x, entries_y = service.entries_of(there.key), service.entries_of(run.key)
    ruled = rulings_of(session, administration, other)
    items, changed = [], []
    for here, version in y.items():
        code = version.item.code
        if version.id not in slots:
            if version.item_id in of_items:
                changed.append((code, of_items[version.item_id], here))
            continue
        ruling = ruled.get(version.id)
        how = equating_rules.standing(
            entries_y.get(here, []),
            entries_x.get(slots[version.id], []),
            compromised=version.state == State.COMPROMISED,
            left_out=ruling is not None and ruling.out,
        )
        items.append(Shared(code, version.item_id, version.id, slots[version.id], here, how, ruling))
    return Earlier(other, opens_at, there, taken, decision, items, changed)


def rulings_of(session: Session, administration: Administration, other: Administration) -> dict[int, AnchorRuling]:
    """The newest ruling on each item version."""
    rows = session.scalars(
        select(AnchorRuling)
        .where(AnchorRuling.administration_id == administration.id, AnchorRuling.earlier_id == other.id)
        .order_by(AnchorRuling.id)
    )
    return {row.version_id: row for row in rows}


def _found(session: Session, administration: Administration, with_id: int) -> tuple[ScoreRun, Earlier]:
    """The two as they are now. Raises ScoresNotCurrent, AnchorMoved."""
    # Whoever else keeps or rules for this administration waits here, and then sees what was done.
    session.execute(select(Administration.id).where(Administration.id == administration.id).with_for_update())
    run = service.newest_run(session, administration)
    if run is None:
        raise service.ScoresNotCurrent
    found = next((one for one in earlier(session, administration, run) if one.administration.id == with_id), None)
    if found is None:
        raise AnchorMoved
    return run, found


def rule_on(
    session: Session,
    administration: Administration,
    with_id: int,
    person: Person,
    version_id: int,
    out: bool,
    reason: str,
    figures: dict[str, Any],
    now: datetime,
) -> AnchorRuling:
    """Leave an item out of the anchor, or take it in again. Raises NotFound for an item that is not shared, AnchorMoved where it is so already, ReasonMissing."""
    found = _found(session, administration, with_id)[1]
    item = next((one for one in found.items if one.version_id == version_id), None)
    if item is None:
        raise errors.NotFound
    if item.standing is not (Standing.ANCHOR if out else Standing.LEFT_OUT):
        raise AnchorMoved
    if not reason.strip():
        raise rules.ReasonMissing(what="anchor", version=version_id)
    made = AnchorRuling(
        administration_id=administration.id,
        earlier_id=with_id,
        version_id=version_id,
        out=out,
        reason=reason.strip(),
        figures=figures,
        person_id=person.id,
        at=now,
    )
    session.add(made)
    session.flush()
    audit.record(
        session,
        "anchor.left_out" if out else "anchor.taken_in",
        f"administration:{administration.id}",
        now,
        person.id,
        earlier=with_id,
        slot=item.here,
        version=version_id,
        **figures,
    )
    return made


# --- the figures -----------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Counted:
    """The items that count of a scoring, as the functions on files take them. A raw score is a total and what the key gives to everybody."""

    sheet: Sheet
    credited: int

    @property
    def most(self) -> int:
        return len(self.sheet.items) + self.credited


def counted(found: analyses.Answered, *, apart: bool = False) -> Counted:
    """`apart`: without those that everybody or nobody has right, which no model can place; the former are given to everybody then."""
    sheet, places, credited = found.sheet, found.sheet.counted, found.credited
    if apart:
        has, n = sheet.right.sum(axis=0, dtype=np.int64), len(sheet.answers)
        credited += sum(int(has[place]) == n for place in places)
        places = [place for place in places if 0 < has[place] < n]
    kept = replace(
        sheet,
        items=tuple(sheet.items[place] for place in places),
        answers=np.ascontiguousarray(sheet.answers[:, places]),  # as a file is read, so that a model comes out the same
        keys=tuple(sheet.keys[place] for place in places),
        apart=frozenset(),
        offered=(),
    )
    return Counted(kept, credited)


@dataclass(frozen=True)
class Pair:
    """Both scorings with their answers."""

    administration: Administration
    run: ScoreRun
    earlier: Earlier
    x: Counted
    y: Counted
    answered: tuple[analyses.Answered, analyses.Answered]

    @property
    def anchor(self) -> list[str]:
        return [one.code for one in self.earlier.anchor]

    @property
    def n(self) -> tuple[int, int]:
        return len(self.x.sheet.answers), len(self.y.sheet.answers)


def pair(session: Session, administration: Administration, run: ScoreRun, with_: Earlier) -> Pair:
    """Raises service.StoredDiffers."""
    found = analyses.answered(session, with_.administration, with_.run), analyses.answered(session, administration, run)
    return Pair(administration, run, with_, counted(found[0]), counted(found[1]), found)


def facts(found: Pair) -> Facts:
    """What a method is chosen by."""
    x, y = (equating.scores_of(one.sheet, found.anchor) for one in (found.x, found.y))
    spread = [float(one.anchor.var(ddof=1)) if len(one.anchor) > 1 else 0.0 for one in (x, y)]
    wide = [one for one, square in zip((x, y), spread, strict=True) if square > 0 and one.total.var() > 0]
    related = [float(np.corrcoef(one.total, one.anchor)[0, 1]) for one in wide]
    n_x, n_y = found.n
    pooled = ((n_x - 1) * spread[0] + (n_y - 1) * spread[1]) / (n_x + n_y - 2) if n_x + n_y > 2 else 0.0
    gap = (float(y.anchor.mean()) - float(x.anchor.mean())) / pooled**0.5 if pooled > 0 else None
    return Facts(n_x, n_y, x.most, y.most, len(found.anchor), min(related) if len(related) == 2 else None, gap)


@dataclass(frozen=True)
class Row:
    """Raw scores: `x` on the earlier form is worth `y` here, with the error of the bootstrap."""

    x: int
    y: float
    se: float | None


@dataclass(frozen=True)
class Carried:
    """The earlier passing score `x` is worth `y` here; `raw` is the lowest whole score that is not below it."""

    x: int
    y: float
    raw: int
    se: float | None


@dataclass(frozen=True)
class Conversion:
    """`shaky`: the bootstrap could not be drawn, because some samples of so few people cannot be equated."""

    method: Method
    smooth: bool
    slope: float | None
    intercept: float | None
    link: equating.Link | None
    table: list[Row]
    cut: Carried | None
    anchor: int
    shaky: bool


_kept: dict[tuple[Any, ...], tuple[equating.Equating, bool]] = {}


def convert(found: Pair, method: Method, smooth: bool, policy: EquatingPolicy) -> Conversion:
    """Raises CannotSay."""
    by_items = method in equating.BY_ITEMS
    x, y = (counted(one, apart=True) for one in found.answered) if by_items else (found.x, found.y)
    anchor = [code for code in found.anchor if code in x.sheet.items and code in y.sheet.items]
    if not x.sheet.items or not y.sheet.items:
        raise CannotSay(why="few-items", least=1)
    smooth = smooth and method in equating_rules.SMOOTHED
    runs = [(run.id, run.inputs_digest, run.made_at) for run in (found.earlier.run, found.run)]
    name = (*runs, tuple(anchor), method, smooth, policy.weight, policy.replications)
    if name not in _kept:
        new = _equate(x.sheet, y.sheet, anchor, method, smooth, policy)
        for oldest in list(_kept)[: max(0, len(_kept) - KEPT + 1)]:
            _kept.pop(oldest, None)
        _kept[name] = new
    made, shaky = _kept[name]
    table = [Row(row.x + x.credited, row.y + y.credited, row.se) for row in made.table]
    decision = found.earlier.decision
    row = next((one for one in table if decision is not None and one.x == decision.cut), None)
    cut = None
    if row is not None:
        cut = Carried(row.x, row.y, equating.reached(row.y, found.y.most), row.se)
    return Conversion(method, smooth, made.slope, made.intercept, made.link, table, cut, len(anchor), shaky)


def _equate(x: Sheet, y: Sheet, anchor: list[str], method: Method, smooth: bool, policy: EquatingPolicy) -> tuple[equating.Equating, bool]:
    """On one thread: an exam that is under way keeps the other cores."""
    kept = 0 if smooth else None
    with threadpool_limits(1, "blas"):
        plain = equating.equate(x, y, anchor, method, policy.weight, None, kept)
        if method in equating.BY_ITEMS or method is Method.IDENTITY:
            return plain, False
        try:
            return equating.equate(x, y, anchor, method, policy.weight, None, kept, policy.replications, SEED), False
        except CannotSay:
            return plain, True


@dataclass(frozen=True)
class Drifted:
    """An item of the anchor, or one that was left out of it, held against the line of those that are in."""

    item: Shared
    figures: drifts.Anchor | None  # none where everybody or nobody has it right
    p_x: float
    p_y: float
    delta_x: float | None
    delta_y: float | None
    distance: float | None


@dataclass(frozen=True)
class Drift:
    found: drifts.Drift
    items: list[Drifted]

    @property
    def flagged(self) -> list[Drifted]:
        return [one for one in self.items if one.figures is not None and one.figures.flags]


def drift(found: Pair, policy: EquatingPolicy) -> Drift:
    """Each item that is, or was, in the anchor. Raises CannotSay."""
    sheets = found.x.sheet, found.y.sheet
    shown = [one for one in found.earlier.items if one.standing in (Standing.ANCHOR, Standing.LEFT_OUT)]
    shares = {one.version_id: [float(sheet.right[:, sheet.items.index(one.code)].mean()) for sheet in sheets] for one in shown}
    inside = [one.code for one in shown if one.standing is Standing.ANCHOR and all(0 < p < 1 for p in shares[one.version_id])]
    made = drifts.drift(*sheets, inside, policy.drift)
    by_item = {one.item: one for one in made.items}
    items = []
    for one in shown:
        p_x, p_y = shares[one.version_id]
        delta_x, delta_y = (float(drifts.delta(np.array([p]))[0]) if 0 < p < 1 else None for p in (p_x, p_y))
        away = None if delta_x is None or delta_y is None else drifts.distance(made.slope, made.intercept, delta_x, delta_y)
        items.append(Drifted(one, by_item.get(one.code), p_x, p_y, delta_x, delta_y, away))
    return Drift(made, items)


# --- what is kept ----------------------------------------------------------------------------------------------------------------------------


def items_of(found: Earlier) -> dict[str, list[dict[str, Any]]]:
    """The anchor as it is kept, and what is shared and not in it."""
    told: dict[str, list[dict[str, Any]]] = {"anchor": [], "out": []}
    for one in found.items:
        said = {"item": one.code, "version": one.version_id, "earlier_slot": one.there, "slot": one.here}
        if one.standing is Standing.ANCHOR:
            told["anchor"].append(said)
        else:
            why = {"reason": one.ruling.reason} if one.standing is Standing.LEFT_OUT and one.ruling else {}
            told["out"].append({**said, "standing": str(one.standing), **why})
    return told


def digest_of(run: ScoreRun, found: Earlier) -> str:
    """What a conversion rests on: only what was looked at is kept."""
    decision = found.decision.id if found.decision else None
    return hashlib.sha256(canonical([run.inputs_digest, found.run.inputs_digest, decision, items_of(found)])).hexdigest()


def keep(
    session: Session,
    administration: Administration,
    person: Person,
    made: Conversion,
    about: Facts,
    policy: EquatingPolicy,
    seen: str,
    with_id: int,
    reason: str,
    now: datetime,
) -> KeptEquating:
    """`seen`: the digest of what was looked at. Raises NoCut, ReasonMissing, ScoresNotCurrent, AnchorMoved.

    Where the earlier one has no passing score yet, the conversion is kept for counting both together.
    """
    run, found = _found(session, administration, with_id)
    if not service.is_current(session, administration, run, now):
        raise service.ScoresNotCurrent
    if digest_of(run, found) != seen:
        raise AnchorMoved
    if made.cut is None and found.decision is not None:
        raise NoCut
    if not reason.strip():
        raise rules.ReasonMissing(what="equating")
    settings = {"smooth": made.smooth, "weight": policy.weight, "replications": policy.replications, "seed": SEED}
    cut, worth, se, raw = (made.cut.x, made.cut.y, made.cut.se, made.cut.raw) if made.cut else (None, None, None, None)
    figures = {
        "table": [[row.x, row.y, row.se] for row in made.table],
        "cut": cut,
        "worth": worth,
        "se": se,
        "n": [about.n_x, about.n_y],
        "r": about.r,
        "gap": about.gap,
    }
    last = session.scalar(select(func.max(KeptEquating.number)).where(KeptEquating.administration_id == administration.id))
    said = [run.inputs_digest, found.run.inputs_digest, str(made.method), settings, items_of(found), figures, raw, reason.strip()]
    row = KeptEquating(
        administration_id=administration.id,
        number=(last or 0) + 1,
        run_id=run.id,
        earlier_run_id=found.run.id,
        method=str(made.method),
        settings=settings,
        items=items_of(found),
        figures=figures,
        raw=raw,
        reason=reason.strip(),
        digest=hashlib.sha256(canonical(said)).hexdigest(),
        made_by_id=person.id,
        made_at=now,
    )
    session.add(row)
    session.flush()
    audit.record(
        session,
        "equating.kept",
        f"administration:{administration.id}",
        now,
        person.id,
        number=row.number,
        earlier=with_id,
        method=row.method,
        anchor=len(found.anchor),
        cut=cut,
        raw=raw,
        digest=row.digest,
    )
    return row
