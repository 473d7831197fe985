"""Pure statistics of opinion scores: numbers in, numbers out. No Django, no database, no files.

Everywhere a matrix of scores has one row per stimulus and one column per viewer; a missing vote
is NaN.
"""
