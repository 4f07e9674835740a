"""For the university lab: hand out, grade, give back, export.

`camlite release` writes what students get, `camlite grade` marks what they hand in, `camlite
export` fills in the tables of other systems. Submitted code runs behind `grading.sandbox`; what
it sends back is plain numbers and text, and the verdict is made on this side.
"""
