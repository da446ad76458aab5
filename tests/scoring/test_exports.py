"""The files that leave: which columns and rows, how they are written, and that they repeat byte for byte."""

import csv
import hashlib
import io
import json
from datetime import date, time, timedelta

import openpyxl
import pytest
from icalendar import Calendar
from sqlalchemy import select

from testing_platform.accounts.models import Person
from testing_platform.accounts.rules import Role
from testing_platform.audit.models import AuditEntry
from testing_platform.bus import open_database
from testing_platform.delivery import service as attempts
from testing_platform.delivery.rules import State
from testing_platform.examinations import service as examinations
from testing_platform.notices.models import Notice
from testing_platform.scoring import exports, interviews, results
from testing_platform.scoring.models import ExportJob, InterviewInvitation
from testing_platform.settings import Settings
from tests import make
from tests.make import NOON

LATER = NOON + timedelta(hours=10)
E1 = (
    "class_code,class_title,bulletin_open_date,administration_seq,candidate_no,external_person_id,legal_last_name,legal_first_name,"
    "preferred_name,email,phone,result,result_released_at,basis,accommodation_flag,accommodation_functional_note,language_criteria,"
    "earliest_date,blackout_dates,preferred_site,notice_status,slot_id,interview_starts_at_local,interview_starts_at_utc,zone,location,board_id"
)
E2 = "external_person_id,candidate_no,exam_no,component,result,result_at,decision_version"


E3 = "location,board_id,starts_at_local,ends_at_local,starts_at_utc,zone,candidate_no,name,raters,accommodation_functional_note,status"
COLUMNS = {"interview_candidates": E1, "interview_schedule": E3, "pass_fail": E2}


@pytest.fixture
def place(db):
    """Three have handed in: two of them, who would pass at 4, in the wrong order of their numbers."""
    with db.write() as session:
        where = make.place(session)
        later = make.handed_in(session, where, 6, settings={"time_multiplier": "1.50"}).person
        later.name, later.candidate_number, later.external_id, later.phone = "Sofía de la Cruz", "C-90002", "000417", "+1 213 555 0142"
        first = make.handed_in(session, where, 4, basis="promotional").person
        first.name, first.candidate_number, first.email = "Ada Ash", "C-90001", "ada@example.org"
        last = make.handed_in(session, where, 1).person
        last.candidate_number = "C-90003"
    return where


def decide(db, place, cut=4):
    with db.write() as session:
        return make.decided(session, session.get_one(make.TestSession, place.id), cut, LATER)


def export(db, place, kind="interview_candidates", format="csv", now=LATER, person=None):
    with db.write() as session:
        where = session.get_one(make.TestSession, place.id)
        return exports.export(session, where.administration, kind, format, Settings(), person, now)[0]


def read(content):
    assert content.startswith(b"\xef\xbb\xbf")
    assert content.count(b"\n") == content.count(b"\r\n")
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def test_the_columns_stand_in_the_order_of_the_contract(db, place):
    decide(db, place)
    for kind, columns in COLUMNS.items():
        assert export(db, place, kind).decode("utf-8-sig").split("\r\n")[0] == columns


def test_one_line_for_each_who_passed_by_candidate_number(db, place):
    decide(db, place)
    ada, sofia = read(export(db, place))
    assert [ada["candidate_no"], sofia["candidate_no"]] == ["C-90001", "C-90002"]
    assert {name: sofia[name] for name in ("legal_last_name", "legal_first_name", "preferred_name", "external_person_id")} == {
        "legal_last_name": "de la Cruz",
        "legal_first_name": "Sofía",
        "preferred_name": "Sofía de la Cruz",
        "external_person_id": "000417",
    }
    assert (ada["basis"], sofia["basis"], ada["result"]) == ("PROMOTIONAL", "OPEN", "PASS")
    assert (ada["accommodation_flag"], sofia["accommodation_flag"]) == ("N", "Y")
    assert sofia["accommodation_functional_note"] == "extra time 1.5"
    # A telephone number begins like a formula; an apostrophe keeps it text.
    assert sofia["phone"] == "'+1 213 555 0142"
    assert ada["result_released_at"] == "2026-11-21T22:00:00-08:00"
    assert (ada["notice_status"], ada["slot_id"], ada["zone"]) == ("not_invited", "", "America/Los_Angeles")
    assert ada["bulletin_open_date"] == "2026-09-01"


def invite(app, db, place, hour=9, now=LATER):
    """Everyone who waits is invited to one half hour after another at two boards; returns the plan's id."""
    plan = interviews.Plan("Room 210", (date(2026, 12, 7),), time(hour), time(hour + 3), 30, 2, date(2026, 12, 4))
    with app.app_context(), db.write() as session:
        one = session.get_one(make.TestSession, place.id).administration
        seen = results.preview(session, one, plan, app.settings, now)
        letters = results.letters_for(session, one, seen, app.settings, now)
        return results.invite(session, one, plan, seen.digest, letters, make.person(session, Role.SCHEDULER), app.settings, now).id


def withdraw(app, db, name, now):
    with app.app_context(), db.write() as session:
        for one in session.scalars(select(InterviewInvitation).where(InterviewInvitation.withdrawn_at.is_(None))):
            if one.result.person.name == name:
                results.withdraw_invitation(session, one, make.person(session, Role.SCHEDULER), app.settings, now)


def test_an_invitation_stands_in_its_line(app, db, place):
    decide(db, place)
    number = invite(app, db, place)
    ada, sofia = read(export(db, place))
    assert (ada["interview_starts_at_local"], ada["interview_starts_at_utc"]) == ("2026-12-07T09:00:00-08:00", "2026-12-07T17:00:00Z")
    assert (ada["slot_id"], sofia["slot_id"]) == (f"{number}-1-20261207T1700Z", f"{number}-2-20261207T1700Z")
    assert (sofia["board_id"], sofia["location"], sofia["notice_status"]) == ("2", "Room 210", "queued")


def test_nothing_of_a_score_is_in_any_file(db, place):
    decide(db, place)
    for kind, formats in exports.FORMATS.items():
        for format in formats:
            content = export(db, place, kind, format)
            if format == "xlsx":
                sheet = openpyxl.load_workbook(io.BytesIO(content)).active
                columns = {cell.value for cell in sheet[1]}
            else:
                columns = set(COLUMNS[kind].split(","))
                said = content.decode().lower()
                assert not [word for word in ("raw", "score", "tier", "cut", "gender", "percent", "rank") if word in said]
            assert not [name for name in columns if name in ("raw_score", "cut", "percent", "tier")]


def test_who_did_not_come_and_whose_test_was_voided_stand_beside_pass_and_fail(db, place):
    with db.write() as session:
        where = session.get_one(make.TestSession, place.id)
        absent = make.person(session, Role.CANDIDATE)
        examinations.book(session, absent, where, {}, NOON)
        absent.candidate_number = "C-90004"
        cancelled = make.person(session, Role.CANDIDATE)
        examinations.book(session, cancelled, where, {}, NOON).state = "cancelled"
        voided, stopped = (make.attempt(session, where=where) for _ in range(2))
        voided.person.candidate_number, stopped.person.candidate_number = "C-90005", "C-90006"
        for one in (voided, stopped):
            attempts.end(session, one, make.person(session, Role.LEAD_PROCTOR).id, NOON, "other")
        attempts.move(session, voided, attempts.Event.VOID, attempts.Who.ANALYST, NOON)
        assert (voided.state, stopped.state) == (State.VOIDED_RETEST, State.TERMINATED)
    decide(db, place)
    lines = read(export(db, place, "pass_fail"))
    assert [(line["candidate_no"], line["result"]) for line in lines] == [
        ("C-90001", "PASS"),
        ("C-90002", "PASS"),
        ("C-90003", "FAIL"),
        ("C-90004", "NO_SHOW"),
        ("C-90005", "VOID"),
    ]
    assert {line["decision_version"] for line in lines} == {"1"}
    assert lines[0]["exam_no"].endswith("-2026-09-01-1")


def test_the_boards_schedule_goes_by_place_time_and_board(app, db, place):
    decide(db, place)
    invite(app, db, place)
    ada, sofia = read(export(db, place, "interview_schedule"))
    assert (ada["candidate_no"], ada["board_id"], ada["starts_at_local"]) == ("C-90001", "1", "2026-12-07T09:00:00-08:00")
    assert (sofia["board_id"], sofia["ends_at_local"], sofia["starts_at_utc"]) == ("2", "2026-12-07T09:30:00-08:00", "2026-12-07T17:00:00Z")
    assert (sofia["accommodation_functional_note"], sofia["status"]) == ("extra time 1.5", "CONFIRMED")
    sheet = openpyxl.load_workbook(io.BytesIO(export(db, place, "interview_schedule", "xlsx"))).active
    assert sheet.max_row == 3


def test_the_calendar_says_anew_what_changed_under_the_uid_of_the_letters(app, db, place):
    decide(db, place)
    invite(app, db, place)
    raw = export(db, place, "interview_schedule", "ics")
    found = Calendar.from_ical(raw)
    assert raw.count(b"\n") == raw.count(b"\r\n")
    assert max(len(line) for line in raw.split(b"\r\n")) <= 75
    assert [str(zone["TZID"]) for zone in found.walk("VTIMEZONE")] == ["America/Los_Angeles"]
    ada, sofia = found.walk("VEVENT")
    assert (str(ada["SUMMARY"]), str(sofia["DESCRIPTION"])) == ("Board 1: Ada Ash (C-90001)", "extra time 1.5")
    assert ada["DTSTART"].dt.isoformat() == "2026-12-07T09:00:00-08:00"
    assert (ada["SEQUENCE"], str(ada["STATUS"])) == (0, "CONFIRMED")
    with db.read() as session:
        mailed = [Calendar.from_ical(text) for text in session.scalars(select(Notice.calendar).where(Notice.calendar.is_not(None)))]
    assert {str(one.walk("VEVENT")[0]["UID"]) for one in mailed} == {str(ada["UID"]), str(sofia["UID"])}
    # Ada fails under a later decision, is withdrawn, passes under a third, and is invited to another hour.
    decide(db, place, 5)
    withdraw(app, db, "Ada Ash", LATER + timedelta(hours=1))
    gone = Calendar.from_ical(export(db, place, "interview_schedule", "ics")).walk("VEVENT")[0]
    assert (str(gone["UID"]), gone["SEQUENCE"], str(gone["STATUS"])) == (str(ada["UID"]), 1, "CANCELLED")
    assert read(export(db, place, "interview_schedule"))[0]["status"] == "CANCELLED"
    decide(db, place, 4)
    invite(app, db, place, hour=13, now=LATER + timedelta(hours=2))
    later = Calendar.from_ical(export(db, place, "interview_schedule", "ics")).walk("VEVENT")
    (again,) = (one for one in later if str(one["UID"]) == str(ada["UID"]))
    assert (again["SEQUENCE"], str(again["STATUS"]), again["DTSTART"].dt.hour) == (2, "CONFIRMED", 13)


def test_a_schedule_without_interviews_is_an_empty_calendar(db, place):
    decide(db, place)
    assert Calendar.from_ical(export(db, place, "interview_schedule", "ics")).walk("VEVENT") == []
    assert read(export(db, place, "interview_schedule")) == []


def test_the_text_for_the_applicant_system_has_our_columns_unless_the_bulletin_says_others(db, place):
    decide(db, place)
    lines = export(db, place, "pass_fail", "neogov").decode().split("\r\n")
    assert lines[0] == E2.replace(",", "\t")
    assert lines[2].split("\t")[:2] + lines[2].split("\t")[4:5] == ["000417", "C-90002", "PASS"]
    assert lines[-1] == ""
    upload = {"columns": [["PersonID", "external_person_id"], ["Result", "result"]], "words": {"PASS": "Passed", "FAIL": "Failed"}}
    with db.write() as session:
        bulletin = session.get_one(make.TestSession, place.id).administration.examination.bulletin
        bulletin.content = bulletin.content | {"policy": {"result": {"upload": upload}}}
    lines = export(db, place, "pass_fail", "neogov").decode().split("\r\n")
    assert (lines[0], lines[2]) == ("PersonID\tResult", "000417\tPassed")
    with db.write() as session:
        bulletin = session.get_one(make.TestSession, place.id).administration.examination.bulletin
        bulletin.content = bulletin.content | {"policy": {"result": {"upload": {"columns": [["Score", "raw_score"]]}}}}
    with pytest.raises(exports.FaultyLayout) as refusal:
        export(db, place, "pass_fail", "neogov")
    assert refusal.value.facts == {"unknown": ["raw_score"]}


def test_a_tab_or_a_line_end_stays_out_of_a_cell_of_the_text():
    line = dict.fromkeys(exports.PASS_FAIL, "") | {"external_person_id": "00\t1\r\n2", "candidate_no": "=1"}
    layout = exports.Layout((("id", "external_person_id"), ("no", "candidate_no")))
    assert exports.as_text([line], layout) == b"id\tno\r\n00 1 2\t'=1\r\n"


def test_a_later_decision_is_the_one_that_is_exported(db, place):
    decide(db, place)
    decide(db, place, 5)
    assert [line["candidate_no"] for line in read(export(db, place))] == ["C-90002"]
    lines = read(export(db, place, "pass_fail"))
    assert [(line["result"], line["decision_version"]) for line in lines] == [("FAIL", "2"), ("PASS", "2"), ("FAIL", "2")]


@pytest.mark.parametrize("what", list(exports.FORMATS))
def test_the_same_facts_give_the_same_bytes(db, place, what):
    decide(db, place)
    for format in exports.FORMATS[what]:
        first, second = (export(db, place, what, format, LATER + timedelta(days=n)) for n in (0, 40))
        assert first == second, format


def test_an_export_is_recorded_with_its_hash_and_who_took_it(db, place):
    decide(db, place)
    with db.write() as session:
        person = make.person(session, Role.SCHEDULER).id
    content = export(db, place, person=person)
    with db.read() as session:
        (job,) = session.scalars(select(ExportJob))
        assert (job.rows, job.sha256, job.made_by_id) == (2, hashlib.sha256(content).hexdigest(), person)
        assert job.template == "testing_platform.export.interview_candidates/1"
        entry = session.scalars(select(AuditEntry).where(AuditEntry.act == "results.exported")).one()
        assert (entry.actor_id, entry.facts["sha256"], entry.facts["rows"]) == (person, job.sha256, 2)
        assert "Ada" not in json.dumps(entry.facts)


def test_json_names_its_schema(db, place):
    decide(db, place)
    found = json.loads(export(db, place, format="json"))
    assert found["schema"] == "testing_platform.export.interview_candidates/1"
    assert ",".join(found["rows"][0]) == E1
    assert found["rows"][1]["phone"] == "+1 213 555 0142"


def test_a_spreadsheet_holds_text_alone(db, place):
    with db.write() as session:
        ada = session.scalars(select(Person).where(Person.name == "Ada Ash")).one()
        ada.name, ada.external_id = '=HYPERLINK("http://elsewhere.example")', "0012"
    decide(db, place)
    sheet = openpyxl.load_workbook(io.BytesIO(export(db, place, format="xlsx"))).active
    rows = list(sheet.iter_rows())
    assert ",".join(cell.value for cell in rows[0]) == E1
    assert {cell.data_type for row in rows for cell in row} <= {"s", "n"}
    assert all(cell.value is None for row in rows for cell in row if cell.data_type == "n")
    by_name = dict(zip(E1.split(","), rows[1], strict=True))
    assert by_name["preferred_name"].value == '=HYPERLINK("http://elsewhere.example")'
    assert (by_name["preferred_name"].data_type, by_name["external_person_id"].value) == ("s", "0012")


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+1 213", "'+1 213"),
        ("-5", "'-5"),
        ("@here", "'@here"),
        ("\tx", "'\tx"),
        ("\rx", "'\rx"),
        ("O'Hara", "O'Hara"),
        ("a=b", "a=b"),
        ("", ""),
    ],
)
def test_a_cell_never_becomes_a_formula(value, cell):
    assert exports.text_cell(value) == cell


def test_a_comma_a_quote_and_a_line_end_stay_in_their_cell():
    content = exports.as_csv(("a", "b"), [{"a": 'one, "two"', "b": "three\nfour"}])
    assert content == b'\xef\xbb\xbfa,b\r\n"one, ""two""","three\nfour"\r\n'


@pytest.mark.parametrize(
    ("name", "last", "first"),
    [
        ("Ada Ash", "Ash", "Ada"),
        ("Ada Maria Ash", "Ash", "Ada Maria"),
        ("Sofía de la Cruz", "de la Cruz", "Sofía"),
        ("Vincent van Gogh", "van Gogh", "Vincent"),
        ("Li Van", "Van", "Li"),
        ("García Márquez, Gabriel José", "García Márquez", "Gabriel José"),
        ("Prince", "Prince", ""),
    ],
)
def test_name_parts(name, last, first):
    assert exports.name_parts(name) == (last, first)


def test_nothing_leaves_before_the_second_signature(db, place):
    with db.write() as session:
        make.proposed(session, session.get_one(make.TestSession, place.id), 4, LATER)
    for kind, formats in exports.FORMATS.items():
        for format in formats:
            with pytest.raises(results.NotReleased):
                export(db, place, kind, format)
    with db.read() as session:
        assert session.scalars(select(ExportJob)).all() == []


# ------------------------------------------------------------ the command


@pytest.fixture
def run(command):
    command("db", "upgrade")
    return lambda *words, code=0: command("results", "export", *words, code=code)


@pytest.fixture
def installation(run, own_settings):
    """An installation of its own, with one administration that is proposed; returns its database and the decision's id."""
    db = open_database(own_settings)
    with db.write() as session:
        where = make.place(session)
        person = make.handed_in(session, where, 6).person
        person.name = "Ada Ash"
        decision = make.proposed(session, where, 4, LATER)
    yield db, decision.id
    db.close()


def test_before_the_signature_the_command_says_nothing_of_anybody(run, installation, tmp_path):
    kinds = [("--format", format) for format in ("csv", "xlsx", "json", "ics", "neogov")]
    kinds += [("--format", format, "--kind", kind) for kind, formats in exports.FORMATS.items() for format in formats]
    for words in kinds:
        found = run("--administration", "1", *words, str(tmp_path / "out"), code=1)
        assert "not signed by two people" in found.output
        assert "Ada" not in found.output
        assert "PASS" not in found.output
    assert not (tmp_path / "out").exists()
    assert "no administration 7" in run("--administration", "7", "--format", "csv", str(tmp_path / "out"), code=1).output


@pytest.mark.both
def test_after_it_the_command_writes_a_file_for_this_user_alone(run, installation, tmp_path):
    from testing_platform.scoring import service
    from testing_platform.scoring.models import PassingScoreDecision

    db, decision = installation
    with db.write() as session:
        service.approve(session, session.get_one(PassingScoreDecision, decision), make.person(session, Role.APPROVER), LATER)
    out = tmp_path / "list.csv"
    said = json.loads(run("--administration", "1", "--format", "csv", "--json", str(out)).stdout)
    assert (said["rows"], said["sha256"]) == (1, hashlib.sha256(out.read_bytes()).hexdigest())
    assert out.stat().st_mode & 0o777 == 0o600
    assert [line["preferred_name"] for line in read(out.read_bytes())] == ["Ada Ash"]
    run("--administration", "1", "--format", "json", "--kind", "pass_fail", str(tmp_path / "pf.json"))
    assert json.loads((tmp_path / "pf.json").read_text())["rows"][0]["result"] == "PASS"
    run("--administration", "1", "--format", "neogov", str(tmp_path / "pf.txt"))
    assert (tmp_path / "pf.txt").read_text().count("PASS") == 1
    run("--administration", "1", "--format", "ics", str(tmp_path / "boards.ics"))
    assert (tmp_path / "boards.ics").read_text().startswith("BEGIN:VCALENDAR")
    run("--administration", "1", "--format", "xlsx", "--kind", "pass_fail", str(tmp_path / "pf.xlsx"), code=2)
    run("--administration", "1", "--format", "csv", str(tmp_path / "nowhere" / "list.csv"), code=1)
