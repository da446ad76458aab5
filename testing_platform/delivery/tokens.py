"""The answer token: an HMAC over (attempt, epoch, expiry), so that saving an answer needs no look at users or sessions."""

import base64
import hmac
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from testing_platform import errors


class BadToken(errors.Refusal):
    code = "bad-token"


@dataclass(frozen=True)
class Token:
    attempt_id: int
    epoch: int
    expires: int  # seconds since 1970


def _sign(secret: bytes, text: str) -> str:
    return base64.urlsafe_b64encode(hmac.digest(secret, b"answer token\0" + text.encode(), "sha256")).decode().rstrip("=")


def make(secret: bytes, attempt_id: int, epoch: int, expires_at: datetime) -> str:
    text = f"{attempt_id}.{epoch}.{int(expires_at.timestamp())}"
    return f"{text}.{_sign(secret, text)}"


def read(secret: bytes, header: str, attempt_id: int, now: datetime) -> Token:
    """Raises BadToken for anything but a token of this attempt that has not expired."""
    scheme, _, token = header.partition(" ")
    text, _, signature = token.rpartition(".")
    if scheme != "Attempt" or not hmac.compare_digest(signature.encode(), _sign(secret, text).encode()):
        raise BadToken
    found = Token(*(int(part) for part in text.split(".")))
    if found.attempt_id != attempt_id or now.timestamp() >= found.expires:
        raise BadToken
    return found


def hashed(secret: bytes, token: str) -> str:
    return hmac.new(secret, b"ticket\0" + token.encode(), sha256).hexdigest()
