from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import nh3
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from testing_platform import errors
from testing_platform.audit import service as audit
from testing_platform.itembank import rules
from testing_platform.itembank.models import Bank, Form, FormSlot, Item, ItemVersion, Stimulus


class UnknownItem(errors.Refusal):
    code = "unknown-item"


class FaultyItem(errors.Refusal):
    """An item that cannot be kept; `item` and `why` say which and what."""

    code = "faulty-item"


def clean(html: str) -> str:
    return nh3.clean(html, tags=rules.TAGS, attributes=rules.ATTRIBUTES, link_rel=None)


@dataclass(frozen=True)
class ItemDraft:
    """An item as it comes from a file or a writer: plain text, not yet cleaned."""

    code: str
    area: str
    stem: str
    options: dict[str, str]
    key: str
    rationale: str
    difficulty: str
    stimulus: str | None = None
    language: str = "en"


def keep_stimulus(session: Session, bank: Bank, code: str, title: str, html: str) -> Stimulus:
    cleaned = clean(html)
    digest = rules.content_digest({"title": title, "html": cleaned})
    newest = session.scalars(
        select(Stimulus).where(Stimulus.bank_id == bank.id, Stimulus.code == code).order_by(Stimulus.number.desc())
    ).first()
    if newest is not None and newest.digest == digest:
        return newest
    stimulus = Stimulus(bank_id=bank.id, code=code, number=(newest.number if newest else 0) + 1, title=title, html=cleaned, digest=digest)
    session.add(stimulus)
    session.flush()
    return stimulus


def keep_item(session: Session, bank: Bank, draft: ItemDraft, stimuli: dict[str, Stimulus], now: datetime) -> ItemVersion:
    """The version that says this: the newest one when nothing changed, else a new one."""
    if draft.key not in draft.options:
        raise FaultyItem(item=draft.code, why="key is none of the options")
    if draft.stimulus and draft.stimulus not in stimuli:
        raise FaultyItem(item=draft.code, why="its passage is missing")
    stimulus = stimuli[draft.stimulus] if draft.stimulus else None
    options = [{"key": key, "html": clean(rules.escape(text, quote=False))} for key, text in draft.options.items()]
    content: dict[str, Any] = {
        "stem": clean(rules.paragraphs(draft.stem)),
        "options": options,
        "key": draft.key,
        "stimulus": stimulus.digest if stimulus else None,
        "language": draft.language,
    }
    digest = rules.content_digest(content)
    item = session.scalars(select(Item).where(Item.bank_id == bank.id, Item.code == draft.code)).first()
    if item is None:
        item = Item(bank_id=bank.id, code=draft.code, area=draft.area)
        session.add(item)
        session.flush()
    newest = session.scalars(select(ItemVersion).where(ItemVersion.item_id == item.id).order_by(ItemVersion.number.desc())).first()
    if newest is not None and newest.digest == digest:
        return newest
    version = ItemVersion(
        item_id=item.id,
        number=(newest.number if newest else 0) + 1,
        stem=content["stem"],
        options=options,
        key=draft.key,
        rationale=draft.rationale,
        difficulty=draft.difficulty,
        stimulus_id=stimulus.id if stimulus else None,
        language=draft.language,
        digest=digest,
        created_at=now,
    )
    session.add(version)
    session.flush()
    audit.record(session, "item.version", f"item-version:{version.id}", now, digest=digest)
    return version


def compose_form(session: Session, bank: Bank, name: str, codes: list[str], time_limit: timedelta, now: datetime) -> Form:
    """A form of the newest versions of these items, in this order. Raises UnknownItem."""
    newest: dict[str, ItemVersion] = {}
    rows = session.execute(select(Item.code, ItemVersion).join(ItemVersion).where(Item.bank_id == bank.id).order_by(ItemVersion.number))
    for code, version in rows:
        newest[code] = version
    if missing := [code for code in codes if code not in newest]:
        raise UnknownItem(codes=missing)
    digest = rules.content_digest({"items": [newest[code].digest for code in codes]})
    last = session.scalar(select(func.max(Form.number)).where(Form.bank_id == bank.id, Form.name == name)) or 0
    form = Form(bank_id=bank.id, name=name, number=last + 1, time_limit=time_limit, digest=digest, created_at=now)
    form.slots = [FormSlot(slot=slot, item_version_id=newest[code].id) for slot, code in enumerate(codes, 1)]
    session.add(form)
    session.flush()
    audit.record(session, "form.composed", f"form:{form.id}", now, digest=digest, items=len(codes))
    return form


def lock_form(session: Session, form: Form, now: datetime, actor_id: int | None = None) -> None:
    if form.locked_at is None:
        form.locked_at = now
        audit.record(session, "form.locked", f"form:{form.id}", now, actor_id, digest=form.digest)
