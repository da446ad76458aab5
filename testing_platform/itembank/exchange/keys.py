"""Which options are right, worked out from how a file scores. A file's own rules are followed for every answer that can be given, never matched by
their looks: what they add up to is the key, a sum of weights, or something that this bank cannot hold.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations

from testing_platform.errors import Said
from testing_platform.itembank.exchange.drafts import Kind, Mapping, Unfit
from testing_platform.itembank.exchange.sentences import tell

Score = Callable[[frozenset[str]], Decimal]

# Up to so many options every possible answer is tried (1,024); above, those near the key.
TRIED_WHOLE = 10


@dataclass(frozen=True)
class Question:
    """What a file declares about the answers to one question. `limit` is how many options may be taken, 0 for any number."""

    options: tuple[str, ...]
    single: bool
    limit: int = 0
    correct: tuple[str, ...] = ()
    mapping: Mapping | None = None


@dataclass(frozen=True)
class Key:
    correct: tuple[str, ...]
    mapping: Mapping | None = None
    notes: tuple[Said, ...] = ()


def named(identifiers: Iterable[str]) -> str:
    return ", ".join(identifiers)


def check(question: Question) -> None:
    """What has to hold before any key can be found."""
    known = question.options
    if len(set(known)) < len(known):
        raise Unfit(tell("same-identifier"))
    if len(known) < 2:
        raise Unfit(tell("one-option" if known else "no-options"))
    if missing := [value for value in question.correct if value not in known]:
        raise Unfit(tell("key-not-an-option", names=named(missing)))
    if question.mapping and (missing := [name for name, value in question.mapping.entries.items() if value > 0 and name not in known]):
        raise Unfit(tell("mapping-not-an-option", names=named(missing)))
    if question.single and len(set(question.correct)) > 1:
        raise Unfit(tell("key-of-several", names=named(question.correct)))
    if question.limit and not question.single and len(question.correct) > question.limit:
        raise Unfit(tell("key-above-limit", most=question.limit, names=named(question.correct)))


def in_order(question: Question, chosen: Iterable[str]) -> tuple[str, ...]:
    wanted = set(chosen)
    return tuple(option for option in question.options if option in wanted)


def implied(question: Question) -> Key:
    """Nothing says how it is scored: the declared correct response is the key. A mapping is kept only where it says the same."""
    if not question.correct:
        if question.mapping is not None:
            raise Unfit(tell("no-key-mapping-alone"))
        raise Unfit(tell("no-key"))
    correct = in_order(question, question.correct)
    mapping = question.mapping
    if mapping is None:
        return Key(correct)
    if not any(value > 0 for value in mapping.entries.values()):
        return Key(correct, notes=(tell("mapping-gives-nothing"),))
    best = best_by(question, mapping)
    if set(best) != set(correct):
        raise Unfit(tell("key-and-mapping-differ", names=named(correct), best=named(best)))
    return Key(correct, known_entries(question, mapping))


def matched(question: Question) -> Key:
    """Full credit for the correct response and nothing else."""
    if not question.correct:
        raise Unfit(tell("no-key-response-missing"))
    notes = (tell("mapping-not-scored-by"),) if question.mapping else ()
    return Key(in_order(question, question.correct), notes=notes)


def mapped(question: Question) -> Key:
    """Scored by the mapping; a correct response that is declared as well has to earn the most."""
    mapping = question.mapping
    if mapping is None:
        raise Unfit(tell("no-key-mapping-missing"))
    best = best_by(question, mapping)
    if not best:
        raise Unfit(tell("no-key-mapping-gives-nothing"))
    if question.correct:
        # With a bound or a free option several answers earn the most; the declared one has to be among them.
        most = mapping.score(best) if not question.single else max(mapping.score([option]) for option in question.options)
        if mapping.score(question.correct) < most or (question.single and set(best) != set(question.correct)):
            raise Unfit(tell("key-and-scoring-differ", names=named(question.correct), best=named(best)))
        best = in_order(question, question.correct)
    return Key(best, known_entries(question, mapping))


def best_by(question: Question, mapping: Mapping) -> tuple[str, ...]:
    """The options that a mapping rewards: of a single answer the best ones, of a multiple answer all that add something."""
    if not question.single:
        return in_order(question, [name for name, value in mapping.entries.items() if value > 0])
    scores = {option: mapping.score([option]) for option in question.options}
    most = max(scores.values())
    return tuple(option for option in question.options if scores[option] == most) if most > 0 else ()


def known_entries(question: Question, mapping: Mapping) -> Mapping:
    """Without what names no option (such entries give no credit; `check` saw to that)."""
    entries = {name: value for name, value in mapping.entries.items() if name in question.options}
    return Mapping(entries, mapping.lower, mapping.upper, mapping.default)


def ruled(question: Question, score: Score, uses_mapping: bool) -> Key:
    """The key that follows from rules, which `score` carries out for an answer."""
    return _ruled_single(question, score, uses_mapping) if question.single else _ruled_multiple(question, score, uses_mapping)


def _agree(question: Question, best: tuple[str, ...]) -> tuple[str, ...]:
    if question.correct and set(question.correct) != set(best):
        raise Unfit(tell("key-and-rules-differ", names=named(question.correct), best=named(best)))
    return best


def _ruled_single(question: Question, score: Score, uses_mapping: bool) -> Key:
    scores = {option: score(frozenset([option])) for option in question.options}
    most = max(scores.values())
    if most <= 0 or min(scores.values()) == most:
        raise Unfit(tell("no-key-options-alike"))
    best = _agree(question, tuple(option for option in question.options if scores[option] == most))
    if uses_mapping and question.mapping and all(question.mapping.score([option]) == scores[option] for option in question.options):
        return Key(best, known_entries(question, question.mapping))
    others = {value for option, value in scores.items() if option not in best}
    if len(others) == 1:
        penalty = others.pop()
        return Key(best, notes=(tell("penalty-dropped", points=plain(penalty)),) if penalty else ())
    return Key(best, Mapping({option: value for option, value in scores.items() if value}))


def _ruled_multiple(question: Question, score: Score, uses_mapping: bool) -> Key:
    scores = {answer: score(answer) for answer in answers(question)}
    most = max(scores.values())
    if most <= 0 or min(scores.values()) == most:
        raise Unfit(tell("no-key-answers-alike"))
    best = [answer for answer, found in scores.items() if found == most]
    if len(best) == 1:
        correct = _agree(question, in_order(question, best[0]))
        others = {found for answer, found in scores.items() if answer and answer != best[0]}
        if len(others) == 1:
            penalty = others.pop()
            return Key(correct, notes=(tell("penalty-dropped", points=plain(penalty)),) if penalty else ())
    for weights in weightings(question, scores, uses_mapping):
        if (moved := moved_by(weights, scores)) is not None:
            key = mapped(Question(question.options, False, question.limit, question.correct, weights))
            return Key(key.correct, key.mapping, moved)
    least = min(best, key=len)
    others = {found for answer, found in scores.items() if answer and not least <= answer}
    if least and len(others) <= 1 and best == [answer for answer in scores if least <= answer]:
        # Who writes what has to be there, and not what may not, wants just that.
        penalties = tuple(tell("penalty-dropped", points=plain(value)) for value in others if value)
        return Key(_agree(question, in_order(question, least)), notes=(tell("more-accepted"), *penalties))
    raise Unfit(tell("scored-otherwise"))


def weightings(question: Question, scores: dict[frozenset[str], Decimal], uses_mapping: bool) -> Iterator[Mapping]:
    """Sums of weights that the rules may come to: the declared mapping, the same within the bounds that were seen, what each option earns alone."""
    nothing = scores[frozenset()]
    lower, upper = min(scores.values()) - nothing, max(scores.values()) - nothing
    if uses_mapping and question.mapping:
        yield question.mapping
        yield Mapping(question.mapping.entries, lower, upper, question.mapping.default)
    alone = {option: scores[frozenset([option])] - nothing for option in question.options}
    yield Mapping({option: value for option, value in alone.items() if value}, lower, upper)


def moved_by(weights: Mapping, scores: dict[frozenset[str], Decimal]) -> tuple[Said, ...] | None:
    """Whether the scores are those weights, times something and from another start; then what is to be told about it."""
    pairs = [(weights.score(answer), found) for answer, found in scores.items() if answer]
    low, high = min(pairs), max(pairs)
    if low[0] == high[0] or high[1] <= low[1]:
        return None
    times = (high[1] - low[1]) / (high[0] - low[0])
    start = low[1] - times * low[0]
    if any(found != start + times * weight for weight, found in pairs):
        return None
    return () if (times, start) == (1, 0) else (tell("weights-moved", times=plain(times), start=plain(start)),)


def plain(value: Decimal) -> str:
    return f"{value.normalize():f}"


def answers(question: Question) -> list[frozenset[str]]:
    """The answers that can be given, or of a long list of options those that tell rules apart."""
    options = question.options
    most = question.limit or len(options)
    if len(options) <= TRIED_WHOLE:
        return [frozenset(chosen) for size in range(most + 1) for chosen in combinations(options, size)]
    key = frozenset(question.correct) or frozenset(best_by(question, question.mapping) if question.mapping else ())
    near = [key, *(key - {option} for option in key), *(key | {option} for option in options)]
    swapped = [key - {old} | {new} for old in key for new in options if new not in key]
    pairs = [frozenset(chosen) for size in (0, 1, 2) for chosen in combinations(options, size)]
    whole = [frozenset(options)]
    return list(dict.fromkeys(answer for answer in [*pairs, *near, *swapped, *whole] if len(answer) <= most or len(answer) == 1))


def is_true_false(texts: Iterable[str]) -> bool:
    """Two options that say True and False are a true/false question in whatever format they come."""
    return sorted(text.strip().rstrip(".").casefold() for text in texts) == ["false", "true"]


def kind_of(question: Question, texts: list[str]) -> Kind:
    if not question.single:
        return "multiple"
    return "truefalse" if is_true_false(texts) else "single"
