"""Real files of other makers, where a copy of them lies beside the checkout; the same shapes made small stand in `test_qti` and `test_dialects`."""

import csv
import json
from pathlib import Path

from testing_platform.itembank.exchange import drafts
from testing_platform.itembank.exchange.read import read
from testing_platform.itembank.exchange.safety import Refused

SAMPLES = Path(__file__).parents[4] / "shared" / "samples"
GIFT = SAMPLES / "gift-grammar-peg" / "tests" / "questions"
# What the second opinion marks on an item → words of which one stands in the reason.
MARKS = {"adaptive": "adaptive", "template-variables": "template variables", "multi-interaction": "several interactions"}


def expected_rows():
    path = SAMPLES / "EXPECTED_choice_items.csv"
    return list(csv.DictReader(path.open())) if path.is_file() else []


def true_reason(row, reason):
    """Whether a skip's reason is borne out by what the other reader found."""
    flags, mapping = row["flags"].split(), json.loads(row["mapping"] or "{}")
    positive = [name for name, value in mapping.items() if float(value) > 0]
    if any(words in reason for mark, words in MARKS.items() if mark in flags):
        return True
    if row["scoring"] == "malformed-xml":
        return "not well-formed" in reason
    if "has 1 option" in reason:
        return row["n_choices"] == "1"
    if "no rule that scores by the mapping" in reason or "is no number" in reason:
        return row["scoring"] == "none" and not row["correct_ids"] and bool(mapping)
    if "no rule says which" in reason:
        return row["scoring"] == "none" and sorted(positive) != sorted(row["correct_ids"].split())
    # One of the set gives a bonus on top of its mapping.
    return "neither all-or-nothing" in reason and row["item_identifier"] == "Demo_1_2"


def test_every_row_has_exactly_that_key_or_a_reason_that_is_true():
    rows = expected_rows()
    found = {} if not rows else {each.source: drafts.outcome(each) for each in read(SAMPLES, strict=True)}
    imported = 0
    for row in rows:
        got = found[row["path"]]
        if got["outcome"] == "skipped":
            assert true_reason(row, got["reason"]), (row, got)
            continue
        imported += 1
        mapping = {name: float(value) for name, value in json.loads(row["mapping"] or "{}").items()}
        key = set(row["correct_ids"].split()) or {name for name, value in mapping.items() if value > 0}
        if got["kind"] == "single" and not row["correct_ids"]:
            key = {max(mapping, key=lambda name: mapping[name])}
        assert set(got["key"]) == key, (row, got)
        assert got["options"] == int(row["n_choices"])
        assert got["shuffle"] == (row["shuffle"] == "true")
        assert got["format"] == "qti" + row["qti_version"].replace(".", "")
        assert got["mapping"] in (mapping, None)
        assert got["mapping"] or not any(mapping.values()), "a mapping that gives credit is kept"
    assert imported >= len(rows) * 0.65


def test_every_gift_file_agrees_with_its_twin():
    for path in sorted(GIFT.glob("*.gift")):
        twins = [twin for twin in json.loads(path.with_suffix(".json").read_text()) if twin["type"] != "Category"]
        found = list(read(path, strict=True))
        assert len(found) == len(twins), path.name
        for got, twin in zip(found, twins, strict=True):
            row = drafts.outcome(got)
            if twin["type"] == "TF":
                assert (row["kind"], row["key"]) == ("truefalse", ["0" if twin["isTrue"] else "1"]), path.name
            elif twin["type"] == "MC":
                right = [str(at) for at, choice in enumerate(twin["choices"]) if choice["isCorrect"]]
                right = right or [str(at) for at, choice in enumerate(twin["choices"]) if (choice["weight"] or 0) > 0]
                assert (row["key"], row["options"]) == (right, len(twin["choices"])), path.name
                assert row["kind"] == ("single" if any(choice["isCorrect"] for choice in twin["choices"]) else "multiple")
                plain = [(choice.html, each["text"]["text"]) for choice, each in zip(got.choices, twin["choices"], strict=True)]
                assert all(given.replace("&gt;", ">") == wanted for given, wanted in plain if "<" not in wanted), path.name
            else:
                assert row["outcome"] == "skipped", path.name


def refusal(path):
    try:
        list(read(path, strict=True))
    except Refused as refused:
        return str(refused)
    return path.name


def test_no_file_of_the_folder_is_more_than_a_refusal_that_names_it():
    for path in sorted(SAMPLES.rglob("*")) if SAMPLES.is_dir() else []:
        assert path.name in refusal(path)
