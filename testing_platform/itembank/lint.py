"""What a careful editor would say about an item, as it is typed. Advice, none of which stops anything; sources are the usual guides to item writing."""

import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from testing_platform.itembank.rules import PICTURE, SAYS, Content, Policy, text_of

EMPHASIS = re.compile(r"<(strong|em|b|i|u)\b[^>]*>.*?</\1>", re.DOTALL)
NEGATIVE = re.compile(r"\b(?:not|except|least|cannot)\b|n[’']t\b")
QUOTED = re.compile(r"“[^”]*”|\"[^\"]*\"")
# The question itself: the sentence that ends the stem, or any that asks.
ASKS = re.compile(r"[^.?!:]*(?:\?|:\s*$|\.\.\.\s*$|…\s*$|[a-z,]\s*$)")
OF_THE_ABOVE = re.compile(r"\b(all|none|both|neither|any|two|a and b)\b.{0,12}\b(above|these|options|answers)\b", re.IGNORECASE)
ARTICLE = re.compile(r"\b(an?)\s*[:_…]*\s*$", re.IGNORECASE)


@dataclass(frozen=True)
class Advice:
    """`code` names what was noticed; `facts` say where and how much."""

    code: str
    facts: dict[str, Any] = field(default_factory=dict)


def advice(content: Content, passage: str, grade: Decimal | None, policy: Policy) -> list[Advice]:
    """In the order in which an editor would go through the item."""
    found = []
    stem = QUOTED.sub(lambda quoted: f" … {quoted[0][-2]}", text_of(EMPHASIS.sub(" ", content.stem)))
    if any(NEGATIVE.search(asked) for asked in ASKS.findall(stem)):
        found.append(Advice("unmarked-negative"))
    texts = {option.key: text_of(option.html) for option in content.options}
    for key, text in texts.items():
        if OF_THE_ABOVE.search(text) and len(text.split()) <= 8:
            found.append(Advice("of-the-above", {"option": key}))
    seen: dict[str, str] = {}
    for key, text in texts.items():
        if text and text in seen:
            found.append(Advice("same-option", {"option": key, "other": seen[text]}))
        seen.setdefault(text, key)
    found += _length_cue(content, texts, policy)
    found += _article_cue(content, texts)
    for place, html in [("", content.stem), ("passage", passage), *((option.key, option.html) for option in content.options)]:
        if any(not SAYS.search(picture) for picture in PICTURE.findall(html)):
            found.append(Advice("no-alternative-text", {"place": place}))
    if grade is not None and grade > policy.reading_grade:
        found.append(Advice("reading-grade", {"grade": grade, "limit": policy.reading_grade}))
    return found


def _length_cue(content: Content, texts: dict[str, str], policy: Policy) -> list[Advice]:
    """One keyed option that stands out from all others by its length; of short options a word more is no cue."""
    others = [len(text) for key, text in texts.items() if key not in content.correct]
    if len(content.correct) != 1 or content.correct[0] not in texts or len(others) < 2:
        return []
    own = len(texts[content.correct[0]])
    if max(own, *others) < policy.length_cue_from:
        return []
    if own > policy.length_cue * max(others) or own * policy.length_cue < min(others):
        return [Advice("length-cue", {"option": content.correct[0]})]
    return []


def _article_cue(content: Content, texts: dict[str, str]) -> list[Advice]:
    """A stem that ends in "a" or "an" before options that do not all go with it."""
    article = ARTICLE.search(text_of(content.stem).rstrip(" .:_…"))
    if article is None:
        return []
    vowel = article[1].casefold() == "an"
    odd = [key for key, text in texts.items() if text and (text[0].casefold() in "aeiou") != vowel]
    return [Advice("article-cue", {"options": odd})] if odd else []
