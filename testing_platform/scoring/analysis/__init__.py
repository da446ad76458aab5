"""The statistics of a test: what items did, how sure a pass is, whether groups fare alike, how forms compare.

Everything here works on arrays and on files alone, with no database. A *sheet* is the answers of all candidates to all items with the key; a *total* is
the number of items right, and a blank is wrong. Undefined figures are None. Nothing here decides: figures are for a person to judge.
"""
