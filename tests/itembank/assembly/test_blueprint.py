import tomllib

import pytest

from testing_platform.itembank.assembly import blueprint
from testing_platform.itembank.assembly.blueprint import FaultyBlueprint
from tests.itembank.assembly import made


def changed(path, value):
    """The document of `made` with one entry set; a number in the path is a place in a list."""
    document = made.document()
    at = document
    for step in path[:-1]:
        at = at[step] if isinstance(step, int) else at.setdefault(step, {})
    at[path[-1]] = value
    return document


@pytest.mark.parametrize(
    ("path", "value", "where", "why"),
    [
        (["difficulty", "mean"], 1.5, "difficulty.mean", "out-of-range"),
        (["difficulty", "mean"], "0.7", "difficulty.mean", "wrong-type"),
        (["difficulty", "meen"], 0.7, "difficulty.meen", "unknown"),
        (["section", 0, "items"], 20, "section[1].items", "cells-take-fewer"),
        (["section", 0, "items"], 8, "section[1].items", "cells-need-more"),
        (["section", 0, "items"], True, "section[1].items", "wrong-type"),
        (["section", 0, "cell", 1, "min"], 6, "section[1].cell[2].min", "min-above-max"),
        (["section", 0, "cell", 1, "area"], "CST", "section[1].cell[2].area", "twice"),
        (["section", 0, "cell"], [], "section[1].cell", "missing"),
        (["section", 0, "passages"], {"least": 3, "most": 2}, "section[1].passages.most", "min-above-max"),
        (["section", 0, "pilot_place"], "middle", "section[1].pilot_place", "unknown"),
        (["section"], [], "section", "missing"),
        (["anchor"], {"items": ["A"], "count": 2}, "anchor.count", "not-the-items"),
        (["anchor"], {"items": ["A", "A"]}, "anchor.items", "wrong-type"),
        (["keys"], {"most_share": 0}, "keys.most_share", "out-of-range"),
        (["keys"], 3, "keys", "not-a-table"),
        (["expected"], {"shares": {"easy": 2}}, "expected.shares.easy", "out-of-range"),
        (["wish"], "none", "wish", "unknown"),
    ],
)
def test_a_fault_says_where_and_why(path, value, where, why):
    with pytest.raises(FaultyBlueprint) as refusal:
        blueprint.of(changed(path, value))
    assert (refusal.value.facts["where"], refusal.value.facts["why"]) == (where, why)


def test_every_number_keeps_its_source():
    document = changed(["difficulty", "source"], "a decision")
    document["section"][0]["cell"][0]["source"] = "the bulletin"
    assert blueprint.of(document).sources == {"difficulty": "a decision", "section[1].cell[1]": "the bulletin"}


def test_a_toml_file_is_a_blueprint():
    found = blueprint.of(
        tomllib.loads("""
        name = "1229"
        title = "Customer Service Specialist"
        [areas]
        CST = "Customer service"
        [expected.shares]
        easy = 0.85
        hard = 0.5
        [difficulty]
        mean = 0.7
        within = 0.02
        [[section]]
        name = "A"
        items = 4
        minutes = 5
        pilot = 1
        [section.passages]
        whole = true
        [[section.cell]]
        area = "CST"
        level = "apply"
        min = 4
        max = 4
        """)
    )
    assert (found.items, found.length, found.sections[0].passages.sizes(3)) == (4, 5, range(3, 4))
    assert (found.expected.shares, found.areas) == ({"easy": 0.85, "hard": 0.5}, {"CST": "Customer service"})
    assert found.section_of("CST", "know", False) is None
    assert found.section_of("CST", "apply", False) == 0


def test_what_is_written_reads_back_the_same():
    document = made.document(
        anchor={"items": ["A-1", 'B "2"']}, shuffle={"items": True}, information={"at": [{"theta": -1.5, "least": 2.0}]}
    )
    document["section"][0] |= {"title": "Größe", "passages": {"whole": True}}
    assert tomllib.loads(blueprint.written(document)) == document
