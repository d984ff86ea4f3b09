"""Bidirectional LSTM over a packed sequence, optimised for training on a CPU.

PyTorch's packed LSTM slices the whole batch at each time step, and the gradient of a slice is a tensor of the whole
batch's size: on a CPU a training step of one layer takes almost ten times as long as here
(`python -m benchmarks.packed_lstm`, docs/experiments.md). cuDNN is not affected and is used on a GPU. The equations and
parameters are those of `torch.nn.LSTM`; a test compares values and gradients.

The backward direction reads every sequence reversed, so that both directions have the same time steps and run together,
as the first dimension of all arrays.

Source: Hochreiter and Schmidhuber 1997; gate order and biases as in `torch.nn.LSTM`.
"""

from typing import Any, Final, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.utils.rnn import PackedSequence


def run_bilstm(lstm: nn.LSTM, packed: PackedSequence) -> PackedSequence:
    """Run a one-layer bidirectional LSTM with zero initial states.

    Args:
        lstm: One bidirectional layer with biases.
        packed: Input, (rows, input size).

    Returns:
        (rows, 2 · hidden), forward before backward, packed in the same order.
    """
    if packed.data.is_cuda or torch.onnx.is_in_onnx_export() or not torch.is_grad_enabled():
        output: PackedSequence = lstm(packed)[0]
        return output
    reverse = _reversed_rows(packed.batch_sizes)
    w_ih, w_hh, b_ih, b_hh = (torch.stack(both) for both in zip(*lstm.all_weights, strict=True))
    inputs = torch.stack((packed.data, packed.data[reverse]))
    states = cast("Tensor", _PackedLstm.apply(inputs, w_ih, w_hh, b_ih + b_hh, packed.batch_sizes.tolist()))
    return packed._replace(data=torch.cat((states[0], states[1][reverse]), dim=1))


_SIGMOID_BACKWARD: Final = torch.ops.aten.sigmoid_backward.grad_input
_TANH_BACKWARD: Final = torch.ops.aten.tanh_backward.grad_input
_Step = tuple[slice, slice | None]


class _PackedLstm(torch.autograd.Function):
    """Independent LSTMs side by side. The rows of a time step are contiguous, longest sequence first.

    (directions, rows, input size) → (directions, rows, hidden); weights have the directions as first dimension too.
    """

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, w_ih: Tensor, w_hh: Tensor, bias: Tensor, sizes: list[int]) -> Tensor:
        gates = torch.baddbmm(bias.unsqueeze(1), inputs, w_ih.transpose(1, 2))
        cells, tanh_cells, states = gates.new_empty(3, *gates.shape[:2], w_hh.shape[2]).unbind()
        steps = _steps(sizes)
        for step, before in steps:
            if before is not None:
                _add_products(gates[:, step], states[:, before], w_hh.transpose(1, 2))
            _activate(gates[:, step])
            cell_before = None if before is None else cells[:, before]
            _advance(gates[:, step], cell_before, cells[:, step], tanh_cells[:, step], states[:, step])
        ctx.save_for_backward(inputs, w_ih, w_hh, gates, cells, tanh_cells, states)
        ctx.steps = steps
        return states

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]  # torch leaves it untyped
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        inputs, w_ih, w_hh, gates, cells, tanh_cells, states = ctx.saved_tensors
        steps: list[_Step] = ctx.steps
        grad_states, grad_gates = grad_output.clone(), torch.empty_like(gates)
        carried = grad_output.new_empty(len(gates), 0, w_hh.shape[2])
        for step, before in reversed(steps):
            own, grad_own = gates[:, step], grad_gates[:, step]
            grad_cell = _cell_gradient(grad_states[:, step], carried, own, tanh_cells[:, step], grad_own)
            cell_before = torch.zeros_like(grad_cell) if before is None else cells[:, before]
            carried = _gate_gradients(grad_cell, own, cell_before, grad_own)
            if before is not None:
                _add_products(grad_states[:, before], grad_own, w_hh)
        first, _ = steps[0]
        states_before = torch.cat([states[:, :0], *(states[:, rows] for _, rows in steps if rows)], dim=1)
        grad_w_hh = grad_gates[:, first.stop :].transpose(1, 2) @ states_before
        # The gradient of MFCC frames is not used and would cost an eighth of all products.
        grad_inputs = grad_gates @ w_ih if ctx.needs_input_grad[0] else None
        return grad_inputs, grad_gates.transpose(1, 2) @ inputs, grad_w_hh, grad_gates.sum(1), None


def _reversed_rows(sizes: Tensor) -> Tensor:
    """(rows,) int64 row of the mirrored time step of the same sequence, for each packed row.

    Args:
        sizes: (time steps,) int64 number of sequences at each time step, not increasing.
    """
    starts = sizes.cumsum(0) - sizes
    step = torch.repeat_interleave(torch.arange(len(sizes)), sizes)
    sequence = torch.arange(len(step)) - starts[step]
    last = torch.bincount(sequence)[sequence] - 1
    return starts[last - step] + sequence


def _steps(sizes: list[int]) -> list[_Step]:
    """Rows of each time step, and the rows of the same sequences one step earlier; None for the first step."""
    steps: list[_Step] = []
    start = 0
    for size in sizes:
        earlier = steps[-1][0].start if steps else None
        steps.append((slice(start, start + size), None if earlier is None else slice(earlier, earlier + size)))
        start += size
    return steps


def _add_products(sums: Tensor, rows: Tensor, weights: Tensor) -> None:
    """Add to (directions, rows, columns) in place; one product per direction is faster than a batched one."""
    for own, factor, weight in zip(sums, rows, weights, strict=True):
        own.addmm_(factor, weight)


def _activate(gates: Tensor) -> None:
    """Apply in place the sigmoid to the input, forget and output gates and tanh to the candidate."""
    hidden = gates.shape[2] // 4
    gates[..., : 2 * hidden].sigmoid_()
    gates[..., 2 * hidden : 3 * hidden].tanh_()
    gates[..., 3 * hidden :].sigmoid_()


def _advance(gates: Tensor, cell_before: Tensor | None, cell: Tensor, tanh_cell: Tensor, state: Tensor) -> None:
    """Write the cell c = f · c⁻ + i · g, its tanh, and the state h = o · tanh(c) in place."""
    input_gate, forget_gate, candidate, output_gate = gates.chunk(4, dim=2)
    torch.mul(input_gate, candidate, out=cell)
    if cell_before is not None:
        cell.addcmul_(forget_gate, cell_before)
    torch.tanh(cell, out=tanh_cell)
    torch.mul(output_gate, tanh_cell, out=state)


def _cell_gradient(grad_state: Tensor, carried: Tensor, gates: Tensor, tanh_cell: Tensor, out: Tensor) -> Tensor:
    """Gradient of the cells of a time step; writes the gradient of the output gates to `out`.

    Args:
        grad_state: (directions, sequences, hidden) gradient of the states.
        carried: (directions, sequences of the next step, hidden) gradient of the cells from the next step.
        gates: (directions, sequences, 4 · hidden) activated gates.
        tanh_cell: (directions, sequences, hidden) tanh of the cells.
        out: (directions, sequences, 4 · hidden) gradient before the activation of the gates.
    """
    output_gate, d_output = gates.chunk(4, dim=2)[3], out.chunk(4, dim=2)[3]
    torch.mul(grad_state, tanh_cell, out=d_output)
    _SIGMOID_BACKWARD(d_output, output_gate, grad_input=d_output)
    grad_cell = grad_state * output_gate
    _TANH_BACKWARD(grad_cell, tanh_cell, grad_input=grad_cell)
    grad_cell[:, : carried.shape[1]] += carried
    return grad_cell


def _gate_gradients(grad_cell: Tensor, gates: Tensor, cell_before: Tensor, out: Tensor) -> Tensor:
    """Write the gradients of the other gates to `out`; return the gradient of the cells one step earlier."""
    input_gate, forget_gate, candidate, _ = gates.chunk(4, dim=2)
    d_input, d_forget, d_candidate, _ = out.chunk(4, dim=2)
    torch.mul(grad_cell, candidate, out=d_input)
    _SIGMOID_BACKWARD(d_input, input_gate, grad_input=d_input)
    torch.mul(grad_cell, cell_before, out=d_forget)
    _SIGMOID_BACKWARD(d_forget, forget_gate, grad_input=d_forget)
    torch.mul(grad_cell, input_gate, out=d_candidate)
    _TANH_BACKWARD(d_candidate, candidate, grad_input=d_candidate)
    return grad_cell.mul_(forget_gate)
