"""Adverse impact against scipy and statsmodels, and against the cases of the books."""

import json
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from scipy import stats
from statsmodels.stats.contingency_tables import StratifiedTable
from statsmodels.stats.proportion import proportions_ztest

from testing_platform.scoring.analysis.impact import ImpactRules, below, flips, impact
from testing_platform.scoring.analysis.sheets import Count
from testing_platform.scoring.analysis.tables import fisher


def groups(*of):
    return {one.group: one for one in impact([Count(*group) for group in of]).groups}


def test_connecticut_v_teal():
    """457 U.S. 440 (1982): 26 of 48 and 206 of 259 passed the written test, 68 percent of the others' rate."""
    found = groups(("Black", 48, 26), ("white", 259, 206))
    black = found["Black"]
    assert (round(float(black.exact_ratio), 3), black.below_four_fifths) == (0.681, True)
    assert black.z == pytest.approx(-3.76, abs=0.005)
    assert black.p_fisher == pytest.approx(0.00040, abs=5e-6)
    assert (found["white"].exact_ratio, found["white"].below_four_fifths, found["white"].z) == (1, False, None)


def test_the_example_of_the_questions_and_answers_on_the_guidelines():
    """44 FR 11996, Q&A 12: 48 of 80 white and 12 of 40 Black applicants hired; 30 is one half of 60 percent."""
    black = groups(("white", 80, 48), ("Black", 40, 12))["Black"]
    assert (black.exact_rate, black.exact_ratio, black.below_four_fifths) == (Fraction(3, 10), Fraction(1, 2), True)
    assert black.shortfall == 12


@pytest.mark.parametrize(
    ("group", "ratio", "p", "flagged", "small"),
    [("G2", 0.814, 0.040, False, False), ("G3", 0.711, 0.0036, True, False), ("G4", 0.572, 0.012, True, True)],
)
def test_four_groups_of_a_city(group, ratio, p, flagged, small):
    found = groups(("G1", 180, 118), ("G2", 120, 64), ("G3", 88, 41), ("G4", 24, 9))[group]
    assert float(found.exact_ratio) == pytest.approx(ratio, abs=5e-4)
    assert found.p_fisher == pytest.approx(p, abs=6e-4)
    assert (found.below_four_fifths, found.small) == (flagged, small)


def test_exactly_four_fifths_is_not_below_it():
    """As numbers with a point, (6/10) / (15/20) falls below .8."""
    assert (6 / 10) / (15 / 20) < 0.8
    assert not below(Count("a", 10, 6), Count("b", 20, 15), Fraction(4, 5))


def test_a_group_of_less_than_two_in_a_hundred_gets_numbers_and_no_verdict_and_is_no_reference():
    found = impact([Count("many", 1000, 500), Count("few", 10, 10)])
    few = found.groups[1]
    assert (found.reference, few.below_four_fifths) == ("many", None)
    assert few.p_fisher is not None


@pytest.mark.parametrize(
    ("group", "reference", "flipped"),
    [
        ((20, 9), (20, 10), True),
        ((20, 8), (20, 10), False),
        ((20, 10), (20, 10), False),
        ((20, 11), (20, 10), False),
        ((5, 0), (9, 0), False),
    ],
)
def test_flip(group, reference, flipped):
    assert flips(Count("a", *group), Count("b", *reference)) is flipped


NUMBERS = some.integers(1, 120).flatmap(lambda n: some.tuples(some.just(n), some.integers(0, n)))


@given(NUMBERS, NUMBERS)
@settings(max_examples=150, deadline=None)
def test_every_table_has_the_figures_of_scipy_and_statsmodels(one, other):
    (n, passed), (of, right) = one, other
    p, mid = fisher(passed, n - passed, right, of - right)
    assert float(p) == pytest.approx(stats.fisher_exact([[passed, n - passed], [right, of - right]])[1], abs=1e-9)
    assert p - mid == Fraction(1, 2) * Fraction(*exact_chance(n, passed, of, right))
    found = impact([Count("a", n, passed), Count("b", of, right)], "b").groups[0]
    if 0 < passed + right < n + of:
        z, p_z = proportions_ztest([passed, right], [n, of])
        assert [found.z, found.p_z] == pytest.approx([z, p_z], abs=1e-9)
        law = stats.hypergeom(n + of, passed + right, n)
        assert found.sd == pytest.approx((passed - law.mean()) / law.std(), abs=1e-9)
        assert found.phi == pytest.approx(
            np.corrcoef([0] * n + [1] * of, [0] * (n - passed) + [1] * passed + [0] * (of - right) + [1] * right)[0, 1] * -1, abs=1e-9
        )
    else:
        assert found.z is None


def exact_chance(n, passed, of, right):
    from math import comb

    return comb(n, passed) * comb(of, right), comb(n + of, passed + right)


def test_over_administrations_the_figures_are_those_of_statsmodels():
    days = [((40, 20), (60, 41)), ((55, 18), (80, 44)), ((31, 22), (45, 30))]
    counts = [Count(name, n, passed, str(day)) for day, pair in enumerate(days) for name, (n, passed) in zip(("a", "b"), pair, strict=True)]
    found = impact(counts, "b").pooled[0]
    tables = StratifiedTable([np.array([[p, n - p], [r, m - r]]) for (n, p), (m, r) in days])
    tested = tables.test_null_odds(correction=True)
    assert [found.odds, found.chi2, found.p] == pytest.approx([tables.oddsratio_pooled, tested.statistic, tested.pvalue], abs=1e-9)
    alike = tables.test_equal_odds()
    assert [found.breslow_day, found.p_breslow_day] == pytest.approx([alike.statistic, alike.pvalue], abs=1e-9)
    assert impact(counts[:2]).pooled == []


def test_the_ratio_interval_holds_the_ratio_and_widens_with_its_level():
    narrow, wide = (impact([Count("a", 50, 20), Count("b", 80, 48)], rules=ImpactRules(interval_z=z)).groups[0] for z in (1.0, 2.0))
    assert wide.ratio_interval[0] < narrow.ratio_interval[0] < narrow.exact_ratio < narrow.ratio_interval[1] < wide.ratio_interval[1]


def test_the_command_prints_one_document_with_the_names_of_its_contract(command, tmp_path):
    file = tmp_path / "counts.csv"
    file.write_text("group,n,passed\nG1,180,118\nG2,120,64\n")
    document = json.loads(command("scoring", "impact", "--counts", str(file), "--json").output)
    assert {"group", "rate", "ratio", "below_four_fifths", "z", "p_z", "p_fisher", "p_mid", "flip"} <= document["groups"][1].keys()
    assert document["groups"][1]["rate"] == 64 / 120
    shown = command("scoring", "impact", "--counts", str(file)).output.splitlines()
    assert shown[2].split()[:5] == ["G2", "120", "64", "0.5333", "0.8136"]
    assert (
        "there is no group G9; there are G1, G2" in command("scoring", "impact", "--counts", str(file), "--reference", "G9", code=1).output
    )


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ("a,10,5\nb,ten,5\n", "row 3, column n: “ten” is no whole number"),
        ("a,10,5\nb,10,11\n", "row 3, column passed: 11 passed of 10"),
        ("a,10,5\na,10,5\n", "row 3, column group: the group a was there before"),
        ("a,10,5\nb,0,0\n", "row 3, column n: a group of nobody has no rate"),
        ("a,10,5\n", "names one group alone"),
        ("a,10,5\n,10,5\n", "row 3, column group: there is nothing here"),
    ],
)
def test_a_faulty_file_is_named_with_row_and_column(command, tmp_path, rows, sentence):
    file = tmp_path / "counts.csv"
    file.write_text("group,n,passed\n" + rows)
    assert sentence in command("scoring", "impact", "--counts", str(file), code=1).output
