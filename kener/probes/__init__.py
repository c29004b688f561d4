"""Probes look at the outside world and bring back Readings. One module per monitor type that reaches out.

A probe module has `probe(targets, *, budget_s=None)`: an iterator of `(target id, Reading | None)` in the order in which the
looks end. All targets are looked at at once; each has its own hard deadline (its spec's timeout). With `budget_s`, whatever has
not ended by then is dropped and yields None, which means: ask again, slowly.
"""
