"""What is said of items: each code has its sentence, in the catalogue, and a page says it in its reader's language."""

import re
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_file

import testing_platform
from testing_platform.errors import Said
from testing_platform.itembank.exchange import sentences
from testing_platform.itembank.exchange.sentences import SENTENCES, tell

BANK = Path(testing_platform.__file__).parent / "itembank"


def test_every_sentence_is_said_somewhere_and_what_is_said_has_one():
    files = [*(BANK / "exchange").glob("*.py"), BANK / "intake.py", BANK / "export.py"]
    source = "".join(path.read_text(encoding="utf-8") for path in files if path.name != "sentences.py")
    # Those that are put together from a state or a size stand in the code as such.
    made = {"is-retired", "is-compromised", "larger-bytes", "picture-larger-bytes", "larger"}
    assert set(re.findall(r'"([a-z0-9-]+)"', source)) >= SENTENCES.keys() - made
    assert set(re.findall(r'tell\(\s*"([a-z0-9-]+)"', source)) <= SENTENCES.keys()


def test_every_sentence_stands_in_the_catalogue():
    found = {message for _, message, _, _ in extract_from_file("python", sentences.__file__)}
    assert found == set(SENTENCES.values())


def test_what_is_said_is_english_as_text_and_knows_what_it_is_made_of():
    one = tell("too-many-options", most=40)
    assert one == "has more than 40 options"
    assert (one.code, one.sentence, one.facts) == ("too-many-options", "has more than %(most)s options", {"most": 40})


@pytest.mark.parametrize("name", ["<b>40</b>", "40 %(most)s"])
def test_a_page_says_it_anew_with_its_facts_made_safe(app, name):
    page = app.jinja_env.from_string('{% import "itembank/_words.html" as words with context %}{{ words.told(one) }}')
    with app.test_request_context("/"):
        said = page.render(one=Said("any", "Only the sentence counts here: %(name)s", {"name": name}))
    assert said == f"Only the sentence counts here: {name}".replace("<", "&lt;").replace(">", "&gt;")
