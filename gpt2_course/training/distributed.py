"""Several processes that train one model together, started by PyTorch's own launcher: `torchrun train.py`."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous
from torch.nn.parallel import DistributedDataParallel

from gpt2_course.devices import best_device

T = TypeVar("T")
TIMEOUT = timedelta(hours=6)  # how long the others wait while the main process tokenizes a large text
STARTED = "started"


@dataclass(frozen=True)
class Distributed:
    """One process of a run; each has a copy of the model and a slice of every batch (Li et al., 2020).

    With a single process, no method communicates.
    """

    rank: int = 0
    world_size: int = 1
    store: Store | None = None
    """torchrun's key-value store, which survives a restart of the processes."""
    restarted: bool = False
    """Whether torchrun restarted the processes after one of them died; if so, their run is resumed."""

    @classmethod
    def join(cls, device: torch.device, folder: Path) -> Distributed:
        """Join the processes that torchrun started for the run in `folder`; wait until all have arrived."""
        if not dist.is_torchelastic_launched():
            return SINGLE_PROCESS
        # Since PyTorch 2.6, restarted processes get the same store; before, each start had a part of its own.
        store, rank, world_size = next(rendezvous("env://"))
        store = PrefixStore(str(folder), store)
        if world_size > 1:
            on_gpu = device.type == "cuda"
            dist.init_process_group(
                "nccl" if on_gpu else "gloo",
                store=_fresh_store(store, rank, world_size),
                rank=rank,
                world_size=world_size,
                timeout=TIMEOUT,
                device_id=device if on_gpu else None,
            )
        restarted = cls(rank, world_size).run_on_main(lambda: store.check([STARTED]))
        return cls(rank, world_size, store, restarted)

    def mark_started(self) -> None:
        """Mark the folder as this run's, so that restarted processes may resume it."""
        if self.store is not None:
            self.store.set(STARTED, "yes")

    @property
    def is_main_process(self) -> bool:
        """Whether this is the process that prepares, reports, and saves for all."""
        return self.rank == 0

    def run_on_main(self, work: Callable[[], T]) -> T:
        """Run `work` in the main process and return its result in all; if it fails there, the others exit quietly."""
        if self.world_size == 1:
            return work()
        result: list[Any] = [False, None]  # whether it succeeded, and its result
        try:
            if self.is_main_process:
                result = [True, work()]
        finally:
            dist.broadcast_object_list(result)
            if not result[0]:
                self.shut_down()
        if not result[0]:
            sys.exit(1)  # the main process reports the error
        return result[1]

    def all_see(self, file: Path, folder: Path) -> bool:
        """Whether all processes see the same file and the same folder, not just ones of the same name on different
        computers. Briefly creates a file in the folder."""
        if self.world_size == 1:
            return True
        mark = self.run_on_main(lambda: _new_file(folder))
        seen = [[path.read_bytes() if path.exists() else None for path in (file, mark)]] * self.world_size
        dist.all_gather_object(seen, seen[0])
        if self.is_main_process:
            mark.unlink()
        return seen.count(seen[0]) == self.world_size

    def shut_down(self) -> None:
        """End the communication; each process continues alone."""
        if self.world_size > 1:
            dist.destroy_process_group()
            # PyTorch's threads need the GIL to free the last message. If the model were freed first, it would wait for
            # them while holding the GIL, and the process would never exit. Sleeping gives them time.
            time.sleep(1)

    def reduce(self, loss: Tensor, stop: bool) -> tuple[Tensor, bool]:
        """The mean loss of all processes, and whether any of them must stop, in which case all do."""
        if self.world_size == 1:
            return loss, stop
        both = torch.stack([loss, loss.new_tensor(float(stop))])
        dist.all_reduce(both)
        return both[0] / self.world_size, bool(both[1])

    def total(self, number: int, device: torch.device) -> int:
        """The sum of the numbers that the processes give; `device` is where the processes communicate."""
        if self.world_size == 1:
            return number
        sums = torch.tensor(number, device=device)
        dist.all_reduce(sums)
        return int(sums)

    def batch_slice(self, batch_size: int) -> slice:
        """This rank's slice of the global batch, which has `batch_size` rows per process."""
        return slice(self.rank * batch_size, (self.rank + 1) * batch_size)

    def wrap(self, model: nn.Module) -> nn.Module:
        """The model, with `backward` averaging its gradients over all processes."""
        return DistributedDataParallel(model) if self.world_size > 1 else model

    def no_sync(self, wrapped: nn.Module) -> AbstractContextManager[None]:
        """Accumulate gradients in the block without averaging them, because more of the batch follows."""
        return wrapped.no_sync() if isinstance(wrapped, DistributedDataParallel) else nullcontext()


SINGLE_PROCESS = Distributed()


def lost_a_process(error: RuntimeError) -> bool:
    """Whether this is the error that PyTorch raises when another process of the run has died."""
    return isinstance(error, dist.DistError) or "/gloo/" in str(error)  # gloo's errors have no type of their own


def local_device(name: str) -> torch.device:
    """The device that `best_device` finds; under torchrun, each process gets its own GPU, or all share the CPU.

    Raises `ValueError` for a device that processes cannot share.
    """
    device = best_device(name)
    if device.type == "cpu" or not dist.is_torchelastic_launched() or os.environ["WORLD_SIZE"] == "1":
        if device.type == "cuda" and device.index is not None:
            torch.cuda.set_device(device)  # PyTorch's feature checks refer to the current GPU
        return device
    if device.type == "mps":
        if name == "auto":
            return torch.device("cpu")
        raise ValueError("device='mps' works for one process only: give --device cpu, or start only one process.")
    here = int(os.environ["LOCAL_WORLD_SIZE"])
    if device.index is not None:
        raise ValueError(
            f"device={name!r} is one GPU, but {here} processes run here: give --device cuda, so that each gets its own."
        )
    if here > (found := torch.cuda.device_count()):
        raise ValueError(
            f"{here} processes need {here} GPUs, but this computer has {found}: give --nproc-per-node {found}."
        )
    device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
    torch.cuda.set_device(device)
    return device


def _new_file(folder: Path) -> Path:
    """Create a file with unique content; return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"processes.{os.getpid()}.tmp"
    path.write_text(os.urandom(8).hex())
    return path


def _fresh_store(store: Store, rank: int, world_size: int) -> Store:
    """A part of the store for these processes alone.

    After a restart, the store still contains the addresses of dead processes. So each process stores a new random
    name, and all meet under a prefix made of all the names. A process that has read a dead process's name finds
    itself alone under that prefix and tries again.

    Raises `TimeoutError` if a process is missing for ten minutes.
    """
    store.set(f"name {rank}", os.urandom(4).hex())
    began = time.monotonic()
    while time.monotonic() - began < 600:
        names = [store.get(f"name {r}").decode() for r in range(world_size)]
        fresh = PrefixStore(" ".join(names), store)
        fresh.set(f"here {rank}", "yes")
        if fresh.check([f"here {r}" for r in range(world_size)]):
            return fresh
        time.sleep(0.05)
    raise TimeoutError(
        f"Not all of the {world_size} processes arrived within ten minutes: restart torchrun on every computer."
    )
