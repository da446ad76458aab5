import contextlib
import smtplib
import ssl
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime
from urllib.parse import unquote, urlsplit

from sqlalchemy import select
from sqlalchemy.orm import Session

from testing_platform.accounts.models import Person
from testing_platform.notices.models import Notice

GIVE_UP_AFTER = 12  # tries; with the waits below that is about two days


def write(
    session: Session,
    person: Person,
    template: str,
    subject: str,
    text: str,
    now: datetime,
    calendar: str | None = None,
    html: str | None = None,
    about: str | None = None,
) -> Notice:
    """Put a mail into the outbox; it goes out after this transaction is kept."""
    notice = Notice(
        person_id=person.id,
        template=template,
        about=about,
        to=person.email,
        subject=subject,
        text=text,
        html=html,
        calendar=calendar,
        created_at=now,
        next_try_at=now,
    )
    session.add(notice)
    return notice


def write_again(session: Session, notice: Notice, person: Person, now: datetime) -> Notice:
    """The same letter once more, to the address that the person has now; the one that did not arrive stays as it was."""
    return write(session, person, notice.template, notice.subject, notice.text, now, notice.calendar, notice.html, notice.about)


def due(session: Session, now: datetime, limit: int = 50) -> list[Notice]:
    return list(session.scalars(select(Notice).where(Notice.state == "queued", Notice.next_try_at <= now).order_by(Notice.id).limit(limit)))


def sent(notice: Notice, now: datetime) -> None:
    notice.state, notice.sent_at, notice.tries, notice.trouble = "sent", now, notice.tries + 1, None


def failed(notice: Notice, trouble: str, now: datetime, *, for_good: bool) -> None:
    notice.tries += 1
    notice.trouble = trouble
    notice.next_try_at = now + min(timedelta(seconds=30) * 2 ** (notice.tries - 1), timedelta(hours=8))
    if for_good or notice.tries >= GIVE_UP_AFTER:
        notice.state = "failed"


def message(notice: Notice, sender: str) -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = sender, notice.to, notice.subject
    mail["Date"] = format_datetime(notice.created_at)
    # The same id at every try, so that a mail server can drop a second copy.
    mail["Message-ID"] = f"<notice-{notice.id}.{int(notice.created_at.timestamp())}@{sender.partition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(notice.text)
    if notice.html:
        mail.add_alternative(notice.html, subtype="html")
    if notice.calendar:
        mail.add_attachment(
            notice.calendar.encode(),
            maintype="text",
            subtype="calendar",
            filename="interview.ics" if notice.template.startswith("interview") else "test.ics",
            params={"method": "CANCEL" if "METHOD:CANCEL" in notice.calendar else "PUBLISH", "charset": "utf-8"},
        )
    return mail


def connect(smtp_url: str) -> smtplib.SMTP:
    """smtp:// upgrades to TLS where the server offers it; smtps:// speaks TLS from the start. Raises OSError or SMTPException."""
    parts = urlsplit(smtp_url)
    host = parts.hostname or "localhost"
    if parts.scheme == "smtps":
        server: smtplib.SMTP = smtplib.SMTP_SSL(host, parts.port or 465, timeout=20, context=ssl.create_default_context())
    else:
        server = smtplib.SMTP(host, parts.port or 25, timeout=20)
        server.ehlo()
        if server.has_extn("starttls"):
            server.starttls(context=ssl.create_default_context())
            server.ehlo()
    if parts.username:
        server.login(unquote(parts.username), unquote(parts.password or ""))
    return server


def deliver(notices: list[Notice], smtp_url: str, sender: str) -> dict[int, tuple[str, bool] | None]:
    """Send these; for each id none, or (kind of trouble, for good). Network only: call it outside a transaction."""
    results: dict[int, tuple[str, bool] | None] = {}
    try:
        server = connect(smtp_url)
    except (OSError, smtplib.SMTPException) as problem:
        return {notice.id: (type(problem).__name__, False) for notice in notices}
    # What was taken is sent, however the server says goodbye: `with server` would raise for anything but a 221.
    with contextlib.ExitStack() as stack:
        stack.callback(_say_goodbye, server)
        for notice in notices:
            try:
                server.send_message(message(notice, sender))
                results[notice.id] = None
            except smtplib.SMTPRecipientsRefused as problem:
                code = next(iter(problem.recipients.values()))[0]
                results[notice.id] = ("recipient refused", 500 <= code < 600)
            except (OSError, smtplib.SMTPException) as problem:
                results[notice.id] = (type(problem).__name__, False)
            except ValueError as problem:
                # A line end in an address or a subject: such a letter can never be written, and must not hold up the others.
                results[notice.id] = (type(problem).__name__, True)
    return results


def _say_goodbye(server: smtplib.SMTP) -> None:
    with contextlib.suppress(OSError, smtplib.SMTPException):
        server.quit()
    server.close()
