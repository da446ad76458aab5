"""Whether the tests were taken as they should be: answers that are alike, pace, and sets of items, each joined to the proctoring record.

A *lead* is two candidates, or one, at whom figures point. It is for a person to look at; no score, result or state follows from it. What the person made of it is a
*conclusion* with a reason; one that is *referred* is read by the lead proctor of the session, who says what the record shows.
"""
