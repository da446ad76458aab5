"""What a proctor may do to an attempt, and how its contact reads."""

from datetime import datetime, timedelta
from enum import StrEnum

from testing_platform import errors


class Act(StrEnum):
    ADMIT = "admit"
    RETURN_TO_STEP = "return_to_step"
    PAUSE = "pause"
    RESUME = "resume"
    MESSAGE = "message"
    GIVE_TIME = "give_time"
    PROPOSE_END = "propose_end"
    CONFIRM_END = "confirm_end"
    WITHDRAW_END = "withdraw_end"


class ReasonMissing(errors.Refusal):
    code = "reason-missing"


class SamePerson(errors.Refusal):
    """The second signature has to be another person's."""

    code = "same-person"


class StepWaived(errors.Refusal):
    """The candidate chose to go without this step, as is their right."""

    code = "step-waived"


# The categories a reason is chosen from; the page has the words. Remote rooms' share of the irregularity taxonomy.
REASONS: dict[str, tuple[str, ...]] = {
    "return": ("photo_unclear", "face_not_seen", "camera_trouble", "not_alone", "other"),
    "pause": ("technical", "another_person", "look_at_room", "illness", "emergency", "other"),
    "end": ("impersonation", "unauthorised_aid", "item_exposure", "illness", "asked_to_stop", "other"),
    "time": ("technical", "emergency", "our_fault", "accommodation", "other"),
}


def check_reason(kind: str, category: str) -> str:
    """Raises ReasonMissing for a category that the list does not have."""
    if category not in REASONS[kind]:
        raise ReasonMissing(kind=kind, categories=list(REASONS[kind]))
    return category


def check_two_people(proposed_by: int, confirms: int) -> None:
    if proposed_by == confirms:
        raise SamePerson


class Link(StrEnum):
    ONLINE = "online"
    DEGRADED = "degraded"
    OFFLINE = "offline"
    NONE = "none"


def link(last_contact: datetime | None, now: datetime, interval: timedelta, patience: timedelta) -> Link:
    """How an attempt's contact reads: degraded when a call is overdue, offline from the instant the page has covered the questions."""
    if last_contact is None:
        return Link.NONE
    age = now - last_contact
    if age >= patience:
        return Link.OFFLINE
    return Link.DEGRADED if age > interval * 1.5 else Link.ONLINE
