"""The analyses of a stored administration: what the scored tests of one run answered, as the arrays that the commands on files take, and their figures.

Nobody's name, number or group is in them. What a run scored never changes, so that it is read once and kept for the next page.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from threadpoolctl import threadpool_limits

from testing_platform.accounts.models import Person
from testing_platform.audit import service as audit
from testing_platform.delivery.models import Response
from testing_platform.examinations.models import Administration
from testing_platform.itembank import statistics
from testing_platform.itembank.models import Item, ItemVersion
from testing_platform.scoring import rules, service
from testing_platform.scoring.analysis import ability, classical, consistency, irt
from testing_platform.scoring.analysis.refusals import CannotSay
from testing_platform.scoring.analysis.sheets import MOST_OPTIONS, Floats, Sheet, totals
from testing_platform.scoring.analysis.speed import ItemTime, Speed, SpeedRules, speed
from testing_platform.scoring.analysis.traces import Group, traces
from testing_platform.scoring.models import RawScore, ScoreRun

KEPT = 4  # runs whose answers are kept ready
OTHER = "…"  # answers to an item with several right that are too many to be told apart


@dataclass(frozen=True)
class CalibrationRules:
    """From how many candidates on a model of two parameters is worth fitting: 200 (Drasgow 1989)."""

    calibrate_from: float = 200.0


@dataclass(frozen=True)
class Thresholds:
    """The settable rules of flags, of time and of models: the bulletin's `[policy.analysis]` where it names one, else the customary ones."""

    flags: classical.FlagRules = field(default_factory=classical.FlagRules)
    speed: SpeedRules = field(default_factory=SpeedRules)
    models: CalibrationRules = field(default_factory=CalibrationRules)
    own: frozenset[str] = frozenset()  # those that the bulletin names
    source: str = ""

    @classmethod
    def of(cls, administration: Administration) -> "Thresholds":
        said = administration.examination.bulletin.content.get("policy", {}).get("analysis", {})
        kinds = (classical.FlagRules, SpeedRules, CalibrationRules)
        flags, times, models = ({one.name: float(said[one.name]) for one in fields(kind) if one.name in said} for kind in kinds)
        own, source = frozenset({*flags, *times, *models}), str(said.get("source", ""))
        return cls(classical.FlagRules(**flags), SpeedRules(**times), CalibrationRules(**models), own, source)

    @property
    def values(self) -> dict[str, float]:
        return asdict(self.flags) | asdict(self.speed) | asdict(self.models)


@dataclass(frozen=True)
class Column:
    """One slot of the form. What does not count is held against the form's own key: `counts`, or `dropped` or right for `everyone` in the key in force."""

    slot: int
    code: str
    area: str
    item_id: int
    version_id: int
    entry: tuple[str, ...]
    standing: str


@dataclass(frozen=True)
class Answered:
    """Answers and seconds in view of all scored tests, one row each. A raw score is the row's total and what the key gives to everybody."""

    sheet: Sheet
    seconds: Floats
    columns: tuple[Column, ...]

    @property
    def credited(self) -> int:
        return sum(column.standing == "everyone" for column in self.columns) if self.sheet.order is None else 0


_kept: dict[tuple[int, str, datetime], Answered] = {}


def answered(session: Session, administration: Administration, run: ScoreRun) -> Answered:
    """What the run scored. Raises service.StoredDiffers where the stored answers do not give the run's raw scores."""
    name = (run.id, run.inputs_digest, run.made_at)
    found = _kept.get(name)
    if found is None:
        found = _read(session, administration, run)
        for oldest in list(_kept)[: max(0, len(_kept) - KEPT + 1)]:
            _kept.pop(oldest, None)
        _kept[name] = found
    return found


def laid_out(
    session: Session,
    administration: Administration,
    entries: rules.Entries,
    sheets: Mapping[int, Mapping[int, str]],
    given: Mapping[int, Sequence[int]] | None = None,
) -> tuple[Sheet, tuple[Column, ...]]:
    """What the attempts answered by this key, one row each in their order, and what stands in each column.

    `given`: as `service.given_to` says. There an item that is right for everybody counts, and all who had it have it right: the totals are raw scores.
    """
    versions = service.versions_of(session, administration)
    items = session.scalars(select(Item).where(Item.id.in_({version.item_id for version in versions.values()}))).all()
    held = {item.id: item for item in items}
    columns = tuple(_column(slot, version, held[version.item_id], list(entries.get(slot, []))) for slot, version in versions.items())
    codes = _codes(versions, columns, sheets)
    places = {column.slot: place for place, column in enumerate(columns)}
    order = np.array([[places[slot] for slot in given[attempt_id]] for attempt_id in sheets], np.int64) if given else None
    counting = ("counts", "everyone") if given else ("counts",)
    answers = np.zeros((len(sheets), len(columns)), np.uint8)
    for row, sheet in enumerate(sheets.values()):
        for slot, option in sheet.items():
            if slot in places:
                answers[row, places[slot]] = codes.get(option, codes.get(OTHER, 0))
    for place, column in enumerate(columns):
        if order is not None and column.standing == "everyone":
            answers[(order == place).any(axis=1), place] = codes[rules.EVERYONE]
    found = Sheet(
        items=tuple(column.code for column in columns),
        options=tuple(codes),
        answers=answers,
        keys=tuple(
            tuple(codes[option] for option in (column.entry if column.standing in counting else versions[column.slot].accepted))
            for column in columns
        ),
        candidates=(),
        groups={},
        apart=frozenset(place for place, column in enumerate(columns) if column.standing not in counting),
        offered=tuple(tuple(codes[option] for option in _offered(versions[column.slot])) for column in columns),
        order=order,
    )
    return found, columns


def _read(session: Session, administration: Administration, run: ScoreRun) -> Answered:
    scored = select(RawScore.attempt_id, RawScore.raw).where(RawScore.run_id == run.id).order_by(RawScore.attempt_id)
    raw: dict[int, int] = dict(session.execute(scored).all())
    answered = service.sheets_of(session, administration, raw)
    sheets = {attempt_id: answered[attempt_id] for attempt_id in raw}
    given = service.given_to(session, administration)
    sheet, columns = laid_out(session, administration, service.entries_of(run.key), sheets, given)
    places = {column.slot: place for place, column in enumerate(columns)}
    rows = {attempt_id: row for row, attempt_id in enumerate(raw)}
    seconds = np.full(sheet.answers.shape, np.nan)
    spent = (
        select(Response.attempt_id, Response.slot, func.sum(Response.elapsed_ms))
        .join(RawScore, RawScore.attempt_id == Response.attempt_id)
        .where(RawScore.run_id == run.id, Response.standing.in_(("counted", "held")))
        .group_by(Response.attempt_id, Response.slot)
    )
    for attempt_id, own_slot, milliseconds in session.execute(spent):
        slot = given[attempt_id][own_slot - 1] if given else own_slot
        if slot in places:
            seconds[rows[attempt_id], places[slot]] = int(milliseconds) / 1000
    found = Answered(sheet, seconds, columns)
    if (found.sheet.totals + found.credited).tolist() != list(raw.values()):
        raise service.StoredDiffers(what=["raw"])
    return found


def _column(slot: int, version: ItemVersion, item: Item, entry: list[str]) -> Column:
    standing = "everyone" if rules.EVERYONE in entry else "counts" if entry else "dropped"
    return Column(slot, item.code, item.area, item.id, version.id, tuple(entry), standing)


def _offered(version: ItemVersion) -> list[str]:
    """The options that are one answer each; of an item with several right nobody lists all combinations."""
    return [str(option["key"]) for option in version.options] if version.choices.most is None else []


def _codes(versions: Mapping[int, ItemVersion], columns: tuple[Column, ...], sheets: Mapping[int, Mapping[int, str]]) -> dict[str, int]:
    """A number for each answer: those that the items offer or their keys name, then as many others as there are numbers, the frequent ones first."""
    known = {option for version in versions.values() for option in (*_offered(version), *version.accepted)}
    known |= {option for column in columns if column.standing != "dropped" for option in column.entry}
    others = Counter(option for sheet in sheets.values() for option in sheet.values() if option not in known)
    names = sorted(known) + [option for option, _ in others.most_common()]
    if len(names) > MOST_OPTIONS:
        names = [*names[: MOST_OPTIONS - 1], OTHER]
    return {name: code for code, name in enumerate(names, 1)}


# --- figures ---------------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    """One item with its figures."""

    column: Column
    figures: classical.ItemFigures
    time: ItemTime

    @property
    def omitted(self) -> int:
        """Left blank by those who went on."""
        return self.figures.omit - self.figures.not_reached

    @property
    def look(self) -> bool:
        """Whether a person should look at it: a flag of an item that counts."""
        return bool(self.figures.flags) and self.column.standing == "counts"


@dataclass(frozen=True)
class Figures:
    answered: Answered
    test: classical.Overall
    scores: list[classical.ScoreFigures]
    speed: Speed
    lines: list[Line]


def figures(found: Answered, thresholds: Thresholds) -> Figures:
    """The test, its totals, its items that anybody was given and their options, and the time. On one thread: an exam that is under way keeps the other cores."""
    with threadpool_limits(1, "blas"):
        analysis = classical.analyze(found.sheet, thresholds.flags)
    times = speed(found.sheet, found.seconds, thresholds.speed)
    lines = [Line(*parts) for parts in zip(found.columns, analysis.items, times.items, strict=True) if parts[1].n]
    return Figures(found, analysis.test, analysis.scores, times, lines)


@dataclass(frozen=True)
class AtCut:
    """`cut` is a raw score, with what the key gives to everybody."""

    cut: int
    found: consistency.Consistency


def at_every_cut(found: Answered) -> list[AtCut]:
    """Decision consistency at each raw cut that somebody could miss. Raises CannotSay."""
    right = found.sheet.by_place
    with threadpool_limits(1, "blas"):
        return [AtCut(one.cut + found.credited, one) for one in consistency.at_cuts(right, range(1, right.shape[1] + 1))]


def fifths(found: Answered, line: Line) -> list[Group]:
    """The item's options by fifths of the totals; `low` and `high` are raw scores."""
    groups = traces(found.sheet, found.columns.index(line.column))
    return [Group(one.low + found.credited, one.high + found.credited, one.n, one.shares) for one in groups]


# --- a model of answers ----------------------------------------------------------------------------------------------------------------------

MODELS = {"1pl": irt.Model.ONE, "2pl": irt.Model.TWO}


@dataclass(frozen=True)
class Calibrated:
    """The items that tell people apart with their parameters, those that count and do not, and each candidate's expected ability."""

    calibration: irt.Calibration
    columns: list[Column]
    left_out: list[Column]
    theta: Floats
    cut: float | None  # the ability that is expected to have the cut; none where the model reaches no such score


def calibrated(found: Answered, model: str, cut: int) -> Calibrated:
    """Raises CannotSay."""
    sheet = found.sheet
    if sheet.order is not None:
        raise CannotSay(why="own-forms")
    right, n = sheet.right, len(sheet.answers)
    has = {place: int(right[:, place].sum()) for place in sheet.counted}
    places = [place for place, count in has.items() if 0 < count < n]
    names = tuple(sheet.items[place] for place in places)
    with threadpool_limits(1, "blas"):
        calibration = irt.calibrate(right[:, places], names, MODELS[model])
    everybody = found.credited + sum(count == n for count in has.values())
    return Calibrated(
        calibration,
        [found.columns[place] for place in places],
        [found.columns[place] for place in has if place not in places],
        ability.of_totals(calibration.items)[totals(right[:, places])],
        ability.ability_at(calibration.items, cut - everybody),
    )


# --- back to the bank ------------------------------------------------------------------------------------------------------------------------


def write_statistics(
    session: Session,
    administration: Administration,
    run: ScoreRun,
    found: Figures,
    person: Person,
    now: datetime,
    model: Calibrated | None = None,
) -> int:
    """What this administration showed of its item versions, into the bank, with what a model makes of them if one is given.

    How many rows are new: the same figures are not written twice.
    """
    irts = {}
    if model is not None:
        for column, held in zip(model.columns, model.calibration.items, strict=True):
            irts[column.version_id] = {
                "model": str(model.calibration.model),
                "a": held.a,
                "b": held.b,
                "se_a": held.se_a,
                "se_b": held.se_b,
            }
    shown = [
        statistics.Shown(
            version_id=line.column.version_id,
            n=line.figures.n,
            difficulty=Decimal(line.figures.p),
            discrimination=None if line.figures.r_rest is None else Decimal(line.figures.r_rest),
            shares={name: option.p for name, option in line.figures.options.items()} | {"": line.figures.omit / line.figures.n},
            median_time=None if line.time.median is None else timedelta(seconds=line.time.median),
            irt=irts.get(line.column.version_id),
        )
        for line in found.lines
    ]
    new = statistics.keep(session, administration.id, shown, now)
    about: dict[str, Any] = {"run": run.id, "items": len(shown), "new": new}
    if model is not None:
        about |= {"model": str(model.calibration.model), "calibrated": len(irts)}
    audit.record(session, "items.statistics_kept", f"administration:{administration.id}", now, person.id, **about)
    return new
