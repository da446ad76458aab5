"""How the options of an item are chosen from the lowest totals to the highest: the picture in which a wrong key is seen."""

from dataclasses import dataclass

import numpy as np

from testing_platform.scoring.analysis.sheets import BLANK, Sheet, Whole

GROUPS = 5


@dataclass(frozen=True)
class Group:
    """Candidates of neighbouring totals, all with the same total together, and the share of each option among them; "" for blanks."""

    low: int
    high: int
    n: int
    shares: dict[str, float]


def score_groups(totals: Whole, groups: int = GROUPS) -> Whole:
    """For each candidate the number of the group, from 0: that in which the middle of all who have this total stands."""
    counts = np.bincount(totals)
    middle = np.cumsum(counts) - counts / 2
    found: Whole = np.minimum(middle * groups // len(totals), groups - 1).astype(np.int64)[totals]
    return found


def traces(sheet: Sheet, item: int, groups: int = GROUPS) -> list[Group]:
    """The groups that somebody is in, from the lowest totals up."""
    had = sheet.had(item)
    totals, answers = sheet.totals[had], sheet.answers[had, item]
    where, width = score_groups(totals, groups), len(sheet.options) + 1
    chose = np.bincount(where * width + answers, minlength=groups * width).reshape(groups, width)
    codes = [BLANK, *sheet.used(item, chose.sum(axis=0)[1:])]
    found = []
    for group in np.flatnonzero(chose.sum(axis=1)).tolist():
        n = int(chose[group].sum())
        here = totals[where == group]
        shares = {("", *sheet.options)[code]: int(chose[group, code]) / n for code in codes}
        found.append(Group(int(here.min()), int(here.max()), n, shares))
    return found
