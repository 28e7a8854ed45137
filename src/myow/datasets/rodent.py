"""Sleep and waking of freely behaving rodents, twelve hours each.

==========  =====================  =====  ====================
name        region                 units  bins of 4 s
==========  =====================  =====  ====================
mouse-ca1   hippocampus (CA1)      42     10,800
rat-v1      primary visual cortex  120    10,800
==========  =====================  =====  ====================

Citation: Ma et al., Cortical circuit dynamics are homeostatically tuned to criticality in vivo, Neuron 104 (2019).
Published with the code of MYOW (github.com/nerdslab/myow-neuro) under Apache-2.0.

Label ``state``: 0 Wake, 1 nREM, 2 REM. The files do not name the states; that REM is 2 follows from the transitions, since
Wake never passes into it. The recording is one segment.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.recording import Recording
from ..data.splits import Split
from ..errors import DataError, FileError
from ..io.download import PublishedFile, fetch
from .card import Card

__all__ = ["CARDS", "load"]

LICENCE = "Apache-2.0"
CITATION = "Ma et al., Neuron 104:655 (2019)"
ADDRESS = "https://raw.githubusercontent.com/nerdslab/myow-neuro/6aa684bbbdaecea644db24000a5ce6ff3c033b84/data/rodent"
BIN_SIZE = 4.0


def _file(name: str, *, sha256: str = "", git_blob: str = "") -> PublishedFile:
    url = f"{ADDRESS}/{name}"
    return PublishedFile(name, url, sha256=sha256, git_blob=git_blob, licence=LICENCE, citation=CITATION)


# Counts and states of each recording.
FILES = {
    "mouse-ca1": (
        _file("fr_bins_n_4full.npy", sha256="75eb62fecd81899be546cf4770c0cf66afe4ae9f957b9bfdd5ebe5d0a00317bc"),
        _file("behav_states_n_4full.npy", sha256="7d0679a2a1b3a221b060cd7aa76ac59d371d74a8aad4c496b2559c3e23abd1ca"),
    ),
    "rat-v1": (
        _file("XYF06_1217_b5_neurons_qualityfr_bins_n_4full.npy", git_blob="59694949991c1d3dba49f088eab600c9beca630e"),
        _file(
            "XYF06_1217_b5_neurons_qualitybehav_states_n_4full.npy",
            sha256="b3e1434d2141f42fe70a0e0a497b3bf8f9baf8b04b583567d29dcfe77dc0e45b",
        ),
    ),
}


def _card(name: str, units: int) -> Card:
    return Card(
        name=name,
        kind="published",
        units=units,
        bins=10_800,
        bin_size=BIN_SIZE,
        segments=1,
        licence=LICENCE,
        citation=CITATION,
        target="state",
        readout="class",
        split=Split((0.7, 0.1, 0.2), by="time"),
        files=FILES[name],
    )


CARDS = (_card("mouse-ca1", 42), _card("rat-v1", 120))


def load(name: str) -> Recording:
    """Load a recording.

    Parameters
    ----------
    name : str
        One of the cards.

    Returns
    -------
    Recording

    Raises
    ------
    FileError, DataError
        If a file is missing, altered, or the two do not belong together.
    """
    files = FILES[name]
    counts_path, states_path = (fetch(file) for file in files)
    counts, states = _array(counts_path, 2).T, _array(states_path, 1)
    if len(counts) != len(states):
        raise DataError(
            f"{counts_path.name} has {len(counts)} bins, but {states_path.name} has {len(states)} states; "
            "they are not of the same recording"
        )
    if not np.isin(states, (0, 1, 2)).all():
        raise DataError(f"{states_path.name} holds states {np.unique(states)[:9].tolist()}; they must be 0, 1 or 2")
    source = {"licence": LICENCE, "citation": CITATION}
    for part, file in zip(("counts", "states"), files, strict=True):
        kind, checksum = file.checksum
        prefix = "" if part == "counts" else "states_"
        source |= {f"{prefix}file": file.name, f"{prefix}{kind}": checksum, f"{prefix}url": file.url}
    labels = {"state": states.astype(np.int64)}
    return Recording(counts, bin_size=BIN_SIZE, labels=labels, name=name, source=source)


def _array(path: Path, ndim: int) -> NDArray[Any]:
    try:
        array: NDArray[Any] = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise FileError(f"{path} is no array file ({' '.join(str(error).split())[:80]}); get it again") from None
    if array.ndim != ndim:
        raise DataError(f"{path} has shape {array.shape}; it must have {ndim} dimension(s)")
    return array
