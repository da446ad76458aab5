"""The mails of a test: what they say, in the candidate's language."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask_babel import force_locale, format_date, format_time, get_locale
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from testing_platform.accounts.models import Person
from testing_platform.delivery.models import Attempt
from testing_platform.notices import service as notices
from testing_platform.settings import Settings
from testing_platform.web.frame import LOCALES


def receipt(
    session: Session, settings: Settings, attempt: Attempt, facts: dict[str, Any], examination: dict[str, str], now: datetime
) -> None:
    """N13 of the notices: the test was handed in. Counts and the receipt's code, nothing about correctness."""
    zone = ZoneInfo(settings.zone)
    with force_locale(LOCALES[attempt.person.locale or "en"]):
        # Local text and zone, written out: a mail has no page around it.
        local = facts["submitted_at"].astimezone(zone).replace(tzinfo=None)
        at = format_date(local, "long", rebase=False) + ", " + format_time(local, "short", rebase=False)
        text = "\n\n".join(
            [
                _("Hello %(name)s,", name=attempt.person.name),
                _(
                    "Your test for %(title)s (class code %(code)s) was handed in on %(at)s (%(zone)s).",
                    title=examination["title"],
                    code=examination["code"],
                    at=at,
                    zone=settings.zone,
                ),
                _("Receipt: %(code)s", code=facts["code"])
                + "\n"
                + _("Questions answered: %(answered)d of %(items)d", answered=facts["answered"], items=facts["items"]),
                _(
                    "What comes next: the passing score is set after everyone has taken the test. We will write to you when the results are "
                    "ready. The test itself is not open to review (Rule 4.20)."
                ),
                _(
                    "Please keep this message. Questions? Call the help desk at %(phone)s (%(hours)s).",
                    phone=settings.help_phone,
                    hours=settings.hours_in(get_locale().language),
                ),
                _(
                    "%(city)s, Personnel Department. The City is an equal opportunity employer. To ask for an accommodation, call the same number.",
                    city=settings.city_name,
                ),
            ]
        )
        subject = _("Your test was handed in: receipt %(code)s", code=facts["code"])
    notices.write(session, attempt.person, "submitted/1", subject, text, now)


def sign_in_link(session: Session, settings: Settings, person: Person, address: str, now: datetime) -> None:
    with force_locale(LOCALES[person.locale or "en"]):
        text = "\n\n".join(
            [
                _("Hello %(name)s,", name=person.name),
                _("Open this link to sign in to your test. It works once, for 30 minutes:") + "\n" + address,
                _("If you did not ask for it, you need do nothing. Nobody can sign in without this mail."),
                _(
                    "Questions? Call the help desk at %(phone)s (%(hours)s).",
                    phone=settings.help_phone,
                    hours=settings.hours_in(get_locale().language),
                ),
            ]
        )
        subject = _("Your sign-in link")
    notices.write(session, person, "sign-in-link/1", subject, text, now)
