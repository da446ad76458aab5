"""The commands on a bank of their own, and the worker that finishes what a page could not wait for."""

import json
import time
from datetime import timedelta

import pytest
from sqlalchemy import select

from testing_platform import worker
from testing_platform.bus import open_database
from testing_platform.itembank import form_jobs, forms
from testing_platform.itembank.form_models import Assembly
from testing_platform.itembank.models import Form
from tests import make
from tests.itembank.assembly import made
from tests.itembank.assembly.stored import forms_bank

TOML = """
name = "T"
title = "A test"
[expected]
seconds = 50
[expected.shares]
easy = 0.8
medium = 0.7
hard = 0.6
[difficulty]
mean = 0.7
within = 0.05
[[section]]
name = "S"
items = 12
minutes = 30
"""
CELLS = "".join(f'[[section.cell]]\narea = "{area}"\nmin = 3\nmax = 5\n' for area in made.AREAS)


@pytest.fixture
def blueprint(tmp_path):
    path = tmp_path / "t.toml"
    path.write_text(TOML + CELLS)
    return str(path)


@pytest.fixture
def opened(own_settings, command):
    command("db", "upgrade")
    found = open_database(own_settings)
    with found.write() as session:
        forms_bank(session)
    yield found
    found.close()


def assemble(command, blueprint, *words, code=0):
    return command("forms", "assemble", blueprint, "--bank", "Bank of forms", *words, code=code)


def test_forms_are_assembled_kept_and_reported(command, opened, blueprint):
    said = json.loads(assemble(command, blueprint, "--forms", "3", "--seed", "4", "--json").stdout)
    assert (said["state"], said["blueprint"]["version"], said["seed"], [form["name"] for form in said["made"]]) == (
        "met",
        1,
        4,
        ["T-A", "T-B", "T-C"],
    )
    assert all(line["met"] for line in said["lines"])
    assert {"kind", "got", "least", "most", "form", "section", "at", "met"} == set(said["lines"][0])
    again = json.loads(assemble(command, blueprint, "--forms", "3", "--seed", "4", "--json").stdout)
    assert (again["forms"], again["pool"]) == (said["forms"], said["pool"])
    with opened.read() as session:
        assert [(form.name, form.number) for form in session.scalars(select(Form).order_by(Form.id))] == [
            (f"T-{letter}", number) for number in (1, 2) for letter in "ABC"
        ]


def test_what_is_short_is_told_and_is_no_success(command, opened, blueprint):
    found = assemble(command, blueprint, "--forms", "4", "--seed", "4", code=1)
    assert "short, proved" in found.stdout
    assert found.stdout.count("more needed") >= 1
    said = json.loads(assemble(command, blueprint, "--forms", "4", "--seed", "4", "--json", code=1).stdout)
    assert sum(row["missing"] for row in said["shortages"]) == 8


def test_a_bank_or_file_that_is_not_there_is_a_refusal(command, opened, blueprint, tmp_path):
    found = command("forms", "assemble", blueprint, "--bank", "No bank", "--forms", "1", "--seed", "1", code=1)
    assert "Bank of forms" in found.stderr
    command("forms", "assemble", str(tmp_path / "none.toml"), "--bank", "Bank of forms", "--forms", "1", "--seed", "1", code=1)
    (tmp_path / "bad.toml").write_text(TOML + CELLS.replace("min = 3", "mni = 3"))
    found = assemble(command, str(tmp_path / "bad.toml"), "--forms", "1", "--seed", "1", code=1)
    assert "section[1].cell[1].mni" in found.stderr
    assemble(command, blueprint, "--forms", "21", "--seed", "1", code=2)


def test_a_pool_is_frozen_and_drawn_from(command, opened, blueprint):
    words = ("freeze", blueprint, "--bank", "Bank of forms", "--cap", "0.5", "--seed", "2", "--json")
    pool = json.loads(command("forms", *words).stdout)
    drawn = [json.loads(command("forms", "draw", str(pool["pool"]), "--seed", "9", "--json").stdout) for _ in range(2)]
    assert drawn[0] == drawn[1]
    assert len(drawn[0]["items"]) == 12
    command("forms", "draw", "99", "--seed", "9", code=1)


def test_the_worker_searches_on_and_writes_down_what_came_of_it(app, db, monkeypatch):
    monkeypatch.setattr(form_jobs, "SEARCHER", form_jobs.Searcher())
    document = made.document(reliability={"least": 0.97}, expected={"shares": {"easy": 0.8, "hard": 0.6}})
    with db.write() as session:
        bank = forms_bank(session)
        asked = forms.ask(session, forms.keep_blueprint(session, bank, document, make.NOON), 1, 5, make.NOON, seconds=20)
        assert not forms.try_now(session, asked, make.NOON.date(), make.NOON)
    until = time.monotonic() + 120
    state = ""
    while state not in ("unmet", "met") and time.monotonic() < until:
        worker.once(app)
        with db.read() as session:
            state = session.scalars(select(Assembly.state)).one()
        assert state != "asked"
        time.sleep(0.2)
    assert state == "unmet"
    with db.read() as session:
        found = session.scalars(select(Assembly)).one()
        assert [line["kind"] for line in found.result["lines"] if not line["met"]] == ["reliability"]
        assert not form_jobs.due(session)


def test_a_search_that_was_lost_with_its_worker_is_taken_up_again(db, session):
    found = forms.ask(session, forms.keep_blueprint(session, forms_bank(session), made.document(), make.NOON), 1, 5, make.NOON, seconds=5)
    found.state, found.began_at = "running", make.NOON
    session.flush()
    assert form_jobs._next(session, make.NOON + form_jobs.PATIENCE) is None
    assert form_jobs._next(session, make.NOON + form_jobs.PATIENCE + timedelta(seconds=6)) is found
