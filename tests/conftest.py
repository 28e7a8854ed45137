"""One thread a process, since the tests run side by side; the test of thread counts sets its own. No example has a time limit."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # threads that wait must not hold up the other tests

import torch
from hypothesis import settings

torch.set_num_threads(1)
# How long an example takes depends on what else the machine does; and every run takes the same examples.
settings.register_profile("myow", deadline=None, derandomize=True)
settings.load_profile("myow")
