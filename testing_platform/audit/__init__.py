"""The trail: every act as a row that cannot be changed unnoticed.

Rows are written unchained in the transaction of the act; one sealer in the worker numbers and links them within a second. Answers are
not in it (their digest at submit is), nor is anything personal: people stand as numbers.
"""
