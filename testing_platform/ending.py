"""How a process hears that it is to end."""

import signal
import time
from typing import Any

SLICE = 0.1  # seconds


class Told:
    """Whether SIGTERM or SIGINT came. A handler runs in the middle of whatever the process does: it must take no lock, as an Event's does."""

    def __init__(self) -> None:
        self.told = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._hear)

    def _hear(self, *_: Any) -> None:
        self.told = True

    def wait(self, seconds: float) -> bool:
        """Until then, or until told; says whether it was told."""
        until = time.monotonic() + seconds
        while not self.told and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, SLICE))
        return self.told
