"""The bank's pages as its people use them, and as somebody would who means harm or was too slow."""

import pytest
from sqlalchemy import select

from testing_platform.accounts.rules import Area, Role
from testing_platform.itembank import forms, service
from testing_platform.itembank.models import Bank, Item, ItemVersion, Stimulus
from tests import make
from tests.itembank.assembly.made import document
from tests.itembank.assembly.stored import forms_bank
from tests.make import NOON


@pytest.fixture
def bank_id(db):
    with db.write() as session:
        return forms_bank(session).id


@pytest.fixture
def enter(db, visit):
    """Somebody with these roles, at the bank's door."""

    def come(*roles):
        with db.write() as session:
            person = make.person(session, *roles)
        return visit(person, Area.ANALYST)

    return come


def text_of(page):
    assert page.status_code == 200, page.get_data(as_text=True)
    return " ".join(page.get_data(as_text=True).split())


def test_the_bank_says_where_it_is_short_of_its_newest_blueprint(db, enter, bank_id):
    page = f"/analyst/bank/{bank_id}"
    writer = enter(Role.ITEM_WRITER)
    assert "Where the bank is short" not in text_of(writer.get(page))
    with db.write() as session:
        bank = session.get_one(Bank, bank_id)
        forms.keep_blueprint(session, bank, document(), NOON)
        told = document(title="Twice as many")
        told["section"][0]["cell"] = [{"area": "CST", "min": 6, "max": 12}, {"area": "CST", "level": "apply", "min": 2, "max": 12}]
        number = forms.keep_blueprint(session, bank, told, NOON).id
    shown = text_of(writer.get(page))
    assert "Twice as many, version 2" in shown
    assert "2 forms without overlap" in shown
    assert "2 short" in shown
    assert f"/analyst/blueprints/{number}" not in shown
    owner = enter(Role.ANALYST)
    assert f"/analyst/blueprints/{number}" in text_of(owner.get(page))
    blueprint = text_of(owner.get(f"/analyst/blueprints/{number}"))
    for line in ("2 forms without overlap", "2 short"):
        assert blueprint.count(line) == shown.count(line) == 1


@pytest.fixture
def item_id(db, bank_id):
    """An item in use that nobody here wrote, signed or opened."""
    with db.read() as session:
        return session.scalars(select(Item.id).where(Item.bank_id == bank_id, Item.code == "I-00")).one()


def newest(db, item_id, language="en"):
    with db.read() as session:
        found = select(ItemVersion).where(ItemVersion.item_id == item_id, ItemVersion.language == language)
        return session.scalars(found.order_by(ItemVersion.number.desc())).first()


SPANISH = {
    "version": "1",
    "seen": "0",
    "stem": "¿Pregunta 0?",
    **{f"option-{key}": f"Opción {key}" for key in "abcd"},
    # The key and the kind are the original's, whatever is sent.
    "correct": "d",
    "kind": "multiple",
}


def test_an_item_is_written_in_spanish_and_signed_by_people_who_have_not_seen_its_key(db, enter, bank_id, item_id):
    item, there = f"/analyst/bank/items/{item_id}", f"/analyst/bank/items/{item_id}/in/es"
    writer, owner = enter(Role.ITEM_WRITER), enter(Role.ANALYST)
    assert "Write in Spanish" in text_of(writer.get(item))
    page = text_of(writer.get(there))
    assert "<p>Question 0?</p>" in page
    assert 'name="stem" aria-describedby="stem-hint" rows="6" lang="es"' in page
    assert writer.post(there, SPANISH).status_code == 303
    said = newest(db, item_id, "es")
    assert (said.number, said.stem, said.correct, said.kind, said.newest) == (2, "<p>¿Pregunta 0?</p>", ["a"], "single", False)
    assert "Spanish, version 2" in text_of(owner.get(item))
    about = {"version": "2", "state": "draft"}
    assert writer.post(f"{item}/hand-in", about).status_code == 303
    bank, about["state"] = f"/analyst/bank/{bank_id}", "in_review"
    for kind in ("content", "content", "fairness"):
        reviewer = enter(Role.FAIRNESS_REVIEWER if kind == "fairness" else Role.ITEM_REVIEWER)
        assert f'href="{item}?version=2">I-00 (Spanish)' in text_of(reviewer.get(bank))
        assert reviewer.post(f"{item}/reviews", {**about, "kind": kind, "outcome": "sign"}).status_code == 303
    saw, blind = enter(Role.ITEM_REVIEWER), enter(Role.ITEM_REVIEWER)
    # The key of the original, opened in another tab, is the key here too.
    check = f"{item}/key-check?version=2"
    assert f'href="{check}"' in text_of(saw.get(bank))
    assert "¿Pregunta 0?" in text_of(saw.get(check))
    text_of(saw.get(item))
    assert "You have seen this key" in text_of(saw.get(check))
    assert saw.post(f"{item}/key-check", {**about, "slot-1": "a"}).status_code == 409
    assert check not in text_of(saw.get(bank))
    assert blind.post(f"{item}/key-check", {**about, "slot-1": "a"}).status_code == 303
    assert owner.post(f"{item}/moves/approve", about).status_code == 303
    assert newest(db, item_id, "es").state == "approved"
    assert newest(db, item_id).state == "active"


@pytest.mark.parametrize("language", ["en", "de", "es-US"])
def test_an_item_is_said_in_another_language_that_the_bank_has(enter, item_id, language):
    writer = enter(Role.ITEM_WRITER)
    assert writer.get(f"/analyst/bank/items/{item_id}/in/{language}").status_code == 404
    assert writer.post(f"/analyst/bank/items/{item_id}/in/{language}", SPANISH).status_code == 404


def test_an_item_with_a_passage_is_handed_in_with_that_passage_in_its_language(db, enter, bank_id):
    writer = enter(Role.ITEM_WRITER)
    with db.write() as session:
        bank = session.get_one(Bank, bank_id)
        passage = service.keep_stimulus(session, bank, "P", "Fees", "<p>A permit costs $40.</p>")
        draft = service.ItemDraft("R-1", "READ", "What is the fee?", {"a": "$40", "b": "$4"}, ("a",), "", "easy", stimulus="P")
        item_id = service.keep_item(session, bank, draft, {"P": passage}, NOON).item_id
    there = f"/analyst/bank/items/{item_id}"
    assert writer.post(f"{there}/in/es", SPANISH).status_code == 303
    assert writer.post(f"{there}/hand-in", {"version": "2", "state": "draft"}).status_code == 422
    passage = {"code": "P-ES", "title": "Tarifas", "text": "Un permiso cuesta $40.", "language": "es"}
    assert writer.post(f"/analyst/bank/{bank_id}/passages/edit", passage).status_code == 303
    assert "Tarifas" in text_of(writer.get(f"{there}/in/es"))
    assert writer.post(f"{there}/in/es", {**SPANISH, "seen": "2", "stimulus": "P-ES"}).status_code == 303
    assert writer.post(f"{there}/hand-in", {"version": "3", "state": "draft"}).status_code == 303


# --- two at once, and tabs that were left open ------------------------------------------------------------------------------------------


def test_words_of_an_act_that_comes_too_late_can_be_copied(enter, item_id):
    there, reviewer = f"/analyst/bank/items/{item_id}", enter(Role.ITEM_REVIEWER)
    owner, said = enter(Role.ANALYST), "Two of the options are right."
    for late in (
        reviewer.post(f"{there}/reviews", {"version": "1", "state": "in_review", "kind": "content", "outcome": "return", "text": said}),
        owner.post(f"{there}/moves/challenge", {"version": "1", "state": "rested", "reason": said}),
    ):
        page = late.get_data(as_text=True)
        assert late.status_code == 409
        assert "Someone changed it since you looked" in page
        assert f">{said}</textarea>" in page
    assert owner.post(f"{there}/moves/challenge", {"version": "1", "state": "rested", "reason": " "}).status_code == 409


def test_what_was_ticked_and_typed_is_there_again_when_nothing_could_be_changed(enter, bank_id, item_id):
    owner, bank = enter(Role.ANALYST), f"/analyst/bank/{bank_id}"
    reply = owner.post(f"{bank}/bulk", {"words": "Question", "item": str(item_id), "act": "move", "to": "Nowhere"})
    page = text_of(owner.get(reply.headers["Location"]))
    assert f'value="{item_id}" id="tick-{item_id}" checked' in page
    assert 'value="move" selected' in page
    assert 'value="Nowhere"' in page
    reply = owner.post(f"{bank}/enemies", {"codes": "I-00, NONE", "reason": "same fact", "back": f"/analyst/bank/items/{item_id}"})
    page = text_of(owner.get(reply.headers["Location"]))
    assert 'value="I-00, NONE"' in page
    assert 'value="same fact"' in page


EDITED = {
    "kind": "single",
    "key": ["a", "b"],
    "option-a": "One",
    "option-b": "Two",
    "correct": "a",
    "area": "CST",
    "difficulty": "easy",
}


def test_who_saves_second_keeps_what_was_typed_and_is_told(db, enter, item_id):
    one, other = enter(Role.ITEM_WRITER), enter(Role.ITEM_WRITER)
    there = f"/analyst/bank/items/{item_id}/edit"
    assert one.post(there, {**EDITED, "stem": "The first of two.", "seen": "1"}).status_code == 303
    late = other.post(there, {**EDITED, "stem": "The second of two.", "seen": "1"})
    page = late.get_data(as_text=True)
    assert late.status_code == 409
    assert "Somebody else has saved version 2 meanwhile" in page
    assert "The second of two." in page
    assert 'name="seen" value="2"' in page
    assert newest(db, item_id).stem == "<p>The first of two.</p>"
    assert other.post(there, {**EDITED, "stem": "Both.", "seen": "2"}).status_code == 303
    assert newest(db, item_id).number == 3
    assert one.post(f"/analyst/bank/items/{item_id}/hand-in", {"version": "3", "state": "draft"}).status_code == 303
    late = one.post(there, {**EDITED, "stem": "Too late.", "seen": "3"})
    assert late.status_code == 409
    assert "handed in meanwhile" in late.get_data(as_text=True)
    assert "Too late." in late.get_data(as_text=True)


def test_who_says_it_in_spanish_second_keeps_what_was_typed_and_is_told(db, enter, item_id):
    writer, there = enter(Role.ITEM_WRITER), f"/analyst/bank/items/{item_id}/in/es"
    assert writer.post(there, SPANISH).status_code == 303
    late = writer.post(there, {**SPANISH, "stem": "¿Otra pregunta?"})
    assert late.status_code == 409
    assert "¿Otra pregunta?" in late.get_data(as_text=True)
    assert newest(db, item_id, "es").number == 2


def test_a_stale_tab_and_a_second_signature_do_nothing(db, enter, item_id):
    writer, reviewer, owner = enter(Role.ITEM_WRITER), enter(Role.ITEM_REVIEWER, Role.FAIRNESS_REVIEWER), enter(Role.ANALYST)
    item = f"/analyst/bank/items/{item_id}"
    assert writer.post(f"{item}/edit", {**EDITED, "stem": "Signed once?", "seen": "1"}).status_code == 303
    draft, waiting = {"version": "2", "state": "draft"}, {"version": "2", "state": "in_review"}
    assert writer.post(f"{item}/hand-in", draft).status_code == 303
    assert writer.post(f"{item}/hand-in", draft).status_code == 409
    signed = {**waiting, "kind": "content", "outcome": "sign"}
    forgotten = reviewer.post(f"{item}/reviews", {**signed, "outcome": "return", "text": " "})
    assert forgotten.status_code == 422
    assert newest(db, item_id).state == "in_review"
    found = forgotten.get_data(as_text=True)
    assert 'id="found-error"' in found
    assert 'value="content" required checked' in found
    assert reviewer.post(f"{item}/reviews", signed).status_code == 303
    assert reviewer.post(f"{item}/reviews", signed).status_code == 409
    assert reviewer.post(f"{item}/reviews", {**signed, "kind": "fairness"}).status_code == 409
    assert reviewer.post(f"{item}/key-check", {**waiting, "slot-1": "a"}).status_code == 409
    assert reviewer.post(f"{item}/reviews", {**signed, "kind": "waiver"}).status_code == 400
    assert owner.post(f"{item}/moves/approve", waiting).status_code == 409
    assert owner.post(f"{item}/moves/supersede", waiting).status_code == 409
    assert newest(db, item_id).state == "in_review"


def test_an_author_signs_nothing_of_the_item_by_a_forged_form(db, enter, item_id):
    both = enter(Role.ITEM_WRITER, Role.ITEM_REVIEWER, Role.FAIRNESS_REVIEWER, Role.ANALYST)
    item = f"/analyst/bank/items/{item_id}"
    assert both.post(f"{item}/edit", {**EDITED, "stem": "Mine.", "seen": "1"}).status_code == 303
    assert both.post(f"{item}/hand-in", {"version": "2", "state": "draft"}).status_code == 303
    waiting = {"version": "2", "state": "in_review"}
    for kind in ("content", "fairness"):
        assert both.post(f"{item}/reviews", {**waiting, "kind": kind, "outcome": "sign"}).status_code == 403
    assert both.post(f"{item}/key-check", {**waiting, "slot-1": "a"}).status_code == 403
    assert both.post(f"{item}/moves/approve", waiting).status_code == 403
    assert newest(db, item_id).state == "in_review"


def test_more_options_than_letters_are_refused_and_none_is_dropped(enter, item_id):
    writer = enter(Role.ITEM_WRITER)
    keys = [one + other for one in "abcdefghij" for other in "abcdefghij"]
    many = {"key": keys, **{f"option-{key}": key for key in keys}, "correct": "aa", "stem": "Which?", "seen": "1", "kind": "single"}
    reply = writer.post(f"/analyst/bank/items/{item_id}/edit", many)
    assert reply.status_code == 422
    assert "at most 26 options" in reply.get_data(as_text=True)
    assert "option-jj" in reply.get_data(as_text=True)


# --- passages -----------------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def passages(db, bank_id):
    """P-1 with an active item under its first version and a draft under its second; P-2 with none."""
    with db.write() as session:
        bank = session.get_one(Bank, bank_id)
        first = service.keep_stimulus(session, bank, "P-1", "Fees", "<p>A permit costs <strong>$40</strong>.</p>")
        for code, kept in (("R-1", first), ("R-2", service.keep_stimulus(session, bank, "P-1", "Fees", "<p>A permit costs $50.</p>"))):
            draft = service.ItemDraft(code, "READ", "What is the fee?", {"a": "$40", "b": "$50"}, ("a",), "", "easy", stimulus="P-1")
            version = service.keep_item(session, bank, draft, {"P-1": kept}, NOON)
            if code == "R-1":
                make.in_use(version, make.person(session, Role.ANALYST))
        service.keep_stimulus(session, bank, "P-2", "Hours", "<p>The office opens at eight.</p>")
    return f"/analyst/bank/{bank_id}/passages"


@pytest.mark.parametrize(
    ("asked", "codes"),
    [
        ("", ["P-1", "P-2"]),
        ("words=permit", ["P-1"]),
        ("words=OPENS+office", ["P-2"]),
        ("words=strong", []),
        ("state=active", ["P-1"]),
        ("state=retired", []),
        ("state=-", ["P-2"]),
        ("page=9", ["P-1", "P-2"]),
    ],
)
def test_passages_are_found_by_words_and_by_their_items(enter, passages, asked, codes):
    page = text_of(enter(Role.ITEM_REVIEWER).get(f"{passages}?{asked}"))
    assert [code for code in ("P-1", "P-2") if f">{code}</a>" in page] == codes
    assert "Write a passage" not in page


def test_a_passage_shows_its_newest_version_and_who_stands_under_which(db, enter, passages):
    writer = enter(Role.ITEM_WRITER)
    page = text_of(writer.get(passages))
    assert 'Newest version">2</td>' in page
    assert "1 of them with an earlier version" in page
    assert "Active: 1, Draft: 1" in page
    with db.read() as session:
        newest = session.scalars(select(Stimulus.id).where(Stimulus.code == "P-1", Stimulus.number == 2)).one()
    page = text_of(writer.get(f"{passages}/{newest}"))
    assert page.count("with version 1 of the passage") == 1


def test_a_passage_that_lacks_something_is_shown_again_with_what_was_typed(enter, passages):
    writer = enter(Role.ITEM_WRITER)
    reply = writer.post(f"{passages}/edit", {"code": "P-3", "title": "", "text": "A long text.", "language": "es"})
    page = reply.get_data(as_text=True)
    assert reply.status_code == 422
    assert "A passage has a code, a title and a text." in page
    assert ">A long text.</textarea>" in page
    assert '<option value="es" selected>' in page
