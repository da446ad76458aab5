import atexit
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from shutil import copyfile, rmtree
from tempfile import mkdtemp
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy.orm import Session
from werkzeug.routing import Rule

from testing_platform import cli, clock, models
from testing_platform.accounts import service as accounts
from testing_platform.accounts.models import Person
from testing_platform.accounts.rules import Area, area_of
from testing_platform.app import create_app
from testing_platform.bus import open_database
from testing_platform.db import Base, Database
from testing_platform.itembank.exchange import write_print
from testing_platform.settings import PREFIX, Settings
from testing_platform.web.frame import Frame, cookie_name
from tests.postgres import Postgres, database_of, started

assert models.metadata.tables

LONGEST = (
    "tests/test_kill",
    "tests/test_disk_full",
    "tests/test_wheel",
    "tests/journeys/",
    "tests/demo/",
    "tests/test_permissions",
    "tests/scoring/test_scheduler",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--postgres", action="store_true", help="run every test that needs a database on PostgreSQL")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test marked `both` runs on either database, unless it names one."""
    named = any("kind" in mark.args[0] for mark in metafunc.definition.iter_markers("parametrize"))
    if "kind" in metafunc.fixturenames and metafunc.definition.get_closest_marker("both") and not named:
        metafunc.parametrize("kind", ["sqlite", "postgres"], scope="module")


@pytest.fixture(scope="session")
def kind(pytestconfig: pytest.Config) -> str:
    """The database of this test: sqlite or postgres."""
    return "postgres" if pytestconfig.getoption("--postgres") else "sqlite"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with started() as found:
        yield found


@pytest.fixture
def database(kind: str, request: pytest.FixtureRequest) -> Iterator[str]:
    with database_of(kind, request) as url:
        yield url


@pytest.fixture
def settings(tmp_path: Path, database: str) -> Settings:
    return Settings(data=tmp_path / "data", public_url="http://localhost", log_level="warning", database=database)


@pytest.fixture
def db(settings: Settings) -> Iterator[Database]:
    with opened(settings) as found:
        yield found


@contextmanager
def opened(settings: Settings) -> Iterator[Database]:
    if not settings.database:
        settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        copyfile(empty_tables(), settings.data / empty_tables().name)
    found = open_database(settings)
    yield found
    found.close()


@cache
def empty_tables() -> Path:
    """Our tables without a row as a file of SQLite, made once: copying it takes a thousandth of the time."""
    folder = Path(mkdtemp())
    atexit.register(rmtree, folder)
    found = open_database(Settings(data=folder))
    Base.metadata.create_all(found.engine)
    found.close()
    return next(folder.glob("*.sqlite"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What waits longest begins first, so that no worker is left alone with it at the end."""
    items.sort(key=lambda item: next((at for at, name in enumerate(LONGEST) if item.nodeid.startswith(name)), len(LONGEST)))


@pytest.fixture
def own_settings(tmp_path: Path, kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """What the commands find in their environment and nothing else: a data folder, and a database without tables."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    database = request.getfixturevalue("postgres").empty() if kind == "postgres" else ""
    monkeypatch.setenv(PREFIX + "DATA", str(tmp_path / "data"))
    monkeypatch.setenv(PREFIX + "DATABASE", database)
    return Settings(data=tmp_path / "data", database=database)


@pytest.fixture
def command(own_settings: Settings) -> Callable[..., Result]:
    """`command("db", "upgrade")`: runs it, and expects it to end with `code`."""

    def call(*words: str, code: int = 0) -> Result:
        found = CliRunner().invoke(cli.main, words)
        assert found.exit_code == code, found.output
        return found

    return call


@pytest.fixture(scope="module")
def module_settings(tmp_path_factory: pytest.TempPathFactory, kind: str, request: pytest.FixtureRequest) -> Iterator[Settings]:
    with database_of(kind, request) as database:
        yield Settings(data=tmp_path_factory.mktemp("data"), public_url="http://localhost", log_level="warning", database=database)


@pytest.fixture(scope="module")
def module_db(module_settings: Settings) -> Iterator[Database]:
    """One for a module whose tests empty it, or throw their transactions away, or have each a room of its own in it."""
    with opened(module_settings) as found:
        yield found


@pytest.fixture
def untypeset(monkeypatch: pytest.MonkeyPatch) -> None:
    """What would be printed leaves as the page that it is set from: for walks over every route, which setting each would make minutes long."""

    def run(command: list[str], *, input: bytes, stdout: int) -> subprocess.CompletedProcess[bytes]:
        return subprocess.CompletedProcess(command, 0, input)

    monkeypatch.setattr(write_print, "subprocess", SimpleNamespace(run=run, PIPE=subprocess.PIPE))


@pytest.fixture
def session(db: Database) -> Iterator[Session]:
    """A write transaction that is thrown away after the test."""
    with db.locked(), db.engine.connect().execution_options(writes=True) as connection, Session(connection) as found:
        yield found
        found.rollback()


@pytest.fixture(autouse=True, scope="session")
def lazy_addresses() -> Iterator[None]:
    """Most of what an application costs to make is the program that writes each route's address, and few tests ask for one."""
    made = Rule._compile_builder

    def later(rule: Rule, append_unknown: bool = True) -> Callable[..., Any]:
        built = cache(lambda: made(rule, append_unknown))
        return lambda own, **values: built()(own, **values)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rule, "_compile_builder", later)
        yield


@pytest.fixture
def app(settings: Settings, db: Database) -> Frame:
    return create_app(settings, db)


@dataclass
class Visitor:
    """A browser without a browser: keeps cookies, sends the form token."""

    app: Frame
    client: Any
    area: Area

    def get(self, path: str, **more: Any) -> Any:
        return self.client.get(path, **more)

    def token(self, path: str) -> str:
        """The form token of the area that the address belongs to."""
        area = area_of(path)
        page = self.client.get(f"/{area}/sign-in" if area != Area.PUBLIC else "/").get_data(as_text=True)
        return page.split('name="csrf-token" content="')[1].split('"')[0]

    def post(self, path: str, form: dict[str, Any] | None = None, **more: Any) -> Any:
        headers = {"X-CSRFToken": self.token(path), "Origin": "http://localhost", **more.pop("headers", {})}
        return self.client.post(
            path, data=form if "json" not in more and "data" not in more else more.pop("data", None), headers=headers, **more
        )


@pytest.fixture
def visit(app: Frame, db: Database) -> Any:
    """`visit(person, area)`: a visitor signed in there; `visit(None)`: nobody."""

    def make(person: Person | None = None, area: Area = Area.PUBLIC) -> Visitor:
        client = app.test_client()
        if person is not None:
            with db.write() as session:
                token = accounts.make_link(session, app.settings.secret, session.get_one(Person, person.id), area, clock.now())
            # Following the link from a page of ours signs in at once.
            reply = client.get(f"/{area}/in/{token}", headers={"Sec-Fetch-Site": "same-origin"})
            assert reply.status_code == 303, reply.get_data(as_text=True)
            assert client.get_cookie(cookie_name(app.settings, area)) is not None
        return Visitor(app, client, area)

    return make
