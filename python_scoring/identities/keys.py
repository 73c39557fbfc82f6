"""The key that pseudonyms and encrypted originals hang on: read, made, never shown.

The master key is 32 random bytes, in base64: in RISKMART_KEY, or in a file of mode 0600
(RISKMART_KEY_FILE, else ``identity.key`` in the state folder). What is worked with is
derived from it by HKDF-SHA256 (RFC 5869), one key a purpose.
"""

import base64
import binascii
import hmac
import os
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from python_scoring import config
from python_scoring.errors import BadInput

VARIABLE = "RISKMART_KEY"
FILE_VARIABLE = "RISKMART_KEY_FILE"
# For `riskmart keys rotate`, where the key in force is in the environment.
NEW_VARIABLE = "RISKMART_NEW_KEY"
_BYTES = 32
_EXPECTED = f"expected base64 of {_BYTES} random bytes, as `riskmart keys init` makes"
_FINGERPRINT_OF = b"riskmart identity key"
_FINGERPRINT_DIGITS = 16


@dataclass(frozen=True)
class Key:
    """What a master key is used for.

    Attributes
    ----------
    fingerprint
        16 hexadecimal digits that tell keys apart and lead back to none.
    pseudonym_key
        Of the HMAC that makes pseudonyms, 32 bytes.
    fernet
        What originals are encrypted with.
    """

    fingerprint: str
    pseudonym_key: bytes = field(repr=False)
    fernet: Fernet = field(repr=False)


@dataclass(frozen=True)
class Found:
    """A key and where it was found, for people."""

    key: Key
    where: str
    file: Path | None = None


def find(noted: str | None = None) -> Found | None:
    """Find the key; None where there is none.

    Parameters
    ----------
    noted
        Fingerprint that the warehouse notes. Beside a key file may be its predecessor
        or successor, named for its fingerprint: the one that is noted is taken.

    Raises
    ------
    BadInput
        A key is there and cannot be used: it is none, or others may read it.
    """
    given = os.environ.get(VARIABLE)
    if given:
        return Found(derive(_decode(given, VARIABLE)), f"the environment ({VARIABLE})")
    file = key_file()
    found = read(file) if os.path.lexists(file) else None
    beside = beside_it(file, noted) if noted else None
    is_noted = found is not None and found.key.fingerprint == noted
    if beside and not is_noted and os.path.lexists(beside):
        return read(beside)
    if found is None and os.environ.get(FILE_VARIABLE):
        raise BadInput(f"{FILE_VARIABLE}: {file} is not there; expected a key file")
    return found


def key_file() -> Path:
    """Path of the key file, whether or not it is there."""
    given = os.environ.get(FILE_VARIABLE)
    return Path(given) if given else config.state_dir() / "identity.key"


def beside_it(file: Path, fingerprint: str) -> Path:
    """Path of another key of the same warehouse, that was or will be in force."""
    return file.with_name(f"{file.name}.{fingerprint}")


def read(file: Path) -> Found:
    """Read a key file.

    Raises
    ------
    BadInput
        It cannot be read, is not ours alone, or holds no key.
    """
    try:
        # Not waiting for who writes into a pipe of that name.
        handle = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise BadInput(f"{file}: {error.strerror}; expected a key file") from None
    try:
        _check_private(file, os.fstat(handle))
    except BadInput:
        os.close(handle)
        raise
    with open(handle, "rb") as content:
        text = content.read(1024).decode("ascii", "replace")
    return Found(derive(_decode(text, str(file))), f"file {file}", file)


def _check_private(file: Path, found: os.stat_result) -> None:
    mode = stat.S_IMODE(found.st_mode)
    if not stat.S_ISREG(found.st_mode):
        raise BadInput(f"{file}: not a file; expected a key file")
    if found.st_uid != os.geteuid():
        raise BadInput(f"{file}: belongs to somebody else; expected it to be ours")
    if mode & ~0o600:
        raise BadInput(f"{file}: has mode {mode:04o}; expected 0600: others may use it")


def generate() -> bytes:
    """Make a master key."""
    return secrets.token_bytes(_BYTES)


def write(file: Path, master: bytes) -> None:
    """Write a key file that nobody else can read, and see it on disk.

    Raises
    ------
    BadInput
        There is a file already, or it cannot be written.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(file, flags, 0o600)
    except FileExistsError:
        raise BadInput(
            f"{file}: there is a key already; `riskmart keys rotate` puts another in "
            "its place"
        ) from None
    except OSError as error:
        raise BadInput(f"{file}: {error.strerror}; expected room for a key") from None
    with open(handle, "wb") as content:
        content.write(base64.b64encode(master) + b"\n")
        content.flush()
        os.fsync(handle)
    sync_folder(file)


def sync_folder(file: Path) -> None:
    """See a file's name on disk, too."""
    handle = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def without_key(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment for programs that have no business with the key."""
    named = (VARIABLE, NEW_VARIABLE)
    return {name: value for name, value in environment.items() if name not in named}


def from_environment(variable: str) -> Key | None:
    """Return the key that a variable holds; None where it is not set.

    Raises
    ------
    BadInput
        It holds something else.
    """
    given = os.environ.get(variable)
    return derive(_decode(given, variable)) if given else None


def _decode(text: str, where: str) -> bytes:
    try:
        master = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        master = b""
    if len(master) != _BYTES:
        # Never what is there: it may be most of a key.
        raise BadInput(f"{where}: holds no key; {_EXPECTED}")
    return master


@lru_cache(maxsize=8)
def derive(master: bytes) -> Key:
    """Derive the keys in use from a master key of 32 bytes."""
    fingerprint = hmac.digest(_expand(master, "fingerprint"), _FINGERPRINT_OF, "sha256")
    return Key(
        fingerprint.hex()[:_FINGERPRINT_DIGITS],
        _expand(master, "pseudonyms"),
        Fernet(base64.urlsafe_b64encode(_expand(master, "originals"))),
    )


def _expand(master: bytes, purpose: str) -> bytes:
    info = f"riskmart {purpose} v1".encode()
    return HKDF(SHA256(), length=_BYTES, salt=None, info=info).derive(master)
