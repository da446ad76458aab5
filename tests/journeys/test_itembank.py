"""From a writer's first words to the approval, each as the person who does it; and a package from another system."""

import pytest
from playwright.sync_api import expect
from sqlalchemy import select

from testing_platform import clock
from testing_platform.accounts import service as accounts
from testing_platform.accounts.rules import Area, Role
from testing_platform.itembank import service
from testing_platform.itembank.models import Item, ItemVersion
from tests import make
from tests.journeys.conftest import Person
from tests.journeys.test_pages import look_at_both as look
from tests.stack import running

pytestmark = pytest.mark.journey

GIFT = """\
::P-1:: Which form is sent first? { =The green one ~The blue one ~The red one }

::P-2:: Which office opens first? { =The one downtown ~The one uptown ~The one by the lake }

::P-3:: Match them. { =a -> b =c -> d }
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    with running(tmp_path_factory.mktemp("stack"), log_level="warning", demo=True) as found:
        yield found


@pytest.fixture(scope="module")
def bank(stack):
    with stack.db.write() as session:
        return service.open_bank(session, "Clerks", clock.now(), [("REC", "Keeping records"), ("MATH", "Computations")]).id


@pytest.fixture
def enter(stack, window):
    """`enter(role)`: a window of a new person with this role, on the page of their part."""

    def come(role, width=1280):
        with stack.db.write() as session:
            person = make.person(session, role, now=clock.now())
            token = accounts.make_link(session, stack.settings.secret, person, Area.ANALYST, clock.now())
        staff = window(Person, width=width, height=900)
        staff.page.goto(f"{stack.url}/analyst/in/{token}")
        staff.page.locator("main form button").first.click()
        staff.page.wait_for_url("**/analyst/**")
        return staff

    return come


def state_of(stack, code):
    with stack.db.read() as session:
        return session.scalars(select(ItemVersion.state).join(Item).where(Item.code == code, ItemVersion.newest)).one()


def test_an_item_is_written_returned_mended_reviewed_checked_blind_and_approved(stack, bank, enter):
    code = "REC-01"
    base = f"{stack.url}/analyst/bank/{bank}"
    writer = enter(Role.ITEM_WRITER)
    page = writer.page
    page.goto(f"{base}/new")
    page.get_by_label("Stem").fill(f"Which of these is not a record ({code})?")
    for letter, text in (("A", "A signed form"), ("B", "A blank envelope"), ("C", "A dated receipt")):
        page.get_by_label(f"Text of option {letter}").fill(text)
    page.get_by_text("B is right", exact=True).click()
    page.get_by_label("Content area").select_option("REC")
    # What is typed is shown as candidates will see it, and read by the editor's eye.
    preview = page.frame_locator("[data-page]")
    expect(preview.get_by_text(f"Which of these is not a record ({code})?")).to_be_visible()
    expect(preview.get_by_text("A dated receipt")).to_be_visible()
    expect(page.locator("[data-advice]")).to_contain_text("a negative word that does not stand out")
    look(writer, "item-editor")
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_url("**/analyst/bank/items/*")
    url = page.url
    page.get_by_role("button", name="Hand in for review").click()
    expect(page.get_by_text("It waits for its reviewers now.")).to_be_visible()

    first = enter(Role.ITEM_REVIEWER)
    first.page.goto(base)
    first.page.locator(".today__item", has_text="Waiting for your content review").get_by_role("link", name=code).click()
    first.page.get_by_label("What you found").fill("Mark the word not, so that nobody reads over it.")
    first.page.get_by_role("button", name="Return it").click()
    expect(first.page.get_by_text("It goes back to its author")).to_be_visible()
    assert state_of(stack, code) == "returned"

    page.goto(base)
    page.locator(".today__item", has_text="Returned to you").get_by_role("link", name=code).click()
    page.get_by_label("Stem").fill(f"Which of these is <strong>not</strong> a record ({code})?")
    expect(page.locator("[data-advice]")).to_contain_text("Nothing to say")
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_url(url)
    expect(page.locator(".changes ins").first).to_be_visible()
    look(writer, "item-mended")
    page.get_by_role("button", name="Hand in for review").click()
    # The writer cannot sign own work: no such form is on the page.
    expect(page.get_by_text("You wrote it: others sign.")).to_be_visible()

    for role in (Role.ITEM_REVIEWER, Role.ITEM_REVIEWER, Role.FAIRNESS_REVIEWER):
        reviewer = enter(role)
        reviewer.page.goto(url)
        reviewer.page.get_by_role("button", name="Sign", exact=True).click()
        expect(reviewer.page.get_by_text("Signed.", exact=True)).to_be_visible()
        # Who has signed has seen the key.
        reviewer.page.goto(f"{url}/key-check")
        expect(reviewer.page.get_by_text("You have seen this key, or wrote the item")).to_be_visible()

    owner = enter(Role.ANALYST)
    owner.page.goto(url)
    expect(owner.page.locator("section", has_text="Still to be signed").last).to_contain_text("Blind key check")

    checker = enter(Role.ITEM_REVIEWER)
    checker.page.goto(base)
    checker.page.locator(".today__item", has_text="Keys to check blind").get_by_role("link", name=code).click()
    expect(checker.page.locator("main")).not_to_contain_text("Key:")
    look(checker, "key-check")
    checker.page.get_by_text("A blank envelope").click()
    checker.page.get_by_role("button", name="This is my answer").click()
    expect(checker.page.get_by_text(f"{code}: your answer is the key.")).to_be_visible()

    owner.page.goto(url)
    expect(owner.page.get_by_text("All signatures are there.")).to_be_visible()
    owner.page.get_by_role("button", name="Approve", exact=True).click()
    expect(owner.page.locator("h1")).to_contain_text("Approved")
    look(owner, "item-approved")
    assert state_of(stack, code) == "approved"
    assert [trouble for one in (writer, first, owner, checker) for trouble in one.troubles] == []


def test_a_package_shows_what_it_would_do_and_is_taken_in_once(stack, bank, enter, tmp_path):
    package = tmp_path / "from elsewhere.gift"
    package.write_text(GIFT)
    owner = enter(Role.ANALYST)
    page = owner.page
    page.goto(f"{stack.url}/analyst/bank/{bank}/import")
    page.get_by_label("File or package").set_input_files(package)
    page.get_by_role("button", name="Look at it").click()
    expect(page.get_by_role("heading", name="What would come in")).to_be_visible()
    expect(page.locator("tr", has_text="P-1")).to_contain_text("New")
    expect(page.locator("tr", has_text="Left out")).to_have_count(1)
    with stack.db.read() as session:
        assert session.scalars(select(Item).where(Item.code.in_(["P-1", "P-2"]))).all() == []
    look(owner, "import-dry-run")
    page.get_by_label("Area for items whose file names none").select_option("MATH")
    page.get_by_role("button", name="Take 2 items in").click()
    expect(page.get_by_text("Taken in: 2 new, 0 changed. Here already: 0. Left out: 1.")).to_be_visible()
    with stack.db.read() as session:
        items = session.scalars(select(Item).where(Item.code.in_(["P-1", "P-2"]))).all()
        assert {item.area for item in items} == {"MATH"}

    page.goto(f"{stack.url}/analyst/bank/{bank}/import")
    page.get_by_label("File or package").set_input_files(package)
    page.get_by_role("button", name="Look at it").click()
    expect(page.locator("tr", has_text="Here already")).to_have_count(2)
    expect(page.get_by_text("There is nothing to take in.")).to_be_visible()
    assert owner.troubles == []
