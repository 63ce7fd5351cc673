"""SVS: a Vamana graph over f32 rows (its compressed rows work on Intel processors only)."""

import os

import svs

from .base import K, Adapter


class Engine(Adapter):
    def build(self, rows):
        # For inner products the graph wants an alpha below one.
        parameters = svs.VamanaBuildParameters(alpha=0.95, graph_max_degree=32, window_size=128)
        self.index = svs.Vamana.build(parameters, rows, svs.DistanceType.MIP, num_threads=self.threads)

    def save(self, folder):
        self.index.save(*(os.path.join(folder, part) for part in ("config", "graph", "data")))

    def open(self, folder):
        self.index = svs.Vamana(
            f"{folder}/config",
            svs.GraphLoader(f"{folder}/graph"),
            svs.VectorDataLoader(f"{folder}/data", svs.DataType.float32),
            svs.DistanceType.MIP,
            num_threads=self.threads,
        )

    def prepare(self, search):
        self.index.search_window_size = search["window"]

    def batch(self, queries):
        return self.index.search(queries, K)

    def ids(self, answer):
        return answer[0].tolist()
