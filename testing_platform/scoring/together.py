"""Other administrations of the class in the count of a passing score: which there are, how their forms are equated with this one, and what they add.

What was counted with a decision is worked out again from what it names: runs, equatings and decisions, which are never changed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from testing_platform.delivery.models import Attempt
from testing_platform.examinations.models import Administration, Bulletin, Examination, TestSession
from testing_platform.itembank.models import FormSlot
from testing_platform.scoring import dates, rules, together_rules
from testing_platform.scoring.equating_models import KeptEquating
from testing_platform.scoring.models import InterviewInvitation, PassingScoreDecision, QualifyingResult, RawScore, ScoreRun


@dataclass(frozen=True)
class Link:
    """One step of the way to another form: an equating that was kept, or the same form with the same key, which takes none."""

    kept: KeptEquating | None
    forward: bool

    @property
    def step(self) -> together_rules.Step | None:
        if self.kept is None:
            return None
        return together_rules.Step([(x, Fraction(y)) for x, y, _ in self.kept.figures["table"]], self.forward)

    def error(self, before: Fraction | None, after: Fraction | None) -> str | None:
        """The standard error of the equating at a step, to two places; it is told by the raw score of its earlier form."""
        assert self.kept is not None
        at = before if self.forward else after
        if at is None:
            return None
        raw = together_rules.reached(at, self.kept.earlier_run.maximum)
        return next((str(rules.rounded(Fraction(se), 2)) for x, _, se in self.kept.figures["table"] if x == raw and se is not None), None)


@dataclass(frozen=True)
class Other:
    """Another administration of the class. It can be counted where it is decided, or scored and equated with this one; else `why` says what is missing."""

    administration: Administration
    opens_at: datetime
    zone: str
    run: ScoreRun | None
    decision: PassingScoreDecision | None  # in force
    route: tuple[Link, ...] = ()
    settled: int | None = None
    why: str = ""  # not-scored | no-equating | nothing-shared | not-current


@dataclass(frozen=True)
class Together:
    """What can be counted with an administration; `chosen` are those that are."""

    here: int
    most: int
    began: datetime
    others: list[Other]
    groups: list[together_rules.Group]
    cuts: dict[int, list[int] | None]
    chosen: frozenset[int]

    @property
    def joined(self) -> together_rules.Joined:
        counted = {
            one.administration.id: together_rules.Other(self.cuts[one.administration.id], one.settled or 0)
            for one in self.others
            if one.administration.id in self.chosen
        }
        return together_rules.joined(self.here, self.most, self.groups, counted)

    @property
    def joined_with_all(self) -> together_rules.Joined:
        return replace(self, chosen=frozenset(self.cuts)).joined

    def taken(self, number: int) -> int:
        """Who has a score in an administration; of a decided one, a result."""
        return sum(sum(group.counts[number]) for group in self.groups if number in group.took)

    def passed(self, number: int) -> int:
        """Who passed a decided one."""
        return sum(group.counts[number][1] for group in self.groups if number in group.took)

    def told(self) -> dict[str, Any]:
        """As it is stored with a decision."""
        found = self.joined
        return {
            "others": [self.entry(one, found) for one in self.others if one.administration.id in self.chosen],
            "here": found.here,
            "supply": found.supply,
            "fixed": found.fixed,
            "twice": found.twice,
        }

    def entry(self, one: Other, found: together_rules.Joined) -> dict[str, Any]:
        """One of `others`; nobody of it is said to pass unless it is chosen."""
        assert one.run is not None
        number, cuts = one.administration.id, self.cuts[one.administration.id]
        equated = [link for link in one.route if link.kept is not None]
        return {
            "administration": number,
            "number": one.administration.number,
            "on": str(dates.local_day(one.opens_at, one.zone)),
            "run": one.run.id,
            "digest": one.run.inputs_digest,
            "maximum": one.run.maximum,
            "taken": self.taken(number),
            "decision": one.decision
            and {"id": one.decision.id, "number": one.decision.number, "cut": one.decision.cut, "passed": self.passed(number)},
            "settled": one.settled,
            "route": route_told(equated, self.most),
            "cuts": cuts,
            "passers": found.others.get(number),
        }


def route_told(route: Sequence[Link], most: int) -> list[dict[str, Any]]:
    """Each equating on the way, with its standard error at each cut here. Nothing where the form is the same."""
    steps = [step for link in route if (step := link.step) is not None]
    paths = [together_rules.path(steps, cut) for cut in range(most + 1)]
    return [
        {
            "equating": kept.id,
            "forward": link.forward,
            "method": kept.method,
            "smooth": kept.settings["smooth"],
            "anchor": len(kept.items["anchor"]),
            "n": kept.figures["n"],
            "errors": [link.error(path[at], path[at + 1]) for path in paths],
            "digest": kept.digest,
        }
        for at, link in enumerate(route)
        if (kept := link.kept) is not None
    ]


def in_short(told: Mapping[str, Any], cut: int) -> dict[str, Any]:
    """An administration in the count as a scenario keeps it: its own cut, and how many of it pass."""
    own = told["decision"]["cut"] if told["decision"] else told["cuts"][cut]
    return {"number": told["number"], "on": told["on"], "cut": own, "passers": told["passers"][cut]}


# --- which there are -------------------------------------------------------------------------------------------------------------------------


def others(session: Session, administration: Administration, run: ScoreRun, months: int) -> list[Other]:
    """The other administrations of the class that began not more than so many months before this one, the newest first."""
    classes = select(Administration.id).join(Examination).join(Bulletin)
    of_class = set(session.scalars(classes.where(Bulletin.job_class_id == administration.examination.bulletin.job_class_id)))
    began = _began(session, of_class)
    if administration.id not in began:
        return []
    start = dates.local_day(*began[administration.id])
    numbers = [
        number
        for number, (opens_at, zone) in began.items()
        if number != administration.id and dates.add_months(dates.local_day(opens_at, zone), months) > start
    ]
    decided = _decided(session, numbers)
    newest = select(func.max(ScoreRun.id)).where(ScoreRun.administration_id.in_(numbers)).group_by(ScoreRun.administration_id)
    runs = {one.administration_id: one for one in session.scalars(select(ScoreRun).where(ScoreRun.id.in_(newest)))}
    routes = _routes(session, run, {one.administration_id: one for one in (*runs.values(), run)})
    items = select(FormSlot.item_version_id).where(FormSlot.form_id == administration.form_id)
    sharing = set(session.scalars(select(FormSlot.form_id).where(FormSlot.item_version_id.in_(items))))
    found = []
    for one in session.scalars(select(Administration).where(Administration.id.in_(numbers))):
        decision, there = decided.get(one.id), runs.get(one.id)
        if decision is not None:
            found.append(Other(one, *began[one.id], decision.run, decision))
        elif there is None:
            found.append(Other(one, *began[one.id], None, None, why="not-scored"))
        else:
            route = routes.get(one.id)
            why = "" if route else "no-equating" if one.form_id in sharing else "nothing-shared"
            found.append(Other(one, *began[one.id], there, None, route or (), why=why))
    return sorted(found, key=lambda one: (one.opens_at, one.administration.id), reverse=True)


def _began(session: Session, numbers: set[int]) -> dict[int, tuple[datetime, str]]:
    """When the first session of each opened, and the zone of its clock."""
    opens_at = TestSession.__table__.c.opens_at
    rows = session.execute(
        select(TestSession.administration_id, opens_at, TestSession.zone)
        .where(TestSession.administration_id.in_(numbers))
        .order_by(opens_at.desc(), TestSession.id.desc())
    )
    return {number: (opened, zone) for number, opened, zone in rows}


def _decided(session: Session, numbers: Sequence[int]) -> dict[int, PassingScoreDecision]:
    approved = select(PassingScoreDecision).where(
        PassingScoreDecision.administration_id.in_(numbers), PassingScoreDecision.outcome == "approved"
    )
    return {one.administration_id: one for one in session.scalars(approved)}


def _routes(session: Session, here: ScoreRun, runs: Mapping[int, ScoreRun]) -> dict[int, tuple[Link, ...]]:
    """To each administration the way with the fewest equatings, and of those the newest, through scorings that are the newest of theirs."""
    found: dict[int, tuple[Link, ...]] = {here.administration_id: ()}
    numbers = {run.id: number for number, run in runs.items()}
    kept = session.scalars(
        select(KeptEquating)
        .where(KeptEquating.run_id.in_(numbers), KeptEquating.earlier_run_id.in_(numbers))
        .order_by(KeptEquating.made_at.desc(), KeptEquating.id.desc())
    ).all()
    forms = dict(session.execute(select(Administration.id, Administration.form_id).where(Administration.id.in_(runs))).all())
    ahead = [here.administration_id]
    for at in ahead:
        ways = [
            (number, Link(None, True))
            for number, run in runs.items()
            if forms[number] == forms[at] and (run.key.entries, run.maximum) == (runs[at].key.entries, runs[at].maximum)
        ]
        for one in kept:
            earlier, later = numbers[one.earlier_run_id], numbers[one.run_id]
            ways += [(later, Link(one, True))] if earlier == at else [(earlier, Link(one, False))] if later == at else []
        for number, link in ways:
            if number not in found:
                found[number] = (*found[at], link)
                ahead.append(number)
    return found


def settled_by(session: Session, decision: PassingScoreDecision, now: datetime) -> int:
    """Of those who passed it, whose interview has been."""
    held = (
        select(func.count(QualifyingResult.person_id.distinct()))
        .join(InterviewInvitation, InterviewInvitation.result_id == QualifyingResult.id)
        .where(
            QualifyingResult.decision_id == decision.id,
            QualifyingResult.outcome == "PASS",
            InterviewInvitation.withdrawn_at.is_(None),
            InterviewInvitation.ends_at <= now,
        )
    )
    return session.scalar(held) or 0


# --- what they add ---------------------------------------------------------------------------------------------------------------------------


def choose(
    session: Session, administration: Administration, run: ScoreRun, found: Sequence[Other], inputs: rules.Inputs, now: datetime
) -> Together:
    """Those that the inputs name, of `found`. Raises FaultyInputs for one that cannot be counted, and where it is not said who is settled."""
    settled = dict(inputs.counted)
    missing = settled.keys() - {one.administration.id for one in found if not one.why}
    if missing:
        raise rules.FaultyInputs(name=f"with-{min(missing)}", why="not-counted")
    said = [replace(one, settled=settled.get(one.administration.id) if one.decision else None) for one in found]
    made = build(session, administration, run, said, settled, now)
    for one in made.others:
        number = one.administration.id
        if number not in settled or one.decision is None:
            continue
        if one.settled is None:
            raise rules.FaultyInputs(name=f"settled-{number}", why="missing")
        if one.settled > made.passed(number):
            raise rules.FaultyInputs(name=f"settled-{number}", value=str(one.settled), why="more-than-passed")
    return made


def build(
    session: Session, administration: Administration, run: ScoreRun, found: Sequence[Other], chosen: Mapping[int, Any], now: datetime
) -> Together:
    """`now`: results of a decided administration that came later are not counted."""
    here = administration.id
    countable = sorted((one for one in found if not one.why), key=lambda one: (one.opens_at, one.administration.id))
    began = {one.administration.id: one.opens_at for one in countable} | {here: _began(session, {here})[here][0]}
    by_id = {one.administration.id: one for one in countable}
    marks: dict[int, dict[int, int]] = {}
    most: dict[int, int] = {}
    cuts: dict[int, list[int] | None] = {}
    for number in sorted(began, key=lambda number: (began[number], number)):
        one = by_id.get(number)
        if one is not None and one.decision is not None:
            marks[number], most[number], cuts[number] = _results(session, one.decision, now), 1, None
            continue
        scored = run if one is None else one.run
        assert scored is not None
        marks[number], most[number] = _scores(session, scored), scored.maximum
        if one is not None:
            steps = [step for link in one.route if (step := link.step) is not None]
            cuts[number] = together_rules.cuts(steps, run.maximum, scored.maximum)
    return Together(here, run.maximum, began[here], countable, together_rules.groups(marks, most), cuts, frozenset(chosen))


def _scores(session: Session, run: ScoreRun) -> dict[int, int]:
    rows = session.execute(
        select(Attempt.person_id, RawScore.raw).join(Attempt, Attempt.id == RawScore.attempt_id).where(RawScore.run_id == run.id)
    )
    return dict(rows.all())


def _results(session: Session, decision: PassingScoreDecision, now: datetime) -> dict[int, int]:
    rows = session.execute(
        select(QualifyingResult.person_id, QualifyingResult.outcome).where(
            QualifyingResult.decision_id == decision.id, QualifyingResult.released_at <= now
        )
    )
    return {person: int(outcome == "PASS") for person, outcome in rows}


def stored(session: Session, decision: PassingScoreDecision) -> Together | None:
    """What was counted with a decision, worked out again; none where nothing was."""
    said = decision.inputs.get("together")
    if said is None:
        return None
    found = []
    began = _began(session, {one["administration"] for one in said["others"]})
    for one in said["others"]:
        number, made = one["administration"], one["decision"]
        found.append(
            Other(
                session.get_one(Administration, number),
                *began[number],
                session.get_one(ScoreRun, one["run"]),
                made and session.get_one(PassingScoreDecision, made["id"]),
                tuple(Link(session.get_one(KeptEquating, link["equating"]), link["forward"]) for link in one["route"]),
                one["settled"],
            )
        )
    chosen = dict.fromkeys(one.administration.id for one in found)
    return build(session, decision.administration, decision.run, found, chosen, decision.proposed_at)


def still_stand(session: Session, decision: PassingScoreDecision) -> bool:
    """Whether what was counted with a proposal is as it was: scored alike, and decided or undecided as then."""
    said = decision.inputs.get("together", {"others": []})["others"]
    decided = _decided(session, [one["administration"] for one in said])
    newest = func.max(ScoreRun.id)
    for one in said:
        there = decided.get(one["administration"])
        if (there and there.id) != (one["decision"] and one["decision"]["id"]):
            return False
        if there is None and session.scalar(select(newest).where(ScoreRun.administration_id == one["administration"])) != one["run"]:
            return False
    return True
