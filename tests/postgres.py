"""One private PostgreSQL for the whole run, and in it as many fresh databases as the tests ask for."""

from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.postgres import Server
from testing_platform.db import Base, Database

__all__ = ["Postgres", "Server", "started"]


class Postgres:
    """`fresh()` is a database with our tables, `empty()` one without."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.count = 0
        ready = Database(server.create("ready"))
        Base.metadata.create_all(ready.engine)
        ready.close()

    def fresh(self) -> str:
        return self._next("ready")

    def empty(self) -> str:
        return self._next("template0")

    def _next(self, template: str) -> str:
        self.count += 1
        return self.server.create(f"test_{self.count}", template)


@contextmanager
def started() -> Iterator[Postgres]:
    with Server() as server:
        yield Postgres(server)
