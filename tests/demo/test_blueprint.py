"""The demo's blueprint can be met by the demo's items."""

from testing_platform.demo import setup
from testing_platform.itembank.assembly import blueprint
from testing_platform.itembank.assembly.assemble import assemble
from testing_platform.itembank.assembly.pool import PoolItem
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
        )
        for number, (code, item) in enumerate(sorted(setup.bank_items().items()))
    ]


def test_two_parallel_forms_can_be_had():
    document = setup.read("blueprint_1229.toml")
    told = blueprint.of(document)
    found = assemble(told, pool(told), 2, 1229, thorough=False)
    assert found.state == "met"
    assert made.faults(document, pool(told), found.forms) == []


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
