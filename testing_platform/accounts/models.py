from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column, relationship

from testing_platform.accounts.rules import Area, Role
from testing_platform.db import Base


def one_of(column: str, words: type[Role] | type[Area]) -> str:
    return f"{column} IN ({', '.join(repr(str(word)) for word in words)})"


class Person(Base):
    """Anyone known here, candidate or staff."""

    __tablename__ = "people"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    email: Mapped[str] = mapped_column(unique=True)
    # The number by which staff name a candidate; staff have none.
    candidate_number: Mapped[str | None] = mapped_column(unique=True)
    # The number by which the applicant system knows this person; exports carry it back.
    external_id: Mapped[str | None]
    phone: Mapped[str | None]
    # None until the person chose one; then the browser's is used.
    locale: Mapped[str | None]
    created_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    password_hash: Mapped[str | None]
    totp_secret: Mapped[str | None]
    # The last step used: the same six digits do not open twice.
    totp_step: Mapped[int | None]
    grants: Mapped[list["RoleGrant"]] = relationship(back_populates="person", lazy="selectin")

    @property
    def roles(self) -> set[Role]:
        return {Role(grant.role) for grant in self.grants if grant.ended_at is None}


class RoleGrant(Base):
    __tablename__ = "role_grants"
    __table_args__ = (CheckConstraint(one_of("role", Role), name="role_is_known"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), index=True)
    role: Mapped[str]
    since: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    person: Mapped[Person] = relationship(back_populates="grants")


class SignIn(Base):
    """One browser that is signed in. Ending the row signs it out wherever its cookie lies."""

    __tablename__ = "sign_ins"
    __table_args__ = (CheckConstraint(one_of("area", Area), name="area_is_known"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    token_hash: Mapped[str] = mapped_column(unique=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), index=True)
    area: Mapped[str]
    way: Mapped[str]  # link | code | password
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    person: Mapped[Person] = relationship()


class OneTimeLink(Base):
    __tablename__ = "one_time_links"
    __table_args__ = (CheckConstraint(one_of("area", Area), name="area_is_known"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    token_hash: Mapped[str] = mapped_column(unique=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    area: Mapped[str]
    purpose: Mapped[str]  # sign_in | set_up
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    person: Mapped[Person] = relationship()


class AdmissionCode(Base):
    """A code that a candidate types. It opens as often as needed until it expires: a person may have to come back in."""

    __tablename__ = "admission_codes"

    id: Mapped[int] = mapped_column(primary_key=True)
    code_hash: Mapped[str] = mapped_column(unique=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), index=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    person: Mapped[Person] = relationship()


class Tries(Base):
    """Failed tries in one window of time, so that a limit holds over all processes and restarts."""

    __tablename__ = "tries"

    what: Mapped[str] = mapped_column(primary_key=True)  # such as "code:203.0.113.7"
    window_start: Mapped[datetime]
    count: Mapped[int]
