"""Items on paper: one HTML file that holds its pictures and its style, or the same as a tagged PDF. With the key or without."""

import base64
import importlib.util
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from typing import Any

from flask_babel import get_locale, gettext, ngettext
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from testing_platform import assets, errors
from testing_platform.itembank.exchange import fragments, keys, typeset
from testing_platform.itembank.exchange.drafts import Asset, Draft, StimulusDraft
from testing_platform.itembank.exchange.safety import tidy
from testing_platform.itembank.exchange.sentences import tell
from testing_platform.itembank.exchange.written import Export, Left, Section, texts, with_pictures


class NoPrinter(errors.Refusal):
    """This installation has no WeasyPrint (the extra `reports`), which makes the PDF."""

    code = "no-printer"


@dataclass(frozen=True)
class Question:
    """An item with the letters that paper gives its options."""

    number: int
    draft: Draft
    spoken: bool = False

    @property
    def stem(self) -> str:
        return shown(self.draft.stem, self.draft.assets, self.spoken)

    @property
    def options(self) -> list[str]:
        return [shown(choice.html, self.draft.assets, self.spoken) for choice in self.draft.choices]

    @property
    def letters(self) -> dict[str, str]:
        return {choice.identifier: letter(at) for at, choice in enumerate(self.draft.choices)}

    @property
    def key(self) -> str:
        right = [letter for name, letter in self.letters.items() if name in self.draft.correct]
        if self.draft.kind == "multiple" or len(right) == 1:
            return ", ".join(right)
        return gettext("any one of %(options)s", options=", ".join(right))

    @property
    def weights(self) -> str:
        mapping = self.draft.mapping
        if mapping is None:
            return ""
        told = "; ".join(
            f"{letter}\N{NO-BREAK SPACE}{keys.plain(mapping.entries.get(name, mapping.default))}" for name, letter in self.letters.items()
        )
        if mapping.lower is not None:
            told += "; " + gettext("at least %(number)s", number=keys.plain(mapping.lower))
        if mapping.upper is not None:
            told += "; " + gettext("at most %(number)s", number=keys.plain(mapping.upper))
        return told

    @property
    def why(self) -> list[tuple[str, str]]:
        return [(self.letters[choice.identifier], choice.rationale) for choice in self.draft.choices if choice.rationale]


@dataclass(frozen=True)
class Block:
    """Questions that stand together, under their passage if they have one."""

    passage: StimulusDraft | None
    html: str
    questions: tuple[Question, ...]

    @property
    def first(self) -> int:
        return self.questions[0].number

    @property
    def last(self) -> int:
        return self.questions[-1].number


@dataclass(frozen=True)
class Part:
    title: str
    time_limit: int | None
    blocks: tuple[Block, ...]


def letter(at: int) -> str:
    return chr(65 + at) if at < 26 else chr(64 + at // 26) + chr(65 + at % 26)


def minutes(time: timedelta | None) -> int | None:
    return round(time / timedelta(minutes=1)) if time else None


def shown(html: str, pictures: Iterable[Asset], spoken: bool) -> str:
    """What may stand in a page, with its pictures inside it. `spoken` writes formulas as text, for printers without MathML."""
    html = tidy(html)
    html = fragments.in_words(html) if spoken else html
    return with_pictures(html, pictures, lambda asset: f"data:{asset.media_type};base64,{base64.b64encode(asset.data).decode()}")


def blocks(questions: Iterable[Question]) -> Iterator[Block]:
    for passage, held in groupby(questions, key=lambda question: question.draft.stimulus):
        together = tuple(held)
        html = shown(passage.html, passage.assets, together[0].spoken) if passage else ""
        yield Block(passage, html, together)


def page(sections: Iterable[Section], title: str, with_key: bool, time_limit: timedelta | None, spoken: bool = False) -> tuple[str, int]:
    """The file, and how many questions are in it. Numbers run through all sections."""
    parts: list[Part] = []
    questions: list[Question] = []
    for section in sections:
        held = [Question(at, draft, spoken) for at, draft in enumerate(section.drafts, len(questions) + 1)]
        questions += held
        parts.append(Part(section.title, minutes(section.time_limit), tuple(blocks(held))))
    environment = Environment(
        loader=FileSystemLoader(assets.folder("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.install_gettext_callables(gettext, ngettext, newstyle=True)  # type: ignore[attr-defined]
    said: dict[str, Any] = {
        "language": str(get_locale() or "en").replace("_", "-"),
        "style": (assets.folder("static") / "css" / "items-print.css").read_text(),
        "title": title,
        "time_limit": minutes(time_limit),
        "number": len(questions),
        "parts": parts,
        "questions": questions,
        "with_key": with_key,
    }
    return environment.get_template("itembank/print.html").render(said), len(questions)


def write_html(sections: Iterable[Section], title: str, with_key: bool, time_limit: timedelta | None = None) -> Export:
    made, number = page(sections, title, with_key, time_limit)
    return Export(made.encode(), ".html", "text/html; charset=utf-8", number, ())


def write_pdf(sections: Iterable[Section], title: str, with_key: bool, time_limit: timedelta | None = None) -> Export:
    """Tagged for readers that speak (PDF/UA-1). Raises NoPrinter."""
    sections = list(sections)
    made, number = page(sections, title, with_key, time_limit, spoken=True)
    return Export(pdf_of(made), ".pdf", "application/pdf", number, unprintable(sections))


def pdf_of(made: str) -> bytes:
    """A page that holds its pictures and its style, as a tagged PDF. Raises NoPrinter.

    The font libraries under it have crashed now and then (SIGSEGV): that costs their own process, which is begun once more.
    """
    if importlib.util.find_spec("weasyprint") is None:
        raise NoPrinter
    command = [sys.executable, "-m", typeset.__name__]
    ran = subprocess.run(command, input=made.encode(), stdout=subprocess.PIPE)
    if ran.returncode < 0:
        ran = subprocess.run(command, input=made.encode(), stdout=subprocess.PIPE)
    if ran.returncode == typeset.NO_PRINTER:
        raise NoPrinter
    ran.check_returncode()
    return ran.stdout


def unprintable(sections: Iterable[Section]) -> tuple[Left, ...]:
    """What a PDF says otherwise than the items do."""
    what = tell("formulas-in-a-line")
    drafts = (draft for section in sections for draft in section.drafts)
    held = ((draft, [*texts(draft), draft.stimulus.html if draft.stimulus else ""]) for draft in drafts)
    return tuple(Left(draft.identifier, what) for draft, html in held if any("<math" in said for said in html))
