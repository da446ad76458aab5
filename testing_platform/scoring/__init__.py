"""From locked responses to who passed: keys, raw scores, the passing score that two people sign, results, the list for interview scheduling.

A raw score is the number of items right. The passing score is the lowest raw score that qualifies; it is set after the test, from candidates and
vacancies. Until both signatures are there nobody has passed or failed.
"""
