"""Reads for the analyst's and the approver's pages: how far scoring is, what the items did, and the distribution. Nothing of a person."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from testing_platform.accounts.models import Person
from testing_platform.accounts.rules import Role
from testing_platform.delivery.models import Attempt
from testing_platform.examinations.models import Administration, Appointment, TestSession
from testing_platform.scoring import countersign, rules, service
from testing_platform.scoring.models import Key, PassingScoreDecision, QualifyingResult, RawScore, ScoreRun

STEPS = ("handed_in", "key", "scores", "proposed", "signed", "results")


@dataclass
class Progress:
    """How far an administration is, step by step; `step` is the first that is not done."""

    booked: int = 0
    counts: int = 0
    running: int = 0
    waiting: int = 0
    # Booked, and no attempt was begun.
    absent: int = 0
    excluded: Counter[str] = field(default_factory=Counter)
    open_sessions: list[TestSession] = field(default_factory=list)
    key: Key | None = None
    run: ScoreRun | None = None
    scored: int = 0
    run_is_current: bool = False
    proposal: PassingScoreDecision | None = None
    approved: PassingScoreDecision | None = None
    results: int = 0

    @property
    def all_handed_in(self) -> bool:
        return bool(self.booked) and not self.running and not self.waiting and not self.open_sessions

    @property
    def done(self) -> dict[str, bool]:
        locked = self.key is not None and self.key.locked_at is not None
        scored = self.run is not None and self.run_is_current
        decided = self.approved is not None and self.run is not None and self.approved.run_id == self.run.id
        return {
            "handed_in": self.all_handed_in,
            "key": locked,
            "scores": scored,
            "proposed": scored and (self.proposal is not None or decided),
            "signed": scored and self.proposal is None and decided,
            "results": scored and self.proposal is None and decided,
        }

    @property
    def step(self) -> int:
        """1 for the first; one more than the last when all is done."""
        done = self.done
        return next((number for number, name in enumerate(STEPS, 1) if not done[name]), len(STEPS) + 1)


def progress(session: Session, administration: Administration, now: datetime) -> Progress:
    found = Progress()
    for _attempt, _digest, standing in service.standings(session, administration, now):
        if standing in ("counts", "running", "waiting"):
            setattr(found, standing, getattr(found, standing) + 1)
        else:
            found.excluded[standing] += 1
    found.booked = (
        session.scalar(
            select(func.count())
            .select_from(Appointment)
            .where(Appointment.administration_id == administration.id, Appointment.state == "booked")
        )
        or 0
    )
    begun = session.scalar(
        select(func.count())
        .select_from(Attempt)
        .join(TestSession, TestSession.id == Attempt.session_id)
        .where(TestSession.administration_id == administration.id)
    )
    found.absent = max(0, found.booked - (begun or 0))
    found.open_sessions = service.open_sessions(session, administration, now)
    found.key = service.newest_key(session, administration)
    found.run = service.newest_run(session, administration)
    if found.run is not None:
        found.scored = session.scalar(select(func.count()).select_from(RawScore).where(RawScore.run_id == found.run.id)) or 0
        found.run_is_current = service.is_current(session, administration, found.run, now)
        differing = sum(1 for entry in found.run.excluded if entry["reason"] == "answers_differ")
        if differing:
            found.excluded["answers_differ"] += differing
            found.counts -= differing
    for decision in decisions(session, administration):
        if decision.outcome == "proposed":
            found.proposal = decision
        elif decision.outcome == "approved":
            found.approved = decision
    if found.approved is not None:
        found.results = (
            session.scalar(select(func.count()).select_from(QualifyingResult).where(QualifyingResult.decision_id == found.approved.id)) or 0
        )
    return found


@dataclass(frozen=True)
class Need:
    """Something that waits for this person: what, how many, since when."""

    what: str  # handed_in | key | scores | propose | sign | stale
    count: int = 0


def need(session: Session, administration: Administration, person: Person, now: datetime) -> Need | None:
    """What the administration needs of this person next, if anything."""
    roles = person.roles
    proposal = session.scalars(
        select(PassingScoreDecision).where(
            PassingScoreDecision.administration_id == administration.id, PassingScoreDecision.outcome == "proposed"
        )
    ).first()
    if proposal is not None:
        signs = Role.APPROVER in roles and proposal.proposed_by_id != person.id and not countersign.is_due(session, proposal)
        return Need("sign") if signs else None
    if Role.ANALYST not in roles:
        return None
    found = progress(session, administration, now)
    begun = found.counts + found.running + found.waiting + sum(found.excluded.values())
    if not begun or found.step > len(STEPS):
        return None
    if not found.done["handed_in"]:
        # While a session is open the home page says so already.
        return None if found.open_sessions else Need("handed_in", found.running + found.waiting)
    if found.approved is not None and not found.run_is_current:
        return Need("stale")
    return {"key": Need("key"), "scores": Need("scores", found.counts), "proposed": Need("propose", found.scored)}.get(
        STEPS[found.step - 1]
    )


def decisions(session: Session, administration: Administration) -> list[PassingScoreDecision]:
    return list(
        session.scalars(
            select(PassingScoreDecision)
            .where(PassingScoreDecision.administration_id == administration.id)
            .order_by(PassingScoreDecision.number.desc())
        )
    )


def keys(session: Session, administration: Administration) -> list[Key]:
    return list(session.scalars(select(Key).where(Key.administration_id == administration.id).order_by(Key.number.desc())))


def names(session: Session, ids: set[int | None]) -> dict[int, str]:
    """Of members of staff who acted."""
    rows = session.execute(select(Person.id, Person.name).where(Person.id.in_([one for one in ids if one is not None])))
    return dict(rows.all())


@dataclass(frozen=True)
class Slot:
    """One line of the key page."""

    slot: int
    code: str
    area: str
    several: bool
    form_key: list[str]
    entry: list[str]
    figures: rules.SlotFigures

    @property
    def changed(self) -> bool:
        return self.entry != self.form_key

    @property
    def keyed(self) -> set[str]:
        """The options that are right, by themselves or together."""
        return {option for answer in self.entry for option in self._parts(answer)}

    @property
    def chose(self) -> Counter[str]:
        """How many candidates chose each option, by itself or with others."""
        found = Counter[str]()
        for answer, count in self.figures.counts.items():
            found.update(dict.fromkeys(self._parts(answer), count))
        return found

    def _parts(self, answer: str) -> list[str]:
        return answer.split(" ") if self.several else [answer]


def slots(
    session: Session, administration: Administration, entries: rules.Entries, found: service.Gathered, policy: rules.Policy
) -> list[Slot]:
    versions = service.versions_of(session, administration)
    sheets = list(found.sheets.values())
    answers = {}
    for slot, version in versions.items():
        answers[slot] = [str(option["key"]) for option in version.options]
        if version.choices.most is not None:
            chosen = Counter(sheet[slot] for sheet in sheets if slot in sheet)
            answers[slot] = list(dict.fromkeys([*version.accepted, *(answer for answer, _ in chosen.most_common())]))
    given = [frozenset(found.given[attempt_id]) for attempt_id in found.sheets] if found.given else None
    figures = rules.slot_figures(entries, answers, sheets, policy.small_group, given)
    return [
        Slot(
            one.slot,
            versions[one.slot].item.code,
            versions[one.slot].item.area,
            versions[one.slot].choices.most is not None,
            versions[one.slot].accepted,
            list(entries.get(one.slot, [])),
            one,
        )
        for one in figures
    ]


def show_rate(found: Progress) -> Decimal:
    """The share of those booked who took this test, to two places of a percent; 1 where nobody is booked."""
    took = found.booked - found.absent
    return rules.rounded(Fraction(took, found.booked), 4) if found.booked and took else Decimal(1)


# --- the chart ------------------------------------------------------------------------------------------------------------------------------

WIDTH, HEIGHT = 720, 336
LEFT, RIGHT, TOP, BOTTOM = 44, 16, 72, 78


@dataclass(frozen=True)
class Chart:
    """The distribution as a drawing: where each bar stands and where the lines are, in the units of the picture."""

    low: int
    high: int
    most: int
    bars: list[dict[str, Any]]
    ticks: list[dict[str, Any]]
    base: float
    top: float
    step: float

    def x(self, raw: float) -> float:
        """The left edge of a raw score's bar."""
        return round(LEFT + (raw - self.low) * self.step, 2)

    def middle(self, raw: float) -> float:
        return self.x(raw + 0.5)


def chart(counts: list[int], chance: float, also: Sequence[int] = ()) -> Chart:
    """`also`: counts that may take the place of these while somebody looks; then every raw score has its bar, if perhaps of no height."""
    high = len(counts) - 1
    scored = [raw for some in (counts, also) for raw, count in enumerate(some) if count]
    low = max(0, min([*scored, int(chance)]) - 2)
    step = (WIDTH - LEFT - RIGHT) / (high - low + 1)
    most = max([*counts, 1])
    base, top = HEIGHT - BOTTOM, TOP
    bars = [
        {
            "raw": raw,
            "count": counts[raw],
            "x": round(LEFT + (raw - low) * step + step * 0.08, 2),
            "width": round(step * 0.84, 2),
            "y": round(base - (base - top) * counts[raw] / most, 2),
            "height": round((base - top) * counts[raw] / most, 2),
        }
        for raw in range(low, high + 1)
        if counts[raw] or also
    ]
    every = 10 if high - low > 30 else 5
    ticks = [
        {"raw": raw, "x": round(LEFT + (raw - low + 0.5) * step, 2)} for raw in range(low, high + 1) if raw % every == 0 or raw == high
    ]
    # The last mark makes way for none.
    ticks = [tick for tick in ticks if tick["raw"] == high or high - tick["raw"] >= every / 2]
    return Chart(low, high, most, bars, ticks, base, top, step)
