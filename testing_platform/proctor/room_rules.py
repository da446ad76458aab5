"""The room of a City facility: how a candidate stands, what may be written down, and until when a no-show is taken back."""

import math
import unicodedata
from collections.abc import Collection
from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from testing_platform import errors
from testing_platform.delivery.rules import BEFORE, OVER, PAUSED, State


class Standing(StrEnum):
    """What a roster says of one candidate, in one word."""

    EXPECTED = "expected"
    SEATED = "seated"
    TESTING = "testing"
    PAUSED = "paused"
    SILENT = "silent"  # testing, and the page was not heard for longer than the patience
    HANDED_IN = "handed_in"
    ENDED = "ended"
    NO_SHOW = "no_show"


def standing(
    *, no_show: bool, seated: bool, state: State | None, last_contact: datetime | None, patience: timedelta, now: datetime
) -> Standing:
    if no_show:
        return Standing.NO_SHOW
    if state is None or (state in BEFORE and not seated):
        return Standing.EXPECTED
    if state in BEFORE:
        return Standing.SEATED
    if state in OVER or state is State.REFUSED:
        return Standing.ENDED if state in (State.TERMINATED, State.ABANDONED, State.VOIDED_RETEST, State.REFUSED) else Standing.HANDED_IN
    # A page that is silent needs somebody to walk there, whether its clock runs or stands.
    if last_contact is None or now - last_contact >= patience:
        return Standing.SILENT
    return Standing.PAUSED if state in PAUSED else Standing.TESTING


def lost_minutes(silent_for: timedelta) -> int:
    """The whole minutes that cover a measured span; nothing for a span too short to have been a trouble."""
    return 0 if silent_for < timedelta(seconds=15) else math.ceil(silent_for / timedelta(minutes=1))


def next_seat(taken: Collection[int], seats: int) -> int | None:
    """The first free seat of the room, in the order in which people are led in."""
    return next((number for number in range(1, seats + 1) if number not in taken), None)


def plain(text: str) -> str:
    """Letters and digits alone, without accents, case or dashes: how a name is looked for at a desk."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in decomposed if letter.isalnum() or letter == " ")


def matches(looked_for: str, name: str, number: str | None) -> bool:
    """Every word that was typed begins a word of the name, or stands in the number."""
    words = plain(name.replace("-", " ")).split()
    digits = plain(number or "").replace(" ", "")
    # A number may be typed with its dashes, which part it into words.
    if digits and plain(looked_for).replace(" ", "") in digits:
        return True
    return all(any(word.startswith(part) for word in words) or part in digits for part in plain(looked_for.replace("-", " ")).split())


PAUSE = ("emergency", "building", "noise", "technical", "announcement", "other")

# The taxonomy of what is written down in a test room: category, then kind. The page has the words.
IRREGULARITIES: dict[str, tuple[str, ...]] = {
    "environment": ("comfort", "disturbance", "noise", "power_outage", "weather"),
    "examinee": ("behaviour", "complaint", "identification", "illness", "late", "navigation", "no_show"),
    "staff": ("behaviour", "compliance", "error", "late", "no_show"),
    "technical": ("freezing", "launching", "network", "printing", "testing_workstation"),
    "security": ("impersonation", "unauthorised_aid", "item_exposure", "recording_attempt"),
    "accommodation": ("not_delivered", "delivered_late"),
    "other": ("other",),
}


class IncompleteReport(errors.Refusal):
    """A report needs a kind from the list, a text, and times in their order that are not yet to come."""

    code = "incomplete-report"


class TooLateToTakeBack(errors.Refusal):
    """A no-show is taken back on the day of the test alone; afterwards the analyst finds another date."""

    code = "too-late-to-take-back"


class NobodyTesting(errors.Refusal):
    """Nobody in the room has a page on which a message could be read."""

    code = "nobody-testing"


class RoomNotPaused(errors.Refusal):
    code = "room-not-paused"


class RoomPausedAlready(errors.Refusal):
    code = "room-paused-already"


def check_report(category: str, kind: str, text: str, began_at: datetime | None, ended_at: datetime | None, now: datetime) -> str:
    """The text as it is kept. Raises IncompleteReport, naming the field that is not as it should be."""
    text = text.strip()
    if kind not in IRREGULARITIES.get(category, ()):
        raise IncompleteReport(field="kind")
    if not 1 <= len(text) <= 4000:
        raise IncompleteReport(field="text")
    # A minute is written down whole, and may be the one that runs.
    if began_at is None or began_at > now + timedelta(minutes=1):
        raise IncompleteReport(field="began")
    if ended_at is not None and (ended_at < began_at or ended_at > now + timedelta(minutes=1)):
        raise IncompleteReport(field="ended")
    return text


def check_take_back(recorded_at: datetime, now: datetime, zone: ZoneInfo) -> None:
    if recorded_at.astimezone(zone).date() != now.astimezone(zone).date():
        raise TooLateToTakeBack


def check_pause(category: str) -> str:
    """Raises IncompleteReport for a reason that the list does not have."""
    if category not in PAUSE:
        raise IncompleteReport(field="reason")
    return category
