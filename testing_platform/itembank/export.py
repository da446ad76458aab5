"""The bank's items and forms on their way out: what is written, what is left behind, and the line in the trail."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session, contains_eager

from testing_platform import errors
from testing_platform.audit import service as audit
from testing_platform.itembank import form_queries
from testing_platform.itembank.exchange import bank as seam
from testing_platform.itembank.exchange.drafts import Draft, StimulusDraft
from testing_platform.itembank.exchange.sentences import tell
from testing_platform.itembank.exchange.write import PAPER, write
from testing_platform.itembank.exchange.written import Export, Left, Outline, Section
from testing_platform.itembank.models import Bank, Form, Item, ItemVersion
from testing_platform.itembank.rules import State

# A version that has become known or was put away for good is no item for another system.
GONE = (State.RETIRED, State.COMPROMISED)


class NothingToExport(errors.Refusal):
    """There is no item that could be written."""

    code = "nothing-to-export"


@dataclass(frozen=True)
class Written:
    """An export with its digest, by which the file can be told from others."""

    export: Export
    sha256: str


def bank_drafts(session: Session, bank: Bank, area: str = "") -> tuple[list[Draft], list[Left]]:
    """The newest version of every item, in order of codes, and what stays here: versions in other languages, items that are gone."""
    chosen = (
        select(ItemVersion)
        .join(ItemVersion.item)
        .options(contains_eager(ItemVersion.item))
        .where(Item.bank_id == bank.id, ItemVersion.newest)
        .order_by(Item.code)
    )
    if area:
        chosen = chosen.where(Item.area == area)
    passages: dict[int, StimulusDraft] = {}
    drafts, left = [], []
    for version in session.scalars(chosen).unique():
        if version.state in GONE:
            left.append(Left(version.item.code, tell(f"is-{version.state}"), whole=True))
        else:
            drafts.append(seam.draft_of(session, version, passages))
    codes = {draft.identifier for draft in drafts}
    variants = (
        select(Item.code, ItemVersion.language)
        .join(ItemVersion.item)
        .where(Item.bank_id == bank.id, ItemVersion.variant_of_id.is_not(None))
        .distinct()
        .order_by(Item.code, ItemVersion.language)
    )
    left += [Left(code, tell("variant-stays", language=language)) for code, language in session.execute(variants) if code in codes]
    return drafts, left


def outline_of(session: Session, form: Form) -> Outline:
    """The form's items in order, in its sections with their times."""
    passages: dict[int, StimulusDraft] = {}
    drafts = {slot.slot: seam.draft_of(session, slot.version, passages) for slot in form_queries.slots_of(session, form)}
    plan = form_queries.plan_of(session, form.id)
    if plan is not None and plan.shuffle_options:
        drafts = {slot: replace(draft, shuffle=True) for slot, draft in drafts.items()}
    parts = plan.sections if plan is not None else []
    sections = tuple(
        Section(
            str(part["title"]),
            tuple(draft for slot, draft in drafts.items() if part["first"] <= slot <= part["last"]),
            timedelta(minutes=part["minutes"]) if part.get("minutes") else None,
        )
        for part in parts
    )
    title = f"{form.name} {form.number}"
    return Outline(title, title, sections or (Section("", tuple(drafts.values())),), form.time_limit)


def of_bank(session: Session, bank: Bank, format: str, area: str = "", with_key: bool = True, look: bool = False) -> Written:
    """With `look` what would be left behind, and no PDF. Raises NothingToExport where the bank, or its area, has no item; NoPrinter without the means for a PDF."""
    drafts, left = bank_drafts(session, bank, area)
    if not drafts:
        raise NothingToExport(bank=bank.name, area=area)
    return _digested(write(drafts, format, title=bank.name, with_key=with_key, look=look), left)


def of_form(session: Session, form: Form, format: str, with_key: bool = True, look: bool = False) -> Written:
    outline = outline_of(session, form)
    return _digested(write((), format, outline, outline.title, with_key, look), [])


def _digested(export: Export, left: Sequence[Left]) -> Written:
    export = replace(export, left=(*left, *export.left))
    return Written(export, hashlib.sha256(export.data).hexdigest())


def handed_out(
    session: Session, object: str, format: str, written: Written, now: datetime, actor_id: int | None = None, with_key: bool = True
) -> None:
    """Test content leaves the house: who took what, how many, and which file."""
    facts = {"format": format, "items": written.export.written, "sha256": written.sha256, "with_key": with_key or format not in PAPER}
    audit.record(session, "items.exported", object, now, actor_id, **facts)
