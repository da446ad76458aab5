"""Calendar arithmetic on local days: months are the calendar's, whatever the clocks did in between."""

import calendar
from datetime import date, datetime
from zoneinfo import ZoneInfo


def add_months(day: date, months: int) -> date:
    """The same day of a later month, or that month's last day where it is shorter."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def local_day(instant: datetime, zone: str) -> date:
    return instant.astimezone(ZoneInfo(zone)).date()


def may_file_again_on(started_at: datetime, zone: str, months: int) -> date:
    """The first day on which somebody who began a test at `started_at` may file again: the anniversary itself counts (R33)."""
    return add_months(local_day(started_at, zone), months)
