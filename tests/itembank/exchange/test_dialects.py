"""QTI 1.2 as Canvas and Blackboard write it, Moodle XML, GIFT, Aiken, CSV and XLSX."""

import base64
import html
from decimal import Decimal

import openpyxl
import pytest

from testing_platform.itembank.exchange.drafts import Draft, Skip, outcome
from tests.itembank.exchange.made import all_of, multichoice, one, package, png, quiz, written

# QTI 1.2 -----------------------------------------------------------------------------------------------------------------------


def canvas(type, labels, conditions, cardinality="Single", stem="<p>Pick</p>", label="question_type", identifier="g1"):
    options = "".join(
        f'<response_label ident="{key}"><material><mattext texttype="text/html">{html.escape(text)}</mattext></material></response_label>'
        for key, text in labels.items()
    )
    return (
        f'<item ident="{identifier}" title="Question"><itemmetadata><qtimetadata><qtimetadatafield><fieldlabel>{label}</fieldlabel><fieldentry>{type}</fieldentry></qtimetadatafield></qtimetadata></itemmetadata>'
        f'<presentation><material><mattext texttype="text/html">{html.escape(stem)}</mattext></material><response_lid ident="response1" rcardinality="{cardinality}"><render_choice>{options}</render_choice></response_lid></presentation>'
        f'<resprocessing><outcomes><decvar maxvalue="100" minvalue="0" varname="SCORE" vartype="Decimal"/></outcomes>{conditions}</resprocessing>'
        f'<itemfeedback ident="{next(iter(labels))}_fb"><flow_mat><material><mattext texttype="text/plain">Think again</mattext></material></flow_mat></itemfeedback></item>'
    )


def interop(*items):
    return f'<questestinterop xmlns="http://www.imsglobal.org/xsd/ims_qtiasiv1p2"><assessment ident="a"><section ident="root">{"".join(items)}</section></assessment></questestinterop>'


def equal(identifier):
    return f'<varequal respident="response1">{identifier}</varequal>'


def gives(test, value="100", more=""):
    return f'<respcondition {more}><conditionvar>{test}</conditionvar><setvar action="Set" varname="SCORE">{value}</setvar></respcondition>'


TWO = {"7001": "Yes", "7002": "No"}
THREE = {"7001": "Calm", "7002": "Angry", "7003": "Clear"}
FEEDBACK = (
    '<respcondition continue="Yes"><conditionvar>'
    + equal("7002")
    + '</conditionvar><displayfeedback feedbacktype="Response" linkrefid="7002_fb"/></respcondition>'
)
BOTH = f"<and>{equal('7001')}<not>{equal('7002')}</not>{equal('7003')}</and>"


@pytest.mark.parametrize(
    ("made", "kind", "key"),
    [
        (canvas("multiple_choice_question", THREE, FEEDBACK + gives(equal("7003"), more='continue="No"')), "single", "7003"),
        (canvas("cc.multiple_choice.v0p1", THREE, gives(equal("7003")), label="cc_profile"), "single", "7003"),
        (canvas("true_false_question", {"1": "True", "2": "False"}, gives(equal("2"))), "truefalse", "2"),
        (canvas("cc.true_false.v0p1", {"true": "Richtig", "false": "Falsch"}, gives(equal("true")), label="cc_profile"), "truefalse", "true"),
        (canvas("multiple_answers_question", THREE, gives(BOTH), "Multiple"), "multiple", "7001 7003"),
        (canvas("cc.multiple_response.v0p1", THREE, gives(BOTH), "Multiple", label="cc_profile"), "multiple", "7001 7003"),
        (canvas("", THREE, gives(equal("7001"))), "single", "7001"),
    ],
)  # fmt: skip
def test_canvas_and_common_cartridge(tmp_path, made, kind, key):
    found = one(tmp_path, interop(made))
    assert isinstance(found, Draft), found
    assert (found.format, found.kind, found.correct, found.mapping) == ("qti12", kind, tuple(key.split()), None)
    assert (found.stem, found.choices[0].rationale) == ("<div><p>Pick</p></div>", "Think again")


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (canvas("essay_question", THREE, ""), "another kind: essay_question"),
        (canvas("cc.fib.v0p1", THREE, "", label="cc_profile"), "another kind: cc.fib"),
        (canvas("multiple_choice_question", THREE, ""), "has no key"),
        (canvas("multiple_choice_question", THREE, gives(equal("nobody"))), "has no key"),
        (canvas("multiple_choice_question", THREE, gives("<vargt respident='response1'>3</vargt>")), "vargt"),
        (canvas("multiple_answers_question", THREE, gives(f"<and>{equal('7001')}{equal('7003')}</and>") + gives(equal("7001"), "30"), "Multiple"), "neither all-or-nothing"),
        (canvas("multiple_choice_question", TWO, gives(equal("7001")), stem='<img src="$IMS-CC-FILEBASE$/gone.png">'), "did not come along"),
    ],
)  # fmt: skip
def test_what_canvas_writes_and_is_left_out(tmp_path, made, reason):
    assert reason in one(tmp_path, interop(made)).reason


BLACKBOARD = """<questestinterop><assessment title="Pool"><section>
<item maxattempts="0"><itemmetadata><bbmd_asi_object_id>_7_1</bbmd_asi_object_id><bbmd_asitype>Item</bbmd_asitype><bbmd_questiontype>{type}</bbmd_questiontype></itemmetadata>
<presentation><flow class="Block"><flow class="QUESTION_BLOCK"><flow class="FORMATTED_TEXT_BLOCK"><material><mat_extension><mat_formattedtext type="HTML">&lt;p&gt;Who decides?&lt;/p&gt;</mat_formattedtext></mat_extension></material></flow></flow>
<flow class="RESPONSE_BLOCK"><response_lid ident="response" rcardinality="{cardinality}" rtiming="No"><render_choice shuffle="Yes" minnumber="0" maxnumber="0">
<flow_label class="Block"><response_label ident="x1" rarea="Ellipse" rrange="Exact" shuffle="Yes"><flow_mat class="FORMATTED_TEXT_BLOCK"><material><mat_extension><mat_formattedtext type="HTML">The proctor</mat_formattedtext></mat_extension></material></flow_mat></response_label></flow_label>
<flow_label class="Block"><response_label ident="x2"><flow_mat class="FORMATTED_TEXT_BLOCK"><material><mat_extension><mat_formattedtext type="HTML">The clock</mat_formattedtext></mat_extension></material></flow_mat></response_label></flow_label>
<flow_label class="Block"><response_label ident="x3"><flow_mat class="FORMATTED_TEXT_BLOCK"><material><mat_extension><mat_formattedtext type="HTML">A person</mat_formattedtext></mat_extension></material></flow_mat></response_label></flow_label>
</render_choice></response_lid></flow></flow></presentation>
<resprocessing scoremodel="SumOfScores"><outcomes><decvar varname="SCORE" vartype="Decimal" defaultval="0.0" minvalue="0.0" maxvalue="10.0"/></outcomes>
<respcondition title="correct"><conditionvar>{correct}</conditionvar><setvar variablename="SCORE" action="Set">SCORE.max</setvar><displayfeedback linkrefid="correct" feedbacktype="Response"/></respcondition>
<respcondition title="incorrect"><conditionvar><other/></conditionvar><setvar variablename="SCORE" action="Set">0.0</setvar></respcondition>
<respcondition><conditionvar><varequal respident="x1" case="No"/></conditionvar><setvar variablename="SCORE" action="Set">0</setvar></respcondition></resprocessing></item></section></assessment></questestinterop>"""


@pytest.mark.parametrize(
    ("type", "cardinality", "correct", "kind", "key"),
    [
        ("Multiple Choice", "Single", '<varequal respident="response" case="No">x3</varequal>', "single", "x3"),
        ("Multiple Answer", "Multiple", '<and><varequal respident="response">x1</varequal><not><varequal respident="response">x2</varequal></not><varequal respident="response">x3</varequal></and>', "multiple", "x1 x3"),
    ],
)  # fmt: skip
def test_blackboard_pools(tmp_path, type, cardinality, correct, kind, key):
    data = BLACKBOARD.format(type=type, cardinality=cardinality, correct=correct)
    (found,) = all_of(package(tmp_path / "pool.zip", {"imsmanifest.xml": "<manifest/>", "res00001.dat": data, ".bb-package-info": "x"}))
    assert (found.source, found.identifier) == ("pool.zip!res00001.dat", "_7_1")
    assert (found.kind, found.correct, found.shuffle) == (kind, tuple(key.split()), True)
    assert (found.stem, found.choices[0].html) == ("<div><p>Who decides?</p></div>", "The proctor")


def test_canvas_writes_each_quiz_twice_and_the_fuller_copy_counts(tmp_path):
    question = canvas(
        "multiple_choice_question",
        THREE,
        gives(equal("7003")),
        stem='<p>See <img src="$IMS-CC-FILEBASE$/Uploaded%20Media/a.png" alt="a sign"></p>',
    )
    found = all_of(package(tmp_path / "course.imscc", {"g9/assessment_qti.xml": interop(question), "non_cc_assessments/g9.xml.qti": interop(question), "web_resources/Uploaded Media/a.png": png()}))  # fmt: skip
    assert [type(each) for each in found] == [Draft, Skip]
    assert found[0].source == "course.imscc!non_cc_assessments/g9.xml.qti"
    assert found[0].assets[0].alt == "a sign"
    assert "the fuller copy" in found[1].reason


def test_a_passage_of_canvas_comes_along_with_its_questions(tmp_path):
    text = "<mattext texttype='text/html'>&lt;p&gt;Open at nine.&lt;/p&gt;</mattext>"
    kind = "<qtimetadatafield><fieldlabel>question_type</fieldlabel><fieldentry>text_only_question</fieldentry></qtimetadatafield>"
    passage = f'<item ident="p1" title="Hours"><itemmetadata><qtimetadata>{kind}</qtimetadata></itemmetadata><presentation><material>{text}</material></presentation></item>'
    child = canvas("multiple_choice_question", THREE, gives(equal("7003"))).replace("<itemmetadata><qtimetadata>", "<itemmetadata><qtimetadata><qtimetadatafield><fieldlabel>parent_stimulus_item_ident</fieldlabel><fieldentry>p1</fieldentry></qtimetadatafield>")  # fmt: skip
    found = all_of(written(tmp_path, "q.xml", interop(passage, child, child, child.replace(">p1<", ">p2<"))))
    assert [type(each) for each in found] == [Skip, Draft, Draft, Skip]
    assert found[1].stimulus is found[2].stimulus
    assert (found[1].stimulus.title, found[1].stimulus.html) == ("Hours", "<div><p>Open at nine.</p></div>")
    assert "passage p2 did not come along" in found[3].reason


def adds(identifier, value):
    return f'<respcondition><conditionvar>{equal(identifier)}</conditionvar><setvar action="Add" varname="que_score">{value}</setvar></respcondition>'


def test_makers_who_add_for_each_option_mean_the_sum(tmp_path):
    found = one(tmp_path, interop(canvas("", THREE, adds("7001", "50") + adds("7002", "-10") + adds("7003", "50"), "Multiple")))
    assert (found.kind, found.correct) == ("multiple", ("7001", "7003"))
    assert found.mapping.entries == {"7001": 50, "7002": -10, "7003": 50}


BARE = '<!DOCTYPE questestinterop SYSTEM "ims_qtiasiv1p2p1.dtd">'


def test_ilias_scores_what_is_left_open_and_shows_pictures_by_their_labels(tmp_path):
    said = "".join(
        f'<respcondition continue="Yes"><conditionvar>{test}</conditionvar><setvar action="Add">{value}</setvar></respcondition>'
        for test, value in [(equal("7001"), 2), (f"<not>{equal('7001')}</not>", 0), (equal("7002"), 0), (f"<not>{equal('7002')}</not>", 2)]
    )
    made = canvas("MULTIPLE CHOICE QUESTION", TWO, said, "Multiple", '<p>See <img src="il_0_mob_7" alt="sign"></p>', "QUESTIONTYPE")
    made = made.replace("</mattext></material><response_lid", '</mattext><matimage label="il_0_mob_7" uri="objects/7/a.png"/></material><response_lid')  # fmt: skip
    (found,) = all_of(package(tmp_path / "pool.zip", {"1_qti.xml": BARE + interop(made), "objects/7/a.png": png()}))
    assert (found.kind, found.correct, found.mapping.entries) == ("multiple", ("7001",), {"7001": 2, "7002": -2})
    assert (found.assets[0].alt, found.stem.count("<img")) == ("sign", 1)


ELSE = gives("<other/>", "0")


@pytest.mark.parametrize(
    ("made", "key"),
    [
        (canvas("multiple_choice_question", THREE, ELSE + gives(equal("7002"))), ["7002"]),
        (
            canvas("multiple_answers_question", THREE, ELSE + gives(BOTH) + gives('<varequal respident="7001"/>', "0"), "Multiple"),
            ["7001", "7003"],
        ),
        (canvas("cc.mutliple_choice.v0p1", THREE, gives(equal("7002")), label="cc_profile"), ["7002"]),
        (canvas("Yes_No", TWO, gives(equal("7002")), label="qmd_questiontype"), ["7002"]),
    ],
    ids=["else first", "else first, and a maker's own rules last", "misspelled by its maker", "yes or no"],
)
def test_keys_of_makers_with_ways_of_their_own(tmp_path, made, key):
    assert outcome(one(tmp_path, interop(made)))["key"] == key


@pytest.mark.parametrize("together", ["{}{}", "<and>{}{}</and>"])
def test_options_that_have_to_be_there_are_the_key_where_nothing_is_said_of_others(tmp_path, together):
    rules = gives(together.format(equal("7001"), equal("7003"))) + gives("<other/>", "-10")
    found = outcome(one(tmp_path, interop(canvas("multiple_answers_question", THREE, rules, "Multiple"))))
    assert (found["key"], found["mapping"]) == (["7001", "7003"], None)
    assert "further options beside it" in found["notes"][0]
    assert "earned -10 there" in found["notes"][1]


def test_what_else_stands_for_no_condition_met_before(tmp_path):
    """As exams made with R say it for OLAT, each condition letting the next one follow."""
    follows = 'continue="Yes"'
    rules = gives(f"<and>{equal('7003')}</and><not><or>{equal('7001')}</or></not>", "1", follows) + gives("<other/>", "0", follows)
    found = one(tmp_path, BARE + interop(canvas("Logical Identifier", THREE, rules, label="qmd_itemtype")))
    assert (found.kind, found.correct, found.mapping) == ("single", ("7003",), None)


def brightspace(grading):
    counted = [("7001", "D2L_Correct"), ("7002", "D2L_Incorrect"), ("7003", "D2L_Correct")]
    rules = "".join(
        f'<respcondition continue="yes"><conditionvar>{equal(option)}</conditionvar><setvar varname="{name}" action="Add">1</setvar></respcondition>'
        for option, name in counted
    )
    declared = "".join(f'<decvar varname="{name}" defaultval="0"/>' for name in ("que_score", "D2L_Correct", "D2L_Incorrect"))
    total = '<respcondition><setvar varname="que_score" action="Set">D2L_Correct</setvar></respcondition>'
    made = canvas("Multi-Select", THREE, declared + rules + total, "Multiple", label="qmd_questiontype")
    own = f'<response_extension xmlns="http://desire2learn.com/xsd/d2lcp_v2p0"><grading_type>{grading}</grading_type></response_extension>'
    return made.replace("<response_lid", f"{own}<response_lid").replace("qtimetadatafield", "qti_metadatafield")


@pytest.mark.parametrize(("grading", "weights"), [("0", None), ("1", {"7001": 1, "7002": -1, "7003": 1}), ("2", {"7001": 1, "7003": 1})])
def test_brightspace_counts_right_and_wrong_picks(tmp_path, grading, weights):
    found = one(tmp_path, interop(brightspace(grading)))
    assert (found.kind, found.correct) == ("multiple", ("7001", "7003"))
    assert (found.mapping and found.mapping.entries) == weights


@pytest.mark.parametrize(
    ("text", "stem"),
    [
        ('<mattext texttype="text/html"><p>Who is <b>first</b>?</p></mattext>', "<div><p>Who is <strong>first</strong>?</p></div>"),
        ("<mattext>&lt;p&gt;Who&lt;/p&gt;</mattext>", "<div><p>Who</p></div>"),
        ("<mattext>Who wrote &lt;b&gt; here?</mattext>", "<p>Who wrote &lt;b&gt; here?</p>"),
        ('<mattext texttype="text/plain">&lt;p&gt;Who&lt;/p&gt;</mattext>', "<p>&lt;p&gt;Who&lt;/p&gt;</p>"),
    ],
)
def test_text_that_makers_do_not_mark_as_the_standard_says(tmp_path, text, stem):
    made = canvas("multiple_choice_question", TWO, gives(equal("7001")))
    assert one(tmp_path, interop(made.replace('<mattext texttype="text/html">&lt;p&gt;Pick&lt;/p&gt;</mattext>', text))).stem == stem


@pytest.mark.parametrize(
    ("address", "at"),
    [
        ("@X@EmbeddedFile.location@X@a.png", "res1/a.png"),
        ("@X@EmbeddedFile.requestUrlStub@X@bbcswebdav/xid-12_1", "csfiles/home_dir/a__xid-12_1.png"),
        ("%24IMS-CC-FILEBASE%24/a.png", "web_resources/a.png"),
        ("pics/a.png?x=1", "pics/a.png"),
    ],
)
def test_pictures_are_found_by_each_makers_way_of_naming_them(tmp_path, address, at):
    question = canvas("multiple_choice_question", THREE, gives(equal("7003")), stem=f'<p>See <img src="{address}" alt="x"></p>')
    (found,) = all_of(package(tmp_path / "p.zip", {"res1.dat": interop(question), at: png()}))
    assert isinstance(found, Draft), found
    assert found.assets[0].data == png()


# Moodle ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "kind", "key", "weights"),
    [
        (multichoice((0, "a"), (100, "b"), (0, "c")), "single", "1", None),
        (multichoice((0, "a"), (100, "b"), single="1"), "single", "1", None),
        (multichoice((50, "a"), (100, "b"), ("-33.33333", "c")), "single", "1", {"0": ".5", "1": "1", "2": "-.3333333"}),
        (multichoice((50, "a"), (0, "b"), (50, "c"), single="false"), "multiple", "0 2", {"0": ".5", "2": ".5"}),
        (multichoice(("33,33333", "a"), ("33.33333", "b"), ("33.33333", "c"), (-100, "d"), single="0"), "multiple", "0 1 2", {"0": ".3333333", "1": ".3333333", "2": ".3333333", "3": "-1"}),
        (multichoice((100, "a"), (0, "b"), (100, "c"), single="false", type="multichoiceset"), "multiple", "0 2", None),
        (multichoice((0, "true"), (100, "false"), type="truefalse"), "truefalse", "1", None),
    ],
)  # fmt: skip
def test_moodle_keys(tmp_path, question, kind, key, weights):
    found = one(
        tmp_path, quiz('<question type="category"><category><text>$course$/top/Phone</text></category></question>', question), "q.xml"
    )
    assert isinstance(found, Draft), found
    assert (found.format, found.kind, found.correct) == ("moodle", kind, tuple(key.split()))
    assert (found.mapping.entries if found.mapping else None) == (
        {name: Decimal(value) for name, value in weights.items()} if weights else None
    )
    assert (found.metadata["area"], found.choices[0].rationale[:7]) == ("Phone", "because")


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        ('<question type="essay"><name><text>E</text></name></question>', "another kind: essay"),
        ('<question type="calculatedmulti"><name><text>E</text></name></question>', "another kind: calculatedmulti"),
        (multichoice((50, "a"), (0, "b")), "no option earns the whole"),
        (multichoice((0, "a"), (0, "b")), "has no key"),
        (multichoice((20, "a"), (20, "b"), (0, "c"), single="false"), "no whole key"),
        (multichoice((100, "a")), "has 1 option"),
        (multichoice((100, "a"), (0, "")), "option 1 is empty"),
        (multichoice((100, "a"), ("x", "b")), "no number"),
        (multichoice((100, "a"), (0, "b"), text='<img src="@@PLUGINFILE@@/x.png">'), "did not come along"),
    ],
)
def test_what_moodle_writes_and_is_left_out(tmp_path, question, reason):
    assert reason in one(tmp_path, quiz(question), "q.xml").reason


def test_moodle_text_formats_entities_and_pictures(tmp_path):
    picture = f'<file name="a b.png" path="/" encoding="base64">{base64.b64encode(png()).decode()}</file>'
    found = all_of(written(tmp_path, "q.xml", quiz(
        multichoice((100, "<p>caf&eacute;</p>"), (0, "x &lt; y"), text='<p>See&nbsp;<img src="@@PLUGINFILE@@/a%20b.png" alt="sign"></p>', extra=picture, name="one"),
        multichoice((100, "a"), (0, "b"), text="First\nsecond\n\nThird", format="moodle_auto_format"),
        multichoice((100, "a"), (0, "b"), text="1 < 2 and *so*", format="plain_text"),
        multichoice((100, "a"), (0, "b"), text="Pick **one**:\n\n- x\n- y", format="markdown"),
    )))  # fmt: skip
    assert [choice.html for choice in found[0].choices] == ["café", "x &lt; y"]
    assert (found[0].assets[0].alt, found[0].assets[0].data) == ("sign", png())
    assert [each.stem for each in found[1:]] == [
        "<p>First<br>second</p><p>Third</p>",
        "<p>1 &lt; 2 and *so*</p>",
        "<p>Pick <strong>one</strong>:</p><ul><li>x</li><li>y</li></ul>",
    ]
    assert [each.position for each in found] == [0, 1, 2, 3]


def test_a_picture_of_old_moodle_stands_below_the_text(tmp_path):
    letters = base64.b64encode(png()).decode()
    kept, gone, none = (
        multichoice((100, "a"), (0, "b")).replace("<shuffle", f"{beside}<shuffle")
        for beside in (f"<image>a.png</image><image_base64>\n{letters}\n</image_base64>", "<image>a.png</image>", "<image></image>")
    )
    found = all_of(written(tmp_path, "q.xml", quiz(kept, gone, none)))
    assert (found[0].assets[0].data, found[0].stem.startswith("<p>Pick.</p><p><img ")) == (png(), True)
    assert "did not come along" in found[1].reason
    assert found[2].stem == "<p>Pick.</p>"


def test_moodle_text_whose_markup_is_no_letters(tmp_path):
    made = multichoice((100, "a"), (0, "b")).replace("<![CDATA[<p>Pick.</p>]]>", "<p>Pick <b>one</b>.</p>")
    assert one(tmp_path, quiz(made), "q.xml").stem == "<p>Pick <strong>one</strong>.</p>"


# GIFT --------------------------------------------------------------------------------------------------------------------------

LETTERS = "Señor {~a =b}"


@pytest.mark.parametrize(
    ("text", "kind", "key", "stem", "options"),
    [
        ("Who?{~Ann =Ben ~Cy}", "single", "1", "<p>Who?</p>", ["Ann", "Ben", "Cy"]),
        ("::T:: It is {=one ~two}.", "single", "0", "<p>It is _____.</p>", ["one", "two"]),
        ("5 \\= 2 + ?{~\\=2\n=\\~3#yes\n}", "single", "1", "<p>5 = 2 + ?</p>", ["=2", "~3"]),
        ("Which?{~%50%a ~%-100%b ~%50%c}", "multiple", "0 2", "<p>Which?</p>", ["a", "b", "c"]),
        ("[html]<p>Is &lt; less&eacute;?</p>{TRUE#no#yes}", "truefalse", "0", "<p>Is &lt; lessé?</p>", ["True", "False"]),
        ("Sun rises west.{F}", "truefalse", "1", "<p>Sun rises west.</p>", ["True", "False"]),
        ("// a comment\nWho? {\n// another\n~Ann\n=Ben\n}", "single", "1", "<p>Who?</p>", ["Ann", "Ben"]),
        ("Line one\\nline two{~a =b}", "single", "1", "<p>Line one<br>line two</p>", ["a", "b"]),
        ("a < b & c{~<b>x</b> =1 < 2}", "single", "1", "<p>a &lt; b &amp; c</p>", ["<strong>x</strong>", "1 &lt; 2"]),
    ],
)
def test_gift(tmp_path, text, kind, key, stem, options):
    found = one(tmp_path, text, "q.gift")
    assert isinstance(found, Draft), found
    assert (found.kind, found.correct, found.stem) == (kind, tuple(key.split()), stem)
    assert [choice.html for choice in found.choices] == options


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Why?{}", "essay"),
        ("How many?{#3:1}", "numerical"),
        ("Who?{=Ann =Ben}", "short answer"),
        ("Match{=a -> b =c -> d}", "matching"),
        ("Sun rises west.{false}", "short answer"),
        ("Just text", "description"),
        ("Who?{~Ann =Ben", "a } is missing"),
        ("Who?{~Ann =Ben} and {~x =y}", "several answer blocks"),
        ("Who?{~Ann ~Ben}", "has no key"),
        ("Who?{~%50%Ann =}", "is empty"),
        ("Who?{~Ann =Ben} \\{", ""),
        ("{~Ann =Ben}", "no question text"),
        ('[html]<img src="@@PLUGINFILE@@/3.png">{~a =b}', "did not come along"),
    ],
)
def test_what_gift_says_and_is_left_out(tmp_path, text, reason):
    found = one(tmp_path, text, "q.gift")
    assert reason in (found.reason if isinstance(found, Skip) else "")


def test_gift_comments_name_and_file_the_question(tmp_path):
    text = "$CATEGORY: City/Phone\n\n// [id:Q-7] [tag:calm] [tag:phone]\n::A title::Who?{~Ann =Ben####General}"
    found = one(tmp_path, text, "q.gift")
    assert (found.identifier, found.title, found.rationale) == ("Q-7", "A title", "General")
    assert found.metadata == {"category": "City/Phone", "area": "Phone", "tags": ["calm", "phone"]}


@pytest.mark.parametrize("data", [LETTERS.encode(), b"\xef\xbb\xbf" + LETTERS.encode(), LETTERS.encode("utf-16")])
def test_gift_in_any_unicode(tmp_path, data):
    assert one(tmp_path, data, "q.gift").stem == "<p>Señor</p>"


# Aiken -------------------------------------------------------------------------------------------------------------------------


def test_aiken_takes_the_good_and_names_what_is_wrong_with_the_rest(tmp_path):
    text = (
        "Who opens?\nA. Ann\nB. Ben\nANSWER: B\n\n"
        "A. Smith calls. What\nnow?\nA)Listen\nB)Hang up\nC)Shout\nanswer: a\n\n"
        "Too few?\nA. One\nANSWER: A\n\n"
        "No answer\nA. One\nB. Two\n\n"
        "Wrong letter?\nA. One\nB. Two\nANSWER: D\n\n"
        "Sky is blue?\nA. True\nB. False\nANSWER: A\n"
    )
    found = all_of(written(tmp_path, "bank.txt", text))
    assert [outcome(each)["key"] for each in found] == [["B"], ["A"], None, None, None, ["A"]]
    assert [each.kind for each in found if isinstance(each, Draft)] == ["single", "single", "truefalse"]
    assert found[1].stem == "<p>A. Smith calls. What<br>now?</p>"
    assert ["1 option" in found[2].reason, "ANSWER" in found[3].reason, "names D" in found[4].reason] == [True, True, True]


@pytest.mark.parametrize(
    ("answer", "key"),
    [("B. Two", ["B"]), ("b) two", ["B"]), ("B) Two", ["B"]), ("B. Three", None), ("A, B", None)],
)
def test_an_aiken_answer_that_says_more_than_a_letter(tmp_path, answer, key):
    found = outcome(one(tmp_path, f"How many?\nA) One\nB) Two\nANSWER: {answer}\n", "q.txt"))
    assert (found["format"], found["key"]) == ("aiken", key)
    assert key or f"no key that can be read: ANSWER: {answer}" in found["reason"]


def test_an_explanation_below_an_answer_belongs_to_it(tmp_path):
    text = "Who?\na) Ann\nb) Ben\nAnswer: b\n\nExplanation: Ben was\nfirst.\n\nAnd who now?\na) Ann\nb) Ben\nAnswer: a\n"
    first, second = all_of(written(tmp_path, "bank.txt", text))
    assert (first.rationale, second.stem, second.correct) == ("Ben was first.", "<p>And who now?</p>", ("a",))


# Tables ------------------------------------------------------------------------------------------------------------------------

ROWS = [
    ["Correct Answer", "Choice B", "Question", "Choice A", "Item ID", "Choice C", "Category"],
    ["B", "Ben", "Who, now?", "Ann", "7", "", "Phone"],
    ["a, C", "Ben", "Which two?", "Ann", "8", "Cy", ""],
    ["Ann", "Ben", "By its text?", "Ann", "9", "Cy", ""],
    ["D", "Ben", "No such?", "Ann", "10", "Cy", ""],
    ["", "Ben", "No key?", "Ann", "11", "Cy", ""],
    ["TRUE", "False", "True or false?", "True", "12", "", ""],
    ["A", "A", "Mark or text?", "Ann", "13", "Cy", ""],
]
EXPECTED = [["b"], ["a", "c"], ["a"], None, None, ["a"], None]


def as_csv(rows, mark, encoding, ends="\r\n"):
    return ends.join(mark.join(f'"{cell}"' if "," in cell else cell for cell in row) for row in rows).encode(encoding)


@pytest.mark.parametrize(("mark", "encoding"), [(",", "utf-8"), (";", "utf-8-sig"), ("\t", "utf-16"), (",", "cp1252")])
def test_a_table_with_headings_in_any_order(tmp_path, mark, encoding):
    rows = [row if row[4] != "7" else [*row[:2], "Señor, who?", *row[3:]] for row in ROWS]
    found = all_of(written(tmp_path, "bank.csv", as_csv(rows, mark, encoding)))
    assert [outcome(each)["key"] for each in found] == EXPECTED
    assert found[0].stem == "<p>Señor, who?</p>"
    assert (found[0].identifier, found[0].metadata, found[5].kind, found[1].kind) == ("7", {"area": "Phone"}, "truefalse", "multiple")


def test_a_workbook_is_read_like_a_table(tmp_path):
    book = openpyxl.Workbook()
    book.active.append(["Our items"])
    for row in ROWS:
        book.active.append([int(cell) if cell.isdigit() else cell or None for cell in row])
    book.save(tmp_path / "bank.xlsx")
    found = all_of(tmp_path / "bank.xlsx")
    assert [outcome(each)["key"] for each in found] == EXPECTED
    assert {outcome(each)["format"] for each in found} == {"csv"}


def test_numbers_as_marks_are_believed_only_where_the_headings_have_them(tmp_path):
    numbered = "question,option 1,option 2,answer\nWho?,Ann,Ben,2\n"
    lettered = "question,option a,option b,answer\nWho?,Ann,Ben,2\n"
    assert one(tmp_path, numbered, "n.csv").correct == ("2",)
    assert "names none of its options" in one(tmp_path, lettered, "l.csv").reason
