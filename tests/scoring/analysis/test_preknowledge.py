"""Sets of items that somebody knew: put in, found, and honest people left alone."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import optimize

from testing_platform.scoring.analysis import irt
from testing_platform.scoring.analysis.preknowledge import of_sheet, preknowledge
from testing_platform.scoring.analysis.refusals import CannotSay
from tests.scoring.analysis.data import made_up, write


@pytest.fixture(scope="module")
def given():
    sheet = made_up(412, 60, 9, blanks=0)
    return SimpleNamespace(right=sheet.right, items=irt.calibrate(sheet.right, sheet.items, irt.Model.TWO).items)


def log_likelihood(row, items, theta):
    chance = np.array([1 / (1 + np.exp(-item.a * (theta - item.b))) for item in items])
    return float(np.log(np.where(row == 1, chance, 1 - chance)).sum())


def test_the_ratio_is_that_of_three_searches(given):
    chosen, found = list(range(12)), {}
    found = {one.row: one for one in preknowledge(given.right, given.items, chosen)}
    for row in (0, 57, 311):
        best = []
        for columns in (range(12), range(12, 60), range(60)):
            answers, items = given.right[row, list(columns)], [given.items[column] for column in columns]
            search = optimize.minimize_scalar(
                lambda theta, answers=answers, items=items: -log_likelihood(answers, items, theta), bounds=(-4, 4), method="bounded"
            )
            best.append((-search.fun, search.x))
        (on_set, at_set), (on_rest, at_rest), (whole, _at) = best
        signed = np.sign(at_set - at_rest) * max(0.0, 2 * (on_set + on_rest - whole)) ** 0.5
        assert found[row].signed == pytest.approx(signed, abs=0.01)
        assert found[row].right == given.right[row, :12].sum()


def test_who_knew_the_set_stands_first_and_was_faster_on_it(given):
    right, chosen = given.right.copy(), list(range(15))
    weak = int(right.sum(axis=1).argsort()[60])
    right[weak, chosen] = 1
    z = np.random.default_rng(1).normal(0, 1, right.shape)
    z[weak, chosen] -= 1.5
    first = preknowledge(right, given.items, chosen, z)[0]
    assert (first.row, first.right) == (weak, 15)
    assert first.expected < 10
    assert first.by_chance == pytest.approx(412 * first.p)
    assert first.by_chance < 0.05
    assert first.time_z < -3


def test_of_honest_people_as_many_are_beyond_a_level_as_it_says(given):
    for chosen in (range(0, 60, 6), range(5, 60, 3)):
        found = preknowledge(given.right, given.items, list(chosen))
        assert 0.02 < np.mean([one.p < 0.05 for one in found]) < 0.09
        assert sum(one.p < 0.01 for one in found) <= 11


def test_a_set_is_neither_nearly_nothing_nor_nearly_all(given):
    for chosen in (range(2), range(58)):
        with pytest.raises(CannotSay):
            preknowledge(given.right, given.items, list(chosen))


def test_forms_of_their_own_have_no_set_in_common(given):
    sheet = made_up(220, 20, 2)
    with pytest.raises(CannotSay) as refused:
        of_sheet(replace(sheet, order=np.tile(np.arange(20), (220, 1))), range(5))
    assert refused.value.facts["why"] == "own-forms"


def test_the_command_prints_one_document(command, tmp_path):
    sheet = made_up(220, 20, 2)
    responses, key = (str(path) for path in write(tmp_path, sheet))
    words = ["scoring", "preknowledge", "--responses", responses, "--key", key, "--items"]
    document = json.loads(command(*words, "I01,I02, I03,I04", "--json").output)
    assert (document["n"], document["items"], len(document["top"])) == (220, ["I01", "I02", "I03", "I04"], 20)
    items = irt.calibrate(sheet.right, sheet.items, irt.Model.TWO).items
    first = preknowledge(sheet.right, items, range(4))[0]
    assert (document["top"][0]["candidate"], document["top"][0]["signed"]) == (sheet.candidates[first.row], pytest.approx(first.signed))
    assert "no item I77" in command(*words, "I01,I77", code=1).output
    assert "at least 3 items" in command(*words, "I01", code=1).output
