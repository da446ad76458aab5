"""Looking through the bank, what an editor would say, near copies, and differences between versions."""

from datetime import timedelta
from decimal import Decimal

import pytest

from testing_platform.accounts.rules import Role
from testing_platform.demo import setup
from testing_platform.itembank import alike, difference, item_views, lint, queries, readability, rules, service
from testing_platform.itembank.exchange import markup
from testing_platform.itembank.exchange.safety import tidy
from testing_platform.itembank.queries import Wanted
from testing_platform.itembank.rules import Content, Option, Policy, State
from tests import make
from tests.make import NOON


@pytest.fixture
def bank(session):
    bank = service.open_bank(session, "Customer service", NOON, [("CST", "Customer service"), ("MATH", "Computations")])
    service.state_job(session, bank, [("K-1", rules.Statement.KNOWLEDGE, "Customer service techniques", "bulletin")])
    for code, area, stem, more in (
        ("CST-1", "CST", "How is an angry caller greeted?", {"tags": ("phone",), "statements": ("K-1",)}),
        ("CST-2", "CST", "Where is a permit renewed?", {"level": "recall"}),
        ("MATH-1", "MATH", "What is 15 % of the permit fee of $40?", {"difficulty": "hard"}),
    ):
        said = {"difficulty": "easy"} | more
        draft = service.ItemDraft(code=code, area=area, stem=stem, options={"a": "One", "b": "Two"}, correct=("a",), rationale="", **said)
        service.keep_item(session, bank, draft, {}, NOON)
    return bank


@pytest.mark.both
@pytest.mark.parametrize(
    ("wanted", "codes"),
    [
        ({}, ["CST-1", "CST-2", "MATH-1"]),
        ({"words": "permits"}, ["CST-2", "MATH-1"]),
        ({"words": "perm"}, ["CST-2", "MATH-1"]),
        ({"words": "permit renew"}, ["CST-2"]),
        ({"words": "MATH-1"}, ["MATH-1"]),
        ({"words": "phone"}, ["CST-1"]),
        ({"words": "'\"; DROP -- &|!:*("}, []),
        ({"words": "(:*&"}, ["CST-1", "CST-2", "MATH-1"]),
        ({"area": "CST", "words": "permit"}, ["CST-2"]),
        ({"area": "-"}, []),
        ({"level": "recall"}, ["CST-2"]),
        ({"level": "-"}, ["CST-1", "MATH-1"]),
        ({"difficulty": "hard"}, ["MATH-1"]),
        ({"tag": "phone"}, ["CST-1"]),
        ({"statement": "K-1"}, ["CST-1"]),
        ({"state": "draft", "area": "MATH"}, ["MATH-1"]),
        ({"state": "active"}, []),
        ({"page": "99"}, ["CST-1", "CST-2", "MATH-1"]),
    ],
    ids=str,
)
def test_looking_for_items(session, bank, wanted, codes):
    found = queries.look(session, bank, Wanted.of(wanted))
    assert [version.item.code for version in found.versions] == codes
    assert found.count == len(codes)


@pytest.mark.both
@pytest.mark.parametrize("order", ["code", "area", "newest"])
def test_pages_hold_every_item_once_in_order(session, bank, monkeypatch, order):
    for number in range(4):
        draft = service.ItemDraft(f"CST-{3 + number}", "CST", f"Which is {number}?", {"a": "One", "b": "Two"}, ("a",), "", "easy")
        service.keep_item(session, bank, draft, {}, NOON + timedelta(minutes=number % 2))
    everything = [one.id for one in queries.look(session, bank, Wanted(order=order)).versions]
    monkeypatch.setattr(queries, "PAGE", 2)
    pages = [[one.id for one in queries.look(session, bank, Wanted(order=order, page=page)).versions] for page in (1, 2, 3, 4)]
    assert [len(page) for page in pages] == [2, 2, 2, 1]
    assert [number for page in pages for number in page] == everything


def test_an_item_is_found_by_its_newest_words_alone(session, bank):
    item = service.item_called(session, bank, "CST-2")
    content = Content("<p>Where is a licence renewed?</p>", (Option("a", "One"), Option("b", "Two")), ("a",))
    service.write(session, item, content, None, "easy", NOON)
    assert queries.look(session, bank, Wanted(words="licence")).count == 1
    assert [version.item.code for version in queries.look(session, bank, Wanted(words="permit")).versions] == ["MATH-1"]


def test_an_item_with_a_draft_beside_the_version_in_use_counts_as_both(session, bank):
    item = service.item_called(session, bank, "CST-2")
    make.in_use(service.newest_version(session, item), make.person(session, Role.ANALYST))
    session.flush()
    content = Content("<p>Where is a licence renewed?</p>", (Option("a", "One"), Option("b", "Two")), ("a",))
    service.write(session, item, content, None, "easy", NOON)
    assert queries.counts(session, bank)["CST"] == {State.DRAFT: 2, State.ACTIVE: 1}
    for state in ("draft", "active"):
        assert "CST-2" in [version.item.code for version in queries.look(session, bank, Wanted(state=state)).versions]


def test_many_are_changed_at_once_or_none(session, bank):
    owner = make.person(session, Role.ANALYST)
    ids = queries.all_matching(session, bank, Wanted(words="permit"))
    assert service.change_many(session, bank, ids, "tag", "fees", NOON, owner) == 2
    assert queries.look(session, bank, Wanted(tag="fees")).count == queries.look(session, bank, Wanted(words="fees")).count == 2
    assert service.change_many(session, bank, ids, "move", "CST", NOON, owner) == 2
    assert queries.look(session, bank, Wanted(area="MATH")).count == 0
    for act, to in (("move", "NOWHERE"), ("tag", ""), ("delete", "x")):
        with pytest.raises(service.FaultyItem):
            service.change_many(session, bank, ids, act, to, NOON, owner)


def content(stem="<p>What comes first?</p>", options=("One", "Two", "Three"), correct="a"):
    return Content(stem, tuple(Option(key, html) for key, html in zip("abcdef", options, strict=False)), (correct,))


PICTURE = f'<img src="{"0" * 40}.png" alt="">'
LONG = "A long option that says very much more than it would have to say here"


@pytest.mark.parametrize(
    ("item", "codes"),
    [
        (content(), []),
        (content("<p>Which is not a record?</p>"), ["unmarked-negative"]),
        (content("<p>Which is <strong>not</strong> a record?</p>"), []),
        (content("<p>Which is NOT a record?</p>"), []),
        (content("<p>She does not know it. What comes first?</p>"), []),
        (content("<p>What is meant by “not now, please”?</p>"), []),
        (content(options=("One", "Two", "All of the above")), ["of-the-above"]),
        (content(options=("One", "Two", "None of these")), ["of-the-above"]),
        (content(options=("One", "Two", "Tell all of these callers to wait until the office opens in the morning")), []),
        (content(options=("One", "Two", "One")), ["same-option"]),
        (content(options=(LONG, "A much shorter one than that", "Another that is quite short")), ["length-cue"]),
        (content(options=(LONG, "A much shorter one than that", "Another that is quite short"), correct="b"), []),
        (content(options=("Yes, it is", "No", "Yes")), []),
        (content("<p>The clerk fills in an</p>", options=("application", "envelope", "form")), ["article-cue"]),
        (content("<p>The clerk fills in an</p>", options=("application", "envelope", "order")), []),
        (content(f"<p>Look.</p>{PICTURE}"), ["no-alternative-text"]),
        (content(options=("One", f"Two {PICTURE}", "Three")), ["no-alternative-text"]),
    ],
    ids=str,
)
def test_what_an_editor_says(item, codes):
    assert [one.code for one in lint.advice(item, "", None, Policy())] == codes


def test_a_text_above_the_class_s_level_is_said():
    assert [one.code for one in lint.advice(content(), "", Decimal("12.1"), Policy())] == ["reading-grade"]
    assert lint.advice(content(), "", Decimal("12.0"), Policy()) == []


@pytest.mark.parametrize(
    ("word", "count"),
    [("cat", 1), ("table", 2), ("walked", 1), ("wanted", 2), ("permit", 2), ("calculate", 3), ("specialist", 3), ("the", 1)],
)
def test_syllables(word, count):
    assert readability.syllables(word) == count


def test_a_reading_grade_is_the_formula_s_and_needs_enough_words():
    # 12 words in 2 sentences, 13 syllables: 0.39 · 6 + 11.8 · 13 / 12 − 15.59 is below 0.
    assert readability.grade(["The cat sat on the mat", "The dog ran to a table"]) == Decimal("0")
    # 10 words in 1 sentence, 20 syllables: 0.39 · 10 + 11.8 · 2 − 15.59 = 11.91.
    assert readability.grade([" ".join(["permit"] * 10)]) == Decimal("11.9")
    assert readability.grade(["Too few words"]) is None


def test_near_copies_are_found_and_the_demo_s_planted_pair_alone():
    items = setup.bank_items()
    codes = dict(enumerate(items))
    texts = {n: " ".join([items[code]["stem"], *items[code]["options"].values()]) for n, code in codes.items()}
    found = alike.pairs(texts, float(Policy().alike))
    planted = [{codes[pair.one], codes[pair.other]} for pair in found]
    assert {"JUDG-16", "JUDG-23"} == planted[0]
    assert alike.pairs(texts, 2.0) == []
    one = next(n for n, code in codes.items() if code == "JUDG-16")
    assert alike.pairs(texts, found[0].likeness - 0.001, only=one) == found[:1]


def test_likeness_is_one_for_the_same_words_and_nothing_for_none_in_common():
    pairs = alike.pairs({1: "one two three", 2: "Three two one!", 3: "four five"}, 0.0001)
    assert [(pair.one, pair.other, round(pair.likeness, 9)) for pair in pairs] == [(1, 2, 1.0)]


def test_differences_are_word_by_word_and_name_the_part():
    before = content("<p>Which form comes first?</p>", options=("The green one", "The blue one"))
    after = Content("<p>Which form comes last?</p>", (Option("a", "The green one"), Option("c", "The red one")), ("c",))
    found = difference.between(before, after)
    assert [(one.what, one.option) for one in found] == [("stem", ""), ("option", "c"), ("option", "b"), ("key", "")]
    assert found[0].pieces == [("same", "Which form comes "), ("gone", "first"), ("new", "last"), ("same", "?")]
    assert difference.between(before, before) == []


@pytest.mark.parametrize(
    ("html", "typed"),
    [
        ("<p>One</p>", "One"),
        ("<p>One<br>two</p><p>Three &amp; four</p>", "One\ntwo\n\nThree & four"),
        ("<p>Is it <strong>not</strong>?</p>", "<p>Is it <strong>not</strong>?</p>"),
        ("<p>&lt;b&gt;One&lt;/b&gt;</p>", "<p>&lt;b&gt;One&lt;/b&gt;</p>"),
        ("<p>5 &lt; 7</p>", "5 < 7"),
    ],
)
def test_the_editor_shows_plain_text_where_saving_it_changes_nothing(html, typed):
    assert item_views.as_typed(html, markup.marked_up) == typed
    assert tidy(markup.marked_up(typed)) == html
