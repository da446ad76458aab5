"""From the last test handed in to the second signature, as an analyst and an approver do it."""

import io
import re
from datetime import timedelta

import pypdf
import pytest
from playwright.sync_api import expect
from sqlalchemy import func, select

from testing_platform import clock
from testing_platform.accounts.rules import Role
from testing_platform.examinations.models import Administration
from testing_platform.scoring.models import QualifyingResult
from tests import make
from tests.journeys.conftest import Person
from tests.journeys.test_pages import look_at_both as look
from tests.scoring.paired import equate, pair
from tests.stack import running

pytestmark = pytest.mark.journey


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    """One of its own: the other journeys test in the newest session, and these are over."""
    with running(tmp_path_factory.mktemp("stack"), log_level="warning", demo=True) as found:
        yield found


@pytest.fixture
def administration(stack):
    """Thirty-six have handed in half a day ago."""
    before = clock.now() - timedelta(hours=12)
    with stack.db.write() as session:
        where = make.place(session, before)
        for n in range(36):
            make.handed_in(session, where, 6 if n < 6 else 5 if n < 24 else 1 + n % 4, before)
        return where.administration_id


def sign_in(stack, window, role, width):
    staff = window(Person, width=width, height=900)
    staff.page.goto(stack.link(role))
    staff.page.locator("main form button").first.click()
    staff.page.wait_for_url("**/analyst/")
    return staff


def results(stack, administration):
    with stack.db.read() as session:
        return session.scalar(
            select(func.count())
            .select_from(QualifyingResult)
            .join(make.Attempt)
            .join(make.TestSession)
            .where(make.TestSession.administration_id == administration)
        )


def test_an_analyst_chooses_a_passing_score_and_an_approver_signs_it(window, stack, administration):
    base = f"{stack.url}/analyst/administrations/{administration}"
    analyst = sign_in(stack, window, Role.ANALYST, 1280)
    page = analyst.page
    look(analyst, "scoring-home")
    page.goto(f"{base}/scoring")
    look(analyst, "scoring-steps")
    page.get_by_role("link", name="Open the key").click()
    look(analyst, "scoring-key")
    page.locator("a[href$='/key/items/6']").first.click()
    look(analyst, "scoring-item")
    page.locator("label[for=option-a]").click()
    page.get_by_role("button", name="See what it does").click()
    page.get_by_label("Reason").fill("Both are right.")
    page.get_by_role("button", name="Keep this ruling").click()
    page.get_by_role("button", name="Lock version 2").click()
    page.get_by_role("button", name="Make the raw scores").click()
    page.wait_for_url("**/passing-score")
    look(analyst, "scoring-chooser-empty")
    chooser = page.url
    for name, part in (("test", ""), ("consistency", "/consistency"), ("items", "/items?sort=r_rest"), ("item", "/items/6")):
        page.goto(f"{base}/analyses{part}")
        page.locator("summary").evaluate_all("all => all.forEach(one => one.click())")
        look(analyst, f"analyses-{name}")
    for name in ("sets", "pace", ""):
        page.goto(f"{base}/forensics/{name}".rstrip("/"))
        page.locator("summary").evaluate_all("all => all.forEach(one => one.click())")
        look(analyst, f"forensics-{name or 'similar'}")
    page.locator("th a[href*='/forensics/lead']").first.click()
    page.wait_for_url("**/lead?*")
    look(analyst, "forensics-lead")
    page.goto(chooser)

    # The page follows the hand: vacancies by the keyboard on the slider, then a rate.
    page.locator("#vacancies_now").fill("1")
    expect(page.locator("[data-part=point]")).to_have_text("6")
    slider = page.locator("[data-for=vacancies_expected]")
    slider.focus()
    for _ in range(2):
        slider.press("ArrowRight")
    expect(page.locator("#vacancies_expected")).to_have_value("2")
    # 3 / 0.45 + 5 → 12 eligibles, 12 / 0.612 → 20 passers; with item 6 right for nearly all, 6 of 6 are enough.
    expect(page.locator("[data-part=needed]")).to_have_text("20")
    point = page.locator("[data-part=point]").inner_text()
    expect(page.locator("[data-part=cut-number]")).to_have_text(point)
    expect(page.locator(f"tr[data-cut='{point}'] [data-cell=note]")).to_contain_text("point cut")
    # The cut stays where it was put, whatever the numbers say afterwards.
    page.locator("#cut").fill("3")
    page.locator("#attend").fill("80.5")
    expect(page.locator("[data-part=cut-number]")).to_have_text("3")
    expect(page.locator(".cut__says")).to_contain_text("cut 3:")
    look(analyst, "scoring-chooser")
    # What the server makes of the same numbers is what the page has shown.
    names = ("probability", "appointments", "interviews", "passers", "point", "assured", "needed", "within", "sum-e", "sum-m")
    shown = {name: page.locator(f"[data-part='{name}']").inner_text() for name in names}
    table = page.locator(".outcomes tbody").inner_text()
    query = "&".join(
        f"{name}={page.locator('#' + name).input_value()}"
        for name in ("vacancies_now", "vacancies_expected", "listed", "attend", "reach", "appointed", "show", "cut")
    )
    plain = page.request.get(f"{base}/passing-score?{query}").text()
    page.evaluate(
        "text => { document.querySelector('main').outerHTML = new DOMParser().parseFromString(text, 'text/html').querySelector('main').outerHTML }",
        plain,
    )
    assert {name: page.locator(f"[data-part='{name}']").inner_text() for name in names} == shown
    assert page.locator(".outcomes tbody").inner_text().split() == table.split()

    page.goto(f"{base}/passing-score?{query}")
    page.get_by_label("Why this passing score").fill("Three vacancies within two years.")
    page.get_by_label("Where these rates come from").fill("The administration of 2024.")
    page.get_by_role("button", name="Propose this passing score").click()
    page.wait_for_url("**/decision?number=1")
    expect(page.get_by_text("you cannot sign twice")).to_be_visible()
    look(analyst, "scoring-proposal")
    assert results(stack, administration) == 0

    approver = sign_in(stack, window, Role.APPROVER, 1280)
    page = approver.page
    look(approver, "scoring-home-approver")
    page.locator(f"a[href='/analyst/administrations/{administration}/decision']").click()
    look(approver, "scoring-proposal-approver")
    page.get_by_label("Type the passing score that you sign").fill("4")
    page.get_by_role("button", name="Sign", exact=True).click()
    expect(page.get_by_text("Nothing was signed")).to_be_visible()
    assert results(stack, administration) == 0
    page.get_by_label("Type the passing score that you sign").fill("3")
    page.get_by_role("button", name="Sign", exact=True).click()
    page.wait_for_url("**/decision?number=1")
    look(approver, "scoring-decision")
    assert results(stack, administration) == 36
    # Printed, it is a memo: no navigation, no form.
    page.emulate_media(media="print")
    expect(page.locator(".rail")).to_be_hidden()
    expect(page.locator("details")).to_be_hidden()
    assert analyst.troubles == approver.troubles == []


def test_two_scenarios_are_compared_and_one_is_signed(window, stack, administration):
    with stack.db.write() as session:
        one, someone = session.get_one(Administration, administration), make.person(session, Role.ANALYST)
        make.scoring.lock_key(session, one, someone, clock.now())
        make.scoring.run(session, one, someone, clock.now())
    base = f"{stack.url}/analyst/administrations/{administration}"
    analyst = sign_in(stack, window, Role.ANALYST, 1280)
    page = analyst.page
    page.goto(f"{base}/passing-score?vacancies_now=2&vacancies_expected=1&attend=85&reach=72&appointed=45&show=100")

    def part(name):
        return page.locator(f"[data-part='{name}']")

    expect(part("without-cases")).to_be_visible()
    page.get_by_label("Keep these numbers and this cut as").fill("Rates as they are")
    page.keyboard.press("Enter")
    expect(page.locator(".compared thead th")).to_have_text(["Rates as they are"])

    # By the keyboard alone: past cases are told, the percent follows and the assured cut gives way.
    page.locator("#appointed_did").focus()
    page.keyboard.type("5")
    page.keyboard.press("Tab")
    page.keyboard.type("11")
    expect(page.locator("#appointed")).to_have_value("45.83")
    expect(part("with-cases")).to_be_visible()
    shown = {name: part(name).inner_text() for name in ("probability", "certain", "assured", "assured-certain", "again", "csem")}
    assert float(shown["probability"]) < float(shown["certain"])
    page.get_by_label("Keep these numbers and this cut as").fill("From eleven cases")
    page.keyboard.press("Enter")
    expect(page.locator(".compared thead th")).to_have_text(["Rates as they are", "From eleven cases"])
    # What the server makes of the same numbers is what the page had shown.
    assert {name: part(name).inner_text() for name in shown} == shown
    look(analyst, "scoring-scenarios")

    page.get_by_role("link", name=re.compile("Take these numbers.*Rates as they are")).click()
    expect(page.locator("#appointed_did")).to_have_value("")
    page.get_by_label("Why this passing score").fill("Three vacancies within two years.")
    page.get_by_role("button", name="Propose this passing score").click()
    expect(page.get_by_text("Write why it was not chosen.")).to_have_count(1)
    page.get_by_label("“From eleven cases”").fill("Eleven cases say too little.")
    page.get_by_role("button", name="Propose this passing score").click()
    page.wait_for_url("**/decision?number=1")
    expect(page.get_by_text("Eleven cases say too little.")).to_be_visible()
    cut = page.locator(".verdict__big").inner_text()

    approver = sign_in(stack, window, Role.APPROVER, 1280)
    page = approver.page
    page.goto(f"{base}/decision")
    look(approver, "scoring-alternatives")
    page.get_by_label("Type the passing score that you sign").fill(cut)
    page.get_by_role("button", name="Sign", exact=True).click()
    expect(page.get_by_text("In force")).to_be_visible()
    memo = page.request.get(stack.url + page.get_by_role("link", name="The memo as a PDF").get_attribute("href"))
    words = " ".join(sheet.extract_text() for sheet in pypdf.PdfReader(io.BytesIO(memo.body())).pages)
    assert "Eleven cases say too little." in " ".join(words.split())


def test_an_earlier_passing_score_is_carried_over_to_the_page_where_one_is_chosen(stack, window):
    _earlier, here = pair(stack.db)
    analyst = sign_in(stack, window, Role.ANALYST, 1280)
    page, base = analyst.page, f"{stack.url}/analyst/administrations/{here}"
    page.goto(f"{base}/analyses/drift")
    look(analyst, "drift")
    page.get_by_text("Leave another item out").click()
    page.locator("#reason-other").fill("Taught in a course.")
    page.get_by_role("button", name="Leave it out and work it out anew").press("Enter")
    expect(page.get_by_text("The item is out of the anchor")).to_be_visible()
    look(analyst, "drift-ruled")
    page.goto(f"{base}/analyses/equating?method=tucker")
    look(analyst, "equating")
    page.get_by_role("button", name=re.compile("as the carried passing score")).press("Enter")
    page.locator("#reason").fill("The groups are alike.")
    page.get_by_role("button", name=re.compile("as the carried passing score")).press("Enter")
    expect(page.get_by_text("It stands on the passing score page as a line.")).to_be_visible()
    look(analyst, "equating-kept")
    page.goto(f"{base}/passing-score")
    expect(page.locator(".mark--carried")).to_have_count(1)
    # The note is still there when a script has written the table's notes anew.
    page.locator("#vacancies_now").fill("3")
    expect(page.locator(".outcomes [data-fixed=carried]")).to_have_count(1)
    look(analyst, "chooser-carried")


def test_another_test_date_is_counted_while_its_box_is_ticked_and_the_page_says_what_the_server_does(stack, window):
    first, here = pair(stack.db, cut=None)
    equate(stack.db, here)
    analyst = sign_in(stack, window, Role.ANALYST, 1280)
    page, base = analyst.page, f"{stack.url}/analyst/administrations/{here}/passing-score"
    page.goto(base)
    expect(page.locator("[data-part=work-it-out]")).to_be_hidden()  # the page works by itself from here on
    page.locator("#vacancies_now").fill("3")
    page.locator("#cut").fill("5")
    expect(page.locator("tr.outcomes__chosen[data-cut='5']")).to_have_count(1)
    names = ("passers", "share", "at_cut", "appointments", "probability", "here")

    def shown():
        return {name: page.locator(f"[data-cell={name}]").all_text_contents() for name in names}

    alone = shown()
    box = page.locator(f"#with-{first}")
    box.press("Space")
    expect(page.locator("[data-part=taken]")).to_have_text("52")
    expect(page.get_by_text("Standard error at the cut:")).to_be_visible()
    page.get_by_text("Each form’s own cut, and who passes by it").press("Enter")
    look(analyst, "chooser-together")
    ticked = shown()
    said = page.locator(".together__said").inner_text()
    page.get_by_label("Keep these numbers and this cut as").fill("Both dates")
    page.get_by_role("button", name="Keep", exact=True).press("Enter")
    expect(page.locator(".compared")).to_contain_text("26")
    assert f"with={first}" in page.url
    html = page.request.get(page.url).text()
    assert {name: re.findall(rf'data-cell="{name}">([^<]*)<', html) for name in names} == ticked
    page.goto(page.url)
    assert " ".join(page.locator(".together__said").inner_text().split()) == " ".join(said.split())
    box.press("Space")
    expect(page.locator("[data-part=taken]")).to_have_text("26")
    assert shown() == alone
    box.press("Space")
    page.locator("#rationale").fill("Both test dates give one list.")
    page.get_by_role("button", name="Propose this passing score").press("Enter")
    expect(page.get_by_text("This decision is about the first alone.")).to_be_visible()
    look(analyst, "decision-together")
