"""The analyses on pages, asked as an analyst."""

import io
import re
from decimal import Decimal

import openpyxl
import pypdf
import pytest
from sqlalchemy import select

from testing_platform import clock
from testing_platform.accounts.rules import Area, Role
from testing_platform.audit.models import AuditEntry
from testing_platform.examinations.models import Administration
from testing_platform.itembank import form_queries, statistics
from testing_platform.itembank.models import ItemStatistics, ItemVersion
from testing_platform.scoring import analyses, service
from tests import make
from tests.scoring.answered import ANSWERS, KEY, command, read, scored


@pytest.fixture(scope="module")
def db(module_db):
    """Not emptied: each test reads an administration of its own, and what it writes is nobody else's."""
    return module_db


@pytest.fixture(scope="module")
def plain(db):
    return scored(db, ANSWERS)


@pytest.fixture(scope="module")
def changed(db):
    """Item 2 is dropped, item 4 right for everybody, and of item 5 both a and b are right."""
    return scored(db, ANSWERS, (2, []), (4, ["*"]), (5, ["a", "b"]))


@pytest.fixture
def analyst(db, visit):
    with db.write() as session:
        person = make.person(session, Role.ANALYST)
    return visit(person, Area.ANALYST)


def page(visitor, number, part="", status=200):
    reply = visitor.get(f"/analyst/administrations/{number}/analyses{part}")
    assert reply.status_code == status
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", reply.get_data(as_text=True)))


def test_the_pages_say_what_the_figures_are(db, analyst, plain):
    figures = read(db, plain)
    said = page(analyst, plain)
    assert f"Reliability, KR-20 {figures.test.kr20:.3f}" in said
    assert f"Standard error of measurement {figures.test.sem:.2f}" in said
    assert "reference line 5" in said
    assert "Feldt 1965" in said
    assert "Few candidates" not in said
    said = page(analyst, plain, "/consistency")
    found = analyses.at_every_cut(figures.answered)[4].found.livingston_lewis
    assert f"Same result again, at the reference line 5 {found.consistency * 100:.1f}" in said
    said = page(analyst, plain, "/items/1")
    line = figures.lines[0]
    assert f"p, share right {line.figures.p:.3f}" in said
    assert "21.0" in said
    assert "Who chose what" in said
    assert "Open the analyses" in analyst.get(f"/analyst/administrations/{plain}/scoring").get_data(as_text=True)
    page(analyst, plain, "/items/7", 404)


def test_the_items_are_sorted_as_asked(db, analyst, plain):
    lines = read(db, plain).lines

    def order(query):
        text = analyst.get(f"/analyst/administrations/{plain}/analyses/items{query}").get_data(as_text=True)
        table = text.split('items-table">')[1].split("</table>")[0]
        return [int(slot) for slot in re.findall(r"/items/(\d+)\"", table)], text

    slots, text = order("?sort=p&down=yes")
    assert slots == [line.column.slot for line in sorted(lines, key=lambda line: (line.figures.p, line.column.slot), reverse=True)]
    assert 'aria-sort="descending"' in text
    assert order("?sort=no-such-thing")[0] == [1, 2, 3, 4, 5, 6]


def test_what_is_dropped_says_so_and_is_no_item_to_look_at(db, analyst, changed):
    said = page(analyst, changed, "/items")
    assert "dropped, does not count" in said
    assert "right for everybody" in said
    assert not any(line.look for line in read(db, changed).lines if line.column.standing != "counts")


def test_few_candidates_are_said_and_nobody_scored_leads_back(db, analyst):
    number = scored(db, ANSWERS[:6])
    assert "Few candidates" in page(analyst, number)
    assert "It is worth fitting from 200 candidates on; there are 6." in page(analyst, number, "/calibration")
    with db.write() as session:
        empty = make.administration(session)
    assert "Nobody is scored" in page(analyst, empty.id, "/items")
    reply = analyst.post(f"/analyst/administrations/{empty.id}/analyses/items/statistics")
    assert reply.status_code == 409


def test_a_reliability_that_is_none_is_said_in_words(db, analyst):
    number = scored(db, [list("bbbbbb"), list("bbbbbb"), list("bbbbbb")])
    assert "Nothing can be said of a parallel test" in page(analyst, number, "/consistency")
    assert "Reliability, KR-20 –" in page(analyst, number)
    page(analyst, number, "/items")
    page(analyst, number, "/items/1")
    with db.write() as session:
        bulletin = session.get_one(Administration, number).examination.bulletin
        bulletin.content = {**bulletin.content, "policy": {"analysis": {"calibrate_from": 1}}}
    assert "The model could not be fitted" in page(analyst, number, "/calibration")


def test_thresholds_are_the_bulletins_where_it_names_them(db, analyst):
    number = scored(db, ANSWERS)
    with db.write() as session:
        bulletin = session.get_one(Administration, number).examination.bulletin
        policy = {"analysis": {"weak": 0.99, "rapid_share": 0.9, "calibrate_from": 30, "source": "the department’s own"}}
        bulletin.content = {**bulletin.content, "policy": policy}
    figures = read(db, number)
    assert all("weak" in line.figures.flags for line in figures.lines)
    assert figures.speed.items[0].threshold == 10
    for model in ("1pl", "2pl", "no-such-model"):
        assert "Calibrated items 6" in page(analyst, number, f"/calibration?model={model}")
    said = page(analyst, number, "/items?show=flagged")
    assert "0.99 the department’s own" in said
    assert "Weak" in said


def test_looking_at_keys_and_putting_figures_into_the_bank_are_in_the_trail(db, analyst, plain):
    page(analyst, plain, "/items")
    page(analyst, plain, "/items/3")
    url = f"/analyst/administrations/{plain}/analyses/items/statistics"
    assert analyst.post(url).headers["Location"] == f"/analyst/administrations/{plain}/analyses/items"
    assert "The figures of 6 items are in the item bank." in page(analyst, plain, "/items")
    analyst.post(url)
    assert "Nothing was written twice." in page(analyst, plain, "/items")
    with db.read() as session:
        acts = set(session.scalars(select(AuditEntry.act).where(AuditEntry.object == f"administration:{plain}")))
    assert {"analysis.items_seen", "analysis.item_seen", "items.statistics_kept"} <= acts


def test_a_calibration_goes_into_the_bank_beside_its_figures_and_ends_with_them(db, analyst):
    number = scored(db, ANSWERS)
    with db.write() as session:
        bulletin = session.get_one(Administration, number).examination.bulletin
        bulletin.content = {**bulletin.content, "policy": {"analysis": {"calibrate_from": 30}}}
    base = f"/analyst/administrations/{number}/analyses"
    assert analyst.post(f"{base}/calibration/statistics", data={"model": "no-such"}).status_code == 400
    assert "Put these parameters into the item bank" in page(analyst, number, "/calibration?model=1pl")
    assert analyst.post(f"{base}/calibration/statistics", data={"model": "1pl"}).headers["Location"] == f"{base}/calibration"
    # The same figures again neither write a row nor take the calibration away.
    analyst.post(f"{base}/items/statistics")
    with db.read() as session:
        rows = session.scalars(select(ItemStatistics).where(ItemStatistics.administration_id == number)).all()
        kept = select(AuditEntry.facts).where(AuditEntry.act == "items.statistics_kept", AuditEntry.object == f"administration:{number}")
        facts = session.scalars(kept.order_by(AuditEntry.id)).all()
        one = session.get_one(Administration, number)
        found = analyses.calibrated(analyses.answered(session, one, service.newest_run(session, one)), "1pl", 3)
        known = form_queries.known(session, [rows[0].version_id], 1)[rows[0].version_id]
        item_id = session.get_one(ItemVersion, rows[0].version_id).item_id
    assert len(rows) == 6
    assert [(fact["new"], fact.get("calibrated")) for fact in facts] == [(6, 6), (0, None)]
    first = found.calibration.items[0]
    assert rows[0].irt == {
        "model": "1pl",
        "a": round(first.a, 4),
        "b": round(first.b, 4),
        "se_a": round(first.se_a, 4),
        "se_b": round(first.se_b, 4),
    }
    assert (known.irt.a, known.irt.b) == (rows[0].irt["a"], rows[0].irt["b"])
    assert "on the scale of that test’s candidates" in analyst.get(f"/analyst/bank/items/{item_id}").text
    # Other figures are of other answers: what was fitted to the old ones is not theirs.
    with db.write() as session:
        statistics.keep(session, number, [statistics.Shown(rows[0].version_id, 5, Decimal("0.5"), None, {}, None)], clock.now())
        assert form_queries.known(session, [rows[0].version_id], 1)[rows[0].version_id].irt is None


def test_everything_is_in_one_spreadsheet_with_the_names_of_the_commands(db, analyst, plain, tmp_path):
    url = f"/analyst/administrations/{plain}/analyses/report"
    first, second = (analyst.post(url, {"format": "xlsx"}) for _ in range(2))
    assert first.data == second.data
    book = openpyxl.load_workbook(io.BytesIO(first.data))
    assert book.sheetnames == ["about", "test", "time", "scores", "consistency", "items", "options", "fifths", "calibration", "thresholds"]
    document = command(tmp_path, "analyze", range(1, 7), KEY)
    held = {row[0]: row[1] for row in book["test"].iter_rows(min_row=2, values_only=True)}
    assert held["kr20"] == pytest.approx(document["test"]["kr20"], abs=1e-9)
    heads, *rows = book["items"].iter_rows(values_only=True)
    for row, item in zip(rows, document["items"], strict=True):
        found = dict(zip(heads, row, strict=True))
        assert found["r_rest"] == pytest.approx(item["r_rest"], abs=1e-9)
        assert (found["flags"] or "") == " ".join(item["flags"])
    assert book["fifths"].max_row > 6 * 4
    assert analyst.post(url, {"format": "exe"}).status_code == 400
    with db.read() as session:
        entry = session.scalars(select(AuditEntry).where(AuditEntry.act == "analysis.exported").order_by(AuditEntry.id.desc())).first()
    assert entry.facts["format"] == "xlsx"


def test_the_pdf_is_tagged_and_says_what_its_pictures_show(db, analyst, plain):
    reply = analyst.post(f"/analyst/administrations/{plain}/analyses/report", {"format": "pdf"})
    assert reply.status_code == 200
    found = pypdf.PdfReader(io.BytesIO(reply.data))
    root = found.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    assert root["/Lang"] == "en-US"
    assert b'pdfuaid:part="1"' in root["/Metadata"].get_object().get_data()
    said = " ".join(sheet.extract_text() for sheet in found.pages)
    assert "Decision consistency" in said
    assert f"{read(db, plain).test.kr20:.3f}" in said
    assert b"Bars: candidates at each raw score." in reply.data or _alternatives(root["/StructTreeRoot"], "Bars: candidates")


def _alternatives(node, words):
    """Whether a picture in the tree of tags is described so."""
    node = node.get_object()
    if words in str(node.get("/Alt", "")):
        return True
    children = node.get("/K", [])
    return any(
        _alternatives(child, words)
        for child in (children if isinstance(children, list) else [children])
        if hasattr(child.get_object(), "get")
    )
