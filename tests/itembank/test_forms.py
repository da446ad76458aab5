"""From the bank to forms and back: what may stand in one, what is known of it, and what is kept."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select

from testing_platform.accounts.rules import Role
from testing_platform.itembank import form_queries, forms, service
from testing_platform.itembank.assembly import blueprint as blueprints
from testing_platform.itembank.assembly.supply import offered
from testing_platform.itembank.form_models import Assembly, FormPlan
from testing_platform.itembank.models import Bank, Form, Item, ItemStatistics, ItemVersion
from testing_platform.scoring import service as scoring
from tests import make
from tests.itembank.assembly import made
from tests.itembank.assembly.stored import COUNT, forms_bank

TODAY = date(2026, 11, 21)


def document(**more):
    return made.document(**{"expected": {"shares": {"easy": 0.8, "medium": 0.7, "hard": 0.6}, "seconds": 50}} | more)


@pytest.fixture
def bank(session):
    return forms_bank(session)


def version(session, code):
    return session.scalars(select(ItemVersion).join(Item, Item.id == ItemVersion.item_id).where(Item.code == code)).one()


def pool(session, bank, **more):
    return {item.code: item for item in form_queries.pool(session, bank, blueprints.of(document(**more)), TODAY)}


def test_the_pool_holds_what_may_be_given(session, bank):
    version(session, "I-00").state = "rested"
    version(session, "I-01").item.expires_on = TODAY
    version(session, "I-02").item.expires_on = TODAY + timedelta(days=1)
    version(session, "I-03").item.security = "released"
    version(session, "I-04").state = "pilot"
    session.flush()
    found = pool(session, bank)
    assert set(found) == {f"I-{n:02d}" for n in range(COUNT)} - {"I-00", "I-01", "I-03"}
    assert [code for code, item in found.items() if item.pilot] == ["I-04"]
    assert (found["I-06"].key, found["I-06"].seconds) == (2, 50)


@pytest.mark.both
def test_the_database_counts_what_the_pool_holds(session, bank):
    version(session, "I-00").state = "rested"
    version(session, "I-01").item.expires_on = TODAY
    version(session, "I-04").state = "pilot"
    version(session, "I-05").item.level = "apply"
    version(session, "I-06").item.calculator = True
    # One with a newer version on trial beside the one in use counts once.
    item = version(session, "I-07").item
    kept = service.keep_stimulus(session, bank, "P-1", "A passage", "<p>Read.</p>")
    newer = service.write(session, item, service.content_of(version(session, "I-07")), kept, "easy", make.NOON)
    make.in_use(newer, make.person(session, Role.ANALYST))
    newer.state = "pilot"
    session.flush()
    held = form_queries.pool(session, bank, blueprints.of(document()), TODAY)
    assert form_queries.offers(session, bank, TODAY) == offered(held)
    assert len(held) == COUNT - 2


def test_figures_come_from_answers_where_enough_have_answered(session, bank):
    for code, n, share in (("I-05", 40, "0.20"), ("I-05", 20, "0.80"), ("I-06", 49, "0.10")):
        session.add(
            ItemStatistics(
                version_id=version(session, code).id,
                made_at=make.NOON,
                n=n,
                difficulty=Decimal(share),
                discrimination=Decimal("0.40"),
                shares={},
                median_time=timedelta(seconds=31),
                irt={"model": "2pl", "a": 1.1, "b": -0.3},
            )
        )
        session.flush()
    found = pool(session, bank)
    # Without an administration the later analysis is the one that counts, and 20 are too few.
    assert (found["I-05"].measured, found["I-06"].measured) == (False, False)
    administration = make.administration(session)
    newer = session.scalars(select(ItemStatistics).order_by(ItemStatistics.id)).all()[1]
    newer.administration_id = administration.id
    session.flush()
    item = pool(session, bank)["I-05"]
    assert (item.measured, item.seconds, item.item_total) == (True, 31, pytest.approx(0.4))
    assert item.share == pytest.approx((40 * 0.2 + 20 * 0.8) / 60)
    assert (item.irt.a, item.irt.b, item.irt.c) == (1.1, -0.3, 0.0)


def test_enemies_and_earlier_forms_come_along(session, bank):
    one, other = version(session, "I-07").item, version(session, "I-08").item
    service.make_enemies(session, [one, other], "cue", make.NOON)
    for number, codes in enumerate((["I-07", "I-09"], ["I-09"])):
        form = service.compose_form(session, bank, "Old", codes, timedelta(minutes=5), make.NOON)
        service.lock_form(session, form, make.NOON + timedelta(days=number))
    service.compose_form(session, bank, "Draft", ["I-10"], timedelta(minutes=5), make.NOON)
    found = pool(session, bank)
    assert found["I-07"].enemies == {found["I-08"].id}
    assert [(found[code].forms_ago, found[code].exposures) for code in ("I-07", "I-09", "I-10")] == [(2, 1), (1, 2), (None, 0)]


def test_a_blueprint_that_says_the_same_is_the_same_version(session, bank):
    one = forms.keep_blueprint(session, bank, document(), make.NOON)
    assert forms.keep_blueprint(session, bank, document(), make.NOON).id == one.id
    other = forms.keep_blueprint(session, bank, document(overlap={"most": 1}), make.NOON)
    assert (one.number, other.number) == (1, 2)


def test_a_blueprint_of_areas_that_the_bank_does_not_have_is_refused(session, bank):
    wish = document()
    wish["section"][0]["cell"][0]["area"] = "LAW"
    with pytest.raises(forms.UnknownAreas) as refusal:
        forms.keep_blueprint(session, bank, wish, make.NOON)
    assert refusal.value.facts == {"areas": ["LAW"]}


def asked(session, bank, count=2, **more) -> Assembly:
    one = forms.keep_blueprint(session, bank, document(**more), make.NOON)
    return forms.ask(session, one, count, 5, make.NOON)


def test_forms_that_meet_everything_are_kept_unlocked(session, bank):
    version(session, "I-04").state = "pilot"
    wish = document(shuffle={"options": True})
    wish["section"][0] |= {"pilot": 1, "pilot_place": "start", "title": "All of it"}
    found = asked(session, bank, section=wish["section"], shuffle=wish["shuffle"], overlap={"most": 1})
    assert forms.try_now(session, found, TODAY, make.NOON)
    assert found.state == "met"
    kept = session.scalars(select(Form).where(Form.bank_id == bank.id).order_by(Form.id)).all()
    assert [(form.name, form.number, form.locked_at, form.time_limit) for form in kept] == [
        ("T-A", 1, None, timedelta(minutes=30)),
        ("T-B", 1, None, timedelta(minutes=30)),
    ]
    codes = [[row.version.item.code for row in form_queries.slots_of(session, form)] for form in kept]
    assert codes == found.result["forms"]
    plan = session.get_one(FormPlan, kept[0].id)
    assert (plan.unscored, plan.shuffle_options, plan.shuffle_items) == ([1], True, False)
    assert plan.sections == [{"name": "S", "title": "All of it", "minutes": 30.0, "first": 1, "last": 13}]
    assert all(line["met"] for line in found.result["lines"])


def test_again_with_the_same_seed_gives_the_same_items_as_a_new_version(session, bank):
    for _ in range(2):
        assert forms.try_now(session, asked(session, bank), TODAY, make.NOON)
    kept = session.scalars(select(Form).where(Form.bank_id == bank.id, Form.name == "T-A").order_by(Form.id)).all()
    assert [form.number for form in kept] == [1, 2]
    assert kept[0].digest == kept[1].digest


def test_what_is_short_is_kept_and_no_form_is_made(session, bank):
    found = asked(session, bank, 5)
    assert forms.try_now(session, found, TODAY, make.NOON)
    assert found.state == "short"
    assert sum(row["missing"] for row in found.result["shortages"]) == 5 * 12 - COUNT
    assert session.scalars(select(Form).where(Form.bank_id == bank.id)).first() is None


def test_what_the_quick_way_cannot_answer_waits_for_the_worker(session, bank):
    found = asked(session, bank, 1, reliability={"least": 0.95})
    assert not forms.try_now(session, found, TODAY, make.NOON)
    assert (found.state, found.ended_at) == ("asked", None)


def test_an_anchor_that_cannot_be_is_written_down(session, bank):
    found = asked(session, bank, 1, anchor={"items": ["I-99"]})
    assert forms.try_now(session, found, TODAY, make.NOON)
    assert (found.state, found.result["refusal"], found.result["facts"]["items"]) == ("refused", "anchor-unfit", ["I-99"])


def test_the_order_is_settled_before_a_form_is_locked(session, bank):
    analyst = make.person(session, Role.ANALYST)
    form = service.compose_form(session, bank, "By hand", ["I-10"], timedelta(minutes=5), make.NOON)
    forms.set_shuffle(session, form, True, False, make.NOON, analyst)
    assert session.get_one(FormPlan, form.id).shuffle_items
    service.lock_form(session, form, make.NOON)
    with pytest.raises(forms.Locked):
        forms.set_shuffle(session, form, False, False, make.NOON, analyst)


def test_a_drawn_form_is_locked_and_found_again_by_its_seed(session, bank):
    one = forms.keep_blueprint(session, bank, document(), make.NOON)
    frozen = forms.freeze(session, one, 0.5, 3, TODAY, make.NOON)
    drawn = [forms.draw(session, frozen, seed, make.NOON) for seed in (1, 2, 1)]
    assert drawn[0].id == drawn[2].id
    assert drawn[0].form.digest != drawn[1].form.digest
    assert drawn[0].form.locked_at == make.NOON
    # New statistics change no draw of a frozen pool.
    session.add(ItemStatistics(version_id=version(session, "I-05").id, made_at=make.NOON, n=900, difficulty=Decimal("0.2"), shares={}))
    session.flush()
    again = forms.loft.FrozenPool.of(frozen.content).draw(1)
    assert [item.id for item in again] == [row.item_version_id for row in form_queries.slots_of(session, drawn[0].form)]
    assert max(forms.exposure(session, frozen).values()) in (0.5, 1.0)


def test_an_item_on_trial_counts_for_nobody(session):
    administration = make.administration(session)
    session.add(FormPlan(form_id=administration.form_id, sections=[], unscored=[2]))
    session.flush()
    entries = scoring.form_entries(session, administration)
    assert (entries[1], entries[2]) == (["b"], [])
    # Nor by a ruling.
    for options in (["b"], ["*"]):
        with pytest.raises(scoring.OnTrial):
            scoring.change_key(session, administration, make.person(session, Role.ANALYST), 2, options, "It did well.", make.NOON)


def test_every_bank_is_by_itself(session, bank):
    other = Bank(name="Another", created_at=make.NOON)
    session.add(other)
    session.flush()
    assert form_queries.pool(session, other, blueprints.of(document()), TODAY) == []
