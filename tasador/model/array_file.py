"""Named arrays as a file of numpy's .npz format whose arrays can be used where they lie.

``numpy.load`` reads it too, but copies every array and sums its bytes up, which took as long as all
else in reading encoders whose bytes have been hashed already.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from math import prod
from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo

import numpy as np
from numpy.lib import format as npy

from tasador.arrays import Array

# What .npy pads its own header to; every array begins at a multiple of it.
_ALIGNED = npy.ARRAY_ALIGN
# Of a member: a header of 30 bytes that ends with the lengths of name and extra field, both of
# which follow (APPNOTE.TXT, 4.3.7).
_HEADER, _LENGTHS = 30, 26
_NPY_HEADER_AT_MOST = 4_096
# An extra field that zipalign of Android fills up with: its number and its length.
_PADDING = 0xD935


def to_npz(arrays: Mapping[str, Array]) -> bytes:
    """The arrays as .npz, always the same bytes."""
    file = io.BytesIO()
    with ZipFile(file, "w", ZIP_STORED) as archive:
        for name, values in arrays.items():
            member = io.BytesIO()
            npy.write_array(member, np.asarray(values), allow_pickle=False)
            # Of a fixed date.
            info = ZipInfo(f"{name}.npy")
            padding = -(file.tell() + _HEADER + len(info.filename) + 4) % _ALIGNED
            info.extra = struct.pack("<HH", _PADDING, padding) + bytes(padding)
            archive.writestr(info, member.getvalue())
    return file.getvalue()


def from_npz(content: bytes) -> dict[str, Array]:
    """The arrays, read-only; ValueError for anything else than uncompressed .npz without objects.

    They are views of ``content``, but for those that do not lie aligned in it (as ``numpy.savez``
    leaves them).
    """
    try:
        members = ZipFile(io.BytesIO(content)).infolist()
        return {m.filename.removesuffix(".npy"): _array_of(m, content) for m in members}
    except (BadZipFile, struct.error) as error:
        raise ValueError(str(error)) from error


def _array_of(member: ZipInfo, content: bytes) -> Array:
    if member.compress_type != ZIP_STORED:
        raise ValueError(f"{member.filename} is compressed")
    lengths = struct.unpack_from("<HH", content, member.header_offset + _LENGTHS)
    begin = member.header_offset + _HEADER + sum(lengths)
    own = memoryview(content)[begin : begin + member.file_size]
    head = io.BytesIO(own[:_NPY_HEADER_AT_MOST])
    if npy.read_magic(head) != (1, 0):
        raise ValueError(f"{member.filename} is of another version of .npy")
    shape, by_column, kind = npy.read_array_header_1_0(head)
    if kind.hasobject:
        raise ValueError(f"{member.filename} holds objects")
    values = np.frombuffer(own, kind, prod(shape), head.tell())
    values = values.reshape(shape, order="F" if by_column else "C")
    return values if values.flags.aligned else values.copy(order="K")
