"""Voluntary answers about groups, as the applicant system hands them over."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from testing_platform.scoring.analysis.refusals import FaultyFile
from testing_platform.scoring.analysis.sheets import places_of, table_of
from testing_platform.scoring.impact_rules import Ethnicity, Sex

AGE_40 = {"yes": True, "no": False}


@dataclass(frozen=True)
class Said:
    """What one candidate said; None where nothing was said. `row` is the line of the file."""

    row: int
    candidate: str
    sex: Sex | None
    ethnicity: Ethnicity | None
    age_40: bool | None


def read(path: Path) -> tuple[list[Said], str]:
    """`candidate,sex,ethnicity,age_40`, blank where nothing was said; and the SHA-256 of the file. Raises FaultyFile."""
    heading, rows = table_of(path)
    places = places_of(path, heading, ("candidate", "sex", "ethnicity", "age_40"))
    found: list[Said] = []
    seen: set[str] = set()
    for number, cells in rows:
        candidate, sex, ethnicity, age = (cells[place] for place in places)
        if not candidate:
            raise FaultyFile(file=str(path), row=number, column="candidate", why="blank")
        if candidate in seen:
            raise FaultyFile(file=str(path), row=number, column="candidate", why="candidate-twice", candidate=candidate)
        for column, value, known in (("sex", sex, [*Sex]), ("ethnicity", ethnicity, [*Ethnicity]), ("age_40", age, [*AGE_40])):
            if value and value not in known:
                raise FaultyFile(file=str(path), row=number, column=column, why="unknown-code", value=value, known=", ".join(known))
        seen.add(candidate)
        found.append(Said(number, candidate, Sex(sex) if sex else None, Ethnicity(ethnicity) if ethnicity else None, AGE_40.get(age)))
    if not found:
        raise FaultyFile(file=str(path), why="no-rows")
    return found, hashlib.sha256(path.read_bytes()).hexdigest()
