"""QTI response processing, carried out: what an answer earns by an item's own rules. What is not known here is said, not passed over."""

import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal, DecimalException
from typing import Any

from testing_platform.errors import Said
from testing_platform.itembank.exchange.drafts import Mapping, Unfit, number
from testing_platform.itembank.exchange.safety import children, descendants, local, text_of
from testing_platform.itembank.exchange.sentences import tell

# Nodes visited for one item, over all the answers tried. A thousand answers through ordinary rules take 30,000.
MOST_STEPS = 200_000
NUMERIC = {"float", "integer"}


class Exit(Exception):
    """The rules say that no further rule applies."""


@dataclass(frozen=True)
class Unknown:
    """The value of an expression that is not read here: only whoever asks for it is stopped."""

    reason: Said


@dataclass
class Response:
    """A response variable as declared. Several values are a frozenset, none is None."""

    identifier: str
    single: bool
    correct: tuple[str, ...] = ()
    mapping: Mapping | None = None

    def value(self, chosen: frozenset[str]) -> Any:
        if not chosen:
            return None
        return next(iter(chosen)) if self.single and len(chosen) == 1 else chosen


@dataclass
class Rules:
    """The rules of one item, ready to be tried."""

    root: ET.Element
    response: Response
    # Outcome identifier → its default value.
    defaults: dict[str, Any]
    score_name: str
    steps: int = 0
    outcomes: dict[str, Any] = field(default_factory=dict)
    chosen: frozenset[str] = frozenset()

    def score(self, chosen: frozenset[str]) -> Decimal:
        self.chosen = chosen
        self.outcomes = dict(self.defaults)
        try:
            self.run(self.root)
        except Exit:
            pass
        except DecimalException as problem:
            raise Unfit(tell("rules-numbers")) from problem
        found = self.outcomes.get(self.score_name)
        if isinstance(found, Unknown):
            raise Unfit(found.reason)
        # A number that a maker calls a string.
        value = number(found) if isinstance(found, str) else found
        return value if isinstance(value, Decimal) else Decimal(0)

    def step(self) -> None:
        self.steps += 1
        if self.steps > MOST_STEPS:
            raise Unfit(tell("rules-too-long"))

    # What is done.

    def run(self, block: ET.Element) -> None:
        for rule in block:
            self.step()
            match local(rule.tag):
                case "responseCondition":
                    self.branch(rule)
                case "setOutcomeValue":
                    self.assign(rule)
                case "responseProcessingFragment":
                    self.run(rule)
                case "exitResponse":
                    raise Exit
                case name:
                    raise Unfit(tell("rules-unknown", name=name))

    def branch(self, rule: ET.Element) -> None:
        for part in rule:
            self.step()
            if local(part.tag) == "responseElse":
                return self.run(part)
            if local(part.tag) in ("responseIf", "responseElseIf"):
                inner = list(part)
                if inner and self.true(self.value(inner[0])):
                    body = ET.Element(part.tag)
                    body.extend(inner[1:])
                    return self.run(body)
        return None

    def assign(self, rule: ET.Element) -> None:
        name = rule.get("identifier", "").strip()
        try:
            found = self.value(rule[0]) if len(rule) else None
        except Unfit as problem:
            if problem.reason.code == "rules-too-long":
                raise
            found = Unknown(problem.reason)
        self.outcomes[name] = found

    # What is asked.

    def true(self, found: Any) -> bool:
        if isinstance(found, Unknown):
            raise Unfit(found.reason)
        return found is True

    def value(self, expression: ET.Element) -> Any:
        self.step()
        name = local(expression.tag)
        match name:
            case "variable" | "correct" | "default" | "mapResponse":
                return self.named(name, expression.get("identifier", "").strip())
            case "baseValue":
                return base_value(expression.get("baseType", ""), text_of(expression))
            case "null":
                return None
            case "and" | "or":
                return self.junction(name, expression)
        known = OPERATORS.get(name)
        if known is None:
            raise Unfit(tell("rules-unknown", name=name))
        if name == "equal" and expression.get("toleranceMode", "exact") != "exact":
            raise Unfit(tell("rules-tolerance"))
        values = [self.value(inner) for inner in expression]
        if unknown := next((found for found in values if isinstance(found, Unknown)), None):
            return unknown
        try:
            return known(*values)
        except TypeError as problem:
            raise Unfit(tell("rules-misused", name=name)) from problem

    def named(self, how: str, identifier: str) -> Any:
        mine = identifier == self.response.identifier
        if how == "variable":
            return self.response.value(self.chosen) if mine else self.outcomes.get(identifier)
        if not mine:
            if how == "default":
                return self.defaults.get(identifier)
            raise Unfit(tell("rules-other-response", name=identifier))
        if how == "default":
            return None
        if how == "correct":
            correct = self.response.correct
            return (correct[0] if self.response.single and len(correct) == 1 else frozenset(correct)) if correct else None
        if self.response.mapping is None:
            raise Unfit(tell("no-key-mapping-missing"))
        return self.response.mapping.score(self.chosen) if self.chosen else Decimal(0)

    def junction(self, name: str, expression: ET.Element) -> bool | None:
        """Three-valued, as QTI says: one false decides an `and` and one true an `or`, whatever is null beside it."""
        decides = name == "or"
        null = False
        for inner in expression:
            found = self.value(inner)
            if isinstance(found, Unknown):
                raise Unfit(found.reason)
            if found is decides:
                return decides
            null = null or found is None
        return None if null else not decides


def base_value(base_type: str, text: str) -> Any:
    text = text.strip()
    if base_type in NUMERIC:
        return number(text)
    if base_type == "boolean":
        return text in ("true", "1")
    return text


def _container(*values: Any) -> Any:
    found: set[Any] = set()
    for value in values:
        if isinstance(value, frozenset):
            found |= value
        elif value is not None:
            found.add(value)
    return frozenset(found) or None


def _numbers(*values: Any) -> list[Decimal] | None:
    """Numbers, or nothing where one of them is missing."""
    flat: list[Any] = []
    for value in values:
        flat += value if isinstance(value, frozenset) else [value]
    if any(value is None for value in flat):
        return None
    if not all(isinstance(value, Decimal) for value in flat):
        raise TypeError
    return flat


def _on_numbers(combine: Callable[..., Any]) -> Callable[..., Any]:
    def operator(*values: Any) -> Any:
        found = _numbers(*values)
        return None if not found else combine(*found)

    return operator


def _product(*values: Decimal) -> Decimal:
    found = Decimal(1)
    for value in values:
        found *= value
    return found


def _divide(upper: Decimal, lower: Decimal) -> Decimal | None:
    return upper / lower if lower else None


def _alike(value: Any, other: Any) -> bool | None:
    if value is None or other is None:
        return None
    if isinstance(value, frozenset) != isinstance(other, frozenset):
        value, other = _container(value), _container(other)
    return bool(value == other)


def _member(value: Any, container: Any) -> bool | None:
    return None if value is None or container is None else value in _container(container)


def _contains(container: Any, other: Any) -> bool | None:
    return None if container is None or other is None else _container(other) <= _container(container)


def _delete(value: Any, container: Any) -> Any:
    return None if value is None or container is None else (_container(container) - _container(value)) or None


def _negated(value: Any) -> bool | None:
    return None if value is None else not value


def _same_text(value: Any, other: Any) -> bool | None:
    return None if value is None or other is None else value == other


OPERATORS: dict[str, Callable[..., Any]] = {
    "match": _alike,
    "not": _negated,
    "isNull": lambda value: value is None or value == "" or value == frozenset(),
    "multiple": _container,
    "member": _member,
    "contains": _contains,
    "delete": _delete,
    "containerSize": lambda value: Decimal(0) if value is None else Decimal(len(_container(value))),
    "sum": _on_numbers(lambda *values: sum(values, Decimal(0))),
    "product": _on_numbers(_product),
    "subtract": _on_numbers(lambda value, other: value - other),
    "divide": _on_numbers(_divide),
    "max": _on_numbers(max),
    "min": _on_numbers(min),
    "gt": _on_numbers(lambda value, other: value > other),
    "lt": _on_numbers(lambda value, other: value < other),
    "gte": _on_numbers(lambda value, other: value >= other),
    "lte": _on_numbers(lambda value, other: value <= other),
    "equal": _on_numbers(lambda value, other: value == other),
    "stringMatch": _same_text,
}


def numeric_outcomes(item: ET.Element) -> dict[str, Any]:
    """Every outcome with its default: a number is 0 until a rule says otherwise."""
    found: dict[str, Any] = {}
    for declaration in children(item, "outcomeDeclaration"):
        base_type = declaration.get("baseType", "")
        values = [text_of(value) for value in descendants(declaration, "value")]
        start: Any = Decimal(0) if base_type in NUMERIC else None
        if len(values) == 1:
            start = base_value(base_type, values[0])
        found[declaration.get("identifier", "").strip()] = start
    return found


def score_set_by(rules: ET.Element, item: ET.Element) -> str | None:
    """The outcome that holds the score: SCORE, or the only number that the rules set. Nothing when they set none."""
    kinds = {
        declaration.get("identifier", "").strip(): declaration.get("baseType", "") for declaration in children(item, "outcomeDeclaration")
    }
    names = list(dict.fromkeys(rule.get("identifier", "").strip() for rule in descendants(rules, "setOutcomeValue", "lookupOutcomeValue")))
    if "SCORE" in names:
        return "SCORE"
    numbers = [name for name in names if kinds.get(name) in NUMERIC]
    if len(numbers) > 1:
        raise Unfit(tell("rules-several-numbers", names=", ".join(numbers)))
    return numbers[0] if numbers else None


def rule_names(rules: ET.Element) -> Iterator[str]:
    return (local(element.tag) for element in rules.iter())
