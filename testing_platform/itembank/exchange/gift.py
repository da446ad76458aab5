"""GIFT, Moodle's text format, read as Moodle reads it: a blank line ends a question, `=` and `~` begin an option, `\\` takes a sign's meaning away."""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from testing_platform.itembank.exchange import keys
from testing_platform.itembank.exchange.drafts import Choice, Draft, Skip, Unfit, number
from testing_platform.itembank.exchange.markup import by_format
from testing_platform.itembank.exchange.moodle import WHOLE, area_in, key_of
from testing_platform.itembank.exchange.qti import Reading
from testing_platform.itembank.exchange.safety import LIMITS, Cleaner, says_something, words
from testing_platform.itembank.exchange.sentences import tell

FORMAT = "gift"
# Signs whose meaning was taken away wait as control characters, which no text file that is read here holds.
ESCAPED = {"\\": "\x01", "~": "\x02", "=": "\x03", "#": "\x04", "{": "\x05", "}": "\x06", ":": "\x07", "n": "\x0e"}
ESCAPE = re.compile(r"\\([\\~=#{}:n])")
BACK = {mark: ("\n" if sign == "n" else sign) for sign, mark in ESCAPED.items()}
COMMENT = re.compile(r"^[^\S\n]*//(.*)$", re.MULTILINE)
TITLE = re.compile(r"\A\s*::(.*?)::", re.DOTALL)
FORMATTED = re.compile(r"\A\s*\[(html|moodle|plain|markdown)\]", re.IGNORECASE)
# In capitals alone: {true} is a short answer to Moodle.
TRUE_FALSE = re.compile(r"\A\s*(T|TRUE|F|FALSE)\s*(?:#(.*))?\Z", re.DOTALL)
WEIGHT = re.compile(r"\A%\s*(-?\d{1,3}(?:[.,]\d{1,10})?)\s*%")
IDENTIFIER = re.compile(r"\[id:([^\]\n]{1,200})\]")
TAGGED = re.compile(r"\[tag:([^\]\n]{1,200})\]")
CATEGORY = re.compile(r"\A\s*\$CATEGORY:[ \t]*(.*)\Z")
# Where it is not said that a file is GIFT: an answer block of options, or of true or false.
LOOKS_LIKE = re.compile(r"\{\s*(?:[=~#]|T\s*[}#]|F\s*[}#]|TRUE\s*[}#]|FALSE\s*[}#])", re.IGNORECASE)


def hide(text: str) -> str:
    return ESCAPE.sub(lambda found: ESCAPED[found[1]], text)


def show(text: str) -> str:
    return "".join(BACK.get(letter, letter) for letter in text)


def blocks(text: str) -> Iterator[tuple[str, str]]:
    """The questions of a file, each with the comments that stood in it."""
    for block in re.split(r"\n[ \t]*\n", text):
        comments = "\n".join(COMMENT.findall(block))
        kept = COMMENT.sub("", block)
        # A category stands on a line of its own, with or without a blank line after it.
        for line in [line for line in kept.split("\n") if CATEGORY.match(line)]:
            yield line, ""
        kept = "\n".join(line for line in kept.split("\n") if not CATEGORY.match(line))
        if kept.strip() or IDENTIFIER.search(comments):
            yield kept, comments


def read(text: str, name: str, reading: Reading) -> Iterator[Draft | Skip]:
    source = reading.files.source(name)
    category, position, carried = "", 0, ""
    for block, comments in blocks(text):
        if found := CATEGORY.match(block):
            category = show(hide(found[1])).strip()
            continue
        if not block.strip():
            # A comment with an identifier may stand apart from its question.
            carried = comments
            continue
        comments, carried = f"{carried}\n{comments}", ""
        hidden = hide(block)
        titled = TITLE.match(hidden)
        title = " ".join(show(titled[1]).split()) if titled else ""
        number_of = IDENTIFIER.search(comments)
        identifier = number_of[1].strip() if number_of else title or f"q{position + 1}"
        metadata: dict[str, Any] = {}
        if category:
            metadata |= {"category": category, "area": area_in(category)}
        if tags := TAGGED.findall(comments):
            metadata["tags"] = tags
        body = hidden[titled.end() :] if titled else hidden
        try:
            yield read_question(body, title, identifier, metadata, name, reading, position)
        except Unfit as unfit:
            yield Skip(source, identifier, FORMAT, unfit.reason)
        position += 1


def read_question(body: str, title: str, identifier: str, metadata: dict[str, Any], name: str, reading: Reading, position: int) -> Draft:
    cleaner = reading.cleaner(name)
    before, answers, after = parted(body)
    stem_format, before = formatted(before, "moodle")
    if after.strip():
        # A word is missing: what follows the options goes on after a gap.
        before = f"{before.rstrip()} _____{'' if after.strip()[0] in '.,;:?!…)' else ' '}{after.strip()}"
    stem = cleaner.clean(by_format(show(before).strip(), stem_format))
    answers, _, general = answers.partition("####")
    rationale = feedback(general, stem_format)
    shared: dict[str, Any] = {
        "source": reading.files.source(name),
        "identifier": identifier,
        "format": FORMAT,
        "title": title,
        "metadata": metadata,
        "position": position,
    }
    if not answers.strip():
        raise Unfit(tell("another-kind", kind="essay"))
    if answers.lstrip().startswith("#"):
        raise Unfit(tell("another-kind", kind="numerical"))
    if found := TRUE_FALSE.match(answers):
        needs_text(stem)
        right = found[1].startswith("T")
        notes = [feedback(part, stem_format) for part in (found[2] or "").split("#")]
        # Of two texts the first is for the wrong answer.
        told = " ".join(filter(None, [rationale, *notes]))
        return Draft(
            **shared,
            kind="truefalse",
            stem=stem,
            choices=(Choice("0", "True"), Choice("1", "False")),
            correct=("0" if right else "1",),
            rationale=told,
            assets=carried(cleaner),
        )
    if "~" not in answers:
        if "->" in answers:
            raise Unfit(tell("another-kind", kind="matching"))
        raise Unfit(tell("another-kind", kind="short answer"))
    choices, fractions, single = options(answers, stem_format, cleaner)
    needs_text(stem)
    keys.check(keys.Question(tuple(fractions), single))
    correct, mapping = key_of(fractions, single)
    return Draft(
        **shared,
        kind="single" if single else "multiple",
        stem=stem,
        choices=choices,
        correct=correct,
        mapping=mapping,
        # GIFT has no mark for it; Moodle shuffles unless told otherwise.
        shuffle=True,
        max_choices=1 if single else 0,
        assets=carried(cleaner),
        rationale=rationale,
    )


def carried(cleaner: Cleaner) -> tuple[Any, ...]:
    return tuple(cleaner.assets.values())


def needs_text(stem: str) -> None:
    if not says_something(stem):
        raise Unfit(tell("no-text"))


def parted(body: str) -> tuple[str, str, str]:
    """What stands before the answers, they, and what stands after them."""
    opened = body.find("{")
    if opened < 0:
        raise Unfit(tell("only-a-description"))
    closed = body.find("}", opened)
    if closed < 0:
        raise Unfit(tell("answers-do-not-end"))
    after = body[closed + 1 :]
    if "{" in after or "}" in after or "{" in body[opened + 1 : closed]:
        raise Unfit(tell("several-answer-blocks"))
    return body[:opened], body[opened + 1 : closed], after


def formatted(text: str, inherited: str) -> tuple[str, str]:
    found = FORMATTED.match(text)
    return (found[1].lower(), text[found.end() :]) if found else (inherited, text)


def feedback(text: str, inherited: str) -> str:
    format_name, rest = formatted(text, inherited)
    said = show(rest).strip()
    return words(by_format(said, format_name)) if said else ""


def options(answers: str, inherited: str, cleaner: Cleaner) -> tuple[tuple[Choice, ...], dict[str, Decimal], bool]:
    """The options with what each is worth of a hundred. Without an `=` several may be chosen."""
    first, *parts = re.split(r"([=~])", answers)
    if first.strip():
        raise Unfit(tell("text-before-options"))
    single = "=" in parts[::2]
    choices: list[Choice] = []
    fractions: dict[str, Decimal] = {}
    for mark, part in zip(parts[::2], parts[1::2], strict=True):
        text, _, told = part.strip().partition("#")
        value = WHOLE if mark == "=" else Decimal(0)
        if weighed := WEIGHT.match(text):
            value = number(weighed[1]) or Decimal(0)
            text = text[weighed.end() :]
        format_name, text = formatted(text.strip(), inherited)
        html = cleaner.clean(by_format(show(text).strip(), format_name))
        if html.startswith("<p>") and html.endswith("</p>") and html.count("<p>") == 1:
            html = html[3:-4].strip()
        if not says_something(html):
            raise Unfit(tell("option-empty", option=len(choices)))
        choices.append(Choice(str(len(choices)), html, weight=value, rationale=feedback(told, inherited)))
        fractions[choices[-1].identifier] = value
        if len(choices) > LIMITS.choices:
            raise Unfit(tell("too-many-options", most=LIMITS.choices))
    return tuple(choices), fractions, single
