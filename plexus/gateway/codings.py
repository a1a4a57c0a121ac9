"""Codings of request bodies (RFC 9110 §8.4), with a bound on what comes out (A23, T17).

The libraries of ``br`` and ``zstd`` are imported when a client first sends one.
"""

import sys
import zlib
from collections.abc import Callable

_ZSTD_WINDOW = 23
"""8 MiB: the largest window of the coding (RFC 9659); a frame may ask for gigabytes."""


class BadCoding(Exception):
    """Not of its coding."""


Unpack = Callable[[bytes, int], tuple[bytes, bool]]
"""``(raw, limit)`` → the decoded bytes, little more than ``limit`` of them if there are more, and
whether ``raw`` was one whole body.  Raises BadCoding.
"""


def _zlib(window: int) -> Unpack:
    def unpack(raw: bytes, limit: int) -> tuple[bytes, bool]:
        unpacker = zlib.decompressobj(window)
        try:
            body = unpacker.decompress(raw, limit + 1)
        except zlib.error:
            raise BadCoding from None
        return body, unpacker.eof and not unpacker.unused_data

    return unpack


def _brotli(raw: bytes, limit: int) -> tuple[bytes, bool]:
    import brotli

    unpacker = brotli.Decompressor()
    try:
        body: bytes = unpacker.process(raw, output_buffer_limit=limit + 1)
    except brotli.error:
        # Also what follows the end.
        raise BadCoding from None
    return body, unpacker.is_finished()


def _zstd(raw: bytes, limit: int) -> tuple[bytes, bool]:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd

    window = {int(zstd.DecompressionParameter.window_log_max): _ZSTD_WINDOW}
    unpacker = zstd.ZstdDecompressor(options=window)
    try:
        body: bytes = unpacker.decompress(raw, limit + 1)
    except zstd.ZstdError:
        raise BadCoding from None
    return body, unpacker.eof and not unpacker.unused_data


_GZIP = _zlib(16 + zlib.MAX_WBITS)

CODINGS: dict[bytes, Unpack] = {
    b"gzip": _GZIP,
    b"x-gzip": _GZIP,
    b"deflate": _zlib(zlib.MAX_WBITS),
    b"br": _brotli,
    b"zstd": _zstd,
}
"""By ``content-encoding``."""
