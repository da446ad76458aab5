"""The judges' line, and how surely the same people would pass again at each cut."""

from decimal import Decimal
from fractions import Fraction

import pytest

from testing_platform.scoring import judged
from testing_platform.scoring.again import again
from tests.scoring import cases

SLOTS = [1, 2, 3, 4]


def rounds(first, second=()):
    return {"first": dict(zip(SLOTS, first, strict=False)), "second": dict(second)}


def test_the_line_is_the_mean_of_the_judges_sums_and_its_error_theirs():
    ratings = {"A": rounds([50, 60, 70, 80], {1: 40}), "B": rounds([60, 60, 60, 60]), "C": rounds([80, 80, 80, 80], {4: 60})}
    found = judged.panel(ratings, {slot: ["b"] for slot in SLOTS})
    assert [(one.first, one.second, one.changed) for one in found.judges] == [
        (Fraction(13, 5), Fraction(5, 2), 1),
        (Fraction(12, 5), Fraction(12, 5), 0),
        (Fraction(16, 5), Fraction(3), 1),
    ]
    assert (found.first, found.mean, found.cut) == (Fraction(41, 15), Fraction(79, 30), 3)
    # Lines 2.5, 2.4 and 3.0: s² = 31/300, the error its root over the root of three.
    assert (found.variance, found.sd, found.se) == (Fraction(31, 300), Decimal("0.32"), Decimal("0.19"))
    assert [one.second for one in found.items] == [60, Fraction(200, 3), 70, Fraction(200, 3)]


@pytest.mark.parametrize(
    ("entry", "line"),
    # Dropped, it counts for nobody; right for all, it is right for the minimally competent too; with two keys it stays one item.
    [([], Fraction(9, 5)), (["*"], Fraction(14, 5)), (["a", "b"], Fraction(23, 10))],
)
def test_items_that_do_not_count_or_that_all_have_right(entry, line):
    found = judged.panel({"A": rounds([50, 60, 60, 60])}, {1: entry, 2: ["b"], 3: ["b"], 4: ["b"]})
    assert found.mean == line
    assert (found.variance, found.sd, found.se) == (None, None, None)


def test_a_judge_counts_once_every_item_that_counts_is_rated():
    key = {slot: ["b"] for slot in SLOTS}
    half = {"A": rounds([50, 60])}
    assert judged.panel(half, key) is None
    assert [one.name for one in judged.panel(half | {"B": rounds([50, 50, 50, 50])}, key).judges] == ["B"]
    assert judged.panel(half, key | {3: [], 4: []}).mean == Fraction(11, 10)


def test_a_cut_far_from_the_many_gives_the_same_result_again_and_one_amid_them_less_often():
    found = again(cases.WORKED, 67)
    assert found.at_cuts[0] == 1.0
    assert all(0.5 <= share <= 1 for share in found.at_cuts)
    assert min(range(101), key=lambda cut: found.at_cuts[cut]) in range(63, 73)
    assert found.at_cuts[30] > 0.999
    # Livingston and Lewis at the same cut, who let true scores be beta: near Subkoviak's, and a true score errs less than a second form.
    assert abs(found.consistency - found.at_cuts[67]) < 0.03
    assert found.accuracy > found.consistency


@pytest.mark.parametrize("counts", [[0] * 7, [0, 0, 0, 5, 0, 0, 0], [1, 0, 0, 0, 0, 0, 1]])
def test_without_a_reliability_nothing_is_said(counts):
    found = again(counts, 3)
    assert found.at_cuts == [None] * 7
    assert (found.consistency, found.accuracy) == (None, None)
