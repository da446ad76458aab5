"""A version's life: no way to active goes past the signatures, whoever tries what in whatever order."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from testing_platform import bus, errors
from testing_platform.accounts.rules import Role
from testing_platform.audit.models import AuditEntry
from testing_platform.itembank import lifecycle, rules, service
from testing_platform.itembank.models import ItemStatistics, ItemVersion, Move, Review
from testing_platform.itembank.rules import Event, Outcome, Signature, State, Who
from tests import make
from tests.make import NOON


@pytest.fixture
def bank(session):
    return service.open_bank(session, "Customer service", NOON, [("CST", "Customer service")])


@pytest.fixture
def people(session):
    roles = {"writer": Role.ITEM_WRITER, "owner": Role.ANALYST, "fair": Role.FAIRNESS_REVIEWER}
    found = {name: make.person(session, role) for name, role in roles.items()}
    return found | {f"reviewer_{n}": make.person(session, Role.ITEM_REVIEWER) for n in range(3)}


def draft(session, bank, people, code="CST-1", **changes):
    said = {"stem": "What comes first?", "options": {"a": "One", "b": "Two", "c": "Three"}, "correct": ("a",)} | changes
    one = service.ItemDraft(code=code, area="CST", rationale="Because.", difficulty="easy", **said)
    return service.keep_item(session, bank, one, {}, NOON, people["writer"])


def signed(session, version, people):
    lifecycle.submit(session, version, people["writer"], NOON)
    for name in ("reviewer_0", "reviewer_1"):
        lifecycle.review(session, version, Signature.CONTENT, Outcome.SIGN, people[name], NOON)
    lifecycle.review(session, version, Signature.FAIRNESS, Outcome.SIGN, people["fair"], NOON)
    assert lifecycle.check_key(session, version, ["a"], people["reviewer_2"], NOON)


def active(session, version, people):
    signed(session, version, people)
    owner = people["owner"]
    lifecycle.approve(session, version, owner, NOON)
    lifecycle.move(session, version, Event.PILOT, Who.ANALYST, owner, NOON)
    lifecycle.waive(session, version, owner, "Tried elsewhere.", NOON)
    lifecycle.move(session, version, Event.ACTIVATE, Who.ANALYST, owner, NOON)


def test_the_way_of_an_item_from_its_author_to_candidates(session, bank, people):
    version = draft(session, bank, people)
    active(session, version, people)
    moves = session.scalars(select(Move).where(Move.version_id == version.id).order_by(Move.id)).all()
    assert [(move.before, move.event, move.after) for move in moves] == [
        ("draft", "submit", "in_review"),
        ("in_review", "approve", "approved"),
        ("approved", "pilot", "pilot"),
        ("pilot", "activate", "active"),
    ]
    assert "item.activate" in session.scalars(select(AuditEntry.act).where(AuditEntry.object == f"item-version:{version.id}")).all()


NAMES = ("writer", "owner", "fair", "reviewer_0", "reviewer_1", "reviewer_2")
ACTS = st.one_of(
    st.tuples(st.just("move"), st.sampled_from(list(Event)), st.sampled_from(list(Who)[:3]), st.sampled_from(NAMES)),
    st.tuples(st.just("review"), st.sampled_from(list(Signature)), st.sampled_from(list(Outcome)), st.sampled_from(NAMES)),
    st.tuples(st.just("check"), st.sampled_from(["a", "b"]), st.just(None), st.sampled_from(NAMES)),
    st.tuples(st.just("waive"), st.just(None), st.just(None), st.sampled_from(NAMES)),
    st.tuples(st.just("approve"), st.just(None), st.just(None), st.sampled_from(NAMES)),
)
# Without steering, random acts hardly ever get far: each run may begin with the acts of a good life, some left out.
GOOD = [
    ("move", Event.SUBMIT, Who.WRITER, "writer"),
    ("review", Signature.CONTENT, Outcome.SIGN, "reviewer_0"),
    ("review", Signature.CONTENT, Outcome.SIGN, "reviewer_1"),
    ("review", Signature.FAIRNESS, Outcome.SIGN, "fair"),
    ("check", "a", None, "reviewer_2"),
    ("approve", None, None, "owner"),
    ("move", Event.PILOT, Who.ANALYST, "owner"),
    ("waive", None, None, "owner"),
    ("move", Event.ACTIVATE, Who.ANALYST, "owner"),
]


def attempt(session, version, people, act):
    kind, first, second, name = act
    person = people[name]
    match kind:
        case "move":
            lifecycle.move(session, version, first, second, person, NOON, "A reason.")
        case "review":
            lifecycle.review(session, version, first, second, person, NOON, "A reason.")
        case "check":
            lifecycle.check_key(session, version, [first], person, NOON)
        case "waive":
            lifecycle.waive(session, version, person, "A reason.", NOON)
        case _:
            lifecycle.approve(session, version, person, NOON)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kept=st.lists(st.booleans(), min_size=len(GOOD), max_size=len(GOOD)), acts=st.lists(ACTS, max_size=12))
def test_no_sequence_of_acts_reaches_use_without_the_signatures(session, bank, people, kept, acts):
    with session.begin_nested() as savepoint:
        version = draft(session, bank, people)
        for act in [*(step for step, keep in zip(GOOD, kept, strict=True) if keep), *acts]:
            before = version.state
            try:
                with session.begin_nested():
                    attempt(session, version, people, act)
            except errors.Refusal:
                assert version.state == before
            session.expire(version)
            if version.state in rules.SIGNED:
                reviews = session.scalars(select(Review).where(Review.version_id == version.id, Review.outcome == "sign")).all()
                signers = {kind: {one.person_id for one in reviews if one.kind == kind} for kind in Signature}
                assert len(signers[Signature.CONTENT]) >= 2
                assert signers[Signature.FAIRNESS]
                assert signers[Signature.KEY]
                people_of = [person for kind in Signature if kind is not Signature.WAIVER for person in signers[kind]]
                assert len(set(people_of)) == len(people_of)
                assert people["writer"].id not in {*people_of, version.approved_by_id}
            if version.state == State.ACTIVE:
                assert signers[Signature.WAIVER]
        savepoint.rollback()


@pytest.mark.parametrize("state", rules.SIGNED)
def test_the_database_refuses_a_version_in_use_that_nobody_approved(session, bank, people, state):
    version = draft(session, bank, people)
    with pytest.raises(IntegrityError, match="in_use_when_approved"):
        session.execute(update(ItemVersion).where(ItemVersion.id == version.id).values(state=state))


def test_the_database_refuses_that_an_author_approves(session, bank, people):
    version = draft(session, bank, people)
    with pytest.raises(IntegrityError, match="no_author_approves_own_work"):
        session.execute(
            update(ItemVersion)
            .where(ItemVersion.id == version.id)
            .values(state="approved", approved_by_id=people["writer"].id, approved_at=NOON)
        )


def test_a_version_is_never_written_over(session, bank, people):
    from testing_platform.itembank.models import Changed

    version = draft(session, bank, people)
    version.stem = "<p>Another?</p>"
    with pytest.raises(Changed, match="stem"):
        session.flush()


def test_nobody_signs_twice_or_under_own_work(session, bank, people):
    version = draft(session, bank, people)
    lifecycle.submit(session, version, people["writer"], NOON)
    with pytest.raises(rules.OwnWork):
        lifecycle.review(session, version, Signature.CONTENT, Outcome.SIGN, people["writer"], NOON)
    lifecycle.review(session, version, Signature.CONTENT, Outcome.SIGN, people["reviewer_0"], NOON)
    for kind in (Signature.CONTENT, Signature.FAIRNESS):
        with pytest.raises(rules.SignedAlready):
            lifecycle.review(session, version, kind, Outcome.SIGN, people["reviewer_0"], NOON)


def test_who_has_seen_the_key_does_not_check_it_blind(session, bank, people):
    version = draft(session, bank, people)
    lifecycle.submit(session, version, people["writer"], NOON)
    lifecycle.opened(session, version, people["reviewer_2"], NOON)
    with pytest.raises(rules.KeySeen):
        lifecycle.check_key(session, version, ["a"], people["reviewer_2"], NOON)


def test_another_answer_than_the_key_returns_the_item(session, bank, people):
    version = draft(session, bank, people)
    lifecycle.submit(session, version, people["writer"], NOON)
    assert not lifecycle.check_key(session, version, ["b"], people["reviewer_2"], NOON)
    assert version.state == State.RETURNED
    assert lifecycle.reviews_of(session, version)[0].answer == ["b"]


def test_a_return_needs_its_reason(session, bank, people):
    version = draft(session, bank, people)
    lifecycle.submit(session, version, people["writer"], NOON)
    with pytest.raises(rules.ReasonMissing):
        lifecycle.review(session, version, Signature.CONTENT, Outcome.RETURN, people["reviewer_0"], NOON, " ")
    assert version.state == State.IN_REVIEW


def test_what_is_missing_is_counted_by_kind(session, bank, people):
    version = draft(session, bank, people)
    lifecycle.submit(session, version, people["writer"], NOON)
    lifecycle.review(session, version, Signature.CONTENT, Outcome.SIGN, people["reviewer_0"], NOON)
    with pytest.raises(rules.NotSigned) as refusal:
        lifecycle.approve(session, version, people["owner"], NOON)
    assert refusal.value.facts == {"missing": {"content": 1, "fairness": 1, "key": 1}}


def test_a_bank_may_ask_for_more_signatures(session, bank, people):
    bank.policy = {"content_reviews": {"value": 3, "source": "the department's own rule"}}
    version = draft(session, bank, people)
    signed(session, version, people)
    with pytest.raises(rules.NotSigned) as refusal:
        lifecycle.approve(session, version, people["owner"], NOON)
    assert refusal.value.facts == {"missing": {"content": 1}}


@pytest.mark.parametrize(
    ("figures", "faults"),
    [
        (None, ["candidates"]),
        ({"n": 49, "difficulty": "0.70", "discrimination": "0.40"}, ["candidates"]),
        ({"n": 50, "difficulty": "0.70", "discrimination": "0.40"}, []),
        ({"n": 50, "difficulty": "0.96", "discrimination": "0.40"}, ["easiest"]),
        ({"n": 50, "difficulty": "0.24", "discrimination": "0.19"}, ["hardest", "discrimination"]),
        ({"n": 50, "difficulty": "0.70", "discrimination": None}, ["discrimination"]),
    ],
)
def test_the_trial_decides_unless_somebody_signs_that_it_need_not(session, bank, people, figures, faults):
    version = draft(session, bank, people)
    signed(session, version, people)
    lifecycle.approve(session, version, people["owner"], NOON)
    lifecycle.move(session, version, Event.PILOT, Who.ANALYST, people["owner"], NOON)
    if figures:
        values = {name: rules.Decimal(value) if isinstance(value, str) else value for name, value in figures.items()}
        session.add(ItemStatistics(version_id=version.id, made_at=NOON, shares={}, **values))
        session.flush()
    if faults:
        with pytest.raises(rules.NotTried) as refusal:
            lifecycle.move(session, version, Event.ACTIVATE, Who.ANALYST, people["owner"], NOON)
        assert refusal.value.facts == {"faults": faults}
        lifecycle.waive(session, version, people["owner"], "Tried elsewhere.", NOON)
    lifecycle.move(session, version, Event.ACTIVATE, Who.ANALYST, people["owner"], NOON)
    assert version.state == State.ACTIVE


def test_a_new_version_takes_the_place_of_the_active_one_only_when_it_is_active_itself(session, bank, people):
    first = draft(session, bank, people)
    active(session, first, people)
    second = draft(session, bank, people, stem="What really comes first?")
    assert (first.state, second.state) == (State.ACTIVE, State.DRAFT)
    active(session, second, people)
    assert (first.state, second.state) == (State.RETIRED, State.ACTIVE)


def test_a_draft_gives_way_to_what_is_saved_after_it_and_one_in_review_does_not(session, bank, people):
    first = draft(session, bank, people)
    second = draft(session, bank, people, stem="Which comes first?")
    assert (first.state, second.number) == (State.REPLACED, 2)
    lifecycle.submit(session, second, people["writer"], NOON)
    with pytest.raises(rules.NoSuchMove):
        draft(session, bank, people, stem="Which of them comes first?")


def test_a_picture_needs_its_words_before_review(session, bank, people):
    version = draft(session, bank, people)
    content = service.content_of(version)
    bare = rules.Content(f'<p>Look.</p><img src="{"0" * 40}.png" alt="">', content.options, content.correct)
    shown = service.write(session, version.item, bare, None, "easy", NOON, people["writer"])
    with pytest.raises(rules.NotComplete) as refusal:
        lifecycle.submit(session, shown, people["writer"], NOON)
    assert refusal.value.facts == {"missing": ["alternative-text"]}


def test_a_variant_in_spanish_has_its_own_signatures_and_the_same_key(session, bank, people):
    version = draft(session, bank, people)
    active(session, version, people)
    options = tuple(rules.Option(key, html) for key, html in (("a", "Uno"), ("b", "Dos"), ("c", "Tres")))
    spanish = rules.Content("<p>¿Qué va primero?</p>", options, ("a",), language="es")
    variant = service.write_variant(session, version, spanish, None, NOON, people["writer"])
    assert (variant.state, version.state, version.newest) == (State.DRAFT, State.ACTIVE, True)
    with pytest.raises(rules.KeySeen):
        signed(session, variant, people)
    assert lifecycle.missing(session, variant) == {Signature.KEY: 1}
    blind = make.person(session, Role.ITEM_REVIEWER)
    assert lifecycle.check_key(session, variant, ["a"], blind, NOON)
    lifecycle.approve(session, variant, people["owner"], NOON)
    lifecycle.move(session, variant, Event.PILOT, Who.ANALYST, people["owner"], NOON)
    lifecycle.waive(session, variant, people["owner"], "Tried in English.", NOON)
    lifecycle.move(session, variant, Event.ACTIVATE, Who.ANALYST, people["owner"], NOON)
    assert (variant.state, version.state) == (State.ACTIVE, State.ACTIVE)
    with pytest.raises(service.FaultyItem):
        service.write_variant(session, version, rules.Content("<p>¿Qué?</p>", options, ("b",), language="es"), None, NOON)


def test_a_copy_is_an_enemy_and_a_compromised_item_names_its_enemies_too(session, bank, people):
    version = draft(session, bank, people)
    active(session, version, people)
    other = service.clone(session, version, "CST-2", NOON, people["writer"])
    with pytest.raises(rules.ReasonMissing):
        lifecycle.compromise(session, version, people["owner"], "", NOON)
    named = lifecycle.compromise(session, version, people["owner"], "Seen on a public page.", NOON)
    assert version.state == State.COMPROMISED
    assert named == [version.id, other.id]
    event = session.scalars(select(bus.Event).where(bus.Event.kind == "item.compromised")).one()
    assert event.facts == {"version": version.id, "versions": named}
