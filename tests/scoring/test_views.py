"""The pages of scoring, asked as the analyst and the approver."""

import io
import re
from datetime import timedelta

import pypdf
import pytest
from sqlalchemy import func, select

from testing_platform import clock
from testing_platform.accounts.models import Person
from testing_platform.accounts.rules import Area, Role
from testing_platform.audit.models import AuditEntry
from testing_platform.examinations.models import Administration
from testing_platform.itembank.models import Form
from testing_platform.scoring import service
from testing_platform.scoring.chooser_models import JudgedRatings, Scenario
from testing_platform.scoring.models import Key, PassingScoreDecision, QualifyingResult, ScoreRun
from tests import make

NUMBERS = {"vacancies_now": "2", "vacancies_expected": "1", "listed": "", "attend": "85", "reach": "72", "appointed": "45", "show": "100"}
# A figure points at item 6, and the key is locked all the same.
AS_IT_IS = {"number": "1", "reason": "Two experts have read item 6: b is right."}


@pytest.fixture
def world(db, once):
    """Thirty-four have handed in; most chose a where the key of item 6 says b, and those who chose b knew less."""

    def build():
        now = clock.now() - timedelta(hours=12)
        with db.write() as session:
            where = make.place(session, now)
            for n in range(34):
                make.handed_in(session, where, 6 if n < 6 else 5 if n < 22 else 1 + n % 4, now)
            for n, attempt in enumerate(session.scalars(select(make.Attempt))):
                session.get_one(Person, attempt.person_id).name = f"Zelda Candidate-{n}"
            return where, {
                "analyst": make.person(session, Role.ANALYST, name="Ana Lyst"),
                "approver": make.person(session, Role.APPROVER, name="App Rover"),
                "both": make.person(session, Role.ANALYST, Role.APPROVER, name="Bo Th"),
            }

    return once(build)


@pytest.fixture
def place(world):
    return world[0]


@pytest.fixture
def people(world):
    return world[1]


@pytest.fixture
def base(place):
    return f"/analyst/administrations/{place.administration_id}"


@pytest.fixture
def sign_in(visit, people):
    return lambda name: visit(people[name], Area.ANALYST)


@pytest.fixture
def analyst(sign_in):
    return sign_in("analyst")


@pytest.fixture
def approver(sign_in):
    return sign_in("approver")


def text(reply, status=200):
    assert reply.status_code == status, reply.get_data(as_text=True)[:2000]
    page = reply.get_data(as_text=True)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page)).replace(" .", ".").replace(" ,", ",")


@pytest.fixture
def scored(analyst, base):
    assert analyst.post(f"{base}/key/lock", AS_IT_IS).status_code == 303
    assert analyst.post(f"{base}/scores").headers["Location"].endswith("/passing-score")


@pytest.fixture
def proposed(scored, analyst, base):
    reply = analyst.post(f"{base}/passing-score/propose", {**NUMBERS, "cut": "4", "rationale": "Three vacancies within two years."})
    assert reply.headers["Location"].endswith("/decision?number=1")


def count(db, kind):
    with db.read() as session:
        return session.scalar(select(func.count()).select_from(kind))


def test_the_steps_say_where_scoring_is(analyst, approver, base, people):
    page = text(analyst.get(f"{base}/scoring"))
    assert "Handed in, and count 34" in page
    assert page.index("Everyone has handed in Done") < page.index("The key is looked at and locked Next")
    analyst.post(f"{base}/key/lock", AS_IT_IS)
    assert "Version 1, locked by Ana Lyst" in text(analyst.get(f"{base}/scoring"))
    assert "Make the raw scores" in text(analyst.get(f"{base}/scoring"))
    # The approver reads; making scores is the analyst's.
    assert "Make the raw scores" not in text(approver.get(f"{base}/scoring"))


def test_the_analyst_may_end_open_sessions_from_the_page(db, analyst):
    with db.write() as session:
        where = make.place(session, clock.now())
        make.handed_in(session, where, 3, clock.now())
        make.examinations.book(session, make.person(session, Role.CANDIDATE), where, {}, clock.now())
    base = f"/analyst/administrations/{where.administration_id}"
    assert "End the sessions now" in text(analyst.get(f"{base}/scoring"))
    analyst.post(f"{base}/scoring/end-sessions")
    page = text(analyst.get(f"{base}/scoring"))
    assert "Everyone has handed in Done" in page
    assert "Did not come 1" in page


def test_a_planted_key_stands_out_and_looking_is_in_the_trail(db, analyst, base):
    page = text(analyst.get(f"{base}/key"))
    assert "Item 6 I-6 Key b. Another option was chosen more often." in page
    assert page.count("Look at this key ") == 1
    item = text(analyst.get(f"{base}/key/items/6"))
    assert "An option that is not keyed was chosen more often than the key." in item
    assert "28 chose it" in item
    with db.read() as session:
        acts = session.scalars(select(AuditEntry.act).where(AuditEntry.act.like("key.%"))).all()
    assert sorted(acts) == ["key.item_seen", "key.seen"]
    assert count(db, Key) == 0


def rule(visitor, base, slot, how, options=(), reason="why", **more):
    """A ruling as a person makes it: looked at, then kept with its reason."""
    page = visitor.get(f"{base}/key/items/{slot}/ruling", query_string={"how": how, "option": list(options)}).get_data(as_text=True)
    seen = re.search(r'name="seen" value="(\w+)"', page)
    form = {"how": how, "option": list(options), "reason": reason, "seen": seen[1] if seen else ""}
    return visitor.post(f"{base}/key/items/{slot}/change", form | more)


def test_a_key_is_changed_with_a_reason_and_kept_in_versions(db, analyst, base):
    page = text(rule(analyst, base, 6, "change", ["a"], " "), 422)
    assert "Say why the key changes" in page
    assert count(db, Key) <= 1
    assert "Choose at least one option" in text(rule(analyst, base, 6, "change"), 422)
    assert "That is the key already" in text(rule(analyst, base, 6, "also", ["b"]), 422)
    assert rule(analyst, base, 6, "also", ["a"], "Both are right.").status_code == 303
    page = text(analyst.get(f"{base}/key"))
    assert "Version 2, Ana Lyst Item 6: b → a or b. Both are right. (accepted too)" in page
    assert "No figure points to a key." in page
    assert rule(analyst, base, 6, "drop", reason="Unclear.").status_code == 303
    assert "Item 6: a or b → dropped. Unclear. (dropped)" in text(analyst.get(f"{base}/key"))
    assert "greatest raw score is 5" in text(analyst.get(f"{base}/key"))


def test_a_ruling_is_kept_as_it_was_looked_at(db, analyst, base):
    form = {"how": "drop", "reason": "Unclear."}
    page = text(analyst.post(f"{base}/key/items/6/change", form), 409)
    assert "Look at this first" in page
    # Another ruling was kept meanwhile: what was seen is no more what it does.
    seen = analyst.get(f"{base}/key/items/6/ruling", query_string=form).get_data(as_text=True).split('name="seen" value="')[1][:64]
    assert rule(analyst, base, 5, "credit").status_code == 303
    page = analyst.post(f"{base}/key/items/6/change", form | {"seen": seen})
    assert "Look at this first" in text(page, 409)
    assert "Unclear." in page.get_data(as_text=True)
    with db.read() as session:
        assert session.scalar(select(func.max(Key.number))) == 2


@pytest.mark.parametrize(
    ("how", "options", "says"),
    [
        ("change", ["a"], "Scores that go up 28 Scores that go down 6 Scores that stay 0 Greatest raw score 6"),
        ("also", ["a"], "Scores that go up 28 Scores that go down 0 Scores that stay 6 Greatest raw score 6"),
        ("credit", [], "Scores that go up 28 Scores that go down 0 Scores that stay 6 Greatest raw score 6"),
        ("drop", [], "Scores that go up 0 Scores that go down 6 Scores that stay 28 Greatest raw score 6, then 5"),
    ],
)
def test_both_directions_are_seen_before_a_ruling_is_kept(db, analyst, base, how, options, says):
    page = text(analyst.get(f"{base}/key/items/6/ruling", query_string={"how": how, "option": options}))
    assert says in page
    assert "Nothing is scored yet: compared with the key as it is now." in page
    assert "No passing score is decided, so nobody passes or fails by it." in page
    assert "Zelda" not in page
    assert count(db, Key) == 0
    with db.read() as session:
        assert session.scalars(select(AuditEntry).where(AuditEntry.act == "key.ruling_weighed")).one().facts == {"slot": 6, "ruling": how}


def test_at_a_passing_score_a_ruling_says_who_would_pass_and_who_would_not(analyst, proposed, base):
    page = analyst.get(f"{base}/key/items/6/ruling", query_string={"how": "change", "option": ["a"]}).get_data(as_text=True)
    rows = {
        cut: re.findall(r'data-part="(?:gained|lost)">(\d+)<', row)
        for cut, row in re.findall(r'<tr[^>]* data-cut="(\d)">(.*?)</tr>', page, re.S)
    }
    # 6 of six: 6, 5: 16, 4: 3, 3: 3, 2: 3, 1: 3. All but the first six gain one, those lose one.
    assert rows == {"3": ["3", "0"], "4": ["3", "0"], "5": ["3", "0"]}
    # While the proposal waits the key stays as it is.
    assert "Have it taken back before you change the key." in page
    assert "Keep this ruling" not in page


def test_options_of_a_question_with_several_answers_are_right_together(db, place, analyst, base):
    with db.write() as session:
        make.several(session, session.get_one(Form, session.get_one(Administration, place.administration_id).form_id), slot=6)
    page = text(analyst.get(f"{base}/key"))
    assert "Item 6 M-" in page
    assert "Key a c. Another option was chosen more often." in page
    item = analyst.get(f"{base}/key/items/6").get_data(as_text=True)
    assert "These options, chosen together" in item
    assert item.count("item__option--key") == 2
    assert re.findall(r"<b>(\d+)</b> chose it", item) == ["28", "6", "0", "0"]
    assert rule(analyst, base, 6, "change", ["b", "a"], "Both.").status_code == 303
    assert "Item 6: a c → a b. Both." in text(analyst.get(f"{base}/key"))


def test_locking_a_key_that_a_figure_points_at_is_a_choice_to_be_stated(db, analyst, base):
    card = text(analyst.get(f"{base}/key")).split("Lock the key")[1]
    assert "A figure still points at the key of one item: 6 I-6" in card
    assert "say why it stays" in card
    page = text(analyst.post(f"{base}/key/lock", {"number": "1", "reason": " "}), 422)
    assert "Nothing was locked." in page
    assert count(db, Key) == 0
    assert analyst.post(f"{base}/key/lock", AS_IT_IS).status_code == 303
    page = text(analyst.get(f"{base}/key"))
    assert "Item 6: stays b. Two experts have read item 6: b is right." in page
    assert "Two experts have read item 6" in text(analyst.get(f"{base}/key/items/6"))
    with db.read() as session:
        assert session.scalars(select(AuditEntry).where(AuditEntry.act == "key.locked")).one().facts["kept"] == [6]


def test_a_key_at_which_nothing_points_takes_no_reason(analyst, base):
    rule(analyst, base, 6, "change", ["a", "b"], "Both are right.")
    card = text(analyst.get(f"{base}/key")).split("Lock the key")[1]
    assert "No figure points at a key any more." in card
    assert "why" not in card
    assert analyst.post(f"{base}/key/lock", {"number": "2"}).status_code == 303


def test_what_was_typed_stays_when_the_reason_is_missing(analyst, base):
    page = rule(analyst, base, 6, "also", ["a"], "").get_data(as_text=True)
    assert re.findall(r'name="(how|option)" value="(\w+)"', page) == [("how", "also"), ("option", "a")]


def test_a_key_that_moved_on_is_not_locked_by_an_old_page(db, analyst, base):
    rule(analyst, base, 6, "credit", reason="Misprint.")
    text(analyst.post(f"{base}/key/lock", {"number": "1"}), 409)
    with db.read() as session:
        assert session.scalars(select(Key).where(Key.locked_at.is_not(None))).all() == []


def test_there_is_nothing_to_choose_before_the_scores(db, analyst, base):
    assert "Nobody is scored" in text(analyst.get(f"{base}/passing-score"))
    assert "The key is not locked" in text(analyst.post(f"{base}/scores"), 409)
    assert count(db, ScoreRun) == 0


def test_there_is_no_cut_before_the_vacancies(db, scored, analyst, base):
    page = analyst.get(f"{base}/passing-score").get_data(as_text=True)
    assert re.search(r'data-part="cut-number"[^>]*>–<', page)
    assert re.search(r'<div data-part="unready">\s*<p class="strong">No cut follows until the vacancies are given.', page)
    assert '<p data-part="propose-ready" hidden>' in page
    reply = analyst.post(
        f"{base}/passing-score/propose", {**NUMBERS, "vacancies_now": "0", "vacancies_expected": "0", "cut": "4", "rationale": "x"}
    )
    assert reply.status_code == 422
    assert count(db, PassingScoreDecision) == 0


def test_the_chooser_begins_with_the_vacancies_that_the_bulletin_counts(db, scored, analyst, base, place):
    with db.write() as session:
        bulletin = session.get_one(make.TestSession, place.id).administration.examination.bulletin
        bulletin.content = bulletin.content | {"policy": {"vacancies": {"now": 2, "expected": 1, "source": "requisitions of May"}}}
    page = analyst.get(f"{base}/passing-score").get_data(as_text=True)
    assert 'name="vacancies_now" type="number" value="2"' in page
    assert 'name="vacancies_expected" type="number" value="1"' in page
    assert re.search(r'data-part="cut-number"[^>]*>5<', page)
    assert "The bulletin counts 2 now and 1 expected." in page
    assert "From: requisitions of May" in page
    assert '<p data-part="propose-ready">' in page


def test_the_chooser_works_without_script(scored, analyst, base):
    page = text(analyst.get(f"{base}/passing-score", query_string={**NUMBERS, "cut": "5"}))
    assert "22 of 34 would pass ( 64.7 %)" in page
    # 3 / 0.45 + 5 = 11.67 and 12 / 0.612 = 19.6, each rounded up.
    assert "3 ÷ 0.45 + 5 → 12" in page
    assert "(12 − 0) ÷ (0.85 × 0.72) → 20" in page
    assert "Point cut 5" in page
    # By guessing: six items with four options.
    assert "1.5, s.d. 1.06" in page
    for source in ("practice of certification", "the department's choice"):
        assert source in page.replace("&#39;", "'")


def test_the_chart_has_its_lines_and_a_table_twin(scored, analyst, base):
    page = analyst.get(f"{base}/passing-score", query_string={**NUMBERS, "cut": "5"}).get_data(as_text=True)
    bars = {int(raw): kind for kind, raw in re.findall(r'class="bar bar--(in|out)" data-raw="(\d)"', page)}
    assert bars == {1: "out", 2: "out", 3: "out", 4: "out", 5: "in", 6: "in"}
    assert "70 % line: 5" in page
    assert "cut 5: 22 pass" in page
    rows = dict(re.findall(r'<tr data-cut="(\d)".*?data-cell="passers">(\d+)<', page, re.S))
    assert rows["0"] == "34"
    assert rows["5"] == "22"
    assert "style=" not in page.split("<main")[1]


@pytest.mark.parametrize(
    ("name", "typed", "said"),
    [
        ("vacancies_now", "many", "Write a number."),
        ("attend", "0", "Write a percent above 0 and up to 100."),
        ("attend", "1e999999999", "Write a percent above 0 and up to 100."),
        ("reach", "72.125", "Two places after the point at most."),
        ("listed", "1.5", "Write a whole number"),
    ],
)
def test_a_number_that_cannot_be_used_is_marked_at_its_box(db, scored, analyst, base, name, typed, said):
    page = analyst.get(f"{base}/passing-score", query_string=NUMBERS | {name: typed}).get_data(as_text=True)
    assert said in page.split(f'id="{name}-error"')[1][:120]
    assert f'name="{name}" type="number" value="{typed}"' in page
    again = analyst.post(f"{base}/passing-score/propose", {**NUMBERS, name: typed, "cut": "4", "rationale": "kept words"})
    assert again.status_code == 422
    assert "kept words" in again.get_data(as_text=True)
    assert count(db, PassingScoreDecision) == 0


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"rationale": ""}, "Write why."),
        ({"attend": "90"}, "Write where they come from."),
        ({"cut": "1"}, "Write why it lies below chance or minimum competence."),
        ({"cut": "7"}, "That is no passing score"),
        ({"cut": "x"}, "That is no passing score"),
        ({"vacancies_now": "0", "vacancies_expected": "0"}, "Write a number."),
    ],
)
def test_a_proposal_without_its_reasons_is_not_kept(db, scored, analyst, base, more, said):
    reply = analyst.post(f"{base}/passing-score/propose", {**NUMBERS, "cut": "4", "rationale": "Enough."} | more)
    assert said in text(reply, 422)
    assert count(db, PassingScoreDecision) == 0


def test_fewer_than_thirty_get_counts_only(db, analyst):
    with db.write() as session:
        now = clock.now() - timedelta(hours=12)
        where = make.place(session, now)
        for right in (6, 4, 3):
            make.handed_in(session, where, right, now)
    base = f"/analyst/administrations/{where.administration_id}"
    analyst.post(f"{base}/key/lock", AS_IT_IS)
    analyst.post(f"{base}/scores")
    page = text(analyst.get(f"{base}/passing-score", query_string={**NUMBERS, "cut": "4"}))
    assert "2 of 3 would pass" in page
    assert "counts only" in page
    for word in ("Standard deviation", "KR-21", "SEM", "Share", "66.7"):
        assert word not in page
    assert "Even if all pass, it is not enough" in page


def test_who_proposed_is_told_that_a_second_person_signs(db, analyst, proposed, base):
    page = text(analyst.get(f"{base}/decision"))
    assert "An approver, another person, signs it; you cannot sign twice." in page
    assert "Type the passing score that you sign" not in page
    assert "A second person signs" in text(analyst.post(f"{base}/decision/sign", {"number": "1", "typed": "4"}), 409)
    assert count(db, QualifyingResult) == 0


def test_one_who_holds_both_roles_signs_nothing_of_their_own(db, sign_in, scored, base):
    both = sign_in("both")
    both.post(f"{base}/passing-score/propose", {**NUMBERS, "cut": "4", "rationale": "Enough."})
    assert "you cannot sign twice" in text(both.get(f"{base}/decision"))
    text(both.post(f"{base}/decision/sign", {"number": "1", "typed": "4"}), 409)
    assert count(db, QualifyingResult) == 0


def test_the_second_person_sees_all_and_signs_by_typing_the_number(db, proposed, approver, analyst, base):
    page = text(approver.get(f"{base}/decision"))
    assert "Three vacancies within two years." in page
    assert "worked out again just now from 34 stored raw scores and agrees" in page
    assert "That is not the proposed passing score." in text(approver.post(f"{base}/decision/sign", {"number": "1", "typed": "5"}), 422)
    assert count(db, QualifyingResult) == 0
    assert approver.post(f"{base}/decision/sign", {"number": "1", "typed": "4"}).status_code == 303
    assert count(db, QualifyingResult) == 34
    page = text(approver.get(f"{base}/decision"))
    assert "In force" in page
    assert re.search(r"Proposed Ana Lyst .* Signed App Rover", page)
    assert "This proposal no longer waits" in text(approver.post(f"{base}/decision/sign", {"number": "1", "typed": "4"}), 409)


def test_the_second_person_may_send_it_back_with_a_reason(db, proposed, approver, analyst, base):
    assert "Write why." in text(approver.post(f"{base}/decision/withdraw", {"number": "1", "reason": ""}), 422)
    approver.post(f"{base}/decision/withdraw", {"number": "1", "reason": "Ask Finance about the vacancies."})
    assert "Taken back by App Rover" in text(analyst.get(f"{base}/decision"))
    # The numbers of the last proposal are where the next begins.
    page = analyst.get(f"{base}/passing-score").get_data(as_text=True)
    assert 'name="vacancies_now" type="number" value="2"' in page
    assert 'name="cut" type="number" min="0" max="6" step="1" value="4"' in page


def test_the_proposal_says_who_can_sign_it(db, scored, sign_in, people, base):
    both = sign_in("both")
    both.post(f"{base}/passing-score/propose", {**NUMBERS, "cut": "4", "rationale": "Enough."})
    for page in ("decision", "scoring"):
        said = text(both.get(f"{base}/{page}"))
        assert "It can be signed by App Rover." in said
        # There are no doors outside the demonstration.
        assert "demonstration" not in said
    with db.write() as session:
        for grant in session.get_one(Person, people["approver"].id).grants:
            grant.ended_at = clock.now()
    assert "Nobody else has the role of an approver." in text(both.get(f"{base}/decision"))


def test_a_stored_page_that_was_changed_cannot_be_signed(db, proposed, approver, base):
    with db.write() as session:
        decision = session.scalars(select(PassingScoreDecision)).one()
        decision.table = [{**row, "passers": 1} for row in decision.table]
    page = text(approver.get(f"{base}/decision"))
    assert "The stored figures are not what the scores give" in page
    assert "Type the passing score" not in page
    text(approver.post(f"{base}/decision/sign", {"number": "1", "typed": "4"}), 409)
    assert count(db, QualifyingResult) == 0


PAGES = ("scoring", "key", "key/items/6", "passing-score", "decision")


@pytest.mark.parametrize("signed", [False, True])
def test_no_page_of_scoring_names_a_candidate_or_says_who_passed(proposed, analyst, approver, base, signed):
    if signed:
        approver.post(f"{base}/decision/sign", {"number": "1", "typed": "4"})
    for visitor in (analyst, approver):
        for page in PAGES:
            said = text(visitor.get(f"{base}/{page}"))
            assert "Zelda" not in said
            assert not re.search(r"\b(PASS|FAIL)\b|C-0\d{4}", said)


def test_home_says_what_waits_and_only_to_whom_it_waits(analyst, approver, sign_in, base):
    def home(visitor):
        return text(visitor.get("/analyst/")).split("What needs you today")[1].split("All administrations")[0]

    assert "Look at the key and lock it" in home(analyst)
    assert "Look at the key" not in home(approver)
    analyst.post(f"{base}/key/lock", AS_IT_IS)
    assert "Make the raw scores" in home(analyst)
    analyst.post(f"{base}/scores")
    assert "Propose a passing score" in home(analyst)
    analyst.post(f"{base}/passing-score/propose", {**NUMBERS, "cut": "4", "rationale": "Enough."})
    assert "signature" not in home(analyst)
    assert "A passing score waits for your signature" in home(approver)
    approver.post(f"{base}/decision/sign", {"number": "1", "typed": "4"})
    assert "signature" not in home(approver)
    assert "passing score" not in home(analyst)


def test_home_puts_what_is_to_be_done_before_what_only_goes_on(db, analyst, people, base):
    with db.write() as session:
        under_way = make.place(session, clock.now())
        make.booked(session, under_way, clock.now())
        make.proctor(session, under_way)
        make.booked(session, make.place(session, clock.now()), clock.now())
    said = re.findall(r'<li class="today__item[^>]*><a[^>]*>([^<]*)', analyst.get("/analyst/").get_data(as_text=True))
    assert said[0] == "No proctor for “At home”"
    assert said.index("Look at the key and lock it") < said.index("“At home” is under way")


@pytest.fixture
def out(proposed, approver, base):
    """The results are out: those with 4 of six and more pass."""
    approver.post(f"{base}/decision/sign", {"number": "1", "typed": "4"})


def test_a_changed_key_after_the_results_is_a_superseding_decision(db, out, approver, analyst, base):
    assert "A passing score rests on this key" in text(rule(analyst, base, 6, "credit", reason="Misprint."), 409)
    assert rule(analyst, base, 6, "credit", reason="Misprint.", superseding="yes").status_code == 303
    page = text(analyst.get(f"{base}/scoring"))
    assert "No longer current" in page
    assert "34 results exist since" in page
    analyst.post(f"{base}/key/lock", {"number": "2"})
    analyst.post(f"{base}/scores")
    analyst.post(f"{base}/passing-score/propose", {**NUMBERS, "cut": "5", "rationale": "Item 6 now counts for all."})
    approver.post(f"{base}/decision/sign", {"number": "2", "typed": "5"})
    with db.read() as session:
        assert session.execute(select(PassingScoreDecision.number, PassingScoreDecision.outcome).order_by("number")).all() == [
            (1, "superseded"),
            (2, "approved"),
        ]
        assert session.scalar(select(func.count()).select_from(QualifyingResult)) == 68


def parts(reply):
    return dict(re.findall(r'data-part="(gained|lost|held)">(\d+)<', reply.get_data(as_text=True)))


def rescored(analyst, base, cut, how="change", options=("a",), **more):
    """The key of item 6 is changed after the results, and a superseding decision proposed."""
    assert rule(analyst, base, 6, how, options, "It was wrong.", superseding="yes").status_code == 303
    analyst.post(f"{base}/key/lock", {"number": "2", "reason": "Read again."})
    analyst.post(f"{base}/scores")
    return analyst.post(f"{base}/passing-score/propose", {**NUMBERS, "cut": cut, "rationale": "The key was wrong.", **more})


def test_nobody_who_passed_is_taken_back_and_the_approver_signs_that(db, out, analyst, approver, base):
    # 6 of six become 5, 5 become 6, 4 become 5: at 6, those nine are below.
    assert rescored(analyst, base, "6").headers["Location"].endswith("/decision?number=2")
    page = approver.get(f"{base}/decision")
    assert parts(page) == {"gained": "0", "lost": "0", "held": "9"}
    assert "Hold harmless: nobody who passed is taken back." in text(page)
    before = text(approver.get(f"{base}/results/changes?number=2"))
    assert "if it is signed. Nothing has changed yet." in before
    assert before.count("passes, held harmless no new letter") == 9
    approver.post(f"{base}/decision/sign", {"number": "2", "typed": "6"})
    with db.read() as session:
        rows = session.execute(
            select(QualifyingResult.outcome, QualifyingResult.held, func.count())
            .where(QualifyingResult.decision.has(number=2))
            .group_by(QualifyingResult.outcome, QualifyingResult.held)
        ).all()
        entry = session.scalars(select(AuditEntry).where(AuditEntry.act == "passing_score.approved").order_by(AuditEntry.id.desc())).first()
    assert sorted(rows) == [("FAIL", False, 9), ("PASS", False, 16), ("PASS", True, 9)]
    assert entry.facts["held"] == 9
    page = text(approver.get(f"{base}/results"))
    assert "0 results went from fail to pass, 0 from pass to fail, 9 were held harmless." in page


def test_taking_results_back_takes_a_reason_and_names_whom(db, out, analyst, approver, base):
    reply = rescored(analyst, base, "6", hold_harmless="no")
    assert "Why the result is taken back" in text(reply, 422)
    assert count(db, PassingScoreDecision) == 1
    form = {**NUMBERS, "cut": "6", "rationale": "The key was wrong.", "hold_harmless": "no", "taken_back_reason": "Counsel asks for it."}
    assert analyst.post(f"{base}/passing-score/propose", form).status_code == 303
    page = approver.get(f"{base}/decision")
    assert parts(page) == {"gained": "0", "lost": "9", "held": "0"}
    assert "Counsel asks for it." in text(page)
    approver.post(f"{base}/decision/sign", {"number": "2", "typed": "6"})
    page = text(approver.get(f"{base}/results/changes?number=2"))
    assert page.count("pass → fail a letter is due") == 9
    assert "Zelda" in page
    with db.read() as session:
        assert session.scalars(select(AuditEntry).where(AuditEntry.act == "results.changes_seen")).one().facts == {"decision": "2"}


def test_names_come_after_the_ruling_and_only_once_results_are_out(analyst, proposed, approver, base):
    text(analyst.get(f"{base}/results/changes"), 409)
    approver.post(f"{base}/decision/sign", {"number": "1", "typed": "4"})
    assert "Nobody's result changes" in text(analyst.get(f"{base}/results/changes")).replace("&#39;", "'")
    rule(analyst, base, 6, "change", ["a"], superseding="yes")
    page = text(analyst.get(f"{base}/results/changes"))
    # 3 of six are 4 now; the six who lose a point still pass.
    assert page.count("fail → pass a letter, with the second signature") == 3
    assert "Who is affected, by name" in text(analyst.get(f"{base}/key"))
    page = text(analyst.get(f"{base}/key/items/5/ruling", query_string={"how": "drop"}))
    assert "It counts together with the rulings since that version" in page
    text(analyst.get(f"{base}/results/changes?number=1"), 404)


def test_a_superseding_proposal_that_was_sent_back_changes_nothing_and_says_nothing_of_it(out, analyst, approver, base):
    rescored(analyst, base, "6")
    approver.post(f"{base}/decision/withdraw", {"number": "2", "reason": "Too high."})
    assert parts(approver.get(f"{base}/decision?number=2")) == {}
    text(approver.get(f"{base}/results/changes?number=2"), 404)


def test_what_was_stored_of_those_affected_is_worked_out_again(db, out, analyst, approver, base):
    rescored(analyst, base, "6")
    with db.write() as session:
        decision = session.scalars(select(PassingScoreDecision).where(PassingScoreDecision.number == 2)).one()
        decision.inputs = {**decision.inputs, "superseding": {**decision.inputs["superseding"], "held": 0}}
    assert "these differ: superseding" in text(approver.get(f"{base}/decision"))
    text(approver.post(f"{base}/decision/sign", {"number": "2", "typed": "6"}), 409)


def test_scores_are_gathered_before_the_write_lock_is_taken(app, db, analyst, base, monkeypatch):
    """Reading all answers takes long; other tests' answers must not wait for it."""
    analyst.post(f"{base}/key/lock", AS_IT_IS)
    gather, inside = service.gather, []

    def watched(session, *more):
        inside.append(session.get_bind().get_execution_options().get("writes", False))
        return gather(session, *more)

    monkeypatch.setattr(service, "gather", watched)
    analyst.post(f"{base}/scores")
    assert inside == [False]


# --- scenarios, the judges' line and the memo -------------------------------------------------------------------------------------------------

CASES = {"attend_did": "17", "attend_of": "20", "reach_did": "13", "reach_of": "17", "appointed_did": "6", "appointed_of": "13"}


def keep(visitor, base, name, status=303, **more):
    reply = visitor.post(f"{base}/passing-score/scenarios", {**NUMBERS, "cut": "4", "scenario": name} | more)
    assert reply.status_code == status, reply.get_data(as_text=True)[:1500]
    return reply


def test_past_cases_are_the_default_where_the_bulletin_has_them_and_the_certain_cut_stays_beside(db, scored, analyst, base, place):
    with db.write() as session:
        bulletin = session.get_one(make.TestSession, place.id).administration.examination.bulletin
        row = {"passed": 20, "attended": 17, "reached": 13, "offered": 13, "appointed": 6, "source": "list of 2024"}
        bulletin.content = bulletin.content | {
            "policy": {"passing_score": {"past": [row]}, "vacancies": {"now": 2, "expected": 1, "source": "requisitions of May"}}
        }
    page = analyst.get(f"{base}/passing-score").get_data(as_text=True)
    assert 'name="attend_did" type="number" value="17"' in page
    assert 'name="attend" type="number" value="83.33"' in page
    assert re.search(r'data-part="with-cases">with what past cases leave open', page)
    said = text(analyst.get(f"{base}/passing-score", query_string={**NUMBERS, "cut": "4"}))
    assert "(rates taken as certain: no past cases are told)" in said
    # The rates are the department's own cases: no reason is due. Others are not.
    own = {**NUMBERS, **CASES, "cut": "4", "rationale": "Three vacancies."}
    assert "Write where they come from." in text(analyst.post(f"{base}/passing-score/propose", own | {"appointed_of": "14"}), 422)
    assert analyst.post(f"{base}/passing-score/propose", own).status_code == 303
    assert "17 of 20" in text(analyst.get(f"{base}/decision"))


def test_cases_that_cannot_be_are_marked_at_their_box(scored, analyst, base):
    page = analyst.get(f"{base}/passing-score", query_string=NUMBERS | {"reach_did": "9", "reach_of": "8"}).get_data(as_text=True)
    assert "More did than there were cases." in page.split('id="reach_did-error"')[1][:120]


def test_scenarios_stand_side_by_side_and_go_with_the_decision(db, scored, analyst, approver, base):
    keep(analyst, base, "As it is")
    keep(analyst, base, "Fewer leave", **CASES)
    page = text(analyst.get(f"{base}/passing-score"))
    assert "As it is Fewer leave" in page
    assert "Kept by Ana Lyst Ana Lyst" in page
    proposal = {**NUMBERS, "cut": "4", "rationale": "Three vacancies within two years."}
    refused = text(analyst.post(f"{base}/passing-score/propose", proposal), 422)
    # The one that is proposed needs no reason; the other does.
    assert refused.count("Write why it was not chosen.") == 1
    with db.read() as session:
        other = session.scalars(select(Scenario.id).where(Scenario.name == "Fewer leave")).one()
    reason = {f"against-{other}": "Twenty cases say too little."}
    assert analyst.post(f"{base}/passing-score/propose", proposal | reason).status_code == 303
    page = text(approver.get(f"{base}/decision"))
    assert "Alternatives that were not chosen Fewer leave" in page
    assert "Twenty cases say too little." in page
    assert approver.post(f"{base}/decision/sign", {"number": "1", "typed": "4"}).status_code == 303
    with db.read() as session:
        kept = session.scalars(select(PassingScoreDecision)).one().inputs["alternatives"]
    assert [(one["name"], one["cut"], one["reason"]) for one in kept] == [("Fewer leave", 4, "Twenty cases say too little.")]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"scenario": " "}, "Give the scenario a name."),
        ({"scenario": "as IT is"}, "Another scenario has this name."),
        ({"cut": "7"}, "That is no passing score"),
        ({"vacancies_now": "0", "vacancies_expected": "0"}, "Write a number."),
    ],
)
def test_a_scenario_needs_a_name_of_its_own_and_numbers(db, scored, analyst, base, more, said):
    keep(analyst, base, "As it is")
    assert said in text(keep(analyst, base, "", 422, **({"scenario": "Another"} | more)), 422)
    assert count(db, Scenario) == 1


def test_a_scenario_is_removed_by_who_made_it_alone(db, scored, analyst, sign_in, base):
    keep(analyst, base, "As it is")
    with db.read() as session:
        number = session.scalars(select(Scenario.id)).one()
    address = f"{base}/passing-score/scenarios/{number}/remove"
    both = sign_in("both")
    assert both.post(address).status_code == 403
    assert "Remove : As it is" not in text(both.get(f"{base}/passing-score"))
    assert count(db, Scenario) == 1
    assert "Remove : As it is" in text(analyst.get(f"{base}/passing-score"))
    assert analyst.post(address).status_code == 303
    assert count(db, Scenario) == 0
    assert analyst.post(address).status_code == 404


SHEET = {f"first-{slot}": "60" for slot in range(1, 7)}


def test_judges_draw_a_line_and_the_chooser_begins_with_it(scored, analyst, approver, base):
    assert "there is no line" in text(analyst.get(f"{base}/judged"))
    assert analyst.post(f"{base}/judged/sheet", {"judge": "Judge A", **SHEET, "second-1": "40"}).status_code == 303
    file = "judge,slot,first,second\n" + "".join(f"Judge B,{slot},80,70\n" for slot in range(1, 7))
    assert analyst.post(f"{base}/judged/import", {"file": (io.BytesIO(file.encode()), "b.csv")}).status_code == 303
    page = text(approver.get(f"{base}/judged"))
    # A: 3.6, then 3.4; B: 4.8, then 4.2. Mean 3.8, deviation 0.8 / √2, error 0.4.
    for said in (
        "Mean, first round 4.20",
        "Mean, second round 3.80",
        "Standard deviation of the judges 0.57",
        "Standard error of the line 0.40",
    ):
        assert said in page
    assert "Judge A 3.60 3.40 -0.20 1" in page
    assert "Take it in" not in page
    page = analyst.get(f"{base}/passing-score").get_data(as_text=True)
    assert 'name="minimum" type="number" value="4"' in page
    assert "minimum competence: 4" in page


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("rater,item\n", "The first line has to name the columns"),
        ("judge,slot,first\nA,1,101\n", "A rating is a whole percent from 0 to 100. Line 2: “101”."),
        ("judge,slot,first\nA,99,50\n", "The form has no such slot. Line 2: “99”."),
        ("judge,slot,first\nA,1,50\nA,1,60\n", "This judge has rated this slot in a line before. Line 3"),
        ("judge,slot,first\n,1,50\n", "A judge needs a name. Line 2"),
        ("judge,slot,first\n", "There is no rating."),
        (b"\xff\xfe", "The file is no text in UTF-8."),
    ],
)
def test_a_table_of_ratings_is_taken_whole_or_not_at_all(db, analyst, base, file, said):
    data = file if isinstance(file, bytes) else file.encode()
    assert said in text(analyst.post(f"{base}/judged/import", {"file": (io.BytesIO(data), "a.csv")}), 422)
    assert count(db, JudgedRatings) == 0


def test_a_sheet_with_a_rating_that_is_none_keeps_what_was_typed(db, analyst, base):
    page = analyst.post(f"{base}/judged/sheet", {"judge": "Judge A", **SHEET, "second-3": "all"})
    assert page.status_code == 422
    assert 'name="second-3" inputmode="numeric" maxlength="4" value="all"' in page.get_data(as_text=True)
    assert count(db, JudgedRatings) == 0


def test_the_memo_is_a_tagged_pdf_with_everything_that_was_weighed(scored, analyst, approver, base):
    keep(analyst, base, "Six are enough", cut="6")
    page = analyst.get(f"{base}/passing-score").get_data(as_text=True)
    against = re.search(r'name="(against-\d+)"', page)[1]
    said = {**NUMBERS, "cut": "4", "rationale": "Three vacancies within two years.", against: "Six leave too few."}
    analyst.post(f"{base}/passing-score/propose", said)
    approver.post(f"{base}/decision/sign", {"number": "1", "typed": "4"})
    reply = approver.get(f"{base}/decision/memo.pdf?number=1")
    assert (reply.status_code, reply.content_type) == (200, "application/pdf")
    found = pypdf.PdfReader(io.BytesIO(reply.data))
    root = found.trailer["/Root"]
    assert (root["/MarkInfo"]["/Marked"], str(root["/Lang"]), "/StructTreeRoot" in root) == (True, "en", True)
    assert b'pdfuaid:part="1"' in root["/Metadata"].get_object().get_data()
    words = " ".join(" ".join(sheet.extract_text() for sheet in found.pages).split())
    for one in ("Three vacancies within two years.", "Six are enough", "Six leave too few.", "Ana Lyst", "App Rover", "all figures agree"):
        assert one in words
    assert "Zelda" not in words
    assert approver.get(f"{base}/decision/memo.pdf?number=2").status_code == 404
