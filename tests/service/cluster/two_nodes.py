"""The service on a Ray cluster of two nodes on this machine: python -m tests.service.cluster.two_nodes SERVE_CONFIG.

Does what `serve run SERVE_CONFIG` does, and prints the address of the cluster once every replica runs. A line of input
kills the second node and its replicas; the end of the input ends the cluster. Only 127.0.0.1 is used: see ENVIRONMENT.
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
"""Environment of every process that imports Ray. The third variable makes Ray use 127.0.0.1 as the address of this
machine; the last ones keep Ray from declaring a node of a busy machine dead."""
_HEAD_CPUS: Final = 4
_WORKER_CPUS: Final = 2
_LIMIT_S: Final = 240.0


def main(config: str) -> None:
    """Run the cluster until the end of the input."""
    import ray

    replies = os.fdopen(os.dup(1), "w")
    # Ray prints the logs of replicas to the standard output of this process.
    os.dup2(2, 1)
    cluster, worker = start_nodes()
    try:
        deploy(config, cluster.address)
        print(cluster.address, file=replies, flush=True)
        if sys.stdin.readline():
            kill(worker)
            print("killed", file=replies, flush=True)
            sys.stdin.readline()
    finally:
        ray.shutdown()
        cluster.shutdown()


def start_nodes() -> tuple[Any, Any]:
    """Start the cluster and return it with its second node."""
    from ray.cluster_utils import Cluster

    head = {"num_cpus": _HEAD_CPUS, "node_ip_address": "127.0.0.1", "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    return cluster, cluster.add_node(num_cpus=_WORKER_CPUS, node_ip_address="127.0.0.1")


def deploy(config: str, address: str) -> None:
    """Deploy the service; return when every replica runs."""
    from ray import serve
    from ray.serve.schema import ApplicationStatus
    from ray.serve.scripts import run

    run.main(["--non-blocking", "--address", address, config], standalone_mode=False)
    wait_until(
        lambda: all(each.status == ApplicationStatus.RUNNING for each in serve.status().applications.values()), _LIMIT_S
    )


def kill(node: Any) -> None:
    """Kill a node and its replicas at once, as the loss of a machine does."""
    raylets = [psutil.Process(each.process.pid) for each in node.all_processes["raylet"]]
    for process in [*raylets, *(child for raylet in raylets for child in raylet.children(recursive=True))]:
        process.kill()


if __name__ == "__main__":
    os.environ |= ENVIRONMENT
    main(sys.argv[1])
