"""The bytes over which digests are taken."""

import json
from typing import Any


def canonical(value: Any) -> bytes:
    """JSON with sorted keys and no spaces, the same for the same value on every machine."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str).encode()
