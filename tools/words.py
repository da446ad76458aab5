"""Keeps the Spanish catalogue in step with the sentences of the pages, and compiles it.

`make words` takes in what is new, leaves out what no page says any more, and prints what still has to be translated.
With `--check` nothing is written, and anything that is not as the pages need it is a failure.
"""

from __future__ import annotations

import argparse
import io
import re
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.mofile import read_mo, write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parent.parent
MAPPING = ROOT / "tools" / "babel.cfg"
FOLDER = ROOT / "testing_platform" / "web" / "translations" / "es" / "LC_MESSAGES"
PO, MO = FOLDER / "messages.po", FOLDER / "messages.mo"

# %(name)s of Python and Jinja, {name} of the sentences that scripts fill in.
BLANK = re.compile(r"%\(\w+\)[a-z]|\{\w+\}")
SENTENCES = ("testing_platform", "templates")


class Words(Catalog):
    """A Spanish catalogue without dates and versions in its head: a run that changes no word changes no file.

    One and many are all the forms that counts on these pages need; newer data know a third for whole millions.
    """

    def __init__(self) -> None:
        super().__init__(locale="es", project="testing-platform", fuzzy=False, header_comment="# The Spanish sentences of the pages.")
        self._num_plurals, self._plural_expr = 2, "(n != 1)"

    @property
    def mime_headers(self) -> list[tuple[str, str]]:
        return [
            ("Project-Id-Version", self.project),
            ("Language", "es"),
            ("Plural-Forms", self.plural_forms),
            ("MIME-Version", "1.0"),
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Transfer-Encoding", "8bit\n"),
        ]


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--check", action="store_true", help="write nothing, fail where the catalogue is not as the pages need it")
    check = asked.parse_args().check
    wanted, held = sentences(), read(PO)
    if not check:
        old, held = held, updated(wanted, held)
        FOLDER.mkdir(parents=True, exist_ok=True)
        write(PO, as_po(held))
        write(MO, as_mo(held))
        say(f"{len(missing_in(wanted, old))} left out that no page says any more")
    found = faults(wanted, read(PO), compiled())
    say(f"{len(listed(wanted))} sentences, {sum(1 for one in listed(held) if translated(one))} in Spanish, {len(found)} to look after")
    for fault in found:
        say(fault)
    if check and found:
        raise SystemExit(1)


def sentences() -> Catalog:
    """Every sentence that the code and the templates say."""
    with MAPPING.open() as config:
        methods, options = parse_mapping_cfg(config)
    found = Words()
    for _, _, message, _, context in extract_from_dir(ROOT, methods, options, directory_filter=may_hold_sentences):
        found.add(message, context=context)
    return found


def may_hold_sentences(folder: str) -> bool:
    path = Path(folder)
    return path == ROOT or path.relative_to(ROOT).parts[0] in SENTENCES


def read(path: Path) -> Catalog:
    if not path.exists():
        return Words()
    with path.open("rb") as file:
        return read_po(file, locale="es")


def compiled() -> Catalog:
    if not MO.exists():
        return Words()
    with MO.open("rb") as file:
        return read_mo(file)


def updated(wanted: Catalog, held: Catalog) -> Catalog:
    """The wanted sentences with the translations they have. A changed sentence has none: a guess from a similar one would be shown as if it were meant."""
    fresh = Words()
    for message in listed(wanted):
        known = held.get(message.id, message.context)
        fresh.add(
            message.id,
            known.string if known else None,
            user_comments=known.user_comments if known else (),
            context=message.context,
        )
    return fresh


def faults(wanted: Catalog, held: Catalog, mo: Catalog) -> list[str]:
    """What keeps a page from being in Spanish, or the catalogue from being clean."""
    found = []
    for message in listed(wanted):
        known = held.get(message.id, message.context)
        if known is None:
            found.append(f"not taken in yet: {first(message)}")
        elif not translated(known):
            found.append(f"not translated: {first(message)}")
        elif known.fuzzy:
            found.append(f"fuzzy: {first(message)}")
        elif wrong := blanks_differ(known):
            found.append(f"{wrong}: {first(message)}")
    found += [f"said nowhere any more: {first(one)}" for one in [*missing_in(wanted, held), *held.obsolete.values()]]
    if pairs(held) != pairs(mo):
        found.append(f"{MO.name} is not what {PO.name} compiles to")
    return found


def missing_in(wanted: Catalog, held: Catalog) -> list[Message]:
    return [message for message in listed(held) if wanted.get(message.id, message.context) is None]


def blanks_differ(message: Message) -> str:
    """A blank that the page fills in has to stand in the translation of the same form, and no other."""
    for said, string in zip(forms(message.id), forms(message.string), strict=True):
        if sorted(set(BLANK.findall(said))) != sorted(set(BLANK.findall(string))):
            return "other blanks in the translation"
        # Jinja fills in every sentence with the % operator, also one without blanks.
        if "%" in BLANK.sub("", string).replace("%%", ""):
            return "a single % sign in the translation"
        if (said[:1].isspace(), said[-1:].isspace()) != (string[:1].isspace(), string[-1:].isspace()):
            return "other spaces at the ends of the translation"
    return ""


def forms(text: str | list[str] | tuple[str, ...] | None) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else tuple(text or ())


def translated(message: Message) -> bool:
    return bool(message.string) and all(forms(message.string))


def first(message: Message) -> str:
    return forms(message.id)[0]


def listed(catalogue: Catalog) -> list[Message]:
    """The messages without the head, which is kept as a message with no id."""
    return [message for message in catalogue if message.id]


def pairs(catalogue: Catalog) -> dict[tuple[str | None, tuple[str, ...]], tuple[str, ...]]:
    return {(one.context, forms(one.id)): forms(one.string) for one in listed(catalogue) if translated(one) and not one.fuzzy}


def as_po(catalogue: Catalog) -> bytes:
    out = io.BytesIO()
    write_po(out, catalogue, width=140, no_location=True, sort_output=True, ignore_obsolete=True)
    return out.getvalue()


def as_mo(catalogue: Catalog) -> bytes:
    out = io.BytesIO()
    write_mo(out, catalogue)
    return out.getvalue()


def write(path: Path, content: bytes) -> None:
    if not path.exists() or path.read_bytes() != content:
        path.write_bytes(content)


def say(message: str) -> None:
    print(f"words: {message}", flush=True)


if __name__ == "__main__":
    main()
