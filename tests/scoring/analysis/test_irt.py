"""Calibration against a likelihood written out and maximised another way, published figures, girth, and the parameters of made-up answers."""

import json

import girth
import numpy as np
import pytest
from scipy import optimize, special

from testing_platform.scoring.analysis import irt
from testing_platform.scoring.analysis.irt import Model, Rules, calibrate
from testing_platform.scoring.analysis.refusals import CannotSay
from tests.scoring.analysis.data import LSAT6, LSAT7, made_up, right_of, scored, write

NAMES = tuple(f"I{number}" for number in range(1, 101))
POINTS, WEIGHTS = np.polynomial.hermite_e.hermegauss(121)
WEIGHTS = WEIGHTS / WEIGHTS.sum()


def fitted(right, model=Model.TWO, **rules):
    return calibrate(right, NAMES[: right.shape[1]], model, rules=Rules(**rules))


def figures(found, *names):
    return [[getattr(item, name) for item in found.items] for name in names]


def minus_log_likelihood(flat, patterns):
    """Bock & Lieberman's: the chance of each pattern, on Gauss-Hermite points."""
    a, d = np.split(flat, 2)
    bits = right_of([1] * 32)
    chance = special.expit(a * POINTS[:, None] + d)
    of_pattern = np.prod(np.where(bits[:, None, :] == 1, chance, 1 - chance), axis=2) @ WEIGHTS
    return -float(patterns @ np.log(of_pattern))


@pytest.fixture(scope="module", params=[LSAT6, LSAT7], ids=["section 6", "section 7"])
def patterns(request):
    return np.array(request.param, float)


def test_two_parameters_and_their_errors_are_those_of_the_likelihood_written_out(patterns):
    best = optimize.minimize(minus_log_likelihood, np.ones(10), args=(patterns,), method="BFGS", options={"gtol": 1e-5})
    found = fitted(right_of(patterns.astype(int)))
    a, d = np.split(best.x, 2)
    assert figures(found, "a", "b") == pytest.approx(np.array([a, -d / a]), abs=2e-4)
    assert found.loglik == pytest.approx(-best.fun, abs=1e-6)
    step = 1e-3
    moves = step * np.eye(10)
    curve = [
        [
            sum(sign * other * minus_log_likelihood(best.x + sign * one + other * two, patterns) for sign in (1, -1) for other in (1, -1))
            / (4 * step**2)
            for two in moves
        ]
        for one in moves
    ]
    assert figures(found, "se_a")[0] == pytest.approx(np.sqrt(np.diag(np.linalg.inv(curve)))[:5], rel=2e-3)


def test_the_law_school_items_have_their_published_figures():
    """Rizopoulos 2006, Journal of Statistical Software 17(5): section 6 with one slope, and the likelihood with five."""
    one = fitted(right_of(LSAT6), Model.ONE)
    assert figures(one, "b")[0] == pytest.approx([-3.615, -1.322, -0.318, -1.730, -2.780], abs=6e-4)
    assert set(figures(one, "a")[0]) == {one.items[0].a}
    assert one.items[0].a == pytest.approx(0.755, abs=6e-4)
    assert [one.loglik, fitted(right_of(LSAT6)).loglik] == pytest.approx([-2466.938, -2466.653], abs=1e-3)
    assert one.items[0].se_a == pytest.approx(0.0694, abs=6e-5)


def drawn(n, items, seed, c=0.0):
    chance = np.random.default_rng(seed)
    a, b, theta = chance.lognormal(0, 0.3, items), chance.standard_normal(items), chance.standard_normal(n)
    return (chance.random((n, items)) < c + (1 - c) / (1 + np.exp(-a * (theta[:, None] - b)))).astype(np.uint8), a, b


def rmse(one, other):
    return float(np.sqrt(np.mean((np.asarray(one) - np.asarray(other)) ** 2)))


def test_the_slopes_come_back_no_worse_than_girths():
    right, a, b = drawn(2000, 25, 3)
    found = fitted(right)
    theirs = girth.twopl_mml(right.T.astype(int))
    assert rmse(figures(found, "a")[0], a) <= rmse(theirs["Discrimination"], a) * 1.02
    assert rmse(figures(found, "b")[0], b) < 0.15
    assert rmse(figures(found, "a")[0], theirs["Discrimination"]) < 0.05


def test_errors_are_as_large_as_the_slopes_spread_in_repeated_samples():
    a, b = np.linspace(0.7, 1.6, 8), np.linspace(-1, 1, 8)
    chance = np.random.default_rng(9)
    found = [
        fitted((chance.random((1000, 8)) < special.expit(a * (chance.standard_normal((1000, 1)) - b))).astype(np.uint8)) for _ in range(80)
    ]
    spread = np.std([figures(one, "a")[0] for one in found], axis=0)
    said = np.mean([figures(one, "se_a")[0] for one in found], axis=0)
    assert np.mean(spread / said) == pytest.approx(1, abs=0.15)


def test_32_bits_give_what_64_give():
    right, *_ = drawn(6000, 70, 4)
    assert right.size > irt.SMALL
    short = fitted(right)
    kept, irt.SMALL = irt.SMALL, 10**9
    try:
        full = fitted(right)
    finally:
        irt.SMALL = kept
    assert figures(short, "a", "b") == pytest.approx(np.array(figures(full, "a", "b")), abs=2e-4)
    assert short.loglik == pytest.approx(full.loglik, abs=1e-3)


def test_points_are_doubled_until_the_likelihood_stands_still():
    right, *_ = drawn(800, 60, 5)
    coarse = fitted(right, points=7)
    assert coarse.points > 7
    assert coarse.loglik == pytest.approx(fitted(right).loglik, abs=2e-3)


def test_three_parameters_come_back_within_their_errors():
    right, a, b = drawn(8000, 25, 6, c=0.2)
    found = fitted(right, Model.THREE)
    assert figures(found, "c")[0] == pytest.approx([0.2] * 25, abs=0.13)
    off = [(item.a - true) / item.se_a for item, true in zip(found.items, a, strict=True)]
    assert np.sqrt(np.mean(np.square(off))) < 1.6
    assert found.loglik > fitted(right).loglik


def test_a_small_group_gets_a_prior_on_slopes_and_a_large_one_none():
    right, *_ = drawn(300, 12, 7)
    bound, free = figures(fitted(right), "a")[0], figures(fitted(right, prior_below=0), "a")[0]
    assert np.std(np.log(bound)) < np.std(np.log(free))
    assert fitted(right, prior_below=0).loglik > fitted(right).loglik


def test_the_order_of_rows_does_not_matter():
    right, *_ = drawn(700, 30, 8)
    again = fitted(right[np.random.default_rng(2).permutation(700)])
    assert figures(again, "a", "b") == pytest.approx(np.array(figures(fitted(right), "a", "b")), abs=1e-6)


@pytest.mark.parametrize(
    ("right", "why"), [(np.eye(2, dtype=np.uint8), "few-items"), (np.array([[1, 0, 1], [1, 1, 0]], np.uint8), "no-spread")]
)
def test_what_cannot_be_calibrated_is_refused(right, why):
    with pytest.raises(CannotSay) as refused:
        fitted(right)
    assert refused.value.facts["why"] == why


def test_guessing_is_right_once_in_so_many_options():
    assert irt.chance_of(made_up(200, 3, 1)).tolist() == [0.25] * 3
    assert irt.chance_of(scored(right_of(LSAT6))).tolist() == [0.25] * 5


def test_the_command_prints_one_document_with_the_names_of_its_contract(command, tmp_path):
    responses, key = (str(path) for path in write(tmp_path, scored(right_of(LSAT6))))
    words = ["scoring", "calibrate", "--responses", responses, "--key", key, "--model"]
    document = json.loads(command(*words, "2pl", "--json").output)
    assert {"loglik", "iterations", "points", "items"} <= document.keys()
    assert {"item", "a", "b", "c", "se_a", "se_b"} <= document["items"][0].keys()
    assert "-2466.93" in command(*words, "1pl").output
    command(*words, "4pl", code=2)


@pytest.mark.parametrize(("items", "steep"), [(4, 1.0), (60, 1.0), (60, 5.0)])
def test_the_table_says_what_the_posteriors_say_one_by_one(items, steep):
    chance = np.random.default_rng(items)
    right = drawn(400, items, 2)[0]
    held = irt.Items(np.append(chance.lognormal(0, 0.4, items - 2), (-0.7, steep)), chance.standard_normal(items))
    grid = irt.grid_of(61, 6.0)
    weights, logs = irt._posterior(right.astype(float), held, grid)
    found = irt.expected(irt.Answers(right, None), held, grid, right.sum(axis=0))
    assert found.log_likelihood == pytest.approx(logs.sum(), abs=1e-7)
    assert found.people == pytest.approx(weights.sum(axis=0), abs=1e-6)
    assert found.theta_right == pytest.approx((weights @ grid.theta) @ right, abs=1e-6)
