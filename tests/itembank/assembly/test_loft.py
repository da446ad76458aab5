"""A form for each candidate: every constraint kept, the same seed the same form, nothing seen by too many."""

import json
from collections import Counter

import pytest

from testing_platform.itembank.assembly import loft
from testing_platform.itembank.assembly.loft import FrozenPool, PoolTooSmall
from tests.itembank.assembly import made

CAP = 0.35


@pytest.fixture(scope="module")
def document():
    found = made.document(keys={"most_share": 0.5})
    found["section"][0]["passages"] = {"least": 2, "most": 3, "sets_max": 2}
    return found


@pytest.fixture(scope="module")
def frozen(document):
    return loft.freeze(document, made.pool(110, 5, passages=8), CAP, 11)


def test_every_draw_keeps_every_constraint(document, frozen):
    for seed in range(60):
        assert made.faults(document, frozen.items, [frozen.draw(seed)]) == []


def test_a_draw_is_a_function_of_pool_and_seed(frozen):
    again = FrozenPool.of(json.loads(json.dumps(frozen.content())))
    assert again.digest() == frozen.digest()
    assert [item.id for item in again.draw(42)] == [item.id for item in frozen.draw(42)]
    assert len({tuple(item.id for item in frozen.draw(seed)) for seed in range(20)}) == 20


def test_no_item_is_seen_by_more_than_the_cap(frozen):
    """600 fresh draws; the rate of an item right at the cap scatters by 0.02, three times of which is allowed."""
    seen = Counter(item.id for seed in range(50_000, 50_600) for item in frozen.draw(seed))
    assert max(seen.values()) / 600 <= CAP + 0.06
    # And the pool is really used.
    assert len(seen) > 0.9 * len(frozen.items)


def test_without_weights_the_same_pool_goes_over_the_cap(document):
    """The weights are what keeps the rates down: the items in demand are those that bring a form to the target."""
    pool = [made.item(n, area=made.AREAS[n % 3], share=0.5 if n % 5 else 0.97) for n in range(90)]
    wish = made.document(difficulty={"mean": 0.7, "within": 0.03})
    frozen = loft.freeze(wish, pool, 0.45, 3)
    bare = FrozenPool(wish, frozen.items, frozen.cap, frozen.plans, [1.0] * len(frozen.items))
    with_weights, without = (max(loft.rehearse(one, range(9_000, 9_300)).values()) for one in (frozen, bare))
    assert with_weights <= 0.45 + 0.09
    assert with_weights <= without


def test_a_pool_that_cannot_keep_the_cap_is_refused():
    with pytest.raises(PoolTooSmall) as refusal:
        loft.freeze(made.document(), made.pool(30, 5), 0.2, 1)
    assert refusal.value.facts["cap"] == 0.2
