import ast
import hashlib
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from html import escape
from typing import Any

from testing_platform.digests import canonical

# What a stem, an option or a passage may hold; everything else is taken out.
TAGS = {"p", "ul", "ol", "li", "table", "thead", "tbody", "tr", "th", "td", "strong", "em", "br", "sub", "sup"}
# "*" replaces the attributes that are otherwise allowed everywhere.
ATTRIBUTES = {"*": set[str](), "th": {"scope"}, "td": {"colspan", "rowspan"}, "ol": {"start"}}


def paragraphs(text: str) -> str:
    """Plain text as HTML: a blank line parts paragraphs, a single line end is kept."""
    return "".join(
        "<p>" + "<br>".join(escape(line.strip(), quote=False) for line in part.strip().splitlines()) + "</p>"
        for part in text.strip().split("\n\n")
        if part.strip()
    )


def content_digest(content: dict[str, Any]) -> str:
    """SHA-256 of a version's canonical JSON."""
    return hashlib.sha256(canonical(content)).hexdigest()


def amount(expression: str, places: int) -> Decimal:
    """The value of an arithmetic expression, rounded half up as a clerk rounds. Raises ValueError for anything but + - * / ( ) and numbers."""

    def value(node: ast.expr) -> Decimal:
        match node:
            case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
                try:
                    return Decimal(ast.get_source_segment(expression, node) or "")
                except InvalidOperation as problem:
                    raise ValueError(f"only decimal numbers may stand in {expression!r}") from problem
            case ast.UnaryOp(op=ast.USub(), operand=inner):
                return -value(inner)
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return value(left) + value(right)
            case ast.BinOp(left=left, op=ast.Sub(), right=right):
                return value(left) - value(right)
            case ast.BinOp(left=left, op=ast.Mult(), right=right):
                return value(left) * value(right)
            case ast.BinOp(left=left, op=ast.Div(), right=right):
                return value(left) / value(right)
        raise ValueError(f"only numbers and + - * / ( ) may stand in {expression!r}")

    try:
        tree = ast.parse(expression, mode="eval")
    except SyntaxError as problem:
        raise ValueError(f"not an expression: {expression!r}") from problem
    return value(tree.body).quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)
