"""QTI 3.0 and 2.1 as packages. One writer for both: 3.0 has the names of 2.x with `qti-` before them and dashes inside."""

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

from testing_platform.errors import Said
from testing_platform.itembank.exchange import fragments, keys
from testing_platform.itembank.exchange.drafts import LONGEST_NUMBER, Draft, Mapping, StimulusDraft, Unfit
from testing_platform.itembank.exchange.fragments import as_xml, element
from testing_platform.itembank.exchange.qti import RATIONALE, RECORD, UNWRAPPED
from testing_platform.itembank.exchange.safety import LIMITS, words
from testing_platform.itembank.exchange.sentences import tell
from testing_platform.itembank.exchange.written import (
    PLACES,
    Export,
    Holds,
    Left,
    Names,
    Outline,
    missed,
    texts,
    whole_assets,
    with_pictures,
)

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
SCHEMAS = "http://www.w3.org/2001/XMLSchema-instance"
LOM = "http://ltsc.ieee.org/xsd/LOM"
IDENTIFIER = re.compile(r"[^\W\d][\w.-]*")
RESPONSE, SCORE, MAXSCORE, FEEDBACK = "RESPONSE", "SCORE", "MAXSCORE", "FEEDBACK"
# What HTML has and QTI 2.1 has not.
LATER_TAGS = {"u", "bdo", "bdi", "figure", "figcaption", "ruby", "rt", "rp", "rb"}
LATER_ATTRIBUTES = {"dir", "title", "aria-label", "data-catalog-idref", "data-ssml", "start", "type", "reversed"}
HOLDS = Holds(metadata=None, fixed=True, limit=True, language=True, passage=True, catalog=True)


def kebab(name: str) -> str:
    return re.sub(r"([A-Z])", lambda found: f"-{found[1].lower()}", name)


@dataclass(frozen=True)
class Dialect:
    """How one version of QTI writes what both mean."""

    later: bool
    namespace: str
    schema: str
    templates: str
    template_ending: str
    package: str
    package_schema: str
    package_version: str
    mark: str

    def __call__(self, name: str, attributes: dict[str, object] | None = None, *inner: str) -> str:
        if not self.later:
            return element(name, attributes, *inner)
        named = {key if ":" in key else kebab(key): value for key, value in (attributes or {}).items()}
        return element(f"qti-{kebab(name)}", named, *inner)

    def root(self, name: str, attributes: dict[str, object], *inner: str) -> bytes:
        heading = {"xmlns": self.namespace, "xmlns:xsi": SCHEMAS, "xsi:schemaLocation": f"{self.namespace} {self.schema}"}
        return (HEAD + self(name, {**heading, **attributes}, "\n", *inner) + "\n").encode()


QTI3 = Dialect(
    later=True,
    namespace="http://www.imsglobal.org/xsd/imsqtiasi_v3p0",
    schema="https://purl.imsglobal.org/spec/qti/v3p0/schema/xsd/imsqti_asiv3p0p1_v1p0.xsd",
    templates="https://purl.imsglobal.org/spec/qti/v3p0/rptemplates/",
    template_ending=".xml",
    package="http://www.imsglobal.org/xsd/qti/qtiv3p0/imscp_v1p1",
    package_schema="QTI Package",
    package_version="3.0.0",
    mark="xmlv3p0",
)
QTI21 = Dialect(
    later=False,
    namespace="http://www.imsglobal.org/xsd/imsqti_v2p1",
    schema="http://www.imsglobal.org/xsd/qti/qtiv2p1/imsqti_v2p1.xsd",
    templates="http://www.imsglobal.org/question/qti_v2p1/rptemplates/",
    template_ending="",
    package="http://www.imsglobal.org/xsd/imscp_v1p1",
    package_schema="QTIv2.1 Package",
    package_version="1.0.0",
    mark="xmlv2p1",
)


def figure(value: Decimal) -> str:
    """A weight in as few figures as say it. Raises Unfit for one that no reader would take back."""
    written = keys.plain(value)
    if len(written) > LONGEST_NUMBER:
        written = str(value.normalize())
    if len(written) > LONGEST_NUMBER:
        raise Unfit(tell("weight-too-long", most=LONGEST_NUMBER))
    return written


# Items -------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Item:
    """One item on its way into a package, under the name that is its own there."""

    draft: Draft
    name: str
    dialect: Dialect
    passage: str | None = None

    @property
    def options(self) -> dict[str, str]:
        """Option → its identifier in the file. QTI wants letters first; where one has none, all are renamed and the record tells."""
        known = [choice.identifier for choice in self.draft.choices]
        if all(IDENTIFIER.fullmatch(identifier) for identifier in known):
            return {identifier: identifier for identifier in known}
        return {identifier: f"option_{at}" for at, identifier in enumerate(known, 1)}

    @property
    def catalog_inside(self) -> bool:
        return self.dialect.later and bool(re.match(r"<(?:\w+:)?qti-catalog-info\b", self.draft.catalog))

    def record(self) -> str:
        """What the version of QTI has no place for, for whoever reads the package back."""
        draft, options = self.draft, self.options
        kept: dict[str, Any] = {"metadata": {name: value for name, value in draft.metadata.items() if name not in PLACES}}
        if self.name != draft.identifier:
            kept["identifier"] = draft.identifier
        if any(name != written for name, written in options.items()):
            kept["options"] = list(options)
        question = keys.Question(tuple(options), draft.kind != "multiple")
        if keys.kind_of(question, [words(choice.html) for choice in draft.choices]) != draft.kind:
            kept["kind"] = draft.kind
        if weights := {choice.identifier: str(choice.weight) for choice in draft.choices if choice.weight is not None}:
            kept["weights"] = weights
        if draft.catalog and not self.catalog_inside:
            kept["catalog"] = draft.catalog
        return json.dumps(kept, sort_keys=True, separators=(",", ":"), default=str)

    def written(self) -> bytes:
        qti, draft = self.dialect, self.draft
        told = any(choice.rationale for choice in draft.choices)
        cardinality = "multiple" if draft.kind == "multiple" else "single"
        parts = [
            self.declaration(cardinality),
            outcome(qti, SCORE, Decimal(0)),
            outcome(qti, MAXSCORE, Decimal(1) if draft.mapping is None else draft.mapping.score(draft.correct)),
            qti("outcomeDeclaration", {"identifier": FEEDBACK, "cardinality": cardinality, "baseType": "identifier"}) if told else "",
            qti("assessmentStimulusRef", {"identifier": passage_name(self.passage), "href": f"../{self.passage}"})
            if self.passage and qti.later
            else "",
            self.body(),
            self.catalog() if self.catalog_inside else "",
            self.processing(),
            *(self.feedback(choice.identifier, choice.rationale) for choice in draft.choices if choice.rationale),
        ]
        attributes: dict[str, object] = {
            "identifier": self.name,
            "title": draft.title,
            "adaptive": False,
            "timeDependent": False,
            "xml:lang": draft.language or None,
        }
        return qti.root("assessmentItem", attributes, *(f"{part}\n" for part in parts if part))

    def declaration(self, cardinality: str) -> str:
        qti, draft = self.dialect, self.draft
        attributes: dict[str, object] = {"identifier": RESPONSE, "cardinality": cardinality, "baseType": "identifier"}
        values = [qti("value", None, fragments.text(self.options[choice])) for choice in self.correct]
        # One answer with several keys: each of them is right by itself, which no correct response can say.
        several = draft.kind != "multiple" and len(values) > 1
        inner = "" if several else qti("correctResponse", None, *values)
        if draft.mapping is not None:
            check_mapping(draft, draft.mapping)
            inner += self.mapping(draft.mapping)
        return qti("responseDeclaration", attributes, inner)

    @property
    def correct(self) -> list[str]:
        return [choice.identifier for choice in self.draft.choices if choice.identifier in self.draft.correct]

    def mapping(self, mapping: Mapping) -> str:
        qti = self.dialect
        attributes: dict[str, object] = {
            "lowerBound": None if mapping.lower is None else figure(mapping.lower),
            "upperBound": None if mapping.upper is None else figure(mapping.upper),
            "defaultValue": figure(mapping.default),
        }
        entries = (
            qti("mapEntry", {"mapKey": self.options[choice.identifier], "mappedValue": figure(mapping.entries[choice.identifier])})
            for choice in self.draft.choices
            if choice.identifier in mapping.entries
        )
        return qti("mapping", attributes, *entries)

    def body(self) -> str:
        qti, draft = self.dialect, self.draft
        assets = whole_assets(draft)
        stem = placed(draft.stem, assets)
        asked = fragments.alone_in_div(stem)
        prompt = qti("prompt", None, as_xml(asked)) if asked is not None else ""
        before = "" if prompt else as_xml(stem) if fragments.is_blocks(stem) else element("div", {"class": UNWRAPPED}, as_xml(stem))
        if self.passage and not qti.later:
            held = element("object", {"data": f"../{self.passage}", "type": "text/html"}, fragments.text(passage_name(self.passage)))
            before = element("div", {"class": UNWRAPPED}, held) + before
        attributes: dict[str, object] = {
            "responseIdentifier": RESPONSE,
            "shuffle": draft.shuffle,
            "maxChoices": draft.max_choices if draft.kind == "multiple" else 1,
        }
        choices = (
            qti(
                "simpleChoice",
                {"identifier": self.options[choice.identifier], "fixed": choice.fixed or None},
                as_xml(placed(choice.html, assets)),
            )
            for choice in draft.choices
        )
        return qti("itemBody", None, before, qti("choiceInteraction", attributes, prompt, *choices), self.rationale())

    def rationale(self) -> str:
        """For those who score, never shown to candidates; a line of it is a paragraph."""
        if not self.draft.rationale:
            return ""
        lines = "".join(element("p", None, fragments.text(line)) for line in fragments.legal(self.draft.rationale).split("\n"))
        if self.dialect.later:
            return self.dialect(
                "rubricBlock", {"use": "scoring", "view": "scorer", "class": RATIONALE}, self.dialect("contentBody", None, lines)
            )
        return self.dialect("rubricBlock", {"view": "scorer", "class": RATIONALE}, lines)

    def catalog(self) -> str:
        """As it came; one without a namespace must not fall into the item's."""
        if "xmlns" in self.draft.catalog.split(">", 1)[0]:
            return self.draft.catalog
        return re.sub(r"\A<[\w.-]+", lambda found: f'{found[0]} xmlns=""', self.draft.catalog)

    def processing(self) -> str:
        qti, draft = self.dialect, self.draft
        if draft.mapping is None and draft.kind != "multiple" and len(self.correct) > 1:
            values = (qti("baseValue", {"baseType": "identifier"}, fragments.text(self.options[choice])) for choice in self.correct)
            condition = qti("member", None, qti("variable", {"identifier": RESPONSE}), qti("multiple", None, *values))
            one = qti("setOutcomeValue", {"identifier": SCORE}, qti("baseValue", {"baseType": "float"}, "1"))
            return qti("responseProcessing", None, qti("responseCondition", None, qti("responseIf", None, condition, one)))
        template = "match_correct" if draft.mapping is None else "map_response"
        return qti("responseProcessing", {"template": f"{qti.templates}{template}{qti.template_ending}"})

    def feedback(self, choice: str, rationale: str) -> str:
        """The rationale of an option. Nothing ever sets the outcome that it waits for: no test shows it."""
        qti = self.dialect
        said = element("p", None, fragments.text(rationale))
        attributes: dict[str, object] = {"outcomeIdentifier": FEEDBACK, "identifier": self.options[choice], "showHide": "show"}
        return qti("modalFeedback", attributes, qti("contentBody", None, said) if qti.later else said)

    def notes(self) -> list[Said]:
        found = list(missed(self.draft, HOLDS))
        if not self.dialect.later:
            used = [*texts(self.draft), self.draft.stimulus.html if self.draft.stimulus else ""]
            later = {
                name for html in used for name in (fragments.tags(html) & LATER_TAGS) | (fragments.attributes_in(html) & LATER_ATTRIBUTES)
            }
            if later:
                found.append(tell("not-in-qti21", names=", ".join(sorted(later))))
            if self.draft.catalog:
                found.append(tell("catalog-in-manifest"))
        return found


def outcome(qti: Dialect, identifier: str, value: Decimal) -> str:
    start = qti("defaultValue", None, qti("value", None, figure(value)))
    return qti("outcomeDeclaration", {"identifier": identifier, "cardinality": "single", "baseType": "float"}, start)


def check_mapping(draft: Draft, mapping: Mapping) -> None:
    """A key that its own weights contradict is read by nobody."""
    question = keys.Question(tuple(choice.identifier for choice in draft.choices), draft.kind != "multiple", mapping=mapping)
    best = keys.best_by(question, mapping)
    single = draft.kind != "multiple"
    if set(best) != set(draft.correct) and (single or mapping.score(draft.correct) < mapping.score(best)):
        raise Unfit(tell("key-against-weights" if best else "key-without-weights", names=keys.named(draft.correct), best=keys.named(best)))


def placed(html: str, assets: Iterable[Any]) -> str:
    return with_pictures(html, assets, lambda asset: f"../images/{asset.name}")


# Passages ----------------------------------------------------------------------------------------------------------------------


def passage_name(path: str) -> str:
    return path.rsplit("/", 1)[-1].rsplit(".", 1)[0]


def passage(qti: Dialect, stimulus: StimulusDraft, path: str) -> bytes:
    html = as_xml(placed(stimulus.html, stimulus.assets))
    content = html if fragments.is_blocks(stimulus.html) else element("div", {"class": UNWRAPPED}, html)
    language = stimulus.language or None
    if qti.later:
        attributes: dict[str, object] = {"identifier": passage_name(path), "title": stimulus.title, "xml:lang": language}
        return qti.root("assessmentStimulus", attributes, qti("stimulusBody", None, content), "\n")
    title = element("head", None, f"<title>{fragments.text(stimulus.title)}</title>")
    page = element("html", {"xmlns": "http://www.w3.org/1999/xhtml", "xml:lang": language}, title, element("body", None, content))
    return f"{HEAD}{page}\n".encode()


# Tests -------------------------------------------------------------------------------------------------------------------------


def limit(qti: Dialect, time: timedelta | None) -> str:
    return qti("timeLimits", {"maxTime": int(time.total_seconds())}) if time else ""


def test(qti: Dialect, outline: Outline, name: str, items: list[list[Item]]) -> bytes:
    """The form: its items in this order, answered in any, each once; no feedback. The score is the sum of the items' scores."""
    sections = []
    for at, (section, held) in enumerate(zip(outline.sections, items, strict=True), 1):
        references = (qti("assessmentItemRef", {"identifier": item.name, "href": f"items/{item.name}.xml"}) for item in held)
        attributes: dict[str, object] = {"identifier": f"section_{at}", "title": section.title, "visible": True}
        sections.append(qti("assessmentSection", attributes, limit(qti, section.time_limit), *references))
    once: dict[str, object] = {"maxAttempts": 1, "showFeedback": False, "allowReview": True, "showSolution": False}
    part = qti(
        "testPart",
        {"identifier": "part_1", "navigationMode": "nonlinear", "submissionMode": "simultaneous"},
        qti("itemSessionControl", once),
        *sections,
    )
    total = qti("sum", None, qti("testVariables", {"variableIdentifier": SCORE}))
    parts = [
        outcome(qti, SCORE, Decimal(0)),
        limit(qti, outline.time_limit),
        part,
        qti("outcomeProcessing", None, qti("setOutcomeValue", {"identifier": SCORE}, total)),
    ]
    return qti.root("assessmentTest", {"identifier": name, "title": outline.title}, *(f"{part}\n" for part in parts if part))


# Packages ----------------------------------------------------------------------------------------------------------------------


def described(draft: Draft, record: str) -> str:
    """What others read of an item's metadata, and the whole of it for ourselves."""

    def said(name: str, words: object) -> str:
        return element(f"lom:{name}", None, element("lom:string", {"language": draft.language or None}, fragments.text(str(words))))

    about = draft.metadata
    tags = about.get("tags") or ()
    general = [
        said("title", draft.title) if draft.title else "",
        element("lom:language", None, fragments.text(draft.language)) if draft.language else "",
        said("description", about["description"]) if about.get("description") else "",
        *(said("keyword", tag) for tag in tags),
    ]
    lom = element("lom:general", None, *general)
    if about.get("difficulty"):
        value = element("lom:value", None, fragments.text(str(about["difficulty"])))
        lom += element("lom:educational", None, element("lom:difficulty", None, value))
    if about.get("area"):
        taxon = element("lom:taxon", None, said("entry", about["area"]))
        lom += element("lom:classification", None, element("lom:taxonPath", None, taxon))
    return element("metadata", None, element("lom:lom", None, lom), element("bank:item", None, fragments.text(record)))


@dataclass
class Contents:
    """The files of a package with their lines of the manifest."""

    qti: Dialect
    files: dict[str, bytes] = field(default_factory=dict)
    resources: list[str] = field(default_factory=list)

    def add(self, identifier: str, kind: str, path: str, data: bytes, needs: Iterable[str] = (), about: str = "") -> None:
        self.files[path] = data
        depends = (element("dependency", {"identifierref": name}) for name in needs)
        line = element("resource", {"identifier": identifier, "type": kind, "href": path}, about, element("file", {"href": path}), *depends)
        self.resources.append(line)

    def manifest(self) -> bytes:
        qti = self.qti
        digest = hashlib.sha256("".join(self.resources).encode() + b"".join(self.files[name] for name in sorted(self.files)))
        head = element("schema", None, qti.package_schema) + element("schemaversion", None, qti.package_version)
        spaces = {"xmlns": qti.package, "xmlns:lom": LOM, "xmlns:bank": RECORD}
        parts = [
            element("metadata", None, head),
            element("organizations"),
            element("resources", None, "\n", *(f"{line}\n" for line in self.resources)),
        ]
        page = element("manifest", {**spaces, "identifier": f"package-{digest.hexdigest()[:32]}"}, *(f"\n{part}" for part in parts), "\n")
        return f"{HEAD}{page}\n".encode()

    def packed(self) -> bytes:
        """The same bytes for the same files: no time, no user, no machine. What is large is stored as it is, so that nothing grows on unpacking."""
        held = io.BytesIO()
        with zipfile.ZipFile(held, "w") as archive:
            for name, data in {"imsmanifest.xml": self.manifest(), **self.files}.items():
                info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
                info.create_system = 3
                info.external_attr = 0o644 << 16
                info.compress_type = zipfile.ZIP_STORED if len(data) > LIMITS.ratio_counts_from else zipfile.ZIP_DEFLATED
                archive.writestr(info, data)
        return held.getvalue()


def write(qti: Dialect, drafts: Iterable[Draft], outline: Outline | None = None) -> Export:
    contents, names = Contents(qti), Names({"imsmanifest"})
    passages: dict[StimulusDraft, str] = {}
    pictures: dict[str, bytes] = {}
    left: list[Left] = []
    held: dict[int, Item] = {}
    for draft in drafts:
        stimulus = draft.stimulus
        if stimulus is not None and stimulus not in passages:
            ending = "xml" if qti.later else "html"
            passages[stimulus] = f"passages/{names.give(passage_name(stimulus.identifier), 'passage')}.{ending}"
        item = Item(draft, names.give(draft.identifier, "item"), qti, passages[stimulus] if stimulus is not None else None)
        try:
            data = item.written()
        except Unfit as unfit:
            left.append(Left(draft.identifier, unfit.reason, whole=True))
            continue
        held[id(draft)] = item
        left += [Left(draft.identifier, what) for what in item.notes()]
        assets = {asset.name: asset.data for asset in draft.assets}
        pictures |= assets
        needs = [*([passage_name(item.passage)] if item.passage else []), *(f"image-{name}" for name in sorted(assets))]
        contents.add(item.name, f"imsqti_item_{qti.mark}", f"items/{item.name}.xml", data, needs, described(draft, item.record()))
    kind = f"imsqti_stimulus_{qti.mark}" if qti.later else "webcontent"
    used = {item.passage for item in held.values()}
    for stimulus, path in passages.items():
        if path in used:
            pictures |= {asset.name: asset.data for asset in stimulus.assets}
            needs = [f"image-{name}" for name in sorted({asset.name for asset in stimulus.assets})]
            contents.add(passage_name(path), kind, path, passage(qti, stimulus, path), needs)
    for name in sorted(pictures):
        contents.add(f"image-{name}", "webcontent", f"images/{name}", pictures[name])
    if outline is not None:
        name = names.give(outline.identifier, "test")
        sections = [[held[id(draft)] for draft in section.drafts if id(draft) in held] for section in outline.sections]
        needs = [item.name for section in sections for item in section]
        contents.add(name, f"imsqti_test_{qti.mark}", f"{name}.xml", test(qti, outline, name, sections), needs)
    return Export(contents.packed(), ".zip", "application/zip", len(held), tuple(left))
