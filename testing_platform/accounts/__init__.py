"""People, their roles, how they sign in, and the one table of who may do what to which object.

Words: a *person* is anyone known here; a *role* is a task they come for; an *area* is the part of the site, and the cookie, of one kind of
visitor, so that a candidate's and a proctor's window can stand side by side in one browser.
"""
