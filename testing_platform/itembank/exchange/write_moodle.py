"""Moodle XML. Each question stands alone there, its pictures inside it, and what it is worth is written in hundredths."""

import base64
from collections.abc import Iterable
from decimal import Decimal

from testing_platform.errors import Said
from testing_platform.itembank.exchange import fragments
from testing_platform.itembank.exchange.drafts import Asset, Draft
from testing_platform.itembank.exchange.fragments import element
from testing_platform.itembank.exchange.moodle import FILES, NEARLY_WHOLE, WHOLE, area_in
from testing_platform.itembank.exchange.safety import words
from testing_platform.itembank.exchange.sentences import tell
from testing_platform.itembank.exchange.written import Export, Holds, each, whole_assets, whole_stem, with_pictures

HOLDS = Holds(metadata=frozenset({"area", "category", "tags"}))
# As many figures as Moodle keeps of a fraction.
FIVE = Decimal("0.00001")
# What Moodle offers as the worth of an option, less its sign. On reading a file with others it asks for leave to take the nearest.
OFFERED = {
    Decimal(value)
    for value in ("100", "90", "83.33333", "80", "75", "70", "66.66667", "60", "50", "40", "33.33333", "30", "25", "20", "16.66667", "14.28571", "12.5", "11.11111", "10", "5", "0")
}  # fmt: skip


def category_of(draft: Draft) -> str:
    """The path of categories that an item goes into."""
    category, area = str(draft.metadata.get("category") or ""), str(draft.metadata.get("area") or "")
    return category if category and area_in(category) == area else area.replace("/", "//")


def by_category(drafts: Iterable[Draft]) -> list[Draft]:
    """A category holds for all that follows it, so what has none comes first."""
    return sorted(drafts, key=lambda draft: bool(category_of(draft)))


def fractions(draft: Draft) -> tuple[dict[str, Decimal], list[Said]]:
    """What each option is worth of a hundred, and what is lost by that."""
    identifiers = [choice.identifier for choice in draft.choices]
    mapping, single = draft.mapping, draft.kind != "multiple"
    if mapping is None:
        return {name: WHOLE if name in draft.correct else Decimal(0) for name in identifiers}, []
    weights = {name: mapping.score([name]) if single else mapping.entries.get(name, mapping.default) for name in identifiers}
    whole = max(weights.values()) if single else sum((value for value in weights.values() if value > 0), Decimal(0))
    bounded = single or (mapping.lower == 0 and mapping.upper is not None)
    # Shares that were written with five figures come to a little less than one.
    scaled = abs(whole - 1) > (WHOLE - NEARLY_WHOLE) / WHOLE
    worth = {name: (value / whole if scaled else value) * WHOLE for name, value in weights.items()}
    found = {name: value.quantize(FIVE) if len(value.as_tuple().digits) > 8 else value for name, value in worth.items()}
    notes = []
    if scaled or not bounded or (not single and mapping.upper not in (whole, 1)):
        notes.append(tell("weights-become-shares"))
    if not single and {name for name, value in weights.items() if value > 0} != set(draft.correct):
        notes.append(tell("key-grows"))
    if any(abs(value) not in OFFERED for value in found.values()):
        notes.append(tell("nearest-shares"))
    return found, notes


def is_true_false(draft: Draft) -> bool:
    """Moodle's true/false knows these two words, as right or wrong, and nothing beside."""
    said = sorted(words(choice.html).casefold() for choice in draft.choices)
    return draft.kind == "truefalse" and said == ["false", "true"] and len(draft.correct) == 1 and draft.mapping is None


def text_of(tag: str, html: str, assets: Iterable[Asset], attributes: dict[str, object] | None = None, *inner: str) -> str:
    files = "".join(
        element("file", {"name": asset.name, "path": "/", "encoding": "base64"}, base64.b64encode(asset.data).decode())
        for asset in assets
        if f'src="{asset.name}"' in html
    )
    placed = with_pictures(html, assets, lambda asset: FILES + asset.name)
    return element(tag, {**(attributes or {}), "format": "html"}, element("text", None, fragments.text(placed)), files, *inner)


def plain_of(tag: str, said: str) -> str:
    """A plain text, which Moodle would read as HTML."""
    return element(tag, {"format": "html"}, element("text", None, fragments.text(fragments.text(said))))


def question(draft: Draft) -> tuple[str, list[Said]]:
    assets = whole_assets(draft)
    plain = is_true_false(draft)
    multiple = draft.kind == "multiple"
    all_or_nothing = multiple and draft.mapping is None
    worth, notes = fractions(draft)
    if draft.kind == "truefalse" and not plain:
        notes.append(tell("true-false-moodle"))
    if plain and draft.shuffle:
        notes.append(tell("shuffle-left"))
    if all_or_nothing:
        notes.append(tell("needs-plugin"))
    kind = "truefalse" if plain else "multichoiceset" if all_or_nothing else "multichoice"
    answers = [
        text_of("answer", choice.html, assets, {"fraction": f"{worth[choice.identifier]:f}"}, plain_of("feedback", choice.rationale))
        for choice in draft.choices
    ]
    settings = {
        "defaultgrade": "1",
        "penalty": "0",
        "hidden": "0",
        "idnumber": fragments.text(draft.identifier),
        **({} if plain else {"single": str(not multiple).lower(), "shuffleanswers": str(draft.shuffle).lower(), "answernumbering": "abc"}),
    }
    tags = [element("tag", None, element("text", None, fragments.text(str(tag)))) for tag in draft.metadata.get("tags") or ()]
    parts = [
        element("name", None, element("text", None, fragments.text(draft.title))),
        text_of("questiontext", whole_stem(draft), assets),
        plain_of("generalfeedback", draft.rationale),
        *(element(name, None, value) for name, value in settings.items()),
        *answers,
        element("tags", None, *tags) if tags else "",
    ]
    return element("question", {"type": kind}, *(f"\n{part}" for part in parts if part), "\n"), notes


def write(drafts: Iterable[Draft]) -> Export:
    category = ""

    def one(draft: Draft) -> tuple[str, list[Said]]:
        nonlocal category
        made, notes = question(draft)
        if category_of(draft) != category:
            category = category_of(draft)
            path = element("category", None, element("text", None, fragments.text(category)))
            made = element("question", {"type": "category"}, path) + "\n" + made
        return made, notes

    parts, left = each(by_category(drafts), HOLDS, one)
    page = element("quiz", None, "\n", *(f"{part}\n" for part in parts))
    return Export(f'<?xml version="1.0" encoding="UTF-8"?>\n{page}\n'.encode(), ".xml", "application/xml", len(parts), left)
