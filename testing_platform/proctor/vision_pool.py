"""Worker processes that look at frames for `live`. A crash in a decoder costs the one frame it was given."""

from collections.abc import Awaitable, Callable

from testing_platform.proctor.vision import Observation

# Candidate, when the frame came, the frame, and what was seen: None for a frame that cannot be read.
SeenBy = Callable[[int, float, bytes, Observation | None], Awaitable[None]]


class Pool:
    """Looks at the newest frame of each candidate: a frame that waits is replaced by the next one, so overload makes gaps, never late evidence."""

    def __init__(self, workers: int, seen: SeenBy | None = None, patience: float = 5) -> None:
        self.analysed = self.dropped = self.unreadable = self.restarts = 0

    async def start(self) -> None:
        raise NotImplementedError

    async def stop(self) -> None:
        raise NotImplementedError

    def offer(self, candidate: int, at: float, jpeg: bytes) -> None:
        """Does not wait. The newest frame of a candidate wins; results come to `seen` in the order of the frames."""
        raise NotImplementedError

    async def look(self, jpeg: bytes) -> Observation:
        """Raises Unreadable, also when the worker died of it."""
        raise NotImplementedError
