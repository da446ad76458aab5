"""What each act in the trail is called on a page. The act itself stands beside it, and alone where it has no words yet."""

from flask_babel import gettext as _


def acts() -> dict[str, str]:
    return {
        # accounts
        "person.added": _("Person added"),
        "person.address_corrected": _("E-mail address corrected"),
        "password.set": _("Password and second factor set"),
        "signed-in": _("Signed in"),
        "signed-out": _("Signed out"),
        # bank, form, bulletin
        "item.version": _("Item version kept"),
        "items.exported": _("Items written to a file for others"),
        "items.taken-in": _("Items taken in from a file"),
        "items.changed": _("Tags or areas of items changed"),
        "item.submit": _("Item handed in for review"),
        "item.withdraw": _("Item taken back from review"),
        "item.signed": _("Item signed or returned by a reviewer"),
        "item.return": _("Item returned to its author"),
        "item.mismatch": _("Item returned: the blind answer was another"),
        "item.approve": _("Item approved"),
        "item.pilot": _("Item put on trial"),
        "item.activate": _("Item made active"),
        "item.rest": _("Item rested"),
        "item.resume": _("Item put back into use"),
        "item.challenge": _("Item put under challenge"),
        "item.clear": _("Challenge of an item cleared"),
        "item.retire": _("Item retired"),
        "item.compromise": _("Item marked as compromised"),
        "item.supersede": _("Item version replaced by a newer one in use"),
        "item.replace": _("Item draft written anew"),
        "item.enemies": _("Items named that may not stand in one form"),
        "item.enemies-ended": _("Items allowed in one form again"),
        "form.composed": _("Form composed"),
        "form.locked": _("Form locked"),
        "form.order": _("Order of a form settled"),
        "form.drawn": _("Form drawn for one candidate"),
        "blueprint.version": _("Blueprint kept"),
        "assembly.asked": _("Forms asked for"),
        "assembly.ended": _("Assembly of forms ended"),
        "pool.frozen": _("Pool of items frozen"),
        "form.seen": _("Form looked at, with its key"),
        "bulletin.published": _("Bulletin published"),
        # administrations
        "administration.planned": _("Administration planned"),
        "session.opened": _("Session opened"),
        "session.form-changed": _("Session given a form without an item known outside"),
        "session.ended": _("Session ended before its time"),
        "room.added": _("Room added"),
        "appointment.booked": _("Candidate booked"),
        "proctor.assigned": _("Proctor assigned"),
        # the attempt
        "attempt.check_in": _("Check-in begun"),
        "attempt.steps_done": _("Check-in steps done"),
        "attempt.offer_in_person": _("Test in person offered"),
        "attempt.return_to_step": _("Sent back to a check-in step"),
        "attempt.admit": _("Candidate let in"),
        "attempt.refuse": _("Candidate refused"),
        "attempt.device_changed": _("Another device took over"),
        "attempt.device": _("Device changed"),
        "attempt.begin": _("Test begun"),
        "attempt.pause": _("Test paused by a proctor"),
        "attempt.take_break": _("Break begun"),
        "attempt.lose_contact": _("Contact lost, time held"),
        "attempt.regain_contact": _("Contact back, test went on"),
        "attempt.long_gap": _("Contact away too long, a proctor decides"),
        "attempt.leave_lockdown": _("Locked-down browser left, time held"),
        "attempt.resume": _("Test resumed"),
        "attempt.submit": _("Test handed in"),
        "attempt.time_is_up": _("Test closed at its deadline"),
        "attempt.end_proposed": _("Ending the test proposed"),
        "attempt.end_withdrawn": _("Proposal to end withdrawn"),
        "attempt.end": _("Test ended by two people"),
        "attempt.reactivate": _("Ended test opened again"),
        "attempt.abandon": _("Test closed after an hour without contact"),
        "attempt.void": _("Attempt voided for a retest"),
        "attempt.seal": _("Attempt sealed"),
        "attempt.time_given": _("Time given"),
        "attempt.flag": _("Flag raised by software"),
        "attempt.flag_decided": _("Flag decided by a person"),
        "photo.destroyed": _("Check-in photo destroyed"),
        "vision.settings": _("Settings of the detectors changed"),
        # rooms
        "room.code_issued": _("Start code issued"),
        "room.seated": _("Candidate seated"),
        "room.seat_changed": _("Seat changed"),
        "room.seat_freed": _("Seat freed"),
        "room.told": _("Message to the whole room"),
        "room.no_show": _("Candidate did not test"),
        "room.no_show_taken_back": _("“Did not test” taken back"),
        "room.left": _("Candidate left the room"),
        "room.back": _("Candidate came back to the room"),
        "room.take_over_issued": _("Code for another workstation issued"),
        "room.paused": _("Whole room paused"),
        "room.resumed": _("Whole room resumed"),
        "irregularity.filed": _("Irregularity reported"),
        "irregularity.withdrawn": _("Irregularity report withdrawn"),
        # scores and results
        "key.made": _("Key version made"),
        "key.locked": _("Key locked"),
        "key.seen": _("Key looked at"),
        "key.item_seen": _("Item looked at, with its key"),
        "scores.made": _("Scores made"),
        "passing_score.proposed": _("Passing score proposed"),
        "passing_score.approved": _("Passing score approved, results released"),
        "passing_score.withdrawn": _("Passing score withdrawn"),
        "passing_score.superseded": _("Passing score superseded"),
        "result.letter_sent_again": _("Letter about a result sent again"),
        "results.exported": _("Results exported"),
        "interviews.invited": _("Candidates invited to interviews"),
        "interview.letter_sent_again": _("Interview invitation sent again"),
        "interview.withdrawn": _("Interview invitation taken back"),
        # the trail itself
        "trail.seen": _("Trail looked at"),
        "trail.verified": _("Trail verified"),
        "trail.anchored": _("Anchor handed out"),
        "receipt.checked": _("Receipt checked"),
    }


def subjects() -> dict[str, str]:
    """What stands before the colon of an entry's object."""
    return {
        "attempt": _("attempt"),
        "person": _("person"),
        "appointment": _("appointment"),
        "session": _("session"),
        "room": _("room"),
        "administration": _("administration"),
        "bulletin": _("bulletin"),
        "bank": _("item bank"),
        "form": _("form"),
        "blueprint": _("blueprint"),
        "assembly": _("assembly"),
        "pool": _("pool"),
        "item-version": _("item version"),
        "enemy-group": _("items of which a form holds one"),
        "irregularity": _("irregularity report"),
        "invitation": _("invitation"),
        "vision_settings": _("detector settings"),
        "passing_score": _("passing score"),
        "trail": _("trail"),
    }


def roles() -> dict[str, str]:
    return {
        "candidate": _("candidate"),
        "proctor": _("proctor"),
        "lead_proctor": _("lead proctor"),
        "facility_proctor": _("facility proctor"),
        "analyst": _("examination analyst"),
        "approver": _("approver"),
        "scheduler": _("scheduler"),
        "auditor": _("auditor"),
        "operator": _("operator"),
        "item_writer": _("item writer"),
        "item_reviewer": _("item reviewer"),
        "fairness_reviewer": _("fairness reviewer"),
    }


def fault(what: str, number: int, last: int | None = None) -> str:
    """One fault as a sentence."""
    if last is not None and last > number:
        many = {"number": f"{number:,}", "last": f"{last:,}"}
        return {
            "missing": _("Entries %(number)s to %(last)s are missing", **many),
            "inserted": _("Entries %(number)s to %(last)s were put in", **many),
            "cut-off": _("Entries %(number)s to %(last)s were cut off: they were there when the anchor was handed out", **many),
        }.get(what, _("Entries %(number)s to %(last)s do not hold", **many))
    one = {"number": f"{number:,}"}
    return {
        "changed": _("Entry %(number)s was changed", **one),
        "missing": _("Entry %(number)s is missing", **one),
        "inserted": _("Entry %(number)s was put in", **one),
        "moved": _("Entry %(number)s stands in another’s place", **one),
        "anchor": _("Entry %(number)s is not the one that was written down: it and all after it were written anew", **one),
        "cut-off": _("Entry %(number)s was cut off: it was there when the anchor was handed out", **one),
        "stamp": _("An anchor in the trail for entry %(number)s was not written with this installation’s key", **one),
    }.get(what, _("Entry %(number)s does not hold", **one))
