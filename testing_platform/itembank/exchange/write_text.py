"""GIFT, which holds HTML and weights, and Aiken, which holds one right answer in plain text."""

import base64
import re
from collections.abc import Iterable

from testing_platform.errors import Said
from testing_platform.itembank.exchange import aiken, fragments, gift
from testing_platform.itembank.exchange.drafts import Draft, Unfit
from testing_platform.itembank.exchange.moodle import WHOLE
from testing_platform.itembank.exchange.safety import LIMITS, says_something
from testing_platform.itembank.exchange.sentences import tell
from testing_platform.itembank.exchange.write_moodle import FIVE, by_category, category_of, fractions, is_true_false
from testing_platform.itembank.exchange.written import Export, Holds, each, whole_assets, whole_stem, with_pictures

GIFT_HOLDS = Holds(metadata=frozenset({"area", "category", "tags"}))
AIKEN_HOLDS = Holds(
    identifier=False, title=False, rationale=False, option_rationales=False, shuffle=False, pictures=False, markup=False,
)  # fmt: skip
TEXT = "text/plain; charset=utf-8"
# Signs that mean something to GIFT; a line end is written as \n, since a blank line ends a question.
SIGNS = re.compile(r"[\\~=#{}:]")
PICTURE = re.compile(r'<img(?: [a-z-]+="[^"]*")*>')
ALTERNATIVE = re.compile(r' alt="([^"]*)"')
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


# GIFT --------------------------------------------------------------------------------------------------------------------------


def escaped(html: str) -> str:
    return SIGNS.sub(lambda found: f"\\{found[0]}", fragments.legal(html)).replace("\n", "\\n")


def inside(draft: Draft, html: str, notes: list[Said], most: int = LIMITS.fragment) -> str:
    """With its pictures written into their addresses, or their descriptions where that would be too long to be read back."""
    assets = whole_assets(draft)
    made = with_pictures(html, assets, lambda asset: f"data:{asset.media_type};base64,{base64.b64encode(asset.data).decode()}")
    if len(made) <= most or "<img" not in html:
        return made
    notes.append(tell("large-pictures-left", most=most))
    return PICTURE.sub(described, html)


def described(picture: re.Match[str]) -> str:
    said = ALTERNATIVE.search(picture[0])
    return f"[{said[1]}]" if said and said[1].strip() else ""


def option(html: str) -> str:
    """An option of one paragraph needs no mark."""
    whole = html.startswith("<p>") and html.endswith("</p>") and html.count("<p>") == 1
    return marked(html[3:-4].strip() if whole else html)


def marked(html: str) -> str:
    """What begins like a weight or a format says first that it is HTML."""
    return escaped(f"[html]{html}") if html.startswith(("%", "[")) else escaped(html)


def gift_question(draft: Draft) -> tuple[str, list[Said]]:
    notes: list[Said] = []
    comments = "".join(f" [{name}:{value}]" for name, value in comments_of(draft, notes))
    title = f"::{escaped(' '.join(draft.title.split()))}::" if draft.title.strip() else ""
    stem = escaped(inside(draft, whole_stem(draft), notes))
    general = f"\n####{marked(fragments.text(draft.rationale))}" if draft.rationale else ""
    answers = true_or_false(draft) or gift_answers(draft, notes)
    return (f"//{comments}\n" if comments else "") + f"{title}[html]{stem}{{{answers}{general}\n}}\n", notes


def comments_of(draft: Draft, notes: list[Said]) -> Iterable[tuple[str, str]]:
    for name, value, what in [
        ("id", draft.identifier, tell("code-not-gift")),
        *(("tag", str(tag), tell("tag-not-gift", tag=tag)) for tag in draft.metadata.get("tags") or ()),
    ]:
        if re.fullmatch(r"[^\]\n]{1,200}", value):
            yield name, fragments.legal(value)
        elif value:
            notes.append(what)


def true_or_false(draft: Draft) -> str:
    """The two words in their usual order and nothing said of either: GIFT has a form of its own for that."""
    order = [gift.words(choice.html).casefold() for choice in draft.choices]
    if not is_true_false(draft) or order != ["true", "false"] or any(choice.rationale for choice in draft.choices) or draft.shuffle:
        return ""
    return "TRUE" if draft.correct[0] == draft.choices[0].identifier else "FALSE"


def gift_answers(draft: Draft, notes: list[Said]) -> str:
    multiple = draft.kind == "multiple"
    worth, lost = fractions(draft)
    notes += lost
    if draft.kind == "truefalse":
        notes.append(tell("true-false-gift"))
    if multiple and draft.mapping is None:
        notes.append(tell("shares-for-whole-key"))
        share = (WHOLE / len(draft.correct)).quantize(FIVE)
        worth = {name: share if name in draft.correct else -WHOLE for name in worth}
    if not draft.shuffle:
        notes.append(tell("order-left"))
    if not multiple and all(value == WHOLE for value in worth.values()):
        raise Unfit(tell("all-right"))
    lines = []
    for choice in draft.choices:
        value = worth[choice.identifier]
        mark = "=" if value == WHOLE and not multiple else f"~%{value.normalize():f}%" if value else "~"
        if mark.startswith("~%") and not gift.WEIGHT.match(mark[1:]):
            raise Unfit(tell("share-not-gift", value=f"{value.normalize():f}"))
        told = f"#{marked(fragments.text(choice.rationale))}" if choice.rationale else ""
        lines.append(f"\n\t{mark}{option(inside(draft, choice.html, notes))}{told}")
    return "".join(lines)


def write_gift(drafts: Iterable[Draft]) -> Export:
    category = ""

    def one(draft: Draft) -> tuple[str, list[Said]]:
        nonlocal category
        made, notes = gift_question(draft)
        if category_of(draft) != category:
            category = category_of(draft)
            made = f"$CATEGORY: {escaped(' '.join(category.split()))}\n\n{made}"
        return made, notes

    parts, left = each(by_category(drafts), GIFT_HOLDS, one)
    return Export("\n".join(parts).encode(), ".gift", TEXT, len(parts), left)


# Aiken -------------------------------------------------------------------------------------------------------------------------


def aiken_question(draft: Draft) -> tuple[str, list[Said]]:
    if draft.kind == "multiple":
        raise Unfit(tell("several-to-take-aiken"))
    if len(draft.correct) > 1:
        raise Unfit(tell("several-right-aiken"))
    if len(draft.choices) > len(LETTERS):
        raise Unfit(tell("too-many-for-letters", most=len(LETTERS)))
    paragraphs = fragments.lines(whole_stem(draft))
    notes = [tell("paragraphs-joined")] if len(paragraphs) > 1 else []
    if draft.mapping is not None:
        notes.append(tell("weights-left"))
    stem, *options = (" ".join(lines) for lines in (paragraphs, *(fragments.lines(choice.html) for choice in draft.choices)))
    if not says_something(fragments.text(stem)) or not all(says_something(fragments.text(said)) for said in options):
        raise Unfit(tell("no-words-aiken"))
    if len(set(options)) < len(options):
        raise Unfit(tell("same-in-plain-text"))
    if aiken.ANSWER.match(stem):
        raise Unfit(tell("begins-like-answer"))
    rows = [f"{letter}. {said}" for letter, said in zip(LETTERS, options, strict=False)]
    key = LETTERS[[choice.identifier for choice in draft.choices].index(draft.correct[0])]
    return "\n".join([stem, *rows, f"ANSWER: {key}"]) + "\n", notes


def write_aiken(drafts: Iterable[Draft]) -> Export:
    parts, left = each(drafts, AIKEN_HOLDS, aiken_question)
    return Export("\n".join(parts).encode(), ".txt", TEXT, len(parts), left)
