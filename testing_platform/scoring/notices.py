"""The mails about results and interviews: what they say, in the candidate's language. Never a score, a passing score, a rank or an area."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from flask_babel import force_locale, format_date, format_time, get_locale
from flask_babel import gettext as _
from icalendar import Calendar, Event, Timezone, vCalAddress
from sqlalchemy.orm import Session

from testing_platform.accounts.models import Person
from testing_platform.examinations.models import Administration
from testing_platform.notices import service as notices
from testing_platform.notices.models import Notice
from testing_platform.scoring.interviews import Slot
from testing_platform.settings import Settings
from testing_platform.web.frame import LOCALES


@dataclass(frozen=True)
class Letter:
    """A mail before it is put into the outbox, so that it can be written outside the transaction that keeps it."""

    template: str
    subject: str
    text: str
    calendar: str | None = None


def about(attempt_id: int) -> str:
    return f"attempt:{attempt_id}"


def keep(session: Session, person: Person, attempt_id: int, letter: Letter, now: datetime) -> Notice:
    return notices.write(session, person, letter.template, letter.subject, letter.text, now, letter.calendar, about=about(attempt_id))


@contextmanager
def in_language_of(person: Person) -> Iterator[None]:
    with force_locale(LOCALES[person.locale or "en"]):
        yield


def local_day_and_hour(instant: datetime, zone: str, form: str = "full") -> tuple[str, str]:
    """On the wall clock of the place, whatever zone the page has."""
    said = instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    return format_date(said, form, rebase=False), format_time(said, "short", rebase=False)


def local_time(instant: datetime, zone: str, *, short: bool = False) -> str:
    """Day and hour; written out with its zone for a mail, which has no page around it."""
    said: str = ", ".join(local_day_and_hour(instant, zone, "medium" if short else "full"))
    return said if short else f"{said} ({zone}, {instant.astimezone(ZoneInfo(zone)).tzname()})"


def local_day(day: date) -> str:
    return str(format_date(day, "long", rebase=False))


def greeting(person: Person) -> str:
    return str(_("Hello %(name)s,", name=person.name))


def closing(settings: Settings, person: Person) -> list[str]:
    found = [
        _(
            "Questions? Call the help desk at %(phone)s (%(hours)s). Please do not answer this mail: nobody reads the replies.",
            phone=settings.help_phone,
            hours=settings.hours_in(get_locale().language),
        ),
        _(
            "%(city)s, Personnel Department. The City is an equal opportunity employer. To ask for an accommodation, call the same number.",
            city=settings.city_name,
        ),
    ]
    if person.candidate_number:
        found.insert(0, _("Your candidate number: %(number)s", number=person.candidate_number))
    return found


@dataclass(frozen=True)
class Outcome:
    """What a letter about a result needs to know."""

    passed: bool
    changed: bool  # an earlier letter said the other thing
    taken_on: date
    may_file_on: date


def result(settings: Settings, person: Person, administration: Administration, outcome: Outcome) -> Letter:
    """N15 and N16, and what is said when a later decision changes an outcome."""
    title, code = administration.examination.title, administration.examination.bulletin.job_class.code
    named = {"title": title, "code": code}
    with in_language_of(person):
        day = local_day(outcome.taken_on)
        said = [greeting(person)]
        if outcome.changed:
            said.append(
                _(
                    "We wrote to you before about your test for %(title)s (class code %(code)s). That result has changed. The Personnel Department "
                    "looked at the test again, and two people signed a new decision. It replaces the earlier one.",
                    **named,
                )
            )
        else:
            said.append(_("Thank you for taking the test for %(title)s (class code %(code)s) on %(day)s.", day=day, **named))
        if outcome.passed:
            said.append(_("Your result: you passed.") if not outcome.changed else _("Your new result: you passed."))
            said.append(
                _(
                    "What comes next: an interview. We will write to you with its day, time and place. You need not do anything until then. "
                    "The interview alone decides your final score."
                )
            )
        else:
            said.append(_("Your result: you did not pass.") if not outcome.changed else _("Your new result: you did not pass."))
            if outcome.changed:
                said.append(
                    _(
                        "We are sorry. We know that this is not what you were told first. If you have an interview date, "
                        "the Personnel Department will write to you about it."
                    )
                )
            said.append(
                _(
                    "This means that there will be no interview from this test. It does not count against you for any other class or examination."
                )
            )
            said.append(
                _(
                    "You may file for this examination again from %(day)s on, in any filing period that is open then.",
                    day=local_day(outcome.may_file_on),
                )
            )
        said.append(
            _(
                "The result is pass or fail alone. The questions and answers are not open to review (Rule 4.20). If something went wrong with "
                "how the test was given, please call us."
            )
        )
        said.append(_("You can also read this on your page:") + f"\n{settings.public_url}/candidate/")
        said += closing(settings, person)
        if outcome.changed:
            subject = _("Your test result has changed: %(title)s", title=title)
        else:
            subject = _("Your test result: %(title)s", title=title)
    kind = "pass" if outcome.passed else "fail"
    return Letter(f"result-{'changed-' if outcome.changed else ''}{kind}/1", subject, "\n\n".join(said))


def no_result(settings: Settings, person: Person, administration: Administration, taken_on: date) -> Letter:
    """For one whose result a later decision took back without another in its place (R66: a changed decision is told anew)."""
    title, code = administration.examination.title, administration.examination.bulletin.job_class.code
    with in_language_of(person):
        said = [
            greeting(person),
            _(
                "We wrote to you before about your test for %(title)s (class code %(code)s) on %(day)s. The Personnel Department looked at the "
                "tests again, and two people signed a new decision.",
                title=title,
                code=code,
                day=local_day(taken_on),
            ),
            _(
                "The result that we told you does not stand any more, and there is no new one yet: your test is being looked at again. We are "
                "sorry for the uncertainty. We will write to you when it is decided."
            ),
            _("If you have an interview date, the Personnel Department will write to you about it. You need not do anything until then."),
            _("You can also read this on your page:") + f"\n{settings.public_url}/candidate/",
            *closing(settings, person),
        ]
        subject = _("Your test result does not stand any more: %(title)s", title=title)
    return Letter("result-taken-back/1", subject, "\n\n".join(said))


@dataclass(frozen=True)
class Meeting:
    """One interview as its candidate is told of it."""

    slot: Slot
    location: str
    zone: str
    respond_by: date
    uid: str
    sequence: int


def invitation(settings: Settings, person: Person, administration: Administration, meeting: Meeting, now: datetime) -> Letter:
    """N19: day, time and place of the interview, with an entry for the calendar."""
    title, code = administration.examination.title, administration.examination.bulletin.job_class.code
    with in_language_of(person):
        summary = _("Interview: %(title)s", title=title)
        said = [
            greeting(person),
            _("You passed the test for %(title)s (class code %(code)s). We invite you to the interview.", title=title, code=code),
            _("When: %(at)s", at=local_time(meeting.slot.starts_at, meeting.zone))
            + "\n"
            + _("Until about: %(at)s", at=format_time(meeting.slot.ends_at.astimezone(ZoneInfo(meeting.zone)), "short", rebase=False))
            + "\n"
            + _("Where: %(place)s", place=meeting.location)
            + "\n"
            + _("Board: %(number)s", number=meeting.slot.board),
            _("Please come 15 minutes early and bring an identity card with your photo."),
            _(
                "If you cannot come at this time, or need an accommodation, call us by %(day)s: %(phone)s. There is nothing to do if the time suits you.",
                day=local_day(meeting.respond_by),
                phone=settings.help_phone,
            ),
            _("The attached file puts the interview into your calendar."),
            *closing(settings, person),
        ]
        subject = _("Your interview on %(day)s", day=local_day(meeting.slot.starts_at.astimezone(ZoneInfo(meeting.zone)).date()))
    return Letter("interview-invitation/1", subject, "\n\n".join(said), calendar(settings, meeting, summary, now))


def withdrawal(settings: Settings, person: Person, administration: Administration, meeting: Meeting, now: datetime) -> Letter:
    title, code = administration.examination.title, administration.examination.bulletin.job_class.code
    with in_language_of(person):
        summary = _("Interview: %(title)s", title=title)
        said = [
            greeting(person),
            _(
                "Your interview for %(title)s (class code %(code)s) will not take place. It was set for %(at)s.",
                title=title,
                code=code,
                at=local_time(meeting.slot.starts_at, meeting.zone),
            ),
            _("The reason is the new decision about the test, of which we wrote to you. We are sorry that you were invited first."),
            _("The attached file takes the interview out of your calendar."),
            *closing(settings, person),
        ]
        subject = _("Your interview will not take place")
    return Letter("interview-withdrawn/1", subject, "\n\n".join(said), calendar(settings, meeting, summary, now, cancelled=True))


def calendar(settings: Settings, meeting: Meeting, summary: str, now: datetime, *, cancelled: bool = False) -> str:
    """An iCalendar text with this one interview and no other person's name."""
    return calendar_of([entry(settings, meeting, summary, now, cancelled=cancelled)], "CANCEL" if cancelled else "PUBLISH")


def entry(settings: Settings, meeting: Meeting, summary: str, said_at: datetime, *, cancelled: bool = False) -> Event:
    place = ZoneInfo(meeting.zone)
    event = Event()
    event.add("uid", meeting.uid)
    event.add("sequence", meeting.sequence)
    event.add("dtstamp", said_at)
    event.add("dtstart", meeting.slot.starts_at.astimezone(place))
    event.add("dtend", meeting.slot.ends_at.astimezone(place))
    event.add("summary", summary)
    event.add("location", meeting.location)
    event.add("status", "CANCELLED" if cancelled else "CONFIRMED")
    event.add("organizer", vCalAddress(f"mailto:{settings.help_email}"))
    return event


def calendar_of(entries: Sequence[Event], method: str) -> str:
    """An iCalendar text of these entries, with the rules of each clock that they are written in."""
    found = Calendar()
    found.add("prodid", "-//testing-platform//interviews//EN")
    found.add("version", "2.0")
    found.add("method", method)
    years: dict[str, list[int]] = {}
    for one in entries:
        starts_at = one.start
        assert isinstance(starts_at, datetime)
        years.setdefault(str(starts_at.tzinfo), []).append(starts_at.year)
        found.add_component(one)
    zones = "".join(zone_text(zone, min(said), max(said)) for zone, said in sorted(years.items()))
    text = str(found.to_ical().decode())
    before, begins, after = text.partition("BEGIN:VEVENT")
    return before + zones + begins + after if entries else text


@lru_cache
def zone_text(zone: str, first: int, last: int) -> str:
    """The rules of the zone's clock from the first year to the one after the last. Written once: they cost more than the rest of an entry."""
    return str(Timezone.from_tzid(zone, first_date=date(first, 1, 1), last_date=date(last + 1, 12, 31)).to_ical().decode())


def uid(settings: Settings, attempt_id: int) -> str:
    """The same for every letter about one candidate's interview, so that a calendar changes its entry and adds none."""
    return f"interview-{attempt_id}@{urlsplit(settings.public_url).hostname}"
