"""What comes in from files: told before, all or nothing, and never twice."""

from dataclasses import replace
from decimal import Decimal

import pytest
from sqlalchemy import func, select

from testing_platform.demo import setup
from testing_platform.itembank import intake, lifecycle, queries, rules, service
from testing_platform.itembank.exchange import bank as seam
from testing_platform.itembank.exchange.drafts import Asset, Choice, Draft, Mapping, Skip, StimulusDraft
from testing_platform.itembank.exchange.read import read
from testing_platform.itembank.exchange.write import write
from testing_platform.itembank.models import Item, ItemVersion, Picture, Stimulus
from tests import make
from tests.make import NOON

PICTURE = Asset(f"{'1' * 40}.png", "image/png", b"a picture", "A street")


@pytest.fixture
def bank(session):
    return service.open_bank(session, "Customer service", NOON, [("CST", "Customer service"), ("MATH", "Computations")])


def draft(**changes):
    said = {
        "source": "package.zip!1.xml",
        "identifier": "i1",
        "format": "qti21",
        "kind": "single",
        "title": "",
        "stem": "<p>What comes first?</p>",
        "choices": (Choice("choiceA", "One"), Choice("choiceB", "Two", fixed=True)),
        "correct": ("choiceA",),
        "metadata": {"area": "customer SERVICE", "level": "apply", "tags": ["old"], "difficulty": "hard"},
    }
    return Draft(**{**said, **changes})


def fates(found):
    return [str(one.fate) for one in found]


def versions(session):
    return session.scalar(select(func.count()).select_from(ItemVersion))


def test_a_dry_run_says_the_same_and_writes_nothing(session, bank):
    drafts = [draft(), Skip("2.xml", "i2", "qti21", "is adaptive"), draft(source="3.xml")]
    tried = intake.take_in(session, bank, drafts, NOON, dry_run=True)
    assert versions(session) == 0
    taken = intake.take_in(session, bank, drafts, NOON)
    assert fates(tried) == fates(taken) == ["new", "skipped", "here"]
    assert [one.code for one in tried] == [one.code for one in taken]
    assert versions(session) == 1


def test_what_the_file_says_about_an_item_is_kept_where_the_bank_has_a_place(session, bank):
    intake.take_in(session, bank, [draft()], NOON)
    version = session.scalars(select(ItemVersion)).one()
    item = version.item
    assert (item.code, item.area, item.level, [tag.tag for tag in item.tags], version.difficulty) == ("i1", "CST", "apply", ["old"], "hard")
    assert version.options == [{"key": "a", "html": "One"}, {"key": "b", "html": "Two", "fixed": True}]
    assert (version.correct, version.state, version.origin["source"]) == (["a"], "draft", "package.zip!1.xml")
    assert queries.look(session, bank, queries.Wanted(words="first")).count == 1


def test_the_same_package_twice_adds_nothing(session, bank):
    drafts = [draft(source=f"{n}.xml", stem=f"<p>Question {n}?</p>", identifier="choice") for n in range(5)]
    assert fates(intake.take_in(session, bank, drafts, NOON)) == ["new"] * 5
    assert fates(intake.take_in(session, bank, drafts, NOON)) == ["here"] * 5
    assert versions(session) == 5
    # All are called "choice" in the file: each got a code of its own.
    assert len(set(session.scalars(select(Item.code)))) == 5


def test_an_item_that_says_something_else_becomes_a_new_version_of_itself(session, bank):
    intake.take_in(session, bank, [draft()], NOON)
    changed = draft(stem="<p>What comes last?</p>")
    assert fates(intake.take_in(session, bank, [changed], NOON)) == ["changed"]
    assert [(v.number, v.newest, v.state) for v in session.scalars(select(ItemVersion).order_by(ItemVersion.number))] == [
        (1, False, "replaced"),
        (2, True, "draft"),
    ]


def test_an_item_in_review_is_left_alone(session, bank):
    intake.take_in(session, bank, [draft()], NOON)
    version = session.scalars(select(ItemVersion)).one()
    lifecycle.submit(session, version, make.person(session), NOON)
    found = intake.take_in(session, bank, [draft(stem="<p>What comes last?</p>")], NOON)
    assert fates(found) == ["skipped"]
    assert "in review" in found[0].reason
    assert versions(session) == 1


def test_pictures_and_passages_come_along_once(session, bank):
    passage = StimulusDraft("texts/notice.xml", "A notice", "<p>Closed.</p>")
    html = f'<p>Look.</p><img src="{PICTURE.name}" alt="A street">'
    drafts = [draft(source=f"{n}.xml", stem=f"<p>{n}?</p>{html}", stimulus=passage, assets=(PICTURE,)) for n in range(2)]
    intake.take_in(session, bank, drafts, NOON)
    assert session.scalars(select(Picture.name)).all() == [PICTURE.name]
    assert [(one.code, one.number) for one in session.scalars(select(Stimulus))] == [("notice", 1)]
    other = StimulusDraft("other/notice.xml", "Another notice", "<p>Open.</p>")
    intake.take_in(session, bank, [draft(source="9.xml", stem="<p>9?</p>", stimulus=other)], NOON)
    assert {one.code for one in session.scalars(select(Stimulus))} == {"notice", "notice-2"}


def test_a_picture_without_words_is_told(session, bank):
    html = f'<p>Look.</p><img src="{PICTURE.name}" alt="">'
    found = intake.take_in(session, bank, [draft(stem=html, assets=(PICTURE,))], NOON, dry_run=True)
    assert found[0].notes == [intake.NO_ALTERNATIVE]


def test_options_are_called_by_letters_whatever_the_file_calls_them(session, bank):
    one = seam.content_of(draft(), None)
    moodle = draft(choices=(Choice("0", "One"), Choice("1", "Two", fixed=True)), correct=("0",))
    assert seam.content_of(moodle, None).digest() == one.digest()
    own = draft(choices=(Choice("b", "One"), Choice("d", "Two")), correct=("d",))
    assert seam.content_of(own, None).correct == ("d",)


def test_weights_are_the_same_however_they_are_written():
    pair = (
        Mapping({"choiceA": Decimal("1.0")}, Decimal(0), Decimal("2.00"), Decimal("0.5")),
        Mapping({"choiceA": Decimal(1), "choiceB": Decimal("0.50")}, Decimal("0.0"), Decimal(2)),
    )
    digests = {seam.content_of(draft(kind="multiple", max_choices=0, mapping=one), None).digest() for one in pair}
    assert len(digests) == 1


@pytest.mark.parametrize("format", ["qti3", "qti21"])
def test_the_whole_demo_bank_goes_out_and_comes_back_equal(session, tmp_path, format):
    bank = setup.fill_bank(session, NOON)
    held = queries.newest_versions(session, bank)
    passages = {}
    file = tmp_path / "bank.zip"
    file.write_bytes(write([seam.draft_of(session, version, passages) for version in held], format).data)
    other = service.open_bank(session, "Another", NOON, [(one["code"], one["title"]) for one in bank.areas])
    service.state_job(session, other, setup.job_statements())
    found = intake.take_in(session, other, list(read(file)), NOON)
    assert fates(found) == ["new"] * len(held)
    back = {version.item.code: version for version in queries.newest_versions(session, other)}
    for version in held:
        same = back[version.item.code]
        assert (same.digest, same.difficulty, service.about_of(same.item)) == (
            version.digest,
            version.difficulty,
            replace(service.about_of(version.item), source=same.item.source),
        )


def test_a_clean_version_and_its_draft_are_the_same_content(session, bank):
    intake.take_in(session, bank, [draft(kind="multiple", max_choices=0, mapping=Mapping({"choiceA": Decimal(1)}))], NOON)
    version = session.scalars(select(ItemVersion)).one()
    again = seam.content_of(seam.draft_of(session, version), None)
    assert again == service.content_of(version)
    assert again.digest() == version.digest
    assert rules.Kind(version.kind) is rules.Kind.MULTIPLE
