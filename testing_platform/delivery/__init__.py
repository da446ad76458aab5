"""A candidate takes a form, once: check-in, the attempt and its clock, responses, the player, the receipt.

Words: an *attempt* is one candidate taking one form; a *response* is one thing said about a slot, kept for good; a *hold* is a span in which the
clock stands still and is given back; a *grant* is time given on top; the *journal* is the browser's own copy of what was not yet acknowledged.
"""
