#!/usr/bin/env python3
"""Compresses a Parquet data set of embeddings with Spark, and searches it.

    embeddings.py compress --data DIR --out DIR --shards N (--fit FIT.tqi | --codebook FILE --config FILE)
    embeddings.py search --out DIR --queries FILE.parquet --top-k K [--exact]

Data set and queries have the columns `id` (text) and `vector` (lists of floats).
DIR is a folder that all executors reach. `--tinyquant` is the command that runs tinyquant there.
"""

import argparse
import json
import os
import shlex
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
from tinyquant_worker import as_results, merge, recipe, search_shards, shard_files, write_manifest, write_shard


def session(master):
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.appName("tinyquant")
    if master is not None:
        builder = builder.master(master)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    spark.sparkContext.addPyFile(os.path.join(os.path.dirname(HERE), "tinyquant_worker.py"))
    return spark


def compress(spark, o):
    """One task a shard; a task that is tried again replaces the file by the same bytes."""
    from pyspark.sql import functions as F

    os.makedirs(o.out, exist_ok=True)
    shards, out = o.shards, os.path.abspath(o.out)
    make = recipe(shlex.split(o.tinyquant), o.fit, o.codebook, o.config, o.threads)
    rows = spark.read.parquet(o.data).select(F.col("id").cast("string").alias("id"), "vector")
    number = F.expr(f"cast(crc32(id) % {shards} as int)")
    sharded = rows.repartitionById(shards, number).sortWithinPartitions("id")
    written = sharded.mapInArrow(lambda batches: write_shard(batches, shards, out, make), "shard string, rows long, bytes long")
    return write_manifest(out, [row.asDict() for row in written.collect()])


def search(spark, o):
    """One worker a task over its share of the shards; hits are merged on the way to the driver."""
    import pyarrow.parquet as pq

    files, command = shard_files(os.path.abspath(o.out)), shlex.split(o.tinyquant)
    queries = spark.sparkContext.broadcast(pq.read_table(o.queries, columns=["id", "vector"]))
    top_k, exact, threads = o.top_k, o.exact, o.threads
    tasks = min(len(files), o.tasks or spark.sparkContext.defaultParallelism)
    found = spark.sparkContext.parallelize(files, tasks).mapPartitions(
        lambda share: search_shards(list(share), queries.value, top_k, command, exact, threads)
    )
    return as_results(found.reduceByKey(merge(top_k)).collect())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("actions", nargs="+", choices=["compress", "search"])
    parser.add_argument("--master", help="Spark's master, where spark-submit does not say it")
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
    spark = session(o.master)
    try:
        for action in o.actions:
            begun = time.perf_counter()
            result = compress(spark, o) if action == "compress" else search(spark, o)
            print(json.dumps({**result, "seconds": time.perf_counter() - begun}))
    finally:
        spark.stop()


if __name__ == "__main__":
    main()
