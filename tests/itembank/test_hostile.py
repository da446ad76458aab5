"""Files that mean harm, brought through the bank's pages: a clear refusal, and nothing is kept."""

import io
import json
import zipfile

import pytest
from sqlalchemy import func, select

from testing_platform.accounts.rules import Area, Role
from testing_platform.itembank import service, views
from testing_platform.itembank.assembly import blueprint as blueprints
from testing_platform.itembank.form_models import BlueprintVersion
from testing_platform.itembank.models import Item, ItemVersion, Picture
from tests import make
from tests.itembank.assembly.made import document
from tests.make import NOON

ALERT = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9">{}</svg>'


@pytest.fixture
def bank_id(db):
    with db.write() as session:
        return service.open_bank(session, "Clerks", NOON, [("CST", "Customer service")]).id


@pytest.fixture
def analyst(db, visit):
    with db.write() as session:
        person = make.person(session, Role.ANALYST)
    return visit(person, Area.ANALYST)


def sent(analyst, path, name, data, field="package", **more):
    return analyst.post(path, {field: (io.BytesIO(data), name), **more}, content_type="multipart/form-data")


def zipped(*entries):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in entries:
            file.writestr(name, data)
    return out.getvalue()


BILLION = '<!DOCTYPE q [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]><quiz>&b;</quiz>'


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("bomb.zip", zipped(("a.xml", b"0" * 30_000_000))),
        ("slip.zip", zipped(("../../etc/a.xml", "<a/>"))),
        ("many.zip", zipped(*((f"{n}.txt", "") for n in range(10_001)))),
        ("laughs.xml", BILLION.encode()),
        ("broken.zip", zipped(("a.xml", "<a/>"))[:-8]),
        ("nothing.xml", b""),
        ("strange.bin", bytes(range(256))),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_hostile_package_is_refused_in_words_and_nothing_is_kept(analyst, db, bank_id, name, data):
    brought = sent(analyst, f"/analyst/bank/{bank_id}/import", name, data)
    assert brought.status_code == 303
    for reply in (analyst.get(brought.location), analyst.post(brought.location)):
        assert reply.status_code == 422
        assert name in reply.get_data(as_text=True)
        assert "Nothing is taken from this file" in reply.get_data(as_text=True)
    with db.read() as session:
        assert session.scalar(select(func.count(Item.id))) == 0


def test_a_package_that_is_too_large_is_not_even_read(app, analyst, bank_id, monkeypatch):
    monkeypatch.setattr(views.bring, "takes_bytes", 2 * 2**20)
    reply = sent(analyst, f"/analyst/bank/{bank_id}/import", "large.zip", b"0" * (2 * 2**20 + 1))
    assert reply.status_code == 413
    page = reply.get_data(as_text=True)
    assert "That is too large" in page
    assert "Nothing was taken. Go back and choose a file of less than 2 MB." in page
    assert not list(app.settings.data.glob("intake/*"))


@pytest.mark.parametrize(
    "data",
    [
        ALERT.format("<script>alert(1)</script>").encode(),
        ALERT.format('<circle r="3" onload="alert(1)"/>').encode(),
        ALERT.format('<a href="javascript:alert(1)"><text>x</text></a>').encode(),
        ALERT.format('<image href="https://example.org/x.png"/>').encode(),
        ALERT.format("<foreignObject><p>x</p></foreignObject>").encode(),
        b'<!DOCTYPE svg [<!ENTITY a "x">]>' + ALERT.format("&a;").encode(),
        b"<html><script>alert(1)</script></html>",
        b"GIF89a",
        b"",
    ],
)
def test_a_picture_that_could_act_is_refused(analyst, db, bank_id, data):
    reply = sent(analyst, f"/analyst/bank/{bank_id}/pictures", "x.svg", data, "picture", alt="A sign")
    assert reply.status_code in (400, 422)
    with db.read() as session:
        assert session.scalar(select(func.count(Picture.name))) == 0


HANDLERS = (
    "<script>alert(1)</script>",
    '<img src="x" onerror="alert(1)" alt="x">',
    '<math onclick="alert(1)"><mi href="javascript:alert(1)">x</mi><maction actiontype="statusline">y</maction></math>',
    '<math><annotation-xml encoding="text/html"><img src="x" onerror="alert(1)"></annotation-xml></math>',
    '<a href="javascript:alert(1)">x</a><iframe srcdoc="x"></iframe><p style="position:fixed">y</p>',
    '<svg onload="alert(1)"></svg><form action="/analyst/"><button>Sign</button></form>',
)


@pytest.mark.parametrize("html", HANDLERS)
def test_what_is_typed_cannot_act(analyst, db, bank_id, html):
    typed = {
        "kind": "single",
        "key": ["a", "b"],
        "option-a": html + "One",
        "option-b": "Two",
        "correct": "a",
        "stem": f"<p>Which?</p>{html}",
    }
    assert analyst.post(f"/analyst/bank/{bank_id}/new", typed).status_code == 303
    with db.read() as session:
        version = session.scalars(select(ItemVersion)).one()
    shown = analyst.post(f"/analyst/bank/{bank_id}/preview", typed)
    for kept in (version.stem, json.dumps(version.options), shown.get_json()["page"].partition("<main")[2]):
        for word in ("<script", "alert(", " on", "javascript:", "<iframe", "<form action", "style=", "<svg onload"):
            assert word not in kept.lower().replace(" one", "").replace(" only", ""), kept


def test_a_very_long_code_or_text_neither_breaks_a_page_nor_is_cut_in_silence(analyst, db, bank_id):
    rows = f"identifier,stem,a,b,key\n{'x' * 100_000},Which?,One,Two,a\n".encode()
    brought = sent(analyst, f"/analyst/bank/{bank_id}/import", "long.csv", rows)
    assert analyst.get(brought.location).status_code in (200, 422)
    options = ",".join(f"option {n}" for n in range(1, 1001))
    rows = f"identifier,stem,{options},key\nMany,Which?,{','.join(f'Text {n}' for n in range(1000))},1\n".encode()
    brought = sent(analyst, f"/analyst/bank/{bank_id}/import", "many.csv", rows)
    assert analyst.get(brought.location).status_code in (200, 422)
    assert analyst.post(brought.location).status_code in (303, 422)
    with db.read() as session:
        ids = list(session.scalars(select(Item.id)))
    for number in ids:
        assert analyst.get(f"/analyst/bank/items/{number}").status_code == 200
        assert analyst.get(f"/analyst/bank/items/{number}/edit").status_code == 200
        assert analyst.get(f"/analyst/bank/items/{number}/preview").status_code == 200


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 20_000,
        "[" + ".".join("a" for _ in range(20_000)) + "]",
        "x = " + "{a = " * 5_000,
        "mean = " + "9" * 10_000,
        "name = 1979-05-27",
        "\x00\x01",
        "items = 1e999",
        "a = nan",
    ],
    ids=["lists", "tables", "inline", "digits", "date", "bytes", "infinite", "nan"],
)
def test_a_blueprint_that_means_harm_is_refused_in_words(analyst, db, bank_id, text):
    reply = analyst.post("/analyst/blueprints/new", {"bank": bank_id, "text": text})
    assert reply.status_code == 422
    assert "The blueprint cannot be read" in reply.get_data(as_text=True)
    with db.read() as session:
        assert session.scalar(select(func.count(BlueprintVersion.id))) == 0


@pytest.mark.parametrize("number", [10**9, -1, 1e999, 10**400])
def test_numbers_out_of_range_are_named(analyst, bank_id, number):
    text = blueprints.written(document()).replace("items = 12", f"items = {number}" if number != float("inf") else "items = inf")
    reply = analyst.post("/analyst/blueprints/new", {"bank": bank_id, "text": text})
    assert reply.status_code == 422
