"""Items from other systems come into a bank: first what would happen to each, then all of it or nothing."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from testing_platform.accounts.models import Person
from testing_platform.audit import service as audit
from testing_platform.errors import Said
from testing_platform.itembank import rules, service
from testing_platform.itembank.exchange import bank as seam
from testing_platform.itembank.exchange.drafts import Asset, Draft, Skip, StimulusDraft
from testing_platform.itembank.exchange.drafts import outcome as row_of
from testing_platform.itembank.exchange.sentences import tell
from testing_platform.itembank.models import Bank, Item, ItemVersion, JobStatement, Picture, Stimulus


class Fate(StrEnum):
    NEW = "new"
    # The bank has an item that says just this.
    HERE = "here"
    # The bank has this item, and it says something else there.
    CHANGED = "changed"
    SKIPPED = "skipped"


@dataclass
class Found:
    """What happens to one item of the source: `code` is what it is called in the bank."""

    item: Draft | Skip
    fate: Fate
    code: str | None = None
    reason: Said | None = None
    notes: list[Said] = field(default_factory=list)

    def row(self) -> dict[str, Any]:
        """The row of the dry run, with what this bank does with the item."""
        row = row_of(self.item)
        if self.fate is Fate.SKIPPED:
            row |= {"outcome": "skipped", "reason": self.reason or row["reason"]}
        return row | {"fate": str(self.fate), "code": self.code, "notes": self.notes}


def report(found: list[Found]) -> dict[str, Any]:
    counts = {str(fate): sum(one.fate is fate for one in found) for fate in Fate}
    imported = counts["new"] + counts["changed"]
    return {
        "found": len(found),
        "imported": imported,
        "skipped": len(found) - imported,
        "counts": counts,
        "items": [one.row() for one in found],
    }


def fresh(one: Draft | Skip) -> Found:
    """What happens to it in a bank that is not there yet."""
    return Found(one, Fate.SKIPPED, reason=one.reason) if isinstance(one, Skip) else Found(one, Fate.NEW, notes=list(one.notes))


FIT_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
DIFFICULTIES = ("easy", "medium", "hard")
NO_ALTERNATIVE = tell("no-alternative")


def take_in(
    session: Session,
    bank: Bank,
    drafts: Iterable[Draft | Skip],
    now: datetime,
    person: Person | None = None,
    *,
    dry_run: bool = False,
    area: str = "",
) -> list[Found]:
    """Each item as a draft of its author, or why not. `area` is for those whose file names none of the bank's.

    What the bank already says is not added again, so a package taken in twice adds nothing; an item of the same code, or from the same place of the
    same file, that says something else becomes a new version. With `dry_run` nothing is written. The caller owns the one transaction.
    """
    work = _Intake(session, bank, now, person, dry_run, area)
    with session.no_autoflush:
        found = [work.take(one) for one in drafts]
    if not dry_run:
        work.finish()
        counts = {str(fate): sum(one.fate is fate for one in found) for fate in Fate}
        audit.record(session, "items.taken-in", f"bank:{bank.id}", now, person.id if person else None, **counts)
    return found


class _Intake:
    def __init__(self, session: Session, bank: Bank, now: datetime, person: Person | None, dry_run: bool, area: str) -> None:
        self.session, self.bank, self.now, self.person, self.dry_run, self.area = session, bank, now, person, dry_run, area
        self.items: dict[str, Item | None] = {item.code: item for item in session.scalars(select(Item).where(Item.bank_id == bank.id))}
        self.digests: dict[str, str] = {}
        self.places: dict[tuple[str, str, int], str] = {}
        self.states: dict[str, str] = {}
        versions = select(Item.code, ItemVersion.digest, ItemVersion.origin, ItemVersion.state).join(Item, Item.id == ItemVersion.item_id)
        for code, digest, origin, state in session.execute(versions.where(Item.bank_id == bank.id, ItemVersion.newest)):
            self.digests[digest] = code
            self.states[code] = state
            if origin:
                self.places[_place(origin)] = code
        self.stimuli: dict[str, Stimulus | None] = {
            one.digest: one for one in session.scalars(select(Stimulus).where(Stimulus.bank_id == bank.id))
        }
        self.passages = {one.code for one in self.stimuli.values() if one is not None}
        self.pictures = set(session.scalars(select(Picture.name)))
        self.statements = {one.code: one for one in session.scalars(select(JobStatement).where(JobStatement.bank_id == bank.id))}
        self.areas = {str(one[name]).casefold(): str(one["code"]) for one in bank.areas for name in ("title", "code")}
        self.numbers: dict[str, int] = {}
        self.made: list[ItemVersion] = []

    def take(self, one: Draft | Skip) -> Found:
        if isinstance(one, Skip):
            return Found(one, Fate.SKIPPED, reason=one.reason)
        content = seam.content_of(one, seam.stimulus_digest(one.stimulus) if one.stimulus else None)
        digest = content.digest()
        notes = list(one.notes)
        if (code := self.digests.get(digest)) is not None:
            return Found(one, Fate.HERE, code, notes=notes)
        texts = [content.stem, *(option.html for option in content.options)]
        if "alternative-text" in rules.lacking(texts[0], texts[1:], one.stimulus.html if one.stimulus else None):
            notes.append(NO_ALTERNATIVE)
        known = self._known(one)
        if known is not None and self.states.get(known) == rules.State.IN_REVIEW:
            return Found(one, Fate.SKIPPED, known, tell("in-review-here"), notes)
        about, unknown = self._about(one)
        if unknown:
            notes.append(tell("unknown-statements", names=", ".join(unknown)))
        code = known or self._free_code(one, about.area)
        if not self.dry_run:
            self._write(one, code, content, about)
        self.items.setdefault(code, None)
        self.digests[digest] = code
        self.places[_place(_origin(one))] = code
        return Found(one, Fate.CHANGED if known else Fate.NEW, code, notes=notes)

    def _known(self, one: Draft) -> str | None:
        said = one.metadata.get("code")
        if isinstance(said, str) and said in self.items:
            return said
        return self.places.get(_place(_origin(one)))

    def _free_code(self, one: Draft, area: str) -> str:
        for wanted in (one.metadata.get("code"), one.identifier):
            if isinstance(wanted, str) and FIT_CODE.fullmatch(wanted) and not wanted.isdigit() and wanted not in self.items:
                return wanted
        stem = area if area and FIT_CODE.fullmatch(area) else "ITEM"
        number = self.numbers.get(stem, 0) + 1
        while f"{stem}-{number:04}" in self.items:
            number += 1
        self.numbers[stem] = number
        return f"{stem}-{number:04}"

    def _about(self, one: Draft) -> tuple[service.About, list[str]]:
        """What the file says about the item, as far as the bank has a place for it, and the statements that it does not have."""
        said = one.metadata
        named = str(said.get("area") or "").strip()
        area = self.areas.get(named.casefold()) or (named if named and not self.areas and FIT_CODE.fullmatch(named) else "") or self.area
        asked = _texts(said.get("statements"))
        level = str(said.get("level") or "").casefold()
        security = str(said.get("security") or "").casefold()
        about = service.About(
            area=area,
            level=rules.Level(level) if level in set(rules.Level) else None,
            statements=tuple(code for code in asked if code in self.statements),
            tags=tuple(tag[:60] for tag in _texts(said.get("tags"))),
            source=str(said.get("author") or one.source)[:300],
            security=rules.Security(security) if security in set(rules.Security) else rules.Security.SECURE,
            calculator=str(said.get("calculator") or "").casefold() in ("yes", "true", "1"),
            expires_on=_day(said.get("expires_on")),
        )
        return about, [code for code in asked if code not in self.statements]

    def _write(self, one: Draft, code: str, content: rules.Content, about: service.About) -> None:
        self._keep_pictures((*one.assets, *(one.stimulus.assets if one.stimulus else ())))
        stimulus = self._keep_passage(one.stimulus) if one.stimulus else None
        difficulty = str(one.metadata.get("difficulty") or "").casefold()
        difficulty = difficulty if difficulty in DIFFICULTIES else ""
        item = self.items.get(code)
        if item is not None:
            if item.id is None:
                self.finish()
            service.describe(self.session, item, about)
            service.write(self.session, item, content, stimulus, difficulty, self.now, self.person, origin=_origin(one))
            return
        # The many that are new go into the database together.
        item = self.items[code] = Item(bank_id=self.bank.id, code=code, area=about.area, tags=[], statements=[])
        service.say(item, about, self.statements)
        self.made.append(service.made(item, content, stimulus, difficulty, self.now, self.person, origin=_origin(one)))

    def finish(self) -> None:
        self.session.add_all(self.made)
        self.session.flush()
        service.written(self.session, self.made, self.now)
        self.made = []

    def _keep_pictures(self, assets: Iterable[Asset]) -> None:
        for asset in assets:
            if asset.name not in self.pictures:
                self.pictures.add(asset.name)
                self.session.add(Picture(name=asset.name, media_type=asset.media_type, data=asset.data))

    def _keep_passage(self, draft: StimulusDraft) -> Stimulus:
        digest = seam.stimulus_digest(draft)
        found = self.stimuli.get(digest)
        if found is None:
            code = re.sub(r"[^A-Za-z0-9._-]+", "-", draft.identifier.rsplit("/", 1)[-1].rsplit(".", 1)[0]).strip("-")[:40] or "passage"
            number = 1
            while (tried := code if number == 1 else f"{code}-{number}") in self.passages and draft.identifier != tried:
                number += 1
            found = service.keep_stimulus(self.session, self.bank, tried, draft.title, draft.html, draft.language or "en")
            self.passages.add(tried)
            self.stimuli[digest] = found
        return found


def _origin(one: Draft) -> dict[str, Any]:
    return {
        "source": one.source,
        "identifier": one.identifier,
        "format": one.format,
        "position": one.position,
        "metadata": one.metadata,
        "notes": list(one.notes),
    }


def _place(origin: dict[str, Any]) -> tuple[str, str, int]:
    return origin["source"], origin["identifier"], origin["position"]


def _texts(said: Any) -> list[str]:
    return [str(one).strip() for one in said if str(one).strip()] if isinstance(said, list | tuple) else []


def _day(said: Any) -> date | None:
    try:
        return date.fromisoformat(str(said))
    except ValueError:
        return None
