"""Equating and the drift of the anchor on pages, beside what the commands on files say."""

import csv
import io
import json
import re
from dataclasses import replace
from zoneinfo import ZoneInfo

import openpyxl
import pytest
from click.testing import CliRunner
from sqlalchemy import select

from testing_platform import cli
from testing_platform.accounts.rules import Area, Role
from testing_platform.audit.models import AuditEntry
from testing_platform.examinations.models import Administration, TestSession
from testing_platform.itembank.models import Bank, FormSlot
from testing_platform.scoring import equating_service as equatings
from testing_platform.scoring import service
from testing_platform.scoring.analysis.equating import Method
from testing_platform.scoring.equating_models import KeptEquating
from testing_platform.scoring.equating_rules import SMOOTHED, EquatingPolicy, Facts, Standing, recommend, standing
from tests import make
from tests.scoring.paired import CODES, HERE, LATER, SHARED, THEN, decide, kept, pair, rows


@pytest.fixture(scope="module")
def db(module_db):
    """Not emptied: each test reads administrations of its own, and what it writes is nobody else's."""
    return module_db


@pytest.fixture(scope="module")
def plain(db):
    return pair(db, THEN, HERE)


@pytest.fixture(scope="module")
def changed(db):
    """What the keys give away or drop is taken off before and put on after: an own item is right for everybody here, one that is shared was dropped then."""
    return pair(db, THEN, HERE, changes=[(1, ["*"])], earlier_changes=[(2, [])])


@pytest.fixture
def analyst(db, visit):
    with db.write() as session:
        person = make.person(session, Role.ANALYST)
    return visit(person, Area.ANALYST)


def page(visitor, number, part, status=200):
    reply = visitor.get(f"/analyst/administrations/{number}/analyses/{part}")
    assert reply.status_code == status
    return text(reply)


def text(reply):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", reply.get_data(as_text=True)))


def found(db, number, method=Method.TUCKER, smooth=False):
    """The pair, its conversion and its drift as the pages work them out."""
    with db.read() as session:
        one = session.get_one(Administration, number)
        run, policy = service.newest_run(session, one), equatings.policy_of(one)
        both = equatings.pair(session, one, run, equatings.earlier(session, one, run)[0])
        return both, equatings.convert(both, method, smooth, policy), equatings.drift(both, policy)


def files(tmp_path, *forms):
    """The options of a command that takes both forms: (letter, codes, answers)."""
    words = []
    for letter, codes, answers in forms:
        responses, keys = tmp_path / f"{letter}.csv", tmp_path / f"key_{letter}.csv"
        with responses.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["candidate", *codes])
            writer.writerows([taker, *row] for taker, row in enumerate(answers))
        keys.write_text("item,key\n" + "".join(f"{code},b\n" for code in codes))
        words += [f"--{letter}", str(responses), f"--key-{letter}", str(keys)]
    return words


def command(*words):
    ran = CliRunner().invoke(cli.main, ["scoring", *words, "--json"])
    assert ran.exit_code == 0, ran.output
    return json.loads(ran.output)


# --- the figures -----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "smooth"), [*((method, False) for method in Method), (Method.EQUIPERCENTILE, True), (Method.CHAINED_EQUIPERCENTILE, True)]
)
def test_the_figures_are_those_of_the_command(db, plain, tmp_path, method, smooth):
    _both, made, _drift = found(db, plain[1], method, smooth)
    words = [*files(tmp_path, ("x", CODES, THEN), ("y", LATER, HERE)), "--replications", "30"]
    said = command("equate", *words, "--anchor", ",".join(SHARED), "--method", method, "--cut", "4", *(["--smooth", "0"] if smooth else []))
    assert [row.y for row in made.table] == pytest.approx([row["y"] for row in said["table"]], abs=1e-9)
    errors = [row["se"] for row in said["table"]]
    if method is not Method.IDENTITY:
        assert [row.se for row in made.table] == (errors if errors[0] is None else pytest.approx(errors, abs=1e-9))
    assert (made.cut.x, made.cut.raw) == (4, said["cut"]["raw"])
    assert made.cut.y == pytest.approx(said["cut"]["y"], abs=1e-9)


def test_drift_is_that_of_the_command(db, plain, tmp_path):
    *_rest, drift = found(db, plain[1])
    said = command("drift", *files(tmp_path, ("x", CODES, THEN), ("y", LATER, HERE)), "--anchor", ",".join(SHARED))
    assert drift.found.slope == pytest.approx(said["slope"], abs=1e-9)
    for line, row in zip(drift.items, said["items"], strict=True):
        assert line.item.code == row["item"]
        held = [line.p_x, line.p_y, line.delta_x, line.delta_y, line.distance, line.figures.robust_z]
        names = ("p_x", "p_y", "delta_x", "delta_y", "distance", "robust_z")
        assert held == pytest.approx([row[name] for name in names], abs=1e-9)


def test_what_a_key_gives_or_takes_is_in_the_raw_scores_and_not_in_the_anchor(db, changed, tmp_path):
    both, made, _drift = found(db, changed[1])
    assert both.anchor == SHARED[1:]
    assert [one.standing for one in both.earlier.items if one.code == SHARED[0]] == [Standing.UNCOUNTED]
    then, here = [0, 2, 3, 4, 5], range(1, 8)
    forms = ("x", [CODES[place] for place in then], [[row[place] for place in then] for row in THEN])
    later = ("y", [LATER[place] for place in here], [[row[place] for place in here] for row in HERE])
    said = command("equate", *files(tmp_path, forms, later), "--anchor", ",".join(SHARED[1:]), "--method", "tucker", "--cut", "4")
    assert [row.x for row in made.table] == [0, 1, 2, 3, 4, 5]
    assert [row.y - 1 for row in made.table] == pytest.approx([row["y"] for row in said["table"]], abs=1e-9)
    assert (made.cut.y - 1, made.cut.raw - 1) == (pytest.approx(said["cut"]["y"], abs=1e-9), said["cut"]["raw"])


# --- the anchor ------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("here", "there", "how", "expected"),
    [
        (["b"], ["b"], {}, Standing.ANCHOR),
        (["a", "b"], ["b", "a"], {}, Standing.ANCHOR),
        (["b"], ["b"], {"left_out": True}, Standing.LEFT_OUT),
        (["b"], ["b"], {"left_out": True, "compromised": True}, Standing.KNOWN_OUTSIDE),
        (["b"], ["b", "c"], {}, Standing.OTHER_KEY),
        ([], ["b"], {}, Standing.UNCOUNTED),
        (["b"], ["*"], {"compromised": True}, Standing.UNCOUNTED),
    ],
)
def test_what_is_in_an_anchor(here, there, how, expected):
    assert standing(here, there, **{"compromised": False, "left_out": False, **how}) is expected


FACTS = Facts(n_x=400, n_y=300, items_x=60, items_y=60, anchor=24, r=0.9, gap=0.1)


@pytest.mark.parametrize(
    ("changes", "method", "warnings"),
    [
        ({}, Method.TUCKER, []),
        ({"gap": -0.4}, Method.LEVINE, []),
        ({"gap": 0.6, "items_y": 58}, Method.CHAINED_LINEAR, ["far-apart"]),
        ({"n_y": 99}, Method.CIRCLE_ARC, []),
        ({"n_x": 24}, Method.IDENTITY, []),
        ({"n_x": 2000, "n_y": 1500}, Method.FREQUENCY_ESTIMATION, []),
        ({"n_x": 2000, "n_y": 1500, "gap": 0.31}, Method.CHAINED_EQUIPERCENTILE, []),
        ({"anchor": 12}, Method.TUCKER, ["few-items"]),
        ({"anchor": 11}, Method.IDENTITY, ["few-items"]),
        ({"items_x": 100, "anchor": 20, "r": 0.8}, Method.TUCKER, ["low-correlation"]),
        ({"items_x": 101, "anchor": 20}, Method.IDENTITY, ["few-items"]),
        ({"r": None}, Method.IDENTITY, []),
        ({"gap": None}, Method.IDENTITY, []),
    ],
)
def test_a_method_is_recommended_by_sizes_and_groups(changes, method, warnings):
    said = recommend(replace(FACTS, **changes), EquatingPolicy())
    assert (said.method, said.warnings) == (method, warnings)
    assert said.smooth == (method is Method.CHAINED_EQUIPERCENTILE)


def test_a_bulletin_names_numbers_of_its_own():
    policy = EquatingPolicy.of({"policy": {"equating": {"anchor_items": 8, "apart": 0.2, "source": "Rule 9"}}})
    assert (policy.least(30), policy.least(60), policy.drift.distance) == (8, 12, 1.5)
    assert policy.numbers()["apart"] == (0.2, "Rule 9")
    assert policy.numbers()["z"] == (1.645, "Huynh & Meyer 2010")


def test_of_an_item_in_another_version_it_is_said_that_it_is_not_shared(db, analyst):
    def mend(session, form):
        session.get_one(FormSlot, (form.id, 3)).version.state = "retired"
        kept(session, session.get_one(Bank, form.bank_id), "I-3", "What is asked now?")

    _first, here = pair(db, before=mend)
    both, *_rest = found(db, here)
    assert (both.anchor, both.earlier.changed) == (["I-2", "I-4", "I-5", "I-6"], [("I-3", 3, 3)])
    assert "in both forms in different versions, and therefore not shared" in page(analyst, here, "equating")


def test_an_item_on_trial_and_one_known_outside_are_in_no_anchor(db, analyst):
    _first, here = pair(db, on_trial=[2])
    with db.write() as session:
        form_id = session.get_one(Administration, here).form_id
        session.get_one(FormSlot, (form_id, 5)).version.state = "compromised"
    both, *_rest = found(db, here)
    assert {one.code: one.standing for one in both.earlier.items if one.standing is not Standing.ANCHOR} == {
        "I-2": Standing.UNCOUNTED,
        "I-5": Standing.KNOWN_OUTSIDE,
    }
    said = page(analyst, here, "drift")
    assert "marked in the item bank as known outside" in said
    assert "on trial, dropped, or right for everybody in one of the two" in said


# --- the pages -------------------------------------------------------------------------------------------------------------------------------


def test_the_page_says_what_the_earlier_passing_score_is_worth_and_why_the_method(db, analyst, plain):
    both, made, _drift = found(db, plain[1], Method.CIRCLE_ARC)
    said = page(analyst, plain[1], "equating")
    assert "Recommended for these data: Circle arc" in said
    assert "With fewer than 100 candidates in one group, only the middle of the scale can be estimated" in said
    sentence = f"The earlier passing score, 4 of 6, corresponds to {made.cut.y:.1f}; the raw score to use here is {made.cut.raw}."
    assert sentence in said
    assert f"standard error {made.cut.se:.2f}" in said
    assert f"Worth here Standard error {' '.join(f'{row.x} {row.y:.2f} {row.se:.2f}' for row in made.table[:4])}" in said
    assert "60 5 5 enough" in said
    assert f"Anchor with the total, r {equatings.facts(both).r:.3f}" in said
    tucker = found(db, plain[1])[1]
    said = page(analyst, plain[1], "equating?method=tucker")
    assert f"corresponds to {tucker.cut.y:.1f}; the raw score to use here is {tucker.cut.raw}." in said
    for method in Method:
        assert "Worth here, less the score then" in page(analyst, plain[1], f"equating?method={method}&smooth=yes")
    assert "Recommended for these data: Circle arc" in page(analyst, plain[1], "equating?method=guess")


def test_only_an_earlier_administration_that_shares_items_is_offered(db, analyst, plain):
    assert "Nothing to hold this administration against" in page(analyst, plain[0], "equating")
    assert "There is no anchor" in page(analyst, plain[0], "drift")
    for number in (plain[1], 10**6, "x"):
        page(analyst, plain[1], f"equating?with={number}", 404)
    assert "4 of 6" in page(analyst, plain[1], f"equating?with={plain[0]}")


def keep(analyst, number, method="tucker", reason="Few people, and alike.", **changes):
    html = analyst.get(f"/analyst/administrations/{number}/analyses/equating?method={method}").get_data(as_text=True)
    seen = re.search(r'name="seen" value="(\w+)"', html)
    form = {"method": method, "smooth": "", "seen": seen and seen[1], "reason": reason, **changes}
    return analyst.post(f"/analyst/administrations/{number}/analyses/equating/keep", form)


def test_what_is_kept_is_a_line_of_the_chooser_and_stays_with_the_decision(db, analyst, visit):
    first, here = pair(db)
    assert keep(analyst, here, reason=" ").status_code == 422
    assert keep(analyst, here).status_code == 303
    _both, made, _drift = found(db, here)
    said = page(analyst, here, "equating")
    assert f"Carried passing score {made.cut.raw}, from 4 then (worth {made.cut.y:.2f})" in said
    with db.read() as session:
        opened = session.scalars(select(TestSession).where(TestSession.administration_id == first)).one().window.opens_at
    then = opened.astimezone(ZoneInfo("America/Los_Angeles"))
    given = f"{then:%B} {then.day}, {then.year}"
    line = f"The passing score of Customer Service Specialist, administration 1 ( {given} ), is 4 of 6; here it is worth {made.cut.y:.2f}, and the raw score to use is {made.cut.raw}. By Tucker through 5 shared items"
    base = f"/analyst/administrations/{here}"
    chooser = analyst.get(f"{base}/passing-score")
    assert line in text(chooser)
    assert f"carried over: {made.cut.raw}" in text(chooser)
    row = chooser.get_data(as_text=True).split(f'<tr data-cut="{made.cut.raw}"')[1].split("</tr>")[0]
    assert 'data-fixed="carried"' in row
    assert 'data-moved="no"' in chooser.get_data(as_text=True)
    with db.write() as session:
        bulletin = session.get_one(Administration, here).examination.bulletin
        bulletin.content = bulletin.content | {"policy": {"passing_score": {"scope": "bulletin"}}}
    begins = analyst.get(f"{base}/passing-score")
    assert "so this page begins with the one that was carried over" in text(begins)
    assert f'<input type="hidden" name="cut" value="{made.cut.raw}"' in begins.get_data(as_text=True)
    assert 'data-moved="yes"' in begins.get_data(as_text=True)
    numbers = {"vacancies_now": "1", "vacancies_expected": "0", "attend": "85", "reach": "72", "appointed": "45", "show": "100", "cut": "5"}
    more = {"rationale": "Enough.", "rates_reason": "Made up."}
    assert analyst.post(f"{base}/passing-score/propose", numbers | more).status_code == 303
    decided = text(analyst.get(f"{base}/decision"))
    assert line in decided
    assert "Few people, and alike." in decided
    with db.read() as session:
        one = session.get_one(Administration, here)
        decision = service.standing_decision(session, one)
        row = session.scalars(select(KeptEquating).where(KeptEquating.administration_id == here)).one()
        assert decision.inputs["equated"] | {"worth": None, "se": None} == {
            "number": 1, "administration": first, "earlier": 1, "on": str(then.date()), "title": "Customer Service Specialist", "method": "tucker", "smooth": False,
            "anchor": 5, "cut": 4, "maximum": 6, "worth": None, "se": None, "raw": made.cut.raw, "reason": "Few people, and alike.",
            "digest": row.digest,
        }  # fmt: skip
        assert service.differences(session, decision) == []
        assert row.figures["table"] == [[line.x, line.y, line.se] for line in made.table]
        acts = session.scalars(select(AuditEntry.act).where(AuditEntry.object == f"administration:{here}")).all()
    assert acts.count("equating.kept") == 1


def test_the_report_has_what_was_kept_with_every_place_of_the_figures(db, analyst, untypeset):
    _first, here = pair(db)
    url = f"/analyst/administrations/{here}/analyses/report"
    names = openpyxl.load_workbook(io.BytesIO(analyst.post(url, {"format": "xlsx"}).data)).sheetnames
    assert "equating" not in names
    assert "Anchor drift" not in analyst.post(url, {"format": "pdf"}).text
    keep(analyst, here)
    _both, made, drift = found(db, here)
    book = openpyxl.load_workbook(io.BytesIO(analyst.post(url, {"format": "xlsx"}).data))
    assert book.sheetnames == [*names[:-1], "equating", "conversion", "drift", "thresholds"]
    held = dict(book["equating"].iter_rows(min_row=2, values_only=True))
    assert (held["method"], held["cut_x"], held["cut_raw"], held["anchor"]) == ("tucker", 4, made.cut.raw, 5)
    assert held["cut_y"] == pytest.approx(made.cut.y, abs=1e-9)
    assert [row[1] for row in book["conversion"].iter_rows(min_row=2, values_only=True)] == pytest.approx(
        [row.y for row in made.table], abs=1e-9
    )
    distances = [row[8] for row in book["drift"].iter_rows(min_row=2, values_only=True)]
    assert distances == pytest.approx([line.distance for line in drift.items], abs=1e-9)
    report = text(analyst.post(url, {"format": "pdf"}))
    assert f"here it is worth {made.cut.y:.2f}, and the raw score to use is {made.cut.raw}. By Tucker through 5 shared items" in report
    assert "Delta plot" in report


def test_what_is_kept_holds_for_the_scores_and_the_passing_score_that_it_was_made_of(db, analyst):
    first, here = pair(db)
    keep(analyst, here)
    assert "carried over: " in text(analyst.get(f"/analyst/administrations/{here}/passing-score"))
    with db.write() as session:
        earlier = session.get_one(Administration, first)
        decide(session, earlier, 3)
    assert "carried over: " not in text(analyst.get(f"/analyst/administrations/{here}/passing-score"))
    said = page(analyst, here, "equating")
    assert "It no longer holds" in said
    assert "The earlier passing score, 3 of 6" in said


def test_nothing_is_kept_of_what_was_not_looked_at(db, analyst):
    first, here = pair(db)
    with db.read() as session:
        one = session.get_one(Administration, here)
        version = equatings.earlier(session, one, service.newest_run(session, one))[0].items[0].version_id
    url = f"/analyst/administrations/{here}/analyses"
    assert keep(analyst, here, seen="other").status_code == 409
    html = analyst.get(f"{url}/equating").get_data(as_text=True)
    seen = re.search(r'name="seen" value="(\w+)"', html)[1]
    assert analyst.post(f"{url}/drift/items", {"version": version, "out": "yes", "reason": "Taught in a course."}).status_code == 303
    assert keep(analyst, here, seen=seen).status_code == 409
    assert keep(analyst, here).status_code == 303
    assert keep(analyst, here, "guess").status_code == 400
    with db.read() as session:
        rows = session.scalars(select(KeptEquating).where(KeptEquating.administration_id == here)).all()
        assert [len(row.items["anchor"]) for row in rows] == [4]
        assert rows[0].items["out"][0] | {"slot": 2} == {
            "item": "I-2", "version": version, "earlier_slot": 2, "slot": 2, "standing": "left_out", "reason": "Taught in a course.",
        }  # fmt: skip


def test_without_a_passing_score_in_force_nothing_is_carried_and_the_equating_is_kept_alone(db, analyst):
    _first, here = pair(db, cut=None)
    said = page(analyst, here, "equating?method=tucker")
    assert "The earlier administration has no passing score in force" in said
    assert "Keep this equating for counting both together" in said
    assert keep(analyst, here).status_code == 303
    said = page(analyst, here, "equating")
    assert "Carried passing score none: for counting both together" in said
    assert "It no longer holds" not in said
    assert "carried over: " not in text(analyst.get(f"/analyst/administrations/{here}/passing-score"))
    _both, made, _drift = found(db, here)
    with db.read() as session:
        row = session.scalars(select(KeptEquating).where(KeptEquating.administration_id == here)).one()
        assert (row.raw, row.figures["cut"]) == (None, None)
        assert row.figures["table"] == [[line.x, line.y, line.se] for line in made.table]


@pytest.fixture(scope="module")
def drifted(db):
    """I-4 became known after the first administration."""
    return pair(db, rows(5, CODES, people=100), rows(6, LATER, 0.1, people=100, moved=("I-4",)))


def test_an_item_that_moved_is_flagged_left_out_and_taken_in_again(db, analyst, drifted):
    here = drifted[1]
    base = f"/analyst/administrations/{here}/analyses"
    _both, before, drift = found(db, here)
    assert [line.item.code for line in drift.flagged] == ["I-4"]
    html = analyst.get(f"{base}/drift").get_data(as_text=True)
    assert f'href="{base}/items/4"' in html
    assert "Every shared item is in the anchor." in html
    assert "A figure points to 1 item of the anchor." in page(analyst, here, "equating")
    version = drift.flagged[0].item.version_id
    assert analyst.post(f"{base}/drift/items", {"version": version, "out": "yes", "reason": ""}).status_code == 422
    assert analyst.post(f"{base}/drift/items", {"version": version, "out": "yes", "reason": "Known outside."}).status_code == 303
    both, after, again = found(db, here)
    assert (both.anchor, again.flagged) == (["I-2", "I-3", "I-5", "I-6"], [])
    # What was too easy had made this group look abler than it is.
    assert after.cut.y > before.cut.y + 0.1
    said = page(analyst, here, "drift")
    assert "Known outside." in said
    assert "(4)" in said
    assert analyst.post(f"{base}/drift/items", {"version": version, "out": "yes", "reason": "Again."}).status_code == 409
    assert analyst.post(f"{base}/drift/items", {"version": version, "out": "no", "reason": "Looked at again."}).status_code == 303
    assert found(db, here)[0].anchor == SHARED
    with db.read() as session:
        entries = session.scalars(select(AuditEntry).where(AuditEntry.object == f"administration:{here}").order_by(AuditEntry.id)).all()
    told = {entry.act: entry.facts for entry in entries if entry.act.startswith("anchor.")}
    assert set(told) == {"anchor.left_out", "anchor.taken_in"}
    assert told["anchor.left_out"]["distance"] == pytest.approx(drift.flagged[0].distance)
    assert "Known outside." not in json.dumps(told)


def test_an_item_that_is_not_shared_is_not_ruled_on(db, analyst, plain):
    url = f"/analyst/administrations/{plain[1]}/analyses/drift/items"
    assert analyst.post(url, {"version": "x", "out": "yes", "reason": "No."}).status_code == 400
    assert analyst.post(url, {"version": 10**7, "out": "yes", "reason": "No."}).status_code == 404


def test_an_approver_reads_and_neither_keeps_nor_rules(db, visit, plain):
    with db.write() as session:
        person = make.person(session, Role.APPROVER)
    approver = visit(person, Area.ANALYST)
    said = page(approver, plain[1], "equating")
    assert "An analyst keeps it." in said
    page(approver, plain[1], "drift")
    assert keep(approver, plain[1]).status_code == 403
    url = f"/analyst/administrations/{plain[1]}/analyses/drift/items"
    assert approver.post(url, {"version": 1, "out": "yes", "reason": "No."}).status_code == 403


@pytest.mark.parametrize(
    ("then", "here"),
    [
        (THEN[:1], HERE),
        (THEN, HERE[:1]),
        ([["b"] * 6] * 40, [["b"] * 8] * 40),
        ([["a"] * 6] * 40, HERE),
        (THEN[:3], HERE[:4]),
    ],
    ids=["one-then", "one-here", "all-right", "none-right", "a-handful"],
)
def test_so_little_is_said_in_words_and_never_a_fault(db, analyst, then, here):
    _first, number = pair(db, then, here)
    for method in Method:
        for smooth in ("", *(["&smooth=yes"] if method in SMOOTHED else [])):
            page(analyst, number, f"equating?method={method}{smooth}")
    assert "Recommended for these data: Identity" in page(analyst, number, "equating")
    assert "Anchor drift" in page(analyst, number, "drift")


def test_without_a_shared_item_in_the_anchor_only_methods_without_one_are_worked_out(db, analyst):
    _first, here = pair(db, codes=["J-1", "J-2", "J-3", "I-6"], here=rows(2, ["J-1", "J-2", "J-3", "I-6"], people=26), changes=[(4, [])])
    said = page(analyst, here, "equating")
    assert "0 too few" in said
    assert "Fewer than 20 % of the items are shared" in said
    assert "This method needs shared items, and none is in the anchor." in page(analyst, here, "equating?method=tucker")
    assert "corresponds to" in page(analyst, here, "equating?method=mean")
    assert "It takes at least three shared items" in page(analyst, here, "drift")
