#!/usr/bin/env python3
"""The values that tests of gra-analysis call golden: coefficients and tests by other packages.

    pip install irrCAC==0.4.4 krippendorff==0.9.0 pingouin==0.6.1 scikit-learn==1.9.1 scipy==1.12.0 statsmodels==0.15.0
    python statistics-reference.py
"""

import krippendorff
import numpy as np
import pandas as pd
import pingouin
from irrCAC.raw import CAC
from scipy import stats
from sklearn.metrics import cohen_kappa_score
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm
from statsmodels.stats.inter_rater import fleiss_kappa
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

NO = np.nan
# Krippendorff 2011, example C: four observers, twelve units; Gwet 2014 uses it too.
OBSERVERS = np.array([
    [1, 2, 3, 3, 2, 1, 4, 1, 2, NO, NO, NO],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NO, 3],
    [NO, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NO],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NO],
])
# Shrout and Fleiss 1979, table 2: six targets, four judges.
JUDGES = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
# Fleiss 1971, table 1: thirty patients, six psychiatrists, five diagnoses.
DIAGNOSES = """00060 03003 01401 00006 03030 20400 00402 20310 20040 00006 10050 11040 03300 10050 02031
00501 30012 51000 02040 10203 00006 01050 02013 20040 10041 05010 40002 02040 10500 00006""".split()
# Gwet 2008: two raters, a trait that is nearly always there.
TRAIT = [(1, 1)] * 118 + [(1, 0)] * 5 + [(0, 1)] * 2
X = [8.5, 8.0, 8.0, 9.0, 7.5, 8.0, 9.5, 10.0, 7.5, 8.5]
Y = [8.0, 8.0, 7.0, 9.0, 8.0, 7.0, 9.0, 9.0, 6.0, 9.0]


def main():
    show("alpha, interval: observers", krippendorff.alpha(OBSERVERS, level_of_measurement="interval"))
    show("alpha, interval: judges", krippendorff.alpha(np.array(JUDGES).T, level_of_measurement="interval"))
    long = [(unit, judge, score) for unit, row in enumerate(JUDGES) for judge, score in enumerate(row)]
    long = pd.DataFrame(long, columns=["unit", "judge", "score"])
    icc = pingouin.intraclass_corr(long, "unit", "judge", "score").set_index("Type")
    show("ICC(1,1): judges", icc["ICC"].iloc[0])
    show("ICC(1,1): observers", one_way(OBSERVERS.T))
    observers = CAC(pd.DataFrame(OBSERVERS.T), digits=12)
    show("AC1: observers", observers.gwet()["est"]["coefficient_value"])
    show("Fleiss' kappa: observers", observers.fleiss()["est"]["coefficient_value"])
    counts = np.array([[int(count) for count in row] for row in DIAGNOSES])
    raters = pd.DataFrame([np.repeat(np.arange(5), row) for row in counts])
    show("Fleiss' kappa: diagnoses", fleiss_kappa(counts))
    show("AC1: diagnoses", CAC(raters, digits=12).gwet()["est"]["coefficient_value"])
    show("AC1: trait", CAC(pd.DataFrame(TRAIT), digits=12).gwet()["est"]["coefficient_value"])
    for both, one, other, neither in [(118, 5, 2, 0), (20, 5, 10, 15), (45, 15, 25, 15), (25, 35, 5, 35)]:
        pairs = [(1, 1)] * both + [(1, 0)] * one + [(0, 1)] * other + [(0, 0)] * neither
        show(f"Cohen's kappa: {both}, {one}, {other}, {neither}", cohen_kappa_score(*zip(*pairs)))
    show("Spearman", stats.spearmanr(X, Y).statistic)
    show("Kendall tau-b", stats.kendalltau(X, Y).statistic)
    for yes, n in [(0, 10), (5, 10), (873, 1000), (10, 10), (1, 1)]:
        show(f"Wilson {yes} of {n}", *proportion_confint(yes, n, method="wilson"))
    for family in [[0.01, 0.04, 0.03, 0.005], [0.5, 0.02, 0.02, 0.9, 0.0]]:
        show(f"Holm {family}", *multipletests(family, method="holm")[1])
    welch = stats.ttest_ind(flat(13, 2.0), flat(20, 1.0), equal_var=False)
    interval = welch.confidence_interval(0.95)
    show("Welch", welch.df, welch.pvalue, interval.low, interval.high)
    show("related rows: standard error, degrees of freedom", *related())


def one_way(rows):
    """ICC(1,1) of unequal groups from a one-way analysis of variance (Donner 1986, section 2)."""
    pairs = [(unit, score) for unit, row in enumerate(rows) for score in row if not np.isnan(score)]
    frame = pd.DataFrame(pairs, columns=["unit", "score"])
    table = anova_lm(ols("score ~ C(unit)", frame).fit())
    between, within = table["mean_sq"].iloc[0], table["mean_sq"].iloc[1]
    sizes = frame.groupby("unit").size()
    size = (sizes.sum() - (sizes**2).sum() / sizes.sum()) / (len(sizes) - 1)
    return (between - within) / (between + (size - 1) * within)


def flat(n, slope):
    """Values whose kurtosis is below a normal distribution's."""
    return np.array([slope * (row * 7 % n) for row in range(n)])


def related():
    """The estimator of decision 21 in full matrices: two sides of 14 and 15 rows with two items each."""
    sizes = np.array([14, 15])
    values = np.concatenate([flat(14, 1.0), flat(15, 0.5)])
    side = np.repeat([0, 1], sizes)
    items = [{row % 6, 100 + row * 3 % 13} for row in range(29)]
    shares = np.array([[float(bool(one & other)) for other in items] for one in items])
    weights = np.array([-1, 1])[side] / sizes[side]
    same_side = side[:, None] == side[None, :]
    # Subtracts the mean of a row's side, and scales up what is left.
    scale = np.sqrt(sizes / (sizes - 1))[side]
    centre = np.diag(scale) @ (np.eye(29) - same_side / sizes[side])
    residuals = centre @ values
    variance = np.array([values[side == s].var(ddof=1) for s in (0, 1)])[side]
    products = np.outer(weights, weights) * shares
    root = np.diag(np.sqrt(variance))
    spread = root @ centre.T @ products @ centre @ root
    trace = np.trace(spread)
    independent = (weights**2 * variance).sum()
    error = np.sqrt(residuals @ products @ residuals * independent / trace)
    return error, trace**2 / (spread * spread).sum()


def show(name, *values):
    print(name, *(repr(float(value)) for value in values), sep="\t")


main()
