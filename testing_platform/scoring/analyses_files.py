"""All analyses of an administration in one file: a spreadsheet with the names of the commands on files, or a tagged PDF for people."""

import base64
import hashlib
import io
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import xlsxwriter
from flask import render_template
from flask_babel import get_locale

from testing_platform import assets
from testing_platform.examinations.models import Administration
from testing_platform.itembank.exchange.write_print import pdf_of
from testing_platform.scoring import analyses_plots as plots
from testing_platform.scoring import equating_files, exports
from testing_platform.scoring.analyses import AtCut, Calibrated, Figures, Thresholds, at_every_cut, calibrated, fifths
from testing_platform.scoring.analysis.refusals import CannotSay
from testing_platform.scoring.equating_files import Carried
from testing_platform.scoring.models import ScoreRun

TYPES = {"xlsx": exports.TYPES["xlsx"], "pdf": "application/pdf"}
# What stands of an item on the sheet of items, after its slot, code, area, key and standing.
ITEM = ("p", "r_pb", "r_rest", "biserial", "alpha_if_deleted", "omit", "not_reached", "dead")
Row = dict[str, Any]


@dataclass(frozen=True)
class Report:
    administration: Administration
    run: ScoreRun
    figures: Figures
    thresholds: Thresholds
    cut: int
    signed: bool
    small_group: int
    carried: Carried | None = None
    equated: dict[str, Any] | None = None  # the same as decisions tell it

    @property
    def cuts(self) -> list[AtCut]:
        """None where nothing can be said of a parallel test."""
        try:
            return at_every_cut(self.figures.answered)
        except CannotSay:
            return []

    @property
    def calibrated(self) -> Calibrated | None:
        """With two parameters; none where there are too few candidates, or the model cannot be fitted."""
        if self.figures.test.n < self.thresholds.models.calibrate_from:
            return None
        try:
            return calibrated(self.figures.answered, "2pl", self.cut)
        except CannotSay:
            return None


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def sheets(report: Report) -> Iterable[tuple[str, list[Row]]]:
    """Each sheet with its rows. Totals are of the items that count; `raw` has what the key gives to everybody too."""
    figures, credited = report.figures, report.figures.answered.credited
    about = {
        "administration": exports.examination_number(report.administration),
        "run": report.run.id,
        "made_at": exports.in_utc(report.run.made_at),
        "key_version": report.run.key.number,
        "key_digest": report.run.key.digest,
        "inputs_digest": report.run.inputs_digest,
        "right_for_everybody": credited,
        "cut": report.cut,
        "cut_is": "passing score" if report.signed else "reference line",
    }
    test = asdict(figures.test)
    low, high = test.pop("kr20_interval") or (None, None)
    speed = {name: value for name, value in asdict(figures.speed).items() if name != "items"}
    yield "about", upright(about)
    yield "test", upright(test | {"kr20_low": low, "kr20_high": high})
    yield "time", upright(speed)
    yield "scores", [{"raw": row.score + credited, **asdict(row)} for row in figures.scores]
    yield "consistency", [_at_cut(row) for row in report.cuts]
    items, options, groups = [], [], []
    for line in figures.lines:
        column, found = line.column, asdict(line.figures)
        name = {"slot": column.slot, "item": column.code}
        time = asdict(line.time)
        items.append(
            {**name, "area": column.area, "key": " | ".join(column.entry), "standing": column.standing}
            | {each: found[each] for each in ITEM}
            | {f"seconds_{each}": time[each] for each in ("mean", "median", "threshold")}
            | {"timed": time["timed"], "rapid": time["rapid"], "flags": " ".join(found["flags"])}
        )
        options += [{**name, "option": option, **values} for option, values in found["options"].items()]
        for number, group in enumerate(fifths(figures.answered, line), 1):
            held = {**name, "fifth": number, "from": group.low, "to": group.high, "n": group.n}
            groups += [held | {"option": option, "share": share} for option, share in group.shares.items()]
    yield "items", items
    yield "options", options
    yield "fifths", groups
    model = report.calibrated
    yield (
        "calibration",
        [{"slot": one.slot, **asdict(held)} for one, held in zip(model.columns, model.calibration.items, strict=True)] if model else [],
    )
    if report.carried is not None:
        yield from equating_files.sheets(report.carried)
    yield "thresholds", upright(report.thresholds.values)


def upright(values: Row) -> list[Row]:
    return [{"figure": name, "value": value} for name, value in values.items()]


def _at_cut(row: AtCut) -> Row:
    found = asdict(row.found)
    parts = {f"{method}_{name}": value for method, values in found.items() if method != "cut" for name, value in values.items()}
    return {"raw_cut": row.cut, **parts}


def as_xlsx(report: Report) -> bytes:
    return book(f"Analyses {exports.examination_number(report.administration)}", report.run.made_at, sheets(report))


def book(title: str, made_at: datetime, sheets: Iterable[tuple[str, list[Row]]]) -> bytes:
    """Numbers as numbers, texts as texts: no cell is a formula. The same figures give the same bytes."""
    out = io.BytesIO()
    made = xlsxwriter.Workbook(
        out, {"in_memory": True, "strings_to_formulas": False, "strings_to_numbers": False, "strings_to_urls": False}
    )
    made.set_properties({"title": title, "created": made_at.astimezone(UTC).replace(tzinfo=None)})
    head = made.add_format({"bold": True, "bottom": 1})
    for name, rows in sheets:
        sheet = made.add_worksheet(name)
        columns = list(rows[0]) if rows else []
        for place, column in enumerate(columns):
            sheet.set_column(place, place, max(10, len(column) + 2))
            sheet.write_string(0, place, column, head)
        for number, row in enumerate(rows, 1):
            _write(sheet, number, list(row.values()))
        sheet.freeze_panes(1, 0)
    made.close()
    return out.getvalue()


def _write(sheet: Any, number: int, values: Sequence[Any]) -> None:
    for place, value in enumerate(values):
        if isinstance(value, bool):
            sheet.write_boolean(number, place, value)
        elif isinstance(value, int | float):
            sheet.write_number(number, place, value)
        elif value is not None:
            sheet.write_string(number, place, str(value))


def as_pdf(report: Report) -> bytes:
    """Tagged for readers that speak; each chart has its words, and its figures stand in a table. Raises NoPrinter."""
    figures, cuts, model = report.figures, report.cuts, report.calibrated
    css = assets.folder("static") / "css"
    groups = [fifths(figures.answered, line) for line in figures.lines]
    page = render_template(
        "scoring/analyses/print.html",
        language=str(get_locale() or "en").replace("_", "-"),
        style=(css / "analyses-print.css").read_text(),
        ink=(css / "analyses-print-chart.css").read_text(),
        embedded=embedded,
        administration=report.administration,
        run=report.run,
        figures=figures,
        thresholds=report.thresholds,
        cut=report.cut,
        signed=report.signed,
        small_group=report.small_group,
        cuts=cuts,
        histogram=plots.histogram(figures, report.cut),
        pass_curve=plots.pass_curve(figures, report.cut),
        csem=plots.csem(figures, report.cut),
        agreement=plots.agreement(cuts, report.cut) if cuts else None,
        mistakes=plots.mistakes(cuts, report.cut) if cuts else None,
        scatter=plots.scatter(figures),
        model=model,
        parameters=list(zip(model.columns, model.calibration.items, strict=True)) if model else [],
        carried=report.carried,
        equated=report.equated,
        information=plots.information(model) if model else None,
        people=plots.people(model) if model else None,
        lines=[(line, held, plots.trace(held, line.figures)) for line, held in zip(figures.lines, groups, strict=True)],
    )
    return pdf_of(page)


def embedded(picture: str) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(str(picture).encode()).decode()}"
