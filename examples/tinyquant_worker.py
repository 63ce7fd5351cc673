"""Arrow record batches through `tinyquant worker`: what the Spark and the Ray example share.

A shard is one file, a corpus (.tq) or an index (.tqi). Its rows are those whose ids have the same CRC-32 modulo the
number of shards, in the order of their ids, so that its bytes depend on the data, the number of shards and the fit or
codebook alone: not on the engine, its partitions, the machine or how often a task was tried.
"""

import heapq
import json
import os
import subprocess
import tempfile
import threading
import zlib


class WorkerFailed(RuntimeError):
    """A worker process that did not end well: what it said, or the signal that ended it."""


def through(command, batches):
    """Yields the record batches that a worker makes of others.

    The worker reads as fast as it works and its output is read as fast as it is asked for, so that neither side has
    more than some batches in memory. Without a batch, no process is started. Raises WorkerFailed, or what `batches`
    raises; the worker then sees a stream without its end, and writes no file.
    """
    import pyarrow as pa

    batches = iter(batches)
    first = next((batch for batch in batches if batch.num_rows > 0), None)
    if first is None:
        return
    refused = []

    def feed(stream):
        try:
            writer = pa.ipc.new_stream(stream, first.schema)
            writer.write_batch(first)
            for batch in batches:
                if batch.num_rows > 0:
                    writer.write_batch(batch)
            writer.close()
        except BaseException as error:  # Handed over to the thread that reads.
            refused.append(error)
        finally:
            try:
                stream.close()
            except OSError:
                pass

    with tempfile.TemporaryFile() as said:
        worker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said)
        feeder = threading.Thread(target=feed, args=(worker.stdin,), daemon=True)
        feeder.start()
        try:
            broken = None
            try:
                yield from pa.ipc.open_stream(worker.stdout)
            except (pa.ArrowInvalid, OSError) as error:
                broken = error
            status = worker.wait()
            feeder.join()
            source = next((error for error in refused if not isinstance(error, BrokenPipeError)), None)
            if source is not None:
                raise source
            if status != 0:
                said.seek(0)
                lines = said.read().decode(errors="replace").strip().splitlines()
                how = f"exit code {status}" if status > 0 else f"signal {-status}"
                raise WorkerFailed(f"{' '.join(command)}: {how}: {lines[-1] if lines else 'no message'}")
            if broken is not None:
                raise broken
        finally:
            if worker.poll() is None:
                worker.kill()
                worker.wait()
            worker.stdout.close()


def shard_of(row_id, shards):
    """Number of the shard that a row belongs to. Spark's `crc32(id) % shards` is the same."""
    return zlib.crc32(row_id.encode()) % shards


def write_shard(batches, shards, out, make):
    """Writes the shard that all of these rows belong to, sorted by id; yields a row of what was written.

    `make` is the command without its output, and with the extension of the file under the key "extension".
    """
    batches = iter(batches)
    first = next((batch for batch in batches if batch.num_rows > 0), None)
    if first is None:
        return
    number = shard_of(first.column("id")[0].as_py(), shards)
    path = os.path.join(out, f"part-{number:05d}{make['extension']}")

    def rest():
        yield first
        yield from batches

    yield from through([*make["command"], "--output", path], rest())


def recipe(tinyquant, fit=None, codebook=None, config=None, threads=1):
    """How shards are made: index files like `fit`, or corpus files with a codebook and its configuration."""
    common = ["--threads", str(threads), "--quiet"]
    if fit is not None:
        return {"command": [*tinyquant, "worker", "index", "--like", fit, *common], "extension": ".tqi"}
    coding = ["--codebook", codebook, "--config", config]
    return {"command": [*tinyquant, "worker", "compress", *coding, *common], "extension": ".tq"}


def write_manifest(out, shards):
    """Names the shards of a finished run: the data set is complete once this file is there."""
    listed = sorted(({"shard": os.path.basename(s["shard"]), "rows": s["rows"], "bytes": s["bytes"]} for s in shards),
                    key=lambda s: s["shard"])
    names = [s["shard"] for s in listed]
    if len(set(names)) != len(names):
        raise RuntimeError(f"a shard was written twice: {names}")
    manifest = {"rows": sum(s["rows"] for s in listed), "bytes": sum(s["bytes"] for s in listed), "shards": listed}
    temporary = os.path.join(out, ".manifest.json.partial")
    with open(temporary, "w") as file:
        json.dump(manifest, file, indent=2)
        file.write("\n")
    os.replace(temporary, os.path.join(out, "manifest.json"))
    return manifest


def shard_files(out):
    """Paths of the shards that the manifest names."""
    with open(os.path.join(out, "manifest.json")) as file:
        return [os.path.join(out, s["shard"]) for s in json.load(file)["shards"]]


def search_shards(files, queries, top_k, tinyquant, exact=False, threads=1):
    """The best rows of some shards: a list of (query, [(-score, id), ...]), best first.

    `queries` is a table with the columns `id`, the name of a query, and `vector`.
    """
    command = [*tinyquant, "worker", "search", "--file", *files, "--top-k", str(top_k), "--threads", str(threads), "--quiet"]
    found = []
    for batch in through([*command, *(["--exact"] if exact else [])], queries.to_batches()):
        for row in batch.to_pylist():
            found.append((row["id"], [(-score, name) for score, name in zip(row["scores"], row["ids"])]))
    return found


def merge(top_k):
    """Merges two lists of hits: by score, hits of equal scores by id."""
    return lambda a, b: list(heapq.merge(a, b))[:top_k]


def as_results(found):
    """Hits of each query, in the order of the queries' names."""
    hits = [(query, [{"id": name, "score": -score} for score, name in best]) for query, best in sorted(found)]
    return {"results": [{"query": query, "hits": best} for query, best in hits]}
