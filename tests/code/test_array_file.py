"""Array files have reproducible bytes, are read without copying, and are refused when invalid."""

import io
import zipfile

import numpy as np
import pytest

from tasador.model.array_file import from_npz, to_npz

ARRAYS = {
    "a.single": np.arange(7, dtype=np.float16),
    "a.flags": np.array([True, False, True]),
    "b": np.arange(24, dtype=np.int32).reshape(2, 3, 4),
    "by column": np.asfortranarray(np.arange(15.0).reshape(5, 3)),
    "none": np.empty((0, 4), dtype=np.float32),
    "one": np.array(5.0),
}


def saved_by_numpy():
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **ARRAYS)
    return file.getvalue()


@pytest.mark.parametrize("written", [to_npz(ARRAYS), saved_by_numpy()], ids=["tasador", "numpy"])
@pytest.mark.parametrize("read", [from_npz, lambda content: np.load(io.BytesIO(content))])
def test_round_trip_with_and_without_numpy(written, read):
    arrays = read(written)
    assert list(arrays) == list(ARRAYS)
    for name, values in ARRAYS.items():
        assert arrays[name].dtype == values.dtype
        assert arrays[name].shape == values.shape
        assert np.array_equal(arrays[name], values)


def test_to_npz_is_reproducible_and_read_without_copying():
    content = to_npz(ARRAYS)
    assert content == to_npz(ARRAYS)
    arrays = from_npz(content)
    bytes_of = np.frombuffer(content, dtype=np.uint8)
    for name, values in arrays.items():
        assert values.size == 0 or np.shares_memory(values, bytes_of), name
        assert values.flags.aligned
        assert not values.flags.writeable
    assert arrays["by column"].T.flags.c_contiguous


def test_from_npz_copies_unaligned_arrays():
    arrays = from_npz(saved_by_numpy())
    assert all(values.flags.aligned for values in arrays.values())


def changed(**options):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", options.get("compression", zipfile.ZIP_STORED)) as archive:
        archive.writestr("a.npy", options["content"])
    return file.getvalue()


def npy(values, version=(1, 0)):
    file = io.BytesIO()
    np.lib.format.write_array(file, values, version=version)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "not a zip file"),
        (to_npz(ARRAYS)[:-40], "not a zip file"),
        (changed(content=b"no array"), "magic string"),
        (changed(content=npy(np.arange(9.0))[:-8]), "buffer is smaller"),
        (changed(content=npy(np.arange(9.0), (2, 0))), "unsupported version"),
        (changed(content=npy(np.array([None, "a"], dtype=object))), "holds objects"),
        (changed(content=npy(np.arange(9.0)), compression=zipfile.ZIP_DEFLATED), "is compressed"),
    ],
)
def test_from_npz_refuses_other_content(content, says):
    with pytest.raises(ValueError, match=says):
        from_npz(content)
