"""A bank that forms can be assembled from."""

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from testing_platform.accounts.rules import Role
from testing_platform.itembank import service
from testing_platform.itembank.models import Bank, Item, ItemVersion
from tests import make
from tests.itembank.assembly import made

COUNT = 40


def forms_bank(session: Session, name: str = "Bank of forms") -> Bank:
    """Forty active items in three areas, easy, medium and hard in equal parts of each."""
    bank = service.open_bank(session, name, make.NOON, [(area, area.title()) for area in made.AREAS])
    owner = make.person(session, Role.ANALYST)
    for number in range(COUNT):
        service.keep_item(
            session,
            bank,
            service.ItemDraft(
                code=f"I-{number:02d}",
                area=made.AREAS[number % 3],
                stem=f"Question {number}?",
                options={key: f"Option {key}" for key in "abcd"},
                correct=("abcd"[number % 4],),
                rationale="Because.",
                difficulty=("easy", "medium", "hard")[number // 3 % 3],
            ),
            {},
            make.NOON,
        )
    mine = select(Item.id).where(Item.bank_id == bank.id)
    session.execute(
        update(ItemVersion).where(ItemVersion.item_id.in_(mine)).values(state="active", approved_by_id=owner.id, approved_at=make.NOON)
    )
    session.expire_all()
    return bank
