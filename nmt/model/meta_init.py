"""Modules whose parameters have shapes and no numbers yet."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

RANDOM_INITIALIZERS = {"normal_", "uniform_", "kaiming_uniform_"}


class SkipInit(TorchFunctionMode):
    """Inside, no random numbers are drawn for new parameters.

    To be used on torch's meta device, where nothing has memory: for `normal_` there torch would import its compiler,
    which takes as long as importing torch.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        arguments = dict(kwargs or {})
        if func.__name__ in RANDOM_INITIALIZERS:
            return args[0] if args else arguments["tensor"]
        return func(*args, **arguments)


def assign_parameters(module: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Makes these tensors the parameters of that name; a parameter that several modules share stays shared."""
    parameters = {
        id(parameter): nn.Parameter(tensors[name].to(parameter.dtype), requires_grad=parameter.requires_grad)
        for name, parameter in module.named_parameters()
    }
    for part in module.modules():
        for name, parameter in part.named_parameters(recurse=False, remove_duplicate=False):
            setattr(part, name, parameters[id(parameter)])
