"""What the worker asks of an engine."""

K = 10


class Adapter:
    """An index of one engine, empty until it is built or opened.

    Rows and queries are C-contiguous f32 arrays of unit length, so that inner product, cosine and squared distance
    put them in the same order.
    """

    # Bytes of what is saved that do not grow with the rows: codebooks, centroids, axes.
    fixed = 0

    def __init__(self, dim, threads, params):
        self.dim, self.threads, self.params = dim, threads, params

    def build(self, rows):
        """Trains and fills the index."""
        raise NotImplementedError

    def add(self, rows):
        """Adds rows to an index that needs no training; for the engines whose encode rate is compared."""
        raise NotImplementedError

    def save(self, folder):
        raise NotImplementedError

    def open(self, folder):
        raise NotImplementedError

    def prepare(self, search):
        """Takes the parameters of the searches that follow."""

    def form(self, queries):
        """The queries of one call in the form that the library takes; not timed."""
        return queries

    def alone(self, query):
        """Searches one query: the timed call, and nothing else."""
        return self.batch(query)

    def batch(self, queries):
        raise NotImplementedError

    def ids(self, answer):
        """Row numbers of an answer, a list for each query; not timed."""
        raise NotImplementedError
