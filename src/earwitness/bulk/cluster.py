"""Joining a Ray cluster, or starting one of this machine, with Ray Data set for work whose parts may get lost."""

from __future__ import annotations

import logging
import os
import socket
import warnings
from typing import Any

import ray
import ray.data
from ray.exceptions import RayError

from earwitness.errors import NotReady


def connect(address: str, workers: int) -> None:
    """Joins the cluster at `address`, or starts one of this machine ("local") with `workers` processors (0: all).

    Nothing is reported to anybody. The program's settings go along, but no keys: those belong into the environment of
    the machines.

    Raises:
        NotReady: there is no cluster, or it will not have us.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    where: dict[str, Any] = {"address": address}
    if address == "local":
        # As urgent as worker processes are; Ray would make them the least urgent of the machine.
        os.environ.setdefault("RAY_worker_niceness", "0")
        where |= {"num_cpus": workers or None, "include_dashboard": False, "object_store_memory": 256 << 20}
    else:
        _reach(address)
        settings = {k: v for k, v in os.environ.items() if k.startswith("EARWITNESS_") and "KEY" not in k}
        where |= {"runtime_env": {"env_vars": settings}}
    try:
        ray.init(**where, log_to_driver=False, logging_level=logging.ERROR, ignore_reinit_error=True)
    except (OSError, RuntimeError, ValueError, RayError) as error:
        raise NotReady(f"There is no Ray cluster to work with at {address}: {error}") from error
    # `max_restarts` has no successor; the extra `ray` stays below the version that takes it away.
    warnings.filterwarnings("ignore", message=".*ray_remote_args.*")
    told = ray.data.DataContext.get_current()
    told.enable_progress_bars = False
    told.print_on_execution_start = False
    told.max_errored_blocks = -1  # what is missing is sent again
    told.max_consecutive_actor_init_deaths = 8  # placed on a machine whose death is not known yet


def _reach(address: str) -> None:
    """Raises NotReady at once where nobody listens; Ray itself would try for minutes."""
    host, _, port = address.rpartition("://")[2].partition("/")[0].rpartition(":")
    if not port.isdigit():  # "auto", or a name that Ray resolves
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10.0).close()
    except OSError as error:
        raise NotReady(f"There is no Ray cluster at {address}: {error.strerror or error}.") from error
