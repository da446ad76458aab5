"""Administrations whose answers are made up one by one, and scored."""

import csv
import json
import random
import uuid
from datetime import timedelta

from click.testing import CliRunner
from sqlalchemy import insert, select, update

from testing_platform import cli, clock
from testing_platform.accounts.models import Person
from testing_platform.accounts.rules import Role
from testing_platform.delivery import rules as delivery
from testing_platform.delivery.models import Attempt, Response
from testing_platform.delivery.rules import State
from testing_platform.examinations.models import Administration, Appointment
from testing_platform.scoring import analyses, service
from tests import make

KEY = "bbbbbb"
TAKERS = 40


def answers():
    """Of each candidate six answers, from a made-up ability; every seventh stops early, every eleventh leaves one out."""
    chance = random.Random(1229)
    found = []
    for taker in range(TAKERS):
        ability = chance.gauss(0, 2.5)
        row = [("b" if chance.random() < 1 / (1 + 2.7 ** -(ability - place / 2 + 1)) else chance.choice("acd")) for place in range(6)]
        if taker % 7 == 3:
            row[4:] = [None, None]
        if taker % 11 == 5:
            row[1] = None
        found.append(row)
    return found


ANSWERS = answers()


def like(session, kind, number, **changes):
    """A row as that one, but for some columns; its id."""
    table = kind.__table__
    row = dict(session.execute(select(table).where(table.c.id == number)).mappings().one()) | changes
    del row["id"]
    return session.execute(insert(table).values(row)).inserted_primary_key[0]


def taken(session, first, row, now):
    """A submitted test with these answers, like the `first`. The first item was answered in two steps, of 20 seconds and of one."""
    name = uuid.uuid4().hex[:12]
    person = like(session, Person, first.person_id, email=f"{name}@example.org", candidate_number=name)
    appointment = like(session, Appointment, first.appointment_id, person_id=person)
    changes = {"person_id": person, "appointment_id": appointment, "receipt_code": name}
    number = like(session, Attempt, first.id, **changes)
    digest = delivery.answers_digest(number, {slot: option for slot, option in enumerate(row, 1) if option is not None})
    session.execute(update(Attempt).where(Attempt.id == number).values(digest=digest))
    lines = [(slot, option, 1000 * slot) for slot, option in enumerate(row, 1) if option is not None]
    if row[0] is not None:
        lines.insert(0, (1, "d" if row[0] == "a" else "a", 20_000))
    said = {"attempt_id": number, "device": "browser-1", "epoch": 1, "state": "answered", "received_at": now, "standing": "counted"}
    session.execute(
        insert(Response),
        [
            {**said, "seq": seq, "slot": slot, "option": option, "elapsed_ms": elapsed}
            for seq, (slot, option, elapsed) in enumerate(lines, 1)
        ],
    )


def scored(db, rows, *changes, place=make.place, hours=12):
    """The id of an administration so many hours ago whose answers are scored; `changes`: (slot, options) of the key before."""
    before = clock.now() - timedelta(hours=hours)
    with db.write() as session:
        where = place(session, before)
        first = make.attempt(session, where=where, now=before, state=State.SUBMITTED)
        for row in rows:
            taken(session, first, row, before)
        # Only the others are counted.
        first.state = State.VOIDED_RETEST
        analyst = make.person(session, Role.ANALYST)
        service.end_sessions(session, where.administration, analyst, clock.now())
        for slot, options in changes:
            service.change_key(session, where.administration, analyst, slot, options, "Two experts.", clock.now())
        service.lock_key(session, where.administration, analyst, clock.now())
        service.run(session, where.administration, analyst, clock.now())
        return where.administration_id


def read(db, number):
    with db.read() as session:
        one = session.get_one(Administration, number)
        found = analyses.answered(session, one, service.newest_run(session, one))
        return analyses.figures(found, analyses.Thresholds.of(one))


def command(tmp_path, name, items, key, *more):
    """What the command on files says of the same answers."""
    responses, keys = tmp_path / "responses.csv", tmp_path / "key.csv"
    with responses.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["candidate", *(f"I-{item}" for item in items)])
        writer.writerows([taker, *(row[item - 1] or "" for item in items)] for taker, row in enumerate(ANSWERS))
    keys.write_text("item,key\n" + "".join(f"I-{item},{right}\n" for item, right in zip(items, key, strict=True)))
    ran = CliRunner().invoke(cli.main, ["scoring", name, "--responses", str(responses), "--key", str(keys), *more, "--json"])
    assert ran.exit_code == 0, ran.output
    return json.loads(ran.output)
