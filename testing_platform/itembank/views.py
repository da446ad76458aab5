"""The pages of a bank: what is in it, what needs whom, and what comes in from other systems."""

import secrets
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, current_app, flash, g, redirect, render_template, request
from flask_babel import gettext as _
from flask_babel import ngettext
from sqlalchemy import select
from sqlalchemy.orm import Session

from testing_platform import clock, errors
from testing_platform.accounts.models import Person
from testing_platform.accounts.permissions import ANALYST, ANALYSTS, EXPERTS, REVIEWERS, WRITERS, allowed, object_rule
from testing_platform.accounts.rules import Role
from testing_platform.itembank import alike, form_queries, intake, queries, rules, service
from testing_platform.itembank.assembly import blueprint as blueprints
from testing_platform.itembank.assembly.supply import supply
from testing_platform.itembank.exchange.drafts import Draft, Skip
from testing_platform.itembank.exchange.read import read
from testing_platform.itembank.exchange.safety import LIMITS
from testing_platform.itembank.models import Bank, Item, ItemVersion, Picture, SavedSearch
from testing_platform.itembank.rules import Signature, State
from testing_platform.web.frame import own_transactions

bp = Blueprint("itembank", __name__, url_prefix="/analyst/bank")


@object_rule("bank")
def bank_rule(session: Session, person: Person, bank_id: int, **_ids: Any) -> Bank:
    found = session.get(Bank, bank_id)
    if found is None:
        raise errors.NotFound
    return found


def rail(current: str) -> None:
    """The analyst's way through the pages; who works in the bank alone has the bank."""
    owner = bool(g.person.roles & ANALYSTS)
    ways = [(_("Item bank"), "/analyst/bank/", "bank")]
    if owner:
        ways = [
            (_("Administrations"), "/analyst/", "administrations"),
            (_("Bulletins"), "/analyst/bulletins", "bulletins"),
            *ways,
            (_("Blueprints and forms"), "/analyst/blueprints", "forms"),
        ]
    if g.person.roles & EXPERTS:
        ways.append((_("Key review"), "/analyst/key-review", "key-review"))
    g.rail = [(label, url, name == current) for label, url, name in ways]


def signs() -> list[Signature]:
    """The signatures that the person on this page gives by their roles."""
    found = []
    if Role.ITEM_REVIEWER in g.person.roles:
        found.append(Signature.CONTENT)
    if Role.FAIRNESS_REVIEWER in g.person.roles:
        found.append(Signature.FAIRNESS)
    return [*found, Signature.KEY] if g.person.roles & REVIEWERS else found


@bp.context_processor
def words() -> dict[str, Any]:
    """Who looks at the page, as its templates ask."""
    roles = g.person.roles if g.get("person") else set()
    return {
        "owns": bool(roles & ANALYST),
        "plans": bool(roles & ANALYSTS),
        "writes": bool(roles & WRITERS),
        "reviews": bool(roles & REVIEWERS),
    }


@bp.get("/")
@allowed("bank.home")
def home() -> Any:
    rail("bank")
    banks = list(g.session.scalars(select(Bank).order_by(Bank.name)))
    # A department with one bank does not choose.
    if len(banks) == 1:
        return redirect(f"/analyst/bank/{banks[0].id}", 303)
    return render_template("itembank/home.html", banks=banks)


@bp.get("/<int:bank_id>")
@allowed("bank.see")
def bank(bank: Bank) -> Any:
    rail("bank")
    wanted = queries.Wanted.of(request.args)
    listed = queries.look(g.session, bank, wanted)
    # What needs somebody, and what there is of all, stand on the bank's first page and not above what was looked for.
    first = not wanted.narrowed and wanted.page == 1
    saved = select(SavedSearch).where(SavedSearch.bank_id == bank.id, SavedSearch.person_id == g.person.id).order_by(SavedSearch.name)
    return render_template(
        "itembank/bank.html",
        bank=bank,
        wanted=wanted,
        listed=listed,
        address=lambda **changes: "?" + urlencode(wanted.address(**changes)),
        needs=_needs(bank) if first else [],
        counts=queries.counts(g.session, bank) if first else {},
        needed=_needed(bank) if first else None,
        policy=rules.Policy.of(bank.policy),
        choices=choices(bank),
        saved=g.session.scalars(saved).all(),
        enemies=queries.enemies_of(g.session, [version.item_id for version in listed.versions]),
    )


def choices(bank: Bank) -> dict[str, list[tuple[str, str]]]:
    """What the filters can be set to: (value, words)."""
    return {
        "areas": [(str(one["code"]), str(one["title"])) for one in bank.areas],
        "tags": [(tag, f"{tag} ({count})") for tag, count in queries.tags(g.session, bank)],
        "statements": [(one.code, f"{one.code} {one.text[:60]}") for one in queries.statements(g.session, bank)],
        "passages": [(one.code, one.title) for one in queries.passages(g.session, bank)],
    }


def _needs(bank: Bank) -> list[dict[str, Any]]:
    """What waits for the person on the page: what, and the versions with the way to each."""
    found: list[tuple[str, list[ItemVersion], str]] = []
    titles = {
        Signature.CONTENT: _("Waiting for your content review"),
        Signature.FAIRNESS: _("Waiting for your fairness review"),
        Signature.KEY: _("Keys to check blind"),
    }
    for kind in signs():
        page = "/key-check" if kind is Signature.KEY else ""
        found.append((titles[kind], queries.waiting_for(g.session, bank, g.person.id, kind), page))
    if g.person.roles & WRITERS:
        found.append((_("Returned to you"), queries.of_author(g.session, bank, g.person.id, [State.RETURNED]), "/edit"))
        found.append((_("Your drafts"), queries.of_author(g.session, bank, g.person.id, [State.DRAFT]), ""))
    if g.person.roles & ANALYST:
        found.append((_("Signed by all: approve"), queries.fully_signed(g.session, bank), ""))
        found.append((_("Met by many: let it rest"), [version for version, _count in queries.due_for_rest(g.session, bank)], ""))
        found.append((_("Past its last day"), queries.expired(g.session, bank, g.now.date()), ""))
    return [{"title": title, "ways": [(one, _way(one, page)) for one in versions]} for title, versions, page in found if versions]


def _way(version: ItemVersion, page: str) -> str:
    """To this page of the version's item; one in a second language is not its item's newest and has to be named."""
    item = f"/analyst/bank/items/{version.item_id}"
    if version.variant_of_id is None:
        return item + page
    return f"{item}/in/{version.language}" if page == "/edit" else f"{item}{page}?version={version.number}"


def _needed(bank: Bank) -> dict[str, Any] | None:
    """What the bank's newest blueprint wants of each form, beside what a form could take from the bank today."""
    newest = form_queries.newest_blueprint(g.session, bank)
    if newest is None:
        return None
    told = blueprints.of(newest.content)
    today = clock.day(g.now, str(current_app.settings.zone))  # type: ignore[attr-defined]
    return {
        "version": newest,
        "blueprint": told,
        "lines": supply(told, form_queries.offers(g.session, bank, today)),
        "areas": form_queries.names(told.areas, bank),
    }


@bp.post("/<int:bank_id>/searches")
@allowed("bank.see")
def save_search(bank: Bank) -> Any:
    name = request.form.get("name", "").strip()[:60]
    query = urlencode(queries.Wanted.of(request.form).address(page=1))
    if name:
        old = g.session.scalars(
            select(SavedSearch).where(SavedSearch.bank_id == bank.id, SavedSearch.person_id == g.person.id, SavedSearch.name == name)
        ).first()
        if old is None:
            g.session.add(SavedSearch(bank_id=bank.id, person_id=g.person.id, name=name, query=query))
        else:
            old.query = query
        flash(_("Saved as “%(name)s”.", name=name), "success")
    return redirect(f"/analyst/bank/{bank.id}?{query}", 303)


@bp.post("/<int:bank_id>/searches/<int:number>/forget")
@allowed("bank.see")
def forget_search(bank: Bank, number: int) -> Any:
    found = g.session.get(SavedSearch, number)
    if found is not None and found.person_id == g.person.id and found.bank_id == bank.id:
        g.session.delete(found)
    return redirect(f"/analyst/bank/{bank.id}", 303)


@bp.post("/<int:bank_id>/bulk")
@allowed("bank.own")
def bulk(bank: Bank) -> Any:
    """Tag, untag or move the items that are ticked, or all that are found."""
    wanted = queries.Wanted.of(request.form)
    if "all" in request.form:
        ids = queries.all_matching(g.session, bank, wanted)
    else:
        ids = [int(number) for number in request.form.getlist("item") if number.isdigit()]
    act, to = request.form.get("act", ""), request.form.get("to", "").strip()[:60]
    address = wanted.address()
    try:
        count = service.change_many(g.session, bank, ids, act, to, g.now, g.person)
    except service.FaultyItem:
        flash(_("Nothing was changed: tick items, choose what to do, and write a tag or choose an area of this bank."), "error")
        address |= {"item": ids[: queries.PAGE] if "all" not in request.form else [], "act": act, "to": to}
    else:
        flash(ngettext("%(num)s item was changed.", "%(num)s items were changed.", count), "success")
    return redirect(f"/analyst/bank/{bank.id}?{urlencode(address, doseq=True)}", 303)


@bp.get("/<int:bank_id>/alike")
@allowed("bank.own")
def near_copies(bank: Bank) -> Any:
    rail("bank")
    policy = rules.Policy.of(bank.policy)
    versions = {version.item_id: version for version in queries.newest_versions(g.session, bank)}
    texts = {number: queries.shown_words(version) for number, version in versions.items()}
    pairs = alike.pairs(texts, float(policy.alike))
    known = queries.enemies_of(g.session, {number for pair in pairs for number in (pair.one, pair.other)})
    return render_template(
        "itembank/alike.html", bank=bank, pairs=pairs[:200], count=len(pairs), versions=versions, known=known, policy=policy
    )


@bp.post("/<int:bank_id>/enemies")
@allowed("bank.own")
def name_enemies(bank: Bank) -> Any:
    codes = [code.strip() for code in request.form.get("codes", "").replace(";", ",").split(",") if code.strip()]
    items = list(g.session.scalars(select(Item).where(Item.bank_id == bank.id, Item.code.in_(codes))))
    unknown = sorted(set(codes) - {item.code for item in items})
    reason = request.form.get("reason", "").strip()[:200]
    back = request.form.get("back", "")
    back = back if back.startswith("/analyst/bank/") and "//" not in back else f"/analyst/bank/{bank.id}"
    if unknown or len(items) < 2 or not reason:
        flash(_("Nothing was changed: name two or more items of this bank, and why they may not stand in one form."), "error")
        back += "?" + urlencode({"codes": request.form.get("codes", "")[:2000], "reason": reason})
    else:
        service.make_enemies(g.session, items, reason, g.now, g.person)
        flash(_("From now on a form holds at most one of them."), "success")
    return redirect(back, 303)


@bp.get("/pictures/<name>")
@allowed("bank.home")
def picture(name: str) -> Any:
    found = g.session.get(Picture, name)
    if found is None:
        raise errors.NotFound
    return current_app.response_class(found.data, mimetype=found.media_type)


# --- from other systems -------------------------------------------------------------------------------------------------------------

# A package that was looked at and not taken in is thrown away after this long.
KEPT_FOR = timedelta(days=1)


def _folder() -> Path:
    """Where packages wait between being looked at and being taken in, readable by the server alone."""
    found: Path = current_app.settings.data / "intake"  # type: ignore[attr-defined]
    found.mkdir(mode=0o700, exist_ok=True)
    for path in found.iterdir():
        if g.now.timestamp() - path.stat().st_mtime > KEPT_FOR.total_seconds():
            path.unlink(missing_ok=True)
    return found


def _waiting(token: str) -> tuple[Path, str]:
    """The package and the name that its maker gave it; each waits for the person who brought it."""
    if not token.isalnum():
        raise errors.NotFound
    for path in _folder().glob(f"{g.person.id}-{token}-*"):
        return path, path.name.split("-", 2)[2]
    raise errors.NotFound


def _plain_name(name: str) -> str:
    kept = "".join(letter if letter.isalnum() or letter in "._" else "_" for letter in Path(name.replace("\\", "/")).name)
    return kept.lstrip("._")[-80:] or "items"


@bp.get("/<int:bank_id>/import")
@allowed("bank.own")
def import_page(bank: Bank) -> Any:
    rail("bank")
    return render_template("itembank/import.html", bank=bank, most=LIMITS.file)


@bp.post("/<int:bank_id>/import")
@own_transactions
@allowed("bank.own")
def bring(bank: Bank) -> Any:
    """Put the package aside; nothing is read into the bank yet."""
    file = request.files.get("package")
    if file is None or not file.filename:
        flash(_("Choose a file first."), "error")
        return redirect(f"/analyst/bank/{bank.id}/import", 303)
    token = secrets.token_hex(16)
    path = _folder() / f"{g.person.id}-{token}-{_plain_name(file.filename)}"
    path.touch(0o600)
    file.save(path)
    return redirect(f"/analyst/bank/{bank.id}/import/{token}", 303)


bring.takes_bytes = LIMITS.file


def _read(path: Path, name: str) -> list[Draft | Skip]:
    return list(read(path, name))


@bp.get("/<int:bank_id>/import/<token>")
@allowed("bank.own")
def dry_run(bank: Bank, token: str) -> Any:
    rail("bank")
    path, name = _waiting(token)
    area = request.args.get("area", "")
    found = intake.take_in(g.session, bank, _read(path, name), g.now, g.person, dry_run=True, area=area)
    said = intake.report(found)
    return render_template("itembank/dry_run.html", bank=bank, token=token, name=name, found=found, said=said, area=area)


@bp.post("/<int:bank_id>/import/<token>")
@own_transactions
@allowed("bank.own")
def take_in(bank: Bank, token: str) -> Any:
    """All of it, in one transaction that begins when everything is read."""
    path, name = _waiting(token)
    drafts = _read(path, name)
    with current_app.db.write() as session:  # type: ignore[attr-defined]
        found = intake.take_in(
            session, session.get_one(Bank, bank.id), drafts, g.now, session.get_one(Person, g.person.id), area=request.form.get("area", "")
        )
    path.unlink(missing_ok=True)
    counts = intake.report(found)["counts"]
    flash(
        _("Taken in: %(new)s new, %(changed)s changed. Here already: %(here)s. Left out: %(skipped)s.", **counts),
        "success",
    )
    return redirect(f"/analyst/bank/{bank.id}?state=draft&order=newest", 303)
