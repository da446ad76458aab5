"""One item's pages: to write it, to see it as candidates do, to sign it, and to answer it blind."""

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import wraps
from html import unescape
from typing import Any

from flask import Blueprint, current_app, flash, g, jsonify, redirect, render_template, request
from flask_babel import gettext as _
from markupsafe import Markup
from sqlalchemy import select
from sqlalchemy.orm import Session

from testing_platform import errors
from testing_platform.accounts.models import Person
from testing_platform.accounts.permissions import ANALYST, WRITERS, allowed, object_rule
from testing_platform.itembank import difference, lifecycle, lint, queries, readability, rules, service
from testing_platform.itembank.exchange import markup
from testing_platform.itembank.exchange.drafts import Unfit
from testing_platform.itembank.exchange.safety import LIMITS, Pictures, tidy
from testing_platform.itembank.models import Bank, Comment, Item, ItemVersion, Picture, Stimulus
from testing_platform.itembank.rules import Event, Outcome, Signature, State, Who
from testing_platform.itembank.views import choices, rail, signs
from testing_platform.itembank.views import words as who
from testing_platform.web.frame import recorded

bp = Blueprint("items", __name__, url_prefix="/analyst/bank")
bp.context_processor(who)

DIFFICULTIES = ("easy", "medium", "hard")
# As many as one letter each can name.
MOST_OPTIONS = 26
LANGUAGES = ("en", "es")
PICTURES = "/analyst/bank/pictures/"


@object_rule("item")
def item_rule(session: Session, person: Person, item_id: int, **_ids: Any) -> Item:
    found = session.get(Item, item_id)
    if found is None:
        raise errors.NotFound
    return found


def _version(item: Item, number: str | None = None) -> ItemVersion:
    """The version that the address names, else the newest."""
    asked = select(ItemVersion).where(ItemVersion.item_id == item.id)
    asked = (
        asked.where(ItemVersion.number == int(number))
        if number and number.isdigit() and len(number) < 6
        else asked.where(ItemVersion.newest)
    )
    found = g.session.scalars(asked).first()
    if found is None:
        raise errors.NotFound
    return found


def _url(item: Item, version: ItemVersion | None = None) -> str:
    return f"/analyst/bank/items/{item.id}" + (f"?version={version.number}" if version is not None and not version.newest else "")


# --- the item ------------------------------------------------------------------------------------------------------------------------


@bp.get("/items/<int:item_id>")
@recorded
@allowed("item.see")
def item(item: Item) -> Any:
    """Everything about the item, its key included; who has opened this page cannot check the key blind any more."""
    return _page(item, _version(item, request.args.get("version")))


def _page(item: Item, version: ItemVersion, forgotten: str = "", refused: errors.Refusal | None = None) -> str:
    """`forgotten`: the kind of the review that was to be returned without a reason. `refused`: why what was sent with words in it was not done."""
    rail("bank")
    lifecycle.opened(g.session, version, g.person, g.now)
    policy = lifecycle.policy_of(g.session, version)
    earlier = next((one for one in reversed(item.versions) if one.number < version.number and one.language == version.language), None)
    authors = lifecycle.authors_of(g.session, version)
    reviews = lifecycle.reviews_of(g.session, version)
    content = service.content_of(version)
    comments = select(Comment).join(ItemVersion).where(ItemVersion.item_id == item.id).order_by(Comment.id)
    return render_template(
        "itembank/item.html",
        bank=item.bank,
        item=item,
        version=version,
        content=content,
        shown=shown,
        reviews=reviews,
        missing=lifecycle.missing(g.session, version) if version.state == State.IN_REVIEW else {},
        moves=version.moves,
        comments=g.session.scalars(comments).all(),
        changes=difference.between(service.content_of(earlier), content) if earlier else [],
        earlier=earlier,
        advice=lint.advice(content, version.stimulus.html if version.stimulus else "", version.grade, policy),
        policy=policy,
        can=_acts(version, authors),
        signing=[kind for kind in signs() if kind is not Signature.KEY] if _may_sign(version, authors, reviews) else [],
        groups=queries.enemy_groups(g.session, item.id),
        exposures=queries.exposures(g.session, [item.id]).get(item.id, 0),
        statistics=queries.statistics_of(g.session, item.id),
        forms=queries.forms_with(g.session, item.id),
        own=g.person.id in authors,
        original=next((one for one in item.versions if one.id == version.variant_of_id), None),
        variants={one.language: one for one in queries.variants_of(g.session, item.id)},
        languages=[language for language in LANGUAGES if language != _original(version).language],
        forgotten=forgotten,
        refused=current_app.extensions["sentence"](refused.code, refused.facts) if refused else None,
    )


def _original(version: ItemVersion) -> ItemVersion:
    """The version itself, or the one that it says in another language."""
    return g.session.get_one(ItemVersion, version.variant_of_id) if version.variant_of_id else version


def shown(html: str) -> Markup:
    """The bank's own html, with its pictures at their addresses."""
    return Markup(rules.with_pictures(html, PICTURES))


def _may_sign(version: ItemVersion, authors: set[int], reviews: list[Any]) -> bool:
    return version.state == State.IN_REVIEW and g.person.id not in authors and all(one.person_id != g.person.id for one in reviews)


def _acts(version: ItemVersion, authors: set[int]) -> list[Event]:
    """What the person on the page may do with the version now, in the order of its life."""
    found: list[Event] = []
    if g.person.roles & WRITERS and (g.person.id in authors or g.person.roles & ANALYST or not authors):
        found += rules.possible(State(version.state), Who.WRITER)
    if g.person.roles & ANALYST:
        found += rules.possible(State(version.state), Who.ANALYST)
    return [event for event in found if event is not Event.APPROVE or g.person.id not in authors]


def with_words(view: Callable[..., Any]) -> Callable[..., Any]:
    """For an act that a person gave words to: refused, it is undone, and the item's page shows them beside where the item stands now."""

    @wraps(view)
    def done(item: Item, **more: Any) -> Any:
        try:
            with g.session.begin_nested():
                return view(item, **more)
        except errors.Refusal as refused:
            if not any(request.form.get(name, "").strip() for name in ("reason", "text")):
                raise
            return _page(item, _version(item, request.form.get("version")), refused=refused), 409

    return done


@bp.post("/items/<int:item_id>/hand-in")
@allowed("item.write")
def hand_in(item: Item) -> Any:
    version = _moving(item)
    lifecycle.submit(g.session, version, g.person, g.now)
    flash(_("It waits for its reviewers now."), "success")
    return redirect(_url(item, version), 303)


@bp.post("/items/<int:item_id>/take-back")
@allowed("item.write")
def take_back(item: Item) -> Any:
    version = _moving(item)
    lifecycle.move(g.session, version, Event.WITHDRAW, Who.WRITER, g.person, g.now)
    return redirect(_url(item, version), 303)


def _moving(item: Item) -> ItemVersion:
    """The version that the form was about. Raises VersionMoved when somebody else has moved it since."""
    version = _version(item, request.form.get("version"))
    if request.form.get("state") != version.state:
        raise errors.VersionMoved
    return version


@bp.post("/items/<int:item_id>/moves/<event>")
@allowed("item.own")
@with_words
def move(item: Item, event: str) -> Any:
    """A step that the bank's owner takes."""
    if event not in set(Event):
        raise errors.NotFound
    version, step, reason = _moving(item), Event(event), request.form.get("reason", "").strip()[:2000]
    if step is Event.COMPROMISE:
        lifecycle.compromise(g.session, version, g.person, reason, g.now)
    else:
        lifecycle.move(g.session, version, step, Who.ANALYST, g.person, g.now, reason)
    return redirect(_url(item, version), 303)


@bp.post("/items/<int:item_id>/waiver")
@allowed("item.waive")
@with_words
def waive(item: Item) -> Any:
    version = _moving(item)
    lifecycle.waive(g.session, version, g.person, request.form.get("reason", "")[:2000], g.now)
    return redirect(_url(item, version), 303)


@bp.post("/items/<int:item_id>/reviews")
@allowed("item.review")
@with_words
def review(item: Item) -> Any:
    version = _moving(item)
    kind, outcome = request.form.get("kind", ""), request.form.get("outcome", "")
    if kind not in [str(one) for one in signs()] or outcome not in set(Outcome):
        raise errors.BadRequest(why="review")
    try:
        lifecycle.review(g.session, version, Signature(kind), Outcome(outcome), g.person, g.now, request.form.get("text", "")[:4000])
    except rules.ReasonMissing:
        return _page(item, version, forgotten=kind), 422
    flash(_("Signed.") if outcome == Outcome.SIGN else _("It goes back to its author with what you wrote."), "success")
    return redirect(_url(item, version), 303)


@bp.post("/items/<int:item_id>/comments")
@allowed("item.see")
def comment(item: Item) -> Any:
    text = request.form.get("text", "").strip()[:4000]
    version = _version(item, request.form.get("version"))
    if text:
        g.session.add(Comment(version_id=version.id, person_id=g.person.id, at=g.now, text=text))
    return redirect(_url(item, version) + "#comments", 303)


@bp.post("/items/<int:item_id>/clone")
@allowed("item.write")
def clone(item: Item) -> Any:
    made = service.clone(g.session, _version(item), _free_code(item.bank, item.area), g.now, g.person)
    flash(_("This is a copy. A form never holds both it and %(code)s.", code=item.code), "success")
    return redirect(f"/analyst/bank/items/{made.item_id}/edit", 303)


@bp.post("/items/<int:item_id>/enemies/<int:number>/end")
@allowed("item.own")
def end_enmity(item: Item, number: int) -> Any:
    for group in queries.enemy_groups(g.session, item.id):
        if group.id == number:
            service.end_enmity(g.session, group, g.now, g.person)
    return redirect(_url(item), 303)


# --- the blind check -------------------------------------------------------------------------------------------------------------------


@bp.get("/items/<int:item_id>/key-check")
@allowed("item.review")
def key_check(item: Item) -> Any:
    return _key_check(item, _version(item, request.args.get("version")))


def _key_check(item: Item, version: ItemVersion) -> str:
    rail("bank")
    return render_template(
        "itembank/key_check.html",
        bank=item.bank,
        item=item,
        version=version,
        question=as_question(service.content_of(version), version.stimulus),
        blind=lifecycle.may_check(g.session, version, g.person),
    )


@bp.post("/items/<int:item_id>/key-check")
@allowed("item.review")
def check(item: Item) -> Any:
    version = _moving(item)
    answer = [key for key in request.form.getlist("slot-1") if key]
    if not answer:
        flash(_("Choose an answer first."), "error")
        return _key_check(item, version), 422
    right = lifecycle.check_key(g.session, version, answer, g.person, g.now, request.form.get("text", "")[:4000])
    if right:
        flash(_("%(code)s: your answer is the key.", code=item.code), "success")
    else:
        flash(_("%(code)s: your answer is not the key. The item goes back to its author.", code=item.code), "warning")
    return redirect(f"/analyst/bank/{item.bank_id}", 303)


# --- as candidates see it ---------------------------------------------------------------------------------------------------------------


def as_question(content: rules.Content, stimulus: Stimulus | None, seed: int | None = None) -> dict[str, Any]:
    """The item as the test page takes it; with a seed, in one of the orders in which a candidate may meet its options."""
    options = list(content.options)
    if seed is not None and content.shuffle:
        free = [option for option in options if not option.fixed]
        random.Random(seed).shuffle(free)
        options = [option if option.fixed else free.pop(0) for option in options]
    return {
        "number": 1,
        "place": 1,
        "stem_html": shown(content.stem),
        "options": [{"key": option.key, "html": shown(option.html)} for option in options],
        "most": content.max_choices if content.kind is rules.Kind.MULTIPLE else None,
        "language": content.language,
        "stimulus": None if stimulus is None else {"title": stimulus.title, "html": shown(stimulus.html)},
    }


@bp.get("/items/<int:item_id>/preview")
@recorded
@allowed("item.see")
def preview(item: Item) -> Any:
    """A page of its own, with the test page's own style sheets, and nothing of the bank on it."""
    version = _version(item, request.args.get("version"))
    lifecycle.opened(g.session, version, g.person, g.now)
    return _preview(service.content_of(version), version.stimulus)


def _preview(content: rules.Content, stimulus: Stimulus | None) -> str:
    seed = request.values.get("seed", "")
    theme = request.values.get("theme", "")
    question = as_question(content, stimulus, int(seed) if seed.isdigit() and len(seed) < 12 else None)
    return render_template("itembank/preview.html", slot=question, theme=theme if theme in ("dark", "contrast") else "")


@bp.post("/<int:bank_id>/preview")
@allowed("item.begin")
def preview_typed(bank: Bank) -> Any:
    """What is in the editor now: the page as candidates would see it, and what an editor would say. Nothing is kept."""
    content, stimulus, _faults = typed(bank)
    passage = stimulus.html if stimulus else ""
    grade = readability.grade_of(content, passage)
    advice = lint.advice(content, passage, grade, rules.Policy.of(bank.policy))
    if request.form.get("as") == "page":
        return _preview(content, stimulus)
    return jsonify(page=_preview(content, stimulus), advice=render_template("itembank/_advice.html", advice=advice, grade=grade))


# --- the editor ----------------------------------------------------------------------------------------------------------------------------


def _free_code(bank: Bank, area: str) -> str:
    stem = area or "ITEM"
    taken = set(g.session.scalars(select(Item.code).where(Item.bank_id == bank.id, Item.code.startswith(f"{stem}-"))))
    number = 1
    while f"{stem}-{number:02}" in taken:
        number += 1
    return f"{stem}-{number:02}"


def _decimal(text: str) -> Decimal | None:
    try:
        found = Decimal(text.strip().replace(",", "."))
    except InvalidOperation:
        return None
    return found if found.is_finite() and abs(found) < 1000 else None


def typed(bank: Bank) -> tuple[rules.Content, Stimulus | None, list[str]]:
    """The content as the form of the editor says it, its passage, and what is wrong with it. Keys stay with their options."""
    said = request.form
    kind = rules.Kind(said["kind"]) if said.get("kind") in set(rules.Kind) else rules.Kind.SINGLE
    passages = {one.code: one for one in queries.passages(g.session, bank)}
    stimulus = passages.get(said.get("stimulus", ""))
    weighted = kind is rules.Kind.MULTIPLE and said.get("scoring") == "weights"
    options, faults = [], []
    keys = list(dict.fromkeys(said.getlist("key")))
    if len(keys) > MOST_OPTIONS:
        faults.append("too-many")
    for key in keys:
        html = tidy(inline(said.get(f"option-{key}", "")))
        if not html or not key.isalpha() or len(key) > 2:
            continue
        weight = _decimal(said.get(f"weight-{key}", "")) if weighted else None
        if weighted and weight is None:
            faults.append("weight")
        options.append(
            rules.Option(
                key, html, f"fixed-{key}" in said, (weight or Decimal(0)) if weighted else None, said.get(f"why-{key}", "").strip()
            )
        )
    known = {option.key for option in options}
    correct = tuple(key for key in said.getlist("correct") if key in known)
    limit = said.get("max_choices", "")
    content = rules.Content(
        stem=tidy(markup.marked_up(said.get("stem", ""))),
        options=tuple(options),
        correct=correct,
        kind=kind,
        title=said.get("title", "").strip()[:200],
        rationale=said.get("rationale", "").strip(),
        lower=_decimal(said.get("lower", "")) if weighted else None,
        upper=_decimal(said.get("upper", "")) if weighted else None,
        shuffle="shuffle" in said,
        max_choices=(int(limit) if limit.isdigit() and len(limit) < 3 else 0) if kind is rules.Kind.MULTIPLE else 1,
        language=said.get("language", "en") if said.get("language") in LANGUAGES else "en",
        stimulus=stimulus.digest if stimulus else None,
    )
    if kind is not rules.Kind.MULTIPLE and len(correct) > 1:
        faults.append("one-key")
    return content, stimulus, [*content.faults(), *faults]


def inline(text: str) -> str:
    """An option as it was typed: a tag is kept, a line alone needs no paragraph."""
    return text.strip() if markup.TAG.search(text) else markup.inline(text)


def as_typed(html: str, back: Callable[[str], str]) -> str:
    """Plain text where saving it gives the same html again (`back` is what saving makes of it), else the html itself."""
    text = unescape(html.replace("</p><p>", "\n\n").removeprefix("<p>").removesuffix("</p>").replace("<br>", "\n"))
    return text if tidy(back(text)) == html else html


def _about(bank: Bank) -> service.About:
    said = request.form
    areas = {str(one["code"]) for one in bank.areas}
    expires = said.get("expires_on", "")
    try:
        day = date.fromisoformat(expires) if expires else None
    except ValueError:
        day = None
    known = {one.code for one in queries.statements(g.session, bank)}
    return service.About(
        area=said["area"] if said.get("area") in areas else "",
        level=rules.Level(said["level"]) if said.get("level") in set(rules.Level) else None,
        statements=tuple(code for code in said.getlist("statements") if code in known),
        tags=tuple(tag.strip()[:60] for tag in said.get("tags", "").split(",") if tag.strip()),
        source=said.get("source", "").strip()[:300],
        security=rules.Security(said["security"]) if said.get("security") in set(rules.Security) else rules.Security.SECURE,
        calculator="calculator" in said,
        expires_on=day,
    )


def _editor(bank: Bank, item: Item | None, version: ItemVersion | None, said: dict[str, Any], faults: list[str]) -> Any:
    rail("bank")
    return render_template(
        "itembank/edit.html",
        bank=bank,
        item=item,
        version=version,
        said=said,
        faults=faults,
        statements=queries.statements(g.session, bank),
        choices=choices(bank),
    )


def _blank(bank: Bank) -> dict[str, Any]:
    option = {"html": "", "fixed": False, "weight": "", "why": "", "correct": False}
    return {
        "content": rules.Content("", (), ()),
        "stem": "",
        "options": [{"key": key, **option} for key in "abcd"],
        "about": service.About(request.args.get("area", "")),
        "difficulty": "medium",
        "stimulus": "",
    }


def _held(content: rules.Content, about: service.About, difficulty: str, stimulus: str) -> dict[str, Any]:
    """What the editor shows, with room for one more option."""
    options = [
        {
            "key": option.key,
            "html": as_typed(option.html, inline),
            "fixed": option.fixed,
            "weight": "" if option.weight is None else rules.plain(option.weight),
            "why": option.rationale,
            "correct": option.key in content.correct,
        }
        for option in content.options
    ]
    used = {option["key"] for option in options}
    more = [letter for letter in "abcdefghij" if letter not in used][: max(1, 4 - len(options))]
    options += [{"key": key, "html": "", "fixed": False, "weight": "", "why": "", "correct": False} for key in more]
    stem = as_typed(content.stem, markup.marked_up)
    return {"content": content, "stem": stem, "options": options, "about": about, "difficulty": difficulty, "stimulus": stimulus}


@bp.get("/<int:bank_id>/new")
@allowed("item.begin")
def new(bank: Bank) -> Any:
    return _editor(bank, None, None, _blank(bank), [])


@bp.post("/<int:bank_id>/new")
@allowed("item.begin")
def begin(bank: Bank) -> Any:
    content, stimulus, faults = typed(bank)
    about = _about(bank)
    if faults:
        held = _held(content, about, request.form.get("difficulty", ""), request.form.get("stimulus", ""))
        return _editor(bank, None, None, held, faults), 422
    code = _free_code(bank, about.area)
    made = Item(bank_id=bank.id, code=code, area=about.area)
    g.session.add(made)
    g.session.flush()
    return _keep(made, content, stimulus, about)


def _keep(item: Item, content: rules.Content, stimulus: Stimulus | None, about: service.About) -> Any:
    service.describe(g.session, item, about)
    difficulty = request.form.get("difficulty", "")
    version = service.write(g.session, item, content, stimulus, difficulty if difficulty in DIFFICULTIES else "", g.now, g.person)
    flash(_("Saved as version %(number)s of %(code)s.", number=version.number, code=item.code), "success")
    return redirect(_url(item) if request.form.get("then") != "stay" else f"{_url(item)}/edit", 303)


def _moved(newest: ItemVersion | None) -> str:
    """What somebody else did while this was typed, which is then shown again with a word about it; nothing typed is lost."""
    if newest is not None and newest.state == State.IN_REVIEW:
        return "in-review"
    return "moved" if request.form.get("seen") != str(newest.number if newest else 0) else ""


@bp.get("/items/<int:item_id>/edit")
@recorded
@allowed("item.write")
def edit(item: Item) -> Any:
    version = _version(item)
    lifecycle.opened(g.session, version, g.person, g.now)
    about = service.about_of(item)
    held = _held(service.content_of(version), about, version.difficulty, version.stimulus.code if version.stimulus else "")
    return _editor(item.bank, item, version, held, [])


@bp.post("/items/<int:item_id>/edit")
@allowed("item.write")
def save(item: Item) -> Any:
    version = _version(item)
    content, stimulus, faults = typed(item.bank)
    content = replace(content, catalog=version.catalog)
    about = _about(item.bank)
    if moved := _moved(version):
        faults.append(moved)
    if faults:
        held = _held(content, about, request.form.get("difficulty", ""), request.form.get("stimulus", ""))
        return _editor(item.bank, item, version, held, faults), 409 if moved else 422
    return _keep(item, content, stimulus, about)


# --- in another language ---------------------------------------------------------------------------------------------------------------


def _to_say(item: Item, language: str) -> tuple[ItemVersion, ItemVersion | None]:
    """The version to say in this language, and what it was last said with."""
    version = _version(item, request.values.get("version"))
    if version.variant_of_id is not None or language not in LANGUAGES or language == version.language:
        raise errors.NotFound
    return version, service.newest_variant(g.session, item, language)


def _variant_page(
    version: ItemVersion, there: ItemVersion | None, language: str, content: rules.Content, stimulus: str, fault: str = ""
) -> str:
    rail("bank")
    texts = {option.key: option for option in content.options}
    source = service.content_of(version)
    options = [
        {
            "source": option,
            "html": as_typed(texts[option.key].html, inline) if option.key in texts else "",
            "why": texts[option.key].rationale if option.key in texts else "",
        }
        for option in source.options
    ]
    return render_template(
        "itembank/variant.html",
        bank=version.item.bank,
        item=version.item,
        version=version,
        there=there,
        language=language,
        source=source,
        content=content,
        stem=as_typed(content.stem, markup.marked_up),
        options=options,
        stimulus=stimulus,
        passages=[(one.code, one.title) for one in queries.passages(g.session, version.item.bank) if one.language == language],
        fault=fault,
        shown=shown,
    )


@bp.get("/items/<int:item_id>/in/<language>")
@recorded
@allowed("item.write")
def translate(item: Item, language: str) -> Any:
    """The item beside its text in another language; options, key and kind are those of the original."""
    version, there = _to_say(item, language)
    lifecycle.opened(g.session, version, g.person, g.now)
    content = service.content_of(there) if there else rules.Content("", (), ())
    stimulus = there.stimulus.code if there and there.stimulus else ""
    return _variant_page(version, there, language, content, stimulus)


@bp.post("/items/<int:item_id>/in/<language>")
@allowed("item.write")
def keep_variant(item: Item, language: str) -> Any:
    version, there = _to_say(item, language)
    said, source = request.form, service.content_of(version)
    stimulus = next(
        (one for one in queries.passages(g.session, item.bank) if one.code == said.get("stimulus") and one.language == language), None
    )
    content = replace(
        source,
        stem=tidy(markup.marked_up(said.get("stem", ""))),
        options=tuple(
            replace(option, html=tidy(inline(said.get(f"option-{option.key}", ""))), rationale=said.get(f"why-{option.key}", "").strip())
            for option in source.options
        ),
        title=said.get("title", "").strip()[:200],
        rationale=said.get("rationale", "").strip(),
        language=language,
        stimulus=stimulus.digest if stimulus else None,
        catalog="",
    )
    if moved := _moved(there):
        return _variant_page(version, there, language, content, said.get("stimulus", ""), moved), 409
    kept = service.write_variant(g.session, version, content, stimulus, g.now, g.person)
    flash(_("Saved as version %(number)s of %(code)s.", number=kept.number, code=item.code), "success")
    return redirect(_url(item, kept), 303)


@bp.post("/<int:bank_id>/pictures")
@allowed("item.begin")
def add_picture(bank: Bank) -> Any:
    """A picture for an item or a passage: sniffed, measured, kept by its content. The reply is what to put into the text."""
    file, alt = request.files.get("picture"), request.form.get("alt", "").strip()
    if file is None or not alt:
        raise errors.BadRequest(why="picture")
    try:
        asset = Pictures(LIMITS).asset(file.read(), "picture")
    except Unfit as problem:
        raise errors.BadRequest(why=problem.reason) from problem
    if g.session.get(Picture, asset.name) is None:
        g.session.add(Picture(name=asset.name, media_type=asset.media_type, data=asset.data))
    return jsonify(html=Markup('<img src="{}" alt="{}">').format(asset.name, alt))


add_picture.takes_bytes = LIMITS.picture  # type: ignore[attr-defined]
