"""Interview slots: cut out of a plan of days, hours and boards, and given to people without ever booking anyone or any board twice."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from testing_platform import errors

T = TypeVar("T")
MOST_DAYS = 92
MOST_BOARDS = 20
SHORTEST, LONGEST = 5, 240  # minutes of one interview


class FaultyPlan(errors.Refusal):
    """`faults` says for each field what is wrong with it."""

    code = "faulty-plan"


@dataclass(frozen=True)
class Plan:
    """Days and hours on the wall clock of the place, and how many boards interview side by side."""

    location: str
    days: tuple[date, ...]
    opens: time
    closes: time
    minutes: int
    boards: int
    respond_by: date
    break_from: time | None = None
    break_until: time | None = None

    def to_json(self) -> dict[str, Any]:
        rest = [] if self.break_from is None or self.break_until is None else [f"{self.break_from:%H:%M}", f"{self.break_until:%H:%M}"]
        return {
            "location": self.location,
            "days": [day.isoformat() for day in self.days],
            "from": f"{self.opens:%H:%M}",
            "to": f"{self.closes:%H:%M}",
            "break": rest,
            "minutes": self.minutes,
            "boards": self.boards,
            "respond_by": self.respond_by.isoformat(),
        }


@dataclass(frozen=True, order=True)
class Slot:
    starts_at: datetime
    board: int
    ends_at: datetime

    def overlaps(self, starts_at: datetime, ends_at: datetime) -> bool:
        return self.starts_at < ends_at and starts_at < self.ends_at


def read(form: Mapping[str, str], today: date) -> Plan:
    """A plan as it was typed. Raises FaultyPlan with every fault at once."""
    faults: dict[str, str] = {}

    def take(name: str, convert: Any, *, needed: bool = True) -> Any:
        text = form.get(name, "").strip()
        if not text:
            if needed:
                faults[name] = "missing"
            return None
        try:
            return convert(text)
        except ValueError:
            faults[name] = "unreadable"
            return None

    location = take("location", _line)
    first, last = take("first_on", date.fromisoformat), take("last_on", date.fromisoformat)
    opens, closes = take("opens", _hour), take("closes", _hour)
    rest = take("break_from", _hour, needed=False), take("break_until", _hour, needed=False)
    minutes, boards = take("minutes", int), take("boards", int)
    respond_by = take("respond_by", date.fromisoformat)
    without = take("without", lambda text: {date.fromisoformat(word) for word in text.replace(",", " ").split()}, needed=False) or set()
    days: tuple[date, ...] = ()
    if first and last:
        if first <= today:
            faults["first_on"] = "past"
        elif first.year > today.year + 2:
            faults["first_on"] = "too-far"
        elif last < first:
            faults["last_on"] = "before-first"
        elif (last - first).days >= MOST_DAYS:
            faults["last_on"] = "too-many"
        else:
            days = tuple(working_days(first, last, without, weekends=bool(form.get("weekends"))))
            if not days:
                faults["first_on"] = "no-day"
    if opens and closes and not opens < closes:
        faults["closes"] = "before-start"
    if bool(rest[0]) != bool(rest[1]) and not faults.keys() & {"break_from", "break_until"}:
        faults["break_until" if rest[0] else "break_from"] = "missing"
    elif rest[0] and rest[1] and opens and closes and not opens <= rest[0] < rest[1] <= closes:
        faults["break_from"] = "outside"
    if minutes is not None and not SHORTEST <= minutes <= LONGEST:
        faults["minutes"] = "out-of-range"
    if boards is not None and not 1 <= boards <= MOST_BOARDS:
        faults["boards"] = "out-of-range"
    if respond_by and respond_by < today:
        faults["respond_by"] = "past"
    elif respond_by and days and respond_by >= days[0]:
        faults["respond_by"] = "too-late"
    if faults:
        raise FaultyPlan(faults=faults)
    return Plan(location, days, opens, closes, minutes, boards, respond_by, *rest)


def _line(text: str) -> str:
    """One line as it can stand in a mail and a calendar; a place pasted with other spaces is the same place."""
    found = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    if not found:
        raise ValueError
    return found


def _hour(text: str) -> time:
    return datetime.strptime(text, "%H:%M").time()


def working_days(first: date, last: date, without: Iterable[date], *, weekends: bool) -> list[date]:
    skipped = set(without)
    found = (first + timedelta(days=n) for n in range((last - first).days + 1))
    return [day for day in found if day not in skipped and (weekends or day.weekday() < 5)]


def slots(plan: Plan, zone: str) -> list[Slot]:
    """Every slot of the plan, by time and then by board. The hours are local; each interview has its full length of real time."""
    place = ZoneInfo(zone)
    spans = [(plan.opens, plan.closes)]
    if plan.break_from is not None and plan.break_until is not None:
        spans = [(plan.opens, plan.break_from), (plan.break_until, plan.closes)]
    length = timedelta(minutes=plan.minutes)
    found = []
    for day in plan.days:
        for begins, ends in spans:
            at = datetime.combine(day, begins, place).astimezone(UTC)
            until = datetime.combine(day, ends, place).astimezone(UTC)
            while at + length <= until:
                found += [Slot(at, board, at + length) for board in range(1, plan.boards + 1)]
                at += length
    return found


def free(found: Iterable[Slot], taken: Iterable[Slot], now: datetime) -> list[Slot]:
    """The slots still to come that overlap no taken one of the same board."""
    by_board: dict[int, list[Slot]] = {}
    for slot in taken:
        by_board.setdefault(slot.board, []).append(slot)
    return [
        slot
        for slot in found
        if slot.starts_at > now and not any(slot.overlaps(other.starts_at, other.ends_at) for other in by_board.get(slot.board, ()))
    ]


def assign(waiting: Sequence[tuple[T, Sequence[Slot]]], open_slots: Sequence[Slot]) -> list[tuple[T, Slot]]:
    """Each in turn gets the first slot in which they have no other interview; who gets none is not in the answer."""
    left = list(open_slots)
    given = []
    for who, busy in waiting:
        for n, slot in enumerate(left):
            if not any(slot.overlaps(other.starts_at, other.ends_at) for other in busy):
                given.append((who, left.pop(n)))
                break
    return given
