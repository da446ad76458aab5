"""The demo's blueprint can be met by the demo's items."""

from testing_platform.demo import setup
from testing_platform.demo.bank import ON_THE_WAY
from testing_platform.itembank.assembly import blueprint
from testing_platform.itembank.assembly.assemble import assemble
from testing_platform.itembank.assembly.pool import PoolItem
from testing_platform.itembank.rules import State
from tests.itembank.assembly import made


def pool(told):
    return [
        PoolItem(
            id=number,
            code=code,
            area=item["area"],
            level=item.get("level", ""),
            share=told.expected.shares[item["difficulty"]],
            seconds=told.expected.seconds,
            item_total=told.expected.item_total,
            key=list(item["options"]).index(item["key"]) if "key" in item else None,
            passage=item.get("stimulus"),
            calculator=item.get("calculator", False),
            pilot=ON_THE_WAY.get(code) == State.PILOT,
        )
        for number, (code, item) in enumerate(sorted(setup.bank_items().items()))
        if ON_THE_WAY.get(code, State.PILOT) == State.PILOT
    ]


def test_two_parallel_forms_can_be_had():
    document = setup.read("blueprint_1229.toml")
    told = blueprint.of(document)
    found = assemble(told, pool(told), 2, 1229, thorough=False)
    assert found.state == "met"
    assert made.faults(document, pool(told), found.forms) == []


def test_the_example_has_an_anchor_items_on_trial_and_a_part_with_a_calculator():
    document = setup.read("blueprint_example.toml")
    told = blueprint.of(document)
    found = assemble(told, pool(told), 2, 1229, thorough=False)
    assert found.state == "met"
    assert len(found.anchor) == 6
    assert made.faults(document, pool(told), found.forms, found.anchor) == []
    for form in found.forms:
        assert sorted(item.code for item in form if item.pilot) == ["CST-23", "DIR-24"]
        assert [item.area for item in form if item.calculator] == ["MATH"] * 4


def test_no_form_that_the_demo_gives_has_an_item_on_trial():
    assert not set(setup.read("form_a.toml")["items"]) & set(ON_THE_WAY)


def test_it_samples_the_areas_that_the_bulletin_names():
    told = blueprint.of(setup.read("blueprint_1229.toml"))
    wanted = {area["code"]: area["form_items"] for area in setup.read("bulletin_1229.toml")["content_area"] if area["form_items"]}
    cells = [cell for section in told.sections for cell in section.cells if cell.level is None]
    assert {cell.area: cell.least for cell in cells} == {cell.area: cell.most for cell in cells} == wanted
    assert told.items == sum(wanted.values())


def test_its_time_is_the_bulletins():
    told = blueprint.of(setup.read("blueprint_1229.toml"))
    limit = next(one["value"] for one in setup.read("bulletin_1229.toml")["setting"] if one["name"] == "time_limit")
    assert sum(section.minutes for section in told.sections) == limit


def test_every_number_says_where_it_comes_from():
    told = blueprint.of(setup.read("blueprint_1229.toml"))
    assert {"expected", "difficulty", "reliability", "keys", "reuse", "overlap", "section[1]"} <= set(told.sources)
