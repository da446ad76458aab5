"""Worker processes that look at frames for `live`. A crash in a decoder costs the one frame that the worker was given.

A worker is `python -m testing_platform.proctor.vision_pool`: frames come on its standard input, observations leave on its standard output, each with its
length before it. They are read as data and not unpickled, because a worker decodes what strangers send.
"""

import asyncio
import contextlib
import dataclasses
import itertools
import os
import signal
import struct
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import BinaryIO

import msgspec
import structlog

from testing_platform.proctor.vision import Eyes, Observation, Unreadable, check_model

log = structlog.get_logger("vision")

# Candidate, when the frame came, the frame, and what was seen: None for a frame that cannot be read.
SeenBy = Callable[[int, float, bytes, Observation | None], Awaitable[None]]

LENGTH = struct.Struct("!I")
MOST_ANSWER = 1_000_000
NICENESS = 5  # answers and control go first
# A worker that cannot start is not started again and again without a pause.
PAUSES = (0.0, 0.5, 2.0, 10.0)
STARTING = 60.0


class Died(Exception):
    """The worker ended, or gave no answer in time."""


class Worker:
    """One process, and the frame it has."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.pid = process.pid

    @classmethod
    async def start(cls, model: Path | None) -> "Worker":
        command = [sys.executable, "-m", "testing_platform.proctor.vision_pool", *([str(model)] if model else [])]
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=MOST_ANSWER,
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            # An interrupt from the keyboard is for `live`, which stops its workers itself.
            start_new_session=True,
        )
        worker = cls(process)
        try:
            async with asyncio.timeout(STARTING):
                await worker.answer()
        except (asyncio.IncompleteReadError, TimeoutError, OSError) as problem:
            await worker.end()
            raise Died from problem
        except BaseException:
            await worker.end()
            raise
        return worker

    async def look(self, jpeg: bytes, patience: float) -> Observation:
        """Raises Unreadable, or Died."""
        assert self.process.stdin
        try:
            async with asyncio.timeout(patience):
                self.process.stdin.write(LENGTH.pack(len(jpeg)) + jpeg)
                await self.process.stdin.drain()
                return _read_answer(await self.answer())
        except (asyncio.IncompleteReadError, TimeoutError, OSError) as problem:
            raise Died from problem

    async def answer(self) -> bytes:
        assert self.process.stdout
        (length,) = LENGTH.unpack(await self.process.stdout.readexactly(LENGTH.size))
        if length > MOST_ANSWER:
            raise Died
        return await self.process.stdout.readexactly(length)

    async def end(self) -> None:
        if self.process.returncode is None:
            # Not `process.kill()`, which takes the exit status away from the loop's own watcher.
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        await self.process.wait()


class Pool:
    """Looks at the newest frame of each candidate: one that waits is replaced by the next, so overload makes gaps and never late evidence."""

    def __init__(self, workers: int, seen: SeenBy | None = None, patience: float = 5, model: Path | None = None) -> None:
        self.workers = workers
        self.patience = patience
        self.analysed = self.dropped = self.unreadable = self.restarts = 0
        self._seen = seen
        self._model = model
        self._waiting: dict[int, tuple[float, bytes]] = {}  # in the order in which candidates began to wait
        self._asked: list[tuple[bytes, asyncio.Future[Observation]]] = []
        self._looking: set[int] = set()  # whose frame a worker has: the next waits, so that results keep the order of the frames
        self._more = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._running: dict[int, Worker] = {}

    @property
    def waiting(self) -> int:
        """Frames that no worker has yet."""
        return len(self._waiting) + len(self._asked)

    @property
    def pids(self) -> list[int]:
        """Of the workers that run now."""
        return [worker.pid for worker in self._running.values()]

    async def start(self) -> None:
        """Returns when every worker can see. Raises ModelWrong, or Died where they cannot."""
        check_model(*([self._model] if self._model else []))
        started = await asyncio.gather(*(Worker.start(self._model) for _ in range(self.workers)), return_exceptions=True)
        failed = [one for one in started if isinstance(one, BaseException)]
        if failed:
            for one in started:
                if isinstance(one, Worker):
                    await one.end()
            raise failed[0]
        self._running = {number: one for number, one in enumerate(started) if isinstance(one, Worker)}
        self._tasks = [asyncio.create_task(self._work(number)) for number in self._running]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        for worker in self._running.values():
            await worker.end()
        self._running.clear()
        for _, answer in self._asked:
            answer.cancel()
        self._asked.clear()
        self._waiting.clear()

    def offer(self, candidate: int, at: float, jpeg: bytes) -> None:
        """Does not wait. The newest frame of a candidate wins, in the place that the older one had in line; results come in the order of the frames."""
        if candidate in self._waiting:
            self.dropped += 1
        self._waiting[candidate] = (at, jpeg)
        self._more.set()

    async def look(self, jpeg: bytes) -> Observation:
        """Raises Unreadable, also when the worker died of it."""
        answer: asyncio.Future[Observation] = asyncio.get_running_loop().create_future()
        self._asked.append((jpeg, answer))
        self._more.set()
        return await answer

    async def _work(self, number: int) -> None:
        while True:
            worker = self._running[number]
            try:
                await self._serve(worker)
            except Died:
                self.restarts += 1
                log.warning("worker.died", code=worker.process.returncode)
                await worker.end()
                del self._running[number]
                self._running[number] = await self._another()

    async def _another(self) -> Worker:
        for tries in itertools.count():
            await asyncio.sleep(PAUSES[min(tries, len(PAUSES) - 1)])
            try:
                return await Worker.start(self._model)
            except (Died, OSError) as problem:
                log.error("worker.start", kind=type(problem).__name__)
        raise AssertionError("counting ends")

    async def _serve(self, worker: Worker) -> None:
        """Looks until the worker dies; raises Died after the frame it had has been answered for."""
        while True:
            if worker.process.returncode is not None:
                raise Died  # before it was given a frame: none is lost
            if self._asked:
                jpeg, answer = self._asked.pop(0)
                try:
                    observation = await self._look(worker, jpeg)
                except (Unreadable, Died) as problem:
                    if not answer.done():
                        answer.set_exception(problem if isinstance(problem, Unreadable) else Unreadable(why="worker-died"))
                    if isinstance(problem, Died):
                        raise
                else:
                    if not answer.done():
                        answer.set_result(observation)
                continue
            candidate = next((one for one in self._waiting if one not in self._looking), None)
            if candidate is None:
                self._more.clear()
                await self._more.wait()
                continue
            at, jpeg = self._waiting.pop(candidate)
            self._looking.add(candidate)
            died = None
            seen: Observation | None = None
            try:
                try:
                    seen = await self._look(worker, jpeg)
                except Unreadable:
                    pass
                except Died as problem:
                    died = problem
                await self._tell(candidate, at, jpeg, seen)
            finally:
                self._looking.discard(candidate)
                self._more.set()
            if died:
                raise died

    async def _look(self, worker: Worker, jpeg: bytes) -> Observation:
        try:
            observation = await worker.look(jpeg, self.patience)
        except (Unreadable, Died):
            self.unreadable += 1
            raise
        self.analysed += 1
        return observation

    async def _tell(self, candidate: int, at: float, jpeg: bytes, observation: Observation | None) -> None:
        if self._seen is None:
            return
        try:
            await self._seen(candidate, at, jpeg, observation)
        except Exception as problem:
            # One candidate's trouble must not end the worker that serves all.
            log.error("seen", kind=type(problem).__name__, exc_info=True)


# ------------------------------------------------------------ the worker's side


def _read_answer(answer: bytes) -> Observation:
    kind, body = answer[:1], answer[1:]
    try:
        if kind == b"+":
            return msgspec.msgpack.decode(body, type=Observation)
        raise Unreadable(why=msgspec.msgpack.decode(body, type=str))
    except msgspec.MsgspecError as problem:
        raise Died from problem


def work(frames: BinaryIO, answers: BinaryIO, model: Path | None = None) -> None:
    """Looks at frames until there are no more."""
    import cv2

    cv2.setNumThreads(1)
    eyes = Eyes(model)

    def say(answer: bytes) -> None:
        answers.write(LENGTH.pack(len(answer)) + answer)
        answers.flush()

    say(b"ready")
    while len(head := frames.read(LENGTH.size)) == LENGTH.size:
        jpeg = frames.read(LENGTH.unpack(head)[0])
        try:
            say(b"+" + msgspec.msgpack.encode(dataclasses.asdict(eyes.look(jpeg))))
        except Unreadable as bad:
            say(b"-" + msgspec.msgpack.encode(str(bad.facts.get("why", "broken"))))


def main() -> None:
    with contextlib.suppress(OSError):
        os.nice(NICENESS)
    # What a library prints must not get between the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    with contextlib.suppress(BrokenPipeError):
        work(sys.stdin.buffer, answers, Path(sys.argv[1]) if len(sys.argv) > 1 else None)


if __name__ == "__main__":
    main()
