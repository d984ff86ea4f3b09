"""The service on a Ray cluster of two nodes on this machine: python -m tests.service.cluster.two_nodes SERVE_CONFIG.

It does what `serve run SERVE_CONFIG` does and prints the cluster's address once every replica runs. When a line comes,
it kills the second node with everything that runs on it. It ends, with all of its processes, when its input does. What
it listens on is 127.0.0.1 alone: see ENVIRONMENT.
"""

import os
import sys
from typing import Any, Final

import psutil

from tests.waiting import wait_until

ENVIRONMENT: Final = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "disabled",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_worker_niceness": "0",
    "RAY_health_check_timeout_ms": "60000",
    "RAY_health_check_initial_delay_ms": "60000",
}
"""For every process that imports Ray. The third makes it take 127.0.0.1 for the address of this machine; the last ones
keep a node from being given up because a busy machine answers late."""
_HEAD_CPUS: Final = 4
_WORKER_CPUS: Final = 2
_LIMIT_S: Final = 240.0


def main(config: str) -> None:
    """Until the end of the input."""
    import ray

    answers = os.fdopen(os.dup(1), "w")
    # What replicas log comes out at the standard output of whoever is connected.
    os.dup2(2, 1)
    cluster, worker = start_nodes()
    try:
        deploy(config, cluster.address)
        print(cluster.address, file=answers, flush=True)
        if sys.stdin.readline():
            kill(worker)
            print("killed", file=answers, flush=True)
            sys.stdin.readline()
    finally:
        ray.shutdown()
        cluster.shutdown()


def start_nodes() -> tuple[Any, Any]:
    """The cluster and its second node."""
    from ray.cluster_utils import Cluster

    head = {"num_cpus": _HEAD_CPUS, "node_ip_address": "127.0.0.1", "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    return cluster, cluster.add_node(num_cpus=_WORKER_CPUS, node_ip_address="127.0.0.1")


def deploy(config: str, address: str) -> None:
    """Returns when every replica runs."""
    from ray import serve
    from ray.serve.schema import ApplicationStatus
    from ray.serve.scripts import run

    run.main(["--non-blocking", "--address", address, config], standalone_mode=False)
    wait_until(
        lambda: all(each.status == ApplicationStatus.RUNNING for each in serve.status().applications.values()), _LIMIT_S
    )


def kill(node: Any) -> None:
    """Ends a node and its replicas at once, as the loss of a machine does."""
    raylets = [psutil.Process(each.process.pid) for each in node.all_processes["raylet"]]
    for process in [*raylets, *(child for raylet in raylets for child in raylet.children(recursive=True))]:
        process.kill()


if __name__ == "__main__":
    os.environ |= ENVIRONMENT
    main(sys.argv[1])
