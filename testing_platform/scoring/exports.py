"""Files that leave for interview scheduling and for the applicant system. Only after two signatures, and the same bytes for the same facts."""

import csv
import hashlib
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import xlsxwriter
from sqlalchemy import select
from sqlalchemy.orm import Session, lazyload

from testing_platform import errors
from testing_platform.accounts.models import Person
from testing_platform.audit import service as audit
from testing_platform.delivery.models import Attempt
from testing_platform.delivery.rules import State
from testing_platform.examinations.models import Administration, Appointment, TestSession
from testing_platform.scoring import notices, results
from testing_platform.scoring.interviews import Slot
from testing_platform.scoring.models import ExportJob, PassingScoreDecision, QualifyingResult
from testing_platform.settings import Settings

Line = dict[str, str]

# In the order of the columns. No score, passing score, demographic, diagnosis, invitation tier or incident is among them.
INTERVIEW_CANDIDATES = (
    "class_code",
    "class_title",
    "bulletin_open_date",
    "administration_seq",
    "candidate_no",
    "external_person_id",
    "legal_last_name",
    "legal_first_name",
    "preferred_name",
    "email",
    "phone",
    "result",
    "result_released_at",
    "basis",
    "accommodation_flag",
    "accommodation_functional_note",
    "language_criteria",
    "earliest_date",
    "blackout_dates",
    "preferred_site",
    "notice_status",
    "slot_id",
    "interview_starts_at_local",
    "interview_starts_at_utc",
    "zone",
    "location",
    "board_id",
)
PASS_FAIL = ("external_person_id", "candidate_no", "exam_no", "component", "result", "result_at", "decision_version")
INTERVIEW_SCHEDULE = (
    "location",
    "board_id",
    "starts_at_local",
    "ends_at_local",
    "starts_at_utc",
    "zone",
    "candidate_no",
    "name",
    "raters",
    "accommodation_functional_note",
    "status",
)
COLUMNS: dict[str, tuple[str, ...]] = {
    "interview_candidates": INTERVIEW_CANDIDATES,
    "interview_schedule": INTERVIEW_SCHEDULE,
    "pass_fail": PASS_FAIL,
}
FORMATS: dict[str, tuple[str, ...]] = {
    "interview_candidates": ("csv", "xlsx", "json"),
    "interview_schedule": ("xlsx", "csv", "ics"),
    "pass_fail": ("csv", "json", "neogov"),
}
# What a format is of when nobody says which kind.
USUAL = {"ics": "interview_schedule", "neogov": "pass_fail"}
VERSION = 1
TYPES = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "json": "application/json",
    "ics": "text/calendar; charset=utf-8",
    "neogov": "text/tab-separated-values; charset=utf-8",
}
ENDINGS = {"neogov": "txt"}
NOTICE_STATUS = {
    results.Standing.TO_INVITE: "not_invited",
    results.Standing.WAITING: "queued",
    results.Standing.SENT: "sent",
    results.Standing.BOUNCED: "bounced",
    results.Standing.FAILED: "failed",
}
# A cell that begins so is read as a formula by spreadsheets; an apostrophe makes it text.
FORMULA = ("=", "+", "-", "@", "\t", "\r")
# Stands before a family name and belongs to it.
PARTICLES = {"da", "das", "de", "del", "della", "den", "der", "di", "do", "dos", "du", "la", "las", "le", "los", "san", "van", "von"}


class UnknownExport(errors.Refusal):
    code = "unknown-export"


class FaultyLayout(errors.Refusal):
    """The bulletin's layout for the applicant system names a column that there is not."""

    code = "faulty-layout"


@dataclass(frozen=True)
class Layout:
    """How the applicant system wants its text file: (heading, our column) in order, and its words for our results."""

    columns: tuple[tuple[str, str], ...] = tuple((name, name) for name in PASS_FAIL)
    words: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, administration: Administration) -> "Layout":
        """The bulletin's `[policy.result.upload]`, else our own columns and words. Raises FaultyLayout."""
        said = administration.examination.bulletin.content.get("policy", {}).get("result", {}).get("upload", {})
        columns = tuple((str(heading), str(column)) for heading, column in said.get("columns", cls().columns))
        unknown = sorted({column for _, column in columns} - set(PASS_FAIL))
        if unknown:
            raise FaultyLayout(unknown=unknown)
        return cls(columns, said.get("words", {}))


def schema(kind: str) -> str:
    return f"testing_platform.export.{kind}/{VERSION}"


# --- what is in the files --------------------------------------------------------------------------------------------------------------------


def name_parts(name: str) -> tuple[str, str]:
    """(last, first). We keep a name as one text: "Last, First" is taken at its word, else the last word and its particles are the family's."""
    last, comma, first = name.partition(",")
    if comma:
        return last.strip(), first.strip()
    words = name.split()
    at = len(words) - 1
    while at > 1 and words[at - 1].lower() in PARTICLES:
        at -= 1
    return (" ".join(words[at:]), " ".join(words[:at])) if at > 0 else (name.strip(), "")


def in_zone(instant: datetime, zone: str) -> str:
    return instant.astimezone(ZoneInfo(zone)).isoformat(timespec="seconds")


def in_utc(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def examination_number(administration: Administration) -> str:
    """Class code, bulletin date and number of the administration: 1229-2018-10-12-1."""
    bulletin = administration.examination.bulletin
    return f"{bulletin.job_class.code}-{bulletin.open_on.isoformat()}-{administration.number}"


def interview_candidates(
    session: Session, administration: Administration, decision: PassingScoreDecision, settings: Settings, now: datetime
) -> list[Line]:
    """One line for each who passes under the decision in force, by candidate number."""
    bulletin = administration.examination.bulletin
    zone = results.zone_of(session, administration.id, settings)
    found = []
    for row in results.rows(session, administration, decision):
        if row.result is None:
            continue
        last, first = name_parts(row.person.name)
        line = dict.fromkeys(INTERVIEW_CANDIDATES, "") | {
            "class_code": bulletin.job_class.code,
            "class_title": bulletin.job_class.title,
            "bulletin_open_date": bulletin.open_on.isoformat(),
            "administration_seq": str(administration.number),
            "candidate_no": row.person.candidate_number or "",
            "external_person_id": row.person.external_id or "",
            "legal_last_name": last,
            "legal_first_name": first,
            "preferred_name": row.person.name,
            "email": row.person.email,
            "phone": row.person.phone or "",
            "result": row.result.outcome,
            "result_released_at": in_zone(row.result.released_at, zone),
            "basis": row.basis.upper(),
            "accommodation_flag": "Y" if row.note else "N",
            "accommodation_functional_note": row.note,
            "notice_status": NOTICE_STATUS[row.standing],
            "zone": zone,
        }
        if row.invitation is not None:
            starts_at, board = row.invitation.starts_at, row.invitation.board
            line |= {
                "slot_id": f"{row.invitation.plan_id}-{board}-{starts_at.astimezone(UTC):%Y%m%dT%H%MZ}",
                "interview_starts_at_local": in_zone(starts_at, zone),
                "interview_starts_at_utc": in_utc(starts_at),
                "location": row.invitation.location,
                "board_id": str(board),
            }
        found.append(line)
    return found


def pass_fail(
    session: Session, administration: Administration, decision: PassingScoreDecision, settings: Settings, now: datetime
) -> list[Line]:
    """One line for each who has a result, who did not come, or whose test was voided, by candidate number.

    Who was stopped, left, or refused at the door has no line: people still decide about them.
    """
    zone = results.zone_of(session, administration.id, settings)
    outcomes = {
        attempt_id: (outcome, released_at)
        for attempt_id, outcome, released_at in session.execute(
            select(QualifyingResult.attempt_id, QualifyingResult.outcome, QualifyingResult.released_at).where(
                QualifyingResult.decision_id == decision.id
            )
        )
    }
    rows = session.execute(
        select(Person, TestSession.window, Attempt.id, Attempt.state, Attempt.started_at)
        .select_from(Appointment)
        .join(Person, Person.id == Appointment.person_id)
        .join(TestSession, TestSession.id == Appointment.session_id)
        .outerjoin(Attempt, Attempt.appointment_id == Appointment.id)
        .where(Appointment.administration_id == administration.id, Appointment.state == "booked")
        .options(lazyload(Person.grants))
    ).all()
    found = []
    for person, window, attempt_id, state, started_at in rows:
        if attempt_id in outcomes:
            outcome, at = outcomes[attempt_id]
        elif state == State.VOIDED_RETEST:
            outcome, at = "VOID", decision.approved_at or decision.proposed_at
        elif started_at is None and state != State.REFUSED and window.closes_at <= now:
            outcome, at = "NO_SHOW", window.closes_at
        else:
            continue
        found.append(
            {
                "external_person_id": person.external_id or "",
                "candidate_no": person.candidate_number or "",
                "exam_no": examination_number(administration),
                "component": "qualifying_test",
                "result": outcome,
                "result_at": in_zone(at, zone),
                "decision_version": str(decision.number),
            }
        )
    return sorted(found, key=lambda line: (line["candidate_no"], line["external_person_id"]))


def interview_schedule(
    session: Session, administration: Administration, decision: PassingScoreDecision, settings: Settings, now: datetime
) -> list[Line]:
    """One line for each interview by place, time and board; one that was taken back says so."""
    found = []
    for one in results.schedule(session, administration.id):
        invitation, zone = one.invitation, one.invitation.plan.zone
        found.append(
            dict.fromkeys(INTERVIEW_SCHEDULE, "")
            | {
                "location": invitation.location,
                "board_id": str(invitation.board),
                "starts_at_local": in_zone(invitation.starts_at, zone),
                "ends_at_local": in_zone(invitation.ends_at, zone),
                "starts_at_utc": in_utc(invitation.starts_at),
                "zone": zone,
                "candidate_no": one.person.candidate_number or "",
                "name": one.person.name,
                "accommodation_functional_note": one.note,
                "status": "CANCELLED" if invitation.withdrawn_at else "CONFIRMED",
            }
        )
    return found


Content = Callable[[Session, Administration, PassingScoreDecision, Settings, datetime], list[Line]]
CONTENT: dict[str, Content] = {
    "interview_candidates": interview_candidates,
    "interview_schedule": interview_schedule,
    "pass_fail": pass_fail,
}


# --- how the files are written ---------------------------------------------------------------------------------------------------------------


def text_cell(value: str) -> str:
    return f"'{value}" if value.startswith(FORMULA) else value


def as_csv(columns: Sequence[str], lines: Sequence[Line], figures: bool = False) -> bytes:
    """RFC 4180 with a byte order mark, by which spreadsheets know UTF-8. `figures`: all is our own, and a number below 0 stays one."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([line[column] if figures else text_cell(line[column]) for column in columns] for line in lines)
    return out.getvalue().encode("utf-8-sig")


def as_xlsx(columns: Sequence[str], lines: Sequence[Line], title: str, made_at: datetime) -> bytes:
    """One sheet of text cells: no formula, no number that would lose its zeros. `made_at` is the decision's time, so that bytes repeat."""
    out = io.BytesIO()
    book = xlsxwriter.Workbook(
        out, {"in_memory": True, "strings_to_formulas": False, "strings_to_numbers": False, "strings_to_urls": False}
    )
    book.set_properties({"title": title, "created": made_at.astimezone(UTC).replace(tzinfo=None)})
    text, head = book.add_format({"num_format": "@"}), book.add_format({"num_format": "@", "bold": True, "bottom": 1})
    sheet = book.add_worksheet(title[:31])
    for number, column in enumerate(columns):
        widest = max([len(column), *(len(line[column]) for line in lines)])
        sheet.set_column(number, number, min(widest + 2, 48), text)
        sheet.write_string(0, number, column, head)
    for row, line in enumerate(lines, 1):
        for number, column in enumerate(columns):
            sheet.write_string(row, number, line[column], text)
    sheet.freeze_panes(1, 0)
    if lines:
        sheet.autofilter(0, 0, len(lines), len(columns) - 1)
    book.close()
    return out.getvalue()


def as_json(kind: str, lines: Sequence[Line], about: dict[str, Any]) -> bytes:
    return (json.dumps({"schema": schema(kind), **about, "rows": list(lines)}, ensure_ascii=False, indent=1) + "\n").encode()


def as_text(lines: Sequence[Line], layout: Layout) -> bytes:
    """One line for each with tabs between the cells, as an upload form reads it: no byte order mark, no quotes, no line end inside a cell."""
    rows = [[heading for heading, _ in layout.columns]]
    for line in lines:
        said = line | {"result": str(layout.words.get(line["result"], line["result"]))}
        rows.append([text_cell(said[column]) for _, column in layout.columns])
    return "".join("\t".join(" ".join(cell.split()) for cell in row) + "\r\n" for row in rows).encode()


def as_calendar(session: Session, administration: Administration, settings: Settings) -> bytes:
    """For the boards: an entry for each interview under the same UID as in the candidate's own letter, the taken back ones as cancelled."""
    entries = []
    for one in results.schedule(session, administration.id):
        invitation = one.invitation
        meeting = notices.Meeting(
            Slot(invitation.starts_at, invitation.board, invitation.ends_at),
            invitation.location,
            invitation.plan.zone,
            results.respond_by(invitation),
            notices.uid(settings, invitation.result.attempt_id),
            one.sequence,
        )
        summary = f"Board {invitation.board}: {one.person.name} ({one.person.candidate_number})"
        entry = notices.entry(
            settings, meeting, summary, invitation.withdrawn_at or invitation.invited_at, cancelled=invitation.withdrawn_at is not None
        )
        if one.note:
            entry.add("description", one.note)
        entries.append(entry)
    return notices.calendar_of(entries, "PUBLISH").encode()


def export(
    session: Session, administration: Administration, kind: str, format: str, settings: Settings, person_id: int | None, now: datetime
) -> tuple[bytes, ExportJob]:
    """The file and its record. Raises results.NotReleased before the second signature, UnknownExport for what is not made."""
    if format not in FORMATS.get(kind, ()):
        raise UnknownExport(kind=kind, format=format)
    decision = results.released(session, administration.id)
    lines = CONTENT[kind](session, administration, decision, settings, now)
    columns = COLUMNS[kind]
    if format == "csv":
        content = as_csv(columns, lines)
    elif format == "xlsx":
        content = as_xlsx(columns, lines, kind, decision.approved_at or decision.proposed_at)
    elif format == "ics":
        content = as_calendar(session, administration, settings)
    elif format == "neogov":
        content = as_text(lines, Layout.of(administration))
    else:
        content = as_json(kind, lines, {"exam_no": examination_number(administration), "decision_version": decision.number})
    job = ExportJob(
        administration_id=administration.id,
        decision_id=decision.id,
        kind=kind,
        format=format,
        rows=len(lines),
        sha256=hashlib.sha256(content).hexdigest(),
        template=schema(kind),
        made_by_id=person_id,
        made_at=now,
    )
    session.add(job)
    session.flush()
    audit.record(
        session,
        "results.exported",
        f"administration:{administration.id}",
        now,
        person_id,
        job=job.id,
        kind=kind,
        format=format,
        rows=job.rows,
        sha256=job.sha256,
        decision=decision.number,
    )
    return content, job


def file_name(administration: Administration, kind: str, format: str) -> str:
    return f"{examination_number(administration)}-{kind.replace('_', '-')}.{ENDINGS.get(format, format)}"


def jobs(session: Session, administration_id: int, kinds: Sequence[str], limit: int = 20) -> list[tuple[ExportJob, str | None]]:
    """What left, newest first, and the name of who took it; nobody's where it was the command line."""
    rows = session.execute(
        select(ExportJob, Person.name)
        .outerjoin(Person, Person.id == ExportJob.made_by_id)
        .where(ExportJob.administration_id == administration_id, ExportJob.kind.in_(kinds))
        .order_by(ExportJob.id.desc())
        .limit(limit)
    )
    return [(job, name) for job, name in rows]
