"""Every act that the code writes into the trail has words on the auditor's page."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from testing_platform.accounts.rules import Role
from testing_platform.audit import words
from testing_platform.delivery.rules import Event
from testing_platform.itembank.rules import Event as ItemEvent

ROOT = Path(__file__).parent.parent.parent / "testing_platform"


def strings(node: ast.expr) -> set[str]:
    """Every text that an expression may give: a text, one of two, or nothing that can be told."""
    match node:
        case ast.Constant(value=str(text)):
            return {text}
        case ast.IfExp():
            return strings(node.body) | strings(node.orelse)
    return set()


def calls_of(tree: ast.AST, name: str) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")) == name:
            yield node


def handed_in(tree: ast.AST, around: ast.FunctionDef, name: str) -> set[str]:
    """What the module's own calls of the function around give for its parameter `name`."""
    positions = [argument.arg for argument in around.args.args]
    found = set()
    for call in calls_of(tree, around.name):
        given = {key.arg: key.value for key in call.keywords}
        place = positions.index(name)
        value = call.args[place] if place < len(call.args) else given.get(name)
        found |= strings(value) if value is not None else set()
    return found


def acts_of(tree: ast.AST) -> tuple[set[str], list[str]]:
    """(acts, expressions that this test cannot read)."""
    acts, unread = set(), []
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    for call in calls_of(tree, "record"):
        if len(call.args) < 4:
            continue
        act = call.args[1]
        around = [f for f in functions if f.lineno <= call.lineno <= (f.end_lineno or 0)]
        found = strings(act)
        match act:
            case ast.BinOp(left=ast.Constant(value="attempt."), right=ast.Name(id="event")):
                found = {f"attempt.{event}" for event in Event}
            case ast.JoinedStr(values=[ast.Constant(value="item."), ast.FormattedValue(value=ast.Name(id="event"))]):
                found = {f"item.{event}" for event in ItemEvent}
            case ast.Name(id=name) if around:
                found = handed_in(tree, around[-1], name)
            case ast.JoinedStr(values=[ast.Constant(value=str(prefix)), ast.FormattedValue(value=ast.Name(id=name))]) if around:
                found = {prefix + ending for ending in handed_in(tree, around[-1], name)}
        acts |= found
        if not found:
            unread.append(ast.unparse(act))
    return acts, unread


FILES = [path for path in sorted(ROOT.rglob("*.py")) if re.search(r"\brecord\(", path.read_text())]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_act_has_words(app, path):
    acts, unread = acts_of(ast.parse(path.read_text()))
    assert unread == [], "an act is written as a text, or handed in as one by the same module"
    with app.test_request_context():
        assert acts - set(words.acts()) == set()


def test_the_acts_are_found_at_all(app):
    found = set().union(*(acts_of(ast.parse(path.read_text()))[0] for path in FILES))
    assert {"signed-in", "attempt.begin", "attempt.end_proposed", "passing_score.proposed", "trail.verified", "room.left"} <= found
    with app.test_request_context():
        assert all(words.acts().values())


def test_every_role_has_words(app):
    with app.test_request_context():
        assert set(words.roles()) == set(Role)
