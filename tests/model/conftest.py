import torch

# The networks of these tests are small: threads would wait for each other longer than they compute.
torch.set_num_threads(1)
