"""Online, proctored, multiple-choice testing for civil-service selection.

The packages are what a Personnel Department does; `docs/architecture.md` draws how they rest on one another.
"""

__version__ = "0.1.0"
