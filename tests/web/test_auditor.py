"""The auditor's pages, as requests: the trail and its filters, its verification by the worker, receipts."""

import re
from datetime import timedelta
from html import unescape

import pytest
from sqlalchemy import select, text

from testing_platform import clock, worker
from testing_platform.accounts.models import Tries
from testing_platform.accounts.rules import Area, Role
from testing_platform.audit import jobs, queries
from testing_platform.audit import service as audit
from testing_platform.audit.models import AuditEntry
from testing_platform.audit.queries import Filter
from tests import make


@pytest.fixture
def auditor(db, visit):
    with db.write() as session:
        person = make.person(session, Role.AUDITOR, name="Ida Auditor")
    visitor = visit(person, Area.AUDITOR)
    visitor.person = person
    return visitor


def seal(db):
    with db.write() as session:
        while audit.seal(session):
            pass


def fill(db, count, act="attempt.begin", actor_id=None, about="attempt:{}", at=None, **facts):
    with db.write() as session:
        for n in range(count):
            audit.record(session, act, about.format(n), at or clock.now(), actor_id, **facts)
    seal(db)


def look(visitor, path, status=200):
    reply = visitor.get(path)
    assert reply.status_code == status
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", reply.get_data(as_text=True).split("<main")[1])))


def links(visitor, path):
    return [unescape(link) for link in re.findall(r'href="([^"]+)"', visitor.get(path).get_data(as_text=True).split("<main")[1])]


def recorded(db, act):
    with db.read() as session:
        return session.scalars(select(AuditEntry).where(AuditEntry.act == act).order_by(AuditEntry.id)).all()


# ---------------------------------------------------------------- the trail


def test_an_entry_is_shown_with_number_words_subject_who_facts_and_hash(db, auditor):
    fill(db, 1, "attempt.pause", auditor.person.id, "attempt:17", category="look_at_room")
    page = look(auditor, "/auditor/trail?act=attempt.pause")
    entry = recorded(db, "attempt.pause")[0]
    for said in (
        f"{entry.number:,}",
        "Test paused by a proctor",
        "attempt.pause",
        "attempt 17",
        "auditor Ida Auditor",
        "look_at_room",
        entry.digest[:12],
        "UTC",
    ):
        assert said in page
    assert "Not sealed yet" not in page


def test_a_candidate_stands_as_a_number_and_never_by_name(db, auditor):
    with db.write() as session:
        person = make.person(session, Role.CANDIDATE, name="Nobody Should Read This")
        audit.record(session, "attempt.submit", "attempt:1", clock.now(), person.id)
    page = look(auditor, "/auditor/trail")
    assert f"candidate {person.candidate_number}" in page
    assert "Nobody Should Read This" not in page
    assert person.email not in page


def test_an_act_without_words_and_an_actor_who_is_gone_are_still_shown(db, auditor):
    fill(db, 1, "something.new", 987654, "gadget:5")
    page = look(auditor, "/auditor/trail?act=something.new")
    assert "something.new" in page
    assert "gadget 5" in page
    assert "no longer known" in page


def test_what_is_not_sealed_yet_stands_first_and_says_so(db, auditor):
    fill(db, 1)
    with db.write() as session:
        audit.record(session, "attempt.begin", "attempt:99", clock.now())
    page = look(auditor, "/auditor/trail?act=attempt.begin")
    assert page.index("attempt 99") < page.index("attempt 0")
    assert page.count("Not sealed yet") == 1


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("about=attempt:3", {"attempt:3"}),
        ("about=Attempt+3", {"attempt:3"}),
        ("who=41", {"attempt:1", "attempt:3"}),
        ("who=0&act=attempt.pause", {"attempt:2"}),
        ("act=attempt.end", {"attempt:1"}),
        ("from=2026-11-20&to=2026-11-20", {"attempt:1"}),
        ("from=2026-11-21&to=2026-11-21", {"attempt:2"}),
        ("to=2026-11-20", {"attempt:1"}),
        ("text=blueberry", {"attempt:2"}),
        ("text=BLUE+attempt:2", {"attempt:2"}),
        ("text=100%25", {"attempt:3"}),
        ("text=blue_erry", set()),
        ("act=attempt.end&about=attempt:2", set()),
        ("from=nonsense&who=nonsense&before=nonsense&about=attempt:3", {"attempt:3"}),
    ],
)
def test_filters_stand_in_the_address(db, auditor, asked, expected):
    with db.write() as session:
        # 11 pm and 1 am in Los Angeles: the same day in UTC, two days there.
        one, two = (make.NOON.replace(day=21, hour=hour) for hour in (7, 9))
        audit.record(session, "attempt.end", "attempt:1", one, 41)
        audit.record(session, "attempt.pause", "attempt:2", two, note="blueberry")
        audit.record(session, "attempt.pause", "attempt:3", make.NOON + timedelta(days=3), 41, note="100%")
    seal(db)
    found = links(auditor, f"/auditor/trail?{asked}")
    assert {
        link.partition("about=")[2].replace("%3A", ":") for link in found if "about=attempt" in link and "before" not in link
    } == expected


def test_a_filter_that_nothing_fits_says_how_to_go_on(auditor):
    assert "No entry is like this" in look(auditor, "/auditor/trail?about=attempt:12345")


@pytest.mark.parametrize("asked", ["to=9999-12-31", "from=0001-01-01", "to=2026-02-30", "who=99999999999999", "before=x"])
def test_a_day_or_a_number_that_cannot_be_is_not_asked_for(auditor, asked):
    assert "Every act, newest first" in look(auditor, f"/auditor/trail?{asked}")


def test_pages_go_on_by_number_and_back(db, auditor):
    fill(db, 130, about="attempt:{}")
    address, seen, pages = "/auditor/trail?act=attempt.begin", [], []
    while address:
        page = links(auditor, address)
        pages.append(address)
        seen += [link for link in page if link.startswith("/auditor/trail?about=attempt")]
        address = next((link for link in page if "before=" in link), None)
    assert len(pages) == 3
    assert len(seen) == len(set(seen)) == 130
    back = next(link for link in links(auditor, pages[2]) if "after=" in link)
    assert "act=attempt.begin" in back
    with db.read() as session:
        third = queries.page(session, Filter(act="attempt.begin"), before=int(pages[2].rpartition("=")[2]))
        second = queries.page(session, Filter(act="attempt.begin"), after=third.newer)
    assert [entry.number for entry in second.entries][-1] == third.entries[0].number + 1
    assert len(second.entries) == queries.PAGE
    assert any("before=" in link for link in links(auditor, back))


def test_older_than_the_first_is_an_empty_page_with_a_way_back(auditor):
    assert "There is nothing older" in look(auditor, "/auditor/trail?before=1")


def test_one_entry_has_its_full_hash_and_its_neighbours(db, auditor):
    fill(db, 3)
    first, second, third = recorded(db, "attempt.begin")
    page = look(auditor, f"/auditor/entries/{second.id}")
    assert second.digest in page
    assert second.previous in page
    assert "Whole, and linked to the one before" in page
    assert {f"/auditor/entries/{first.id}", f"/auditor/entries/{third.id}"} <= set(links(auditor, f"/auditor/entries/{second.id}"))
    with db.write() as session:
        session.execute(text(f"UPDATE audit_entries SET act = 'other' WHERE id = {second.id}"))
    assert "Changed after it was sealed" in look(auditor, f"/auditor/entries/{second.id}")
    with db.write() as session:
        session.execute(text(f"DELETE FROM audit_entries WHERE id = {first.id}"))
    assert "Not linked to the one before" in look(auditor, f"/auditor/entries/{second.id}")


def test_an_entry_that_is_not_there_is_not_found(auditor):
    look(auditor, "/auditor/entries/99999999", 404)


def test_a_visit_is_one_entry_however_many_pages_are_looked_at(db, auditor):
    for path in ("/auditor/", "/auditor/trail?text=secret+words", "/auditor/check", "/auditor/receipt"):
        look(auditor, path)
    found = recorded(db, "trail.seen")
    assert [(entry.actor_id, entry.facts) for entry in found] == [(auditor.person.id, {})]


# ---------------------------------------------------------------- verification


def rounds(app, count=20):
    for _ in range(count):
        worker.once(app)
        with app.db.read() as session:
            if not jobs.due(session):
                return
    raise AssertionError("the check does not come to an end")


def test_a_verification_is_done_by_the_worker_and_its_result_stands_on_the_page(app, db, auditor):
    fill(db, 5)
    assert "Nobody has verified this trail yet" in look(auditor, "/auditor/check")
    assert auditor.post("/auditor/check", {"anchor": ""}).status_code == 303
    assert "Reading the trail: 0 of" in look(auditor, "/auditor/check")
    assert "<progress" in auditor.get("/auditor/check/progress").get_data(as_text=True)
    rounds(app)
    page = look(auditor, "/auditor/check")
    assert "Holds" in page
    assert "Ida Auditor" in page
    assert "<progress" not in auditor.get("/auditor/check/progress").get_data(as_text=True)
    entry = recorded(db, "trail.verified")[0]
    assert (entry.actor_id, entry.facts["faults"], entry.facts["way"]) == (auditor.person.id, 0, "page")
    assert entry.facts["entries"] >= 5


def test_a_long_verification_goes_on_in_slices_and_may_be_left(app, db, auditor, monkeypatch):
    fill(db, 30)
    monkeypatch.setattr(jobs, "SLICE", 10)
    monkeypatch.setattr(jobs, "SPEND", 0)
    auditor.post("/auditor/check")
    worker.once(app)
    assert "Reading the trail: 10 of" in look(auditor, "/auditor/check")
    assert "A verification is under way" in look(auditor, "/auditor/")
    auditor.post("/auditor/check")
    assert "A check is under way already" in look(auditor, "/auditor/check")
    rounds(app)
    assert len(recorded(db, "trail.verified")) == 1
    assert recorded(db, "trail.verified")[0].facts["entries"] >= 30


def test_faults_are_named_on_the_page_and_on_the_first_page(app, db, auditor):
    fill(db, 6)
    numbers = [entry.number for entry in recorded(db, "attempt.begin")]
    with db.write() as session:
        session.execute(text(f"UPDATE audit_entries SET object = 'attempt:9' WHERE number = {numbers[1]}"))
        session.execute(text(f"DELETE FROM audit_entries WHERE number = {numbers[3]}"))
    auditor.post("/auditor/check")
    rounds(app)
    page = look(auditor, "/auditor/check")
    assert "Does not hold" in page
    assert f"Entry {numbers[1]} was changed" in page
    assert f"Entry {numbers[3]} is missing" in page
    assert "The trail does not hold" in look(auditor, "/auditor/")


def test_an_anchor_is_handed_out_listed_and_proves_that_nothing_was_cut_off(app, db, auditor):
    fill(db, 4)
    assert "No anchor has been handed out" in look(auditor, "/auditor/check")
    assert auditor.post("/auditor/anchors").status_code == 303
    seal(db)
    given = recorded(db, "trail.anchored")[0]
    anchor = f"{given.facts['number']}:{given.facts['digest']}"
    page = look(auditor, "/auditor/check")
    assert anchor in page
    assert "No anchor has been handed out" not in page
    auditor.post("/auditor/check", {"anchor": anchor})
    rounds(app)
    page = look(auditor, "/auditor/check")
    assert "Holds" in page
    assert "against an anchor" in page
    seal(db)
    with db.write() as session:
        session.execute(text(f"DELETE FROM audit_entries WHERE number >= {given.facts['number']}"))
    auditor.post("/auditor/check", {"anchor": anchor})
    rounds(app)
    page = look(auditor, "/auditor/check")
    assert "Does not hold" in page
    assert f"Entry {given.facts['number']} was cut off" in page


def test_what_is_no_anchor_is_said_beside_the_box(db, auditor):
    reply = auditor.post("/auditor/check", {"anchor": "12:abc"})
    assert reply.status_code == 422
    page = reply.get_data(as_text=True)
    assert "An anchor is a number, a colon" in page
    assert 'value="12:abc"' in page
    with db.read() as session:
        assert not jobs.due(session)


def test_nothing_is_handed_out_while_nothing_is_sealed(db, auditor):
    with db.write() as session:
        session.execute(text("DELETE FROM audit_entries WHERE number IS NOT NULL"))
    auditor.post("/auditor/anchors")
    assert "Nothing is sealed yet" in look(auditor, "/auditor/check")
    assert recorded(db, "trail.anchored") == []


# ---------------------------------------------------------------- receipts


@pytest.fixture
def handed_in(db):
    with db.write() as session:
        found = make.handed_in(session, make.place(session), 4, make.NOON)
    seal(db)
    return found


def test_a_receipt_that_holds_and_no_answer_on_the_page(db, auditor, handed_in):
    page = auditor.post("/auditor/receipt", {"code": handed_in.receipt_code.lower()}).get_data(as_text=True)
    assert "The receipt holds" in page
    assert page.count("Agrees") == 4
    assert handed_in.digest in page
    assert f"/auditor/entries/{recorded(db, 'attempt.submit')[0].id}" in page
    for secret in ("What does I-1 ask?", "Option b", handed_in.person.name, handed_in.person.email):
        assert secret not in page
    assert [(one.object, one.actor_id, one.facts) for one in recorded(db, "receipt.checked")] == [
        (f"attempt:{handed_in.id}", auditor.person.id, {"good": True, "way": "page"})
    ]


def test_a_receipt_that_does_not_hold(db, auditor, handed_in):
    with db.write() as session:
        session.execute(text("UPDATE responses SET option = 'd' WHERE slot = 2"))
    page = auditor.post("/auditor/receipt", {"code": handed_in.receipt_code}).get_data(as_text=True)
    assert "The receipt does not hold" in page
    assert page.count("Differs") == 3


@pytest.mark.parametrize(
    ("code", "said"), [("AAAA-BBBB-CCCC", "No attempt and no entry of the trail has this code"), ("x", "three groups of four")]
)
def test_an_unknown_receipt_is_said_beside_the_box(db, auditor, code, said):
    reply = auditor.post("/auditor/receipt", {"code": code})
    assert reply.status_code == 422
    assert said in reply.get_data(as_text=True)
    assert recorded(db, "receipt.checked") == []


# ---------------------------------------------------------------- today


def test_today_says_what_needs_a_look(app, db, auditor):
    fill(db, 3, "results.exported", auditor.person.id, "administration:1", rows=12)
    fill(db, 1, "passing_score.approved", auditor.person.id, "administration:1", number=1)
    with db.write() as session:
        session.add(Tries(what="code:203.0.113.7", window_start=clock.now(), count=3))
        session.add(Tries(what="password:203.0.113.7", window_start=clock.now(), count=2))
        session.add(Tries(what="password:" + "a" * 64, window_start=clock.now(), count=2))
        session.add(Tries(what="code:203.0.113.8", window_start=clock.now() - timedelta(days=2), count=50))
    page = look(auditor, "/auditor/")
    assert "Nobody has verified it yet" in page
    assert "Hand out a first anchor" in page
    assert "Sign-ins refused 5" in page
    assert "Results exported results.exported 3" in page
    assert "Passing score approved, results released" in page
    auditor.post("/auditor/anchors")
    auditor.post("/auditor/check")
    rounds(app)
    assert "The trail was verified within a day and holds" in look(auditor, "/auditor/")


def test_a_verification_of_yesterday_is_old(app, db, auditor):
    auditor.post("/auditor/check")
    rounds(app)
    with db.write() as session:
        entry = session.scalars(select(AuditEntry).where(AuditEntry.act == "trail.verified")).one()
        entry.at -= timedelta(days=2)
    assert "The last verification is more than a day old" in look(auditor, "/auditor/")


def test_entries_that_wait_too_long_for_their_seal_are_said(db, auditor):
    with db.write() as session:
        audit.record(session, "attempt.begin", "attempt:1", clock.now() - timedelta(minutes=3))
    assert "New entries are not being sealed" in look(auditor, "/auditor/")
