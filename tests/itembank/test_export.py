"""The bank's way out: everything that it holds comes back the same, and each file leaves a line in the trail."""

import hashlib
import json
import stat
from datetime import timedelta

import pytest
from sqlalchemy import select

from testing_platform import clock
from testing_platform.audit.models import AuditEntry
from testing_platform.bus import open_database
from testing_platform.demo import setup
from testing_platform.itembank import export, intake, service
from testing_platform.itembank.exchange.read import read
from testing_platform.itembank.form_models import FormPlan
from testing_platform.itembank.models import Bank, Form, Item, ItemVersion
from testing_platform.itembank.rules import State
from tests.itembank.assembly.stored import forms_bank
from tests.make import NOON


def content(session, bank):
    """What the bank holds of each item, by its code."""
    chosen = select(ItemVersion).join(ItemVersion.item).where(Item.bank_id == bank.id, ItemVersion.newest)
    return {
        version.item.code: (
            version.digest,
            version.item.area,
            version.item.level,
            version.difficulty,
            sorted(one.code for one in version.item.statements),
            [tag.tag for tag in version.item.tags],
            version.item.security,
            version.item.calculator,
        )
        for version in session.scalars(chosen)
    }


def test_the_whole_demo_bank_goes_out_and_is_the_same_in_another(session, tmp_path):
    bank = setup.fill_bank(session, NOON)
    held = content(session, bank)
    for format in ("qti3", "qti21"):
        written = export.of_bank(session, bank, format)
        path = tmp_path / f"{format}.zip"
        path.write_bytes(written.export.data)
        assert written.export.written == len(held) >= 7 * 22
        assert not [each for each in written.export.left if each.whole]
        again = intake.take_in(session, bank, read(path, strict=True), NOON, dry_run=True)
        assert {one.fate for one in again} == {intake.Fate.HERE}, "by content, the same"
    other = service.open_bank(session, "Another", NOON, [(area["code"], area["title"]) for area in bank.areas])
    service.state_job(session, other, setup.job_statements())
    taken = intake.take_in(session, other, read(path, strict=True), NOON)
    assert {one.fate for one in taken} == {intake.Fate.NEW}
    assert content(session, other) == held


def test_the_same_bank_is_the_same_file(session):
    bank = forms_bank(session)
    assert export.of_bank(session, bank, "qti3").sha256 == export.of_bank(session, bank, "qti3").sha256


def test_one_area_goes_out_alone_and_an_empty_one_is_refused(session):
    bank = forms_bank(session)
    areas = {item.area for item in session.scalars(select(Item))}
    drafts = [draft for area in areas for draft in export.bank_drafts(session, bank, area)[0]]
    assert len(drafts) == len(content(session, bank))
    with pytest.raises(export.NothingToExport):
        export.of_bank(session, bank, "csv", area="NOWHERE")


def test_what_is_gone_and_what_is_in_another_language_stays_here_and_is_named(session):
    bank = forms_bank(session)
    versions = {version.item.code: version for version in session.scalars(select(ItemVersion))}
    versions["I-00"].state = State.RETIRED
    spanish = service.content_of(versions["I-01"])
    service.write_variant(session, versions["I-01"], spanish.__class__(**{**spanish.__dict__, "language": "es"}), None, NOON)
    session.flush()
    written = export.of_bank(session, bank, "qti3")
    assert written.export.written == len(versions) - 1
    assert [(each.identifier, each.what, each.whole) for each in written.export.left] == [
        ("I-00", "is retired", True),
        ("I-01", "its version in another language (es) stays here", False),
    ]


def test_a_form_goes_out_in_its_order_with_its_sections(session):
    bank = forms_bank(session)
    form = service.compose_form(session, bank, "A", ["I-07", "I-03", "I-05"], timedelta(minutes=90), NOON)
    whole = export.outline_of(session, form)
    assert [draft.identifier for draft in whole.drafts] == ["I-07", "I-03", "I-05"]
    assert (whole.title, whole.time_limit, len(whole.sections)) == ("A 1", timedelta(minutes=90), 1)
    sections = [
        {"name": "P", "title": "Phone", "minutes": 20, "first": 1, "last": 2},
        {"name": "C", "title": "Counter", "minutes": None, "first": 3, "last": 3},
    ]
    session.add(FormPlan(form_id=form.id, sections=sections, shuffle_options=True))
    session.flush()
    planned = export.outline_of(session, form)
    assert [(part.title, part.time_limit, [draft.identifier for draft in part.drafts]) for part in planned.sections] == [
        ("Phone", timedelta(minutes=20), ["I-07", "I-03"]),
        ("Counter", None, ["I-05"]),
    ]
    assert all(draft.shuffle for draft in planned.drafts)
    assert export.of_form(session, form, "qti21").export.written == 3


# The command -------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def filled(command, own_settings):
    """A bank with a form, behind the commands."""
    command("db", "upgrade")
    db = open_database(own_settings)
    with db.write() as session:
        bank = forms_bank(session, "Bank")
        for number in range(2):
            service.compose_form(session, bank, "A", [f"I-{at + number:02d}" for at in range(12)], timedelta(minutes=60), clock.now())
    yield db
    db.close()


def trail(db):
    with db.read() as session:
        return [(entry.object, entry.facts) for entry in session.scalars(select(AuditEntry).where(AuditEntry.act == "items.exported"))]


def test_a_bank_is_written_for_this_user_alone_and_the_trail_says_so(command, filled, tmp_path):
    wanted = []
    with filled.read() as session:
        bank = session.scalars(select(Bank)).one()
    for format, ending in {"qti3": "zip", "moodle": "xml", "gift": "gift", "aiken": "txt", "csv": "csv"}.items():
        out = tmp_path / f"bank.{ending}"
        said = json.loads(command("items", "export", "--bank", "Bank", "--format", format, "--json", str(out)).stdout)
        assert (said["out"], said["items"]) == (str(out), 40)
        assert stat.S_IMODE(out.stat().st_mode) == 0o600
        assert hashlib.sha256(out.read_bytes()).hexdigest() == said["sha256"]
        assert len(list(read(out, strict=True))) == 40
        wanted.append((f"bank:{bank.id}", {"format": format, "items": 40, "sha256": said["sha256"], "with_key": True}))
    assert trail(filled) == wanted


def test_a_dry_run_says_what_stays_behind_and_writes_nothing(command, filled, tmp_path):
    out = tmp_path / "bank.txt"
    told = command("items", "export", "--bank", "Bank", "--format", "aiken", "--dry-run", str(out)).stdout.splitlines()
    assert told[-1] == "40 items can be written as aiken"
    assert "written   I-00  its rationale is left behind" in told
    assert not out.exists()
    assert trail(filled) == []


def test_a_form_is_written_by_its_name_the_newest_unless_a_number_is_given(command, filled, tmp_path):
    out = tmp_path / "form.gift"
    for more, first in (((), "I-01"), (("--number", "1"), "I-00")):
        command("items", "export", "--bank", "Bank", "--form", "A", *more, "--format", "gift", str(out))
        found = [each.identifier for each in read(out, strict=True)]
        assert (sorted(found)[0], len(found)) == (first, 12)
    with filled.read() as session:
        newest, oldest = [form.id for form in session.scalars(select(Form).order_by(Form.number.desc()))]
    assert [of for of, _ in trail(filled)] == [f"form:{newest}", f"form:{oldest}"]


def test_paper_leaves_the_key_out_where_that_is_asked(command, filled, tmp_path):
    out = tmp_path / "form.html"
    command("items", "export", "--bank", "Bank", "--form", "A", "--format", "html", "--without-key", str(out))
    assert "Because." not in out.read_text()
    command("items", "export", "--bank", "Bank", "--form", "A", "--format", "html", str(out))
    assert "Because." in out.read_text()
    assert [facts["with_key"] for _, facts in trail(filled)] == [False, True]


REFUSED = [
    (("--bank", "No"), 1, "there is no item bank 'No'; there are: Bank"),
    (("--bank", "Bank", "--form", "B"), 1, "there is no form 'B' in that bank"),
    (("--bank", "Bank", "--form", "A", "--number", "9"), 1, "there is no form 'A' 9 in that bank"),
    (("--bank", "Bank", "--area", "NOWHERE"), 1, "nothing-to-export"),
    (("--bank", "Bank", "--number", "1"), 2, "add --form"),
    (("--bank", "Bank", "--form", "A", "--area", "x"), 2, "leave out --area"),
    (("--bank", "Bank", "--format", "word"), 2, "'word' is not one of"),
    ((), 2, "--bank"),
]


def test_a_refused_export_says_why_and_leaves_no_file_and_no_line(command, filled, tmp_path):
    out = tmp_path / "out"
    for words, code, said in REFUSED:
        assert said in command("items", "export", *words, str(out), code=code).output
    assert "there is no folder" in command("items", "export", "--bank", "Bank", str(out / "x.zip"), code=1).output
    assert not out.exists()
    assert trail(filled) == []


def test_a_file_that_cannot_be_written_takes_its_line_back(command, filled, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    assert (
        "cannot be written: No space left on device" in command("items", "export", "--bank", "Bank", str(tmp_path / "x.zip"), code=1).output
    )
    assert list(tmp_path.glob("*x.zip*")) == []
    assert trail(filled) == []
