"""Whether runs on this machine keep what the documentation promises."""

import time

import torch
from torch import nn

from lottery.config.gpus import count_gpus
from lottery.data import Digits
from lottery.doctor.finding import Finding, failed, not_here, passed
from lottery.doctor.trial import (
    TEN_STEPS,
    Trials,
    different_tables,
    largest_loss_difference,
    steps_per_second,
)
from lottery.models import LeNet300100

ROUNDING = 1e-3  # relative, of a loss after ten steps in 32 bits
SLOWEST = 2.0  # times a bare loop's step; more than that is a fault
BARE_STEPS = 700
WARM_UP = 50
BATCH = 60


def check_repeats(trials: Trials) -> Finding:
    """Check that the same command gives the same numbers twice."""
    different = different_tables(trials.plain, trials.run("again", "trainer=cpu"))
    if different:
        return failed(f"two runs of one command differ in {', '.join(different)}")
    return passed("two runs of one command have equal tables")


def check_resumes(trials: Trials) -> Finding:
    """Check that a run that is killed and started again has the numbers of one that was not."""
    exit_code = trials.kill("killed", "trainer=cpu")
    carried_on = trials.run("killed", "trainer=cpu")
    different = different_tables(trials.plain, carried_on)
    if different:
        return failed(f"a killed run that was carried on differs in {', '.join(different)}")
    when = "killed in round 1" if exit_code == -9 else "too fast to be killed"
    return passed(f"{when} and started again: equal tables")


def check_cpu_processes(trials: Trials) -> Finding:
    """Check that two processes on the CPU, which talk by gloo, train like one."""
    return _compare(trials, "two processes (gloo)", "ddp_cpu")


def check_gpu_run(trials: Trials) -> Finding:
    """Check that a run on the GPU has the losses of one on the CPU, within rounding."""
    if not count_gpus():
        return not_here("no GPU that torch can use")
    return _compare(trials, "a GPU", "gpu")


def check_graphs(trials: Trials) -> Finding:
    """Check that steps that are replayed as a CUDA graph change nothing but the time."""
    if not count_gpus():
        return not_here("no GPU that torch can use")
    replayed, ordinary = (
        trials.run(f"graph_{asked}", "trainer=gpu", f"trainer.graph={asked}")
        for asked in ("true", "false")
    )
    if different := different_tables(replayed, ordinary):
        return failed(f"runs with and without CUDA graphs differ in {', '.join(different)}")
    times = [f"{1e6 / steps_per_second(run):.0f} us" for run in (replayed, ordinary)]
    return passed(f"equal tables with and without; {times[0]} a step, without {times[1]}")


def check_gpu_processes(trials: Trials) -> Finding:
    """Check that two GPUs, which talk by NCCL, train like one CPU."""
    if count_gpus() < 2:
        return not_here("fewer than two GPUs")
    return _compare(trials, "two GPUs (NCCL)", "ddp")


def check_speed(trials: Trials) -> Finding:
    """Compare a step of round 0 with a step of a bare PyTorch loop, both in one thread.

    The better of two tries counts: other programs may disturb one.
    """
    runs = (trials.plain, trials.run("timed", "trainer=cpu", "rounds=0"))
    tries = [(1e6 / steps_per_second(run), _microseconds_of_bare_step()) for run in runs]
    ours, bare = min(tries, key=lambda times: times[0] / times[1])
    text = f"{ours:.0f} us a step, a bare loop {bare:.0f} us: {ours / bare:.2f} times"
    return passed(text) if ours < SLOWEST * bare else failed(f"{text}; is the machine busy?")


def _compare(trials: Trials, what: str, trainer: str) -> Finding:
    """Compare losses after ten steps: later ones also differ by what rounding has grown to."""
    there = trials.run(trainer, *TEN_STEPS, f"trainer={trainer}")
    difference = largest_loss_difference(trials.ten_steps, there)
    text = f"losses of {what} differ from one CPU process by {difference:.0e} of their size"
    return passed(text) if difference <= ROUNDING else failed(text)


def _microseconds_of_bare_step() -> float:
    """Time the steps of LeNet-300-100 on digits with Adam; the best of three times."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return min(_time_steps(BARE_STEPS) for _ in range(3))
    finally:
        torch.set_num_threads(threads)


def _time_steps(steps: int) -> float:
    train = Digits(split_seed=0).load().train
    network = LeNet300100(input_shape=tuple(train.inputs.shape[1:]), num_classes=10)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.0012, fused=True)
    order = torch.randint(len(train), (WARM_UP + steps, BATCH))
    start = 0.0
    for step, rows in enumerate(order):
        if step == WARM_UP:
            start = time.perf_counter()
        inputs, targets = train.batch(rows)
        loss = nn.functional.cross_entropy(network(inputs), targets)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return 1e6 * (time.perf_counter() - start) / steps
