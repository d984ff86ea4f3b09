import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence

from model.data.batches import pack_segments
from model.export.onnx_graphs import random_data
from tests.builders import tiny_network


def test_packing_equals_torch() -> None:
    frames = torch.arange(60.0).reshape(20, 3)
    starts, counts = torch.tensor([10, 0, 4, 17]), torch.tensor([3, 4, 1, 3])
    packed, segment_of_row = pack_segments(frames, starts, counts)
    parts = [frames[start : start + count] for start, count in zip(starts.tolist(), counts.tolist(), strict=True)]
    reference = pack_padded_sequence(
        pad_sequence(parts, batch_first=True), counts, batch_first=True, enforce_sorted=False
    )
    assert torch.equal(packed.data, reference.data)
    assert torch.equal(packed.batch_sizes, reference.batch_sizes)
    assert packed.sorted_indices is not None
    assert packed.unsorted_indices is not None
    assert torch.equal(packed.sorted_indices[packed.unsorted_indices], torch.arange(4))
    for row, segment in enumerate(segment_of_row.tolist()):
        assert packed.data[row].tolist() in parts[segment].tolist()


def test_batch_of_utterances_in_any_order() -> None:
    network = tiny_network()
    data = random_data((2, 4, 1), network, seed=0)
    batch = data.batch(torch.tensor([2, 0]))
    assert batch.word_counts.tolist() == [1, 2]
    assert batch.segment_index.tolist() == [[1, 0], [2, 3]]
    assert batch.mask.tolist() == [[True, False], [True, True]]
    assert batch.words[0].tolist() == [data.words[6].item(), 0]
    assert batch.words[1].tolist() == data.words[:2].tolist()
    assert batch.frame_counts.tolist() == [data.frame_counts[i].item() for i in (6, 0, 1)]
    assert len(batch.frames.data) == batch.frame_counts.sum()
