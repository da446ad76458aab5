"""`testing-platform audit verify` and `audit export`: JSON on standard output, 0 when the trail holds, 1 when it does not, 2 for a wrong usage."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import delete, select, text, update

from testing_platform import clock
from testing_platform.audit import service as audit
from testing_platform.audit.models import AuditEntry
from testing_platform.bus import open_database
from tests.audit import tamper

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def run(command):
    command("db", "upgrade")
    return command


@pytest.fixture
def opened(run, own_settings):
    """The database behind the commands, with six sealed entries."""
    found = open_database(own_settings)
    with found.write() as session:
        for n in range(6):
            audit.record(session, "act", f"thing:{n}", clock.now(), n or None, said="é “ü”", list=[1, None, 2.5], deep={"b": 1, "a": True})
        session.flush()
        audit.seal(session)
    yield found
    found.close()


def verified(run, *words, code=0):
    return json.loads(run("audit", "verify", "--json", "--no-record", *words, code=code).stdout)


def test_an_empty_trail_holds(run):
    assert verified(run) == {"entries": 0, "unsealed": 0, "head": None, "anchors": [], "faults": [], "more_faults": 0}


def test_a_trail_that_is_whole_verifies_and_says_its_anchor(run, opened):
    found = verified(run)
    assert (found["entries"], found["faults"], found["head"]["number"]) == (6, [], 6)
    said = run("audit", "verify", "--no-record").stdout
    assert "6 entries read, 0 faults" in said
    assert f"anchor 6:{found['head']['digest']}" in said


@pytest.mark.both
def test_a_broken_one_names_each_fault(run, opened):
    with opened.write() as session:
        session.execute(delete(AuditEntry).where(AuditEntry.number.in_([2, 3])))
        session.execute(update(AuditEntry).where(AuditEntry.number == 5).values(act="another"))
    assert verified(run, code=1)["faults"] == [{"number": 2, "last": 3, "what": "missing"}, {"number": 5, "what": "changed"}]
    said = run("audit", "verify", "--no-record", code=1).stdout
    assert "entries 2 to 3 are missing" in said
    assert "entry 5 was changed" in said
    assert "4 entries read, 2 faults" in said


def test_an_anchor_proves_the_end(run, opened):
    head = verified(run)["head"]
    anchor = f"{head['number']}:{head['digest']}"
    assert verified(run, "--anchor", anchor.upper())["faults"] == []
    with opened.write() as session:
        session.execute(delete(AuditEntry).where(AuditEntry.number > 4))
    assert verified(run)["faults"] == []
    assert verified(run, "--anchor", anchor, code=1)["faults"] == [{"number": 5, "last": 6, "what": "cut-off"}]
    assert "entries 5 to 6" in run("audit", "verify", "--no-record", "--anchor", anchor, code=1).stdout


def test_an_anchor_shows_a_trail_that_was_written_anew(run, opened):
    head = verified(run)["head"]
    with opened.write() as session:
        tamper.write_anew(session, 2)
    assert verified(run)["faults"] == []
    assert verified(run, "--anchor", f"{head['number']}:{head['digest']}", code=1)["faults"] == [{"number": 6, "what": "anchor"}]


@pytest.mark.both
def test_a_check_is_an_entry_unless_it_must_leave_everything_as_it_is(run, opened):
    verified(run)
    with opened.read() as session:
        assert session.scalars(select(AuditEntry).where(AuditEntry.act == "trail.verified")).all() == []
    run("audit", "verify")
    with opened.read() as session:
        found = session.scalars(select(AuditEntry).where(AuditEntry.act == "trail.verified")).one()
    assert (found.actor_id, found.facts["way"], found.facts["entries"], found.facts["faults"]) == (None, "command line", 6, 0)


def test_a_check_by_command_is_an_anchor_for_the_next(run, opened):
    run("audit", "verify")
    with opened.write() as session:
        audit.seal(session)
        tamper.write_anew(session, 3)
    assert verified(run, code=1)["faults"] == [{"number": 6, "what": "anchor"}]


@pytest.mark.parametrize("anchor", ["6", "6:abc", f"0:{'a' * 64}", "x"])
def test_an_anchor_that_is_none_is_a_wrong_usage(run, anchor):
    assert "an anchor is a number" in run("audit", "verify", "--anchor", anchor, code=2).output


# ---------------------------------------------------------------- anyone can verify it without us


def verifier(tmp_path):
    """The program that docs/trail.md prints."""
    path = tmp_path / "verifier.py"
    path.write_text(re.search(r"```python\n(.*?)```", (ROOT / "docs" / "trail.md").read_text(), re.S)[1])

    def call(*words):
        found = subprocess.run([sys.executable, "-I", str(path), *words], capture_output=True, text=True)
        return found.returncode, (found.stdout + found.stderr).strip()

    return call


@pytest.mark.both
def test_the_exported_trail_is_verified_by_the_printed_program(run, opened, tmp_path):
    check, out = verifier(tmp_path), tmp_path / "trail.jsonl"
    assert "6 entries" in run("audit", "export", str(out)).stderr
    head = verified(run)["head"]
    assert check(str(out)) == (0, "6 entries hold")
    assert check(str(out), f"6:{head['digest']}") == (0, "6 entries hold")
    assert check(str(out), f"6:{'0' * 64}") == (1, "the anchor is not in this trail")


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE audit_entries SET facts = '{}' WHERE number = 3",
        "UPDATE audit_entries SET actor_id = 9 WHERE number = 3",
        "UPDATE audit_entries SET at = '2026-01-01 00:00:00.000000' WHERE number = 3",
        "DELETE FROM audit_entries WHERE number = 3",
    ],
)
def test_the_printed_program_finds_what_was_done(run, opened, tmp_path, sql):
    with opened.write() as session:
        session.execute(text(sql))
    out = tmp_path / "trail.jsonl"
    run("audit", "export", str(out))
    code, said = verifier(tmp_path)(str(out))
    assert (code, said) == (1, "entry 3 does not follow entry 2" if not sql.startswith("DELETE") else "entry 4 does not follow entry 2")


def test_the_export_goes_to_standard_output_and_begins_where_asked(run, opened):
    lines = [json.loads(line) for line in run("audit", "export", "--from", "5").stdout.splitlines()]
    assert [line["number"] for line in lines] == [5, 6]
    assert set(lines[0]) == {"number", "previous", "at", "actor", "act", "object", "facts", "digest"}
