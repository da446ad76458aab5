"""The analyst's pages for blueprints, assemblies and forms."""

import io

import pytest
from sqlalchemy import select

from testing_platform.accounts.rules import Area, Role
from testing_platform.itembank import form_queries, forms
from testing_platform.itembank.assembly import blueprint as blueprints
from testing_platform.itembank.form_models import Assembly, BlueprintVersion
from testing_platform.itembank.models import Form
from tests import make
from tests.itembank.assembly import made
from tests.itembank.assembly.stored import forms_bank


def document(**more):
    return made.document(expected={"shares": {"easy": 0.8, "medium": 0.7, "hard": 0.6}, "seconds": 50}, **more)


@pytest.fixture
def bank_id(db):
    with db.write() as session:
        return forms_bank(session).id


@pytest.fixture
def analyst(db, visit):
    with db.write() as session:
        person = make.person(session, Role.ANALYST)
    return visit(person, Area.ANALYST)


def keep(db, bank_id, **more):
    with db.write() as session:
        bank = session.get_one(forms.Bank, bank_id)
        return forms.keep_blueprint(session, bank, document(**more), make.NOON).id


def text_of(page):
    assert page.status_code == 200
    return page.get_data(as_text=True)


def sent(analyst, path, form):
    reply = analyst.post(path, form)
    assert reply.status_code == 303, reply.get_data(as_text=True)
    return reply.location


def test_a_file_becomes_a_blueprint_and_changed_text_its_next_version(analyst, db, bank_id):
    text = blueprints.written(document())
    reply = analyst.post(
        "/analyst/blueprints/new",
        data={"bank": str(bank_id), "file": (io.BytesIO(text.encode()), "t.toml")},
        content_type="multipart/form-data",
    )
    assert reply.status_code == 303
    assert "A test" in text_of(analyst.get("/analyst/blueprints"))
    where = sent(analyst, "/analyst/blueprints/new", {"bank": bank_id, "text": text.replace("within = 0.02", "within = 0.03")})
    page = text_of(analyst.get(where))
    assert "Version 2" in page
    assert "0.700 ± 0.030" in page
    assert text_of(analyst.get(where + ".toml")) == text.replace("within = 0.02", "within = 0.03")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("mean = 0.7", "mean = 7"), "“difficulty.mean”: the number is too small or too large"),
        (("within", "with"), "“difficulty.within”: it is missing"),
        (("[difficulty]", "[difficulty"), "the text is not TOML"),
        (('area = "CST"', 'area = "LAW"'), "The blueprint names LAW"),
    ],
)
def test_a_fault_is_told_with_its_place_and_nothing_is_kept(analyst, db, bank_id, change, said):
    reply = analyst.post("/analyst/blueprints/new", {"bank": bank_id, "text": blueprints.written(document()).replace(*change, 1)})
    assert reply.status_code == 422
    assert said in reply.get_data(as_text=True)
    with db.read() as session:
        assert session.scalars(select(BlueprintVersion)).first() is None


def test_a_faulty_next_version_stays_in_its_box(analyst, db, bank_id):
    text = "mean = 7 # half a thought"
    reply = analyst.post("/analyst/blueprints/new", {"bank": bank_id, "beside": keep(db, bank_id), "text": text})
    page = reply.get_data(as_text=True)
    assert reply.status_code == 422
    assert "The blueprint cannot be read" in page
    assert f">{text}</textarea>" in page


def test_two_parallel_forms_are_assembled_looked_over_and_one_is_locked(analyst, db, bank_id):
    blueprint = keep(db, bank_id)
    where = sent(analyst, f"/analyst/blueprints/{blueprint}/assemble", {"forms": 2, "seed": 5})
    page = text_of(analyst.get(where))
    assert page.count('class="strips__mean"') == 2
    assert "Form T-A" in page
    with db.read() as session:
        number = session.scalars(select(Form.id).where(Form.name == "T-A")).one()
    before = text_of(analyst.get(f"/analyst/forms/{number}"))
    assert "not locked" in before
    assert "Lock this form" in before
    sent(analyst, f"/analyst/forms/{number}/order", {"shuffle": ["options"]})
    sent(analyst, f"/analyst/forms/{number}/lock", {})
    after = text_of(analyst.get(f"/analyst/forms/{number}"))
    assert "Lock this form" not in after
    reply = analyst.post(f"/analyst/forms/{number}/order", {"shuffle": []})
    assert reply.status_code == 409
    with db.read() as session:
        plan = form_queries.plan_of(session, number)
        assert (plan.shuffle_items, plan.shuffle_options) == (False, True)


def test_what_is_short_is_named(analyst, db, bank_id):
    where = sent(analyst, f"/analyst/blueprints/{keep(db, bank_id)}/assemble", {"forms": 4, "seed": 5})
    page = text_of(analyst.get(where))
    assert "With the items named below added it can be met." in page


def test_what_the_quick_way_cannot_answer_is_shown_as_under_way(analyst, db, bank_id):
    where = sent(analyst, f"/analyst/blueprints/{keep(db, bank_id, reliability={'least': 0.95})}/assemble", {"forms": 1, "seed": 5})
    assert "<progress" in text_of(analyst.get(where))
    assert "<progress" in text_of(analyst.get(where + "/progress"))
    with db.write() as session:
        forms.refuse(session, session.scalars(select(Assembly)).one(), forms.errors.Unavailable(), make.NOON)
    assert "<progress" not in text_of(analyst.get(where + "/progress"))
    assert "did not come to an end" in text_of(analyst.get(where))


@pytest.mark.parametrize("form", [{"forms": 21, "seed": 1}, {"forms": 0, "seed": 1}, {"forms": 2, "seed": -1}, {}])
def test_a_number_that_cannot_be_meant_is_refused(analyst, db, bank_id, form):
    assert analyst.post(f"/analyst/blueprints/{keep(db, bank_id)}/assemble", form).status_code == 400


def test_a_form_made_by_hand_is_held_against_the_newest_blueprint(analyst, db, bank_id):
    keep(db, bank_id)
    with db.write() as session:
        bank = session.get_one(forms.Bank, bank_id)
        codes = [f"I-{number:02d}" for number in range(12)]
        form = forms.service.compose_form(session, bank, "By hand", codes, forms.timedelta(minutes=9), make.NOON)
        number = form.id
    page = text_of(analyst.get(f"/analyst/forms/{number}"))
    assert "put together by hand" in page
    assert "0 of 12 items are known from answers" in page
