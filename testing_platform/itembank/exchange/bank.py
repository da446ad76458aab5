"""The seam between the bank and files: a version as a draft, and a draft as what the bank holds."""

import re
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, undefer

from testing_platform.itembank import rules, service
from testing_platform.itembank.exchange.drafts import Asset, Choice, Draft, Mapping, StimulusDraft
from testing_platform.itembank.exchange.safety import ATTRIBUTE, PICTURE, escapes
from testing_platform.itembank.models import Item, ItemVersion, Picture, Stimulus

FORMAT = "bank"
# What the bank calls options: a, b, … z, aa, ab, …
OWN_KEY = re.compile(r"[a-z]{1,2}")


def letter(at: int) -> str:
    return chr(97 + at) if at < 26 else chr(96 + at // 26) + chr(97 + at % 26)


def keys_of(draft: Draft) -> dict[str, str]:
    """What each option is called here: as in the file when that is our way, else by its place, so that the same item is the same from any file."""
    names = [choice.identifier for choice in draft.choices]
    return {name: name if all(map(OWN_KEY.fullmatch, names)) else letter(at) for at, name in enumerate(names)}


def content_of(draft: Draft, stimulus: str | None) -> rules.Content:
    """All that the bank holds of the draft; `stimulus` is its passage's digest. A weight that counts nothing is left behind."""
    keys, mapping = keys_of(draft), draft.mapping
    return rules.Content(
        stem=draft.stem,
        options=tuple(
            rules.Option(
                keys[choice.identifier],
                choice.html,
                choice.fixed,
                mapping.entries.get(choice.identifier, mapping.default) if mapping else None,
                choice.rationale,
            )
            for choice in draft.choices
        ),
        correct=tuple(keys[name] for name in draft.correct),
        kind=rules.Kind(draft.kind),
        title=draft.title,
        rationale=draft.rationale,
        lower=mapping.lower if mapping else None,
        upper=mapping.upper if mapping else None,
        shuffle=draft.shuffle,
        max_choices=draft.max_choices,
        language=draft.language or "en",
        stimulus=stimulus,
        catalog=draft.catalog,
    )


def stimulus_digest(draft: StimulusDraft) -> str:
    return service.stimulus_digest(draft.title, draft.html, draft.language or "en")


def assets_in(session: Session, *texts: str) -> tuple[Asset, ...]:
    """The pictures of these texts, each once, with what its first use says in its place."""
    said: dict[str, str] = {}
    for html in texts:
        for found in PICTURE.findall(html):
            told = dict(ATTRIBUTE.findall(found))
            if not said.get(told.get("src", "")):
                said[told.get("src", "")] = escapes.unescape(told.get("alt", ""))
    if not said:
        return ()
    rows = session.scalars(select(Picture).where(Picture.name.in_(said)).options(undefer(Picture.data)))
    pictures = {row.name: row for row in rows}
    return tuple(Asset(name, pictures[name].media_type, pictures[name].data, alt) for name, alt in said.items() if name in pictures)


def passage_of(session: Session, stimulus: Stimulus) -> StimulusDraft:
    return StimulusDraft(stimulus.code, stimulus.title, stimulus.html, stimulus.language, assets_in(session, stimulus.html))


def about_of(item: Item, version: ItemVersion) -> dict[str, Any]:
    """What is said about the item beside its text, as far as anything is."""
    found: dict[str, Any] = {
        "code": item.code,
        "area": item.area,
        "level": item.level,
        "difficulty": version.difficulty,
        "statements": [one.code for one in item.statements],
        "tags": [tag.tag for tag in item.tags],
        "author": item.source,
        "security": item.security if item.security != rules.Security.SECURE else "",
        "calculator": "yes" if item.calculator else "",
        "expires_on": item.expires_on.isoformat() if item.expires_on else "",
    }
    return {name: value for name, value in found.items() if value}


def draft_of(session: Session, version: ItemVersion, passages: dict[int, StimulusDraft] | None = None) -> Draft:
    """The version as files are written from it. `passages` lets the items of one export share theirs."""
    content = service.content_of(version)
    passage = None
    if version.stimulus is not None:
        known = passages if passages is not None else {}
        passage = known.setdefault(version.stimulus.id, known.get(version.stimulus.id) or passage_of(session, version.stimulus))
    mapping = None
    if content.weighted:
        entries = {option.key: option.weight or rules.Decimal(0) for option in content.options}
        mapping = Mapping(entries, content.lower, content.upper)
    return Draft(
        source=version.item.code,
        identifier=version.item.code,
        format=FORMAT,
        kind=content.kind.value,
        title=content.title,
        stem=content.stem,
        choices=tuple(Choice(option.key, option.html, option.fixed, None, option.rationale) for option in content.options),
        correct=content.correct,
        mapping=mapping,
        shuffle=content.shuffle,
        max_choices=content.max_choices,
        language=content.language,
        stimulus=passage,
        assets=assets_in(session, content.stem, *(option.html for option in content.options)),
        catalog=content.catalog,
        metadata=about_of(version.item, version),
        rationale=content.rationale,
    )
