"""Named arrays as an .npz file that is read without copying.

``numpy.load`` reads the file too, but it copies every array and computes a checksum. That took half
of the time of loading the encoders, whose bytes have been hashed already.
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

# .npy pads its header to a multiple of this; every array begins at a multiple of it.
_ALIGNED = npy.ARRAY_ALIGN
# A member begins with a header of 30 bytes that ends with the lengths of the name and of the extra
# field, which follow it (APPNOTE.TXT, 4.3.7).
_HEADER, _LENGTHS = 30, 26
_MAX_NPY_HEADER = 4_096
# The id of the extra field that Android's zipalign pads with.
_PADDING = 0xD935


def to_npz(arrays: Mapping[str, Array]) -> bytes:
    """The arrays as .npz; the same arrays always give the same bytes."""
    file = io.BytesIO()
    with ZipFile(file, "w", ZIP_STORED) as archive:
        for name, values in arrays.items():
            member = io.BytesIO()
            npy.write_array(member, np.asarray(values), allow_pickle=False)
            # ZipInfo has a fixed date by default.
            info = ZipInfo(f"{name}.npy")
            padding = -(file.tell() + _HEADER + len(info.filename) + 4) % _ALIGNED
            info.extra = struct.pack("<HH", _PADDING, padding) + bytes(padding)
            archive.writestr(info, member.getvalue())
    return file.getvalue()


def from_npz(content: bytes) -> dict[str, Array]:
    """The arrays by name, read-only.

    Raises ValueError unless ``content`` is uncompressed .npz without objects.

    They are views of ``content``, except arrays that are not aligned in it (``numpy.savez`` does
    not align them), which are copied.
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
    data = memoryview(content)[begin : begin + member.file_size]
    head = io.BytesIO(data[:_MAX_NPY_HEADER])
    if npy.read_magic(head) != (1, 0):
        raise ValueError(f"{member.filename} has an unsupported version of .npy")
    shape, column_major, kind = npy.read_array_header_1_0(head)
    if kind.hasobject:
        raise ValueError(f"{member.filename} holds objects")
    values = np.frombuffer(data, kind, prod(shape), head.tell())
    values = values.reshape(shape, order="F" if column_major else "C")
    return values if values.flags.aligned else values.copy(order="K")
