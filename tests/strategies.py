"""Recordings that hypothesis makes up."""

import numpy as np
from hypothesis import strategies as st

from myow import Recording


@st.composite
def recordings(draw):
    """Segments of all lengths, with bins missing inside them and clocks that may start again."""
    parts = draw(st.lists(st.lists(st.integers(1, 4), max_size=7), min_size=1, max_size=5))
    start, times, segments = 0, [], []
    for number, steps in enumerate(parts):
        start = 0 if draw(st.booleans()) else start + 1
        bins = start + np.cumsum([0, *steps])
        times.extend(bins * 0.1)
        segments.extend([number * 3] * len(bins))
        start = bins[-1]
    return Recording(np.arange(len(times))[:, None], bin_size=0.1, times=times, segments=segments)


def bins_of(rec):
    return np.rint(rec.times / 0.1).astype(int)
