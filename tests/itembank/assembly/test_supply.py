"""What a blueprint wants of one form, beside what a pool has."""

import pytest

from testing_platform.itembank.assembly import blueprint as blueprints
from testing_platform.itembank.assembly.supply import offered, supply
from tests.itembank.assembly import made


def lines(pool, cells, **section):
    document = made.document()
    document["section"][0] |= {"cell": cells, **section}
    return {(line.kind, line.cell and (line.cell.area, line.cell.level)): line for line in supply(blueprints.of(document), offered(pool))}


def items(area, count, start=1, **more):
    return [made.item(start + number, area=area, **more) for number in range(count)]


@pytest.mark.parametrize(("there", "short", "forms"), [(0, 4, 0), (3, 1, 0), (4, 0, 1), (7, 0, 1), (8, 0, 2)])
def test_a_cell_is_short_or_enough_for_so_many_forms(there, short, forms):
    found = lines(items("CST", there), [{"area": "CST", "min": 4, "max": 12}])["cell", ("CST", None)]
    assert (found.wanted, found.usable, found.short, found.forms) == (4, there, short, forms)


def test_a_level_of_an_area_is_counted_by_itself_and_in_its_area():
    pool = [*items("CST", 5, level="know"), *items("CST", 2, 10, level="apply")]
    found = lines(pool, [{"area": "CST", "min": 6, "max": 12}, {"area": "CST", "level": "apply", "min": 3, "max": 12}])
    assert (found["cell", ("CST", None)].usable, found["cell", ("CST", "apply")].short) == (7, 1)
    assert (found["items", None].wanted, found["items", None].short) == (12, 5)


def test_items_of_a_passage_that_is_too_small_do_not_count():
    pool = [*items("READ", 3, passage="P-1"), *items("READ", 1, 10, passage="P-2"), *items("READ", 9, 20)]
    rule = {"least": 2, "most": 6, "sets_min": 2}
    found = lines(pool, [{"area": "READ", "min": 3, "max": 12}], passages=rule)
    assert found["cell", ("READ", None)].usable == 12
    assert (found["passages", None].usable, found["passages", None].short) == (1, 1)


def test_trial_items_fill_no_cell_and_a_calculator_is_another_section():
    pool = [*items("CST", 12), *items("CST", 2, 20, pilot=True), *items("CST", 5, 30, calculator=True)]
    found = lines(pool, [{"area": "CST", "min": 12, "max": 12}], pilot=3, calculator=False)
    assert (found["cell", ("CST", None)].usable, found["pilot", None].usable, found["pilot", None].short) == (12, 2, 1)


def test_a_cell_that_asks_for_nothing_is_never_short():
    found = lines([], [{"area": "CST", "max": 12}])["cell", ("CST", None)]
    assert (found.short, found.forms) == (0, None)
