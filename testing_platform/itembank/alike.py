"""Items that say nearly the same, over a whole bank."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import sparse

WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
# Rows compared at once: a block against a bank of 20,000 items stays under 100 MB.
BLOCK = 500


@dataclass(frozen=True)
class Pair:
    """Two items by their ids, the smaller first, and the cosine of their words: 1 is the same words."""

    one: int
    other: int
    likeness: float


def weights(texts: list[str]) -> sparse.csr_matrix:
    """TF-IDF (Salton & Buckley 1988), a row of length 1 for each text: 1 + ln(count) of a word, times ln((1 + texts) / (1 + texts with it)) + 1."""
    known: dict[str, int] = {}
    rows, columns, values = [], [], []
    for row, text in enumerate(texts):
        counts: dict[int, int] = {}
        for word in WORD.findall(text.casefold()):
            column = known.setdefault(word, len(known))
            counts[column] = counts.get(column, 0) + 1
        for column, count in counts.items():
            rows.append(row)
            columns.append(column)
            values.append(1 + np.log(count))
    table = sparse.csr_matrix((values, (rows, columns)), shape=(len(texts), max(1, len(known))))
    rarity = np.log((1 + len(texts)) / (1 + np.bincount(columns, minlength=table.shape[1]))) + 1
    table = table @ sparse.diags(rarity)
    lengths = np.sqrt(np.asarray(table.multiply(table).sum(axis=1)).ravel())
    lengths[lengths == 0] = 1
    return sparse.csr_matrix(sparse.diags(1 / lengths) @ table)


def pairs(texts: Mapping[int, str], threshold: float, only: int | None = None) -> list[Pair]:
    """Every two items at least so alike, the most alike first; with `only`, those with this item in them."""
    ids = sorted(texts)
    if len(ids) < 2:
        return []
    table = weights([texts[number] for number in ids])
    turned = table.T.tocsc()
    found = []
    starts = range(0, len(ids), BLOCK) if only is None else [ids.index(only)]
    for start in starts:
        block = (table[start : start + (BLOCK if only is None else 1)] @ turned).tocoo()
        for row, column, value in zip(block.row, block.col, block.data, strict=True):
            if value >= threshold and (start + row < column if only is None else start + row != column):
                one, other = sorted((ids[start + row], ids[column]))
                found.append(Pair(one, other, float(value)))
    return sorted(found, key=lambda pair: (-pair.likeness, pair.one, pair.other))
