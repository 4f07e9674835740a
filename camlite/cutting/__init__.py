"""Running a user's model and cutting it in two, leaving it as it was.

The door is `camlite.split`. Behind it: `running` (one way to run a model that is not ours),
`graph` (the cut in the traced graph), `hooks` (the cut where tracing fails), `choice` (which
layer, if none is given) and `tokens` (a transformer's tokens as a map).
"""
