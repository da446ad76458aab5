"""GIFT, which holds HTML and weights, and Aiken, which holds one right answer in plain text."""

import base64
import re
from collections.abc import Iterable

from testing_platform.itembank.exchange import aiken, fragments, gift
from testing_platform.itembank.exchange.drafts import Draft, Unfit
from testing_platform.itembank.exchange.moodle import WHOLE
from testing_platform.itembank.exchange.safety import LIMITS, says_something
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


def inside(draft: Draft, html: str, notes: list[str], most: int = LIMITS.fragment) -> str:
    """With its pictures written into their addresses, or their descriptions where that would be too long to be read back."""
    assets = whole_assets(draft)
    made = with_pictures(html, assets, lambda asset: f"data:{asset.media_type};base64,{base64.b64encode(asset.data).decode()}")
    if len(made) <= most or "<img" not in html:
        return made
    notes.append(f"pictures that make a text longer than {most} letters are left behind; their descriptions stand in their place")
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


def gift_question(draft: Draft) -> tuple[str, list[str]]:
    notes: list[str] = []
    comments = "".join(f" [{name}:{value}]" for name, value in comments_of(draft, notes))
    title = f"::{escaped(' '.join(draft.title.split()))}::" if draft.title.strip() else ""
    stem = escaped(inside(draft, whole_stem(draft), notes))
    general = f"\n####{marked(fragments.text(draft.rationale))}" if draft.rationale else ""
    answers = true_or_false(draft) or gift_answers(draft, notes)
    return (f"//{comments}\n" if comments else "") + f"{title}[html]{stem}{{{answers}{general}\n}}\n", notes


def comments_of(draft: Draft, notes: list[str]) -> Iterable[tuple[str, str]]:
    for name, value, what in [
        ("id", draft.identifier, "its code"),
        *(("tag", str(tag), f"its tag {tag}") for tag in draft.metadata.get("tags") or ()),
    ]:
        if re.fullmatch(r"[^\]\n]{1,200}", value):
            yield name, fragments.legal(value)
        elif value:
            notes.append(f"{what} is left behind: GIFT has no way to write it")


def true_or_false(draft: Draft) -> str:
    """The two words in their usual order and nothing said of either: GIFT has a form of its own for that."""
    order = [gift.words(choice.html).casefold() for choice in draft.choices]
    if not is_true_false(draft) or order != ["true", "false"] or any(choice.rationale for choice in draft.choices) or draft.shuffle:
        return ""
    return "TRUE" if draft.correct[0] == draft.choices[0].identifier else "FALSE"


def gift_answers(draft: Draft, notes: list[str]) -> str:
    multiple = draft.kind == "multiple"
    worth, lost = fractions(draft)
    notes += lost
    if draft.kind == "truefalse":
        notes.append("it becomes a question with one answer: GIFT's true/false has words and an order of its own")
    if multiple and draft.mapping is None:
        notes.append(
            "its options get shares, and a wrong one takes the whole away: GIFT has no questions in which only the whole key counts"
        )
        share = (WHOLE / len(draft.correct)).quantize(FIVE)
        worth = {name: share if name in draft.correct else -WHOLE for name in worth}
    if not draft.shuffle:
        notes.append("that its options keep their order is left behind: Moodle shuffles unless told otherwise")
    if not multiple and all(value == WHOLE for value in worth.values()):
        raise Unfit("every option is right, which GIFT takes for a question without options")
    lines = []
    for choice in draft.choices:
        value = worth[choice.identifier]
        mark = "=" if value == WHOLE and not multiple else f"~%{value.normalize():f}%" if value else "~"
        if mark.startswith("~%") and not gift.WEIGHT.match(mark[1:]):
            raise Unfit(f"an option of it is worth {value.normalize():f} of 100, more than GIFT can write")
        told = f"#{marked(fragments.text(choice.rationale))}" if choice.rationale else ""
        lines.append(f"\n\t{mark}{option(inside(draft, choice.html, notes))}{told}")
    return "".join(lines)


def write_gift(drafts: Iterable[Draft]) -> Export:
    category = ""

    def one(draft: Draft) -> tuple[str, list[str]]:
        nonlocal category
        made, notes = gift_question(draft)
        if category_of(draft) != category:
            category = category_of(draft)
            made = f"$CATEGORY: {escaped(' '.join(category.split()))}\n\n{made}"
        return made, notes

    parts, left = each(by_category(drafts), GIFT_HOLDS, one)
    return Export("\n".join(parts).encode(), ".gift", TEXT, len(parts), left)


# Aiken -------------------------------------------------------------------------------------------------------------------------


def aiken_question(draft: Draft) -> tuple[str, list[str]]:
    if draft.kind == "multiple":
        raise Unfit("several options are to be taken, and Aiken knows one right answer")
    if len(draft.correct) > 1:
        raise Unfit("several of its options are right, and Aiken knows one")
    if len(draft.choices) > len(LETTERS):
        raise Unfit(f"has more than {len(LETTERS)} options, and Aiken names them by letters")
    paragraphs = fragments.lines(whole_stem(draft))
    notes = ["its paragraphs become one line"] if len(paragraphs) > 1 else []
    if draft.mapping is not None:
        notes.append("its weights are left behind: a right answer counts one and any other nothing")
    stem, *options = (" ".join(lines) for lines in (paragraphs, *(fragments.lines(choice.html) for choice in draft.choices)))
    if not says_something(fragments.text(stem)) or not all(says_something(fragments.text(said)) for said in options):
        raise Unfit("has a text without words, and Aiken holds nothing else")
    if len(set(options)) < len(options):
        raise Unfit("two of its options say the same once they are plain text")
    if aiken.ANSWER.match(stem):
        raise Unfit("its text begins like Aiken's line for the answer")
    rows = [f"{letter}. {said}" for letter, said in zip(LETTERS, options, strict=False)]
    key = LETTERS[[choice.identifier for choice in draft.choices].index(draft.correct[0])]
    return "\n".join([stem, *rows, f"ANSWER: {key}"]) + "\n", notes


def write_aiken(drafts: Iterable[Draft]) -> Export:
    parts, left = each(drafts, AIKEN_HOLDS, aiken_question)
    return Export("\n".join(parts).encode(), ".txt", TEXT, len(parts), left)
