"""Refusals: what could not be done, as facts. Pages find the words; `web/errors.py` alone knows the HTTP status."""

from typing import Any


class Refusal(Exception):
    """Something a person asked for that the rules do not allow now. `facts` holds what a page needs to explain it."""

    code = "refused"

    def __init__(self, **facts: Any) -> None:
        self.facts = facts
        super().__init__(f"{self.code} {facts}" if facts else self.code)


class Said(str):
    """What is said of something, as a code with its facts. As text it is its sentence in English, which commands print; a page says it in its own language."""

    code: str
    sentence: str
    facts: dict[str, Any]

    def __new__(cls, code: str, sentence: str, facts: dict[str, Any]) -> "Said":
        """`sentence` has a blank, `%(name)s`, for each fact."""
        found = super().__new__(cls, sentence % facts)
        found.code, found.sentence, found.facts = code, sentence, facts
        return found


class NotFound(Refusal):
    """There is no such thing, or it is not this person's: the two are not told apart."""

    code = "not-found"


class Forbidden(Refusal):
    code = "forbidden"


class SignInNeeded(Refusal):
    code = "sign-in-needed"


class BadRequest(Refusal):
    code = "bad-request"


class VersionMoved(Refusal):
    """Someone else changed it since it was looked at."""

    code = "version-moved"


class TooMany(Refusal):
    """A limit on tries was reached; `seconds` says when to try again."""

    code = "too-many"


class Unavailable(Refusal):
    """Storage cannot take a write now; nothing was changed."""

    code = "unavailable"
