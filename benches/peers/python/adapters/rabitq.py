"""RaBitQ library: its partitioned index, with one partition as a scan of everything."""

import math

import numpy as np
from rabitqlib import FinalAssignmentMode, IvfIndex, RaBitQKMeans

from .base import K, Adapter


class Engine(Adapter):
    def build(self, rows):
        count = round(math.sqrt(len(rows))) if self.params.get("partitions") else 1
        if count == 1:
            centroids, owners = rows.mean(0, keepdims=True), np.zeros(len(rows), np.uint32)
        else:
            means = RaBitQKMeans(self.dim, count, num_threads=self.threads, final_assignment=FinalAssignmentMode.Exact)
            means.train(rows)
            centroids, owners = means.centroids, means.assignments
        self.index = IvfIndex(self.dim, len(rows), count, self.params["bits"], metric="ip")
        self.index.build(rows, centroids, owners, num_threads=self.threads)
        self.fixed = 4 * self.dim * count

    def save(self, folder):
        self.index.save(f"{folder}/index.rabitq")

    def open(self, folder):
        self.index = IvfIndex.load(f"{folder}/index.rabitq")

    def prepare(self, search):
        self.probes = max(1, round(search.get("share", 1) * self.index.num_clusters))

    def batch(self, queries):
        return self.index.search(queries, K, self.probes, num_threads=self.threads)

    def ids(self, answer):
        return answer[0].tolist()
