"""Differential item functioning against statsmodels, and on answers in which it was put."""

import json

import numpy as np
import pytest
import statsmodels.api as sm
from statsmodels.stats.contingency_tables import StratifiedTable
from statsmodels.stats.multitest import multipletests

from testing_platform.scoring.analysis.dif import DifRules, dif, ets_class
from testing_platform.scoring.analysis.refusals import CannotSay
from tests.scoring.analysis.data import scored, write

N, ITEMS = 1500, 20


@pytest.fixture(scope="module")
def sheet():
    """I05 is one logit harder for the focal group, which is also less able; I09 only tells apart better in it."""
    chance = np.random.default_rng(12)
    focal = np.arange(N) % 3 == 0
    ability = chance.standard_normal(N) - 0.4 * focal
    line = 1.2 * (ability[:, None] - np.linspace(-1.5, 1.5, ITEMS))
    line[focal, 4] -= 1.0
    line[focal, 8] *= 2.5
    right = (chance.random((N, ITEMS)) < 1 / (1 + np.exp(-line))).astype(np.uint8)
    return scored(right, sex=np.where(focal, "F", "M"))


@pytest.fixture(scope="module")
def found(sheet):
    return dif(sheet, "sex", "M", "F")


def tables(sheet, item, totals):
    right, focal = sheet.right[:, item], np.array(sheet.groups["sex"]) == "F"
    made = []
    for score in np.unique(totals):
        rows = totals == score
        made.append(
            [
                [(right[rows & ~focal] == 1).sum(), (right[rows & ~focal] == 0).sum()],
                [(right[rows & focal] == 1).sum(), (right[rows & focal] == 0).sum()],
            ]
        )
    return [np.array(one) for one in made if np.sum(one[0]) and np.sum(one[1])]


def test_mantel_and_haenszel_are_those_of_statsmodels(sheet, found):
    for item, figures in enumerate(found.items):
        known = StratifiedTable([one.astype(float) for one in tables(sheet, item, sheet.totals)])
        tested = known.test_null_odds(correction=True)
        assert [figures.chi2, figures.p, figures.alpha] == pytest.approx(
            [tested.statistic, tested.pvalue, known.oddsratio_pooled], abs=1e-8
        )
        assert [figures.delta, figures.se_delta] == pytest.approx([-2.35 * known.logodds_pooled, 2.35 * known.logodds_pooled_se], abs=1e-8)


def test_the_standardised_difference_is_weighed_by_the_focal_group(sheet, found):
    made = tables(sheet, 4, sheet.totals)
    gap = sum(one[1].sum() * (one[1, 0] / one[1].sum() - one[0, 0] / one[0].sum()) for one in made) / sum(one[1].sum() for one in made)
    assert found.items[4].std_p_dif == pytest.approx(gap)
    assert found.items[4].std_p_dif < -0.1


@pytest.mark.parametrize("item", [0, 4, 8])
def test_logistic_regression_is_that_of_statsmodels_on_persons(sheet, found, item):
    focal = (np.array(sheet.groups["sex"]) == "F").astype(float)
    totals, right = sheet.totals.astype(float), sheet.right[:, item].astype(float)
    designs = [[], [totals], [totals, focal], [totals, focal, totals * focal]]
    none, base, uniform, full = (sm.Logit(right, np.column_stack([np.ones(N), *one])).fit(disp=0).llf for one in designs)
    of = found.items[item].logistic
    assert [of.uniform_lr, of.nonuniform_lr] == pytest.approx([2 * (uniform - base), 2 * (full - uniform)], abs=1e-6)
    nagelkerke = [(1 - np.exp(2 * (none - one) / N)) / (1 - np.exp(2 * none / N)) for one in (base, full)]
    assert of.delta_r2 == pytest.approx(nagelkerke[1] - nagelkerke[0], abs=1e-8)


def test_p_is_adjusted_for_the_number_of_items(found):
    assert [item.p_adjusted for item in found.items] == pytest.approx(multipletests([item.p for item in found.items], method="fdr_bh")[1])


def test_the_item_that_is_harder_is_found_and_the_one_that_only_tells_apart_better_by_regression(found):
    assert found.items[4].ets == "C"
    assert found.items[4].delta < -1.5
    assert max(found.items, key=lambda item: item.logistic.nonuniform_lr).item == "I09"
    assert (found.reference, found.focal, found.enough) == (1000, 500, True)


def test_purification_ends_where_the_flagged_are_those_removed_and_keeps_the_studied_item(sheet):
    found = dif(sheet, "sex", "M", "F", purify=True)
    assert "I05" in found.removed
    assert found.removed == [item.item for item in found.items if item.p < 0.05]
    without = [int(name[1:]) - 1 for name in found.removed]
    kept = [item for item in range(ITEMS) if item not in without]
    totals = sheet.right[:, kept].sum(axis=1) + sheet.right[:, 4]
    known = StratifiedTable([one.astype(float) for one in tables(sheet, 4, totals)])
    assert found.items[4].alpha == pytest.approx(known.oddsratio_pooled, abs=1e-8)


@pytest.mark.parametrize(
    ("p", "delta", "se", "expected"),
    [
        (0.05, -2.0, 0.1, "A"),
        (0.01, -0.99, 0.1, "A"),
        (0.01, 1.0, 0.1, "B"),
        (0.01, -1.49, 0.1, "B"),
        (0.01, 1.5, 0.3, "C"),
        (0.01, 1.5, 0.31, "B"),
        (None, None, None, None),
    ],
)
def test_the_ets_class(p, delta, se, expected):
    assert ets_class(p, delta, se, DifRules()) == expected


def test_an_item_that_all_have_right_says_nothing():
    right = np.ones((40, 3), np.uint8)
    right[::3, 0] = 0
    right[::2, 1] = 0
    item = dif(scored(right, sex=["F", "M"] * 20), "sex", "M", "F").items[2]
    assert (item.chi2, item.alpha, item.ets, item.logistic) == (None, None, None, None)


def test_the_order_of_rows_does_not_matter(sheet, found):
    order = np.random.default_rng(1).permutation(N)
    again = dif(scored(sheet.right[order], sex=np.array(sheet.groups["sex"])[order]), "sex", "M", "F")
    assert again == found


def test_a_group_that_nobody_is_in_is_refused(sheet, command, tmp_path):
    with pytest.raises(CannotSay):
        dif(sheet, "sex", "M", "M")
    responses, key = (str(path) for path in write(tmp_path, sheet))
    words = ["scoring", "dif", "--responses", responses, "--key", key, "--reference", "M"]
    assert "nobody has X in column sex; there are F, M" in command(*words, "--group", "sex", "--focal", "X", code=1).output
    assert "there is no column race beside the items; there are sex" in command(*words, "--group", "race", "--focal", "F", code=1).output


def test_the_command_prints_one_document_with_the_names_of_its_contract(sheet, found, command, tmp_path):
    responses, key = (str(path) for path in write(tmp_path, sheet))
    words = ["scoring", "dif", "--responses", responses, "--key", key, "--group", "sex", "--reference", "M", "--focal", "F"]
    document = json.loads(command(*words, "--json").output)
    assert {"item", "chi2", "p", "alpha", "delta", "se_delta", "ets", "std_p_dif", "logistic"} <= document["items"][0].keys()
    assert {"uniform_lr", "nonuniform_lr", "delta_r2"} <= document["items"][0]["logistic"].keys()
    assert document["removed"] == []
    assert document["items"][4]["alpha"] == found.items[4].alpha
    assert "I05" in command(*words, "--purify").output
