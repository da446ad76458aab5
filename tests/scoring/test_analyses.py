"""What a run scored, as arrays: the same figures as the commands on files give, and back into the bank."""

from datetime import timedelta
from decimal import Decimal

import numpy as np
import pytest
from sqlalchemy import func, select, update

from testing_platform import clock
from testing_platform.accounts.models import Person
from testing_platform.accounts.rules import Role
from testing_platform.audit.models import AuditEntry
from testing_platform.examinations.models import Administration
from testing_platform.itembank import form_queries
from testing_platform.itembank.models import ItemStatistics
from testing_platform.scoring import analyses, service
from testing_platform.scoring.analysis.cli import plain as as_json
from testing_platform.scoring.models import RawScore
from tests import make
from tests.scoring.answered import ANSWERS, KEY, TAKERS, command, read, scored

pytestmark = pytest.mark.both


@pytest.fixture(scope="module")
def db(module_db):
    """Not emptied: each test reads an administration of its own, and what it writes is nobody else's."""
    return module_db


@pytest.fixture(scope="module")
def plain(db):
    return scored(db, ANSWERS)


@pytest.fixture(scope="module")
def changed(db):
    """Item 2 is dropped, item 4 right for everybody, and of item 5 both a and b are right."""
    return scored(db, ANSWERS, (2, []), (4, ["*"]), (5, ["a", "b"]))


def same(found, expected):
    """All numbers to nine places, all words as they are."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            same(found[name], value)
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            same(one, other)
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, abs=1e-9)
    else:
        assert found == expected


def told(figures, lines):
    return as_json({"test": figures.test, "scores": figures.scores, "items": [line.figures for line in lines]})


def test_the_figures_are_those_of_the_command_on_the_same_answers(db, plain, tmp_path):
    figures = read(db, plain)
    document = command(tmp_path, "analyze", range(1, 7), KEY)
    found = told(figures, figures.lines)
    assert [item["item"] for item in document["items"]] == [f"I-{item}" for item in range(1, 7)]
    same(found, document)


def test_decision_consistency_is_that_of_the_command_at_every_cut(db, plain, tmp_path):
    found = analyses.at_every_cut(read(db, plain).answered)
    assert [row.cut for row in found] == list(range(1, 7))
    same(as_json(found[3].found), command(tmp_path, "consistency", range(1, 7), KEY, "--cut", "4"))


def test_a_calibration_is_that_of_the_command_and_places_candidates_and_cut_on_its_scale(db, plain, changed, tmp_path):
    found = analyses.calibrated(read(db, plain).answered, "2pl", 4)
    document = command(tmp_path, "calibrate", range(1, 7), KEY, "--model", "2pl")
    for one, other in zip(as_json(found.calibration.items), document["items"], strict=True):
        assert one.pop("item") == other.pop("item")
        assert list(one.values()) == pytest.approx(list(other.values()), abs=1e-6)
    totals = np.array([sum(option == "b" for option in row) for row in ANSWERS])
    assert [sorted(set(found.theta[totals == total].round(9))) for total in (1, 4)] == [
        [found.theta[list(totals).index(1)].round(9)],
        [found.theta[list(totals).index(4)].round(9)],
    ]
    assert found.theta[list(totals).index(1)] < found.theta[list(totals).index(4)]
    assert found.cut is not None
    # With an item that all are given and one that is dropped, a cut of 4 asks for three of four.
    less = analyses.calibrated(read(db, changed).answered, "2pl", 4)
    assert [column.slot for column in less.columns] == [1, 3, 5, 6]
    expected = analyses.ability.chances(less.calibration.items, np.array([less.cut])).sum()
    assert expected == pytest.approx(3, abs=1e-3)


def test_what_does_not_count_is_left_out_and_held_against_the_rest(db, changed, tmp_path):
    figures = read(db, changed)
    document = command(tmp_path, "analyze", (1, 3, 5, 6), ("b", "b", "a|b", "b"))
    assert [line.column.standing for line in figures.lines] == ["counts", "dropped", "counts", "everyone", "counts", "counts"]
    counted = [line for line in figures.lines if line.column.standing == "counts"]
    found = told(figures, counted)
    # How far somebody came is seen by all items, those that do not count too.
    for item in [*found["items"], *document["items"]]:
        del item["not_reached"]
    same(found, document)
    totals = np.array([sum(row[place] == "b" or (place == 4 and row[place] == "a") for place in (0, 2, 4, 5)) for row in ANSWERS])
    right = np.array([row[1] == "b" for row in ANSWERS])
    assert figures.lines[1].figures.r_rest == pytest.approx(np.corrcoef(right, totals)[0, 1], abs=1e-9)
    with db.read() as session:
        raw = session.scalars(
            select(RawScore.raw).where(RawScore.run_id == service.newest_run(session, session.get_one(Administration, changed)).id)
        ).all()
    assert sum(raw) == int(totals.sum()) + TAKERS
    # A raw cut has what everybody is given in it.
    assert [row.cut for row in analyses.at_every_cut(figures.answered)] == [2, 3, 4, 5]


def test_blanks_are_told_from_what_nobody_came_to_and_all_visits_to_an_item_are_one_time(db, plain):
    figures = read(db, plain)
    stopped = sum(row[5] is None and row[4] is None for row in ANSWERS)
    assert [line.figures.not_reached for line in figures.lines] == [0, 0, 0, 0, stopped, stopped]
    assert [line.omitted for line in figures.lines] == [0, sum(row[1] is None for row in ANSWERS), 0, 0, 0, 0]
    assert [line.time.median for line in figures.lines] == [21, 2, 3, 4, 5, 6]
    assert figures.speed.finished == (TAKERS - stopped) / TAKERS


def test_an_option_that_nobody_chose_is_still_an_option(db):
    figures = read(db, scored(db, [["a" if option == "c" else option for option in row] for row in ANSWERS]))
    assert figures.lines[0].figures.options["c"].n == 0
    assert list(figures.lines[0].figures.options) == ["a", "b", "c", "d"]
    assert figures.lines[0].figures.dead >= 1


def test_answers_that_do_not_give_the_scores_on_record_are_not_analysed(db):
    number = scored(db, ANSWERS[:5])
    with db.write() as session:
        run = service.newest_run(session, session.get_one(Administration, number))
        session.execute(update(RawScore).where(RawScore.run_id == run.id).values(raw=RawScore.raw + 1))
    with pytest.raises(service.StoredDiffers):
        read(db, number)


def keep(db, number, person):
    with db.write() as session:
        one = session.get_one(Administration, number)
        run = service.newest_run(session, one)
        figures = analyses.figures(analyses.answered(session, one, run), analyses.Thresholds.of(one))
        return analyses.write_statistics(session, one, run, figures, session.get_one(Person, person.id), clock.now())


def test_statistics_go_back_to_the_versions_once(db, changed):
    with db.write() as session:
        analyst = make.person(session, Role.ANALYST)
    assert keep(db, changed, analyst) == 6
    assert keep(db, changed, analyst) == 0
    figures = read(db, changed)
    with db.read() as session:
        rows = session.scalars(select(ItemStatistics).where(ItemStatistics.administration_id == changed)).all()
        assert len(rows) == 6
        row, line = rows[4], figures.lines[4]
        assert (row.version_id, row.n) == (line.column.version_id, TAKERS)
        assert row.difficulty == Decimal(line.figures.p).quantize(Decimal("0.001"))
        assert row.discrimination == Decimal(line.figures.r_rest).quantize(Decimal("0.001"))
        assert row.shares[""] == round(line.figures.omit / TAKERS, 4)
        assert sum(row.shares.values()) == pytest.approx(1, abs=1e-3)
        assert row.median_time == timedelta(seconds=5)
        assert form_queries.known(session, [row.version_id], TAKERS)[row.version_id].seconds == 5
        entry = session.scalars(select(AuditEntry).where(AuditEntry.act == "items.statistics_kept").order_by(AuditEntry.id)).first()
        assert (entry.object, entry.facts["new"]) == (f"administration:{changed}", 6)
    # Another key shows something else: that item's row is superseded, not overwritten.
    with db.write() as session:
        one = session.get_one(Administration, changed)
        person = session.get_one(Person, analyst.id)
        service.change_key(session, one, person, 6, ["a"], "a it is.", clock.now())
        service.lock_key(session, one, person, clock.now())
        service.run(session, one, person, clock.now())
    assert keep(db, changed, analyst) >= 1
    with db.read() as session:
        number = session.scalar(select(func.count()).where(ItemStatistics.version_id == figures.lines[5].column.version_id))
    assert number == 2
