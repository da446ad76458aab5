"""The auditor's pages: the trail, its verification, and receipts taken again. No test content comes here, and candidates stand as numbers."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from flask import Blueprint, current_app, flash, g, redirect, render_template, request, session
from flask_babel import gettext as _
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from testing_platform import errors
from testing_platform.accounts.models import Person, Tries
from testing_platform.accounts.permissions import allowed
from testing_platform.accounts.rules import Role
from testing_platform.audit import jobs, queries, rules, service, words
from testing_platform.audit.models import AuditEntry
from testing_platform.audit.queries import Filter
from testing_platform.delivery import receipts
from testing_platform.web.frame import own_transactions

bp = Blueprint("auditor", __name__, url_prefix="/auditor")

# Someone who looks at several pages in a row has visited once.
VISIT = timedelta(minutes=30)
DAY = timedelta(days=1)
EXPORTS = ("results.exported", "interviews.invited")
PASSING_SCORE = (
    "passing_score.proposed",
    "passing_score.approved",
    "passing_score.withdrawn",
    "passing_score.sent_back",
    "passing_score.superseded",
)


def _settings() -> Any:
    return current_app.settings  # type: ignore[attr-defined]


def _db() -> Any:
    return current_app.db  # type: ignore[attr-defined]


def _begin(current: str) -> None:
    """The rail, and the visit as an entry of the trail: what was looked for stays out of it."""
    g.rail = [
        (_("Today"), "/auditor/", current == "today"),
        (_("The trail"), "/auditor/trail", current == "trail"),
        (_("Verify the trail"), "/auditor/check", current == "check"),
        (_("Check a receipt"), "/auditor/receipt", current == "receipt"),
    ]
    seen = session.get("trail_seen", 0)
    if g.now.timestamp() - seen >= VISIT.total_seconds():
        with _db().write() as writing:
            service.record(writing, "trail.seen", "trail:1", g.now, g.person.id)
        session["trail_seen"] = int(g.now.timestamp())


@dataclass(frozen=True)
class Actor:
    """Who did it: staff by name and role, candidates by number alone."""

    number: int
    name: str
    role: str


def _actors(reading: Session, numbers: Iterable[int | None]) -> dict[int, Actor]:
    wanted = {number for number in numbers if number is not None}
    said = words.roles()
    found = {}
    for person in reading.scalars(select(Person).where(Person.id.in_(wanted))):
        roles = sorted(person.roles)
        if Role.CANDIDATE in roles or person.candidate_number:
            found[person.id] = Actor(person.id, person.candidate_number or "", said["candidate"])
        else:
            found[person.id] = Actor(person.id, person.name, ", ".join(said[role] for role in roles) or _("no role now"))
    return {number: found.get(number, Actor(number, "", _("no longer known"))) for number in wanted}


def _shared(reading: Session, entries: Iterable[AuditEntry]) -> dict[str, Any]:
    """What the rows of a table of entries need."""
    return {
        "acts": words.acts(),
        "subjects": words.subjects(),
        "actors": _actors(reading, [entry.actor_id for entry in entries]),
    }


def _last_check(reading: Session) -> dict[str, Any] | None:
    found = next(iter(queries.newest(reading, "trail.verified")), None)
    if found is None:
        return None
    named = [
        {"said": words.fault(what, number, last), "number": number, "last": last or number} for what, number, last in found.facts["named"]
    ]
    return {
        "at": found.at,
        "id": found.id,
        "who": _actors(reading, [found.actor_id]).get(found.actor_id or 0),
        "way": found.facts["way"],
        "entries": found.facts["entries"],
        "faults": found.facts["faults"],
        "named": named,
        "against": found.facts.get("against"),
        "old": g.now - found.at > DAY,
    }


def _refused(reading: Session) -> int:
    """Sign-ins refused in the last day; a place or account keeps the count of its newest window alone."""
    counts = reading.execute(
        select(Tries.what, Tries.count).where(
            Tries.window_start >= g.now - DAY, Tries.what.startswith("code:") | Tries.what.startswith("password:")
        )
    )
    # A wrong password is counted twice, for the place and for the account; the account's key is a hash.
    return sum(count for what, count in counts if what.startswith("code:") or len(what) == len("password:") + 64)


@bp.get("/")
@allowed("auditor.home")
def home() -> Any:
    _begin("today")
    waiting = queries.waiting_since(g.session)
    counted = queries.counted(g.session, g.now - DAY)
    exports = queries.newest(g.session, *EXPORTS, limit=5)
    decisions = queries.newest(g.session, *PASSING_SCORE, limit=5)
    return render_template(
        "audit/home.html",
        last=_last_check(g.session),
        running=_progress(g.session),
        unsealed=service.unsealed(g.session),
        late_seal=waiting is not None and g.now - waiting > timedelta(minutes=1),
        head=service.head(g.session),
        counted=counted,
        total=sum(count for _act, count in counted),
        since=(g.now - DAY).astimezone(ZoneInfo(_settings().zone)).date().isoformat(),
        refused=_refused(g.session),
        exports=exports,
        decisions=decisions,
        anchored=next(iter(queries.anchors(g.session, 1)), None),
        **_shared(g.session, [*exports, *decisions]),
    )


def _midnight(name: str, later: timedelta = timedelta()) -> datetime | None:
    """When the asked day begins, or so much later; none for what is no day of any calendar that is kept."""
    try:
        day = date.fromisoformat(request.args.get(name, "").strip()) + later
        return datetime.combine(day, time(), ZoneInfo(_settings().zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _whole(name: str) -> int | None:
    text = request.args.get(name, "").strip().replace(",", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 13 else None


@bp.get("/trail")
@allowed("trail.see")
def trail() -> Any:
    """Newest first; the filters stand in the address, and a page is found by number."""
    _begin("trail")
    text = request.args.get("text", "").strip()[:100]
    found = Filter(
        act=request.args.get("act", "").strip()[:60],
        object=request.args.get("about", "").strip().replace(" ", ":").lower()[:60],
        actor=_whole("who"),
        since=_midnight("from"),
        until=_midnight("to", DAY),
        text=text,
    )
    page = queries.page(g.session, found, before=_whole("before"), after=_whole("after"))
    kept = {name: request.args[name] for name in ("act", "about", "who", "from", "to", "text") if request.args.get(name, "").strip()}
    said = words.acts()
    offered = {act: said.get(act, act) for act in [*said, *([found.act] if found.act else [])]}
    return render_template(
        "audit/trail.html",
        page=page,
        found=found,
        asked={name: request.args.get(name, "").strip() for name in ("act", "about", "who", "from", "to", "text")},
        offered=[("", _("Everything")), *sorted(((act, name) for act, name in offered.items()), key=lambda pair: pair[1].lower())],
        first=not request.args.get("before") and not page.newer,
        older_url="/auditor/trail?" + urlencode(kept | {"before": page.older}),
        newer_url="/auditor/trail?" + urlencode(kept | {"after": page.newer}),
        newest_url="/auditor/trail?" + urlencode(kept),
        **_shared(g.session, page.entries),
    )


@bp.get("/entries/<int:entry_id>")
@allowed("trail.see")
def entry(entry_id: int) -> Any:
    _begin("trail")
    found = g.session.get(AuditEntry, entry_id)
    if found is None:
        raise errors.NotFound
    before = queries.entry(g.session, (found.number or 0) - 1) if found.number else None
    return render_template(
        "audit/entry.html",
        entry=found,
        whole=found.number is not None and found.digest == service.digest(found),
        linked=found.number is not None and found.previous == (before.digest if before else rules.FIRST),
        before=before,
        after=queries.entry(g.session, found.number + 1) if found.number else None,
        others=g.session.scalar(select(func.count()).where(AuditEntry.object == found.object)) - 1,
        **_shared(g.session, [found]),
    )


def _progress(reading: Session) -> dict[str, Any] | None:
    """How far a check has come that was asked for and is not done."""
    found = jobs.newest(reading, jobs.BACK)
    if found is None or found.facts["step"] == "done":
        return None
    return {
        "read": found.facts["reading"]["count"],
        "of": max(found.facts["of"], found.facts["reading"]["count"]),
        # The worker goes on each second.
        "still": (g.now - found.at).total_seconds() > 30,
    }


@bp.get("/check")
@allowed("trail.verify")
def check() -> Any:
    _begin("check")
    return _check_page()


def _check_page(error: str = "", typed: str = "") -> Any:
    handed_out = queries.anchors(g.session)
    return render_template(
        "audit/check.html",
        running=_progress(g.session),
        last=_last_check(g.session),
        head=service.head(g.session),
        unsealed=service.unsealed(g.session),
        anchors=handed_out,
        error=error,
        typed=typed,
        **_shared(g.session, [one for one, _anchor in handed_out]),
    )


@bp.get("/check/progress")
@allowed("trail.verify")
def progress() -> Any:
    """What the page asks for each second while a check is under way."""
    return render_template("audit/_progress.html", running=_progress(g.session), last=_last_check(g.session))


@bp.post("/check")
@own_transactions
@allowed("trail.verify")
def start_check() -> Any:
    typed = request.form.get("anchor", "").strip()[:200]
    try:
        anchor = rules.read_anchor(typed) if typed else None
    except rules.FaultyAnchor:
        with _db().read() as g.session:
            _begin("check")
            said = _("An anchor is a number, a colon and the 64 letters and digits of its hash. Copy it whole.")
            return _check_page(said, typed), 422
    with _db().write() as writing:
        begun = jobs.ask(writing, g.person.id, anchor, g.now)
    if not begun:
        flash(_("A check is under way already. Its result will stand here."), "info")
    return redirect("/auditor/check", 303)


@bp.post("/anchors")
@allowed("trail.verify")
def hand_out() -> Any:
    anchor = service.write_down(g.session, _settings().secret, g.now, g.person.id)
    if anchor is None:
        flash(_("Nothing is sealed yet, so there is no anchor to hand out."), "warning")
    else:
        flash(
            _(
                "The anchor at entry %(number)s was handed out. Print this page, or copy the anchor to a place we cannot reach.",
                number=anchor.number,
            ),
            "success",
        )
    return redirect("/auditor/check#anchors", 303)


@bp.get("/receipt")
@allowed("trail.verify")
def receipt() -> Any:
    _begin("receipt")
    return render_template("audit/receipt.html", found=None, typed="", error="")


@bp.post("/receipt")
@own_transactions
@allowed("trail.verify")
def check_receipt() -> Any:
    """The code is typed into a form, not into an address: it opens nothing, but it belongs to one candidate."""
    typed = request.form.get("code", "").strip()[:40]
    with _db().read() as g.session:
        _begin("receipt")
        try:
            found = receipts.check(g.session, typed)
        except receipts.UnknownReceipt:
            said = (
                _("No attempt and no entry of the trail has this code. Compare it with the receipt letter by letter.")
                if receipts.plain(typed)
                else _("A receipt code has three groups of four: the digits 0 to 9 and the letters A to F.")
            )
            return render_template("audit/receipt.html", found=None, typed=typed, error=said), 422
        entry = queries.entry(g.session, found.entry) if found.entry else None
        entry_id = entry.id if entry else None
    with _db().write() as writing:
        service.record(writing, "receipt.checked", f"attempt:{found.attempt_id}", g.now, g.person.id, good=found.good, way="page")
    return render_template("audit/receipt.html", found=found, typed=typed, error="", entry_id=entry_id)
