"""The key review panel: the analyst's page of items that a person should look at, and the experts' pages, on which no key is."""

from typing import Any

from flask import Blueprint, current_app, flash, g, redirect, render_template, request
from flask_babel import gettext as _
from flask_babel import ngettext
from markupsafe import Markup
from sqlalchemy.orm import Session

from testing_platform import errors
from testing_platform.accounts.models import Person
from testing_platform.accounts.permissions import allowed, object_rule
from testing_platform.accounts.rules import Role
from testing_platform.audit import service as audit
from testing_platform.delivery import comments
from testing_platform.examinations.models import Administration
from testing_platform.itembank.rules import together
from testing_platform.itembank.views import rail
from testing_platform.scoring import analyses, rules, rulings, service
from testing_platform.scoring.models import PanelItem
from testing_platform.web.frame import own_transactions, recorded

bp = Blueprint("rulings", __name__, url_prefix="/analyst")
# Flags that speak of the key itself; the others of how hard, how easy or how long the item was.
OF_THE_KEY = ("key_suspect", "two_answers")


@object_rule("panel_item")
def panel_item(session: Session, person: Person, item_id: int, **_ids: Any) -> PanelItem:
    """What was ruled on stays readable to who ruled; else nobody reads an item of a test that they are not asked about."""
    found = session.get(PanelItem, item_id)
    if found is None:
        raise errors.NotFound
    if not any(one.person_id == person.id for one in found.rulings):
        if rulings.is_closed(found):
            raise rulings.PanelClosed
        if why := rulings.not_blind(session, found, person):
            raise rulings.NotBlind(why=why)
    return found


# --- the analyst -----------------------------------------------------------------------------------------------------------------------------


def _lines(one: Administration) -> list[Any]:
    """The figures of each item by the key as it is, where anybody has handed in."""
    key = service.newest_key(g.session, one)
    entries = service.entries_of(key) if key else service.form_entries(g.session, one)
    gathered = service.gather(g.session, one, g.now)
    if not gathered.sheets:
        return []
    sheet, columns = analyses.laid_out(g.session, one, entries, gathered.sheets, gathered.given)
    found = analyses.classical.analyze(sheet, analyses.Thresholds.of(one).flags)
    return list(zip(columns, found.items, strict=True))


def _rows(lines: list[Any], asked: dict[int, PanelItem]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Items with a flag of the key or a question, and those whose flags say other things."""
    rows = [{"column": column, "figures": figures, "asked": asked.get(column.slot)} for column, figures in lines]
    first = [row for row in rows if row["asked"] or (row["column"].standing == "counts" and set(OF_THE_KEY) & set(row["figures"].flags))]
    return first, [row for row in rows if row not in first and row["column"].standing == "counts" and row["figures"].flags]


@bp.get("/administrations/<int:administration_id>/key/panel")
@own_transactions
@allowed("key.see")
def panel(one: Administration) -> Any:
    rail("administrations")
    asked, lines = rulings.panel_of(g.session, one), _lines(one)
    rows, weaker = _rows(lines, asked)
    said = comments.of_versions(g.session, one)
    known, shown = {column.slot for column, _figures in lines}, {row["column"].slot for row in rows + weaker}
    page = render_template(
        "scoring/panel.html",
        administration=one,
        base=f"/analyst/administrations/{one.id}",
        is_analyst=Role.ANALYST in g.person.roles,
        rows=rows,
        weaker=weaker,
        # Asked before anybody handed in: there is no figure beside them.
        bare=[item for slot, item in asked.items() if slot not in known],
        others=[column for column, _figures in lines if column.slot not in shown],
        comments=said,
        # Those beside which no comment stands already.
        commented=[column for column, _figures in lines if said[column.version_id] and all(row["column"] is not column for row in rows)],
        taken=lines[0][1].n if lines else 0,
        thresholds=analyses.Thresholds.of(one).flags,
        review=rulings.review_policy(one),
        of_the_key=OF_THE_KEY,
        is_closed=rulings.is_closed,
        agreement=rulings.agreement,
        bears_out=rulings.bears_out,
    )
    about, person_id = f"administration:{one.id}", g.person.id
    g.session.close()
    with current_app.db.write() as session:  # type: ignore[attr-defined]
        audit.record(session, "key.seen", about, g.now, person_id)
    return page


@bp.post("/administrations/<int:administration_id>/key/panel/ask")
@own_transactions
@allowed("key.change")
def ask(one: Administration) -> Any:
    """The chosen items go to the experts, each with the flags that it has now."""
    chosen = {int(text) for text in request.form.getlist("slot") if text.isdecimal() and len(text) < 6}
    url = f"/analyst/administrations/{one.id}/key/panel"
    if not chosen:
        flash(_("Choose at least one item."), "error")
        return redirect(url, 303)
    flags = {column.slot: figures.flags for column, figures in _lines(one)}
    administration_id, person_id = one.id, g.person.id
    g.session.close()
    with current_app.db.write() as session:  # type: ignore[attr-defined]
        kept, by = session.get_one(Administration, administration_id), session.get_one(Person, person_id)
        rulings.ask(session, kept, by, {slot: flags.get(slot, []) for slot in chosen}, g.now)
    flash(ngettext("The experts are asked about %(num)s item.", "The experts are asked about %(num)s items.", len(chosen)), "success")
    return redirect(url, 303)


# --- the experts -----------------------------------------------------------------------------------------------------------------------------


@bp.get("/key-review")
@allowed("panel.home")
def home() -> Any:
    rail("key-review")
    return render_template(
        "scoring/panel_home.html",
        waiting=rulings.waiting_for(g.session, g.person),
        done=rulings.ruled_by(g.session, g.person),
        is_closed=rulings.is_closed,
    )


@bp.get("/key-review/<int:item_id>")
@recorded
@allowed("panel.rule")
def item(found: PanelItem) -> Any:
    audit.record(g.session, "panel.seen", f"administration:{found.administration_id}", g.now, g.person.id, slot=found.slot)
    return _item_page(found)


def _item_page(found: PanelItem, problem: str = "") -> str:
    rail("key-review")
    version = rulings.version_of(g.session, found)
    stimulus = version.stimulus
    return render_template(
        "scoring/panel_item.html",
        item=found,
        administration=found.administration,
        several=version.choices.most is not None,
        stem=Markup(version.stem),
        options=[(str(option["key"]), Markup(option["html"])) for option in version.options],
        stimulus=stimulus and {"title": stimulus.title, "html": Markup(stimulus.html)},
        language=version.language,
        comments=comments.of_versions(g.session, found.administration)[version.id],
        mine=next((one for one in found.rulings if one.person_id == g.person.id), None),
        closed=rulings.is_closed(found),
        agreed=rulings.agreement(found),
        said=request.form,
        problem=problem,
    )


@bp.post("/key-review/<int:item_id>")
@allowed("panel.rule")
def give(found: PanelItem) -> Any:
    verdict, answers = request.form.get("verdict", ""), request.form.getlist("option")
    if verdict not in set(rules.Verdict):
        return _item_page(found, "no-verdict"), 422
    if verdict == rules.Verdict.KEEP and not answers:
        return _item_page(found, "no-option"), 422
    if answers and rulings.version_of(g.session, found).choices.most is not None:
        answers = [together(answers)]
    try:
        rulings.give(g.session, found, g.person, rules.Verdict(verdict), answers, request.form.get("reason", "")[:4000], g.now)
    except rules.ReasonMissing as refusal:
        return _item_page(found, refusal.code), 422
    flash(_("Your ruling is kept. Thank you."), "success")
    return redirect("/analyst/key-review", 303)
