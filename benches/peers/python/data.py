"""Makes a data set ready: `data.py NAME DATA_FOLDER OUT_FOLDER` prints where its rows, queries and exact hits are.

The exact hits are the ten rows of highest cosine for each query, best first, by f32 products with all rows.
"""

import json
import os
import sys

import numpy as np

K = 10
SEED = 20261123


def unit(rows):
    rows = np.asarray(rows, np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def save(path, rows):
    np.save(f"{path}.part.npy", rows)
    os.replace(f"{path}.part.npy", path)


def million(source, path):
    """Ten rows from each row x: x + a y + 0.35 (v - w), with y, v, w other rows at random and a in 0 .. 1.

    Mixing keeps the rows where the data is dense; the difference of two rows perturbs with the data's own covariance.
    """
    x = unit(np.load(source))
    out = np.empty((10 * len(x), x.shape[1]), np.float16)
    for block in range(10):
        rng = np.random.default_rng([SEED, block])
        y, v, w = (x[rng.permutation(len(x))] for _ in range(3))
        a = rng.uniform(0, 1, (len(x), 1)).astype(np.float32)
        out[block * len(x) : (block + 1) * len(x)] = unit(x + a * y + np.float32(0.35) * (v - w))
    save(path, out)


def noise(path, rows, dim):
    """Normal rows whose deviation falls with the square root of the coordinate's number."""
    rng = np.random.default_rng([SEED, dim])
    spread = np.sqrt(1 / np.arange(1, dim + 1, dtype=np.float32))
    out = np.empty((rows, dim), np.float16)
    for at in range(0, rows, 10_000):
        out[at : at + 10_000] = unit(rng.standard_normal((min(10_000, rows - at), dim), np.float32) * spread)
    save(path, out)


def held_out(source, base, queries):
    """Every tenth row becomes a query, the others stay: what is fitted must not see its queries."""
    rows = np.load(source)
    is_query = np.arange(len(rows)) % 10 == 9
    save(base, rows[~is_query])
    save(queries, rows[is_query])


def exact(base, queries):
    q = unit(np.load(queries))
    rows = np.load(base, mmap_mode="r")
    scores = np.full((len(q), K), -2, np.float32)
    ids = np.zeros((len(q), K), np.int64)
    for at in range(0, len(rows), 20_000):
        block = q @ unit(rows[at : at + 20_000]).T
        top = np.argpartition(-block, min(K, block.shape[1] - 1), axis=1)[:, :K]
        scores = np.hstack([scores, np.take_along_axis(block, top, 1)])
        ids = np.hstack([ids, top + at])
        order = np.argsort(-scores, axis=1, kind="stable")[:, :K]
        scores, ids = (np.take_along_axis(part, order, 1) for part in (scores, ids))
    return ids.astype(np.int32)


def find(folder, name):
    """A file of the data folder; `name` may begin with a star."""
    for file in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        if file == name or (name[0] == "*" and file.endswith(name[1:])):
            return os.path.join(folder, file)
    sys.exit(f"no {name} in {folder}: set TINYQUANT_DATA to the folder of the large test sets")


def ready(name, folder, out):
    """Paths of rows and queries, made where they are not yet there."""
    base, queries = (os.path.join(out, f"{name}.{part}.npy") for part in ("base", "queries"))
    if name == "demo":
        return find(folder, "vectors.f16.npy"), find(folder, "queries.f16.npy")
    if name == "minilm":
        return find(folder, "minilm-100k.f16.npy"), find(folder, "minilm-queries-1k.f16.npy")
    if name == "mpnet":
        return find(folder, "mpnet-20k.f16.npy"), find(folder, "mpnet-queries-1k.f16.npy")
    if name == "million":
        if not os.path.exists(base):
            million(find(folder, "minilm-100k.f16.npy"), base)
        return base, find(folder, "minilm-queries-1k.f16.npy")
    if name == "small1536":
        if not os.path.exists(queries):
            held_out(find(folder, "*-335x1536.npy"), base, queries)
        return base, queries
    sys.exit(f"there is no data set {name}")


def main(name, folder, out):
    os.makedirs(out, exist_ok=True)
    if name == "encode1536":
        sets = []
        for dim in (384, 1536):
            path = os.path.join(out, f"noise-{dim}.npy")
            if not os.path.exists(path):
                noise(path, 100_000, dim)
            sets.append({"base": path, "rows": 100_000, "dim": dim})
        print(json.dumps(sets))
        return
    base, queries = ready(name, folder, out)
    truth = os.path.join(out, "..", "truth", f"{name}.npy")
    if not os.path.exists(truth):
        os.makedirs(os.path.dirname(truth), exist_ok=True)
        save(truth, exact(base, queries))
    rows, dim = np.load(base, mmap_mode="r").shape
    hits = np.load(truth).tolist()
    print(json.dumps({"base": base, "queries": queries, "rows": rows, "dim": dim, "truth": hits}))


main(*sys.argv[1:])
