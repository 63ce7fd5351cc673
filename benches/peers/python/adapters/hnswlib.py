"""hnswlib: a graph over f32 rows."""

import hnswlib

from .base import K, Adapter


class Engine(Adapter):
    def build(self, rows):
        self.index = hnswlib.Index("ip", self.dim)
        self.index.init_index(len(rows), ef_construction=200, M=16)
        self.index.add_items(rows, num_threads=self.threads)

    def save(self, folder):
        self.index.save_index(f"{folder}/index.hnsw")

    def open(self, folder):
        self.index = hnswlib.Index("ip", self.dim)
        self.index.load_index(f"{folder}/index.hnsw")
        self.index.set_num_threads(self.threads)

    def prepare(self, search):
        self.index.set_ef(search["ef"])

    def batch(self, queries):
        return self.index.knn_query(queries, K)

    def ids(self, answer):
        return answer[0].tolist()
