"""CSV under the headings that `tables` reads, one item a row, its texts as HTML."""

import csv
import io
import re
import string
from collections.abc import Iterable
from decimal import Decimal

from testing_platform.errors import Said
from testing_platform.itembank.exchange import fragments, tables
from testing_platform.itembank.exchange.drafts import Draft, Mapping, Unfit
from testing_platform.itembank.exchange.safety import LIMITS
from testing_platform.itembank.exchange.sentences import tell
from testing_platform.itembank.exchange.write_qti import check_mapping, figure
from testing_platform.itembank.exchange.write_text import inside
from testing_platform.itembank.exchange.written import Export, Holds, each, whole_stem

HOLDS = Holds(option_rationales=False, language=True, metadata=frozenset({"area", "difficulty", "tags"}))
# What a spreadsheet would take for a formula.
FORMULA = ("=", "+", "-", "@", "\t")


def marks(most: int) -> list[str]:
    """How the options are called: by letters as long as there are enough."""
    return list(string.ascii_lowercase)[: max(most, 4)] if most <= len(string.ascii_lowercase) else [str(at) for at in range(1, most + 1)]


def html_cell(html: str, key: str, known: list[str]) -> str:
    """HTML whose first letter is written as a number where it would be taken for a formula or, in an option, for a key."""
    said = " ".join(html.split()).casefold()
    if html.startswith(FORMULA) or said in (key, *known):
        return f"&#{ord(html[0])};{html[1:]}"
    return html


def plain_cell(text: str) -> str:
    """Plain text that no spreadsheet calculates: a blank before it is taken away again on reading."""
    text = fragments.legal(text).strip()
    return f" {text}" if text.startswith(FORMULA) else text


def row(draft: Draft, known: list[str]) -> tuple[dict[str, str], list[Said]]:
    notes: list[Said] = []
    if draft.kind != "multiple" and len(draft.correct) > 1:
        raise Unfit(tell("several-right-table"))
    of = {choice.identifier: mark for choice, mark in zip(draft.choices, known, strict=False)}
    key = ", ".join(of[choice.identifier] for choice in draft.choices if choice.identifier in draft.correct)
    mapping = draft.mapping
    weights: dict[str, Decimal] = {}
    if mapping is not None:
        weights = {choice.identifier: mapping.entries.get(choice.identifier, mapping.default) for choice in draft.choices}
        check_mapping(draft, Mapping(weights))
        if mapping.lower is not None or mapping.upper is not None:
            notes.append(tell("bounds-left"))
    tags = [str(tag) for tag in draft.metadata.get("tags") or ()]
    if any(re.search(r"[,;|]", tag) for tag in tags):
        notes.append(tell("tag-parted"))
    cells = {
        "identifier": plain_cell(draft.identifier),
        "title": plain_cell(draft.title),
        "kind": draft.kind,
        "stem": html_cell(fragments.legal(inside(draft, whole_stem(draft), notes, LIMITS.cell)), "", []),
        **{
            f"option_{of[choice.identifier]}": html_cell(fragments.legal(inside(draft, choice.html, notes, LIMITS.cell)), key, known)
            for choice in draft.choices
        },
        "key": key,
        "mapping": "; ".join(f"{of[name]}={figure(value)}" for name, value in weights.items() if value),
        "shuffle": "yes" if draft.shuffle else "no",
        "format": "html",
        "area": plain_cell(str(draft.metadata.get("area") or "")),
        "difficulty": plain_cell(str(draft.metadata.get("difficulty") or "")),
        "tags": plain_cell("; ".join(tags)),
        "language": draft.language,
        "rationale": plain_cell(draft.rationale),
    }
    if any(len(cell) > LIMITS.cell for cell in cells.values()):
        raise Unfit(tell("cell-too-long", most=LIMITS.cell))
    return cells, notes


def write(drafts: Iterable[Draft]) -> Export:
    drafts = list(drafts)
    known = marks(max((len(draft.choices) for draft in drafts), default=0))
    rows, left = each(drafts, HOLDS, lambda draft: row(draft, known))
    held = io.StringIO()
    head = [name for name in tables.HEADINGS if not name.startswith("option_")]
    at = head.index("stem") + 1
    writer = csv.DictWriter(held, [*head[:at], *(f"option_{mark}" for mark in known), *head[at:]], quoting=csv.QUOTE_ALL)
    writer.writeheader()
    writer.writerows(rows)
    # With its mark at the front Excel knows that it is UTF-8.
    return Export(held.getvalue().encode("utf-8-sig"), ".csv", "text/csv; charset=utf-8", len(rows), left)
