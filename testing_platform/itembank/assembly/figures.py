"""What a form is expected to do, from what is known of its items. Each formula has its source in the docstring.

`share` is an item's expected share of right answers, `item_total` its correlation with the form's score.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Irt:
    """The three values of an item in the logistic model: discrimination, difficulty and lower asymptote."""

    a: float
    b: float
    c: float = 0.0

    def share(self, theta: float) -> float:
        """Birnbaum's model, P = c + (1 - c) / (1 + exp(-a(theta - b))) (Lord & Novick 1968, ch. 17), without the factor 1.7."""
        return self.c + (1 - self.c) / (1 + math.exp(-self.a * (theta - self.b)))

    def information(self, theta: float) -> float:
        """a² (Q/P) ((P - c) / (1 - c))² (Lord 1980, Applications of Item Response Theory, eq. 5-9, with a without the factor 1.7)."""
        right = self.share(theta)
        return self.a**2 * (1 - right) / right * ((right - self.c) / (1 - self.c)) ** 2


def mean(shares: Sequence[float]) -> float:
    """The mean difficulty: expected raw score over the number of items."""
    return math.fsum(shares) / len(shares)


def spread(shares: Sequence[float]) -> float:
    """The standard deviation of the difficulties, about their own mean, over the number of items."""
    middle = mean(shares)
    return math.sqrt(math.fsum((share - middle) ** 2 for share in shares) / len(shares))


def deviation(items: Iterable[tuple[float, float]]) -> float:
    """The expected standard deviation of raw scores: the sum of item_total · sqrt(p(1-p)) (Gulliksen 1950, Theory of Mental Tests, ch. 21)."""
    return math.fsum(item_total * math.sqrt(share * (1 - share)) for share, item_total in items)


def reliability(items: Sequence[tuple[float, float]]) -> float | None:
    """KR-20 with the expected figures: k/(k-1) · (1 - sum p(1-p) / SD²) (Kuder & Richardson 1937; Gulliksen 1950, ch. 21).

    None where it has no meaning: fewer than two items, or no expected spread of scores. A negative value says that the items hang together badly.
    """
    count, spread_of_scores = len(items), deviation(items)
    if count < 2 or spread_of_scores == 0:
        return None
    within = math.fsum(share * (1 - share) for share, _ in items)
    return count / (count - 1) * (1 - within / spread_of_scores**2)
