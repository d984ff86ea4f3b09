"""The audio side of the compared systems: a BLSTM over the frames of whole utterances."""

from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from model.config import NetworkConfig
from model.data.batches import Batch
from model.network.packed_lstm import run_bilstm


class FrameEncoder(nn.Module):
    """A BLSTM over MFCC frames, then dropout.

    The batch must come from the segmentation "whole", so that segment i is utterance i.
    """

    def __init__(self, config: NetworkConfig) -> None:
        """Makes one bidirectional layer."""
        super().__init__()
        self.lstm = nn.LSTM(config.n_mfcc, config.hidden, batch_first=True, bidirectional=True)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, batch: Batch) -> PackedSequence:
        """(frames, 2 · hidden) packed; `batch.utterance_of_row` tells whose each row is."""
        packed = run_bilstm(self.lstm, batch.frames)
        dropped: Tensor = self.dropout(packed.data)
        return packed._replace(data=dropped)
