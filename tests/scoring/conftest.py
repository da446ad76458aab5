from tests.module import app, db, once, settings

__all__ = ["app", "db", "once", "settings"]
