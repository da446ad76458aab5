"""Objects in a folder, and the vault that encrypts them."""

import pytest

from testing_platform.storage import Folder, KeyDestroyed, Vault

NAME = "attempts/7/still-1"


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path / "objects")


@pytest.fixture
def vault(folder):
    return Vault(b"k" * 32, folder)


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../out", "a/../../out", "a/..", "/etc/passwd", "a//b", "a/", "a/./b", ".hidden", "a/.hidden", "a\0b"],
    ids=repr,
)
def test_a_name_never_leads_out_of_the_folder(folder, tmp_path, name):
    for call in (lambda: folder.put(name, b"x"), lambda: folder.get(name), lambda: folder.delete(name)):
        with pytest.raises(ValueError):
            call()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_what_was_put_is_there_for_this_user_alone_and_can_be_replaced_and_deleted(folder):
    folder.put(NAME, b"one")
    folder.put(NAME, b"two")
    assert folder.get(NAME) == b"two"
    path = folder.root / NAME
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o077) == (0o600, 0)
    folder.delete(NAME)
    folder.delete(NAME)
    with pytest.raises(FileNotFoundError):
        folder.get(NAME)


def test_a_write_that_fails_leaves_the_earlier_object_and_no_draft(folder, monkeypatch):
    folder.put(NAME, b"one")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        folder.put(NAME, b"two")
    assert folder.get(NAME) == b"one"
    assert [path.name for path in folder.root.rglob("*") if path.is_file()] == ["still-1"]


def test_what_lies_in_the_store_cannot_be_read_and_never_looks_the_same_twice(vault, folder):
    key = vault.new_key()
    vault.put(key, NAME, b"a picture of someone")
    first = folder.get(NAME)
    vault.put(key, NAME, b"a picture of someone")
    assert b"picture" not in first
    assert folder.get(NAME) != first
    assert vault.get(key, NAME) == b"a picture of someone"


@pytest.mark.parametrize("at", [0, 11, 12, 20, -1])
def test_a_changed_object_is_noticed(vault, folder, at):
    key = vault.new_key()
    vault.put(key, NAME, b"a picture of someone")
    changed = bytearray(folder.get(NAME))
    changed[at] ^= 1
    folder.put(NAME, bytes(changed))
    with pytest.raises(ValueError):
        vault.get(key, NAME)


@pytest.mark.parametrize("length", [0, 5, 12, 20])
def test_an_object_that_was_cut_off_is_noticed(vault, folder, length):
    key = vault.new_key()
    vault.put(key, NAME, b"a picture of someone")
    folder.put(NAME, folder.get(NAME)[:length])
    with pytest.raises(ValueError):
        vault.get(key, NAME)


def test_objects_cannot_be_exchanged(vault, folder):
    key = vault.new_key()
    for n in (1, 2):
        vault.put(key, f"attempts/7/still-{n}", b"%d" % n)
    folder.put("attempts/7/still-1", folder.get("attempts/7/still-2"))
    with pytest.raises(ValueError):
        vault.get(key, "attempts/7/still-1")


def test_the_key_of_one_attempt_opens_no_other(vault):
    mine, another = vault.new_key(), vault.new_key()
    vault.put(mine, NAME, b"x")
    with pytest.raises(ValueError):
        vault.get(another, NAME)


def test_the_key_of_one_installation_opens_nothing_of_another(vault, folder):
    key = vault.new_key()
    vault.put(key, NAME, b"x")
    with pytest.raises(ValueError):
        Vault(b"o" * 32, folder).get(key, NAME)


@pytest.mark.parametrize("gone", [None, b""])
def test_once_its_key_is_destroyed_an_object_cannot_be_read_or_added_to(vault, gone):
    vault.put(vault.new_key(), NAME, b"x")
    with pytest.raises(KeyDestroyed):
        vault.get(gone, NAME)
    with pytest.raises(KeyDestroyed):
        vault.put(gone, NAME, b"y")
