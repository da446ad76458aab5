"""A version's life: what moves it, who signs under it, and what follows when it has become known outside."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from testing_platform import bus
from testing_platform.accounts.models import Person
from testing_platform.audit import service as audit
from testing_platform.itembank import rules
from testing_platform.itembank.models import Bank, Item, ItemStatistics, ItemVersion, Move, Opening, Review
from testing_platform.itembank.queries import enemies_of
from testing_platform.itembank.rules import Event, Guard, Outcome, Signature, State, Who


def authors_of(session: Session, version: ItemVersion) -> set[int]:
    """Everyone who wrote any version of the item."""
    found = session.scalars(select(ItemVersion.author_id).where(ItemVersion.item_id == version.item_id, ItemVersion.author_id.is_not(None)))
    return {number for number in found if number is not None}


def policy_of(session: Session, version: ItemVersion) -> rules.Policy:
    settings = session.scalar(select(Bank.policy).join(Item, Item.bank_id == Bank.id).where(Item.id == version.item_id))
    return rules.Policy.of(settings or {})


def reviews_of(session: Session, version: ItemVersion) -> list[Review]:
    return list(session.scalars(select(Review).where(Review.version_id == version.id).order_by(Review.id)))


def missing(session: Session, version: ItemVersion) -> dict[Signature, int]:
    """The signatures still to come before it can be approved."""
    signed = [rules.Signed(Signature(one.kind), one.person_id) for one in reviews_of(session, version) if one.outcome == Outcome.SIGN]
    return rules.missing_signatures(signed, authors_of(session, version), policy_of(session, version))


def pilot_of(session: Session, version: ItemVersion) -> rules.Pilot:
    """The figures of all administrations of the version together, each by its number of candidates; of one administration the newest row."""
    newest = select(func.max(ItemStatistics.id)).where(ItemStatistics.version_id == version.id).group_by(ItemStatistics.administration_id)
    rows = session.scalars(select(ItemStatistics).where(ItemStatistics.id.in_(newest))).all()
    n = sum(row.n for row in rows)
    if not n:
        return rules.Pilot(0)
    known = [row for row in rows if row.discrimination is not None]
    weights = sum(row.n for row in known)
    return rules.Pilot(
        n,
        sum((row.difficulty * row.n for row in rows), Decimal(0)) / n,
        sum((row.discrimination * row.n for row in known if row.discrimination is not None), Decimal(0)) / weights if weights else None,
    )


def _check(session: Session, version: ItemVersion, guard: Guard, person: Person | None, reason: str) -> None:
    match guard:
        case Guard.REASON if not reason.strip():
            raise rules.ReasonMissing
        case Guard.COMPLETE:
            passage = version.stimulus.html if version.stimulus else None
            faults = rules.lacking(version.stem, [option["html"] for option in version.options], passage)
            original = session.get(ItemVersion, version.variant_of_id) if version.variant_of_id else None
            if original is not None and (original.stimulus is None) != (version.stimulus is None):
                faults.append("passage")
            if faults:
                raise rules.NotComplete(missing=faults)
        case Guard.SIGNED:
            if person is None or person.id in authors_of(session, version):
                raise rules.OwnWork
            if short := missing(session, version):
                raise rules.NotSigned(missing={str(kind): count for kind, count in short.items()})
        case Guard.TRIED:
            waived = any(one.kind == Signature.WAIVER for one in reviews_of(session, version))
            if not waived and (faults := rules.pilot_faults(pilot_of(session, version), policy_of(session, version))):
                raise rules.NotTried(faults=faults)


def move(session: Session, version: ItemVersion, event: Event, who: Who, person: Person | None, now: datetime, reason: str = "") -> None:
    """The one way in which a version's state changes. Raises what the table of `rules.MOVES` and its guards refuse."""
    before = State(version.state)
    guard, after = rules.move(before, event, who)
    _check(session, version, guard, person, reason)
    if after is State.APPROVED and person is not None:
        version.approved_by_id, version.approved_at = person.id, now
    if after is State.RETURNED:
        version.approved_by_id = version.approved_at = None
    if after is State.ACTIVE:
        _make_room(session, version, now)
    version.state, version.state_at = after, now
    session.add(
        Move(version_id=version.id, event=event, before=before, after=after, person_id=person.id if person else None, at=now, reason=reason)
    )
    session.flush()
    audit.record(session, f"item.{event}", f"item-version:{version.id}", now, person.id if person else None, before=before, after=after)


def _make_room(session: Session, version: ItemVersion, now: datetime) -> None:
    """Of an item one version at a time is active in each language; an earlier one leaves."""
    earlier = session.scalars(
        select(ItemVersion).where(
            ItemVersion.item_id == version.item_id,
            ItemVersion.language == version.language,
            ItemVersion.id != version.id,
            ItemVersion.state.in_(rules.SIGNED),
            ItemVersion.number < version.number,
        )
    ).all()
    for one in earlier:
        move(session, one, Event.SUPERSEDE, Who.SYSTEM, None, now)


def submit(session: Session, version: ItemVersion, person: Person, now: datetime) -> None:
    """Hand the draft in for review."""
    move(session, version, Event.SUBMIT, Who.WRITER, person, now)


def opened(session: Session, version: ItemVersion, person: Person, now: datetime) -> None:
    """This person has seen the key."""
    if session.get(Opening, (version.id, person.id)) is None:
        session.add(Opening(version_id=version.id, person_id=person.id, at=now))
        session.flush()


def may_check(session: Session, version: ItemVersion, person: Person) -> bool:
    """Whether this person can still check the key blind. A version and its variants in other languages have one key."""
    same = {version.id, version.variant_of_id} | set(session.scalars(select(ItemVersion.id).where(ItemVersion.variant_of_id == version.id)))
    seen = select(Opening.version_id).where(Opening.person_id == person.id, Opening.version_id.in_(same - {None}))
    return session.scalars(seen).first() is None and person.id not in authors_of(session, version)


def _signs(session: Session, version: ItemVersion, person: Person) -> None:
    if version.state != State.IN_REVIEW:
        raise rules.NoSuchMove(state=version.state, event="sign", who=str(Who.REVIEWER))
    if person.id in authors_of(session, version):
        raise rules.OwnWork
    if any(one.person_id == person.id for one in reviews_of(session, version)):
        raise rules.SignedAlready


def _keep(
    session: Session,
    version: ItemVersion,
    kind: Signature,
    outcome: Outcome,
    person: Person,
    now: datetime,
    text: str,
    answer: list[str] | None = None,
) -> None:
    session.add(Review(version_id=version.id, kind=kind, outcome=outcome, person_id=person.id, at=now, text=text.strip(), answer=answer))
    session.flush()
    audit.record(session, "item.signed", f"item-version:{version.id}", now, person.id, kind=kind, outcome=outcome)


def review(
    session: Session, version: ItemVersion, kind: Signature, outcome: Outcome, person: Person, now: datetime, text: str = ""
) -> None:
    """A content or fairness review: signed, or returned with the reason."""
    if kind not in (Signature.CONTENT, Signature.FAIRNESS):
        raise rules.NoSuchMove(state=version.state, event=str(kind), who=str(Who.REVIEWER))
    _signs(session, version, person)
    if outcome is Outcome.RETURN and not text.strip():
        raise rules.ReasonMissing
    opened(session, version, person, now)
    _keep(session, version, kind, outcome, person, now, text)
    if outcome is Outcome.RETURN:
        move(session, version, Event.RETURN, Who.REVIEWER, person, now, text)


def check_key(session: Session, version: ItemVersion, answer: Sequence[str], person: Person, now: datetime, text: str = "") -> bool:
    """Answer the item without having seen its key. Says whether the answer is the key; a mismatch returns the item.

    Of a single answer one of the keyed options is right, of a multiple one all of them together.
    """
    _signs(session, version, person)
    if not may_check(session, version, person):
        raise rules.KeySeen
    right = (
        set(answer) == set(version.correct) if version.kind == rules.Kind.MULTIPLE else len(answer) == 1 and answer[0] in version.correct
    )
    outcome = Outcome.SIGN if right else Outcome.RETURN
    why = text.strip() or ("" if right else "-")
    _keep(session, version, Signature.KEY, outcome, person, now, why, sorted(answer))
    opened(session, version, person, now)
    if not right:
        move(session, version, Event.MISMATCH, Who.SYSTEM, person, now)
    return right


def approve(session: Session, version: ItemVersion, person: Person, now: datetime) -> None:
    """All signatures are there: the version may be tried. Raises NotSigned, OwnWork."""
    move(session, version, Event.APPROVE, Who.ANALYST, person, now)


def waive(session: Session, version: ItemVersion, person: Person, text: str, now: datetime) -> None:
    """Sign that the item may count without pilot figures, and why."""
    if version.state != State.PILOT:
        raise rules.NoSuchMove(state=version.state, event=str(Signature.WAIVER), who=str(Who.ANALYST))
    if person.id in authors_of(session, version):
        raise rules.OwnWork
    if not text.strip():
        raise rules.ReasonMissing
    _keep(session, version, Signature.WAIVER, Outcome.SIGN, person, now, text)


def compromise(session: Session, version: ItemVersion, person: Person, reason: str, now: datetime) -> list[int]:
    """The version has become known outside. It and its enemies leave every unstarted session; returns the ids of the versions concerned.

    What is done in the sessions is done by those who listen to the event; here the bank marks the version and says which versions may not be met.
    """
    move(session, version, Event.COMPROMISE, Who.ANALYST, person, now, reason)
    items = {version.item_id} | enemies_of(session, [version.item_id])[version.item_id]
    versions = sorted(session.scalars(select(ItemVersion.id).where(ItemVersion.item_id.in_(items))))
    bus.publish(session, "item.compromised", now, actor_id=person.id, version=version.id, versions=versions)
    return versions
