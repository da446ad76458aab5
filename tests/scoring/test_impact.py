"""How groups fare: who may look, that every look is kept, that the figures are those of the file commands, and the countersignature."""

import csv
import io
import json
import re
from datetime import timedelta
from fractions import Fraction
from types import SimpleNamespace

import openpyxl
import pytest
from sqlalchemy import select

from testing_platform import cli, clock
from testing_platform.accounts.models import Person
from testing_platform.accounts.rules import Area, Role
from testing_platform.audit.models import AuditEntry
from testing_platform.db import Base
from testing_platform.examinations.models import Administration
from testing_platform.scoring import countersign, dif_service, groups_file, impact_queries, impact_rules, impact_service, rules, service
from testing_platform.scoring.analysis.refusals import FaultyFile
from testing_platform.scoring.impact_models import Countersignature, Demographics, GroupView
from testing_platform.scoring.impact_rules import By, GroupPolicy, NotCountersigned, SawGroups, SetsTheCut, suppressed
from testing_platform.scoring.models import PassingScoreDecision, QualifyingResult
from tests import make

# Women and men, how many items each has right: of forty women 24 reach 4, of forty men 36 do.
RIGHT = {"F": [6] * 6 + [5] * 8 + [4] * 10 + [3] * 10 + [2] * 6, "M": [6] * 12 + [5] * 12 + [4] * 12 + [3] * 2 + [1] * 2}
FIGURES = ("z", "p_z", "p_fisher", "p_mid", "sd", "flip", "shortfall")


@pytest.fixture(scope="module")
def world(module_db):
    """Eighty have handed in, a passing score is proposed; all but two said what sex they are. Made once, and put back after each test."""
    now = clock.now() - timedelta(hours=12)
    with module_db.write() as session:
        where = make.place(session, now)
        for n, (sex, right) in enumerate((sex, right) for sex, scores in RIGHT.items() for right in scores):
            person = make.handed_in(session, where, right, now, basis="PROMOTIONAL" if n % 4 == 0 else "OPEN").person
            person.external_id = f"A-{n}"
            said = {
                "sex": None if n in (7, 50) else sex,
                "ethnicity": "white" if n % 2 else "black",
                "age_40": None if n < 3 else n % 3 == 0,
            }
            session.add(Demographics(administration_id=where.administration_id, person_id=person.id, **said))
        people = {
            "approver": make.person(session, Role.APPROVER),
            "validator": make.person(session, Role.VALIDATION_ANALYST, name="Val Idator"),
        }
        for role in (Role.ANALYST, Role.APPROVER):
            people[f"validator and {role}"] = make.person(session, Role.VALIDATION_ANALYST, role)
        session.flush()
        decision = make.proposed(session, where, 4, clock.now())
    with module_db.read() as session:
        # Of the bank nothing changes here, and PostgreSQL's words of items hang on it.
        tables = [table for table in Base.metadata.sorted_tables if table.name not in ("banks", "items")]
        rows = {table: [dict(row) for row in session.execute(table.select()).mappings()] for table in tables}
    return SimpleNamespace(place=where, people=people, decision=decision, rows=rows)


@pytest.fixture
def db(module_db, world):
    yield module_db
    with module_db.write() as session:
        for table in reversed(world.rows):
            session.execute(table.delete())
        for table, rows in world.rows.items():
            if rows:
                session.execute(table.insert(), rows)


@pytest.fixture
def place(world):
    return world.place


@pytest.fixture
def people(world):
    return world.people


@pytest.fixture
def decision(world):
    return world.decision


@pytest.fixture
def base(place):
    return f"/validation/administrations/{place.administration_id}"


@pytest.fixture
def validator(visit, people):
    return visit(people["validator"], Area.VALIDATION)


def text(reply, status=200):
    assert reply.status_code == status, reply.get_data(as_text=True)[:2000]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", reply.get_data(as_text=True)))


def acts(db, like="impact%"):
    with db.read() as session:
        return [
            (row.act, row.actor_id) for row in session.scalars(select(AuditEntry).where(AuditEntry.act.like(like)).order_by(AuditEntry.id))
        ]


def takers(session, place):
    one = session.get_one(Administration, place.administration_id)
    run = service.newest_run(session, one)
    return one, run, impact_service.takers(session, one, run)


# ------------------------------------------------------------ who may look

PAGES = ("", "/impact.csv", "/impact.xlsx", "/dif", "/items/1", "/countersign")


@pytest.mark.parametrize("path", PAGES)
def test_every_look_is_a_line_in_the_trail_and_makes_the_viewer_one_who_has_seen(db, validator, decision, base, people, place, path):
    assert validator.get(base + path).status_code == 200
    entry = [entry for like in ("impact.%", "dif.%") for entry in acts(db, like)]
    assert [who for _, who in entry] == [people["validator"].id]
    with db.read() as session:
        assert session.get(GroupView, (place.administration_id, people["validator"].id)) is not None


@pytest.mark.parametrize("role", ["analyst", "approver"])
def test_somebody_who_may_set_the_cut_is_refused_whatever_else_they_are(db, visit, people, decision, base, role):
    both = visit(people[f"validator and {role}"], Area.VALIDATION)
    for page in PAGES:
        assert both.get(base + page).status_code == 403, page
    assert both.post(base + "/countersign", {"number": "1"}).status_code == 403
    assert acts(db) == acts(db, "dif%") == []
    assert "You also set passing scores" in text(both.get("/validation/"))


def test_who_decided_here_is_refused_after_the_role_has_ended(db, visit, people, decision, base):
    with db.write() as session:
        person = session.get_one(Person, people["validator"].id)
        session.get_one(PassingScoreDecision, decision.id).proposed_by_id = person.id
    visitor = visit(people["validator"], Area.VALIDATION)
    assert "Whoever sets the passing score sees no groups" in text(visitor.get(base), 403)
    assert "you decided here" in text(visitor.get("/validation/"))


def test_who_has_looked_neither_proposes_nor_approves(db, validator, decision, base, people, place):
    validator.get(base)
    with db.write() as session:
        person = session.get_one(Person, people["validator"].id)
        person.grants[0].role = Role.APPROVER
    with db.write() as session:
        person, one = session.get_one(Person, people["validator"].id), session.get_one(Administration, place.administration_id)
        found = session.get_one(PassingScoreDecision, decision.id)
        with pytest.raises(SawGroups):
            service.approve(session, found, person, clock.now())
        with pytest.raises(SawGroups):
            service.propose(session, one, person, 3, None, "Because.", clock.now())


def test_an_administration_that_is_not_there_leads_nowhere(validator):
    assert validator.get("/validation/administrations/999").status_code == 404


@pytest.mark.parametrize(
    ("roles", "decided", "why"), [({Role.ANALYST}, False, "role"), ({Role.APPROVER}, True, "role"), (set(), True, "decided")]
)
def test_the_rule_that_holds_both_apart(roles, decided, why):
    with pytest.raises(SetsTheCut) as refusal:
        impact_rules.check_apart(roles | {Role.VALIDATION_ANALYST}, decided)
    assert refusal.value.facts == {"why": why}
    impact_rules.check_apart({Role.VALIDATION_ANALYST, Role.AUDITOR}, False)


# ------------------------------------------------------------ passing rates


def test_the_figures_at_every_cut_are_those_of_the_file_command(db, decision, place, tmp_path, command):
    with db.read() as session:
        _one, run, found = takers(session, place)
    for by in By:
        grouping = impact_service.grouping(found, by, run.maximum)
        if not grouping.compares:
            assert by is By.MODE
            continue
        for cut in range(run.maximum + 1):
            counts = tmp_path / "counts.csv"
            rows = [f"{count.group},{count.n},{count.passed}" for count in grouping.counts(cut)]
            counts.write_text("\n".join(["group,n,passed", *rows]))
            said = json.loads(command("scoring", "impact", "--counts", str(counts), "--json").stdout)
            here = grouping.at(cut, GroupPolicy())
            assert said["reference"] == here.reference
            for theirs, ours in zip(said["groups"], here.groups, strict=True):
                assert (theirs["group"], theirs["n"], theirs["passed"], theirs["below_four_fifths"]) == (
                    ours.group,
                    ours.n,
                    ours.passed,
                    ours.below_four_fifths,
                )
                assert [theirs[name] for name in FIGURES] == [getattr(ours, name) for name in FIGURES]


def test_the_page_says_rates_ratio_and_how_few_say_nothing(validator, decision, base):
    page = text(validator.get(base))
    # 23 of 39 women who said so and 35 of 39 men reach 4: .590 over .897.
    assert "0.66 below is the lowest ratio: Women beside Men" in page
    assert "39 23 0.590 0.657" in page
    assert "2 of 80 candidates said nothing here and are in no group." in page
    # Another cut, another reference.
    assert "At passing score 6 of 6" in text(validator.get(base + "?cut=999"))
    assert "Men compared with" in text(validator.get(base + "?reference=M&cut=4"))
    assert "There are no two groups to compare" in text(validator.get(base + "?by=mode"))


def test_groups_are_pooled_over_the_administrations_of_a_class(db, validator, decision, base, people, place, tmp_path, command):
    with db.write() as session:
        other = make.place(session, clock.now() - timedelta(hours=12))
        bulletin = other.administration.examination.bulletin
        bulletin.job_class_id = session.get_one(Administration, place.administration_id).examination.bulletin.job_class_id
        bulletin.number = 2
        for n in range(16):
            person = make.handed_in(session, other, 5 if n % 4 else 2, clock.now() - timedelta(hours=12)).person
            session.add(Demographics(administration_id=other.administration_id, person_id=person.id, sex="F" if n < 9 else "M"))
        bulletin.content = {**bulletin.content, "policy": {"impact": {"countersign_required": False}}}
        session.flush()
        proposed = make.proposed(session, other, 3, clock.now())
    assert "Over all administrations" not in text(validator.get(base))
    with db.write() as session:
        service.approve(
            session, session.get_one(PassingScoreDecision, proposed.id), session.get_one(Person, people["approver"].id), clock.now()
        )
    counts = tmp_path / "counts.csv"
    counts.write_text("group,n,passed,administration\nF,39,23,1\nM,39,35,1\nF,9,6,2\nM,7,6,2")
    (said,) = json.loads(command("scoring", "impact", "--counts", str(counts), "--reference", "M", "--json").stdout)["pooled"]
    page = text(validator.get(base))
    assert "This one at passing score 4, and 1 other at the passing score in force there." in page
    assert f"{said['odds']:.2f} {said['chi2']:.2f} {said['p']:.3f} {said['breslow_day']:.2f} {said['p_breslow_day']:.3f}" in page
    with db.read() as session:
        assert session.get(GroupView, (other.administration_id, people["validator"].id)) is not None


def test_exactly_four_fifths_is_not_below():
    found = [impact_service.Taker(n, 1 if n < 15 or 20 <= n < 26 else 0, {By.SEX: "M" if n < 20 else "F"}) for n in range(30)]
    at = impact_service.grouping(found, By.SEX, 1).at(1, GroupPolicy())
    assert [(one.group, one.exact_ratio, one.below_four_fifths) for one in at.groups] == [("F", Fraction(4, 5), False), ("M", 1, False)]


def test_small_counts_stay_out_of_files(db, validator, decision, base, place):
    reply = validator.get(base + "/impact.csv")
    lines = list(csv.DictReader(io.StringIO(reply.get_data().decode("utf-8-sig"))))
    book = openpyxl.load_workbook(io.BytesIO(validator.get(base + "/impact.xlsx").get_data()))
    assert [[cell or "" for cell in row] for row in book.active.iter_rows(min_row=2, values_only=True)] == [
        list(line.values()) for line in lines
    ]
    at = {(line["group_kind"], line["cut"], line["group"]): line for line in lines}
    # Four men do not reach 4. Beside a group that stays out women have no ratio, which would tell of it.
    women, men = at["sex", "4", "F"], at["sex", "4", "M"]
    assert (men["suppressed"], men["n"], men["passed"]) == ("yes", "", "")
    assert (women["suppressed"], women["n"], women["passed"], women["reference"], women["ratio"]) == ("no", "39", "23", "", "")
    assert at["ethnicity", "4", "white"]["suppressed"] == "no"
    assert (at["ethnicity", "4", "white"]["n"], at["ethnicity", "4", "white"]["passed"]) == ("40", "30")
    for line in lines:
        n, passed = int(line["n"] or 5), int(line["passed"] or 5)
        assert not {n, passed, n - passed} & {1, 2, 3, 4}


@pytest.mark.parametrize(
    ("counts", "hidden"),
    [
        ([(100, 50), (40, 20)], [False, False]),
        ([(100, 50), (40, 20), (4, 2)], [False, True, True]),
        ([(100, 50), (40, 3), (60, 30)], [False, True, True]),
        ([(100, 50), (40, 38), (60, 58)], [False, True, True]),
        ([(100, 0), (40, 40)], [False, False]),
        ([(3, 1)], [True]),
    ],
)
def test_which_counts_are_small(counts, hidden):
    assert suppressed(counts, 5) == hidden


def test_a_bulletin_sets_the_numbers(db, place):
    content = {
        "policy": {"impact": {"suppress_below": 11, "countersign_required": False, "source": "a rule of the City"}, "dif": {"large": 2}}
    }
    policy = GroupPolicy.of(content)
    assert (policy.suppress_below, policy.small, policy.countersign_required, policy.dif.large) == (11, 30, False, 2.0)
    assert policy.sources["suppress_below"] == "a rule of the City"
    assert "29 CFR" in policy.sources["four_fifths"]


def test_the_charts_hold_each_group_at_every_cut_that_tells_them_apart(db, decision, place):
    with db.read() as session:
        _one, run, found = takers(session, place)
    grouping = impact_service.grouping(found, By.SEX, run.maximum)
    everyone = [sum(at) for at in zip(*grouping.reach.values(), strict=True)]
    cuts = impact_queries.shown_cuts(everyone)
    assert (cuts[0], cuts[-1]) == (1, 6)
    by_cut = {cut: grouping.at(cut, GroupPolicy()) for cut in cuts}
    women, men = impact_queries.ratio_charts(by_cut, 0.8, 4)
    assert (women.group, men.group) == ("F", "M")
    assert (len(women.line.split()), len(women.dots)) == (len(cuts), 1)
    # Men are the ones compared with at each cut from 2 on: their ratio is 1.
    assert men.dots[0][1] == men.level


# ------------------------------------------------------------ items


def test_items_are_compared_as_the_file_command_compares_them(db, decision, place, tmp_path, command):
    with db.read() as session:
        one, run, _found = takers(session, place)
        sheet = dif_service.answers_of(session, one, run).sheet
        pairs = dif_service.pairs(sheet)
        found = {pair: dif_service.compare(sheet, pair, True, GroupPolicy()) for pair in pairs}
    assert [(pair.by, pair.reference, pair.focal) for pair in pairs][:2] == [("sex", "F", "M"), ("ethnicity", "white", "black")]
    answers, key = tmp_path / "answers.csv", tmp_path / "key.csv"
    heading = ["candidate", *sheet.groups, *sheet.items]
    letters = ("", *sheet.options)
    rows = [
        [who, *(values[at] for values in sheet.groups.values()), *(letters[code] for code in sheet.answers[at])]
        for at, who in enumerate(sheet.candidates)
    ]
    answers.write_text("\n".join(",".join(row) for row in [heading, *rows]))
    key.write_text(
        "\n".join(["item,key", *(f"{item},{sheet.options[keys[0] - 1]}" for item, keys in zip(sheet.items, sheet.keys, strict=True))])
    )
    for pair, here in found.items():
        words = ["--group", pair.by, "--reference", pair.reference, "--focal", pair.focal, "--purify", "--json"]
        said = json.loads(command("scoring", "dif", "--responses", str(answers), "--key", str(key), *words).stdout)
        assert (said["reference"], said["focal"], said["removed"]) == (here.reference, here.focal, here.removed)
        assert [(item["item"], item["delta"], item["ets"], item["p_adjusted"]) for item in said["items"]] == [
            (item.item, item.delta, item.ets, item.p_adjusted) for item in here.items
        ]


def test_an_item_that_does_not_count_is_not_compared(db, decision, place):
    with db.write() as session:
        one, analyst, now = session.get_one(Administration, place.administration_id), make.person(session, Role.ANALYST), clock.now()
        found = session.get_one(PassingScoreDecision, decision.id)
        service.withdraw(session, found, session.get_one(Person, found.proposed_by_id), "Two items are looked at again.", now)
        for slot, options in ((1, []), (2, ["*"])):
            service.change_key(session, one, analyst, slot, options, "Two experts.", now)
        service.lock_key(session, one, analyst, now)
        run = service.run(session, one, analyst, now)
        answers = dif_service.answers_of(session, one, run)
    assert sorted(answers.slots.values()) == [3, 4, 5, 6]


def test_the_page_of_an_item_shows_what_each_group_chose(validator, decision, base):
    page = text(validator.get(base + "/items/4"))
    assert "What does I-4 ask?" in page
    # 23 of 39 women have the first four right; the others chose a.
    assert "Women 39 41.0 % 59.0 % 0.0 % 0.0 % 0.0 % 59.0 %" in page
    assert validator.get(base + "/items/99").status_code == 404


def test_a_group_of_fewer_than_thirty_is_not_compared(validator, decision, base):
    page = text(validator.get(base + "/dif?by=list&focal=PROMOTIONAL"))
    assert "List: Promotional 20 Open 60 – – – not compared, fewer than 30" in page
    assert "Men beside Women" in page


# ------------------------------------------------------------ before the second signature

WORDS = {"number": "1", "cuts": "3, 5", "methods": "None is known.", "words": "3 lets more pass than can be interviewed.", "typed": "4"}


def test_nobody_approves_before_it_is_countersigned(db, visit, people, validator, decision, base, place):
    approver = visit(people["approver"], Area.ANALYST)
    page = f"/analyst/administrations/{place.administration_id}/decision"
    assert "A validation analyst countersigns first" in text(approver.get(page))
    assert "waits for your signature" not in text(approver.get("/analyst/"))
    assert "has not countersigned yet" in text(approver.post(page + "/sign", {"number": "1", "typed": "4"}), 409)
    assert validator.post(base + "/countersign", WORDS).status_code == 303
    assert "A passing score waits for your signature" in text(approver.get("/analyst/"))
    shown = text(approver.get(page))
    assert "alternatives were weighed by a validation analyst" in shown
    # The approver learns that and when; no figure, no word, no name.
    for hidden in ("Val Idator", "None is known", "Women", "0.66", "four fifths"):
        assert hidden not in shown
    assert approver.post(page + "/sign", {"number": "1", "typed": "4"}).status_code == 303
    with db.read() as session:
        assert session.scalars(select(QualifyingResult.id)).first() is not None


def test_a_proposal_is_sent_back_with_a_reason_that_the_analyst_reads_without_a_name(db, visit, people, validator, decision, base, place):
    assert "Write what is to be weighed." in text(validator.post(base + "/send-back", {"number": "1", "reason": " "}), 422)
    assert validator.post(base + "/send-back", {"number": "2", "reason": "3 was not weighed."}).status_code == 409
    assert "is back with the analyst" in text(
        validator.post(base + "/send-back", {"number": "1", "reason": "3 was not weighed."}, follow_redirects=True)
    )
    assert validator.post(base + "/send-back", {"number": "1", "reason": "Again."}).status_code == 409
    with db.read() as session:
        proposer = session.get_one(Person, session.get_one(PassingScoreDecision, decision.id).proposed_by_id)
    analyst = visit(proposer, Area.ANALYST)
    home = f"/analyst/administrations/{place.administration_id}"
    for page in (text(analyst.get(home + "/passing-score")), text(analyst.get(home + "/decision"))):
        assert "3 was not weighed." in page
        assert "Sent back by a validation analyst" in page
        assert "Val Idator" not in page
    assert "Propose a passing score" in text(analyst.get("/analyst/"))
    assert acts(db, "passing_score.sent_back") == [("passing_score.sent_back", people["validator"].id)]
    with db.write() as session:
        one, now = session.get_one(Administration, place.administration_id), clock.now()
        again = service.propose(
            session, one, session.get_one(Person, proposer.id), 3, rules.Inputs(1, 0, below_reason="Short.", rates_reason="Made up."), "3 after all.", now
        )  # fmt: skip
        assert again.number == 2
    assert "3 was not weighed." not in text(analyst.get(home + "/passing-score"))
    # Who sent it back has set no passing score, and may go on to countersign the next.
    assert validator.post(base + "/countersign", {**WORDS, "number": "2", "typed": "3", "cuts": "4"}).status_code == 303
    assert validator.post(base + "/send-back", {"number": "2", "reason": "Too late."}).status_code == 409


def test_what_was_weighed_is_kept_with_its_figures(db, validator, decision, base, people):
    validator.post(base + "/countersign", WORDS)
    with db.read() as session:
        made = session.scalars(select(Countersignature)).one()
        assert [(one["cut"], one["passers"]) for one in made.cuts] == [(4, 60), (3, 72), (5, 38)]
        assert made.cuts[0]["groups"]["sex"] == {"reference": "M", "lowest": "F", "ratio": "23/35", "below": True}
        assert made.decision_digest == service.decision_digest(session.get_one(PassingScoreDecision, decision.id))
    assert acts(db, "passing_score.countersigned") == [("passing_score.countersigned", people["validator"].id)]
    page = text(validator.get(base + "/countersign"))
    assert "Countersigned by Val Idator" in page
    assert "3 lets more pass than can be interviewed." in page
    assert validator.post(base + "/countersign", WORDS).status_code == 409


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"cuts": "4"}, "Name at least one other passing score"),
        ({"cuts": "three"}, "Name at least one other passing score"),
        ({"cuts": "5, 99"}, "Name at least one other passing score"),
        ({"methods": " "}, "Write which other ways to select were weighed"),
        ({"words": ""}, "Write what came of it"),
        ({"typed": "5"}, "That is not the proposed passing score"),
    ],
)
def test_a_countersignature_says_what_was_weighed(db, validator, decision, base, change, says):
    assert says in text(validator.post(base + "/countersign", WORDS | change), 422)
    with db.read() as session:
        assert session.scalars(select(Countersignature)).all() == []


def test_where_no_answers_are_held_none_is_due(db, decision, place):
    with db.write() as session:
        one = session.get_one(Administration, place.administration_id)
        assert countersign.is_required(session, one)
        for row in session.scalars(select(Demographics)):
            session.delete(row)
        session.flush()
        assert not countersign.is_required(session, one)
        # The bulletin may ask for it all the same.
        one.examination.bulletin.content = {**one.examination.bulletin.content, "policy": {"impact": {"countersign_required": True}}}
        session.flush()
        approver = make.person(session, Role.APPROVER)
        with pytest.raises(NotCountersigned):
            service.approve(session, session.get_one(PassingScoreDecision, decision.id), approver, clock.now())


# ------------------------------------------------------------ where the answers come from


@pytest.fixture
def file(tmp_path):
    def write(*lines, heading="candidate,sex,ethnicity,age_40"):
        path = tmp_path / "groups.csv"
        path.write_text("\n".join([heading, *lines]))
        return path

    return write


def test_answers_are_taken_in_by_either_number_and_changes_are_counted(db, place, file):
    with db.write() as session:
        one = session.get_one(Administration, place.administration_id)
        number = session.scalars(select(Person.candidate_number).where(Person.external_id == "A-1")).one()
        said, digest = groups_file.read(file("A-0,F,black,", f"{number},X,,yes"))
        kept = impact_service.keep_demographics(session, one, said, digest, None, clock.now())
        assert (kept.new, kept.changed, kept.same, kept.without) == (0, 1, 1, 0)
        row = session.scalars(
            select(Demographics).join(Person, Person.id == Demographics.person_id).where(Person.external_id == "A-1")
        ).one()
        assert (row.sex, row.ethnicity, row.age_40) == ("X", None, True)
        entry = session.scalars(select(AuditEntry).where(AuditEntry.act == "demographics.kept")).one()
        assert entry.facts == {"lines": 2, "new": 0, "changed": 1, "sha256": digest}


@pytest.mark.parametrize(
    ("lines", "facts"),
    [
        (["A-0,woman,,"], {"row": 2, "column": "sex", "why": "unknown-code"}),
        (["A-0,F,Black,"], {"row": 2, "column": "ethnicity", "why": "unknown-code"}),
        (["A-0,F,,1"], {"row": 2, "column": "age_40", "why": "unknown-code"}),
        (["A-0,F,,", "A-0,M,,"], {"row": 3, "column": "candidate", "why": "candidate-twice"}),
        ([",F,,"], {"row": 2, "column": "candidate", "why": "blank"}),
        ([], {"why": "no-rows"}),
    ],
)
def test_a_file_that_cannot_be_used_is_named_by_row_and_column(file, lines, facts):
    with pytest.raises(FaultyFile) as refusal:
        groups_file.read(file(*lines))
    assert facts.items() <= refusal.value.facts.items()


def test_the_command_says_what_it_would_keep_and_keeps_nothing_on_a_dry_run(command, own_settings, file):
    command("db", "upgrade")
    opened = cli.opened(own_settings)
    with opened.write() as session:
        where = make.place(session)
        person = make.handed_in(session, where, 3).person
        number, administration = person.candidate_number, where.administration_id
    words = ("scoring", "demographics", str(file(f"{number},F,asian,no")), "--administration", str(administration))
    assert json.loads(command(*words, "--dry-run", "--json").stdout) == {
        "lines": 1,
        "new": 1,
        "changed": 0,
        "same": 0,
        "without": 0,
        "kept": False,
    }
    with opened.read() as session:
        assert session.scalars(select(Demographics)).all() == []
        assert session.scalars(select(AuditEntry).where(AuditEntry.act == "demographics.kept")).all() == []
    assert "1 lines taken in: 1 new, 0 changed, 0 as before; 0 candidates have no line" in command(*words).stdout
    assert "1 as before" in command(*words).stdout
    stranger = command("scoring", "demographics", str(file("C-0,F,asian,no")), "--administration", str(administration), code=1)
    assert f"nobody with a place in administration {administration}: C-0 (row 2); nothing is kept" in stranger.output
    assert "there is no administration 99" in command(*words[:-1], "99", code=1).output
    opened.close()


def test_nobody_is_given_both_kinds_of_roles(command):
    words = ("user", "add", "--name", "x", "--email", "x@example.org", "--role", "validation_analyst")
    assert "never given together" in command(*words, "--role", "approver", code=2).output
