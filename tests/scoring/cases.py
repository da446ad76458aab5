"""Cases of the passing score chooser that the server and the page must answer alike; `python -m tests.scoring.cases` writes them for the page."""

import json
import random
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from testing_platform.scoring import rules, together_rules

FILE = Path(__file__).parent / "js" / "cases.json"
TOGETHER = Path(__file__).parent / "js" / "together.json"


def worked_scores() -> list[int]:
    """412 candidates and 100 items, as in the worked example of the rules."""
    chance = random.Random(1229)
    found = []
    for _ in range(412):
        p = chance.betavariate(13.5, 6.2)
        found.append(sum(chance.random() < p for _ in range(100)))
    return found


WORKED = rules.histogram(worked_scores(), 100)
INPUTS: dict[str, tuple[list[int], dict[str, Any]]] = {
    "case A": (WORKED, {"vacancies_now": 18, "vacancies_expected": 42}),
    "case B": (WORKED, {"vacancies_now": 20, "vacancies_expected": 0}),
    "some already listed": (WORKED, {"vacancies_now": 18, "vacancies_expected": 42, "listed": 37}),
    "enough already listed": (WORKED, {"vacancies_now": 3, "vacancies_expected": 2, "listed": 400}),
    "more needed than tested": (WORKED, {"vacancies_now": 100, "vacancies_expected": 60, "show": "0.82"}),
    "odd rates": (WORKED, {"vacancies_now": 9, "vacancies_expected": 8, "attend": "0.8517", "reach": "0.7213", "appointed": "0.4547"}),
    "certain rates": (WORKED, {"vacancies_now": 50, "vacancies_expected": 0, "attend": "1", "reach": "1", "appointed": "1"}),
    "all have one score": ([0] * 30 + [50] + [0] * 30, {"vacancies_now": 5, "vacancies_expected": 0}),
    "nobody": ([0] * 61, {"vacancies_now": 5, "vacancies_expected": 0}),
    "no vacancies": (WORKED, {"vacancies_now": 0, "vacancies_expected": 0}),
    "all from past cases": (
        WORKED,
        {
            "vacancies_now": 18,
            "vacancies_expected": 42,
            "listed": 11,
            "attend_did": 170,
            "attend_of": 198,
            "reach_did": 123,
            "reach_of": 170,
            "appointed_did": 44,
            "appointed_of": 98,
        },
    ),
    "one from a few past cases": (WORKED, {"vacancies_now": 9, "vacancies_expected": 8, "appointed_did": 3, "appointed_of": 7}),
    "no vacancies, past cases": (WORKED, {"vacancies_now": 0, "vacancies_expected": 0, "reach_did": 0, "reach_of": 4}),
}


def ten_thousandths(rate: Decimal) -> int:
    return int(rate * 10000)


def told() -> list[dict[str, Any]]:
    policy = rules.Policy()
    found = []
    for name, (counts, said) in INPUTS.items():
        inputs = rules.Inputs.of(said)
        choice = rules.choose(counts, inputs, policy)
        found.append(
            {
                "name": name,
                "counts": counts,
                "inputs": {
                    "vacancies": inputs.vacancies,
                    "listed": inputs.listed,
                    **{rate: ten_thousandths(getattr(inputs, rate)) for rate in rules.RATES},
                    "past": {name: cases and [cases.did, cases.of] for name in rules.SHARES for cases in [inputs.cases(name)]},
                },
                "expected": {
                    "needed": {"eligibles": choice.needed.eligibles, "passers": choice.needed.passers},
                    "point": choice.point,
                    "assured": choice.assured,
                    "assuredCertain": choice.assured_certain,
                    "assuredPassers": choice.assured_passers,
                    "short": choice.short,
                    "inviteMore": choice.invite_more,
                    "semSquared": float(choice.statistics.sem_squared),
                    "within": [[cut, choice.statistics.within_sem(counts, cut)] for cut in (0, 40, 60)],
                    "rows": [
                        [
                            row.cut,
                            row.passers,
                            *(str(rules.rounded(Fraction(value), 1)) for value in (row.interviews, row.eligibles, row.appointments)),
                            *(str(rules.rounded(Fraction(value), 3)) for value in (row.probability, row.certain)),
                        ]
                        for row in choice.rows
                    ],
                },
            }
        )
    return found


def together() -> list[dict[str, Any]]:
    """Every choice of three others, one of them decided; some people took several of the tests."""
    chance, most = random.Random(7), {1: 40, 2: 55, 3: 1, 9: 50}
    marks = {number: {chance.randrange(260): chance.randint(0, greatest) for _ in range(90)} for number, greatest in most.items()}
    found = together_rules.groups({number: marks[number] for number in (1, 3, 9, 2)}, most)
    steps = {
        1: together_rules.Step([(raw, Fraction(5 * raw + 3, 4)) for raw in range(41)], False),
        2: together_rules.Step([(raw, Fraction(23 * raw, 20)) for raw in range(51)], True),
    }
    others: dict[int, together_rules.Other] = {
        number: together_rules.Other(together_rules.cuts([step], 50, most[number])) for number, step in steps.items()
    }
    others[3] = together_rules.Other(None, 11)
    cases = []
    for chosen in ([], [1], [2], [3], [1, 3], [2, 3], [1, 2, 3]):
        some = {number: others[number] for number in chosen}
        joined = together_rules.joined(9, 50, found, some)
        choice = rules.choose([0] * 51, rules.Inputs(12, 9), rules.Policy(), joined.supply, joined.fixed)
        cases.append(
            {
                "name": f"counted too: {chosen}",
                "here": 9,
                "most": 50,
                "groups": [{"took": group.took, "counts": group.counts} for group in found],
                "others": {number: {"cuts": other.cuts, "settled": other.settled} for number, other in some.items()},
                "inputs": {
                    "vacancies": 21,
                    "listed": 0,
                    **{rate: ten_thousandths(getattr(rules.Inputs, rate)) for rate in rules.RATES},
                    "past": dict.fromkeys(rules.SHARES),
                },
                "expected": {
                    "supply": joined.supply,
                    "fixed": joined.fixed,
                    "here": joined.here,
                    "others": joined.others,
                    "twice": joined.twice,
                    "point": choice.point,
                    "assured": choice.assured,
                    "rows": [[row.passers, row.at_cut, str(rules.rounded(Fraction(row.probability), 3))] for row in choice.rows],
                },
            }
        )
    return cases


def text(cases: list[dict[str, Any]]) -> str:
    return "[\n" + ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases) + "\n]\n"


if __name__ == "__main__":
    FILE.write_text(text(told()))
    TOGETHER.write_text(text(together()))
