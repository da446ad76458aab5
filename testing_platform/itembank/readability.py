"""How many years of schooling a text asks for."""

import re
from decimal import ROUND_HALF_UP, Decimal
from functools import cache

import pyphen

from testing_platform.itembank.rules import Content, text_of

# Fewer words than this and the formula, made for passages, says nothing.
FEWEST_WORDS = 10
WORD = re.compile(r"[A-Za-zÀ-ɏ]+(?:['’-][A-Za-zÀ-ɏ]+)*")
SENTENCE = re.compile(r"[.!?…]+(?:[\"”’)]*)(?:\s|$)|\n")
VOWELS = re.compile(r"[aeiouyà-öø-ɏ]+")


@cache
def _hyphens(language: str) -> pyphen.Pyphen | None:
    found = pyphen.language_fallback(language)
    return pyphen.Pyphen(lang=found) if found else None


@cache
def syllables(word: str) -> int:
    """By places where the word could be parted, or groups of vowels where that finds more: hyphenation leaves single letters together (i-dea)."""
    lowered = word.lower()
    hyphens = _hyphens("en_US")
    parted = len(hyphens.positions(lowered)) + 1 if hyphens else 1
    silent = (lowered.endswith("e") and not lowered.endswith(("le", "ee", "ie", "ye"))) or (
        lowered.endswith("ed") and not lowered.endswith(("ted", "ded"))
    )
    return max(1, parted, len(VOWELS.findall(lowered)) - (1 if silent else 0))


def grade(sentences: list[str]) -> Decimal | None:
    """Flesch-Kincaid grade level (Kincaid et al. 1975): 0.39 words per sentence + 11.8 syllables per word − 15.59; not below 0."""
    words = [WORD.findall(sentence) for sentence in sentences]
    count = sum(map(len, words))
    spoken = sum(1 for found in words if found)
    if count < FEWEST_WORDS:
        return None
    found = 0.39 * count / spoken + 11.8 * sum(syllables(word) for some in words for word in some) / count - 15.59
    return max(Decimal(0), Decimal(found).quantize(Decimal("0.1"), rounding=ROUND_HALF_UP))


def grade_of(content: Content, passage: str = "") -> Decimal | None:
    """Of an item in English with its passage; the formula knows no other language. An option is read as the end of the stem or as a sentence."""
    if not content.language.startswith("en"):
        return None
    texts = [text_of(html) for html in (passage, content.stem, *(option.html for option in content.options))]
    return grade([part for text in texts for part in SENTENCE.split(text) if part.strip()])
