"""`testing-platform scoring …`: the analyses on files alone, with no database."""

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from testing_platform.scoring.analysis.refusals import CannotSay, FaultyFile

if TYPE_CHECKING:
    from testing_platform.scoring.analysis.sheets import Sheet

WHY = {
    "unreadable": "cannot be read ({said})",
    "not-text": "is no text in UTF-8",
    "not-csv": "is no CSV ({said})",
    "empty": "is empty; its first line must name the columns",
    "no-rows": "has a heading and no rows",
    "column-twice": "two columns have this name",
    "column-missing": "there is no such column",
    "row-length": "there are {got} cells where the heading names {wanted} columns",
    "blank": "there is nothing here",
    "item-twice": "the item {item} was there before",
    "candidate-twice": "the candidate {candidate} was there before",
    "group-twice": "the group {group} was there before",
    "too-many-options": "there are more than {most} different answers by now; these are not letters of options",
    "not-a-count": "“{value}” is no whole number",
    "nobody": "a group of nobody has no rate",
    "more-than-all": "{passed} passed of {n}",
    "unknown-code": "“{value}” is none of {known}; leave it blank where nothing was said",
    "not-a-parameter": "“{value}” is none of a slope above 0, a difficulty, and a lower asymptote from 0 to below 1",
    "one-group": "names one group alone; impact compares two or more",
}


CANNOT = {
    "one-candidate": "there is one candidate alone, and so no pair",
    "few-in-set": "a set, and the items beside it, need at least {least} items that tell people apart",
    "no-such-item": "there is no item {item} in the key",
    "no-such-candidate": "there is no candidate {candidate} among the answers",
    "level-scores": "all candidates of one form have the same score, so that nothing can be equated",
    "anchor-too-different": "the groups differ too much on the anchor for this method",
    "anchor-unrelated": "the anchor's scores do not rise with the totals, so that they tell nothing of the groups",
    "degree-too-high": "smoothing cannot keep {degree} moments of these scores; at most {most}",
    "no-such-anchor": "the anchor item {item} is not in the key of form {form}",
    "no-anchor": "the method {method} needs the items that both forms share: --anchor V01,V02,…",
    "few-shared": "at least {least} shared items are needed: --anchor V01,V02,…",
    "few-items": "a calibration needs at least {least} items",
    "no-spread": "everybody or nobody has item {item} right: it cannot be calibrated, take it out of the key",
    "no-convergence": "the calibration did not settle in {steps} steps: too few candidates for this model, or an item that does not fit it",
    "fixed-slope": "with one parameter all items have one slope, which the known items fix already; calibrate with two or three",
    "few-anchors": "{found} of the {items} items of the key are known: at least two must be, and at least one must not",
    "anchors-of-another-model": "the item {item} is known with another model: c is 0 with two parameters, and above 0 with three",
    "no-such-column": "there is no column {column} beside the items; there are {columns}",
    "no-such-value": "nobody has {value} in column {column}; there are {values}",
    "same-group": "{value} cannot be both the reference and the focal group",
    "cut-outside": "a cut of {cut} is not among the raw scores from 1 to {items}",
    "no-reliability": "{which} of these answers is not between 0 and 1, so that nothing can be said of a parallel form",
    "no-true-scores": "these scores vary too little, or more than right and wrong can, for a distribution of true scores",
    "no-such-group": "there is no group {group}; there are {groups}",
}


class Group(click.Group):
    """Refusals of the analyses, as sentences.

    Matrix products run on one thread: they are narrow here, on an idle machine two are hardly faster and on a busy one many times as slow, and an exam that
    is under way keeps the other cores.
    """

    def invoke(self, context: click.Context) -> Any:
        from threadpoolctl import threadpool_limits

        try:
            with threadpool_limits(1, "blas"):
                return super().invoke(context)
        except FaultyFile as refusal:
            facts = refusal.facts
            places = [f"{name} {facts[name]}" for name in ("row", "column") if name in facts]
            where = ", ".join([facts["file"], *places])
            raise click.ClickException(f"{where}: {WHY[facts['why']].format(**facts)}") from None
        except CannotSay as refusal:
            raise click.ClickException(CANNOT[refusal.facts["why"]].format(**refusal.facts)) from None


@click.group(cls=Group)
def scoring() -> None:
    """Statistics of a test, on CSV files alone.

    Answers: one row a candidate; columns that the key names are items (letters, or 0 and 1 where the key is 1; blank = omitted), `candidate` is
    the id, others are groups. Key: item,key[,content].
    """


Command = Callable[..., None]
FILE = click.Path(path_type=Path, dir_okay=False)
AS_JSON = click.option("--json", "as_json", is_flag=True, help="One JSON document.")


def of_sheet(command: Command) -> Command:
    """The two files that most analyses read."""
    command = click.option("--key", type=FILE, required=True, help="CSV: item,key[,content].")(command)
    return click.option("--responses", type=FILE, required=True, help="CSV: one row a candidate.")(command)


def sheet_of(responses: Path, key: Path) -> "Sheet":
    from testing_platform.scoring.analysis.sheets import read_key, read_sheet

    return read_sheet(responses, read_key(key))


def plain(value: Any) -> Any:
    """Figures as JSON has them."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return value


def said(value: Any) -> str:
    """A figure for people: four decimals (below .001 two digits and the power of ten), and a dash for what is not defined."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4f}" if value == 0 or abs(value) >= 0.001 else f"{value:.1e}"
    if isinstance(value, list | tuple):
        return " ".join(said(one) for one in value)
    return str(value)


def show(document: Any, as_json: bool, *tables: Sequence[dict[str, Any]]) -> None:
    """The whole document, or its tables: every row a line, the columns as wide as they need."""
    if as_json:
        click.echo(json.dumps(plain(document), allow_nan=False))
        return
    for number, table in enumerate(tables):
        if number:
            click.echo("")
        rows = [list(table[0])] + [[said(value) for value in row.values()] for row in table] if table else []
        widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))] if rows else []
        for row in rows:
            cells = [
                cell.ljust(width) if place == 0 else cell.rjust(width) for place, (cell, width) in enumerate(zip(row, widths, strict=True))
            ]
            click.echo("  ".join(cells).rstrip())


def upright(figures: dict[str, Any]) -> list[dict[str, Any]]:
    """One figure a line."""
    return [{"figure": name, "value": value} for name, value in figures.items()]


def _rules(given: Sequence[str]) -> dict[str, float]:
    from testing_platform.scoring.analysis.classical import RULE_NAMES

    found = {}
    for text in given:
        name, _, value = text.partition("=")
        if name not in RULE_NAMES:
            raise click.UsageError(f"--rule {name}: there is no such rule; there are {', '.join(RULE_NAMES)}")
        try:
            found[name] = float(value)
        except ValueError:
            raise click.UsageError(f"--rule {text}: “{value}” is no number") from None
    return found


@scoring.command()
@of_sheet
@click.option("--rule", "given", multiple=True, metavar="NAME=VALUE", help="Another threshold for flags, as often as needed.")
@AS_JSON
def analyze(responses: Path, key: Path, given: tuple[str, ...], as_json: bool) -> None:
    """The test, its items and their options, and which items a person should look at."""
    from testing_platform.scoring.analysis import classical

    rules = classical.FlagRules(**_rules(given))
    found = classical.analyze(sheet_of(responses, key), rules)
    items = [{name: value for name, value in plain(item).items() if name not in ("n", "options")} for item in found.items]
    options = [{"item": item.item, "option": name, **plain(option)} for item in found.items for name, option in item.options.items()]
    show(found, as_json, upright(plain(found.test)), items, options, plain(found.scores))


@scoring.command()
@click.option("--counts", type=FILE, required=True, help="CSV: group,n,passed[,administration].")
@click.option("--reference", help="The group to compare with; else the one with the highest rate.")
@AS_JSON
def impact(counts: Path, reference: str | None, as_json: bool) -> None:
    """Whether groups pass at like rates: four fifths, z, Fisher's exact test, mid-p, flip."""
    from testing_platform.scoring.analysis.impact import impact as compare
    from testing_platform.scoring.analysis.sheets import read_counts

    found = compare(read_counts(counts), reference)
    groups = []
    for group in found.groups:
        row = {name: value for name, value in plain(group).items() if not name.startswith("exact_")}
        ratio = None if group.exact_ratio is None else float(group.exact_ratio)
        shown = {"group": row.pop("group"), "n": row.pop("n"), "passed": row.pop("passed"), "rate": float(group.exact_rate), "ratio": ratio}
        groups.append(shown | row)
    document = {"reference": found.reference, "groups": groups, "pooled": plain(found.pooled)}
    show(document, as_json, groups, *([document["pooled"]] if found.pooled else []))


CUT = click.IntRange(min=0)


@scoring.command()
@of_sheet
@click.option("--cut", type=CUT, required=True, help="The passing raw score.")
@AS_JSON
def consistency(responses: Path, key: Path, cut: int, as_json: bool) -> None:
    """How surely the same people would pass again: Subkoviak, Huynh, Livingston and Lewis."""
    from testing_platform.scoring.analysis.consistency import consistency as agreement

    found = plain(agreement(sheet_of(responses, key).right, cut))
    rows = [
        {"method": method, "figure": figure, "value": value}
        for method, figures in found.items()
        if method != "cut"
        for figure, value in figures.items()
    ]
    show(found, as_json, rows)


@scoring.command()
@of_sheet
@click.option("--group", required=True, metavar="COLUMN", help="The column that names the groups.")
@click.option("--reference", required=True, metavar="VALUE")
@click.option("--focal", required=True, metavar="VALUE")
@click.option("--purify", is_flag=True, help="Leave flagged items out of the total that people are matched on.")
@AS_JSON
def dif(responses: Path, key: Path, group: str, reference: str, focal: str, purify: bool, as_json: bool) -> None:
    """Whether an item is harder for one group than for equally able people of another."""
    from testing_platform.scoring.analysis.dif import dif as study

    found = study(sheet_of(responses, key), group, reference, focal, purify)
    rows = []
    for item in plain(found.items):
        regression = item.pop("logistic") or {}
        rows.append(item | {name: regression.get(name) for name in ("uniform_lr", "nonuniform_lr", "delta_r2")})
    heads = {"reference": found.reference, "focal": found.focal, "enough": found.enough, "removed": found.removed}
    show(found, as_json, upright(heads), rows)


@scoring.command()
@of_sheet
@click.option("--model", type=click.Choice(["1pl", "2pl", "3pl"]), required=True)
@click.option("--fit", is_flag=True, help="Also how well each item fits (S-X²), and which pairs share more than the model says (Q3).")
@click.option("--anchors", type=FILE, help="CSV item,a,b[,c] of known items, which are held: the others come onto their scale.")
@click.option("--abilities", is_flag=True, help="Also of each candidate the expected ability and its error (EAP).")
@AS_JSON
def calibrate(responses: Path, key: Path, model: str, fit: bool, anchors: Path | None, abilities: bool, as_json: bool) -> None:
    """Item parameters by marginal maximum likelihood: P = c + (1 - c) / (1 + exp(-a (theta - b))), theta normal(0, 1)."""
    from testing_platform.scoring.analysis import fit as fits
    from testing_platform.scoring.analysis import irt
    from testing_platform.scoring.analysis.sheets import read_parameters

    sheet = sheet_of(responses, key)
    if anchors:
        if fit or abilities:
            raise click.UsageError("--fit and --abilities go with a calibration of all items, not with --anchors")
        known = {name: irt.ItemParameters(name, *values, None, None, None) for name, values in read_parameters(anchors).items()}
        placed = fits.on_scale(sheet.right, sheet.items, irt.Model(model), known, irt.chance_of(sheet))
        figures = plain(placed)
        show(placed, as_json, upright({name: value for name, value in figures.items() if name != "items"}), figures["items"])
        return
    found = irt.calibrate(sheet.right, sheet.items, irt.Model(model), irt.chance_of(sheet))
    figures = plain(found)
    tables = [figures["items"]]
    if fit:
        shared = plain(fits.dependence(sheet.right, found.items))
        for row, more in zip(figures["items"], plain(fits.item_fit(sheet.right, found)), strict=True):
            row |= {name: value for name, value in more.items() if name != "item"}
        figures["q3"] = shared
        tables.append(shared["pairs"])
    if abilities:
        rows = zip(sheet.candidates, *(values.tolist() for values in fits.abilities(sheet.right, found.items)), strict=True)
        figures["candidates"] = [{"candidate": name, "theta": theta, "se": se} for name, theta, se in rows]
        tables.append(figures["candidates"])
    show(figures, as_json, upright({name: value for name, value in figures.items() if name not in ("items", "q3", "candidates")}), *tables)


METHODS = ["identity", "mean", "linear", "equipercentile", "tucker", "levine", "chained_linear", "chained_equipercentile"]
METHODS += ["frequency_estimation", "circle_arc", "stocking_lord", "haebara"]


class MethodName(click.Choice[str]):
    """Hyphens are as good as underlines."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return super().convert(value.replace("-", "_") if isinstance(value, str) else value, param, ctx)


@scoring.command()
@click.option("--x", "x", type=FILE, required=True, help="CSV of form X: one row a candidate.")
@click.option("--y", "y", type=FILE, required=True, help="CSV of form Y.")
@click.option("--key-x", type=FILE, required=True)
@click.option("--key-y", type=FILE, required=True)
@click.option("--anchor", default="", metavar="V01,V02,…", help="The items that both forms share; they count in both totals.")
@click.option("--method", type=MethodName(METHODS), required=True)
@click.option(
    "--weight", type=click.FloatRange(0, 1), default=0.5, show_default=True, help="The share of X's group in the population to equate in."
)
@click.option("--cut", type=CUT, help="A raw score on X to carry to Y.")
@click.option("--smooth", type=click.IntRange(0, 10), help="Log-linear smoothing that keeps so many moments; 0: as many as fit best.")
@click.option(
    "--replications", type=click.IntRange(0, 10_000), default=200, show_default=True, help="Bootstrap samples for the errors; 0: none."
)
@click.option("--seed", type=int, default=1, show_default=True)
@AS_JSON
def equate(
    x: Path,
    y: Path,
    key_x: Path,
    key_y: Path,
    anchor: str,
    method: str,
    weight: float,
    cut: int | None,
    smooth: int | None,
    replications: int,
    seed: int,
    as_json: bool,
) -> None:
    """Which score on form Y is worth as much as a score on form X."""
    from testing_platform.scoring.analysis import equating

    found = equating.equate(
        sheet_of(x, key_x),
        sheet_of(y, key_y),
        [item.strip() for item in anchor.split(",") if item.strip()],
        equating.Method(method),
        weight,
        cut,
        smooth,
        replications,
        seed,
    )
    figures = plain(found)
    heads = {name: figures[name] for name in ("method", "slope", "intercept")}
    heads |= {f"cut_{name}": value for name, value in (figures["cut"] or {}).items()}
    heads |= {f"link_{name}": value for name, value in (figures["link"] or {}).items()}
    show(found, as_json, upright(heads), figures["table"])


@scoring.command()
@click.option("--x", "x", type=FILE, required=True, help="CSV of the earlier form: one row a candidate.")
@click.option("--y", "y", type=FILE, required=True, help="CSV of the later form.")
@click.option("--key-x", type=FILE, required=True)
@click.option("--key-y", type=FILE, required=True)
@click.option("--anchor", required=True, metavar="V01,V02,…", help="The items that both forms share.")
@AS_JSON
def drift(x: Path, y: Path, key_x: Path, key_y: Path, anchor: str, as_json: bool) -> None:
    """Which shared items have become harder or easier than the others did: take them out of the anchor, and look at them."""
    from testing_platform.scoring.analysis.drift import drift as compare

    found = compare(sheet_of(x, key_x), sheet_of(y, key_y), [item.strip() for item in anchor.split(",") if item.strip()])
    rows = [row | {"flags": ", ".join(row["flags"])} for row in plain(found.items)]
    show(found, as_json, upright({"slope": found.slope, "intercept": found.intercept, "r": found.r}), rows)


@scoring.command()
@of_sheet
@click.option("--top", type=click.IntRange(1, 100_000), default=20, show_default=True, help="How many pairs to list.")
@click.option("--pairs", type=FILE, help="CSV: a,b. Look at these pairs alone, such as neighbours.")
@AS_JSON
def similarity(responses: Path, key: Path, top: int, pairs: Path | None, as_json: bool) -> None:
    """Pairs that share more answers than their totals let expect: leads for a person, never more."""
    from testing_platform.scoring.analysis.sheets import read_pairs
    from testing_platform.scoring.analysis.similarity import similarity as compare

    found = compare(sheet_of(responses, key), top, None if pairs is None else read_pairs(pairs))
    show(found, as_json, upright({"pairs": found.pairs}), plain(found.top))


@scoring.command()
@of_sheet
@click.option("--items", required=True, metavar="ITEM,…", help="The set: items that are known outside, or have been in use for long.")
@click.option("--top", type=click.IntRange(1, 100_000), default=20, show_default=True, help="How many candidates to list.")
@AS_JSON
def preknowledge(responses: Path, key: Path, items: str, top: int, as_json: bool) -> None:
    """Who did better on a set of items than on the others: leads for a person, never more."""
    from testing_platform.scoring.analysis.preknowledge import of_sheet

    sheet = sheet_of(responses, key)
    chosen = [item.strip() for item in items.split(",") if item.strip()]
    for item in chosen:
        if item not in sheet.items:
            raise CannotSay(why="no-such-item", item=item)
    found = of_sheet(sheet, [sheet.items.index(item) for item in chosen])
    rows = [
        {"candidate": sheet.candidates[one.row]} | {name: value for name, value in plain(one).items() if name != "row"}
        for one in found.people
    ]
    document = {"n": len(found.people), "items": [sheet.items[place] for place in found.inside], "top": rows[:top]}
    show(document, as_json, upright({"n": document["n"], "items": document["items"]}), rows[:top])
