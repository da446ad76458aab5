"""Item analysis against scipy and statsmodels, and against what is known of the answers."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from scipy import stats

from testing_platform.scoring.analysis.classical import FlagRules, analyze, feldt_interval
from tests.scoring.analysis.data import LSAT6, made_up, right_of, scored, sheet_of, write


@pytest.fixture(scope="module")
def sheet():
    return made_up(700, 24, seed=5)


@pytest.fixture(scope="module")
def found(sheet):
    return analyze(sheet)


def test_the_figures_of_the_test_are_those_of_scipy(sheet, found):
    right = sheet.answers == np.array([key[0] for key in sheet.keys])
    totals = right.sum(axis=1)
    test = found.test
    assert (test.n, test.items, test.min, test.max) == (700, 24, totals.min(), totals.max())
    assert [test.mean, test.sd, test.sd_n, test.median] == pytest.approx(
        [totals.mean(), totals.std(ddof=1), totals.std(), np.median(totals)], abs=1e-10
    )
    assert [test.skew, test.excess_kurtosis] == pytest.approx([stats.skew(totals), stats.kurtosis(totals)], abs=1e-10)
    covariances = np.cov(right.T)
    assert test.kr20 == pytest.approx(24 / 23 * (1 - np.trace(covariances) / covariances.sum()), abs=1e-10)
    assert test.sem == pytest.approx(test.sd * (1 - test.kr20) ** 0.5)


def test_the_figures_of_items_are_those_of_correlations_taken_one_by_one(sheet, found):
    right = sheet.answers == np.array([key[0] for key in sheet.keys])
    totals = right.sum(axis=1)
    for item, figures in enumerate(found.items):
        mine = right[:, item]
        others = np.delete(right, item, axis=1)
        covariances = np.cov(others.T)
        assert figures.p == mine.mean()
        assert figures.omit == (sheet.answers[:, item] == 0).sum()
        assert figures.r_pb == pytest.approx(stats.pointbiserialr(mine, totals)[0], abs=1e-10)
        assert figures.r_rest == pytest.approx(np.corrcoef(mine, totals - mine)[0, 1], abs=1e-10)
        assert figures.alpha_if_deleted == pytest.approx(23 / 22 * (1 - np.trace(covariances) / covariances.sum()), abs=1e-10)
        for code, letter in enumerate("ABCD", 1):
            chose, option = sheet.answers[:, item] == code, figures.options[letter]
            assert (option.n, option.keyed) == (chose.sum(), code == sheet.keys[item][0])
            assert option.r_total == pytest.approx(np.corrcoef(chose, totals)[0, 1], abs=1e-10)
            assert option.r_rest == pytest.approx(np.corrcoef(chose, totals - mine)[0, 1], abs=1e-10)
            assert option.mean_total == pytest.approx(totals[chose].mean(), abs=1e-10)


def test_the_law_school_items_have_their_published_figures():
    """McDonald 1999, *Test Theory*, table 4.2 and after: the shares of LSAT section 6, and alpha .295."""
    found = analyze(scored(right_of(LSAT6)))
    assert [item.p for item in found.items] == [0.924, 0.709, 0.553, 0.763, 0.870]
    assert found.test.kr20 == pytest.approx(0.295, abs=5e-4)
    assert [item.r_pb for item in found.items] == pytest.approx([0.362, 0.567, 0.618, 0.534, 0.435], abs=5e-4)


def test_the_interval_of_alpha_covers_the_alpha_of_the_population():
    """Feldt's interval of 95 % holds for parallel normal parts: of 400 samples it must miss about 20."""
    chance = np.random.default_rng(2)
    missed = 0
    for _ in range(400):
        parts = chance.standard_normal((60, 1)) + chance.standard_normal((60, 8))
        covariances = np.cov(parts.T)
        alpha = 8 / 7 * (1 - np.trace(covariances) / covariances.sum())
        low, high = feldt_interval(alpha, 60, 8)
        missed += not low <= 8 / 9 <= high
    assert 8 <= missed <= 34


@given(some.permutations(range(40)))
@settings(max_examples=20, deadline=None)
def test_no_figure_depends_on_the_order_of_the_rows(order):
    sheet = made_up(40, 6, seed=1)
    assert analyze(sheet) == analyze(sheet_of(sheet.answers[list(order)], [key[0] for key in sheet.keys]))


def flagged(found):
    return {item.item: item.flags for item in found.items if item.flags}


def test_a_wrong_key_a_second_answer_and_blanks_are_flagged_and_no_sound_item_is():
    chance = np.random.default_rng(8)
    ability, hard = chance.standard_normal(2000), np.linspace(-1, 1, 12)
    right = chance.random((2000, 12)) < 1 / (1 + np.exp(-1.3 * (ability[:, None] - hard)))
    answers = np.where(right, 1, chance.integers(2, 5, (2000, 12)))
    keys = [1] * 12
    keys[3] = 2  # I04: most of the able chose A
    answers[:, 6] = np.where(right[:, 6], chance.integers(1, 3, 2000), chance.integers(3, 5, 2000))  # I07: A and B are both right
    answers[chance.random(2000) < 0.08, 8] = 0
    answers[chance.random(2000) < 0.25, 11:] = 0
    found = flagged(analyze(sheet_of(answers, keys)))
    assert found.keys() == {"I04", "I07", "I09", "I12"}
    assert "key_suspect" in found["I04"]
    assert "two_answers" in found["I07"]
    assert found["I09"] == ["omitted"]
    assert "not_reached" in found["I12"]


def test_where_only_right_and_wrong_are_kept_nothing_is_said_of_options_or_chance():
    assert not {"two_answers", "too_hard"} & {flag for flags in flagged(analyze(scored(right_of(LSAT6)))).values() for flag in flags}


def test_a_threshold_is_a_setting(sheet):
    assert all("weak" in item.flags for item in analyze(sheet, FlagRules(weak=0.99)).items)


def test_both_options_of_a_double_key_are_right():
    found = analyze(sheet_of([[1, 1], [2, 1], [3, 2], [0, 2]], [(1, 2), 1]))
    assert (found.items[0].p, found.items[0].options["A"].keyed, found.items[0].options["B"].keyed) == (0.5, True, True)
    assert found.test.mean == 1.0


def test_what_is_not_defined_is_none_and_not_nought():
    found = analyze(sheet_of([[1, 1]] * 3, [1, 2]))
    assert (found.test.kr20, found.test.sem, found.test.skew) == (None, None, None)
    assert (found.items[0].r_pb, found.items[0].r_rest, found.items[0].options["A"].r_rest) == (None, None, None)
    assert found.items[1].options["B"].mean_total is None


def test_scores_add_up_and_the_standard_error_is_lords(found):
    assert sum(score.n for score in found.scores) == found.test.n == found.scores[0].at_or_above
    middle = found.scores[12]
    assert middle.csem_lord == pytest.approx((12 * 12 / 23) ** 0.5)
    # Keats's errors agree with the test's: the mean of their squares over candidates is (1 - KR20) times the variance, with n - 1 of items.
    mean = sum(score.n * score.csem_keats**2 for score in found.scores) / found.test.n
    assert mean == pytest.approx(found.test.sd_n**2 * (1 - found.test.kr20))


def test_the_command_prints_one_document_with_the_names_of_its_contract(command, sheet, tmp_path):
    responses, key = write(tmp_path, sheet)
    document = json.loads(command("scoring", "analyze", "--responses", str(responses), "--key", str(key), "--json").output)
    assert {"n", "items", "mean", "sd", "sd_n", "median", "min", "max", "skew", "excess_kurtosis", "kr20", "kr21", "sem"} <= document[
        "test"
    ].keys()
    item = document["items"][0]
    assert {"item", "n", "p", "r_pb", "r_rest", "alpha_if_deleted", "omit", "flags", "options"} <= item.keys()
    assert {"keyed", "n", "p", "r_total", "r_rest", "mean_total"} <= item["options"]["A"].keys()
    assert document["test"]["kr20"] == analyze(sheet).test.kr20


def test_without_json_a_person_can_read_it(command, sheet, tmp_path):
    responses, key = write(tmp_path, sheet)
    lines = command("scoring", "analyze", "--responses", str(responses), "--key", str(key), "--rule", "weak=.9").output.splitlines()
    assert lines[1].split() == ["n", "700"]
    assert any(line.startswith("I01") and "weak" in line for line in lines)
    command("scoring", "analyze", "--responses", str(responses), "--key", str(key), "--rule", "strong=1", code=2)
