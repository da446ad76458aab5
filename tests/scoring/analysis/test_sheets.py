"""What is read from files, and the one sentence about a file that cannot be read."""

import pytest

from testing_platform.scoring.analysis.sheets import read_key, read_sheet

KEY = "item,key,content\nI1,A,Law\nI2,B,Filing\n"
ANSWERS = "candidate,I2,I1,sex\nx,B,A,F\ny,,a,M\n"


def written(folder, key=KEY, answers=ANSWERS):
    (folder / "key.csv").write_text(key)
    (folder / "responses.csv").write_text(answers)
    return folder / "responses.csv", folder / "key.csv"


def test_columns_are_found_by_name_blanks_are_blank_and_small_letters_are_the_same_option(tmp_path):
    responses, key = written(tmp_path, answers="\ufeff" + ANSWERS)
    sheet = read_sheet(responses, read_key(key))
    assert (sheet.items, sheet.options, sheet.candidates) == (("I1", "I2"), ("A", "B"), ("x", "y"))
    assert sheet.answers.tolist() == [[1, 2], [1, 0]]
    assert sheet.groups == {"sex": ("F", "M")}
    assert sheet.totals.tolist() == [2, 1]


@pytest.mark.parametrize(
    ("key", "answers", "sentence"),
    [
        ("", ANSWERS, "key.csv: is empty; its first line must name the columns"),
        ("item,answer\nI1,A\n", ANSWERS, "key.csv, row 1, column key: there is no such column"),
        ("item,key\n", ANSWERS, "key.csv: has a heading and no rows"),
        ("item,key\nI1,A\nI1,B\n", ANSWERS, "key.csv, row 3, column item: the item I1 was there before"),
        ("item,key\nI1,A\nI2,\n", ANSWERS, "key.csv, row 3, column key: there is nothing here"),
        (KEY, "candidate,I1\nx,A\n", "responses.csv, row 1, column I2: there is no such column"),
        (KEY, "candidate,I1,I1\nx,A,A\n", "responses.csv, row 1, column I1: two columns have this name"),
        (KEY, "I1,I2\nA,B\nA\n", "responses.csv, row 3: there are 1 cells where the heading names 2 columns"),
        (KEY, "candidate,I1,I2\nx,A,B\nx,A,B\n", "responses.csv, row 3, column candidate: the candidate x was there before"),
        (KEY, "candidate,I1,I2\n", "responses.csv: has a heading and no rows"),
        (KEY, 'I1,I2\nA,"B"x\n', "responses.csv, row 2: is no CSV ("),
        (KEY, "I1,I2\n" + "".join(f"o{n},B\n" for n in range(300)), "responses.csv, row 255: there are more than 255 different answers"),
    ],
)
def test_a_faulty_file_is_named_with_row_and_column(command, tmp_path, key, answers, sentence):
    responses, key = written(tmp_path, key, answers)
    said = command("scoring", "analyze", "--responses", str(responses), "--key", str(key), code=1).output
    assert sentence in said
    assert said.count("\n") == 1


def test_a_file_that_is_not_there_or_no_text_is_named(command, tmp_path):
    responses, key = written(tmp_path)
    assert (
        "none.csv: cannot be read (No such file"
        in command("scoring", "analyze", "--responses", str(tmp_path / "none.csv"), "--key", str(key), code=1).output
    )
    responses.write_bytes(b"I1,I2\n\xff\xfe,A\n")
    assert (
        "responses.csv: is no text in UTF-8"
        in command("scoring", "analyze", "--responses", str(responses), "--key", str(key), code=1).output
    )


def test_a_missing_option_is_wrong_usage(command):
    command("scoring", "analyze", code=2)


def test_no_command_opens_a_database_or_makes_the_data_folder(command, own_settings, tmp_path):
    responses, key = written(tmp_path)
    command("scoring", "analyze", "--responses", str(responses), "--key", str(key), "--json")
    assert not list(own_settings.data.glob("*"))
