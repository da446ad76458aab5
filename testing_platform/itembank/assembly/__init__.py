"""Blueprints and the forms that are assembled from them.

A *blueprint* says what a test samples; a *section* is a timed part of it; a *cell* is an area, or a level of it, with the fewest and the most items.
An *anchor* is an item that all forms share; a *passage* brings its items together; *enemies* never stand in one form.
"""
