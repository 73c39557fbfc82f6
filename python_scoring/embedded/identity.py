"""Who the server runs as, and so where its files are.

PostgreSQL refuses to run as root. As root we run it in a user namespace, where
it sees another user and the files stay root's. Where that is not allowed (most
containers), it runs as `nobody`, out of a folder of that user's own.
"""

import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from python_scoring import config
from python_scoring.embedded import binaries
from python_scoring.errors import RiskmartError

# Where the files are when they cannot be in the project.
FALLBACK_ROOT = Path("/var/lib/riskmart")


@dataclass(frozen=True)
class Identity:
    """How to run the server's programs, and where they keep their files.

    Attributes
    ----------
    prefix
        What to put before a command, to run it in a user namespace.
    uid, gid
        Whom to become before, or None to stay who we are.
    data_dir, socket_dir
        The real folders; `config` has the names that clients use.
    bin_dir
        The server's programs.
    """

    data_dir: Path
    socket_dir: Path
    bin_dir: Path
    prefix: tuple[str, ...] = ()
    uid: int | None = None
    gid: int | None = None

    def popen_options(self) -> dict[str, Any]:
        """Return the arguments for `subprocess` that change the user."""
        if self.uid is None:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


def choose() -> Identity:
    """Decide who runs the server here, and make the folders for it."""
    programs = binaries.installation() / "bin"
    owner = _owner(config.data_dir())
    if owner is None:
        owner = _other_owner_of_state()
    if os.geteuid() != 0:
        prefix = () if _has_a_name(os.geteuid()) else _namespace()
        return _in_project(programs, prefix)
    if owner is None or owner == 0:
        prefix = _namespace()
        if prefix:
            return _in_project(programs, prefix)
        if owner == 0:
            raise RiskmartError(
                f"{config.data_dir()} was made in a user namespace, as root, and "
                "none can be made now; PostgreSQL refuses to run as root. Give the "
                "folder to another user (chown -R) or allow user namespaces"
            )
    return _apart(programs, owner)


def current_data_dir() -> Path:
    """Return the real data folder, whoever made it."""
    return config.data_dir().resolve()


def _in_project(programs: Path, prefix: tuple[str, ...]) -> Identity:
    config.state_dir().mkdir(mode=0o700, parents=True, exist_ok=True)
    socket_dir = config.socket_dir()
    make_private(socket_dir)
    return Identity(current_data_dir(), socket_dir, programs, prefix)


def _apart(programs: Path, owner: int | None) -> Identity:
    """Run as another user, in folders of their own that ours point to."""
    account = _account(owner)
    home = FALLBACK_ROOT / config.state_hash()
    data_dir = current_data_dir() if owner is not None else home / "postgres"
    FALLBACK_ROOT.mkdir(mode=0o711, parents=True, exist_ok=True)
    _make_for(account, home)
    config.state_dir().mkdir(mode=0o700, parents=True, exist_ok=True)
    if owner is None:
        print(
            "riskmart: PostgreSQL refuses to run as root, and this machine allows "
            f"no user namespace: it runs as {account.pw_name}, with its data in "
            f"{data_dir}",
            file=sys.stderr,
        )
        _point(config.data_dir(), data_dir)
    socket_dir = _place_socket(account, home)
    bin_dir = _reachable(programs, home, account)
    return Identity(
        data_dir, socket_dir, bin_dir, uid=account.pw_uid, gid=account.pw_gid
    )


def _place_socket(account: pwd.struct_passwd, home: Path) -> Path:
    """Make the socket's folder for another user; where it really is.

    In a state folder of that user's it is where the user would have it, who can
    then go on without us.
    """
    wanted = config.socket_dir()
    if _is_inside(wanted) and config.state_dir().stat().st_uid == account.pw_uid:
        if wanted.is_symlink():
            wanted.unlink()
        _make_for(account, wanted)
        return wanted
    _make_for(account, home / "run")
    _point(wanted, home / "run")
    return home / "run"


def _make_for(account: pwd.struct_passwd, folder: Path) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    os.chown(folder, account.pw_uid, account.pw_gid)


def give_to_owner(file: Path) -> None:
    """Let a file that root made in the state folder belong to whose folder it is."""
    if os.geteuid() == 0:
        owner = config.state_dir().stat()
        os.chown(file, owner.st_uid, owner.st_gid, follow_symlinks=False)


def make_private(folder: Path) -> None:
    """Make a folder that is ours alone, or make sure that it is.

    Raises
    ------
    RiskmartError
        Somebody else's folder has the name; /tmp is open to everyone.
    """
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        check_private(folder)


def check_private(folder: Path) -> None:
    """Make sure that the server's socket is where only we can put one.

    A link of our own is as good as a folder: in a sticky folder like /tmp nobody
    else can change it. Root trusts the owner of the state folder with what is in
    it: as that user the server runs.
    """
    status = folder.lstat()
    if status.st_uid not in _trusted(folder):
        raise RiskmartError(
            f"{folder} belongs to uid {status.st_uid}, not to us "
            f"({os.geteuid()}): it is not used as the folder of the database's "
            f"socket. {_remedy(folder, status.st_uid)}"
        )
    if not folder.is_symlink() and status.st_mode & 0o077:
        raise RiskmartError(
            f"{folder} is open to other users (mode {status.st_mode & 0o777:o}); "
            f"expected 700: chmod 700 '{folder}'"
        )


def _trusted(folder: Path) -> set[int]:
    ourselves = os.geteuid()
    if ourselves == 0 and _is_inside(folder):
        return {ourselves, config.state_dir().stat().st_uid}
    return {ourselves}


def _remedy(folder: Path, uid: int) -> str:
    if _is_inside(folder):
        return (
            f"Run riskmart as that user (uid {uid}), or give the warehouse to "
            f"yourself: chown -R {os.geteuid()} '{config.state_dir()}'"
        )
    return "Have it removed, or set RISKMART_HOME to a shorter path"


def _is_inside(folder: Path) -> bool:
    return folder.parent == config.state_dir()


def _point(link: Path, target: Path) -> None:
    if link.is_symlink():
        check_private(link)
        if Path(os.readlink(link)) == target:
            return
        link.unlink()
    elif link.exists():
        # Left by a server in the project; never holds anything but sockets.
        link.rmdir()
    link.symlink_to(target)


def _owner(folder: Path) -> int | None:
    return folder.stat().st_uid if (folder / "PG_VERSION").exists() else None


def _other_owner_of_state() -> int | None:
    """Whose the state folder is, if not root's, and if a server can run as that."""
    if not config.state_dir().exists():
        return None
    uid = config.state_dir().stat().st_uid
    return uid if uid != 0 and _has_a_name(uid) else None


def _account(owner: int | None) -> pwd.struct_passwd:
    if owner is None:
        return pwd.getpwnam("nobody")
    try:
        return pwd.getpwuid(owner)
    except KeyError:
        raise RiskmartError(
            f"{config.data_dir()} belongs to uid {owner}, which has no name on this "
            "machine, and PostgreSQL does not run without one. Run riskmart as that "
            f"user, or give the warehouse to another: chown -R USER "
            f"'{config.state_dir()}'"
        ) from None


def _has_a_name(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _namespace() -> tuple[str, ...]:
    """Return the command that runs another as nobody in a user namespace."""
    unshare = shutil.which("unshare")
    if os.environ.get("RISKMART_NO_USERNS") or unshare is None:
        return ()
    account = pwd.getpwnam("nobody")
    prefix = (
        unshare,
        "--user",
        f"--map-user={account.pw_uid}",
        f"--map-group={account.pw_gid}",
        "--",
    )
    return prefix if _succeeds([*prefix, "true"]) else ()


def _reachable(programs: Path, home: Path, account: pwd.struct_passwd) -> Path:
    """Return the programs where another user can run them, copied if need be."""
    probe = [str(programs / "postgres"), "--version"]
    if _succeeds(probe, user=account.pw_uid, group=account.pw_gid):
        return programs
    copy = home / "site" / f"{programs.parent.stat().st_mtime_ns:x}"
    for older in home.glob("site/*"):
        if older != copy:
            shutil.rmtree(older)
    site = programs.parents[2]
    for part in (Path(*programs.parent.parts[-2:]), Path(f"{programs.parts[-3]}.libs")):
        if (site / part).is_dir() and not (copy / part).is_dir():
            unfinished = copy / f"{part}.new"
            shutil.rmtree(unfinished, ignore_errors=True)
            shutil.copytree(site / part, unfinished, symlinks=True)
            unfinished.rename(copy / part)
    return copy / Path(*programs.parts[-3:])


def _succeeds(
    command: Sequence[str], user: int | None = None, group: int | None = None
) -> bool:
    try:
        return (
            subprocess.run(
                command,
                user=user,
                group=group,
                extra_groups=None if user is None else [],
                env=binaries.clean_environment(),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=False,
            ).returncode
            == 0
        )
    except OSError:
        return False
