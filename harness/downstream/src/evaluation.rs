//! A model becomes scores on benchmarks, by OpenCompass or lm-eval.
