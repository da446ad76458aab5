"""Every table, so that one import fills `Base.metadata`."""

from testing_platform import bus
from testing_platform.accounts import models as accounts
from testing_platform.audit import models as audit
from testing_platform.db import Base
from testing_platform.delivery import comments, lines, orders
from testing_platform.delivery import models as delivery
from testing_platform.examinations import models as examinations
from testing_platform.integrity import models as integrity
from testing_platform.itembank import form_models
from testing_platform.itembank import models as itembank
from testing_platform.notices import models as notices
from testing_platform.proctor import models as proctor
from testing_platform.scoring import api_models, chooser_models, equating_models, impact_models
from testing_platform.scoring import models as scoring

metadata = Base.metadata

__all__ = [
    "accounts",
    "api_models",
    "audit",
    "bus",
    "chooser_models",
    "comments",
    "delivery",
    "equating_models",
    "examinations",
    "form_models",
    "impact_models",
    "integrity",
    "itembank",
    "lines",
    "metadata",
    "notices",
    "orders",
    "proctor",
    "scoring",
]
