"""Forensics of an administration in one file: a spreadsheet with the names of the commands on files, or a tagged PDF for people."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from flask import render_template
from flask_babel import get_locale
from sqlalchemy.orm import Session

from testing_platform import assets
from testing_platform.integrity import forensics, plots, service
from testing_platform.integrity.models import LeadConclusion
from testing_platform.itembank.exchange.write_print import pdf_of
from testing_platform.scoring import exports
from testing_platform.scoring.analyses_files import TYPES, Row, book, embedded, sha256, upright
from testing_platform.scoring.analysis.pace import Quadrants
from testing_platform.scoring.analysis.refusals import CannotSay

if TYPE_CHECKING:
    from testing_platform.integrity.views import Scored

__all__ = ["TYPES", "as_pdf", "as_xlsx", "report", "sha256"]


@dataclass(frozen=True)
class Report:
    """What cannot be said of these tests is None."""

    found: "Scored"
    alike: forensics.Alike | None
    quadrants: Quadrants | None
    slots: list[int]
    on_set: forensics.OfSet | None
    conclusions: dict[service.About, list[LeadConclusion]]


def report(session: Session, found: "Scored", slots: list[int]) -> Report:
    alike = quadrants = on_set = None
    try:
        alike = forensics.alike(found.tests, found.near(), found.policy)
        quadrants = forensics.quadrants(found.tests, found.policy, found.thresholds)
        on_set = forensics.of_set(found.tests, slots, found.policy, found.thresholds) if slots else None
    except CannotSay:
        pass  # the file says that there is no figure
    return Report(found, alike, quadrants, slots, on_set, service.conclusions(session, found.administration))


def sheets(made: Report) -> Iterable[tuple[str, list[Row]]]:
    found, takers = made.found, made.found.tests.takers
    yield (
        "about",
        upright(
            {
                "administration": exports.examination_number(found.administration),
                "run": found.run.id,
                "made_at": exports.in_utc(found.run.made_at),
                "key_version": found.run.key.number,
                "inputs_digest": found.run.inputs_digest,
                "candidates": len(takers),
                "pairs": made.alike.pairs if made.alike else None,
                "neighbours": len(made.alike.near) if made.alike else None,
                "leads": len(made.alike.leads) if made.alike else None,
                "leads_by_chance": made.alike.expected if made.alike else None,
                "corner": len(made.quadrants.corner) if made.quadrants else None,
                "corner_by_chance": made.quadrants.by_chance if made.quadrants else None,
                "set": " ".join(map(str, made.slots)),
                "set_listed": made.on_set.listed if made.on_set else None,
                "set_by_chance": made.on_set.expected if made.on_set else None,
            }
        ),
    )
    for name in ("leads", "near", "top"):
        yield name, [_pair(made, lead) for lead in (getattr(made.alike, name) if made.alike else [])]
    corner = {one.row for one in made.quadrants.corner} if made.quadrants else set()
    people = made.quadrants.people if made.quadrants else []
    yield "pace", [{"candidate": takers[one.row].number} | _told(one) | {"corner": one.row in corner} for one in people]
    yield "set", [{"candidate": takers[one.row].number} | _told(one) for one in (made.on_set.found.people if made.on_set else [])]
    yield "thresholds", upright(found.policy.numbers())


def _told(one: Any) -> Row:
    return {name: value for name, value in asdict(one).items() if name != "row"}


def _pair(made: Report, lead: forensics.Lead) -> Row:
    said = made.conclusions.get((lead.one.attempt_id, lead.other.attempt_id))
    return asdict(lead.figures) | {
        "adjusted": lead.figures.adjusted,
        "looked": lead.looked,
        "neighbours": " ".join(sorted(lead.reasons)),
        "minutes_together": lead.together.total_seconds() / 60,
        "conclusion": said[-1].conclusion if said else None,
    }


def as_xlsx(made: Report) -> bytes:
    title = f"Forensics {exports.examination_number(made.found.administration)}"
    return book(title, made.found.run.made_at, sheets(made))


def as_pdf(made: Report) -> bytes:
    """Tagged for readers that speak; the chart has its words, and its figures stand in a table. Raises NoPrinter."""
    css, found = assets.folder("static") / "css", made.found
    credited = found.tests.answered.credited
    page = render_template(
        "integrity/print.html",
        language=str(get_locale() or "en").replace("_", "-"),
        style=(css / "analyses-print.css").read_text(),
        ink=(css / "analyses-print-chart.css").read_text(),
        embedded=embedded,
        administration=found.administration,
        run=found.run,
        taken=len(found.tests.takers),
        takers=found.tests.takers,
        alike=made.alike,
        conclusions=made.conclusions,
        quadrants=made.quadrants,
        plot=plots.pace(made.quadrants, credited, found.run.maximum) if made.quadrants else None,
        fifths=plots.fifths(made.quadrants) if made.quadrants else [],
        credited=credited,
        slots=made.slots,
        on_set=made.on_set,
        policy=found.policy,
    )
    return pdf_of(page)
