"""Published data, and made-up answers with a cause that is known."""

from pathlib import Path

import numpy as np

from testing_platform.scoring.analysis.sheets import Sheet

# Bock & Lieberman 1970, Psychometrika 35: how many of 1,000 had each pattern of right and wrong, from 00000 to 11111 counting in twos.
LSAT6 = [3, 6, 2, 11, 1, 1, 3, 4, 1, 8, 0, 16, 0, 3, 2, 15, 10, 29, 14, 81, 3, 28, 15, 80, 16, 56, 21, 173, 11, 61, 28, 298]
LSAT7 = [12, 19, 1, 7, 3, 19, 3, 17, 10, 5, 3, 7, 7, 23, 8, 28, 7, 39, 11, 34, 14, 51, 15, 90, 6, 25, 7, 35, 18, 136, 32, 308]


def right_of(patterns):
    bits = np.array([[pattern >> (4 - item) & 1 for item in range(5)] for pattern in range(32)], np.uint8)
    return np.repeat(bits, patterns, axis=0)


def sheet_of(answers, keys, options="ABCD", **groups):
    """A sheet of letters' numbers: 1 is A, 0 a blank."""
    answers = np.asarray(answers, np.uint8)
    n, items = answers.shape
    return Sheet(
        items=tuple(f"I{item + 1:02d}" for item in range(items)),
        options=tuple(options),
        answers=answers,
        keys=tuple((key,) if isinstance(key, int) else tuple(key) for key in keys),
        candidates=tuple(f"C{number + 1}" for number in range(n)),
        groups={name: tuple(values) for name, values in groups.items()},
    )


def scored(right, **groups):
    """A sheet of 0 and 1."""
    return sheet_of(np.asarray(right) + 1, [2] * right.shape[1], options="01", **groups)


def made_up(n, items, seed, blanks=0.02):
    """Answers with four options, the key among them, drawn from a two-parameter model; and the key of each item."""
    chance = np.random.default_rng(seed)
    ability, slope, hard = chance.standard_normal(n), chance.lognormal(0, 0.3, items), chance.standard_normal(items)
    right = chance.random((n, items)) < 1 / (1 + np.exp(-slope * (ability[:, None] - hard)))
    keys = [int(key) for key in chance.integers(1, 5, items)]
    wrong = (np.array(keys) + chance.integers(0, 3, (n, items))) % 4 + 1
    answers = np.where(right, keys, wrong)
    answers[chance.random((n, items)) < blanks] = 0
    return sheet_of(answers, keys)


def write(folder: Path, sheet: Sheet, name="responses.csv", key_name="key.csv"):
    """The two files of a sheet; their paths."""
    letters = ("", *sheet.options)
    heading = ["candidate", *sheet.groups, *sheet.items]
    rows = [
        [sheet.candidates[row], *(values[row] for values in sheet.groups.values()), *(letters[code] for code in codes)]
        for row, codes in enumerate(sheet.answers)
    ]
    responses, key = folder / name, folder / key_name
    responses.write_text("\n".join(",".join(row) for row in [heading, *rows]))
    key.write_text(
        "item,key\n"
        + "\n".join(f"{item},{'|'.join(letters[code] for code in codes)}" for item, codes in zip(sheet.items, sheet.keys, strict=True))
    )
    return responses, key
