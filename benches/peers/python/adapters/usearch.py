"""usearch: a graph over rows of 8 or 16 bits a coordinate."""

import numpy as np
from usearch.index import Index

from .base import K, Adapter


class Engine(Adapter):
    def build(self, rows):
        self.index = Index(
            ndim=self.dim, metric="cos", dtype=self.params["dtype"], connectivity=16, expansion_add=128
        )
        self.index.add(np.arange(len(rows), dtype=np.uint64), rows, threads=self.threads)

    def save(self, folder):
        self.index.save(f"{folder}/index.usearch")

    def open(self, folder):
        self.index = Index.restore(f"{folder}/index.usearch", view=self.params.get("mapped", False))

    def prepare(self, search):
        self.index.expansion_search = search["ef"]

    def batch(self, queries):
        return self.index.search(queries, K, threads=self.threads)

    def ids(self, answer):
        return answer.keys.reshape(-1, K).tolist()
