"""From a refusal's facts to a status and to sentences that say what happened and what to do."""

from typing import Any
from urllib.parse import urlsplit

import structlog
from flask import Flask, current_app, g, jsonify, redirect, render_template, request
from flask_babel import gettext as _
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

from testing_platform import errors
from testing_platform.accounts.rules import Area
from testing_platform.db import DBAPIError
from testing_platform.web.frame import wants_json

log = structlog.get_logger("web")

STATUS = {
    "not-found": 404,
    "forbidden": 403,
    "sign-in-needed": 401,
    "bad-request": 400,
    "version-moved": 409,
    "lead-moved": 409,
    "result-is-out": 409,
    "held-already": 409,
    "hold-moved": 409,
    "not-now": 409,
    "not-ready": 409,
    "bad-token": 401,
    "too-many": 429,
    "unavailable": 503,
    "choice-missing": 422,
    "over-the-limit": 422,
    "empty-message": 422,
    "comments-full": 409,
    "reason-missing": 422,
    "unknown-code": 422,
    "link-ended": 410,
    "wrong-sign-in": 422,
    "bad-picture": 422,
    "same-person": 403,
    "sets-the-cut": 403,
    "not-countersigned": 409,
    "countersigned-already": 409,
    "saw-groups": 403,
    "step-waived": 422,
    "not-released": 409,
    "still-passes": 409,
    "unknown-export": 404,
    "faulty-layout": 409,
    "nothing-to-send-again": 409,
    "faulty-address": 422,
    "faulty-plan": 422,
    # the room of a City facility
    "not-on-the-list": 422,
    "no-such-seat": 422,
    "seat-taken": 409,
    "not-seated": 409,
    "wrong-start-code": 422,
    "not-on-roster": 422,
    "at-the-facility": 409,
    "no-proctor-here": 409,
    "room-paused": 409,
    "nobody-testing": 409,
    "room-paused-already": 409,
    "room-not-paused": 409,
    "room-full": 409,
    "wrong-take-over-code": 422,
    "incomplete-report": 422,
    "too-late-to-take-back": 409,
    "faulty-key": 422,
    "on-trial": 409,
    "drawn-forms": 409,
    "form-fixed": 409,
    "key-in-use": 409,
    "bad-api-token": 401,
    "own-ruling": 409,
    "not-blind": 409,
    "panel-closed": 409,
    "asked-already": 409,
    "key-not-locked": 409,
    "still-running": 409,
    "scores-not-current": 409,
    "count-moved": 409,
    "nothing-to-decide": 409,
    "already-proposed": 409,
    "not-proposed": 409,
    "second-person-needed": 409,
    "stored-differs": 409,
    # blueprints and forms
    "faulty-blueprint": 422,
    "unknown-areas": 422,
    "form-locked": 409,
    "pool-too-small": 409,
    "no-draw": 409,
    "not-to-be-given": 409,
    # the item bank
    "no-such-move": 409,
    "not-signed": 409,
    "not-tried": 409,
    "signed-already": 409,
    "key-seen": 409,
    "own-work": 403,
    "item-not-complete": 422,
    "why-missing": 422,
    "faulty-item": 422,
    "items-refused": 422,
    "nothing-to-export": 409,
    "no-printer": 501,
    "faulty-ratings": 422,
    "no-cut": 409,
    "anchor-moved": 409,
    "scenario-name-missing": 422,
    "scenario-name-taken": 422,
    "too-many-scenarios": 422,
}


def _told(what: str) -> str:
    """In the reader's language, where it knows what it is made of."""
    return _(what.sentence, **what.facts) if isinstance(what, errors.Said) else what


def sentence(code: str, facts: dict[str, Any]) -> tuple[str, str]:
    """(what happened, what to do)."""
    back = _("Go back and load the page again. If it happens again, call the help desk.")
    known = {
        "not-found": (
            _("This page is not here"),
            _("The address may be mistyped, or the page is not yours to see. Start again from your first page."),
        ),
        "forbidden": (
            _("This is not open to you"),
            _("Your sign-in does not include this. Sign in with the account that does, or ask your supervisor."),
        ),
        "sign-in-needed": (_("Please sign in"), _("You are signed out. Sign in again; nothing was lost.")),
        "bad-request": (_("We could not read that"), back),
        "version-moved": (_("This has changed"), _("Someone changed it since you looked. Look again, then decide.")),
        "hold-moved": (_("It was cleared meanwhile"), _("Somebody else cleared it. Look at the page again.")),
        "lead-moved": (
            _("Somebody concluded on this lead"),
            _("It was since you looked. Read what they wrote, then write again if it is still needed. Nothing was changed."),
        ),
        "not-now": (
            _("This is not possible now"),
            _("The test has moved on since this page was loaded. Go back to your test page to see where it stands."),
        ),
        "not-ready": (_("It is not time yet, or the time is over"), _("Your test page shows the hours in which you can begin.")),
        "bad-token": (_("Please sign in again"), _("Your answers are kept on this computer and will be sent after you sign in.")),
        "too-many": (
            _("Too many tries"),
            _(
                "Wait %(minutes)d minutes, then try again. If you are about to miss your test, call the help desk now.",
                minutes=max(1, round(facts.get("seconds", 60) / 60)),
            ),
        ),
        "unavailable": (
            _("We cannot save right now"),
            _("Nothing was lost. Wait a moment and try again; your time is being looked after."),
        ),
        "over-the-limit": (
            _("That is more time than you may give"),
            _(
                "You may give up to %(limit)d minutes in all; %(given)d are given. A lead proctor can give more.",
                limit=facts.get("limit_minutes", 0),
                given=facts.get("given_minutes", 0),
            ),
        ),
        "empty-message": (_("The message has no text, or too much"), _("Write between 1 and 500 characters.")),
        "comments-full": (
            _("You have written very many comments"),
            _("All of them are kept. Go on with your test; your answers are safe."),
        ),
        "reason-missing": (_("A reason is needed"), _("Choose a reason from the list.")),
        "same-person": (_("A second person is needed"), _("Another lead proctor has to confirm what you proposed.")),
        "step-waived": (_("This candidate chose to go without that step"), _("Compare with the live picture, or write to the candidate.")),
        "not-released": (
            _("Nobody has passed or failed yet"),
            _("Results exist when two people have signed the passing score. Then this opens."),
        ),
        "still-passes": (
            _("This candidate passes"),
            _("An invitation is withdrawn only when a later decision changed the result. Look at the list again."),
        ),
        "faulty-layout": (
            _("The file cannot be written"),
            _(
                "The bulletin’s layout for the applicant system names columns that there are not: %(names)s. Correct the bulletin; the other files can be had.",
                names=", ".join(facts.get("unknown", [])),
            ),
        ),
        "nothing-to-send-again": (
            _("There is nothing to send again"),
            _("The letter arrived, is on its way, or would come too late. Look at the list again."),
        ),
        "faulty-address": (
            _("That address cannot be used"),
            _("Somebody else has it, or it is no e-mail address. Go back and correct it."),
        ),
        "faulty-plan": (_("The plan cannot be read"), _("Go back to the plan, correct it and look at the preview again.")),
        "link-ended": (
            _("This link no longer works"),
            _("A link works once, for a short time. Sign in with your admission code, or call the help desk for a new link."),
        ),
        "not-on-the-list": (_("One more choice is needed"), _("Choose from the list. For another document, write down which one it was.")),
        "no-such-seat": (
            _("The room has no such seat"),
            _("The seats of this room are numbered from 1 to %(seats)d.", seats=facts.get("seats", 0)),
        ),
        "seat-taken": (
            _("Seat %(seat)d is taken", seat=facts.get("seat", 0)),
            _("%(name)s sits there. Choose a free seat.", name=facts["name"])
            if facts.get("name")
            else _("Somebody was given this seat a moment ago. Choose a free seat."),
        ),
        "not-seated": (
            _("You have no seat in this room yet"),
            _("Please go to the proctor’s desk with your identity document. You get a seat there."),
        ),
        "wrong-start-code": (_("This is not the code on the board"), _("Look at the board again, or ask the proctor for the code.")),
        "not-on-roster": (_("We do not find this number here"), _("Check your candidate number, or ask at the proctor’s desk.")),
        "at-the-facility": (
            _("This test is taken at a City facility"),
            _("Come to the room at the time on your card. The proctor gives you a seat and shows the start code."),
        ),
        "no-proctor-here": (
            _("The proctor has not opened the room yet"),
            _("Tell the proctor. The start code has to be on the board before you can begin."),
        ),
        "room-paused": (
            _("The room is paused"),
            _("Nobody can begin at the moment. Your time has not started. Go back and press Begin again when the proctor says so."),
        ),
        "nobody-testing": (_("Nobody is testing in this room"), _("A message is read on the page of the test. Speak to the room instead.")),
        "room-paused-already": (_("The room is paused already"), _("Someone paused it before you. Look again.")),
        "room-not-paused": (_("The room is not paused"), _("Someone let it go on before you. Look again.")),
        "room-full": (_("This room is full"), _("Every seat is booked. Choose another session.")),
        "wrong-take-over-code": (
            _("This code does not open your test here"),
            _("A code for another workstation works once, for ten minutes, with your own candidate number. Ask the proctor for a new one."),
        ),
        "incomplete-report": (
            _("The report is not complete"),
            {
                "kind": _("Choose what kind it was."),
                "text": _("Write what happened, in up to 4000 characters."),
                "began": _("Say when it began. It cannot lie ahead."),
                "ended": _("The end comes after the beginning, and cannot lie ahead."),
                "reason": _("Give a reason."),
            }.get(str(facts.get("field")), _("Something is missing.")),
        ),
        "too-late-to-take-back": (
            _("The day is over"),
            _("A no-show is taken back on the day of the test. Ask the exam analyst for another date."),
        ),
        "bad-picture": (_("The picture could not be used"), _("Take it again. If it happens again, call the help desk.")),
        "faulty-key": (_("The item has no such option"), _("Nothing was changed. Go back to the item and choose among its options.")),
        "drawn-forms": (
            _("Here each candidate had a form of their own"),
            _(
                "To drop the item would lower what those alone can reach who had it. Give it right to everyone who had it. Nothing was changed."
            ),
        ),
        "form-fixed": (
            _("What is given cannot be changed any more"),
            {
                "check-in": _("Check-in has opened: from then on candidates are given their forms. Plan another administration."),
                "key": _("The key of this administration was made, and it goes with the form."),
            }.get(facts.get("why", ""), back),
        ),
        "on-trial": (_("This item is on trial"), _("It counts for nobody, whatever is ruled. Nothing was changed.")),
        "bad-api-token": (
            _("This token opens nothing"),
            _("Send the header Authorization: Bearer with a token that a scheduler made and nobody took back."),
        ),
        "key-in-use": (
            _("A passing score rests on this key"),
            _(
                "Have the proposal taken back first. Once results are out, say on the item's page that your change begins a superseding decision."
            ),
        ),
        "own-ruling": (
            _("You ruled on this item as an expert"),
            _("Another analyst rules on its key, with what the experts said. Nothing was changed."),
        ),
        "not-blind": (
            _("You cannot rule on this item blind"),
            {
                "wrote": _("You wrote it. Somebody else has to answer."),
                "made": _("You made or locked a key of this administration, or asked the experts. Somebody else has to answer."),
                "looked": _("You have looked at the key of this administration. Somebody else has to answer."),
            }.get(str(facts.get("why")), _("Somebody who has not seen its key has to answer.")),
        ),
        "panel-closed": (_("This item has its rulings"), _("Your answer was not kept: you have answered already, or enough others have.")),
        "asked-already": (_("The experts were asked about this item"), _("Look at the panel again. Nothing was asked twice.")),
        "key-not-locked": (_("The key is not locked"), _("Look the key over and lock it; then make the raw scores.")),
        "still-running": (
            _("Not everyone has handed in"),
            _("Tests are under way, or somebody may still begin. The scoring page says how many; come back when they have handed in."),
        ),
        "scores-not-current": (
            _("The raw scores are not current"),
            _("The key or the attempts have changed since. Make the raw scores anew, then propose again."),
        ),
        "count-moved": (
            _("An administration that was counted has changed"),
            _("It was scored or decided since this was proposed. Send the proposal back; the passing score page counts anew."),
        ),
        "no-cut": (
            _("There is no passing score to carry over"),
            _("This method does not reach the passing score of the earlier administration. Choose another administration or method."),
        ),
        "anchor-moved": (
            _("This has changed since you looked"),
            _("An item of the anchor was ruled on, or one of the two administrations was scored anew. Load the page again, then decide."),
        ),
        "nothing-to-decide": (_("Nobody was scored"), _("A passing score needs at least one counting test.")),
        "already-proposed": (_("A proposal waits already"), _("Sign it, or have it taken back, before another is made.")),
        "not-proposed": (
            _("This proposal no longer waits"),
            _("It was signed, sent back or taken back meanwhile. The page of the passing score says which."),
        ),
        "second-person-needed": (
            _("A second person signs"),
            _("The passing score takes effect when an approver who did not propose it signs. Nothing was changed."),
        ),
        "sets-the-cut": (
            _("Whoever sets the passing score sees no groups"),
            _("You propose or approve passing scores, or have decided this one. How groups fare is for a validation analyst alone."),
        ),
        "saw-groups": (
            _("You have seen how groups fare here"),
            _("Somebody who has not proposes and signs the passing score. Nothing was changed."),
        ),
        "not-countersigned": (
            _("A validation analyst has not countersigned yet"),
            _("The proposal waits until somebody who sees how groups fare has weighed alternatives to it. Nothing was signed."),
        ),
        "countersigned-already": (_("This proposal is countersigned already"), _("Its page says when and by whom.")),
        "stored-differs": (
            _("The stored table is not what the scores give"),
            _("Nothing was signed. Send the proposal back and tell the operator: the stored figures have to be looked into."),
        ),
        "pool-too-small": (
            _("The bank is too small for that cap"),
            _(
                "These items would come to more candidates: %(items)s. Write more of their kind, or allow a larger share.",
                items=", ".join(facts["items"]),
            )
            if facts.get("items")
            else _("No form that keeps it can be drawn. Allow a larger share, or see on the blueprint’s page where the bank is short."),
        ),
        "no-draw": (_("This seed gives no form that keeps every rule"), _("Go back and draw with another seed.")),
        "faulty-blueprint": (
            _("The blueprint cannot be read"),
            _(
                "Look at the entry “%(where)s”: %(why)s. Nothing was kept.",
                where=facts.get("where", ""),
                why={
                    "missing": _("it is missing"),
                    "unknown": _("there is no such entry"),
                    "wrong-type": _("it is of another kind than it should be"),
                    "out-of-range": _("the number is too small or too large"),
                    "min-above-max": _("the least is above the most"),
                    "twice": _("it stands twice"),
                    "cells-need-more": _("its cells need more items than the section has"),
                    "cells-take-fewer": _("its cells take fewer items than the section has"),
                    "not-the-items": _("it does not count the items that are named"),
                    "not-a-table": _("it should be a table"),
                    "not-toml": _("the text is not TOML"),
                    "too-deep": _("it stands too many levels deep"),
                }.get(str(facts.get("why")), ""),
            ),
        ),
        "unknown-areas": (
            _("The bank does not have these areas"),
            _("The blueprint names %(areas)s. Use the codes of the bank’s content areas.", areas=", ".join(facts.get("areas", []))),
        ),
        "no-such-move": (
            _("This does not fit where the item stands"),
            _("Look at the item again. An item in review is taken back before it is edited."),
        ),
        "not-signed": (
            _("Signatures are missing"),
            _("The item’s page says which are still to come. Each is of another person, none of an author."),
        ),
        "not-tried": (
            _("The trial does not say yet that this item may count"),
            _("Wait for enough candidates, or have somebody sign why it may count without. The item’s page shows its figures."),
        ),
        "signed-already": (_("You have signed this version already"), _("Each signature under a version is of another person.")),
        "key-seen": (_("You have seen this key"), _("Only somebody who has not can answer it blind. Choose another item.")),
        "own-work": (_("You wrote this item"), _("Somebody else signs and approves it.")),
        "item-not-complete": (
            _("The item is not complete"),
            _("It needs a stem, a text in each option, and an alternative text for each picture. Edit it, then hand it in."),
        ),
        "why-missing": (_("A reason is needed"), _("Write why in a few words, then press again.")),
        "faulty-item": (_("The item cannot be kept like this"), _("Go back and look at its options, key and passage.")),
        "nothing-to-export": (
            _("There is no item to write"),
            _("The bank or the area that was chosen has none that could go out. Go back and choose another."),
        ),
        "no-printer": (
            _("This installation cannot make a PDF"),
            _("Take the page to print instead, and print it from the browser; or ask the operator to install the extra “reports”."),
        ),
        "items-refused": (
            _("Nothing is taken from this file"),
            _(
                "%(file)s: %(why)s. Have it written anew, or leave out that part.",
                file=facts.get("file", ""),
                why=_told(facts.get("why", "")),
            ),
        ),
        "not-to-be-given": (
            _("This form cannot be given"),
            _(
                "These items are not in use, or the test page has no way to answer them: %(codes)s. Exchange them, then lock the form.",
                codes=", ".join([*facts.get("states", []), *facts.get("kinds", [])]),
            ),
        ),
        "form-locked": (
            _("This form is locked"),
            _("A locked form does not change. Assemble or compose a new one."),
        ),
        "too-large": (
            _("That is too large"),
            _("Nothing was taken. Go back and choose a file of less than %(size)s MB.", size=facts.get("megabytes", 1)),
        ),
    }
    return known.get(code, (_("Something went wrong"), back))


def register(app: Flask) -> None:
    # For a page that keeps the place of who was refused, and shows the words there.
    app.extensions["sentence"] = sentence
    app.register_error_handler(errors.Refusal, refused)
    app.register_error_handler(CSRFError, lambda problem: refused(errors.BadRequest(why="form-token")))
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(DBAPIError, _database)
    app.register_error_handler(Exception, _fault)


def refused(refusal: errors.Refusal) -> Any:
    status = STATUS.get(refusal.code, 422)
    log.info("refused", code=refusal.code, status=status, path=request.url_rule.rule if request.url_rule else None)
    return answer(refusal.code, status, refusal.facts)


def answer(code: str, status: int, facts: dict[str, Any]) -> Any:
    happened, act = sentence(code, facts)
    headers = {"Retry-After": str(facts.get("seconds", 2))} if status in (429, 503) else {}
    if wants_json(request):
        kept = {key: value for key, value in facts.items() if isinstance(value, str | int | float | bool | list | type(None))}
        return jsonify(code=code, facts=kept, sentence=f"{happened}. {act}"), status, headers
    area = g.get("area", Area.PUBLIC)
    if code == "sign-in-needed" and area != Area.PUBLIC and request.method == "GET":
        return redirect(f"/{area}/sign-in?next={request.path}")
    page = render_template("errors/refusal.html", code=code, happened=happened, act=act, status=status, before=_before())
    return page, status, headers


def _before() -> str:
    """The page of ours with the form that was sent, where the browser says so and it can be asked for."""
    parts = urlsplit(request.referrer or "")
    if request.method != "POST" or parts.netloc != request.host:
        return ""
    # Two strokes at its beginning would lead to another host.
    path = "/" + parts.path.lstrip("/")
    try:
        current_app.url_map.bind("").match(path, "GET")
    except HTTPException:
        return ""
    return path + ("?" + parts.query if parts.query else "")


def _http(problem: HTTPException) -> Any:
    code = {404: "not-found", 405: "bad-request", 413: "too-large", 400: "bad-request"}.get(problem.code or 500, "fault")
    if 300 <= (problem.code or 500) < 400:
        return problem
    return answer(code, problem.code or 500, {"megabytes": (request.max_content_length or 0) // 2**20} if code == "too-large" else {})


def _database(problem: DBAPIError) -> Any:
    log.error("database", kind=type(problem).__name__, exc_info=True)
    return answer("unavailable", 503, {})


def _fault(problem: Exception) -> Any:
    log.error("fault", kind=type(problem).__name__, path=request.url_rule.rule if request.url_rule else None, exc_info=True)
    return answer("fault", 500, {})
