from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from testing_platform.accounts.rules import Role
from testing_platform.audit.models import AuditEntry
from testing_platform.itembank import rules, service
from testing_platform.itembank.exchange.safety import tidy
from testing_platform.itembank.models import Bank, Item, ItemVersion
from testing_platform.itembank.service import ItemDraft
from tests import make
from tests.make import NOON

HOUR = timedelta(hours=1)
DRAFT = ItemDraft(
    code="CST-1",
    area="CST",
    stem="What comes first?",
    options={"a": "One", "b": "Two"},
    correct=("a",),
    rationale="Because.",
    difficulty="easy",
)


@pytest.fixture
def bank(session):
    found = Bank(name="Customer service", created_at=NOON)
    session.add(found)
    session.flush()
    return found


def keep(session, bank, draft=DRAFT, stimuli=None):
    return service.keep_item(session, bank, draft, stimuli or {}, NOON)


def versions(session):
    return [(v.number, v.stem) for v in session.scalars(select(ItemVersion).order_by(ItemVersion.number))]


def test_an_item_kept_twice_is_one_version(session, bank):
    assert keep(session, bank).id == keep(session, bank).id
    assert versions(session) == [(1, "<p>What comes first?</p>")]


@pytest.mark.parametrize(
    "changed",
    [
        {"stem": "What comes last?"},
        {"options": {"a": "One", "b": "Three"}},
        {"options": {"b": "Two", "a": "One"}},
        {"correct": ("b",)},
        {"rationale": "Since."},
        {"language": "es"},
    ],
    ids=str,
)
def test_whatever_a_candidate_sees_or_counts_as_right_makes_a_new_version(session, bank, changed):
    first = keep(session, bank)
    before = (first.stem, first.options, first.correct, first.digest)
    second = keep(session, bank, replace(DRAFT, **changed))
    assert (second.number, second.item_id) == (2, first.item_id)
    session.refresh(first)
    assert (first.stem, first.options, first.correct, first.digest) == before


def test_going_back_to_an_earlier_wording_is_a_version_of_its_own(session, bank):
    for stem in ("One?", "Two?", "One?"):
        keep(session, bank, replace(DRAFT, stem=stem))
    assert versions(session) == [(1, "<p>One?</p>"), (2, "<p>Two?</p>"), (3, "<p>One?</p>")]


def test_the_same_code_in_another_bank_is_another_item(session, bank):
    other = Bank(name="Clerks", created_at=NOON)
    session.add(other)
    session.flush()
    assert keep(session, bank).item_id != keep(session, other).item_id
    session.add(Item(bank_id=bank.id, code="CST-1", area="CST"))
    with pytest.raises(IntegrityError):
        session.flush()


@pytest.mark.parametrize(
    ("changed", "why"), [({"correct": ("c",)}, "key is none of the options"), ({"stimulus": "P-1"}, "its passage is missing")]
)
def test_a_faulty_item_is_named_and_not_kept(session, bank, changed, why):
    with pytest.raises(service.FaultyItem) as refusal:
        keep(session, bank, replace(DRAFT, **changed))
    assert refusal.value.facts == {"item": "CST-1", "why": why}
    assert versions(session) == []


def test_a_changed_passage_makes_new_versions_of_itself_and_of_its_items(session, bank):
    draft = replace(DRAFT, stimulus="P-1")
    first = service.keep_stimulus(session, bank, "P-1", "A notice", "<p>Closed on Monday.</p>")
    assert service.keep_stimulus(session, bank, "P-1", "A notice", "<p>Closed on Monday.</p>").id == first.id
    one = keep(session, bank, draft, {"P-1": first})
    second = service.keep_stimulus(session, bank, "P-1", "A notice", "<p>Closed on Tuesday.</p>")
    two = keep(session, bank, draft, {"P-1": second})
    assert (first.number, second.number, one.number, two.number) == (1, 2, 1, 2)
    assert one.stimulus.html == "<p>Closed on Monday.</p>"


@pytest.mark.parametrize(
    ("html", "kept"),
    [
        ("<p>Hours</p>", "<p>Hours</p>"),
        (
            '<table><tr><th scope="col">Day</th><td colspan="2">Mon</td></tr></table>',
            '<table><tbody><tr><th scope="col">Day</th><td colspan="2">Mon</td></tr></tbody></table>',
        ),
        ("<p>a<script>alert(1)</script>b</p>", "<p>ab</p>"),
        ("<style>p{display:none}</style><p>a</p>", "<p>a</p>"),
        ('<p onclick="alert(1)" style="color:red" class="x" id="y" title="t">a</p>', '<p title="t">a</p>'),
        ('<a href="javascript:alert(1)">a</a>', "a"),
        ('<img src="x" onerror="alert(1)">a', "a"),
        ('<iframe src="https://elsewhere.example"></iframe>a', "a"),
        ("<svg><script>alert(1)</script></svg>a", "a"),
        ('<form action="/candidate/sign-out"><button>a</button></form>', "a"),
        ("<!-- key: b --><p>a</p>", "<p>a</p>"),
        ('<ol start="3"><li>a</li></ol>', '<ol start="3"><li>a</li></ol>'),
        ("<p>5 < 7 & more", "<p>5 &lt; 7 &amp; more</p>"),
    ],
)
def test_clean(html, kept):
    assert tidy(html) == kept


def test_stems_and_options_are_text_and_never_markup(session, bank):
    draft = replace(DRAFT, stem="Is <script>alert(1)</script> & 5 < 7?", options={"a": "<b>One</b>", "b": "Two"})
    version = keep(session, bank, draft)
    assert version.stem == "<p>Is &lt;script&gt;alert(1)&lt;/script&gt; &amp; 5 &lt; 7?</p>"
    assert version.options[0] == {"key": "a", "html": "&lt;b&gt;One&lt;/b&gt;"}


def test_a_form_pins_the_newest_versions_in_the_order_asked_for(session, bank):
    for code in ("A", "B", "C"):
        keep(session, bank, replace(DRAFT, code=code))
    keep(session, bank, replace(DRAFT, code="B", stem="Mended?"))
    form = service.compose_form(session, bank, "Form", ["C", "B"], HOUR, NOON)
    keep(session, bank, replace(DRAFT, code="C", stem="Later?"))
    session.refresh(form, ["slots"])
    assert [(slot.slot, slot.version.item.code, slot.version.number) for slot in form.slots] == [(1, "C", 1), (2, "B", 2)]


def test_composing_again_makes_a_new_form_and_its_digest_tells_what_is_in_it(session, bank):
    keep(session, bank)
    forms = [service.compose_form(session, bank, "Form", ["CST-1"], HOUR, NOON) for _ in range(2)]
    keep(session, bank, replace(DRAFT, stem="Mended?"))
    forms.append(service.compose_form(session, bank, "Form", ["CST-1"], HOUR, NOON))
    assert [form.number for form in forms] == [1, 2, 3]
    assert forms[0].digest == forms[1].digest != forms[2].digest


def test_an_unknown_item_is_named_and_no_form_is_made(session, bank):
    keep(session, bank)
    with pytest.raises(service.UnknownItem) as refusal:
        service.compose_form(session, bank, "Form", ["CST-1", "X-1", "X-2"], HOUR, NOON)
    assert refusal.value.facts == {"codes": ["X-1", "X-2"]}
    assert session.scalars(select(service.Form)).all() == []


def test_a_form_has_a_time_limit(session, bank):
    keep(session, bank)
    with pytest.raises(IntegrityError, match="time_limit_is_positive"):
        service.compose_form(session, bank, "Form", ["CST-1"], timedelta(), NOON)


def test_a_form_is_locked_once(session, bank):
    version = keep(session, bank)
    make.in_use(version, make.person(session, Role.ANALYST))
    form = service.compose_form(session, bank, "Form", ["CST-1"], HOUR, NOON)
    for now in (NOON, NOON + HOUR):
        service.lock_form(session, form, now)
    assert form.locked_at == NOON
    assert session.scalars(select(AuditEntry.act).where(AuditEntry.object == f"form:{form.id}")).all() == ["form.composed", "form.locked"]


@pytest.mark.parametrize(("weight", "keys", "given"), [(None, "abc", True), (Decimal(1), "abc", False), (None, ("a", "b c", "c"), False)])
def test_a_form_is_of_items_that_count_one_or_nothing(session, bank, weight, keys, given):
    item = Item(bank_id=bank.id, code="CST-1", area="CST")
    session.add(item)
    session.flush()
    content = rules.Content(
        stem="<p>Which two?</p>",
        options=tuple(rules.Option(key, key, weight=weight) for key in keys),
        correct=(keys[0], keys[2]),
        kind=rules.Kind.MULTIPLE,
        max_choices=0,
    )
    make.in_use(service.write(session, item, content, None, "medium", NOON), make.person(session, Role.ANALYST))
    form = service.compose_form(session, bank, "Form", ["CST-1"], HOUR, NOON)
    if given:
        service.lock_form(session, form, NOON)
    else:
        with pytest.raises(service.NotToBeGiven):
            service.lock_form(session, form, NOON)
