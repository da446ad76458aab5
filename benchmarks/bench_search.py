"""Looking through a bank of 20,000 items: by words, by filters, in any order, on any page; processor time of this program and of the database's own.

First the searches alone, then each as an analyst asks for it: the request, the page in a session of its own, all of it set.
"""

import gc
import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import click
from common import Others, Report, check_used, median, own_settings_only, percentile
from postgres import Server
from sqlalchemy import select, text
from sqlalchemy.orm import Session, contains_eager

from testing_platform import clock, models
from testing_platform.accounts import service as accounts
from testing_platform.accounts.rules import Area, Role
from testing_platform.app import create_app
from testing_platform.db import Database
from testing_platform.itembank import intake, queries, service
from testing_platform.itembank.exchange.drafts import Choice, Draft
from testing_platform.itembank.models import Bank, Item, ItemVersion
from testing_platform.migrations import upgrade
from testing_platform.settings import Settings

assert models.metadata.tables

ITEMS = 20_000
SEARCHES = 400
AREAS = [(f"A{number}", f"Area {number}") for number in range(8)]
# As often as words of a language are: the second half as often as the first, the third a third as often.
STARTS = ("cal", "serv", "list", "tax", "meter", "bill", "park", "water", "pow", "gard", "lic", "desk")
WORDS = [
    f"{start}{middle}{end}"
    for start in STARTS
    for middle in ("a", "e", "i", "o", "er", "ten")
    for end in ("", "s", "ly", "ment", "ion", "able")
]
OFTEN = [1 / (place + 1) for place in range(len(WORDS))]


def said(chance: random.Random, count: int) -> str:
    return " ".join(chance.choices(WORDS, OFTEN, k=count))


def made(chance: random.Random, number: int) -> Draft:
    about = {
        "area": chance.choice(AREAS)[0],
        "difficulty": chance.choice(("easy", "medium", "hard")),
        "level": chance.choice(("recall", "apply")),
        "tags": [f"t{chance.randrange(40)}"],
    }
    options = tuple(Choice(name, said(chance, 6)) for name in "abcd")
    code = f"M-{number:05}"
    return Draft(
        f"m.zip!{code}.xml", code, "qti30", "single", said(chance, 3), f"<p>{said(chance, 25)}?</p>", options, ("b",), metadata=about
    )


def looked_for(chance: random.Random) -> queries.Wanted:
    """What people type and choose: half of it words, the last of them often unfinished."""
    wanted: dict[str, str] = {"order": chance.choice(list(queries.ORDERS)), "page": str(chance.choice((1, 1, 1, 2, 5, 40, 399)))}
    if chance.random() < 0.5:
        wanted["words"] = said(chance, chance.choice((1, 1, 2, 3)))[: chance.choice((4, 7, 40))]
    for name, value, share in (
        ("area", chance.choice(AREAS)[0], 0.5),
        ("difficulty", "hard", 0.3),
        ("tag", f"t{chance.randrange(40)}", 0.2),
        ("state", "draft", 0.2),
    ):
        if chance.random() < share:
            wanted[name] = value
    return queries.Wanted.of(wanted)


@contextmanager
def database_of(kind: str) -> Iterator[Database]:
    with ExitStack() as stack:
        if kind == "postgres":
            url = stack.enter_context(Server()).create("bank")
        else:
            url = f"sqlite:///{stack.enter_context(tempfile.TemporaryDirectory())}/bank.db"
        db = Database(url)
        upgrade(db)
        yield db
        db.engine.dispose()


def spent(backend: int | None) -> float:
    """Milliseconds of the processor so far: ours, and those of the process with which the database serves us."""
    theirs = int(Path(f"/proc/{backend}/schedstat").read_text().split()[0]) / 1e6 if backend else 0.0
    return time.process_time() * 1000 + theirs


def bare(session: Session, numbers: list[int]) -> None:
    """The limit: the rows of a page whose items are known."""
    versions = select(ItemVersion).join(Item).where(ItemVersion.item_id.in_(numbers), ItemVersion.newest)
    session.scalars(versions.options(contains_eager(ItemVersion.item).selectinload(Item.tags))).all()


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Exactly one JSON document.")
@click.option("--quick", is_flag=True, help="Short, to see that it works; not for figures.")
@click.option("--database", type=click.Choice(["sqlite", "postgres"]), default="sqlite")
def main(as_json: bool, quick: bool, database: str) -> None:
    own_settings_only()
    report, others, chance = Report("search", as_json), Others(), random.Random(1229)
    items = 1_000 if quick else ITEMS
    with database_of(database) as db:
        with db.write() as session:
            bank_id = service.open_bank(session, "Large", clock.now(), AREAS).id
        for start in range(0, items, 1_000):
            with db.write() as session:
                drafts = [made(chance, number) for number in range(start, start + 1_000)]
                intake.take_in(session, session.get_one(Bank, bank_id), drafts, clock.now())
        with db.write() as session:
            # What PostgreSQL does by itself within a minute.
            session.execute(text("ANALYZE"))
        searches = [looked_for(chance) for _ in range(20 if quick else SEARCHES)]
        times, limits = measured(db, bank_id, searches)
        pages = as_pages(db, bank_id, searches)
    busy = others.share()
    check_used(sum(times) / 1000, "the searches")
    report.row(f"a page of {items:,} items, {database}, 95 % of the searches", percentile(times, 0.95), "ms", times)
    report.row("the same through the pages: 95 % of the requests", percentile(pages, 0.95), "ms", pages)
    report.row("the rows of a page whose items are known", median(limits), "ms", limits)
    report.row("processor used by other programs meanwhile", busy, "%")
    report.end(median(limits) / median(times))


def measured(db: Database, bank_id: int, searches: list[queries.Wanted]) -> tuple[list[float], list[float]]:
    times: list[float] = []
    limits: list[float] = []
    with db.read() as session:
        backend: Any = None if db.sqlite else session.scalar(text("SELECT pg_backend_pid()"))
        gc.disable()
        for wanted in [*searches[:10], *searches]:
            bank = session.get_one(Bank, bank_id)
            began = spent(backend)
            found = queries.look(session, bank, wanted)
            times.append(spent(backend) - began)
            numbers = [version.item_id for version in found.versions]
            session.expunge_all()
            began = spent(backend)
            bare(session, numbers)
            limits.append(spent(backend) - began)
            session.expunge_all()
            gc.collect()
    gc.enable()
    # The first searches warm up what any server has warm.
    return times[10:], limits[10:]


def as_pages(db: Database, bank_id: int, searches: list[queries.Wanted]) -> list[float]:
    """Milliseconds that each search takes from the request to the whole page."""
    times: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        app = create_app(Settings(data=Path(folder), public_url="http://localhost", log_level="error", database=db.url))
        with db.write() as session:
            analyst = accounts.add_person(session, name="A", email="a@example.org", roles={Role.ANALYST}, now=clock.now())
            token = accounts.make_link(session, app.settings.secret, analyst, Area.ANALYST, clock.now())
        client = app.test_client()
        client.get(f"/{Area.ANALYST}/in/{token}", headers={"Sec-Fetch-Site": "same-origin"})
        with app.db.read() as session:
            # The one connection of the pool, which the pages use too.
            backend: Any = None if db.sqlite else session.scalar(text("SELECT pg_backend_pid()"))
        gc.disable()
        for wanted in [*searches[:10], *searches]:
            began = spent(backend)
            page = client.get(f"/analyst/bank/{bank_id}?{urlencode(wanted.address())}")
            times.append(spent(backend) - began)
            if page.status_code != 200:
                raise click.ClickException(f"a page answered {page.status_code}")
            gc.collect()
        gc.enable()
        app.db.close()
    return times[10:]


if __name__ == "__main__":
    main()
