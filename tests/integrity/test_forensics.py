"""Leads: the pair that was put in, neighbors by what is stored, figures that are the command's, and nothing that follows by itself."""

import csv
import io
import json
import re
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import openpyxl
import pypdf
import pytest
from click.testing import CliRunner
from sqlalchemy import select, update

from testing_platform import cli, clock
from testing_platform.accounts.models import Person
from testing_platform.accounts.rules import Area, Role
from testing_platform.audit.models import AuditEntry
from testing_platform.delivery import lines
from testing_platform.delivery.models import Attempt, Seating
from testing_platform.delivery.rules import State
from testing_platform.examinations.models import Administration, ProctorAssignment
from testing_platform.examinations.rules import Mode
from testing_platform.integrity import forensics, plots, record
from testing_platform.integrity import service as leads
from testing_platform.integrity.forensics import Taker
from testing_platform.integrity.models import LeadConclusion
from testing_platform.integrity.rules import Conclusion, LeadMoved, Policy, Reason
from testing_platform.proctor import room_service
from testing_platform.scoring import analyses, rulings, service
from testing_platform.scoring.analysis.refusals import CannotSay
from testing_platform.scoring.models import PanelItem, QualifyingResult, RawScore
from testing_platform.scoring.rules import ReasonMissing
from tests import drawn, make
from tests.scoring.answered import ANSWERS, scored

NOW = clock.now()
DAY = timedelta(days=1)
# The last two have the same wrong answers everywhere, and came over one line; so did two who worked alone.
COPIED = [*"cdadca"]


@pytest.fixture(scope="module")
def db(module_db):
    """Not emptied: each test reads, or concludes on leads of its own."""
    return module_db


@pytest.fixture(scope="module")
def world(module_db):
    db = module_db
    number = scored(db, [*ANSWERS, COPIED, COPIED])
    with db.write() as session:
        ids = list(session.scalars(select(RawScore.attempt_id).order_by(RawScore.attempt_id)))
        for one in ids:
            session.execute(update(Attempt).where(Attempt.id == one).values(device=f"browser-{one}"))
        place = session.get_one(Attempt, ids[0]).session
        for one, line in ((ids[0], "b"), (ids[1], "b"), (ids[-2], "a"), (ids[-1], "a")):
            lines.note(session, session.get_one(Attempt, one), line, NOW)
        staff = {
            "analyst": make.person(session, Role.ANALYST),
            "approver": make.person(session, Role.APPROVER),
            "lead": make.proctor(session, place, Role.LEAD_PROCTOR),
            "proctor": make.proctor(session, place),
            "stepped back": make.proctor(session, place, Role.LEAD_PROCTOR),
            "another lead": make.person(session, Role.LEAD_PROCTOR),
        }
        session.get_one(ProctorAssignment, (place.id, staff["stepped back"].id)).ended_at = place.window.opens_at
        # It was over, and the assignment ended with it.
        session.get_one(ProctorAssignment, (place.id, staff["lead"].id)).ended_at = place.window.closes_at
        appointment = session.get_one(Attempt, ids[-1]).appointment
        report = room_service.report(
            session, place, appointment, "environment", "noise", "Mr. Osprey next door sang.", NOW, None, staff["lead"], NOW
        )
        numbers = [session.get_one(Attempt, one).person.candidate_number for one in ids]
        names = [session.get_one(Attempt, one).person.name for one in ids[-2:]]
        assert report.id
    return SimpleNamespace(number=number, ids=ids, numbers=numbers, names=names, staff=staff, place=place)


def found_in(session, world, policy=None):
    one = session.get_one(Administration, world.number)
    tests = forensics.read(session, one, service.newest_run(session, one))
    return tests, forensics.neighbours(session, one, tests, policy or Policy())


def words(reply, status=200):
    assert reply.status_code == status
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", reply.get_data(as_text=True)))


@pytest.fixture
def analyst(visit, world):
    return visit(world.staff["analyst"], Area.ANALYST)


def base(world):
    return f"/analyst/administrations/{world.number}/forensics"


def lead_of(world):
    return f"?a={world.numbers[-2]}&b={world.numbers[-1]}"


# --- figures ---------------------------------------------------------------------------------------------------------------------------------


def test_the_pair_that_copied_is_the_one_lead_and_held_against_neighbors_alone(db, world):
    with db.read() as session:
        tests, near = found_in(session, world)
    assert near == {(world.ids[0], world.ids[1]): {Reason.LINE}, (world.ids[-2], world.ids[-1]): {Reason.LINE}}
    found = forensics.alike(tests, near, Policy())
    assert [(lead.one.attempt_id, lead.other.attempt_id, lead.looked) for lead in found.leads] == [(world.ids[-2], world.ids[-1], 2)]
    assert (found.pairs, len(found.near), found.expected) == (42 * 41 // 2, 2, pytest.approx(0.1))
    assert found.leads[0].figures.identical_wrong == 6


def test_the_file_has_the_figures_of_the_command(db, world, analyst, tmp_path):
    with db.read() as session:
        tests, near = found_in(session, world)
    sheet = tests.sheet
    responses, key, named = tmp_path / "responses.csv", tmp_path / "key.csv", tmp_path / "pairs.csv"
    with responses.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["candidate", *sheet.items])
        writer.writerows(
            [name, *(["", *sheet.options][code] for code in row)] for name, row in zip(sheet.candidates, sheet.answers, strict=True)
        )
    key.write_text("item,key\n" + "".join(f"{item},b\n" for item in sheet.items))
    number = {one.attempt_id: one.number for one in tests.takers}
    named.write_text("a,b\n" + "".join(f"{number[one]},{number[other]}\n" for one, other in near))

    def command(*more):
        ran = CliRunner().invoke(cli.main, ["scoring", "similarity", "--responses", str(responses), "--key", str(key), *more, "--json"])
        assert ran.exit_code == 0, ran.output
        return json.loads(ran.output)

    reply = analyst.post(f"{base(world)}/report", {"format": "xlsx"})
    assert reply.data == analyst.post(f"{base(world)}/report", {"format": "xlsx"}).data
    file = openpyxl.load_workbook(io.BytesIO(reply.data))
    assert file.sheetnames == ["about", "leads", "near", "top", "pace", "set", "thresholds"]
    for name, document in (("top", command()), ("near", command("--pairs", str(named)))):
        heads, *rows = file[name].iter_rows(values_only=True)
        assert len(rows) == len(document["top"]) > 1
        for row, pair in zip(rows, document["top"], strict=True):
            held = dict(zip(heads, row, strict=True))
            assert (held["a"], held["b"], held["source"]) == (pair["a"], pair["b"], pair["source"])
            for figure in ("z", "identical", "identical_wrong", "expected", "p", "p_adjusted", "omega", "p_omega", "omega_adjusted"):
                assert held[figure] == pytest.approx(pair[figure], abs=1e-9)
    assert analyst.post(f"{base(world)}/report", {"format": "exe"}).status_code == 400


def taker(number, *, room=None, device="x", mode=Mode.FACILITY, began=0, ended=60, appointment=None):
    times = (NOW + timedelta(minutes=minutes) for minutes in (began, ended))
    return Taker(number, appointment or number, f"C-{number}", 1, room, device, mode, *times)


def test_neighbors_sit_a_seat_apart_at_the_same_time(db):
    with db.write() as session:
        place = make.room(session, NOW)
        by = make.proctor(session, place, Role.FACILITY_PROCTOR)
        seated = [make.seated(session, place, seat, by, NOW) for seat in (1, 2, 4, 5)]
        later = make.seated(session, place, 3, by, NOW)
        session.execute(update(Seating).where(Seating.appointment_id == later.appointment_id).values(seated_at=NOW + timedelta(hours=2)))
        takers = [taker(one.id, room=place.room_id, appointment=one.appointment_id) for one in seated]
        takers.append(taker(later.id, room=place.room_id, appointment=later.appointment_id, began=120, ended=180))
        tests = forensics.Tests(None, takers)
        one, two, four, five = (attempt.id for attempt in seated)
        assert forensics.neighbours(session, place.administration, tests, Policy()) == {
            (one, two): {Reason.SEAT},
            (four, five): {Reason.SEAT},
        }
        wider = forensics.neighbours(session, place.administration, tests, Policy(seats_apart=2))
        assert set(wider) == {(one, two), (two, four), (four, five)}


def test_two_at_one_browser_at_home_are_neighbors_and_two_at_one_workstation_are_not(db):
    with db.write() as session:
        one = make.administration(session, NOW)
        home = [taker(number, device="same", mode=Mode.REMOTE) for number in (1, 2)]
        room = [taker(number, device="bench") for number in (3, 4)]
        assert forensics.neighbours(session, one, forensics.Tests(None, home + room), Policy()) == {(1, 2): {Reason.DEVICE}}


def test_how_long_two_tested_at_the_same_time():
    assert taker(1, began=0, ended=60).together(taker(2, began=45, ended=90)) == timedelta(minutes=15)
    assert taker(1, began=0, ended=60).together(taker(2, began=75, ended=90)) == timedelta()


def test_of_very_many_the_corner_is_drawn_and_of_the_others_some(db, world, monkeypatch):
    with db.read() as session:
        tests, _near = found_in(session, world)
        found = forensics.quadrants(tests, Policy(), analyses.Thresholds.of(session.get_one(Administration, world.number)))
    assert len(plots.pace(found, 0, 6).dots) == len(found.people)
    monkeypatch.setattr(plots, "MOST", 10)
    drawn = plots.pace(found, 0, 6).dots
    assert sum(dot.look for dot in drawn) == len(found.corner)
    assert len(drawn) - len(found.corner) <= 10
    counts = plots.fifths(found)
    assert sum(map(sum, counts)) == len(found.people)


def test_a_pair_that_a_person_names_is_a_family_of_one(db, world):
    with db.read() as session:
        tests, near = found_in(session, world)
    found = forensics.alike(tests, near, replace(Policy(), listed=1))
    one, other = tests.takers[4], tests.takers[9]
    lead = forensics.compared(tests, one, other, near, found)
    assert (lead.looked, lead.reasons, lead.figures.p_adjusted) == (1, frozenset(), pytest.approx(lead.figures.p))
    rows = forensics.side_by_side(tests, one, other)
    assert sum(row.same != "no" for row in rows) == lead.figures.identical
    assert sum(row.same == "wrong" for row in rows) == lead.figures.identical_wrong
    assert sum(row.by_chance for row in rows) == pytest.approx(lead.figures.expected)


def test_a_bulletin_sets_the_numbers_with_their_source():
    policy = Policy.of({"policy": {"forensics": {"level": 0.01, "listed": 5, "source": "the department’s own"}}})
    assert (policy.level, policy.listed, policy.seats_apart) == (0.01, 5, 1)
    assert policy.sources["level"] == "the department’s own"
    assert "Sinharay" in policy.sources["set_p"]
    assert Policy.of({}).numbers() == Policy().numbers()


def blank(db, count):
    """So many who began, answered nothing and handed in; scored."""
    before = NOW - timedelta(hours=12)
    with db.write() as session:
        where, analyst = make.place(session, before), make.person(session, Role.ANALYST)
        for _ in range(count):
            make.attempt(session, where=where, now=before, state=State.SUBMITTED)
        service.end_sessions(session, where.administration, analyst, NOW)
        service.lock_key(session, where.administration, analyst, NOW)
        service.run(session, where.administration, analyst, NOW)
        return where.administration_id


@pytest.mark.parametrize(
    "rows",
    [[[*"bbbbbb"], [*"bbcbbb"]], [[*"bbbbbb"]] * 5, [[*"cccccc"]] * 3, [], [["a", *[None] * 5]] * 4],
    ids=["two", "all right", "all wrong", "all blank", "one answer"],
)
def test_tests_that_say_nothing_give_pages_and_files_without_a_lead(db, visit, world, rows):
    number = scored(db, rows) if rows else blank(db, 4)
    visitor = visit(world.staff["analyst"], Area.ANALYST)
    url = f"/analyst/administrations/{number}/forensics"
    with db.read() as session:
        one = session.get_one(Administration, number)
        tests = forensics.read(session, one, service.newest_run(session, one))
        # The copies of one browser are all neighbors here: nothing stands out all the same.
        found = forensics.alike(tests, forensics.neighbours(session, one, tests, Policy()), Policy())
        assert found.leads == []
    words(visitor.get(url))
    words(visitor.get(f"{url}/pace"))
    assert "Too few candidates" in words(visitor.get(f"{url}/sets?slot=1&slot=2&slot=3"))
    assert visitor.post(f"{url}/report", {"format": "xlsx", "slot": ["1", "2"]}).status_code == 200


def test_where_forms_are_drawn_what_both_were_asked_is_compared(db, visit, world):
    with db.write() as session:
        place, by = drawn.place(session, drawn.pool(session)), drawn.analyst(session)
        attempts = [drawn.handed_in(session, place, right) for right in (12, 9, 9, 6, 3)]
        asked = [{row.item_version_id for row in drawn.slots(session, attempt)} for attempt in attempts[:2]]
        one, later = place.administration, make.NOON + timedelta(hours=10)
        service.lock_key(session, one, by, later)
        run = service.run(session, one, by, later)
        tests = forensics.read(session, one, run)
        rows = forensics.side_by_side(tests, *tests.takers[:2])
        found = forensics.alike(tests, {}, Policy())
        lead = forensics.compared(tests, *tests.takers[:2], {}, found)
    assert (len(rows), sum(row.both for row in rows)) == (len(asked[0] | asked[1]), len(asked[0] & asked[1]))
    assert sum(row.same != "no" for row in rows) == lead.figures.identical <= len(asked[0] & asked[1])
    assert sum(row.by_chance for row in rows) == pytest.approx(lead.figures.expected)
    visitor = visit(world.staff["analyst"], Area.ANALYST)
    url = f"/analyst/administrations/{one.id}/forensics"
    assert "not asked of both" in words(visitor.get(f"{url}/lead?a={tests.takers[0].number}&b={tests.takers[1].number}"))
    for part in ("", "/pace"):
        words(visitor.get(url + part))


def test_where_one_test_or_no_item_counts_nothing_is_said(db, visit, world):
    visitor = visit(world.staff["analyst"], Area.ANALYST)
    alone = scored(db, [[*"bbbbbb"]])
    assert "Nothing can be compared" in words(visitor.get(f"/analyst/administrations/{alone}/forensics"))
    dropped = scored(db, ANSWERS[:3], *((slot, []) for slot in range(1, 7)))
    assert "Nothing can be compared" in words(visitor.get(f"/analyst/administrations/{dropped}/forensics"))
    with db.write() as session:
        nobody = make.administration(session)
    for part in ("", "/pace", "/sets", "/lead?a=x"):
        assert "Nobody is scored" in words(visitor.get(f"/analyst/administrations/{nobody.id}/forensics{part}"))


def test_an_item_was_met_before_by_those_alone_who_began_earlier(db, world):
    with db.write() as session:
        one = session.get_one(Administration, world.number)
        first = min(session.get_one(Attempt, number).started_at for number in world.ids)
        for at in (first - DAY, first - DAY, first + DAY):
            where = make.place(session, at)
            where.administration.form_id = one.form_id
            make.attempt(session, where=where, now=at)
        tests = found_in(session, world)[0]
        assert {item.met for item in forensics.set_items(session, one, tests)} == {2}


# --- pages -----------------------------------------------------------------------------------------------------------------------------------


def test_the_page_says_what_a_lead_is_how_many_are_by_chance_and_no_name(world, analyst):
    said = words(analyst.get(base(world)))
    assert "Leads 1 if everybody worked alone, 0.10 on average at most" in said
    assert "No score, result or letter changes by it" in said
    assert f"{world.numbers[-2]} and {world.numbers[-1]}" in said
    assert "not yet" in said
    assert "Wollack 1997" in said
    lead = words(analyst.get(f"{base(world)}/lead{lead_of(world)}"))
    assert "Same and wrong 6" in lead
    assert "held against 2 pairs that were looked at" in lead
    assert "same line" in lead
    # What a proctor wrote may name people, and names are for the lead proctor.
    assert "noise" in lead
    for page in (said, lead):
        assert "Osprey" not in page
        assert not any(name in page for name in world.names)


@pytest.mark.parametrize("asked", ["", "?a=nobody", "?a=nobody&b=x", "same"])
def test_who_has_no_test_here_is_not_compared(world, analyst, asked):
    if asked == "same":
        asked = f"?a={world.numbers[0]}&b={world.numbers[0]}"
    assert "No such two tests" in words(analyst.get(f"{base(world)}/lead{asked}"), 422)


def test_pace_and_sets_are_listed_with_what_chance_would_list(db, world, analyst):
    said = words(analyst.get(f"{base(world)}/pace"))
    assert "if pace said nothing of the score, about" in said
    with db.write() as session:
        bulletin = session.get_one(Administration, world.number).examination.bulletin
        bulletin.content = {**bulletin.content, "policy": {"analysis": {"calibrate_from": 10}}}
    said = words(analyst.get(f"{base(world)}/sets?chosen=yes&slot=1&slot=2&slot=3"))
    assert "Items in the set 3" in said
    assert "if nobody knew the set, about 0.4" in said
    assert "need at least three items each" in words(analyst.get(f"{base(world)}/sets?slot=1&slot=2"))
    assert "No set is chosen" in words(analyst.get(f"{base(world)}/sets"))
    alone = words(analyst.get(f"{base(world)}/lead?a={world.numbers[3]}&slot=1&slot=2&slot=3"))
    assert "Items of the set right" in alone
    file = openpyxl.load_workbook(io.BytesIO(analyst.post(f"{base(world)}/report", {"format": "xlsx", "slot": ["1", "2", "3"]}).data))
    with db.read() as session:
        tests, _near = found_in(session, world)
        content = session.get_one(Administration, world.number)
        made = forensics.of_set(tests, [1, 2, 3], Policy(), analyses.Thresholds.of(content))
    heads, *rows = file["set"].iter_rows(values_only=True)
    assert [row[heads.index("signed")] for row in rows] == pytest.approx([one.signed for one in made.found.people], abs=1e-9)


def test_the_pdf_is_tagged_and_says_what_its_picture_shows(world, analyst):
    reply = analyst.post(f"{base(world)}/report", {"format": "pdf"})
    assert reply.status_code == 200
    found = pypdf.PdfReader(io.BytesIO(reply.data))
    assert found.trailer["/Root"]["/MarkInfo"]["/Marked"]
    said = " ".join(sheet.extract_text() for sheet in found.pages)
    assert "If everybody worked alone, 0.10 on average at most" in re.sub(r"\s+", " ", said)
    assert world.numbers[-1] in re.sub(r"\s+", "", said)


def test_an_approver_sees_none_of_it(world, visit):
    approver = visit(world.staff["approver"], Area.ANALYST)
    for part in ("", "/pace", "/sets", f"/lead{lead_of(world)}"):
        assert approver.get(base(world) + part).status_code == 403
    assert "Forensics" not in words(approver.get(f"/analyst/administrations/{world.number}/analyses"))


def test_every_look_is_in_the_trail_without_a_figure(db, world, analyst):
    for part in ("", "/pace", "/sets", f"/lead{lead_of(world)}"):
        analyst.get(base(world) + part)
    analyst.post(f"{base(world)}/report", {"format": "xlsx"})
    with db.read() as session:
        rows = session.execute(
            select(AuditEntry.act, AuditEntry.facts).where(
                AuditEntry.object == f"administration:{world.number}", AuditEntry.act.startswith("forensics.")
            )
        ).all()
    assert {row.act.partition(".")[2] for row in rows} >= {"seen", "pace_seen", "set_seen", "lead_seen", "exported"}
    assert {key for row in rows for key in row.facts} <= {"run", "slots", "attempts", "format", "sha256", "conclusion"}


def test_who_has_looked_at_a_lead_has_seen_the_key_and_is_no_blind_expert(db, world, visit):
    with db.write() as session:
        other, one = make.person(session, Role.ANALYST), session.get_one(Administration, world.number)
        (asked,) = rulings.ask(session, one, session.get_one(Person, world.staff["approver"].id), {1: []}, NOW)
        assert rulings.not_blind(session, asked, other) == ""
    visit(other, Area.ANALYST).get(f"{base(world)}/lead{lead_of(world)}")
    with db.read() as session:
        assert rulings.not_blind(session, session.get_one(PanelItem, asked.id), session.get_one(Person, other.id)) == "looked"


# --- what people make of a lead --------------------------------------------------------------------------------------------------------------


def concluding(visitor, world, conclusion, reason, after=0, pair=None):
    a, b = pair or (world.numbers[-2], world.numbers[-1])
    return visitor.post(f"{base(world)}/lead", {"a": a, "b": b, "conclusion": conclusion, "reason": reason, "after": str(after)})


def test_a_lead_is_referred_read_and_answered_and_nothing_follows_by_itself(db, world, analyst, visit):
    def stands(session):
        scores = session.execute(
            select(RawScore.attempt_id, RawScore.raw).where(RawScore.attempt_id.in_(world.ids)).order_by(RawScore.attempt_id)
        )
        states = session.execute(select(Attempt.id, Attempt.state, Attempt.version).where(Attempt.id.in_(world.ids)).order_by(Attempt.id))
        return scores.all(), states.all(), session.scalars(select(QualifyingResult.id)).all()

    with db.read() as session:
        before = stands(session)
    assert "Say what you conclude" in words(concluding(analyst, world, "", "Because."), 422)
    assert "Say why" in words(concluding(analyst, world, "referred", " "), 422)
    assert "Say what you conclude" in words(concluding(analyst, world, "explained", "It is the lead proctor’s word."), 422)
    assert concluding(analyst, world, "referred", "They share a line.").status_code == 303
    # Who looked at the page before that does not write over it.
    assert concluding(analyst, world, "no_concern", "A household.").status_code == 409
    with db.read() as session:
        (referred,) = session.scalars(select(LeadConclusion).where(LeadConclusion.administration_id == world.number))
        assert (referred.one_id, referred.other_id) == (world.ids[-2], world.ids[-1])
        assert referred.figures["identical_wrong"] == 6
        entry = session.scalars(select(AuditEntry).where(AuditEntry.act == "lead.referred")).one()
        assert "They share a line." not in json.dumps(entry.facts)
    lead = visit(world.staff["lead"], Area.PROCTOR)
    assert "1 referred lead waits for you." in words(lead.get("/proctor/"))
    home = words(lead.get("/proctor/referrals"))
    assert " and ".join(world.names) in home
    page = words(lead.get(f"/proctor/referrals/{referred.id}"))
    assert all(f"Hold the result of {number}" in page for number in world.numbers[-2:])
    assert "The two tests have 6 answers the same" in page
    assert "They were near each other: same line." in page
    assert "Mr. Osprey next door sang." in page
    assert "What does I-1 ask?" not in page
    url = f"/proctor/referrals/{referred.id}"
    assert "Say what the record shows" in words(lead.post(url, {"reason": "x"}), 422)
    assert "Say why" in words(lead.post(url, {"conclusion": "explained", "reason": ""}), 422)
    assert lead.post(url, {"conclusion": "unexplained", "reason": "Both sat at one table."}).status_code == 303
    assert lead.post(url, {"conclusion": "explained", "reason": "Or not."}).status_code == 409
    assert "referred lead waits" not in words(lead.get("/proctor/"))
    said = words(analyst.get(f"{base(world)}/lead{lead_of(world)}"))
    assert "Both sat at one table." in said
    assert "The record does not explain it" in words(analyst.get(base(world)))
    assert "The record does not explain it" in words(lead.get("/proctor/referrals"))
    with db.read() as session:
        assert stands(session) == before


@pytest.mark.parametrize(("name", "status"), [("proctor", 403), ("another lead", 404), ("stepped back", 404)])
def test_a_referral_is_read_by_who_led_the_session_and_by_nobody_else(db, world, visit, name, status):
    with db.write() as session:
        one = session.get_one(Administration, world.number)
        person = session.get_one(Person, world.staff["analyst"].id)
        run = service.newest_run(session, one)
        about = (world.ids[10], world.ids[10 + ["proctor", "another lead", "stepped back"].index(name) + 1])
        made = leads.conclude(session, one, run, about, Conclusion.REFERRED, "A report.", {}, person, NOW, 0)
    visitor = visit(world.staff[name], Area.PROCTOR)
    assert visitor.get(f"/proctor/referrals/{made.id}").status_code == status
    assert visitor.post(f"/proctor/referrals/{made.id}", {"conclusion": "explained", "reason": "x"}).status_code == status
    if status == 404:
        assert "Nothing is referred to you" in words(visitor.get("/proctor/referrals"))


def test_a_lead_about_one_candidate_keeps_the_set_that_was_asked(db, world, analyst):
    number = world.numbers[20]
    form = {"a": number, "slot": ["1", "2", "3"], "conclusion": "no_concern", "reason": "Able and quick.", "after": "0"}
    reply = analyst.post(f"{base(world)}/lead", form)
    assert reply.headers["Location"].endswith(f"/lead?a={number}&slot=1&slot=2&slot=3")
    assert "Able and quick." in words(analyst.get(reply.headers["Location"]))
    with db.read() as session:
        kept = session.scalars(
            select(LeadConclusion).where(LeadConclusion.one_id == world.ids[20], LeadConclusion.other_id.is_(None))
        ).one()
    assert {"pace_z", "total", "rapid"} <= kept.figures.keys()


def test_a_conclusion_has_its_reason_and_its_person(db, world):
    with db.write() as session:
        one = session.get_one(Administration, world.number)
        run, person = service.newest_run(session, one), session.get_one(Person, world.staff["analyst"].id)
        about = (world.ids[30], world.ids[31])
        with pytest.raises(ReasonMissing):
            leads.conclude(session, one, run, about, Conclusion.NO_CONCERN, "  ", {}, person, NOW, 0)
        with pytest.raises(LeadMoved):
            leads.conclude(session, one, run, about, Conclusion.EXPLAINED, "Not an analyst’s word.", {}, person, NOW, 0)
        first = leads.conclude(session, one, run, about, Conclusion.NO_CONCERN, "A household.", {}, person, NOW, 0)
        with pytest.raises(LeadMoved):
            leads.answer(session, first, Conclusion.EXPLAINED, "It was not referred.", person, NOW)
        leads.conclude(session, one, run, about, Conclusion.REFERRED, "On second thought.", {}, person, NOW, first.id)
        assert [row.conclusion for row in leads.of_lead(session, one, about)] == ["no_concern", "referred"]


def test_the_record_counts_what_was_noted_and_leaves_out_what_was_withdrawn(db, world):
    with db.write() as session:
        place = make.room(session, NOW)
        by = make.proctor(session, place, Role.FACILITY_PROCTOR)
        attempt = make.seated(session, place, 7, by, NOW)
        for about, kind in ((attempt.appointment, "behaviour"), (None, "late")):
            room_service.report(session, place, about, "examinee", kind, "Words.", NOW, None, by, NOW)
        other = make.seated(session, place, 8, by, NOW)
        gone = room_service.report(session, place, attempt.appointment, "examinee", "illness", "A cold.", NOW, None, by, NOW)
        gone.withdrawn_at, gone.withdrawn_by_id = NOW, by.id
        session.flush()
        found = record.of(session, attempt)
        assert [seating.seat for seating in found.seats] == [7]
        assert [report.of_all for report in found.reports] == [False, True]
        assert (found.flags, found.page, found.holds, found.messages) == ([], {}, 0, 0)
        assert [report.of_all for report in record.of(session, other).reports] == [True]


def test_no_figure_of_those_without_two_tests(world, db):
    with db.read() as session:
        tests, _near = found_in(session, world)
    with pytest.raises(CannotSay):
        forensics.alike(forensics.Tests(tests.answered, tests.takers[:1]), {}, Policy())
