"""The scheduler's, the candidate's and the analyst's pages of results, and that none of them says anything before the second signature."""

import io
import re
import zipfile
from datetime import timedelta

import pytest
from sqlalchemy import select

from testing_platform import clock, worker
from testing_platform.accounts.models import Person
from testing_platform.accounts.rules import ROLES_OF_AREA, Area, Role
from testing_platform.audit.models import AuditEntry
from testing_platform.notices.models import Notice
from testing_platform.scoring import service as scoring
from testing_platform.scoring.models import ExportJob, InterviewInvitation, InterviewPlan, PassingScoreDecision
from tests import make

PLAN = {
    "location": "Room 210, 100 Main Street",
    "first_on": "2026-12-07",
    "last_on": "2026-12-07",
    "opens": "09:00",
    "closes": "10:00",
    "minutes": "30",
    "boards": "1",
    "respond_by": "2026-12-04",
}
NOW = make.NOON + timedelta(hours=10)


@pytest.fixture(autouse=True)
def at(monkeypatch):
    found = [NOW]
    monkeypatch.setattr(clock, "now", lambda: found[0])
    return found


@pytest.fixture
def world(db):
    """One administration, proposed at 4: Ada (6 right) and Ben (4) would pass, Cy (1) would not. Not signed."""
    with db.write() as session:
        where = make.place(session)
        people = {}
        for name, right, booking in (
            ("Ada Ash", 6, {"settings": {"time_multiplier": "1.5"}, "basis": "PROMOTIONAL"}),
            ("Ben Birch", 4, {}),
            ("Cy Cedar", 1, {}),
        ):
            attempt = make.handed_in(session, where, right, **booking)
            attempt.receipt_mailed_at = make.NOON
            attempt.person.name = name
            people[name.split()[0].lower()] = attempt.person
        for role in set(Role) - {Role.CANDIDATE, Role.PROCTOR, Role.LEAD_PROCTOR}:
            people[str(role)] = make.person(session, role)
        people["proctor"] = make.proctor(session, where)
        people["lead_proctor"] = make.proctor(session, where, Role.LEAD_PROCTOR)
        decision = make.proposed(session, where, 4, NOW)
        return {"where": where.id, "administration": where.administration_id, "people": people, "decision": decision.id}


def sign(db, world):
    with db.write() as session:
        decision = session.get_one(PassingScoreDecision, world["decision"])
        scoring.approve(session, decision, session.get_one(Person, world["people"]["approver"].id), NOW)


def decide(db, world, cut, now=NOW):
    with db.write() as session:
        make.decided(session, session.get_one(make.TestSession, world["where"]), cut, now)


def scheduler(visit, world):
    return visit(world["people"]["scheduler"], Area.SCHEDULER)


def candidate(visit, world, name):
    return visit(world["people"][name], Area.CANDIDATE)


def text(reply):
    page = re.sub(r"<(script|style|head)\b.*?</\1>", " ", reply.get_data(as_text=True), flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def attempt_of(db, world, name):
    with db.read() as session:
        return session.scalars(select(make.Attempt.id).where(make.Attempt.person_id == world["people"][name].id)).one()


def result_page(db, visit, world, name):
    return text(candidate(visit, world, name).get(f"/candidate/attempts/{attempt_of(db, world, name)}/result"))


# ------------------------------------------------------------ before the second signature

SAYS_WHO = re.compile(r"\bPASS\b|\bFAIL\b|[Yy]ou passed|did not pass|[Aa]prob(ó|aste)|people passed|person passed|See my result")


# What differs at each look: the figures of the machine, the tokens and keys of forms, how much room the disk has, and the version of a file that somebody just works on.
MACHINE = "/operator/"
HIDDEN = re.compile(r'[\w-]{20,}\.[\w-]{6}\.[\w-]{27}|(?<="free_bytes":)\d+|(?<=\?v=)\w+|(?<=name="key" value=")\w+')


def everything(app, db, visit, world, without=()):
    """Whatever any role but these gets by a GET, as (who, address, what it says): pages with their titles, JSON, and files by name and content."""
    who = {"nobody": Area.PUBLIC, **dict.fromkeys(("ada", "ben", "cy"), Area.CANDIDATE)}
    who |= {str(role): area for area, roles in ROLES_OF_AREA.items() for role in sorted(roles) if role is not Role.CANDIDATE}
    assert {Role(name) for name in who if name in set(Role)} | {Role.CANDIDATE} == set(Role)
    with db.read() as session:
        attempts = session.scalars(select(make.Attempt).order_by(make.Attempt.id)).all()
        where = session.get_one(make.TestSession, world["where"])
        for name, area in who.items():
            if name in without:
                continue
            visitor = visit(world["people"].get(name), area)
            for rule in app.url_map.iter_rules():
                if "GET" not in rule.methods or rule.endpoint == "static":
                    continue
                for attempt in attempts if "attempt_id" in rule.rule else attempts[:1]:
                    for url in routes(rule, attempt, where):
                        yield name, url, said_by(visitor.get(url))


def routes(rule, attempt, where):
    """The rule's addresses with the ids of this attempt, each of the words that it allows; what has none here is the first of its kind."""
    ids = {"attempt_id": attempt.id, "appointment_id": attempt.appointment_id, "session_id": where.id, "form_id": attempt.form_id}
    ids |= {"administration_id": where.administration_id, "area": "candidate", "place": "at"}
    words = re.search(r"<any\(([^)]*)\):\w+>", rule.rule)
    for word in words[1].split(", ") if words else [""]:
        chosen = re.sub(r"<any\([^)]*\):\w+>", word, rule.rule)
        yield re.sub(r"<(?:[^<>]*:)?(\w+)>", lambda found: str(ids.get(found[1], 1)), chosen)


def said_by(reply):
    """Name and content; a spreadsheet is a packed folder of texts. Nothing that anybody asks for ends in a fault of ours."""
    assert reply.status_code < 500, reply.request.path
    content = reply.get_data()
    if content.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            content = b" ".join(packed.read(name) for name in packed.namelist())
    return f"{reply.headers.get('Content-Disposition', '')}\n{content.decode(errors='replace')}"


def test_before_the_second_signature_no_page_of_anybody_says_who_passed(app, db, visit, world, untypeset):
    said = [(who, url) for who, url, page in everything(app, db, visit, world) if SAYS_WHO.search(page)]
    # The walk would have seen it: after the signature the same addresses say so.
    assert said == []
    sign(db, world)
    after = {(who, url) for who, url, page in everything(app, db, visit, world) if SAYS_WHO.search(page)}
    number = world["administration"]
    assert {
        ("ada", f"/candidate/attempts/{attempt_of(db, world, 'ada')}/result"),
        ("cy", f"/candidate/attempts/{attempt_of(db, world, 'cy')}/result"),
    } <= after
    assert {
        ("scheduler", f"/scheduler/administrations/{number}{end}")
        for end in ("", *(f"/interview-candidates.{kind}" for kind in ("csv", "xlsx", "json")))
    } <= after
    assert {("analyst", f"/analyst/administrations/{number}/pass-fail.{kind}") for kind in ("csv", "json", "neogov")} <= after
    # And nobody else than these three kinds of people ever reads it.
    assert {who for who, _url in after} <= {"ada", "ben", "cy", "scheduler", "analyst", "approver"}


def test_before_the_second_signature_nothing_depends_on_where_the_cut_is_proposed(app, db, visit, world, untypeset):
    """A word list may miss a word. Whom a cut would let pass cannot be read where every cut gives the same bytes."""
    # They read the proposal, or that it was made.
    blind = set(ROLES_OF_AREA[Area.ANALYST]) | {Role.AUDITOR, Role.VALIDATION_ANALYST}

    def walk():
        return {(who, url): HIDDEN.sub("", page) for who, url, page in everything(app, db, visit, world, blind) if url != MACHINE}

    before = walk()
    with db.write() as session:
        decision = session.get_one(PassingScoreDecision, world["decision"])
        decision.cut = 1
    after = walk()
    assert [where for where in before if before[where] != after[where]] == []
    # The comparison would have seen it.
    with db.write() as session:
        session.get_one(PassingScoreDecision, world["decision"]).cut = 4
    sign(db, world)
    result = f"/candidate/attempts/{attempt_of(db, world, 'ada')}/result"
    assert HIDDEN.sub("", said_by(candidate(visit, world, "ada").get(result))) != before["ada", result]


def test_before_the_second_signature_the_scheduler_sees_no_name_and_no_count(app, db, visit, world):
    visitor = scheduler(visit, world)
    home = text(visitor.get("/scheduler/"))
    assert "No results are released yet" in home
    for path in ("", "/invite", "/interview-candidates.csv", "/interview-candidates.xlsx", "/interview-candidates.json"):
        assert visitor.get(f"/scheduler/administrations/{world['administration']}{path}").status_code == 404
    assert visitor.post(f"/scheduler/administrations/{world['administration']}/invite", PLAN).status_code == 404
    # As one that does not exist.
    assert visitor.get("/scheduler/administrations/999").status_code == 404


def test_before_the_second_signature_no_mail_says_who_passed(app, db, world):
    worker.once(app)
    with db.read() as session:
        assert session.scalars(select(Notice)).all() == []
    sign(db, world)
    worker.once(app)
    with db.read() as session:
        assert len(session.scalars(select(Notice)).all()) == 3


def test_a_candidate_without_a_result_reads_that_there_is_none(app, db, visit, world):
    assert "There is no result yet" in result_page(db, visit, world, "ada")
    assert "See my result" not in text(candidate(visit, world, "ada").get("/candidate/"))


# ------------------------------------------------------------ the candidate


def test_one_who_passed_reads_it_and_what_comes_next(app, db, visit, world):
    sign(db, world)
    page = result_page(db, visit, world, "ada")
    assert "You passed" in page
    assert "The next step is an interview" in page
    assert "555-0100" in page
    assert "2028" not in page
    home = candidate(visit, world, "ada").get("/candidate/").get_data(as_text=True)
    assert f"/candidate/attempts/{attempt_of(db, world, 'ada')}/result" in home


def test_one_who_did_not_pass_reads_when_to_file_again(app, db, visit, world):
    sign(db, world)
    page = result_page(db, visit, world, "cy")
    assert "You did not pass this test" in page
    assert "November 21, 2028" in page
    assert "555-0100" in page


def test_the_first_page_does_not_say_which_it_is(app, db, visit, world):
    sign(db, world)
    pages = [text(candidate(visit, world, name).get("/candidate/")) for name in ("ada", "cy")]
    assert not SAYS_WHO.search(pages[0].replace("See my result", ""))
    assert "See my result" in pages[0]
    assert "See my result" in pages[1]


@pytest.mark.parametrize("name", ["ada", "ben", "cy"])
def test_a_result_page_holds_no_points(app, db, visit, world, name):
    sign(db, world)
    page = result_page(db, visit, world, name)
    assert not re.search(r"\b[0-6] of 6\b|%|score of|points|passing score is|rank\b|CST", page)


def test_a_candidate_reads_no_other_ones_result(app, db, visit, world):
    sign(db, world)
    assert candidate(visit, world, "ben").get(f"/candidate/attempts/{attempt_of(db, world, 'ada')}/result").status_code == 404


# ------------------------------------------------------------ the scheduler


def base(world):
    return f"/scheduler/administrations/{world['administration']}"


def test_the_list_holds_who_passed_how_to_reach_them_and_never_a_score(app, db, visit, world):
    sign(db, world)
    visitor = scheduler(visit, world)
    page = text(visitor.get(base(world)))
    assert "2 people passed" in page
    assert "Ada Ash" in page
    assert "Ben Birch" in page
    assert "Cy Cedar" not in page
    assert "extra time 1.5" in page
    assert world["people"]["ada"].email in page
    assert not re.search(r"\b[46] of 6\b|\braw\b|points|%", page)
    assert "2 people to invite" in text(visitor.get("/scheduler/"))


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ("", {"Ada Ash", "Ben Birch"}),
        ("?q=birch", {"Ben Birch"}),
        ("?basis=promotional", {"Ada Ash"}),
        ("?need=yes", {"Ada Ash"}),
        ("?language=en&basis=open", {"Ben Birch"}),
        ("?standing=mail_sent", set()),
        ("?standing=to_invite&q=ash", {"Ada Ash"}),
    ],
)
def test_filters_stand_in_the_address(app, db, visit, world, asked, names):
    sign(db, world)
    page = text(scheduler(visit, world).get(base(world) + asked))
    assert {name for name in ("Ada Ash", "Ben Birch") if name in page} == names
    assert ("Nobody matches" in page) is (not names)


def test_a_download_is_a_file_and_stays_on_record(app, db, visit, world):
    sign(db, world)
    visitor = scheduler(visit, world)
    reply = visitor.get(base(world) + "/interview-candidates.csv")
    assert reply.mimetype == "text/csv"
    assert re.fullmatch(r'attachment; filename="\d+-2026-09-01-1-interview-candidates\.csv"', reply.headers["Content-Disposition"])
    assert b"Ada Ash" in reply.data
    with db.read() as session:
        assert session.scalars(select(ExportJob.made_by_id)).all() == [world["people"]["scheduler"].id]
    page = text(visitor.get(base(world)))
    assert "1 download so far" in page
    assert "CSV, 2 lines" in page


def preview(visitor, world, **change):
    return visitor.get(base(world) + "/invite", query_string={**PLAN, **change})


def sent_form(reply):
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', reply.get_data(as_text=True)))


def test_looking_at_a_plan_sends_nothing_and_inviting_sends_what_was_seen(app, db, visit, world):
    sign(db, world)
    visitor = scheduler(visit, world)
    seen = preview(visitor, world)
    page = text(seen)
    assert "Invite 2 people" in page
    assert "Nothing was sent yet" in page
    assert page.index("9:00") < page.index("Ada Ash") < page.index("Ben Birch")
    with db.read() as session:
        assert session.scalars(select(Notice)).all() == []
        assert session.scalars(select(InterviewPlan)).all() == []
    # Pressed twice.
    for _ in range(2):
        assert visitor.post(base(world) + "/invite", sent_form(seen)).status_code == 303
    with db.read() as session:
        assert len(session.scalars(select(InterviewPlan)).all()) == 1
        assert len(session.scalars(select(InterviewInvitation)).all()) == 2
        assert session.scalars(select(Notice.template)).all() == ["interview-invitation/1"] * 2
    page = text(visitor.get(base(world)))
    assert "Invited, mail waiting" in page
    assert "Dec 7, 2026, 9:00" in page
    assert "Nothing today" in text(visitor.get("/scheduler/"))
    assert "Everyone is invited" in text(visitor.get(base(world) + "/invite"))
    # And their candidates read it.
    mine = result_page(db, visit, world, "ada")
    assert "Monday, December 7, 2026, 9:00" in mine
    assert "Room 210, 100 Main Street" in mine
    assert "Room 210" not in result_page(db, visit, world, "cy")


def test_a_form_that_does_not_fit_what_was_seen_sends_nothing(app, db, visit, world):
    sign(db, world)
    visitor = scheduler(visit, world)
    form = sent_form(preview(visitor, world))
    assert visitor.post(base(world) + "/invite", {**form, "location": "Elsewhere"}).status_code == 409
    assert visitor.post(base(world) + "/invite", {**form, "minutes": "x"}).status_code == 422
    decide(db, world, 6)
    assert visitor.post(base(world) + "/invite", form).status_code == 409
    with db.read() as session:
        assert session.scalars(select(InterviewInvitation)).all() == []


def test_too_few_slots_say_how_many_are_missing(app, db, visit, world):
    sign(db, world)
    page = text(preview(scheduler(visit, world), world, minutes="45"))
    assert "1 slot is missing" in page
    assert "Invite 1 person" in page


def test_a_faulty_plan_says_what_is_wrong_beside_the_field(app, db, visit, world):
    sign(db, world)
    reply = preview(scheduler(visit, world), world, first_on="2026-01-01", boards="0", location="")
    assert reply.status_code == 422
    page = reply.get_data(as_text=True)
    for name in ("first_on", "boards", "location"):
        assert f'id="{name}-error"' in page
    assert "Invite 2 people" not in page


def test_who_no_longer_passes_is_shown_and_withdrawn_by_a_person(app, db, visit, world, at):
    sign(db, world)
    visitor = scheduler(visit, world)
    visitor.post(base(world) + "/invite", sent_form(preview(visitor, world)))
    at[0] = NOW + timedelta(hours=1)
    decide(db, world, 5, at[0])
    page = visitor.get(base(world))
    assert "1 invited person does not pass any more" in text(page)
    assert "1 person passed" in text(page)
    assert "Withdraw 1 invitation?" in text(visitor.get("/scheduler/"))
    assert "Ben" not in visitor.get(base(world) + "/interview-candidates.csv").get_data(as_text=True)
    # Ben reads the new result, and of no interview.
    mine = result_page(db, visit, world, "ben")
    assert "You did not pass this test" in mine
    assert "Room 210" not in mine
    (number,) = re.findall(r'name="invitation" value="(\d+)"', page.get_data(as_text=True))
    assert visitor.post(base(world) + "/withdraw", {"invitation": number}).status_code == 303
    assert "1 invitation is withdrawn" in text(visitor.get(base(world)))
    assert "Ben Birch" not in text(visitor.get(base(world) + "?q=birch"))


def test_several_are_withdrawn_together_or_none(app, db, visit, world, at):
    sign(db, world)
    visitor = scheduler(visit, world)
    visitor.post(base(world) + "/invite", sent_form(preview(visitor, world)))
    decide(db, world, 6)
    with db.read() as session:
        both = [str(number) for number in session.scalars(select(InterviewInvitation.id))]
    # Ada passes still: nothing of the form is done.
    assert visitor.post(base(world) + "/withdraw", {"invitation": both[::-1]}).status_code == 409
    with db.read() as session:
        assert session.scalars(select(InterviewInvitation.withdrawn_at)).all() == [None, None]
    assert visitor.post(base(world) + "/withdraw", {"invitation": both[1:]}).status_code == 303


def test_an_invitation_of_one_who_passes_is_not_withdrawn(app, db, visit, world):
    sign(db, world)
    visitor = scheduler(visit, world)
    visitor.post(base(world) + "/invite", sent_form(preview(visitor, world)))
    with db.read() as session:
        number = session.scalars(select(InterviewInvitation.id)).first()
    assert visitor.post(base(world) + "/withdraw", {"invitation": str(number)}).status_code == 409
    assert visitor.post(base(world) + "/withdraw", {"invitation": "999"}).status_code == 404
    assert visitor.post(base(world) + "/withdraw", {}).status_code == 400


# ------------------------------------------------------------ the analyst


def analyst(visit, world):
    return visit(world["people"]["analyst"], Area.ANALYST)


def test_the_analyst_sees_how_many_passed_and_whom_no_mail_reached(app, db, visit, world):
    url = f"/analyst/administrations/{world['administration']}"
    visitor = analyst(visit, world)
    assert "Nobody has passed or failed yet" in text(visitor.get(f"{url}/results"))
    assert visitor.get(f"{url}/pass-fail.csv").status_code == 409
    sign(db, world)
    worker.once(app)
    with db.write() as session:
        letter = session.scalars(select(Notice).where(Notice.person_id == world["people"]["cy"].id)).one()
        letter.state, letter.trouble = "failed", "recipient refused"
    page = text(visitor.get(f"{url}/results"))
    assert "Passed 2" in page
    assert "Did not pass 1" in page
    assert "Mails that did not arrive 1" in page
    assert "Cy Cedar" in page
    reply = visitor.get(f"{url}/pass-fail.csv")
    assert reply.get_data(as_text=True).count("PASS") == 2
    assert "1 file so far" in text(visitor.get(f"{url}/results"))


def bounce(db, world, name):
    """The newest letter to this person comes back."""
    with db.write() as session:
        found = select(Notice).where(Notice.person_id == world["people"][name].id).order_by(Notice.id.desc()).limit(1)
        letter = session.scalars(found).one()
        letter.state, letter.trouble = "failed", "recipient refused"


@pytest.fixture
def unreached(app, db, world):
    """Signed and mailed; the letter to Cy came back. Returns the number of Cy's attempt."""
    sign(db, world)
    worker.once(app)
    bounce(db, world, "cy")
    return attempt_of(db, world, "cy")


def send_again(visitor, world, attempt, email):
    return visitor.post(f"/analyst/administrations/{world['administration']}/results/letter", {"about": str(attempt), "email": email})


def test_a_letter_that_did_not_arrive_is_sent_again_to_the_corrected_address(app, db, visit, world, unreached):
    visitor = analyst(visit, world)
    assert send_again(visitor, world, unreached, " Cy.Cedar@Example.org ").status_code == 303
    # Pressed twice.
    assert send_again(visitor, world, unreached, "cy.cedar@example.org").status_code == 409
    with db.read() as session:
        first, again = session.scalars(select(Notice).where(Notice.person_id == world["people"]["cy"].id).order_by(Notice.id))
        assert (first.state, again.state, again.to) == ("failed", "queued", "cy.cedar@example.org")
        assert (again.subject, again.text, again.template) == (first.subject, first.text, first.template)
        acts = session.scalars(select(AuditEntry).where(AuditEntry.act.in_(("person.address_corrected", "result.letter_sent_again")))).all()
        assert [act.actor_id for act in acts] == [world["people"]["analyst"].id] * 2
        assert "cedar" not in str([(act.object, act.facts) for act in acts])
    page = text(visitor.get(f"/analyst/administrations/{world['administration']}/results"))
    assert "Mails that did not arrive 0" in page
    assert "3 on their way" in page


@pytest.mark.parametrize(
    ("email", "said"),
    [
        ("nowhere", "That is no e-mail address."),
        ("cy@one two.org", "That is no e-mail address."),
        ("cy\0@example.org", "That is no e-mail address."),
        ("", "That is no e-mail address."),
        (None, "Somebody else has this address."),
    ],
)
def test_an_address_that_cannot_be_sends_nothing(app, db, visit, world, unreached, email, said):
    email = world["people"]["ada"].email if email is None else email
    reply = send_again(analyst(visit, world), world, unreached, email)
    assert reply.status_code == 422
    assert said in text(reply)
    with db.read() as session:
        assert len(session.scalars(select(Notice).where(Notice.person_id == world["people"]["cy"].id)).all()) == 1


def test_only_an_analyst_sends_a_letter_again_and_only_one_that_did_not_arrive(app, db, visit, world, unreached):
    approver = visit(world["people"]["approver"], Area.ANALYST)
    assert send_again(approver, world, unreached, "cy@example.org").status_code == 403
    assert "Send the letter again" not in text(approver.get(f"/analyst/administrations/{world['administration']}/results"))
    visitor = analyst(visit, world)
    assert send_again(visitor, world, attempt_of(db, world, "ada"), world["people"]["ada"].email).status_code == 409
    assert send_again(visitor, world, 999, "x@example.org").status_code == 404
    assert send_again(visitor, world, "x", "x@example.org").status_code == 400


@pytest.fixture
def elsewhere(db, world):
    """Cy takes another test of another administration, which is signed a day after this one. Returns its administration and Cy's attempt in it."""
    with db.write() as session:
        where = make.place(session)
        attempt = make.handed_in(session, where, 6)
        attempt.person = session.get_one(Person, world["people"]["cy"].id)
        session.flush()
        make.decided(session, where, 4, NOW + timedelta(days=1))
        return where.administration_id, attempt.id


def test_a_letter_belongs_to_its_own_result_where_one_person_has_two(app, db, visit, world, unreached, elsewhere, at):
    at[0] = NOW + timedelta(days=1)
    worker.once(app)
    other, attempt = elsewhere
    visitor = analyst(visit, world)
    here = f"/analyst/administrations/{world['administration']}/results"
    # The newer letter of the other test is on its way; the one of this test came back.
    assert "Mails that did not arrive 1" in text(visitor.get(here))
    assert "Mails that did not arrive 0" in text(visitor.get(f"/analyst/administrations/{other}/results"))
    # Nothing of the other's is sent from here, nor of this one from there.
    assert send_again(visitor, world, attempt, "cy@example.org").status_code == 404
    assert send_again(visitor, {"administration": other}, unreached, "cy@example.org").status_code == 404
    assert send_again(visitor, {"administration": other}, attempt, "cy@example.org").status_code == 409
    assert send_again(visitor, world, unreached, "cy@example.org").status_code == 303
    with db.read() as session:
        first, again = session.scalars(select(Notice).where(Notice.about == f"attempt:{unreached}").order_by(Notice.id))
        assert (again.text, again.template) == (first.text, "result-fail/1")
    assert "Mails that did not arrive 0" in text(visitor.get(here))


def test_a_letter_that_takes_a_result_back_is_sent_again_too(app, db, visit, world, unreached):
    with db.write() as session:
        session.get_one(make.Attempt, unreached).state = "voided_retest"
    decide(db, world, 4)
    worker.once(app)
    bounce(db, world, "cy")
    visitor = analyst(visit, world)
    page = text(visitor.get(f"/analyst/administrations/{world['administration']}/results"))
    assert "Cy Cedar" in page
    assert "Did not pass 0" in page
    assert send_again(visitor, world, unreached, "cy@example.org").status_code == 303
    with db.read() as session:
        newest = session.scalars(select(Notice).order_by(Notice.id.desc()).limit(1)).one()
        assert (newest.template, newest.to, newest.state) == ("result-taken-back/1", "cy@example.org", "queued")


def test_an_invitation_that_did_not_arrive_is_sent_again_while_it_can_be_followed(app, db, visit, world, at):
    sign(db, world)
    visitor = scheduler(visit, world)
    assert visitor.post(f"{base(world)}/invite", sent_form(preview(visitor, world))).status_code == 303
    with db.read() as session:
        number = session.scalars(select(InterviewInvitation.id).where(InterviewInvitation.board == 1)).first()
    again = {"about": str(number), "email": "ada.ash@example.org"}
    assert visitor.post(f"{base(world)}/letter", again).status_code == 409
    bounce(db, world, "ada")
    assert "Send the letter again" in text(visitor.get(base(world)))
    faulty = visitor.post(f"{base(world)}/letter", again | {"email": "nowhere"})
    assert (faulty.status_code, "That is no e-mail address." in text(faulty)) == (422, True)
    assert visitor.post(f"{base(world)}/letter", again).status_code == 303
    assert visitor.post(f"{base(world)}/letter", again).status_code == 409
    with db.read() as session:
        invitation = session.get_one(InterviewInvitation, number)
        first, second = session.scalars(select(Notice).where(Notice.about == f"attempt:{invitation.result.attempt_id}").order_by(Notice.id))
        assert (second.to, second.state, second.calendar) == ("ada.ash@example.org", "queued", first.calendar)
        assert (invitation.notice_id, first.state) == (second.id, "failed")
        assert session.scalars(select(AuditEntry.object).where(AuditEntry.act == "interview.letter_sent_again")).all() == [
            f"invitation:{number}"
        ]
    assert "Send the letter again" not in text(visitor.get(base(world)))
    bounce(db, world, "ada")
    # The day of the interview has gone by.
    at[0] = NOW + timedelta(days=365)
    visitor = scheduler(visit, world)
    assert "Send the letter again" not in text(visitor.get(base(world)))
    assert visitor.post(f"{base(world)}/letter", again).status_code == 409
    assert visitor.post(f"{base(world)}/letter", again | {"about": "999"}).status_code == 404
    assert visitor.post(f"{base(world)}/letter", {}).status_code == 400


def test_a_withdrawal_that_did_not_arrive_is_named_until_it_is_sent_again_or_the_day_is_over(app, db, visit, world, at):
    sign(db, world)
    visitor = scheduler(visit, world)
    visitor.post(base(world) + "/invite", sent_form(preview(visitor, world)))
    at[0] = NOW + timedelta(hours=1)
    decide(db, world, 5, at[0])
    (number,) = re.findall(r'name="invitation" value="(\d+)"', visitor.get(base(world)).get_data(as_text=True))
    visitor.post(base(world) + "/withdraw", {"invitation": number})
    named = "Do not know that their interview was withdrawn"
    assert named not in text(visitor.get(base(world)))
    again = {"about": number, "email": "ben@example.org"}
    assert visitor.post(base(world) + "/letter", again).status_code == 409
    bounce(db, world, "ben")
    page = text(visitor.get(base(world)))
    assert named in page
    assert "Ben Birch" in page
    assert visitor.post(f"{base(world)}/letter", again).status_code == 303
    assert named not in text(visitor.get(base(world)))
    with db.read() as session:
        newest = session.scalars(select(Notice).order_by(Notice.id.desc()).limit(1)).one()
        assert (newest.template, newest.to, newest.state) == ("interview-withdrawn/1", "ben@example.org", "queued")
        assert "METHOD:CANCEL" in newest.calendar
    bounce(db, world, "ben")
    at[0] = NOW + timedelta(days=365)
    assert named not in text(scheduler(visit, world).get(base(world)))
