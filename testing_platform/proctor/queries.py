"""Reads for the console: rows of the grid, a candidate's timeline and ledger in words."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask_babel import format_datetime, ngettext
from flask_babel import gettext as _
from sqlalchemy import func, select
from sqlalchemy.orm import Session, selectinload

from testing_platform import clock
from testing_platform.accounts.models import Person
from testing_platform.bus import Event
from testing_platform.delivery import rules as delivery
from testing_platform.delivery import service as attempts
from testing_platform.delivery.models import Attempt, CheckInStep, Consent, Message, Response, TimeEntry
from testing_platform.delivery.queries import span
from testing_platform.delivery.rules import State
from testing_platform.examinations.rules import TestDay
from testing_platform.itembank.models import FormSlot
from testing_platform.proctor import rules
from testing_platform.proctor.models import EndProposal, EvidenceStill, Flag, Look, PageEvent

INTERVAL = timedelta(seconds=10)


def rows(session: Session, session_id: int, now: datetime, only: set[int] | None = None) -> list[dict[str, Any]]:
    """The grid's rows of one session (of these attempts alone, if given)."""
    chosen = select(Attempt).where(Attempt.session_id == session_id).order_by(Attempt.id)
    if only is not None:
        chosen = chosen.where(Attempt.id.in_(only))
    found = session.scalars(chosen).unique().all()
    if not found:
        return []
    ids = [attempt.id for attempt in found]
    saves = dict(
        session.execute(
            select(Response.attempt_id, func.max(Response.received_at)).where(Response.attempt_id.in_(ids)).group_by(Response.attempt_id)
        ).all()
    )
    answered = _answered(session, ids)
    unread = _unread(session, ids)
    flagged = _flagged(session, ids)
    proposals = {
        attempt_id: (person_id, name)
        for attempt_id, person_id, name in session.execute(
            select(EndProposal.attempt_id, Person.id, Person.name)
            .join(Person, Person.id == EndProposal.proposed_by_id)
            .where(EndProposal.attempt_id.in_(ids), EndProposal.outcome == "open")
        )
    }
    # In the order of the choices: the newest stands.
    detectors = dict(
        session.execute(
            select(Consent.attempt_id, Consent.choice).where(Consent.attempt_id.in_(ids), Consent.kind == "detectors").order_by(Consent.id)
        ).all()
    )
    items: dict[int, int] = dict(
        session.execute(
            select(FormSlot.form_id, func.count()).where(FormSlot.form_id.in_({a.form_id for a in found})).group_by(FormSlot.form_id)
        ).all()
    )
    day = TestDay.of(found[0].session.administration.test_day)
    return [
        {
            "id": attempt.id,
            "name": attempt.person.name,
            "number": attempt.person.candidate_number,
            "state": attempt.state,
            "status": delivery.status(State(attempt.state)),
            "version": attempt.version,
            "started_at": clock.to_ms(attempt.started_at),
            "deadline": clock.to_ms(attempt.clock.deadline_at(now)),
            "minutes_left": round(attempt.clock.left(now).total_seconds() / 60),
            "held_since": clock.to_ms(attempt.held_since),
            "link": rules.link(attempt.contact.newest, now, INTERVAL, day.contact_patience),
            "contact_at": clock.to_ms(attempt.contact.newest),
            "last_save_at": clock.to_ms(_utc(saves.get(attempt.id))),
            "waiting_since": clock.to_ms(attempt.awaiting_since) if attempt.state == State.AWAITING else None,
            "answered": answered.get(attempt.id, 0),
            "items": items.get(attempt.form_id, 0),
            "unread": unread.get(attempt.id, 0),
            "multiplier": float(attempt.multiplier),
            "settings": effects(attempt),
            "detectors": detectors.get(attempt.id) != "people_only",
            "open_flags": len(flagged[attempt.id]),
            # What software sees at this moment and nobody has looked at yet.
            "active_flags": [
                {"signal": flag.signal, "count": round(flag.peak) if flag.signal == "multiple_faces" else 0}
                for flag in flagged[attempt.id]
                if flag.ended_at is None
            ],
            "end_proposed_by": proposals.get(attempt.id, (None, None))[1],
            "end_proposed_by_id": proposals.get(attempt.id, (None, None))[0],
            "admitted_at": clock.to_ms(attempt.admitted_at),
            "submitted_at": clock.to_ms(attempt.submitted_at),
        }
        for attempt in found
    ]


def _utc(value: Any) -> datetime | None:
    return value if isinstance(value, datetime) or value is None else datetime.fromisoformat(value)


def _answered(session: Session, ids: list[int]) -> dict[int, int]:
    """How many slots have an answer. The newest row of a slot stands for its answer: exact but for a device that sends old events late."""
    newest = (
        select(Response.attempt_id, Response.slot, func.max(Response.id).label("id"))
        .where(Response.attempt_id.in_(ids), Response.standing.in_(("counted", "held")), Response.state.in_(("answered", "cleared")))
        .group_by(Response.attempt_id, Response.slot)
        .subquery()
    )
    counted = session.execute(
        select(Response.attempt_id, func.count())
        .join(newest, Response.id == newest.c.id)
        .where(Response.state == "answered")
        .group_by(Response.attempt_id)
    )
    return dict(counted.all())


def _unread(session: Session, ids: list[int]) -> dict[int, int]:
    """Messages of the candidate that came after a proctor last answered or looked."""
    looked: dict[int, datetime] = {}
    for attempt_id, at in session.execute(select(Look.attempt_id, Look.at).where(Look.attempt_id.in_(ids))):
        looked[attempt_id] = max(at, looked.get(attempt_id, at))
    counts: dict[int, int] = defaultdict(int)
    for attempt_id, sender, at in session.execute(
        select(Message.attempt_id, Message.sender, Message.at)
        .where(Message.attempt_id.in_(ids))
        .order_by(Message.attempt_id, Message.number)
    ):
        unread = sender == "candidate" and (attempt_id not in looked or at > looked[attempt_id])
        counts[attempt_id] = counts[attempt_id] + 1 if unread else 0
    return counts


def _flagged(session: Session, ids: list[int]) -> dict[int, list[Flag]]:
    """Flags that nobody has decided, oldest first."""
    found: dict[int, list[Flag]] = defaultdict(list)
    for flag in session.scalars(select(Flag).where(Flag.attempt_id.in_(ids), Flag.outcome == "open").order_by(Flag.began_at, Flag.id)):
        found[flag.attempt_id].append(flag)
    return found


def looked_at_by_software(session: Session, ids: Iterable[int]) -> set[int]:
    """Of these attempts, those whose pictures the detectors may look at now: the clock runs, and the candidate did not choose people alone."""
    wanted = list(ids)
    running = set(session.scalars(select(Attempt.id).where(Attempt.id.in_(wanted), Attempt.state == State.IN_PROGRESS)))
    # In the order of the choices: the newest stands.
    chosen = dict(
        session.execute(
            select(Consent.attempt_id, Consent.choice)
            .where(Consent.attempt_id.in_(running), Consent.kind == "detectors")
            .order_by(Consent.id)
        ).all()
    )
    return {attempt for attempt in running if chosen.get(attempt) != "people_only"}


def effects(attempt: Attempt) -> list[str]:
    """What an approved accommodation changes, never why."""
    words = []
    if attempt.multiplier != 1:
        words.append(_("time × %(factor)s", factor=f"{attempt.multiplier.normalize():f}"))
    known = {"breaks": _("breaks allowed"), "reader": _("a reader may be present"), "screen_reader": _("uses a screen reader")}
    words += [label for key, label in known.items() if attempt.appointment.settings.get(key)]
    return words


def _clock_words(at: datetime, zone: ZoneInfo) -> str:
    return format_datetime(at.astimezone(zone).replace(tzinfo=None), "h:mm:ss a", rebase=False)


def ledger(session: Session, attempt: Attempt, zone: ZoneInfo, now: datetime) -> list[str]:
    """The clock of this attempt, each part of it as a sentence."""
    lines = []
    limit = span(attempt.time_limit)
    if attempt.multiplier != 1:
        lines.append(
            _(
                "The form allows %(limit)s; with the approved factor %(factor)s this candidate has %(allowed)s.",
                limit=limit,
                factor=f"{attempt.multiplier.normalize():f}",
                allowed=span(attempt.clock.time_allowed),
            )
        )
    else:
        lines.append(_("The form allows %(limit)s.", limit=limit))
    if attempt.started_at is None:
        lines.append(_("The clock starts when the candidate presses Begin."))
        return lines
    lines.append(_("Begun at %(at)s.", at=_clock_words(attempt.started_at, zone)))
    names = _names(session, attempt.id)
    causes = {
        "proctor": _("a proctor paused the test"),
        "room": _("the whole room was paused"),
        "technical": _("the candidate’s line was lost and the questions were covered"),
        "our_fault": _("our own server was away"),
        "device": _("the test moved to another device"),
        "break": _("a break"),
        "lockdown": _("the page was left"),
    }
    for entry in session.scalars(select(TimeEntry).where(TimeEntry.attempt_id == attempt.id).order_by(TimeEntry.id)):
        at = _clock_words(entry.began_at, zone)
        by = names.get(entry.actor_id or 0, _("the system"))
        if entry.kind == "grant" and entry.amount is not None:
            lines.append(
                _(
                    "%(at)s: %(by)s gave %(span)s (%(cause)s).",
                    at=at,
                    by=by,
                    span=span(entry.amount),
                    cause=reason_words("time", entry.cause),
                )
            )
        elif entry.ended_at is None:
            lines.append(_("%(at)s: the clock stands still since then: %(cause)s.", at=at, cause=causes.get(entry.cause, entry.cause)))
        else:
            lines.append(
                _(
                    "%(at)s to %(end)s: %(cause)s; %(span)s given back.",
                    at=at,
                    end=_clock_words(entry.ended_at, zone),
                    cause=causes.get(entry.cause, entry.cause),
                    span=span(entry.amount or timedelta()),
                )
            )
    deadline = attempt.clock.deadline_at(now)
    if deadline is not None:
        lines.append(
            _("Ends at %(at)s.", at=_clock_words(deadline, zone))
            if attempt.submitted_at is None
            else _("Handed in at %(at)s.", at=_clock_words(attempt.submitted_at, zone))
        )
    return lines


def reason_words(kind: str, code: str) -> str:
    return {
        ("return", "photo_unclear"): _("the photo is not clear"),
        ("return", "face_not_seen"): _("the face cannot be seen"),
        ("return", "camera_trouble"): _("the camera does not work well"),
        ("return", "not_alone"): _("someone else is in the room"),
        ("pause", "technical"): _("technical trouble"),
        ("pause", "another_person"): _("another person in the picture"),
        ("pause", "look_at_room"): _("something to look at together"),
        ("pause", "illness"): _("illness"),
        ("pause", "emergency"): _("an emergency"),
        ("end", "impersonation"): _("another person is taking the test"),
        ("end", "unauthorised_aid"): _("help that is not allowed"),
        ("end", "item_exposure"): _("questions were copied or shown"),
        ("end", "illness"): _("illness"),
        ("end", "asked_to_stop"): _("the candidate asked to stop"),
        ("time", "technical"): _("technical trouble"),
        ("time", "emergency"): _("an emergency"),
        ("time", "our_fault"): _("a fault of ours"),
        ("time", "accommodation"): _("an accommodation came late"),
    }.get((kind, code), _("another reason"))


def reasons() -> dict[str, list[dict[str, str]]]:
    """Every list of reasons for the page, with words."""
    return {kind: [{"code": code, "label": reason_words(kind, code)} for code in codes] for kind, codes in rules.REASONS.items()}


def _names(session: Session, attempt_id: int) -> dict[int, str]:
    ids = set(session.scalars(select(Event.actor_id).where(Event.attempt_id == attempt_id))) | set(
        session.scalars(select(TimeEntry.actor_id).where(TimeEntry.attempt_id == attempt_id))
    )
    return dict(session.execute(select(Person.id, Person.name).where(Person.id.in_({i for i in ids if i}))).all())


PAGE_KINDS = {
    "focus_lost",
    "focus_back",
    "fullscreen_exit",
    "camera_lost",
    "camera_back",
    "copy",
    "paste",
    "visibility",
    "net_back",
}


def _event_words(kind: str, facts: dict[str, Any], by: str) -> str:
    """One happening as a sentence for the timeline."""
    match kind:
        case "attempt.check_in":
            return _("Check-in began.")
        case "attempt.step":
            step = {"consent": _("choices about data"), "system": _("computer check"), "photo": _("photo")}.get(facts.get("step", ""), "")
            return _("Check-in step done: %(step)s.", step=step)
        case "attempt.steps_done":
            return _("Waiting for a proctor.")
        case "attempt.return_to_step":
            return _("%(by)s sent the candidate back: %(why)s.", by=by, why=reason_words("return", facts.get("category", "")))
        case "attempt.admit":
            return _("%(by)s let the candidate in.", by=by)
        case "attempt.begin":
            return _("The test began.")
        case "attempt.pause":
            return _("%(by)s paused the test: %(why)s.", by=by, why=reason_words("pause", facts.get("category", "")))
        case "attempt.lose_contact":
            return _("Contact was lost; the questions are covered and the clock stands still.")
        case "attempt.regain_contact":
            return _("Contact is back; %(span)s given back.", span=span(timedelta(seconds=facts.get("seconds", 0))))
        case "attempt.long_gap":
            return _("Contact is back after a long time; a proctor decides.")
        case "attempt.device_changed":
            return _("The test moved to another device; a proctor looks first.")
        case "attempt.resume":
            return _("%(by)s let the test go on.", by=by)
        case "attempt.time_given":
            return _("%(by)s gave %(span)s.", by=by, span=span(timedelta(minutes=facts.get("minutes", 0))))
        case "attempt.message":
            return _("A message from the candidate.") if facts.get("sender") == "candidate" else _("%(by)s wrote a message.", by=by)
        case "attempt.end_proposed":
            return _("%(by)s proposed to end the test: %(why)s.", by=by, why=reason_words("end", facts.get("category", "")))
        case "attempt.end_withdrawn":
            return _("%(by)s withdrew the proposal to end the test.", by=by)
        case "attempt.end":
            return _("%(by)s confirmed; the test was ended.", by=by)
        case "attempt.submit":
            return _("The candidate handed in the test.")
        case "attempt.time_is_up":
            return _("Time was up; the test was handed in with all answers.")
        case "attempt.abandon":
            return _("Nobody came back; the test was closed with all answers kept.")
        case "attempt.flag":
            return _("Flag: %(what)s.", what=flag_words(facts.get("signal", "")))
        case "attempt.flag_decided":
            if facts.get("outcome") == "confirmed":
                return _("%(by)s looked at a flag and confirmed it: %(what)s.", by=by, what=flag_words(facts.get("signal", "")))
            return _("%(by)s looked at a flag and dismissed it: nothing to see.", by=by)
        case "page.focus_lost":
            return _("The test page was left.")
        case "page.focus_back":
            return _("The test page is in front again.")
        case "page.fullscreen_exit":
            return _("Full screen was left.")
        case "page.camera_lost":
            return _("The camera stopped.")
        case "page.camera_back":
            return _("The camera is back.")
        case "page.copy":
            return _("Something was copied on the page.")
        case "page.paste":
            return _("Something was pasted on the page.")
        case "page.visibility":
            return _("The page was hidden.") if facts.get("state") == "hidden" else _("The page was shown again.")
        case "page.net_back":
            return _("The computer reports its network back.")
    return kind


def flag_words(signal: str) -> str:
    """What software noticed, as a person would say it."""
    return {
        "no_face": _("nobody seen"),
        "multiple_faces": _("more than one person"),
        "looking_away": _("face turned away"),
        "too_dark": _("picture dark"),
        "overexposed": _("picture too bright"),
        "blurred": _("picture blurred"),
        "camera_covered": _("camera covered"),
        "frozen": _("picture stands still"),
        "looped": _("picture repeats itself"),
        "other_person": _("face looks different"),
        "photo_presented": _("picture of a picture"),
        "sound": _("voices or noise"),
    }.get(signal, _("something to look at"))


def _peak_words(flag: Flag) -> str:
    """The strongest that was measured, in words; empty where the figure says nothing to a person."""
    match flag.signal:
        case "multiple_faces":
            return ngettext("%(num)d face at most", "%(num)d faces at most", round(flag.peak))
        case "looking_away":
            return _("Turned by %(degrees)s degrees at most", degrees=round(abs(flag.peak)))
        case "too_dark":
            return _("Brightness %(share)s %% at the darkest", share=round(flag.peak / 2.55))
        case "overexposed":
            return _("Brightness %(share)s %% at the brightest", share=round(flag.peak / 2.55))
    return ""


def flags(session: Session, attempt_id: int) -> list[dict[str, Any]]:
    """Every flag of an attempt with its pictures and who decided, oldest first."""
    found = session.scalars(
        select(Flag).where(Flag.attempt_id == attempt_id).order_by(Flag.began_at, Flag.id).options(selectinload(Flag.frames))
    ).all()
    deciders = {flag.decided_by_id for flag in found if flag.decided_by_id}
    names = dict(session.execute(select(Person.id, Person.name).where(Person.id.in_(deciders))).all()) if deciders else {}
    base = f"/proctor/attempts/{attempt_id}/flags"
    return [
        {
            "id": flag.id,
            "signal": flag.signal,
            "words": flag_words(flag.signal),
            "began_at": clock.to_ms(flag.began_at),
            "ended_at": clock.to_ms(flag.ended_at),
            "lasted": _lasted(flag),
            "peak": _peak_words(flag),
            "outcome": flag.outcome,
            "decided_by": names.get(flag.decided_by_id or 0),
            "decided_at": clock.to_ms(flag.decided_at),
            "note": flag.note,
            "frames": [
                {"place": frame.place, "at": clock.to_ms(frame.captured_at), "url": f"{base}/{flag.id}/{frame.place}.jpg"}
                for frame in sorted(flag.frames, key=lambda frame: ("before", "at", "after").index(frame.place))
            ],
        }
        for flag in found
    ]


def _lasted(flag: Flag) -> str:
    if flag.ended_at is None:
        return _("not ended yet")
    # A flag that came and went within one picture still took a moment.
    return span(max(flag.ended_at - flag.began_at, timedelta(seconds=1)))


def _flag_line(flag: dict[str, Any]) -> str:
    decision = {
        "open": _("nobody has looked at it yet"),
        "confirmed": _("confirmed by %(by)s", by=flag["decided_by"]),
        "dismissed": _("dismissed by %(by)s", by=flag["decided_by"]),
    }[flag["outcome"]]
    return _("Flag: %(what)s, %(lasted)s (%(decision)s).", what=flag["words"], lasted=flag["lasted"], decision=decision)


def timeline(session: Session, attempt_id: int, flagged: list[dict[str, Any]] | None = None) -> list[dict[str, Any]]:
    """Oldest first; of a very long one the newest part. A flag stands where it began and names itself, so that the page can lead to it."""
    names = _names(session, attempt_id)
    known = {flag["id"]: flag for flag in flagged or []}
    found: list[tuple[Any, str, str, int | None]] = []
    for event in session.scalars(select(Event).where(Event.attempt_id == attempt_id).order_by(Event.id)):
        flag = known.get(event.facts.get("flag")) if event.kind == "attempt.flag" else None
        if flag is None:
            by = names.get(event.actor_id or 0, _("The system"))
            found.append((clock.to_ms(event.at), event.kind, _event_words(event.kind, event.facts, by), None))
        else:
            found.append((flag["began_at"], event.kind, _flag_line(flag), flag["id"]))
    found += [
        (clock.to_ms(event.page_at), f"page.{event.kind}", _event_words(f"page.{event.kind}", event.facts, ""), None)
        for event in session.scalars(select(PageEvent).where(PageEvent.attempt_id == attempt_id))
    ]
    found.sort(key=lambda entry: entry[0])
    return [{"at": at, "kind": kind, "words": words} | ({} if flag is None else {"flag": flag}) for at, kind, words, flag in found[-300:]]


def focus(session: Session, attempt: Attempt, zone: ZoneInfo, now: datetime) -> dict[str, Any]:
    """Everything the focus view shows of one candidate, but the moving picture."""
    base = f"/proctor/attempts/{attempt.id}"
    steps = session.scalars(select(CheckInStep).where(CheckInStep.attempt_id == attempt.id).order_by(CheckInStep.at)).all()
    flagged = flags(session, attempt.id)
    photo = next((step for step in steps if step.step == "photo" and step.facts.get("object")), None)
    evidence = session.scalars(
        select(EvidenceStill).where(EvidenceStill.attempt_id == attempt.id).order_by(EvidenceStill.id.desc()).limit(12)
    )
    return {
        "row": rows(session, attempt.session_id, now, {attempt.id})[0],
        "timeline": timeline(session, attempt.id, flagged),
        "flags": flagged,
        "ledger": ledger(session, attempt, zone, now),
        "messages": [
            {"number": m.number, "from": m.sender, "text": m.text, "at": clock.to_ms(m.at)}
            for m in attempts.messages_after(session, attempt.id, 0)
        ],
        "photo": f"{base}/photo.jpg?v={photo.facts['sha256'][:12]}" if photo else None,
        "evidence": [
            {"at": clock.to_ms(still.captured_at), "url": f"{base}/evidence/{still.id}.jpg"} for still in reversed(evidence.all())
        ],
        "steps": [{"step": step.step, "state": step.state} for step in steps],
    }


def open_proposals(session: Session, session_id: int) -> list[EndProposal]:
    """Proposals to end a test of this session that nobody has decided."""
    proposals = select(EndProposal).join(Attempt, Attempt.id == EndProposal.attempt_id)
    return list(session.scalars(proposals.where(Attempt.session_id == session_id, EndProposal.outcome == "open")))


def summary(session: Session, session_id: int) -> dict[str, int]:
    counts = dict(
        session.execute(select(Attempt.state, func.count()).where(Attempt.session_id == session_id).group_by(Attempt.state)).all()
    )
    return {
        "waiting": counts.get(State.AWAITING, 0),
        "in_progress": sum(counts.get(state, 0) for state in delivery.UNDER_WAY),
        "submitted": counts.get(State.SUBMITTED, 0),
    }
