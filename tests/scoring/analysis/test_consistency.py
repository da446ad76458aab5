"""Decision consistency against sums and integrals taken the long way."""

import json

import numpy as np
import pytest
from scipy import integrate, stats

from testing_platform.scoring.analysis.consistency import (
    Beta,
    consistency,
    four_parameters,
    huynh,
    livingston_lewis,
    subkoviak,
    true_moments,
)
from testing_platform.scoring.analysis.refusals import CannotSay
from tests.scoring.analysis.data import made_up, write


@pytest.fixture(scope="module")
def sheet():
    return made_up(1200, 40, seed=3, blanks=0)


@pytest.fixture(scope="module")
def scores(sheet):
    return sheet.totals.astype(float)


def test_subkoviak_is_the_mean_over_candidates(scores):
    agreed = 0.0
    for score in scores[:100]:
        share = (0.8 * score + 0.2 * scores[:100].mean()) / 40
        passing = sum(stats.binom.pmf(x, 40, share) for x in range(24, 41))
        agreed += (passing**2 + (1 - passing) ** 2) / 100
    assert subkoviak(scores[:100], 40, 24, 0.8).p0 == pytest.approx(agreed, abs=1e-9)


def test_huynh_is_the_integral_over_the_beta_of_true_shares():
    a = (1 / 0.75 - 1) * 25
    law = stats.beta(a, -a + 40 / 0.75 - 40)
    passing = lambda share: stats.binom.sf(23, 40, share)  # noqa: E731
    agreed = integrate.quad(lambda t: (passing(t) ** 2 + (1 - passing(t)) ** 2) * law.pdf(t), 0, 1, epsabs=1e-12)[0]
    mean = integrate.quad(lambda t: passing(t) * law.pdf(t), 0, 1, epsabs=1e-12)[0]
    found = huynh(25, 40, 24, 0.75)
    chance = mean**2 + (1 - mean) ** 2
    assert [found.p0, found.kappa] == pytest.approx([agreed, (agreed - chance) / (1 - chance)], abs=1e-9)


def test_huynh_has_the_parameters_of_the_mean_and_kr21():
    """Of a beta-binomial with a and b, the mean is J a / (a + b) and KR-21 is J / (J + a + b)."""
    a = (1 / 0.75 - 1) * 25
    b = -a + 40 / 0.75 - 40
    assert [40 * a / (a + b), 40 / (40 + a + b)] == pytest.approx([25, 0.75])


@pytest.mark.parametrize("law", [(3.0, 5.0, 0.2, 0.9), (6.0, 2.0, 0.1, 0.95), (4.0, 4.0, 0.15, 0.85)])
def test_four_parameters_come_back_from_their_moments(law):
    a, b, low, high = law
    known = stats.beta(a, b, low, high - low)
    found = four_parameters([known.moment(order) for order in (1, 2, 3, 4)])
    assert [found.a, found.b, found.low, found.high] == pytest.approx(law, rel=1e-4)
    assert found.parameters == 4


def test_moments_of_true_shares_come_back_from_binomial_scores():
    """On the whole distribution of scores, with no sampling, the factorial moments are exact."""
    shares, weights = np.array([0.3, 0.6, 0.8]), np.array([0.2, 0.5, 0.3])
    counts = np.round(1e7 * (weights @ stats.binom.pmf(np.arange(21), 20, shares[:, None]))).astype(int)
    found = true_moments(np.repeat(np.arange(21), counts) / 20, 20)
    assert found == pytest.approx([float(weights @ shares**order) for order in (1, 2, 3, 4)], rel=1e-5)


@pytest.mark.parametrize("cut", [8, 20, 24, 33])
def test_livingston_and_lewis_is_the_integral_over_the_beta_of_true_shares(sheet, scores, cut):
    found = consistency(sheet.right, cut).livingston_lewis
    shares = sheet.right.mean(axis=0)
    rho = 40 / 39 * (1 - (shares * (1 - shares)).sum() / scores.var())
    x = scores / 40
    length = round((x.mean() * (1 - x.mean()) - rho * x.var()) / (x.var() * (1 - rho)))
    moments = true_moments(x, length)
    law = four_parameters(moments)
    known = stats.beta(law.a, law.b, law.low, law.high - law.low)
    limit = round(length * cut / 40)

    def whole(of, low, high):
        return integrate.quad(lambda t: of(stats.binom.sf(limit - 1, length, t)) * known.pdf(t), low, high, epsabs=1e-11, limit=200)[0]

    edge = min(max(cut / 40, law.low), law.high)
    assert found.effective_length == length
    assert found.parameters == 4
    parts = [(law.low, edge), (edge, law.high)]
    same = sum(whole(lambda p: p**2 + (1 - p) ** 2, *part) for part in parts)
    assert [found.consistency, found.false_positive, found.false_negative] == pytest.approx(
        [same, whole(lambda p: p, *parts[0]), whole(lambda p: 1 - p, *parts[1])], abs=1e-7
    )
    assert found.accuracy + found.false_positive + found.false_negative == pytest.approx(1)


def test_four_parameters_outside_nought_and_one_fall_back_to_two():
    scores = np.repeat([4.0, 5.0, 15.0, 24.0, 25.0], [60, 80, 10, 80, 60])
    assert livingston_lewis(scores, 30, 15, 0.8).parameters == 2
    assert Beta(1, 2, 0.0, 1.0).parameters == 2


def test_the_figures_agree_with_a_second_form_that_the_same_people_take():
    """A simulated parallel form: the share who get the same result on both is what the three foretell, within three in a hundred."""
    chance = np.random.default_rng(6)
    ability, hard = chance.standard_normal(20_000), np.linspace(-1.5, 1.5, 40)
    one, two = ((chance.random((20_000, 40)) < 1 / (1 + np.exp(hard - ability[:, None]))).astype(np.uint8) for _ in range(2))
    same = ((one.sum(axis=1) >= 24) == (two.sum(axis=1) >= 24)).mean()
    found = consistency(one, 24)
    assert [found.subkoviak.p0, found.huynh.p0, found.livingston_lewis.consistency] == pytest.approx([same] * 3, abs=0.03)


def test_what_cannot_be_said_is_refused(sheet):
    for cut in (0, 41):
        with pytest.raises(CannotSay):
            consistency(sheet.right, cut)
    with pytest.raises(CannotSay):
        consistency(np.tile(np.eye(4, dtype=np.uint8), (5, 1)), 1)


def test_the_command_prints_one_document_with_the_names_of_its_contract(command, sheet, tmp_path):
    responses, key = (str(path) for path in write(tmp_path, sheet))
    document = json.loads(command("scoring", "consistency", "--responses", responses, "--key", key, "--cut", "24", "--json").output)
    assert document["subkoviak"].keys() == document["huynh"].keys() == {"p0", "kappa"}
    assert {"consistency", "kappa", "accuracy", "false_positive", "false_negative"} <= document["livingston_lewis"].keys()
    assert "livingston_lewis" in command("scoring", "consistency", "--responses", responses, "--key", key, "--cut", "24").output
    said = command("scoring", "consistency", "--responses", responses, "--key", key, "--cut", "41", code=1).output
    assert "a cut of 41 is not among the raw scores from 1 to 40" in said
