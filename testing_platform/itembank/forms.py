"""What people do with blueprints and forms: keep a version, ask for forms, take what was assembled."""

import hashlib
import math
import multiprocessing
import secrets
from collections.abc import Mapping, Sequence, Set
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from testing_platform import errors
from testing_platform.accounts.models import Person
from testing_platform.audit import service as audit
from testing_platform.digests import canonical
from testing_platform.itembank import form_queries, service
from testing_platform.itembank.assembly import blueprint as blueprints
from testing_platform.itembank.assembly import loft
from testing_platform.itembank.assembly.assemble import Outcome, assemble
from testing_platform.itembank.assembly.blueprint import Blueprint
from testing_platform.itembank.assembly.pool import PoolItem
from testing_platform.itembank.form_models import Assembly, BlueprintVersion, FormPlan, LoftDraw, LoftPool
from testing_platform.itembank.models import Bank, Form, Item, ItemVersion

LETTERS = "ABCDEFGHIJKLMNOPQRST"
SECONDS = 60
POOLS_READY = 4
SEEDS = 5  # so many are tried for one candidate, where one gives no form


class UnknownAreas(errors.Refusal):
    """The blueprint names areas that the bank does not have."""

    code = "unknown-areas"


def keep_blueprint(
    session: Session, bank: Bank, document: Mapping[str, Any], now: datetime, author: Person | None = None
) -> BlueprintVersion:
    """The version that says this: the newest one when nothing changed, else a new one. Raises FaultyBlueprint and UnknownAreas."""
    found = blueprints.of(document)
    areas = {str(area["code"]) for area in bank.areas}
    if areas and (unknown := {cell.area for section in found.sections for cell in section.cells} - areas):
        raise UnknownAreas(areas=sorted(unknown))
    digest = hashlib.sha256(canonical(document)).hexdigest()
    chosen = select(BlueprintVersion).where(BlueprintVersion.bank_id == bank.id, BlueprintVersion.name == found.name)
    newest = session.scalars(chosen.order_by(BlueprintVersion.number.desc())).first()
    if newest is not None and newest.digest == digest:
        return newest
    kept = BlueprintVersion(
        bank_id=bank.id,
        name=found.name,
        number=(newest.number if newest else 0) + 1,
        content=dict(document),
        digest=digest,
        created_at=now,
        author_id=author.id if author else None,
    )
    session.add(kept)
    session.flush()
    audit.record(session, "blueprint.version", f"blueprint:{kept.id}", now, kept.author_id, digest=digest)
    return kept


def ask(
    session: Session, one: BlueprintVersion, forms: int, seed: int, now: datetime, person: Person | None = None, seconds: int = SECONDS
) -> Assembly:
    """Ask for parallel forms. Raises BadRequest for more forms than there are letters, or none."""
    if not 1 <= forms <= blueprints.MOST_FORMS or not 0 <= seed < 2**31 or not 1 <= seconds <= 3600:
        raise errors.BadRequest(why="out-of-range")
    found = Assembly(
        blueprint_id=one.id,
        forms=forms,
        seed=seed,
        seconds=seconds,
        state="asked",
        asked_at=now,
        asked_by_id=person.id if person else None,
        result={},
    )
    session.add(found)
    session.flush()
    session.refresh(found)
    audit.record(session, "assembly.asked", f"assembly:{found.id}", now, found.asked_by_id, blueprint=one.digest, forms=forms, seed=seed)
    return found


def read_pool(session: Session, asked: Assembly, today: date) -> tuple[Blueprint, list[PoolItem]]:
    found = blueprints.of(asked.blueprint.content)
    return found, form_queries.pool(session, asked.blueprint.bank, found, today)


def try_now(session: Session, asked: Assembly, today: date, now: datetime) -> bool:
    """The quick way, while somebody waits; says whether that answered it. What it cannot answer is left to the worker."""
    found, pool = read_pool(session, asked, today)
    tried = try_quickly(found, pool, asked.forms, asked.seed)
    if tried is None:
        return False
    settle(session, asked, tried, form_queries.pool_digest(pool), now)
    return True


def try_quickly(found: Blueprint, pool: Sequence[PoolItem], count: int, seed: int) -> Outcome | errors.Refusal | None:
    """What the quick way says; none where that is no answer."""
    try:
        outcome = assemble(found, pool, count, seed, thorough=False)
    except errors.Refusal as refusal:
        return refusal
    return None if outcome.state == "unmet" or (outcome.state == "short" and not outcome.proved) else outcome


def settle(session: Session, asked: Assembly, came: Outcome | errors.Refusal, pool_digest: str, now: datetime) -> None:
    """Write down how it ended."""
    if isinstance(came, errors.Refusal):
        refuse(session, asked, came, now)
    else:
        take(session, asked, came, pool_digest, now)


def refuse(session: Session, asked: Assembly, refusal: errors.Refusal, now: datetime) -> None:
    asked.began_at, asked.ended_at, asked.state = asked.began_at or now, now, "refused"
    asked.result = {"refusal": refusal.code, "facts": refusal.facts}
    audit.record(session, "assembly.ended", f"assembly:{asked.id}", now, asked.asked_by_id, state="refused")


def result_of(outcome: Outcome) -> dict[str, Any]:
    """What is kept of an outcome, and what the command prints."""
    return {
        "state": outcome.state,
        "way": outcome.way,
        "seed": outcome.seed,
        "proved": outcome.proved,
        "distance": outcome.distance,
        "bound": outcome.bound,
        "gap": outcome.gap,
        "seconds": round(outcome.seconds, 3),
        "forms": [[item.code for item in form] for form in outcome.forms],
        "anchor": [item.code for item in outcome.anchor],
        "fewest": outcome.fewest,
        "shortages": [asdict(row) for row in outcome.shortages],
        # A form without any reliability has none to write down: JSON knows no infinity.
        "lines": [asdict(line) | {"got": line.got if math.isfinite(line.got) else None, "met": line.met} for line in outcome.lines],
    }


def take(session: Session, asked: Assembly, outcome: Outcome, pool_digest: str, now: datetime) -> list[Form]:
    """Keep what came of it; forms that meet everything become forms of the bank, not locked yet."""
    asked.began_at, asked.ended_at, asked.state = asked.began_at or now, now, outcome.state
    asked.pool_digest, asked.result = pool_digest, result_of(outcome)
    audit.record(
        session, "assembly.ended", f"assembly:{asked.id}", now, asked.asked_by_id, state=outcome.state, pool=pool_digest, seed=asked.seed
    )
    if outcome.state != "met":
        return []
    found = blueprints.of(asked.blueprint.content)
    return [
        keep_form(session, asked.blueprint, found, f"{found.name}-{LETTERS[number]}", form, now, asked)
        for number, form in enumerate(outcome.forms)
    ]


def keep_form(
    session: Session, one: BlueprintVersion, found: Blueprint, name: str, items: Sequence[PoolItem], now: datetime, asked: Assembly | None
) -> Form:
    """These items as a form, with its sections and its unscored slots."""
    by_id = {version.id: version for version in session.scalars(select(ItemVersion).where(ItemVersion.id.in_([item.id for item in items])))}
    limit = timedelta(minutes=sum(section.minutes for section in found.sections))
    form = service.keep_form(session, one.bank, name, [by_id[item.id] for item in items], limit, now)
    placed = [(slot, found.section_of(item.area, item.level, item.calculator) or 0) for slot, item in enumerate(items, 1)]
    sections = []
    for at, group in groupby(placed, key=lambda pair: pair[1]):
        slots = [slot for slot, _ in group]
        section = found.sections[at]
        sections.append({"name": section.name, "title": section.title, "minutes": section.minutes, "first": slots[0], "last": slots[-1]})
    session.add(
        FormPlan(
            form_id=form.id,
            assembly_id=asked.id if asked else None,
            sections=sections,
            unscored=[slot for slot, item in enumerate(items, 1) if item.pilot],
            shuffle_items=found.shuffle_items,
            shuffle_options=found.shuffle_options,
        )
    )
    session.flush()
    return form


def without(session: Session, form: Form, slots: set[int], now: datetime) -> Form:
    """The same form without these slots: the next number of its name, in use if that one is, its sections as far as they still have items."""
    kept = [row for row in form.slots if row.slot not in slots]
    moved = {row.slot: at for at, row in enumerate(kept, 1)}
    bank = session.get_one(Bank, form.bank_id)
    made = service.keep_form(session, bank, form.name, [row.version for row in kept], form.time_limit, now)
    plan = session.get(FormPlan, form.id)
    if plan is not None:
        sections = []
        for section in plan.sections:
            inside = [moved[slot] for slot in range(section["first"], section["last"] + 1) if slot in moved]
            if inside:
                sections.append({**section, "first": inside[0], "last": inside[-1]})
        session.add(
            FormPlan(
                form_id=made.id,
                assembly_id=plan.assembly_id,
                sections=sections,
                unscored=[moved[slot] for slot in plan.unscored if slot in moved],
                shuffle_items=plan.shuffle_items,
                shuffle_options=plan.shuffle_options,
            )
        )
    if form.locked_at is not None:
        # Its items were in use when that form was locked; an item that rests since then stays in a test that is announced.
        made.locked_at = now
        audit.record(session, "form.locked", f"form:{made.id}", now, digest=made.digest)
    session.flush()
    return made


class Locked(errors.Refusal):
    """A form that is in use does not change; a new one is made."""

    code = "form-locked"


def set_shuffle(session: Session, form: Form, items: bool, options: bool, now: datetime, person: Person) -> None:
    """Whether each candidate has an order of their own. Raises Locked."""
    if form.locked_at is not None:
        raise Locked(form=form.id)
    plan = form_queries.plan_of(session, form.id)
    if plan is None:
        plan = FormPlan(form_id=form.id, sections=[], unscored=[])
        session.add(plan)
    plan.shuffle_items, plan.shuffle_options = items, options
    session.flush()
    audit.record(session, "form.order", f"form:{form.id}", now, person.id, items=items, options=options)


def freeze(session: Session, one: BlueprintVersion, cap: float, seed: int, today: date, now: datetime) -> LoftPool:
    """A pool for forms drawn for each candidate. Raises loft.PoolTooSmall."""
    pool = form_queries.pool(session, one.bank, blueprints.of(one.content), today)
    return keep_pool(session, one, loft.freeze(one.content, pool, cap, seed), seed, now)


def freeze_apart(document: Mapping[str, Any], pool: Sequence[PoolItem], cap: float, seed: int) -> loft.FrozenPool:
    """In a process of its own, as answers that come in meanwhile wait for no rehearsal. Raises loft.PoolTooSmall."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as apart:
        found = apart.submit(_freeze, document, pool, cap, seed).result()
    if isinstance(found, dict):
        raise loft.PoolTooSmall(**found)
    return found


def _freeze(document: Mapping[str, Any], pool: Sequence[PoolItem], cap: float, seed: int) -> loft.FrozenPool | dict[str, Any]:
    """The facts of a refusal, which itself does not travel between processes."""
    try:
        return loft.freeze(document, pool, cap, seed)
    except loft.PoolTooSmall as refusal:
        return refusal.facts


def keep_pool(
    session: Session, one: BlueprintVersion, frozen: loft.FrozenPool, seed: int, now: datetime, person: Person | None = None
) -> LoftPool:
    who = person.id if person else None
    kept = LoftPool(blueprint_id=one.id, seed=seed, content=frozen.content(), digest=frozen.digest(), frozen_at=now, frozen_by_id=who)
    session.add(kept)
    session.flush()
    session.refresh(kept)
    audit.record(session, "pool.frozen", f"pool:{kept.id}", now, who, digest=kept.digest, cap=str(frozen.cap))
    return kept


def draw(session: Session, pool: LoftPool, seed: int, now: datetime, person: Person | None = None) -> LoftDraw:
    """The locked form of this seed; drawn before, it is found again. Raises loft.NoDraw."""
    return _drawn(session, pool, seed) or _keep_draw(session, pool, frozen_pool(pool).draw(seed), now, person, seed=seed)


def draw_for_candidate(session: Session, pool: LoftPool, without: Set[int], now: datetime) -> Form:
    """A form of their own for one more candidate, with none of these items of the bank. Raises loft.NoDraw where chance finds none."""
    frozen = frozen_pool(pool)
    codes = session.scalars(select(Item.code).where(Item.id.in_(without))) if without else ()
    left_out = sorted({item.code for item in frozen.items} & set(codes))
    for left in reversed(range(SEEDS)):
        seed = secrets.randbelow(2**31)
        try:
            items = frozen.draw(seed, frozenset(left_out))
        except loft.NoDraw:
            if not left:
                raise
        else:
            if _drawn(session, pool, seed) is None:
                break
    return _keep_draw(session, pool, items, now, None, seed=seed, for_candidate=True, left_out=left_out).form


def _drawn(session: Session, pool: LoftPool, seed: int) -> LoftDraw | None:
    return session.scalars(select(LoftDraw).where(LoftDraw.pool_id == pool.id, LoftDraw.seed == seed)).first()


def _keep_draw(session: Session, pool: LoftPool, items: Sequence[PoolItem], now: datetime, person: Person | None, **said: Any) -> LoftDraw:
    form = keep_form(session, pool.blueprint, frozen_pool(pool).ground.blueprint, f"{pool.blueprint.name}-L{pool.id}", items, now, None)
    who = person.id if person else None
    service.lock_form(session, form, now, who)
    drawn = LoftDraw(pool_id=pool.id, form_id=form.id, drawn_at=now, drawn_by_id=who, **said)
    session.add(drawn)
    session.flush()
    audit.record(session, "form.drawn", f"form:{form.id}", now, who, pool=pool.digest, **said)
    return drawn


_thawed: dict[str, loft.FrozenPool] = {}  # by digest


def frozen_pool(pool: LoftPool) -> loft.FrozenPool:
    """The pool as it draws. A few are kept ready, since reading one takes as long as a draw."""
    found = _thawed.get(pool.digest)
    if found is None:
        if len(_thawed) >= POOLS_READY:
            _thawed.clear()
        found = _thawed[pool.digest] = loft.FrozenPool.of(pool.content)
    return found


def pool_form(session: Session, pool: LoftPool, now: datetime, person: Person | None = None) -> Form:
    """All items of the pool as one locked form, of which each candidate is given a part of their own: what an administration of the pool binds.

    Raises service.NotToBeGiven for items that are not in use any more.
    """
    if pool.form is None:
        frozen = frozen_pool(pool)
        told = frozen.ground.blueprint
        items = sorted(frozen.items, key=lambda item: (item.area, item.code))
        by_id = {one.id: one for one in session.scalars(select(ItemVersion).where(ItemVersion.id.in_([item.id for item in items])))}
        limit = timedelta(minutes=sum(section.minutes for section in told.sections))
        name = f"{pool.blueprint.name}-P{pool.id}"
        form = service.keep_form(session, pool.blueprint.bank, name, [by_id[item.id] for item in items], limit, now)
        unscored = [slot for slot, item in enumerate(items, 1) if item.pilot]
        session.add(FormPlan(form_id=form.id, sections=[], unscored=unscored))
        service.lock_form(session, form, now, person.id if person else None)
        pool.form = form
        session.flush()
    return pool.form


def exposure(session: Session, pool: LoftPool) -> dict[str, float]:
    """The share of drawn forms in which each item stood, by its code."""
    draws = session.scalar(select(func.count()).select_from(LoftDraw).where(LoftDraw.pool_id == pool.id)) or 0
    rows = form_queries.drawn_items(session, pool.id)
    return {code: times / draws for code, times in rows.items()} if draws else {}
