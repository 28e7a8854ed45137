"""One small session in the formats that hold spike times, written by each format's own library.

Trials in the file's order, which is not that of time; trials 1 and 2 overlap, trial 3 is shorter than a bin:

    0  5.0 to 5.2    1  0.0 to 0.4    2  0.2 to 0.4    3  1.0 to 1.05
"""

import datetime

import numpy as np

TRIALS = np.array([[5.0, 5.2], [0.0, 0.4], [0.2, 0.4], [1.0, 1.05]])
DIRECTION = [3, 1, 2, 0]
# On the start, on edges (floats disagree with 3 x 0.1), inside, on the end; and in trial 0.
TRAINS = ([0.0, 0.1, 0.3, 0.35, 0.4, 5.0], [0.15, 0.15, 0.25], [0.05, 5.1, 5.2])
COUNTS = [[1, 0, 1, 1, 0, 2, 0, 2], [0, 0, 0, 2, 1, 0, 1, 0], [0, 1, 1, 0, 0, 0, 0, 0]]
TIMES = [5.0, 5.1, 0.0, 0.1, 0.2, 0.3, 0.2, 0.3]
SEGMENTS = [0, 0, 1, 1, 1, 1, 2, 2]


def nwb_file(**changes):
    """An ``NWBFile`` of the session, with behaviour, raw voltage and dF/F; `changes` go to it."""
    from pynwb import NWBFile, TimeSeries
    from pynwb.behavior import BehavioralTimeSeries, Position, SpatialSeries

    day = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    nwb = NWBFile("reaching", "made-1", day, **changes)
    array = nwb.create_device("array")
    for region in ("M1", "PMd"):
        group = nwb.create_electrode_group(f"group_{region}", "16 electrodes", region, array)
        nwb.add_electrode(group=group, location=region)
    nwb.add_unit_column("quality", "of the sorting")
    for train, quality, electrode in zip(TRAINS, ("good", "mua", "good"), (0, 1, 1), strict=True):
        nwb.add_unit(spike_times=train, quality=quality, electrodes=[electrode])
    for column in ("target_dir", "result", "go_cue_time"):
        nwb.add_trial_column(column, column)
    cues = (5.1, np.nan, 0.3, 1.0)
    for (start, stop), direction, cue in zip(TRIALS, DIRECTION, cues, strict=True):
        nwb.add_trial(start_time=start, stop_time=stop, target_dir=direction, result="R", go_cue_time=cue)
    behaviour = nwb.create_processing_module("behavior", "movement")
    hand = SpatialSeries(
        name="hand",
        data=np.arange(120.0).reshape(60, 2),
        rate=10.0,
        reference_frame="x",
        unit="cm",
        conversion=0.5,
        offset=1.0,
    )
    behaviour.add(Position(spatial_series=hand))
    times = np.delete(np.arange(60) / 10 + 0.01, 50)  # nothing from 5.0 to 5.1 s
    speed = TimeSeries(name="speed", data=np.arange(59.0), timestamps=times, unit="cm/s")
    behaviour.add(BehavioralTimeSeries(time_series=speed))
    nwb.add_acquisition(TimeSeries(name="voltage", data=np.arange(60), rate=10.0, unit="V"))
    return nwb


def write_nwb(path, nwb=None):
    from pynwb import NWBHDF5IO

    with NWBHDF5IO(path, "w") as file:
        file.write(nwb_file() if nwb is None else nwb)


def neo_block():
    """A ``Block`` of one Segment, with milliseconds where it can."""
    import neo
    import quantities as pq

    segment = neo.Segment(name="day")
    for i, (train, quality) in enumerate(zip(TRAINS, ("good", "mua", "good"), strict=True)):
        spikes = neo.SpikeTrain(np.array(train) * 1000 * pq.ms, t_stop=6 * pq.s, name=f"cell{i}", quality=quality)
        segment.spiketrains.append(spikes)
    lengths = np.diff(TRIALS).ravel()
    segment.epochs.append(
        neo.Epoch(
            TRIALS[:, 0] * pq.s,
            durations=lengths * pq.s,
            labels=["a", "b", "c", "d"],
            name="trials",
            array_annotations={"target_dir": DIRECTION},
        )
    )
    segment.events.append(neo.Event([5100.0, 300.0] * pq.ms, labels=["go", "go"], name="cue"))
    segment.analogsignals.append(
        neo.AnalogSignal(np.arange(120.0).reshape(60, 2), units="mV", sampling_rate=10 * pq.Hz, name="lfp")
    )
    block = neo.Block(name="made")
    block.segments.append(segment)
    return block


def write_neo(path):
    from neo.io import NeoMatlabIO

    NeoMatlabIO(str(path)).write_block(neo_block())


def pynapple_group(**changes):
    """A ``TsGroup``, whose time support is all of it."""
    import pynapple as nap

    trains = {i: nap.Ts(np.array(train)) for i, train in enumerate(TRAINS)}
    metadata = {"region": ["M1", "PMd", "PMd"], "quality": ["good", "mua", "good"]}
    return nap.TsGroup(trains, **({"time_support": nap.IntervalSet(0, 6), "metadata": metadata} | changes))
