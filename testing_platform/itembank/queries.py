"""Reads of the bank."""

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from testing_platform.itembank.models import EnemyGroup, EnemyMember


def enemies_of(session: Session, item_ids: Iterable[int]) -> dict[int, set[int]]:
    """The enemies of each of these items, by ids."""
    found: dict[int, set[int]] = {number: set() for number in item_ids}
    mine, other = EnemyMember.__table__.alias("mine"), EnemyMember.__table__.alias("other")
    rows = session.execute(
        select(mine.c.item_id, other.c.item_id)
        .join(other, other.c.group_id == mine.c.group_id)
        .join(EnemyGroup, EnemyGroup.id == mine.c.group_id)
        .where(EnemyGroup.ended_at.is_(None), mine.c.item_id != other.c.item_id, mine.c.item_id.in_(list(found)))
    )
    for one, enemy in rows:
        found[one].add(enemy)
    return found
