"""Reads of the bank."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Select, exists, func, or_, select
from sqlalchemy.orm import Session, aliased, contains_eager, selectinload

from testing_platform.itembank import search
from testing_platform.itembank.form_models import LoftDraw
from testing_platform.itembank.models import (
    Bank,
    EnemyGroup,
    EnemyMember,
    Form,
    FormSlot,
    Item,
    ItemStatement,
    ItemStatistics,
    ItemTag,
    ItemVersion,
    JobStatement,
    Opening,
    Review,
    Stimulus,
)
from testing_platform.itembank.rules import SIGNED, USABLE, Outcome, Policy, Signature, State, text_of


def enemies_of(session: Session, item_ids: Iterable[int]) -> dict[int, set[int]]:
    """The enemies of each of these items, by ids."""
    found: dict[int, set[int]] = {number: set() for number in item_ids}
    mine, other = aliased(EnemyMember), aliased(EnemyMember)
    rows = session.execute(
        select(mine.item_id, other.item_id)
        .join(other, other.group_id == mine.group_id)
        .join(EnemyGroup, EnemyGroup.id == mine.group_id)
        .where(EnemyGroup.ended_at.is_(None), mine.item_id != other.item_id, mine.item_id.in_(list(found)))
    )
    for one, enemy in rows:
        found[one].add(enemy)
    return found


def enemy_groups(session: Session, item_id: int) -> list[EnemyGroup]:
    mine = select(EnemyMember.group_id).where(EnemyMember.item_id == item_id)
    found = select(EnemyGroup).where(EnemyGroup.id.in_(mine), EnemyGroup.ended_at.is_(None)).order_by(EnemyGroup.id)
    return list(session.scalars(found.options(selectinload(EnemyGroup.members).joinedload(EnemyMember.item))))


# --- looking through the bank ------------------------------------------------------------------------------------------------


PAGE = 50
# By what, and whether the greatest stands first. An index gives each of them.
ORDERS: dict[str, tuple[tuple[Any, ...], bool]] = {
    "code": ((Item.code,), False),
    "area": ((Item.area, Item.id), False),
    "newest": ((ItemVersion.created_at, ItemVersion.item_id), True),
}


@dataclass(frozen=True)
class Wanted:
    """What is looked for, as it stands in the page's address."""

    words: str = ""
    area: str = ""
    state: str = ""
    level: str = ""
    difficulty: str = ""
    kind: str = ""
    tag: str = ""
    statement: str = ""
    stimulus: str = ""
    author: str = ""
    order: str = "code"
    page: int = 1

    @classmethod
    def of(cls, said: Mapping[str, str]) -> "Wanted":
        """From an address; what is not understood there is as if it were not there."""
        page = said.get("page", "1")
        order = said.get("order", "code")
        names = ("words", "area", "state", "level", "difficulty", "kind", "tag", "statement", "stimulus", "author")
        return cls(
            **{name: said.get(name, "").strip()[:200] for name in names},
            order=order if order in ORDERS else "code",
            page=min(int(page), 100_000) if page.isascii() and page.isdigit() and len(page) < 7 and int(page) > 0 else 1,
        )

    def address(self, **changes: Any) -> dict[str, Any]:
        """What the address has to say, without what is as always."""
        said = {**self.__dict__, **changes}
        return {
            name: value for name, value in said.items() if value not in ("", None) and (name, value) not in (("order", "code"), ("page", 1))
        }

    @property
    def by_version(self) -> bool:
        """Whether an item is found by what stands in its newest version and not in the item itself."""
        return bool(self.difficulty or self.kind or self.stimulus or self.author.isdigit() or (self.state and self.state not in SIGNED))

    @property
    def narrowed(self) -> bool:
        return bool(set(self.address()) - {"order", "page"})


def _matching(session: Session, bank: Bank, wanted: Wanted, ordered: bool = False) -> Select[Any]:
    """The ids. Every item has a newest version; the many are joined with theirs only where something is asked of it, or they are `ordered` by it."""
    found = select(Item.id).where(Item.bank_id == bank.id)
    if wanted.by_version or (ordered and wanted.order == "newest"):
        found = found.join(ItemVersion, (ItemVersion.item_id == Item.id) & ItemVersion.newest)
    if wanted.words:
        found = search.narrowed(session, found, wanted.words)
    if wanted.area:
        found = found.where(Item.area == ("" if wanted.area == "-" else wanted.area))
    if wanted.level:
        found = found.where(Item.level == wanted.level if wanted.level != "-" else Item.level.is_(None))
    if wanted.difficulty:
        found = found.where(ItemVersion.difficulty == wanted.difficulty)
    if wanted.kind:
        found = found.where(ItemVersion.kind == wanted.kind)
    if wanted.state in SIGNED:
        found = found.where(Item.id.in_(select(ItemVersion.item_id).where(ItemVersion.state == wanted.state).correlate(None)))
    elif wanted.state:
        found = found.where(ItemVersion.state == wanted.state)
    if wanted.tag:
        found = found.where(exists().where(ItemTag.item_id == Item.id, ItemTag.tag == wanted.tag))
    if wanted.statement:
        linked = (
            select(ItemStatement.item_id).join(JobStatement).where(JobStatement.code == wanted.statement, JobStatement.bank_id == bank.id)
        )
        found = found.where(Item.id.in_(linked))
    if wanted.stimulus:
        found = found.where(
            ItemVersion.stimulus_id.in_(select(Stimulus.id).where(Stimulus.bank_id == bank.id, Stimulus.code == wanted.stimulus))
        )
    if wanted.author.isdigit():
        found = found.where(ItemVersion.author_id == int(wanted.author))
    return found


@dataclass(frozen=True)
class Listed:
    """One page of the items found, of each its newest version and, where that is not the one in use, the state of that."""

    versions: list[ItemVersion]
    count: int
    page: int
    pages: int
    in_use: dict[int, ItemVersion]


def look(session: Session, bank: Bank, wanted: Wanted) -> Listed:
    count = session.scalar(_matching(session, bank, wanted).with_only_columns(func.count())) or 0
    pages = max(1, -(-count // PAGE))
    page = min(wanted.page, pages)
    numbers = _numbers(session, _matching(session, bank, wanted, ordered=True), wanted.order, page, count)
    versions = {
        version.item_id: version
        for version in session.scalars(
            select(ItemVersion)
            .join(Item)
            .where(ItemVersion.item_id.in_(numbers), ItemVersion.newest)
            .options(contains_eager(ItemVersion.item).selectinload(Item.tags))
        )
    }
    used = session.scalars(
        select(ItemVersion).where(
            ItemVersion.item_id.in_(numbers), ItemVersion.state.in_(SIGNED), ~ItemVersion.newest, ItemVersion.variant_of_id.is_(None)
        )
    )
    return Listed([versions[number] for number in numbers], count, page, pages, {version.item_id: version for version in used})


def _numbers(session: Session, matching: Select[Any], order: str, page: int, count: int) -> list[int]:
    """The ids on the page; those behind the middle are counted from the end, so that the last page costs what the first does."""
    before = (page - 1) * PAGE
    size = min(PAGE, count - before)
    behind = before > count // 2
    by, falling = ORDERS[order]
    ordered = matching.order_by(*(column.desc() if falling != behind else column.asc() for column in by))
    found = list(session.scalars(ordered.limit(size).offset(count - before - size if behind else before)))
    return found[::-1] if behind else found


def all_matching(session: Session, bank: Bank, wanted: Wanted) -> list[int]:
    """The ids of every item found, whatever page it is on."""
    return list(session.scalars(_matching(session, bank, wanted).order_by(Item.code)))


def counts(session: Session, bank: Bank) -> dict[str, dict[str, int]]:
    """How many items each area has in each state; an item with a new draft beside the version in use counts in both."""
    newest = aliased(ItemVersion)
    # Most items have a newest version alone, and an index says its state: the few others are counted apart.
    beside = (
        ItemVersion.state.in_(SIGNED)
        & ~ItemVersion.newest
        & ItemVersion.variant_of_id.is_(None)
        & ~exists().where(newest.item_id == ItemVersion.item_id, newest.newest, newest.state == ItemVersion.state)
    )
    found: dict[str, dict[str, int]] = {str(one["code"]): {} for one in bank.areas}
    for which in (ItemVersion.newest, beside):
        rows = session.execute(
            select(Item.area, ItemVersion.state, func.count(func.distinct(Item.id)))
            .join(ItemVersion, ItemVersion.item_id == Item.id)
            .where(Item.bank_id == bank.id, which)
            .group_by(Item.area, ItemVersion.state)
        )
        for area, state, count in rows:
            held = found.setdefault(area, {})
            held[state] = held.get(state, 0) + count
    return found


def tags(session: Session, bank: Bank) -> list[tuple[str, int]]:
    rows = session.execute(
        select(ItemTag.tag, func.count()).join(Item, Item.id == ItemTag.item_id).where(Item.bank_id == bank.id).group_by(ItemTag.tag)
    )
    return sorted((tag, count) for tag, count in rows)


def statements(session: Session, bank: Bank) -> list[JobStatement]:
    return list(session.scalars(select(JobStatement).where(JobStatement.bank_id == bank.id).order_by(JobStatement.id)))


def passages(session: Session, bank: Bank) -> list[Stimulus]:
    """The newest version of each passage."""
    newest = select(func.max(Stimulus.id)).where(Stimulus.bank_id == bank.id).group_by(Stimulus.code)
    return list(session.scalars(select(Stimulus).where(Stimulus.id.in_(newest)).order_by(Stimulus.code)))


@dataclass(frozen=True)
class PassageUse:
    """The newest version of a passage: how many items stand under it or an earlier one, how many of them by state, and how many under an earlier one alone."""

    passage: Stimulus
    items: int
    states: dict[str, int]
    behind: int


# A version that stands for its item now: the newest, the one in use, or what it says in another language.
CURRENT = or_(ItemVersion.newest, ItemVersion.state.in_(SIGNED), ItemVersion.variant_of_id.is_not(None)) & (
    ItemVersion.state != State.REPLACED
)


def passages_used(session: Session, bank: Bank, words: str = "", state: str = "") -> list[PassageUse]:
    """In order of codes, those with all of these words; of `state`, those with an item in it, or (`-`) those with no item at all."""
    under: dict[str, dict[int, list[tuple[int, str]]]] = {}
    rows = session.execute(
        select(Stimulus.code, ItemVersion.item_id, Stimulus.number, ItemVersion.state)
        .join(Stimulus, Stimulus.id == ItemVersion.stimulus_id)
        .where(Stimulus.bank_id == bank.id, CURRENT)
    )
    for code, item_id, number, standing in rows:
        under.setdefault(code, {}).setdefault(item_id, []).append((number, standing))
    typed = words.casefold().split()
    found = []
    for one in passages(session, bank):
        if typed:
            text = f"{one.code} {one.title} {text_of(one.html)}".casefold()
            if not all(word in text for word in typed):
                continue
        items = under.get(one.code, {})
        states = Counter(standing for held in items.values() for standing in {standing for _, standing in held})
        behind = sum(max(number for number, _ in held) < one.number for held in items.values())
        if not state or (not items if state == "-" else state in states):
            found.append(PassageUse(one, len(items), dict(states), behind))
    return found


def under_passage(session: Session, bank: Bank, code: str) -> list[tuple[ItemVersion, int]]:
    """The versions under a passage with the number of it that each has, in order of their items' codes."""
    rows = session.execute(
        select(ItemVersion, Stimulus.number)
        .join(Stimulus, Stimulus.id == ItemVersion.stimulus_id)
        .join(ItemVersion.item)
        .where(Stimulus.bank_id == bank.id, Stimulus.code == code, CURRENT)
        .options(contains_eager(ItemVersion.item))
        .order_by(Item.code, ItemVersion.number)
    )
    return [(version, number) for version, number in rows]


def newest_versions(session: Session, bank: Bank) -> list[ItemVersion]:
    """Of every item that is not gone for good."""
    gone = (State.RETIRED, State.COMPROMISED)
    found = select(ItemVersion).join(Item).where(Item.bank_id == bank.id, ItemVersion.newest, ItemVersion.state.not_in(gone))
    return list(session.scalars(found.options(contains_eager(ItemVersion.item))))


def shown_words(version: ItemVersion) -> str:
    """What a candidate reads of the item itself, as plain words."""
    return " ".join(text_of(html) for html in [version.stem, *(option["html"] for option in version.options)])


# --- what needs whom ------------------------------------------------------------------------------------------------------------


def waiting_for(session: Session, bank: Bank, person_id: int, kind: Signature) -> list[ItemVersion]:
    """Versions in review that this person may still sign in this way and that still need such a signature; the oldest first."""
    wanted = Policy.of(bank.policy).wanted()[kind]
    given = (
        select(func.count())
        .where(Review.version_id == ItemVersion.id, Review.kind == kind, Review.outcome == Outcome.SIGN)
        .correlate(ItemVersion)
        .scalar_subquery()
    )
    written = aliased(ItemVersion)
    found = (
        select(ItemVersion)
        .join(Item)
        .where(
            Item.bank_id == bank.id,
            ItemVersion.state == State.IN_REVIEW,
            given < wanted,
            ~exists().where(Review.version_id == ItemVersion.id, Review.person_id == person_id),
            ~exists().where(written.item_id == ItemVersion.item_id, written.author_id == person_id),
        )
        .order_by(ItemVersion.state_at, ItemVersion.id)
        .options(contains_eager(ItemVersion.item))
    )
    if kind is Signature.KEY:
        # Whoever has seen the key in one language has seen it in the other.
        same = aliased(ItemVersion)
        one_key = or_(same.id == ItemVersion.id, same.id == ItemVersion.variant_of_id, same.variant_of_id == ItemVersion.id)
        found = found.where(~exists().where(Opening.version_id == same.id, Opening.person_id == person_id, one_key))
    return list(session.scalars(found))


def of_author(session: Session, bank: Bank, person_id: int, states: Iterable[State]) -> list[ItemVersion]:
    found = (
        select(ItemVersion)
        .join(Item)
        .where(Item.bank_id == bank.id, ItemVersion.author_id == person_id, ItemVersion.state.in_(list(states)))
    )
    return list(session.scalars(found.order_by(ItemVersion.state_at.desc()).options(contains_eager(ItemVersion.item))))


def fully_signed(session: Session, bank: Bank) -> list[ItemVersion]:
    """Versions in review with as many signatures as are asked for. Whether they are the right ones is asked when somebody approves."""
    needed = sum(Policy.of(bank.policy).wanted().values())
    given = (
        select(func.count(func.distinct(Review.person_id)))
        .where(Review.version_id == ItemVersion.id, Review.outcome == Outcome.SIGN)
        .correlate(ItemVersion)
        .scalar_subquery()
    )
    found = select(ItemVersion).join(Item).where(Item.bank_id == bank.id, ItemVersion.state == State.IN_REVIEW, given >= needed)
    return list(session.scalars(found.order_by(ItemVersion.state_at).options(contains_eager(ItemVersion.item))))


def variants_of(session: Session, item_id: int) -> list[ItemVersion]:
    """The newest version in each other language."""
    newest = (
        select(func.max(ItemVersion.number))
        .where(ItemVersion.item_id == item_id, ItemVersion.variant_of_id.is_not(None))
        .group_by(ItemVersion.language)
    )
    found = select(ItemVersion).where(ItemVersion.item_id == item_id, ItemVersion.number.in_(newest)).order_by(ItemVersion.language)
    return list(session.scalars(found))


# --- one item ---------------------------------------------------------------------------------------------------------------------


def exposures(session: Session, item_ids: Iterable[int]) -> dict[int, int]:
    """How many candidates have begun a form with the item, in any version."""
    rows = session.execute(
        select(ItemVersion.item_id, func.sum(Form.begun))
        .join(FormSlot, FormSlot.item_version_id == ItemVersion.id)
        .join(Form, Form.id == FormSlot.form_id)
        .where(ItemVersion.item_id.in_(list(item_ids)))
        .group_by(ItemVersion.item_id)
    )
    return {number: int(count or 0) for number, count in rows}


def due_for_rest(session: Session, bank: Bank) -> list[tuple[ItemVersion, int]]:
    """Active versions that more candidates have met since they became active than the policy lets them; the most exposed first."""
    limit = Policy.of(bank.policy).rest_after
    met = func.sum(Form.begun)
    rows = session.execute(
        select(ItemVersion, met)
        .join(Item)
        .join(FormSlot, FormSlot.item_version_id == ItemVersion.id)
        .join(Form, Form.id == FormSlot.form_id)
        .where(Item.bank_id == bank.id, ItemVersion.state == State.ACTIVE, Form.begun_at >= ItemVersion.state_at)
        .group_by(ItemVersion.id)
        .having(met >= limit)
        .order_by(met.desc())
    )
    return [(version, int(count)) for version, count in rows]


def expired(session: Session, bank: Bank, today: date) -> list[ItemVersion]:
    found = select(ItemVersion).join(Item).where(Item.bank_id == bank.id, ItemVersion.state.in_(USABLE), Item.expires_on <= today)
    return list(session.scalars(found.order_by(Item.code).options(contains_eager(ItemVersion.item))))


def statistics_of(session: Session, item_id: int) -> list[ItemStatistics]:
    found = select(ItemStatistics).join(ItemVersion, ItemVersion.id == ItemStatistics.version_id).where(ItemVersion.item_id == item_id)
    return list(session.scalars(found.order_by(ItemStatistics.id)))


def forms_with(session: Session, item_id: int) -> list[Form]:
    """Those that are given to more than one candidate."""
    held = select(FormSlot.form_id).join(ItemVersion, ItemVersion.id == FormSlot.item_version_id).where(ItemVersion.item_id == item_id)
    return list(session.scalars(common_forms().where(Form.id.in_(held)).order_by(Form.id)))


def common_forms() -> Select[Form]:
    """All forms but those that were drawn for one candidate each."""
    return select(Form).where(Form.id.not_in(select(LoftDraw.form_id).where(LoftDraw.for_candidate)))
