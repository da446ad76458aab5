from dataclasses import dataclass
from datetime import datetime, timedelta
from hmac import compare_digest

import pyotp
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from sqlalchemy import select
from sqlalchemy.orm import Session

from testing_platform import errors
from testing_platform.accounts import rules
from testing_platform.accounts.models import AdmissionCode, OneTimeLink, Person, RoleGrant, SignIn, Tries
from testing_platform.accounts.rules import Area, Role
from testing_platform.audit import service as audit

# OWASP Password Storage Cheat Sheet, argon2id: 19 MiB, two passes, one lane.
HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
# Checked when there is no such person, so that the time taken does not tell.
NOBODY = HASHER.hash("nobody's password")

STAFF_SIGN_IN = timedelta(hours=12)
# A candidate who comes a little early and has double time must not be signed out in the middle.
CANDIDATE_SIGN_IN = timedelta(hours=16)


class WrongSignIn(errors.Refusal):
    """One sentence for every cause, so that nobody learns which addresses exist."""

    code = "wrong-sign-in"


class UnknownCode(errors.Refusal):
    code = "unknown-code"


class FaultyAddress(errors.Refusal):
    """`why`: not-an-address, or in-use by somebody else."""

    code = "faulty-address"


class LinkEnded(errors.Refusal):
    """The one-time link was used or is too old."""

    code = "link-ended"


def add_person(session: Session, *, name: str, email: str, roles: set[Role], now: datetime, candidate_number: str | None = None) -> Person:
    person = Person(name=name, email=email, candidate_number=candidate_number, created_at=now)
    session.add(person)
    session.flush()
    for role in sorted(roles):
        session.add(RoleGrant(person_id=person.id, role=role, since=now))
    session.flush()
    session.refresh(person, ["grants"])
    audit.record(session, "person.added", f"person:{person.id}", now, roles=sorted(roles))
    return person


def make_link(
    session: Session,
    secret: bytes,
    person: Person,
    area: Area,
    now: datetime,
    *,
    purpose: str = "sign_in",
    lasts: timedelta = timedelta(minutes=30),
) -> str:
    """The token of a link that opens once."""
    token = rules.new_token()
    session.add(
        OneTimeLink(
            token_hash=rules.keyed_hash(secret, "link", token),
            person_id=person.id,
            area=area,
            purpose=purpose,
            created_at=now,
            expires_at=now + lasts,
        )
    )
    return token


def find_link(session: Session, secret: bytes, token: str, area: Area, now: datetime) -> OneTimeLink:
    """Raises LinkEnded for an unknown, used or expired one alike."""
    link = session.scalars(select(OneTimeLink).where(OneTimeLink.token_hash == rules.keyed_hash(secret, "link", token))).first()
    if link is None or link.area != area or link.used_at is not None or now >= link.expires_at or link.person.closed_at:
        raise LinkEnded
    return link


def issue_admission_code(session: Session, secret: bytes, person: Person, now: datetime, expires_at: datetime) -> str:
    code = rules.new_admission_code()
    keep_admission_code(session, secret, person, code, now, expires_at)
    return code


def keep_admission_code(session: Session, secret: bytes, person: Person, code: str, now: datetime, expires_at: datetime) -> None:
    session.add(
        AdmissionCode(
            code_hash=rules.keyed_hash(secret, "code", rules.plain_code(code)), person_id=person.id, created_at=now, expires_at=expires_at
        )
    )


def find_by_code(session: Session, secret: bytes, typed: str, now: datetime) -> Person:
    hashed = rules.keyed_hash(secret, "code", rules.plain_code(typed))
    code = session.scalars(select(AdmissionCode).where(AdmissionCode.code_hash == hashed)).first()
    if code is None or code.ended_at is not None or now >= code.expires_at or code.person.closed_at:
        raise UnknownCode
    return code.person


def correct_email(session: Session, person: Person, email: str, by: Person, now: datetime) -> None:
    """Mail goes there from now on, and links to sign in do too. The trail says that it was corrected, and no address. Raises FaultyAddress."""
    email = email.strip().lower()
    if email == person.email:
        return
    local, at, domain = email.partition("@")
    if not (local and at and "." in domain.strip(".") and len(email) <= 200) or any(
        not sign.isprintable() or sign in " ,;<>@" for sign in local + domain
    ):
        raise FaultyAddress(why="not-an-address")
    if session.scalars(select(Person.id).where(Person.email == email)).first() is not None:
        raise FaultyAddress(why="in-use")
    person.email = email
    session.flush()
    audit.record(session, "person.address_corrected", f"person:{person.id}", now, by.id)


def with_role(session: Session, role: Role) -> list[Person]:
    """Whoever has the role now, by name."""
    holders = select(RoleGrant.person_id).where(RoleGrant.role == role, RoleGrant.ended_at.is_(None))
    return list(session.scalars(select(Person).where(Person.id.in_(holders), Person.closed_at.is_(None)).order_by(Person.name)))


def candidate_by_email(session: Session, email: str) -> Person | None:
    person = session.scalars(select(Person).where(Person.email == email)).first()
    return person if person is not None and person.closed_at is None and Role.CANDIDATE in person.roles else None


@dataclass(frozen=True)
class Checked:
    """A password and a code that were right, before anything is written."""

    person_id: int
    totp_step: int


def check_password(session: Session, email: str, password: str, totp: str, now: datetime) -> Checked:
    """Slow on purpose: call it outside a write transaction. Raises WrongSignIn."""
    person = session.scalars(select(Person).where(Person.email == email.strip().lower())).first()
    known = person is not None and person.closed_at is None and person.password_hash is not None
    try:
        HASHER.verify(person.password_hash if known and person and person.password_hash else NOBODY, password)
    except (VerifyMismatchError, InvalidHashError):
        raise WrongSignIn from None
    if not known or person is None or person.totp_secret is None:
        raise WrongSignIn
    step = matching_step(person.totp_secret, totp, now)
    if step is None or (person.totp_step is not None and step <= person.totp_step):
        raise WrongSignIn
    return Checked(person.id, step)


def matching_step(secret: str, code: str, now: datetime) -> int | None:
    """The RFC 6238 step of these digits, one step of drift either way allowed."""
    clock = pyotp.TOTP(secret)
    here = rules.totp_step(now.timestamp())
    digits = "".join(c for c in code if c in "0123456789")
    for step in (here, here - 1, here + 1):
        if compare_digest(clock.at(step * 30), digits):
            return step
    return None


def set_password(session: Session, person: Person, hashed: str, totp_secret: str, step: int, now: datetime) -> None:
    """Set both factors anew; every browser that is signed in with the older ones is signed out."""
    person.password_hash, person.totp_secret, person.totp_step = hashed, totp_secret, step
    for found in session.scalars(select(SignIn).where(SignIn.person_id == person.id, SignIn.ended_at.is_(None))):
        found.ended_at = now
    audit.record(session, "password.set", f"person:{person.id}", now, person.id)


def sign_in(session: Session, secret: bytes, person: Person, area: Area, way: str, now: datetime) -> str:
    """The token for the cookie. Raises errors.Forbidden when the person has no role in that area."""
    if not person.roles & rules.ROLES_OF_AREA[area]:
        raise errors.Forbidden(area=area)
    token = rules.new_token()
    lasts = CANDIDATE_SIGN_IN if area == Area.CANDIDATE else STAFF_SIGN_IN
    session.add(
        SignIn(
            token_hash=rules.keyed_hash(secret, "sign-in", token),
            person_id=person.id,
            area=area,
            way=way,
            created_at=now,
            expires_at=now + lasts,
        )
    )
    audit.record(session, "signed-in", f"person:{person.id}", now, person.id, area=area, way=way)
    return token


def find_sign_in(session: Session, secret: bytes, token: str, area: Area, now: datetime) -> SignIn | None:
    found = session.scalars(
        select(SignIn).where(SignIn.token_hash == rules.keyed_hash(secret, "sign-in", token), SignIn.area == area)
    ).first()
    if found is None or found.ended_at or now >= found.expires_at or found.person.closed_at:
        return None
    return found


def sign_out(session: Session, found: SignIn, now: datetime) -> None:
    found.ended_at = now
    audit.record(session, "signed-out", f"person:{found.person_id}", now, found.person_id, area=found.area)


def count_try(session: Session, what: str, now: datetime, *, window: timedelta) -> None:
    """Count one more failed try. The count is kept even though the request fails."""
    tries = session.get(Tries, what)
    if tries is None:
        session.add(Tries(what=what, window_start=now, count=1))
    elif now - tries.window_start >= window:
        tries.window_start, tries.count = now, 1
    else:
        tries.count += 1


def check_tries(session: Session, what: str, now: datetime, *, limit: int, window: timedelta) -> None:
    """Raises errors.TooMany once `limit` tries failed within the window."""
    tries = session.get(Tries, what)
    if tries is not None and tries.count >= limit and now - tries.window_start < window:
        raise errors.TooMany(seconds=int((tries.window_start + window - now).total_seconds()) + 1)
