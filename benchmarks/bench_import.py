"""Taking in 1,000 items of another system, against taking the same package apart and writing rows as many and as long.

With QTI 3.0 and 2.1 come fifty pictures and passages for a fifth of the items; Moodle's one file carries the pictures inside. Every package is one of our own.
"""

import io
import random
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
from bench_search import AREAS, database_of, made, spent
from common import Others, Report, check_used, median, own_settings_only
from sqlalchemy import insert, text
from sqlalchemy.orm import Session

from testing_platform import clock
from testing_platform.db import Database
from testing_platform.itembank import intake, service
from testing_platform.itembank.exchange.drafts import Draft, Skip, StimulusDraft
from testing_platform.itembank.exchange.read import read
from testing_platform.itembank.exchange.safety import Pictures
from testing_platform.itembank.exchange.write import write
from testing_platform.itembank.models import Bank, Item, ItemVersion

ITEMS = 1_000
PICTURES = 50
# A picture for every tenth item, a passage for each of five that follow one another.
WITH_PICTURE, WITH_PASSAGE, IN_A_ROW = 10, 25, 5
FORMATS = {"qti3": ".zip", "qti21": ".zip", "moodle": ".xml"}


def drafts(count: int) -> list[Draft]:
    chance, pictures = random.Random(1229), Pictures()
    shades = np.random.default_rng(1229)
    drawn = [
        pictures.asset(cv2.imencode(".png", shades.integers(0, 256, (60, 80, 3), dtype=np.uint8))[1].tobytes(), f"{number}.png")
        for number in range(PICTURES)
    ]
    found: list[Draft] = []
    for number in range(count):
        one = made(chance, number)
        if number % WITH_PICTURE == 0:
            picture = drawn[number // WITH_PICTURE % PICTURES]
            one = replace(one, stem=f'{one.stem}<p><img src="{picture.name}" alt="A sign"></p>', assets=(picture,))
        if number % WITH_PASSAGE < IN_A_ROW:
            place = f"passage-{number // WITH_PASSAGE}"
            one = replace(one, stimulus=StimulusDraft(place, "Notice", f"<p>{said_of(number // WITH_PASSAGE)}</p>"))
        found.append(one)
    return found


def said_of(number: int) -> str:
    return made(random.Random(number), number).stem * 6


def bare_reading(package: Path) -> list[str]:
    """The limit of reading: every entry unpacked, every document taken apart, nothing made of it."""
    data = package.read_bytes()
    if package.suffix == ".xml":
        return [element.tag for element in ET.fromstring(data).iter()]
    tags: list[str] = []
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for name in archive.namelist():
            entry = archive.read(name)
            if name.endswith(".xml"):
                tags += [element.tag for element in ET.fromstring(entry).iter()]
    return tags


def bare_rows(session: Session, bank: Bank, taken: list[Draft | Skip]) -> None:
    """The limit of writing: an item and a version for each, in two statements, found by no word and in no trail."""
    now = clock.now()
    codes = [f"bare-{number}" for number in range(len(taken))]
    items = [{"bank_id": bank.id, "code": code, "area": "", "level": None} for code in codes]
    numbers = session.scalars(insert(Item).returning(Item.id, sort_by_parameter_order=True), items).all()
    rows = [
        {"item_id": number, "number": 1, "stem": one.stem, "options": [{"key": each.identifier, "html": each.html} for each in one.choices],
         "correct": list(one.correct), "rationale": "", "difficulty": "", "language": "en", "digest": str(number), "created_at": now, "newest": True}
        for number, one in zip(numbers, (one for one in taken if isinstance(one, Draft)), strict=True)
    ]  # fmt: skip
    session.execute(insert(ItemVersion), rows)


COMMAND = """
import sys
from pathlib import Path
from testing_platform.cli import main
main(["items", "import", sys.argv[1], "--dry-run", "--json"], standalone_mode=False)
said = Path("/proc/self/status").read_text().split("VmHWM:")[1]
print(said.split()[0], file=sys.stderr)
"""


def most_memory(package: Path) -> float:
    """Megabytes that the command holds at most, from its beginning to its end, with what Python and its libraries take."""
    done = subprocess.run([sys.executable, "-c", COMMAND, str(package)], check=True, capture_output=True, text=True)
    return int(done.stderr.split()[-1]) / 1024


def timed(backend: int | None, act: Callable[[], Any]) -> tuple[Any, float]:
    """Milliseconds of the processor, ours and that of the process with which the database serves us."""
    began = spent(backend)
    found = act()
    return found, spent(backend) - began


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Exactly one JSON document.")
@click.option("--quick", is_flag=True, help="Short, to see that it works; not for figures.")
@click.option("--database", type=click.Choice(["sqlite", "postgres"]), default="sqlite")
def main(as_json: bool, quick: bool, database: str) -> None:
    own_settings_only()
    report, others = Report("import", as_json), Others()
    began, ratios = time.process_time(), []
    count, rounds = (100, 1) if quick else (ITEMS, 5)
    with tempfile.TemporaryDirectory() as folder, database_of(database) as db:
        for format, ending in FORMATS.items():
            package = Path(folder) / f"bank-{format}{ending}"
            package.write_bytes(write(drafts(count), format).data)
            dry, real, limits = measured(db, package, count, rounds, format)
            ratios.append(median(limits) / median(real))
            report.row(f"{count:,} items of {format}, looked at alone", median(dry) / 1000, "s", dry)
            report.row(f"{count:,} items of {format}, taken in, {database}", median(real) / 1000, "s", real)
            report.row(f"the same {format} taken apart, and bare rows", median(limits) / 1000, "s", limits)
            report.row(f"most memory of the command, {format}, dry run", most_memory(package), "MB")
    check_used(time.process_time() - began, "the import")
    report.row("processor used by other programs meanwhile", others.share(), "%")
    report.end(median(ratios))


def measured(db: Database, package: Path, count: int, rounds: int, format: str) -> tuple[list[float], list[float], list[float]]:
    dry, real, limits = [], [], []
    for number in range(rounds):
        with db.write() as session:
            bank = service.open_bank(session, f"{format} {number}", clock.now(), AREAS)
            looked, taken_in, bare = one_round(session, db, bank, package, count)
        dry.append(looked)
        real.append(taken_in)
        limits.append(bare)
    return dry, real, limits


def one_round(session: Session, db: Database, bank: Bank, package: Path, count: int) -> tuple[float, float, float]:
    backend: Any = None if db.sqlite else session.scalar(text("SELECT pg_backend_pid()"))
    taken, reading = timed(backend, lambda: list(read(package)))
    _, looking = timed(backend, lambda: intake.take_in(session, bank, taken, clock.now(), dry_run=True))
    found, writing = timed(backend, lambda: intake.take_in(session, bank, taken, clock.now()))
    if sum(one.fate is intake.Fate.NEW for one in found) != count:
        raise click.ClickException(f"of {count} items {intake.report(found)['counts']}")
    _, apart = timed(backend, lambda: bare_reading(package))
    _, rows = timed(backend, lambda: bare_rows(session, bank, taken))
    return reading + looking, reading + writing, apart + rows


if __name__ == "__main__":
    main()
