"""Cleaned HTML on its way out: as XML, and as plain text."""

import re
from html import escape
from html.parser import HTMLParser

from testing_platform.itembank.exchange.safety import CONTROLS

VOID = {"br", "hr", "img", "col"}
# What may stand in an item's body by itself; all else is text and needs a block around it.
BLOCKS = {"p", "div", "ul", "ol", "dl", "table", "pre", "blockquote", "hr", "figure", "math"}
MATHML = "http://www.w3.org/1998/Math/MathML"
FORMULA = re.compile(r"<math\b.*?</math>", re.DOTALL)
# Ends a line of plain text.
BREAKS = BLOCKS - {"math"} | {"br", "li", "dt", "dd", "tr", "caption", "figcaption"}


class _Events(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str], str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}, ""))

    def handle_endtag(self, tag: str) -> None:
        self.found.append((f"/{tag}", {}, ""))

    def handle_data(self, data: str) -> None:
        self.found.append(("", {}, data))


def events(html: str) -> list[tuple[str, dict[str, str], str]]:
    """Tag, attributes and text in turn: text has no tag, a closing tag begins with a slash."""
    parser = _Events()
    parser.feed(html)
    parser.close()
    return parser.found


def legal(text: str) -> str:
    """Without the control characters that neither XML nor any text file has a place for."""
    return CONTROLS.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def text(said: str) -> str:
    return escape(legal(said), quote=False)


def attribute(value: object) -> str:
    """XML turns line ends and tabs in an attribute into blanks unless they are written as numbers."""
    return escape(legal(str(value))).replace("\n", "&#10;").replace("\t", "&#9;")


def element(tag: str, attributes: dict[str, object] | None = None, *inner: str) -> str:
    """`inner` is XML already. An attribute that is None is left out; booleans are written as XML writes them."""
    written = "".join(
        f' {name}="{attribute(str(value).lower() if isinstance(value, bool) else value)}"'
        for name, value in (attributes or {}).items()
        if value is not None
    )
    content = "".join(inner)
    return f"<{tag}{written}>{content}</{tag}>" if content else f"<{tag}{written}/>"


def as_xml(html: str) -> str:
    """The same elements in XML: closed, `lang` by its XML name, formulas in their namespace."""
    made = []
    for tag, attributes, said in events(html):
        if not tag:
            made.append(text(said))
        elif tag.startswith("/"):
            made.append(f"<{tag}>")
        else:
            named: dict[str, object] = {"xml:lang" if name == "lang" else name: value for name, value in attributes.items()}
            if tag == "math":
                named = {"xmlns": MATHML, **named}
            written = element(tag, named)
            made.append(written if tag in VOID else f"{written[:-2]}>")
    return "".join(made)


def is_blocks(html: str) -> bool:
    """Whether nothing stands outside a block."""
    depth = 0
    for tag, _, said in events(html):
        if depth == 0 and (said.strip() or (tag and tag not in BLOCKS)):
            return False
        if tag.startswith("/"):
            depth -= 1
        elif tag and tag not in VOID:
            depth += 1
    return True


def alone_in_div(html: str) -> str | None:
    """What is inside, when all of it is one plain `div` of text; else nothing."""
    inner = html.removeprefix("<div>").removesuffix("</div>")
    if len(html) - len(inner) != len("<div></div>") or inner != inner.strip() or not inner:
        return None
    return None if any(tag.lstrip("/") in BLOCKS - {"math"} for tag, _, _ in events(inner)) else inner


def tags(html: str) -> set[str]:
    return {tag for tag, _, _ in events(html) if tag and not tag.startswith("/")}


def attributes_in(html: str) -> set[str]:
    return {name for _, attributes, _ in events(html) for name in attributes}


def in_words(html: str) -> str:
    """With each formula in one line of signs, or as it says that it is spoken."""
    return FORMULA.sub(lambda found: escape(formula(found[0]), quote=False), html)


def formula(html: str) -> str:
    found = events(html)
    if spoken := found[0][1].get("alttext", "").strip():
        return spoken
    # The open elements, each with what was said in it so far.
    opened: list[tuple[str, list[str]]] = [("", [])]
    for tag, _, said in found:
        if not tag:
            opened[-1][1].append(" ".join(legal(said).split()))
        elif not tag.startswith("/"):
            opened.append((tag, []))
        elif len(opened) > 1:
            name, parts = opened.pop()
            opened[-1][1].append(joined(name, parts))
    return "".join(part for _, parts in opened for part in parts)


def joined(name: str, parts: list[str]) -> str:
    """What an element of a formula says by the place of its parts, said by signs."""
    whole = [part if len(part) == 1 or part.isalnum() else f"({part})" for part in parts if part]
    match name, len(whole):
        case "mfrac", 2:
            return "/".join(whole)
        case (("msup" | "mover"), 2):
            return "^".join(whole)
        case (("msub" | "munder"), 2):
            return "_".join(whole)
        case (("msubsup" | "munderover"), 3):
            return f"{whole[0]}_{whole[1]}^{whole[2]}"
        case "msqrt", _:
            return f"√({''.join(parts)})"
        case "mroot", 2:
            return f"{whole[0]}^(1/{whole[1]})"
    return "".join(parts)


def lines(html: str) -> list[str]:
    """Plain text: what each block says in a line of its own. A picture gives its description."""
    made: list[str] = [""]
    for tag, attributes, said in events(in_words(html)):
        if tag.lstrip("/") in BREAKS:
            made.append("- " if tag == "li" else "")
        elif tag in ("td", "th") and made[-1].strip():
            made[-1] += " | "
        elif tag == "img":
            made[-1] += f"[{attributes['alt']}]" if attributes.get("alt", "").strip() else ""
        elif tag in ("sup", "sub"):
            made[-1] += "^" if tag == "sup" else "_"
        elif not tag:
            made[-1] += re.sub(r"\s+", " ", legal(said))
    return [line for line in (" ".join(line.split()) for line in made) if line.strip("- ")]
