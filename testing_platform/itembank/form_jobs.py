"""The exact search for forms, beside the worker's rounds: in a process of its own, as deadlines and mail wait for no search."""

import multiprocessing
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from testing_platform import errors
from testing_platform.db import Database
from testing_platform.itembank import form_queries, forms
from testing_platform.itembank.assembly import blueprint as blueprints
from testing_platform.itembank.assembly.assemble import assemble
from testing_platform.itembank.assembly.pool import PoolItem
from testing_platform.itembank.form_models import Assembly

# A search that has run this much longer than it may was lost with its worker.
PATIENCE = timedelta(seconds=60)


class SearchLost(errors.Refusal):
    """The process that searched is gone without a word."""

    code = "search-lost"


def due(session: Session) -> bool:
    return session.scalars(select(Assembly.id).where(Assembly.state.in_(("asked", "running"))).limit(1)).first() is not None


def _next(session: Session, now: datetime) -> Assembly | None:
    """The oldest that waits, or one that was lost."""
    for found in session.scalars(select(Assembly).where(Assembly.state.in_(("asked", "running"))).order_by(Assembly.id)):
        if found.state == "asked" or (found.began_at and found.began_at + timedelta(seconds=found.seconds) + PATIENCE < now):
            return found
    return None


def _search(reply: Connection, document: Mapping[str, Any], pool: Sequence[PoolItem], count: int, seed: int, seconds: int) -> None:
    try:
        reply.send(assemble(blueprints.of(document), pool, count, seed, seconds=seconds))
    except errors.Refusal as refusal:
        reply.send((type(refusal), refusal.facts))


class Searcher:
    """One search at a time, for one worker."""

    def __init__(self) -> None:
        self._process: SpawnProcess | None = None
        self._reply: Connection | None = None
        self._assembly = 0
        self._digest = ""

    def go_on(self, db: Database, today: date, now: datetime) -> None:
        """Take up the next that was asked for, or write down what came of the one under way."""
        if self._process is None:
            self._begin(db, today, now)
        elif self._reply is not None and (self._reply.poll() or not self._process.is_alive()):
            self._end(db, now)

    def _begin(self, db: Database, today: date, now: datetime) -> None:
        with db.write() as session:
            asked = _next(session, now)
            if asked is None:
                return
            asked.state, asked.began_at = "running", now
            blueprint, pool = forms.read_pool(session, asked, today)
            document, count, seed, seconds = asked.blueprint.content, asked.forms, asked.seed, asked.seconds
            self._assembly, self._digest = asked.id, form_queries.pool_digest(pool)
        context = multiprocessing.get_context("spawn")
        self._reply, other = context.Pipe(duplex=False)
        self._process = context.Process(target=_search, args=(other, document, pool, count, seed, seconds), daemon=True)
        self._process.start()
        other.close()

    def _end(self, db: Database, now: datetime) -> None:
        assert self._reply is not None
        assert self._process is not None
        try:
            found: Any = self._reply.recv() if self._reply.poll() else (SearchLost, {})
        except EOFError:
            found = (SearchLost, {})
        self._process.join()
        self._process = None
        with db.write() as session:
            asked = session.get_one(Assembly, self._assembly)
            if asked.state != "running":
                return
            forms.settle(session, asked, found[0](**found[1]) if isinstance(found, tuple) else found, self._digest, now)


SEARCHER = Searcher()
