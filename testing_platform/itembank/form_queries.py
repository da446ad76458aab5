"""What assembly and the pages of forms read from the bank."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import msgspec
from sqlalchemy import ColumnElement, exists, func, select
from sqlalchemy.orm import Session, aliased, joinedload

from testing_platform.digests import canonical
from testing_platform.itembank import queries, rules
from testing_platform.itembank.assembly.blueprint import Blueprint
from testing_platform.itembank.assembly.figures import Irt
from testing_platform.itembank.assembly.pool import PoolItem
from testing_platform.itembank.assembly.supply import Offer
from testing_platform.itembank.form_models import Assembly, BlueprintVersion, FormPlan, LoftDraw, LoftPool
from testing_platform.itembank.models import Bank, Form, FormSlot, Item, ItemStatistics, ItemVersion, Stimulus
from testing_platform.itembank.rules import Kind, Policy, Security, State


@dataclass(frozen=True)
class Known:
    """What answers have shown of a version, over its administrations, each by its newest analysis and weighed by its candidates."""

    n: int
    share: float
    item_total: float | None
    seconds: float | None
    irt: Irt | None


def known(session: Session, version_ids: Sequence[int], least: int) -> dict[int, Known]:
    """The versions that at least `least` candidates have answered."""
    newest: dict[tuple[int, int | None], ItemStatistics] = {}
    for row in session.scalars(select(ItemStatistics).where(ItemStatistics.version_id.in_(version_ids)).order_by(ItemStatistics.id)):
        newest[row.version_id, row.administration_id] = row
    rows: dict[int, list[ItemStatistics]] = {}
    for row in newest.values():
        rows.setdefault(row.version_id, []).append(row)
    found = {}
    for version_id, of_one in rows.items():
        n = sum(row.n for row in of_one)
        if n < least:
            continue
        told = [row for row in of_one if row.discrimination is not None]
        timed = [row for row in of_one if row.median_time is not None]
        irt = next((row.irt for row in reversed(of_one) if row.irt), None)
        found[version_id] = Known(
            n=n,
            share=sum(float(row.difficulty) * row.n for row in of_one) / n,
            item_total=_weighed([(float(row.discrimination or 0), row.n) for row in told]),
            seconds=_weighed([(row.median_time.total_seconds(), row.n) for row in timed if row.median_time]),
            irt=Irt(float(irt["a"]), float(irt["b"]), float(irt.get("c") or 0)) if irt else None,
        )
    return found


def _weighed(pairs: Sequence[tuple[float, int]]) -> float | None:
    return sum(value * n for value, n in pairs) / sum(n for _, n in pairs) if pairs else None


def forms_ago(session: Session, bank_id: int, before: Form | None = None) -> tuple[dict[int, int], dict[int, int]]:
    """For each item: how many locked forms ago it last stood in one (1 is the newest), and in how many it stood; `before`: those locked before this one.

    What was drawn from a pool counts once somebody has begun it, and all that was begun for candidates of one pool as one form, of the items that they met.
    """
    pools = select(LoftPool.form_id).where(LoftPool.form_id.is_not(None))
    looked_at, own = (select(LoftDraw.form_id).where(LoftDraw.for_candidate == each) for each in (False, True))
    of_bank = (Form.bank_id == bank_id, Form.locked_at.is_not(None), *(() if before is None else (Form.id < before.id,)))
    common = (*of_bank, Form.id.not_in(pools), Form.id.not_in(own), Form.id.not_in(looked_at) | (Form.begun > 0))
    begun = (*of_bank, Form.begun > 0, LoftDraw.for_candidate)
    in_draws = select(LoftDraw.pool_id).join(Form, Form.id == LoftDraw.form_id).where(*begun)
    # (when, whether for candidates, form or pool)
    placed = [(at, False, number) for at, number in session.execute(select(Form.locked_at, Form.id).where(*common))]
    placed += [
        (at, True, number) for number, at in session.execute(in_draws.add_columns(func.max(Form.locked_at)).group_by(LoftDraw.pool_id))
    ]
    back = {each[1:]: number for number, each in enumerate(sorted(placed, reverse=True), 1)}
    stood: dict[int, set[int]] = {}
    slots = select(Form.id, ItemVersion.item_id).join(FormSlot, FormSlot.form_id == Form.id)
    items = in_draws.join(FormSlot, FormSlot.form_id == Form.id).join(ItemVersion, ItemVersion.id == FormSlot.item_version_id)
    for drawn, rows in (
        (False, slots.join(ItemVersion, ItemVersion.id == FormSlot.item_version_id).where(*common)),
        (True, items.add_columns(ItemVersion.item_id).distinct()),
    ):
        for number, item_id in session.execute(rows):
            stood.setdefault(item_id, set()).add(back[drawn, number])
    return {item_id: min(numbers) for item_id, numbers in stood.items()}, {item_id: len(numbers) for item_id, numbers in stood.items()}


def _usable(bank: Bank, today: date) -> tuple[ColumnElement[bool], ...]:
    """Of versions and their items: what a form may take, whether the test page can give it aside."""
    return (
        Item.bank_id == bank.id,
        ItemVersion.variant_of_id.is_(None),
        ItemVersion.state.in_(rules.USABLE),
        Item.security == Security.SECURE,
        (Item.expires_on.is_(None)) | (Item.expires_on > today),
    )


def offers(session: Session, bank: Bank, today: date) -> Counter[Offer]:
    """The bank's pool (see `pool`) by counts alone, which the database makes."""
    used = aliased(ItemVersion)
    in_use = exists().where(
        used.item_id == ItemVersion.item_id, used.state == State.ACTIVE, used.variant_of_id.is_(None), used.bounds.is_(None)
    )
    sort = (Item.area, Item.level, Item.calculator, Stimulus.code)
    found = (
        select(*sort, func.count())
        .select_from(ItemVersion)
        .join(ItemVersion.item)
        .outerjoin(Stimulus, Stimulus.id == ItemVersion.stimulus_id)
        .where(*_usable(bank, today), ItemVersion.bounds.is_(None))
        .group_by(*sort)
    )
    counted: Counter[Offer] = Counter()
    for trial, standing in ((False, ItemVersion.state == State.ACTIVE), (True, (ItemVersion.state == State.PILOT) & ~in_use)):
        for area, level, calculator, passage, count in session.execute(found.where(standing)):
            counted[Offer(area, level or "", calculator, trial, passage)] += count
    return counted


def pool(session: Session, bank: Bank, blueprint: Blueprint, today: date) -> list[PoolItem]:
    """What the blueprint may choose from: secure items in use or on trial that have not expired and that the test page can give."""
    versions = session.scalars(
        select(ItemVersion).join(ItemVersion.item).options(joinedload(ItemVersion.item)).where(*_usable(bank, today))
    ).all()
    # Of an item that has one version in use and a newer one on trial, the one in use.
    usable: dict[int, ItemVersion] = {}
    for version in sorted(versions, key=lambda version: version.state == State.ACTIVE):
        if version.choices.playable and version.bounds is None:
            usable[version.item_id] = version
    return pool_items(session, bank, blueprint, sorted(usable.values(), key=lambda version: version.item.code))


def pool_items(
    session: Session, bank: Bank, blueprint: Blueprint, versions: Sequence[ItemVersion], before: Form | None = None
) -> list[PoolItem]:
    """These versions as assembly sees them: measured figures where enough candidates have answered, else what the blueprint expects of their word."""
    policy = Policy.of(bank.policy)
    measured = known(session, [version.id for version in versions], policy.pilot_candidates)
    newest, times = forms_ago(session, bank.id, before)
    by_item = {version.item_id: version.id for version in versions}
    enemies = queries.enemies_of(session, by_item)
    expected = blueprint.expected
    found = []
    for version in versions:
        shown = measured.get(version.id)
        item = version.item
        found.append(
            PoolItem(
                id=version.id,
                code=item.code,
                area=item.area,
                level=item.level or "",
                share=shown.share if shown else expected.shares.get(version.difficulty, blueprint.mean),
                seconds=(shown and shown.seconds) or expected.seconds,
                item_total=expected.item_total if shown is None or shown.item_total is None else shown.item_total,
                irt=shown.irt if shown else None,
                key=_place_of_key(version),
                passage=version.stimulus.code if version.stimulus else None,
                calculator=item.calculator,
                pilot=version.state == State.PILOT,
                forms_ago=newest.get(version.item_id),
                exposures=times.get(version.item_id, 0),
                measured=shown is not None,
                enemies=frozenset(by_item[other] for other in enemies.get(version.item_id, ()) if other in by_item),
            )
        )
    return found


def _place_of_key(version: ItemVersion) -> int | None:
    if version.kind != Kind.SINGLE or len(version.correct) != 1:
        return None
    return [str(option["key"]) for option in version.options].index(version.correct[0])


def pool_digest(pool: Sequence[PoolItem]) -> str:
    told = [msgspec.to_builtins(item) | {"enemies": sorted(item.enemies)} for item in pool]
    return hashlib.sha256(canonical(told)).hexdigest()


def blueprints(session: Session) -> list[BlueprintVersion]:
    """The newest version of each, by bank and name."""
    newest = select(func.max(BlueprintVersion.id)).group_by(BlueprintVersion.bank_id, BlueprintVersion.name)
    return list(session.scalars(select(BlueprintVersion).where(BlueprintVersion.id.in_(newest)).order_by(BlueprintVersion.name)))


def newest_blueprint(session: Session, bank: Bank) -> BlueprintVersion | None:
    """The version that was kept last for the bank, whatever its name."""
    return session.scalars(select(BlueprintVersion).where(BlueprintVersion.bank_id == bank.id).order_by(BlueprintVersion.id.desc())).first()


def versions_of(session: Session, one: BlueprintVersion) -> list[BlueprintVersion]:
    return list(
        session.scalars(
            select(BlueprintVersion)
            .where(BlueprintVersion.bank_id == one.bank_id, BlueprintVersion.name == one.name)
            .order_by(BlueprintVersion.number.desc())
        )
    )


def assemblies_of(session: Session, one: BlueprintVersion) -> list[Assembly]:
    ids = [version.id for version in versions_of(session, one)]
    return list(session.scalars(select(Assembly).where(Assembly.blueprint_id.in_(ids)).order_by(Assembly.id.desc())))


def slots_of(session: Session, form: Form) -> list[FormSlot]:
    return list(session.scalars(select(FormSlot).where(FormSlot.form_id == form.id).order_by(FormSlot.slot)))


def plan_of(session: Session, form_id: int) -> FormPlan | None:
    return session.get(FormPlan, form_id)


def names(codes: Mapping[str, str], bank: Bank) -> dict[str, str]:
    """The words for content areas: the bank's, under those that the blueprint says itself."""
    return {str(area["code"]): str(area["title"]) for area in bank.areas} | dict(codes)


def pools_of(session: Session, one: BlueprintVersion) -> list[LoftPool]:
    """Those frozen for any version of the blueprint, the newest first."""
    ids = [version.id for version in versions_of(session, one)]
    return list(session.scalars(select(LoftPool).where(LoftPool.blueprint_id.in_(ids)).order_by(LoftPool.id.desc())))


def draws_of(session: Session, pool: LoftPool) -> list[LoftDraw]:
    """Those that were asked for; what was drawn for candidates is counted by `count_drawn`."""
    found = select(LoftDraw).where(LoftDraw.pool_id == pool.id, ~LoftDraw.for_candidate).order_by(LoftDraw.id.desc())
    return list(session.scalars(found.options(joinedload(LoftDraw.form))))


def count_drawn(session: Session, pool: LoftPool) -> int:
    return session.scalar(select(func.count()).select_from(LoftDraw).where(LoftDraw.pool_id == pool.id, LoftDraw.for_candidate)) or 0


def pool_behind(session: Session, form_id: int) -> LoftPool | None:
    """The pool whose items are this form, of which each candidate is given a part of their own; none of a form that all are given."""
    return session.scalars(select(LoftPool).where(LoftPool.form_id == form_id)).first()


def drawn_from(session: Session, form_id: int) -> LoftPool | None:
    """The pool from which the form was drawn; none of a form that was assembled or put together by hand."""
    return session.scalars(select(LoftPool).join(LoftDraw, LoftDraw.pool_id == LoftPool.id).where(LoftDraw.form_id == form_id)).first()


def drawn_items(session: Session, pool_id: int) -> dict[str, int]:
    """In how many forms drawn from the pool each item stood."""
    rows = session.execute(
        select(Item.code, func.count())
        .join(ItemVersion, ItemVersion.item_id == Item.id)
        .join(FormSlot, FormSlot.item_version_id == ItemVersion.id)
        .join(LoftDraw, LoftDraw.form_id == FormSlot.form_id)
        .where(LoftDraw.pool_id == pool_id)
        .group_by(Item.code)
    )
    return dict(rows.all())


def kept_out(session: Session, form: Form) -> int:
    """How many items of the bank are enemies of one of the form's and stand outside of it."""
    inside = {row.version.item_id for row in slots_of(session, form)}
    return len(set().union(*queries.enemies_of(session, inside).values()) - inside)
