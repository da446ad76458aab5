"""QTI 1.2 (`questestinterop`), in the dialects of Canvas, of Common Cartridge and of Blackboard's pools."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal, DecimalException
from html import escape
from itertools import takewhile
from typing import Any

from testing_platform.itembank.exchange import keys
from testing_platform.itembank.exchange.drafts import Choice, Draft, Kind, Mapping, Skip, StimulusDraft, Unfit, number
from testing_platform.itembank.exchange.markup import marked_up
from testing_platform.itembank.exchange.qti import Reading, Writer
from testing_platform.itembank.exchange.safety import (
    LIMITS,
    TAGS,
    VERBATIM_TAG,
    Cleaner,
    attribute,
    child,
    children,
    descendants,
    local,
    says_something,
    text_of,
    words,
)
from testing_platform.itembank.exchange.sentences import tell

FORMAT = "qti12"
# Where the makers name their kinds of question, and what they call them, in small letters and figures with single blanks.
NAMED_IN = ("question_type", "cc_profile", "bbmd_questiontype", "qmd_questiontype", "qmd_itemtype")
KINDS: dict[str, Kind] = {
    "multiple choice question": "single",
    "cc multiple choice v0p1": "single",
    "multiple choice": "single",
    "either or": "single",
    "yes no": "single",
    # As ATutor writes it.
    "cc mutliple choice v0p1": "single",
    "true false question": "truefalse",
    "cc true false v0p1": "truefalse",
    "true false": "truefalse",
    "multiple answers question": "multiple",
    "cc multiple response v0p1": "multiple",
    "multiple answer": "multiple",
    "multiple response": "multiple",
    "multi select": "multiple",
    "multiple correct answer": "multiple",
}
# What the standard itself calls an answer that names options: it leaves open how many.
BY_IDENTIFIER = "logical identifier"
# Text without a type that is one element from end to end.
WHOLE_ELEMENT = re.compile(r"\A\s*<([a-z][a-z0-9]*)\b[^>]*>.*</\1\s*>\s*\Z", re.DOTALL | re.IGNORECASE)
RESPONSES = ("response_lid", "response_str", "response_num", "response_grp", "response_xy", "response_extension")
MOST_STEPS = 200_000
BRIGHTSPACE_SCORE = "QUE_SCORE"
# Its `grading_type`; the others are followed as their rules are written.
ALL_OR_NOTHING, RIGHT_MINUS_WRONG = "0", "1"


def read(root: ET.Element, name: str, reading: Reading) -> Iterator[Draft | Skip]:
    source = reading.files.source(name)
    passages = {identifier: item for item in descendants(root, "item") if (identifier := (item.get("ident") or "").strip())}
    for position, item in enumerate(descendants(root, "item")):
        identifier = (item.get("ident") or "").strip() or blackboard_identifier(item) or f"q{position + 1}"
        try:
            yield read_item(item, identifier, name, reading, position, passages)
        except Unfit as unfit:
            yield Skip(source, identifier, FORMAT, unfit.reason)


def blackboard_identifier(item: ET.Element) -> str:
    return text_of(next(descendants(item, "bbmd_asi_object_id"), None)).strip()


def metadata_of(item: ET.Element) -> dict[str, str]:
    """`fieldlabel` → `fieldentry`, in Brightspace's spelling too, and Blackboard's own elements."""
    found = {}
    for field in descendants(item, "qtimetadatafield", "qti_metadatafield"):
        found[text_of(child(field, "fieldlabel")).strip().lower()] = text_of(child(field, "fieldentry")).strip()
    for element in descendants(item, "itemmetadata"):
        for inner in element:
            if local(inner.tag).startswith(("bbmd_", "qmd_")):
                found.setdefault(local(inner.tag), text_of(inner).strip())
    return found


def read_item(item: ET.Element, identifier: str, name: str, reading: Reading, position: int, passages: dict[str, ET.Element]) -> Draft:
    said = metadata_of(item)
    declared = next((said[label] for label in NAMED_IN if plain_name(said.get(label, "")) not in ("", BY_IDENTIFIER)), "")
    kind = KINDS.get(plain_name(declared))
    if declared == "text_only_question":
        raise Unfit(tell("text-without-question"))
    if kind is None and declared and "multiple choice" not in plain_name(declared):
        raise Unfit(tell("another-kind", kind=declared[:60]))
    presentation = child(item, "presentation")
    if presentation is None:
        raise Unfit(tell("no-presentation"))
    responses = [element for element in presentation.iter() if local(element.tag) in RESPONSES and not is_a_setting(element)]
    if not responses:
        raise Unfit(tell("no-answer"))
    if len(responses) > 1:
        raise Unfit(tell("several-parts", count=len(responses)))
    response = responses[0]
    if local(response.tag) != "response_lid":
        raise Unfit(tell("another-kind", kind=local(response.tag)))
    render = child(response, "render_choice")
    if render is None:
        raise Unfit(tell("not-to-choose-from"))
    cleaner = reading.cleaner(name)
    labels = list(descendants(render, "response_label"))
    if len(labels) > LIMITS.choices:
        raise Unfit(tell("too-many-options", most=LIMITS.choices))
    single = (attribute(response, "rcardinality") or "Single").lower() == "single" if kind is None else kind != "multiple"
    options = tuple((label.get("ident") or "").strip() for label in labels)
    if not all(options):
        raise Unfit(tell("option-unnamed"))
    question = keys.Question(options, single)
    keys.check(question)
    told = {(found.get("ident") or "").strip(): found for found in children(item, "itemfeedback")}
    choices = tuple(choice_of(label, told, cleaner) for label in labels)
    scoring = Scoring(item, (response.get("ident") or "").strip())
    key = scoring.key(question)
    stem = cleaner.clean("".join(material(element) for element in outside(presentation, response)))
    if not says_something(stem):
        raise Unfit(tell("no-text"))
    kept: dict[str, Any] = {label: value for label, value in said.items() if label in ("points_possible", "qmd_topic", "bbmd_keywords")}
    if text := " ".join(text_of(found) for found in scoring.general_feedback()).strip():
        kept["feedback"] = words(marked_up(text))
    return Draft(
        source=reading.files.source(name),
        identifier=identifier,
        format=FORMAT,
        kind=kind if kind == "truefalse" else keys.kind_of(question, [words(choice.html) for choice in choices]),
        title=" ".join((item.get("title") or "").split()),
        stem=stem,
        choices=choices,
        correct=key.correct,
        mapping=key.mapping,
        shuffle=(render.get("shuffle") or "").lower() in ("yes", "true"),
        max_choices=1 if single else 0,
        language=(attribute(item, "lang") or "")[:35],
        stimulus=stimulus_of(said.get("parent_stimulus_item_ident", ""), passages, name, reading),
        assets=tuple(cleaner.assets.values()),
        metadata={label: value for label, value in kept.items() if value and label != "feedback"},
        rationale=kept.get("feedback", ""),
        notes=key.notes,
        position=position,
    )


def plain_name(name: str) -> str:
    return " ".join(re.findall(r"[a-z0-9]+", name.lower()))


def is_a_setting(element: ET.Element) -> bool:
    """Brightspace keeps settings of its own in a `response_extension` in which nothing is asked."""
    return local(element.tag) == "response_extension" and not any(local(inner.tag).startswith("render_") for inner in element.iter())


def stimulus_of(identifier: str, passages: dict[str, ET.Element], name: str, reading: Reading) -> StimulusDraft | None:
    """Canvas keeps a passage as a question without an answer, which others name as their parent."""
    if not identifier:
        return None
    place = f"{name}#{identifier}"
    if place not in reading.stimuli:
        presentation = child(passages.get(identifier), "presentation")
        cleaner = reading.cleaner(name)
        html = cleaner.clean("".join(material(element) for element in outside(presentation, None))) if presentation is not None else ""
        if not says_something(html):
            raise Unfit(tell("passage-missing", path=identifier))
        title = " ".join((passages[identifier].get("title") or "").split())
        reading.stimuli[place] = StimulusDraft(place, title, html, assets=tuple(cleaner.assets.values()))
    return reading.stimuli[place]


# Text --------------------------------------------------------------------------------------------------------------------------


def outside(presentation: ET.Element, response: ET.Element | None) -> Iterator[ET.Element]:
    """Materials that are not part of the response, in their order."""
    for inner in presentation:
        if inner is response:
            # A prompt may stand inside the response, before its options.
            yield from (element for element in inner if local(element.tag) in MATERIALS)
        elif local(inner.tag) in MATERIALS:
            yield inner
        else:
            yield from outside(inner, response)


MATERIALS = ("material", "mat_extension", "material_ref")


def material(element: ET.Element) -> str:
    """The text and pictures of a material, as HTML that is not yet cleaned."""
    parts = []
    pictures = {inner.get("label") or "": picture_address(inner) for inner in descendants(element, "matimage")}
    for inner in element.iter():
        name = local(inner.tag)
        if name in ("mattext", "mat_formattedtext", "matemtext"):
            parts.append(text_in(inner))
            # ILIAS shows a picture in the text by its label, and says beside it where the picture lies.
            for label in [label for label in pictures if label and f'"{label}"' in parts[-1]]:
                parts[-1] = parts[-1].replace(f'"{label}"', f'"{escape(pictures.pop(label))}"')
        elif name == "matimage" and (inner.get("label") or "") in pictures:
            parts.append(f'<img src="{escape(picture_address(inner))}" alt="{escape(inner.get("label") or "")}">')
        elif name == "mat_applicationdata" or name == "matapplication":
            for file in descendants(inner, "matapplication"):
                if file.get("uri"):
                    parts.append(f'<img src="{escape(file.get("uri") or "")}">')
        elif name in ("mataudio", "matvideo", "matapplet"):
            raise Unfit(tell("not-to-be-shown", what=name[3:]))
    return "".join(parts)


def text_in(element: ET.Element) -> str:
    kind = (element.get("texttype") or element.get("type") or "").lower()
    if any(local(inner.tag) != VERBATIM_TAG for inner in element):
        # Elements where the standard has letters: the text is what they hold.
        return f"<div>{Writer().inner(element)}</div>"
    text = text_of(element)
    if not kind and (whole := WHOLE_ELEMENT.match(text)) and whole[1].lower() in TAGS:
        kind = "html"
    if "html" in kind or "smart" in kind:
        return f"<div>{text}</div>"
    return f"<p>{escape(text, quote=False)}</p>" if text.strip() else ""


def picture_address(element: ET.Element) -> str:
    if (element.get("embedded") or "").lower() == "base64":
        return f"data:{element.get('imagtype') or 'image/png'};base64,{''.join(text_of(element).split())}"
    return element.get("uri") or ""


def choice_of(label: ET.Element, told: dict[str, ET.Element], cleaner: Cleaner) -> Choice:
    identifier = (label.get("ident") or "").strip()
    html = cleaner.clean("".join(material(element) for element in outside(label, None)))
    for around in ("div", "p"):
        if html.startswith(f"<{around}>") and html.endswith(f"</{around}>") and html.count(f"<{around}>") == 1:
            html = html[len(around) + 2 : -len(around) - 3]
    if not says_something(html):
        raise Unfit(tell("option-empty", option=identifier))
    # Canvas calls it `7001_fb`, Blackboard by the option's own name.
    feedback = [words(marked_up(text_of(told[name]))) for name in (f"{identifier}_fb", identifier) if name in told]
    return Choice(
        identifier, html, fixed=(label.get("rshuffle") or "").lower() in ("no", "false"), rationale=" ".join(filter(None, feedback))
    )


# Scoring -----------------------------------------------------------------------------------------------------------------------


@dataclass
class Scoring:
    """`resprocessing`, carried out for an answer."""

    item: ET.Element
    response: str
    steps: int = 0

    def key(self, question: keys.Question) -> keys.Key:
        processing = child(self.item, "resprocessing")
        if processing is None or not any(True for _ in descendants(processing, "setvar")):
            raise Unfit(tell("no-key"))
        declared = list(descendants(processing, "decvar"))
        self.maximum = next((found for element in declared if (found := number(element.get("maxvalue"))) is not None), None)
        self.defaults = {variable_of(element): number(element.get("defaultval")) or Decimal(0) for element in declared}
        self.variable = self.score_variable(processing)
        self.conditions = self.in_turn(list(children(processing, "respcondition")))
        # The standard stops at the first condition that holds. Makers who only ever add, and never say when to go on, mean all of them.
        adds = all((element.get("action") or "Set").lower() == "add" for element in descendants(processing, "setvar"))
        self.sums_up = adds and not any(condition.get("continue") for condition in self.conditions)
        try:
            return self.graded(question) or keys.ruled(question, self.score, uses_mapping=False)
        except DecimalException as problem:
            raise Unfit(tell("rules-numbers")) from problem

    def in_turn(self, conditions: list[ET.Element]) -> list[ET.Element]:
        """A bare `other` that stands first is for what none of those after it is met by."""
        first = [*takewhile(is_bare_other, conditions)]
        rest = conditions[len(first) :]
        ours = [at for at, condition in enumerate(rest, 1) if any(test.get("respident") == self.response for test in condition.iter())]
        after = max(ours, default=0)
        return [*rest[:after], *first, *rest[after:]]

    def score_variable(self, processing: ET.Element) -> str:
        names = list(dict.fromkeys(variable_of(element) for element in descendants(processing, "setvar")))
        known = [name for name in ("SCORE", BRIGHTSPACE_SCORE) if name in names]
        if len(names) > 1 and not known:
            raise Unfit(tell("rules-several-variables", names=", ".join(names[:5])))
        return (known or names)[0]

    def graded(self, question: keys.Question) -> keys.Key | None:
        """What Brightspace makes of the right and wrong picks that its rules count: all or nothing, or right minus wrong."""
        grading = text_of(next(descendants(self.item, "grading_type"), None)).strip()
        if question.single or self.variable != BRIGHTSPACE_SCORE or grading not in (ALL_OR_NOTHING, RIGHT_MINUS_WRONG):
            return None
        nothing = self.picks(frozenset())
        alone = {option: self.picks(frozenset([option])) - nothing for option in question.options}
        if grading == ALL_OR_NOTHING:
            return keys.matched(replace(question, correct=tuple(option for option, value in alone.items() if value > 0)))
        return keys.mapped(replace(question, mapping=Mapping(alone, lower=Decimal(0))))

    def picks(self, chosen: frozenset[str]) -> Decimal:
        values = self.values(chosen)
        return values.get("D2L_CORRECT", Decimal(0)) - values.get("D2L_INCORRECT", Decimal(0))

    def score(self, chosen: frozenset[str]) -> Decimal:
        return self.values(chosen).get(self.variable, Decimal(0))

    def values(self, chosen: frozenset[str]) -> dict[str, Decimal]:
        """What the rules make of every variable for an answer."""
        values = dict(self.defaults)
        met = False
        for condition in self.conditions:
            tests = child(condition, "conditionvar")
            if not all(self.holds(test, chosen, met) for test in (tests if tests is not None else ())):
                continue
            # A bare `other` stands for what no condition before it met.
            met = met or any(local(test.tag) != "other" for test in (tests if tests is not None else ()))
            for setting in children(condition, "setvar"):
                values[variable_of(setting)] = self.changed(values, setting)
            if not self.sums_up and (condition.get("continue") or "No").lower() != "yes":
                break
        return values

    def changed(self, values: dict[str, Decimal], setting: ET.Element) -> Decimal:
        total = values.get(variable_of(setting), Decimal(0))
        written = text_of(setting).strip()
        if written.upper() == "SCORE.MAX":
            value: Decimal | None = self.maximum or Decimal(100)
        elif written.upper() == "SCORE.MIN":
            value = Decimal(0)
        elif written.upper() in self.defaults:
            value = values[written.upper()]
        else:
            value = number(written)
        if value is None:
            raise Unfit(tell("rules-no-number", text=written[:40]))
        match (setting.get("action") or "Set").lower():
            case "set":
                return value
            case "add":
                return total + value
            case "subtract":
                return total - value
            case "multiply":
                return total * value
            case other:
                raise Unfit(tell("rules-act", act=other))

    def holds(self, test: ET.Element, chosen: frozenset[str], met: bool) -> bool:
        self.steps += 1
        if self.steps > MOST_STEPS:
            raise Unfit(tell("rules-too-long"))
        match local(test.tag):
            case "varequal":
                return self.mine(test) and text_of(test).strip() in chosen
            case "varsubset":
                wanted = {part.strip() for part in text_of(test).split(",")}
                return self.mine(test) and bool(chosen) and wanted <= chosen
            case "not":
                return not all(self.holds(inner, chosen, met) for inner in test)
            case "and":
                return all(self.holds(inner, chosen, met) for inner in test)
            case "or":
                return any(self.holds(inner, chosen, met) for inner in test)
            case "other":
                return not met
            case "unanswered":
                return not chosen
            case name:
                raise Unfit(tell("rules-unknown", name=name))

    def mine(self, test: ET.Element) -> bool:
        wanted = (test.get("respident") or "").strip()
        if wanted and wanted != self.response:
            raise Unfit(tell("rules-other-answer", name=wanted))
        return True

    def general_feedback(self) -> Iterator[ET.Element]:
        return (found for found in children(self.item, "itemfeedback") if (found.get("ident") or "") == "general_fb")


def is_bare_other(condition: ET.Element) -> bool:
    tests = child(condition, "conditionvar")
    return tests is not None and len(tests) > 0 and all(local(test.tag) == "other" for test in tests)


def variable_of(setting: ET.Element) -> str:
    return (setting.get("varname") or setting.get("variablename") or "SCORE").strip().upper()
