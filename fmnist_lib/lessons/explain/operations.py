"""A network as a list of operations, as a program in another language can compute them.

`torch.export` runs the network once, without numbers, and writes down each operation of PyTorch.
"""

import copy
import logging
import operator
from dataclasses import dataclass, field

import torch
from torch import Tensor, fx, nn

from fmnist_lib.data import as_input
from fmnist_lib.errors import CourseError, in_one_line

PASS_ON = ("dropout", "feature_dropout", "clone", "contiguous", "detach", "alias")  # in evaluation
SHAPED = ("flatten", "view", "reshape", "squeeze")


@dataclass
class Operation:
    """One step of a network: numbers of one image from those of earlier steps.

    kind: input, convolution, linear, scale (a factor and a term for each map), ReLU, max-pooling,
        mean-pooling, add, flatten, max or mean (of each map, over its places).
    name: of the layer, as the network has it; empty where it has none.
    shape: of the result for one image, (channels, height, width) or (n,).
    inputs: places of the operations whose results it takes.
    weight, bias: float32. Of a convolution [maps, channels of a group, height, width] and [maps];
        of a linear layer [outputs, inputs] and [outputs]; of a scale [channels] each, or [1].
    options: kernel, stride, padding and dilation, (height, width) each; groups.
    parameters, multiply_adds: how many, for one image.
    """

    kind: str
    name: str
    shape: tuple[int, ...]
    inputs: list[int] = field(default_factory=list)
    weight: Tensor | None = None
    bias: Tensor | None = None
    options: dict = field(default_factory=dict)
    parameters: int = 0
    multiply_adds: int = 0


def operations(network: nn.Module) -> list[Operation]:
    """The operations of a network in evaluation mode, the first of which is the input.

    A batch normalisation directly behind a convolution or a linear layer is folded into it. The
    network stays as it is. Raises CourseError when it computes something else for other images, or
    takes an operation that is not known here: the message names it and its module.
    """
    name = type(network).__name__
    image = as_input(torch.zeros(1, 28, 28, dtype=torch.uint8))
    try:
        copied = copy.deepcopy(network).cpu().float().eval()
        logging.disable(logging.CRITICAL)  # of a failure it logs the whole graph
        program = torch.export.export(copied, (image,))
    except Exception as error:  # whatever stands in the forward of somebody's own class
        raise CourseError(
            f"{name} can't be written down as a list of operations ({in_one_line(error)}). Its "
            "forward has to do the same for every image: no `if` that looks at numbers."
        ) from error
    finally:
        logging.disable(logging.NOTSET)
    reader = _Reader(program, name)
    for node in program.graph.nodes:
        reader.read(node)
    return reader.found


class _Reader:
    """Reads the graph of a program, node by node."""

    def __init__(self, program: torch.export.ExportedProgram, network: str):
        signature, state = program.graph_signature, program.state_dict | program.constants
        self.network, self.found = network, []
        self.tensors = {
            node: state[path]
            for nodes in (
                signature.inputs_to_parameters,
                signature.inputs_to_buffers,
                signature.inputs_to_lifted_tensor_constants,
            )
            for node, path in nodes.items()
        }
        self.learned = {*signature.inputs_to_parameters}
        self.places: dict[str, int] = {}  # of a node's result, among the operations

    def read(self, node: fx.Node) -> None:
        """Take in one node; CourseError when it is not known."""
        if node.op == "placeholder" and node.name not in self.tensors:
            self._keep(node, Operation("input", "", _shape(node)))
        elif node.target is operator.getitem and node.args[1] == 0:  # of several results
            self.places[node.name] = self._place(node, node.args[0])
        elif node.op == "call_function" and hasattr(node.target, "_schema"):
            kind = node.target._schema.name.removeprefix("aten::").rstrip("_")
            if _result(node) is None:  # a size, say
                return
            given = _arguments(node)
            if kind in PASS_ON:
                self.places[node.name] = self._place(node, given.get("self", given.get("input")))
                return
            known = getattr(self, "op_flatten" if kind in SHAPED else f"op_{kind}", None)
            if known is None:
                raise self._unknown(node, kind)
            known(node, given)

    # ------------------------------------------------------------------ operations of PyTorch

    def op_conv2d(self, node, given) -> None:
        weight, bias = self._tensor(node, given["weight"]), self._tensor(node, given["bias"])
        kernel, dilation = weight.shape[2:], _pair(given["dilation"])
        padding = given["padding"]
        if padding == "valid":
            padding = 0
        elif padding == "same":
            around = [d * (k - 1) for k, d in zip(kernel, dilation)]
            if any(each % 2 for each in around):
                raise self._unknown(node, "a convolution that pads one side more than the other")
            padding = [each // 2 for each in around]
        made = Operation("convolution", "", _shape(node), weight=weight, bias=bias)
        made.options = {
            "stride": _pair(given["stride"]), "padding": _pair(padding), "dilation": dilation,
            "groups": given["groups"],
        }  # fmt: skip
        made.multiply_adds = weight[0].numel() * _count(made.shape)
        self._keep(node, made, given["input"])

    def op_linear(self, node, given) -> None:
        weight, bias = self._tensor(node, given["weight"]), self._tensor(node, given["bias"])
        made = Operation("linear", "", _shape(node), weight=weight, bias=bias)
        if len(made.shape) != 1:
            raise self._unknown(node, "a linear layer on maps")
        made.multiply_adds = weight.numel()
        self._keep(node, made, given["input"])

    def op_batch_norm(self, node, given) -> None:
        if given["running_mean"] is None:
            raise self._unknown(node, "a batch normalisation without a running mean")
        mean, spread = (self._tensor(node, given[f"running_{each}"]) for each in ("mean", "var"))
        factor = (spread + given["eps"]).rsqrt()
        if given["weight"] is not None:
            factor = factor * self._tensor(node, given["weight"])
        term = -mean * factor
        if given["bias"] is not None:
            term = term + self._tensor(node, given["bias"])
        source = given["input"]
        before = self.found[self._place(node, source)]
        if before.kind in ("convolution", "linear") and len(source.users) == 1:
            before.weight = before.weight * factor.view(-1, *[1] * (before.weight.dim() - 1))
            before.bias = term if before.bias is None else before.bias * factor + term
            before.parameters += self._parameters(node)
            before.options["batch_norm"] = True
            self.places[node.name] = self._place(node, source)
            return
        self._keep(node, Operation("scale", "", _shape(node), weight=factor, bias=term), source)

    def op_relu(self, node, given) -> None:
        self._keep(node, Operation("ReLU", "", _shape(node)), given["self"])

    def op_max_pool2d(self, node, given) -> None:
        if given["ceil_mode"] or _pair(given["dilation"]) != [1, 1]:
            raise self._unknown(node, "max-pooling with ceil_mode or dilation")
        self._keep(node, _pooling("max-pooling", node, given), given["self"])

    def op_avg_pool2d(self, node, given) -> None:
        whole = given["count_include_pad"] or _pair(given["padding"]) == [0, 0]
        if given["ceil_mode"] or given["divisor_override"] or not whole:
            raise self._unknown(node, "mean-pooling with an option")
        self._keep(node, _pooling("mean-pooling", node, given), given["self"])

    def op_adaptive_avg_pool2d(self, node, given, kind="mean") -> None:
        if _pair(given["output_size"]) != [1, 1]:
            raise self._unknown(node, "adaptive pooling to more than one number")
        self._keep(node, Operation(kind, "", _shape(node)), given["self"])

    def op_adaptive_max_pool2d(self, node, given) -> None:
        self.op_adaptive_avg_pool2d(node, given, "max")

    def op_mean(self, node, given, kind="mean") -> None:
        dimensions = sorted(each % 4 for each in given["dim"] or ())
        if len(_shape(given["self"])) != 3 or dimensions != [2, 3]:
            raise self._unknown(node, f"{kind} over other dimensions than the places of a map")
        self._keep(node, Operation(kind, "", _shape(node)), given["self"])

    def op_amax(self, node, given) -> None:
        self.op_mean(node, given, "max")

    def op_flatten(self, node, given) -> None:
        shape = _shape(node)
        if len(shape) > 2:
            raise self._unknown(node, f"a change of shape to {list(shape)}")
        self._keep(node, Operation("flatten", "", (_count(shape),)), given["self"])

    def op_add(self, node, given, sign=1) -> None:
        both, factor = [given["self"], given["other"]], sign * given["alpha"]
        if isinstance(both[1], int | float):
            return self._scale(node, both[0], 1, factor * both[1])
        if factor != 1 or any(_shape(each) != _shape(node) for each in both):
            raise self._unknown(node, "a sum of unlike parts")
        self._keep(node, Operation("add", "", _shape(node)), *both)

    def op_sub(self, node, given) -> None:
        self.op_add(node, given, -1)

    def op_mul(self, node, given) -> None:
        self._scale(node, given["self"], given["other"], 0)

    def op_div(self, node, given) -> None:
        if not isinstance(given["other"], int | float):
            raise self._unknown(node, "a quotient of results")
        self._scale(node, given["self"], 1 / given["other"], 0)

    def _scale(self, node, source, factor, term) -> None:
        if not isinstance(factor, int | float):
            raise self._unknown(node, "a product of results")
        numbers = [torch.tensor([float(each)]) for each in (factor, term)]
        self._keep(node, Operation("scale", "", _shape(node), [], *numbers), source)

    # ----------------------------------------------------------------------------- in common

    def _keep(self, node: fx.Node, made: Operation, *sources: fx.Node) -> None:
        if made.kind != "input":
            made.inputs = [self._place(node, each) for each in sources]
            made.name = _module(node)[0] if made.weight is not None else ""
            made.parameters = self._parameters(node)
        self.places[node.name] = len(self.found)
        self.found.append(made)

    def _place(self, node: fx.Node, source) -> int:
        if not isinstance(source, fx.Node) or source.name not in self.places:
            raise self._unknown(node, "an operation on weights alone")
        return self.places[source.name]

    def _tensor(self, node: fx.Node, source) -> Tensor | None:
        if source is None:
            return None
        if source.name not in self.tensors:
            raise self._unknown(node, "weights that are computed")
        return self.tensors[source.name].detach().float()

    def _parameters(self, node: fx.Node) -> int:
        return sum(self.tensors[each.name].numel() for each in node.all_input_nodes
                   if each.name in self.learned)  # fmt: skip

    def _unknown(self, node: fx.Node, kind: str) -> CourseError:
        path, module = _module(node)
        where = f"{path} ({module})" if path else f"the forward of {self.network}"
        return CourseError(
            f"The page does not know {kind}, which {where} computes. It knows convolutions, linear "
            "layers, ReLU, max- and mean-pooling, batch normalisation, sums, flatten, and the mean "
            "or largest number of each map."
        )


def _pooling(kind: str, node: fx.Node, given: dict) -> Operation:
    stride = given["stride"] or given["kernel_size"]
    options = {"kernel": given["kernel_size"], "stride": stride, "padding": given["padding"]}
    options = {name: _pair(value) for name, value in options.items()}
    return Operation(kind, "", _shape(node), options=options)


def _arguments(node: fx.Node) -> dict:
    """What a node gives to its operation, by the names that PyTorch has for it."""
    taken = node.target._schema.arguments
    defaults = {each.name: each.default_value for each in taken}
    return defaults | {each.name: value for each, value in zip(taken, node.args)} | node.kwargs


def _module(node: fx.Node) -> tuple[str, str]:
    """Path and class of the module that a node belongs to; empty for the network's own forward."""
    path, kind = [*node.meta.get("nn_module_stack", {"": ("", "")}).values()][-1]
    return path, (kind if isinstance(kind, str) else kind.__name__).rpartition(".")[2]


def _result(node: fx.Node) -> Tensor | None:
    """A tensor of the shape that a node gives; of several the first; None where it gives none."""
    value = node.meta.get("val")
    value = value[0] if isinstance(value, tuple | list) and value else value
    return value if isinstance(value, Tensor) else None


def _shape(node: fx.Node) -> tuple[int, ...]:
    """Of a node's result for one image."""
    return tuple(_result(node).shape[1:])


def _count(shape: tuple[int, ...]) -> int:
    return torch.Size(shape).numel()


def _pair(value) -> list[int]:
    """(height, width) of an option that may be one number for both."""
    return list(value) * (2 // len(value)) if isinstance(value, list | tuple) else [value] * 2
