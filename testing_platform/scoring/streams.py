"""Supply by stream beside the whole: on which list those of a scoring are, promotional or open. One passing score is for both.

It is shown only where the department's counsel has allowed it (`rules.Policy.streams`). Names, and groups that a person states, are never among it.
"""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from testing_platform.delivery.models import Attempt
from testing_platform.examinations.models import Appointment
from testing_platform.scoring import rules
from testing_platform.scoring.models import RawScore, ScoreRun


def supply(session: Session, found: ScoreRun, policy: rules.Policy) -> rules.Streams | None:
    """None where the policy names no stream."""
    if not policy.streams:
        return None
    rows = session.execute(
        select(Appointment.basis, RawScore.raw, func.count())
        .select_from(RawScore)
        .join(Attempt, Attempt.id == RawScore.attempt_id)
        .join(Appointment, Appointment.id == Attempt.appointment_id)
        .where(RawScore.run_id == found.id)
        .group_by(Appointment.basis, RawScore.raw)
    )
    counts = {name: [0] * (found.maximum + 1) for name in rules.LISTS}
    for basis, raw, count in rows:
        counts[rules.list_of(basis)][raw] += count
    return rules.streams(counts, policy)
