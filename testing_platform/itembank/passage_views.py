"""The passages of a bank: which there are, what stands under each, and how one is written."""

from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, flash, g, redirect, render_template, request
from flask_babel import gettext as _
from sqlalchemy import select

from testing_platform import errors
from testing_platform.accounts.permissions import allowed
from testing_platform.itembank import queries, service
from testing_platform.itembank.exchange import markup
from testing_platform.itembank.item_views import LANGUAGES, shown
from testing_platform.itembank.models import Bank, Stimulus
from testing_platform.itembank.views import rail
from testing_platform.itembank.views import words as who

bp = Blueprint("passages", __name__, url_prefix="/analyst/bank")
bp.context_processor(who)


@bp.get("/<int:bank_id>/passages")
@allowed("bank.see")
def passages(bank: Bank) -> Any:
    rail("bank")
    wanted = queries.Wanted.of(request.args)
    found = queries.passages_used(g.session, bank, wanted.words, wanted.state)
    pages = max(1, -(-len(found) // queries.PAGE))
    page = min(wanted.page, pages)
    return render_template(
        "itembank/passages.html",
        bank=bank,
        wanted=wanted,
        count=len(found),
        listed=found[(page - 1) * queries.PAGE : page * queries.PAGE],
        page=page,
        pages=pages,
        address=lambda number: "?" + urlencode(wanted.address(page=number)),
    )


@bp.get("/<int:bank_id>/passages/<int:number>")
@allowed("bank.see")
def passage(bank: Bank, number: int) -> Any:
    """A passage with its versions and the items that stand under it."""
    rail("bank")
    found = g.session.get(Stimulus, number)
    if found is None or found.bank_id != bank.id:
        raise errors.NotFound
    versions = select(Stimulus).where(Stimulus.bank_id == bank.id, Stimulus.code == found.code).order_by(Stimulus.number)
    return render_template(
        "itembank/passage.html",
        bank=bank,
        passage=found,
        shown=shown,
        versions=g.session.scalars(versions).all(),
        listed=queries.under_passage(g.session, bank, found.code),
    )


@bp.get("/<int:bank_id>/passages/edit")
@allowed("item.begin")
def new(bank: Bank) -> Any:
    code = request.args.get("code", "")
    found = next((one for one in queries.passages(g.session, bank) if one.code == code), None)
    return _editor(bank, found, {})


def _editor(bank: Bank, passage: Stimulus | None, said: dict[str, str]) -> str:
    """The newest version to go on from, if there is one, under what was typed already."""
    rail("bank")
    held = {"code": passage.code, "title": passage.title, "language": passage.language, "text": passage.html} if passage else {}
    return render_template("itembank/passage_edit.html", bank=bank, passage=passage, said=held | said, incomplete=bool(said))


@bp.post("/<int:bank_id>/passages/edit")
@allowed("item.begin")
def keep(bank: Bank) -> Any:
    """A passage, or a new version of one; its items go on with the version that they were reviewed with until they are written anew."""
    said = {name: request.form.get(name, "").strip() for name in ("code", "title", "language", "text")}
    code, title, language, html = said["code"][:40], said["title"][:200], said["language"], markup.marked_up(said["text"])
    if not code or not title or not html.strip():
        held = next((one for one in queries.passages(g.session, bank) if one.code == code), None)
        return _editor(bank, held, said), 422
    made = service.keep_stimulus(g.session, bank, code, title, html, language if language in LANGUAGES else "en")
    flash(_("Kept as version %(number)s of %(code)s.", number=made.number, code=made.code), "success")
    return redirect(f"/analyst/bank/{bank.id}/passages/{made.id}", 303)
