"""Rulings on a key: what each does, who says so, and what nobody may see before."""

import hashlib
import random
import re
import threading
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from testing_platform import clock, errors
from testing_platform.accounts.models import Person
from testing_platform.accounts.rules import Area, Role
from testing_platform.audit import service as audit
from testing_platform.audit.models import AuditEntry
from testing_platform.delivery import rules as delivery
from testing_platform.digests import canonical
from testing_platform.itembank import lifecycle
from testing_platform.scoring import queries, rules, rulings, service
from testing_platform.scoring.models import PanelItem, PanelRuling, QualifyingResult
from testing_platform.scoring.rules import Change, Ruling, Verdict
from tests import make
from tests.make import NOON

LATER = NOON + timedelta(hours=10)
OPTIONS = "abcd"
# A busy machine draws examples slowly, and that is no fault of the rule.
STEADILY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

# --- what a ruling does ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "how", "answers", "after", "amounts_to"),
    [
        (["b"], Ruling.CHANGE, ["a"], ["a"], Ruling.CHANGE),
        (["b"], Ruling.ALSO, ["a"], ["b", "a"], Ruling.ALSO),
        (["b"], Ruling.CREDIT, ["a"], ["*"], Ruling.CREDIT),
        (["b"], Ruling.DROP, ["a"], [], Ruling.DROP),
        # A change that only adds is named for what it is; what was dropped counts again.
        (["b"], Ruling.CHANGE, ["b", "a"], ["b", "a"], Ruling.ALSO),
        ([], Ruling.ALSO, ["a"], ["a"], Ruling.CHANGE),
        (["*"], Ruling.ALSO, ["a"], ["a"], Ruling.CHANGE),
    ],
)
def test_what_a_ruling_makes_of_an_entry(before, how, answers, after, amounts_to):
    assert rules.ruled(before, how, answers) == after
    assert rules.ruling_between(before, after) is amounts_to


entry = some.one_of(some.just([]), some.just(["*"]), some.lists(some.sampled_from(OPTIONS), min_size=1, max_size=4, unique=True))
keys = some.dictionaries(some.integers(1, 8), entry, min_size=1, max_size=8)
sheet = some.dictionaries(some.integers(1, 8), some.sampled_from(OPTIONS), max_size=8)


@STEADILY
@given(keys, sheet, some.randoms(use_true_random=False))
def test_a_score_does_not_depend_on_the_order_of_rows(key, answers, chance):
    lines = [delivery.Said("one", n, 1, slot, "answered", option, n) for n, (slot, option) in enumerate(answers.items(), 1)]
    # The last word on a slot counts, wherever its row stands.
    lines += [delivery.Said("one", n, 0, slot, "answered", "a", 100 + n) for n, slot in enumerate(answers, 1)]
    chance.shuffle(lines)
    mixed = {slot: said.option for slot, said in delivery.sheet(lines).items()}
    shuffled = dict(chance.sample(list(key.items()), len(key)))
    assert rules.raw_score(shuffled, mixed) == rules.raw_score(key, answers)


@STEADILY
@given(keys, sheet, some.data())
def test_a_dropped_item_takes_one_from_the_greatest_score_and_no_more_from_anybody(key, answers, data):
    slot = data.draw(some.sampled_from(sorted(key)))
    after = {**key, slot: rules.ruled(key[slot], Ruling.DROP, [])}
    assert rules.maximum(after) == rules.maximum(key) - bool(key[slot])
    assert rules.raw_score(key, answers) - 1 <= rules.raw_score(after, answers) <= rules.raw_score(key, answers)


@STEADILY
@given(keys, sheet, some.data())
def test_crediting_everyone_or_accepting_more_lowers_nobody(key, answers, data):
    slot = data.draw(some.sampled_from(sorted(key)))
    more = data.draw(some.lists(some.sampled_from(OPTIONS), min_size=1, unique=True))
    credited = {**key, slot: rules.ruled(key[slot], Ruling.CREDIT, [])}
    assert rules.raw_score(key, answers) <= rules.raw_score(credited, answers) <= rules.raw_score(key, answers) + 1
    assert rules.maximum(credited) == rules.maximum(key) + (not key[slot])
    if key[slot] != ["*"]:
        accepted = {**key, slot: rules.ruled(key[slot], Ruling.ALSO, more)}
        assert rules.raw_score(key, answers) <= rules.raw_score(accepted, answers) <= rules.raw_score(credited, answers)


scores = some.dictionaries(some.integers(1, 20), some.integers(0, 8), max_size=20)


@STEADILY
@given(scores, scores, some.integers(0, 9))
def test_both_directions_add_up(before, after, cut):
    found = rules.rescoring(before, after, (8, 8), [cut])
    (shift,) = found.shifts
    assert found.up + found.down + found.same == len(before.keys() & after.keys())
    assert shift.passes - shift.passed == shift.gained - shift.lost
    assert 0 <= shift.lost <= found.down
    assert 0 <= shift.gained <= found.up


@STEADILY
@given(some.integers(0, 8), some.integers(0, 9), some.sampled_from(["PASS", "FAIL", None]), some.booleans())
def test_held_harmless_nobody_who_passed_fails_and_nobody_else_passes_by_it(raw, cut, before, holds):
    outcome, held = rules.outcome(raw, cut, before, holds)
    assert (outcome == "PASS") == (raw >= cut or (holds and before == "PASS"))
    assert held == (outcome == "PASS" and raw < cut)
    change = rules.change_between(before, outcome, held)
    assert not (holds and change is Change.LOST)
    assert (change is Change.GAINED) == (before == "FAIL" and outcome == "PASS")


@pytest.mark.parametrize(
    ("said", "experts", "hold"), [({}, 2, True), ({"experts": 3, "hold_harmless": False, "source": "Board"}, 3, False)]
)
def test_the_bulletin_may_set_the_rules_of_the_review(said, experts, hold):
    found = rules.KeyReview.of(said)
    assert (found.experts, found.hold_harmless) == (experts, hold)
    assert set(found.sources.values()) == ({"Board"} if said else set(rules.REVIEW_SOURCES.values()))
    with pytest.raises(rules.FaultyInputs):
        rules.KeyReview.of({"experts": 0})


# --- kept ------------------------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def analyst(session):
    return make.person(session, Role.ANALYST)


@pytest.fixture
def where(session):
    place = make.place(session)
    for right in (6, 4, 3, 1):
        make.handed_in(session, place, right)
    return place


@pytest.fixture
def one(where):
    return where.administration


def test_a_key_without_rulings_has_the_digest_that_it_always_had(session, one, analyst):
    key = service.form_key(session, one, LATER)
    assert key.digest == hashlib.sha256(canonical([one.form_id, 1, key.entries])).hexdigest()
    before = key.digest
    assert service.lock_key(session, one, analyst, LATER, pointed_at=[6], reason="Read.").digest == before


def test_a_rulings_digest_covers_its_reason_its_signer_and_the_rulings_before(session, analyst):
    other = make.person(session, Role.ANALYST)
    found = set()
    for person, reasons in ((analyst, ("One.", "Two.")), (analyst, ("One!", "Two.")), (other, ("One.", "Two."))):
        administration = make.place(session).administration
        first = service.form_key(session, administration, LATER)
        first.digest = "the same form's"
        service.change_key(session, administration, person, 1, ["a"], reasons[0], LATER)
        last = service.change_key(session, administration, analyst, 2, [], reasons[1], LATER)
        last_said = [last.entries, last.changes]
        found.add(last.digest)
    assert len(found) == 3
    assert last_said[1][0]["ruling"] == "drop"


def test_the_entries_are_the_forms_own_key_with_the_rulings_in_their_order(session, one, analyst):
    for slot, after in ((1, ["a"]), (2, ["a", "b"]), (3, ["*"]), (4, []), (1, ["a", "c"]), (4, ["b"])):
        service.change_key(session, one, analyst, slot, after, "why", LATER)
    entries = {slot: list(entry) for slot, entry in service.form_entries(session, one).items()}
    said = []
    for key in reversed(queries.keys(session, one)):
        for change in key.changes:
            said.append(change["ruling"])
            assert entries[change["slot"]] == change["before"]
            entries[change["slot"]] = rules.ruled(change["before"], Ruling(change["ruling"]), change["after"])
    assert said == ["change", "also", "credit", "drop", "also", "change"]
    newest = service.newest_key(session, one)
    assert {slot: sorted(entry) for slot, entry in entries.items()} == {
        slot: sorted(entry) for slot, entry in service.entries_of(newest).items()
    }


def test_rescoring_is_held_against_the_scores_of_the_decision_that_stands(session, where, one, analyst):
    make.decided(session, where, 4, LATER)
    gathered = service.gather(session, one, LATER)
    entries = service.entries_of(service.newest_key(session, one))
    # 6, 4, 3, 1 of six right with b: with item 4 dropped, 5, 3, 3, 1.
    found = rulings.rescore(session, one, {**entries, 4: []}, gathered)
    assert (found.found.up, found.found.down, found.found.same) == (0, 2, 2)
    assert (found.found.before, found.found.after) == (6, 5)
    assert {shift.cut: (shift.gained, shift.lost) for shift in found.found.shifts} == {3: (0, 0), 4: (0, 1), 5: (0, 0)}
    # Two rulings are looked at together.
    service.change_key(session, one, analyst, 4, [], "why", LATER, superseding=True)
    intended = rulings.intend(session, one, 6, Ruling.CREDIT, [], gathered)
    assert (intended.preview.found.up, intended.preview.found.down, intended.preview.found.same) == (2, 1, 1)
    with pytest.raises(rules.SameKey):
        rulings.intend(session, one, 4, Ruling.DROP, [], gathered)


def test_hold_harmless_follows_through_decision_after_decision(session, where, one):
    make.decided(session, where, 3, LATER)
    for cut in (4, 6):
        decision = make.decided(session, where, cut, LATER, hold_harmless=True)
    rows = session.scalars(select(QualifyingResult).where(QualifyingResult.decision_id == decision.id)).all()
    raw = service.raw_scores(session, decision.run)
    assert {raw[row.attempt_id]: (row.outcome, row.held) for row in rows} == {
        6: ("PASS", False),
        4: ("PASS", True),
        3: ("PASS", True),
        1: ("FAIL", False),
    }
    assert service.counted(service.changes_by(session, decision)) == {"gained": 0, "lost": 0, "held": 2, "new": 0, "gone": 0}


def test_taking_back_needs_its_reason(session, where, one, analyst):
    make.decided(session, where, 3, LATER)
    with pytest.raises(rules.ReasonMissing) as refusal:
        service.propose(session, one, analyst, 4, rules.Inputs(1, 0), "Fewer.", LATER, hold_harmless=False)
    assert refusal.value.facts == {"what": "taken_back"}


def test_the_database_too_holds_that_only_a_pass_is_held(session, where):
    make.decided(session, where, 4, LATER)
    failed = session.scalars(select(QualifyingResult).where(QualifyingResult.outcome == "FAIL")).first()
    failed.held = True
    with pytest.raises(IntegrityError, match="held_passes"):
        session.flush()


# --- the panel -------------------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def item(session, one, analyst):
    return rulings.ask(session, one, analyst, {6: ["key_suspect"]}, LATER)[0]


@pytest.fixture
def expert(session):
    return make.person(session, Role.ITEM_REVIEWER)


def give(session, item, person, verdict=Verdict.KEEP, answers=("a",), reason="The rule says so."):
    return rulings.give(session, item, person, verdict, answers, reason, LATER)


def test_two_experts_rule_and_a_third_comes_too_late(session, item, expert):
    give(session, item, expert)
    assert rulings.agreement(item) is None
    with pytest.raises(rulings.PanelClosed):
        give(session, item, expert)
    other = give(session, item, make.person(session, Role.ANALYST), answers=["b", "a"])
    assert (other.place, other.answers) == (2, ["a", "b"])
    assert rulings.agreement(item) is False
    with pytest.raises(rulings.PanelClosed):
        give(session, item, make.person(session, Role.ITEM_REVIEWER))


@pytest.mark.parametrize(
    ("one", "two", "agreed"),
    [
        ((Verdict.KEEP, ["a"]), (Verdict.KEEP, ["a"]), True),
        ((Verdict.KEEP, ["a", "b"]), (Verdict.KEEP, ["b", "a"]), True),
        ((Verdict.KEEP, ["a"]), (Verdict.KEEP, ["a", "b"]), False),
        ((Verdict.KEEP, ["a"]), (Verdict.DROP, ["a"]), False),
        ((Verdict.DROP, []), (Verdict.DROP, ["a"]), True),
    ],
)
def test_when_experts_agree(one, two, agreed):
    assert rules.agree([one, two]) is agreed


def looked(session, item, person):
    audit.record(session, "key.seen", f"administration:{item.administration_id}", LATER, person.id)


def made(session, item, person):
    service.change_key(session, item.administration, person, 1, ["a"], "why", LATER)


def wrote(session, item, person):
    bank = session.get_one(make.Bank, item.administration.form.bank_id)
    draft = make.itembank.ItemDraft("I-6", "CST", "Anew?", {"a": "One", "b": "Two"}, ("a",), "Because.", "medium")
    make.itembank.keep_item(session, bank, draft, {}, LATER, person)


@pytest.mark.parametrize("known_by", [looked, made, wrote])
def test_who_has_seen_the_key_or_made_it_is_not_asked(session, item, known_by):
    person = make.person(session, Role.ANALYST)
    assert rulings.waiting_for(session, person) == [item]
    known_by(session, item, person)
    session.flush()
    assert rulings.waiting_for(session, person) == []
    with pytest.raises(rulings.NotBlind) as refusal:
        give(session, item, person)
    assert refusal.value.facts == {"why": known_by.__name__}


def test_who_asked_is_not_asked(session, item, analyst):
    with pytest.raises(rulings.NotBlind):
        give(session, item, analyst)


def test_who_knows_the_key_from_the_bank_is_named(session, item, expert):
    lifecycle.opened(session, rulings.version_of(session, item), expert, LATER)
    assert give(session, item, expert).knew_key
    assert not give(session, item, make.person(session, Role.ITEM_REVIEWER)).knew_key


@pytest.mark.parametrize(
    ("verdict", "answers", "reason", "refusal"),
    [
        (Verdict.KEEP, [], "why", rules.FaultyKey),
        (Verdict.KEEP, ["z"], "why", rules.FaultyKey),
        (Verdict.DROP, [], "  ", rules.ReasonMissing),
    ],
)
def test_a_ruling_names_answers_of_the_item_and_its_reason(session, item, expert, verdict, answers, reason, refusal):
    with pytest.raises(refusal):
        give(session, item, expert, verdict, answers, reason)
    assert session.scalar(select(func.count()).select_from(PanelRuling)) == 0


def test_an_approver_is_no_expert_and_nothing_is_asked_twice(session, one, item, analyst):
    with pytest.raises(errors.Forbidden):
        give(session, item, make.person(session, Role.APPROVER))
    with pytest.raises(rulings.AskedAlready):
        rulings.ask(session, one, analyst, {6: [], 5: []}, LATER)
    with pytest.raises(rules.FaultyKey):
        rulings.ask(session, one, analyst, {99: []}, LATER)


def test_an_expert_does_not_rule_on_the_key_too(session, one, item):
    person = make.person(session, Role.ANALYST)
    give(session, item, person)
    with pytest.raises(service.OwnRuling):
        service.change_key(session, one, person, 6, ["a"], "why", LATER)
    assert service.change_key(session, one, person, 5, ["a"], "why", LATER).number == 2


def test_the_trail_has_who_and_when_and_nothing_of_the_item(session, item, expert):
    give(session, item, expert, answers=["a"], reason="Paragraph four.")
    said = session.scalars(select(AuditEntry).where(AuditEntry.act.like("panel.%")).order_by(AuditEntry.id)).all()
    assert [(entry.act, entry.facts) for entry in said] == [
        ("panel.asked", {"slots": [6], "experts": 2}),
        ("panel.ruled", {"slot": 6, "place": 1, "knew_key": False}),
    ]


@pytest.mark.both
def test_of_many_experts_at_once_two_are_heard(db):
    with db.write() as session:
        administration = make.place(session).administration
        item_id = rulings.ask(session, administration, make.person(session, Role.ANALYST), {1: []}, LATER)[0].id
        people = [make.person(session, Role.ITEM_REVIEWER).id for _ in range(4)]
    together, ended = threading.Barrier(len(people)), []

    def press(person):
        together.wait()
        try:
            with db.write() as session:
                give(session, session.get_one(PanelItem, item_id), session.get_one(Person, person))
            ended.append("kept")
        except rulings.PanelClosed:
            ended.append("closed")

    threads = [threading.Thread(target=press, args=(person,)) for person in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ended) == ["closed", "closed", "kept", "kept"]
    with db.read() as session:
        assert sorted(session.scalars(select(PanelRuling.place))) == [1, 2]


# --- the pages -------------------------------------------------------------------------------------------------------------------------------


def answer(attempt_id, slot, option, now):
    return make.Response(
        attempt_id=attempt_id,
        device="browser-1",
        seq=slot,
        epoch=1,
        slot=slot,
        option=option,
        state="answered",
        elapsed_ms=1000,
        received_at=now,
        standing="counted",
    )


@pytest.fixture
def world(db, once):
    """Forty have handed in; the key of item 6 is b, and those who know more choose a. And three of the staff."""

    def build():
        now, chance = clock.now() - timedelta(hours=12), random.Random(6)
        with db.write() as session:
            place = make.place(session, now)
            for n in range(40):
                found = make.attempt(session, where=place, now=now)
                knows = n >= 20
                for slot in range(1, make.ITEMS + 1):
                    right = chance.random() < (0.9 if knows else 0.3)
                    option = ("a" if right else "b") if slot == 6 else ("b" if right else "c")
                    session.add(answer(found.id, slot, option, now))
                session.flush()
                make.attempts.submit(session, found, now)
            staff = (("Ana", Role.ANALYST), ("Exa", Role.ITEM_REVIEWER), ("Exo", Role.ITEM_REVIEWER))
            return f"/analyst/administrations/{place.administration_id}", {
                name: make.person(session, role, name=name) for name, role in staff
            }

    return once(build)


@pytest.fixture
def base(world):
    return world[0]


@pytest.fixture
def staff(world, visit):
    return {name: visit(person, Area.ANALYST) for name, person in world[1].items()}


def text(reply, status=200):
    assert reply.status_code == status, reply.get_data(as_text=True)[:2000]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", reply.get_data(as_text=True)))


def test_the_panel_from_the_figure_to_the_two_rulings(db, base, staff):
    page = staff["Ana"].get(f"{base}/key/panel").get_data(as_text=True)
    assert re.findall(r'id="ask-(\d)" value="\d" checked', page) == ["6"]
    assert "Key suspect" in page
    assert staff["Ana"].post(f"{base}/key/panel/ask", {"slot": "6"}).status_code == 303
    home = staff["Exa"].get("/analyst/key-review").get_data(as_text=True)
    url = re.search(r"/analyst/key-review/\d+", home)[0]
    shown = staff["Exa"].get(url).get_data(as_text=True)
    assert "What does I-6 ask?" in shown
    # Neither the key nor a figure nor why the item is looked at.
    for word in ("Because.", "checked", "suspect", "chose it", "item__option--key", "Exo"):
        assert word not in shown
    said = {"verdict": "keep", "option": ["a"], "reason": "Only a follows the rule."}
    assert "Say whether it stays" in text(staff["Exa"].post(url, {"option": ["a"]}), 422)
    assert "Choose at least one answer" in text(staff["Exa"].post(url, {"verdict": "keep"}), 422)
    kept = staff["Exa"].post(url, said | {"reason": ""})
    assert "Write why." in text(kept, 422)
    assert re.findall(r'id="(option-\w|verdict-\w+)"[^>]* checked', kept.get_data(as_text=True)) == ["option-a", "verdict-keep"]
    assert staff["Exa"].post(url, said).status_code == 303
    # One is in: nobody but its author reads it.
    assert "Only a follows the rule." in text(staff["Exa"].get(url))
    for name, address in (("Ana", f"{base}/key/panel"), ("Ana", f"{base}/key/items/6"), ("Exo", url)):
        page = text(staff[name].get(address))
        assert "Only a follows the rule." not in page
    assert "1 of 2 rulings are in" in text(staff["Ana"].get(f"{base}/key/panel"))
    assert "Their rulings on item 6 are not all in yet." in text(staff["Ana"].get(f"{base}/key"))
    assert staff["Exo"].post(url, {"verdict": "drop", "reason": "Two readings."}).status_code == 303
    for name, address in (("Ana", f"{base}/key/panel"), ("Ana", f"{base}/key/items/6"), ("Exa", url), ("Exo", url)):
        page = text(staff[name].get(address))
        assert "The experts disagree" in page
        assert "Only a follows the rule." in page
        assert "Two readings." in page
    with db.read() as session:
        seen = session.scalars(select(AuditEntry.act).where(AuditEntry.act.like("panel.%"))).all()
    assert sorted(set(seen)) == ["panel.asked", "panel.ruled", "panel.seen"]


def test_who_looked_at_the_key_is_told_that_somebody_else_answers(base, staff, visit, db):
    staff["Ana"].post(f"{base}/key/panel/ask", {"slot": "6"})
    with db.write() as session:
        person = make.person(session, Role.ANALYST)
    other = visit(person, Area.ANALYST)
    url = re.search(r"/analyst/key-review/\d+", other.get("/analyst/key-review").get_data(as_text=True))[0]
    other.get(f"{base}/key")
    assert "You have looked at the key of this administration." in text(other.get(url), 409)
    assert "No item waits for you" in text(other.get("/analyst/key-review"))
    assert "Choose at least one item." in text(other.post(f"{base}/key/panel/ask", {}, follow_redirects=True))
