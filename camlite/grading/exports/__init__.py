"""Marks for other systems: one module for each.

What students read there is `Mark.message` as text, never as HTML. Tables (Canvas, Moodle) are
never made here: the file that the system exported is filled in, and only one column changes.
"""
