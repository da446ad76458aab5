"""The arrows between packages. A new arrow is drawn here first."""

import ast
import configparser
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "testing_platform"

FOUNDATION = {"ending", "assets", "bus", "clock", "db", "digests", "errors", "settings", "storage"}
# Each may import itself, the foundation, `web.frame` (what all pages share) and what stands here.
ARROWS: dict[str, set[str]] = {
    "audit": set(),
    "accounts": {"audit"},
    "notices": {"audit", "accounts"},
    "itembank": {"audit", "accounts", "notices"},
    "examinations": {"audit", "accounts", "notices", "itembank"},
    "delivery": {"audit", "accounts", "notices", "itembank", "examinations"},
    "proctor": {"audit", "accounts", "notices", "itembank", "examinations", "delivery"},
    "scoring": {"audit", "accounts", "notices", "itembank", "examinations", "delivery"},
    "integrity": {"audit", "accounts", "notices", "itembank", "examinations", "delivery", "proctor", "scoring"},
}
# The frame knows who is signed in; the operator's page reads what every process leaves behind.
WEB = {"audit", "accounts", "notices", "delivery"}
# These put the parts together.
TOP = {"app", "cli", "demo", "migrations", "models", "serve", "worker", "benchmarks", "__init__"}


def imports(path: Path) -> set[str]:
    """Our own modules that a file imports, as `package` or `package.module`."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "testing_platform":
            inner = node.module.split(".")[1:]
            found |= {".".join([*inner, alias.name][:2]) for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {".".join(a.name.split(".")[1:3]) for a in node.names if a.name.startswith("testing_platform.")}
    return found


FILES = sorted(path for path in ROOT.rglob("*.py"))


def package_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_arrows(path):
    package = package_of(path)
    if package in TOP:
        return
    used = {name.split(".")[0] for name in imports(path)} - {package, "__init__"}
    if package in FOUNDATION:
        assert used <= FOUNDATION
    elif package == "web":
        assert used - FOUNDATION <= WEB
    else:
        assert used - FOUNDATION - {"web"} <= ARROWS[package]
        assert {name for name in imports(path) if name.startswith("web")} <= {"web.frame", "web.logs"}


@pytest.mark.parametrize(
    "path", [p for p in FILES if p.name in ("rules.py", "link.py", "wire.py")], ids=lambda path: str(path.relative_to(ROOT))
)
def test_rules_and_links_do_no_input_or_output(path):
    forbidden = {"sqlalchemy", "flask", "websockets", "socket", "asyncio", "threading", "subprocess", "requests", "cv2", "os", "pathlib"}
    found = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(path.read_text()))
        for name in (
            [a.name for a in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert not found & forbidden
    inner = {name.split(".")[-1] for name in imports(path)}
    assert not inner & {"service", "models", "queries", "Database", "live"}


def test_the_list_of_packages_is_whole():
    setup = configparser.ConfigParser()
    setup.read(ROOT.parent / "setup.cfg")
    listed = set(setup["options"]["packages"].split())
    there = {"testing_platform" + "".join(f".{part}" for part in path.parent.relative_to(ROOT).parts) for path in ROOT.rglob("__init__.py")}
    assert listed == there | {"testing_platform.static", "testing_platform.templates", "testing_platform.benchmarks"}


def test_every_package_says_what_it_is_for():
    for path in ROOT.glob("*/__init__.py"):
        assert ast.get_docstring(ast.parse(path.read_text())), path.parent.name
