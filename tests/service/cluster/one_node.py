"""The service on a Ray cluster of one node on this machine: python -m tests.service.cluster.one_node SERVE_CONFIG.

Prints a line once every replica runs, and for each line of input the number of running replicas of `Aligner`. The end
of the input ends the cluster.
"""

import os
import sys
from typing import Final

from tests.service.cluster.two_nodes import ENVIRONMENT, deploy

_CPUS: Final = 4


def main(config: str) -> None:
    """Run the cluster until the end of the input."""
    import ray
    from ray import serve
    from ray.cluster_utils import Cluster

    replies = os.fdopen(os.dup(1), "w")
    # Ray prints the logs of replicas to the standard output of this process.
    os.dup2(2, 1)
    node = {"num_cpus": _CPUS, "node_ip_address": "127.0.0.1", "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=node)
    try:
        deploy(config, cluster.address)
        print("ready", file=replies, flush=True)
        for _ in sys.stdin:
            [application] = serve.status().applications.values()
            states = application.deployments["Aligner"].replica_states.items()
            print(sum(number for state, number in states if str(state).endswith("RUNNING")), file=replies, flush=True)
    finally:
        ray.shutdown()
        cluster.shutdown()


if __name__ == "__main__":
    os.environ |= ENVIRONMENT
    main(sys.argv[1])
