import hmac
import re
import secrets
import time
from enum import StrEnum
from hashlib import sha256


class Role(StrEnum):
    CANDIDATE = "candidate"
    PROCTOR = "proctor"
    LEAD_PROCTOR = "lead_proctor"
    FACILITY_PROCTOR = "facility_proctor"
    ANALYST = "analyst"
    APPROVER = "approver"
    SCHEDULER = "scheduler"
    AUDITOR = "auditor"
    OPERATOR = "operator"
    ITEM_WRITER = "item_writer"
    ITEM_REVIEWER = "item_reviewer"
    FAIRNESS_REVIEWER = "fairness_reviewer"
    VALIDATION_ANALYST = "validation_analyst"


# Those who work in the item bank beside its owners, the analysts.
BANK_ROLES = {Role.ITEM_WRITER, Role.ITEM_REVIEWER, Role.FAIRNESS_REVIEWER}
# Those who set a passing score; never the same person as one who sees how groups fare under it.
CUT_ROLES = {Role.ANALYST, Role.APPROVER}


class Area(StrEnum):
    """The first part of an address, and the cookie that belongs to it."""

    CANDIDATE = "candidate"
    PROCTOR = "proctor"
    ANALYST = "analyst"
    SCHEDULER = "scheduler"
    AUDITOR = "auditor"
    OPERATOR = "operator"
    VALIDATION = "validation"
    PUBLIC = "public"


ROLES_OF_AREA = {
    Area.CANDIDATE: {Role.CANDIDATE},
    Area.PROCTOR: {Role.PROCTOR, Role.LEAD_PROCTOR, Role.FACILITY_PROCTOR},
    Area.ANALYST: {Role.ANALYST, Role.APPROVER, *BANK_ROLES},
    Area.SCHEDULER: {Role.SCHEDULER},
    Area.AUDITOR: {Role.AUDITOR},
    Area.OPERATOR: {Role.OPERATOR},
    Area.VALIDATION: {Role.VALIDATION_ANALYST},
    Area.PUBLIC: set(),
}

STAFF_AREAS = (Area.PROCTOR, Area.ANALYST, Area.SCHEDULER, Area.AUDITOR, Area.OPERATOR, Area.VALIDATION)


def first_page(area: Area) -> str:
    """Where a sign-in leads: a proctor straight into the session that is on."""
    return "/proctor/now" if area is Area.PROCTOR else f"/{area}/"


def area_of(path: str) -> Area:
    """`/candidate/…` and `/api/candidate/…` are the candidate's; what belongs to nobody is public."""
    parts = [part for part in path.split("/") if part]
    first = parts[1] if parts[:1] == ["api"] and len(parts) > 1 else parts[0] if parts else ""
    return Area(first) if first in set(Area) else Area.PUBLIC


# Without 0 O 1 I L: a code is read aloud over the telephone. 31 letters, ten of them: 49 bits.
CODE_LETTERS = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"


def new_admission_code() -> str:
    letters = "".join(secrets.choice(CODE_LETTERS) for _ in range(10))
    return f"{letters[:4]}-{letters[4:8]}-{letters[8:]}"


def plain_code(typed: str) -> str:
    """A code as typed, without the spaces, dashes and case that do not matter."""
    return re.sub(r"[^0-9A-Z]", "", typed.upper())


def new_token() -> str:
    return secrets.token_urlsafe(32)


def keyed_hash(secret: bytes, purpose: str, value: str) -> str:
    """What is stored in place of a code or token, so that a copy of the database opens nothing."""
    return hmac.new(secret, f"{purpose}\0{value}".encode(), sha256).hexdigest()


def password_is_long_enough(password: str) -> bool:
    """NIST SP 800-63B-4, 3.1.1.2: length alone; 15 where a password could stand alone, 12 with a second factor here."""
    return len(password) >= 12


def totp_step(at: float | None = None) -> int:
    """The 30-second step of RFC 6238, so that one code opens once."""
    return int((time.time() if at is None else at) // 30)
