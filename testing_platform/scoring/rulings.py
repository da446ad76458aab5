"""Before a ruling on the key is kept: what it does in both directions, and what subject experts say who have not seen the key."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from testing_platform import bus, errors
from testing_platform.accounts.models import Person
from testing_platform.accounts.permissions import EXPERTS
from testing_platform.audit import service as audit
from testing_platform.audit.models import AuditEntry
from testing_platform.digests import canonical
from testing_platform.examinations.models import Administration
from testing_platform.itembank import lifecycle
from testing_platform.itembank.models import ItemVersion
from testing_platform.scoring import rules, service
from testing_platform.scoring.models import Key, PanelItem, PanelRuling, PassingScoreDecision, ScoreRun


class NotBlind(errors.Refusal):
    """This person has seen the key, or made it; `why` says which: wrote the item, made a key, looked."""

    code = "not-blind"


class PanelClosed(errors.Refusal):
    """As many experts as were wanted have ruled, or this one has already."""

    code = "panel-closed"


class AskedAlready(errors.Refusal):
    code = "asked-already"


# --- both directions -------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Preview:
    """What a key would do beside the scores in force: those of the decision that stands, else the newest, else the key as it is."""

    run: ScoreRun | None
    decision: PassingScoreDecision | None
    found: rules.Rescoring


def rescore(session: Session, administration: Administration, entries: rules.Entries, gathered: service.Gathered) -> Preview:
    """Nothing is kept by looking. Around the cut of the decision that stands, if there is one, with the next on either side."""
    decision = service.standing_decision(session, administration)
    run = decision.run if decision is not None else service.newest_run(session, administration)
    if run is not None:
        before, most = service.raw_scores(session, run), run.maximum
    else:
        key = service.newest_key(session, administration)
        as_it_is = service.entries_of(key) if key is not None else service.form_entries(session, administration)
        before, most = service.scored(as_it_is, gathered), service.maximum(session, administration, as_it_is)
    cuts = [cut for cut in range(decision.cut - 1, decision.cut + 2) if cut >= 0] if decision is not None else []
    maxima = most, service.maximum(session, administration, entries)
    return Preview(run, decision, rules.rescoring(before, service.scored(entries, gathered), maxima, cuts))


@dataclass(frozen=True)
class Intended:
    """A ruling as it was looked at: only what was seen is kept."""

    key: int
    slot: int
    how: rules.Ruling
    before: list[str]
    after: list[str]
    preview: Preview

    @property
    def digest(self) -> str:
        run, decision = self.preview.run, self.preview.decision
        said = [self.key, self.slot, self.after, run.id if run else None, decision.id if decision else None, asdict(self.preview.found)]
        return hashlib.sha256(canonical(said)).hexdigest()


def intend(
    session: Session,
    administration: Administration,
    slot: int,
    how: rules.Ruling,
    answers: Sequence[str],
    gathered: service.Gathered,
) -> Intended:
    """What the ruling would do. Raises rules.FaultyKey, rules.SameKey."""
    key = service.newest_key(session, administration)
    entries = service.entries_of(key) if key is not None else service.form_entries(session, administration)
    before = entries.get(slot, [])
    after = service.checked_entry(session, administration, slot, rules.ruled(before, how, answers))
    if after == before:
        raise rules.SameKey(slot=slot)
    preview = rescore(session, administration, {**entries, slot: after}, gathered)
    return Intended(key.number if key else 1, slot, rules.ruling_between(before, after), before, after, preview)


# --- the panel -------------------------------------------------------------------------------------------------------------------------------


def review_policy(administration: Administration) -> rules.KeyReview:
    return rules.KeyReview.of(administration.examination.bulletin.content.get("policy", {}).get("key_review", {}))


def panel_of(session: Session, administration: Administration) -> dict[int, PanelItem]:
    """The items that experts were asked about, by slot."""
    asked = select(PanelItem).where(PanelItem.administration_id == administration.id).order_by(PanelItem.slot)
    found = session.scalars(asked.options(selectinload(PanelItem.rulings)))
    return {one.slot: one for one in found}


def ask(session: Session, administration: Administration, person: Person, slots: dict[int, list[str]], now: datetime) -> list[PanelItem]:
    """Ask the experts about these slots, each with the flags that speak for it. Raises AskedAlready, rules.FaultyKey."""
    # Whoever else asks for this administration waits here, and then sees what was asked.
    session.execute(select(Administration.id).where(Administration.id == administration.id).with_for_update())
    known, versions = panel_of(session, administration), service.versions_of(session, administration)
    if wrong := sorted(set(slots) - set(versions)):
        raise rules.FaultyKey(slot=wrong[0])
    if known.keys() & slots.keys():
        raise AskedAlready
    wanted = review_policy(administration).experts
    made = [
        PanelItem(administration_id=administration.id, slot=slot, flags=flags, wanted=wanted, asked_by_id=person.id, asked_at=now)
        for slot, flags in sorted(slots.items())
    ]
    session.add_all(made)
    session.flush()
    about = f"administration:{administration.id}"
    audit.record(session, "panel.asked", about, now, person.id, slots=sorted(slots), experts=wanted)
    bus.publish(session, "panel.asked", now, actor_id=person.id, administration=administration.id, slots=sorted(slots))
    return made


def version_of(session: Session, item: PanelItem) -> ItemVersion:
    return service.versions_of(session, item.administration)[item.slot]


def is_closed(item: PanelItem) -> bool:
    return len(item.rulings) >= item.wanted


def waiting_for(session: Session, person: Person) -> list[PanelItem]:
    """Items on which this person may still rule, the longest asked first."""
    found = session.scalars(select(PanelItem).order_by(PanelItem.asked_at, PanelItem.id).options(selectinload(PanelItem.rulings)))
    return [item for item in found if not is_closed(item) and not _has_ruled(item, person) and not not_blind(session, item, person)]


def still_out(session: Session, administration: Administration) -> list[int]:
    """The slots that experts were asked about and on which not all have ruled."""
    return [slot for slot, item in panel_of(session, administration).items() if not is_closed(item)]


def ruled_by(session: Session, person: Person) -> list[PanelItem]:
    """Items on which this person has ruled, the newest first."""
    return list(
        session.scalars(select(PanelItem).join(PanelRuling).where(PanelRuling.person_id == person.id).order_by(PanelRuling.id.desc()))
    )


def _has_ruled(item: PanelItem, person: Person) -> bool:
    return any(one.person_id == person.id for one in item.rulings)


def not_blind(session: Session, item: PanelItem, person: Person) -> str:
    """Why this person cannot rule blind: wrote the item, made or locked a key of the administration, asked, or looked at its key; else nothing."""
    if person.id in lifecycle.authors_of(session, version_of(session, item)):
        return "wrote"
    keys = select(Key.id).where(
        Key.administration_id == item.administration_id, (Key.made_by_id == person.id) | (Key.locked_by_id == person.id)
    )
    if item.asked_by_id == person.id or session.scalars(keys.limit(1)).first() is not None:
        return "made"
    about = (f"administration:{item.administration_id}", f"form:{item.administration.form_id}")
    looked = select(AuditEntry.id).where(
        AuditEntry.actor_id == person.id,
        AuditEntry.act.in_(("key.seen", "key.item_seen", "form.seen", "forensics.lead_seen")),
        AuditEntry.object.in_(about),
    )
    return "looked" if session.scalars(looked.limit(1)).first() is not None else ""


def give(
    session: Session, item: PanelItem, person: Person, verdict: rules.Verdict, answers: Sequence[str], reason: str, now: datetime
) -> PanelRuling:
    """One expert's ruling: which answers can be defended, and whether the item stays.

    Raises errors.Forbidden, NotBlind, PanelClosed, rules.ReasonMissing, and rules.FaultyKey where it stays without an answer or has no such answer.
    """
    if not person.roles & EXPERTS:
        raise errors.Forbidden
    # Whoever else rules on this item waits here, and then sees what was ruled.
    session.execute(select(PanelItem.id).where(PanelItem.id == item.id).with_for_update())
    session.refresh(item, ["rulings"])
    if _has_ruled(item, person) or is_closed(item):
        raise PanelClosed
    if why := not_blind(session, item, person):
        raise NotBlind(why=why)
    if not reason.strip():
        raise rules.ReasonMissing(what="panel")
    found = service.checked_entry(session, item.administration, item.slot, answers)
    if verdict is rules.Verdict.KEEP and not found:
        raise rules.FaultyKey(slot=item.slot)
    made = PanelRuling(
        panel_item_id=item.id,
        person_id=person.id,
        place=len(item.rulings) + 1,
        verdict=verdict,
        answers=found,
        reason=reason.strip(),
        knew_key=not lifecycle.may_check(session, version_of(session, item), person),
        at=now,
    )
    session.add(made)
    session.flush()
    session.refresh(item, ["rulings"])
    about = f"administration:{item.administration_id}"
    # What was said stays out of the trail: it is test content.
    audit.record(session, "panel.ruled", about, now, person.id, slot=item.slot, place=made.place, knew_key=made.knew_key)
    return made


def agreement(item: PanelItem) -> bool | None:
    """Whether the experts said the same; none before all are in."""
    return rules.agree([(one.verdict, one.answers) for one in item.rulings]) if is_closed(item) else None


def bears_out(entry: Sequence[str], ruling: PanelRuling) -> bool:
    """Whether an expert's ruling is what the key says already."""
    return ruling.verdict == rules.Verdict.KEEP and set(ruling.answers) == set(entry)
