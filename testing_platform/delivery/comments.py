"""What candidates write about questions during the test, for those who look into keys afterwards. It changes no answer, and nobody replies."""

from collections import defaultdict
from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, UniqueConstraint, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from testing_platform import errors
from testing_platform.db import Base
from testing_platform.delivery import rules, service
from testing_platform.delivery.models import Attempt
from testing_platform.delivery.rules import State
from testing_platform.examinations.models import Administration, TestSession
from testing_platform.itembank.models import FormSlot

LENGTH, MOST = 500, 100  # characters of one, and comments of one attempt: room for a word on every question


class QuestionComment(Base):
    """Of the version that the candidate had before them. Never changed, and shown without a name or a number."""

    __tablename__ = "question_comments"
    __table_args__ = (UniqueConstraint("attempt_id", "key"), CheckConstraint("text != ''", name="has_its_text"))

    id: Mapped[int] = mapped_column(primary_key=True)
    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempts.id"))
    version_id: Mapped[int] = mapped_column(ForeignKey("item_versions.id"), index=True)
    # Made by the page for each comment: the same key again is the same comment.
    key: Mapped[str]
    text: Mapped[str]
    at: Mapped[datetime]


class CommentsFull(errors.Refusal):
    code = "comments-full"


def write(session: Session, attempt: Attempt, slot: int, text: str, key: str, now: datetime) -> QuestionComment:
    """While the questions are before the candidate. Raises rules.NotNow, service.EmptyMessage, CommentsFull, and BadRequest for a slot that the form has not."""
    known = session.scalars(select(QuestionComment).where(QuestionComment.attempt_id == attempt.id, QuestionComment.key == key)).first()
    if known is not None:
        return known
    if attempt.state != State.IN_PROGRESS:
        raise rules.NotNow(state=attempt.state)
    text = text.strip()
    if not 1 <= len(text) <= LENGTH:
        raise service.EmptyMessage(length=len(text), most=LENGTH)
    held = session.get(FormSlot, (attempt.form_id, slot))
    if held is None:
        raise errors.BadRequest(why="slot")
    if (session.scalar(select(func.count()).where(QuestionComment.attempt_id == attempt.id)) or 0) >= MOST:
        raise CommentsFull(most=MOST)
    made = QuestionComment(attempt_id=attempt.id, version_id=held.item_version_id, key=key, text=text, at=now)
    session.add(made)
    session.flush()
    return made


def of_versions(session: Session, administration: Administration) -> defaultdict[int, list[QuestionComment]]:
    """What was written in an administration, by item version, oldest first."""
    found: defaultdict[int, list[QuestionComment]] = defaultdict(list)
    for row in session.scalars(
        select(QuestionComment)
        .join(Attempt, Attempt.id == QuestionComment.attempt_id)
        .join(TestSession, TestSession.id == Attempt.session_id)
        .where(TestSession.administration_id == administration.id)
        .order_by(QuestionComment.id)
    ):
        found[row.version_id].append(row)
    return found
