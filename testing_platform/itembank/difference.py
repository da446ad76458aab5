"""What changed from one version to the next, word by word."""

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

from testing_platform.itembank.rules import Content, text_of

PIECE = re.compile(r"\w+|\s+|[^\w\s]")


@dataclass(frozen=True)
class Change:
    """One part of the item (`what` is "stem", "option", "key", …, `option` its key where it is one), as pieces that stayed, went or came."""

    what: str
    option: str
    pieces: list[tuple[Literal["same", "gone", "new"], str]]


def words(before: str, after: str) -> list[tuple[Literal["same", "gone", "new"], str]]:
    old, new = PIECE.findall(before), PIECE.findall(after)
    found: list[tuple[Literal["same", "gone", "new"], str]] = []
    for kind, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            found.append(("same", "".join(old[a:b])))
            continue
        if b > a:
            found.append(("gone", "".join(old[a:b])))
        if d > c:
            found.append(("new", "".join(new[c:d])))
    return found


def between(before: Content, after: Content) -> list[Change]:
    """Only the parts that changed, in the order in which they are read."""
    parts = [("title", before.title, after.title), ("stem", _said(before.stem), _said(after.stem))]
    found = [Change(what, "", words(old, new)) for what, old, new in parts if old != new]
    olds, news = ({option.key: option for option in content.options} for content in (before, after))
    for key in [*news, *(key for key in olds if key not in news)]:
        old, new = (_said(options[key].html) if key in options else "" for options in (olds, news))
        if old != new:
            found.append(Change("option", key, words(old, new)))
        old, new = (options[key].rationale if key in options else "" for options in (olds, news))
        if old != new:
            found.append(Change("option-why", key, words(old, new)))
    rest = [
        ("key", ", ".join(sorted(before.correct)), ", ".join(sorted(after.correct))),
        ("kind", str(before.kind), str(after.kind)),
        ("rationale", before.rationale, after.rationale),
        ("scoring", _scoring(before), _scoring(after)),
        ("order", _order(before), _order(after)),
        ("passage", (before.stimulus or "")[:12], (after.stimulus or "")[:12]),
    ]
    return found + [Change(what, "", words(old, new)) for what, old, new in rest if old != new]


def _said(html: str) -> str:
    """The words; where only marks changed, the marks are what is compared."""
    return text_of(html) if not re.search(r"<(?!/?p>|br>)", html) else html


def _scoring(content: Content) -> str:
    weights = [f"{option.key} {option.weight}" for option in content.options if option.weight is not None]
    bounds = [f"{name} {value}" for name, value in (content.bounds() or {}).items()]
    return ", ".join([*weights, *bounds, *([f"most {content.max_choices}"] if content.max_choices != 1 else [])])


def _order(content: Content) -> str:
    fixed = [option.key for option in content.options if option.fixed]
    return " ".join(["shuffled" if content.shuffle else "as written", *fixed])
