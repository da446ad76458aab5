"""Which tests came over one line into the internet, for those who compare answers afterwards. The address itself is not kept.

What is kept is a keyed hash of the address, different in each administration, so that two tests of one day can be told to have shared a line, and nothing else
can be told from it. Of IPv6 the network of a household (its first 64 bits, RFC 4291) stands for the address. Tests at a City facility all come over the
City's own line and are not noted.
"""

import ipaddress
from datetime import datetime

from sqlalchemy import ForeignKey, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from testing_platform.accounts.rules import keyed_hash
from testing_platform.db import Base, Statement, stamp
from testing_platform.delivery.models import Attempt
from testing_platform.examinations.models import TestSession
from testing_platform.examinations.rules import Mode


class AttemptLine(Base):
    """A line over which an attempt came, since when."""

    __tablename__ = "attempt_lines"

    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempts.id"), primary_key=True)
    line: Mapped[str] = mapped_column(primary_key=True)
    first_at: Mapped[datetime]


# Pressed twice at once, the first press counts.
_NOTE = Statement(
    "INSERT INTO attempt_lines (attempt_id, line, first_at) VALUES (:attempt, :line, :at) ON CONFLICT (attempt_id, line) DO NOTHING"
)


def line_of(secret: bytes, administration_id: int, address: str | None) -> str | None:
    """None where the address tells nobody apart: there is none, or it is this machine's own."""
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    if found.is_loopback:
        return None
    network = ipaddress.ip_network((found, 64 if found.version == 6 else 32), strict=False)
    return keyed_hash(secret, f"line {administration_id}", str(network))


def note(session: Session, attempt: Attempt, line: str | None, now: datetime) -> None:
    """Of a test at home: it came over this line too."""
    if line is not None and attempt.mode == Mode.REMOTE:
        session.flush()
        connection = session.connection()
        _NOTE.run(connection, {"attempt": attempt.id, "line": line, "at": stamp(connection, now)})


def shared(session: Session, administration_id: int) -> list[set[int]]:
    """Attempts of an administration that came over one line, for each line that more than one came over."""
    rows = session.execute(
        select(AttemptLine.line, AttemptLine.attempt_id)
        .join(Attempt, Attempt.id == AttemptLine.attempt_id)
        .join(TestSession, TestSession.id == Attempt.session_id)
        .where(TestSession.administration_id == administration_id)
    )
    found: dict[str, set[int]] = {}
    for line, attempt_id in rows:
        found.setdefault(line, set()).add(attempt_id)
    return [attempts for attempts in found.values() if len(attempts) > 1]
