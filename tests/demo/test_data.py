"""The demo's content holds together: what a test professional and an exam analyst would check by hand."""

import ast
import itertools
import math
import re
import tomllib
from collections import Counter
from decimal import ROUND_HALF_UP, Decimal
from html import escape
from html.parser import HTMLParser
from pathlib import Path

import pytest

import testing_platform
from testing_platform.accounts.rules import Role
from testing_platform.demo import setup
from testing_platform.itembank import readability
from testing_platform.itembank.rules import Content, Option, Policy, Statement, paragraphs
from testing_platform.itembank.service import FaultyItem

DATA = Path(testing_platform.__file__).parent / "demo" / "data"
AREAS = {"CST": 9, "OFC": 8, "ENG": 9, "MATH": 9, "READ": 8, "DIR": 8, "JUDG": 9}
# Two forms of 60 without a common item, and some to choose from.
PER_AREA = 24
PLANTED = ("JUDG-16", "JUDG-23")
LETTERS = ["a", "b", "c", "d"]
VERSION = "2026-11-1"


def load(name):
    return tomllib.loads((DATA / name).read_text(encoding="utf-8"))


BANK = {area: load(f"bank/{area.lower()}.toml") for area in AREAS}
ITEMS = {item["code"]: item for area in BANK.values() for item in area["item"]}
STIMULI = {s["code"]: s for area in BANK.values() for s in area.get("stimulus", [])}
COMPUTED = [item for item in ITEMS.values() if "check" in item]
FORM = load("form_a.toml")
BULLETIN = load("bulletin_1229.toml")
PEOPLE = load("people.toml")
CONSENT = load("consent.toml")
RULES = load("rules.toml")
SETTINGS = {setting["name"]: setting["value"] for setting in BULLETIN["setting"]}

every_item = pytest.mark.parametrize("item", ITEMS.values(), ids=ITEMS.keys())
every_area = pytest.mark.parametrize("area", AREAS)
every_language = pytest.mark.parametrize("language", ["en", "es"])


def area_of(code):
    return code.split("-")[0]


def keys(codes):
    return [ITEMS[code]["key"] for code in codes]


def longest_run(values):
    return max(len(list(run)) for _, run in itertools.groupby(values))


def lengths(item):
    """The key's length, and those of its distractors."""
    return len(item["options"][item["key"]]), [len(text) for letter, text in item["options"].items() if letter != item["key"]]


def stands_out(items):
    """How many keys are longer, and how many shorter, than every distractor."""
    pairs = [lengths(item) for item in items]
    return sum(key > max(rest) for key, rest in pairs), sum(key < min(rest) for key, rest in pairs)


def strings(value):
    """Every text inside parsed TOML."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from strings(part)
    elif isinstance(value, list):
        for part in value:
            yield from strings(part)


OPERATIONS = {
    ast.Add: Decimal.__add__,
    ast.Sub: Decimal.__sub__,
    ast.Mult: Decimal.__mul__,
    ast.Div: Decimal.__truediv__,
}


def evaluate(expression):
    """Exact arithmetic with + - * / and parentheses. Decimals are read from the text, never through a float."""

    def value(node):
        match node:
            case ast.Expression(body=body):
                return value(body)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATIONS:
                return OPERATIONS[type(op)](value(left), value(right))
            case ast.Constant(value=int() | float()):
                return Decimal(ast.get_source_segment(expression, node))
        raise ValueError(f"not plain arithmetic: {expression}")

    return value(ast.parse(expression, mode="eval"))


def recomputed(check):
    return evaluate(check["expression"]).quantize(Decimal(1).scaleb(-check["round"]), ROUND_HALF_UP)


# The bank


def test_the_bank_has_24_items_in_each_of_the_seven_areas():
    assert {path.stem.upper() for path in (DATA / "bank").glob("*.toml")} == set(AREAS)
    for code, area in BANK.items():
        assert area["area"] == code
        assert [item["code"] for item in area["item"]] == [f"{code}-{n:02}" for n in range(1, PER_AREA + 1)]


@every_item
def test_an_item_has_four_different_options_one_key_and_its_reasons(item):
    assert list(item["options"]) == LETTERS
    texts = [re.sub(r"\s+", " ", text).strip().casefold() for text in item["options"].values()]
    # Capitals are what DIR-09 asks about; everywhere else two options may not differ by them alone.
    assert len(set(item["options"].values() if item["code"] == "DIR-09" else texts)) == 4
    assert all(texts)
    assert item["key"] in LETTERS
    assert item["difficulty"] in {"easy", "medium", "hard"}
    assert item["level"] in {"recall", "apply", "analyze"}
    assert item["stem"].strip()[-1] in "?,”" or item["stem"].endswith("most nearly means")
    assert item["rationale"].startswith(f"{item['key']} is best: ")
    for letter in LETTERS:
        if letter != item["key"]:
            assert f" {letter}: " in item["rationale"]


@every_item
def test_an_item_has_no_phrase_that_gives_or_tricks(item):
    for text in item["options"].values():
        assert not re.search(
            r"\b(all|none|any|both|neither|either) of the (above|options|answers)\b|\b(both|neither) [a-d]\b|"
            r"\ball of these\b|\bnone of these\b|\bnot enough information\b",
            text,
            re.IGNORECASE,
        )
    question = re.split(r"(?<=[.?!”])\s", item["stem"].strip())[-1]
    assert not re.search(r"\b(not|except|least|false|incorrect)\b", question), "a negative word is in capitals"
    assert not re.search(r"\b(a|an)\s*$", item["stem"]), "the stem's article points at an option"


@every_item
def test_options_end_alike(item):
    """A full stop, a quotation mark or neither, so that no option differs by its punctuation."""
    endings = {"sentence" if re.search(r"[.?!]”?$", text) else "phrase" for text in item["options"].values()}
    assert len(endings) == 1


def test_key_positions_are_even_in_the_bank():
    assert Counter(keys(ITEMS)) == dict.fromkeys(LETTERS, PER_AREA * len(AREAS) // 4)
    assert longest_run(keys(ITEMS)) <= 3


@every_area
def test_key_positions_are_even_in_an_area(area):
    assert Counter(item["key"] for item in BANK[area]["item"]) == dict.fromkeys(LETTERS, PER_AREA // 4)


def test_the_key_does_not_stand_out_by_its_length():
    longer, shorter = stands_out(ITEMS.values())
    assert longer <= len(ITEMS) * 0.25
    assert shorter <= len(ITEMS) * 0.25


@every_area
def test_the_key_does_not_stand_out_by_its_length_in_an_area(area):
    longer, shorter = stands_out(BANK[area]["item"])
    assert longer <= PER_AREA * 0.25
    assert shorter <= PER_AREA * 0.25


@every_area
def test_an_area_has_easy_medium_and_hard_items(area):
    found = Counter(item["difficulty"] for item in BANK[area]["item"])
    assert set(found) == {"easy", "medium", "hard"}
    assert found["medium"] == max(found.values())


def test_no_two_items_ask_the_same():
    asked = Counter((item["stem"], tuple(sorted(item["options"].values()))) for item in ITEMS.values())
    assert max(asked.values()) == 1


def likeness(items):
    """The cosine of each two items' words (stem and options), each word weighted by 1 + ln((1 + items) / (1 + items with it))."""
    words = {item["code"]: Counter(re.findall(r"[\w$%]+", " ".join([item["stem"], *item["options"].values()]).lower())) for item in items}
    spread = Counter(word for found in words.values() for word in found)
    weights = {word: 1 + math.log((1 + len(words)) / (1 + count)) for word, count in spread.items()}
    vectors = {code: {word: count * weights[word] for word, count in found.items()} for code, found in words.items()}
    sizes = {code: math.hypot(*vector.values()) for code, vector in vectors.items()}
    return {
        (a, b): sum(weight * vectors[b].get(word, 0) for word, weight in vectors[a].items()) / (sizes[a] * sizes[b])
        for a, b in itertools.combinations(vectors, 2)
    }


def test_two_items_say_the_same_in_other_words_and_no_other_two_come_near():
    alike = likeness(ITEMS.values())
    assert alike.pop(PLANTED) > 0.75
    assert max(alike.values()) < 0.65


@every_area
def test_an_item_names_what_the_bulletin_tests_in_its_area_and_a_duty(area):
    kinds = {code: kind for code, kind, _, _ in setup.job_statements()}
    of_the_bulletin = {code for code, _, _, source in setup.job_statements() if source.startswith("bulletin")}
    named = [set(item["statements"]) for item in BANK[area]["item"]]
    assert len(set.intersection(of_the_bulletin, *named)) == 1
    assert all(Statement.DUTY in {kinds[code] for code in found} for found in named)


@every_item
def test_an_item_with_its_passage_is_no_harder_to_read_than_the_bank_allows(item):
    passage = STIMULI.get(item.get("stimulus"), {})
    options = tuple(Option(key, escape(text, quote=False)) for key, text in item["options"].items())
    content = Content(paragraphs(item["stem"]), options, (item["key"],))
    found = readability.grade_of(content, passage.get("html") or paragraphs(passage.get("text", "")))
    assert found is None or found <= Policy().reading_grade


def test_items_sample_most_duties():
    named = {code for item in ITEMS.values() for code in item["statements"] if code.startswith("D-")}
    missing = {code for code, kind, _, _ in setup.job_statements() if kind == Statement.DUTY} - named
    # A survey form for the field asks for knowledge that is taught on the job.
    assert missing == {"D-14"}


# Arithmetic


def test_every_item_of_mathematics_says_how_its_key_is_computed():
    assert {item["code"] for item in BANK["MATH"]["item"]} <= {item["code"] for item in COMPUTED}


@pytest.mark.parametrize("item", COMPUTED, ids=lambda item: item["code"])
def test_a_computed_key_is_recomputed_and_no_other_option_matches(item):
    check = item["check"]
    answer = recomputed(check)
    assert [letter for letter, text in check["values"].items() if Decimal(text) == answer] == [item["key"]]


@pytest.mark.parametrize("item", COMPUTED, ids=lambda item: item["code"])
def test_computed_options_show_their_values_in_order(item):
    shown = [Decimal(re.sub(r"[^\d.]", "", text)) for text in item["options"].values()]
    assert shown == [Decimal(text) for text in item["check"]["values"].values()]
    assert shown == sorted(shown)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [("0.1 + 0.2", "0.3"), ("(2 + 3) * 4 / 8", "2.5"), ("245.00 * 0.08", "19.60"), ("1 - 2 - 3", "-4")],
)
def test_the_evaluator_is_exact(expression, expected):
    assert evaluate(expression) == Decimal(expected)


@pytest.mark.parametrize("expression", ["__import__('os')", "2 ** 9", "x + 1", "True + 1", "'1'", "1e3 if 1 else 2"])
def test_the_evaluator_takes_plain_arithmetic_alone(expression):
    with pytest.raises((ValueError, ArithmeticError)):
        evaluate(expression)


# Passages and directions


class Tags(HTMLParser):
    """The tags of a text, with the open ones left over."""

    def __init__(self, text):
        super().__init__()
        self.seen, self.open, self.attributes = set(), [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        self.open.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_stimuli_are_used_and_exist():
    assert {item["stimulus"] for item in ITEMS.values() if "stimulus" in item} == set(STIMULI)


def test_a_stimulus_serves_items_of_its_own_area_side_by_side():
    for area in BANK.values():
        own = {stimulus["code"] for stimulus in area.get("stimulus", [])}
        runs = [code for code, _ in itertools.groupby(item.get("stimulus") for item in area["item"]) if code]
        assert len(runs) == len(set(runs))
        assert set(runs) == own


def test_reading_has_six_passages_of_four_items():
    assert Counter(item["stimulus"] for item in BANK["READ"]["item"]) == {f"READ-P{n}": 4 for n in range(1, 7)}


def test_a_stimulus_serves_three_items_or_more():
    assert min(Counter(item["stimulus"] for item in ITEMS.values() if "stimulus" in item).values()) >= 3


@pytest.mark.parametrize("stimulus", STIMULI.values(), ids=STIMULI.keys())
def test_a_stimulus_is_plain_text_or_simple_html(stimulus):
    assert stimulus["title"]
    assert ("text" in stimulus) != ("html" in stimulus)
    if "html" in stimulus:
        tags = Tags(stimulus["html"])
        assert tags.seen <= {"p", "ul", "ol", "li", "table", "tr", "th", "td", "strong", "em"}
        assert not tags.open
        assert not tags.attributes
    else:
        assert "<" not in stimulus["text"]
        assert len(stimulus["text"].split("\n\n")) >= 3


# The form


def test_the_form_gives_sixty_items_in_75_minutes():
    assert FORM["name"] == "1229-A"
    assert FORM["minutes"] == SETTINGS["time_limit"] == 75
    assert len(FORM["items"]) == len(set(FORM["items"])) == 60
    assert set(FORM["items"]) <= set(ITEMS)


def test_the_form_keeps_areas_together_with_their_counts():
    runs = [(area, len(list(codes))) for area, codes in itertools.groupby(FORM["items"], key=area_of)]
    assert runs == list(AREAS.items())
    assert {a["code"]: a["form_items"] for a in BULLETIN["content_area"] if a["form_items"]} == AREAS


def test_the_form_gives_passages_whole_and_in_order():
    for stimulus in STIMULI:
        whole = [code for code, item in ITEMS.items() if item.get("stimulus") == stimulus]
        given = [code for code in FORM["items"] if code in whole]
        assert given in ([], whole)
    sources = [ITEMS[code].get("stimulus") for code in FORM["items"]]
    runs = [source for source, _ in itertools.groupby(sources) if source]
    assert len(runs) == len(set(runs))
    assert sum(source.startswith("READ") for source in runs) == 2


def test_key_positions_are_even_in_the_form():
    assert Counter(keys(FORM["items"])) == dict.fromkeys(LETTERS, 15)
    assert longest_run(keys(FORM["items"])) <= 3


def test_the_form_mixes_difficulty():
    found = Counter(ITEMS[code]["difficulty"] for code in FORM["items"])
    assert found["medium"] >= 20
    assert min(found["easy"], found["hard"]) >= 10


# The bulletin


def test_every_rule_names_its_source():
    for name, section in BULLETIN.items():
        rules = section.values() if name == "policy" else section if isinstance(section, list) else [section]
        for rule in rules:
            assert re.match(r"(bulletin,|class specification,|department's choice)", rule["source"]), (name, rule)
    for clause in BULLETIN["requirements"]["clause"]:
        assert clause["source"]


def test_requirements_are_one_or_both_two_and_three():
    requirements = BULLETIN["requirements"]
    assert requirements["tree"] == {"any": [1, {"all": [2, 3]}]}
    assert requirements["expression"] == "any(1, all(2, 3))"
    assert [clause["number"] for clause in requirements["clause"]] == [1, 2, 3]
    one, two, three = requirements["clause"]
    assert one["full_time_months"] == 24
    assert (two["full_time_months"], Decimal(two["or_cumulative_hours"])) == (6, 960)
    assert three["document"] in {document["kind"] for document in BULLETIN["document"]}


def test_filing_periods_are_fourteen_days_whole_minutes_and_do_not_overlap():
    ends = -1000
    for period in BULLETIN["filing_period"]:
        assert (period["opens"]["at"], period["closes"]["at"]) == ("08:00", "23:59")
        assert period["closes"]["day"] - period["opens"]["day"] == 13
        assert period["opens"]["day"] > ends
        ends = period["closes"]["day"]
    assert len(BULLETIN["filing_period"]) == 3
    assert BULLETIN["bulletin"]["open_on"]["day"] == BULLETIN["filing_period"][0]["opens"]["day"]
    assert BULLETIN["bulletin"]["zone"] == "America/Los_Angeles"


def test_the_demo_is_on_the_day_of_an_administration_at_home_and_at_a_facility():
    today = [a for a in BULLETIN["administration"] if a["day"] == 0]
    assert [a["modes"] for a in today] == [["remote", "facility"]]


def test_the_test_qualifies_and_the_interview_is_the_whole_score():
    assert {c["code"]: (c["kind"], c["weight_percent"]) for c in BULLETIN["component"]} == {
        "multiple_choice": ("qualifying", 0),
        "interview": ("weighted", 100),
    }


def test_tiers_and_list_types_are_two_things():
    assert [tier["order_within"] for tier in BULLETIN["invitation_tier"]] == ["all", "all", "random"]
    assert [kind["code"] for kind in BULLETIN["list_type"]] == ["promotional", "open"]


@pytest.mark.parametrize(
    ("policy", "name", "value"),
    [
        ("retest", "months", 24),
        ("accommodation", "request_within_days", 14),
        ("interview_pass", "average", "70.00"),
        ("seniority", "points_a_year", "0.25"),
        ("review", "kind", "none"),
        ("list_life", "months", 24),
        ("passing_score", "vacancy_horizon_months", 24),
        ("item_language", "languages", ["en"]),
    ],
)
def test_a_policy_has_the_number_of_the_bulletin(policy, name, value):
    assert BULLETIN["policy"][policy][name] == value


def test_salary_is_in_whole_cents():
    salary = BULLETIN["salary"]
    assert (salary["annual_from_cents"], salary["annual_to_cents"]) == (50_237_00, 73_476_00)


def test_no_amount_of_the_bulletin_is_a_binary_fraction():
    def numbers(value):
        if isinstance(value, dict):
            value = list(value.values())
        return [n for part in value for n in numbers(part)] if isinstance(value, list) else [value]

    assert not [n for n in numbers(BULLETIN) if isinstance(n, float)]


def test_notes_and_mandatory_blocks_are_complete():
    assert [note["number"] for note in BULLETIN["note"]] == list(range(1, 10))
    assert {block["code"] for block in BULLETIN["notice_block"] if block["mandatory"]} >= {
        "benefits",
        "basis",
        "nondiscrimination",
        "equal_opportunity",
        "accommodation",
    }


def test_the_settings_of_the_test_day():
    assert {
        "time_limit": 75,
        "check_in_opens_before": 30,
        "contact_patience_seconds": 20,
        "same_device_return_seconds": 120,
        "late_grace_seconds": 5,
        "proctor_grant_minutes": 10,
        "lead_grant_minutes": 60,
        "automatic_hold_cap_minutes": 10,
        "abandoned_after_minutes": 60,
        "evidence_still_seconds": 30,
        "clock_warnings_minutes": [30, 10, 5, 1],
        "clock_returns_minutes": 5,
    }.items() <= SETTINGS.items()
    assert len(SETTINGS) == len(BULLETIN["setting"])


# People


def test_there_are_24_in_the_crowd_12_visitors_and_someone_for_every_role_of_staff():
    assert {kind: len(people) for kind, people in PEOPLE.items()} == {"crowd": 24, "visitor": 12, "staff": 17}
    # Two signatures are those of two people: of an analyst and an approver, or of two analysts.
    assert Counter(person["role"] for person in PEOPLE["staff"]) == {
        **{role: 1 for role in Role if role is not Role.CANDIDATE},
        Role.PROCTOR: 2,
        Role.ANALYST: 2,
        Role.ITEM_WRITER: 2,
        Role.ITEM_REVIEWER: 3,
    }


def test_nobody_is_there_twice():
    everyone = [person for people in PEOPLE.values() for person in people]
    for field in ("number", "email", "family_name"):
        assert len({person[field] for person in everyone}) == len(everyone)
    for candidate in PEOPLE["crowd"] + PEOPLE["visitor"]:
        assert re.fullmatch(r"C-1229-\d{4}", candidate["number"])
        assert candidate["email"].endswith("@example.org")


def test_tiers_and_lists_of_candidates_agree_with_the_bulletin():
    for candidate in PEOPLE["crowd"] + PEOPLE["visitor"]:
        assert (candidate["list_type"] == "promotional") == (candidate["invitation_tier"] == 1)
        assert candidate["invitation_tier"] in {tier["number"] for tier in BULLETIN["invitation_tier"]}
    assert {candidate["invitation_tier"] for candidate in PEOPLE["crowd"]} == {1, 2, 3}


def test_an_accommodation_is_a_functional_setting_alone():
    given = [p["accommodation"] for p in PEOPLE["crowd"] + PEOPLE["visitor"] if "accommodation" in p]
    assert {setting["time_multiplier"] for setting in given} == {"1.25", "1.50"}
    assert set().union(*given) <= {"time_multiplier", "text_size"}


# What a candidate reads


def test_there_is_one_consent_for_each_kind_of_data():
    assert CONSENT["version"] == RULES["version"] == VERSION
    found = {consent["kind"]: consent["required"] for consent in CONSENT["consent"]}
    assert found == {"camera_live": True, "evidence_stills": True, "detectors": False, "face_photo": False}


@pytest.mark.parametrize("consent", CONSENT["consent"], ids=lambda consent: consent["kind"])
def test_a_consent_has_the_same_choices_in_both_languages(consent):
    assert consent["version"] == VERSION
    choices = [choice["id"] for choice in consent["en"]["choices"]]
    assert choices == [choice["id"] for choice in consent["es"]["choices"]]
    assert len(choices) == len(set(choices)) == 2
    assert consent["proceeds"] == choices[: len(consent["proceeds"])]
    # A choice that is required still has a way out; one that is not leads on whatever is chosen.
    assert (set(consent["proceeds"]) < set(choices)) == consent["required"]
    assert consent["required"] == ("facility" in choices)
    for language in ("en", "es"):
        assert consent[language]["title"]
        assert len(consent[language]["text"].split("\n\n")) >= 3


@every_language
def test_consents_say_the_numbers_that_hold(language):
    texts = {consent["kind"]: consent[language] for consent in CONSENT["consent"]}
    stills = texts["evidence_stills"]
    assert f"{SETTINGS['evidence_still_seconds']} " in stills["title"]
    assert re.search(r"\b4 (years|años)\b", stills["text"])


@every_language
def test_rules_say_the_numbers_that_hold(language):
    sections = {section["code"]: " ".join(section["points"]) for section in RULES[language]["section"]}
    assert list(sections) == ["allowed", "clock", "pauses", "line", "help", "after"]
    assert f"{SETTINGS['contact_patience_seconds']} se" in sections["line"]
    assert f"{SETTINGS['same_device_return_seconds'] // 60} minut" in sections["line"]
    assert f"{SETTINGS['clock_returns_minutes']} minut" in sections["clock"]
    assert BULLETIN["help_desk"]["phone"] in sections["help"]
    assert "4.20" in sections["after"]


def syllables(word):
    """Groups of vowels, a silent last e left out: close enough to grade a page."""
    groups = len(re.findall(r"[aeiouy]+", word.lower()))
    return max(1, groups - (word.lower().endswith("e") and not word.lower().endswith("le")))


def grade(text):
    """Flesch-Kincaid grade level: 0.39 words a sentence + 11.8 syllables a word - 15.59."""
    sentences = [s for s in re.split(r"[.!?:]+[\s\"”]|\n\n|$", text) if re.search(r"\w", s)]
    words = re.findall(r"[A-Za-z']+", text)
    return 0.39 * len(words) / len(sentences) + 11.8 * sum(map(syllables, words)) / len(words) - 15.59


@pytest.mark.parametrize(
    "text",
    [consent["en"]["text"] for consent in CONSENT["consent"]] + [" ".join(section["points"]) for section in RULES["en"]["section"]],
    ids=[consent["kind"] for consent in CONSENT["consent"]] + [section["code"] for section in RULES["en"]["section"]],
)
def test_candidate_texts_read_at_grade_8(text):
    assert grade(text) <= 8


@pytest.mark.parametrize("texts", [CONSENT, RULES], ids=["consent", "rules"])
def test_candidate_texts_accuse_nobody(texts):
    for text in strings(texts):
        assert not re.search(r"violat|cheat|suspicio|fraud|infracci|trampa|sospech", text, re.IGNORECASE)


# Everything is made up


EVERYTHING = [*BANK.values(), load("job_1229.toml"), FORM, BULLETIN, PEOPLE, CONSENT, RULES]


def test_hosts_and_telephone_numbers_are_reserved_ones():
    for text in strings(EVERYTHING):
        for host in re.findall(r"(?:https?://|@)([\w.-]+)", text):
            assert re.fullmatch(r"(\w+\.)*example\.(gov|org)", host), host
        assert not re.search(r"\b(?!example\.)[a-z0-9-]+\.(com|net|org|gov|edu|io)\b", text), text
        for number in re.findall(r"\b(?:\d{3}[-. ])?\d{3}-\d{4}\b", text):
            assert re.fullmatch(r"555-01\d\d", number), number


def test_no_real_agency_is_named():
    for text in strings(EVERYTHING):
        assert not re.search(r"los angeles|\blacity|ladwp|governmentjobs|neogov", text, re.IGNORECASE), text
    assert BULLETIN["bulletin"]["agency"] == "City of Larkspur"


def test_no_item_names_a_person_of_the_demo():
    names = {f"{p['given_name']} {p['family_name']}" for people in PEOPLE.values() for p in people}
    content = "\n".join(strings(list(BANK.values())))
    assert not [name for name in names if name in content]


def test_an_arithmetic_key_that_is_wrong_is_not_taken_into_the_bank():
    item = next(item for item in ITEMS.values() if "check" in item)
    setup.check_key(item)
    wrong = next(key for key in item["options"] if key != item["key"])
    with pytest.raises(FaultyItem):
        setup.check_key({**item, "key": wrong})
