"""Aiken: a question, its options marked `A.` or `A)`, and a line `ANSWER: A`."""

import re
from collections.abc import Iterator

from testing_platform.itembank.exchange import keys, markup
from testing_platform.itembank.exchange.drafts import Choice, Draft, Skip, Unfit
from testing_platform.itembank.exchange.qti import Reading
from testing_platform.itembank.exchange.safety import LIMITS, says_something, words
from testing_platform.itembank.exchange.sentences import tell

FORMAT = "aiken"
OPTION = re.compile(r"\A\s*([A-Za-z])[.)](.*)\Z")
ANSWER = re.compile(r"\A\s*ANSWERS?\s*:(.*)\Z", re.IGNORECASE)
# Not Aiken's own, but widely written: why the answer is right, in the lines below it.
EXPLANATION = re.compile(r"\A\s*(?:EXPLANATION|RATIONALE|FEEDBACK)\s*:(.*)\Z", re.IGNORECASE)
# One letter, with what may follow it: the option's text, or further letters.
LOOKS_LIKE = re.compile(r"^[ \t]*ANSWERS?[ \t]*:[ \t]*[A-Za-z](?:[ \t]*$|[.)]|[ \t]*[,;&][ \t]*[A-Za-z]\b)", re.IGNORECASE | re.MULTILINE)


def pieces(text: str) -> Iterator[list[str]]:
    """Lines up to and with an answer and its explanation; a new question after options without an answer begins a new piece."""
    piece: list[str] = []
    blank = offered = answered = explained = False
    for line in text.split("\n"):
        if not line.strip():
            blank = True
            continue
        if answered:
            explained = EXPLANATION.match(line) is not None or (explained and not blank)
            if explained:
                piece.append(line)
                blank = False
                continue
            yield piece
            piece, offered, answered = [], False, False
        marked = OPTION.match(line) is not None
        if blank and offered and not marked and not ANSWER.match(line):
            yield piece
            piece, offered = [], False
        blank = False
        # What looks like an option in the first line is the question.
        offered = offered or (marked and bool(piece))
        piece.append(line)
        answered = ANSWER.match(line) is not None
    if piece:
        yield piece


def read(text: str, name: str, reading: Reading) -> Iterator[Draft | Skip]:
    source = reading.files.source(name)
    for position, piece in enumerate(pieces(text)):
        identifier = f"q{position + 1}"
        try:
            yield read_question(piece, identifier, name, reading, position)
        except Unfit as unfit:
            yield Skip(source, identifier, FORMAT, unfit.reason)


def read_question(piece: list[str], identifier: str, name: str, reading: Reading, position: int) -> Draft:
    at, answer = next(((at, found) for at, line in enumerate(piece) if (found := ANSWER.match(line))), (0, None))
    if answer is None:
        raise Unfit(tell("no-key-line"))
    stem: list[str] = []
    options: list[tuple[str, list[str]]] = []
    for line in piece[:at]:
        marked = OPTION.match(line)
        expected = chr(ord(options[-1][0]) + 1) if options else None
        # The first line is the question, even if it begins like an option: A. Smith calls …
        if marked and stem and (marked[1] == expected if expected else marked[1] in "Aa"):
            options.append((marked[1], [marked[2].strip()]))
        elif options:
            if marked:
                raise Unfit(tell("option-out-of-order", option=marked[1]))
            options[-1][1].append(line.strip())
        else:
            stem.append(line.strip())
    if not stem:
        raise Unfit(tell("no-text"))
    if len(options) > LIMITS.choices:
        raise Unfit(tell("too-many-options", most=LIMITS.choices))
    cleaner = reading.cleaner(name)
    choices = tuple(Choice(letter, cleaner.clean(markup.inline("\n".join(lines)))) for letter, lines in options)
    if empty := next((choice.identifier for choice in choices if not says_something(choice.html)), None):
        raise Unfit(tell("option-empty", option=empty))
    known = [choice.identifier for choice in choices]
    told = [written(choice.identifier, choice.html) for choice in choices]
    given = answer[1].strip().rstrip(".)").strip()
    if (said := OPTION.match(given)) and written(said[1], cleaner.clean(markup.inline(said[2].strip()))) in told:
        # The option is written out once more.
        given = said[1]
    key = next((letter for letter in known if letter.upper() == given.upper()), given)
    keys.check(keys.Question(tuple(known), single=True))
    if len(given) != 1:
        raise Unfit(tell("no-key-readable", line=given[:40]))
    keys.check(keys.Question(tuple(known), single=True, correct=(key,)))
    return Draft(
        source=reading.files.source(name),
        identifier=identifier,
        format=FORMAT,
        kind="truefalse" if keys.is_true_false(choice.html for choice in choices) else "single",
        title="",
        stem=cleaner.clean(markup.plain("\n".join(stem))),
        choices=choices,
        correct=(key,),
        rationale=" ".join(EXPLANATION.sub(r"\1", line).strip() for line in piece[at + 1 :]),
        position=position,
    )


def written(letter: str, html: str) -> tuple[str, str]:
    """An option as it may be written twice, in large letters or small."""
    return letter.casefold(), words(html).casefold()
