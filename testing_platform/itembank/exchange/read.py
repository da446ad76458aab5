"""From a file, folder or package of any maker to drafts and skips. Nothing is written, and nothing outside the source is read."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import structlog

from testing_platform.itembank.exchange import aiken, gift, moodle, qti, qti12, tables
from testing_platform.itembank.exchange.drafts import Draft, NoItems, Skip, Unfit
from testing_platform.itembank.exchange.safety import (
    LIMITS,
    BadEncoding,
    Damaged,
    Files,
    Folder,
    Oversized,
    Package,
    Pictures,
    Refused,
    check_svg,
    child,
    descendants,
    joined,
    local,
    parse_xml,
    plain_text,
    too_large,
)
from testing_platform.itembank.exchange.sentences import tell

logger = structlog.get_logger()

MANIFEST = "imsmanifest.xml"
ARCHIVES = (".zip", ".imscc")
# What is opened inside a folder or a package to see whether it holds items.
XML_LIKE = {".xml", ".dat", ".qti", ".moodle", ""}
TEXT_LIKE = {".gift", ".aiken", ".txt"}
# Text by its name, even when its first letter is a <.
MARKED = {".gift", ".aiken", ".csv", ".tsv"}
TABLES = {".csv", ".tsv"}
# Aiken is plain text, whose first letter may be a <.
ANSWERED = re.compile(rb"^[ \t]*ANSWER:[ \t]*[A-Z][ \t\r]*$", re.MULTILINE)
# Where a file is broken, which format it wanted to be.
SIGNS = (
    (b"imsqtiasi_v3p0", "qti30"), (b"qti-assessment-item", "qti30"), (b"imsqti_v2p2", "qti22"), (b"imsqti_v2p1", "qti21"), (b"imsqti_v2p0", "qti20"),
    (b"assessmentItem", "qti21"), (b"questestinterop", "qti12"), (b"<quiz", "moodle"),
)  # fmt: skip


def read(path: Path, label: str | None = None, strict: bool = False) -> Iterator[Draft | Skip]:
    """Everything that is found under `path`. `label` is what the file is called where its name on disk is not the maker's.

    Raises Refused where nothing of the source may be taken. `strict` lets faults of our own through, for tests.
    """
    label = label or path.name
    try:
        if path.is_dir():
            found: Iterator[Draft | Skip] = _Reader(Folder(path), strict).everything()
        elif not path.is_file():
            raise Refused(label, tell("not-there"))
        else:
            found = _one_file(path, label, strict)
    except OSError as problem:
        raise Refused(label, tell("not-readable")) from problem
    for count, item in enumerate(found):
        if count >= LIMITS.items:
            raise Refused(label, tell("too-many-items", most=LIMITS.items))
        yield item


def _one_file(path: Path, label: str, strict: bool) -> Iterator[Draft | Skip]:
    size = path.stat().st_size
    if size > LIMITS.file:
        raise Refused(label, too_large(size, LIMITS.file))
    if size == 0:
        raise Refused(label, tell("empty"))
    with path.open("rb") as file:
        head = file.read(4)
    folder = _Renamed(path, label)
    if head[:2] == b"PK":
        return _alone(_archive(path, label, folder, strict), label)
    if path.name.lower() == MANIFEST:
        return _Reader(Folder(path.parent), strict).listed(path.name)
    return _Reader(folder, strict).alone(path.name)


def _alone(found: Iterator[Draft | Skip], label: str) -> Iterator[Draft | Skip]:
    try:
        yield from found
    except Unfit as problem:
        raise Refused(label, problem.reason) from problem


class _Renamed(Folder):
    """One file of a folder, under the name that its maker gave it."""

    def __init__(self, path: Path, label: str) -> None:
        super().__init__(path.parent, only=path.name)
        self.label = label

    def source(self, name: str) -> str:
        return self.label if name == self.only else name


def _archive(path: Path, label: str, folder: Folder, strict: bool) -> Iterator[Draft | Skip]:
    package = Package(path, label)
    try:
        if "xl/workbook.xml" in package.names():
            yield from tables.read_xlsx(path, path.name, qti.Reading(folder))
            return
        reader = _Reader(package, strict)
        yield from reader.everything()
        if not reader.found:
            raise NoItems(tell("no-items"))
    finally:
        package.close()


@dataclass
class _Reader:
    files: Files
    strict: bool
    found: int = 0
    hints: dict[str, qti.Resource] = field(default_factory=dict)
    # Canvas writes each quiz twice; the fuller copy comes first, and these are the questions it held.
    fuller: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.reading = qti.Reading(self.files, Pictures())

    def alone(self, name: str) -> Iterator[Draft | Skip]:
        """The one file that was handed in: if it holds no items, that is said."""
        shown = self.files.source(name)
        try:
            yield from self._file(name, alone=True)
        except (BadEncoding, Oversized) as problem:
            raise Refused(shown, problem.reason) from problem
        except Unfit as problem:
            sign = self._sign(name)
            if sign is None or isinstance(problem, NoItems):
                raise Refused(shown, problem.reason) from problem
            yield Skip(shown, "", sign, problem.reason)
            return
        if not self.found and self._sign(name) is None:
            raise Refused(shown, tell("no-items"))

    def listed(self, manifest: str) -> Iterator[Draft | Skip]:
        """What a manifest that was handed in lists, from the files beside it."""
        self._take_manifest(manifest)
        if not self.hints:
            raise Refused(self.files.source(manifest), tell("no-resources"))
        there = set(self.files.names())
        for name in self.hints:
            if name in there:
                yield from self._guarded(name)
        yield from self._missing(there)

    def everything(self) -> Iterator[Draft | Skip]:
        names = self.files.names()
        for name in names:
            if PurePosixPath(name).name.lower() == MANIFEST:
                self._take_manifest(name)
        there = set(names)
        listed = [name for name in self.hints if name in there]
        rest = [name for name in names if name not in self.hints]
        ordered = [*listed, *rest]
        for name in sorted(ordered, key=lambda name: "non_cc_assessments" not in name):
            yield from self._guarded(name)
        yield from self._missing(there)

    def _missing(self, there: set[str]) -> Iterator[Skip]:
        for name, resource in self.hints.items():
            if name not in there and "item" in resource.type:
                version = {"v3p0": "qti30", "v2p2": "qti22", "v2p0": "qti20"}.get(resource.type[-4:], "qti21")
                self.found += 1
                yield Skip(self.files.source(name), resource.identifier, version, tell("listed-and-missing"))

    def _take_manifest(self, name: str) -> None:
        try:
            root = parse_xml(self.files.read(name, LIMITS.document), self.files.source(name))
        except Unfit:
            # Its items can be found without it.
            return
        for resource in qti.read_manifest(root, name):
            self.hints.setdefault(resource.path, resource)

    def _guarded(self, name: str) -> Iterator[Draft | Skip]:
        """One file of many: what is wrong with it leaves the others alone."""
        try:
            yield from self._file(name)
        except Unfit as problem:
            sign = self._sign(name)
            if sign is not None and not isinstance(problem, NoItems):
                self.found += 1
                yield Skip(self.files.source(name), "", sign, problem.reason)

    def _sign(self, name: str) -> str | None:
        suffix = PurePosixPath(name).suffix.lower()
        try:
            head = self.files.read(name, LIMITS.document)[:4096].replace(b"\0", b"")
        except Unfit:
            head = b""
        for mark, sign in SIGNS:
            if mark in head:
                return sign
        return {".gift": "gift", ".aiken": "aiken", ".csv": "csv", ".tsv": "csv"}.get(suffix)

    def _file(self, name: str, alone: bool = False) -> Iterator[Draft | Skip]:
        """The items of one file, counted; a fault of our own becomes a skip that says so."""
        try:
            for item in self._sniffed(name, alone):
                self.found += 1
                yield item
        except (Unfit, Refused):
            raise
        except Exception as problem:
            if self.strict:
                raise
            logger.exception("item_not_read", kind=type(problem).__name__)
            self.found += 1
            yield Skip(self.files.source(name), "", self._sign(name) or "qti21", tell("own-fault", kind=type(problem).__name__))

    def _sniffed(self, name: str, alone: bool) -> Iterator[Draft | Skip]:
        suffix = PurePosixPath(name).suffix.lower()
        if suffix == ".svg":
            check_svg(self.files.read(name, LIMITS.picture), self.files.source(name), LIMITS)
            return
        if suffix in ARCHIVES and not alone:
            if isinstance(self.files, Folder):
                yield from _archive(self.files.root / name, name, self.files, self.strict)
            else:
                yield Skip(self.files.source(name), "", "qti21", tell("package-inside"))
            return
        if suffix == ".xlsx" and isinstance(self.files, Folder):
            yield from tables.read_xlsx(self.files.root / name, name, self.reading)
            return
        if not alone and suffix not in XML_LIKE | TEXT_LIKE | TABLES:
            return
        data = self.files.read(name, LIMITS.document)
        if suffix not in MARKED and looks_like_xml(data) and not (suffix == ".txt" and ANSWERED.search(data)):
            yield from self._xml(data, name, alone)
        elif len(data) > LIMITS.text:
            raise Refused(self.files.source(name), too_large(len(data), LIMITS.text))
        elif suffix in TABLES:
            yield from tables.read_csv(data, name, self.reading)
        elif suffix in TEXT_LIKE or alone:
            yield from self._text(data, name, suffix)

    def _xml(self, data: bytes, name: str, alone: bool) -> Iterator[Draft | Skip]:
        shown = self.files.source(name)
        root = parse_xml(data, shown)
        kind = local(root.tag)
        if kind in qti.ROOTS:
            yield self._item(root, name)
        elif kind == "questestinterop":
            for item in qti12.read(root, name, self.reading):
                yield self._once(item, name)
        elif kind == "quiz" and child(root, "question") is not None:
            yield from moodle.read(root, name, self.reading)
        elif alone and kind in ("assessmentTest", "qti-assessment-test"):
            yield from self._test(root, name)
        elif alone:
            raise NoItems(tell("no-items"))

    def _test(self, root: qti.ET.Element, name: str) -> Iterator[Draft | Skip]:
        """A test that was handed in by itself: the items that it points to, from the files beside it, each once."""
        version = qti.version_of(root)
        references = [
            joined(name, element.get("href") or "") for element in descendants(root, "assessmentItemRef", "qti-assessment-item-ref")
        ]
        for path in dict.fromkeys(path for path in references if path):
            try:
                data = self.files.read(path, LIMITS.document)
            except Unfit:
                yield Skip(self.files.source(path), "", version, tell("part-missing"))
                continue
            try:
                item = parse_xml(data, self.files.source(path))
            except Unfit as problem:
                yield Skip(self.files.source(path), "", version, problem.reason)
                continue
            if local(item.tag) in qti.ROOTS:
                yield self._item(item, path)

    def _item(self, root: qti.ET.Element, name: str) -> Draft | Skip:
        resource = self.hints.get(name)
        hint = resource.type if resource else ""
        version = qti.version_of(root, hint)
        identifier = root.get("identifier", "").strip()
        metadata = {**resource.metadata, "resource": resource.identifier} if resource else {}
        try:
            draft = qti.read_item(root, name, self.reading, hint, metadata)
            return qti.restored(draft, resource.record, self.reading.cleaner(name)) if resource else draft
        except Damaged:
            raise
        except Unfit as unfit:
            return Skip(self.files.source(name), identifier, version, unfit.reason)

    def _once(self, item: Draft | Skip, name: str) -> Draft | Skip:
        if "non_cc_assessments" in name:
            self.fuller[item.identifier] = item.source
        elif item.identifier in self.fuller:
            return Skip(item.source, item.identifier, item.format, tell("thinner-copy", source=self.fuller[item.identifier]))
        return item

    def _text(self, data: bytes, name: str, suffix: str) -> Iterator[Draft | Skip]:
        text = plain_text(data)
        if suffix == ".gift":
            yield from gift.read(text, name, self.reading)
        elif suffix == ".aiken" or aiken.LOOKS_LIKE.search(text):
            yield from aiken.read(text, name, self.reading)
        elif gift.LOOKS_LIKE.search(text):
            yield from gift.read(text, name, self.reading)


def looks_like_xml(data: bytes) -> bool:
    head = data[:64].replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")
    return head.startswith(b"<")
