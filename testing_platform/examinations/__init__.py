"""The announcement and what follows from it: class, bulletin, examination, administrations, sessions, appointments.

An *administration* is one giving of the test; a *session* a start time and a place in it, remote or at a facility; an *appointment* a
candidate's place in a session.
"""
