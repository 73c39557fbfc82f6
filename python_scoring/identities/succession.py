"""Key files while one key takes another's place.

The new key is on disk before anything is written under it, and the old one stays: each
is in a file named for its fingerprint, and the warehouse says which one is in force.
Whenever the command is killed, the right one is found.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from python_scoring.errors import BadInput
from python_scoring.identities import keys
from python_scoring.identities.keys import Found, Key


@dataclass(frozen=True)
class Succession:
    """A key in force, the one that is to be, and the files of both.

    Attributes
    ----------
    old
        None where there was no key.
    waiting
        File of the new key until it is in force; None where no file changes.
    """

    old: Key | None
    new: Key
    waiting: Path | None = None

    def finish(self) -> list[str]:
        """Let the key file hold the new key, once it is in force; what to know."""
        if self.waiting is None:
            if self.old is None:
                return []
            return [
                f"Now put what is in {keys.NEW_VARIABLE} into {keys.VARIABLE}; keep "
                f"the old key ({self.old.fingerprint}) as long as backups of before."
            ]
        file = keys.key_file()
        said = [f"The key in force is in {file}."]
        if os.path.lexists(file):
            kept = keys.beside_it(file, keys.read(file).key.fingerprint)
            said.append(
                f"The old one is kept as {kept}: backups of before need it. Delete it "
                "with them."
            )
        os.replace(self.waiting, file)
        keys.sync_folder(file)
        return said


def prepare(found: Found | None, fingerprint: str | None) -> Succession:
    """Find or make the key that is to be in force, and see it on disk.

    Parameters
    ----------
    found, fingerprint
        The key at hand, checked, and the one that the warehouse notes.

    Raises
    ------
    BadInput
        The key in force is in the environment, and the new one is not.
    """
    if found and fingerprint is None:
        return Succession(None, found.key)
    if found and found.file is None:
        return Succession(found.key, _given(found.key))
    master = keys.generate()
    new = keys.derive(master)
    file = keys.key_file()
    waiting = keys.beside_it(file, new.fingerprint)
    keys.write(waiting, master)
    _keep(file)
    return Succession(found.key if found else None, new, waiting)


def _given(old: Key) -> Key:
    new = keys.from_environment(keys.NEW_VARIABLE)
    if new is None or new == old or new.fingerprint == old.fingerprint:
        raise BadInput(
            f"the key is in the environment ({keys.VARIABLE}), where we cannot change "
            f"it; expected another one in {keys.NEW_VARIABLE}"
        )
    return new


def _keep(file: Path) -> None:
    """Give the old key file its second name, which stays."""
    if not os.path.lexists(file):
        return
    kept = keys.beside_it(file, keys.read(file).key.fingerprint)
    if not os.path.lexists(kept):
        os.link(file, kept)
        keys.sync_folder(file)
