"""The one command: JSON on standard output, 0 for success, 1 for a refusal with a sentence, 2 for a wrong usage."""

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest
from sqlalchemy import select

from testing_platform import cli, clock
from testing_platform.accounts import service as accounts
from testing_platform.accounts.models import OneTimeLink, Person
from testing_platform.accounts.rules import Area
from testing_platform.bus import open_database
from testing_platform.settings import PREFIX, Settings
from tests.stack import free_ports


@pytest.fixture
def folder(own_settings):
    return own_settings.data


@pytest.fixture
def run(command):
    return command


@pytest.fixture
def opened(own_settings, run):
    """The database behind the commands, upgraded."""
    run("db", "upgrade")
    found = open_database(own_settings)
    yield found
    found.close()


def add(run, email="sam@example.org", *roles, **more):
    words = [word for role in roles or ("proctor",) for word in ("--role", role)]
    return run("user", "add", "--name", "Sam Reed", "--email", email, *words, "--json", **more)


@pytest.mark.both
def test_on_a_fresh_folder_the_doctor_says_what_to_do_and_afterwards_that_all_is_well(run):
    before = json.loads(run("doctor", "--json", code=1).stdout)
    assert before["ok"] is False
    said = {check["check"]: check for check in before["checks"]}
    assert set(said) == {"database", "time zone", "face model", "disk", "front"}
    assert said["database"] == {"check": "database", "ok": False, "said": said["database"]["said"]}
    assert "run `testing-platform db upgrade`" in said["database"]["said"]
    assert [name for name, check in said.items() if not check["ok"]] == ["database"]
    run("db", "upgrade")
    after = json.loads(run("doctor", "--json").stdout)
    assert after["ok"] is True
    assert all(check["ok"] for check in after["checks"])


def test_the_doctor_speaks_to_people_too(run):
    found = run("doctor", code=1).stdout.splitlines()
    assert found[0].startswith("FAULT database: ")
    assert len(found) == 5


@pytest.mark.parametrize(
    ("broken", "check", "said"),
    [
        (lambda m: m.setenv(PREFIX + "ZONE", "America/Nowhere"), "time zone", "no data for America/Nowhere"),
        (lambda m: m.setattr("testing_platform.proctor.vision.MODEL_SHA256", "0" * 64), "face model", "not the file that was shipped"),
        (lambda m: m.setattr("testing_platform.proctor.vision.MODEL", Path("none.onnx")), "face model", "is missing"),
        (lambda m: m.setattr(cli, "LEAST_FREE", 2**60), "disk", "GiB free"),
        (lambda m: m.setattr("testing_platform.serve.caddy", lambda: None), "front", "caddy is missing"),
        (lambda m: m.setenv(PREFIX + "DATABASE", "sqlite:////nowhere/at/all.sqlite"), "database", "cannot be opened"),
    ],
)
def test_what_the_doctor_finds(run, opened, monkeypatch, broken, check, said):
    broken(monkeypatch)
    found = json.loads(run("doctor", "--json", code=1).stdout)
    faults = {one["check"]: one["said"] for one in found["checks"] if not one["ok"]}
    assert list(faults) == [check]
    assert said in faults[check]


def test_upgrading_twice_is_no_trouble(run):
    for _ in range(2):
        assert "up to date" in run("db", "upgrade").stdout


@pytest.mark.parametrize(
    ("roles", "area"),
    [
        (("proctor",), "proctor"),
        (("lead_proctor",), "proctor"),
        (("analyst", "approver"), "analyst"),
        (("operator",), "operator"),
        (("operator", "proctor"), "proctor"),
    ],
)
def test_a_new_member_of_staff_gets_a_link_to_set_up(run, opened, folder, roles, area):
    found = json.loads(add(run, "Sam@Example.org", *roles).stdout)
    before, _, token = found["link"].rpartition("/")
    assert before == f"http://localhost:8000/{area}/set-up"
    with opened.read() as session:
        person = session.get_one(Person, found["person"])
        assert (person.email, person.roles) == ("sam@example.org", set(roles))
        link = accounts.find_link(session, Settings(data=folder).secret, token, Area(area), clock.now())
        assert (link.person_id, link.purpose) == (person.id, "set_up")


def test_adding_a_member_of_staff_works_on_a_fresh_folder(run):
    assert json.loads(add(run).stdout)["person"] == 1


def test_an_address_that_is_known_is_refused_and_nothing_is_added(run, opened):
    add(run)
    found = add(run, "SAM@example.org", "operator", code=1)
    assert "SAM@example.org is known already" in found.stderr
    assert found.stdout == ""
    with opened.read() as session:
        assert len(session.scalars(select(Person)).all()) == 1
        assert len(session.scalars(select(OneTimeLink)).all()) == 1


def test_a_second_link_is_for_staff_alone(run, opened):
    add(run)
    found = json.loads(run("user", "link", "--email", "SAM@example.org", "--json").stdout)
    assert found["link"].startswith("http://localhost:8000/proctor/set-up/")
    assert "is no member of staff here" in run("user", "link", "--email", "nobody@example.org", code=1).stderr


@pytest.mark.parametrize(
    "words",
    [
        ["nonsense"], ["db"], ["db", "nonsense"], ["doctor", "--nonsense"], ["user", "add"], ["user", "add", "--name", "x", "--email", "x@example.org"],
        ["user", "add", "--name", "x", "--email", "x@example.org", "--role", "candidate"], ["audit", "verify", "extra"], ["demo", "--crowd", "99"],
        ["bench", "nothing"], ["bench", "live", "--database", "postgres"], ["demo", "--fresh", "--database", "postgresql://x"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_wrong_usage_is_2(run, words):
    found = run(*words, code=2)
    assert "Usage" in found.output
    assert found.stdout == "" or words == ["db"]


def test_an_unknown_setting_is_a_refusal_with_a_sentence(run, monkeypatch):
    monkeypatch.setenv(PREFIX + "PUBLIK_URL", "x")
    found = run("doctor", "--json", code=1)
    assert "unknown setting publik_url" in found.stderr
    assert found.stdout == ""


@pytest.mark.parametrize(("name", "text"), [("WEB_THREADS", "many"), ("SETTINGS", "/nowhere/settings.toml")])
def test_a_setting_that_cannot_be_read_is_a_refusal_with_a_sentence(run, monkeypatch, name, text):
    monkeypatch.setenv(PREFIX + name, text)
    found = run("doctor", code=1)
    assert isinstance(found.exception, SystemExit)
    assert name.lower() in found.stderr.lower()
    assert "Traceback" not in found.output


@pytest.mark.parametrize("words", [["audit", "verify"], ["user", "link", "--email", "x@example.org"]], ids=" ".join)
def test_before_the_tables_are_there_a_command_says_so(run, words):
    found = run(*words, code=1)
    assert isinstance(found.exception, SystemExit)
    assert "db upgrade" in found.stderr


@pytest.mark.both
def test_the_demo_opens_its_doors_on_no_installation_s_database(run, own_settings):
    add(run)
    said = run("demo", "--port", str(free_ports()), "--database", own_settings.database_url, code=1).stderr
    assert "give it one of its own" in said


def test_help_and_version_are_no_errors(run):
    assert "audit" in run("-h").stdout
    assert "version" in run("--version").stdout


def test_the_analyses_on_files_start_without_the_database_and_its_pages():
    """They are tried on any machine, and what is in memory before they work is most of what they need."""
    script = "import sys, testing_platform.cli, testing_platform.scoring.analysis.fit; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout.split()
    assert "scipy.special" in loaded
    assert not {"sqlalchemy", "flask", "scipy.stats", "testing_platform.models"} & set(loaded)
    assert {"forms", "items"} <= set(cli.main.list_commands(click.Context(cli.main)))
