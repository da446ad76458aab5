"""`testing-platform audit …`"""

import json
import sys
from typing import Any, TextIO

import click

from testing_platform import clock
from testing_platform.audit import rules
from testing_platform.audit.rules import Anchor, Fault, FaultyAnchor, What


@click.group()
def audit() -> None:
    """The trail."""


class AnchorType(click.ParamType):
    name = "NUMBER:HASH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return value if isinstance(value, Anchor) else rules.read_anchor(value)
        except FaultyAnchor:
            self.fail("an anchor is a number, a colon and the 64 letters and digits of its hash", param, ctx)


def sentence(fault: Fault) -> str:
    many = fault.end > fault.number
    some = f"entries {fault.number} to {fault.end}" if many else f"entry {fault.number}"
    said = {
        What.CHANGED: "were changed" if many else "was changed",
        What.MISSING: "are missing" if many else "is missing",
        What.INSERTED: "were put in" if many else "was put in",
        What.MOVED: "stands in another's place",
        What.ANCHOR: "is not the one that was written down: it and what follows were written anew",
        What.CUT_OFF: "stood here when the anchor was written down: the newest entries were cut off",
        What.STAMP: "is named by an anchor in the trail that was not written with this installation's key",
    }
    return f"{some} {said[What(fault.what)]}"


@audit.command()
@click.option("--anchor", "anchors", type=AnchorType(), multiple=True, help="A number and hash written down earlier; may be given again.")
@click.option("--no-record", is_flag=True, help="Leave the trail as it is: the check is not written into it.")
@click.option("--json", "as_json", is_flag=True)
@click.pass_context
def verify(context: click.Context, anchors: tuple[Anchor, ...], no_record: bool, as_json: bool) -> None:
    """Read the trail from its first entry and name each that was changed, removed, put in or moved.

    With an anchor that was written down earlier, also show that the newest entries were not cut off since, and nothing was written anew before it.
    """
    from testing_platform.audit import service

    secret = context.obj.secret
    db = context.meta["testing_platform.opened"]()
    with db.read() as session:
        found = service.verify(session, secret, anchors)
        waiting = service.unsealed(session)
    if not no_record:
        with db.write() as session:
            service.keep_verdict(session, found, secret, clock.now(), None, "command line", anchors[0] if anchors else None)
    if as_json:
        click.echo(
            json.dumps(
                {
                    "entries": found.entries,
                    "unsealed": waiting,
                    "head": found.head and {"number": found.head.number, "digest": found.head.digest},
                    "anchors": [str(anchor) for anchor in anchors],
                    "faults": [
                        {"number": fault.number, "what": str(fault.what)} | ({"last": fault.last} if fault.last else {})
                        for fault in found.faults
                    ],
                    "more_faults": found.total - len(found.faults),
                }
            )
        )
    else:
        for fault in found.faults:
            click.echo(sentence(fault))
        if found.total > len(found.faults):
            click.echo(f"and {found.total - len(found.faults)} more")
        click.echo(f"{found.entries} entries read, {found.total} {'fault' if found.total == 1 else 'faults'}")
        if waiting:
            click.echo(f"{waiting} not sealed yet")
        if found.head:
            click.echo(f"anchor {found.head}")
    sys.exit(1 if found.total else 0)


@audit.command()
@click.argument("out", type=click.File("w", encoding="utf-8", atomic=True), default="-")
@click.option("--from", "first", type=click.IntRange(1), default=1, show_default=True, help="The first number.")
@click.pass_context
def export(context: click.Context, out: TextIO, first: int) -> None:
    """Write the sealed trail as JSON lines with its hashes, so that anyone can verify it without us (docs/trail.md)."""
    from testing_platform.audit import service

    db = context.meta["testing_platform.opened"]()
    above, count = first - 1, 0
    with db.read() as session:
        while found := service.sealed(session, above):
            for entry in found:
                out.write(json.dumps(service.exported(entry), ensure_ascii=False) + "\n")
            above, count = found[-1].number, count + len(found)
    click.echo(f"{count} entries", err=True)
