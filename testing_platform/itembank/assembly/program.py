"""A mixed-integer linear program, put together row by row and solved by HiGHS."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Term = tuple[int, float]

OPTIMAL, OUT_OF_TIME, INFEASIBLE = 0, 1, 2


@dataclass(frozen=True)
class Solution:
    """`values` is none where no solution was found; `bound` is what no solution can go below."""

    status: int
    values: Any
    objective: float
    bound: float

    @property
    def proved(self) -> bool:
        return self.status in (OPTIMAL, INFEASIBLE)


@dataclass
class Program:
    costs: list[float] = field(default_factory=list)
    whole: list[bool] = field(default_factory=list)
    uppers: list[float] = field(default_factory=list)
    lowers: list[float] = field(default_factory=list)
    _rows: list[int] = field(default_factory=list)
    _columns: list[int] = field(default_factory=list)
    _values: list[float] = field(default_factory=list)
    _least: list[float] = field(default_factory=list)
    _most: list[float] = field(default_factory=list)

    def variable(self, most: float = 1, *, least: float = 0, cost: float = 0, whole: bool = True) -> int:
        self.costs.append(cost)
        self.whole.append(whole)
        self.lowers.append(least)
        self.uppers.append(most)
        return len(self.costs) - 1

    def variables(self, count: int, most: float = 1) -> range:
        first = len(self.costs)
        self.costs += [0.0] * count
        self.whole += [True] * count
        self.lowers += [0.0] * count
        self.uppers += [most] * count
        return range(first, first + count)

    def row(self, terms: Iterable[Term], least: float = -math.inf, most: float = math.inf) -> None:
        """least ≤ sum of the terms ≤ most."""
        number = len(self._least)
        for column, value in terms:
            self._rows.append(number)
            self._columns.append(column)
            self._values.append(value)
        self._least.append(least)
        self._most.append(most)

    def solve(self, seconds: float, gap: float = 1e-9) -> Solution:
        # Imported here: a page that assembles nothing does not wait for it.
        from scipy.optimize import Bounds, LinearConstraint, milp
        from scipy.sparse import csr_array

        matrix = csr_array((self._values, (self._rows, self._columns)), shape=(len(self._least), len(self.costs)))
        found = milp(
            np.array(self.costs),
            integrality=np.array(self.whole, dtype=np.uint8),
            bounds=Bounds(np.array(self.lowers), np.array(self.uppers)),
            constraints=LinearConstraint(matrix, np.array(self._least), np.array(self._most)),
            options={"time_limit": seconds, "mip_rel_gap": gap, "presolve": True},
        )
        bound = found.mip_dual_bound if found.mip_dual_bound is not None else -math.inf
        return Solution(int(found.status), found.x, math.inf if found.x is None else float(found.fun), float(bound))


def chosen(values: Any, columns: Sequence[int]) -> list[int]:
    """The positions of `columns` whose variable is one."""
    return [at for at, column in enumerate(columns) if values[column] > 0.5]
