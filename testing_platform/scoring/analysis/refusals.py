"""What cannot be read or worked out, as facts; `cli.py` has the sentences."""

from testing_platform import errors


class FaultyFile(errors.Refusal):
    """`file`, where known `row` (the line of the file, the heading is 1) and `column`, and `why`."""

    code = "faulty-file"


class CannotSay(errors.Refusal):
    """The data do not determine what was asked for; `why` names what is missing."""

    code = "cannot-say"
