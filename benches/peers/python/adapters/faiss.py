"""FAISS: any index that its factory makes from a description."""

import faiss

from .base import K, Adapter


class Engine(Adapter):
    def __init__(self, dim, threads, params):
        super().__init__(dim, threads, params)
        faiss.omp_set_num_threads(threads)

    def build(self, rows):
        factory = self.params["factory"]
        # Product quantizers have 4 bits a piece: two coordinates each for 2 bits a coordinate.
        factory = factory.replace("PIECES", str(self.dim * self.params.get("bits", 4) // 4))
        self.index = faiss.index_factory(self.dim, factory, faiss.METRIC_INNER_PRODUCT)
        self.index.train(rows)
        self.index.add(rows)
        if isinstance(self.index, faiss.IndexPQFastScan):
            self.fixed = 4 * self.index.pq.centroids.size()

    def save(self, folder):
        faiss.write_index(self.index, f"{folder}/index.faiss")

    def open(self, folder):
        self.index = faiss.read_index(f"{folder}/index.faiss")

    def batch(self, queries):
        return self.index.search(queries, K)

    def ids(self, answer):
        return answer[1].tolist()
