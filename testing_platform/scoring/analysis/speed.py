"""Whether the time was enough, and who did not try: rapid guesses, items not reached, and how much of what is not right was never come to.

Sources: Wise & Ma 2012 (thresholds of 10 % of an item's mean time, NT10, never above 10 s); Wise & Kong 2005 (response-time effort); Swineford 1956;
Gulliksen 1950, *Theory of Mental Tests*, ch. 17.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from testing_platform.scoring.analysis.classical import reached
from testing_platform.scoring.analysis.sheets import BLANK, Floats, Sheet


@dataclass(frozen=True)
class SpeedRules:
    """From where on time is held to have played a part. Each is a setting; the sources are those of the module."""

    rapid_share: float = 0.10  # a rapid guess took less than this share of the item's mean time …
    rapid_most: float = 10.0  # … which is never taken above so many seconds
    effort: float = 0.90  # the least share of answers that are no rapid guesses
    finish: float = 0.80  # Swineford: time was enough where so many came to the last item …
    reach: float = 0.75  # … and everybody came to this share of the items


@dataclass(frozen=True)
class ItemTime:
    """Seconds for which the item was in view, of those who answered it. `rapid` counts answers faster than `threshold`."""

    timed: int
    mean: float | None
    median: float | None
    threshold: float | None
    rapid: int


@dataclass(frozen=True)
class Speed:
    """`finished`, `reached` and `rapid` are shares; `gulliksen` is the variance of items not reached over that of items not right, both of counted items."""

    finished: float
    reached: float
    enough: bool
    mean_not_reached: float
    gulliksen: float | None
    timed: int
    rapid: float | None
    low_effort: int
    items: list[ItemTime]


def timed(sheet: Sheet, seconds: Floats) -> npt.NDArray[np.bool_]:
    """Whose answer to which item has its time."""
    found: npt.NDArray[np.bool_] = ~np.isnan(seconds) & (sheet.answers != BLANK)
    return found


def rapid_guesses(sheet: Sheet, seconds: Floats, rules: SpeedRules) -> tuple[npt.NDArray[np.bool_], list[ItemTime]]:
    """Which answers are rapid guesses, and the time of each item."""
    noted, by_item = np.ascontiguousarray(timed(sheet, seconds).T), np.ascontiguousarray(seconds.T)
    rapid, found = np.zeros(noted.shape, np.bool_), []
    for item, there in enumerate(noted):
        times = by_item[item, there]
        if not len(times):
            found.append(ItemTime(0, None, None, None, 0))
            continue
        mean = float(times.mean())
        threshold = min(rules.rapid_share * mean, rules.rapid_most)
        rapid[item, there] = times < threshold
        found.append(ItemTime(len(times), mean, float(np.median(times)), threshold, int(rapid[item].sum())))
    return rapid.T, found


def speed(sheet: Sheet, seconds: Floats, rules: SpeedRules | None = None) -> Speed:
    """`seconds`: for each candidate and item, NaN where no time was noted."""
    rules = rules or SpeedRules()
    n, items = sheet.in_order.shape
    last = reached(sheet)
    finished = float((last == items).mean())
    far = last >= rules.reach * items
    counted = np.zeros(len(sheet.items))
    counted[sheet.counted] = 1
    asked = counted[None, :] if sheet.order is None else counted[sheet.order]
    ahead = np.pad(np.cumsum(asked[:, ::-1], axis=1)[:, ::-1], ((0, 0), (0, 1)))  # counted items from each place on
    missed = ahead[0][last] if sheet.order is None else np.take_along_axis(ahead, last[:, None], axis=1)[:, 0]
    wrong = sheet.by_place.shape[1] - sheet.totals
    rapid, found = rapid_guesses(sheet, seconds, rules)
    noted = timed(sheet, seconds)
    each, fast = noted.sum(axis=1), rapid.sum(axis=1)
    heard = each > 0
    return Speed(
        finished=finished,
        reached=float(far.mean()),
        enough=finished >= rules.finish and bool(far.all()),
        mean_not_reached=float(missed.mean()),
        gulliksen=float(missed.var() / wrong.var()) if wrong.var() > 0 else None,
        timed=int(heard.sum()),
        rapid=float(fast.sum() / each.sum()) if heard.any() else None,
        low_effort=int((each[heard] - fast[heard] < rules.effort * each[heard]).sum()),
        items=found,
    )
