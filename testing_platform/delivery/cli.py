"""`testing-platform audit receipt`: it stands with the trail's commands, and here because it reads answers."""

import json
import sys
from typing import Any

import click

SAID = {
    "digest": ("the stored answers give the attempt's digest", "the stored answers do not give the attempt's digest"),
    "code": ("the digest gives the receipt code", "the digest does not give the receipt code"),
    "trail": ("the trail names the same digest at submit", "the trail does not name this digest at submit"),
    "seal": ("that entry of the trail is sealed and unchanged", "that entry of the trail was changed after it was sealed"),
}
WAITS = {"seal": "that entry of the trail is not sealed yet"}


@click.command()
@click.argument("code")
@click.option("--json", "as_json", is_flag=True)
@click.pass_context
def receipt(context: click.Context, code: str, as_json: bool) -> None:
    """Take a receipt again: compare its CODE with the stored answers, the attempt and the trail. No answer is shown."""
    from testing_platform import clock
    from testing_platform.audit import service as audit
    from testing_platform.delivery import receipts

    db = context.meta["testing_platform.opened"]()
    try:
        with db.read() as session:
            found = receipts.check(session, code)
    except receipts.UnknownReceipt:
        if as_json:
            click.echo(json.dumps({"code": code, "known": False, "good": False}))
        raise click.ClickException(
            "no attempt and no entry of the trail has this receipt code; it has three groups of four, the digits 0 to 9 and the letters A to F"
        ) from None
    with db.write() as session:
        audit.record(session, "receipt.checked", f"attempt:{found.attempt_id}", clock.now(), None, good=found.good, way="command line")
    if as_json:
        click.echo(json.dumps(_document(found)))
    else:
        click.echo(f"receipt {found.code}: attempt {found.attempt_id}, closed {found.submitted_at or 'at no known time'}")
        for check in found.checks:
            good, bad = SAID[check.name]
            click.echo(
                f"{'ok   ' if check.good else 'FAULT' if check.good is False else 'waits'} {WAITS[check.name] if check.good is None else good if check.good else bad}"
            )
        click.echo("the receipt holds" if found.good else "the receipt does not hold: see the lines with FAULT")
    sys.exit(0 if found.good else 1)


def _document(found: Any) -> dict[str, Any]:
    return {
        "code": found.code,
        "known": True,
        "good": found.good,
        "attempt": found.attempt_id,
        "submitted_at": found.submitted_at and found.submitted_at.isoformat(),
        "submitted_by": found.submitted_by,
        "entry": found.entry,
        "digest": {"answers": found.taken_again, "attempt": found.kept, "trail": found.recorded},
        "checks": {check.name: check.good for check in found.checks},
    }
