"""The socket shell: connects the links to WebSockets, to the database and to one another. Frames go through memory.

One `live` on this machine; it tails `events` and groups what it writes into a commit each 250 ms, so that answers never wait for it.
"""

import asyncio
import contextlib
import hashlib
import json
import signal
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import Any

import structlog
from flask import Flask
from flask_babel import Babel
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Origin, Subprotocol

from testing_platform import assets, bus, clock, errors
from testing_platform.accounts.models import Person
from testing_platform.accounts.permissions import PROCTORS
from testing_platform.bus import Hint, open_database
from testing_platform.db import Database, Statement, stamp, storage_trouble
from testing_platform.delivery import rules as delivery
from testing_platform.delivery import service as attempts
from testing_platform.delivery import tokens
from testing_platform.delivery.answers import message_json
from testing_platform.delivery.models import Attempt, MediaKey, Message, Ticket
from testing_platform.delivery.rules import State
from testing_platform.proctor import flag_service, flags, link, objects, queries, wire
from testing_platform.proctor.link import CandidateLink, ConsoleLink, HangUp, Say
from testing_platform.proctor.models import Look, PageEvent, StreamEpoch
from testing_platform.proctor.vision import Observation
from testing_platform.proctor.vision_pool import Pool
from testing_platform.settings import Settings
from testing_platform.storage import Folder, KeyDestroyed, Vault
from testing_platform.web.logs import configure

log = structlog.get_logger("live")
COMMIT_EACH = 0.25
REFRESH_EACH = 1.0
RECHECK_EACH = timedelta(seconds=30)
# Who may be looked at is told by events; this often it is read again, in case one was missed.
CHOOSE_EACH = 10.0
FORGET_AFTER = timedelta(hours=1)
Work = Callable[[Session], Any]

# The rows that come all the time: while they are written, answers wait.
_HEARD = Statement("UPDATE contacts SET live_at = :at WHERE attempt_id = :one")
_KEEP = Statement(
    "INSERT INTO evidence_stills (attempt_id, stream, epoch, seq, captured_at, received_at, sha256, size, object_name)"
    " VALUES (:attempt, :stream, :epoch, :seq, :captured, :now, :sha256, :size, :name)"
    " ON CONFLICT (attempt_id, stream, epoch, seq) DO NOTHING"
)


@dataclass(eq=False)
class Candidate:
    socket: ServerConnection
    link: CandidateLink
    attempt_id: int = 0
    session_id: int = 0
    device: str = ""
    wrapped_key: bytes | None = None
    rate: dict[str, Any] = field(default_factory=lambda: dict(link.CALM))
    evidence: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(4))


@dataclass(eq=False)
class Seeing:
    """A candidate whose pictures the vision workers look at."""

    noticing: flags.Noticing
    session_id: int
    wrapped_key: bytes | None
    looking: bool = True
    offered_at: float = 0.0
    # What came of one picture is stored before what came of the next.
    storing: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(eq=False)
class Console:
    socket: ServerConnection
    link: ConsoleLink
    session_id: int = 0
    person_id: int = 0
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    version: int = 0
    checked_at: datetime = field(default_factory=clock.now)


class NotWelcome(Exception):
    """The ticket opens nothing."""


class Live:
    def __init__(self, settings: Settings, db: Database) -> None:
        self.settings = settings
        self.db = db
        self.vault = Vault(settings.vault_key, Folder(settings.data / "objects"))
        self.hint = Hint(settings.data)
        self.candidates: dict[int, Candidate] = {}
        self.consoles: set[Console] = set()
        self.newest: dict[int, wire.Frame] = {}
        self.writes: list[tuple[Work, asyncio.Future[Any]]] = []
        self.rows: dict[int, dict[int, dict[str, Any]]] = {}  # session → attempt → row as last told
        self.versions: dict[int, int] = defaultdict(int)
        self.touched: dict[int, set[int]] = defaultdict(set)
        self.beat_at = clock.from_ms(0)
        self.heard: list[tuple[int, asyncio.Future[datetime]]] = []
        self.last_event = bus.Place(0, 0)
        self.pool: Pool | None = None
        self.profile = flags.profile(settings.vision_file)
        self.profile_number = 0
        self.seeing: dict[int, Seeing] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        # Sentences in rows come from the catalogues.
        self.words = Flask("testing_platform")
        self.words.config["BABEL_TRANSLATION_DIRECTORIES"] = str(assets.PACKAGE / "web" / "translations")
        Babel(self.words)

    # ------------------------------------------------------------ database

    async def store(self, work: Work) -> Any:
        """Run `work` in the next grouped commit; returns its result once that is durable."""
        done = asyncio.get_running_loop().create_future()
        self.writes.append((work, done))
        return await done

    async def commit_forever(self) -> None:
        while True:
            await asyncio.sleep(COMMIT_EACH)
            if not self.writes and not self.heard:
                continue
            batch, self.writes = self.writes, []
            heard, self.heard = self.heard, []
            now = clock.now()
            try:
                results = await asyncio.to_thread(self._commit, [work for work, _ in batch], {one for one, _ in heard}, now)
            except Exception as problem:
                log.error("commit", kind=type(problem).__name__, rows=len(batch) + len(heard))
                for _, waiting in [*batch, *heard]:
                    if not waiting.done():
                        waiting.set_exception(errors.Unavailable())
                continue
            for _, contact in heard:
                if not contact.done():
                    contact.set_result(now)
            for (_, done), result in zip(batch, results, strict=True):
                if done.done():
                    continue
                if isinstance(result, Exception):
                    done.set_exception(result)
                else:
                    done.set_result(result)

    def _commit(self, works: list[Work], heard: set[int], now: datetime) -> list[Any]:
        results: list[Any] = []
        lost: list[int] = []
        if heard:
            # Read before the lock: as a rule nobody was lost, and the lock is held for one statement.
            with self.db.read() as reading:
                lost = attempts.silent(reading, now, heard)
        with self.db.write() as session:
            # What was lost meanwhile is held first, or this contact would hide it.
            attempts.notice_lost(session, lost, now)
            session.flush()
            if heard:
                at = stamp(session.connection(), now)
                _HEARD.run_each(session.connection(), [{"one": one, "at": at} for one in sorted(heard)])
            for work in works:
                try:
                    with session.begin_nested():
                        results.append(work(session))
                except self.db.errors as problem:
                    if storage_trouble(problem):
                        raise
                    results.append(problem)
                except Exception as problem:
                    # Whatever one connection brought: what the others store in this commit is not undone by it.
                    results.append(problem)
        return results

    def _read(self, work: Callable[[Session], Any]) -> Any:
        with self.words.app_context(), self.db.read() as session:
            return work(session)

    # ------------------------------------------------------------ candidates

    async def candidate(self, socket: ServerConnection) -> None:
        now = clock.now()
        policy = link.Policy(evidence_seconds=self.settings.evidence_seconds, heartbeat_seconds=self.settings.heartbeat_seconds)
        one = Candidate(socket, CandidateLink(now, policy))
        try:
            async with asyncio.timeout(link.HELLO_WITHIN.total_seconds()):
                first = await socket.recv()
            await self._do(one, one.link.text(first, clock.now()) if isinstance(first, str) else [HangUp(link.PROTOCOL, "hello first")])
            async for message in socket:
                now = clock.now()
                deeds = one.link.text(message, now) if isinstance(message, str) else one.link.binary(message, now)
                await self._do(one, deeds)
        except TimeoutError:
            await socket.close(link.PROTOCOL, "no hello")
        except ConnectionClosed:
            pass
        except errors.Unavailable:
            await socket.close(link.COME_BACK, "storage")
        finally:
            if self.candidates.get(one.attempt_id) is one:
                del self.candidates[one.attempt_id]
                self._look_away(one.attempt_id)

    async def _do(self, one: Candidate, deeds: list[Any]) -> None:
        for deed in deeds:
            match deed:
                case Say(message):
                    await one.socket.send(json.dumps(message))
                case link.Show(frame):
                    self.show(one.attempt_id, frame)
                case link.Heard(at, _):
                    self._later(self._heard(one, at))
                case link.Noted():
                    self._later(self._noted(one, deed))
                case link.Keep(frame):
                    self._later(self._keep(one, frame))
                case link.Prove():
                    await self._prove(one, deed)
                case HangUp(code, reason):
                    log.info("candidate.hang_up", attempt=one.attempt_id, code=code, reason=reason)
                    await one.socket.close(code, reason)

    def _later(self, work: Any) -> None:
        """Store without holding up the socket's next message."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (problem := task.exception()) and not isinstance(problem, ConnectionClosed | errors.Unavailable):
            log.error("task", kind=type(problem).__name__, exc_info=problem)

    async def _prove(self, one: Candidate, asked: link.Prove) -> None:
        def prove(session: Session) -> tuple[int, int, int, int, bytes | None]:
            ticket = self._use_ticket(session, asked.ticket)
            attempt = session.get(Attempt, ticket.attempt_id or 0)
            if attempt is None or State(attempt.state) in delivery.OVER:
                raise NotWelcome
            epoch = session.get(StreamEpoch, attempt.id)
            if epoch is None:
                epoch = StreamEpoch(attempt_id=attempt.id, epoch=0)
                session.add(epoch)
            epoch.epoch += 1
            last = session.scalar(
                select(func.max(PageEvent.number)).where(PageEvent.attempt_id == attempt.id, PageEvent.device == asked.device)
            )
            key = session.get(MediaKey, attempt.id)
            return attempt.id, attempt.session_id, epoch.epoch, last or 0, key.wrapped if key else None

        try:
            one.attempt_id, one.session_id, epoch, last, one.wrapped_key = await self.store(prove)
        except NotWelcome:
            await one.socket.send(json.dumps({"t": "reject", "code": "ticket", "retry": True, "after_ms": 1000}))
            await one.socket.close(link.FORBIDDEN, "ticket")
            return
        one.device = asked.device
        older = self.candidates.get(one.attempt_id)
        self.candidates[one.attempt_id] = one
        if older is not None:
            self._later(older.socket.close(link.REPLACED, "a newer connection"))
        await self._do(one, one.link.welcome(epoch, last, clock.now()))
        await self._set_rate(one)
        self._later(self._choose({one.attempt_id}))

    def _use_ticket(self, session: Session, token: str) -> Ticket:
        now = clock.now()
        hashed = tokens.hashed(self.settings.secret, token)
        ticket = session.get(Ticket, hashed)
        if ticket is None or ticket.used_at is not None or now >= ticket.expires_at:
            raise NotWelcome
        ticket.used_at = now
        return ticket

    async def _heard(self, one: Candidate, at: float) -> None:
        """Contact, stored with all the others of this moment before the page is told."""
        done: asyncio.Future[datetime] = asyncio.get_running_loop().create_future()
        self.heard.append((one.attempt_id, done))
        await self._do(one, one.link.contact_stored(at, await done))

    async def _noted(self, one: Candidate, noted: link.Noted) -> None:
        now = clock.now()

        def note(session: Session) -> None:
            known = session.scalars(
                select(PageEvent.id).where(
                    PageEvent.attempt_id == one.attempt_id, PageEvent.device == one.device, PageEvent.number == noted.number
                )
            ).first()
            if known is None:
                session.add(
                    PageEvent(
                        attempt_id=one.attempt_id,
                        device=one.device,
                        number=noted.number,
                        kind=noted.kind,
                        page_at=noted.page_at,
                        received_at=now,
                        facts=noted.facts,
                    )
                )

        try:
            await self.store(note)
        except errors.Unavailable:
            # The page keeps what was not acknowledged and sends it again when it is back.
            await one.socket.close(link.COME_BACK, "storage")
            return
        self._touch(one.session_id, one.attempt_id)
        await self._do(one, one.link.event_stored(noted.number))

    async def _keep(self, one: Candidate, frame: wire.Frame) -> None:
        sha256 = hashlib.sha256(frame.payload).hexdigest()
        name = f"attempts/{one.attempt_id}/still-{frame.stream}-{frame.epoch}-{frame.seq}-{sha256[:8]}"
        async with one.evidence:
            try:
                await asyncio.to_thread(self.vault.put, one.wrapped_key, name, frame.payload)
            except (OSError, KeyDestroyed) as problem:
                # Not acknowledged: the page keeps it and sends it again with its next connection.
                log.error("evidence", kind=type(problem).__name__, attempt=one.attempt_id)
                return

        def keep(session: Session) -> None:
            connection = session.connection()
            _KEEP.run(
                connection,
                {
                    "attempt": one.attempt_id,
                    "stream": frame.stream,
                    "epoch": frame.epoch,
                    "seq": frame.seq,
                    "captured": stamp(connection, clock.from_ms(min(frame.capture_ms, 2**42))),
                    "now": stamp(connection, clock.now()),
                    "sha256": sha256,
                    "size": len(frame.payload),
                    "name": name,
                },
            )

        await self.store(keep)
        # A kept still is no news for a tile; only who has this candidate before them sees the strip grow.
        self._touch_focused(one.session_id, one.attempt_id)
        await self._do(one, one.link.still_stored(frame, sha256))

    def show(self, attempt_id: int, frame: wire.Frame) -> None:
        self.newest[attempt_id] = frame
        for console in self.consoles:
            if console.link.offer(attempt_id, frame):
                console.wake.set()
        if self.pool is not None and (seeing := self.seeing.get(attempt_id)) is not None and seeing.looking:
            at = clock.now().timestamp()
            if at - seeing.offered_at >= flags.LOOK_EACH:
                seeing.offered_at = at
                self.pool.offer(attempt_id, at, frame.payload)

    async def _set_rate(self, one: Candidate) -> None:
        """Faster and larger while someone looks at this candidate alone."""
        focused = any(console.link.focus == one.attempt_id for console in self.consoles)
        rate = dict(link.FOCUSED if focused else link.CALM)
        if one.link.welcomed and rate != one.rate:
            one.rate = rate
            with contextlib.suppress(ConnectionClosed):
                await self._do(one, one.link.command(0, "rate", rate))

    # ------------------------------------------------------------ vision

    async def start_vision(self) -> None:
        """The workers, and the numbers they go by. Without them everything else goes on."""
        await self.store(flag_service.close_left_open)
        if self.settings.vision_workers <= 0:
            return
        now = clock.now()
        self.profile_number = await self.store(lambda session: flag_service.keep_settings(session, self.profile, now))
        pool = Pool(self.settings.vision_workers, self._seen)
        try:
            await pool.start()
        except Exception as problem:
            log.error("vision", kind=type(problem).__name__, exc_info=True)
            return
        self.pool = pool
        await self._choose(set(self.candidates))
        log.info("vision.ready", workers=self.settings.vision_workers, settings=self.profile_number)

    async def see_forever(self) -> None:
        """Time passes for those who are looked at; and now and then it is read again who that is."""
        while True:
            try:
                await self.start_vision()
                break
            except errors.Unavailable:
                await asyncio.sleep(2)
        chosen_at = 0.0
        while True:
            await asyncio.sleep(1)
            now = clock.now()
            for attempt_id, seeing in list(self.seeing.items()):
                if seeing.looking:
                    self._flag(attempt_id, seeing, seeing.noticing.wait(now))
            if self.pool is not None and now.timestamp() - chosen_at >= CHOOSE_EACH:
                chosen_at = now.timestamp()
                try:
                    await self._choose(set(self.candidates))
                    self._forget(now)
                except Exception as problem:
                    log.error("choose", kind=type(problem).__name__, exc_info=True)

    async def _choose(self, attempt_ids: set[int]) -> None:
        """Of these connected candidates, look at those whose clock runs and who allowed it; look away from the others."""
        if self.pool is None or not attempt_ids:
            return
        chosen = await asyncio.to_thread(self._read, lambda session: queries.looked_at_by_software(session, attempt_ids))
        for attempt_id in attempt_ids:
            one = self.candidates.get(attempt_id)
            if one is None or attempt_id not in chosen:
                self._look_away(attempt_id)
            elif attempt_id in self.seeing:
                self.seeing[attempt_id].looking = True
            else:
                self.seeing[attempt_id] = Seeing(flags.Noticing.by(self.profile), one.session_id, one.wrapped_key)

    def _look_away(self, attempt_id: int) -> None:
        """Kept is what was learnt of this camera, such as a picture on the wall: a short loss of contact must not raise it again."""
        seeing = self.seeing.get(attempt_id)
        if seeing is not None and seeing.looking:
            seeing.looking = False
            self._flag(attempt_id, seeing, seeing.noticing.leave())

    def _forget(self, now: datetime) -> None:
        for attempt_id, seeing in list(self.seeing.items()):
            if not seeing.looking and (seeing.noticing.seen_at is None or now - seeing.noticing.seen_at > FORGET_AFTER):
                del self.seeing[attempt_id]

    async def _seen(self, attempt_id: int, at: float, jpeg: bytes, observation: Observation | None) -> None:
        seeing = self.seeing.get(attempt_id)
        if seeing is not None and seeing.looking and observation is not None:
            self._flag(attempt_id, seeing, seeing.noticing.see(observation, datetime.fromtimestamp(at, UTC), jpeg))

    def _flag(self, attempt_id: int, seeing: Seeing, deeds: list[flags.Deed]) -> None:
        """Write down what software noticed. That is all that follows from it."""
        if deeds:
            self._later(self._store_flags(attempt_id, seeing, deeds))

    async def _store_flags(self, attempt_id: int, seeing: Seeing, deeds: list[flags.Deed]) -> None:
        async with seeing.storing:
            works = [await self._flag_work(attempt_id, seeing, deed) for deed in deeds]
            # Evidence is not dropped because the disk was full for a moment.
            while True:
                try:
                    await self.store(lambda session: [work(session) for work in works])
                    break
                except errors.Unavailable:
                    await asyncio.sleep(2)
        # The tile's row says it anew by itself; who has this candidate before them reads the flag as it grows.
        self._touch_focused(seeing.session_id, attempt_id)

    async def _flag_work(self, attempt_id: int, seeing: Seeing, deed: flags.Deed) -> Work:
        now = clock.now()
        match deed:
            case flags.Begun():
                kept = [await self._keep_flag_frame(attempt_id, seeing, deed, place, one) for place, one in deed.pictures.items()]
                frames = [frame for frame in kept if frame is not None]
                log.info("flag", attempt=attempt_id, signal=deed.signal)
                return lambda session: flag_service.raise_flag(
                    session, attempt_id, seeing.session_id, deed, frames, self.profile_number, now
                )
            case flags.Followed():
                frame = await self._keep_flag_frame(attempt_id, seeing, deed, "after", deed.picture)
                return lambda session: flag_service.follow(session, attempt_id, deed, frame)
            case flags.Ended():
                return lambda session: flag_service.end_flag(session, attempt_id, deed)

    async def _keep_flag_frame(
        self, attempt_id: int, seeing: Seeing, deed: flags.Begun | flags.Followed, place: str, picture: flags.Picture
    ) -> flag_service.Frame | None:
        sha256 = hashlib.sha256(picture.jpeg).hexdigest()
        name = f"attempts/{attempt_id}/flag-{deed.signal}-{clock.to_ms(deed.began_at)}-{place}-{sha256[:8]}"
        try:
            await asyncio.to_thread(self.vault.put, seeing.wrapped_key, name, picture.jpeg)
        except (OSError, KeyDestroyed) as problem:
            # The flag is worth having without its picture.
            log.error("flag.picture", kind=type(problem).__name__, attempt=attempt_id)
            return None
        return flag_service.Frame(place, picture.at, name, sha256, len(picture.jpeg))

    # ------------------------------------------------------------ consoles

    async def console(self, socket: ServerConnection) -> None:
        one = Console(socket, ConsoleLink(clock.now()))
        sender: asyncio.Task[None] | None = None
        try:
            async with asyncio.timeout(link.HELLO_WITHIN.total_seconds()):
                first = await socket.recv()
            for deed in one.link.text(first if isinstance(first, str) else "", clock.now()):
                if isinstance(deed, link.Prove):
                    await self._prove_console(one, deed)
                elif isinstance(deed, HangUp):
                    await socket.close(deed.code, deed.reason)
            if not one.link.welcomed:
                return
            self.consoles.add(one)
            sender = asyncio.create_task(self._send_frames(one))
            async for message in socket:
                if not isinstance(message, str):
                    await socket.close(link.PROTOCOL, "text only")
                    break
                for deed in one.link.text(message, clock.now()):
                    match deed:
                        case Say(said):
                            await socket.send(json.dumps(said))
                        case HangUp(code, reason):
                            await socket.close(code, reason)
                        case link.Watch():
                            await self._watch(one, deed)
                if one.link.credits > 0:
                    one.wake.set()
        except TimeoutError:
            await socket.close(link.PROTOCOL, "no hello")
        except ConnectionClosed:
            pass
        except errors.Unavailable:
            await socket.close(link.COME_BACK, "storage")
        finally:
            self.consoles.discard(one)
            if sender is not None:
                sender.cancel()
            await self._set_rates()

    async def _prove_console(self, one: Console, asked: link.Prove) -> None:
        def prove(session: Session) -> tuple[int, int]:
            ticket = self._use_ticket(session, asked.ticket)
            if ticket.session_id is None or not self._may_watch(session, ticket.person_id, ticket.session_id):
                raise NotWelcome
            return ticket.person_id, ticket.session_id

        try:
            one.person_id, one.session_id = await self.store(prove)
        except NotWelcome:
            await one.socket.send(json.dumps({"t": "reject", "code": "ticket", "retry": True, "after_ms": 1000}))
            await one.socket.close(link.FORBIDDEN, "ticket")
            return
        for deed in one.link.welcome(clock.now()):
            if isinstance(deed, Say):
                await one.socket.send(json.dumps(deed.message))

    def _may_watch(self, session: Session, person_id: int, session_id: int) -> bool:
        person = session.get(Person, person_id)
        return (
            person is not None
            and person.closed_at is None
            and bool(person.roles & PROCTORS)
            and objects.is_assigned(session, person_id, session_id)
        )

    async def _watch(self, one: Console, watch: link.Watch) -> None:
        rows = await self._refresh(one.session_id)
        tiles = one.link.number(rows)
        await one.socket.send(
            json.dumps(
                {
                    "t": "snapshot",
                    "version": self.versions[one.session_id],
                    "rows": list(rows.values()),
                    "tiles": {str(attempt): tile for attempt, tile in tiles.items()},
                }
            )
        )
        if watch.focus in rows:
            self._look(one)
        # A tile shows the last known picture at once instead of waiting for the next one.
        for attempt in rows.keys() & self.newest.keys() & self.candidates.keys():
            one.link.offer(attempt, self.newest[attempt])
        one.wake.set()
        await self._set_rates()

    def _look(self, one: Console) -> None:
        """Write down that this proctor looks at the focused candidate now."""
        now, attempt_id, person_id = clock.now(), one.link.focus, one.person_id
        self._later(self.store(lambda session: session.merge(Look(attempt_id=attempt_id, person_id=person_id, at=now))))

    def _touch(self, session_id: int, attempt_id: int) -> None:
        """Something new for those who watch now; who comes later reads everything anyway."""
        if any(console.session_id == session_id for console in self.consoles):
            self.touched[session_id].add(attempt_id)

    def _touch_focused(self, session_id: int, attempt_id: int) -> None:
        if any(console.link.focus == attempt_id for console in self.consoles):
            self._touch(session_id, attempt_id)

    async def _set_rates(self) -> None:
        for candidate in list(self.candidates.values()):
            await self._set_rate(candidate)

    async def _send_frames(self, one: Console) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                await one.wake.wait()
                one.wake.clear()
                while (data := one.link.take()) is not None:
                    await one.socket.send(data)

    async def _refresh(self, session_id: int) -> dict[int, dict[str, Any]]:
        """Read the rows of a session again; what changed goes to its consoles."""
        now = clock.now()
        fresh = {row["id"]: row for row in await asyncio.to_thread(self._read, lambda session: queries.rows(session, session_id, now))}
        known = self.rows.get(session_id, {})
        changed = [row for attempt, row in fresh.items() if _told(known.get(attempt)) != _told(row)]
        touched = self.touched.pop(session_id, set())
        self.rows[session_id] = fresh
        if changed or touched:
            self.versions[session_id] += 1
            await self._tell(session_id, changed, touched)
        return fresh

    async def _tell(self, session_id: int, changed: list[dict[str, Any]], touched: set[int]) -> None:
        for console in [one for one in self.consoles if one.session_id == session_id]:
            before = len(console.link.tiles)
            tiles = console.link.number(row["id"] for row in changed)
            delta: dict[str, Any] = {"t": "delta", "version": self.versions[session_id], "rows": changed, "touched": sorted(touched)}
            if len(tiles) > before:
                delta["tiles"] = {str(attempt): tile for attempt, tile in tiles.items()}
            with contextlib.suppress(ConnectionClosed, TimeoutError):
                async with asyncio.timeout(5):
                    await console.socket.send(json.dumps(delta))

    # ------------------------------------------------------------ what happens elsewhere

    async def tail_forever(self) -> None:
        ears = self.hint.listener()
        loop = asyncio.get_running_loop()
        if not self.db.sqlite:
            bus.Ears(self.db.url, self.hint).start()
        while True:
            try:
                self.last_event = await asyncio.to_thread(self._read, bus.end)
                break
            except errors.Unavailable:
                await asyncio.sleep(1)
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await loop.sock_recv(ears, 16)
            try:
                await self._tail_once()
            except errors.Unavailable:
                log.warning("tail")
            except Exception as problem:
                log.error("tail", kind=type(problem).__name__, exc_info=True)

    async def _tail_once(self) -> None:
        while events := await asyncio.to_thread(self._read, lambda session: bus.after(session, self.last_event)):
            for event in events:
                self.last_event = event.place
                if event.session_id is not None and event.attempt_id is not None:
                    if event.kind in flags.EVENTS:
                        # Between software and proctors: the candidate's page never hears of flags.
                        self._touch_focused(event.session_id, event.attempt_id)
                        continue
                    self._touch(event.session_id, event.attempt_id)
                    await self._pass_on(event)
                    if event.kind == "attempt.message":
                        # Read as it comes by whoever has this candidate before them.
                        for console in self.consoles:
                            if console.link.focus == event.attempt_id:
                                self._look(console)
            await self._choose({event.attempt_id for event in events if event.attempt_id} & self.candidates.keys())
            for session_id in {event.session_id for event in events if event.session_id}:
                if any(console.session_id == session_id for console in self.consoles):
                    await self._refresh(session_id)

    async def _pass_on(self, event: bus.Event) -> None:
        """To the candidate's page, if it is here: everything is a word to ask the server anew, a message goes along whole."""
        one = self.candidates.get(event.attempt_id or 0)
        if one is None:
            return
        with contextlib.suppress(ConnectionClosed):
            if event.kind == "attempt.message":
                if event.facts.get("sender") == "proctor":
                    message = await asyncio.to_thread(
                        self._read,
                        lambda session: session.scalars(
                            select(Message).where(Message.attempt_id == event.attempt_id, Message.number == event.facts["number"])
                        ).one(),
                    )
                    await self._do(one, one.link.command(event.id, "message", message_json(message)))
            elif event.kind.startswith("attempt."):
                await self._do(one, one.link.command(event.id, "sync", {}))
                if event.kind in ("attempt.submit", "attempt.time_is_up", "attempt.end", "attempt.abandon"):
                    self._later(self._say_goodbye(one))

    async def _say_goodbye(self, one: Candidate) -> None:
        """The page first reads how it ended, then the socket closes."""
        await asyncio.sleep(2)
        await one.socket.close(link.OVER, "the attempt is over")

    async def refresh_forever(self) -> None:
        """Contact and saves change without an event; consoles see them within a second."""
        took = 0.0
        while True:
            # A large session is read less often, so that reading never takes more than a tenth of the time.
            await asyncio.sleep(max(REFRESH_EACH, took * 10))
            began = asyncio.get_running_loop().time()
            try:
                for session_id in {console.session_id for console in self.consoles}:
                    await self._refresh(session_id)
                await self._recheck()
                if clock.now() - self.beat_at >= attempts.BEAT_EACH:
                    self.beat_at = clock.now()
                    await self.store(lambda session: attempts.beat(session, "live", clock.now()))
            except errors.Unavailable:
                continue
            except Exception as problem:
                log.error("refresh", kind=type(problem).__name__, exc_info=True)
            took = asyncio.get_running_loop().time() - began - COMMIT_EACH

    async def _recheck(self) -> None:
        """A proctor who was taken off the session stops seeing it."""
        now = clock.now()
        for one in list(self.consoles):
            if now - one.checked_at < RECHECK_EACH:
                continue
            one.checked_at = now
            if not await asyncio.to_thread(self._read, partial(self._may_watch, person_id=one.person_id, session_id=one.session_id)):
                await one.socket.close(link.FORBIDDEN, "no longer assigned")

    # ------------------------------------------------------------ server

    async def handle(self, socket: ServerConnection) -> None:
        path = socket.request.path.partition("?")[0] if socket.request else ""
        if path == "/live/candidate" and socket.subprotocol == "tp.candidate.v1":
            await self.candidate(socket)
        elif path == "/live/proctor" and socket.subprotocol == "tp.proctor.v1":
            await self.console(socket)
        else:
            await socket.close(link.PROTOCOL, "path or subprotocol")

    def answer_plain(self, socket: ServerConnection, request: Request) -> Response | None:
        if request.path == "/live/health":
            return socket.respond(HTTPStatus.OK, "ok\n")
        return None

    async def run(self, host: str, port: int) -> None:
        stop = asyncio.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(name, stop.set)
        jobs = [asyncio.create_task(job()) for job in (self.commit_forever, self.tail_forever, self.refresh_forever, self.see_forever)]
        async with serve(
            self.handle,
            host,
            port,
            origins=[Origin(self.settings.origin)],
            subprotocols=[Subprotocol("tp.candidate.v1"), Subprotocol("tp.proctor.v1")],
            compression=None,
            max_size=wire.MOST_BYTES,
            max_queue=4,
            write_limit=65536,
            backlog=2048,
            process_request=self.answer_plain,
            ping_interval=20,
            ping_timeout=20,
            server_header=None,
        ):
            log.info("live.ready", port=port)
            await stop.wait()
        if self._tasks:
            # Those who were connected have been let go: what their leaving ends is written down.
            await asyncio.wait(self._tasks, timeout=3)
        if self.pool is not None:
            await self.pool.stop()
        for job in jobs:
            job.cancel()


def _told(row: dict[str, Any] | None) -> dict[str, Any] | None:
    """A row without what changes by the mere passing of time: the console reckons that itself."""
    if row is None:
        return None
    held = row["held_since"] is not None
    return {key: value for key, value in row.items() if key != "minutes_left" and not (held and key == "deadline")}


def main(settings: Settings) -> None:
    configure(settings.log_level)
    host, _, port = settings.live_bind.rpartition(":")
    asyncio.run(Live(settings, open_database(settings)).run(host or "127.0.0.1", int(port)))
