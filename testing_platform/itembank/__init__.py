"""Items and forms. An *item* is a question with its *stem*, *options* and *key*; a *version* never changes; a *form* pins versions.

A *stimulus* is a passage that several items share; a *slot* is an item's place in a form.
"""
