"""How groups of candidates fare at each passing score: the counts behind it, and what a validation analyst does. The caller owns the transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from testing_platform import bus, errors
from testing_platform.accounts.models import Person
from testing_platform.audit import service as audit
from testing_platform.delivery.models import Attempt
from testing_platform.examinations.models import Administration, Appointment, Bulletin, Examination
from testing_platform.scoring import countersign, service
from testing_platform.scoring import impact_rules as rules
from testing_platform.scoring.analysis.impact import Impact, PooledImpact, impact, over_administrations
from testing_platform.scoring.analysis.sheets import Count
from testing_platform.scoring.groups_file import Said
from testing_platform.scoring.impact_models import Countersignature, Demographics, GroupView
from testing_platform.scoring.impact_rules import By, GroupPolicy
from testing_platform.scoring.models import PassingScoreDecision, RawScore, ScoreRun
from testing_platform.scoring.rules import FaultyCut, ReasonMissing


class UnknownCandidates(errors.Refusal):
    """Lines of the file name nobody who has a place in the administration; `lines` are (row, candidate)."""

    code = "unknown-candidates"


class CountersignedAlready(errors.Refusal):
    code = "countersigned-already"


# --- what candidates said --------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kept:
    """What became of the lines: new, of other words than before, as before; and how many candidates have no line."""

    new: int
    changed: int
    same: int
    without: int


def keep_demographics(
    session: Session, administration: Administration, said: Sequence[Said], digest: str, person: Person | None, now: datetime
) -> Kept:
    """Take in voluntary answers, by candidate number or by the number of the applicant system. Raises UnknownCandidates; nothing is kept then."""
    places = session.execute(
        select(Person.id, Person.candidate_number, Person.external_id)
        .join(Appointment, Appointment.person_id == Person.id)
        .where(Appointment.administration_id == administration.id)
    ).all()
    known = {row.external_id: row.id for row in places if row.external_id} | {row.candidate_number: row.id for row in places}
    unknown = [(one.row, one.candidate) for one in said if one.candidate not in known]
    if unknown:
        raise UnknownCandidates(lines=unknown)
    before = {
        row.person_id: row for row in session.scalars(select(Demographics).where(Demographics.administration_id == administration.id))
    }
    new = changed = 0
    for one in said:
        number = known[one.candidate]
        row = before.get(number)
        if row is None:
            new += 1
            session.add(
                Demographics(administration_id=administration.id, person_id=number, sex=one.sex, ethnicity=one.ethnicity, age_40=one.age_40)
            )
        elif (row.sex, row.ethnicity, row.age_40) != (one.sex, one.ethnicity, one.age_40):
            changed += 1
            row.sex, row.ethnicity, row.age_40 = one.sex, one.ethnicity, one.age_40
    session.flush()
    kept = Kept(
        new, changed, len(said) - new - changed, len({row.id for row in places} - before.keys() - {known[one.candidate] for one in said})
    )
    audit.record(
        session,
        "demographics.kept",
        f"administration:{administration.id}",
        now,
        person.id if person else None,
        lines=len(said),
        new=new,
        changed=changed,
        sha256=digest,
    )
    return kept


def may_see(session: Session, person: Person, administration_id: int) -> Administration:
    """The administration for somebody who sets no cut in it. Raises NotFound, SetsTheCut."""
    found = session.get(Administration, administration_id)
    if found is None:
        raise errors.NotFound
    countersign.check_may_see(session, found, person)
    return found


def seen(session: Session, administration_id: int, person_id: int, act: str, now: datetime, **facts: Any) -> None:
    """A look at groups is a line in the trail, and who has looked sets no cut here any more."""
    _looked(session, administration_id, person_id, now)
    audit.record(session, act, f"administration:{administration_id}", now, person_id, **facts)


def _looked(session: Session, administration_id: int, person_id: int, now: datetime) -> None:
    if session.get(GroupView, (administration_id, person_id)) is None:
        session.add(GroupView(administration_id=administration_id, person_id=person_id, first_at=now))


# --- who is in which group -------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Taker:
    """One scored test. Only counts of these leave this package."""

    attempt_id: int
    raw: int
    groups: dict[By, str]


def takers(session: Session, administration: Administration, run: ScoreRun) -> list[Taker]:
    rows = session.execute(
        select(
            RawScore.attempt_id,
            RawScore.raw,
            Attempt.mode,
            Appointment.basis,
            Demographics.sex,
            Demographics.ethnicity,
            Demographics.age_40,
        )
        .join(Attempt, Attempt.id == RawScore.attempt_id)
        .join(Appointment, Appointment.id == Attempt.appointment_id)
        .outerjoin(Demographics, (Demographics.person_id == Attempt.person_id) & (Demographics.administration_id == administration.id))
        .where(RawScore.run_id == run.id)
        .order_by(RawScore.attempt_id)
    ).all()
    return [
        Taker(
            row.attempt_id,
            row.raw,
            {
                By.SEX: row.sex or rules.UNSAID,
                By.ETHNICITY: row.ethnicity or rules.UNSAID,
                By.AGE_40: rules.UNSAID if row.age_40 is None else rules.GROUPS[By.AGE_40][row.age_40],
                By.MODE: str(row.mode),
                By.LIST: (row.basis or rules.UNSAID).upper(),
            },
        )
        for row in rows
    ]


@dataclass(frozen=True)
class Grouping:
    """The groups of one kind, each with how many reach every raw score from 0 to the maximum; and those of whom nothing is known."""

    by: By
    reach: dict[str, list[int]]
    unsaid: list[int]

    @property
    def compares(self) -> bool:
        """Whether there are two groups at all."""
        return len(self.reach) > 1

    @property
    def largest(self) -> str:
        return max(self.reach, key=lambda group: self.reach[group][0])

    def counts(self, cut: int, administration: str = "") -> list[Count]:
        return [Count(group, reach[0], reach[cut], administration) for group, reach in self.reach.items()]

    def at(self, cut: int, policy: GroupPolicy, reference: str | None = None) -> Impact:
        """As `scoring impact` works it out from a file of these counts. Raises CannotSay for a reference that no group is."""
        return impact(self.counts(cut), reference, policy.impact)


def grouping(found: Sequence[Taker], by: By, maximum: int) -> Grouping:
    def reach(group: str) -> list[int]:
        scores = [0] * (maximum + 1)
        for taker in found:
            if taker.groups[by] == group:
                scores[taker.raw] += 1
        return list(accumulate(reversed(scores)))[::-1]

    there = {taker.groups[by] for taker in found}
    return Grouping(by, {group: reach(group) for group in rules.GROUPS[by] if group in there}, reach(rules.UNSAID))


@dataclass(frozen=True)
class Pooled:
    """Groups over all administrations of a class: this one at the cut that is looked at, the others at the cut in force. `others` are their ids."""

    others: list[int]
    groups: list[PooledImpact]


def pooled(session: Session, administration: Administration, here: Grouping, cut: int, reference: str, person: Person) -> Pooled:
    """Without administrations that the person decided in."""
    job_class_id = administration.examination.bulletin.job_class_id
    decisions = session.scalars(
        select(PassingScoreDecision)
        .join(Administration, Administration.id == PassingScoreDecision.administration_id)
        .join(Examination, Examination.id == Administration.examination_id)
        .join(Bulletin, Bulletin.id == Examination.bulletin_id)
        .where(Bulletin.job_class_id == job_class_id, PassingScoreDecision.outcome == "approved", Administration.id != administration.id)
        .order_by(Administration.id)
    )
    counts, others = here.counts(cut, str(administration.id)), []
    for decision in decisions:
        if countersign.has_decided(session, decision.administration, person):
            continue
        found = grouping(takers(session, decision.administration, decision.run), here.by, decision.run.maximum)
        counts += found.counts(decision.cut, str(decision.administration_id))
        others.append(decision.administration_id)
    return Pooled(others, over_administrations(counts, reference))


def policy_of(administration: Administration) -> GroupPolicy:
    return GroupPolicy.of(administration.examination.bulletin.content)


# --- the countersignature --------------------------------------------------------------------------------------------------------------------


def send_back(session: Session, decision: PassingScoreDecision, person: Person, reason: str, now: datetime) -> None:
    """In place of the countersignature: an alternative is to be weighed first. Raises ReasonMissing, NotProposed, CountersignedAlready."""
    countersign.check_may_see(session, decision.administration, person)
    if countersign.of_decision(session, decision) is not None:
        raise CountersignedAlready
    service.send_back(session, decision, person, reason, now)
    _looked(session, decision.administration_id, person.id, now)


def weighed(found: Sequence[Taker], maximum: int, cuts: Sequence[int], policy: GroupPolicy) -> list[dict[str, Any]]:
    """Each cut with the lowest ratio of every kind of groups, as it is kept with the countersignature."""
    groups = [one for one in (grouping(found, by, maximum) for by in By) if one.compares]
    told = []
    for cut in cuts:
        said = {}
        for one in groups:
            result = one.at(cut, policy)
            least = rules.lowest(result)
            said[str(one.by)] = {
                "reference": result.reference,
                "lowest": least.group if least else None,
                "ratio": str(least.exact_ratio) if least else None,
                "below": least.below_four_fifths if least else None,
            }
        told.append({"cut": cut, "passers": sum(taker.raw >= cut for taker in found), "groups": said})
    return told


def countersign_proposal(
    session: Session, decision: PassingScoreDecision, person: Person, cuts: Sequence[int], methods: str, words: str, now: datetime
) -> Countersignature:
    """That alternatives were weighed: other cuts, other ways to select, and why this one. Raises ReasonMissing, FaultyCut, NotProposed, CountersignedAlready."""
    countersign.check_may_see(session, decision.administration, person)
    if decision.outcome != "proposed":
        raise service.NotProposed(outcome=decision.outcome)
    if countersign.of_decision(session, decision) is not None:
        raise CountersignedAlready
    others = sorted(set(cuts) - {decision.cut})
    if not others or not 0 <= others[0] <= others[-1] <= decision.run.maximum:
        raise FaultyCut(cut=", ".join(str(cut) for cut in cuts), maximum=decision.run.maximum)
    for name, text in (("methods", methods), ("words", words)):
        if not text.strip():
            raise ReasonMissing(what=name)
    administration = decision.administration
    found = takers(session, administration, decision.run)
    made = Countersignature(
        decision_id=decision.id,
        person_id=person.id,
        signed_at=now,
        cuts=weighed(found, decision.run.maximum, [decision.cut, *others], policy_of(administration)),
        methods=methods.strip(),
        words=words.strip(),
        decision_digest=service.decision_digest(decision),
    )
    session.add(made)
    session.flush()
    seen(
        session,
        administration.id,
        person.id,
        "passing_score.countersigned",
        now,
        number=decision.number,
        cuts=[decision.cut, *others],
        digest=made.decision_digest,
    )
    bus.publish(session, "passing_score.countersigned", now, actor_id=person.id, administration=administration.id, decision=decision.id)
    return made
