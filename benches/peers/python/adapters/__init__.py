"""One module an engine; each has a class `Engine` that is a `base.Adapter`."""
