"""The embedding of a fitted model as an ONNX graph, from values as recorded to the embedding."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import math
import warnings
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from ..disk.storage import writing
from ..errors import SettingError
from ..extras import need
from ..graphs.folding import LEAST_NORM, Folded, fold
from ..layers.inputs import transform_values
from ..training.method import Method
from ..version import __version__
from .stream import one_session

if TYPE_CHECKING:
    from .learner import Learner
    from .recordings import Estimator

__all__ = ["export_model"]

PURPOSE = "exporting a model"
OPSET = 20  # the first with Gelu; onnxruntime has it since 1.16
IR_VERSION = 9


def export_model(model: Learner, path: Path, session: str | None = None) -> Path:
    """Write a model as ONNX, whole or not at all; see `myow.estimators.products.Products.export`.

    A graph of the layers known to `myow.graphs.folding.fold` is written as those few products; any other is handed to
    torch's own exporter.

    Raises
    ------
    SettingError
        If the extra ``onnx`` is not installed, the model learns from images, or its encoder cannot be exported.
    FileError
        If the file cannot be written.
    """
    one = one_session(model, session, "an exported graph")
    onnx = need("onnx", "onnx", PURPOSE)
    n_bins = sum(one._context()) + 1
    own = not isinstance(getattr(one, "encoder", ""), str)
    folded = None if own else fold(one.method_, n_bins, one.n_features_in_)
    graph = _exported(one, n_bins) if folded is None else _written(onnx, folded, one, n_bins)
    entry = graph.metadata_props.add()
    entry.key, entry.value = "myow", json.dumps(_about(one))
    graph.producer_name, graph.producer_version = "myow", __version__
    onnx.checker.check_model(graph)
    with writing(path) as part:
        part.write_bytes(graph.SerializeToString())
    return path


def _about(model: Estimator) -> dict[str, Any]:
    """What a program must know to feed the graph."""
    # Of a session on its own, which may have come later by `adapt`, the model knows more than of its training.
    sessions = getattr(model, "sessions_", {})
    data = [{"name": name, **about} for name, about in sessions.items()] or model.trained_on_
    return {
        "method": type(model).__name__,
        "kind": model.kind_,
        "bin_size": model.bin_size_,
        "context": list(model._context()),
        "n_units": model.n_features_in_,
        "units": data[0].get("units", []) if data else [],
        "input": model.input_,
        "trained_on": [{key: about.get(key) for key in ("name", "digest")} for about in data],
        "version": __version__,
    }


def _written(onnx: Any, folded: Folded, model: Estimator, n_bins: int) -> Any:
    """Write the graph by hand, one node after another."""
    helper, of_float = onnx.helper, onnx.TensorProto.FLOAT
    nodes: list[Any] = []
    constants: list[Any] = []

    def constant(values: Any, kind: Any = np.float32) -> str:
        constants.append(onnx.numpy_helper.from_array(np.asarray(values, dtype=kind), f"constant{len(constants)}"))
        return str(constants[-1].name)

    def node(operator: str, *inputs: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(operator, list(inputs), [f"{operator.lower()}{len(nodes)}"], **attributes))
        return str(nodes[-1].output[0])

    x = _transform(node, constant, "counts", model)
    if folded.pooled:
        x = node("ReduceMean", x, constant([1], np.int64), keepdims=0)
    else:
        x = node("Reshape", x, constant([-1, n_bins * model.n_features_in_], np.int64))
    for layer in folded.layers:
        x = node("Gemm", x, constant(layer.weight), constant(layer.bias))
        match layer.activation:
            case "relu":
                x = node("Relu", x)
            case "prelu":
                x = node("PRelu", x, constant([layer.slope]))
            case "gelu":
                x = node("Gelu", x)
    if folded.unit_norm:
        length = node("ReduceL2", x, constant([1], np.int64), keepdims=1)
        x = node("Div", x, node("Max", length, constant(LEAST_NORM)))
    nodes[-1].output[0] = "embedding"
    given = helper.make_tensor_value_info("counts", of_float, ["batch", n_bins, model.n_features_in_])
    made = helper.make_tensor_value_info("embedding", of_float, ["batch", model._n_dimensions()])
    graph = helper.make_graph(nodes, "myow", [given], [made], constants)
    opset = helper.make_operatorsetid("", OPSET)
    return helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION)


def _transform(node: Any, constant: Any, x: str, model: Estimator) -> str:
    """The nodes of `myow.layers.inputs.transform_values`."""
    match model.input_:
        case "sqrt":
            return str(node("Sqrt", x))
        case "anscombe":
            root = node("Sqrt", node("Add", x, constant(0.375)))
            return str(node("Sub", node("Mul", root, constant(2.0)), constant(math.sqrt(1.5))))
        case "rate":
            return str(node("Div", x, constant(model.bin_size_)))
    return x


class _FromValues(nn.Module):
    """A graph behind the transform of its input."""

    def __init__(self, method: Method, how: str, bin_size: float) -> None:
        super().__init__()
        self.method = deepcopy(method).cpu().eval()
        self.how, self.bin_size = how, bin_size
        for module in self.modules():
            for name, buffer in list(module.named_buffers(recurse=False)):
                if buffer.dtype == torch.bool and buffer.ndim == 0:  # what was decided in training is no longer open
                    delattr(module, name)
                    setattr(module, name, bool(buffer))

    def forward(self, counts: Tensor) -> Tensor:
        return self.method.embed(transform_values(counts, self.how, self.bin_size))


def _exported(model: Estimator, n_bins: int) -> Any:
    """Let torch trace the graph, and hold the result against it."""
    need("onnxscript", "onnx", PURPOSE)
    whole = _FromValues(model.method_, model.input_, model.bin_size_).eval()
    some = torch.ones(2, n_bins, model.n_features_in_)
    try:
        with _quiet():
            program: Any = torch.onnx.export(
                whole,
                (some,),
                dynamo=True,
                verbose=False,
                input_names=["counts"],
                output_names=["embedding"],
                dynamic_shapes={"counts": {0: torch.export.Dim("batch")}},
            )
    except Exception as error:  # of any of the tracer's parts, or of the encoder's own code
        why = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise _refusal(model, why) from error
    graph = program.model_proto
    # What an encoder decides in Python, the tracer decides once and for all: windows unlike those that it saw must agree too.
    draw = np.random.default_rng(0).poisson(2.0, size=(5, *some.shape[1:])).astype(np.float32)
    session = need("onnxruntime", "onnx", PURPOSE).InferenceSession(
        graph.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    with torch.inference_mode():
        expected = whole(torch.from_numpy(draw)).numpy()
    given = session.run(None, {"counts": draw})[0]
    if given.shape != expected.shape or not np.allclose(given, expected, rtol=1e-4, atol=1e-4):
        raise _refusal(model, "the exported graph does not embed as the encoder does")
    return graph


def _refusal(model: Estimator, why: str) -> SettingError:
    return SettingError(
        f"the encoder of this {type(model).__name__} cannot be exported ({why}); use layers that torch.onnx.export takes"
    )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporter, which talks of its own plans and of packages that are not needed."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
