"""Scenarios: numbers of the chooser kept under a name beside others, until one is proposed and it is said why not the rest."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from testing_platform import errors
from testing_platform.accounts.models import Person
from testing_platform.audit import service as audit
from testing_platform.scoring import rules, together
from testing_platform.scoring.chooser_models import Scenario
from testing_platform.scoring.models import ScoreRun

MOST = 12  # of one scoring: so many can be read side by side
NAME = 60
REASONS = ("rates_reason", "below_reason")


class NameMissing(errors.Refusal):
    code = "scenario-name-missing"


class NameTaken(errors.Refusal):
    code = "scenario-name-taken"


class TooManyScenarios(errors.Refusal):
    code = "too-many-scenarios"


def of_run(session: Session, run: ScoreRun) -> list[Scenario]:
    return list(session.scalars(select(Scenario).where(Scenario.run_id == run.id).order_by(Scenario.id)))


def keep(
    session: Session,
    run: ScoreRun,
    person: Person,
    name: str,
    cut: int,
    inputs: rules.Inputs,
    choice: rules.Choice,
    now: datetime,
    counted: together.Together | None = None,
) -> Scenario:
    """`counted`: with which other administrations, if with any. Raises NameMissing, NameTaken, TooManyScenarios, or FaultyCut."""
    name = name.strip()[:NAME]
    if not name:
        raise NameMissing
    if not 0 <= cut <= run.maximum:
        raise rules.FaultyCut(cut=cut, maximum=run.maximum)
    kept = of_run(session, run)
    if any(one.name.casefold() == name.casefold() for one in kept):
        raise NameTaken(name=name)
    if len(kept) >= MOST:
        raise TooManyScenarios(most=MOST)
    row = choice.row(cut).told()
    made = Scenario(
        run_id=run.id,
        name=name,
        cut=cut,
        inputs=_numbers(inputs),
        figures={name: getattr(choice, name) for name in ("point", "assured", "assured_certain")}
        | {name: row[name] for name in ("passers", "probability", "certain")}
        | ({"others": [together.in_short(one, cut) for one in counted.told()["others"]]} if counted else {}),
        made_by_id=person.id,
        made_at=now,
    )
    session.add(made)
    session.flush()
    audit.record(session, "scenario.kept", f"administration:{run.administration_id}", now, person.id, scenario=made.id, cut=cut)
    return made


def remove(session: Session, run: ScoreRun, number: int, person: Person, now: datetime) -> None:
    """By who made it alone. Raises NotFound, or Forbidden for anyone else."""
    found = session.get(Scenario, number)
    if found is None or found.run_id != run.id:
        raise errors.NotFound
    if found.made_by_id != person.id:
        raise errors.Forbidden
    session.delete(found)
    audit.record(session, "scenario.removed", f"administration:{run.administration_id}", now, person.id, scenario=number)


def _numbers(inputs: rules.Inputs) -> dict[str, Any]:
    """What makes a scenario another one; the reasons belong to a proposal."""
    return {name: value for name, value in inputs.told().items() if name not in REASONS}


def others(session: Session, run: ScoreRun, cut: int, inputs: rules.Inputs) -> list[Scenario]:
    """Those that are not what these numbers and this cut propose."""
    return [one for one in of_run(session, run) if (one.cut, one.inputs) != (cut, _numbers(inputs))]


def set_aside(session: Session, run: ScoreRun, cut: int, inputs: rules.Inputs, against: Mapping[int, str]) -> list[dict[str, Any]]:
    """The alternatives as a decision keeps them, each with the reason why it was not chosen. Raises ReasonMissing, naming those without."""
    found = others(session, run, cut, inputs)
    missing = [one.id for one in found if not against.get(one.id, "").strip()]
    if missing:
        raise rules.ReasonMissing(what="alternatives", names=missing)
    return [
        {"name": one.name, "cut": one.cut, "inputs": one.inputs, "figures": one.figures, "reason": against[one.id].strip()[:2000]}
        for one in found
    ]
