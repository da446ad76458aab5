"""QTI 2.0 to 3.0: the key is what an item's own scoring comes to, and what is not understood is left out with the true reason."""

import base64
from decimal import Decimal

import pytest

from testing_platform.itembank.exchange.drafts import Draft, Skip
from testing_platform.itembank.exchange.safety import Refused
from tests.itembank.exchange.made import MAP, all_of, item, item3, manifest, one, package, png, written

RESPONSE = '<variable identifier="RESPONSE"/>'


def mapping(bounds="", **entries):
    return (
        f"<mapping {bounds}>"
        + "".join(f'<mapEntry mapKey="{key}" mappedValue="{value}"/>' for key, value in entries.items())
        + "</mapping>"
    )


def rules(*parts):
    return "<responseProcessing>" + "".join(parts) + "</responseProcessing>"


def setting(value, name="SCORE"):
    return f'<setOutcomeValue identifier="{name}">{value}</setOutcomeValue>'


def base(value, type="float"):
    return f'<baseValue baseType="{type}">{value}</baseValue>'


def when(condition, then, otherwise=""):
    last = f"<responseElse>{otherwise}</responseElse>" if otherwise else ""
    return f"<responseCondition><responseIf>{condition}{then}</responseIf>{last}</responseCondition>"


def is_option(identifier):
    return f"<match>{RESPONSE}{base(identifier, 'identifier')}</match>"


def has(*identifiers):
    return "<match>" + RESPONSE + "<multiple>" + "".join(base(each, "identifier") for each in identifiers) + "</multiple></match>"


CORRECT = f'<match>{RESPONSE}<correct identifier="RESPONSE"/></match>'
MAPPED = '<mapResponse identifier="RESPONSE"/>'
ONE, NOTHING = setting(base("1")), setting(base("0"))


def template(address):
    return f'<responseProcessing template="{address}"/>'


@pytest.mark.parametrize(
    ("made", "kind", "key", "weights"),
    [
        (item(), "single", "B", None),
        (item(rules=template("https://example.org/v9/MATCH_CORRECT.xml")), "single", "B", None),
        (item(rules=template("CC2_match.xml")), "single", "B", None),
        (item(rules=""), "single", "B", None),
        (item(rules="<responseProcessing/>"), "single", "B", None),
        (item(rules=rules(setting(base("right", "identifier"), "FEEDBACK"))), "single", "B", None),
        # The pattern match-correct, and the same said in other words.
        (item(rules=rules(when(CORRECT, ONE, NOTHING))), "single", "B", None),
        (item(rules=rules(when(f"<not>{CORRECT}</not>", NOTHING, ONE))), "single", "B", None),
        (item(rules=rules(when(f"<isNull>{RESPONSE}</isNull>", NOTHING, when(CORRECT, ONE)))), "single", "B", None),
        (item(rules=rules(when(f"<and>{CORRECT}<not><isNull>{RESPONSE}</isNull></not></and>", setting(f"<sum><variable identifier='SCORE'/>{base(2)}</sum>")))), "single", "B", None),
        # A value set by condition, with and without a declared answer.
        (item(correct=(), rules=rules(when(is_option("C"), ONE, NOTHING))), "single", "C", None),
        (item(correct=(), rules=rules(when(is_option("C"), ONE), when(is_option("A"), setting(base("0.5"))))), "single", "C", {"A": "0.5", "C": "1"}),
        # An outcome of another name, when it is the only number.
        (item(extra='<outcomeDeclaration identifier="POINTS" cardinality="single" baseType="integer"/>', rules=rules(when(CORRECT, setting(base(3), "POINTS")))), "single", "B", None),
        # Mappings.
        (item(correct=(), mapping=mapping(A=0, B=1), rules=MAP), "single", "B", {"A": "0", "B": "1"}),
        (item(mapping=mapping(B=2, A=1), rules=rules(setting(MAPPED))), "single", "B", {"B": "2", "A": "1"}),
        (item(cardinality="multiple", most="0", correct=("A", "C"), mapping=mapping('lowerBound="0" upperBound="2" defaultValue="-1"', A=1, C=1), rules=MAP), "multiple", "A C", {"A": "1", "C": "1"}),
        (item(cardinality="multiple", most=None, correct=(), mapping=mapping(A=1, C=1, D="-1"), rules=rules(setting(MAPPED))), "multiple", "A C", {"A": "1", "C": "1", "D": "-1"}),
        # The same weights another way: times two from a start of one, and kept within bounds by the rules.
        (item(cardinality="multiple", most="0", correct=("A", "C"), mapping=mapping(A=1, C=1, D="-1"), rules=rules(setting(f"<sum>{base(1)}<product>{MAPPED}{base(2)}</product></sum>"))), "multiple", "A C", {"A": "1", "C": "1", "D": "-1"}),
        (item(cardinality="multiple", most="0", correct=("A", "C"), mapping=mapping(A=1, C=1, D="-1"), rules=rules(setting(MAPPED), when(f"<lt><variable identifier='SCORE'/>{base(0)}</lt>", NOTHING))), "multiple", "A C", {"A": "1", "C": "1", "D": "-1"}),
        (item(cardinality="multiple", most="0", correct=("A", "C"), rules=rules(setting(base(1)), when(CORRECT, setting(base(3))))), "multiple", "A C", None),
        # Several answers, all or nothing.
        (item(cardinality="multiple", most="0", correct=("C", "A")), "multiple", "A C", None),
        (item(cardinality="multiple", most="2", correct=(), rules=rules(when(has("A", "D"), ONE))), "multiple", "A D", None),
        (item(cardinality="multiple", most="0", correct=("A", "C"), rules=rules(when(f"<and><member>{base('A', 'identifier')}{RESPONSE}</member><member>{base('C', 'identifier')}{RESPONSE}</member><equal toleranceMode='exact'><containerSize>{RESPONSE}</containerSize>{base(2, 'integer')}</equal></and>", ONE))), "multiple", "A C", None),
        # Several may be declared, but one is all that can be taken.
        (item(cardinality="multiple", most="1"), "single", "B", None),
        (item(options={"T": "True", "F": "False"}, correct=("F",)), "truefalse", "F", None),
        # A mapping beside a correct response and no rules: kept where both say the same.
        (item(rules="", mapping=mapping(B=1, A="-0.5")), "single", "B", {"B": "1", "A": "-0.5"}),
        (item(rules="", mapping=mapping(A=0, B=0)), "single", "B", None),
        (item(rules=rules(when(CORRECT, setting('<baseValue baseType="string">1.0</baseValue>')))), "single", "B", None),
        (item(cardinality="multiple", most="0", correct=("A", "B"), rules=rules(when('<contains><variable identifier="RESPONSE"/><correct identifier="RESPONSE"/></contains>', ONE))), "multiple", "A B", None),
    ],
)  # fmt: skip
def test_the_key_is_what_the_scoring_comes_to(tmp_path, made, kind, key, weights):
    found = one(tmp_path, made)
    assert isinstance(found, Draft), found
    assert (found.kind, found.correct) == (kind, tuple(key.split()))
    assert (found.mapping.entries if found.mapping else None) == (
        {name: Decimal(value) for name, value in weights.items()} if weights else None
    )


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (item(correct=()), "has no key"),
        (item(correct=(), rules=""), "has no key"),
        (item(correct=(), rules="", mapping=mapping(B=1)), "no correct response and no rule that scores by the mapping"),
        (item(correct=(), rules=MAP), "has no key"),
        (item(correct=(), mapping=mapping(B=0), rules=MAP), "has no key"),
        (item(rules=rules(when(CORRECT, ONE, ONE))), "no option earns more"),
        (item(correct=("E",)), "names E, which is none of its options"),
        (item(correct=("b",)), "names b, which is none of its options"),
        (item(correct=(), mapping=mapping(X=1), rules=MAP), "X, which is none of its options"),
        (item(correct=("A", "B")), "one option may be taken"),
        (item(cardinality="multiple", most="1", correct=("A", "B")), "one option may be taken"),
        (item(cardinality="multiple", most="2", correct=("A", "B", "C")), "at most 2 options"),
        (item(rules="", mapping=mapping(C=2)), "its correct response names B, its mapping gives most for C"),
        (item(mapping=mapping(C=2), rules=MAP), "its correct response names B, yet it is scored by a mapping"),
        (item(rules=rules(when(is_option("C"), ONE))), "its correct response names B, yet its rules give full credit for C"),
        (item(mapping=mapping('upperBound="Max:3"', B=1), rules=MAP), "'Max:3' as upperBound"),
        (item(mapping=mapping(B="one"), rules=MAP), "'one', which is no number"),
        (item(attributes='adaptive="true"'), "adaptive"),
        (item(extra='<templateDeclaration identifier="x" cardinality="single" baseType="float"/>'), "template variables"),
        (item(stem='<p>Is <printedVariable identifier="x"/>?</p>'), "prints a variable"),
        (item(stem='<p><textEntryInteraction responseIdentifier="R2"/></p>'), "several interactions (2: textEntryInteraction, choiceInteraction)"),
        (item(rules=template("http://example.org/own_rules.xml")), "a template that is not known: own_rules"),
        (item(rules=rules(when("<customOperator/>", ONE))), "customOperator"),
        (item(rules=rules('<lookupOutcomeValue identifier="SCORE"/>')), "lookupOutcomeValue"),
        (item(rules=rules(when(CORRECT, setting("<randomInteger min='0' max='1'/>")))), "randomInteger"),
        (item(cardinality="multiple", most="0", correct=("A", "B"), mapping=mapping(A=1, B=1), rules=rules(setting(MAPPED), when(CORRECT, setting(base(5))))), "neither all-or-nothing nor a sum of weights"),
        (item(cardinality="ordered", most="0", correct=("A", "B")), "another kind (ordered)"),
        (item(options={"A": "Only"}, correct=("A",)), "has 1 option"),
        (item(options='<simpleChoice identifier="A">x</simpleChoice><simpleChoice identifier="A">y</simpleChoice>', correct=("A",)), "same identifier"),
        (item(options={"A": "Yes", "B": " "}), "option B is empty"),
        (item(stem=""), "no question text"),
        (item(stem='<p><img src="lost.png" alt="x"/></p>'), "lost.png did not come along"),
        (item(stem='<p><img src="https://example.org/x.png" alt="x"/></p>'), "at another address"),
        (item(stem='<p><img src="../../etc/passwd" alt="x"/></p>'), "at another address"),
        (item(stem="<p>Hear <object data='a.mp3' type='audio/mpeg'/></p>"), "holds an object"),
        (item(extra='<assessmentStimulusRef identifier="s" href="s.xml"/>'), "passage s.xml did not come along"),
        ('<assessmentItem identifier="x"/>', "no item body"),
        (item().replace("choiceInteraction", "orderInteraction"), "of another kind: orderInteraction"),
    ],
)  # fmt: skip
def test_what_is_not_understood_is_left_out_with_the_reason(tmp_path, made, reason):
    found = one(tmp_path, made)
    assert isinstance(found, Skip), found
    assert reason in found.reason


@pytest.mark.parametrize(
    ("made", "format"),
    [
        (item(version="2p0"), "qti20"),
        (item(version="2p1"), "qti21"),
        (item(version="2p2"), "qti22"),
        (item3(), "qti30"),
        (item(namespace=False), "qti21"),
        (item().replace("<assessmentItem xmlns=", "<q:assessmentItem xmlns:q=").replace("</assessmentItem", "</q:assessmentItem"), "qti21"),
    ],
)
def test_the_version_is_known_by_names_and_namespace(tmp_path, made, format):
    found = one(tmp_path, made)
    assert (type(found), found.format, found.correct) == (Draft, format, ("B",))


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbf" + item(stem="<p>Señor Muñoz</p>").encode(),
        ('<?xml version="1.0" encoding="UTF-16"?>' + item(stem="<p>Señor Muñoz</p>")).encode("utf-16"),
        item(stem="<p>Señor Muñoz</p>").encode("utf-16-le"),
        ('<?xml version="1.0" encoding="ISO-8859-1"?>' + item(stem="<p>Señor Muñoz</p>")).encode("latin-1"),
        ('<?xml version="1.0" encoding="windows-1252"?>' + item(stem="<p>Señor Muñoz</p>")).encode("cp1252"),
        ('<?xml version="1.0" encoding="UTF-16"?>' + item(stem="<p>Señor Muñoz</p>")).encode(),
        item(stem="<p>Se&ntilde;or Mu&ntilde;oz</p>").encode(),
        ('\n <?xml version="1.0"encoding="UTF-8"?>' + item(stem="<p>Señor Muñoz</p>")).encode(),
    ],
)
def test_letters_arrive_whatever_they_are_written_in(tmp_path, data):
    assert one(tmp_path, data).stem == "<p>Señor Muñoz</p>"


def test_the_stem_is_all_that_a_candidate_reads_and_nothing_else(tmp_path):
    found = one(
        tmp_path,
        item(
            stem='<div class="x" style="color:red"><p>Before <b>this</b> <span xml:lang="es">hola</span>.</p></div>'
            "<rubricBlock view='scorer'><p>For scorers</p></rubricBlock><feedbackBlock outcomeIdentifier='F' identifier='f' showHide='show'><p>Right!</p></feedbackBlock>",
            prompt="<prompt>Choose <i>one</i>.</prompt>",
            after='<modalFeedback outcomeIdentifier="F" identifier="A" showHide="show">Not yet.</modalFeedback>',
        ),
    )
    assert found.stem == '<div><p>Before <strong>this</strong> <span lang="es">hola</span>.</p></div><div>Choose <em>one</em>.</div>'
    assert [choice.rationale for choice in found.choices] == ["Not yet.", "", "", ""]
    assert any("feedback" in note for note in found.notes)


def test_markup_in_cdata_is_markup_and_escaped_markup_is_text(tmp_path):
    found = one(tmp_path, item(options={"A": "<![CDATA[<p>One</p>]]>", "B": "&lt;img src = 'x' /&gt;", "C": "<![CDATA[a < b]]>"}))
    assert [choice.html for choice in found.choices] == ["<p>One</p>", "&lt;img src = 'x' /&gt;", "a &lt; b"]


def test_mathml_keeps_its_elements_under_any_prefix(tmp_path):
    found = one(
        tmp_path,
        item(stem='<p>Is <m:math xmlns:m="http://www.w3.org/1998/Math/MathML"><m:msup><m:mi>c</m:mi><m:mn>2</m:mn></m:msup></m:math>?</p>'),
    )
    assert "<math><msup><mi>c</mi><mn>2</mn></msup></math>" in found.stem


def test_a_formula_is_not_said_again_in_the_notation_it_was_written_in(tmp_path):
    source = '<annotation encoding="TeX">c^2</annotation><annotation-xml><apply><ci>c</ci></apply></annotation-xml>'
    formula = f'<math xmlns="http://www.w3.org/1998/Math/MathML"><semantics><mi>c</mi>{source}</semantics></math>'
    found = one(tmp_path, item(options={"A": formula, "B": "b"}))
    assert found.choices[0].html == "<math><semantics><mi>c</mi></semantics></math>"


def test_a_drawing_in_the_text_is_a_picture_of_the_item(tmp_path):
    drawing = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 2 2"><title>A "square"</title><rect width="2" height="2"/></svg>'
    found = one(tmp_path, item(stem="<p>Which?</p>", options={"A": drawing, "B": f"<![CDATA[{drawing.replace('rect', 'path')}]]>"}))
    assert [asset.media_type for asset in found.assets] == ["image/svg+xml"] * 2
    assert [asset.alt for asset in found.assets] == ['A "square"'] * 2
    with pytest.raises(Refused, match="script"):
        one(tmp_path, item(stem=f"<p>Which? {drawing.replace('<rect', '<script>x()</script><rect')}</p>"))


def test_a_picture_in_its_own_address_does_not_count_as_text(tmp_path):
    letters = base64.b64encode(png() + bytes(400_000)).decode()
    found = one(tmp_path, item(stem=f'<p>See <img src="data:image/png;base64,{letters}" alt="sign"/></p>'))
    assert (found.assets[0].alt, len(found.assets[0].data)) == ("sign", len(png()) + 400_000)


@pytest.mark.parametrize(
    ("link", "taken"),
    [
        ("files/notice.pdf", False),
        ("@@PLUGINFILE@@/hello.mp3", False),
        ("https://example.org/x", True),
        ("#end", True),
        ("mailto:a@b", True),
    ],
)
def test_a_link_to_a_file_is_more_than_its_words(tmp_path, link, taken):
    found = one(tmp_path, item(stem=f'<p>Read <a class="x" href="{link}">this</a> first.</p>'))
    assert isinstance(found, Draft) if taken else f"link to a file ({link})" in found.reason


def test_large_letters_and_the_direction_of_the_body_count(tmp_path):
    found = one(tmp_path, item(shuffle="TRUE").replace("<itemBody>", '<itemBody dir="rtl">'))
    assert found.shuffle
    assert (found.stem, found.choices[0].html) == ('<div dir="rtl"><p>What comes first?</p></div>', '<div dir="rtl">Apologize</div>')
    assert "adaptive" in one(tmp_path, item(attributes='adaptive="True"')).reason


def test_fixed_options_language_and_catalogue_come_along(tmp_path):
    card = '<qti-catalog-info><qti-catalog id="c1"><qti-card support="spoken"><qti-html-content><p>Say it</p></qti-html-content></qti-card></qti-catalog></qti-catalog-info>'
    found = one(tmp_path, item3(stem='<p data-catalog-idref="c1">What comes first?</p>', extra=card, language="es-US"))
    assert [choice.fixed for choice in found.choices] == [False, False, False, True]
    assert (found.language, found.shuffle) == ("es-US", True)
    assert 'data-catalog-idref="c1"' in found.stem
    assert "qti-card" in found.catalog and "Say it" in found.catalog  # noqa: PT018


def test_a_package_brings_its_passages_and_pictures_and_its_items_are_told_apart_by_file(tmp_path):
    passage = '<qti-assessment-stimulus xmlns="http://www.imsglobal.org/xsd/imsqtiasi_v3p0" identifier="s" title="Notice"><qti-stimulus-body><h2>Hours</h2><p>Open at nine. <img src="../pics/a%20b.png" alt="a door"/></p></qti-stimulus-body></qti-assessment-stimulus>'
    reference = '<qti-assessment-stimulus-ref identifier="s" href="../passages/s.xml"/>'
    metadata = "<metadata><lom><general><keyword><string>phone</string></keyword></general><educational><difficulty><value>easy</value></difficulty></educational></lom></metadata>"
    found = all_of(
        package(
            tmp_path / "p.zip",
            {
                "top/imsmanifest.xml": manifest(("r2", "imsqti_item_xmlv3p0", "items/2.xml", metadata), ("r1", "imsqti_item_xmlv3p0", "items/1.xml", ""), ("r3", "imsqti_item_xmlv3p0", "items/3.xml", ""), ("s", "imsqti_stimulus_xmlv3p0", "passages/s.xml", "")),
                "top/items/1.xml": item3("same", extra=reference),
                "top/items/2.xml": item3("same", correct="C", extra=reference),
                "top/unlisted.xml": item3("same", correct="D"),
                "top/items/broken.xml": item3("same").replace("</qti-item-body>", ""),
                "top/passages/s.xml": passage,
                "top/pics/a b.png": png(),
                "__MACOSX/top/._1.xml": "<",
            },
        )
    )  # fmt: skip
    drafts = [each for each in found if isinstance(each, Draft)]
    assert [(each.source, each.correct) for each in drafts] == [
        ("p.zip!top/items/2.xml", ("C",)),
        ("p.zip!top/items/1.xml", ("B",)),
        ("p.zip!top/unlisted.xml", ("D",)),
    ]
    assert drafts[0].stimulus is drafts[1].stimulus
    assert drafts[0].stimulus.title == "Notice"
    assert drafts[0].stimulus.html.startswith("<p><strong>Hours</strong></p>")
    (picture,) = drafts[0].stimulus.assets
    assert (picture.media_type, picture.alt, picture.data) == ("image/png", "a door", png())
    assert f'src="{picture.name}"' in drafts[0].stimulus.html
    assert drafts[0].metadata == {"tags": ["phone"], "difficulty": "easy", "resource": "r2"}
    assert {(each.source, each.reason.split(" (")[0]) for each in found if isinstance(each, Skip)} == {
        ("p.zip!top/items/broken.xml", "is not well-formed XML"),
        ("p.zip!top/items/3.xml", "is listed in the manifest and did not come along"),
    }


def test_a_test_or_a_manifest_handed_in_alone_leads_to_its_items(tmp_path):
    written(tmp_path, "a.xml", item(identifier="a"))
    written(tmp_path, "b.xml", item(identifier="b"))
    written(tmp_path, "other.xml", item(identifier="other"))
    test = written(tmp_path, "test.xml", '<assessmentTest xmlns="http://www.imsglobal.org/xsd/imsqti_v2p1"><testPart><assessmentItemRef identifier="1" href="a.xml"/><assessmentItemRef identifier="2" href="a.xml"/><assessmentItemRef identifier="3" href="gone.xml"/></testPart></assessmentTest>')  # fmt: skip
    listing = written(tmp_path, "imsmanifest.xml", manifest(("r", "imsqti_item_xmlv2p1", "b.xml", "")))
    assert [(each.source, type(each)) for each in all_of(test)] == [("a.xml", Draft), ("gone.xml", Skip)]
    assert [each.identifier for each in all_of(listing)] == ["b"]


def test_rules_that_would_take_forever_are_left_out(tmp_path):
    deep = rules(*[when(CORRECT, ONE)] * 3000)
    options = {f"O{at}": f"Option {at}" for at in range(10)}
    found = one(tmp_path, item(options=options, correct=("O1", "O2"), cardinality="multiple", most="0", rules=deep))
    assert found.reason == "its rules are too long to follow"


def test_a_long_list_of_options_is_tried_near_its_key(tmp_path):
    options = {f"O{at}": f"Option {at}" for at in range(16)}
    found = one(
        tmp_path, item(options=options, correct=("O1", "O15"), cardinality="multiple", most="0", rules=rules(when(CORRECT, ONE, NOTHING)))
    )
    assert (found.kind, found.correct, found.mapping) == ("multiple", ("O1", "O15"), None)
