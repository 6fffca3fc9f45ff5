"""What depends on the device alone."""

import torch


def has_cuda_graphs(device: torch.device) -> bool:
    """Whether its work can be captured as CUDA graphs."""
    return device.type == "cuda"


def wants_pinned_memory(device: torch.device) -> bool:
    """Whether copies to it are faster, and run beside its work, from memory that the system does not move."""
    return device.type == "cuda"


def get_widest_dtype(device: torch.device) -> torch.dtype:
    """The most precise format of numbers that it has; a Mac's GPU has no double precision."""
    return torch.float32 if device.type == "mps" else torch.float64
