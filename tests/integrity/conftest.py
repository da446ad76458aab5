from tests.module import app, db, settings

__all__ = ["app", "db", "settings"]
