"""Anchor drift against sums written out, and an item that is known to have moved."""

import json

import numpy as np
import pytest
from scipy import stats

from testing_platform.scoring.analysis.drift import Rules, drift
from testing_platform.scoring.analysis.refusals import CannotSay
from tests.scoring.analysis.data import scored, write

ANCHOR = [f"I{number:02d}" for number in range(1, 13)]


def answers(shares, n=2000):
    """Exactly these shares are right."""
    return scored(np.array([[row < round(share * n) for share in shares] for row in range(n)], np.uint8))


@pytest.fixture(scope="module")
def shares():
    return np.linspace(0.35, 0.9, 12)


def later(shares, harder=0.3):
    """Everything is a little harder for the weaker group, and the fifth item much easier: it is known outside."""
    z = stats.norm.ppf(shares) - harder + np.resize([0.02, -0.05, 0.04, 0.0, -0.03], len(shares))
    z[4] += 1.2
    return stats.norm.cdf(z)


def test_the_item_that_is_known_outside_stands_out_alone(shares):
    found = drift(answers(shares), answers(later(shares)), ANCHOR)
    flagged = {one.item: one for one in found.items if one.flags}
    assert list(flagged) == ["I05"]
    assert flagged["I05"].flags == ["distance", "robust_z"]
    assert flagged["I05"].distance < -1.5
    assert flagged["I05"].robust_z < -1.645


def test_figures_are_those_written_out(shares):
    found = drift(answers(shares), answers(later(shares)), ANCHOR)
    x = 13 + 4 * stats.norm.ppf(1 - np.round(shares * 2000) / 2000)
    y = 13 + 4 * stats.norm.ppf(1 - np.round(later(shares) * 2000) / 2000)
    values, vectors = np.linalg.eigh(np.cov(x, y))
    slope = vectors[1, values.argmax()] / vectors[0, values.argmax()]
    assert found.slope == pytest.approx(slope)
    assert found.intercept == pytest.approx(y.mean() - slope * x.mean())
    assert found.r == pytest.approx(np.corrcoef(x, y)[0, 1])
    low, middle, high = np.percentile(y - x, [25, 50, 75])
    for place, one in enumerate(found.items):
        assert (one.delta_x, one.delta_y) == (pytest.approx(x[place]), pytest.approx(y[place]))
        assert one.distance == pytest.approx((y[place] - slope * x[place] - found.intercept) / np.hypot(slope, 1))
        assert one.robust_z == pytest.approx((y[place] - x[place] - middle) / (0.74 * (high - low)))


def test_it_does_not_matter_which_form_is_named_first(shares):
    there, back = (drift(answers(one), answers(other), ANCHOR) for one, other in ((shares, later(shares)), (later(shares), shares)))
    assert there.slope == pytest.approx(1 / back.slope)
    assert [one.distance for one in there.items] == pytest.approx([-one.distance for one in back.items])


def test_thresholds_are_settings_and_equal_moves_have_no_z(shares):
    assert not any(one.flags for one in drift(answers(shares), answers(later(shares)), ANCHOR, Rules(9, 99)).items)
    assert all(one.robust_z is None and abs(one.distance) < 1e-9 for one in drift(answers(shares), answers(shares), ANCHOR).items)


@pytest.mark.parametrize(
    ("anchor", "other", "why"),
    [
        (["I01", "I02", "Z9"], None, "no-such-anchor"),
        (["I01", "I02"], None, "few-shared"),
        (ANCHOR, [1.0, *np.linspace(0.35, 0.9, 11)], "no-spread"),
        (ANCHOR, np.linspace(0.9, 0.35, 12), "anchor-unrelated"),
    ],
)
def test_what_cannot_be_compared_is_refused(shares, anchor, other, why):
    with pytest.raises(CannotSay) as refused:
        drift(answers(shares), answers(shares if other is None else other), anchor)
    assert refused.value.facts["why"] == why


def test_the_command(shares, tmp_path, command):
    x, key_x = write(tmp_path, answers(shares, 200), "x.csv", "key-x.csv")
    y, key_y = write(tmp_path, answers(later(shares), 200), "y.csv", "key-y.csv")
    words = ["scoring", "drift", "--x", str(x), "--y", str(y), "--key-x", str(key_x), "--key-y", str(key_y), "--anchor"]
    document = json.loads(command(*words, ",".join(ANCHOR), "--json").output)
    assert [one["item"] for one in document["items"] if one["flags"]] == ["I05"]
    assert "distance, robust_z" in command(*words, ",".join(ANCHOR)).output
    assert "at least 3 shared items" in command(*words, "I01", code=1).output
