"""What people do in the bank: write items, link them, and put forms together. A version's life is in `lifecycle.py`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from testing_platform import errors
from testing_platform.accounts.models import Person
from testing_platform.audit import service as audit
from testing_platform.itembank import lifecycle, readability, rules, search
from testing_platform.itembank.exchange.safety import tidy
from testing_platform.itembank.models import (
    Bank,
    EnemyGroup,
    EnemyMember,
    Form,
    FormSlot,
    Item,
    ItemTag,
    ItemVersion,
    JobStatement,
    Stimulus,
)


class UnknownItem(errors.Refusal):
    code = "unknown-item"


class FaultyItem(errors.Refusal):
    """An item that cannot be kept; `item` and `why` say which and what."""

    code = "faulty-item"


class NotToBeGiven(errors.Refusal):
    """A form whose items cannot be given: `kinds` that the player has no way to answer yet, `states` that no candidate may meet."""

    code = "not-to-be-given"


@dataclass(frozen=True)
class About:
    """What is said about an item beside its text; it may change without a new version."""

    area: str
    level: rules.Level | None = None
    statements: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    source: str = ""
    security: rules.Security = rules.Security.SECURE
    calculator: bool = False
    expires_on: date | None = None


@dataclass(frozen=True)
class ItemDraft:
    """An item as plain text, not yet cleaned. `statements` are codes of the class's duties, knowledges and abilities."""

    code: str
    area: str
    stem: str
    options: dict[str, str]
    correct: tuple[str, ...]
    rationale: str
    difficulty: str
    stimulus: str | None = None
    language: str = "en"
    level: str | None = None
    statements: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    calculator: bool = False
    source: str = ""

    def about(self) -> About:
        level = rules.Level(self.level) if self.level else None
        return About(self.area, level, self.statements, self.tags, self.source, calculator=self.calculator)


def open_bank(session: Session, name: str, now: datetime, areas: Sequence[tuple[str, str]] = ()) -> Bank:
    """The bank of this name, made when there is none; `areas` are codes and titles of its content areas."""
    bank = session.scalars(select(Bank).where(Bank.name == name)).first()
    if bank is None:
        bank = Bank(name=name, created_at=now)
        session.add(bank)
    if areas:
        bank.areas = [{"code": code, "title": title} for code, title in areas]
    session.flush()
    return bank


def state_job(session: Session, bank: Bank, statements: Iterable[tuple[str, rules.Statement, str, str]]) -> None:
    """Duties, knowledges and abilities of the class: code, kind, text, source. Those with a known code are worded anew."""
    known = {one.code: one for one in session.scalars(select(JobStatement).where(JobStatement.bank_id == bank.id))}
    for code, kind, text, source in statements:
        one = known.get(code)
        if one is None:
            session.add(JobStatement(bank_id=bank.id, code=code, kind=kind, text=text, source=source))
        else:
            one.kind, one.text, one.source = kind, text, source
    session.flush()


def stimulus_digest(title: str, html: str, language: str) -> str:
    return rules.content_digest({"title": title, "html": html, "language": language})


def keep_stimulus(session: Session, bank: Bank, code: str, title: str, html: str, language: str = "en") -> Stimulus:
    """The version of the passage that says this: the newest one when nothing changed, else a new one."""
    cleaned = tidy(html)
    digest = stimulus_digest(title, cleaned, language)
    newest = session.scalars(
        select(Stimulus).where(Stimulus.bank_id == bank.id, Stimulus.code == code).order_by(Stimulus.number.desc())
    ).first()
    if newest is not None and newest.digest == digest:
        return newest
    number = (newest.number if newest else 0) + 1
    stimulus = Stimulus(bank_id=bank.id, code=code, number=number, title=title, html=cleaned, language=language, digest=digest)
    session.add(stimulus)
    session.flush()
    return stimulus


def keep_item(
    session: Session, bank: Bank, draft: ItemDraft, stimuli: dict[str, Stimulus], now: datetime, author: Person | None = None
) -> ItemVersion:
    """The version that says this: the newest one when nothing changed, else a new one."""
    if not draft.correct or not set(draft.correct) <= set(draft.options):
        raise FaultyItem(item=draft.code, why="key is none of the options")
    if draft.stimulus and draft.stimulus not in stimuli:
        raise FaultyItem(item=draft.code, why="its passage is missing")
    stimulus = stimuli[draft.stimulus] if draft.stimulus else None
    content = rules.Content(
        stem=tidy(rules.paragraphs(draft.stem)),
        options=tuple(rules.Option(key, tidy(rules.escape(text, quote=False))) for key, text in draft.options.items()),
        correct=draft.correct,
        rationale=draft.rationale,
        language=draft.language,
        stimulus=stimulus.digest if stimulus else None,
    )
    item = item_called(session, bank, draft.code)
    if item is None:
        item = Item(bank_id=bank.id, code=draft.code, area=draft.area)
        session.add(item)
        session.flush()
    describe(session, item, draft.about())
    return write(session, item, content, stimulus, draft.difficulty, now, author)


def item_called(session: Session, bank: Bank, code: str) -> Item | None:
    return session.scalars(select(Item).where(Item.bank_id == bank.id, Item.code == code)).first()


def newest_version(session: Session, item: Item) -> ItemVersion | None:
    return session.scalars(select(ItemVersion).where(ItemVersion.item_id == item.id, ItemVersion.newest)).first()


def content_of(version: ItemVersion) -> rules.Content:
    bounds = version.bounds or {}
    return rules.Content(
        stem=version.stem,
        options=tuple(rules.Option.read(option) for option in version.options),
        correct=tuple(version.correct),
        kind=rules.Kind(version.kind),
        title=version.title,
        rationale=version.rationale,
        lower=rules.Decimal(bounds["lower"]) if "lower" in bounds else None,
        upper=rules.Decimal(bounds["upper"]) if "upper" in bounds else None,
        shuffle=version.shuffle,
        max_choices=version.max_choices,
        language=version.language,
        stimulus=version.stimulus.digest if version.stimulus else None,
        catalog=version.catalog,
    )


def write(
    session: Session,
    item: Item,
    content: rules.Content,
    stimulus: Stimulus | None,
    difficulty: str,
    now: datetime,
    author: Person | None = None,
    *,
    origin: dict[str, Any] | None = None,
    variant_of: ItemVersion | None = None,
) -> ItemVersion:
    """A version with this content: the newest one when nothing changed, else a new draft. A draft that nobody has signed gives way to it.

    Raises FaultyItem, and rules.NoSuchMove while the newest one is in review: it is to be taken back first.
    """
    if faults := content.faults():
        raise FaultyItem(item=item.code, why=", ".join(faults))
    newest = newest_version(session, item) if variant_of is None else newest_variant(session, item, content.language)
    digest = content.digest()
    if newest is not None and newest.digest == digest and newest.variant_of_id == (variant_of.id if variant_of else None):
        return newest
    if newest is not None and newest.state == rules.State.IN_REVIEW:
        raise rules.NoSuchMove(state=newest.state, event=str(rules.Event.REPLACE), who=str(rules.Who.WRITER))
    last = session.scalar(select(func.max(ItemVersion.number)).where(ItemVersion.item_id == item.id)) or 0
    if newest is not None:
        newest.newest = False
        if newest.state in rules.OPEN:
            lifecycle.move(session, newest, rules.Event.REPLACE, rules.Who.SYSTEM, None, now)
        session.flush()
    version = made(item, content, stimulus, difficulty, now, author, number=last + 1, origin=origin, variant_of=variant_of)
    session.add(version)
    session.flush()
    written(session, [version], now)
    return version


def made(
    item: Item,
    content: rules.Content,
    stimulus: Stimulus | None,
    difficulty: str,
    now: datetime,
    author: Person | None,
    *,
    number: int = 1,
    origin: dict[str, Any] | None = None,
    variant_of: ItemVersion | None = None,
) -> ItemVersion:
    """A draft that is not in the database yet."""
    return ItemVersion(
        item=item,
        number=number,
        kind=content.kind,
        title=content.title,
        stem=content.stem,
        options=[option.stored() for option in content.options],
        correct=list(content.correct),
        bounds=content.bounds(),
        shuffle=content.shuffle,
        max_choices=content.max_choices,
        rationale=content.rationale,
        catalog=content.catalog,
        difficulty=difficulty,
        grade=readability.grade_of(content, stimulus.html if stimulus else ""),
        stimulus=stimulus,
        language=content.language,
        variant_of_id=variant_of.id if variant_of else None,
        digest=content.digest(),
        origin=origin,
        author=author,
        created_at=now,
        state=rules.State.DRAFT,
        state_at=now,
        newest=variant_of is None,
    )


def written(session: Session, versions: Sequence[ItemVersion], now: datetime) -> None:
    """What follows when versions have come into the database: they are found, and stand in the trail."""
    search.index(session, [version for version in versions if version.variant_of_id is None])
    for version in versions:
        audit.record(session, "item.version", f"item-version:{version.id}", now, version.author_id, digest=version.digest)


def newest_variant(session: Session, item: Item, language: str) -> ItemVersion | None:
    return session.scalars(
        select(ItemVersion)
        .where(ItemVersion.item_id == item.id, ItemVersion.variant_of_id.is_not(None), ItemVersion.language == language)
        .order_by(ItemVersion.number.desc())
    ).first()


def write_variant(
    session: Session, version: ItemVersion, content: rules.Content, stimulus: Stimulus | None, now: datetime, author: Person | None = None
) -> ItemVersion:
    """The same item in another language: same options by their keys, same key. It needs signatures of its own. Raises FaultyItem."""
    same = [option.key for option in content.options] == [option["key"] for option in version.options]
    if content.language == version.language or not same or set(content.correct) != set(version.correct) or content.kind != version.kind:
        raise FaultyItem(item=version.item.code, why="a language variant has the same options and the same key")
    return write(session, version.item, content, stimulus, version.difficulty, now, author, variant_of=version)


def describe(session: Session, item: Item, about: About) -> None:
    """What is said about the item. Raises FaultyItem for a statement that the class does not have."""
    found = (
        session.scalars(select(JobStatement).where(JobStatement.bank_id == item.bank_id, JobStatement.code.in_(about.statements))).all()
        if about.statements
        else []
    )
    say(item, about, {one.code: one for one in found})
    session.flush()


def say(item: Item, about: About, known: Mapping[str, JobStatement]) -> None:
    """As `describe`, for an item that may not be in the database yet; `known` are the class's statements by their codes."""
    if unknown := sorted(set(about.statements) - set(known)):
        raise FaultyItem(item=item.code, why=f"unknown duty or knowledge: {', '.join(unknown)}")
    item.area, item.level, item.source = about.area, about.level, about.source
    item.security, item.calculator, item.expires_on = about.security, about.calculator, about.expires_on
    wanted = sorted(set(about.tags))
    if [tag.tag for tag in item.tags] != wanted:
        kept = {tag.tag: tag for tag in item.tags}
        item.tags = [kept.get(tag) or ItemTag(tag=tag) for tag in wanted]
    if {one.code for one in item.statements} != set(about.statements):
        item.statements = [known[code] for code in dict.fromkeys(about.statements)]


def about_of(item: Item) -> About:
    return About(
        item.area,
        rules.Level(item.level) if item.level else None,
        tuple(one.code for one in item.statements),
        tuple(tag.tag for tag in item.tags),
        item.source,
        rules.Security(item.security),
        item.calculator,
        item.expires_on,
    )


def clone(session: Session, version: ItemVersion, code: str, now: datetime, author: Person) -> ItemVersion:
    """A copy to write another item from. It is the enemy of what it was copied from by itself."""
    old = version.item
    item = Item(bank_id=old.bank_id, code=code, area=old.area, cloned_from_id=old.id)
    session.add(item)
    session.flush()
    describe(session, item, about_of(old))
    made = write(session, item, content_of(version), version.stimulus, version.difficulty, now, author)
    make_enemies(session, [old, item], "clone", now, author)
    return made


def make_enemies(session: Session, items: Sequence[Item], reason: str, now: datetime, person: Person | None = None) -> EnemyGroup:
    """Of these items at most one may be in a form."""
    ids = sorted({item.id for item in items})
    if len(ids) < 2:
        raise FaultyItem(item=items[0].code if items else "", why="an enemy needs another item")
    group = EnemyGroup(bank_id=items[0].bank_id, reason=reason, created_by_id=person.id if person else None, created_at=now)
    group.members = [EnemyMember(item_id=number) for number in ids]
    session.add(group)
    session.flush()
    audit.record(session, "item.enemies", f"enemy-group:{group.id}", now, person.id if person else None, items=ids, reason=reason)
    return group


def end_enmity(session: Session, group: EnemyGroup, now: datetime, person: Person) -> None:
    if group.ended_at is None:
        group.ended_at = now
        audit.record(session, "item.enemies-ended", f"enemy-group:{group.id}", now, person.id)


def change_many(session: Session, bank: Bank, ids: Iterable[int], act: str, to: str, now: datetime, person: Person) -> int:
    """Tag, untag or move (to another content area) these items of the bank. Raises FaultyItem, and then nothing is changed."""
    wanted = set(ids)
    known = act in ("tag", "untag") or (act == "move" and to in {one["code"] for one in bank.areas})
    items = [item for item in session.scalars(select(Item).where(Item.bank_id == bank.id)) if item.id in wanted]
    if not known or not to or not items:
        raise FaultyItem(item="", why="nothing to change")
    for item in items:
        held = {tag.tag: tag for tag in item.tags}
        if act == "move":
            item.area = to
        elif act == "tag" and to not in held:
            item.tags.append(ItemTag(tag=to))
        elif act == "untag" and to in held:
            item.tags.remove(held[to])
    session.flush()
    if act != "move":
        search.index(session, [version for item in items if (version := newest_version(session, item)) is not None])
    audit.record(session, "items.changed", f"bank:{bank.id}", now, person.id, change=act, items=sorted(item.id for item in items), to=to)
    return len(items)


def compose_form(session: Session, bank: Bank, name: str, codes: list[str], time_limit: timedelta, now: datetime) -> Form:
    """A form of these items, in this order: of each the version in use, else the newest. Raises UnknownItem."""
    chosen: dict[str, ItemVersion] = {}
    rows = session.execute(
        select(Item.code, ItemVersion)
        .join(ItemVersion, ItemVersion.item_id == Item.id)
        .where(Item.bank_id == bank.id, Item.code.in_(codes), ItemVersion.variant_of_id.is_(None))
        .order_by(ItemVersion.state.in_(rules.USABLE), ItemVersion.number)
    )
    for code, version in rows:
        chosen[code] = version
    if missing := [code for code in codes if code not in chosen]:
        raise UnknownItem(codes=missing)
    return keep_form(session, bank, name, [chosen[code] for code in codes], time_limit, now)


def keep_form(session: Session, bank: Bank, name: str, versions: Sequence[ItemVersion], time_limit: timedelta, now: datetime) -> Form:
    """A form of exactly these versions, in this order; the next number of its name."""
    digest = rules.content_digest({"items": [version.digest for version in versions]})
    last = session.scalar(select(func.max(Form.number)).where(Form.bank_id == bank.id, Form.name == name)) or 0
    form = Form(bank_id=bank.id, name=name, number=last + 1, time_limit=time_limit, digest=digest, created_at=now)
    form.slots = [FormSlot(slot=slot, item_version_id=version.id) for slot, version in enumerate(versions, 1)]
    session.add(form)
    session.flush()
    audit.record(session, "form.composed", f"form:{form.id}", now, digest=digest, items=len(versions))
    return form


def lock_form(session: Session, form: Form, now: datetime, actor_id: int | None = None) -> None:
    """From now on the form is in use. Raises NotToBeGiven for items that the test page cannot be answered by, or that are not in use."""
    if form.locked_at is None:
        rows = session.execute(
            select(Item.code, ItemVersion)
            .join(ItemVersion, ItemVersion.item_id == Item.id)
            .join(FormSlot, FormSlot.item_version_id == ItemVersion.id)
            .where(FormSlot.form_id == form.id)
        ).all()
        kinds = sorted(code for code, version in rows if not version.choices.playable or version.bounds is not None)
        states = sorted(code for code, version in rows if version.state not in rules.USABLE)
        if kinds or states:
            raise NotToBeGiven(kinds=kinds, states=states)
        form.locked_at = now
        audit.record(session, "form.locked", f"form:{form.id}", now, actor_id, digest=form.digest)


def expose(session: Session, form_id: int, now: datetime) -> None:
    """One more candidate has begun the form, and so met its items."""
    session.execute(update(Form).where(Form.id == form_id).values(begun=Form.begun + 1, begun_at=now))
