"""One thread a process, since the tests run side by side; the test of thread counts sets its own."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # threads that wait must not hold up the other tests

import torch

torch.set_num_threads(1)
