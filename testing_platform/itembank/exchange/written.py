"""What lies between the bank and a file for others: what was written, and what the format could not take."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from testing_platform.errors import Said
from testing_platform.itembank.exchange import fragments
from testing_platform.itembank.exchange.drafts import Asset, Draft, Unfit
from testing_platform.itembank.exchange.safety import CONTROLS
from testing_platform.itembank.exchange.sentences import tell

Written = TypeVar("Written")
# Where an item was found, which says nothing about it.
PLACES = frozenset({"resource"})


@dataclass(frozen=True)
class Left:
    """Something of one item that the format has no place for. `whole`: the item itself is not in the file."""

    identifier: str
    what: Said
    whole: bool = False


@dataclass(frozen=True)
class Export:
    """A file, and what is not in it."""

    data: bytes
    suffix: str
    media_type: str
    written: int
    left: tuple[Left, ...]


@dataclass(frozen=True)
class Section:
    """A timed part of a form, as the file will say it."""

    title: str
    drafts: tuple[Draft, ...]
    time_limit: timedelta | None = None


@dataclass(frozen=True)
class Outline:
    """A form: its items in order, in sections."""

    identifier: str
    title: str
    sections: tuple[Section, ...]
    time_limit: timedelta | None = None

    @property
    def drafts(self) -> list[Draft]:
        return [draft for section in self.sections for draft in section.drafts]


@dataclass(frozen=True)
class Holds:
    """What a format has a place for; the rest is said of each item that has it. `metadata` names what is said about an item, None is all."""

    metadata: frozenset[str] | None = frozenset()
    identifier: bool = True
    title: bool = True
    rationale: bool = True
    option_rationales: bool = True
    fixed: bool = False
    shuffle: bool = True
    limit: bool = False
    language: bool = False
    passage: bool = False
    pictures: bool = True
    markup: bool = True
    catalog: bool = False


def texts(draft: Draft) -> list[str]:
    """All HTML of an item but its passage's."""
    return [draft.stem, *(choice.html for choice in draft.choices)]


def missed(draft: Draft, holds: Holds) -> Iterator[Said]:
    """What of this item a format of that kind leaves behind, in sentences for the person who exports."""
    html = [*texts(draft), draft.stimulus.html if draft.stimulus else ""]
    if draft.identifier and not holds.identifier:
        yield tell("code-left")
    if draft.title and not holds.title:
        yield tell("title-left")
    if draft.rationale and not holds.rationale:
        yield tell("rationale-left")
    if any(choice.rationale for choice in draft.choices) and not holds.option_rationales:
        yield tell("option-rationales-left")
    if any(choice.fixed for choice in draft.choices) and not holds.fixed:
        yield tell("fixed-left")
    if draft.shuffle and not holds.shuffle:
        yield tell("shuffle-left")
    if draft.kind == "multiple" and draft.max_choices and not holds.limit:
        yield tell("limit-left", most=draft.max_choices)
    if draft.language and not holds.language:
        yield tell("language-left", language=draft.language)
    if draft.stimulus and not holds.passage:
        yield tell("passage-copied")
    if any("<img" in said for said in html) and not holds.pictures:
        yield tell("pictures-left")
    if not holds.markup and any(fragments.tags(said) - {"p", "br", "div", "img"} for said in html):
        yield tell("markup-left")
    if draft.catalog and not holds.catalog:
        yield tell("catalog-left")
    known = PLACES | ({"code"} if draft.metadata.get("code") == draft.identifier else set())
    told = [name for name, value in draft.metadata.items() if value and holds.metadata is not None and name not in holds.metadata | known]
    if names := sorted(told):
        yield tell("metadata-left", names=", ".join(names))
    if any(CONTROLS.search(said) for said in [*html, draft.title, draft.rationale, *(choice.rationale for choice in draft.choices)]):
        yield tell("control-characters")


def whole_stem(draft: Draft) -> str:
    """The text with its passage in front, for formats in which each question stands alone."""
    if draft.stimulus is None:
        return draft.stem
    title = f"<p><strong>{fragments.text(draft.stimulus.title)}</strong></p>" if draft.stimulus.title else ""
    return f"{title}<div>{draft.stimulus.html}</div><div>{draft.stem}</div>"


def whole_assets(draft: Draft) -> list[Asset]:
    """The pictures of an item and its passage, each once."""
    found = {asset.name: asset for asset in (*draft.assets, *(draft.stimulus.assets if draft.stimulus else ()))}
    return [found[name] for name in sorted(found)]


def with_pictures(html: str, assets: Iterable[Asset], address: Callable[[Asset], str]) -> str:
    """The same HTML with each picture at the address that it has in the file."""
    for asset in assets:
        html = html.replace(f'src="{asset.name}"', f'src="{address(asset)}"')
    return html


def each(
    drafts: Iterable[Draft], holds: Holds, write: Callable[[Draft], tuple[Written, list[Said]]]
) -> tuple[list[Written], tuple[Left, ...]]:
    """Every item by itself: what was written of it, and what was left. `write` gives sentences of its own beside it, or raises Unfit."""
    made, left = [], []
    for draft in drafts:
        try:
            written, notes = write(draft)
        except Unfit as unfit:
            left.append(Left(draft.identifier, unfit.reason, whole=True))
            continue
        made.append(written)
        left += [Left(draft.identifier, what) for what in dict.fromkeys([*missed(draft, holds), *notes])]
    return made, tuple(left)


@dataclass
class Names:
    """Names for files and identifiers: plain letters, each given once, whatever case a file system looks at."""

    taken: set[str]

    def give(self, wanted: str, fallback: str) -> str:
        plain = unicodedata.normalize("NFKD", wanted).encode("ascii", "ignore").decode()
        plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", plain)[:60].strip("-.") or fallback
        if not plain[0].isalpha():
            plain = f"{fallback}-{plain}"
        name, count = plain, 1
        while name.lower() in self.taken:
            count += 1
            name = f"{plain}-{count}"
        self.taken.add(name.lower())
        return name
