"""A root directory of its own for a container, made of this machine's files and the Pod's volumes.

The new root is an empty memory file system into which every directory of `/` is bound, so programs
find what they find outside. A volume is bound at its mountPath. Where that path does not exist, it
must not be made on the machine: the nearest existing directory above is replaced, in this mount
namespace only, by an empty one into which its former entries are bound back one by one (a mimic),
and there the path can be made.

No root is needed: in a user namespace of our own we may mount. Linux only, 5.8 and later; what is
missing shows when `SandboxRuntime.probe` tries it.

Below the keeper, in its interpreter: standard library only, nothing of arubeki.
"""

import ctypes
import errno
import os
import socket
from contextlib import suppress

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
OURS = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_NOATIME = 1024
MS_NODIRATIME = 2048
MS_BIND = 4096
MS_REC = 16384
MS_UNBINDABLE = 1 << 17
MS_SLAVE = 1 << 19
MS_RELATIME = 1 << 21
MNT_DETACH = 2

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36

# pivot_root has no wrapper in libc. Every architecture since 2011 shares the generic number.
_PIVOT_ROOT = {"x86_64": 155, "i686": 217, "armv7l": 218}
_PIVOT_ROOT_GENERIC = 41

_LINKS_LIMIT = 40  # as the kernel has it


class Libc:
    """The system calls that Python 3.11 has no function for."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(None, use_errno=True)

    def _call(self, what: str, function: str, *arguments: object) -> None:
        if getattr(self._library, function)(*arguments) != 0:
            code = ctypes.get_errno()
            raise OSError(code, f"{what}: {os.strerror(code).lower()}")

    def prctl(self, option: int, value: int) -> None:
        """Set an attribute of this process."""
        zero = ctypes.c_ulong(0)
        self._call("prctl", "prctl", option, ctypes.c_ulong(value), zero, zero, zero)

    def unshare(self, flags: int) -> None:
        """Leave the namespaces in `flags` for new ones."""
        self._call("unshare", "unshare", flags)

    def setns(self, fd: int, flags: int) -> None:
        """Enter the namespaces of the process (a pidfd) or the one (of /proc/PID/ns)."""
        self._call("setns", "setns", fd, flags)

    def mount(
        self, source: str | None, target: str, kind: str | None, flags: int, data: str = ""
    ) -> None:
        """Mount, bind or remount, after `flags`."""
        self._call(
            f"mount {target}",
            "mount",
            _bytes(source),
            _bytes(target),
            _bytes(kind),
            ctypes.c_ulong(flags),
            _bytes(data or None),
        )

    def pivot_root_here(self) -> None:
        """Make the working directory, a mount, the root, and forget the former one."""
        number = _PIVOT_ROOT.get(os.uname().machine, _PIVOT_ROOT_GENERIC)
        self._call("pivot_root", "syscall", ctypes.c_long(number), b".", b".")
        self._call("umount", "umount2", b".", MNT_DETACH)


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else os.fsencode(text)


def separate(libc: Libc, user_namespace: bool, user: int | None, group: int | None) -> None:
    """Leave the machine's namespaces; children are in a process namespace of their own too.

    In a user namespace we keep our own number, or appear as `user` and `group`; only one of each
    can be mapped without help from root.
    """
    own_user, own_group = os.getuid(), os.getgid()
    libc.unshare(OURS | (CLONE_NEWUSER if user_namespace else 0))
    if user_namespace:
        # A process that could drop groups could pass "everyone but this group" permissions.
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{own_user if user is None else user} {own_user} 1")
        _write("/proc/self/gid_map", f"{own_group if group is None else group} {own_group} 1")


def enter(libc: Libc, pid: int, user_namespace: bool) -> None:
    """Enter the namespaces of the container whose first process is `pid`."""
    flags = OURS | (CLONE_NEWUSER if user_namespace else 0)
    process = os.pidfd_open(pid)
    try:
        libc.setns(process, flags)
    finally:
        os.close(process)


def build(
    libc: Libc,
    root: str,
    hostname: str,
    mounts: list[tuple[str, str, bool]],
    working_directory: str,
    *,
    message: tuple[str, str] | None = None,
) -> None:
    """Make the container's root in the empty directory `root` and move there.

    To be called by the first process of the new process namespace, so that /proc shows it.
    `mounts` are (path, source, read only). A missing working directory is made, as runc does.
    `message` is the (path, source) of the termination message, mounted where it can be.
    """
    if hostname:
        socket.sethostname(hostname)
    libc.mount(None, "/", None, MS_REC | MS_SLAVE)
    libc.mount("tmpfs", root, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=64m")
    # Else binding the directory that holds `root` would bind the new root into itself.
    libc.mount(None, root, None, MS_UNBINDABLE)
    tree = _Tree(libc, root)
    os.chdir("/")
    for name in os.listdir("/"):
        tree.attach(name, f"{root}/{name}")
    _add_own_file_systems(libc, root)
    targets = [
        (tree.bind(path, source), read_only)
        for path, source, read_only in sorted(mounts, key=lambda mount: mount[0].count("/"))
    ]
    if message is not None:
        with suppress(OSError):  # no reason for a container not to run
            tree.bind(*message)
    tree.make_directory(working_directory)
    # Last, because a mount point inside another volume is made in that volume.
    for target, read_only in targets:
        if read_only:
            _make_read_only(libc, target)
    os.chdir(root)
    libc.pivot_root_here()
    os.chdir("/")


def _add_own_file_systems(libc: Libc, root: str) -> None:
    # Inside some containers the kernel refuses a fresh /proc; then the machine's own stays.
    with suppress(OSError):
        libc.mount("proc", f"{root}/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    if os.path.isdir(f"{root}/dev/shm"):
        with suppress(OSError):
            libc.mount(
                "tmpfs", f"{root}/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777,size=64m"
            )


class _Tree:
    """The new root while it is made. Paths are those the container will see."""

    def __init__(self, libc: Libc, root: str) -> None:
        self._libc = libc
        self._root = root
        self._made = {"/"}  # directories of memory, in which anything can be made
        self._volumes: list[str] = []

    def attach(self, source: str, target: str) -> None:
        """Let the machine's `source` appear at `target`, whose directory is ours."""
        if os.path.islink(source):
            os.symlink(os.readlink(source), target)
            return
        # What may not be bound stays an empty directory or file: it could not be read either.
        with suppress(OSError):
            _make(target, os.path.isdir(source))
            self._libc.mount(source, target, None, MS_BIND | MS_REC)

    def bind(self, path: str, source: str) -> str:
        """Let the volume `source` appear at `path`; return where that is now."""
        resolved = self._resolve(path)
        if resolved == "/":
            raise OSError(errno.EINVAL, f"mount {path}: a volume cannot be the root")
        target = self._root + resolved
        try:
            self._ensure(resolved, os.path.isdir(source))
            self._libc.mount(source, target, None, MS_BIND | MS_REC)
        except OSError as error:
            reason = os.strerror(error.errno or 0).lower()
            raise OSError(error.errno, f"mount volume at {path}: {reason}") from None
        self._volumes.append(resolved)
        return target

    def make_directory(self, path: str) -> None:
        """Make a directory that is missing, as runtimes do with the working directory."""
        self._ensure(self._resolve(path), True)

    def _resolve(self, path: str) -> str:
        """Follow the links in `path` as the container would."""
        parts = path.split("/")
        done, links = "", 0
        while parts:
            part = parts.pop(0)
            if part in ("", "."):
                continue
            if part == "..":
                done = os.path.dirname(done) if done != "/" else done
                continue
            step = f"{done.rstrip('/')}/{part}"
            if not os.path.islink(self._root + step):
                done = step
                continue
            links += 1
            if links > _LINKS_LIMIT:
                raise OSError(errno.ELOOP, f"mount {path}: too many links")
            link = os.readlink(self._root + step)
            parts = link.split("/") + parts
            if link.startswith("/"):
                done = ""
        return done or "/"

    def _ensure(self, path: str, is_directory: bool) -> None:
        missing = []
        above = path
        while not os.path.lexists(self._root + above):
            missing.append(above)
            above = os.path.dirname(above)
        if not missing:
            return
        if above not in self._made and not self._in_volume(above):
            self._mimic(above)
        for one in reversed(missing):
            last = one == path
            _make(self._root + one, is_directory or not last)
            if not (last or self._in_volume(one)):
                self._made.add(one)

    def _in_volume(self, path: str) -> bool:
        return any(path == one or path.startswith(f"{one}/") for one in self._volumes)

    def _mimic(self, path: str) -> None:
        """Replace an existing directory by one of memory that holds the same entries."""
        target = self._root + path
        hold = os.open(target, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            mode = os.fstat(hold).st_mode & 0o7777
            self._libc.mount(
                "tmpfs", target, "tmpfs", MS_NOSUID | MS_NODEV, f"mode={mode:o},size=16m"
            )
            os.fchdir(hold)  # what was there is below the mount now, in reach through this only
            for name in os.listdir(hold):
                self.attach(name, f"{target}/{name}")
        finally:
            os.chdir("/")
            os.close(hold)
        self._made.add(path)


def _make(path: str, is_directory: bool) -> None:
    if is_directory:
        os.mkdir(path, 0o755)
    else:
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))


def _make_read_only(libc: Libc, target: str) -> None:
    # Flags set by someone with more rights are locked: they must be said again.
    kept = os.statvfs(target).f_flag & (
        MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME
    )
    if os.statvfs(target).f_flag & 4096:  # ST_RELATIME, the one whose number differs
        kept |= MS_RELATIME
    libc.mount(None, target, None, MS_BIND | MS_REMOUNT | MS_RDONLY | kept)


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
