"""Processes that train together on the CPU, for tests: the same function runs in each of them at the same time.

They find each other through a file, so that no port can be taken. They start once and serve many tests, since starting
takes longer than what the tests do. If one of them raises, or does not answer in time, all are ended and the test fails
with what it said; the next test gets new ones.
"""

import multiprocessing
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from datetime import timedelta
from multiprocessing.connection import wait
from pathlib import Path


class Together:
    """So many processes; `run` calls a function, importable by name, in all of them.

    >>> with Together(2) as two:  # doctest: +SKIP
    ...     first, second = two.run(function, argument)
    """

    def __init__(self, size, seconds=120):
        self.size, self.seconds = size, seconds
        self.members = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def run(self, function, *arguments):
        """Return what each process returned, in order of rank."""
        if not self.members:
            self._start()
        # Plain pickle, since torch would share the memory of tensors with processes that may be gone by then.
        job = pickle.dumps((function, arguments))
        for _, pipe in self.members:
            pipe.send_bytes(job)
        answers = self._collect(function.__name__)
        return [answers[rank] for rank in range(self.size)]

    def _start(self):
        context = multiprocessing.get_context("spawn")
        self.folder = tempfile.mkdtemp()
        for rank in range(self.size):
            ours, theirs = context.Pipe()
            process = context.Process(
                target=_serve, args=(theirs, self.folder, rank, self.size, self.seconds), daemon=True
            )
            process.start()
            theirs.close()
            self.members.append((process, ours))

    def _collect(self, name):
        answers, wrong = {}, {}
        pipes = {pipe: rank for rank, (_, pipe) in enumerate(self.members)}
        until = time.monotonic() + self.seconds
        # Once one has failed the others may wait for it for ever.
        while pipes and not wrong:
            ready = wait(list(pipes), timeout=max(until - time.monotonic(), 0))
            if not ready:
                wrong = dict.fromkeys(pipes.values(), f"no answer within {self.seconds} s")
            for pipe in ready:
                rank = pipes.pop(pipe)
                try:
                    good, value = pickle.loads(pipe.recv_bytes())
                except EOFError:
                    good, value = False, "ended without an answer"
                (answers if good else wrong)[rank] = value
        if wrong:
            self.end(patience=0)
            raise AssertionError("\n".join(f"{name}, process {rank} of {self.size}: {wrong[rank]}" for rank in wrong))
        return answers

    def end(self, patience=10):
        """End the processes, by force after so many seconds; the next `run` starts new ones."""
        for _, pipe in self.members:
            pipe.close()  # one that waits for a job leaves by itself
        for process, _ in self.members:
            process.join(timeout=patience)
            if process.is_alive():
                process.kill()
                process.join()
        if self.members:
            shutil.rmtree(self.folder, ignore_errors=True)
        self.members = []


def _serve(pipe, folder, rank, size, seconds):
    import torch
    from torch import distributed as dist

    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=size, timeout=timedelta(seconds=seconds)
    )
    while True:
        try:
            function, arguments = pickle.loads(pipe.recv_bytes())
        except EOFError:
            os._exit(0)  # whoever asked is gone, and an orderly end would wait for the others
        try:
            answer = (True, function(*arguments))
        except Exception:
            answer = (False, traceback.format_exc())
        pipe.send_bytes(pickle.dumps(answer))


def torchrun(script, *words, size=2, seconds=120):
    """Run a script as `torchrun` does; return the finished process with its output as text.

    If that takes longer than so many seconds, it is told to end, which ends the processes that it started, and the
    test fails.
    """
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(size)]
    # Port 0: whichever is free, chosen by the one that listens.
    command += [
        "--rdzv-backend",
        "c10d",
        "--rdzv-endpoint",
        "127.0.0.1:0",
        "--local-addr",
        "127.0.0.1",
        str(script),
        *words,
    ]
    started = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        cwd=Path(script).parent,
    )
    try:
        out, err = started.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        started.terminate()
        try:
            out, err = started.communicate(timeout=40)  # it gives its processes 30 s
        except subprocess.TimeoutExpired:
            started.kill()
            out, err = started.communicate()
        raise AssertionError(f"no end within {seconds} s; stdout: {out}; stderr: {err}") from None
    return subprocess.CompletedProcess(command, started.returncode, out, err)
