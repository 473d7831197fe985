"""Pure statistics of opinion scores: numbers in, numbers out. No Django, no database, no files.

Everywhere a matrix of scores has one row per stimulus and one column per viewer; a missing vote
is NaN. docs/statistics.md has every rule, formula and constant.

    matrix, vote_sums           votes to matrix; sums taken once
    mos, bootstrap, differential            means, intervals, differences from the reference
    screening, subject_model, agreement     the viewers
    signed, multiplicity, comparison, ranking, mixed_model, power       the methods
    correlation, mapping, metric_quality, metric_difference, discrimination     the metrics
"""
