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
from torch import Tensor, distributed, nn
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous
from torch.nn.parallel import DistributedDataParallel

from gpt2_course.train_config import best_device

T = TypeVar("T")
PATIENCE = timedelta(hours=6)  # the others wait that long for the one that turns a large text into tokens
BEGUN = "begun"


@dataclass(frozen=True)
class Team:
    """The processes of a run, each with a copy of the model and its own share of every batch (Li et al., 2020).

    A process alone is a team of one, to which none of this makes a difference.
    """

    rank: int = 0
    size: int = 1
    store: Store | None = None
    """What torchrun remembers of the run for as long as it lives, however often it starts its processes anew."""
    restarted: bool = False
    """Whether torchrun has started the team anew, because one of it had died: the run that it began goes on."""

    @classmethod
    def join(cls, device: torch.device, folder: Path) -> Team:
        """The team that torchrun has told this process of, for the run in `folder`; waits until all have come."""
        if not distributed.is_torchelastic_launched():
            return ALONE
        # From PyTorch 2.6 on this is the same store after a restart; before, each start had a part of it for itself.
        store, rank, size = next(rendezvous("env://"))
        store = PrefixStore(str(folder), store)
        if size > 1:
            on_gpu = device.type == "cuda"
            distributed.init_process_group(
                "nccl" if on_gpu else "gloo",
                store=_meeting_place(store, rank, size),
                rank=rank,
                world_size=size,
                timeout=PATIENCE,
                device_id=device if on_gpu else None,
            )
        restarted = cls(rank, size).once(lambda: store.check([BEGUN]))
        return cls(rank, size, store, restarted)

    def begin(self) -> None:
        """From here on the folder holds this run and no other: a team that is started anew may go on with it."""
        if self.store is not None:
            self.store.set(BEGUN, "yes")

    @property
    def leads(self) -> bool:
        """One of the team prepares, reports and saves; the others compute."""
        return self.rank == 0

    def once(self, work: Callable[[], T]) -> T:
        """Does `work` in one process and tells all what came of it; if it fails there, the others end quietly."""
        if self.size == 1:
            return work()
        result: list[Any] = [False, None]  # whether it worked, and what it gave
        try:
            if self.leads:
                result = [True, work()]
        finally:
            distributed.broadcast_object_list(result)
            if not result[0]:
                self.leave()
        if not result[0]:
            sys.exit(1)  # the first process says why
        return result[1]

    def all_see(self, file: Path, folder: Path) -> bool:
        """Whether it is the same file for each of the team, and one folder: several computers may have one each, of the
        same name. For a moment there is another file in the folder."""
        if self.size == 1:
            return True
        mark = self.once(lambda: _new_file(folder))
        seen = [[path.read_bytes() if path.exists() else None for path in (file, mark)]] * self.size
        distributed.all_gather_object(seen, seen[0])
        if self.leads:
            mark.unlink()
        return seen.count(seen[0]) == self.size

    def leave(self) -> None:
        """Ends the work together; each goes on alone."""
        if self.size > 1:
            distributed.destroy_process_group()
            # PyTorch's threads need Python to let go of the last message. Should the model be freed before that, it
            # waits for them without letting them have it, and the process never ends: so they get it here.
            time.sleep(1)

    def mean_loss_and_stop(self, loss: Tensor, stop: bool) -> tuple[Tensor, bool]:
        """The mean of the team's losses, and whether any of it wants to stop: all of them go on, or none."""
        if self.size == 1:
            return loss, stop
        both = torch.stack([loss, loss.new_tensor(float(stop))])
        distributed.all_reduce(both)
        return both[0] / self.size, bool(both[1])

    def share(self, batch_size: int) -> slice:
        """Which rows of a batch for the whole team, `batch_size` for each, are this one's."""
        return slice(self.rank * batch_size, (self.rank + 1) * batch_size)

    def shared(self, model: nn.Module) -> nn.Module:
        """The model, whose gradients become the mean of the team's in every `backward`."""
        return DistributedDataParallel(model) if self.size > 1 else model


def without_sending(shared: nn.Module) -> AbstractContextManager[None]:
    """Inside, gradients are only added up and not sent: there is more of the batch to come."""
    return shared.no_sync() if isinstance(shared, DistributedDataParallel) else nullcontext()


def has_lost_a_process(error: RuntimeError) -> bool:
    """Whether that is how PyTorch says that another process of the team is gone."""
    return isinstance(error, distributed.DistError) or "/gloo/" in str(error)  # gloo's have no kind of their own


def own_device(name: str) -> torch.device:
    """The device by name, as `best_device` has it; torchrun's processes get a GPU each, or share the CPU.

    Raises `ValueError` for a device that they cannot share.
    """
    device = best_device(name)
    if device.type == "cpu" or not distributed.is_torchelastic_launched() or os.environ["WORLD_SIZE"] == "1":
        if device.type == "cuda" and device.index is not None:
            torch.cuda.set_device(device)  # PyTorch answers for the current GPU when asked what it can
        return device
    if device.type == "mps":
        if name == "auto":
            return torch.device("cpu")
        raise ValueError("device='mps' serves one process only: give --device cpu, or start one process.")
    here = int(os.environ["LOCAL_WORLD_SIZE"])
    if device.index is not None:
        raise ValueError(
            f"device={name!r} is one GPU, but {here} processes run here: with --device cuda each has its own."
        )
    if here > (found := torch.cuda.device_count()):
        raise ValueError(f"{here} processes need {here} GPUs, but {found} are here: give --nproc-per-node {found}.")
    device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
    torch.cuda.set_device(device)
    return device


def _new_file(folder: Path) -> Path:
    """A file that holds what no other does."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"team.{os.getpid()}.tmp"
    path.write_text(os.urandom(8).hex())
    return path


def _meeting_place(store: Store, rank: int, size: int) -> Store:
    """A part of the store that is this team's alone.

    After a restart the store still holds the addresses of those who died. So each puts down a name that nobody had
    before, and they meet under the names of all; where a name is still that of a dead one, not all of them come.

    Raises `TimeoutError` if somebody is missing for ten minutes.
    """
    store.set(f"name {rank}", os.urandom(4).hex())
    began = time.monotonic()
    while time.monotonic() - began < 600:
        names = [store.get(f"name {r}").decode() for r in range(size)]
        place = PrefixStore(" ".join(names), store)
        place.set(f"here {rank}", "yes")
        if place.check([f"here {r}" for r in range(size)]):
            return place
        time.sleep(0.05)
    raise TimeoutError(f"Not all of the {size} processes have come within ten minutes: start torchrun anew everywhere.")


ALONE = Team()
