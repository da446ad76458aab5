"""Measurements against a limit taken in the same run. They never pass or fail anything."""
