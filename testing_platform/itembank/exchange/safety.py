"""What a file from outside may do to us: nothing. Sizes, archives, XML, encodings, HTML and pictures are bounded and cleaned here, and nowhere else.

Two kinds of trouble: `Refused` ends the whole reading (the source may mean harm, nothing of it is taken), `Unfit` leaves out one item.
"""

import base64
import binascii
import codecs
import hashlib
import html as escapes
import posixpath
import re
import stat
import struct
import xml.etree.ElementTree as ET
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from html.entities import html5
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote

import nh3
from defusedxml.common import DefusedXmlException, DTDForbidden
from defusedxml.ElementTree import XMLParser

from testing_platform import errors
from testing_platform.errors import Said
from testing_platform.itembank.exchange.drafts import Asset, Unfit
from testing_platform.itembank.exchange.sentences import tell
from testing_platform.itembank.rules import PICTURE_NAME

MB = 1024 * 1024


@dataclass(frozen=True)
class Limits:
    """Far above any real bank, far below what would hurt: reading stays under 300 MB of memory."""

    # A file as it is handed in. The largest public package seen has 30 MB.
    file: int = 100 * MB
    # One XML document: its tree takes several times its size.
    document: int = 24 * MB
    # GIFT, Aiken and CSV are taken apart as text, in which a letter may take 4 bytes: 10,000 questions have 5 MB.
    text: int = 8 * MB
    picture: int = 8 * MB
    # All pictures that come along; they wait in memory until the import is kept.
    pictures: int = 100 * MB
    # Each side of a picture; a browser takes 4 bytes for each point.
    side: int = 8192
    # A bank of 5,000 items with a picture each.
    entries: int = 10_000
    # The table of contents of an archive, which is read whole before it can be counted: 300 bytes an entry.
    contents: int = 3 * MB
    unpacked: int = 300 * MB
    # Deflate can reach 1000; a package of 1,000 items that differ in one word reaches 40.
    ratio: int = 150
    ratio_counts_from: int = 200_000
    # Elements and attributes of one document: 300 bytes each at the worst. A bank of 3,000 Moodle questions has 150,000.
    elements: int = 250_000
    depth: int = 120
    # One stem, option or passage.
    fragment: int = 200_000
    fragment_tags: int = 3_000
    rows: int = 20_000
    cell: int = 100_000
    choices: int = 40
    items: int = 50_000


LIMITS = Limits()


class Refused(errors.Refusal):
    """This source is not read at all; `file` and `why` say where and what."""

    code = "items-refused"

    def __init__(self, file: str, why: Said) -> None:
        super().__init__(file=file, why=why)

    def __str__(self) -> str:
        return f"{self.facts['file']}: {self.facts['why']}"


class Damaged(Unfit):
    """Bytes that are not what they say they are."""


class BadEncoding(Damaged):
    """The bytes are not text in the encoding that they name. A lone file of this sort is refused."""


class Oversized(Unfit):
    """A document built to be more than any reader can hold. A lone file of this sort is refused."""


# Files -------------------------------------------------------------------------------------------------------------------------


class Files(Protocol):
    """A folder or a package: names with `/` between, and bytes on demand."""

    label: str

    def names(self) -> list[str]: ...
    def read(self, name: str, most: int) -> bytes: ...
    def source(self, name: str) -> str: ...


def joined(base: str, reference: str) -> str | None:
    """Where `reference`, written in the file `base`, leads inside the same source; nothing when it leads out of it."""
    path = unquote(reference.split("#")[0].split("?")[0]).replace("\\", "/").strip()
    if not path or "\0" in path or path.startswith("/") or re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", path):
        return None
    found = posixpath.normpath(posixpath.join(posixpath.dirname(base), path))
    return None if found == ".." or found.startswith("../") else found


def too_large(size: int, most: int, code: str = "larger") -> Said:
    return tell(code, most=most // MB) if most >= MB and size > most else tell(f"{code}-bytes", most=most)


class Folder:
    """A folder on disk; links are not followed, hidden files are not read."""

    def __init__(self, root: Path, limits: Limits = LIMITS, only: str | None = None) -> None:
        self.root = root
        self.label = root.name
        self.limits = limits
        # The one file that was asked for, when its neighbours are there only for its pictures and passages.
        self.only = only

    def names(self) -> list[str]:
        if self.only is not None:
            return [self.only]
        found = []
        for path in self.root.rglob("*"):
            inner = path.relative_to(self.root)
            if any(part.startswith((".", "__MACOSX")) for part in inner.parts) or path.is_symlink() or not path.is_file():
                continue
            found.append(inner.as_posix())
            if len(found) > self.limits.entries:
                raise Refused(self.label, tell("too-many-files", most=self.limits.entries))
        return sorted(found)

    def read(self, name: str, most: int) -> bytes:
        path = self.root / name
        try:
            inside = path.resolve().is_relative_to(self.root.resolve())
            if not inside or path.is_symlink() or not path.is_file():
                raise Unfit(tell("file-not-there", name=name))
            with path.open("rb") as file:
                data = file.read(most + 1)
        except (OSError, ValueError) as problem:
            raise Unfit(tell("file-not-readable", name=name)) from problem
        if len(data) > most:
            raise Refused(self.source(name), too_large(len(data), most))
        return data

    def source(self, name: str) -> str:
        return name


# Everything that Python's zipfile has been seen to raise on broken archives.
BROKEN = (zipfile.BadZipFile, OSError, ValueError, RuntimeError, NotImplementedError, EOFError, KeyError, IndexError, OverflowError, zlib.error, struct.error)  # fmt: skip


class Package:
    """A ZIP, looked at entry by entry and never unpacked to disk."""

    def __init__(self, path: Path, label: str, limits: Limits = LIMITS) -> None:
        self.label = label
        self.limits = limits
        try:
            self._check_contents_size(path)
            self._zip = zipfile.ZipFile(path)
            found = self._zip.infolist()
        except BROKEN as problem:
            raise Refused(label, tell("broken-archive")) from problem
        self._entries = self._checked(found)

    def _check_contents_size(self, path: Path) -> None:
        """zipfile reads the whole table of contents into memory; look first how long it says it is."""
        with path.open("rb") as file:
            end = file.seek(0, 2)
            tail_at = max(0, end - 66_000)
            file.seek(tail_at)
            tail = file.read()
            at = tail.rfind(b"PK\x05\x06")
            if at < 0 or at + 22 > len(tail):
                raise zipfile.BadZipFile("no end record")
            count, size = struct.unpack_from("<HI", tail, at + 10)
            if count == 0xFFFF or size == 0xFFFFFFFF:
                at64 = tail.rfind(b"PK\x06\x06")
                if at64 < 0 or at64 + 56 > len(tail):
                    raise zipfile.BadZipFile("no end record")
                count, size = struct.unpack_from("<QQ", tail, at64 + 32)
        if count > self.limits.entries:
            raise Refused(self.label, tell("too-many-files", most=self.limits.entries))
        if size > self.limits.contents:
            raise Refused(self.label, tell("contents-too-long"))

    def _checked(self, found: list[zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
        limits = self.limits
        entries: dict[str, zipfile.ZipInfo] = {}
        total = 0
        if len(found) > limits.entries:
            raise Refused(self.label, tell("too-many-files", most=limits.entries))
        for info in found:
            name = info.filename.replace("\\", "/")
            shown = f"{self.label}!{name[:200]}"
            if not name:
                raise Refused(self.label, tell("entry-unnamed"))
            if name.endswith("/"):
                if ".." in name.split("/") or name.startswith("/"):
                    raise Refused(shown, tell("path-leads-out"))
                continue
            if "\0" in name or len(name) > 500 or name.startswith("/") or re.match(r"[A-Za-z]:", name) or ".." in name.split("/"):
                raise Refused(shown, tell("path-leads-out"))
            if stat.S_ISLNK(info.external_attr >> 16):
                raise Refused(shown, tell("is-a-link"))
            if info.flag_bits & 0x1:
                raise Refused(shown, tell("encrypted"))
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise Refused(shown, tell("compressed-otherwise"))
            if info.file_size > limits.ratio_counts_from and info.file_size > limits.ratio * max(1, info.compress_size):
                raise Refused(shown, tell("grows-too-much", most=limits.ratio))
            total += info.file_size
            if total > limits.unpacked:
                raise Refused(self.label, tell("unpacked-too-large", most=limits.unpacked // MB))
            name = posixpath.normpath(name)
            if name in entries:
                raise Refused(shown, tell("in-package-twice"))
            entries[name] = info
        return entries

    def names(self) -> list[str]:
        return sorted(name for name in self._entries if not any(part.startswith((".", "__MACOSX")) for part in name.split("/")))

    def read(self, name: str, most: int) -> bytes:
        info = self._entries.get(name)
        if info is None:
            raise Unfit(tell("not-in-package", name=name))
        if info.file_size > most:
            raise Refused(self.source(name), too_large(info.file_size, most))
        try:
            with self._zip.open(info) as file:
                return file.read(most + 1)
        except BROKEN as problem:
            raise Refused(self.source(name), tell("damaged-in-package")) from problem

    def source(self, name: str) -> str:
        return f"{self.label}!{name}"

    def close(self) -> None:
        self._zip.close()


# Text and XML ------------------------------------------------------------------------------------------------------------------

BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF32_LE, "utf-32-le"), (codecs.BOM_UTF32_BE, "utf-32-be"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))  # fmt: skip
# Encodings of text alone: Python knows others (utf-7, unicode_escape, …) that would let one file say two things.
ENCODINGS = re.compile(
    r"utf-?8|utf-?16(-?[lb]e)?|us-ascii|ascii|iso-?8859-?\d+|latin-?1|(windows|cp)-?125\d|macintosh|mac-?roman|koi8-[ru]|shift[-_]jis|euc-(jp|kr)|gb2312|gbk|gb18030|big5"
)
DECLARED = re.compile(rb"\A\s*<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([^\"'>]{1,40})[\"']")
# What XML 1.0 and any text file have no place for.
CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
NAMED_ENTITY = re.compile(r"&([A-Za-z][A-Za-z0-9]{1,31});")
VERBATIM = re.compile(r"<!\[CDATA\[|<!--")
DECLARATION = re.compile(r"\A\s*<\?xml\s[^>]*\?>")
PIECE = 65_536
XML_ENTITIES = {"amp", "lt", "gt", "quot", "apos"}
# What was written inside <![CDATA[…]]>: many makers put HTML there.
VERBATIM_TAG = "cdata"
# Where the names lead that makers copy into the first lines of QTI 1.2, MathML and SVG (`<!DOCTYPE questestinterop SYSTEM "ims_qtiasiv1p2p1.dtd">`).
# Such a line defines nothing and is never looked up; with definitions of its own, or any other address, the file is refused.
COPIED_DOCTYPE = re.compile(r"(https?://www\.(w3|imsglobal)\.org/[\w./-]*|ims_\w{1,40}\.dtd)?")


def encoding_of(data: bytes) -> tuple[str, int]:
    """How an XML document is written, and the length of its byte order mark."""
    for mark, name in BOMS:
        if data.startswith(mark):
            return name, len(mark)
    if data[:4] == b"<\0?\0" or data[:2] == b"<\0":
        return "utf-16-le", 0
    if data[:4] == b"\0<\0?" or data[:2] == b"\0<":
        return "utf-16-be", 0
    declared = DECLARED.match(data[:1024])
    if declared is None:
        return "utf-8", 0
    name = declared[1].decode("latin-1").strip().lower()
    if not ENCODINGS.fullmatch(name):
        raise BadEncoding(tell("unknown-encoding", name=name))
    # The declaration itself was read byte by byte, so two-byte text it is not: makers copy that line from memory.
    return ("utf-8" if name.startswith(("utf-16", "utf16")) else name), 0


def xml_text(data: bytes) -> Iterator[str]:
    """The document a piece at a time, so that it is never held twice. Its first line, which has done its work, is left away:
    makers put a blank before it or forget the one inside it."""
    name, skip = encoding_of(data)
    try:
        decoder = codecs.getincrementaldecoder(name)("strict")
        for at in range(skip, len(data), PIECE):
            piece = decoder.decode(data[at : at + PIECE], final=at + PIECE >= len(data))
            if "\0" in piece:
                raise BadEncoding(tell("not-a-text"))
            yield DECLARATION.sub("", piece) if at == skip else piece
    except (UnicodeError, LookupError) as problem:
        raise BadEncoding(tell("not-as-encoded", name=name.upper())) from problem


def plain_text(data: bytes, fallback: str | None = None) -> str:
    """A text file: by its byte order mark, else UTF-8, else (a spreadsheet's CSV) the fallback."""
    for mark, name in BOMS:
        if data.startswith(mark):
            tries = [(name, len(mark))]
            break
    else:
        tries = [("utf-8", 0)] + ([(fallback, 0)] if fallback else [])
    for name, skip in tries:
        try:
            text = codecs.decode(data[skip:], name, "strict")
        except (UnicodeError, LookupError):
            continue
        if CONTROLS.search(text.replace("\f", "\n").replace("\v", "\n")):
            raise BadEncoding(tell("not-a-text"))
        return text.replace("\r\n", "\n").replace("\r", "\n")
    raise BadEncoding(tell("save-as-utf8", name=tries[0][0].upper()))


class _Tree:
    """Builds the tree and counts, so that neither depth nor number can hurt what walks it."""

    def __init__(self, limits: Limits) -> None:
        self._builder = ET.TreeBuilder()
        self._limits = limits
        self._depth = self._count = 0

    def start(self, tag: str, attributes: dict[str, str]) -> ET.Element:
        self._depth += 1
        self._count += 1 + len(attributes)
        if self._depth > self._limits.depth:
            raise Oversized(tell("too-deep", most=self._limits.depth))
        if self._count > self._limits.elements:
            raise Oversized(tell("too-many-elements", most=self._limits.elements))
        return self._builder.start(tag, attributes)

    def end(self, tag: str) -> ET.Element:
        self._depth -= 1
        return self._builder.end(tag)

    def data(self, text: str) -> None:
        self._builder.data(text)

    def close(self) -> ET.Element:
        return self._builder.close()


def parse_xml(data: bytes, shown: str, limits: Limits = LIMITS) -> ET.Element:
    """The root. Refuses entities and document type definitions, but for a line that defines nothing; `shown` names the file in the refusal."""
    try:
        return _parsed(xml_text(data), limits)
    except DTDForbidden as problem:
        raise Refused(shown, tell("has-a-dtd")) from problem
    except DefusedXmlException as problem:
        raise Refused(shown, tell("has-entities")) from problem
    except ET.ParseError as problem:
        if "undefined entity" not in str(problem) or len(data) > 4 * MB:
            raise Damaged(tell("not-well-formed", problem=str(problem))) from problem
    # HTML's &nbsp; and its kin are written into XML by many hands. They are letters, not definitions.
    try:
        return _parsed(_with_letters("".join(xml_text(data))), limits)
    except (ET.ParseError, DefusedXmlException) as problem:
        raise Damaged(tell("not-well-formed", problem=str(problem))) from problem


def _with_letters(text: str) -> Iterator[str]:
    """The document with its named letters written out, but for comments and CDATA sections, in which they are no names."""
    at = 0
    while opened := VERBATIM.search(text, at):
        yield NAMED_ENTITY.sub(_letter, text[at : opened.start()])
        closing = "]]>" if opened[0] == "<![CDATA[" else "-->"
        closed = text.find(closing, opened.end())
        at = len(text) if closed < 0 else closed + len(closing)
        yield text[opened.start() : at]
    yield NAMED_ENTITY.sub(_letter, text[at:])


def _letter(found: re.Match[str]) -> str:
    if found[1] in XML_ENTITIES or f"{found[1]};" not in html5:
        return found[0]
    return "".join(f"&#{ord(letter)};" for letter in html5[f"{found[1]};"])


def _doctype(name: str, system: str | None, public: str | None, defines: int) -> None:
    if defines or not COPIED_DOCTYPE.fullmatch(system or ""):
        raise DTDForbidden(name, system, public)


def _parsed(pieces: Iterable[str], limits: Limits) -> ET.Element:
    tree = _Tree(limits)
    parser = XMLParser(target=tree, forbid_dtd=True)
    parser.parser.StartDoctypeDeclHandler = _doctype
    parser.parser.StartCdataSectionHandler = lambda: tree.start(VERBATIM_TAG, {})
    parser.parser.EndCdataSectionHandler = lambda: tree.end(VERBATIM_TAG)
    for piece in pieces:
        parser.feed(piece)
    found = parser.close()
    assert isinstance(found, ET.Element)
    return found


# HTML --------------------------------------------------------------------------------------------------------------------------

MATHML = {
    "math", "mrow", "mi", "mn", "mo", "ms", "mtext", "mspace", "mfrac", "msqrt", "mroot", "mstyle", "merror", "mpadded", "mphantom", "mfenced",
    "msub", "msup", "msubsup", "munder", "mover", "munderover", "mtable", "mtr", "mtd", "mmultiscripts", "mprescripts", "semantics",
}  # fmt: skip
TAGS = {
    "p", "br", "div", "span", "strong", "em", "b", "i", "u", "sub", "sup", "small", "code", "pre", "blockquote", "q", "cite", "abbr", "bdo", "bdi",
    "ul", "ol", "li", "dl", "dt", "dd", "table", "caption", "colgroup", "col", "thead", "tbody", "tfoot", "tr", "th", "td",
    "h1", "h2", "h3", "h4", "h5", "h6", "hr", "figure", "figcaption", "img", "ruby", "rt", "rp", "rb",
} | MATHML  # fmt: skip
ATTRIBUTES: dict[str, set[str]] = {
    "*": {"lang", "dir", "title", "aria-label", "data-catalog-idref", "data-ssml"},
    "th": {"scope", "colspan", "rowspan"},
    "td": {"colspan", "rowspan"},
    "col": {"span"},
    "ol": {"start", "type", "reversed"},
    "img": {"src", "alt", "width", "height"},
    "math": {"display", "alttext"},
    "mo": {"stretchy", "form", "fence", "separator"},
    "mi": {"mathvariant"},
    "mfrac": {"linethickness"},
    "mfenced": {"open", "close", "separators"},
    "mtd": {"columnspan", "rowspan"},
}
# nh3 takes these out by itself. To have met one is reason enough to take nothing from the file.
SCRIPT = re.compile(
    r"<\s*script\b|(?:href|src|action|formaction|data)\s*=\s*[\"']?\s*(?:javascript|vbscript|data:text/html)\s*[:,;]", re.IGNORECASE
)
HANDLER = re.compile(r"<[a-z][^<>]*?[\s\"'/]on[a-z]{3,30}\s*=", re.IGNORECASE)
QUOTED = re.compile(r"\"[^\"<>]*\"|'[^'<>]*'")
# What stands inside these is for machines: a formula's source in another notation, a style sheet.
UNSAID = {"script", "style", "annotation", "annotation-xml"}
PLAYED = re.compile(r"<\s*(audio|video|object|embed|iframe|applet|form|input|select|textarea|button|canvas|svg)\b", re.IGNORECASE)
# A link to something that came along with the item, not to a page of the web or a place in the text.
FILE_LINK = re.compile(r"<\s*a\b[^<>]*?\shref\s*=\s*[\"']?\s*(?!#|//|[a-z][a-z0-9+.-]*:|[\"'>\s])([^\"'>\s]+)", re.IGNORECASE)
PICTURE = re.compile(r"<img\b[^>]*>")
# Pictures that are written into the text: as letters in an address, and as a drawing.
WRITTEN_PICTURE = re.compile(r"data:image/[a-z+.-]+;base64,[A-Za-z0-9+/=\s]*", re.IGNORECASE)
DRAWING, DRAWN = re.compile(r"<svg\b", re.IGNORECASE), re.compile(r"</svg\s*>", re.IGNORECASE)
DRAWING_TITLE = re.compile(r"<title\b[^<>]*>([^<]*)</title", re.IGNORECASE)
ATTRIBUTE = re.compile(r'([a-z-]+)="([^"]*)"')
RENAMED = (("<b>", "<strong>"), ("</b>", "</strong>"), ("<i>", "<em>"), ("</i>", "</em>"))
HEADING = re.compile(r"<(/?)h[1-6](?: [^>]*)?>")

Resolver = Callable[[str], Asset]


def tidy(html: str) -> str:
    """HTML written here, with only what the bank's items may hold. A picture is one that the bank has: its name, not an address."""

    def attribute(tag: str, name: str, value: str) -> str | None:
        return None if (tag, name) == ("img", "src") and not PICTURE_NAME.fullmatch(value) else value

    cleaned = nh3.clean(
        html, tags=TAGS, clean_content_tags=UNSAID, attributes=ATTRIBUTES, attribute_filter=attribute, url_schemes=set(), link_rel=None
    )
    return PICTURE.sub(lambda found: found[0] if 'src="' in found[0] else "", plain_marks(cleaned)).strip()


def plain_marks(cleaned: str) -> str:
    """One way of writing emphasis; a heading inside an item is a strong paragraph."""
    for old, new in RENAMED:
        cleaned = cleaned.replace(old, new)
    return HEADING.sub(lambda found: "</strong></p>" if found[1] else "<p><strong>", cleaned)


@dataclass
class Cleaner:
    """Cleans the HTML of one item and collects its pictures; `resolve` finds one by what `src` says."""

    shown: str
    resolve: Resolver
    limits: Limits = LIMITS
    assets: dict[str, Asset] = field(default_factory=dict)
    # Addresses that hold their picture, by the short names that stand for them while the text is cleaned.
    written: dict[str, str] = field(default_factory=dict)

    def refuse_scripts(self, html: str) -> None:
        if SCRIPT.search(html) or HANDLER.search(QUOTED.sub("''", html)):
            raise Refused(self.shown, tell("holds-a-script"))

    def lift(self, address: str) -> str:
        """A picture's own letters are no text: they do not count as such."""
        return self.written.setdefault(address, f"written-{len(self.written)}")

    def drawings(self, html: str) -> Iterator[str]:
        """The text with each drawing as the picture that it is."""
        at = 0
        while (opened := DRAWING.search(html, at)) and (closed := DRAWN.search(html, opened.end())):
            yield html[at : opened.start()]
            at = closed.end()
            svg = html[opened.start() : at]
            said = DRAWING_TITLE.search(svg)
            title = said[1].replace('"', "&quot;") if said else ""
            if "xmlns" not in svg.partition(">")[0]:
                svg = f'<svg xmlns="http://www.w3.org/2000/svg"{svg[4:]}'
            address = f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"
            yield f'<img src="{address}" alt="{title}">'
        yield html[at:]

    def clean(self, html: str) -> str:
        self.refuse_scripts(html)
        html = WRITTEN_PICTURE.sub(lambda found: self.lift(found[0]), "".join(self.drawings(html)))
        if len(html) > self.limits.fragment or html.count("<") > self.limits.fragment_tags:
            raise Unfit(tell("text-too-long", letters=self.limits.fragment, tags=self.limits.fragment_tags))
        if found := PLAYED.search(html):
            raise Unfit(tell("not-to-be-shown", what=article(found[1].lower())))
        if found := FILE_LINK.search(html):
            raise Unfit(tell("links-a-file", path=escapes.unescape(found[1])[:80]))
        addresses = {name: address for address, name in self.written.items()}
        problems: list[Unfit | Refused] = []

        def attribute(tag: str, name: str, value: str) -> str | None:
            if tag != "img" or name != "src":
                return value
            try:
                asset = self.resolve(addresses.get(value, value))
            except (Unfit, Refused) as problem:
                problems.append(problem)
                return None
            self.assets.setdefault(asset.name, asset)
            return asset.name

        cleaned = nh3.clean(
            html,
            tags=TAGS,
            clean_content_tags=UNSAID,
            attributes=ATTRIBUTES,
            attribute_filter=attribute,
            url_schemes={"data", "http", "https"},
            link_rel=None,
        )
        if problems:
            raise problems[0]
        cleaned = plain_marks(cleaned).strip()
        for picture in PICTURE.findall(cleaned):
            said = dict(ATTRIBUTE.findall(picture))
            if "src" not in said:
                raise Unfit(tell("picture-without-address"))
            asset = self.assets[said["src"]]
            if said.get("alt") and not asset.alt:
                self.assets[asset.name] = Asset(asset.name, asset.media_type, asset.data, escapes.unescape(said["alt"]))
        return cleaned


def article(word: str) -> str:
    return f"{'an' if word[0] in 'aeiou' else 'a'} {word}"


def words(html: str) -> str:
    """The text alone, in one line."""
    return " ".join(escapes.unescape(nh3.clean(html, tags=set(), clean_content_tags=UNSAID)).split())


def says_something(html: str) -> bool:
    return bool(words(html)) or "<img" in html or "<math" in html


# Pictures ----------------------------------------------------------------------------------------------------------------------

ENDINGS = {"image/png": "png", "image/jpeg": "jpg", "image/gif": "gif", "image/webp": "webp", "image/svg+xml": "svg"}
DATA_ADDRESS = re.compile(r"data:(image/[a-z+.-]+);base64,", re.IGNORECASE)


class Pictures:
    """The pictures of one reading: sniffed, measured, and bounded together."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self.limits = limits
        self._seen: set[str] = set()
        self._total = 0

    def asset(self, data: bytes, shown: str) -> Asset:
        media_type = self._media_type(data, shown)
        name = f"{hashlib.sha256(data).hexdigest()[:40]}.{ENDINGS[media_type]}"
        if name not in self._seen:
            self._seen.add(name)
            self._total += len(data)
        if self._total > self.limits.pictures:
            raise Refused(shown, tell("too-many-pictures", most=self.limits.pictures // MB))
        return Asset(name, media_type, data)

    def from_address(self, address: str, shown: str) -> Asset | None:
        """A picture written into its own address, as editors of web pages do."""
        found = DATA_ADDRESS.match(address)
        if found is None:
            return None
        return self.asset(from_base64(address[found.end() :], self.limits.picture), shown)

    def _media_type(self, data: bytes, shown: str) -> str:
        if data.startswith(b"\x89PNG\r\n\x1a\n") and len(data) >= 24:
            size = struct.unpack(">II", data[16:24])
            return self._measured("image/png", size)
        if data[:6] in (b"GIF87a", b"GIF89a") and len(data) >= 10:
            return self._measured("image/gif", struct.unpack("<HH", data[6:10]))
        if data[:3] == b"\xff\xd8\xff":
            return self._measured("image/jpeg", jpeg_size(data))
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            return self._measured("image/webp", webp_size(data))
        if data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
            check_svg(data, shown, self.limits)
            return "image/svg+xml"
        raise Unfit(tell("no-picture"))

    def _measured(self, media_type: str, size: tuple[int, ...] | None) -> str:
        if size is None:
            raise Unfit(tell("picture-damaged"))
        if not all(0 < side <= self.limits.side for side in size):
            raise Unfit(tell("picture-too-wide", most=self.limits.side))
        return media_type


def jpeg_size(data: bytes) -> tuple[int, ...] | None:
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        mark, length = data[at + 1], struct.unpack(">H", data[at + 2 : at + 4])[0]
        if 0xC0 <= mark <= 0xCF and mark not in (0xC4, 0xC8, 0xCC):
            return struct.unpack(">HH", data[at + 5 : at + 9])
        at += 2 + max(2, length)
    return None


def webp_size(data: bytes) -> tuple[int, ...] | None:
    if len(data) < 30:
        return None
    if data[12:16] == b"VP8X":
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    if data[12:16] == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    wide, high = struct.unpack("<HH", data[26:30])
    return wide & 0x3FFF, high & 0x3FFF


# What a style takes from elsewhere. A gradient of the drawing's own, `url(#…)`, is no such thing.
STYLED_FROM = re.compile(r"@import|url\(\s*[\"']?\s*(?!#|data:image/|[\"'\s])", re.IGNORECASE)


def check_svg(data: bytes, shown: str, limits: Limits) -> None:
    """An SVG may draw and nothing else."""
    try:
        root = parse_xml(data, shown, limits)
    except Damaged as problem:
        raise Unfit(tell("no-picture")) from problem
    if local(root.tag) != "svg":
        raise Unfit(tell("no-picture"))
    for element in root.iter():
        name = local(element.tag).lower()
        if name in ("script", "handler", "listener") or any(local(key).lower().startswith("on") for key in element.attrib):
            raise Refused(shown, tell("picture-with-script"))
        for key, value in element.attrib.items():
            address = "".join(value.split()).lower()
            if address.startswith(("javascript:", "vbscript:", "data:text")):
                raise Refused(shown, tell("picture-with-script"))
            if local(key).lower() in ("href", "src") and address and not address.startswith(("#", "data:image/")):
                raise Unfit(tell("picture-fetches"))
        if any(STYLED_FROM.search(said) for said in (*element.attrib.values(), text_of(element) if name == "style" else "")):
            raise Unfit(tell("picture-fetches"))
        if name in ("foreignobject", "iframe", "audio", "video"):
            raise Unfit(tell("picture-holds-page"))


def from_base64(text: str, most: int) -> bytes:
    if len(text) > most * 4 // 3 + 1024:
        raise Unfit(too_large(most + 1, most, "picture-larger"))
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as problem:
        raise Unfit(tell("picture-damaged")) from problem


# Common Cartridge's word for the folder that holds a course's files; Canvas calls that folder `web_resources`.
CARTRIDGE = re.compile(r"\A(?:\$|%24)IMS[-_]CC[-_]FILEBASE(?:\$|%24)/?")


# Blackboard's and ExamView's words for the folder beside a pool's file.
EMBEDDED = re.compile(r"\A@X@EmbeddedFile\.[A-Za-z]+@X@/?")
# Blackboard's number of a file in its collection; the package holds it under a name that ends so.
NUMBERED = re.compile(r"xid-\d+_\d+")


def picture_paths(files: Files, base: str, address: str) -> list[str]:
    """Where in the source the picture may lie, in the order of trying."""
    if CARTRIDGE.match(address):
        inner = CARTRIDGE.sub("", address)
        found = [joined("", f"web_resources/{inner}"), joined("", inner)]
    elif EMBEDDED.match(address):
        inner = EMBEDDED.sub("", address)
        found = [joined(base, f"{posixpath.splitext(posixpath.basename(base))[0]}/{inner}"), joined(base, inner)]
        if number := NUMBERED.search(inner):
            found += [name for name in files.names() if f"{number[0]}." in name and not name.endswith(".xml")]
    else:
        found = [joined(base, address)]
    return [path for path in found if path]


def picture_from(files: Files, base: str, address: str, pictures: Pictures) -> Asset:
    """The picture that `src` names in the file `base`."""
    if (found := pictures.from_address(address, files.source(base))) is not None:
        return found
    paths = picture_paths(files, base, address)
    if not paths:
        raise Unfit(tell("picture-elsewhere", address=address[:80]))
    for path in paths:
        try:
            data = files.read(path, pictures.limits.picture)
        except Unfit:
            continue
        return pictures.asset(data, files.source(path))
    raise Unfit(tell("picture-missing", path=address[:80]))


# Walking XML -------------------------------------------------------------------------------------------------------------------


def local(tag: object) -> str:
    """A name without its namespace."""
    return tag.rsplit("}", 1)[-1] if isinstance(tag, str) else ""


def text_of(element: ET.Element | None) -> str:
    return "".join(element.itertext()) if element is not None else ""


def children(element: ET.Element | None, *names: str) -> Iterator[ET.Element]:
    for child in element if element is not None else ():
        if local(child.tag) in names:
            yield child


def child(element: ET.Element | None, *names: str) -> ET.Element | None:
    return next(children(element, *names), None)


def descendants(element: ET.Element, *names: str) -> Iterator[ET.Element]:
    return (found for found in element.iter() if local(found.tag) in names)


def attribute(element: ET.Element, *names: str) -> str | None:
    """An attribute by its name without namespace."""
    for key, value in element.attrib.items():
        if local(key) in names:
            return value.strip()
    return None
