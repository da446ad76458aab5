import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any

from testing_platform import errors


class Mode(StrEnum):
    REMOTE = "remote"
    FACILITY = "facility"


@dataclass(frozen=True)
class Window:
    """The hours in which a session's tests may be started."""

    opens_at: datetime
    closes_at: datetime

    def __contains__(self, instant: datetime) -> bool:
        return self.opens_at <= instant < self.closes_at


class FaultySetting(errors.Refusal):
    code = "faulty-setting"


@dataclass(frozen=True)
class TestDay:
    """The numbers of a test day that the bulletin sets. The defaults are those of the sources named beside them."""

    __test__ = False  # not a test of ours, though its name says test

    time_limit: timedelta
    check_in_opens: timedelta = timedelta(minutes=30)  # before the session; DESIGN: state T1
    contact_patience: timedelta = timedelta(seconds=20)  # loss of contact, T14
    same_device_return: timedelta = timedelta(minutes=2)  # T15
    late_grace: timedelta = timedelta(seconds=5)  # answers in flight at the deadline
    proctor_grant: timedelta = timedelta(minutes=10)  # T19
    lead_grant: timedelta = timedelta(minutes=60)  # T19
    automatic_hold_cap: timedelta = timedelta(minutes=10)  # T14
    abandoned_after: timedelta = timedelta(minutes=60)  # T24

    @classmethod
    def of(cls, settings: dict[str, Any]) -> "TestDay":
        """Raises FaultySetting when a number is missing or not a number."""

        def number(name: str) -> float:
            entry = settings.get(name)
            value = entry.get("value") if isinstance(entry, dict) else entry
            if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
                raise FaultySetting(name=name, value=value)
            return value

        return cls(
            time_limit=timedelta(minutes=number("time_limit_minutes")),
            check_in_opens=timedelta(minutes=number("check_in_opens_minutes")),
            contact_patience=timedelta(seconds=number("contact_patience_seconds")),
            same_device_return=timedelta(seconds=number("same_device_return_seconds")),
            late_grace=timedelta(seconds=number("late_grace_seconds")),
            proctor_grant=timedelta(minutes=number("proctor_grant_minutes")),
            lead_grant=timedelta(minutes=number("lead_grant_minutes")),
            automatic_hold_cap=timedelta(minutes=number("automatic_hold_cap_minutes")),
            abandoned_after=timedelta(minutes=number("abandoned_after_minutes")),
        )


def multiplier(settings: dict[str, Any]) -> Decimal:
    """The factor on the time limit of a candidate with an accommodation; 1 for everyone else."""
    try:
        factor = Decimal(str(settings.get("time_multiplier", "1")))
    except InvalidOperation:
        raise FaultySetting(name="time_multiplier", value=str(settings["time_multiplier"])) from None
    if factor.is_nan() or not Decimal(1) <= factor <= Decimal(10):
        raise FaultySetting(name="time_multiplier", value=str(factor))
    return factor


class RoomFull(errors.Refusal):
    """Every seat of the room is booked."""

    code = "room-full"
