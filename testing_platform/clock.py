"""The one clock of the server, and the two ways an instant leaves it."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo


def now() -> datetime:
    return datetime.now(UTC)


def day(instant: datetime, zone: str) -> date:
    """The date on the wall of this zone."""
    return instant.astimezone(ZoneInfo(zone)).date()


def to_ms(instant: datetime | None) -> int | None:
    """Milliseconds since 1970 in UTC, the form in which instants travel in JSON."""
    return None if instant is None else round(instant.timestamp() * 1000)


def from_ms(milliseconds: float) -> datetime:
    """Raises OverflowError, ValueError or OSError for a number that is no instant."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
