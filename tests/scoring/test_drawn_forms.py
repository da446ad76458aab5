"""Scoring where each candidate was drawn a form of their own: one key over the pool, as many items for everybody, figures of those who had an item."""

import re
from datetime import timedelta
from fractions import Fraction

import pytest
from sqlalchemy import select

from testing_platform.accounts.rules import Area, Role
from testing_platform.examinations import service as examinations
from testing_platform.itembank.models import ItemStatistics
from testing_platform.scoring import analyses, judged, queries, rules, rulings, service
from tests import drawn, make
from tests.itembank.assembly.stored import COUNT
from tests.make import NOON

LATER = NOON + timedelta(hours=10)
RIGHT = (12, 9, 9, 6, 3)


@pytest.fixture
def frozen(session):
    return drawn.pool(session)


@pytest.fixture
def where(session, frozen):
    return drawn.place(session, frozen)


@pytest.fixture
def handed_in(session, where):
    return [drawn.handed_in(session, where, right) for right in RIGHT]


@pytest.fixture
def one(where, handed_in):
    return where.administration


@pytest.fixture
def analyst(session):
    return drawn.analyst(session)


def scored(session, one, analyst):
    service.lock_key(session, one, analyst, LATER)
    return service.run(session, one, analyst, LATER)


def had(session, attempts, version_id):
    return [attempt for attempt in attempts if version_id in {row.item_version_id for row in drawn.slots(session, attempt)}]


def test_raw_scores_are_items_right_of_ones_own_form(session, one, handed_in, analyst):
    run = scored(session, one, analyst)
    assert service.raw_scores(session, run) == {attempt.id: right for attempt, right in zip(handed_in, RIGHT, strict=True)}
    assert (run.maximum, run.excluded) == (drawn.LENGTH, [])
    assert len(service.entries_of(run.key)) == COUNT
    assert service.is_current(session, one, run, LATER)
    # Made again, it is the same run.
    assert service.run(session, one, analyst, LATER).id == run.id


def test_the_key_page_counts_those_who_had_the_item(session, one, handed_in):
    gathered, entries = service.gather(session, one, LATER), service.form_entries(session, one)
    found = queries.slots(session, one, entries, gathered, service.policy_of(one))
    versions = service.versions_of(session, one)
    for line in found:
        who = had(session, handed_in, versions[line.slot].id)
        assert line.figures.taken == len(who)
        assert sum(line.figures.counts.values()) + line.figures.omitted == len(who)
        rights = [
            row.slot <= right
            for attempt, right in zip(handed_in, RIGHT, strict=True)
            for row in drawn.slots(session, attempt)
            if row.item_version_id == versions[line.slot].id
        ]
        assert line.figures.right == sum(rights)
    assert sum(line.figures.taken for line in found) == len(RIGHT) * drawn.LENGTH


def test_a_right_for_everyone_counts_for_those_alone_who_had_it(session, one, handed_in, analyst):
    before = scored(session, one, analyst)
    version = drawn.slots(session, handed_in[4])[11].version
    slot = next(slot for slot, found in service.versions_of(session, one).items() if found.id == version.id)
    who = {attempt.id for attempt in had(session, handed_in, version.id)}
    seen = rulings.intend(session, one, slot, rules.Ruling.CREDIT, [], service.gather(session, one, LATER))
    service.change_key(session, one, analyst, slot, seen.after, "No answer can be defended.", LATER)
    after = scored(session, one, analyst)
    old, new = service.raw_scores(session, before), service.raw_scores(session, after)
    gained = {attempt for attempt in new if new[attempt] > old[attempt]}
    assert handed_in[4].id in gained <= who
    assert all(new[attempt] - old[attempt] in (0, 1) for attempt in new)
    assert (seen.preview.found.up, seen.preview.found.down) == (len(gained), 0)
    assert (seen.preview.found.before, seen.preview.found.after, after.maximum) == (12, 12, 12)
    # The analyses hold the same scores.
    answered = analyses.answered(session, one, after)
    assert (answered.sheet.totals.tolist(), answered.credited) == (list(new.values()), 0)


def test_an_item_is_not_dropped_where_it_would_lower_what_some_can_reach(session, one, handed_in, analyst):
    with pytest.raises(service.DrawnForms):
        service.change_key(session, one, analyst, 1, [], "Faulty.", LATER)


def test_the_chart_has_the_lines_of_as_many_items_as_each_was_given(session, one, analyst):
    run = scored(session, one, analyst)
    shown = service.weigh(session, one, run, rules.Inputs(1, 0), service.policy_of(one))
    assert len(shown.choice.counts) == drawn.LENGTH + 1
    assert (shown.lines.reference, shown.lines.chance, shown.lines.chance_variance) == (9, 3, Fraction(9, 4))
    sixty = {"Judge": {"first": dict.fromkeys(range(1, COUNT + 1), 60), "second": {}}}
    assert judged.panel(sixty, service.entries_of(run.key), run.maximum).mean == Fraction(72, 10)


def test_a_passing_score_is_signed_and_gives_results(session, where, handed_in):
    decision = make.decided(session, where, 9, LATER)
    assert service.outcomes_of(session, decision.id) == {
        attempt.id: "PASS" if right >= 9 else "FAIL" for attempt, right in zip(handed_in, RIGHT, strict=True)
    }


def test_the_analyses_have_times_and_figures_by_item_and_write_them_into_the_bank(session, one, handed_in, analyst):
    run = scored(session, one, analyst)
    found = analyses.figures(analyses.answered(session, one, run), analyses.Thresholds.of(one))
    assert (found.test.n, found.test.items, found.test.max) == (len(RIGHT), drawn.LENGTH, 12)
    versions = service.versions_of(session, one)
    for line in found.lines:
        who = had(session, handed_in, line.column.version_id)
        assert line.figures.n == line.time.timed == len(who)
        own = [row.slot for attempt in who for row in drawn.slots(session, attempt) if row.item_version_id == versions[line.column.slot].id]
        assert line.time.mean == (pytest.approx(sum(own) / len(own)) if own else None)
    new = analyses.write_statistics(session, one, run, found, analyst, LATER)
    rows = session.scalars(select(ItemStatistics)).all()
    assert len(rows) == new == sum(line.figures.n > 0 for line in found.lines)
    assert sum(row.n for row in rows) == len(RIGHT) * drawn.LENGTH
    with pytest.raises(analyses.CannotSay):
        analyses.calibrated(analyses.answered(session, one, run), "2pl", 9)


def test_a_key_that_was_made_fixes_what_is_given(session, frozen, analyst):
    place = drawn.place(session, frozen, opened=-timedelta(days=1))
    one = place.administration
    service.form_key(session, one, NOON)
    with pytest.raises(examinations.FormFixed) as refusal:
        examinations.give(session, one, make.administration(session).form, NOON, analyst)
    assert refusal.value.facts == {"why": "key"}


def test_the_pages_of_such_an_administration(db, visit):
    """Every page an analyst meets on the way, and the change of what is given."""
    with db.write() as session:
        frozen = drawn.pool(session)
        ahead = drawn.place(session, frozen, opened=-timedelta(days=30)).administration
        where = drawn.place(session, frozen)
        for right in RIGHT:
            drawn.handed_in(session, where, right)
        scored_by = drawn.analyst(session)
        service.end_sessions(session, where.administration, scored_by, LATER)
        scored(session, where.administration, scored_by)
        person, numbers = drawn.analyst(session), (ahead.id, where.administration.id, frozen.id, frozen.form_id)
        other = make.administration(session).form
        other.bank_id, name = frozen.blueprint.bank_id, f"form:{other.id}"
    ahead_id, done_id, pool_id, form_id = numbers
    analyst = visit(person, Area.ANALYST)

    def text(path):
        reply = analyst.get(path)
        assert reply.status_code == 200, (path, reply.status_code)
        return " ".join(reply.get_data(as_text=True).split())

    page = text(f"/analyst/administrations/{ahead_id}")
    assert "At check-in each candidate is drawn a form of 12 items from this pool" in page
    assert 'name="given"' in page
    assert analyst.post(f"/analyst/administrations/{ahead_id}/form", {"given": name}).status_code == 303
    assert "At check-in each candidate" not in text(f"/analyst/administrations/{ahead_id}")
    assert analyst.post(f"/analyst/administrations/{ahead_id}/form", {"given": f"pool:{pool_id}"}).status_code == 303
    assert "No item comes to more than 60 % of candidates." in text(f"/analyst/administrations/{ahead_id}")
    assert analyst.post(f"/analyst/administrations/{ahead_id}/form", {"given": "form:0"}).status_code == 400
    assert "5 forms were drawn so far." in text(f"/analyst/administrations/{done_id}")
    reply = analyst.post(f"/analyst/administrations/{done_id}/form", {"given": name})
    assert reply.status_code == 409
    assert "What is given cannot be changed any more" in reply.get_data(as_text=True)
    assert "5 forms, each for one candidate." in text(f"/analyst/pools/{pool_id}")
    assert f'<a href="/analyst/pools/{pool_id}">Frozen pool {pool_id}</a></td>' in text("/analyst/")
    page = text(f"/analyst/forms/{form_id}")
    assert f"<h1>Frozen pool {pool_id}</h1>" in page
    assert "What the form is expected to do" not in page
    base = f"/analyst/administrations/{done_id}"
    for path in (
        "/scoring",
        "/key",
        "/key/items/1",
        "/key/panel",
        "/passing-score",
        "/analyses",
        "/analyses/items",
        "/analyses/items?sort=n&down=yes",
    ):
        text(base + path)
    met = re.findall(rf'href="{base}/analyses/items/(\d+)"', text(base + "/analyses/items"))
    assert 12 <= len(set(met)) <= COUNT
    assert "Had it" in text(f"{base}/analyses/items/{met[0]}")
    text(base + "/analyses/consistency")
    text(base + "/analyses/calibration")
    text(base + "/forensics")
    text(base + "/forensics/pace")
    for path in ("/analyses/equating", "/analyses/drift", "/forensics/sets"):
        assert "Each candidate had a form of their own" in text(base + path)
    text(f"/analyst/forms/{form_id}")
    assert analyst.get(f"{base}/key/items/1/ruling?how=drop").status_code == 422
    with db.write() as session:
        other = make.person(session, Role.VALIDATION_ANALYST)
    validation = visit(other, Area.VALIDATION)
    for path in ("", "/dif", "/items/1"):
        assert validation.get(f"/validation/administrations/{done_id}{path}").status_code == 200
