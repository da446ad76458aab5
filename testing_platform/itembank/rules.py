import ast
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from enum import StrEnum
from html import escape, unescape
from math import comb
from typing import Any

from testing_platform import errors
from testing_platform.digests import canonical


class Kind(StrEnum):
    """How an item is answered: one option; any number of them; right or wrong."""

    SINGLE = "single"
    MULTIPLE = "multiple"
    TRUE_FALSE = "truefalse"


def together(keys: Iterable[str]) -> str:
    """Options chosen together as the one value that a response holds, whatever the order they were chosen in."""
    return " ".join(sorted(set(keys)))


@dataclass(frozen=True)
class Choices:
    """What an answer to one item may be: one of the keys, or of a multiple item up to `most` of them together."""

    keys: frozenset[str]
    most: int | None = None

    @classmethod
    def of(cls, kind: str, keys: Iterable[str], max_choices: int) -> "Choices":
        known = frozenset(keys)
        return cls(known, (max_choices or len(known)) if kind == Kind.MULTIPLE else None)

    def allow(self, option: str | None) -> bool:
        if option in self.keys:
            return True
        if option is None or self.most is None:
            return False
        chosen = option.split(" ")
        return option == together(chosen) and len(chosen) <= self.most and self.keys.issuperset(chosen)

    @property
    def answers(self) -> int:
        """How many different answers there are."""
        if self.most is None:
            return len(self.keys)
        return sum(comb(len(self.keys), chosen) for chosen in range(1, self.most + 1))

    @property
    def playable(self) -> bool:
        """Keys that can be told apart when they stand together."""
        return self.most is None or not any(" " in key for key in self.keys)


class Level(StrEnum):
    """What the item asks of the mind: to know it again, to use it, to take a situation apart."""

    RECALL = "recall"
    APPLY = "apply"
    ANALYZE = "analyze"


class Security(StrEnum):
    """Who may ever see the item: candidates of a test; anyone who practises; anyone, since it was given out."""

    SECURE = "secure"
    PRACTICE = "practice"
    RELEASED = "released"


class Statement(StrEnum):
    DUTY = "duty"
    KNOWLEDGE = "knowledge"
    ABILITY = "ability"


class State(StrEnum):
    """Where a version stands in its life."""

    DRAFT = "draft"
    IN_REVIEW = "in_review"
    RETURNED = "returned"
    APPROVED = "approved"
    PILOT = "pilot"
    ACTIVE = "active"
    RESTED = "rested"
    UNDER_CHALLENGE = "under_challenge"
    RETIRED = "retired"
    COMPROMISED = "compromised"
    # A draft that was written anew before anyone had signed it.
    REPLACED = "replaced"


# Nothing gets here without its signatures.
SIGNED = (State.APPROVED, State.PILOT, State.ACTIVE, State.RESTED, State.UNDER_CHALLENGE)
# What may be in a form: unscored while piloted, scored when active.
USABLE = (State.PILOT, State.ACTIVE)
# Where a version may still be written anew.
OPEN = (State.DRAFT, State.RETURNED)


class Event(StrEnum):
    SUBMIT = "submit"
    WITHDRAW = "withdraw"
    RETURN = "return"
    MISMATCH = "mismatch"
    APPROVE = "approve"
    PILOT = "pilot"
    ACTIVATE = "activate"
    REST = "rest"
    RESUME = "resume"
    CHALLENGE = "challenge"
    CLEAR = "clear"
    RETIRE = "retire"
    COMPROMISE = "compromise"
    SUPERSEDE = "supersede"
    REPLACE = "replace"


class Who(StrEnum):
    WRITER = "writer"
    REVIEWER = "reviewer"
    ANALYST = "analyst"
    # What follows by itself from another act.
    SYSTEM = "system"


class Guard(StrEnum):
    COMPLETE = "complete"  # a key, two options, an alternative text for each picture
    SIGNED = "signed"  # every signature that the policy asks for, none of an author
    TRIED = "tried"  # pilot statistics within bounds, or a waiver
    REASON = "reason"  # why, in words
    NONE = "none"


class Signature(StrEnum):
    CONTENT = "content"
    FAIRNESS = "fairness"
    KEY = "key"
    # In place of pilot statistics.
    WAIVER = "waiver"


class Outcome(StrEnum):
    SIGN = "sign"
    RETURN = "return"


_LIFE: tuple[tuple[tuple[State, ...], Event, Who, Guard, State], ...] = (
    ((State.DRAFT,), Event.SUBMIT, Who.WRITER, Guard.COMPLETE, State.IN_REVIEW),
    ((State.IN_REVIEW,), Event.WITHDRAW, Who.WRITER, Guard.NONE, State.DRAFT),
    ((State.IN_REVIEW,), Event.RETURN, Who.REVIEWER, Guard.REASON, State.RETURNED),
    ((State.IN_REVIEW, State.APPROVED, State.PILOT), Event.RETURN, Who.ANALYST, Guard.REASON, State.RETURNED),
    ((State.IN_REVIEW,), Event.MISMATCH, Who.SYSTEM, Guard.NONE, State.RETURNED),
    ((State.IN_REVIEW,), Event.APPROVE, Who.ANALYST, Guard.SIGNED, State.APPROVED),
    ((State.APPROVED,), Event.PILOT, Who.ANALYST, Guard.NONE, State.PILOT),
    ((State.PILOT,), Event.ACTIVATE, Who.ANALYST, Guard.TRIED, State.ACTIVE),
    ((State.ACTIVE,), Event.REST, Who.ANALYST, Guard.NONE, State.RESTED),
    ((State.RESTED,), Event.RESUME, Who.ANALYST, Guard.NONE, State.ACTIVE),
    ((State.ACTIVE, State.RESTED), Event.CHALLENGE, Who.ANALYST, Guard.REASON, State.UNDER_CHALLENGE),
    ((State.UNDER_CHALLENGE,), Event.CLEAR, Who.ANALYST, Guard.REASON, State.ACTIVE),
    ((State.DRAFT, State.RETURNED, *SIGNED), Event.RETIRE, Who.ANALYST, Guard.REASON, State.RETIRED),
    (
        (State.DRAFT, State.IN_REVIEW, State.RETURNED, *SIGNED, State.RETIRED),
        Event.COMPROMISE,
        Who.ANALYST,
        Guard.REASON,
        State.COMPROMISED,
    ),
    (SIGNED, Event.SUPERSEDE, Who.SYSTEM, Guard.NONE, State.RETIRED),
    (OPEN, Event.REPLACE, Who.SYSTEM, Guard.NONE, State.REPLACED),
)
# (from, event, who) → (guard, to): the whole life of a version.
MOVES: Mapping[tuple[State, Event, Who], tuple[Guard, State]] = {
    (before, event, who): (guard, after) for befores, event, who, guard, after in _LIFE for before in befores
}


class NoSuchMove(errors.Refusal):
    """This does not happen to a version in this state, or not by this person."""

    code = "no-such-move"


class NotSigned(errors.Refusal):
    """`missing` counts what is still to be signed, by kind."""

    code = "not-signed"


class NotComplete(errors.Refusal):
    """`missing` names what the version lacks."""

    code = "item-not-complete"


class NotTried(errors.Refusal):
    """The pilot's figures are missing or out of bounds, and nobody has waived them."""

    code = "not-tried"


class OwnWork(errors.Refusal):
    """No author signs or approves own work."""

    code = "own-work"


class SignedAlready(errors.Refusal):
    """Two signatures under one version are of two people."""

    code = "signed-already"


class KeySeen(errors.Refusal):
    """Who has seen the key cannot check it blind."""

    code = "key-seen"


class ReasonMissing(errors.Refusal):
    code = "why-missing"


def move(state: State, event: Event, who: Who) -> tuple[Guard, State]:
    """What has to hold and where it leads. Raises NoSuchMove."""
    found = MOVES.get((state, event, who))
    if found is None:
        raise NoSuchMove(state=str(state), event=str(event), who=str(who))
    return found


def possible(state: State, who: Who) -> list[Event]:
    return [event for before, event, by in MOVES if before is state and by is who]


SOURCES = {
    "content_reviews": "item bank practice: two subject experts",
    "fairness_reviews": "item bank practice: one reader for bias",
    "key_checks": "item bank practice: one blind check",
    "pilot_candidates": "item bank practice: 50 candidates at least",
    "pilot_easiest": "psychometric practice: easier than this says little about anyone",
    "pilot_hardest": "psychometric practice: near guessing among four options",
    "pilot_discrimination": "Ebel & Frisbie (1991): below 0.20 an item is to be revised",
    "rest_after": "exposure control: the department's choice",
    "reading_grade": "reading level of the class's own papers: the department's choice",
    "length_cue": "item-writing guides: the key as long as its distractors; the factor was set on the demonstration bank",
    "length_cue_from": "letters from which a difference in length is seen; the department's choice",
    "alike": "measured on the demonstration bank: pairs above it are reworded copies",
}


@dataclass(frozen=True)
class Policy:
    """The numbers that the bank's rules name; a bank may set each, and `sources` says where each comes from."""

    content_reviews: int = 2
    fairness_reviews: int = 1
    key_checks: int = 1
    pilot_candidates: int = 50
    pilot_easiest: Decimal = Decimal("0.95")
    pilot_hardest: Decimal = Decimal("0.25")
    pilot_discrimination: Decimal = Decimal("0.20")
    # Candidates who have been given an item before it should rest.
    rest_after: int = 1000
    # Grade of schooling: school years as in the United States.
    reading_grade: Decimal = Decimal("12")
    # How many times as long as every distractor the key must be, or as short, to stand out.
    length_cue: Decimal = Decimal("1.4")
    length_cue_from: int = 30
    # Cosine of two items' TF-IDF words from which they are shown as near copies.
    alike: Decimal = Decimal("0.6")
    sources: Mapping[str, str] = field(default_factory=lambda: dict(SOURCES))

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> "Policy":
        """The defaults, with what the bank says ({name: {"value", "source"}}) put over them."""
        values: dict[str, Any] = {}
        sources = dict(SOURCES)
        for name in SOURCES:
            if (said := settings.get(name)) is not None:
                default = getattr(cls, name)
                values[name] = int(said["value"]) if isinstance(default, int) else Decimal(str(said["value"]))
                sources[name] = str(said["source"])
        return cls(**values, sources=sources)

    def wanted(self) -> dict[Signature, int]:
        return {
            Signature.CONTENT: self.content_reviews,
            Signature.FAIRNESS: self.fairness_reviews,
            Signature.KEY: self.key_checks,
        }


@dataclass(frozen=True)
class Signed:
    """A signature that stands under a version."""

    kind: Signature
    person: int


def missing_signatures(signed: Iterable[Signed], authors: set[int], policy: Policy) -> dict[Signature, int]:
    """How many of each kind are still to come. An author's own does not count, nor a second one by the same person."""
    people: set[int] = set(authors)
    counts: dict[Signature, int] = {}
    for one in signed:
        if one.kind is not Signature.WAIVER and one.person not in people:
            people.add(one.person)
            counts[one.kind] = counts.get(one.kind, 0) + 1
    return {kind: wanted - counts.get(kind, 0) for kind, wanted in policy.wanted().items() if counts.get(kind, 0) < wanted}


@dataclass(frozen=True)
class Pilot:
    """What the pilot showed, over all administrations of the version."""

    candidates: int
    difficulty: Decimal | None = None
    discrimination: Decimal | None = None


def pilot_faults(pilot: Pilot, policy: Policy) -> list[str]:
    """What speaks against the item, by name; nothing when it may be scored."""
    if pilot.candidates < policy.pilot_candidates or pilot.difficulty is None:
        return ["candidates"]
    faults = []
    if pilot.difficulty > policy.pilot_easiest:
        faults.append("easiest")
    if pilot.difficulty < policy.pilot_hardest:
        faults.append("hardest")
    if pilot.discrimination is None or pilot.discrimination < policy.pilot_discrimination:
        faults.append("discrimination")
    return faults


@dataclass(frozen=True)
class Option:
    """A choice. `key` never changes its meaning, wherever it is shown; `weight` is what it adds where there is partial credit."""

    key: str
    html: str
    fixed: bool = False
    weight: Decimal | None = None
    rationale: str = ""

    def stored(self) -> dict[str, Any]:
        found: dict[str, Any] = {"key": self.key, "html": self.html}
        if self.fixed:
            found["fixed"] = True
        if self.weight is not None:
            found["weight"] = plain(self.weight)
        if self.rationale:
            found["rationale"] = self.rationale
        return found

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> "Option":
        weight = stored.get("weight")
        return cls(
            stored["key"],
            stored["html"],
            bool(stored.get("fixed")),
            None if weight is None else Decimal(weight),
            stored.get("rationale", ""),
        )


def plain(number: Decimal) -> str:
    """One way of writing each number, so that equal items have equal digests."""
    return f"{number.normalize():f}"


@dataclass(frozen=True)
class Content:
    """All that makes a version the one that it is, cleaned. Without weights a right answer counts one and any other nothing.

    `lower` and `upper` bound the sum of the weights; `stimulus` is the passage's digest; 0 `max_choices` is no limit.
    """

    stem: str
    options: tuple[Option, ...]
    correct: tuple[str, ...]
    kind: Kind = Kind.SINGLE
    title: str = ""
    rationale: str = ""
    lower: Decimal | None = None
    upper: Decimal | None = None
    shuffle: bool = False
    max_choices: int = 1
    language: str = "en"
    stimulus: str | None = None
    catalog: str = ""

    @property
    def weighted(self) -> bool:
        return any(option.weight is not None for option in self.options)

    def bounds(self) -> dict[str, str] | None:
        """{"lower", "upper"} as far as there are any; nothing without partial credit."""
        if not self.weighted:
            return None
        return {name: plain(value) for name, value in (("lower", self.lower), ("upper", self.upper)) if value is not None}

    def digest(self) -> str:
        """The same for the same item, whichever file it came from and whatever it is called there."""
        return content_digest(
            {
                "kind": str(self.kind),
                "title": self.title,
                "stem": self.stem,
                "options": [option.stored() for option in self.options],
                "correct": sorted(self.correct),
                "bounds": self.bounds(),
                "shuffle": self.shuffle,
                "max_choices": self.max_choices,
                "language": self.language,
                "stimulus": self.stimulus,
                "rationale": self.rationale,
                "catalog": self.catalog,
            }
        )

    def faults(self) -> list[str]:
        """What makes an item that nobody can be given, by name."""
        keys = [option.key for option in self.options]
        found = []
        if len(keys) < 2:
            found.append("options")
        if len(set(keys)) < len(keys):
            found.append("same-key")
        if not self.correct or not set(self.correct) <= set(keys):
            found.append("key")
        return found


TAG = re.compile(r"<[^>]*>")
PICTURE = re.compile(r"<img\b[^>]*>")
SAYS = re.compile(r'\balt="[^"]*[^"\s][^"]*"')


def text_of(html: str) -> str:
    """The words alone, in one line."""
    return " ".join(unescape(TAG.sub(" ", html)).split())


PICTURE_NAME = re.compile(r"[0-9a-f]{40}\.(?:png|jpg|gif|webp|svg)")
SOURCE = re.compile(r'(<img\b[^>]*?\bsrc=")(?=[0-9a-f]{40}\.)')


def with_pictures(html: str, address: str) -> str:
    """The same html with each picture at `address` and its name, as a page shows it."""
    return SOURCE.sub(lambda found: found[1] + address, html)


def lacking(stem: str, options: Sequence[str], passage: str | None) -> list[str]:
    """What keeps a draft from being handed in, by name."""
    found = []
    if not text_of(stem) and not PICTURE.search(stem):
        found.append("stem")
    if any(not text_of(html) and not PICTURE.search(html) for html in options):
        found.append("option")
    if any(not SAYS.search(picture) for html in (stem, *options, passage or "") for picture in PICTURE.findall(html)):
        found.append("alternative-text")
    return found


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
