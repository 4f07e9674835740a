"""Running a user's model and cutting it in two, leaving it as it was.

The door is `camlite.split`. After it, from the simple to the special: `names` (which layer is
meant), `running` (one way to run a model that is not ours), `twin`, `tracing` and `graph` (the cut
in the traced graph), `hooks` (the cut where that is not possible), `layout` (is this a map, or are
these tokens?), `choice` (which layer, if none is given), `fused` (the same network, faster) and
`tokens` (a transformer's tokens as a map).
"""
