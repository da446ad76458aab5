from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint
from sqlalchemy.orm import Mapped, mapped_column

from testing_platform.db import Base


class AuditEntry(Base):
    __tablename__ = "audit_entries"
    __table_args__ = (
        CheckConstraint("(number IS NULL) = (digest IS NULL)", name="sealed_is_numbered_and_linked"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    actor_id: Mapped[int | None]  # none: the system's own clock
    act: Mapped[str]
    object: Mapped[str]  # such as "attempt:17"
    facts: Mapped[dict[str, Any]]
    number: Mapped[int | None] = mapped_column(unique=True)
    previous: Mapped[str | None]
    digest: Mapped[str | None]
