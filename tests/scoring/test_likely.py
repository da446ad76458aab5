"""Rates that are known from past cases only: the chance is held to another way of working it out, and to what must be true of it."""

import math
import random
import statistics
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from testing_platform.scoring import rules
from testing_platform.scoring.likely import Beta, Certain, Likely, Share
from testing_platform.scoring.rules import Inputs, Policy
from tests.scoring import cases

POLICY = Policy()
HALF = Fraction(1, 2)
of_cases = st.tuples(st.integers(0, 30), st.integers(0, 30)).map(lambda told: Beta(told[0] + HALF, told[1] + HALF))
shares = st.one_of(st.integers(1, 20).map(lambda twentieths: Certain(Fraction(twentieths, 20))), of_cases)


def moment(share: Share, power: int) -> Fraction:
    if isinstance(share, Certain):
        return share.value**power
    return math.prod((share.did + i) / (share.did + share.did_not + i) for i in range(power)) * Fraction(1)


def by_moments(passers: int, vacancies: int, chain: list[Share]) -> Fraction:
    """With nobody listed: 1 - sum over h < V of C(n, h) · E[s^h (1 - s)^(n - h)], s the product of the rates, its powers written out."""
    powers = [math.prod(moment(share, power) for share in chain) for power in range(passers + 1)]
    ways = (
        math.comb(passers, h) * sum((-1) ** j * math.comb(passers - h, j) * powers[h + j] for j in range(passers - h + 1))
        for h in range(min(vacancies, passers + 1))
    )
    return 1 - sum(ways, Fraction(0))


@given(passers=st.integers(0, 14), vacancies=st.integers(0, 8), chain=st.lists(shares, min_size=3, max_size=3))
@settings(max_examples=80, deadline=None)
def test_the_chance_is_the_integral_over_the_rates(passers, vacancies, chain):
    likely = Likely(passers, vacancies, 0, *chain)
    truth = by_moments(passers, vacancies, chain)
    assert likely.fraction(passers) == truth
    assert abs(Fraction(likely._values[passers]) - truth) <= Fraction(likely.bound) * truth
    assert abs(Fraction(likely.shown(passers)) - truth) <= Fraction(1, 10**6)
    for level in (Decimal("0.9"), Decimal("0.5"), Decimal("0.1234")):
        assert likely.reaches(passers, level) == (truth >= Fraction(level))


@given(most=st.integers(0, 12), vacancies=st.integers(0, 6), listed=st.integers(0, 6), chain=st.lists(shares, min_size=3, max_size=3))
@settings(max_examples=60, deadline=None)
def test_those_listed_share_the_last_rate_with_those_who_come(most, vacancies, listed, chain):
    likely = Likely(most, vacancies, listed, *chain)
    found = [likely.fraction(passers) for passers in range(most + 1)]
    # More who pass, more who are listed or fewer vacancies never make it less likely.
    assert found == sorted(found)
    assert Likely(most, vacancies, listed + 1, *chain).fraction(most) >= found[-1]
    assert Likely(most, vacancies + 1, listed, *chain).fraction(most) <= found[-1]
    for passers, truth in enumerate(found):
        assert abs(Fraction(likely._values[passers]) - truth) <= Fraction(likely.bound) * truth


def test_rates_that_are_certain_give_what_the_exact_chances_give():
    inputs = Inputs(18, 42, 37)
    certain, likely = rules.Chances(412, inputs), rules.likely(412, inputs, POLICY)
    assert [likely.shown(n) for n in range(0, 413, 7)] == [certain.shown(n) for n in range(0, 413, 7)]


def with_cases(times: int, **more: int) -> Inputs:
    """Rates of 0.85, 0.72 and 0.45, out of ever more cases."""
    told = {"attend": (17, 20), "reach": (18, 25), "appointed": (9, 20)}
    counts = {f"{name}_{which}": part * times for name, pair in told.items() for which, part in zip(("did", "of"), pair, strict=True)}
    return Inputs.of({"vacancies_now": 18, "vacancies_expected": 42, **counts, **more})


def test_the_fewer_the_cases_the_more_have_to_pass():
    needed = [rules.choose(cases.WORKED, with_cases(times), POLICY).assured_passers for times in (5, 20, 100, 5000)]
    assert needed == sorted(needed, reverse=True)
    assert needed[0] > needed[-1] + 20
    # With a hundred thousand cases nothing is in doubt any more: the 249 of rates taken as certain.
    assert needed[-1] in (249, 250)


def test_cases_lower_the_assured_cut_and_leave_the_other_where_it_was():
    inputs = with_cases(2)
    told = rules.choose(cases.WORKED, inputs, POLICY)
    bare = rules.choose(cases.WORKED, Inputs(18, 42, 0, inputs.attend, inputs.reach, inputs.appointed), POLICY)
    assert told.assured < told.assured_certain == bare.assured == bare.assured_certain
    assert [row.certain for row in told.rows] == [row.probability for row in bare.rows]
    assert told.point == bare.point


@given(passers=st.integers(1, 40), chain=st.lists(of_cases, min_size=3, max_size=3))
@settings(max_examples=40, deadline=None)
def test_one_vacancy_is_never_likelier_filled_for_not_knowing_the_rates(passers, chain):
    """1 - (1 - s)^n is concave in s (Jensen). Of several vacancies that is not true: where they are hardly filled, doubt helps."""
    mean = Fraction(math.prod(share.did / (share.did + share.did_not) for share in chain))
    likely = Likely(passers, 1, 0, *chain)
    assert likely._values[passers] <= float(1 - (1 - mean) ** passers) + 1e-9


def test_doubt_helps_where_the_vacancies_are_hardly_filled():
    told = with_cases(1)
    assert float(rules.likely(150, told, POLICY).shown(150)) > float(rules.Chances(150, told).shown(150))


def test_a_chance_at_the_assurance_exactly_reaches_it():
    # 4 of 4: the next one does with (4 + 1/2) / (4 + 1) = 0.9.
    likely = Likely(1, 1, 0, Beta(4 + HALF, HALF), Certain(Fraction(1)), Certain(Fraction(1)))
    assert likely.reaches(1, Decimal("0.9"))
    assert not likely.reaches(1, Decimal("0.9000001"))


def test_the_bound_on_the_error_is_far_below_what_is_shown():
    assert rules.likely(412, with_cases(1), POLICY).bound < 1e-11


def promised_and_true(policy: Policy, number: int) -> tuple[float, float] | None:
    """Of the shortest list that is promised at the assurance what was promised, and its chance by the true rates, which are drawn from Beta(6, 4)."""
    chance = random.Random(number)
    rates = [chance.betavariate(6, 4) for _ in rules.SHARES]
    of, told = (3, 8, 20)[number % 3], {}
    for name, rate in zip(rules.SHARES, rates, strict=True):
        did = sum(chance.random() < rate for _ in range(of))
        told |= {f"{name}_did": did, f"{name}_of": of}
        of = did
    vacancies, most = chance.randint(1, 2), 30
    likely = rules.likely(most, Inputs.of({"vacancies_now": vacancies, "vacancies_expected": 0, **told}), policy)
    passers = next((n for n, value in enumerate(likely._values) if value >= policy.assurance), None)
    if passers is None:
        return None
    share = math.prod(rates)
    return likely._values[passers], 1 - sum(math.comb(passers, h) * share**h * (1 - share) ** (passers - h) for h in range(vacancies))


def test_where_true_rates_are_drawn_from_the_prior_lists_suffice_as_often_as_promised():
    """And oftener where the prior thinks worse of the rates than they are."""
    found = []
    for prior in ((6, 4), (4, 6)):
        policy = replace(POLICY, prior_did=Decimal(prior[0]), prior_not=Decimal(prior[1]))
        pairs = [pair for number in range(800) if (pair := promised_and_true(policy, number))]
        gaps = [true - promised for promised, true in pairs]
        found.append((len(pairs), statistics.fmean(gaps), statistics.stdev(gaps) / math.sqrt(len(pairs))))
    (kept, gap, error), (_, wrong, wrong_error) = found
    assert kept > 700
    assert abs(gap) < 2.5 * error < 0.01
    assert wrong > 5 * wrong_error
