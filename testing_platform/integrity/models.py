from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column, relationship

from testing_platform.accounts.models import Person
from testing_platform.db import Base
from testing_platform.delivery.models import Attempt
from testing_platform.examinations.models import Administration
from testing_platform.integrity.rules import Conclusion

CONCLUSIONS = ", ".join(repr(str(one)) for one in Conclusion)


class LeadConclusion(Base):
    """What a person made of a lead, and why. A later one is a new row; nothing follows from any of them by itself."""

    __tablename__ = "lead_conclusions"
    __table_args__ = (
        CheckConstraint(f"conclusion IN ({CONCLUSIONS})", name="conclusion_is_known"),
        CheckConstraint("reason != ''", name="has_its_reason"),
        CheckConstraint("one_id < other_id", name="pair_in_order"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    administration_id: Mapped[int] = mapped_column(ForeignKey("administrations.id"), index=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("score_runs.id"))
    one_id: Mapped[int] = mapped_column(ForeignKey("attempts.id"))
    # None: the lead is about one candidate.
    other_id: Mapped[int | None] = mapped_column(ForeignKey("attempts.id"))
    conclusion: Mapped[str]
    reason: Mapped[str]
    # As they stood: {"identical", "expected", "z", …}.
    figures: Mapped[dict[str, Any]]
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    at: Mapped[datetime]
    administration: Mapped[Administration] = relationship()
    one: Mapped[Attempt] = relationship(foreign_keys=[one_id])
    other: Mapped[Attempt | None] = relationship(foreign_keys=[other_id])
    person: Mapped[Person] = relationship()
