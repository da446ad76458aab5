"""Watching over a session: the candidate's live link, the proctor's console, evidence, and what a proctor may do.

Words: a *still* is one picture of the camera; an *evidence still* is one that is kept; a *tile* is a candidate's place in the grid; a *credit* is
a viewer's word that it can take one more frame.
"""
