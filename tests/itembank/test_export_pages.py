"""The analyst's page: what stays behind is said before the file is handed out, and the file is a line in the trail."""

import hashlib
import sys
from datetime import timedelta

import pytest
from sqlalchemy import select

from testing_platform.accounts.rules import Area, Role
from testing_platform.audit.models import AuditEntry
from testing_platform.itembank import service
from tests import make
from tests.itembank.assembly.stored import forms_bank
from tests.itembank.exchange.made import all_of
from tests.make import NOON


@pytest.fixture
def bank(db):
    """Its number, and that of a form in it."""
    with db.write() as session:
        found = forms_bank(session)
        form = service.compose_form(session, found, "A", ["I-07", "I-03"], timedelta(minutes=30), NOON)
        other = service.open_bank(session, "Another", NOON, [("X", "Nothing yet")])
        return found.id, form.id, other.id


@pytest.fixture
def analyst(db, visit):
    with db.write() as session:
        person = make.person(session, Role.ANALYST)
    return visit(person, Area.ANALYST)


def lines(db):
    with db.read() as session:
        found = session.scalars(select(AuditEntry).where(AuditEntry.act == "items.exported"))
        return [(entry.object, entry.actor_id is not None, entry.facts) for entry in found]


def text(reply):
    assert reply.status_code == 200, reply.get_data(as_text=True)
    return " ".join(reply.get_data(as_text=True).split())


def test_what_stays_behind_is_said_once_with_all_its_items_and_writes_nothing(db, analyst, bank):
    page = text(analyst.get(f"/analyst/bank/{bank[0]}/export?what=&format=aiken"))
    assert "40 items can be written." in page
    assert page.count("its rationale is left behind") == 1
    assert "I-00, I-01" in page
    assert "and 28 more" in page
    assert "Nothing is left behind." in text(analyst.get(f"/analyst/bank/{bank[0]}/export?what=&format=qti3"))
    assert lines(db) == []


def test_the_file_is_handed_out_with_its_line(db, analyst, bank, tmp_path):
    number, form, _ = bank
    asked = [("", "qti3", f"bank:{number}", 40, ".zip"), (f"form:{form}", "gift", f"form:{form}", 2, ".gift")]
    for what, format, of, count, suffix in asked:
        reply = analyst.post(f"/analyst/bank/{number}/export", {"what": what, "format": format})
        assert reply.status_code == 200
        assert reply.headers["Content-Disposition"].endswith(f'-{format}{suffix}"')
        assert reply.headers["Cache-Control"] == "no-store"
        path = tmp_path / f"x{suffix}"
        path.write_bytes(reply.data)
        assert len(all_of(path)) == count
        digest = hashlib.sha256(reply.data).hexdigest()
        assert lines(db)[-1] == (of, True, {"format": format, "items": count, "sha256": digest, "with_key": True})
    assert len(lines(db)) == 2


def test_paper_has_its_key_when_that_is_ticked(analyst, bank):
    asked = {"what": f"form:{bank[1]}", "format": "html"}
    assert b"Because." not in analyst.post(f"/analyst/bank/{bank[0]}/export", asked).data
    assert b"Because." in analyst.post(f"/analyst/bank/{bank[0]}/export", {**asked, "key": "yes"}).data


def test_what_cannot_be_written_is_said_and_leaves_no_line(db, analyst, bank, monkeypatch):
    number, form, empty = bank
    assert "There is no item to write" in text(analyst.get(f"/analyst/bank/{empty}/export?what=area:X&format=csv"))
    monkeypatch.setitem(sys.modules, "weasyprint", None)
    refused = [
        (empty, {"what": "", "format": "csv"}, 409),
        (empty, {"what": f"form:{form}", "format": "csv"}, 404),
        (number, {"what": "form:x", "format": "csv"}, 404),
        (number, {"what": "", "format": "word"}, 400),
        (number, {"what": "", "format": "pdf"}, 501),
    ]
    for of, asked, status in refused:
        assert analyst.post(f"/analyst/bank/{of}/export", asked).status_code == status, asked
    assert lines(db) == []
