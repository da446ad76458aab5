"""QTI 3.0, 2.2, 2.1 and 2.0. The four differ in names alone: 3.0 is brought to the names of 2.x first, then all are read the same way."""

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field, replace
from decimal import Decimal
from html import escape
from typing import Any

from testing_platform.errors import Said
from testing_platform.itembank.exchange import fragments, keys, processing
from testing_platform.itembank.exchange.drafts import Choice, Draft, Mapping, StimulusDraft, Unfit, number
from testing_platform.itembank.exchange.safety import (
    LIMITS,
    VERBATIM_TAG,
    Cleaner,
    Files,
    Pictures,
    attribute,
    child,
    children,
    descendants,
    joined,
    local,
    parse_xml,
    picture_from,
    says_something,
    text_of,
    words,
)
from testing_platform.itembank.exchange.sentences import tell

ROOTS = ("assessmentItem", "qti-assessment-item")
# Last part of a template's address, without suffix, in small letters.
MATCH = {"match_correct", "cc2_match", "cc2_match_basic"}
MAP = {"map_response", "cc2_map_response"}
# Left out of what a candidate sees, and not a loss: feedback that a selection test never shows, and texts for others.
LEFT_OUT = {"choiceInteraction", "stylesheet", "feedbackBlock", "feedbackInline", "modalFeedback", "catalogInfo", "apipAccessibility", "infoControl", "companionMaterialsInfo"}  # fmt: skip
DIRECTIONS = ("rtl", "ltr")
MARKUP = re.compile(r"</?[A-Za-z][^<>]*>")
# Marks of our own in what `write_qti` writes: a block that stands around bare text for QTI's sake alone, the rationale among what scorers see,
# and the namespace of what a package says about an item beside QTI.
UNWRAPPED = "bare-text"
RATIONALE = "item-rationale"
RECORD = "urn:testing-platform:item:1"
# The record of one item: far above what is said about any.
LONGEST_RECORD = 50_000


def camel(name: str) -> str:
    first, *rest = name.split("-")
    return first + "".join(part[:1].upper() + part[1:] for part in rest)


def to_old_names(root: ET.Element) -> None:
    """`qti-simple-choice` and its `template-identifier` become `simpleChoice` and `templateIdentifier`."""
    for element in root.iter():
        name = local(element.tag)
        if not name.startswith("qti-"):
            continue
        element.tag = camel(name[4:])
        for key, value in list(element.attrib.items()):
            if "-" in key and not key.startswith(("data-", "aria-", "{")):
                del element.attrib[key]
                element.set(camel(key), value)


def version_of(root: ET.Element, hint: str = "") -> str:
    """Which QTI it is: by its names, its namespace, what the manifest calls it, else 2.1."""
    if local(root.tag).startswith("qti-"):
        return "qti30"
    said = " ".join([str(root.tag), *(str(value) for value in root.attrib.values()), hint]).lower()
    for mark, name in (("v2p2", "qti22"), ("v2p1", "qti21"), ("v2p0", "qti20"), ("asi_v3p0", "qti30")):
        if mark in said:
            return name
    return "qti21"


@dataclass
class Reading:
    """What one reading of a source shares between its items."""

    files: Files
    pictures: Pictures = field(default_factory=Pictures)
    stimuli: dict[str, StimulusDraft] = field(default_factory=dict)

    def cleaner(self, name: str) -> Cleaner:
        return Cleaner(self.files.source(name), lambda address: picture_from(self.files, name, address, self.pictures))


def read_item(root: ET.Element, name: str, reading: Reading, hint: str = "", metadata: dict[str, Any] | None = None) -> Draft:
    """The item in the file `name`. Raises Unfit where it cannot be one of ours."""
    version = version_of(root, hint)
    catalog = catalog_of(root)
    cleaner = reading.cleaner(name)
    cleaner.refuse_scripts(catalog)
    to_old_names(root)
    refuse_what_moves(root)
    interaction = the_interaction(root)
    body = child(root, "itemBody")
    assert body is not None
    notes: list[Said] = []
    response, question = declared(root, interaction)
    told = feedback_of(root)
    written = (body.get("dir") or "").strip().lower()
    choices = tuple(directed(choice_of(element, told, cleaner), written) for element in children(interaction, "simpleChoice"))
    key = key_of(root, response, question)
    stimulus, passages = stimulus_of(root, body, name, reading)
    stem = cleaner.clean(Writer(passages).stem(body, interaction))
    if not says_something(stem):
        raise Unfit(tell("no-text"))
    if written in DIRECTIONS:
        stem = f'<div dir="{written}">{stem}</div>'
    if any(True for _ in descendants(root, "modalFeedback", "feedbackBlock", "feedbackInline")):
        notes.append(tell("feedback-not-shown"))
    limit = question.limit
    if not question.single and limit > len(choices):
        limit = 0
    return Draft(
        source=reading.files.source(name),
        identifier=root.get("identifier", "").strip(),
        format=version,
        kind=keys.kind_of(question, [words(choice.html) for choice in choices]),
        title=" ".join(root.get("title", "").split()),
        stem=stem,
        choices=choices,
        correct=key.correct,
        mapping=key.mapping,
        shuffle=says_yes(interaction, "shuffle"),
        max_choices=1 if question.single else limit,
        language=language_of(root) or language_of(body),
        stimulus=stimulus,
        assets=tuple(cleaner.assets.values()),
        catalog=catalog,
        metadata=metadata or {},
        rationale=rationale_of(body),
        notes=(*key.notes, *notes),
    )


def rationale_of(body: ET.Element) -> str:
    """Why the key is right, as `write_qti` writes it: a paragraph for each line."""
    for rubric in descendants(body, "rubricBlock"):
        if rubric.get("class") == RATIONALE:
            return "\n".join(text_of(line) for line in descendants(rubric, "p"))
    return ""


def restored(draft: Draft, record: dict[str, Any], cleaner: Cleaner) -> Draft:
    """The item with what a package of ours says of it beside QTI. What does not fit there is passed over: anyone may have written it."""
    told = record.get("metadata")
    if isinstance(told, dict):
        plain = {name: value for name, value in told.items() if is_plain(value)}
        draft = replace(draft, metadata={**plain, **{name: draft.metadata[name] for name in ("resource",) if name in draft.metadata}})
    if isinstance(identifier := record.get("identifier"), str):
        draft = replace(draft, identifier=identifier)
    if draft.kind != "multiple" and record.get("kind") in ("single", "truefalse"):
        draft = replace(draft, kind=record["kind"])
    if not draft.catalog and isinstance(catalog := record.get("catalog"), str):
        cleaner.refuse_scripts(catalog)
        draft = replace(draft, catalog=catalog)
    names = record.get("options")
    if (
        isinstance(names, list)
        and all(isinstance(name, str) and name for name in names)
        and len(set(names)) == len(draft.choices) == len(names)
    ):
        draft = renamed(draft, {choice.identifier: name for choice, name in zip(draft.choices, names, strict=True)})
    if isinstance(weights := record.get("weights"), dict):
        choices = tuple(replace(choice, weight=number(str(weights.get(choice.identifier, "")))) for choice in draft.choices)
        draft = replace(draft, choices=choices)
    return draft


def is_plain(value: Any) -> bool:
    return isinstance(value, str | int | float) or (isinstance(value, list) and all(isinstance(each, str) for each in value))


def renamed(draft: Draft, names: dict[str, str]) -> Draft:
    mapping = draft.mapping
    if mapping is not None:
        mapping = replace(mapping, entries={names[name]: value for name, value in mapping.entries.items()})
    choices = tuple(replace(choice, identifier=names[choice.identifier]) for choice in draft.choices)
    return replace(draft, choices=choices, correct=tuple(names[name] for name in draft.correct), mapping=mapping)


def says_yes(element: ET.Element, name: str) -> bool:
    """XML's `true` and `1`, in whatever letters makers write them."""
    return (element.get(name) or "").strip().lower() in ("true", "1")


def refuse_what_moves(root: ET.Element) -> None:
    if says_yes(root, "adaptive"):
        raise Unfit(tell("adaptive"))
    if any(True for _ in descendants(root, "templateDeclaration", "templateProcessing", "templateBlock", "templateInline")):
        raise Unfit(tell("templated"))
    if any(True for _ in descendants(root, "printedVariable")):
        raise Unfit(tell("prints-a-variable"))
    if any(True for _ in descendants(root, "include")):
        raise Unfit(tell("includes-a-file"))


def the_interaction(root: ET.Element) -> ET.Element:
    body = child(root, "itemBody")
    if body is None:
        raise Unfit(tell("no-body"))
    found = [element for element in body.iter() if local(element.tag).endswith("Interaction")]
    names = list(dict.fromkeys(local(element.tag) for element in found))
    if not found:
        raise Unfit(tell("no-interaction"))
    if len(found) > 1:
        raise Unfit(tell("several-interactions", count=len(found), names=", ".join(names)))
    if names != ["choiceInteraction"]:
        raise Unfit(tell("another-kind", kind=names[0]))
    if any(True for _ in descendants(found[0], "gap", "simpleAssociableChoice")):
        raise Unfit(tell("options-of-another-kind"))
    return found[0]


def declared(root: ET.Element, interaction: ET.Element) -> tuple[processing.Response, keys.Question]:
    """The response variable that the interaction fills, and what it says about the answers."""
    name = (interaction.get("responseIdentifier") or "").strip()
    declarations = [found for found in children(root, "responseDeclaration") if (found.get("identifier") or "").strip() == name]
    if not name or not declarations:
        raise Unfit(tell("answer-undeclared", name=name) if name else tell("answer-unnamed"))
    if len(declarations) > 1:
        raise Unfit(tell("answer-twice", name=name))
    declaration = declarations[0]
    cardinality = (declaration.get("cardinality") or "single").strip()
    if cardinality not in ("single", "multiple"):
        raise Unfit(tell("answer-of-another-kind", kind=cardinality))
    base_type = (declaration.get("baseType") or "identifier").strip()
    if base_type != "identifier":
        raise Unfit(tell("answer-of-another-kind", kind=base_type))
    correct = tuple(dict.fromkeys(text_of(value).strip() for value in children(child(declaration, "correctResponse"), "value")))
    correct = tuple(value for value in correct if value)
    mapping = mapping_of(child(declaration, "mapping"))
    options = []
    for element in children(interaction, "simpleChoice"):
        identifier = (element.get("identifier") or "").strip()
        if not identifier:
            raise Unfit(tell("option-unnamed"))
        options.append(identifier)
    most = whole((interaction.get("maxChoices") or "").strip())
    single = cardinality == "single" or most == 1
    question = keys.Question(tuple(options), single, most or 0, correct, mapping)
    if len(options) > LIMITS.choices:
        raise Unfit(tell("too-many-options", most=LIMITS.choices))
    keys.check(question)
    return processing.Response(name, cardinality == "single", correct, mapping), question


def whole(text: str) -> int | None:
    """A count that was left out or cannot be read limits nothing."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else None


def mapping_of(element: ET.Element | None) -> Mapping | None:
    if element is None:
        return None
    entries: dict[str, Decimal] = {}
    for entry in children(element, "mapEntry"):
        value = number(entry.get("mappedValue"))
        if value is None:
            raise Unfit(tell("mapping-no-number", text=entry.get("mappedValue") or ""))
        # The first of two entries for one option counts.
        entries.setdefault((entry.get("mapKey") or "").strip(), value)
    bounds: dict[str, Any] = {}
    for name, attribute_name in (("lower", "lowerBound"), ("upper", "upperBound"), ("default", "defaultValue")):
        said = element.get(attribute_name)
        if said is None or not said.strip():
            continue
        bounds[name] = number(said)
        if bounds[name] is None:
            raise Unfit(tell("bound-no-number", text=said.strip()[:40], name=attribute_name))
    return Mapping(entries, **bounds)


def key_of(root: ET.Element, response: processing.Response, question: keys.Question) -> keys.Key:
    rules = child(root, "responseProcessing")
    if rules is None:
        return keys.implied(question)
    if not len(rules):
        template = (rules.get("template") or rules.get("templateLocation") or "").strip()
        if not template:
            return keys.implied(question)
        last = template.rstrip("/").replace("\\", "/").rsplit("/", 1)[-1].lower().removesuffix(".xml")
        if last in MATCH:
            return keys.matched(question)
        if last in MAP:
            return keys.mapped(question)
        raise Unfit(tell("unknown-template", name=last[:60]))
    score_name = processing.score_set_by(rules, root)
    if score_name is None:
        return keys.implied(question)
    made = processing.Rules(rules, response, processing.numeric_outcomes(root), score_name)
    return keys.ruled(question, made.score, "mapResponse" in processing.rule_names(rules))


def feedback_of(root: ET.Element) -> dict[str, str]:
    """What is told after the choice of an option, by that option's identifier."""
    told: dict[str, str] = {}
    for found in children(root, "modalFeedback"):
        if found.get("showHide", "show") == "show":
            told.setdefault((found.get("identifier") or "").strip(), text_of(found))
    return told


def choice_of(element: ET.Element, told: dict[str, str], cleaner: Cleaner) -> Choice:
    identifier = (element.get("identifier") or "").strip()
    html = cleaner.clean(Writer().inner(element))
    if not says_something(html):
        raise Unfit(tell("option-empty", option=identifier))
    feedback = [text_of(found) for found in descendants(element, "feedbackInline", "feedbackBlock")]
    feedback.append(told.get(identifier, ""))
    return Choice(
        identifier=identifier,
        html=html,
        fixed=says_yes(element, "fixed"),
        rationale=" ".join(" ".join(feedback).split()),
    )


def directed(choice: Choice, written: str) -> Choice:
    """An option as the body that it stands in is written: from right to left, say."""
    return replace(choice, html=f'<div dir="{written}">{choice.html}</div>') if written in DIRECTIONS else choice


def language_of(element: ET.Element) -> str:
    return (attribute(element, "lang") or "")[:35]


# Text --------------------------------------------------------------------------------------------------------------------------


@dataclass
class Writer:
    """Writes XML as HTML, not yet cleaned. `without` are elements that went elsewhere (a passage)."""

    without: tuple[ET.Element, ...] = ()

    def stem(self, body: ET.Element, interaction: ET.Element) -> str:
        """What stands before the options, their prompt, and what stands after them."""
        self.interaction = interaction
        return self.inner(body)

    interaction: ET.Element | None = None

    def inner(self, element: ET.Element) -> str:
        # Not the hard blanks that belong to the text.
        return "".join(self._parts(element)).strip(" \t\r\n")

    def _parts(self, element: ET.Element) -> Iterator[str]:
        yield escape(element.text or "", quote=False)
        for inner in element:
            yield from self._element(inner)
            yield escape(inner.tail or "", quote=False)

    def _element(self, element: ET.Element) -> Iterator[str]:
        name = local(element.tag)
        if element is self.interaction:
            prompts = (self.inner(prompt) for prompt in children(element, "prompt"))
            yield from (f"<div>{prompt}</div>" for prompt in prompts if prompt)
            return
        if name == VERBATIM_TAG:
            text = text_of(element)
            yield text if MARKUP.search(text) else escape(text, quote=False)
            return
        if name in LEFT_OUT or element in self.without or not name:
            return
        if name == "div" and element.get("class") == UNWRAPPED:
            yield from self._parts(element)
            return
        if name == "rubricBlock" and "candidate" not in (element.get("view") or "candidate"):
            return
        tag = "div" if name in ("rubricBlock", "stimulus", "stimulusBody", "section", "article", "contentBody") else name
        if name == "object" and (element.get("type") or "").startswith("image/") and element.get("data"):
            yield f'<img src="{escape(element.get("data") or "")}" alt="{escape(words(text_of(element)))}">'
            return
        attributes = "".join(f' {local(key)}="{escape(value)}"' for key, value in element.attrib.items())
        yield f"<{tag}{attributes}>"
        if tag not in fragments.VOID:
            yield from self._parts(element)
            yield f"</{tag}>"


# Passages ----------------------------------------------------------------------------------------------------------------------


def stimulus_of(root: ET.Element, body: ET.Element, name: str, reading: Reading) -> tuple[StimulusDraft | None, tuple[ET.Element, ...]]:
    """The passage that the item refers to, and the elements of the body that stood for it."""
    references = [(element.get("href") or "", element) for element in children(root, "assessmentStimulusRef")]
    references += [
        (element.get("data") or "", element) for element in descendants(body, "object") if "html" in (element.get("type") or "").lower()
    ]
    if not references:
        return None, ()
    if len(references) > 1:
        raise Unfit(tell("several-passages", count=len(references)))
    reference, element = references[0]
    path = joined(name, reference)
    if path is None:
        raise Unfit(tell("passage-elsewhere", address=reference[:80]))
    if path not in reading.stimuli:
        reading.stimuli[path] = read_stimulus(path, reading)
    return reading.stimuli[path], (element,)


def read_stimulus(path: str, reading: Reading) -> StimulusDraft:
    try:
        data = reading.files.read(path, LIMITS.document)
    except Unfit as problem:
        raise Unfit(tell("passage-missing", path=path)) from problem
    root = parse_xml(data, reading.files.source(path))
    to_old_names(root)
    body = next(descendants(root, "stimulusBody", "body"), root)
    cleaner = reading.cleaner(path)
    html = cleaner.clean(Writer().inner(body))
    if not says_something(html):
        raise Unfit(tell("passage-empty", path=path))
    title = root.get("title") or text_of(next(descendants(root, "title"), None))
    return StimulusDraft(path, " ".join(title.split()), html, language_of(root), tuple(cleaner.assets.values()))


def catalog_of(root: ET.Element) -> str:
    """The cards for other ways to give an item (speech, braille, signs), as they came."""
    found = next(
        (element for element in root.iter() if local(element.tag) in ("qti-catalog-info", "catalogInfo", "apipAccessibility")), None
    )
    if found is None:
        return ""
    kept = deepcopy(found)
    kept.tail = None
    for element in kept.iter():
        for verbatim in list(children(element, VERBATIM_TAG)):
            # Its text goes on as text; the writer escapes it.
            element.text = (element.text or "") + text_of(verbatim) + (verbatim.tail or "")
            element.remove(verbatim)
    return ET.tostring(kept, encoding="unicode")


# Manifests ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Resource:
    """A line of a package's contents."""

    identifier: str
    type: str
    path: str
    metadata: dict[str, Any]
    # What our own packages say beside QTI.
    record: dict[str, Any] = field(default_factory=dict)


def read_manifest(root: ET.Element, name: str) -> list[Resource]:
    """Everything that the manifest in the file `name` lists. Nothing in it needs to be there but the resources themselves."""
    found = []
    for element in descendants(root, "resource"):
        base = "".join((attribute(place, "base") or "") for place in (root, child(root, "resources"), element) if place is not None)
        href = next((said for said in [element.get("href"), *(file.get("href") for file in children(element, "file"))] if said), None)
        path = joined(name, base + href) if href else None
        if path is not None:
            identifier, kind = (element.get("identifier") or "").strip(), (element.get("type") or "").strip()
            found.append(Resource(identifier, kind, path, described(element), recorded(element)))
    return found


def recorded(resource: ET.Element) -> dict[str, Any]:
    written = text_of(next(resource.iter(f"{{{RECORD}}}item"), None))
    if not written or len(written) > LONGEST_RECORD:
        return {}
    try:
        said = json.loads(written)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def described(resource: ET.Element) -> dict[str, Any]:
    """What a resource's metadata (LOM, in any namespace) says about an item."""
    metadata = child(resource, "metadata")
    if metadata is None:
        return {}
    said: dict[str, Any] = {}
    for element in metadata.iter():
        name, text = local(element.tag), " ".join(text_of(element).split())[:500]
        if not text:
            continue
        if name == "keyword":
            said.setdefault("tags", []).append(text)
        elif name in ("title", "description", "language"):
            said.setdefault(name, text)
        elif name == "difficulty":
            said.setdefault(name, " ".join(text_of(next(descendants(element, "value"), element)).split())[:100])
        elif name == "taxon":
            said.setdefault("taxons", []).append(" ".join(text_of(child(element, "entry", "id")).split())[:200] or text)
    if said.get("taxons"):
        said["area"] = said["taxons"][-1]
    return said
