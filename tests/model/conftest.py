import torch

# The networks of these tests are small: synchronising threads would take longer than computing.
torch.set_num_threads(1)
