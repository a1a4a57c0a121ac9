"""Reading files that must be files: a pipe or a device would never end."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ssl import SSLContext

_MOST_AUTHORITIES = 16 * 1024 * 1024


def plain_bytes(path: Path, limit: int, *, follow: bool = True) -> bytes:
    """The bytes of a plain file of at most ``limit`` bytes.

    Raises OSError, also for a pipe, a device, a bigger file (EFBIG), and without ``follow`` for a
    link.
    """
    link = 0 if follow else os.O_NOFOLLOW
    # Without O_NONBLOCK the opening of a pipe waits for its writer.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | link)
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a plain file")
        # Memory is taken for all that is asked for: no more than the file has, and one byte to see
        # that it has grown meanwhile.
        with os.fdopen(handle, "rb", closefd=False) as stream:
            found = stream.read(min(status.st_size, limit) + 1)
            if len(found) > status.st_size:
                found += stream.read(limit)
    finally:
        os.close(handle)
    if len(found) > limit:
        raise OSError(errno.EFBIG, f"larger than {limit} bytes")
    return found


def load_authorities(context: SSLContext, path: Path) -> None:
    """Make ``context`` trust the PEM file.  Raises OSError whose ``strerror`` can be shown."""
    plain_bytes(path, _MOST_AUTHORITIES)
    try:
        context.load_verify_locations(cafile=path)
    except OSError:
        # OpenSSL's words say nothing of the file.
        raise OSError(errno.EINVAL, "no PEM file of certificates") from None
