"""The page on which items are written to a file: first what stays behind, then the file."""

import re
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, current_app, g, render_template, request
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from testing_platform import errors
from testing_platform.accounts.permissions import allowed
from testing_platform.itembank import export, queries
from testing_platform.itembank.exchange.write import FORMATS
from testing_platform.itembank.exchange.written import Left
from testing_platform.itembank.models import Bank, Form
from testing_platform.itembank.views import rail
from testing_platform.web.frame import own_transactions

bp = Blueprint("itembank_export", __name__, url_prefix="/analyst/bank")
# As many codes stand under a sentence before the rest folds away.
SHOWN = 12


@dataclass(frozen=True)
class Asked:
    """What is to be written, as it stands in the page's address: all, `area:…` or `form:…`."""

    what: str
    format: str
    with_key: bool

    @classmethod
    def of(cls, said: Any) -> "Asked | None":
        """Nothing before a format was chosen."""
        format = said.get("format", "")
        return cls(said.get("what", ""), format, said.get("key", "") == "yes") if format in FORMATS else None

    @property
    def chosen(self) -> tuple[str, str]:
        kind, _colon, which = self.what.partition(":")
        return kind, which

    def written(self, session: Session, bank: Bank, look: bool = False) -> export.Written:
        """Raises NothingToExport, NoPrinter, and NotFound for a form of another bank."""
        kind, which = self.chosen
        if kind == "form":
            return export.of_form(session, self.form(session, bank), self.format, self.with_key, look)
        return export.of_bank(session, bank, self.format, which, self.with_key, look)

    def form(self, session: Session, bank: Bank) -> Form:
        which = self.chosen[1]
        found = session.get(Form, int(which)) if which.isdecimal() else None
        if found is None or found.bank_id != bank.id:
            raise errors.NotFound
        return found

    def name(self, bank: Bank) -> str:
        """What the file is called: the bank, what of it, the format."""
        plain = re.sub(r"[^a-z0-9]+", "-", f"{bank.name} {self.what}".lower()).strip("-")
        return f"{plain[:80] or 'items'}-{self.format}"


def sentences(left: tuple[Left, ...]) -> list[dict[str, Any]]:
    """The same sentence once, with all the items that it is true of; what keeps an item out comes first."""
    found: dict[tuple[bool, str], list[str]] = {}
    for each in left:
        found.setdefault((each.whole, each.what), []).append(each.identifier)
    return [
        {"whole": whole, "what": what, "items": items[:SHOWN], "more": items[SHOWN:], "count": len(items)}
        for (whole, what), items in sorted(found.items(), key=lambda pair: (not pair[0][0], -len(pair[1])))
    ]


def formats() -> list[tuple[str, str, str]]:
    """Each with its name and what it is good for."""
    return [
        ("qti3", "QTI 3.0", _("Everything, for systems of today and for keeping")),
        ("qti21", "QTI 2.1", _("Everything, for systems that do not know 3.0 yet")),
        ("moodle", "Moodle XML", _("Text, pictures, weights, rationales")),
        ("gift", "GIFT", _("The same as text, for people who edit by hand")),
        ("csv", "CSV", _("A table for a spreadsheet")),
        ("aiken", "Aiken", _("Plain text, one right answer each")),
        ("html", _("Page to print"), _("For paper and for screen readers")),
        ("pdf", "PDF", _("For paper, tagged for screen readers")),
    ]


@bp.get("/<int:bank_id>/export")
@allowed("bank.export")
def page(bank: Bank) -> Any:
    rail("bank")
    asked = Asked.of(request.args)
    written = nothing = None
    if asked is not None:
        try:
            written = asked.written(g.session, bank, look=True)
        except export.NothingToExport:
            nothing = True
    forms = g.session.scalars(queries.common_forms().where(Form.bank_id == bank.id).order_by(Form.name, Form.number.desc()))
    whats = [
        ("", _("The whole bank")),
        *((f"area:{one['code']}", _("Area: %(title)s", title=one["title"])) for one in bank.areas),
        *((f"form:{form.id}", _("Form: %(name)s, version %(number)s", name=form.name, number=form.number)) for form in forms),
    ]
    return render_template(
        "itembank/export.html",
        bank=bank,
        asked=asked,
        written=written,
        nothing=nothing,
        sentences=sentences(written.export.left) if written else [],
        whats=whats,
        formats=formats(),
    )


@bp.post("/<int:bank_id>/export")
@own_transactions
@allowed("bank.export")
def take(bank: Bank) -> Any:
    """The file. It is made outside any write transaction, and handed out after its line in the trail is kept."""
    asked = Asked.of(request.form)
    if asked is None:
        raise errors.BadRequest(why="format")
    app: Any = current_app
    with app.db.read() as session:
        held = session.get_one(Bank, bank.id)
        written = asked.written(session, held)
        of = f"form:{asked.form(session, held).id}" if asked.chosen[0] == "form" else f"bank:{held.id}"
        name = asked.name(held)
    with app.db.write() as session:
        export.handed_out(session, of, asked.format, written, g.now, g.person.id, asked.with_key)
    file = written.export
    return Response(
        file.data,
        content_type=file.media_type,
        headers={"Content-Disposition": f'attachment; filename="{name}{file.suffix}"', "Cache-Control": "no-store"},
    )
