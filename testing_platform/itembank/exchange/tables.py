"""Items as a table, CSV or XLSX: one item a row, under headings in any order. `HEADINGS` is also the template that is handed out."""

import csv
import io
import re
import warnings
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

from testing_platform.itembank.exchange import keys, markup
from testing_platform.itembank.exchange.drafts import Choice, Draft, Kind, Mapping, NoItems, Skip, Unfit, number
from testing_platform.itembank.exchange.qti import Reading
from testing_platform.itembank.exchange.safety import LIMITS, Damaged, Package, Refused, plain_text, says_something
from testing_platform.itembank.exchange.sentences import tell

FORMAT = "csv"
HEADINGS = ("identifier", "title", "kind", "stem", "option_a", "option_b", "option_c", "option_d", "option_e", "option_f", "key", "mapping", "shuffle", "format", "area", "difficulty", "tags", "language", "rationale")  # fmt: skip
# What other people's tables call the same things; letters and figures alone, in small letters.
MEANINGS = {
    "identifier": {"identifier", "id", "code", "itemid", "itemcode", "itemnumber", "questionid", "no", "number", "questionnumber", "qid", "nr"},
    "title": {"title", "name", "questiontitle", "questionname", "itemtitle"},
    "kind": {"kind", "type", "questiontype", "itemtype"},
    "stem": {"stem", "question", "questiontext", "item", "itemtext", "itemstem", "text", "prompt", "questionstem"},
    "key": {"key", "answer", "correct", "correctanswer", "correctanswers", "correctoption", "correctoptions", "correctchoice", "rightanswer", "answerkey", "keyedresponse", "solution", "answers"},
    "mapping": {"mapping", "weights", "scores"},
    "shuffle": {"shuffle", "shuffleanswers", "shuffleoptions", "randomize"},
    "format": {"format", "textformat"},
    "area": {"area", "contentarea", "category", "topic", "subject", "domain", "section"},
    "difficulty": {"difficulty", "level", "difficultylevel"},
    "tags": {"tags", "keywords", "labels"},
    "language": {"language", "lang"},
    "rationale": {"rationale", "explanation", "feedback", "generalfeedback", "comment"},
}  # fmt: skip
OPTION = re.compile(r"(?:option|choice|answer|response|alternative|distractor|opt|ans)?([a-z]|\d{1,2})\Z")
OPTION_TEXT = re.compile(r"(?:option|choice|answer|response|alternative|opt|ans)([a-z]|\d{1,2})text\Z")
KINDS: dict[str, Kind] = {
    "single": "single", "singlechoice": "single", "multiplechoice": "single", "mc": "single", "mcq": "single", "singleanswer": "single", "choice": "single",
    "multiple": "multiple", "multipleresponse": "multiple", "multipleanswer": "multiple", "multipleanswers": "multiple", "multiselect": "multiple", "mr": "multiple", "checkbox": "multiple",
    "truefalse": "truefalse", "tf": "truefalse", "boolean": "truefalse",
}  # fmt: skip
# A first row that is no heading says so within a few lines (titles, a logo's row).
HEADING_WITHIN = 10


def plain_name(heading: str) -> str:
    return re.sub(r"[^a-z0-9]", "", heading.casefold())


def read_csv(data: bytes, name: str, reading: Reading) -> Iterator[Draft | Skip]:
    """Excel writes CSV in Windows-1252 unless asked for UTF-8."""
    text = plain_text(data, fallback="windows-1252")
    csv.field_size_limit(LIMITS.cell)
    try:
        rows = [row for _, row in zip(range(LIMITS.rows + 1), csv.reader(io.StringIO(text), delimiter=delimiter_of(text)))]  # noqa: B905 - the shorter ends it
    except csv.Error as problem:
        raise Damaged(tell("no-table", problem=str(problem))) from problem
    yield from read_rows(rows, name, reading)


def delimiter_of(text: str) -> str:
    """Whichever of comma, semicolon and tab stands most often in the first lines, outside quotes."""
    head = re.sub(r'"[^"]*(?:"|\Z)', "", text[:20_000])
    lines = [line for line in head.splitlines() if line.strip()][:HEADING_WITHIN]
    return max(",;\t|", key=lambda mark: max((line.count(mark) for line in lines), default=0))


def read_xlsx(path: Any, name: str, reading: Reading) -> Iterator[Draft | Skip]:
    """The first sheet with headings that mean something. Every part of the file is checked before it is opened."""
    import openpyxl

    shown = reading.files.source(name)
    archive = Package(path, shown)
    try:
        for part in archive.names():
            if part.endswith((".xml", ".rels")):
                head = archive.read(part, LIMITS.document)
                if b"<!DOCTYPE" in head or b"<!ENTITY" in head or b"\0" in head[:200]:
                    raise Refused(f"{shown}!{part}", tell("has-a-dtd"))
    finally:
        archive.close()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            book = openpyxl.load_workbook(path, read_only=True, data_only=True, keep_links=False)
            sheets = [sheet_rows(sheet) for sheet in book.worksheets]
            book.close()
    except Exception as problem:
        # openpyxl raises whatever the broken part led it to.
        raise Refused(shown, tell("broken-workbook")) from problem
    rows = next((rows for rows in sheets if heading_row(rows) is not None), None)
    if rows is None:
        raise NoItems(tell("no-headings"))
    yield from read_rows(rows, name, reading)


def sheet_rows(sheet: Any) -> list[list[str]]:
    rows: list[list[str]] = []
    total = 0
    for row in sheet.iter_rows(max_row=LIMITS.rows + 1, max_col=60, values_only=True):
        rows.append([cell_text(value) for value in row])
        total += sum(map(len, rows[-1])) + 60
        if total > LIMITS.document:
            raise ValueError("too large")
    return rows


def cell_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)[: LIMITS.cell]


def heading_row(rows: list[list[str]]) -> int | None:
    for at, row in enumerate(rows[:HEADING_WITHIN]):
        found = columns(row)
        if "stem" in found and "key" in found:
            return at
    return None


def columns(row: list[str]) -> dict[str, int]:
    """What each column means: a name of `MEANINGS`, or `option:` and its mark."""
    found: dict[str, int] = {}
    marked: dict[str, int] = {}
    for at, heading in enumerate(row):
        name = plain_name(heading)
        meaning = next((meaning for meaning, names in MEANINGS.items() if name in names), None)
        if meaning:
            found.setdefault(meaning, at)
        elif mark := OPTION_TEXT.match(name) or OPTION.match(name):
            marked.setdefault(f"option:{mark[1]}", at)
    return found | marked


def read_rows(rows: list[list[str]], name: str, reading: Reading) -> Iterator[Draft | Skip]:
    source = reading.files.source(name)
    if len(rows) > LIMITS.rows:
        raise Refused(source, tell("too-many-rows", most=LIMITS.rows))
    at = heading_row(rows)
    if at is None:
        raise NoItems(tell("no-headings"))
    where = columns(rows[at])
    position = 0
    for row in rows[at + 1 :]:
        if not any(cell.strip() for cell in row):
            continue
        cells = {meaning: row[column].strip() if column < len(row) else "" for meaning, column in where.items()}
        identifier = cells.get("identifier") or f"q{position + 1}"
        try:
            yield read_row(cells, identifier, name, reading, position)
        except Unfit as unfit:
            yield Skip(source, identifier, FORMAT, unfit.reason)
        position += 1


def read_row(cells: dict[str, str], identifier: str, name: str, reading: Reading, position: int) -> Draft:
    cleaner = reading.cleaner(name)
    html = plain_name(cells.get("format", "")) == "html"
    stem = cleaner.clean(cells["stem"] if html else markup.plain(cells["stem"]))
    if not says_something(stem):
        raise Unfit(tell("no-text"))
    declared = plain_name(cells.get("kind", ""))
    kind = KINDS.get(declared)
    if declared and kind is None:
        raise Unfit(tell("another-kind", kind=cells["kind"][:60]))
    texts = {meaning.removeprefix("option:"): text for meaning, text in cells.items() if meaning.startswith("option:") and text}
    if not texts and (kind == "truefalse" or cells["key"].casefold() in TRUE | FALSE):
        texts = {"true": "True", "false": "False"}
    choices = tuple(Choice(mark, cleaner.clean(text if html else markup.inline(text))) for mark, text in texts.items())
    if empty := next((choice.identifier for choice in choices if not says_something(choice.html)), None):
        raise Unfit(tell("option-empty", option=empty))
    keys.check(keys.Question(tuple(texts), single=True))
    correct = key_of(cells["key"], texts)
    if kind is None:
        kind = "multiple" if len(correct) > 1 else "truefalse" if keys.is_true_false(texts.values()) else "single"
    mapping = mapping_of(cells.get("mapping", ""), texts)
    single = kind != "multiple"
    question = keys.Question(tuple(texts), single, correct=correct, mapping=mapping)
    keys.check(question)
    if mapping is not None:
        keys.mapped(question)
    metadata: dict[str, Any] = {label: cells[label] for label in ("area", "difficulty") if cells.get(label)}
    if cells.get("tags"):
        metadata["tags"] = [tag.strip() for tag in re.split(r"[,;|]", cells["tags"]) if tag.strip()]
    return Draft(
        source=reading.files.source(name),
        identifier=identifier,
        format=FORMAT,
        kind=kind,
        title=cells.get("title", ""),
        stem=stem,
        choices=choices,
        correct=correct,
        mapping=mapping,
        shuffle=plain_name(cells.get("shuffle", "")) in ("true", "yes", "1", "y"),
        max_choices=1 if single else 0,
        language=cells.get("language", "")[:35],
        assets=tuple(cleaner.assets.values()),
        metadata=metadata,
        rationale=cells.get("rationale", ""),
        position=position,
    )


TRUE = {"true", "t", "yes"}
FALSE = {"false", "f", "no"}


def key_of(written: str, texts: dict[str, str]) -> tuple[str, ...]:
    """The options that a key cell names: by their marks (`B`, `a, c`, `AC`) or by their whole text, if the two do not differ."""
    said = written.strip()
    if not said:
        raise Unfit(tell("no-key"))
    by_text = {mark for mark, text in texts.items() if " ".join(text.split()).casefold() == " ".join(said.split()).casefold()}
    by_mark = marks(said, texts)
    if set(texts) == {"true", "false"}:
        by_mark = ["true"] if said.casefold() in TRUE else ["false"] if said.casefold() in FALSE else by_mark
    if by_text and by_mark and by_text != set(by_mark):
        raise Unfit(tell("key-mark-and-text", text=said[:40]))
    if len(by_text) > 1:
        raise Unfit(tell("key-several-texts", text=said[:40]))
    found = set(by_mark or by_text)
    if not found:
        raise Unfit(tell("key-names-none", text=said[:40]))
    return tuple(mark for mark in texts if mark in found)


def marks(said: str, texts: dict[str, str]) -> list[str]:
    parts = [
        re.sub(r"\A(?:option|choice|answer)[\s_]*", "", part.strip().casefold()).strip(".)( ")
        for part in re.split(r"[,;|/&+\s]+|\band\b", said)
    ]
    parts = [part for part in parts if part]
    if parts and all(part in texts for part in parts):
        return parts
    together = said.strip().casefold()
    return list(together) if 1 < len(together) <= len(texts) and all(letter.isalpha() and letter in texts for letter in together) else []


def mapping_of(written: str, texts: Iterable[str]) -> Mapping | None:
    """`a=1; b=0.5`."""
    if not written.strip():
        return None
    entries: dict[str, Decimal] = {}
    for part in re.split(r"[;\n]", written):
        if not part.strip():
            continue
        mark, _, value = part.partition("=")
        weight = number(value)
        if weight is None or mark.strip().casefold() not in texts:
            raise Unfit(tell("mapping-unreadable", text=part.strip()[:40]))
        entries[mark.strip().casefold()] = weight
    return Mapping(entries)
