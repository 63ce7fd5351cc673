"""turbovec: one random rotation, Lloyd-Max codes, a scan of all of them."""

import os

import numpy as np
import turbovec

from .base import K, Adapter


class Engine(Adapter):
    def build(self, rows):
        self.index = turbovec.TurboQuantIndex(self.dim, self.params["bits"])
        if self.params.get("calibrate"):
            sample = np.random.default_rng(1).choice(len(rows), min(2000, len(rows)), replace=False)
            self.index.calibrate(rows[np.sort(sample)])
        self.index.add(rows)

    def add(self, rows):
        if not hasattr(self, "index"):
            self.index = turbovec.TurboQuantIndex(self.dim, self.params["bits"])
        self.index.add(rows)

    def save(self, folder):
        path = f"{folder}/index.tv"
        self.index.write(path)
        # Codes and one f32 a row; the rest is the rotation and tables of it.
        self.fixed = os.path.getsize(path) - len(self.index) * (self.dim * self.params["bits"] // 8 + 4)

    def open(self, folder):
        self.index = turbovec.TurboQuantIndex.load(f"{folder}/index.tv")

    def batch(self, queries):
        return self.index.search(queries, K)

    def ids(self, answer):
        return answer[1].tolist()
