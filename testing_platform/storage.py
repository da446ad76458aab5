"""Objects (pictures, recordings) in a folder, and the vault that encrypts them with a key for each attempt."""

import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM


class Folder:
    """An object store in a folder. A name is a relative path of plain parts."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def _path(self, name: str) -> Path:
        parts = name.split("/")
        if any(part in ("", ".", "..") or part.startswith(".") for part in parts):
            raise ValueError(f"not an object name: {name!r}")
        return self.root.joinpath(*parts)

    def put(self, name: str, content: bytes) -> None:
        """Durable when it returns: written apart, flushed, then renamed."""
        path = self._path(name)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(draft, path)
        finally:
            draft.unlink(missing_ok=True)

    def get(self, name: str) -> bytes:
        """Raises FileNotFoundError."""
        return self._path(name).read_bytes()

    def delete(self, name: str) -> None:
        self._path(name).unlink(missing_ok=True)


class KeyDestroyed(Exception):
    """The media of this attempt can no longer be read by anyone."""


class Vault:
    """Envelope encryption: each attempt has its own AES-256-GCM key, kept wrapped by the installation's key.

    Destroying the wrapped key deletes every picture of the attempt wherever copies of it lie. The object's name is
    authenticated with it, so pictures cannot be exchanged.
    """

    def __init__(self, key: bytes, store: Folder) -> None:
        self._wrapping = AESGCM(key)
        self.store = store

    def new_key(self) -> bytes:
        """A fresh key, wrapped."""
        nonce = secrets.token_bytes(12)
        return nonce + self._wrapping.encrypt(nonce, AESGCM.generate_key(256), b"media key")

    def _open(self, wrapped: bytes | None) -> AESGCM:
        if not wrapped:
            raise KeyDestroyed
        return AESGCM(self._wrapping.decrypt(wrapped[:12], wrapped[12:], b"media key"))

    def put(self, wrapped: bytes | None, name: str, content: bytes) -> None:
        nonce = secrets.token_bytes(12)
        self.store.put(name, nonce + self._open(wrapped).encrypt(nonce, content, name.encode()))

    def get(self, wrapped: bytes | None, name: str) -> bytes:
        """Raises KeyDestroyed, FileNotFoundError, or ValueError when the object was changed."""
        sealed = self.store.get(name)
        try:
            return self._open(wrapped).decrypt(sealed[:12], sealed[12:], name.encode())
        except InvalidTag as problem:
            raise ValueError(f"the object {name} was changed after it was stored") from problem
