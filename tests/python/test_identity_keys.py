"""The key: private or refused, found after any kill, and never shown."""

import base64
import os
from pathlib import Path

import pytest
from conftest import Run

from python_scoring.embedded import binaries
from python_scoring.errors import BadInput
from python_scoring.identities import keys, succession, vault
from python_scoring.identities.keys import Key
from python_scoring.warehouse import Connection

MASTER = bytes(range(32))
OTHER = bytes(range(1, 33))


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the key file is to be; nothing is there yet."""
    path = tmp_path / "identity.key"
    monkeypatch.setenv(keys.FILE_VARIABLE, str(path))
    return path


def test_what_is_written_is_read(file: Path) -> None:
    keys.write(file, MASTER)
    found = keys.read(file)
    assert found.key == keys.derive(MASTER)
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o660, 0o700, 0o604])
def test_a_file_that_others_may_use_is_refused(file: Path, mode: int) -> None:
    keys.write(file, MASTER)
    file.chmod(mode)
    with pytest.raises(BadInput, match=f"mode {mode:04o}; expected 0600"):
        keys.find()


def test_somebody_elses_file_is_refused(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys.write(file, MASTER)
    monkeypatch.setattr(os, "geteuid", lambda: file.stat().st_uid + 1)
    with pytest.raises(BadInput, match="belongs to somebody else"):
        keys.find()


@pytest.mark.parametrize("held", ["", "x", base64.b64encode(MASTER[:31]).decode()])
def test_what_is_no_key_is_refused_and_not_repeated(
    file: Path, monkeypatch: pytest.MonkeyPatch, held: str
) -> None:
    file.touch(0o600)
    file.write_text(held)
    with pytest.raises(BadInput, match="holds no key") as error:
        keys.find()
    assert not held or f" {held}" not in str(error.value)
    monkeypatch.setenv(keys.VARIABLE, held or " ")
    with pytest.raises(BadInput, match=f"{keys.VARIABLE}: holds no key"):
        keys.find()


def test_a_file_that_is_named_and_not_there_is_refused(file: Path) -> None:
    with pytest.raises(BadInput, match="is not there"):
        keys.find()


def test_the_environment_goes_before_the_file(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys.write(file, MASTER)
    monkeypatch.setenv(keys.VARIABLE, base64.b64encode(OTHER).decode())
    found = keys.find()
    assert found
    assert found.key == keys.derive(OTHER)


def test_keys_differ_by_purpose_and_show_nothing() -> None:
    key = keys.derive(MASTER)
    assert key.fingerprint != keys.derive(OTHER).fingerprint
    assert key.pseudonym_key not in (MASTER, keys.derive(OTHER).pseudonym_key)
    shown = repr(key)
    for secret in (MASTER, key.pseudonym_key):
        assert repr(secret)[2:-1] not in shown
        assert secret.hex() not in shown
    assert shown == f"Key(fingerprint='{key.fingerprint}')"


def test_servers_programs_are_not_told_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = base64.b64encode(MASTER).decode()
    for name in (keys.VARIABLE, keys.NEW_VARIABLE):
        monkeypatch.setenv(name, secret)
    assert secret not in binaries.clean_environment().values()
    assert secret not in keys.without_key(os.environ).values()


def derived(file: Path) -> Key:
    return keys.read(file).key


def test_a_killed_rotation_finds_the_key_that_is_noted(file: Path) -> None:
    keys.write(file, MASTER)
    old = keys.find()
    assert old
    change = succession.prepare(old, old.key.fingerprint)
    assert change.new != old.key

    def noted(key: Key) -> Key:
        found = keys.find(key.fingerprint)
        assert found
        return found.key

    # Killed here: nothing is committed, or it is and no file is moved yet.
    assert noted(old.key) == old.key
    assert noted(change.new) == change.new
    change.finish()
    assert derived(file) == change.new
    # A backup from before is restored.
    assert noted(old.key) == old.key


def test_the_first_key_is_found_before_its_file_is_moved(file: Path) -> None:
    change = succession.prepare(None, None)
    found = keys.find(change.new.fingerprint)
    assert found
    assert found.key == change.new
    change.finish()
    assert derived(file) == change.new


def test_a_key_of_the_environment_needs_another_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(keys.VARIABLE, base64.b64encode(MASTER).decode())
    found = keys.find()
    assert found
    for given in ("", base64.b64encode(MASTER).decode()):
        monkeypatch.setenv(keys.NEW_VARIABLE, given)
        with pytest.raises(BadInput, match=keys.NEW_VARIABLE):
            succession.prepare(found, found.key.fingerprint)
    monkeypatch.setenv(keys.NEW_VARIABLE, base64.b64encode(OTHER).decode())
    change = succession.prepare(found, found.key.fingerprint)
    assert change.new == keys.derive(OTHER)
    assert keys.NEW_VARIABLE in change.finish()[0]


def test_init_makes_one_key_and_does_not_print_it(
    conn: Connection, riskmart: Run, file: Path
) -> None:
    done = riskmart("keys", "init")
    assert done.code == 0, done.err
    assert file.read_text().strip() not in done.out + done.err
    assert keys.read(file).key.fingerprint in done.out
    again = riskmart("keys", "init")
    assert again.code == 2
    assert "there is a key already" in again.err


def test_a_wrong_or_missing_key_is_refused(
    conn: Connection, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys.write(file, MASTER)
    assert vault.in_force(conn).are_on
    assert vault.noted(conn) == keys.derive(MASTER).fingerprint
    file.unlink()
    keys.write(file, OTHER)
    with pytest.raises(BadInput, match="expected that one"):
        vault.in_force(conn)
    monkeypatch.delenv(keys.FILE_VARIABLE)
    with pytest.raises(BadInput, match="no key, and the warehouse is under key"):
        vault.in_force(conn)
