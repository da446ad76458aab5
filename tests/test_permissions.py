"""Every route, as every role and as nobody, with one's own object and with another's.

What should happen is said here a second time, in the test's own words: a line let slip in the table must not be followed by its test.
"""

import re
import uuid

import pytest

from testing_platform import clock
from testing_platform.accounts.permissions import TABLE
from testing_platform.accounts.rules import Area
from tests import make

PUBLIC = "public"
CANDIDATE = {"candidate_here"}
PROCTOR = {"proctor_here", "lead_here"}
ANALYST = {"analyst", "approver"}
BANK = ANALYST | {"item_writer", "item_reviewer", "fairness_reviewer"}
WRITERS = {"analyst", "item_writer"}
REVIEWERS = {"item_reviewer", "fairness_reviewer"}
OWNER = {"analyst"}
EXPERTS = {"analyst", "item_reviewer"}
OPERATOR = {"operator"}
AUDITOR = {"auditor"}
VALIDATION = {"validation_analyst"}
SCHEDULER = {"scheduler"}
ROOM = {"facility_here", "lead_here"}

# rule → (who may, with objects of "here"). Candidates and proctors of "there" may nothing here.
EXPECTED = {
    "/": PUBLIC,
    "/healthz": PUBLIC,
    "/readyz": PUBLIC,
    "/api/clock": PUBLIC,
    "/static/<path:filename>": PUBLIC,
    "/candidate/sign-in": PUBLIC,
    "/candidate/sign-in/link": PUBLIC,
    "/<area>/sign-in": PUBLIC,
    "/<area>/in/<token>": PUBLIC,
    "/<area>/set-up/<token>": PUBLIC,
    "/candidate/": "candidates",
    "/candidate/appointments/<int:appointment_id>/check-in": CANDIDATE,
    "/candidate/attempts/<int:attempt_id>": CANDIDATE,
    "/candidate/attempts/<int:attempt_id>/consent": CANDIDATE,
    "/candidate/attempts/<int:attempt_id>/system-check": CANDIDATE,
    "/candidate/attempts/<int:attempt_id>/photo": CANDIDATE,
    "/candidate/attempts/<int:attempt_id>/waiting": CANDIDATE,
    "/candidate/attempts/<int:attempt_id>/rules": CANDIDATE,
    "/candidate/attempts/<int:attempt_id>/begin": CANDIDATE,
    "/candidate/attempts/<int:attempt_id>/take-over": CANDIDATE,
    "/candidate/attempts/<int:attempt_id>/test": CANDIDATE,
    "/candidate/attempts/<int:attempt_id>/receipt": CANDIDATE,
    "/candidate/attempts/<int:attempt_id>/pictures/<name>": CANDIDATE,
    "/api/candidate/attempts/<int:attempt_id>/probe": CANDIDATE,
    "/api/candidate/attempts/<int:attempt_id>/system-check": CANDIDATE,
    "/api/candidate/attempts/<int:attempt_id>/photo": CANDIDATE,
    "/api/candidate/attempts/<int:attempt_id>/place": CANDIDATE,
    "/api/candidate/attempts/<int:attempt_id>/ticket": CANDIDATE,
    # By answer token alone; a cookie opens nothing.
    "/api/attempts/<int:attempt_id>/resume": set(),
    "/api/attempts/<int:attempt_id>/submit": set(),
    "/api/attempts/<int:attempt_id>/messages": set(),
    "/api/attempts/<int:attempt_id>/comments": set(),
    # By a token that a scheduler made, and by no cookie.
    "/api/scheduling/v1/administrations": set(),
    "/api/scheduling/v1/administrations/<int:administration_id>/interview-candidates.<any(json, csv):format>": set(),
    "/api/scheduling/v1/administrations/<int:administration_id>/interview-schedule.<any(csv, ics):format>": set(),
    "/proctor/": "proctors",
    "/proctor/now": "proctors",
    "/proctor/sessions/<int:session_id>": PROCTOR,
    "/proctor/attempts/<int:attempt_id>/photo.jpg": PROCTOR,
    "/proctor/attempts/<int:attempt_id>/evidence/<int:number>.jpg": PROCTOR,
    "/proctor/attempts/<int:attempt_id>/flags/<int:number>/<place>.jpg": PROCTOR,
    "/api/proctor/attempts/<int:attempt_id>/flags/<int:number>": PROCTOR,
    "/api/proctor/sessions/<int:session_id>/ticket": PROCTOR,
    "/api/proctor/sessions/<int:session_id>/rows": PROCTOR,
    "/api/proctor/attempts/<int:attempt_id>": PROCTOR,
    "/api/proctor/attempts/<int:attempt_id>/acts": PROCTOR,
    "/candidate/workstation": PUBLIC,
    "/candidate/workstation/move": PUBLIC,
    "/candidate/workstation/leave": "signed in",
    "/candidate/workstation/<int:attempt_id>": CANDIDATE,
    "/proctor/rooms/<int:session_id>": ROOM,
    "/proctor/rooms/<int:session_id>/seats": ROOM,
    "/proctor/rooms/<int:session_id>/board": ROOM,
    "/proctor/rooms/<int:session_id>/code": ROOM,
    "/proctor/rooms/<int:session_id>/pause": ROOM,
    "/proctor/rooms/<int:session_id>/message": ROOM,
    "/proctor/rooms/<int:session_id>/free-seats": ROOM,
    "/proctor/rooms/<int:session_id>/resume": ROOM,
    "/proctor/rooms/<int:session_id>/people/<int:number>": ROOM,
    "/proctor/rooms/<int:session_id>/people/<int:number>/<doing>": ROOM,
    "/proctor/rooms/<int:session_id>/irregularities": ROOM,
    "/proctor/rooms/<int:session_id>/irregularities/<int:number>/withdraw": ROOM,
    "/proctor/rooms/<int:session_id>/report": ROOM,
    # Who works in the bank alone is led to it.
    "/analyst/": BANK,
    "/analyst/bank/": BANK,
    "/analyst/bank/<int:bank_id>": BANK,
    "/analyst/bank/<int:bank_id>/searches": BANK,
    "/analyst/bank/<int:bank_id>/searches/<int:number>/forget": BANK,
    "/analyst/bank/<int:bank_id>/bulk": OWNER,
    "/analyst/bank/<int:bank_id>/alike": OWNER,
    "/analyst/bank/<int:bank_id>/enemies": OWNER,
    "/analyst/bank/<int:bank_id>/import": OWNER,
    "/analyst/bank/<int:bank_id>/import/<token>": OWNER,
    "/analyst/bank/<int:bank_id>/export": OWNER,
    "/analyst/bank/<int:bank_id>/new": WRITERS,
    "/analyst/bank/<int:bank_id>/preview": WRITERS,
    "/analyst/bank/<int:bank_id>/pictures": WRITERS,
    "/analyst/bank/<int:bank_id>/passages": BANK,
    "/analyst/bank/<int:bank_id>/passages/edit": WRITERS,
    "/analyst/bank/<int:bank_id>/passages/<int:number>": BANK,
    "/analyst/bank/pictures/<name>": BANK,
    "/analyst/bank/items/<int:item_id>": BANK,
    "/analyst/bank/items/<int:item_id>/preview": BANK,
    "/analyst/bank/items/<int:item_id>/comments": BANK,
    "/analyst/bank/items/<int:item_id>/edit": WRITERS,
    "/analyst/bank/items/<int:item_id>/in/<language>": WRITERS,
    "/analyst/bank/items/<int:item_id>/clone": WRITERS,
    "/analyst/bank/items/<int:item_id>/hand-in": WRITERS,
    "/analyst/bank/items/<int:item_id>/take-back": WRITERS,
    "/analyst/bank/items/<int:item_id>/reviews": REVIEWERS,
    "/analyst/bank/items/<int:item_id>/key-check": REVIEWERS,
    "/analyst/bank/items/<int:item_id>/moves/<event>": OWNER,
    "/analyst/bank/items/<int:item_id>/waiver": ANALYST,
    "/analyst/bank/items/<int:item_id>/enemies/<int:number>/end": OWNER,
    "/analyst/administrations/<int:administration_id>": ANALYST,
    "/analyst/administrations/<int:administration_id>/form": OWNER,
    "/analyst/administrations/<int:administration_id>/scoring": ANALYST,
    "/analyst/administrations/<int:administration_id>/scoring/end-sessions": {"analyst"},
    "/analyst/administrations/<int:administration_id>/scores": {"analyst"},
    "/analyst/administrations/<int:administration_id>/analyses": ANALYST,
    "/analyst/administrations/<int:administration_id>/analyses/calibration": ANALYST,
    "/analyst/administrations/<int:administration_id>/analyses/consistency": ANALYST,
    "/analyst/administrations/<int:administration_id>/analyses/items": ANALYST,
    "/analyst/administrations/<int:administration_id>/analyses/items/<int:number>": ANALYST,
    "/analyst/administrations/<int:administration_id>/analyses/calibration/statistics": {"analyst"},
    "/analyst/administrations/<int:administration_id>/analyses/items/statistics": {"analyst"},
    "/analyst/administrations/<int:administration_id>/analyses/report": ANALYST,
    "/analyst/administrations/<int:administration_id>/analyses/equating": ANALYST,
    "/analyst/administrations/<int:administration_id>/analyses/equating/keep": {"analyst"},
    "/analyst/administrations/<int:administration_id>/analyses/drift": ANALYST,
    "/analyst/administrations/<int:administration_id>/analyses/drift/items": {"analyst"},
    # Answers and proctoring records side by side are for who looks into them, and names for the lead proctor they are referred to.
    "/analyst/administrations/<int:administration_id>/forensics": {"analyst"},
    "/analyst/administrations/<int:administration_id>/forensics/pace": {"analyst"},
    "/analyst/administrations/<int:administration_id>/forensics/sets": {"analyst"},
    "/analyst/administrations/<int:administration_id>/forensics/lead": {"analyst"},
    "/analyst/administrations/<int:administration_id>/forensics/report": {"analyst"},
    "/proctor/holds": {"lead_here", "lead_there"},
    "/proctor/holds/<int:hold_id>/clear": {"lead_here"},
    "/proctor/referrals": {"lead_here", "lead_there"},
    "/proctor/referrals/<int:conclusion_id>": {"lead_here"},
    "/analyst/administrations/<int:administration_id>/key": ANALYST,
    "/analyst/administrations/<int:administration_id>/key/lock": {"analyst"},
    "/analyst/administrations/<int:administration_id>/key/items/<int:number>/ruling": {"analyst"},
    "/analyst/administrations/<int:administration_id>/results/changes": ANALYST,
    "/analyst/administrations/<int:administration_id>/key/panel": ANALYST,
    "/analyst/administrations/<int:administration_id>/key/panel/ask": {"analyst"},
    "/analyst/key-review": EXPERTS,
    "/analyst/key-review/<int:item_id>": EXPERTS,
    "/analyst/administrations/<int:administration_id>/key/items/<int:number>": ANALYST,
    "/analyst/administrations/<int:administration_id>/key/items/<int:number>/change": {"analyst"},
    "/analyst/administrations/<int:administration_id>/passing-score": ANALYST,
    "/analyst/administrations/<int:administration_id>/passing-score/propose": {"analyst"},
    "/analyst/administrations/<int:administration_id>/passing-score/scenarios": {"analyst"},
    "/analyst/administrations/<int:administration_id>/passing-score/scenarios/<int:number>/remove": {"analyst"},
    "/analyst/administrations/<int:administration_id>/judged": ANALYST,
    "/analyst/administrations/<int:administration_id>/judged/sheet": {"analyst"},
    "/analyst/administrations/<int:administration_id>/judged/import": {"analyst"},
    "/analyst/administrations/<int:administration_id>/decision/memo.pdf": ANALYST,
    "/analyst/administrations/<int:administration_id>/decision": ANALYST,
    "/analyst/administrations/<int:administration_id>/decision/sign": ANALYST,
    "/analyst/administrations/<int:administration_id>/decision/withdraw": ANALYST,
    "/analyst/bulletins": ANALYST,
    "/analyst/bulletins/<int:examination_id>": ANALYST,
    "/analyst/forms/<int:form_id>": ANALYST,
    "/analyst/forms/<int:form_id>/lock": {"analyst"},
    "/analyst/forms/<int:form_id>/order": {"analyst"},
    "/analyst/blueprints": ANALYST,
    "/analyst/blueprints/new": {"analyst"},
    "/analyst/blueprints/<int:blueprint_id>": ANALYST,
    "/analyst/blueprints/<int:blueprint_id>.toml": ANALYST,
    "/analyst/blueprints/<int:blueprint_id>/assemble": {"analyst"},
    "/analyst/blueprints/<int:blueprint_id>/pools": {"analyst"},
    "/analyst/pools/<int:pool_id>": ANALYST,
    "/analyst/pools/<int:pool_id>/draws": {"analyst"},
    "/analyst/assemblies/<int:assembly_id>": ANALYST,
    "/analyst/assemblies/<int:assembly_id>/progress": ANALYST,
    "/candidate/attempts/<int:attempt_id>/result": CANDIDATE,
    "/analyst/administrations/<int:administration_id>/results": ANALYST,
    "/analyst/administrations/<int:administration_id>/results/letter": {"analyst"},
    "/analyst/administrations/<int:administration_id>/pass-fail.<any(csv, json, neogov):format>": ANALYST,
    "/scheduler/": SCHEDULER,
    # Of an administration with results; of another one a scheduler is told nothing.
    "/scheduler/administrations/<int:administration_id>": SCHEDULER,
    "/scheduler/administrations/<int:administration_id>/interview-candidates.<any(csv, xlsx, json):format>": SCHEDULER,
    "/scheduler/administrations/<int:administration_id>/interview-schedule.<any(xlsx, csv, ics):format>": SCHEDULER,
    "/scheduler/administrations/<int:administration_id>/invite": SCHEDULER,
    "/scheduler/administrations/<int:administration_id>/withdraw": SCHEDULER,
    "/scheduler/administrations/<int:administration_id>/letter": SCHEDULER,
    "/scheduler/tokens": SCHEDULER,
    "/scheduler/tokens/<int:number>/revoke": SCHEDULER,
    # Whoever sets the cut is refused, whatever else they are: tests/scoring/test_impact.py.
    "/validation/": VALIDATION,
    "/validation/administrations/<int:administration_id>": VALIDATION,
    "/validation/administrations/<int:administration_id>/impact.<any(csv, xlsx):format>": VALIDATION,
    "/validation/administrations/<int:administration_id>/dif": VALIDATION,
    "/validation/administrations/<int:administration_id>/items/<int:number>": VALIDATION,
    "/validation/administrations/<int:administration_id>/countersign": VALIDATION,
    "/validation/administrations/<int:administration_id>/send-back": VALIDATION,
    "/auditor/": AUDITOR,
    "/auditor/trail": AUDITOR,
    "/auditor/entries/<int:entry_id>": AUDITOR,
    "/auditor/check": AUDITOR,
    "/auditor/check/progress": AUDITOR,
    "/auditor/anchors": AUDITOR,
    "/auditor/receipt": AUDITOR,
    "/operator/": OPERATOR,
    "/<area>/sign-out": "signed in",
}
AREAS = {
    "candidate": Area.CANDIDATE,
    "proctor": Area.PROCTOR,
    "lead": Area.PROCTOR,
    "facility": Area.PROCTOR,
    "analyst": Area.ANALYST,
    "item": Area.ANALYST,
    "fairness": Area.ANALYST,
    "approver": Area.ANALYST,
    "operator": Area.OPERATOR,
    "auditor": Area.AUDITOR,
    "scheduler": Area.SCHEDULER,
    "validation": Area.VALIDATION,
}
REFUSED = {401, 403, 404}


@pytest.fixture
def everyone(db):
    with db.write() as session:
        return make.everyone(session, clock.now())


def rules(app):
    return [rule for rule in app.url_map.iter_rules() if rule.endpoint != "static"]


def test_every_route_is_expected_and_guarded(app):
    assert {rule.rule for rule in app.url_map.iter_rules()} == set(EXPECTED)
    for rule in rules(app):
        assert app.view_functions[rule.endpoint].permission in TABLE, rule.rule


def test_the_demo_has_doors_in_the_demo_alone(app, settings, db):
    from dataclasses import replace

    from testing_platform.app import create_app

    assert app.test_client().get("/demo/").status_code == 404
    inside = create_app(replace(settings, demo=True), db)
    assert {rule.rule for rule in inside.url_map.iter_rules()} - set(EXPECTED) == {"/demo/", "/demo/doors/<door>", "/demo/outbox"}
    assert inside.test_client().get("/demo/", environ_base={"REMOTE_ADDR": "192.0.2.7"}).status_code == 404


def address(rule, found, where):
    attempt = found.attempts[where]
    ids = {
        "attempt_id": attempt.id,
        "session_id": found.sessions[where].id,
        "appointment_id": attempt.appointment_id,
        "administration_id": found.sessions["released" if rule.rule.startswith("/scheduler/") else where].administration_id,
        "examination_id": 1,
        "form_id": attempt.form_id,
        "blueprint_id": 1,
        "assembly_id": 1,
        "pool_id": 1,
        "number": 1,
        "entry_id": 1,
        "place": "at",
        "format": "csv",
        "area": "candidate",
        "token": "no-such-token",
        "filename": "css/base.css",
        "doing": "leave",
        "bank_id": 1,
        "item_id": 1,
        "conclusion_id": 1,
        "hold_id": 1,
        "name": "no-such-picture",
        "event": "rest",
        "language": "es",
    }
    if rule.rule.startswith("/proctor/rooms/"):
        person = found.attempts[f"room_{where}"].appointment_id
        ids |= {"session_id": found.sessions[f"room_{where}"].id, "number": found.reports[where] if "withdraw" in rule.rule else person}
    return re.sub(r"<(?:[^<>]*:)?(\w+)>", lambda match: str(ids[match[1]]), rule.rule)


def may(expected, name):
    if expected == PUBLIC:
        return True
    kind = name.rpartition("_")[0] or name
    groups = {"candidates": kind == "candidate", "proctors": kind in ("proctor", "lead", "facility"), "signed in": kind == "candidate"}
    return groups[expected] if isinstance(expected, str) else name in expected


@pytest.mark.parametrize(
    "name",
    [
        "nobody",
        "candidate_here",
        "candidate_there",
        "proctor_here",
        "proctor_there",
        "lead_here",
        "lead_there",
        "facility_here",
        "facility_there",
        "analyst",
        "approver",
        "item_writer",
        "item_reviewer",
        "fairness_reviewer",
        "operator",
        "scheduler",
        "auditor",
        "validation_analyst",
    ],
)
def test_every_route_as(app, db, visit, everyone, name, untypeset):
    person = everyone.people.get(name)
    visitor = visit(person, AREAS[name.partition("_")[0]]) if person else visit()
    faults = []
    for rule in rules(app):
        expected = EXPECTED[rule.rule]
        if rule.endpoint.endswith("sign_out"):
            continue
        url = address(rule, everyone, "here")
        for method in sorted(rule.methods & {"GET", "POST"}):
            # The cookie of the area of the address is what counts; this visitor has the one of their own area.
            reply = (
                visitor.get(url)
                if method == "GET"
                else visitor.post(url, json={"act": "message", "version": 0, "key": str(uuid.uuid4()), "text": "x"})
            )
            let_in = reply.status_code not in REFUSED and "/sign-in" not in reply.headers.get("Location", "")
            # A picture, a decision, a scenario or a token that is not there, a used link: refused for another reason than the person.
            if (
                may(expected, name)
                and not let_in
                and not re.search(
                    r"\.jpg|/memo\.pdf|/scenarios/<|/tokens/<|/in/|/set-up/|<area>|/import/<|/pictures/<|/passages/<", rule.rule
                )
            ):
                faults.append((method, rule.rule, reply.status_code, "should be let in"))
            if not may(expected, name) and let_in:
                faults.append((method, rule.rule, reply.status_code, "should be refused"))
    assert faults == []


@pytest.mark.parametrize("name", ["candidate_here", "lead_here", "analyst", "item_writer", "scheduler", "auditor", "validation_analyst"])
def test_a_number_that_no_row_can_have_leads_nowhere(app, visit, everyone, name):
    visitor = visit(everyone.people[name], AREAS[name.partition("_")[0]])
    for rule in rules(app):
        if "<int:" not in rule.rule or rule.rule.startswith("/api/attempts/"):
            continue
        url = re.sub(r"<(?:any\((\w+)[^>]*|(int):\w+|[^<>]*)>", lambda found: found[1] or ("9" * 20 if found[2] else "x"), rule.rule)
        for method in rule.methods & {"GET", "POST"}:
            assert getattr(visitor, method.lower())(url).status_code in REFUSED | {405}, (method, url)


def test_the_answer_path_takes_no_cookie(app, visit, everyone):
    visitor = visit(everyone.people["candidate_here"], Area.CANDIDATE)
    attempt = everyone.attempts["here"].id
    assert visitor.post(f"/api/attempts/{attempt}/responses", json={"device": "browser-1", "epoch": 1, "events": []}).status_code == 401
    assert visitor.get(f"/api/attempts/{attempt}/state?device=browser-1").status_code == 401


def test_administrators_see_no_test_content(app, visit, everyone):
    visitor = visit(everyone.people["operator"], Area.OPERATOR)
    page = visitor.get("/operator/").get_data(as_text=True)
    assert "What does I-1 ask?" not in page
    assert "Option b" not in page


def test_a_cookie_of_one_area_opens_no_other(app, visit, everyone):
    visitor = visit(everyone.people["candidate_here"], Area.CANDIDATE)
    cookie = visitor.client.get_cookie("tp_candidate")
    visitor.client.set_cookie("tp_proctor", cookie.value)
    assert visitor.get("/proctor/").status_code in (302, 401)


def test_a_form_from_elsewhere_is_refused(app, visit, everyone):
    visitor = visit(everyone.people["candidate_here"], Area.CANDIDATE)
    url = f"/candidate/attempts/{everyone.attempts['here'].id}/take-over"
    assert visitor.post(url, headers={"Origin": "http://elsewhere.example"}).status_code == 403
    assert visitor.post(url, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert visitor.client.post(url, headers={"Origin": "http://localhost"}).status_code == 400


def test_a_person_whose_role_ended_is_out_at_once(app, db, visit, everyone):
    visitor = visit(everyone.people["proctor_here"], Area.PROCTOR)
    assert visitor.get("/proctor/").status_code == 200
    with db.write() as session:
        person = session.get(make.Person, everyone.people["proctor_here"].id)
        person.grants[0].ended_at = clock.now()
    assert visitor.get("/proctor/").status_code == 403
