"""ScaNN: partitions, 4-bit codes of pairs of coordinates, the best rows again by the original vectors."""

import math

from scann import scann_ops_pybind

from .base import K, Adapter


class Engine(Adapter):
    def build(self, rows):
        leaves = round(math.sqrt(len(rows)))
        self.searcher = (
            scann_ops_pybind.builder(rows, K, "dot_product")
            .tree(leaves, max(1, leaves // 10), training_sample_size=len(rows), min_partition_size=1)
            .score_ah(2, anisotropic_quantization_threshold=0.2)
            .reorder(50)
            .set_n_training_threads(self.threads)
            .build()
        )
        # Centroids, and 16 codewords of two coordinates for each pair.
        self.fixed = 4 * self.dim * (leaves + 16)

    def save(self, folder):
        self.searcher.serialize(folder)

    def open(self, folder):
        self.searcher = scann_ops_pybind.load_searcher(folder)
        self.searcher.set_num_threads(self.threads)

    def prepare(self, search):
        leaves = round(math.sqrt(self.searcher.size()))
        self.options = K, search.get("reorder", 50), max(1, round(search["share"] * leaves))

    def form(self, queries):
        return queries[0] if len(queries) == 1 else queries

    def alone(self, query):
        return self.searcher.search(query, *self.options)

    def batch(self, queries):
        if self.threads > 1:
            return self.searcher.search_batched_parallel(queries, *self.options)
        return self.searcher.search_batched(queries, *self.options)

    def ids(self, answer):
        return answer[0].reshape(-1, K).tolist()
