"""Where templates, static files and other data lie: inside the package when installed, beside it in a checkout."""

import hashlib
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parent


def folder(name: str) -> Path:
    """Raises FileNotFoundError where neither place has the folder."""
    for place in (PACKAGE / name, PACKAGE.parent / name):
        if place.is_dir():
            return place
    raise FileNotFoundError(f"the folder {name!r} is missing from this installation")


@cache
def version_of(path: str) -> str:
    """A short hash of a static file, so that its address changes with its content."""
    return hashlib.sha256((folder("static") / path).read_bytes()).hexdigest()[:12]
