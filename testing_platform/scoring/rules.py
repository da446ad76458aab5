"""How a key scores, what its items look like, and the passing score chooser.

Whatever decides who passes is whole-number arithmetic: raw scores are integers, rates are decimals taken as the exact fractions they are, and a
probability is compared with its limit by multiplying out.
"""

import math
from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from enum import StrEnum
from fractions import Fraction
from functools import partial
from itertools import repeat
from typing import Any

from testing_platform import errors
from testing_platform.scoring.likely import Beta, Certain, Likely, Share

# An entry of a key: the options that are right. No option: the slot is dropped and lowers the maximum. EVERYONE: each candidate has it right.
Entries = Mapping[int, Sequence[str]]
DROPPED: tuple[str, ...] = ()
EVERYONE = "*"


class ReasonMissing(errors.Refusal):
    code = "reason-needed"


class FaultyKey(errors.Refusal):
    """An entry names an option that the item does not have, or the slot is not on the form."""

    code = "faulty-key"


class SameKey(errors.Refusal):
    """The change changes nothing."""

    code = "same-key"


class FaultyInputs(errors.Refusal):
    """`name` says which number cannot be used, `why` what is wrong with it."""

    code = "faulty-inputs"


class FaultyCut(errors.Refusal):
    code = "faulty-cut"


def check_entry(options: Sequence[str], chosen: Sequence[str]) -> list[str]:
    """The entry in its one spelling: in the item's order, each option once. Raises FaultyKey."""
    if list(chosen) == [EVERYONE]:
        return [EVERYONE]
    if not set(chosen) <= set(options):
        raise FaultyKey(unknown=sorted(set(chosen) - set(options)))
    return [option for option in options if option in set(chosen)]


def is_right(entry: Sequence[str], option: str | None) -> bool:
    return EVERYONE in entry or (option is not None and option in entry)


def maximum(entries: Entries) -> int:
    """The greatest raw score: dropped slots do not count."""
    return sum(1 for entry in entries.values() if entry)


def raw_score(entries: Entries, chosen: Mapping[int, str], given: Iterable[int] | None = None) -> int:
    """Items right, of the slots that were given: all of them where nothing else is said."""
    return sum(is_right(entries.get(slot, DROPPED), chosen.get(slot)) for slot in (entries if given is None else given))


def histogram(scores: Iterable[int], most: int) -> list[int]:
    """How many have each raw score, from 0 to the maximum."""
    counts = [0] * (most + 1)
    for score in scores:
        counts[score] += 1
    return counts


# --- rulings on the key ---------------------------------------------------------------------------------------------------------------------


class Ruling(StrEnum):
    """What is ruled about the key of one item, once candidates have answered it."""

    CHANGE = "change"  # these answers are right, in place of those that were
    ALSO = "also"  # these answers are right too
    CREDIT = "credit"  # every candidate has it right, those too who left it blank
    DROP = "drop"  # it counts for nobody, and the greatest raw score is one less


def ruled(before: Sequence[str], how: Ruling, answers: Sequence[str]) -> list[str]:
    """The entry that a ruling makes out of the one before; `answers` are those that it names."""
    match how:
        case Ruling.DROP:
            return list(DROPPED)
        case Ruling.CREDIT:
            return [EVERYONE]
        case Ruling.ALSO if EVERYONE not in before:
            return list(dict.fromkeys([*before, *answers]))
    return list(answers)


def ruling_between(before: Sequence[str], after: Sequence[str]) -> Ruling:
    """What a change amounts to, whatever it was called: the entries decide."""
    if not after:
        return Ruling.DROP
    if EVERYONE in after:
        return Ruling.CREDIT
    return Ruling.ALSO if before and set(before) < set(after) else Ruling.CHANGE


@dataclass(frozen=True)
class Shift:
    """What other raw scores do at one cut: how many pass before and after, and how many move either way."""

    cut: int
    passed: int
    passes: int
    gained: int  # fail → pass
    lost: int  # pass → fail


@dataclass(frozen=True)
class Rescoring:
    """Raw scores by two keys, of those who have both. `before` and `after` are the greatest raw scores."""

    up: int
    down: int
    same: int
    before: int
    after: int
    shifts: list[Shift]


def rescoring(before: Mapping[int, int], after: Mapping[int, int], maxima: tuple[int, int], cuts: Iterable[int]) -> Rescoring:
    """Both directions, by attempt, at each of the cuts as they stand: a cut is a raw score and does not move with the maximum."""
    pairs = [(before[attempt], after[attempt]) for attempt in before.keys() & after.keys()]
    up, down = sum(new > old for old, new in pairs), sum(new < old for old, new in pairs)
    shifts = [
        Shift(
            cut,
            sum(old >= cut for old, _ in pairs),
            sum(new >= cut for _, new in pairs),
            sum(old < cut <= new for old, new in pairs),
            sum(new < cut <= old for old, new in pairs),
        )
        for cut in cuts
    ]
    return Rescoring(up, down, len(pairs) - up - down, *maxima, shifts)


class Change(StrEnum):
    """What a superseding decision does to one result."""

    GAINED = "gained"  # did not pass, and passes now
    LOST = "lost"  # passed, and does not pass any more
    HELD = "held"  # passed, is below the cut now, and keeps the result: held harmless
    NEW = "new"  # had no result
    GONE = "gone"  # had a result, and the test is not scored any more
    NONE = "none"


def outcome(raw: int, cut: int, before: str | None, hold_harmless: bool) -> tuple[str, bool]:
    """PASS or FAIL, and whether it is PASS because nobody who passed is taken back."""
    if raw >= cut:
        return "PASS", False
    held = hold_harmless and before == "PASS"
    return ("PASS", True) if held else ("FAIL", False)


def change_between(before: str | None, after: str | None, held: bool) -> Change:
    if held:
        return Change.HELD
    if before == after:
        return Change.NONE
    if before is None:
        return Change.NEW
    if after is None:
        return Change.GONE
    return Change.GAINED if after == "PASS" else Change.LOST


REVIEW_SOURCES = {
    "experts": "the department's choice: two subject experts, so that one may differ (docs/scoring.md, The key review panel)",
    "hold_harmless": "the department's choice, on the side of those who were told that they passed (docs/scoring.md, Hold harmless)",
}


@dataclass(frozen=True)
class KeyReview:
    """The rules of the key review, which the bulletin's `[policy.key_review]` may set."""

    experts: int = 2
    hold_harmless: bool = True  # whoever passed keeps the result through a rescoring, unless the decision says otherwise
    sources: Mapping[str, str] = field(default_factory=lambda: dict(REVIEW_SOURCES))

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> "KeyReview":
        """Raises FaultyInputs for a number of experts that cannot be one."""
        said = {name: settings[name] for name in REVIEW_SOURCES if name in settings}
        if not 1 <= int(said.get("experts", cls.experts)) <= 9:
            raise FaultyInputs(name="experts", value=str(said["experts"])[:40], why="not-a-count")
        return cls(**said, sources=REVIEW_SOURCES | {name: settings.get("source", REVIEW_SOURCES[name]) for name in said})


class Verdict(StrEnum):
    """What a subject expert says of an item without having seen its key."""

    KEEP = "keep"  # it stays in the test, with these answers
    DROP = "drop"


def agree(rulings: Sequence[tuple[str, Sequence[str]]]) -> bool:
    """Whether all experts said the same: the same verdict, and where the item stays the same answers."""
    return len({(verdict, frozenset(answers) if verdict == Verdict.KEEP else None) for verdict, answers in rulings}) <= 1


# --- items ---------------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SlotFigures:
    """What the candidates did with one slot, and why a person should look at its key, if they should."""

    slot: int
    counts: dict[str, int]
    omitted: int
    right: int
    taken: int
    item_rest: float | None
    reasons: tuple[str, ...]  # key_not_first | item_rest_negative

    @property
    def difficulty(self) -> float | None:
        """The share of candidates who have it right, p."""
        return self.right / self.taken if self.taken else None


def slot_figures(
    entries: Entries,
    options: Mapping[int, Sequence[str]],
    sheets: Sequence[Mapping[int, str]],
    small_group: int,
    given: Sequence[Collection[int]] | None = None,
) -> list[SlotFigures]:
    """Option counts, difficulty and the item-rest correlation of each slot. `given`: for each sheet its slots, where not everybody was given all.

    The item-rest correlation is Pearson's between right or wrong (1, 0) and the raw score without this item. It is not taken for fewer than
    `small_group` candidates, nor where everyone or no one is right. A slot is to be looked at when an option that is not keyed was chosen more
    often than every keyed one, or when those who have it right did worse on the rest.
    """
    everybody = [(sheet, slots, raw_score(entries, sheet, slots)) for sheet, slots in zip(sheets, given or repeat(None), strict=False)]
    found = []
    for slot, answers in options.items():
        had = [(sheet, total) for sheet, slots, total in everybody if slots is None or slot in slots]
        entry = entries.get(slot, DROPPED)
        counts = dict.fromkeys(answers, 0)
        right = [is_right(entry, sheet.get(slot)) for sheet, _ in had]
        for sheet, _ in had:
            option = sheet.get(slot)
            if option in counts:
                counts[option] += 1
        reasons = []
        judged = bool(entry) and EVERYONE not in entry
        keyed = max((counts[option] for option in entry if option in counts), default=0)
        if judged and any(count > keyed for option, count in counts.items() if option not in entry):
            reasons.append("key_not_first")
        item_rest = correlation(right, [total - one for (_, total), one in zip(had, right, strict=True)]) if judged else None
        if len(had) < small_group:
            item_rest = None
        if item_rest is not None and item_rest < 0:
            reasons.append("item_rest_negative")
        found.append(SlotFigures(slot, counts, len(had) - sum(counts.values()), sum(right), len(had), item_rest, tuple(reasons)))
    return found


def correlation(ones: Sequence[int], others: Sequence[int]) -> float | None:
    """Pearson's correlation out of whole-number sums; none where one of the two does not vary."""
    n = len(ones)
    sum_x, sum_y = sum(ones), sum(others)
    xx = n * sum(x * x for x in ones) - sum_x * sum_x
    yy = n * sum(y * y for y in others) - sum_y * sum_y
    if not xx or not yy:
        return None
    xy = n * sum(x * y for x, y in zip(ones, others, strict=True)) - sum_x * sum_y
    return xy / math.sqrt(xx * yy)


# --- the passing score chooser -------------------------------------------------------------------------------------------------------------

SOURCES = {
    "assurance": "the department's choice: nine times in ten the vacancies are filled (docs/scoring.md, The chooser)",
    "extra_names": "practice of certification: a department may consider at least five names more than it has vacancies (docs/scoring.md, The chooser)",
    "horizon_months": "bulletin, passing score paragraph: eligibles for two years",
    "reference_percent": "bulletin, passing score paragraph: may be above or below 70 %",
    "small_group": "the department's choice: of fewer than 30 candidates statistics say little (docs/scoring.md, The chooser)",
    "attend": "starting value until past administrations are recorded (docs/scoring.md, The chooser)",
    "reach": "starting value until past administrations are recorded (docs/scoring.md, The chooser)",
    "appointed": "starting value until past administrations are recorded (docs/scoring.md, The chooser)",
    "prior_did": "Jeffreys 1946: Beta(1/2, 1/2) where nothing is known of a share (docs/scoring.md, The chooser)",
    "prior_not": "Jeffreys 1946: Beta(1/2, 1/2) where nothing is known of a share (docs/scoring.md, The chooser)",
}
# Each rate as (how many did, of how many) in the bulletin's rows of past administrations.
PAST = {"attend": ("attended", "passed"), "reach": ("reached", "attended"), "appointed": ("appointed", "offered")}
SHARES = tuple(PAST)
# What supply can be told apart by. A language that positions need is not among it: the record has the language of mails alone.
STREAMS = ("list",)
LISTS = ("promotional", "open")
FROM_BULLETIN = {"horizon_months": "vacancy_horizon_months", "reference_percent": "reference_percent"}


@dataclass(frozen=True)
class Cases:
    """How many did, of how many past cases."""

    did: int
    of: int


@dataclass(frozen=True)
class Policy:
    """The numbers that a rule names; a bulletin may set each, and `sources` says where each comes from."""

    assurance: Decimal = Decimal("0.90")
    extra_names: int = 5
    horizon_months: int = 24
    reference_percent: Decimal = Decimal(70)
    small_group: int = 30
    attend: Decimal = Decimal("0.85")
    reach: Decimal = Decimal("0.72")
    appointed: Decimal = Decimal("0.45")
    # What was known of a share before any case, as cases that did and did not.
    prior_did: Decimal = Decimal("0.5")
    prior_not: Decimal = Decimal("0.5")
    sources: Mapping[str, str] = field(default_factory=lambda: dict(SOURCES))
    # Of the rates that come from past administrations, and are not stated by the bulletin itself.
    cases: Mapping[str, Cases] = field(default_factory=dict)
    # By what supply is shown apart; nothing, unless the bulletin's policy names it, with who allowed it in `streams_source`.
    streams: tuple[str, ...] = ()
    streams_source: str = ""

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> "Policy":
        """The defaults, over them the rates of past administrations, and over both what the bulletin's passing score policy says itself.

        `past` has a row for each administration: passed, attended, reached, offered, appointed; `prior` is that of the rates, Beta(1/2, 1/2) if none is given.
        """
        values: dict[str, Any] = {}
        sources = dict(SOURCES)
        past = settings.get("past", [])
        if "prior" in settings:
            settings = dict(settings) | dict(zip(("prior_did", "prior_not"), settings["prior"], strict=True))
        prior = tuple(_decimal(name, settings.get(name, getattr(cls, name))) for name in ("prior_did", "prior_not"))
        if min(prior) <= 0:
            raise FaultyInputs(name="prior", value=f"{prior[0]} {prior[1]}", why="not-a-rate")
        cases: dict[str, Cases] = {}
        for name, (did, of) in PAST.items():
            told = [row for row in past if did in row and of in row]
            successes, trials = (sum(row[count] for row in told) for count in (did, of))
            if not 0 <= successes <= trials:
                raise FaultyInputs(name=name, value=f"{successes} / {trials}", why="not-a-rate")
            if trials:
                cases[name] = Cases(successes, trials)
                values[name] = beta_rate(successes, trials, prior)
                origin = "; ".join(dict.fromkeys(str(row["source"]) for row in told))
                sources[name] = f"{successes} of {trials} in past administrations with the prior Beta({prior[0]}, {prior[1]}); {origin}"
        for name, default in cls().numbers().items():
            said = settings.get(FROM_BULLETIN.get(name, name))
            if said is not None:
                values[name] = int(said) if isinstance(default, int) else _decimal(name, said)
                sources[name] = str(settings.get("source") or sources[name])
                cases.pop(name, None)
        shown, allowed_by = tuple(settings.get("streams", ())), str(settings.get("streams_source", "")).strip()
        if not set(shown) <= set(STREAMS) or (shown and not allowed_by):
            raise FaultyInputs(name="streams", value=" ".join(map(str, shown))[:40], why="no-such-stream" if allowed_by else "no-source")
        return cls(**values, sources=sources, cases=cases, streams=shown, streams_source=allowed_by)

    def numbers(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in SOURCES}

    @property
    def prior(self) -> tuple[Decimal, Decimal]:
        return self.prior_did, self.prior_not


def _decimal(name: str, value: Any) -> Decimal:
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        raise FaultyInputs(name=name, value=str(value)[:40], why="not-a-number") from None
    if not found.is_finite():
        raise FaultyInputs(name=name, value=str(value)[:40], why="not-a-number")
    return found


RATES = ("attend", "reach", "appointed", "show")
PLACES = Decimal("0.0001")
MOST_CASES = 1_000_000
MOST = 10_000  # vacancies, or eligibles listed, of one class: all is worked out person by person


@dataclass(frozen=True)
class Inputs:
    """What the chooser is told. Rates are decimals above 0 and up to 1 with at most four places."""

    vacancies_now: int
    vacancies_expected: int
    # Eligibles already on the list who will still be there within the horizon.
    listed: int = 0
    attend: Decimal = Policy.attend  # share of passers who attend the interview
    reach: Decimal = Policy.reach  # share of those attending who reach the final average
    appointed: Decimal = Policy.appointed  # share of eligibles finally appointed when reached
    show: Decimal = Decimal(1)  # share of those invited who take the test
    capacity: int | None = None  # interviews that the boards can hold
    minimum: int | None = None  # minimum competence as judged item by item (Angoff), a raw score
    # The past cases that a rate comes from, where it does; a rate without them is taken as certain.
    attend_did: int | None = None
    attend_of: int | None = None
    reach_did: int | None = None
    reach_of: int | None = None
    appointed_did: int | None = None
    appointed_of: int | None = None
    rates_reason: str = ""  # why the rates are not the department's own
    below_reason: str = ""  # why the cut lies below chance or below minimum competence
    # Other administrations in the count, each with how many who passed a decided one have had their interview (none of one that is not decided).
    counted: tuple[tuple[int, int | None], ...] = ()

    @property
    def vacancies(self) -> int:
        return self.vacancies_now + self.vacancies_expected

    def cases(self, name: str) -> Cases | None:
        did, of = getattr(self, f"{name}_did"), getattr(self, f"{name}_of")
        return None if did is None or of is None else Cases(did, of)

    @property
    def uncertain(self) -> bool:
        return any(self.cases(name) for name in SHARES)

    def share(self, name: str, prior: tuple[Decimal, Decimal]) -> Share:
        """What is known of a rate: with k of n past cases Beta(k + prior, n - k + prior)."""
        cases = self.cases(name)
        if cases is None:
            return Certain(Fraction(getattr(self, name)))
        return Beta(cases.did + Fraction(prior[0]), cases.of - cases.did + Fraction(prior[1]))

    def told(self) -> dict[str, Any]:
        # Rates in one spelling: 0.5 and 0.50 are the same.
        values = {name: str(value.quantize(PLACES)) if isinstance(value, Decimal) else value for name, value in asdict(self).items()}
        counted = [list(one) for one in values.pop("counted")]
        return values | ({"counted": counted} if counted else {})

    @classmethod
    def of(cls, said: Mapping[str, Any], prior: tuple[Decimal, Decimal] = (Policy.prior_did, Policy.prior_not)) -> "Inputs":
        """From what was stored or sent. A rate whose past cases are told is theirs. Raises FaultyInputs, naming the number."""
        values: dict[str, Any] = {}
        for name in ("vacancies_now", "vacancies_expected", "listed", "capacity", "minimum"):
            value = said.get(name)
            if value in (None, ""):
                if name.startswith("vacancies"):
                    raise FaultyInputs(name=name, why="missing")
                continue
            number = _decimal(name, value)
            if number != number.to_integral_value() or not 0 <= number <= MOST:
                raise FaultyInputs(name=name, value=str(value)[:40], why="not-a-count")
            values[name] = int(number)
        for name in RATES:
            if said.get(name) in (None, ""):
                continue
            rate = _decimal(name, said[name])
            if not 0 < rate <= 1:
                raise FaultyInputs(name=name, value=str(said[name])[:40], why="not-a-rate")
            if rate != rate.quantize(PLACES):
                raise FaultyInputs(name=name, value=str(said[name])[:40], why="too-many-places")
            values[name] = rate
        for name in SHARES:
            cases = _cases(said, name)
            if cases is not None:
                values |= {f"{name}_did": cases.did, f"{name}_of": cases.of, name: beta_rate(cases.did, cases.of, prior)}
        for name in ("rates_reason", "below_reason"):
            values[name] = str(said.get(name) or "").strip()[:2000]
        values["counted"] = tuple(sorted((number, _settled(number, settled)) for number, settled in said.get("counted", ())))
        return cls(**values)


def _settled(number: int, said: Any) -> int | None:
    if said in (None, ""):
        return None
    name = f"settled-{number}"
    found = _decimal(name, said)
    if found != found.to_integral_value() or not 0 <= found <= MOST_CASES:
        raise FaultyInputs(name=name, value=str(said)[:40], why="not-cases")
    return int(found)


def _cases(said: Mapping[str, Any], name: str) -> Cases | None:
    """Both numbers or neither."""
    told = {which: said.get(f"{name}_{which}") for which in ("did", "of")}
    if all(value in (None, "") for value in told.values()):
        return None
    found = {}
    for which, value in told.items():
        if value in (None, ""):
            raise FaultyInputs(name=f"{name}_{which}", why="missing")
        number = _decimal(f"{name}_{which}", value)
        if number != number.to_integral_value() or not 0 <= number <= MOST_CASES:
            raise FaultyInputs(name=f"{name}_{which}", value=str(value)[:40], why="not-cases")
        found[which] = int(number)
    if found["did"] > found["of"]:
        raise FaultyInputs(name=f"{name}_did", value=f"{found['did']} / {found['of']}", why="more-than-cases")
    return Cases(**found) if found["of"] else None


def ceiling(value: Fraction) -> int:
    return -(-value.numerator // value.denominator)


@dataclass(frozen=True)
class Needed:
    eligibles: int
    passers: int


def needed(inputs: Inputs, policy: Policy) -> Needed:
    """E = ceil(V / y) + X eligibles, and M = ceil(max(0, E - L) / (a·p)) passers."""
    eligibles = ceiling(Fraction(inputs.vacancies) / Fraction(inputs.appointed)) + policy.extra_names
    passers = ceiling(Fraction(max(0, eligibles - inputs.listed)) / (Fraction(inputs.attend) * Fraction(inputs.reach)))
    return Needed(eligibles, passers)


class Chances:
    """P(appointments ≥ vacancies) for 0…most passers.

    Appointments are Bin(passers, a·p·y) and, from the L eligibles already listed, Bin(L, y). The distribution below the vacancies is carried from
    one person to the next in whole numbers of 2^-BITS, each rounded down. A step loses less than one such unit for each number, and what is lost
    never grows, so that the probability is known to lie in an interval far narrower than anything shown; where a limit falls into that
    interval, the fraction itself decides.
    """

    BITS = 128

    def __init__(self, most: int, inputs: Inputs) -> None:
        self._vacancies, self._listed = inputs.vacancies, inputs.listed
        self._each = Fraction(inputs.appointed)
        self._success = Fraction(inputs.attend) * Fraction(inputs.reach) * self._each
        # How likely it is that so many are appointed so far: `first`, the next, … and less than the vacancies. All others have nothing.
        first, filled = 0, [1 << self.BITS] if inputs.vacancies else []
        for _ in range(inputs.listed):
            first, filled = self._one_more(first, filled, self._each)
        self._short = [sum(filled)]
        for _ in range(most):
            first, filled = self._one_more(first, filled, self._success)
            self._short.append(sum(filled))

    def _one_more(self, first: int, filled: list[int], success: Fraction) -> tuple[int, list[int]]:
        yes, all_ = success.numerator, success.denominator
        no = all_ - yes
        found = [(here * no + before * yes) // all_ for here, before in zip([*filled, 0], [0, *filled], strict=True)]
        del found[self._vacancies - first :]
        # What was rounded down to nothing stays nothing, so that the work follows the spread of the appointments and not the vacancies.
        while found and not found[-1]:
            found.pop()
        gone = next((at for at, part in enumerate(found) if part), 0)
        return first + gone, found[gone:]

    def _interval(self, passers: int) -> tuple[int, int]:
        """The probability in units of 2^-BITS lies above the first, or at it where nothing was lost, and not above the second."""
        most = (1 << self.BITS) - self._short[passers]
        return max(0, most - self._vacancies * (self._listed + passers)), most

    def reaches(self, passers: int, level: Decimal) -> bool:
        limit = Fraction(level)
        low, high = self._interval(passers)
        scaled = limit.numerator << self.BITS
        if low * limit.denominator >= scaled:
            return True
        if high * limit.denominator < scaled:
            return False
        return self.fraction(passers) >= limit

    def shown(self, passers: int, places: int = 6) -> Decimal:
        """Rounded half up."""
        low, high = (((2 * end * 10**places >> self.BITS) + 1) // 2 for end in self._interval(passers))
        return Decimal(low).scaleb(-places) if low == high else rounded(self.fraction(passers), places)

    def fraction(self, passers: int) -> Fraction:
        """The probability itself: 1 less that of each way to leave a vacancy open."""
        ways = Fraction(0)
        for j in range(min(self._listed, self._vacancies - 1) + 1 if self._vacancies else 0):
            ways += _exactly(j, self._listed, self._each) * sum(
                (_exactly(k, passers, self._success) for k in range(min(passers, self._vacancies - 1 - j) + 1)), Fraction(0)
            )
        return 1 - ways


def _exactly(k: int, n: int, success: Fraction) -> Fraction:
    return math.comb(n, k) * success**k * (1 - success) ** (n - k)


@dataclass(frozen=True)
class Row:
    """What would follow from one cut. All at the cut pass."""

    cut: int
    passers: int
    at_cut: int
    interviews: Decimal
    eligibles: Decimal
    appointments: Decimal
    probability: Decimal
    # The same with the rates taken as certain.
    certain: Decimal

    def told(self) -> dict[str, Any]:
        return {name: str(value) if isinstance(value, Decimal) else value for name, value in asdict(self).items()}


@dataclass(frozen=True)
class Statistics:
    """Of the raw scores. `variance` is divided by N - 1; KR-21 needs no item figures and is a lower bound of KR-20.

    KR-21 = J/(J-1) · (1 - mean·(J - mean) / (J·variance)); SEM² = variance · (1 - KR-21), with KR-21 below 0 taken as 0.
    """

    taken: int
    mean: Fraction
    variance: Fraction
    kr21: Fraction | None

    @property
    def sem_squared(self) -> Fraction:
        # A handful of very different scores can put KR-21 outside 0 to 1.
        return self.variance * (1 - min(Fraction(1), max(Fraction(0), self.kr21 or Fraction(0))))

    def within_sem(self, counts: Sequence[int], cut: int) -> int:
        return within(counts, cut, self.sem_squared)


def csem_squared(cut: int, items: int) -> Fraction:
    """Lord 1955: the error of measurement at a raw score, as of a binomial: x·(J - x)/(J - 1)."""
    return Fraction(cut * (items - cut), items - 1) if items > 1 else Fraction(0)


def within(counts: Sequence[int], cut: int, squared: Fraction) -> int:
    """How many raw scores lie within so much of the cut, on both sides."""
    return sum(count for raw, count in enumerate(counts) if (raw - cut) ** 2 <= squared)


def statistics(counts: Sequence[int]) -> Statistics:
    taken = sum(counts)
    items = len(counts) - 1
    if not taken:
        return Statistics(0, Fraction(0), Fraction(0), None)
    mean = Fraction(sum(raw * count for raw, count in enumerate(counts)), taken)
    squares = sum(raw * raw * count for raw, count in enumerate(counts)) - taken * mean * mean
    variance = Fraction(squares) / (taken - 1) if taken > 1 else Fraction(0)
    kr21 = None
    if items > 1 and variance:
        kr21 = Fraction(items, items - 1) * (1 - mean * (items - mean) / (items * variance))
    return Statistics(taken, mean, variance, kr21)


def root(value: Fraction, places: int = 4) -> Decimal:
    """The square root, rounded half up; exact to the last place, from whole numbers."""
    scaled = math.isqrt(value.numerator * 4 * 10 ** (2 * places) // value.denominator)
    return Decimal((scaled + 1) // 2).scaleb(-places)


def rounded(value: Fraction, places: int) -> Decimal:
    """Half up, as a clerk rounds; below zero away from it."""
    scaled = (2 * abs(value.numerator) * 10**places + value.denominator) // (2 * value.denominator)
    return Decimal(scaled if value >= 0 else -scaled).scaleb(-places)


@dataclass(frozen=True)
class Lines:
    """Where the chart has its lines: lowest raw score at or above the reference percent, and what guessing alone gives."""

    reference: int
    chance: Fraction
    chance_variance: Fraction


def lines(entries: Entries, options: Mapping[int, int], policy: Policy, most: int | None = None) -> Lines:
    """Chance is the sum over the items of right options / options; its variance the sum of p(1-p).

    `most` is the greatest raw score where each candidate is given a part of the items: then both are those of so many items, as hard to guess as all.
    """
    shares = [Fraction(1) if EVERYONE in entry else Fraction(len(entry), options[slot]) for slot, entry in entries.items() if entry]
    most = len(shares) if most is None else most
    reference = ceiling(Fraction(most) * Fraction(policy.reference_percent) / 100)
    part = Fraction(most, len(shares)) if shares else Fraction(0)
    return Lines(reference, part * sum(shares, Fraction(0)), part * sum((p * (1 - p) for p in shares), Fraction(0)))


@dataclass(frozen=True)
class Choice:
    """All that is before the one who chooses."""

    counts: list[int]
    # How many pass at a cut and not at the next; with other administrations in the count theirs too. `fixed` pass whatever the cut.
    supply: list[int]
    fixed: int
    needed: Needed
    rows: list[Row]
    # Largest cut that enough pass. 0 where even all are not enough.
    point: int
    # Largest cut by which the vacancies are filled with the assurance; none where even all passing does not give it.
    assured: int | None
    # The same with the rates taken as certain.
    assured_certain: int | None
    # How many passers give the assurance; none beyond those tested.
    assured_passers: int | None
    # How many passers are missing though all pass, and how many more to invite for them.
    short: int
    invite_more: int
    statistics: Statistics

    def row(self, cut: int) -> Row:
        return self.rows[cut]

    @property
    def taken(self) -> int:
        """All whom the cut is chosen for."""
        return sum(self.supply) + self.fixed


def list_of(basis: str | None) -> str:
    """Who was not found to be promotional competes on the open list (R43)."""
    return "promotional" if (basis or "").lower() == "promotional" else "open"


@dataclass(frozen=True)
class Streams:
    """How many of each list have each raw score; none of it (`counts` empty) where a list is too small to be shown."""

    counts: Mapping[str, Sequence[int]]
    source: str

    def told(self) -> dict[str, Any]:
        return {"counts": {name: list(counts) for name, counts in self.counts.items()}, "source": self.source}

    def rows(self, inputs: Inputs, policy: Policy) -> dict[str, list[Row]]:
        """At each cut what follows for each list alone, at the one cut and the one set of rates; who is listed already is of the whole."""
        return {name: choose(counts, replace(inputs, listed=0), policy).rows for name, counts in self.counts.items()}


def streams(counts: Mapping[str, Sequence[int]], policy: Policy) -> Streams:
    """With fewer than `small_group` on one list nothing is told of the other either: the whole less it would say as much."""
    small = any(sum(of) < policy.small_group for of in counts.values())
    return Streams({} if small else counts, policy.streams_source)


def choose(counts: Sequence[int], inputs: Inputs, policy: Policy, supply: Sequence[int] | None = None, fixed: int = 0) -> Choice:
    """The table over all cuts with the point cut and the assured cut. `supply` is `counts` unless others are counted with them."""
    supply = counts if supply is None else supply
    taken = sum(supply) + fixed
    target = needed(inputs, policy)
    certain = Chances(taken, inputs)
    chances = likely(taken, inputs, policy) if inputs.uncertain else certain
    both = Fraction(inputs.attend) * Fraction(inputs.reach)
    rows: list[Row] = []
    passers = taken
    for cut, at_cut in enumerate(supply):
        known = certain.shown(passers)
        eligibles = passers * both + inputs.listed
        rows.append(
            Row(
                cut,
                passers,
                at_cut,
                exact(passers * Fraction(inputs.attend)),
                exact(eligibles),
                exact(eligibles * Fraction(inputs.appointed)),
                chances.shown(passers) if inputs.uncertain else known,
                known,
            )
        )
        passers -= at_cut
    point = max((row.cut for row in rows if row.passers >= target.passers), default=0)
    # The more pass, the likelier it is.
    enough, enough_certain = (
        bisect_left(range(taken + 1), True, key=partial(one.reaches, level=policy.assurance)) for one in (chances, certain)
    )
    assured, assured_certain = (max((row.cut for row in rows if row.passers >= n), default=None) for n in (enough, enough_certain))
    short = max(0, target.passers - taken)
    return Choice(
        list(counts),
        list(supply),
        fixed,
        target,
        rows,
        point,
        assured,
        assured_certain,
        enough if enough <= taken else None,
        short,
        ceiling(Fraction(short) / Fraction(inputs.show)),
        statistics(counts),
    )


def likely(most: int, inputs: Inputs, policy: Policy) -> Likely:
    """Of 0…most passers that the vacancies are filled, with what the past cases leave open about the rates."""
    attend, reach, appointed = (inputs.share(name, policy.prior) for name in SHARES)
    return Likely(most, inputs.vacancies, inputs.listed, attend, reach, appointed)


def exact(value: Fraction) -> Decimal:
    """A product of rates with four places each as the decimal that it is."""
    return Decimal(value.numerator) / Decimal(value.denominator)


def check_cut(cut: int, most: int, at: Lines, inputs: Inputs, policy: Policy) -> None:
    """A cut is a whole raw score that someone could have. Raises FaultyCut, or ReasonMissing where one is due in writing."""
    if not 0 <= cut <= most:
        raise FaultyCut(cut=cut, maximum=most)
    if other_rates(inputs, policy) and not inputs.rates_reason:
        raise ReasonMissing(what="rates", names=other_rates(inputs, policy))
    if below(cut, at, inputs) and not inputs.below_reason:
        raise ReasonMissing(what="below", names=below(cut, at, inputs))


def other_rates(inputs: Inputs, policy: Policy) -> list[str]:
    """Rates that are not the department's own, or not from its cases."""
    return [name for name in SHARES if getattr(inputs, name) != getattr(policy, name) or inputs.cases(name) != policy.cases.get(name)]


def below(cut: int, at: Lines, inputs: Inputs) -> list[str]:
    """Which lines the cut lies below: chance, minimum."""
    found = []
    if cut < at.chance:
        found.append("chance")
    if inputs.minimum is not None and cut < inputs.minimum:
        found.append("minimum")
    return found


def beta_rate(successes: int, trials: int, prior: Sequence[Decimal | int]) -> Decimal:
    """A rate out of past administrations: the mean of Beta(prior + what happened), to four places half up."""
    did, did_not = map(Fraction, prior)
    return rounded((successes + did) / (trials + did + did_not), 4)


def percent(part: int, whole: int) -> Decimal:
    """To one place half up, for showing."""
    return (Decimal(100 * part) / Decimal(whole)).quantize(Decimal("0.1"), ROUND_HALF_UP) if whole else Decimal(0)
