"""What the pages of a lead proctor have in common: where the rail leads, and what other packages ask of the lead."""

from collections.abc import Callable
from dataclasses import dataclass

from flask_babel import gettext as _
from sqlalchemy.orm import Session

from testing_platform.accounts.models import Person


@dataclass(frozen=True)
class Ask:
    """Work that waits for a lead proctor elsewhere than in a session: the page, its name and a sentence."""

    url: str
    title: str
    text: str


# A package that is above this one adds its own.
ASKS: list[Callable[[Session, Person], Ask | None]] = []


def asked(session: Session, person: Person) -> list[Ask]:
    return [found for ask in ASKS if (found := ask(session, person)) is not None]


def rail(here: str) -> list[tuple[str, str, bool]]:
    pages = [(_("Today"), "/proctor/"), (_("Referred leads"), "/proctor/referrals"), (_("Results on hold"), "/proctor/holds")]
    return [(title, url, url == here) for title, url in pages]
