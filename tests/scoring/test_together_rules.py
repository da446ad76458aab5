"""Several administrations counted together, against counting person by person."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testing_platform.scoring import rules
from testing_platform.scoring.together_rules import Other, Step, cuts, groups, joined, path, reached

HERE, MOST = 5, 12


def identity(most):
    return Step([(raw, Fraction(raw)) for raw in range(most + 1)], True)


@st.composite
def steps(draw):
    """A step between forms of up to twenty items, of which the worths may even fall."""
    most = draw(st.integers(1, 20))
    worths = draw(st.lists(st.floats(-3, 25, allow_nan=False), min_size=most + 1, max_size=most + 1))
    return Step([(raw, Fraction(worth)) for raw, worth in enumerate(worths)], draw(st.booleans()))


@st.composite
def situations(draw):
    """Marks of some people in this administration and up to three others, two of them moving, in any order of their dates."""
    order = draw(st.permutations([HERE, 1, 2, 3]))
    most = {HERE: MOST, 1: draw(st.integers(1, 15)), 2: draw(st.integers(1, 15)), 3: 1}
    people = st.integers(1, 25)
    marks = {number: draw(st.dictionaries(people, st.integers(0, most[number]))) for number in order}
    ways = {number: draw(st.lists(steps(), max_size=2)) for number in (1, 2)}
    others = {number: Other(cuts(ways[number], MOST, most[number])) for number in (1, 2)} | {3: Other(None, draw(st.integers(0, 6)))}
    return marks, most, {number: others[number] for number in draw(st.sets(st.sampled_from([1, 2, 3])))}


@given(situations())
def test_a_count_is_that_of_the_people_one_by_one_and_nobody_is_in_it_twice(situation):
    marks, most, others = situation
    found = joined(HERE, MOST, groups(marks, most), others)
    newest = {}
    for number, of in marks.items():
        if number in (HERE, *others):
            newest |= dict.fromkeys(of, number)
    for cut in range(MOST + 1):
        here = sum(marks[HERE][person] >= cut for person, number in newest.items() if number == HERE)
        there = {
            number: sum(marks[number][person] >= other.cuts[cut] for person, at in newest.items() if at == number)
            if other.cuts
            else max(0, sum(marks[number][person] for person, at in newest.items() if at == number) - other.settled)
            for number, other in others.items()
        }
        assert (found.here[cut], {number: passers[cut] for number, passers in found.others.items()}) == (here, there)
        assert sum(found.supply[cut:]) + found.fixed == here + sum(there.values())
    decided = 3 in others
    assert found.taken <= len(newest)
    assert decided or found.taken == len(newest)
    assert found.twice == sum(sum(person in marks[number] for number in (HERE, *others)) > 1 for person in newest)
    assert min(found.supply) >= 0


@given(st.lists(steps(), max_size=3), st.integers(1, 40), st.integers(1, 40))
def test_a_cut_there_never_falls_while_the_cut_here_rises(way, here, there):
    found = cuts(way, here, there)
    assert found[0] == 0
    assert found == sorted(found)
    assert set(found) <= set(range(there + 2))


@given(steps(), st.integers(1, 25))
def test_there_and_back_by_one_equating_is_the_lowest_score_that_is_worth_it(step, cut):
    """From the later form to the earlier one: who is at the cut there is worth the cut here, and who is one below is not."""
    back = Step(step.table, False)
    most = len(step.table) - 1
    at = cuts([back], cut, most)[cut]
    worth = [max(worth for _, worth in step.table[: raw + 1]) for raw in range(most + 1)]
    near = Fraction(1, 10**6)
    assert at == most + 1 or worth[at] >= cut - near
    assert at == 0 or worth[at - 1] < cut + near


@given(st.lists(st.integers(0, MOST), max_size=60), st.data())
def test_two_halves_of_one_administration_give_the_very_table_of_the_whole(scores, data):
    half = data.draw(st.integers(0, len(scores)))
    marks = {1: dict(enumerate(scores[:half])), HERE: dict(enumerate(scores[half:], half))}
    same = {1: Other(cuts([identity(MOST)], MOST, MOST))}
    found = joined(HERE, MOST, groups(marks, {1: MOST, HERE: MOST}), same)
    inputs, policy = rules.Inputs(3, 2, listed=1), rules.Policy()
    whole = rules.choose(rules.histogram(scores, MOST), inputs, policy)
    both = rules.choose(rules.histogram(scores[half:], MOST), inputs, policy, found.supply, found.fixed)
    assert both.rows == whole.rows
    assert (both.point, both.assured, both.assured_passers, both.short) == (whole.point, whole.assured, whole.assured_passers, whole.short)


def test_who_passed_a_decided_one_counts_at_every_cut_and_is_at_none():
    found = joined(HERE, 2, groups({3: {1: 1, 2: 1, 3: 0, 4: 1}, HERE: {4: 0, 5: 2}}, {3: 1, HERE: 2}), {3: Other(None, 1)})
    assert (found.supply, found.fixed, found.twice) == ([1, 0, 1], 1, 1)
    choice = rules.choose([1, 0, 1], rules.Inputs(1, 0), rules.Policy(), found.supply, found.fixed)
    assert [(row.passers, row.at_cut) for row in choice.rows] == [(3, 1), (2, 0), (2, 1)]
    assert choice.statistics.taken == 2


@pytest.mark.parametrize(
    ("forward", "score", "expected"),
    [
        (True, 0, Fraction(1, 2)),
        (True, Fraction(1, 2), Fraction(1)),
        (True, 3, None),
        (False, 0, 0),
        (False, Fraction(1), Fraction(1, 2)),
        (False, Fraction(3, 2), 1),
        (False, 4, None),
    ],
)
def test_a_step_goes_between_whole_scores_and_back(forward, score, expected):
    """0, 1 and 2 are worth ½, 1½ and, once a fall is taken out, 1½."""
    step = Step([(0, Fraction(1, 2)), (1, Fraction(3, 2)), (2, Fraction(1))], forward)
    assert step(Fraction(score)) == expected


def test_a_way_over_two_equatings_is_rounded_once():
    half = Step([(raw, Fraction(2 * raw + 1, 2)) for raw in range(11)], True)
    assert path([half, half], 3) == [3, Fraction(7, 2), 4]
    assert cuts([half, half], 8, 11)[1:] == [2, 3, 4, 5, 6, 7, 8, 9]
    assert cuts([half], 8, 11)[1:] == [2, 3, 4, 5, 6, 7, 8, 9]


def test_a_worth_that_the_machine_rounded_is_the_whole_score():
    assert [reached(Fraction(worth), 10) for worth in (4.0000000001, 4.000001, -2.0, 10.5)] == [4, 5, 0, 11]
