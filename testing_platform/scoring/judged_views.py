"""The judges' page: minimum competence item by item, from a table or written in by hand."""

from typing import Any

from flask import Blueprint, g, redirect, render_template, request

from testing_platform import errors
from testing_platform.accounts.permissions import allowed
from testing_platform.accounts.rules import Role
from testing_platform.examinations.models import Administration
from testing_platform.itembank.views import rail
from testing_platform.scoring import judged, queries, service

bp = Blueprint("judged", __name__, url_prefix="/analyst/administrations/<int:administration_id>/judged")
MOST_BYTES = 500_000  # thirty judges and two hundred items, with room


@bp.get("")
@allowed("passing_score.see")
def page(one: Administration) -> Any:
    return _page(one)


def _page(one: Administration, problem: judged.FaultyRatings | None = None, typed: dict[str, str] | None = None) -> str:
    """With `judge` in the address, or after a refusal, the sheet of one judge is open."""
    rail("administrations")
    versions = service.versions_of(g.session, one)
    key = service.newest_key(g.session, one)
    entries = service.entries_of(key) if key else service.form_entries(g.session, one)
    kept = judged.newest(g.session, one)
    ratings = judged.ratings_of(kept)
    name = (typed or request.args).get("judge", "")
    boxes = typed or {f"{which}-{slot}": str(value) for which, said in ratings.get(name, {}).items() for slot, value in said.items()}
    panel = judged.panel(ratings, entries, service.maximum(g.session, one, entries))
    return render_template(
        "scoring/judged.html",
        administration=one,
        base=f"/analyst/administrations/{one.id}",
        is_analyst=Role.ANALYST in g.person.roles,
        slots=[(slot, version.item.code, bool(entries.get(slot))) for slot, version in versions.items()],
        kept=kept,
        ratings=ratings,
        unfinished=[name for name in ratings if panel is None or name not in {judge.name for judge in panel.judges}],
        panel=panel,
        names=queries.names(g.session, {kept.made_by_id if kept else None}),
        judge=name,
        open_sheet="judge" in request.args or typed is not None,
        boxes=boxes,
        problem=problem.facts if problem else {},
    )


@bp.post("/sheet")
@allowed("passing_score.propose")
def sheet(one: Administration) -> Any:
    """One judge's ratings, written in by hand; what is empty is not rated yet."""
    name = request.form.get("judge", "").strip()[: judged.NAME]
    rounds: dict[str, dict[int, int]] = {which: {} for which in judged.ROUNDS}
    try:
        if not name:
            raise judged.FaultyRatings(why="no-judge")
        for slot in service.versions_of(g.session, one):
            for which in judged.ROUNDS:
                value = judged.rating(request.form.get(f"{which}-{slot}", ""), slot=slot, round=which)
                if value is not None:
                    rounds[which][slot] = value
        if not rounds["first"]:
            raise judged.FaultyRatings(why="nothing")
        judged.keep(g.session, one, g.person, {name: rounds}, g.now)
    except judged.FaultyRatings as refusal:
        return _page(one, refusal, request.form.to_dict()), 422
    return redirect(f"/analyst/administrations/{one.id}/judged", 303)


@bp.post("/import")
@allowed("passing_score.propose")
def take_in(one: Administration) -> Any:
    """Of each judge in the file the ratings are those of the file; other judges' stay."""
    file = request.files.get("file")
    if file is None:
        raise errors.BadRequest(why="file")
    try:
        text = file.stream.read(MOST_BYTES + 1)
        if len(text) > MOST_BYTES:
            raise judged.FaultyRatings(why="too-large")
        try:
            found = judged.read(text.decode(), list(service.versions_of(g.session, one)))
        except UnicodeDecodeError:
            raise judged.FaultyRatings(why="not-text") from None
        judged.keep(g.session, one, g.person, found, g.now)
    except judged.FaultyRatings as refusal:
        return _page(one, refusal), 422
    return redirect(f"/analyst/administrations/{one.id}/judged", 303)
