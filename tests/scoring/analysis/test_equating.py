"""Equating against formulas written out from moments, against what the methods must keep, and on forms whose difference is known."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from scipy import special

from testing_platform.scoring.analysis.cli import METHODS
from testing_platform.scoring.analysis.equating import Distribution, Method, best_degree, counted, equate, smoothed
from testing_platform.scoring.analysis.refusals import CannotSay
from tests.scoring.analysis.data import sheet_of, write

ANCHOR = [f"I{number:02d}" for number in range(1, 13)]
PEOPLE, ITEMS = 1500, 36


def taken(seed, ability, harder):
    """A form of 36 items: the 12 of the anchor, and 24 of its own that are so much harder."""
    chance = np.random.default_rng(seed)
    hard = np.concatenate([np.linspace(-1.5, 1.5, 12), np.linspace(-1.6, 1.6, 24) + harder])
    theta = chance.standard_normal((PEOPLE, 1)) + ability
    right = chance.random((PEOPLE, ITEMS)) < special.expit(1.1 * (theta - hard))
    return sheet_of(right + 1, [2] * ITEMS, options="01")


@pytest.fixture(scope="module")
def x():
    return taken(1, 0.3, 0.4)


@pytest.fixture(scope="module")
def y():
    return taken(2, 0.0, 0.0)


def ys(found):
    return np.array([row.y for row in found.table])


def moments(sheet):
    total, anchor = sheet.right.sum(axis=1).astype(float), sheet.right[:, :12].sum(axis=1).astype(float)
    return total.mean(), total.var(ddof=1), anchor.mean(), anchor.var(ddof=1), np.cov(total, anchor)[0, 1]


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("method", ["tucker", "levine"])
def test_tucker_and_levine_are_the_equations_of_kolen_and_brennan(x, y, method, weight):
    (mx, sx, ax, vx, cx), (my, sy, ay, vy, cy) = moments(x), moments(y)
    g1, g2 = (cx / vx, cy / vy) if method == "tucker" else (sx / cx, sy / cy)
    one, two = weight, 1 - weight
    mean_x, mean_y = mx - two * g1 * (ax - ay), my + one * g2 * (ax - ay)
    var_x = sx - two * g1**2 * (vx - vy) + one * two * g1**2 * (ax - ay) ** 2
    var_y = sy + one * g2**2 * (vx - vy) + one * two * g2**2 * (ax - ay) ** 2
    found = equate(x, y, ANCHOR, Method(method), weight)
    slope = (var_y / var_x) ** 0.5
    assert [found.slope, found.intercept] == pytest.approx([slope, mean_y - slope * mean_x], abs=1e-9)
    assert ys(found) == pytest.approx(found.slope * np.arange(37) + found.intercept)


def test_a_chain_of_lines_goes_through_the_means_of_the_anchor(x, y):
    (mx, sx, ax, vx, _), (my, sy, ay, vy, _) = moments(x), moments(y)
    found = equate(x, y, ANCHOR, Method.CHAINED_LINEAR)
    assert found.slope == pytest.approx((vx / sx) ** 0.5 * (sy / vy) ** 0.5)
    assert found.slope * mx + found.intercept == pytest.approx(my + (sy / vy) ** 0.5 * (ax - ay))


def test_mean_and_linear_keep_mean_and_deviation(x, y):
    (mx, sx, *_), (my, sy, *_) = moments(x), moments(y)
    assert equate(x, y, [], Method.MEAN).intercept == pytest.approx(my - mx)
    assert equate(x, y, [], Method.LINEAR).slope == pytest.approx((sy / sx) ** 0.5)
    assert ys(equate(x, y, [], Method.IDENTITY)).tolist() == list(range(37))


def test_percentile_ranks_are_those_of_a_table_worked_by_hand():
    """Shares .2 .3 .2 .2 .1 of the scores 0-4 on X, .1 .2 .2 .3 .2 on Y (Kolen & Brennan, table 2.1-2.3): ranks and equivalents."""
    one, other = Distribution(np.array([0.2, 0.3, 0.2, 0.2, 0.1])), Distribution(np.array([0.1, 0.2, 0.2, 0.3, 0.2]))
    ranks = one.rank(np.arange(5.0))
    assert ranks == pytest.approx([0.1, 0.35, 0.6, 0.8, 0.95])
    assert other.score(ranks) == pytest.approx([0.5, 1.75, 2 + 5 / 6, 3.5, 4.25])


def test_at_a_gap_the_score_is_half_way_between():
    gap = Distribution(np.array([0.5, 0.0, 0.0, 0.5]))
    assert gap.score(np.array([0.5, 0.25, 0.75])) == pytest.approx([1.5, 0.0, 3.0])
    assert gap.score(np.array([0.0, 1.0])) == pytest.approx([-0.5, 3.5])


def test_the_score_of_a_rank_and_the_rank_of_a_score_are_the_reverse_of_each_other():
    law = Distribution(np.array([0.2, 0.3, 0.2, 0.2, 0.1]))
    at = np.linspace(-0.4, 4.4, 30)
    assert law.score(law.rank(at)) == pytest.approx(at)


@given(some.lists(some.integers(0, 20), min_size=5, max_size=60), some.lists(some.integers(0, 20), min_size=5, max_size=60))
@settings(max_examples=60, deadline=None)
def test_equipercentile_never_falls_and_of_a_form_with_itself_changes_no_score_that_occurs(one, other):
    a, b = np.array(one), np.array(other)
    to = Distribution(counted(b, 20)).score(Distribution(counted(a, 20)).rank(np.arange(21.0)))
    assert (np.diff(to) >= -1e-9).all()
    same = Distribution(counted(a, 20))
    there = np.unique(a).astype(float)
    assert same.score(same.rank(there)) == pytest.approx(there, abs=1e-6)


@pytest.mark.parametrize("method", list(Method))
def test_every_method_rises_and_brings_the_forms_together(x, y, method):
    """True worth: the scores on Y and X that a theta is expected to have. The groups differ, so that the methods without an anchor miss it."""
    found = equate(x, y, ANCHOR, method, cut=20)
    assert (np.diff(ys(found)) > 0).all()
    hard = np.concatenate([np.linspace(-1.5, 1.5, 12), np.linspace(-1.6, 1.6, 24)])
    theta = np.linspace(-3, 3, 601)[:, None]
    on_y = special.expit(1.1 * (theta - hard)).sum(axis=1)
    on_x = special.expit(1.1 * (theta - hard - np.repeat([0, 0.4], [12, 24]))).sum(axis=1)
    truth = np.interp(20, on_x, on_y)
    unaware = method in (Method.IDENTITY, Method.MEAN, Method.LINEAR, Method.EQUIPERCENTILE)
    assert (abs(found.cut.y - truth) > 0.8) if unaware else (abs(found.cut.y - truth) < 0.65)
    assert found.cut.raw - 1 < found.cut.y <= found.cut.raw


def test_with_one_group_frequency_estimation_is_equipercentile(x):
    """Both synthetic distributions are then the group's own."""
    assert ys(equate(x, x, ANCHOR, Method.FREQUENCY_ESTIMATION, 0.4)) == pytest.approx(
        ys(equate(x, x, [], Method.EQUIPERCENTILE)), abs=1e-9
    )


def test_frequency_estimation_with_all_the_weight_on_x_is_the_sum_written_out(x, y):
    found = equate(x, y, ANCHOR, Method.FREQUENCY_ESTIMATION, 1.0)
    total, anchor = y.totals, y.right[:, :12].sum(axis=1)
    of_x = np.bincount(x.right[:, :12].sum(axis=1), minlength=13) / PEOPLE
    g = np.zeros(37)
    for level in range(13):
        if (anchor == level).any() and of_x[level]:
            g += of_x[level] * np.bincount(total[anchor == level], minlength=37) / (anchor == level).sum()
    expected = Distribution(g).score(Distribution(counted(x.totals, 36)).rank(np.arange(37.0)))
    assert ys(found) == pytest.approx(expected, abs=1e-9)


def test_smoothing_keeps_its_moments_and_equal_forms_stay_equal(x):
    law = smoothed(x.totals, 36, 4)
    scores = np.arange(37)
    for power in range(1, 5):
        assert law @ scores**power == pytest.approx((x.totals.astype(float) ** power).mean(), rel=1e-9)
    assert 2 <= best_degree(x.totals, 36) <= 6
    again = equate(x, x, [], Method.EQUIPERCENTILE, smooth=4)
    assert ys(again) == pytest.approx(np.arange(37), abs=1e-6)


def test_the_arc_goes_through_both_ends_and_the_middle(x, y):
    found = ys(equate(x, y, ANCHOR, Method.CIRCLE_ARC))
    assert [found[0], found[-1]] == pytest.approx([0, 36], abs=1e-9)
    line = equate(x, y, ANCHOR, Method.CHAINED_LINEAR)
    middle = x.totals.mean()
    assert np.interp(middle, np.arange(37), found) == pytest.approx(line.slope * middle + line.intercept, abs=0.02)


def test_the_link_takes_the_anchors_scale_back(x, y):
    """X's group is .3 more able: theta of X, where its group has mean 0, plus about .3 is theta of Y."""
    for method in (Method.STOCKING_LORD, Method.HAEBARA):
        link = equate(x, y, ANCHOR, method).link
        assert [link.slope, link.intercept] == pytest.approx([1, 0.3], abs=0.12)


def test_errors_come_from_samples_drawn_anew_and_are_the_same_for_the_same_seed(x, y):
    found, again = (equate(x, y, [], Method.MEAN, replications=300) for _ in range(2))
    expected = (x.totals.var(ddof=1) / PEOPLE + y.totals.var(ddof=1) / PEOPLE) ** 0.5
    assert found.table[10].se == pytest.approx(expected, rel=0.15)
    assert found == again


@pytest.mark.parametrize(
    ("anchor", "method", "cut", "why"),
    [
        ([], Method.TUCKER, None, "no-anchor"),
        (["I99"], Method.TUCKER, None, "no-such-anchor"),
        (ANCHOR, Method.TUCKER, 37, "cut-outside"),
    ],
)
def test_what_cannot_be_equated_is_refused(x, y, anchor, method, cut, why):
    with pytest.raises(CannotSay) as refused:
        equate(x, y, anchor, method, cut=cut)
    assert refused.value.facts["why"] == why


@pytest.mark.parametrize("method", [Method.STOCKING_LORD, Method.HAEBARA])
def test_items_that_fall_with_ability_leave_no_score_without_its_worth(x, y, method):
    """As those with a wrong key do: nobody, however able or unable, is then expected to have all or none right."""
    answers = x.answers.copy()
    answers[:, 20:23] = 3 - answers[:, 20:23]
    found = ys(equate(sheet_of(answers, [2] * ITEMS, options="01"), y, ANCHOR, method))
    assert [found[0], found[-1]] == pytest.approx([0, ITEMS], abs=1e-9)
    assert (np.diff(found) >= 0).all()


def test_level_scores_and_too_many_moments_are_refused():
    level = sheet_of([[2, 1]] * 9, [2, 2], options="01")
    for method, smooth in ((Method.LINEAR, None), (Method.EQUIPERCENTILE, 3), (Method.EQUIPERCENTILE, 0)):
        with pytest.raises(CannotSay):
            equate(level, level, [], method, smooth=smooth)


def test_the_command_knows_every_method():
    assert list(Method) == METHODS


def test_the_command_prints_one_document_with_the_names_of_its_contract(command, x, y, tmp_path):
    of_x, of_y = write(tmp_path, x, "x.csv", "key_x.csv"), write(tmp_path, y, "y.csv", "key_y.csv")
    words = ["scoring", "equate", "--x", of_x[0], "--y", of_y[0], "--key-x", of_x[1], "--key-y", of_y[1], "--anchor", ",".join(ANCHOR)]
    words = [str(word) for word in words]
    document = json.loads(command(*words, "--method", "tucker", "--weight", "1", "--cut", "20", "--replications", "20", "--json").output)
    assert {"method", "slope", "intercept", "table", "cut"} <= document.keys()
    assert document["table"][0].keys() == {"x", "y", "se"}
    assert document["cut"]["y"] == pytest.approx(document["slope"] * 20 + document["intercept"])
    chained = json.loads(command(*words, "--method", "chained-equipercentile", "--replications", "0", "--json").output)
    assert (chained["slope"], chained["intercept"], chained["cut"], chained["table"][3]["se"]) == (None, None, None, None)
    assert "cut_raw" in command(*words, "--method", "mean", "--cut", "20").output
    command(*words, "--method", "guess", code=2)
    assert "needs the items that both forms share" in command(*words[:-1], "", "--method", "levine", code=1).output
