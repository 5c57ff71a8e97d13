"""One training run on many processes: data parallelism with torch.distributed.

`torchrun --nproc-per-node 2 -m fmnist_lib.course.train` starts the processes. Each has all the
images and its own copy of the network, and takes its share of every batch. DistributedDataParallel
averages the gradients, so that all copies make the same update.
"""

import gc
import os

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from fmnist_lib.errors import CourseError


def processes() -> int:
    """How many processes train together; 1 without torchrun."""
    return dist.get_world_size() if dist.is_initialized() else 1


def is_main() -> bool:
    """Whether this process is the one that writes files and prints (rank 0)."""
    return not dist.is_initialized() or dist.get_rank() == 0


def join() -> str | None:
    """Join the processes that torchrun started; the device for this one, None when it is alone."""
    if "WORLD_SIZE" not in os.environ:
        return None
    # DistributedDataParallel imports this, and its functions' defaults hold the group for ever
    # when there is one by then.
    import torch.distributed.nn

    gpu = torch.cuda.is_available()
    store, rank, size = next(dist.rendezvous("env://"))
    if os.environ["LOCAL_WORLD_SIZE"] == os.environ["WORLD_SIZE"]:
        # After a restart the store still has the addresses of the processes that died, and these
        # would be called (pytorch #135712). On several machines, which count their restarts apart,
        # set TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 instead.
        store = dist.PrefixStore(f"attempt {os.environ['TORCHELASTIC_RESTART_COUNT']}", store)
    dist.init_process_group("nccl" if gpu else "gloo", store=store, rank=rank, world_size=size)
    return f"cuda:{os.environ['LOCAL_RANK']}" if gpu else "cpu"


def as_main(value: bool) -> bool:
    """The value of the main process, in all of them: of something that each may see otherwise."""
    if not dist.is_initialized():
        return value
    shared = torch.tensor(int(value), device="cuda" if dist.get_backend() == "nccl" else "cpu")
    dist.broadcast(shared, src=0)
    return bool(shared.item())


def leave() -> None:
    """The end of `join`, when nothing holds a network of `parallel` any more.

    It ends gloo's threads, too. One that still gives a tensor back when Python ends aborts the
    process (pytorch #179291). They live as long as the group, which the network's cycles hold.
    """
    if dist.is_initialized():
        dist.destroy_process_group()
        gc.collect()


def parallel(model: nn.Module, batch_size: int, images: int) -> nn.Module:
    """The model, working together with its copies in the other processes; itself when alone.

    Raises CourseError when so many images can't be trained on in batches of this size: a batch is
    larger than all of them, or has none for a process, or one image where a network takes a mean.
    """
    if batch_size > images:
        raise CourseError(
            f"batch_size={batch_size} is more than the {images} training images. Give {images} or "
            "less."
        )
    if batch_size < processes():
        raise CourseError(
            f"batch_size={batch_size} is less than one image for each of the {processes()} "
            "processes. Start fewer, or raise batch_size."
        )
    last = images % batch_size or batch_size
    means = any(isinstance(layer, nn.BatchNorm1d) for layer in model.modules())
    if means and any(size // processes() <= 1 for size in (batch_size, last)):
        raise CourseError(
            f"With batch_size={batch_size} and {images} training images, a process gets a batch of "
            f"one image, from which the batch normalisation of {type(model).__name__} can't take a "
            "mean. Choose another batch_size, or a few images more or less."
        )
    return model if processes() == 1 else Shared(model)


class Shared(nn.Module):
    """[N, …] images, the same in every process → [N, classes] logits, the same in every process.

    Each process computes the logits of its share of the images and receives the others'. The
    gradient flows through its own share only.
    """

    def __init__(self, model: nn.Module):
        super().__init__()
        self.copies = DistributedDataParallel(model)

    def forward(self, images: Tensor) -> Tensor:
        count, rank = dist.get_world_size(), dist.get_rank()
        share = slice(len(images) * rank // count, len(images) * (rank + 1) // count)
        own = self.copies(images[share])
        if own.requires_grad:
            # The loss is a mean over the whole batch already, and DistributedDataParallel divides
            # the sum of the gradients by the number of processes once more.
            own.register_hook(lambda gradient: gradient * count)
        logits = own.new_zeros(len(images), own.shape[1])
        logits[share] = own.detach()
        dist.all_reduce(logits)
        logits[share] = own
        return logits
