"""Traces, made from the log afterwards: nothing is added to a record, and no role that handles money takes part."""
