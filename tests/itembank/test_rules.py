from decimal import Decimal

import pytest

from testing_platform.itembank import rules


@pytest.mark.parametrize(
    ("expression", "places", "value"),
    [
        ("1 + 2 * 3", 0, "7"),
        ("(1 + 2) * 3", 0, "9"),
        ("-5 + 2", 0, "-3"),
        ("10 / 4", 2, "2.50"),
        ("0.1 + 0.2", 2, "0.30"),  # a float would show its tail
        ("2.675", 2, "2.68"),  # half up, as a clerk rounds; a float would give 2.67
        ("2.665", 2, "2.67"),
        ("-2.675", 2, "-2.68"),
        ("84.50 * 1.0825", 2, "91.47"),
        ("1e3", 0, "1000"),
    ],
)
def test_amount(expression, places, value):
    assert rules.amount(expression, places) == Decimal(value)


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "price",
        "f(1)",
        "2 ** 9999999",
        "7 // 2",
        "7 % 2",
        "'1'",
        "[1]",
        "1 < 2",
        "1 if 1 else 2",
        "x := 1",
        "1; 2",
        "1,2",
        "().__class__",
        "__import__('os')",
        "1j",
        "+1 +",
        "None",
        "True",
        "0x10",
        "lambda: 1",
    ],
)
def test_amount_takes_nothing_but_numbers_and_the_four_signs(expression):
    with pytest.raises(ValueError, match=r"expression|only"):
        rules.amount(expression, 2)


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("One.", "<p>One.</p>"),
        ("One.\n\nTwo.", "<p>One.</p><p>Two.</p>"),
        ("One\n  two", "<p>One<br>two</p>"),
        ("\n\n\n", ""),
        ("5 < 7 & <b>bold</b>", "<p>5 &lt; 7 &amp; &lt;b&gt;bold&lt;/b&gt;</p>"),
    ],
)
def test_plain_text_becomes_paragraphs(text, html):
    assert rules.paragraphs(text) == html


def test_a_digest_does_not_depend_on_the_order_of_keys():
    assert rules.content_digest({"a": 1, "b": [2]}) == rules.content_digest({"b": [2], "a": 1})
    assert rules.content_digest({"a": 1}) != rules.content_digest({"a": 2})
