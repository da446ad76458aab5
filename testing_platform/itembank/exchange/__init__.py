"""Items from and for other systems. A *source* is a file, folder or package; reading it gives *drafts* of items and *skips* with a reason.

Nothing here touches the database: what is read is shown first and taken in by `itembank.intake`.
"""
