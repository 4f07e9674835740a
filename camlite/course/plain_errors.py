"""What the commonest errors mean, in plain words: torch's own are written for its developers."""

from __future__ import annotations

import re

SHAPES = (
    "Two shapes do not fit each other. Print both: is an axis missing (keepdim=True, [:, None]), "
    "one too many, or are two exchanged?"
)
VALUES = (
    "The new shape has another number of values than the old one. Print the shape before: which "
    "axes do you want to keep?"
)
KINDS = (
    "Numbers of two kinds meet: whole and broken ones, or float32 and float64. Bring them to one "
    "kind: .float(), .long(), .to(other.dtype)."
)
GRAPH = (
    "There is no graph from the score back to this tensor. Is requires_grad_() missing, or was it "
    "cut by detach() or no_grad?"
)
WRITTEN = (
    "You write into a tensor that has to stay as it is. Make a new one: y = x * m, not x *= m."
)
AXIS = "There is no such axis. Print the shape and count the axes from 0."
ONE = (
    "One number is needed here, and there are several. Do you mean all of them (.any(), .all(), "
    "torch.where), or one?"
)
FINITE = (
    "Does the matrix that you decompose (O, for example) hold NaN? Print it: is something divided "
    "by 0, or is it the root or logarithm of a negative number?"
)
LETTERS = (
    "In einsum each tensor needs one letter for each of its axes. Print the shapes: how many "
    "letters does each one need?"
)
INDEX = "An index is too large: the last place is the size minus 1."
ARGUMENTS = "A function is called with other arguments than it has: see “Called …” above."

MEANINGS = (  # what stands in the error's text, and what it means; the first that fits
    ("must match the size|must match the existing size|inconsistent tensor size", SHAPES),
    ("shapes cannot be multiplied|batch2 tensor|broadcast|not aligned|mismatch", SHAPES),
    ("same shape|equal size|must match except", SHAPES),
    ("is invalid for input of size|cannot reshape", VALUES),
    ("expected scalar type|same dtype|have the same type|index tensor|used as ind", KINDS),
    ("does not require grad|not have been used in the graph", GRAPH),
    ("in-place operation", WRITTEN),
    ("Dimension out of range|axis .* is out of bounds", AXIS),
    ("more than one value|more than one element|cannot be converted to Scalar|only length-1", ONE),
    ("elements cannot be converted|only one element", ONE),
    ("algorithm failed to converge|SVD did not converge|Eigenvalues did not converge", FINITE),
    ("number of subscripts", LETTERS),
    ("index .* out of (range|bounds)", INDEX),
    (r"missing \d+ required|positional arguments? but|unexpected keyword", ARGUMENTS),
)


def meaning(error: str) -> str:
    """What an error's text means, as a sentence; "" for one that is not known."""
    known = (words for pattern, words in MEANINGS if re.search(pattern, error))
    return next(known, "")
