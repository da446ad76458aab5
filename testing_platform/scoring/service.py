"""What analysts and approvers do between the last submit and the results. The caller owns the transaction."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from testing_platform import bus, errors
from testing_platform.accounts.models import Person
from testing_platform.accounts.rules import Role
from testing_platform.audit import service as audit
from testing_platform.delivery import rules as delivery
from testing_platform.delivery.models import Attempt, Response
from testing_platform.delivery.rules import Event, State
from testing_platform.digests import canonical
from testing_platform.examinations import service as examinations
from testing_platform.examinations.models import Administration, Appointment, TestSession
from testing_platform.examinations.rules import Window
from testing_platform.itembank import form_queries, forms
from testing_platform.itembank.models import FormSlot, ItemVersion
from testing_platform.scoring import countersign, equated, rules, scenarios, streams, together
from testing_platform.scoring.impact_rules import NotCountersigned
from testing_platform.scoring.models import (
    Key,
    PanelItem,
    PanelRuling,
    PassingScoreDecision,
    QualifyingResult,
    RawScore,
    ResultHold,
    ScoreRun,
)


class KeyInUse(errors.Refusal):
    """A passing score that was proposed or approved rests on the key; `outcome` says which."""

    code = "key-in-use"


class OnTrial(errors.Refusal):
    """The item of this slot is on trial and counts for nobody, whatever is ruled."""

    code = "on-trial"


class DrawnForms(errors.Refusal):
    """Each candidate was given a form of their own: an item that is dropped would lower the greatest raw score of those alone who had it."""

    code = "drawn-forms"


class KeyNotLocked(errors.Refusal):
    code = "key-not-locked"


class OwnRuling(errors.Refusal):
    """Who ruled on the item as one of its experts does not rule on its key too."""

    code = "own-ruling"


class StillRunning(errors.Refusal):
    """`running` tests are under way or may yet begin; `open_sessions` have hours left in which someone could come."""

    code = "still-running"


class ScoresNotCurrent(errors.Refusal):
    """There is no scoring yet, or the key or the attempts have changed since."""

    code = "scores-not-current"


class NothingToDecide(errors.Refusal):
    """Nobody was scored."""

    code = "nothing-to-decide"


class AlreadyProposed(errors.Refusal):
    code = "already-proposed"


class NotProposed(errors.Refusal):
    """The proposal was signed, sent back or withdrawn meanwhile; `outcome` says which."""

    code = "not-proposed"


class SecondPersonNeeded(errors.Refusal):
    """Who proposed does not sign too, and the second signature is an approver's."""

    code = "second-person-needed"


class CountMoved(errors.Refusal):
    """An administration that was counted with this one is scored or decided otherwise since."""

    code = "count-moved"


class StoredDiffers(errors.Refusal):
    """What was stored with the proposal is not what its scores and inputs give."""

    code = "stored-differs"


# Someone at check-in was heard within this time.
AT_CHECK_IN = timedelta(minutes=5)

# --- the key -------------------------------------------------------------------------------------------------------------------------------


def entries_of(key: Key) -> dict[int, list[str]]:
    return {int(slot): list(options) for slot, options in key.entries.items()}


@examinations.fixes_form("key")
def _has_key(session: Session, administration: Administration) -> bool:
    return newest_key(session, administration) is not None


def newest_key(session: Session, administration: Administration) -> Key | None:
    return session.scalars(select(Key).where(Key.administration_id == administration.id).order_by(Key.number.desc()).limit(1)).first()


def versions_of(session: Session, administration: Administration) -> dict[int, ItemVersion]:
    """What stands in each slot of the form."""
    rows = session.scalars(select(FormSlot).where(FormSlot.form_id == administration.form_id).order_by(FormSlot.slot))
    return {row.slot: row.version for row in rows}


def form_key(session: Session, administration: Administration, now: datetime) -> Key:
    """The newest version of the key; version 1 is the form's own, made when it is first needed."""
    found = newest_key(session, administration)
    if found is not None:
        return found
    entries = {str(slot): entry for slot, entry in form_entries(session, administration).items()}
    return _keep_key(session, administration, 1, entries, [], None, now)


def form_entries(session: Session, administration: Administration) -> dict[int, list[str]]:
    """The key that the form's items have of themselves; a slot with an item on trial counts for nobody."""
    unscored = on_trial(session, administration)
    return {slot: [] if slot in unscored else version.accepted for slot, version in versions_of(session, administration).items()}


def on_trial(session: Session, administration: Administration) -> set[int]:
    """The slots that candidates answer for the bank's sake: nobody was told that they count, so they never do."""
    plan = form_queries.plan_of(session, administration.form_id)
    return set(plan.unscored) if plan else set()


def _keep_key(
    session: Session,
    administration: Administration,
    number: int,
    entries: dict[str, Any],
    changes: list[Any],
    person: Person | None,
    now: datetime,
    before: str = "",
) -> Key:
    """`before` is the digest of the version before. A ruling's digest covers who signed it, its reason and, through `before`, all rulings before it."""
    said = [administration.form_id, number, entries]
    if changes and person is not None:
        said += [before, changes, person.id]
    key = Key(
        administration_id=administration.id,
        number=number,
        entries=entries,
        changes=changes,
        digest=hashlib.sha256(canonical(said)).hexdigest(),
        made_by_id=person.id if person else None,
        made_at=now,
    )
    session.add(key)
    session.flush()
    audit.record(
        session,
        "key.made",
        f"administration:{administration.id}",
        now,
        key.made_by_id,
        number=number,
        digest=key.digest,
        slots=[change["slot"] for change in changes],
        rulings=[str(change["ruling"]) for change in changes],
    )
    return key


def change_key(
    session: Session,
    administration: Administration,
    person: Person,
    slot: int,
    options: list[str],
    reason: str,
    now: datetime,
    *,
    superseding: bool = False,
) -> Key:
    """A ruling, signed by this person: a new version, not locked, in which these answers to the slot are right.

    Several, none ([], dropped) or all (["*"]). An answer is an option, or of a multiple item the options chosen together
    (`itembank.rules.together`). What was made of the form's own key stays in the versions: entries are that key with the rulings in their order.

    Refused while a proposal rests on the key. Once a passing score is approved it takes `superseding`: what is published stays until a new
    decision with its own two signatures takes its place.
    """
    standing = standing_decision(session, administration)
    if standing is not None and (standing.outcome == "proposed" or not superseding):
        raise KeyInUse(outcome=standing.outcome, number=standing.number)
    if not reason.strip():
        raise rules.ReasonMissing(what="key")
    asked = select(PanelRuling.id).join(PanelItem).where(PanelItem.administration_id == administration.id, PanelItem.slot == slot)
    if session.scalars(asked.where(PanelRuling.person_id == person.id)).first() is not None:
        raise OwnRuling
    key = form_key(session, administration, now)
    before = list(key.entries[str(slot)]) if str(slot) in key.entries else []
    after = checked_entry(session, administration, slot, options)
    if after == before:
        raise rules.SameKey(slot=slot)
    change = {"slot": slot, "ruling": rules.ruling_between(before, after), "before": before, "after": after, "reason": reason.strip()}
    return _keep_key(session, administration, key.number + 1, {**key.entries, str(slot): after}, [change], person, now, key.digest)


def checked_entry(session: Session, administration: Administration, slot: int, options: Sequence[str]) -> list[str]:
    """The entry in its one spelling. Raises FaultyKey for a slot that the form has not and for an answer that the item has not, OnTrial, DrawnForms."""
    version = versions_of(session, administration).get(slot)
    if version is None:
        raise rules.FaultyKey(slot=slot)
    if slot in on_trial(session, administration):
        raise OnTrial(slot=slot)
    given = [option["key"] for option in version.options] if version.choices.most is None else filter(version.choices.allow, options)
    found = rules.check_entry(list(given), options)
    if not found and form_queries.pool_behind(session, administration.form_id) is not None:
        raise DrawnForms(slot=slot)
    return found


def lock_key(
    session: Session, administration: Administration, person: Person, now: datetime, *, pointed_at: Sequence[int] = (), reason: str = ""
) -> Key:
    """The newest version is the one that scores. Where a figure still points at keys of slots, it takes the reason why those stay."""
    key = form_key(session, administration, now)
    if key.locked_at is None:
        if pointed_at and not reason.strip():
            raise rules.ReasonMissing(what="kept", slots=list(pointed_at))
        kept = [
            {"slot": slot, "before": key.entries[str(slot)], "after": key.entries[str(slot)], "reason": reason.strip()}
            for slot in pointed_at
        ]
        key.changes = [*key.changes, *kept]
        key.locked_by_id, key.locked_at = person.id, now
        session.flush()
        audit.record(
            session,
            "key.locked",
            f"administration:{administration.id}",
            now,
            person.id,
            number=key.number,
            digest=key.digest,
            kept=list(pointed_at),
        )
        bus.publish(session, "key.locked", now, actor_id=person.id, administration=administration.id, number=key.number)
    return key


# --- raw scores ----------------------------------------------------------------------------------------------------------------------------


@dataclass
class Gathered:
    """The attempts of an administration as scoring sees them, read in a few queries whatever their number."""

    standings: list[tuple[int, str | None, str]]
    sheets: dict[int, dict[int, str]] = field(default_factory=dict)  # attempt → slot → chosen option
    # Attempt → the slots that it was given, in its own order; empty where all were given the administration's form.
    given: dict[int, tuple[int, ...]] = field(default_factory=dict)
    excluded: list[dict[str, Any]] = field(default_factory=list)
    running: int = 0
    waiting: int = 0


# Why an attempt that is over is not scored, by its state.
EXCLUDED = {
    State.TERMINATED: "terminated",
    State.ABANDONED: "abandoned",
    State.VOIDED_RETEST: "voided",
    State.REFUSED: "refused",
}


def gather(session: Session, administration: Administration, now: datetime) -> Gathered:
    """Who counts, who does not and why, and what those who count answered, in a few queries whatever their number."""
    found = Gathered(standings(session, administration, now))
    counting: dict[int, str | None] = {}
    for attempt_id, digest, standing in found.standings:
        match standing:
            case "counts":
                counting[attempt_id] = digest
            case "running":
                found.running += 1
            case "waiting":
                found.waiting += 1
            case _:
                found.excluded.append({"attempt": attempt_id, "reason": standing})
    given = given_to(session, administration)
    for attempt_id, sheet in _answers_of(session, administration, counting).items():
        # What is scored is what the candidate's receipt vouches for.
        if delivery.answers_digest(attempt_id, sheet) == counting[attempt_id]:
            found.sheets[attempt_id] = _in_place(sheet, given.get(attempt_id))
            if attempt_id in given:
                found.given[attempt_id] = given[attempt_id]
        else:
            found.excluded.append({"attempt": attempt_id, "reason": "answers_differ"})
    return found


def standings(session: Session, administration: Administration, now: datetime) -> list[tuple[int, str | None, str]]:
    """(attempt, its answers' digest, how it stands): counts, running, waiting, or the reason why it is not scored."""
    rows = session.execute(
        select(Attempt.id, Attempt.state, Attempt.digest, Attempt.window)
        .join(TestSession, TestSession.id == Attempt.session_id)
        .where(TestSession.administration_id == administration.id)
        .order_by(Attempt.id)
    ).all()
    ends = _how_sealed_ended(session, [row[0] for row in rows if row[1] == State.SEALED])
    found = []
    for attempt_id, stored, digest, window in rows:
        state = ends.get(attempt_id, State(stored))
        if state in delivery.UNDER_WAY:
            standing = "running"
        elif state in delivery.BEFORE and now < window.closes_at:
            standing = "waiting"
        elif state in (State.SUBMITTED, State.SEALED):
            standing = "counts"
        else:
            standing = EXCLUDED.get(state, "not_begun")
        found.append((attempt_id, digest, standing))
    return found


def _how_sealed_ended(session: Session, sealed: list[int]) -> dict[int, State]:
    """The state that each sealed attempt was in before: a sealed one counts only if it was handed in."""
    ends = {f"attempt.{event}": event for event in (Event.SUBMIT, Event.TIME_IS_UP, Event.END, Event.ABANDON, Event.VOID)}
    targets = {event: move.target for move in delivery.MOVES for event in ends.values() if move.event is event}
    rows = session.execute(
        select(bus.Event.attempt_id, bus.Event.kind)
        .where(bus.Event.attempt_id.in_(sealed), bus.Event.kind.in_(ends))
        .order_by(bus.Event.id)
    )
    return {attempt_id: targets[ends[kind]] for attempt_id, kind in rows if attempt_id is not None}


def given_to(session: Session, administration: Administration) -> dict[int, tuple[int, ...]]:
    """Of each attempt the slots of the administration's form that it was given, in the order of its own form; nothing where all are given that form."""
    if form_queries.pool_behind(session, administration.form_id) is None:
        return {}
    slots = {version.id: slot for slot, version in versions_of(session, administration).items()}
    rows = session.execute(
        select(Attempt.id, FormSlot.item_version_id)
        .join(TestSession, TestSession.id == Attempt.session_id)
        .join(FormSlot, FormSlot.form_id == Attempt.form_id)
        .where(TestSession.administration_id == administration.id)
        .order_by(Attempt.id, FormSlot.slot)
    )
    return {attempt_id: tuple(slots[row[1]] for row in own) for attempt_id, own in groupby(rows, key=lambda row: row[0])}


def _in_place(sheet: Mapping[int, str], given: Sequence[int] | None) -> dict[int, str]:
    """Answers by the slots of the candidate's own form as answers by those of the administration's."""
    return dict(sheet) if given is None else {given[slot - 1]: option for slot, option in sheet.items()}


def scored(entries: rules.Entries, found: Gathered) -> dict[int, int]:
    """The raw score of each attempt by this key."""
    return {attempt_id: rules.raw_score(entries, sheet, found.given.get(attempt_id)) for attempt_id, sheet in found.sheets.items()}


def maximum(session: Session, administration: Administration, entries: rules.Entries) -> int:
    """The greatest raw score by this key: of the forms that are drawn, where the form is a pool's; all of those have as many scored items."""
    pool = form_queries.pool_behind(session, administration.form_id)
    return rules.maximum(entries) if pool is None else forms.frozen_pool(pool).ground.blueprint.items


def sheets_of(session: Session, administration: Administration, counting: Iterable[int]) -> dict[int, dict[int, str]]:
    """The chosen options of each attempt by the slots of the administration's form."""
    given = given_to(session, administration)
    answers = _answers_of(session, administration, counting)
    return {attempt_id: _in_place(sheet, given.get(attempt_id)) for attempt_id, sheet in answers.items()}


def _answers_of(session: Session, administration: Administration, counting: Iterable[int]) -> dict[int, dict[int, str]]:
    """The chosen options of each attempt, by delivery's own rule and the slots of its own form, out of one query over all responses."""
    said: dict[int, list[delivery.Said]] = {attempt_id: [] for attempt_id in counting}
    rows = session.execute(
        select(
            Response.attempt_id,
            Response.device,
            Response.seq,
            Response.epoch,
            Response.slot,
            Response.state,
            Response.option,
            Response.id,
        )
        .join(Attempt, Attempt.id == Response.attempt_id)
        .join(TestSession, TestSession.id == Attempt.session_id)
        .where(TestSession.administration_id == administration.id, Response.standing.in_(("counted", "held")))
    )
    for row in rows:
        if row[0] in said:
            said[row[0]].append(delivery.Said(*row[1:]))
    return {
        attempt_id: {slot: answer.option for slot, answer in delivery.sheet(lines).items() if answer.option is not None}
        for attempt_id, lines in said.items()
    }


def run(session: Session, administration: Administration, person: Person, now: datetime, gathered: Gathered | None = None) -> ScoreRun:
    """Raw scores of all who count, with the locked key. The same inputs give the run that is there.

    What was gathered before the write transaction began is used if the attempts still stand as they did.
    Raises StillRunning while someone tests or may yet begin, KeyNotLocked, or KeyInUse while a proposal waits.
    """
    standing = standing_decision(session, administration)
    if standing is not None and standing.outcome == "proposed":
        raise KeyInUse(outcome=standing.outcome, number=standing.number)
    key = newest_key(session, administration)
    if key is None or key.locked_at is None:
        raise KeyNotLocked
    if gathered is not None and gathered.standings == standings(session, administration, now):
        found = gathered
    else:
        found = gather(session, administration, now)
    sessions = open_sessions(session, administration, now)
    if found.running or found.waiting or sessions:
        raise StillRunning(running=found.running, waiting=found.waiting, open_sessions=len(sessions))
    digest = inputs_digest(key, found)
    last = newest_run(session, administration)
    if last is not None and last.inputs_digest == digest:
        return last
    entries = entries_of(key)
    made = ScoreRun(
        administration_id=administration.id,
        key_id=key.id,
        maximum=maximum(session, administration, entries),
        inputs_digest=digest,
        excluded=found.excluded,
        made_by_id=person.id,
        made_at=now,
    )
    session.add(made)
    session.flush()
    raw = [{"run_id": made.id, "attempt_id": attempt_id, "raw": score} for attempt_id, score in scored(entries, found).items()]
    if raw:
        session.execute(insert(RawScore), raw)
    session.refresh(made)
    audit.record(
        session,
        "scores.made",
        f"administration:{administration.id}",
        now,
        person.id,
        run=made.id,
        key=key.number,
        scored=len(raw),
        excluded=len(found.excluded),
        digest=digest,
    )
    bus.publish(session, "scores.made", now, actor_id=person.id, administration=administration.id, run=made.id)
    return made


def inputs_digest(key: Key, found: Gathered) -> str:
    lines = [f"{attempt_id}:{digest}" for attempt_id, digest, _ in found.standings if attempt_id in found.sheets]
    return hashlib.sha256("\n".join([key.digest, *lines]).encode()).hexdigest()


def newest_run(session: Session, administration: Administration) -> ScoreRun | None:
    return session.scalars(
        select(ScoreRun).where(ScoreRun.administration_id == administration.id).order_by(ScoreRun.id.desc()).limit(1)
    ).first()


def open_sessions(session: Session, administration: Administration, now: datetime) -> list[TestSession]:
    """Those in which someone who is booked and has not come may still begin."""
    booked = select(Appointment.id).outerjoin(Attempt, Attempt.appointment_id == Appointment.id)
    booked = booked.where(Appointment.session_id == TestSession.id, Appointment.state == "booked", Attempt.id.is_(None))
    return [
        place
        for place in session.scalars(
            select(TestSession).where(TestSession.administration_id == administration.id, booked.exists()).order_by(TestSession.id)
        )
        if now < place.window.closes_at
    ]


def end_sessions(session: Session, administration: Administration, person: Person, now: datetime) -> int:
    """Nobody may begin from now on; who has begun keeps the whole time. Raises StillRunning while someone is at check-in."""
    here = session.scalars(
        select(Attempt)
        .join(TestSession, TestSession.id == Attempt.session_id)
        .where(TestSession.administration_id == administration.id, Attempt.state.in_(delivery.BEFORE))
    ).all()
    present = [one for one in here if one.contact.newest is not None and now - one.contact.newest < AT_CHECK_IN]
    if present:
        raise StillRunning(running=0, waiting=len(present), open_sessions=0)
    places = [
        place
        for place in session.scalars(select(TestSession).where(TestSession.administration_id == administration.id))
        if now < place.window.closes_at
    ]
    for place in places:
        _close_window(place, now)
        audit.record(session, "session.ended", f"session:{place.id}", now, person.id)
        bus.publish(session, "session.ended", now, session_id=place.id, actor_id=person.id)
    for attempt in here:
        if now < attempt.window.closes_at:
            _close_window(attempt, now)
    session.flush()
    return len(places)


def _close_window(one: TestSession | Attempt, now: datetime) -> None:
    # A session that has not opened yet is ended too: a window is never empty.
    opens_at = min(one.window.opens_at, now - timedelta(milliseconds=1))
    one.window = Window(opens_at, now)


def scores(session: Session, found: ScoreRun) -> list[int]:
    """Raw scores in ascending order: a distribution, with nobody's name on it."""
    return list(session.scalars(select(RawScore.raw).where(RawScore.run_id == found.id).order_by(RawScore.raw)))


def raw_scores(session: Session, found: ScoreRun) -> dict[int, int]:
    """By attempt, for what is worked out of two runs; no page shows them."""
    return dict(session.execute(select(RawScore.attempt_id, RawScore.raw).where(RawScore.run_id == found.id)).all())


def standing_decision(session: Session, administration: Administration) -> PassingScoreDecision | None:
    """The proposal that waits for its second signature, else the approved decision."""
    found = session.scalars(
        select(PassingScoreDecision).where(
            PassingScoreDecision.administration_id == administration.id, PassingScoreDecision.outcome.in_(("proposed", "approved"))
        )
    ).all()
    return next((one for one in found if one.outcome == "proposed"), found[0] if found else None)


def propose(
    session: Session,
    administration: Administration,
    person: Person,
    cut: int,
    inputs: rules.Inputs,
    rationale: str,
    now: datetime,
    *,
    hold_harmless: bool = True,
    taken_back_reason: str = "",
    against: Mapping[int, str] | None = None,
) -> PassingScoreDecision:
    """The first signature: the cut with all that was before the proposer, whole. Nobody has passed or failed by it.

    One that supersedes says what becomes of those who passed and would be below the cut: held harmless, or taken back for a reason.
    `against` says of each scenario that is kept and not proposed, by its id, why not.
    """
    countersign.check_saw_nothing(session, administration, person)
    found = newest_run(session, administration)
    if found is None or not is_current(session, administration, found, now):
        raise ScoresNotCurrent
    standing = standing_decision(session, administration)
    if standing is not None and standing.outcome == "proposed":
        raise AlreadyProposed(number=standing.number)
    if not rationale.strip():
        raise rules.ReasonMissing(what="rationale")
    policy = policy_of(administration)
    shown = weigh(session, administration, found, inputs, policy, counted_with(session, administration, found, inputs, policy, now))
    if not shown.choice.statistics.taken:
        raise NothingToDecide
    rules.check_cut(cut, found.maximum, shown.lines, inputs, policy)
    stored = shown.told(inputs, policy)
    stored["alternatives"] = scenarios.set_aside(session, found, cut, inputs, against or {})
    stored["equated"] = equated.told(session, administration, found)
    if standing is not None:
        if not hold_harmless and not taken_back_reason.strip():
            raise rules.ReasonMissing(what="taken_back")
        stored["superseding"] = {
            "hold_harmless": hold_harmless,
            "reason": taken_back_reason.strip(),
            **counted(changes_of(session, standing, raw_scores(session, found), cut, hold_harmless)),
        }
    last = session.scalar(select(func.max(PassingScoreDecision.number)).where(PassingScoreDecision.administration_id == administration.id))
    decision = PassingScoreDecision(
        administration_id=administration.id,
        number=(last or 0) + 1,
        run_id=found.id,
        cut=cut,
        inputs=stored,
        table=[row.told() for row in shown.choice.rows],
        rationale=rationale.strip(),
        outcome="proposed",
        proposed_by_id=person.id,
        proposed_at=now,
        supersedes_id=standing.id if standing else None,
    )
    session.add(decision)
    session.flush()
    also = {"counted": [number for number, _settled in inputs.counted]} if inputs.counted else {}
    _said(session, decision, "proposed", person, now, cut=cut, run=found.id, digest=decision_digest(decision), **also)
    return decision


@dataclass(frozen=True)
class Weighed:
    """The chooser's answer with the lines of the chart."""

    choice: rules.Choice
    lines: rules.Lines
    counted: together.Together | None = None
    streams: rules.Streams | None = None

    def told(self, inputs: rules.Inputs, policy: rules.Policy) -> dict[str, Any]:
        """As it is stored with a decision."""
        stats = self.choice.statistics
        also = {"together": self.counted.told()} if self.counted else {}
        if self.streams:
            also["streams"] = self.streams.told()
        return also | {
            "inputs": inputs.told(),
            "policy": {name: {"value": str(value), "source": policy.sources[name]} for name, value in policy.numbers().items()},
            "counts": self.choice.counts,
            "needed": {"eligibles": self.choice.needed.eligibles, "passers": self.choice.needed.passers},
            "point": self.choice.point,
            "assured": self.choice.assured,
            "assured_certain": self.choice.assured_certain,
            "assured_passers": self.choice.assured_passers,
            "short": self.choice.short,
            "invite_more": self.choice.invite_more,
            "lines": {
                "reference": self.lines.reference,
                "chance": str(rules.rounded(self.lines.chance, 2)),
                "chance_sd": str(rules.root(self.lines.chance_variance, 2)),
            },
            "statistics": {
                "taken": stats.taken,
                "mean": str(rules.rounded(stats.mean, 2)),
                "sd": str(rules.root(stats.variance, 2)),
                "kr21": None if stats.kr21 is None else str(rules.rounded(stats.kr21, 3)),
                "sem": str(rules.root(stats.sem_squared, 2)),
            },
        }


def policy_of(administration: Administration) -> rules.Policy:
    content = administration.examination.bulletin.content
    return rules.Policy.of(content.get("policy", {}).get("passing_score", {}))


@dataclass(frozen=True)
class Vacancies:
    now: int
    expected: int
    source: str


def vacancies_of(administration: Administration) -> Vacancies | None:
    """As the bulletin counts them; none where it does not."""
    said = administration.examination.bulletin.content.get("policy", {}).get("vacancies")
    return Vacancies(said["now"], said["expected"], said["source"]) if said else None


def policy_at(decision: PassingScoreDecision) -> rules.Policy:
    """The policy as it was when the decision was proposed."""
    said = decision.inputs["policy"]
    found = rules.Policy.of({rules.FROM_BULLETIN.get(name, name): entry["value"] for name, entry in said.items()})
    apart = decision.inputs.get("streams")
    return replace(
        found,
        sources={name: entry["source"] for name, entry in said.items()},
        streams=rules.STREAMS if apart else (),
        streams_source=apart["source"] if apart else "",
    )


def weigh(
    session: Session,
    administration: Administration,
    found: ScoreRun,
    inputs: rules.Inputs,
    policy: rules.Policy,
    counted: together.Together | None = None,
) -> Weighed:
    """`counted`: with which others, if with any."""
    counts = rules.histogram(scores(session, found), found.maximum)
    options = {slot: version.choices.answers for slot, version in versions_of(session, administration).items()}
    joined = counted.joined if counted else None
    choice = rules.choose(counts, inputs, policy, joined.supply, joined.fixed) if joined else rules.choose(counts, inputs, policy)
    return Weighed(
        choice, rules.lines(entries_of(found.key), options, policy, found.maximum), counted, streams.supply(session, found, policy)
    )


def others(session: Session, administration: Administration, found: ScoreRun, policy: rules.Policy, now: datetime) -> list[together.Other]:
    """The other administrations of the class, and of each whether and how it can be counted with this one."""
    return [
        replace(one, why="not-current")
        if one.run and not one.decision and not one.why and not is_current(session, one.administration, one.run, now)
        else one
        for one in together.others(session, administration, found, policy.horizon_months)
    ]


def counted_with(
    session: Session, administration: Administration, found: ScoreRun, inputs: rules.Inputs, policy: rules.Policy, now: datetime
) -> together.Together | None:
    """Raises FaultyInputs for one that cannot be counted."""
    if not inputs.counted:
        return None
    return together.choose(session, administration, found, others(session, administration, found, policy, now), inputs, now)


def is_current(session: Session, administration: Administration, found: ScoreRun, now: datetime) -> bool:
    """Whether the run still is what scoring would give: the same key, and the same attempts with the same answers.

    By the digests that were taken when the attempts were closed, so that no answer is read again.
    """
    key = newest_key(session, administration)
    if key is None or key.id != found.key_id:
        return False
    now_counting = {}
    for attempt_id, digest, standing in standings(session, administration, now):
        if standing == "running":
            return False
        if standing == "counts":
            now_counting[attempt_id] = digest
    differing = {entry["attempt"] for entry in found.excluded if entry["reason"] == "answers_differ"}
    lines = [f"{attempt_id}:{now_counting[attempt_id]}" for attempt_id in sorted(now_counting.keys() - differing)]
    return hashlib.sha256("\n".join([found.key.digest, *lines]).encode()).hexdigest() == found.inputs_digest


def withdraw(session: Session, decision: PassingScoreDecision, person: Person, reason: str, now: datetime) -> None:
    """Taken back by who proposed it, or sent back by an approver, with a reason. Raises errors.Forbidden for anyone else."""
    if decision.proposed_by_id != person.id and Role.APPROVER not in person.roles:
        raise errors.Forbidden
    if not reason.strip():
        raise rules.ReasonMissing(what="withdraw")
    _move(session, decision, "withdrawn", withdrawn_by_id=person.id, withdrawn_at=now, withdrawn_reason=reason.strip())
    _said(session, decision, "withdrawn", person, now)


def send_back(session: Session, decision: PassingScoreDecision, person: Person, reason: str, now: datetime) -> None:
    """Sent back by the validation analyst who was to countersign it. Who that was is in the trail alone: those who set the cut do not learn it."""
    if not reason.strip():
        raise rules.ReasonMissing(what="send-back")
    _move(session, decision, "withdrawn", withdrawn_at=now, withdrawn_reason=reason.strip())
    _said(session, decision, "sent_back", person, now)


def approve(session: Session, decision: PassingScoreDecision, person: Person, now: datetime) -> PassingScoreDecision:
    """The second signature, by another person. From now on each scored attempt has its result, and never before; what is on hold follows when cleared.

    Raises SecondPersonNeeded, NotProposed, SawGroups, NotCountersigned, ScoresNotCurrent, CountMoved, or StoredDiffers when the stored table is not what its scores and inputs give.
    """
    if decision.proposed_by_id == person.id or Role.APPROVER not in person.roles:
        raise SecondPersonNeeded(same=decision.proposed_by_id == person.id)
    # Whoever holds a result back at this moment waits here, or was heard.
    session.execute(select(Administration.id).where(Administration.id == decision.administration_id).with_for_update())
    if decision.outcome != "proposed":
        raise NotProposed(outcome=decision.outcome)
    countersign.check_saw_nothing(session, decision.administration, person)
    if countersign.is_due(session, decision):
        raise NotCountersigned
    if not is_current(session, decision.administration, decision.run, now):
        raise ScoresNotCurrent
    if not still_counts(session, decision, now):
        raise CountMoved
    different = differences(session, decision)
    if different:
        raise StoredDiffers(what=different)
    earlier = session.scalars(
        select(PassingScoreDecision).where(
            PassingScoreDecision.administration_id == decision.administration_id, PassingScoreDecision.outcome == "approved"
        )
    ).first()
    if earlier is not None:
        # At most one may be in force: the earlier one makes way before the new one takes its place.
        earlier.outcome = "superseded"
        session.flush()
        _said(session, earlier, "superseded", person, now, by=decision.number)
    _move(session, decision, "approved", approved_by_id=person.id, approved_at=now)
    raw = session.execute(
        select(RawScore.attempt_id, RawScore.raw, Attempt.person_id)
        .join(Attempt, Attempt.id == RawScore.attempt_id)
        .where(RawScore.run_id == decision.run_id)
        .order_by(RawScore.attempt_id)
    ).all()
    before = outcomes_of(session, earlier.id) if earlier is not None else {}
    kept_back = on_hold(session, decision.administration)
    results = []
    for row in raw:
        if row.attempt_id in kept_back:
            continue
        outcome, held = rules.outcome(row.raw, decision.cut, before.get(row.attempt_id), holds_harmless(decision))
        results.append(
            {
                "decision_id": decision.id,
                "attempt_id": row.attempt_id,
                "person_id": row.person_id,
                "outcome": outcome,
                "held": held,
                "released_at": now,
                "mailed_at": None,
            }
        )
    if results:
        session.execute(insert(QualifyingResult), results)
    digest, kept = decision_digest(decision), sum(bool(result["held"]) for result in results)
    _said(
        session, decision, "approved", person, now, cut=decision.cut, results=len(results), held=kept, on_hold=len(kept_back), digest=digest
    )
    return decision


def on_hold(session: Session, administration: Administration) -> set[int]:
    """The attempts whose results are kept back while people settle something about the test."""
    found = (
        select(ResultHold.attempt_id)
        .join(Attempt, Attempt.id == ResultHold.attempt_id)
        .join(TestSession, TestSession.id == Attempt.session_id)
        .where(TestSession.administration_id == administration.id, ResultHold.cleared_at.is_(None))
    )
    return set(session.scalars(found))


def holds_harmless(decision: PassingScoreDecision) -> bool:
    """Whether those who passed under the decision that this one supersedes keep their result."""
    return bool(decision.inputs.get("superseding", {}).get("hold_harmless"))


def outcomes_of(session: Session, decision_id: int) -> dict[int, str]:
    """PASS or FAIL of each attempt under a decision, which may be superseded."""
    rows = session.execute(select(QualifyingResult.attempt_id, QualifyingResult.outcome).where(QualifyingResult.decision_id == decision_id))
    return dict(rows.all())


def changes_of(
    session: Session, earlier: PassingScoreDecision, raw: Mapping[int, int], cut: int, hold_harmless: bool
) -> dict[int, rules.Change]:
    """What these raw scores and this cut do to each result of the earlier decision, by attempt."""
    before = outcomes_of(session, earlier.id)
    changes = {}
    for attempt_id in sorted(before.keys() | raw.keys()):
        told, score = before.get(attempt_id), raw.get(attempt_id)
        after, held = (None, False) if score is None else rules.outcome(score, cut, told, hold_harmless)
        changes[attempt_id] = rules.change_between(told, after, held)
    return changes


def changes_by(session: Session, decision: PassingScoreDecision) -> dict[int, rules.Change]:
    """What a decision does, or did, to the results of the one that it supersedes; nothing where it supersedes none."""
    if decision.supersedes_id is None:
        return {}
    earlier = session.get_one(PassingScoreDecision, decision.supersedes_id)
    return changes_of(session, earlier, raw_scores(session, decision.run), decision.cut, holds_harmless(decision))


def counted(changes: dict[int, rules.Change]) -> dict[str, int]:
    """How many results change in each way, those that stay left out."""
    found = Counter(changes.values())
    return {str(change): found[change] for change in rules.Change if change is not rules.Change.NONE}


def _move(session: Session, decision: PassingScoreDecision, outcome: str, **values: Any) -> None:
    """Out of `proposed`, once: of two who press at the same time the database lets one through."""
    moved = session.execute(
        update(PassingScoreDecision)
        .where(PassingScoreDecision.id == decision.id, PassingScoreDecision.outcome == "proposed")
        .values(outcome=outcome, **values)
    )
    session.refresh(decision)
    if moved.rowcount != 1:  # type: ignore[attr-defined]
        raise NotProposed(outcome=decision.outcome)


def differences(session: Session, decision: PassingScoreDecision) -> list[str]:
    """What of the stored page is not what the run's scores and the stored inputs give when worked out again."""
    policy = policy_at(decision)
    inputs = rules.Inputs.of(decision.inputs["inputs"], policy.prior)
    again = weigh(session, decision.administration, decision.run, inputs, policy, together.stored(session, decision))
    told = again.told(inputs, policy)
    found = [name for name in told if told[name] != decision.inputs.get(name)]
    said = decision.inputs.get("superseding")
    if said is not None:
        found += ["superseding"] if said | counted(changes_by(session, decision)) != said else []
    return found + (["table"] if [row.told() for row in again.choice.rows] != decision.table else [])


def still_counts(session: Session, decision: PassingScoreDecision, now: datetime) -> bool:
    """Whether the administrations that were counted with a proposal stand as they did."""
    if not together.still_stand(session, decision):
        return False
    counted = together.stored(session, decision)
    undecided = [one for one in counted.others if not one.decision] if counted else []
    return all(one.run is not None and is_current(session, one.administration, one.run, now) for one in undecided)


def decision_digest(decision: PassingScoreDecision) -> str:
    """What the trail keeps of a decision, so that a changed row shows."""
    said = [decision.run_id, decision.cut, decision.inputs, decision.table, decision.rationale]
    return hashlib.sha256(canonical(said)).hexdigest()


def _said(session: Session, decision: PassingScoreDecision, what: str, person: Person, now: datetime, **facts: Any) -> None:
    about = f"administration:{decision.administration_id}"
    audit.record(session, f"passing_score.{what}", about, now, person.id, number=decision.number, **facts)
    bus.publish(
        session,
        f"passing_score.{what}",
        now,
        actor_id=person.id,
        administration=decision.administration_id,
        decision=decision.id,
    )
