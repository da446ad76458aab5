"""Who may call what, on whose objects: one line for each act, so that all of them can be compared.

The object rule of a line is a function that its package registers; it receives the person and the ids of the address, and returns the object or
raises NotFound. What it lets through is what the view receives.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from flask import g

from testing_platform import errors
from testing_platform.accounts.rules import Role

EVERYONE = frozenset[Role]()
CANDIDATE = frozenset({Role.CANDIDATE})
PROCTORS = frozenset({Role.PROCTOR, Role.LEAD_PROCTOR})
ROOM = frozenset({Role.FACILITY_PROCTOR, Role.LEAD_PROCTOR})
ANALYST = frozenset({Role.ANALYST})
ANALYSTS = frozenset({Role.ANALYST, Role.APPROVER})
LEAD_PROCTOR = frozenset({Role.LEAD_PROCTOR})
SCHEDULER = frozenset({Role.SCHEDULER})
AUDITOR = frozenset({Role.AUDITOR})
OPERATOR = frozenset({Role.OPERATOR})
VALIDATION = frozenset({Role.VALIDATION_ANALYST})
WRITERS = frozenset({Role.ITEM_WRITER, Role.ANALYST})
REVIEWERS = frozenset({Role.ITEM_REVIEWER, Role.FAIRNESS_REVIEWER})
# Who may be asked about an item's key without having seen it.
EXPERTS = frozenset({Role.ITEM_REVIEWER, Role.ANALYST})
BANK = ANALYSTS | WRITERS | REVIEWERS


@dataclass(frozen=True)
class Line:
    roles: frozenset[Role]
    object: str | None = None
    # Signed by a token in place of a cookie: the answer token of the attempt, or another system's.
    token: bool = False


TABLE: dict[str, Line] = {
    "public": Line(EVERYONE),
    "sign_in": Line(EVERYONE),
    "demo": Line(EVERYONE),
    "health": Line(EVERYONE),
    "clock": Line(EVERYONE),
    "sign_out": Line(frozenset(Role)),
    # candidate
    "candidate.home": Line(CANDIDATE),
    "appointment.check_in": Line(CANDIDATE, "own_appointment"),
    "attempt.check_in": Line(CANDIDATE, "own_attempt"),
    "attempt.begin": Line(CANDIDATE, "own_attempt"),
    "attempt.take": Line(CANDIDATE, "own_attempt"),
    "attempt.take_over": Line(CANDIDATE, "own_attempt"),
    "attempt.receipt": Line(CANDIDATE, "own_attempt"),
    "attempt.result": Line(CANDIDATE, "own_attempt"),
    "attempt.ticket": Line(CANDIDATE, "own_attempt"),
    "attempt.respond": Line(EVERYONE, "token_attempt", token=True),
    "attempt.resume_contact": Line(EVERYONE, "token_attempt", token=True),
    "attempt.submit": Line(EVERYONE, "token_attempt", token=True),
    "attempt.write": Line(EVERYONE, "token_attempt", token=True),
    "attempt.comment": Line(EVERYONE, "token_attempt", token=True),
    # proctor
    "proctor.home": Line(PROCTORS | ROOM),
    "session.watch": Line(PROCTORS, "assigned_session"),
    "attempt.watch": Line(PROCTORS, "assigned_attempt"),
    "attempt.act": Line(PROCTORS, "assigned_attempt"),
    "attempt.evidence": Line(PROCTORS, "assigned_attempt"),
    "attempt.flag": Line(PROCTORS, "assigned_attempt"),
    # the room of a City facility
    "room.see": Line(ROOM, "assigned_room"),
    "room.act": Line(ROOM, "assigned_room"),
    # analyst
    # Those who work in the item bank alone are led there.
    "analyst.home": Line(BANK),
    "bulletin.list": Line(ANALYSTS),
    "administration.see": Line(ANALYSTS, "administration"),
    "administration.give": Line(ANALYST, "administration"),
    "blueprint.list": Line(ANALYSTS),
    "blueprint.see": Line(ANALYSTS, "blueprint"),
    "blueprint.write": Line(ANALYST),
    "assembly.see": Line(ANALYSTS, "assembly"),
    "pool.freeze": Line(ANALYST),
    "pool.see": Line(ANALYSTS, "pool"),
    "pool.draw": Line(ANALYST, "pool"),
    "form.see": Line(ANALYSTS, "form"),
    "form.assemble": Line(ANALYST),
    "form.lock": Line(ANALYST, "form"),
    "bulletin.see": Line(ANALYSTS, "examination"),
    "key.see": Line(ANALYSTS, "administration"),
    "key.change": Line(ANALYST, "administration"),
    "key.lock": Line(ANALYST, "administration"),
    # The key itself is not on the experts' pages.
    "panel.home": Line(EXPERTS),
    "panel.rule": Line(EXPERTS, "panel_item"),
    "score.see": Line(ANALYSTS, "administration"),
    "score.run": Line(ANALYST, "administration"),
    "equating.keep": Line(ANALYST, "administration"),
    "passing_score.see": Line(ANALYSTS, "administration"),
    "passing_score.propose": Line(ANALYST, "administration"),
    "passing_score.decide": Line(ANALYSTS, "administration"),
    "result.list": Line(ANALYSTS, "administration"),
    "result.letter": Line(ANALYST, "administration"),
    # forensics: candidates' numbers with their answers, for those who look into them; names for the lead proctor whom one is referred to
    "forensics.see": Line(ANALYST, "administration"),
    "forensics.conclude": Line(ANALYST, "administration"),
    # results that are kept back while something is settled
    "hold.list": Line(LEAD_PROCTOR),
    "hold.place": Line(LEAD_PROCTOR),
    "hold.clear": Line(LEAD_PROCTOR, "result_hold"),
    "referral.list": Line(LEAD_PROCTOR),
    "referral.see": Line(LEAD_PROCTOR, "referred_lead"),
    "referral.answer": Line(LEAD_PROCTOR, "referred_lead"),
    # item bank: its owners, and those who write, review and check
    "bank.home": Line(BANK),
    "bank.see": Line(BANK, "bank"),
    "bank.own": Line(ANALYST, "bank"),
    "bank.export": Line(ANALYST, "bank"),
    "item.see": Line(BANK, "item"),
    "item.write": Line(WRITERS, "item"),
    "item.begin": Line(WRITERS, "bank"),
    "item.review": Line(REVIEWERS, "item"),
    "item.own": Line(ANALYST, "item"),
    "item.waive": Line(ANALYSTS, "item"),
    # scheduler: names and PASS, never a score
    "scheduler.home": Line(SCHEDULER),
    "interview.list": Line(SCHEDULER, "released_administration"),
    "interview.export": Line(SCHEDULER, "released_administration"),
    "interview.invite": Line(SCHEDULER, "released_administration"),
    # validation analyst: how groups fare. Whoever sets the cut is refused by the object rule, whatever other roles they have.
    "validation.home": Line(VALIDATION),
    "impact.see": Line(VALIDATION, "groups_of_administration"),
    "impact.export": Line(VALIDATION, "groups_of_administration"),
    "impact.countersign": Line(VALIDATION, "groups_of_administration"),
    "impact.send_back": Line(VALIDATION, "groups_of_administration"),
    "dif.see": Line(VALIDATION, "groups_of_administration"),
    # other systems, by a token that a scheduler made
    "api.tokens": Line(SCHEDULER),
    "api.list": Line(EVERYONE, "api_token", token=True),
    "api.export": Line(EVERYONE, "api_released_administration", token=True),
    # auditor: the trail, which holds no test content and no names
    "auditor.home": Line(AUDITOR),
    "trail.see": Line(AUDITOR),
    "trail.verify": Line(AUDITOR),
    # operator: accounts and machines, never test content
    "operator.home": Line(OPERATOR),
}

ObjectRule = Callable[..., Any]
_rules: dict[str, ObjectRule] = {}


def object_rule(name: str) -> Callable[[ObjectRule], ObjectRule]:
    def keep(rule: ObjectRule) -> ObjectRule:
        _rules[name] = rule
        return rule

    return keep


def allowed(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Lets the view run for those whom the table names, and hands it the object of its line."""
    line = TABLE[name]

    def wrap(view: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(view)
        def guarded(**ids: Any) -> Any:
            if line.roles:
                if g.person is None:
                    raise errors.SignInNeeded
                if not g.person.roles & line.roles:
                    raise errors.Forbidden
            if line.object is None:
                return view(**ids)
            found = _rules[line.object](g.session, g.person, **ids)
            rest = {key: value for key, value in ids.items() if not key.endswith("_id")}
            return view(found, **rest)

        guarded.permission = name  # type: ignore[attr-defined]
        return guarded

    return wrap
