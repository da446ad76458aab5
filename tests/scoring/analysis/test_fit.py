"""Fit, local dependence, abilities, and new items on a known scale: against sums written out, and the parameters of made-up answers."""

import json

import numpy as np
import pytest
from scipy import stats

from testing_platform.scoring.analysis import ability, fit
from testing_platform.scoring.analysis.irt import ItemParameters, Model, calibrate
from testing_platform.scoring.analysis.refusals import CannotSay
from tests.scoring.analysis.data import scored, write

NAMES = tuple(f"I{number}" for number in range(1, 31))


def figures_of(a, b, c=0.0):
    return [ItemParameters(name, float(x), float(y), c, None, None, None) for name, x, y in zip(NAMES, a, b, strict=False)]


def made(n, a, b, seed, mean=0.0, sd=1.0, c=0.0):
    random = np.random.default_rng(seed)
    theta = random.normal(mean, sd, n)[:, None]
    return (random.random((n, len(a))) < c + (1 - c) / (1 + np.exp(-a * (theta - b)))).astype(np.uint8)


@pytest.fixture(scope="module")
def truth():
    random = np.random.default_rng(1229)
    return random.uniform(0.7, 1.8, 20), random.normal(0, 1, 20)


@pytest.fixture(scope="module")
def right(truth):
    return made(3000, *truth, seed=2)


@pytest.fixture(scope="module")
def found(right):
    return calibrate(right, NAMES[:20], Model.TWO)


def test_the_chance_of_each_total_is_the_sum_over_all_patterns():
    p = np.array([[0.3], [0.6], [0.9]])
    ways = np.zeros(4)
    for bits in range(8):
        pattern = [(bits >> place) & 1 for place in range(3)]
        ways[sum(pattern)] += np.prod([q if right else 1 - q for q, right in zip(p[:, 0], pattern, strict=True)])
    assert ability.totals_at(p)[:, 0] == pytest.approx(ways)


def test_items_that_follow_the_model_fit_and_one_that_does_not_is_found(right, truth, found):
    fits = fit.item_fit(right, found)
    ps = [one.p for one in fits]
    # Of twenty true claims about one in twenty is refused.
    assert sum(p < 0.05 for p in ps) <= 4
    assert stats.kstest(ps, "uniform").pvalue > 0.01
    assert all(5 <= one.df <= 17 for one in fits)
    bent = right.copy()
    # Right for the low and the high, wrong for those between: no logistic curve.
    totals = np.delete(right, 7, axis=1).sum(axis=1)
    bent[:, 7] = (totals < np.quantile(totals, 0.3)) | (totals > np.quantile(totals, 0.7))
    worst = min(fit.item_fit(bent, calibrate(bent, NAMES[:20], Model.TWO)), key=lambda one: one.p)
    assert (worst.item, worst.p < 1e-10) == ("I8", True)


def test_cells_hold_what_they_must_and_lose_nobody():
    people, seen = np.array([1.0, 2, 40, 60, 30, 2, 1]), np.array([0.0, 0, 10, 30, 25, 2, 1])
    expected = people * np.array([0.05, 0.1, 0.3, 0.5, 0.8, 0.95, 0.97])
    cells = fit._cells(people, seen, expected, 1.0)
    assert [sum(part) for part in zip(*cells, strict=True)] == pytest.approx([people.sum(), seen.sum(), expected.sum()])
    assert all(min(e, n - e) >= 1 for n, _, e in cells)


def test_two_items_that_say_the_same_thing_stand_out(right, found):
    calm = fit.dependence(right, found.items)
    assert -0.1 < calm.mean < 0
    assert calm.pairs[0].q3 < 0.12
    twin = right.copy()
    same = np.random.default_rng(5).random(len(right)) < 0.7
    twin[same, 4] = twin[same, 3]
    pairs = fit.dependence(twin, calibrate(twin, NAMES[:20], Model.TWO).items).pairs
    assert (pairs[0].a, pairs[0].b, pairs[0].q3 > 0.3) == ("I4", "I5", True)
    assert len(pairs) == 10


def test_expected_abilities_are_the_posterior_means(truth):
    figures = figures_of(*truth)
    answers = made(5, *truth, seed=9)
    means, spreads = fit.abilities(answers, figures, points=241)
    theta = np.linspace(-8, 8, 4001)
    for row, mean, spread in zip(answers, means, spreads, strict=True):
        p = 1 / (1 + np.exp(-truth[0][:, None] * (theta - truth[1][:, None])))
        weight = np.exp(-(theta**2) / 2) * np.prod(np.where(row[:, None] == 1, p, 1 - p), axis=0)
        weight /= weight.sum()
        assert mean == pytest.approx(weight @ theta, abs=1e-6)
        assert spread == pytest.approx(np.sqrt(weight @ theta**2 - (weight @ theta) ** 2), abs=1e-6)


@pytest.mark.parametrize(("model", "c"), [(Model.TWO, 0.0), (Model.THREE, 0.2)])
def test_new_items_come_onto_the_scale_of_the_known_ones(truth, model, c):
    a, b = truth
    known = {one.item: one for one in figures_of(a, b, c)[:12]}
    answers = made(4000, a, b, seed=3, mean=0.6, sd=1.2, c=c)
    placed = fit.on_scale(answers, NAMES[:20], model, known, np.full(20, c or 0.25))
    assert placed.items[:12] == [known[name] for name in NAMES[:12]]
    assert (placed.mean, placed.sd) == (pytest.approx(0.6, abs=0.08), pytest.approx(1.2, abs=0.08))
    new = placed.items[12:]
    assert [one.b for one in new] == pytest.approx(list(b[12:]), abs=0.25 if c else 0.15)
    assert all(one.se_a and one.se_b and one.se_b < (0.5 if c else 0.2) for one in new)
    # Left to itself a calibration calls this stronger group average, and the items easier than they are.
    if not c:
        alone = calibrate(answers, NAMES[:20], model)
        assert np.mean([one.b for one in alone.items[12:]]) < np.mean(b[12:]) - 0.3


def test_held_at_what_a_calibration_found_the_others_come_out_as_there(right, found):
    known = {one.item: one for one in found.items[:19]}
    placed = fit.on_scale(right, NAMES[:20], Model.TWO, known)
    assert (placed.mean, placed.sd) == (pytest.approx(0, abs=1e-3), pytest.approx(1, abs=1e-3))
    assert (placed.items[19].a, placed.items[19].b) == (
        pytest.approx(found.items[19].a, abs=2e-3),
        pytest.approx(found.items[19].b, abs=2e-3),
    )
    assert placed.loglik == pytest.approx(found.loglik, abs=0.05)


@pytest.mark.parametrize(
    ("model", "known", "why"),
    [
        (Model.ONE, 2, "fixed-slope"),
        (Model.TWO, 1, "few-anchors"),
        (Model.TWO, 20, "few-anchors"),
        (Model.THREE, 5, "anchors-of-another-model"),
    ],
)
def test_what_cannot_be_placed_is_refused(right, truth, model, known, why):
    anchors = {one.item: one for one in figures_of(*truth)[:known]}
    with pytest.raises(CannotSay) as refused:
        fit.on_scale(right, NAMES[:20], model, anchors)
    assert refused.value.facts["why"] == why


def test_the_command_says_it_all(right, truth, tmp_path, command):
    responses, key = (str(path) for path in write(tmp_path, scored(right[:800])))
    words = ["scoring", "calibrate", "--responses", responses, "--key", key, "--model", "2pl"]
    said = json.loads(command(*words, "--fit", "--abilities", "--json").output)
    assert {"item", "a", "b", "c", "se_a", "se_b", "s_x2", "df", "p"} <= said["items"][0].keys()
    assert len(said["q3"]["pairs"]) == 10
    assert len(said["candidates"]) == 800
    anchors = tmp_path / "anchors.csv"
    known = zip([one["item"] for one in said["items"]][:10], *truth, strict=False)
    anchors.write_text("item,a,b\n" + "".join(f"{name},{a},{b}\n" for name, a, b in known))
    assert json.loads(command(*words, "--anchors", str(anchors), "--json").output)["items"][0]["b"] == truth[1][0]
    command(*words, "--anchors", str(anchors), "--fit", code=2)
    anchors.write_text("item,a,b\nI01,-1,0\n")
    assert "row 2, column a: “-1” is none of" in command(*words, "--anchors", str(anchors), code=1).output
