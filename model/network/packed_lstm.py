"""Bidirectional LSTM over a packed sequence, optimised for training on a CPU.

PyTorch's packed LSTM slices the whole batch at each time step, and the gradient of a slice is a tensor of the whole
batch's size: on a CPU a training step of one layer took almost ten times as long as here
(`python -m benchmarks.packed_lstm`, docs/experiments.md). cuDNN is not affected and is used on a GPU. The equations and
parameters are those of `torch.nn.LSTM`; a test compares values and gradients.

Source: Hochreiter and Schmidhuber 1997; gate order and biases as in `torch.nn.LSTM`.
"""

from typing import Any, cast

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
    sizes = packed.batch_sizes.tolist()
    both = [
        cast("Tensor", _PackedLstm.apply(packed.data, w_ih, w_hh, b_ih + b_hh, sizes, backwards))
        for (w_ih, w_hh, b_ih, b_hh), backwards in zip(lstm.all_weights, (False, True), strict=True)
    ]
    return packed._replace(data=torch.cat(both, dim=1))


class _PackedLstm(torch.autograd.Function):
    """One direction. The rows of a time step are contiguous, longest sequence first."""

    @staticmethod
    def forward(
        ctx: Any, data: Tensor, w_ih: Tensor, w_hh: Tensor, bias: Tensor, sizes: list[int], backwards: bool
    ) -> Tensor:
        hidden = w_hh.shape[1]
        steps = _steps(sizes, backwards)
        gates = torch.addmm(bias, data, w_ih.t())
        cells, states = data.new_empty(2, len(data), hidden).unbind()
        cells_before, states_before = data.new_zeros(2, len(data), hidden).unbind()
        previous = slice(0, 0)
        for step in steps:
            active = min(step.stop - step.start, previous.stop - previous.start)
            if active:
                states_before[step][:active] = states[previous][:active]
                cells_before[step][:active] = cells[previous][:active]
                gates[step][:active].addmm_(states[previous][:active], w_hh.t())
            _activate(gates[step], hidden)
            _advance(gates[step], cells_before[step], cells[step], states[step])
            previous = step
        ctx.save_for_backward(data, w_ih, w_hh, gates, cells, cells_before, states_before)
        ctx.steps = steps
        return states

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]  # torch leaves it untyped
    def backward(ctx: Any, grad_states: Tensor) -> tuple[Tensor | None, ...]:
        data, w_ih, w_hh, gates, cells, cells_before, states_before = ctx.saved_tensors
        grad_gates = torch.empty_like(gates)
        tanh_cells = cells.tanh()
        grad_state = grad_cell = grad_states.new_empty(0, w_hh.shape[1])
        for step in reversed(ctx.steps):
            grad = grad_states[step].clone()
            active = min(len(grad), len(grad_state))
            grad[:active] += grad_state[:active]
            grad_cell = _gate_gradients(
                grad, grad_cell[:active], gates[step], tanh_cells[step], cells_before[step], grad_gates[step]
            )
            grad_state = grad_gates[step] @ w_hh
        grad_weights = grad_gates.t() @ data, grad_gates.t() @ states_before
        # The gradient of MFCC frames is not used and would cost an eighth of all products.
        grad_data = grad_gates @ w_ih if ctx.needs_input_grad[0] else None
        return grad_data, *grad_weights, grad_gates.sum(0), None, None


def _steps(sizes: list[int], backwards: bool) -> list[slice]:
    """Rows of each time step, in processing order."""
    steps = []
    start = 0
    for size in sizes:
        steps.append(slice(start, start + size))
        start += size
    return steps[::-1] if backwards else steps


def _activate(gates: Tensor, hidden: int) -> None:
    """Apply in place the sigmoid to the input, forget and output gates and tanh to the candidate."""
    gates[:, : 2 * hidden].sigmoid_()
    gates[:, 2 * hidden : 3 * hidden].tanh_()
    gates[:, 3 * hidden :].sigmoid_()


def _advance(gates: Tensor, cell_before: Tensor, cell: Tensor, state: Tensor) -> None:
    """Write the cell c = f · c⁻ + i · g and the state h = o · tanh(c) in place."""
    input_gate, forget_gate, candidate, output_gate = gates.chunk(4, dim=1)
    torch.mul(forget_gate, cell_before, out=cell)
    cell.addcmul_(input_gate, candidate)
    torch.tanh(cell, out=state)
    state.mul_(output_gate)


def _gate_gradients(
    grad_state: Tensor, grad_cell_after: Tensor, gates: Tensor, tanh_cells: Tensor, cell_before: Tensor, out: Tensor
) -> Tensor:
    """Write the pre-activation gradients to `out`; return the gradient of the cell one step earlier."""
    input_gate, forget_gate, candidate, output_gate = gates.chunk(4, dim=1)
    d_input, d_forget, d_candidate, d_output = out.chunk(4, dim=1)
    torch.mul(grad_state, tanh_cells, out=d_output)
    d_output.mul_(output_gate * (1 - output_gate))
    grad_cell = grad_state.mul_(output_gate)
    grad_cell.mul_(1 - tanh_cells * tanh_cells)
    grad_cell[: len(grad_cell_after)] += grad_cell_after
    torch.mul(grad_cell, candidate, out=d_input)
    d_input.mul_(input_gate * (1 - input_gate))
    torch.mul(grad_cell, cell_before, out=d_forget)
    d_forget.mul_(forget_gate * (1 - forget_gate))
    torch.mul(grad_cell, input_gate, out=d_candidate)
    d_candidate.mul_(1 - candidate * candidate)
    return grad_cell.mul_(forget_gate)
