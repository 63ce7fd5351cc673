#!/usr/bin/env python3
"""Compresses a Parquet data set of embeddings with Ray, and searches it.

    embeddings.py compress --data DIR --out DIR --shards N (--fit FIT.tqi | --codebook FILE --config FILE)
    embeddings.py search --out DIR --queries FILE.parquet --top-k K [--exact]

Data set and queries have the columns `id` (text) and `vector` (lists of floats).
DIR is a folder that all nodes reach. `--tinyquant` is the command that runs tinyquant there.
"""

import argparse
import functools
import json
import os
import shlex
import sys
import time

SHARED = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, SHARED)
import tinyquant_worker
from tinyquant_worker import as_results, merge, recipe, search_shards, shard_files, shard_of, write_manifest, write_shard

# A task whose worker or process is killed is tried again; it replaces the file by the same bytes.
RETRIES = {"max_retries": 3, "retry_exceptions": [tinyquant_worker.WorkerFailed]}


def compress(o):
    """One task a shard, of which all rows are in memory."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import ray

    os.makedirs(o.out, exist_ok=True)
    shards, out = o.shards, os.path.abspath(o.out)
    make = recipe(shlex.split(o.tinyquant), o.fit, o.codebook, o.config, o.threads)

    def number(table):
        ids = pc.cast(table.column("id"), pa.string())
        numbers = pa.array([shard_of(name, shards) for name in ids.to_pylist()], pa.int32())
        return pa.table({"id": ids, "vector": table.column("vector"), "number": numbers})

    def write(table):
        rows = table.select(["id", "vector"]).sort_by("id")
        return pa.Table.from_batches(list(write_shard(rows.to_batches(max_chunksize=10_000), shards, out, make)))

    rows = ray.data.read_parquet(o.data, columns=["id", "vector"])
    numbered = rows.map_batches(number, batch_format="pyarrow")
    written = numbered.groupby("number", num_partitions=shards).map_groups(write, batch_format="pyarrow", **RETRIES)
    return write_manifest(out, written.take_all())


def search(o):
    """One worker a task over its share of the shards."""
    import pyarrow.parquet as pq
    import ray

    files, command = shard_files(os.path.abspath(o.out)), shlex.split(o.tinyquant)
    queries = ray.put(pq.read_table(o.queries, columns=["id", "vector"]))
    tasks = min(len(files), o.tasks or int(ray.cluster_resources()["CPU"]))
    task = ray.remote(search_shards).options(**RETRIES)
    shares = [files[first::tasks] for first in range(tasks)]
    lists = ray.get([task.remote(share, queries, o.top_k, command, o.exact, o.threads) for share in shares])
    best = {}
    for query, hits in (found for found_by_task in lists for found in found_by_task):
        best.setdefault(query, []).append(hits)
    return as_results([(query, functools.reduce(merge(o.top_k), hits)) for query, hits in best.items()])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("actions", nargs="+", choices=["compress", "search"])
    parser.add_argument("--address", help="of a Ray cluster; without it one is started on this machine")
    parser.add_argument("--cpus", type=int, help="processors of a cluster that is started")
    parser.add_argument("--tinyquant", default="npx tinyquant")
    parser.add_argument("--threads", type=int, default=1, help="threads of a worker: as many as a task has cores")
    parser.add_argument("--data")
    parser.add_argument("--out", required=True)
    parser.add_argument("--shards", type=int, default=8)
    parser.add_argument("--fit")
    parser.add_argument("--codebook")
    parser.add_argument("--config")
    parser.add_argument("--queries")
    parser.add_argument("--top-k", type=int, default=10)
    parser.add_argument("--tasks", type=int, help="tasks that a search is spread over")
    parser.add_argument("--exact", action="store_true")
    o = parser.parse_args()

    import ray

    # The folder of the shared module goes to every node.
    shared = {"py_modules": [tinyquant_worker]} if o.address else {"env_vars": {"PYTHONPATH": SHARED}}
    ray.init(o.address, num_cpus=None if o.address else o.cpus, include_dashboard=False, runtime_env=shared,
             log_to_driver=False, logging_level="ERROR")
    ray.data.DataContext.get_current().enable_progress_bars = False
    try:
        for action in o.actions:
            begun = time.perf_counter()
            result = compress(o) if action == "compress" else search(o)
            print(json.dumps({**result, "seconds": time.perf_counter() - begun}))
    finally:
        ray.shutdown()


if __name__ == "__main__":
    main()
