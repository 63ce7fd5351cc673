"""Tests of examples/tinyquant_worker.py without an engine: python worker_test.py CLI FOLDER, a folder with codebook.tqcb,
config.json and all.parquet."""

import os
import sys
import tempfile
import time
import unittest

import pyarrow as pa
import pyarrow.parquet as pq

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "examples"))
from tinyquant_worker import WorkerFailed, merge, recipe, search_shards, shard_of, through, write_manifest, write_shard

CLI, DATA = sys.argv[1], sys.argv[2]
TINYQUANT = ["node", CLI]
ROWS = pq.read_table(os.path.join(DATA, "all.parquet"))
MAKE = recipe(TINYQUANT, codebook=os.path.join(DATA, "codebook.tqcb"), config=os.path.join(DATA, "config.json"))


class Shards(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.out = folder.name

    def write(self, batches):
        return list(write_shard(batches, 1, self.out, MAKE))

    def test_tells_what_was_written(self):
        (told,) = self.write(ROWS.to_batches(max_chunksize=300))
        path = os.path.join(self.out, "part-00000.tq")
        self.assertEqual(told.to_pylist(), [{"shard": path, "rows": ROWS.num_rows, "bytes": os.path.getsize(path)}])
        self.assertEqual(os.listdir(self.out), ["part-00000.tq"])

    def test_starts_no_process_for_no_rows(self):
        broken = {**MAKE, "command": ["/nonexistent"]}
        self.assertEqual(list(write_shard([], 1, self.out, broken)), [])
        self.assertEqual(list(write_shard(ROWS.slice(0, 0).to_batches(), 1, self.out, broken)), [])

    def test_leaves_nothing_where_the_rows_end_in_an_error(self):
        def some():
            yield from ROWS.to_batches(max_chunksize=300)[:5]
            raise KeyError("the source is gone")

        with self.assertRaisesRegex(KeyError, "the source is gone"):
            self.write(some())
        self.assertEqual(os.listdir(self.out), [])

    def test_says_why_a_worker_failed(self):
        twice = pa.concat_tables([ROWS.slice(0, 20), ROWS.slice(7, 1)]).combine_chunks()
        with self.assertRaisesRegex(WorkerFailed, "exit code 3: error: standard input: row 20: .*doc-0000007"):
            self.write(twice.to_batches())
        self.assertEqual(os.listdir(self.out), [])
        with self.assertRaisesRegex(WorkerFailed, "exit code 2: error: unknown option"):
            list(through([*MAKE["command"], "--nonsense"], ROWS.to_batches()))

    def test_says_which_signal_ended_a_worker(self):
        with self.assertRaisesRegex(WorkerFailed, "signal 9: no message"):
            list(through(["sh", "-c", "head -c 100000 >/dev/null; kill -9 $$"], ROWS.to_batches()))

    def test_ends_a_worker_whose_output_nobody_wants(self):
        def endless():
            while True:
                yield from ROWS.to_batches(max_chunksize=100)

        stream = through(MAKE["command"], endless())
        self.assertEqual(next(stream).num_rows, 100)
        begun = time.monotonic()
        stream.close()
        self.assertLess(time.monotonic() - begun, 10)

    def test_reads_ahead_no_more_than_pipes_hold(self):
        taken = 0

        def counted():
            nonlocal taken
            for batch in ROWS.to_batches(max_chunksize=50) * 20:
                taken += batch.num_rows
                yield batch

        stream = through(MAKE["command"], counted())
        next(stream)
        time.sleep(2)
        before = taken
        time.sleep(2)
        self.assertEqual(taken, before)
        self.assertLess(taken, ROWS.num_rows * 20 / 2)
        stream.close()

    def test_searches_what_was_written(self):
        self.write(ROWS.slice(0, 500).combine_chunks().to_batches())
        path = os.path.join(self.out, "part-00000.tq")
        found = search_shards([path], ROWS.slice(17, 2), 3, TINYQUANT)
        self.assertEqual([(query, hits[0][1]) for query, hits in found], [("doc-0000017",) * 2, ("doc-0000018",) * 2])

    def test_names_complete_runs(self):
        shards = [{"shard": f"x/part-0000{i}.tq", "rows": i, "bytes": 10 * i} for i in (2, 1)]
        manifest = write_manifest(self.out, shards)
        self.assertEqual((manifest["rows"], manifest["bytes"]), (3, 30))
        self.assertEqual([shard["shard"] for shard in manifest["shards"]], ["part-00001.tq", "part-00002.tq"])
        with self.assertRaisesRegex(RuntimeError, "twice"):
            write_manifest(self.out, [shards[0], shards[0]])

    def test_merges_by_score_and_then_by_id(self):
        hits = merge(3)([(-0.9, "b"), (-0.5, "a")], [(-0.9, "a"), (-0.7, "z")])
        self.assertEqual(hits, [(-0.9, "a"), (-0.9, "b"), (-0.7, "z")])

    def test_numbers_shards_by_the_checksum_of_the_id(self):
        self.assertEqual([shard_of(name, 1000) for name in ("123456789", "", "é")], [0xCBF43926 % 1000, 0, 326])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
