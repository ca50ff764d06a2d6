"""Whether the file system of the results writes whole files and locks them."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from filelock import FileLock, Timeout

from lottery.doctor.finding import Finding, failed, passed

FLUSHES = 20
SHARED = {"nfs", "nfs4", "lustre", "beegfs", "gpfs", "cifs", "smb3", "ceph", "fuse.sshfs"}
MOUNTS = Path("/proc/mounts")
TRY_TO_LOCK = "import sys, filelock; filelock.FileLock(sys.argv[1]).acquire(timeout=0)"


def check_writes(folder: Path) -> Finding:
    """Measure how long it takes until a small file is safely on the disk of `folder`."""
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        start = time.perf_counter()
        for _ in range(FLUSHES):
            file.write(b"x" * 1000)
            file.flush()
            os.fsync(file.fileno())
        milliseconds = 1000 * (time.perf_counter() - start) / FLUSHES
    return passed(f"{folder} ({file_system(folder)}): {milliseconds:.1f} ms to flush a small file")


def check_locks(folder: Path) -> Finding:
    """Check that a file locked by one process is refused to another, and free afterwards."""
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        file = Path(temporary) / "lock"
        command = [sys.executable, "-c", TRY_TO_LOCK, str(file)]
        try:
            with FileLock(file, timeout=0, fallback_to_soft=False):
                other = subprocess.run(command, capture_output=True, check=False)
        except (NotImplementedError, OSError, Timeout) as error:
            return failed(f"{folder} cannot lock files: {error}; choose another output_dir")
        after = subprocess.run(command, capture_output=True, check=False)
    if other.returncode == 0:
        return failed(f"{folder}: a second process got a lock that the first one held")
    if after.returncode:
        return failed(f"{folder}: a lock was not free after its owner had let it go")
    text = "one process keeps another out"
    if file_system(folder) in SHARED:
        text += "; processes on other hosts are kept out by the owner's heartbeat"
    return passed(text)


def file_system(folder: Path) -> str:
    """Return the kind of file system that a folder lies on, such as "ext4" or "nfs4"."""
    if not MOUNTS.exists():
        return "unknown"
    path, best = str(folder.resolve()), ("", "unknown")
    for line in MOUNTS.read_text().splitlines():
        _, mounted_at, kind, *_ = line.split(" ")
        inside = path == mounted_at or path.startswith(mounted_at.rstrip("/") + "/")
        if inside and len(mounted_at) >= len(best[0]):
            best = (mounted_at, kind)
    return best[1]
