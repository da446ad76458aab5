"""Moodle's XML: `multichoice`, `truefalse`, and the all-or-nothing plugin `multichoiceset`. Fractions are hundredths of the question's worth."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from decimal import Decimal
from html import escape
from typing import Any

from testing_platform.itembank.exchange import keys
from testing_platform.itembank.exchange.drafts import Choice, Draft, Kind, Mapping, Skip, Unfit, number
from testing_platform.itembank.exchange.markup import by_format
from testing_platform.itembank.exchange.qti import Reading, Writer
from testing_platform.itembank.exchange.safety import (
    LIMITS,
    TAGS,
    Cleaner,
    child,
    children,
    from_base64,
    joined,
    local,
    picture_from,
    says_something,
    text_of,
    too_large,
    words,
)
from testing_platform.itembank.exchange.sentences import tell

FORMAT = "moodle"
WHOLE = Decimal(100)
# Weights of thirds and sevenths are written with five figures and do not add up to the last one.
NEARLY_WHOLE = Decimal("99.9")
FILES = "@@PLUGINFILE@@/"


def read(root: ET.Element, name: str, reading: Reading) -> Iterator[Draft | Skip]:
    source = reading.files.source(name)
    category = ""
    position = 0
    for question in children(root, "question"):
        kind = (question.get("type") or "").strip().lower()
        if kind == "category":
            category = text_of(child(child(question, "category"), "text")).strip()
            continue
        identifier = text_of(child(question, "idnumber")).strip() or title_of(question) or f"q{position + 1}"
        try:
            yield read_question(question, kind, identifier, category, name, reading, position)
        except Unfit as unfit:
            yield Skip(source, identifier, FORMAT, unfit.reason)
        position += 1


def area_in(category: str) -> str:
    """The last name of a path of categories; a slash inside a name is doubled there."""
    return re.split(r"(?<!/)/(?!/)", category.rstrip("/"))[-1].replace("//", "/").strip()


def title_of(question: ET.Element) -> str:
    name = child(question, "name")
    found = child(name, "text")
    return " ".join(text_of(found if found is not None else name).split())


def text_in(element: ET.Element | None) -> str:
    """The words of an element that holds a `text`, or is one."""
    inner = child(element, "text")
    held = inner if inner is not None else element
    # Some makers forget that markup is written in letters there.
    if held is not None and any(local(each.tag) in TAGS for each in held):
        return Writer().inner(held)
    return text_of(held)


def html_in(element: ET.Element | None, inherited: str = "html") -> str:
    if element is None:
        return ""
    return by_format(text_in(element), element.get("format") or inherited)


def cleaner_of(question: ET.Element, name: str, reading: Reading) -> Cleaner:
    """Pictures lie beside the text that shows them, in base64."""
    carried = {file.get("name") or "": file for file in question.iter() if file.tag == "file" or str(file.tag).endswith("}file")}

    def resolve(address: str) -> Any:
        if address.startswith(FILES):
            path = joined("", address[len(FILES) :]) or ""
            file = carried.get(path) if path in carried else carried.get(path.rsplit("/", 1)[-1])
            if file is None:
                raise Unfit(tell("picture-missing", path=path[:80]))
            data = from_base64(text_of(file), LIMITS.picture)
            if len(data) > LIMITS.picture:
                raise Unfit(too_large(len(data), LIMITS.picture, "picture-larger"))
            return reading.pictures.asset(data, f"{reading.files.source(name)}: {path[:80]}")
        return picture_from(reading.files, name, address, reading.pictures)

    return Cleaner(reading.files.source(name), resolve)


def old_picture(question: ET.Element) -> str:
    """Moodle 1.9 kept one picture beside the text, and showed it below."""
    letters, name = text_of(child(question, "image_base64")).strip(), text_of(child(question, "image")).strip()
    return f'<p><img src="{f"data:image/png;base64,{letters}" if letters else escape(name)}"></p>' if letters or name else ""


def read_question(question: ET.Element, kind: str, identifier: str, category: str, name: str, reading: Reading, position: int) -> Draft:
    if kind not in ("multichoice", "truefalse", "multichoiceset"):
        raise Unfit(tell("another-kind", kind=kind) if kind else tell("without-a-type"))
    cleaner = cleaner_of(question, name, reading)
    said = child(question, "questiontext")
    stem = cleaner.clean(html_in(said) + old_picture(question))
    if not says_something(stem):
        raise Unfit(tell("no-text"))
    inherited = (said.get("format") if said is not None else None) or "html"
    answers = list(children(question, "answer"))
    if len(answers) > LIMITS.choices:
        raise Unfit(tell("too-many-options", most=LIMITS.choices))
    choices = tuple(choice_of(at, answer, cleaner, "plain_text" if kind == "truefalse" else inherited) for at, answer in enumerate(answers))
    fractions = {choice.identifier: fraction_of(answer) for choice, answer in zip(choices, answers, strict=True)}
    single = kind == "truefalse" or (kind == "multichoice" and yes(text_of(child(question, "single")) or "true"))
    if kind == "truefalse" and not keys.is_true_false(words(choice.html) for choice in choices):
        raise Unfit(tell("not-true-and-false"))
    options = tuple(fractions)
    keys.check(keys.Question(options, single))
    correct, mapping = key_of(fractions, single, all_or_nothing=kind == "multichoiceset")
    metadata: dict[str, Any] = {}
    if category:
        metadata["category"] = category
        metadata["area"] = area_in(category)
    if tags := [text_in(tag).strip() for tag in children(child(question, "tags"), "tag")]:
        metadata["tags"] = tags
    notes = (tell("was-hidden"),) if yes(text_of(child(question, "hidden"))) else ()
    outcome: Kind = "truefalse" if kind == "truefalse" else "single" if single else "multiple"
    return Draft(
        source=reading.files.source(name),
        identifier=identifier,
        format=FORMAT,
        kind=outcome,
        title=title_of(question),
        stem=stem,
        choices=choices,
        correct=correct,
        mapping=mapping,
        shuffle=kind != "truefalse" and yes(text_of(child(question, "shuffleanswers"))),
        max_choices=1 if single else 0,
        assets=tuple(cleaner.assets.values()),
        metadata=metadata,
        rationale=words(html_in(child(question, "generalfeedback"))),
        notes=notes,
        position=position,
    )


def yes(text: str) -> bool:
    return text.strip().lower() in ("true", "1", "yes")


def choice_of(at: int, answer: ET.Element, cleaner: Cleaner, inherited: str) -> Choice:
    written = text_in(answer)
    html = by_format(written, answer.get("format") or inherited)
    cleaned = cleaner.clean(html)
    if cleaned.startswith("<p>") and cleaned.endswith("</p>") and cleaned.count("<p>") == 1:
        cleaned = cleaned[3:-4].strip()
    if not says_something(cleaned):
        raise Unfit(tell("option-empty", option=at))
    return Choice(str(at), cleaned, weight=fraction_of(answer), rationale=words(html_in(child(answer, "feedback"))))


def fraction_of(answer: ET.Element) -> Decimal:
    written = (answer.get("fraction") or "0").strip()
    value = number(written)
    if value is None:
        raise Unfit(tell("option-no-number", text=written[:40]))
    return value


def key_of(fractions: dict[str, Decimal], single: bool, all_or_nothing: bool = False) -> tuple[tuple[str, ...], Mapping | None]:
    """Moodle's rule, and GIFT's: of a single answer what gives the whole, of a multiple one all that add something."""
    positive = tuple(name for name, value in fractions.items() if value > 0)
    if not positive:
        raise Unfit(tell("no-key-nothing-earned"))
    if not single:
        if all_or_nothing:
            return positive, None
        total = sum((fractions[name] for name in positive), Decimal(0))
        if total < NEARLY_WHOLE:
            raise Unfit(tell("no-whole-key", total=str(total)))
        entries = {name: value / WHOLE for name, value in fractions.items() if value}
        return positive, Mapping(entries, lower=Decimal(0), upper=Decimal(1))
    best = tuple(name for name, value in fractions.items() if value >= WHOLE)
    if not best:
        raise Unfit(tell("no-key-whole-not-earned"))
    if all(value in (0, WHOLE) for value in fractions.values()):
        return best, None
    return best, Mapping({name: value / WHOLE for name, value in fractions.items() if value})
