"""Runs one index of one engine for the driver: a JSON object on standard input is a command, a line is its answer.

`worker.py ADAPTER THREADS` imports adapters/ADAPTER.py. The commands are those of `node/worker.mjs`.
"""

import gc
import importlib
import json
import os
import sys
import time

import numpy as np

BATCH = 500
# Engines write to standard output what they like; the answers keep the real one to themselves.
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)


def rows_of(path):
    """Rows of a .npy file as f32 of unit length."""
    rows = np.load(path, mmap_mode="r").astype(np.float32)
    for part in np.array_split(rows, max(1, len(rows) // 10_000)):
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    return rows


def resident():
    """Bytes of this process that lie in memory, or None where the system does not tell."""
    gc.collect()
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return None


class Worker:
    def __init__(self, adapter, threads):
        self.engine = importlib.import_module(f"adapters.{adapter}").Engine
        self.threads = threads

    def build(self, data, params, folder):
        """Builds from all rows and saves: seconds of each, and bytes of tables that do not grow."""
        rows = rows_of(data)
        index = self.engine(rows.shape[1], self.threads, params)
        start = time.perf_counter()
        index.build(rows)
        built = time.perf_counter()
        index.save(folder)
        return {"build": built - start, "save": time.perf_counter() - built, "fixed": index.fixed}

    def encode(self, data, params):
        """Adds all rows to a new index; the first thousand, which pay for the set-up, are not timed."""
        if getattr(self, "data", None) != data:
            self.data, self.rows = data, rows_of(data)
        index = self.engine(self.rows.shape[1], self.threads, params)
        index.add(self.rows[:1000])
        start = time.perf_counter()
        index.add(self.rows[1000:])
        return {"rows": len(self.rows) - 1000, "seconds": time.perf_counter() - start}

    def open(self, queries, params, folder, search):
        """Opens what was saved as the first thing of this process: seconds to the end of the first search."""
        rows = rows_of(queries)
        self.make = lambda: self.engine(rows.shape[1], self.threads, params)
        self.index = self.make()
        self.calls = {
            "alone": [(1, self.index.form(rows[i : i + 1])) for i in range(len(rows))],
            "batch": [(len(part), self.index.form(part)) for part in np.split(rows, range(BATCH, len(rows), BATCH))],
        }
        self.before = resident()
        return {"seconds": self.time_open(self.index, folder, search)}

    def reopen(self, folder, search):
        """Opens it again, five times: seconds of each to the end of its first search."""
        return {"seconds": [self.time_open(self.make(), folder, search) for _ in range(5)]}

    def time_open(self, index, folder, search):
        start = time.perf_counter()
        index.open(folder)
        index.prepare(search)
        index.alone(self.calls["alone"][0][1])
        return time.perf_counter() - start

    def memory(self):
        """Bytes that came into memory since before the index was opened."""
        now = resident()
        return {"bytes": None if now is None else now - self.before}

    def ask(self, kind, search, least, most, ids=False):
        """Asks all queries, again and again until `least` seconds are over; stops after `most`."""
        self.index.prepare(search)
        run = self.index.alone if kind == "alone" else self.index.batch
        kept, asked, seconds = [], 0, 0.0
        cpu, start = time.process_time(), time.perf_counter()
        while seconds < least or asked == 0:
            for count, call in self.calls[kind]:
                answer = run(call)
                seconds = time.perf_counter() - start
                asked += count
                if ids:
                    kept.append(answer)
                if seconds > most:
                    break
            if seconds > most or ids:
                break
        cpu = time.process_time() - cpu
        found = [row for answer in kept for row in self.index.ids(answer)]
        return {"queries": asked, "seconds": seconds, "cpu": cpu, "ids": found if ids else None}


def main():
    worker = None
    for line in sys.stdin:
        command = json.loads(line)
        try:
            worker = worker or Worker(sys.argv[1], int(sys.argv[2]))
            answer = getattr(worker, command.pop("do"))(**command)
        except Exception as error:  # whatever an engine raises is for the driver to show
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


main()
