"""Similar answers: every pair counted the long way, copiers put in, and honest people left alone."""

import json
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from testing_platform.scoring.analysis import similarity as module
from testing_platform.scoring.analysis.refusals import CannotSay
from testing_platform.scoring.analysis.similarity import at_least, levels_of, similarity
from tests.scoring.analysis.data import made_up, sheet_of, write


def copied(n, items, seed, copiers):
    """Answers in which each copier has the first so many answers of the candidate before."""
    sheet = made_up(n, items, seed)
    answers = sheet.answers.copy()
    for row, count in copiers.items():
        answers[row, :count] = answers[row - 1, :count]
    return sheet_of(answers, [key[0] for key in sheet.keys])


@pytest.fixture(scope="module")
def small():
    return copied(230, 30, 4, {11: 27})


def test_every_pair_counted_one_by_one_gives_the_same_top(small):
    rules = module.Rules()
    levels = levels_of(small, rules)
    every = []
    for one, other in combinations(range(230), 2):
        chance = (levels.shares[levels.of[one]] * levels.shares[levels.of[other]]).sum(axis=1)
        same = sum(a == b != 0 for a, b in zip(small.answers[one].tolist(), small.answers[other].tolist(), strict=True))
        every.append(((same - chance.sum()) / (chance * (1 - chance)).sum() ** 0.5, same))
    found = similarity(small, 40)
    assert found.pairs == 230 * 229 // 2
    assert [pair.z for pair in found.top] == pytest.approx(sorted((z for z, _ in every), reverse=True)[:40])
    assert (found.top[0].a, found.top[0].b) == ("C11", "C12")


def test_blocks_smaller_than_strata_change_nothing(small, monkeypatch):
    whole = similarity(small, 60)
    monkeypatch.setattr(module, "BLOCK", 17)
    assert similarity(small, 60) == whole


def test_the_order_of_rows_does_not_matter(small):
    order = np.random.default_rng(3).permutation(230)
    again = sheet_of(small.answers[order], [key[0] for key in small.keys])
    again = type(again)(**{**again.__dict__, "candidates": tuple(small.candidates[row] for row in order)})
    one, other = similarity(small, 25), similarity(again, 25)
    assert [(pair.a, pair.b, pair.identical) for pair in one.top] == [(pair.a, pair.b, pair.identical) for pair in other.top]
    assert [pair.z for pair in one.top] == pytest.approx([pair.z for pair in other.top])


def test_the_shares_of_each_total_add_up_to_it_and_to_one_with_blanks():
    sheet = made_up(800, 30, 2, blanks=0)
    levels = levels_of(sheet, module.Rules())
    totals = np.unique(sheet.totals)
    assert levels.shares.sum(axis=2) == pytest.approx(np.ones((len(totals), 30)), abs=1e-9)
    keyed = sum(levels.shares[:, item, key[0] - 1] for item, key in enumerate(sheet.keys))
    assert keyed == pytest.approx(np.clip(totals, 0.5, 29.5), abs=1e-9)


def test_the_chance_of_as_many_is_exact():
    assert at_least(np.full(12, 0.3), 7) == pytest.approx(stats.binom.sf(6, 12, 0.3), rel=1e-12)
    chances = np.array([0.2, 0.5, 0.9])
    assert at_least(chances, 2) == pytest.approx(0.2 * 0.5 * 0.1 + 0.2 * 0.5 * 0.9 + 0.8 * 0.5 * 0.9 + 0.2 * 0.5 * 0.9)
    assert at_least(chances, 0) == 1


def test_identical_wrong_answers_are_counted_and_blanks_are_not_identical():
    found = similarity(sheet_of([[1, 2, 0, 3], [1, 2, 0, 3], [2, 1, 1, 1]], [1, 1, 1, 1]), 1).top[0]
    assert (found.a, found.b, found.identical, found.identical_wrong) == ("C1", "C2", 3, 2)


def test_of_honest_people_few_reach_any_level_and_a_copier_of_nine_tenths_is_found():
    """By chance one test in twenty has a pair that reaches .05 after the correction; twelve tests of honest people must not give three."""
    reached = sum(similarity(made_up(300, 60, seed), 1).top[0].p_adjusted < 0.05 for seed in range(12))
    assert reached <= 2
    found = similarity(copied(300, 60, 99, {50: 54}), 3).top[0]
    assert (found.a, found.b) == ("C50", "C51")
    assert found.p_adjusted < 1e-4


def test_omega_is_what_the_long_way_gives_and_its_chance_is_that_of_every_outcome(small):
    levels = levels_of(small, module.Rules())
    pair = similarity(small, 1, [("C11", "C12")]).top[0]
    said = {}
    for copier, source in ((10, 11), (11, 10)):
        shared, mean, square, law = 0, 0.0, 0.0, np.ones(1)
        for item in range(30):
            answer = small.answers[source, item]
            chance = 0.0 if answer == 0 else levels.shares[levels.of[copier], item, answer - 1]
            shared += answer != 0 and small.answers[copier, item] == answer
            mean, square, law = mean + chance, square + chance * (1 - chance), np.convolve(law, [1 - chance, chance])
        said[f"C{source + 1}"] = (shared - mean) / square**0.5, law[shared:].sum()
    source = max(said, key=lambda name: said[name][0])
    assert (pair.source, pair.omega) == (source, pytest.approx(said[source][0], abs=1e-12))
    assert (pair.p_omega, pair.omega_adjusted) == (pytest.approx(2 * said[source][1], rel=1e-9),) * 2
    assert pair.adjusted == pytest.approx(2 * min(pair.p_adjusted, pair.omega_adjusted))


def test_of_honest_people_omega_is_as_rare_as_it_says():
    """Of 1,500 pairs drawn by chance about 15 have a p below .01 for one way round; never many more."""
    sheet, chance = made_up(412, 60, 5), np.random.default_rng(5)
    levels = levels_of(sheet, module.Rules())
    found = module.omega(sheet, levels, *np.array([chance.choice(412, 2, replace=False) for _ in range(1500)]).T)
    assert abs(found.z.mean()) < 0.1
    assert (found.p < 0.01).sum() <= 25


def test_what_does_not_count_is_compared_and_is_no_part_of_the_level(small):
    sheet = replace(small, apart=frozenset({0, 3}))
    shares, totals = levels_of(sheet, module.Rules()).shares, np.unique(sheet.totals)
    keyed = sum(shares[:, item, sheet.keys[item][0] - 1] for item in sheet.counted)
    assert keyed == pytest.approx(np.clip(totals, 0.5, 27.5), abs=1e-9)
    assert similarity(sheet, 1).top[0].identical == similarity(small, 1).top[0].identical


@pytest.mark.parametrize(
    "rows", [[[0, 0]] * 3, [[1, 2]] * 3, [[1], [1], [2]], [[1, 0], [0, 2]]], ids=["blank", "the same", "one item", "two"]
)
def test_answers_that_say_nothing_give_no_lead(rows):
    found = similarity(sheet_of(rows, [1] * len(rows[0])), 5)
    assert found.pairs == len(found.top) == len(rows) * (len(rows) - 1) // 2
    assert all(pair.adjusted > 0.05 and np.isfinite(pair.z or 0.0) and np.isfinite(pair.omega or 0.0) for pair in found.top)


@pytest.fixture(scope="module")
def own():
    """Each was given 42 of 60 items, in an order of their own; candidate 51 has what 50 answered wherever both were asked."""
    sheet, chance = copied(240, 60, 7, {50: 60}), np.random.default_rng(7)
    order = np.argsort(chance.random(sheet.answers.shape), axis=1)[:, :42]
    answers = np.zeros_like(sheet.answers)
    np.put_along_axis(answers, order, np.take_along_axis(sheet.answers, order, axis=1), axis=1)
    return replace(sheet, answers=answers, order=order)


def test_forms_that_are_all_alike_have_the_pairs_of_one_form(small):
    alike = replace(small, order=np.tile(np.arange(30), (230, 1)))
    one, other = similarity(small, 40), similarity(alike, 40)
    assert [(pair.a, pair.b, pair.identical) for pair in one.top] == [(pair.a, pair.b, pair.identical) for pair in other.top]
    assert [pair.p_omega for pair in one.top] == pytest.approx([pair.p_omega for pair in other.top])


def test_where_forms_differ_what_both_were_asked_is_compared_and_the_copier_found(own, monkeypatch):
    levels, given = levels_of(own, module.Rules()), own.given
    every = []
    for one, other in combinations(range(240), 2):
        chance = np.where(given[one] & given[other], (levels.shares[levels.of[one]] * levels.shares[levels.of[other]]).sum(axis=1), 0)
        same = ((own.answers[one] == own.answers[other]) & (own.answers[one] != 0)).sum()
        every.append((same - chance.sum()) / (chance * (1 - chance)).sum() ** 0.5)
    monkeypatch.setattr(module, "BLOCK", 17)
    found = similarity(own, 40).top
    assert [pair.z for pair in found] == pytest.approx(sorted(every, reverse=True)[:40], abs=1e-6)
    (alike,) = (pair for pair in found if pair.adjusted < 0.05)
    assert (alike.a, alike.b, alike.identical) == ("C50", "C51", (given[49] & given[50]).sum())


def test_of_honest_people_with_forms_of_their_own_the_chances_are_as_rare_as_they_say(own):
    chance = np.random.default_rng(3)
    pairs = [(f"C{one + 1}", f"C{other + 1}") for one, other in (chance.choice(240, 2, replace=False) for _ in range(1200))]
    found = similarity(own, 1200, pairs).top
    assert sum(pair.p < 0.05 for pair in found) <= 0.06 * len(found)
    assert sum(pair.p_omega < 0.05 for pair in found) <= 0.06 * len(found)
    assert abs(np.mean([pair.z for pair in found])) < 0.15


def test_looking_at_neighbours_alone_finds_what_is_lost_among_all():
    sheet = copied(900, 60, 21, {70: 27})
    named = [(f"C{row}", f"C{row + 1}") for row in range(1, 900)]
    everyone, near = similarity(sheet, 1), similarity(sheet, 1, named)
    lost = near.top[0].p * everyone.pairs
    assert (near.top[0].a, near.top[0].b, near.pairs) == ("C70", "C71", 899)
    assert near.top[0].p_adjusted < 0.05 < lost
    assert near.top[0].by_chance == pytest.approx(899 * near.top[0].p)


def test_what_cannot_be_compared_is_refused(small):
    with pytest.raises(CannotSay):
        similarity(sheet_of([[1, 2]], [1, 1]), 1)
    with pytest.raises(CannotSay):
        similarity(small, 1, [("C1", "nobody")])


def test_the_command_prints_one_document_with_the_names_of_its_contract(command, small, tmp_path):
    responses, key = (str(path) for path in write(tmp_path, small))
    words = ["scoring", "similarity", "--responses", responses, "--key", key]
    document = json.loads(command(*words, "--top", "20", "--json").output)
    assert (document["pairs"], len(document["top"])) == (26335, 20)
    assert {"a", "b", "z", "identical", "identical_wrong", "p_adjusted", "omega", "source", "omega_adjusted"} <= document["top"][0].keys()
    (tmp_path / "pairs.csv").write_text("a,b\nC11,C12\nC1,C2\n")
    near = json.loads(command(*words, "--pairs", str(tmp_path / "pairs.csv"), "--json").output)
    assert (near["pairs"], near["top"][0]["a"]) == (2, "C11")
    assert "C11" in command(*words).output
    (tmp_path / "pairs.csv").write_text("a,b\nC11,\n")
    assert "pairs.csv, row 2, column b: there is nothing here" in command(*words, "--pairs", str(tmp_path / "pairs.csv"), code=1).output
