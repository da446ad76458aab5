from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from testing_platform.db import Base


class Notice(Base):
    __tablename__ = "notices"
    __table_args__ = (
        CheckConstraint("state IN ('queued', 'sent', 'failed')", name="state_is_known"),
        Index("ix_notices_due", "state", "next_try_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), index=True)
    template: Mapped[str]  # name and version, such as "submitted/1"
    about: Mapped[str | None] = mapped_column(index=True)  # such as "attempt:17": one person may be written to about several
    to: Mapped[str]
    subject: Mapped[str]
    text: Mapped[str]
    html: Mapped[str | None]
    calendar: Mapped[str | None]
    created_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(default="queued")
    tries: Mapped[int] = mapped_column(default=0)
    next_try_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    # The kind of trouble, never the server's text: it may hold an address.
    trouble: Mapped[str | None]
