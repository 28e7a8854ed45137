"""Damaged and hostile files: one error of our own, before memory is taken or another file is read."""

import io
import zipfile

import numpy as np
import pytest
from scipy.io import savemat
from spike_files import write_nwb

import myow
from myow.errors import FileError


@pytest.fixture(scope="module")
def nwb_path(tmp_path_factory):
    path = tmp_path_factory.mktemp("nwb") / "day.nwb"
    write_nwb(path)
    return path


def test_an_index_that_points_outside_of_the_spikes_is_refused(nwb_path, tmp_path):
    import h5py

    path = tmp_path / "x.nwb"
    path.write_bytes(nwb_path.read_bytes())
    with h5py.File(path, "r+") as file:
        file["units/spike_times_index"][:] = [3, 200, 9]
    with pytest.raises(FileError, match="index of spike times does not fit"):
        myow.read(path, bin_size=0.1)


def test_links_external_storage_and_bombs_are_refused_before_they_are_read(nwb_path, tmp_path):
    import h5py

    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["x"] = np.arange(3)

    def link(file):
        file["acquisition/more"] = h5py.ExternalLink("secret.h5", "/x")

    def external(file):
        file.create_dataset("acquisition/more", (3,), "i8", external=[(str(secret), 0, 24)])

    def virtual(file):
        layout = h5py.VirtualLayout((3,), "i8")
        layout[:] = h5py.VirtualSource(str(secret), "x", (3,))
        file.create_virtual_dataset("acquisition/more", layout)

    def empty(file):
        replace_spikes(file, shape=(1 << 40,), chunks=(1 << 10,))

    def chunk(file):
        replace_spikes(file, shape=(20,), maxshape=(None,), chunks=(1 << 28,), compression="gzip")

    def replace_spikes(file, **how):
        kept = dict(file["units/spike_times"].attrs)
        del file["units/spike_times"]
        file.create_dataset("units/spike_times", dtype="f8", **how).attrs.update(kept)

    for change, said in (
        (link, "link to another file"),
        (external, "in another file"),
        (virtual, "in another file"),
        (empty, "cannot hold"),
        (chunk, "cannot hold"),
    ):
        path = tmp_path / "x.nwb"
        path.write_bytes(nwb_path.read_bytes())
        with h5py.File(path, "r+") as file:
            change(file)
        with pytest.raises(FileError, match=said) as caught:
            myow.read(path, bin_size=0.1)
        assert "\n" not in str(caught.value)


def test_a_matlab_name_that_is_no_text_is_not_told(tmp_path):
    path = tmp_path / "x.mat"
    savemat(path, {"counts": np.ones((4, 2))})
    path.write_bytes(path.read_bytes().replace(b"counts", b"co\nnts"))
    with pytest.raises(FileError, match="a name is no text") as caught:
        myow.read(path, bin_size=0.1)
    assert "\n" not in str(caught.value)


def test_a_saved_pynapple_object_that_promises_more_than_it_holds(tmp_path):
    def member(array, shape):
        content = io.BytesIO()
        np.lib.format.write_array_header_1_0(
            content, {"descr": array.dtype.str, "fortran_order": False, "shape": shape}
        )
        return content.getvalue() + array.tobytes()

    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("type.npy", member(np.array(["Ts"]), (1,)))
        archive.writestr("t.npy", member(np.arange(4.0), (4,)))
        archive.writestr("start.npy", member(np.zeros(1), (1,)))
        archive.writestr("end.npy", member(np.full(1, 5.0), (99999999999,)))
    with pytest.raises(FileError, match=r"end\.npy promises \(99999999999,\) of float64, more than it holds"):
        myow.read(path, bin_size=0.1)


def test_hdf5_that_is_no_nwb(tmp_path):
    import h5py

    with h5py.File(tmp_path / "x.nwb", "w") as file:
        file["x"] = 1
    with pytest.raises(FileError, match="no nwb_version"):
        myow.read(tmp_path / "x.nwb", bin_size=0.1)
